/* SPDX-License-Identifier: Apache-2.0
 *
 * store_differential: the same random commands go to an engine in memory and to one in WiredTiger;
 * every reply must be the same bytes. Transactions of three sessions are open meanwhile, so that
 * conflicts and parked writes are among the replies. Prints its seed and the number of identical
 * steps; RACEBENCH_SEED repeats one.
 * labels: engine
 * needs: wiredtiger
 */
#include "commands.h"

enum { STEPS = 6000, SESSIONS = 3 };

struct sides {
    struct engine *engines[2];
    struct random random;
    int64_t now_ms;
    int64_t number[SESSIONS]; /* of the session's transaction */
    bool open[SESSIONS];
    int steps, errors;
};

static int64_t now(void *context)
{
    return ((struct sides *)context)->now_ms;
}

static uint64_t draw(struct sides *sides, uint64_t bound)
{
    return random_below(&sides->random, bound);
}

/* A command as JSON text with ' for "; the caller frees it. */
static char *make_command(struct sides *sides)
{
    int id = (int)draw(sides, 6), value = (int)draw(sides, 5);
    const char *c = draw(sides, 4) == 0 ? "d" : "c";
    switch (draw(sides, 14)) {
    case 0:
    case 1:
        return x_format("{'insert': '%s', 'documents': [{'_id': %d, 'u': %d, 'n': 0}]}", c, id,
                        value);
    case 2:
    case 3:
        return x_format("{'update': '%s', 'updates': [{'q': {'_id': %d}, 'u': {'$inc': {'n': %d}}, "
                        "'upsert': %s}]}",
                        c, id, value, value == 0 ? "true" : "false");
    case 4:
        return x_format("{'update': '%s', 'updates': [{'q': {'n': {'$gt': %d}}, 'u': {'$set': "
                        "{'u': %d}}, 'multi': %s}]}",
                        c, value, id, id % 2 ? "true" : "false");
    case 5:
        return x_format("{'update': '%s', 'updates': [{'q': {'u': %d}, 'u': {'u': %d, 'm': 1}}]}",
                        c, value, id);
    case 6:
        return x_format("{'delete': '%s', 'deletes': [{'q': {'u': %d}, 'limit': %d}]}", c, value,
                        id % 2);
    case 7:
        return x_format("{'findAndModify': '%s', 'query': {'u': {'$lte': %d}}, 'sort': {'n': -1}, "
                        "'update': {'$inc': {'n': 1}}, 'new': %s}",
                        c, value, id % 2 ? "true" : "false");
    case 8:
        return x_format("{'findAndModify': '%s', 'query': {'_id': %d}, 'remove': true}", c, id);
    case 9:
    case 10:
        return x_format("{'find': '%s', 'filter': {'n': {'$gte': %d}}}", c, value);
    case 11:
        return x_format("{'find': '%s', 'filter': {'u': %d}}", c, value);
    case 12:
        return value > 0 ? x_format("{'aggregate': '%s', 'pipeline': [{'$match': {'u': %d}}, "
                                    "{'$group': {'_id': null, 'n': {'$sum': 1}}}], 'cursor': {}}",
                                    c, value)
                         : x_format("{'createIndexes': '%s', 'indexes': [{'key': {'u': 1}, 'name': "
                                    "'u', 'unique': %s}]}",
                                    c, id % 2 ? "true" : "false");
    default:
        return id > 0 ? x_format("{'count': '%s', 'query': {}}", c) : x_format("{'drop': '%s'}", c);
    }
}

/* Now and then a command belongs to a session's transaction, or ends it. */
static char *with_session(struct sides *sides, char *text, bool *ends)
{
    size_t who = draw(sides, SESSIONS * 3);
    *ends = false;
    if (who >= SESSIONS || strstr(text, "'drop'") != NULL || strstr(text, "createIndexes") ||
        strstr(text, "'count'"))
        return text;
    *ends = sides->open[who] && draw(sides, 3) == 0;
    bool starts = !sides->open[who];
    if (starts)
        sides->number[who]++;
    char *body =
        *ends ? x_strdup(draw(sides, 3) ? "{'commitTransaction': 1" : "{'abortTransaction': 1")
              : x_strndup(text, strlen(text) - 1);
    char *whole =
        x_format("%s, 'lsid': {'id': {'$uuid': '00000000-0000-4000-8000-00000000000%zu'}}, "
                 "'txnNumber': {'$numberLong': '%lld'}, 'autocommit': false%s%s}",
                 body, who, (long long)sides->number[who],
                 starts ? ", 'startTransaction': true" : "", *ends ? ", '$db': 'admin'" : "");
    sides->open[who] = !*ends;
    free(body);
    free(text);
    return whole;
}

static bool same(const bson_t *a, const bson_t *b)
{
    return (a == NULL && b == NULL) || (a != NULL && b != NULL && bson_equal(a, b));
}

static void step(struct sides *sides)
{
    bool ends;
    char *text = with_session(sides, make_command(sides), &ends);
    bson_t *command = parse(text), *replies[2] = {NULL, NULL};
    if (!bson_has_field(command, "$db"))
        BSON_APPEND_UTF8(command, "$db", "db");
    if (!bson_has_field(command, "autocommit"))
        BSON_APPEND_INT32(command, "maxTimeMS", 5); /* a parked write answers then */
    for (int i = 0; i < 2; i++)
        engine_submit(sides->engines[i], command, keep_reply, &replies[i]);
    for (int round = 0; round < 3 && (replies[0] == NULL || replies[1] == NULL); round++) {
        sides->now_ms += 10;
        for (int i = 0; i < 2; i++)
            engine_tick(sides->engines[i]);
    }
    if (!same(replies[0], replies[1])) {
        char *memory = replies[0] ? bson_as_relaxed_extended_json(replies[0], NULL) : NULL;
        char *wired = replies[1] ? bson_as_relaxed_extended_json(replies[1], NULL) : NULL;
        fail_msg("step %d: %s\nmemory:     %s\nwiredtiger: %s", sides->steps, text, memory, wired);
    }
    assert_non_null(replies[0]);
    sides->errors += int_at(replies[0], "ok") != 1 || bson_has_field(replies[0], "writeErrors");
    sides->steps++;
    sides->now_ms += 1;
    for (int i = 0; i < 2; i++)
        bson_destroy(replies[i]);
    bson_destroy(command);
    free(text);
}

static void test_both_stores_answer_the_same(void **state)
{
    const char *given = getenv("RACEBENCH_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)clock_monotonic_ns();
    char *folder = make_private_folder("");
    struct sides sides = {.now_ms = 1000000};
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&sides.random, seed);
    for (int i = 0; i < 2; i++)
        sides.engines[i] = engine_new(&(struct engine_settings){.seed = 1,
                                                                .store = i ? "wiredtiger" : NULL,
                                                                .folder = folder,
                                                                .temporary = true,
                                                                .persona = "replset",
                                                                .now_ms = now,
                                                                .now_context = &sides});
    for (int i = 0; i < STEPS; i++)
        step(&sides);
    print_message("%d identical steps, %d of them errors\n", sides.steps, sides.errors);
    for (int i = 0; i < 2; i++) { /* contents at the end */
        bson_t *replies[2];
        for (int side = 0; side < 2; side++)
            replies[side] = run(sides.engines[side], i ? "{'find': 'c'}" : "{'find': 'd'}");
        assert_true(same(replies[0], replies[1]));
        bson_destroy(replies[0]);
        bson_destroy(replies[1]);
    }
    assert_true(sides.errors > STEPS / 50 && sides.errors < STEPS * 3 / 4);
    for (int i = 0; i < 2; i++)
        engine_free(sides.engines[i]);
    remove_folder(folder);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_stores_answer_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
