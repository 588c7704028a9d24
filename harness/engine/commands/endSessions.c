/* SPDX-License-Identifier: Apache-2.0
 *
 * endSessions: a driver says at its end which sessions it will not use again. Sessions hold
 * nothing yet on the standalone persona, so the list is only checked for its form. libmongoc
 * waits for the reply; Node sends it with w:0 and moreToCome and wants none.
 */
#include "engine/command.h"

#include "engine/dispatch.h"

static const struct field fields[] = {{NULL, FIELD_END, 0, false}};

static bool run(struct request *request)
{
    bson_value_t sessions;
    request_first(request, &sessions);
    return sessions.value_type == BSON_TYPE_ARRAY ||
           failure_set(&request->failure, FAILURE_TYPE_MISMATCH,
                       "BSON field 'endSessions.endSessions' is the wrong type '%s', expected type "
                       "'array'",
                       fields_type_name(sessions.value_type));
}

const struct command command_endSessions = {.name = "endSessions",
                                            .flags = COMMAND_WRITES,
                                            .fields = fields,
                                            .run = run};
