/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog: what is found again when an engine is opened on the folder of an earlier one, and what a
 * half-made thing leaves behind.
 * labels: engine
 * needs: wiredtiger
 */
#include "commands.h"
#include "engine/catalog.h"

static char *folder;

static struct engine *open_again(void)
{
    return engine_new(
        &(struct engine_settings){.seed = 1, .store = "wiredtiger", .folder = folder});
}

static void expect_int(struct engine *engine, const char *command, const char *path, int32_t value)
{
    bson_t *reply = run(engine, command);
    int32_t found = int_at(reply, path);
    if (found != value) {
        char *text = bson_as_relaxed_extended_json(reply, NULL);
        fail_msg("%s: %s is %d, not %d: %s", command, path, found, value, text);
    }
    bson_destroy(reply);
}

static void test_all_is_there_again(void **state)
{
    (void)state;
    struct engine *engine = open_again();
    expect_int(engine, "{'create': 'empty one'}", "ok", 1);
    expect_int(engine,
               "{'createIndexes': 'c', 'indexes': [{'key': {'a': 1}, 'name': 'a', 'unique': true},"
               "{'key': {'b': -1}, 'name': 'down'}]}",
               "numIndexesAfter", 3);
    expect_int(engine, "{'insert': 'c', 'documents': [{'_id': 1, 'a': 5}, {'_id': 2, 'a': 6}]}",
               "n", 2);
    expect_int(engine, "{'insert': 'gone', 'documents': [{'_id': 1}]}", "n", 1);
    expect_int(engine, "{'drop': 'gone'}", "ok", 1);
    for (int i = 0; i < 3; i++) {
        engine_free(engine);
        engine = open_again();
        expect_int(engine, "{'count': 'c'}", "n", 2);
        expect_int(engine, "{'count': 'gone'}", "n", 0);
        expect_int(engine, "{'create': 'empty one'}", "code", 48);
        expect_int(engine, "{'drop': 'gone'}", "code", 26);
        expect_int(engine, "{'insert': 'c', 'documents': [{'_id': 3, 'a': 6}]}",
                   "writeErrors.0.code", 11000);
        expect_int(engine, "{'count': 'c', 'hint': 'down'}", "n", 2);
        expect_int(engine, "{'count': 'c', 'query': {'a': 6}, 'hint': 'a'}", "n", 1);
        expect_int(engine, "{'count': 'c', 'hint': 'up'}", "code", 2);
    }
    expect_int(engine, "{'drop': 'c'}", "nIndexesWas", 3);
    engine_free(engine);
    engine = open_again();
    expect_int(engine, "{'insert': 'c', 'documents': [{'_id': 3, 'a': 6}, {'_id': 4, 'a': 6}]}",
               "n", 2); /* no index any more */
    engine_free(engine);
}

/* An index that was being built, and a collection that was being made or dropped. */
static void test_left_overs_go(void **state)
{
    (void)state;
    struct engine *engine = open_again();
    expect_int(engine, "{'insert': 'c', 'documents': [{'_id': 1, 'a': 5}]}", "n", 1);
    engine_free(engine);
    struct store *store = store_open(
        &(struct store_settings){.name = "wiredtiger", .folder = folder, .journal = true});
    const struct slice any = {(const uint8_t *)"x", 1};
    static const char *const names[] = {"i db.c a", "c db.half", "i db.half a"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct store_table *table = store_table_open(store, names[i]);
        struct store_transaction *transaction = store_begin(store);
        assert_int_equal(store_put(transaction, table, any, any), STORE_DONE);
        assert_int_equal(store_commit(transaction), STORE_DONE);
    }
    store_close(store);
    engine = open_again();
    expect_int(engine, "{'listCollections': 1}", "cursor.firstBatch.1.name", -1);
    expect_int(engine, "{'create': 'half'}", "ok", 1);
    expect_int(engine, "{'count': 'half'}", "n", 0);
    expect_int(engine,
               "{'createIndexes': 'c', 'indexes': [{'key': {'a': 1}, 'name': 'a', "
               "'unique': true}]}",
               "numIndexesAfter", 2);
    engine_free(engine);
}

static int make_folder(void **state)
{
    (void)state;
    folder = make_private_folder("");
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    remove_folder(folder);
    free(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_is_there_again, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_left_overs_go, make_folder, drop_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
