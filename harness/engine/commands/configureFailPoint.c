/* SPDX-License-Identifier: Apache-2.0
 *
 * configureFailPoint: a client says what shall go wrong; see failpoint.h. An engine without test
 * commands does not know it, as a mongod without enableTestCommands does not: whoever can reach the
 * socket could otherwise make it fail.
 */
#include "engine/failpoint.h"

static const struct field fields[] = {
    {"mode", FIELD_VALUE, offsetof(struct failpoint_arguments, mode), true},
    {"data", FIELD_DOCUMENT, offsetof(struct failpoint_arguments, data), false},
    {NULL, FIELD_END, 0, false},
};

static bool run(struct request *request)
{
    if (request->engine->test_commands)
        return failpoint_configure(request);
    return failure_set(&request->failure, FAILURE_COMMAND_NOT_FOUND,
                       "no such command: 'configureFailPoint'; it needs an engine with test "
                       "commands");
}

COMMAND(configureFailPoint, COMMAND_ADMIN, .fields = fields,
        .arguments_bytes = sizeof(struct failpoint_arguments));
