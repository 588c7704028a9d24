/* SPDX-License-Identifier: Apache-2.0
 *
 * commitTransaction: makes the writes of a transaction visible. A standalone has no transactions:
 * drivers start them all the same (libmongoc does not look at the server's type), so the first
 * statement is refused by the envelope with code 20, and this command, which needs a transaction
 * number to mean anything, is refused in the same words.
 */
#include "engine/command.h"

static const struct field fields[] = {{NULL, FIELD_END, 0, false}};

static bool run(struct request *request)
{
    return failure_set(&request->failure, FAILURE_ILLEGAL_OPERATION,
                       "Transaction numbers are only allowed on a replica set member or mongos");
}

const struct command command_commitTransaction = {.name = "commitTransaction",
                                                  .flags = COMMAND_WRITES | COMMAND_ADMIN,
                                                  .fields = fields,
                                                  .run = run};
