/* SPDX-License-Identifier: Apache-2.0
 *
 * serverStatus: state of the server. Drivers' tests look at the process's name and the version;
 * tools for the storage engine. Counters are not kept.
 */
#include "engine/diagnostics.h"
#include <string.h>
#include <unistd.h>

static bool run(struct request *request)
{
    return diagnostics_reply(
        request,
        "{\"host\": \"racebench\", \"version\": \"%s\", \"process\": \"racebench\", "
        "\"pid\": %d, \"localTime\": {\"$date\": {\"$numberLong\": \"%lld\"}}, "
        "\"storageEngine\": {\"name\": \"%s\", \"persistent\": %s}}",
        engine_version(), (int)getpid(), (long long)request->now_ms, request->engine->store,
        strcmp(request->engine->store, "memory") == 0 ? "false" : "true");
}

COMMAND(serverStatus, COMMAND_LENIENT, .fields = NULL);
