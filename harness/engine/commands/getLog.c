/* SPDX-License-Identifier: Apache-2.0
 *
 * getLog: lines of the server's log. There is one that mongosh asks for, startupWarnings, and it
 * says what this server is; others are empty.
 */
#include "engine/diagnostics.h"
#include "engine/dispatch.h"
#include <string.h>

static bool run(struct request *request)
{
    bson_value_t which;
    request_first(request, &which);
    bool warnings = which.value_type == BSON_TYPE_UTF8 &&
                    strcmp(which.value.v_utf8.str, "startupWarnings") == 0;
    return diagnostics_reply(request, "{\"totalLinesWritten\": %d, \"log\": [%s]}", warnings,
                             warnings ? "\"racebench's embedded engine, one thread, not MongoDB\""
                                      : "");
}

COMMAND(getLog, COMMAND_LENIENT | COMMAND_ADMIN, .fields = NULL);
