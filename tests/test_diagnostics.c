/* SPDX-License-Identifier: Apache-2.0
 *
 * diagnostics: the commands by which tools and drivers look around, and what reads values out of
 * collections without being find: each with fields of its reply.
 * labels: engine
 */
#include "commands.h"

/* A command, and a field of its reply with its value as a number (text: 1 when it is there). */
static const struct {
    const char *command, *path;
    int32_t value;
} rows[] = {
    {"{'getParameter': '*', '$db': 'admin'}", "enableTestCommands", 0},
    {"{'getParameter': '*', '$db': 'admin'}", "transactionLifetimeLimitSeconds", 60},
    {"{'getParameter': 1, 'transactionLifetimeLimitSeconds': 1, '$db': 'admin'}", "ok", 1},
    {"{'getParameter': 1, 'transactionLifetimeLimitSeconds': 1, '$db': 'admin'}",
     "enableTestCommands", -1},
    {"{'getLog': 'startupWarnings', '$db': 'admin'}", "totalLinesWritten", 1},
    {"{'getLog': 'global', '$db': 'admin'}", "totalLinesWritten", 0},
    {"{'getCmdLineOpts': 1, '$db': 'admin'}", "ok", 1},
    {"{'connectionStatus': 1}", "ok", 1},
    {"{'whatsmyuri': 1}", "ok", 1},
    {"{'serverStatus': 1}", "ok", 1},
    {"{'hostInfo': 1, '$db': 'admin'}", "system.cpuAddrSize", 64},
    {"{'find': 'c', 'showRecordId': false, 'returnKey': false}", "cursor.id", 0}, /* no demands */
    {"{'distinct': 'c', 'key': 'a'}", "values.0", 1},
    {"{'distinct': 'c', 'key': 'a'}", "values.2", 3},
    {"{'distinct': 'c', 'key': 'a'}", "values.3", -1},
    {"{'distinct': 'c', 'key': 'b.x'}", "values.1", 8},
    {"{'distinct': 'c', 'key': 'a', 'query': {'_id': 1}}", "values.1", -1},
    {"{'distinct': 'none', 'key': 'a'}", "ok", 1},
    {"{'listDatabases': 1, '$db': 'admin'}", "totalSize", 0},
    {"{'listDatabases': 1, '$db': 'admin'}", "databases.0.empty", 0},
    {"{'listDatabases': 1, '$db': 'admin'}", "databases.1.empty", 0},
    {"{'listDatabases': 1, '$db': 'admin'}", "databases.2.empty", -1},
    {"{'listDatabases': 1, '$db': 'admin', 'filter': {'name': 'db'}}", "databases.1.empty", -1},
    {"{'listDatabases': 1, '$db': 'admin', 'nameOnly': true}", "databases.0.empty", -1},
};

static void test_replies(void **state)
{
    bson_destroy(run(*state,
                     "{'insert': 'c', 'documents': [{'_id': 1, 'a': 1}, {'_id': 2, 'a': "
                     "[3, 1]}, {'_id': 3, 'a': 2}, {'_id': 4, 'b': [{'x': 7}, {'x': 8}]}]}"));
    bson_destroy(run(*state, "{'create': 'd'}"));
    bson_destroy(run(*state, "{'create': 'c', '$db': 'another'}"));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bson_t *reply = run(*state, rows[i].command);
        if (int_at(reply, "ok") != 1 || int_at(reply, rows[i].path) != rows[i].value)
            fail_msg("%s: %s is not %d in %s", rows[i].command, rows[i].path, (int)rows[i].value,
                     bson_as_json(reply, NULL));
        bson_destroy(reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_replies, engine_setup, engine_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
