/* SPDX-License-Identifier: Apache-2.0
 *
 * whatsmyuri: the client's own address, as far as it is known here: the number of its connection
 * stands for the port.
 */
#include "engine/diagnostics.h"

static bool run(struct request *request)
{
    return diagnostics_reply(request, "{\"you\": \"127.0.0.1:%d\"}",
                             (int)request->origin->connection);
}

COMMAND(whatsmyuri, COMMAND_LENIENT, .fields = NULL);
