/* SPDX-License-Identifier: Apache-2.0
 *
 * connectionStatus: who is logged in on this connection. Nobody ever is: there is no access
 * control.
 */
#include "engine/diagnostics.h"

static bool run(struct request *request)
{
    return diagnostics_reply(
        request, "{\"authInfo\": {\"authenticatedUsers\": [], \"authenticatedUserRoles\": []}}");
}

COMMAND(connectionStatus, COMMAND_LENIENT, .fields = NULL);
