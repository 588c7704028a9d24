/* SPDX-License-Identifier: Apache-2.0
 *
 * commitTransaction: makes the writes of a transaction visible, all at once. A driver that got no
 * answer sends it again, so that committing what is committed is fine. After an abort, whoever's it
 * was, it is 251. Acted on: the envelope only; the recovery token is for sharded clusters.
 */
#include "engine/command.h"

#include "engine/sessions.h"

static const struct field fields[] = {{"recoveryToken", FIELD_IGNORED, 0, false},
                                      {NULL, FIELD_END, 0, false}};

static bool run(struct request *request)
{
    return transaction_commit(request);
}

COMMAND(commitTransaction, COMMAND_WRITES | COMMAND_ADMIN | COMMAND_ENDS, .fields = fields);
