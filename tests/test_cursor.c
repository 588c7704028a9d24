/* SPDX-License-Identifier: Apache-2.0
 *
 * cursor: batches by count and by size, getMore, killCursors, cursors of other collections.
 * labels: engine
 * stores: both
 */
#include "commands.h"

static void insert_many(struct engine *engine, const char *collection, int count)
{
    for (int i = 0; i < count; i++) {
        char *text = x_format("{'insert': '%s', 'documents': [{'_id': %d}]}", collection, i);
        bson_destroy(run(engine, text));
        free(text);
    }
}

static int64_t cursor_id(const bson_t *reply)
{
    bson_iter_t iter, found;
    assert_true(bson_iter_init(&iter, reply));
    assert_true(bson_iter_find_descendant(&iter, "cursor.id", &found));
    assert_true(BSON_ITER_HOLDS_INT64(&found));
    return bson_iter_int64(&found);
}

static void test_cursor(void **state)
{
    insert_many(*state, "many", 250);
    bson_t *reply = run(*state, "{'find': 'many'}");
    int64_t id = cursor_id(reply);
    assert_int_not_equal(id, 0);
    assert_int_equal(int_at(reply, "cursor.firstBatch.100._id"), 100);
    assert_int_equal(int_at(reply, "cursor.firstBatch.101._id"), -1);
    bson_destroy(reply);
    char *text = x_format("{'getMore': {'$numberLong': '%lld'}, 'collection': 'many', 'batchSize': "
                          "100}",
                          (long long)id);
    char *elsewhere =
        x_format("{'getMore': {'$numberLong': '%lld'}, 'collection': 'c'}", (long long)id);
    reply = run(*state, elsewhere);
    assert_int_equal(int_at(reply, "code"), 43);
    bson_destroy(reply);
    reply = run(*state, text);
    assert_int_equal(cursor_id(reply), id);
    assert_int_equal(int_at(reply, "cursor.nextBatch.99._id"), 200);
    assert_int_equal(int_at(reply, "cursor.nextBatch.100._id"), -1);
    bson_destroy(reply);
    reply = run(*state, text);
    assert_int_equal(cursor_id(reply), 0);
    assert_int_equal(int_at(reply, "cursor.nextBatch.48._id"), 249);
    bson_destroy(reply);
    reply = run(*state, text);
    assert_int_equal(int_at(reply, "code"), 43);
    bson_destroy(reply);
    free(text);
    free(elsewhere);

    reply = run(*state, "{'find': 'many', 'batchSize': 0, 'limit': 3}");
    id = cursor_id(reply);
    assert_int_not_equal(id, 0);
    bson_destroy(reply);
    text = x_format("{'killCursors': 'many', 'cursors': [{'$numberLong': '%lld'}]}", (long long)id);
    reply = run(*state, text);
    assert_int_equal(int_at(reply, "cursorsKilled.0"), (int32_t)id);
    bson_destroy(reply);
    reply = run(*state, text);
    assert_int_equal(int_at(reply, "cursorsNotFound.0"), (int32_t)id);
    bson_destroy(reply);
    free(text);
}

/* 17 documents of 1 MB: a reply carries at most 16 MiB of them. */
static void test_large(void **state)
{
    enum { BYTES = 1000000 };
    char *filler = x_malloc(BYTES);
    memset(filler, 'x', BYTES);
    for (int i = 0; i < 17; i++) {
        bson_t command = BSON_INITIALIZER, documents, document;
        bson_t *reply = NULL;
        BSON_APPEND_UTF8(&command, "insert", "large");
        BSON_APPEND_UTF8(&command, "$db", "db");
        BSON_APPEND_ARRAY_BEGIN(&command, "documents", &documents);
        BSON_APPEND_DOCUMENT_BEGIN(&documents, "0", &document);
        BSON_APPEND_INT32(&document, "_id", i);
        bson_append_utf8(&document, "filler", -1, filler, BYTES);
        bson_append_document_end(&documents, &document);
        bson_append_array_end(&command, &documents);
        engine_submit(*state, &command, keep_reply, &reply);
        assert_int_equal(int_at(reply, "n"), 1);
        bson_destroy(reply);
        bson_destroy(&command);
    }
    free(filler);
    bson_t *reply = run(*state, "{'find': 'large'}");
    assert_int_equal(int_at(reply, "cursor.firstBatch.15._id"), 15);
    assert_int_equal(int_at(reply, "cursor.firstBatch.16._id"), -1);
    assert_int_not_equal(cursor_id(reply), 0);
    bson_destroy(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cursor, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_large, engine_setup, engine_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
