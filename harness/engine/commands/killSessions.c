/* SPDX-License-Identifier: Apache-2.0
 *
 * killSessions, killAllSessions: the open transactions of the sessions listed, or of all, are
 * aborted. The sessions themselves stay, and so does what their retryable writes did: whoever owns
 * one may go on with a higher number. The tests of drivers send killAllSessions before each test,
 * so that a transaction that an earlier one left open does not make them wait.
 */
#include "engine/command.h"

#include "engine/sessions.h"

static bool run(struct request *request)
{
    return sessions_each(request, SESSIONS_KILL, bson_has_field(request->body, "killAllSessions"));
}

COMMAND(killSessions, 0, .alias = "killAllSessions");
