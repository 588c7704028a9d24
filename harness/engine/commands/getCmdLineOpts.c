/* SPDX-License-Identifier: Apache-2.0
 *
 * getCmdLineOpts: how the server was started. mongosh asks for it to greet its user; the answer is
 * short because there is no mongod here.
 */
#include "engine/diagnostics.h"

static const struct field fields[] = {{NULL, FIELD_END, 0, false}};

static bool run(struct request *request)
{
    return diagnostics_reply(request, "{\"argv\": [\"racebench\"], \"parsed\": {}}");
}

const struct command command_getCmdLineOpts = {.name = "getCmdLineOpts",
                                               .flags = COMMAND_LENIENT | COMMAND_ADMIN,
                                               .fields = fields,
                                               .run = run};
