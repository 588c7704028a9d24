/* SPDX-License-Identifier: Apache-2.0
 *
 * getParameter: settings by name, or all of them ("*"). The few that drivers, their tests and
 * mongosh ask for; asking only for others is 72, as in MongoDB.
 */
#include "engine/diagnostics.h"
#include "engine/dispatch.h"
#include <string.h>

static bool run(struct request *request)
{
    bson_t all = BSON_INITIALIZER, *reply = request->reply;
    bson_iter_t iter;
    bson_value_t which;
    request_first(request, &which);
    bool every = which.value_type == BSON_TYPE_UTF8 && strcmp(which.value.v_utf8.str, "*") == 0;
    request->reply = &all;
    diagnostics_reply(request,
                      "{\"featureCompatibilityVersion\": {\"version\": \"6.0\"}, "
                      "\"enableTestCommands\": %d, \"transactionLifetimeLimitSeconds\": 60, "
                      "\"authenticationMechanisms\": [], \"requireApiVersion\": false}",
                      request->engine->test_commands);
    request->reply = reply;
    must(bson_iter_init(&iter, &all));
    while (bson_iter_next(&iter))
        if (every || bson_has_field(request->body, bson_iter_key(&iter)))
            bson_append_iter(reply, NULL, 0, &iter);
    bson_destroy(&all);
    return !bson_empty(reply) ||
           failure_set(&request->failure, FAILURE_INVALID_OPTIONS, "no option found to get");
}

COMMAND(getParameter, COMMAND_LENIENT | COMMAND_ADMIN, .fields = NULL);
