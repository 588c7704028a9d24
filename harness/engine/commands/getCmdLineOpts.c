/* SPDX-License-Identifier: Apache-2.0
 *
 * getCmdLineOpts: how the server was started. mongosh asks for it to greet its user; the answer is
 * short because there is no mongod here.
 */
#include "engine/diagnostics.h"

static bool run(struct request *request)
{
    return diagnostics_reply(request, "{\"argv\": [\"racebench\"], \"parsed\": {}}");
}

COMMAND(getCmdLineOpts, COMMAND_LENIENT | COMMAND_ADMIN, .fields = NULL);
