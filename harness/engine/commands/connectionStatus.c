/* SPDX-License-Identifier: Apache-2.0
 *
 * connectionStatus: who is logged in on this connection. Nobody ever is: there is no access
 * control.
 */
#include "engine/diagnostics.h"

static const struct field fields[] = {{NULL, FIELD_END, 0, false}};

static bool run(struct request *request)
{
    return diagnostics_reply(
        request, "{\"authInfo\": {\"authenticatedUsers\": [], \"authenticatedUserRoles\": []}}");
}

const struct command command_connectionStatus = {.name = "connectionStatus",
                                                 .flags = COMMAND_LENIENT,
                                                 .fields = fields,
                                                 .run = run};
