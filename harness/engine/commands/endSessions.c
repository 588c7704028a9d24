/* SPDX-License-Identifier: Apache-2.0
 *
 * endSessions, refreshSessions: a driver says at its end which sessions it will not use again, so
 * that their open transactions are aborted and what their retryable writes did need not be kept any
 * longer; or, of sessions that it keeps for long, that they are still wanted. libmongoc waits for
 * the reply; Node sends it with w:0 and moreToCome and wants none.
 */
#include "engine/command.h"

#include "engine/sessions.h"

static bool run(struct request *request)
{
    bool end = bson_has_field(request->body, "endSessions");
    return sessions_each(request, end ? SESSIONS_END : SESSIONS_REFRESH, false);
}

COMMAND(endSessions, COMMAND_WRITES, .alias = "refreshSessions");
