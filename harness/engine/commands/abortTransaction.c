/* SPDX-License-Identifier: Apache-2.0
 *
 * abortTransaction: takes the writes of a transaction back; whoever is parked behind it goes on.
 * What was aborted already, by an error or by its lifetime, is 251, which drivers swallow; what is
 * committed is 256.
 */
#include "engine/command.h"

#include "engine/sessions.h"

static const struct field fields[] = {{"recoveryToken", FIELD_IGNORED, 0, false},
                                      {NULL, FIELD_END, 0, false}};

static bool run(struct request *request)
{
    transaction_abort(request->engine, request->session);
    request->transaction = NULL;
    return true;
}

COMMAND(abortTransaction, COMMAND_WRITES | COMMAND_ADMIN | COMMAND_ENDS, .fields = fields);
