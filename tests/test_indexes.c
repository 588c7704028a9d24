/* SPDX-License-Identifier: Apache-2.0
 *
 * indexes: what createIndexes, listIndexes and dropIndexes answer, that entries follow every write,
 * and that a collection with indexes finds and refuses what one without them does.
 * labels: engine
 */
#include "commands.h"

static int32_t code_of(struct engine *engine, const char *command)
{
    bson_t *reply = run(engine, command);
    int32_t code = int_at(reply, "code");
    if (code == -1)
        code = int_at(reply, "writeErrors.0.code");
    bson_destroy(reply);
    return code;
}

/* Commands one after the other on one engine, and the code of each (-1: fine). */
static const struct {
    const char *command;
    int32_t code;
} steps[] = {
    {"{'createIndexes': 'c', 'indexes': [{'key': {'a': 1}, 'name': 'a_1'}]}", -1},
    {"{'createIndexes': 'c', 'indexes': [{'key': {'a': 1.0}, 'name': 'a_1'}]}", -1},
    {"{'createIndexes': 'c', 'indexes': [{'key': {'b': 1}, 'name': 'a_1'}]}", 86},
    {"{'createIndexes': 'c', 'indexes': [{'key': {'a': 1}, 'name': 'a_1', 'unique': true}]}", 86},
    {"{'createIndexes': 'c', 'indexes': [{'key': {'a': 1}, 'name': 'other'}]}", 85},
    {"{'createIndexes': 'c', 'indexes': [{'key': {'a': -1}, 'name': 'a_-1'}]}", -1},
    {"{'createIndexes': 'c', 'indexes': [{'key': {'_id': 1}, 'name': 'any'}]}", -1},
    {"{'createIndexes': 'c', 'indexes': [{'key': {'_id': 1}, 'name': '_id_', 'unique': true}]}",
     197},
    {"{'insert': 'c', 'documents': [{'_id': 1, 'u': 1}, {'_id': 2, 'u': 1}]}", -1},
    {"{'createIndexes': 'c', 'indexes': [{'key': {'u': 1}, 'name': 'u_1', 'unique': true}]}",
     11000},
    {"{'insert': 'c', 'documents': [{'_id': 3, 'u': 1}]}", -1}, /* that index is not there */
    {"{'delete': 'c', 'deletes': [{'q': {'_id': {'$gt': 1}}, 'limit': 0}]}", -1},
    {"{'createIndexes': 'c', 'indexes': [{'key': {'u': 1}, 'name': 'u_1', 'unique': true}]}", -1},
    {"{'insert': 'c', 'documents': [{'_id': 4, 'u': {'$numberDouble': '1'}}]}", 11000},
    {"{'insert': 'c', 'documents': [{'_id': 4, 'u': [7, 8, 7]}]}", -1},
    {"{'insert': 'c', 'documents': [{'_id': 5, 'u': 8}]}", 11000},
    {"{'update': 'c', 'updates': [{'q': {'_id': 4}, 'u': {'$set': {'u': [7]}}}]}", -1},
    {"{'insert': 'c', 'documents': [{'_id': 5, 'u': 8}]}", -1},
    {"{'update': 'c', 'updates': [{'q': {'_id': 5}, 'u': {'$set': {'u': 7}}}]}", 11000},
    {"{'delete': 'c', 'deletes': [{'q': {'_id': 4}, 'limit': 1}]}", -1},
    {"{'update': 'c', 'updates': [{'q': {'_id': 5}, 'u': {'$set': {'u': 7}}}]}", -1},
    {"{'insert': 'c', 'documents': [{'_id': 6}]}", -1},
    {"{'insert': 'c', 'documents': [{'_id': 7, 'u': null}]}", 11000}, /* missing is null */
    {"{'createIndexes': 'c', 'indexes': [{'key': {'x': 1, 'y': 1}, 'name': 'xy'}]}", -1},
    {"{'insert': 'c', 'documents': [{'_id': 8, 'u': 80, 'x': [1, 2], 'y': [3]}]}", 171},
    {"{'insert': 'c', 'documents': [{'_id': 8, 'u': 80, 'x': [1, 2], 'y': 3}]}", -1},
    {"{'dropIndexes': 'none', 'index': '*'}", 26},
    {"{'dropIndexes': 'c', 'index': '_id_'}", 72},
    {"{'dropIndexes': 'c', 'index': 'zz'}", 27},
    {"{'dropIndexes': 'c', 'index': {'zz': 1}}", 27},
    {"{'dropIndexes': 'c', 'index': 5}", 14},
    {"{'dropIndexes': 'c', 'index': ['a_1', 'zz']}", 27},
    {"{'dropIndexes': 'c', 'index': ['a_1', 'a_-1']}", -1},
    {"{'dropIndexes': 'c', 'index': 'a_1'}", 27},
    {"{'dropIndexes': 'c', 'index': {'u': 1}}", -1},
    {"{'insert': 'c', 'documents': [{'_id': 9, 'u': 80}]}", -1},
    {"{'dropIndexes': 'c', 'index': '*'}", -1},
    {"{'insert': 'c', 'documents': [{'_id': 10, 'x': [1], 'y': [2]}]}", -1},
    {"{'listIndexes': 'none'}", 26},
};

static void test_steps(void **state)
{
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        if (code_of(*state, steps[i].command) != steps[i].code)
            fail_msg("step %zu, %s: not %d", i, steps[i].command, (int)steps[i].code);
}

static void test_list(void **state)
{
    bson_iter_t iter, name;
    bson_destroy(run(*state,
                     "{'createIndexes': 'c', 'indexes': [{'key': {'a': 1, 'b': -1}, 'name': "
                     "'ab', 'unique': true}]}"));
    bson_t *reply = run(*state, "{'listIndexes': 'c'}");
    assert_int_equal(int_at(reply, "cursor.firstBatch.0.key._id"), 1);
    assert_int_equal(int_at(reply, "cursor.firstBatch.1.key.b"), -1);
    assert_int_equal(int_at(reply, "cursor.firstBatch.1.unique"), 1);
    assert_int_equal(int_at(reply, "cursor.firstBatch.1.v"), 2);
    assert_true(bson_iter_init(&iter, reply) &&
                bson_iter_find_descendant(&iter, "cursor.firstBatch.1.name", &name));
    assert_string_equal(bson_iter_utf8(&name, NULL), "ab");
    bson_destroy(reply);
    reply = run(*state, "{'dropIndexes': 'c', 'index': '*'}");
    assert_int_equal(int_at(reply, "nIndexesWas"), 2);
    bson_destroy(reply);
}

static void test_duplicate_is_described(void **state)
{
    bson_iter_t iter, found;
    bson_destroy(run(*state, "{'insert': 'c', 'documents': [{'_id': 1, 'a': 'x', 'b': 2}, "
                             "{'_id': 2, 'a': 'x', 'b': 2}]}"));
    bson_t *reply = run(*state, "{'createIndexes': 'c', 'indexes': [{'key': {'a': 1, 'b': 1}, "
                                "'name': 'ab', 'unique': true}]}");
    assert_int_equal(int_at(reply, "code"), 11000);
    assert_int_equal(int_at(reply, "keyPattern.a"), 1);
    assert_int_equal(int_at(reply, "keyValue.b"), 2);
    assert_true(bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, "errmsg", &found));
    assert_non_null(strstr(bson_iter_utf8(&found, NULL), "dup key: { a: \"x\", b: 2 }"));
    bson_destroy(reply);
}

/* Random documents and filters ------------------------------------------------------------------
 * */

/* Appends a random value: small numbers of three types, text, null, arrays, documents. */
static void append_value(bson_t *to, const char *name, struct random *random, int depth)
{

    bson_t inside;
    uint64_t number = random_below(random, 4);
    switch (random_below(random, depth > 2 ? 5 : 8)) {
    case 0:
        bson_append_int32(to, name, -1, (int32_t)number);
        break;
    case 1:
        bson_append_int64(to, name, -1, (int64_t)number);
        break;
    case 2:
        bson_append_double(to, name, -1, (double)number / 2);
        break;
    case 3:
        bson_append_utf8(to, name, -1, number > 1 ? "x" : "y", -1);
        break;
    case 4: /* null also means missing and undefined, but filters must not say so */
        if (number == 0 && depth == 0)
            bson_append_undefined(to, name, -1);
        else
            bson_append_null(to, name, -1);
        break;
    case 5:
        bson_append_document_begin(to, name, -1, &inside);
        append_value(&inside, number > 1 ? "b" : "0", random, depth + 1);
        bson_append_document_end(to, &inside);
        break;
    default:
        bson_append_array_begin(to, name, -1, &inside);
        for (uint64_t i = 0; i < number; i++)
            append_value(&inside, i == 0 ? "0" : i == 1 ? "1" : "2", random, depth + 1);
        bson_append_array_end(to, &inside);
    }
}

static void append_fields(bson_t *to, struct random *random)
{
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (random_below(random, 4) > 0)
            append_value(to, names[i], random, 0);
}

/* One or two paths, each equal to a value, or with $in, $eq or a bound. */
static void append_filter(bson_t *to, struct random *random)
{
    static const char *const paths[] = {"a", "b", "a.b", "a.0", "a.0.b", "c"};
    static const char *const operators[] = {"$eq", "$in", "$gte", "$exists"};
    size_t first = random_below(random, COUNT_OF(paths));
    for (size_t i = 0; i <= random_below(random, 2); i++) {
        const char *path = paths[(first + i) % COUNT_OF(paths)];
        size_t kind = random_below(random, 8);
        if (kind >= COUNT_OF(operators)) {
            append_value(to, path, random, 1);
            continue;
        }
        bson_t predicate, list;
        bson_append_document_begin(to, path, -1, &predicate);
        if (kind == 1) {
            bson_append_array_begin(&predicate, "$in", -1, &list);
            append_value(&list, "0", random, 1);
            bson_append_array_end(&predicate, &list);
        } else {
            append_value(&predicate, operators[kind], random, 1);
        }
        bson_append_document_end(to, &predicate);
    }
}

/* The same command on a collection with indexes ("with") and one without ("without"). */
static bson_t *run_on(struct engine *engine, const char *collection, const bson_t *command)
{
    bson_t named = BSON_INITIALIZER, *reply = NULL;
    bson_iter_t iter;
    assert_true(bson_iter_init(&iter, command) && bson_iter_next(&iter));
    BSON_APPEND_UTF8(&named, bson_iter_key(&iter), collection);
    while (bson_iter_next(&iter))
        bson_append_iter(&named, NULL, 0, &iter);
    BSON_APPEND_UTF8(&named, "$db", "db");
    engine_submit(engine, &named, keep_reply, &reply);
    bson_destroy(&named);
    return reply;
}

/* An update or delete of one document by _id, or an insert; true when the indexed collection took
 * it: then the other one gets it too. */
static void write_both(struct engine *engine, struct random *random, int32_t number)
{
    bson_t command = BSON_INITIALIZER, list, statement, part;
    uint64_t kind = random_below(random, 4);
    const char *name = kind == 0 ? "delete" : kind == 1 ? "update" : "insert";
    int32_t id = kind <= 1 ? (int32_t)random_below(random, (uint64_t)number + 1) : number;
    BSON_APPEND_UTF8(&command, name, "");
    bson_append_array_begin(&command,
                            kind == 0   ? "deletes"
                            : kind == 1 ? "updates"
                                        : "documents",
                            -1, &list);
    bson_append_document_begin(&list, "0", 1, &statement);
    if (kind <= 1) {
        bson_append_document_begin(&statement, "q", 1, &part);
        BSON_APPEND_INT32(&part, "_id", id);
        bson_append_document_end(&statement, &part);
    }
    if (kind == 0) {
        BSON_APPEND_INT32(&statement, "limit", 1);
    } else if (kind == 1) {
        bson_append_document_begin(&statement, "u", 1, &part);
        append_fields(&part, random);
        bson_append_document_end(&statement, &part);
    } else {
        BSON_APPEND_INT32(&statement, "_id", id);
        append_fields(&statement, random);
    }
    bson_append_document_end(&list, &statement);
    bson_append_array_end(&command, &list);
    bson_t *reply = run_on(engine, "with", &command);
    if (int_at(reply, "writeErrors.0.code") == -1)
        bson_destroy(run_on(engine, "without", &command));
    bson_destroy(reply);
    bson_destroy(&command);
}

static char *found_by(struct engine *engine, const char *collection, const bson_t *command)
{
    bson_t *reply = run_on(engine, collection, command), batch;
    bson_iter_t iter, found;
    uint32_t length;
    const uint8_t *data;
    assert_true(bson_iter_init(&iter, reply));
    if (!bson_iter_find_descendant(&iter, "cursor.firstBatch", &found))
        fail_msg("%s", bson_as_json(reply, NULL));
    bson_iter_array(&found, &length, &data);
    assert_true(bson_init_static(&batch, data, length));
    char *text = bson_array_as_json(&batch, NULL);
    bson_destroy(reply);
    return text;
}

/* A find by a random filter, sorted by _id, gives the same with and without indexes. */
static void compare_finds(struct engine *engine, struct random *random)
{
    bson_t command = BSON_INITIALIZER, part;
    BSON_APPEND_UTF8(&command, "find", "");
    bson_append_document_begin(&command, "filter", -1, &part);
    append_filter(&part, random);
    bson_append_document_end(&command, &part);
    bson_append_document_begin(&command, "sort", -1, &part);
    BSON_APPEND_INT32(&part, "_id", 1);
    bson_append_document_end(&command, &part);
    char *with = found_by(engine, "with", &command),
         *without = found_by(engine, "without", &command);
    if (strcmp(with, without) != 0)
        fail_msg("%s: with indexes %s, without %s", bson_as_json(&command, NULL), with, without);
    bson_free(with);
    bson_free(without);
    bson_destroy(&command);
}

static void test_same_with_and_without(void **state)
{
    const char *given = getenv("RACEBENCH_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_ms();
    struct random random;
    (void)state;
    print_message("seed %llu (RACEBENCH_TEST_SEED)\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int round = 0; round < 20; round++) {
        struct engine *engine = engine_new(&(struct engine_settings){.seed = 1, .store = "memory"});
        bson_destroy(run(engine, "{'create': 'without'}"));
        assert_int_equal(code_of(engine, "{'createIndexes': 'with', 'indexes': ["
                                         "{'key': {'a': 1}, 'name': 'a'}, "
                                         "{'key': {'b': 1, 'a': -1}, 'name': 'ba'}, "
                                         "{'key': {'a.b': 1}, 'name': 'a.b'}, "
                                         "{'key': {'a.0': 1}, 'name': 'a.0'}, "
                                         "{'key': {'a.0.b': 1}, 'name': 'a.0.b'}]}"),
                         -1);
        if (round % 2 == 1)
            assert_int_equal(code_of(engine, "{'createIndexes': 'with', 'indexes': [{'key': {'c': "
                                             "1}, 'name': 'c', 'unique': true}]}"),
                             -1);
        for (int32_t i = 0; i < 60; i++)
            write_both(engine, &random, i);
        for (int i = 0; i < 300; i++)
            compare_finds(engine, &random);
        engine_free(engine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_steps, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_list, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_duplicate_is_described, engine_setup, engine_teardown),
        cmocka_unit_test(test_same_with_and_without),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
