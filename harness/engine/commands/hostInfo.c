/* SPDX-License-Identifier: Apache-2.0
 *
 * hostInfo: the machine. Tools print it beside their figures; racebench's own results say more.
 */
#include "engine/diagnostics.h"
#include <unistd.h>

static bool run(struct request *request)
{
    return diagnostics_reply(request,
                             "{\"system\": {\"hostname\": \"racebench\", \"cpuAddrSize\": 64, "
                             "\"numCores\": %ld}, \"os\": {\"type\": \"Linux\"}, \"extra\": {}}",
                             sysconf(_SC_NPROCESSORS_ONLN));
}

COMMAND(hostInfo, COMMAND_LENIENT | COMMAND_ADMIN, .fields = NULL);
