/* SPDX-License-Identifier: Apache-2.0
 *
 * limits: each limit of the engine is struck by a command in process and answered with its code;
 * afterwards the engine does what it did before. Those of messages and connections are in
 * test_wire and test_connection, those of what stays open in test_limits_sessions.
 * labels: engine
 */
#include "sessions.h"

#include "document/value.h"
#include "engine/cursor.h"
#include "engine/parking.h"
#include "engine/state.h"
#include "engine/write.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MIB = 1024 * 1024 };

/* Sends a command that is built by hand, and frees it; the reply's code, or 0. */
static int32_t code_of(struct engine *engine, bson_t *command)
{
    bson_t *reply = NULL;
    BSON_APPEND_UTF8(command, "$db", "db");
    engine_submit(engine, command, keep_reply, &reply);
    assert_non_null(reply);
    int32_t code = int_at(reply, "ok") == 1 ? 0 : int_at(reply, "code");
    bson_iter_t iter;
    if (code == 0 && bson_iter_init_find(&iter, reply, "writeErrors"))
        code = int_at(reply, "writeErrors.0.code");
    bson_destroy(reply);
    bson_destroy(command);
    return code;
}

static int32_t code_of_text(struct engine *engine, const char *text)
{
    return code_of(engine, parse(text));
}

/* An insert of one document with `bytes` of filler. */
static bson_t *filled(const char *collection, int id, int bytes)
{
    bson_t *command = bson_new(), array, document;
    char *filler = x_malloc((size_t)bytes + 1);
    memset(filler, 'x', (size_t)bytes);
    BSON_APPEND_UTF8(command, "insert", collection);
    BSON_APPEND_ARRAY_BEGIN(command, "documents", &array);
    BSON_APPEND_DOCUMENT_BEGIN(&array, "0", &document);
    BSON_APPEND_INT32(&document, "_id", id);
    bson_append_utf8(&document, "filler", -1, filler, bytes);
    bson_append_document_end(&array, &document);
    bson_append_array_end(command, &array);
    free(filler);
    return command;
}

/* {a: {a: ... "$$ROOT"}}, so many deep. */
static void append_nested(bson_t *into, const char *name, int depth, const char *leaf)
{
    bson_t inside;
    if (depth == 0) {
        BSON_APPEND_UTF8(into, name, leaf);
        return;
    }
    BSON_APPEND_DOCUMENT_BEGIN(into, name, &inside);
    append_nested(&inside, "a", depth - 1, leaf);
    bson_append_document_end(into, &inside);
}

/* An aggregate over "c" of `count` stages, each made by `stage`. */
static bson_t *pipeline(int count, void (*stage)(bson_t *))
{
    bson_t *command = bson_new(), array, one;
    char number[16];
    BSON_APPEND_UTF8(command, "aggregate", "c");
    BSON_APPEND_ARRAY_BEGIN(command, "pipeline", &array);
    for (int i = 0; i < count; i++) {
        snprintf(number, sizeof number, "%d", i);
        BSON_APPEND_DOCUMENT_BEGIN(&array, number, &one);
        stage(&one);
        bson_append_document_end(&array, &one);
    }
    bson_append_array_end(command, &array);
    BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &one);
    bson_append_document_end(command, &one);
    return command;
}

static void nest_in_group(bson_t *stage)
{
    bson_t group;
    BSON_APPEND_DOCUMENT_BEGIN(stage, "$group", &group);
    append_nested(&group, "_id", 60, "$$ROOT");
    bson_append_document_end(stage, &group);
}

static void nest_in_accumulator(bson_t *stage)
{
    bson_t group, field;
    BSON_APPEND_DOCUMENT_BEGIN(stage, "$group", &group);
    BSON_APPEND_NULL(&group, "_id");
    BSON_APPEND_DOCUMENT_BEGIN(&group, "x", &field);
    append_nested(&field, "$first", 60, "$$ROOT");
    bson_append_document_end(&group, &field);
    bson_append_document_end(stage, &group);
}

static void nest_in_set(bson_t *stage)
{
    bson_t set;
    BSON_APPEND_DOCUMENT_BEGIN(stage, "$replaceWith", &set);
    append_nested(&set, "x", 60, "$$ROOT");
    bson_append_document_end(stage, &set);
}

/* Nesting cannot be carried past its limit from stage to stage. */
static void test_depth(void **state)
{
    struct engine *engine = *state;
    static void (*const stages[])(bson_t *) = {nest_in_group, nest_in_accumulator, nest_in_set};
    bson_destroy(run(engine, "{'insert': 'c', 'documents': [{'_id': 1}]}"));
    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        assert_int_equal(code_of(engine, pipeline(1, stages[i])), 0);
        assert_int_equal(code_of(engine, pipeline(2, stages[i])), 15);
        assert_int_equal(code_of(engine, pipeline(3000, stages[i])), 15);
    }
}

static void double_in_set(bson_t *stage)
{
    bson_t set;
    BSON_APPEND_DOCUMENT_BEGIN(stage, "$replaceWith", &set);
    BSON_APPEND_UTF8(&set, "x", "$$ROOT");
    BSON_APPEND_UTF8(&set, "y", "$$ROOT");
    bson_append_document_end(stage, &set);
}

static void thousandfold(bson_t *stage)
{
    bson_t set;
    char name[16];
    BSON_APPEND_DOCUMENT_BEGIN(stage, "$set", &set);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "f%d", i);
        BSON_APPEND_UTF8(&set, name, "$$ROOT");
    }
    bson_append_document_end(stage, &set);
}

static void push_thousandfold(bson_t *stage)
{
    bson_t group, push;
    char name[16];
    BSON_APPEND_DOCUMENT_BEGIN(stage, "$group", &group);
    BSON_APPEND_NULL(&group, "_id");
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "f%d", i);
        BSON_APPEND_DOCUMENT_BEGIN(&group, name, &push);
        BSON_APPEND_UTF8(&push, "$push", "$$ROOT");
        bson_append_document_end(&group, &push);
    }
    bson_append_document_end(stage, &group);
}

/* Few bytes that name a document again and again make no document that is too large. */
static void test_document_size(void **state)
{
    struct engine *engine = *state;
    assert_int_equal(code_of(engine, filled("c", 1, 100000)), 0);
    assert_int_equal(code_of(engine, pipeline(5, double_in_set)), 0);
    assert_int_equal(code_of(engine, pipeline(60, double_in_set)), 10334);
    assert_int_equal(code_of(engine, pipeline(1, thousandfold)), 10334);
    assert_int_equal(code_of(engine, pipeline(1, push_thousandfold)), 10334);
    assert_int_equal(code_of(engine, filled("c", 2, DOCUMENT_BYTES_MAX)), 10334);
}

/* Many arrays that are padded with nulls, in one update. */
static void test_padding(void **state)
{
    struct engine *engine = *state;
    bson_t *command = bson_new(), array, update, query, change, set;
    char path[32];
    bson_destroy(run(engine, "{'insert': 'c', 'documents': [{'_id': 1, 'a': [], 'b': []}]}"));
    BSON_APPEND_UTF8(command, "update", "c");
    BSON_APPEND_ARRAY_BEGIN(command, "updates", &array);
    BSON_APPEND_DOCUMENT_BEGIN(&array, "0", &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "q", &query);
    bson_append_document_end(&update, &query);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "u", &change);
    BSON_APPEND_DOCUMENT_BEGIN(&change, "$push", &set);
    bson_append_document_end(&change, &set);
    BSON_APPEND_DOCUMENT_BEGIN(&change, "$set", &set);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%c.1499999", 'a' + i);
        BSON_APPEND_INT32(&set, path, 1);
    }
    bson_append_document_end(&change, &set);
    bson_append_document_end(&update, &change);
    bson_append_document_end(&array, &update);
    bson_append_array_end(command, &array);
    assert_int_equal(code_of(engine, command), 10334);
}

/* More than one command may gather: by a sort, in a pipeline, for a cursor, for distinct. */
static void test_gathered(void **state)
{
    struct engine *engine = *state;
    enum { EACH = 15 * MIB };
    for (int i = 0; i < GATHERED_BYTES_MAX / EACH + 2; i++)
        assert_int_equal(code_of(engine, filled("c", i, EACH)), 0);
    assert_int_equal(code_of_text(engine, "{'find': 'c', 'sort': {'a': 1}}"), 146);
    assert_int_equal(code_of_text(engine, "{'find': 'c', 'batchSize': 1}"), 146);
    assert_int_equal(code_of_text(engine, "{'aggregate': 'c', 'pipeline': [], 'cursor': {}}"), 146);
    assert_int_equal(code_of_text(engine, "{'distinct': 'c', 'key': 'filler'}"), 146);
    assert_int_equal(
        code_of_text(engine, "{'distinct': 'c', 'key': 'filler', 'query': {'_id': {'$lt': 2}}}"),
        0);
    assert_int_equal(code_of_text(engine, "{'find': 'c', 'batchSize': 1, 'limit': 10}"), 0);
    assert_int_equal(code_of_text(engine, "{'find': 'c', 'batchSize': 1, 'limit': 10}"), 146);
    assert_int_equal(code_of_text(engine, "{'find': 'c', 'limit': 1}"), 0);
}

static void test_cursors(void **state)
{
    struct engine *engine = *state;
    bson_t *last = NULL;
    bson_destroy(run(engine, "{'insert': 'c', 'documents': [{'_id': 1}, {'_id': 2}]}"));
    for (int i = 0; i < CURSORS_MAX; i++) {
        bson_destroy(last);
        last = run(engine, "{'find': 'c', 'batchSize': 1}");
        assert_int_equal(int_at(last, "ok"), 1);
    }
    assert_int_equal(code_of_text(engine, "{'find': 'c', 'batchSize': 1}"), 146);
    assert_int_equal(code_of_text(engine, "{'find': 'c', 'limit': 2}"), 0); /* needs no cursor */
    bson_iter_t iter, id;
    assert_true(bson_iter_init(&iter, last) && bson_iter_find_descendant(&iter, "cursor.id", &id));
    char *kill = x_format("{'killCursors': 'c', 'cursors': [{'$numberLong': '%lld'}]}",
                          (long long)bson_iter_int64(&id));
    assert_int_equal(code_of_text(engine, kill), 0);
    assert_int_equal(code_of_text(engine, "{'find': 'c', 'batchSize': 1}"), 0);
    free(kill);
    bson_destroy(last);
}

/* The values of a distinct are one document. */
static void test_distinct(void **state)
{
    struct engine *engine = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(code_of(engine, filled("c", i, 6 * MIB + i)), 0);
        assert_int_equal(code_of_text(engine, "{'distinct': 'c', 'key': 'filler'}"),
                         i < 2 ? 0 : 17217);
    }
}

/* Names: databases of 63 bytes, with their collection 255. */
static void test_names(void **state)
{
    struct engine *engine = *state;
    for (int over = 0; over < 2; over++) {
        char *database = x_format("{'count': 'c', '$db': '%0*d'}", 63 + over, 1);
        bson_t *reply = run(engine, database);
        assert_int_equal(int_at(reply, "code"), over ? 73 : -1);
        bson_destroy(reply);
        char *collection = x_format("{'create': '%0*d'}", 255 - (int)strlen("db.") + over, 1);
        assert_int_equal(code_of_text(engine, collection), over ? 73 : 0);
        free(database);
        free(collection);
    }
}

/* So many deletes in one command. */
static bson_t *batch_of(int count)
{
    bson_t *command = bson_new(), array, one, query;
    char name[16];
    BSON_APPEND_UTF8(command, "delete", "none");
    BSON_APPEND_ARRAY_BEGIN(command, "deletes", &array);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d", i);
        BSON_APPEND_DOCUMENT_BEGIN(&array, name, &one);
        BSON_APPEND_DOCUMENT_BEGIN(&one, "q", &query);
        bson_append_document_end(&one, &query);
        BSON_APPEND_INT32(&one, "limit", 0);
        bson_append_document_end(&array, &one);
    }
    bson_append_array_end(command, &array);
    return command;
}

static void test_batch(void **state)
{
    assert_int_equal(code_of(*state, batch_of(0)), 16);
    assert_int_equal(code_of(*state, batch_of(WRITE_BATCH_MAX)), 0);
    assert_int_equal(code_of(*state, batch_of(WRITE_BATCH_MAX + 1)), 16);
}

/* An index over so many fields. */
static bson_t *index_of(int count)
{
    bson_t *command = bson_new(), array, one, key;
    char name[16];
    BSON_APPEND_UTF8(command, "createIndexes", "c");
    BSON_APPEND_ARRAY_BEGIN(command, "indexes", &array);
    BSON_APPEND_DOCUMENT_BEGIN(&array, "0", &one);
    BSON_APPEND_DOCUMENT_BEGIN(&one, "key", &key);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "f%d", i);
        BSON_APPEND_INT32(&key, name, 1);
    }
    bson_append_document_end(&one, &key);
    BSON_APPEND_UTF8(&one, "name", "wide");
    bson_append_document_end(&array, &one);
    bson_append_array_end(command, &array);
    return command;
}

static void test_index_fields(void **state)
{
    assert_int_equal(code_of(*state, index_of(33)), 67);
    assert_int_equal(code_of(*state, index_of(32)), 0);
}

/* Rows in memory: inserts and updates are refused, deletes make room; nothing is counted twice. */
static void test_rows(void **state)
{
    (void)state;
    struct engine *engine = engine_new(&(struct engine_settings){.rows_bytes_max = 4 * MIB});
    for (int round = 0; round < 3; round++) {
        int id = 0;
        while (id < 10 && code_of(engine, filled("c", id, MIB)) == 0)
            id++;
        assert_int_equal(id, 3);
        assert_int_equal(code_of(engine, filled("c", id, MIB)), 146);
        for (int i = 0; i < 100; i++) /* old versions go */
            assert_int_equal(
                code_of_text(engine, "{'update': 'd', 'updates': [{'q': {'_id': 1}, 'u': {'$set': "
                                     "{'a': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'}}, 'upsert': "
                                     "true}]}"),
                0);
        assert_int_equal(code_of_text(engine,
                                      "{'delete': 'c', 'deletes': [{'q': {}, 'limit': 0}]}"),
                         0);
    }
    assert_int_equal(code_of(engine, filled("c", 1, 3 * MIB)), 0);
    assert_int_equal(code_of_text(engine, "{'update': 'c', 'updates': [{'q': {'_id': 1}, 'u': "
                                          "{'$set': {'more': 1}}}]}"),
                     146);
    engine_free(engine);
}

/* Commands that wait behind a transaction. */
static void test_parked(void **state)
{
    struct world *world = *state;
    struct answer answer, refused;
    enum { EACH = 15 * MIB, COUNT = PARKED_BYTES_MAX / EACH };
    struct answer parked[COUNT];
    submit(world, INC(1, ", " START(A, 1)), &answer);
    assert_code(&answer, 0, NULL);
    bson_t *insert = filled("c", 1, EACH), *command = bson_new();
    bson_iter_t iter;
    assert_true(bson_iter_init_find(&iter, insert, "documents"));
    BSON_APPEND_UTF8(command, "update", "c");
    bson_t array, update, query, change;
    BSON_APPEND_ARRAY_BEGIN(command, "updates", &array);
    BSON_APPEND_DOCUMENT_BEGIN(&array, "0", &update);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "q", &query);
    BSON_APPEND_INT32(&query, "_id", 1);
    bson_append_document_end(&update, &query);
    BSON_APPEND_DOCUMENT_BEGIN(&update, "u", &change);
    BSON_APPEND_VALUE(&change, "x", bson_iter_value(&iter));
    bson_append_document_end(&update, &change);
    bson_append_document_end(&array, &update);
    bson_append_array_end(command, &array);
    BSON_APPEND_UTF8(command, "$db", "db");
    for (int i = 0; i < COUNT; i++) {
        parked[i] = (struct answer){NULL, 0};
        engine_submit(world->engine, command, keep_answer, &parked[i]);
        assert_int_equal(parked[i].count, 0);
    }
    refused = (struct answer){NULL, 0};
    engine_submit(world->engine, command, keep_answer, &refused);
    assert_code(&refused, 146, NULL);
    submit(world, ABORT(A, 1), &answer);
    assert_code(&answer, 0, NULL);
    for (int i = 0; i < COUNT; i++)
        assert_code(&parked[i], 0, NULL);
    bson_destroy(insert);
    bson_destroy(command);
}

/* An array whose names are not 0, 1, 2 reaches every place that copies values; libbson would write
 * a line to stderr, which belongs to the operator. */
static void test_odd_arrays(void **state)
{
    struct engine *engine = *state;
    static const char *const commands[] = {
        "{'aggregate': 'c', 'pipeline': [{'$group': {'_id': '$a', 'x': {'$first': '$a'}, 'y': "
        "{'$push': '$a'}, 'z': {'$addToSet': '$a'}}}], 'cursor': {}}",
        "{'aggregate': 'c', 'pipeline': [{'$set': {'b': '$a', 'c': ['$a']}}, {'$project': {'d': "
        "'$a'}}], 'cursor': {}}",
        "{'find': 'c', 'projection': {'a': 1}}",
        "{'distinct': 'c', 'key': 'a'}",
        "{'update': 'c', 'updates': [{'q': {}, 'u': {'$pull': {'a': {'$gt': 1}}}}]}",
        "{'update': 'c', 'updates': [{'q': {}, 'u': [{'$set': {'e': '$a'}}]}]}",
    };
    bson_t *insert = bson_new(), array, document, odd;
    FILE *kept = tmpfile();
    int standard_error = dup(STDERR_FILENO);
    dup2(fileno(kept), STDERR_FILENO);
    BSON_APPEND_UTF8(insert, "insert", "c");
    BSON_APPEND_ARRAY_BEGIN(insert, "documents", &array);
    BSON_APPEND_DOCUMENT_BEGIN(&array, "0", &document);
    BSON_APPEND_DOCUMENT_BEGIN(&document, "a", &odd); /* made an array below */
    BSON_APPEND_INT32(&odd, "seven", 7);
    BSON_APPEND_INT32(&odd, "", 8);
    bson_append_document_end(&document, &odd);
    BSON_APPEND_INT32(&document, "_id", 1);
    bson_append_document_end(&array, &document);
    bson_append_array_end(insert, &array);
    uint8_t *bytes = (uint8_t *)(uintptr_t)bson_get_data(insert);
    for (uint32_t i = 0; i + 3 < insert->len; i++)
        if (memcmp(bytes + i, "\x03\x61\x00", 3) == 0)
            bytes[i] = BSON_TYPE_ARRAY;
    int32_t codes[COUNT_OF(commands) + 1];
    codes[0] = code_of(engine, insert);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        codes[i + 1] = code_of_text(engine, commands[i]);
    fflush(stderr);
    dup2(standard_error, STDERR_FILENO);
    close(standard_error);
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        assert_int_equal(codes[i], 0);
    assert_int_equal(lseek(fileno(kept), 0, SEEK_END), 0);
    fclose(kept);
}

#define PLAIN(test) cmocka_unit_test_setup_teardown(test, engine_setup, engine_teardown)

/* What one large update has needed is not kept. */
static void test_updated_is_given_back(void **state)
{
    struct engine *engine = *state;
    assert_int_equal(code_of(engine, filled("large", 1, 5 * MIB)), 0);
    assert_int_equal(
        code_of_text(engine,
                     "{'update': 'large', 'updates': [{'q': {}, 'u': {'$set': {'a': 1}}}]}"),
        0);
    assert_true(engine->updated.capacity < 2 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLAIN(test_depth),
        PLAIN(test_document_size),
        PLAIN(test_padding),
        PLAIN(test_gathered),
        PLAIN(test_cursors),
        PLAIN(test_distinct),
        PLAIN(test_names),
        PLAIN(test_batch),
        PLAIN(test_index_fields),
        cmocka_unit_test(test_rows),
        cmocka_unit_test_setup_teardown(test_parked, world_setup, world_teardown),
        PLAIN(test_odd_arrays),
        PLAIN(test_updated_is_given_back),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
