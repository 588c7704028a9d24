/* SPDX-License-Identifier: Apache-2.0
 *
 * update: old document + update -> new document, in all three forms; numbers, paths, order of
 * fields; refusals with MongoDB's codes.
 * labels: engine unit
 */
#include "semantics.h"

#include "engine/update.h"

#define LONG(n) "{\"$numberLong\": \"" n "\"}"

static const struct {
    const char *was, *update, *is;
} rows[] = {
    {"{\"_id\": 1, \"a\": 1}", "{\"$set\": {\"a\": 2}}", "{\"_id\": 1, \"a\": 2}"},
    {"{\"_id\": 1}", "{\"$set\": {}}", "{\"_id\": 1}"},
    /* existing fields keep their place, new ones come sorted */
    {"{\"_id\": 1, \"z\": 1, \"a\": 1}", "{\"$set\": {\"d\": 4, \"c\": 3, \"z\": 2}}",
     "{\"_id\": 1, \"z\": 2, \"a\": 1, \"c\": 3, \"d\": 4}"},
    {"{\"_id\": 1}", "{\"$set\": {\"b\": 1}, \"$inc\": {\"a\": 2}}",
     "{\"_id\": 1, \"a\": 2, \"b\": 1}"},
    {"{\"_id\": 1}", "{\"$set\": {\"a.b.c\": 1}}", "{\"_id\": 1, \"a\": {\"b\": {\"c\": 1}}}"},
    {"{\"_id\": 1, \"a\": {\"x\": 1}}", "{\"$set\": {\"a.b\": 1, \"a.c\": 2}}",
     "{\"_id\": 1, \"a\": {\"x\": 1, \"b\": 1, \"c\": 2}}"},
    {"{\"_id\": 1, \"a\": [1, 2]}", "{\"$set\": {\"a.1\": 5}}", "{\"_id\": 1, \"a\": [1, 5]}"},
    {"{\"_id\": 1, \"a\": [1]}", "{\"$set\": {\"a.3\": 5}}",
     "{\"_id\": 1, \"a\": [1, null, null, 5]}"},
    {"{\"_id\": 1, \"a\": [{\"b\": 1}]}", "{\"$inc\": {\"a.0.b\": 1}}",
     "{\"_id\": 1, \"a\": [{\"b\": 2}]}"},
    {"{\"_id\": 1, \"a\": 1, \"b\": 2}", "{\"$unset\": {\"a\": 1}}", "{\"_id\": 1, \"b\": 2}"},
    {"{\"_id\": 1}", "{\"$unset\": {\"a.b\": 1}}", "{\"_id\": 1}"},
    {"{\"_id\": 1, \"a\": 1}", "{\"$unset\": {\"a.b\": 1}}", "{\"_id\": 1, \"a\": 1}"},
    {"{\"_id\": 1, \"a\": [1, 2]}", "{\"$unset\": {\"a.0\": 1}}", "{\"_id\": 1, \"a\": [null, 2]}"},
    {"{\"_id\": 1}", "{\"$inc\": {\"n\": 1}}", "{\"_id\": 1, \"n\": 1}"},
    {"{\"_id\": 1, \"n\": 1}", "{\"$inc\": {\"n\": 1}}", "{\"_id\": 1, \"n\": 2}"},
    {"{\"_id\": 1, \"n\": 2147483647}", "{\"$inc\": {\"n\": 1}}",
     "{\"_id\": 1, \"n\": " LONG("2147483648") "}"},
    {"{\"_id\": 1, \"n\": 1}", "{\"$inc\": {\"n\": " LONG("1") "}}",
     "{\"_id\": 1, \"n\": " LONG("2") "}"},
    {"{\"_id\": 1, \"n\": 1}", "{\"$inc\": {\"n\": 0.5}}", "{\"_id\": 1, \"n\": 1.5}"},
    {"{\"_id\": 1}", "{\"$mul\": {\"n\": 3}}", "{\"_id\": 1, \"n\": 0}"},
    {"{\"_id\": 1}", "{\"$mul\": {\"n\": " LONG("3") "}}", "{\"_id\": 1, \"n\": " LONG("0") "}"},
    {"{\"_id\": 1, \"n\": 4}", "{\"$mul\": {\"n\": 3}}", "{\"_id\": 1, \"n\": 12}"},
    {"{\"_id\": 1, \"n\": 4}", "{\"$min\": {\"n\": 3}}", "{\"_id\": 1, \"n\": 3}"},
    {"{\"_id\": 1, \"n\": 4}", "{\"$min\": {\"n\": 5}}", "{\"_id\": 1, \"n\": 4}"},
    {"{\"_id\": 1, \"n\": 4}", "{\"$max\": {\"n\": 5}}", "{\"_id\": 1, \"n\": 5}"},
    {"{\"_id\": 1}", "{\"$max\": {\"n\": 5}}", "{\"_id\": 1, \"n\": 5}"},
    {"{\"_id\": 1}", "{\"$push\": {\"a\": 1}}", "{\"_id\": 1, \"a\": [1]}"},
    {"{\"_id\": 1, \"a\": [1]}", "{\"$push\": {\"a\": {\"$each\": [2, 3]}}}",
     "{\"_id\": 1, \"a\": [1, 2, 3]}"},
    {"{\"_id\": 1, \"a\": 1}", "{\"$setOnInsert\": {\"a\": 2, \"b\": 3}}",
     "{\"_id\": 1, \"a\": 1}"},
    {"{\"_id\": 1}", "{\"$currentDate\": {\"d\": true}}",
     "{\"_id\": 1, \"d\": {\"$date\": {\"$numberLong\": \"1234567\"}}}"},
    /* replacement */
    {"{\"_id\": 1, \"a\": 1}", "{\"b\": 2}", "{\"_id\": 1, \"b\": 2}"},
    {"{\"_id\": 1, \"a\": 1}", "{}", "{\"_id\": 1}"},
    {"{\"_id\": 1, \"a\": 1}", "{\"b\": 2, \"_id\": 1}", "{\"_id\": 1, \"b\": 2}"},
    /* pipeline: all expressions of a stage see the document as it was */
    {"{\"_id\": 1, \"a\": 1, \"b\": 2}", "[{\"$set\": {\"a\": \"$b\", \"b\": \"$a\"}}]",
     "{\"_id\": 1, \"a\": 2, \"b\": 1}"},
    {"{\"_id\": 1, \"n\": 1}",
     "[{\"$set\": {\"n\": {\"$add\": [\"$n\", 1]}}}, {\"$unset\": \"x\"}]",
     "{\"_id\": 1, \"n\": 2}"},
    {"{\"_id\": 1}", "[{\"$set\": {\"at\": \"$$NOW\", \"gone\": \"$nothing\"}}]",
     "{\"_id\": 1, \"at\": {\"$date\": {\"$numberLong\": \"1234567\"}}}"},
    {"{\"_id\": 1, \"a\": {\"b\": 2}}", "[{\"$replaceWith\": \"$a\"}]", "{\"_id\": 1, \"b\": 2}"},
    {"{\"_id\": 1, \"owner\": 7}",
     "[{\"$set\": {\"owner\": {\"$cond\": [{\"$eq\": [\"$owner\", 7]}, 8, \"$owner\"]}}}]",
     "{\"_id\": 1, \"owner\": 8}"},
};

/* An update's JSON may be an array: it travels in {v: ...}. */
static bson_t *parse_update(const char *json)
{
    char *text = x_format("{\"v\": %s}", json);
    bson_t *document = parse(text);
    free(text);
    return document;
}

static void test_updates(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bson_t *was = parse(rows[i].was), *expected = parse(rows[i].is);
        bson_t *holder = parse_update(rows[i].update);
        bson_value_t change = value_of(holder);
        struct failure failure = {0};
        struct update update = {.change = &change, .now_ms = 1234567};
        bool changed;
        bson_t is = BSON_INITIALIZER;
        if (!update_check(&change, &failure) ||
            !update_apply(&update, was, &is, &changed, &failure))
            fail_msg("%s is refused: %s", rows[i].update, failure.message);
        assert_same(&is, expected, rows[i].update);
        assert_int_equal(changed, !bson_equal(was, expected));
        bson_destroy(&is);
        bson_destroy(was);
        bson_destroy(expected);
        bson_destroy(holder);
    }
}

static void test_set_on_insert_counts_on_insert(void **state)
{
    (void)state;
    bson_t *was = parse("{\"_id\": 1}"), *expected = parse("{\"_id\": 1, \"a\": 2}");
    bson_t *holder = parse_update("{\"$setOnInsert\": {\"a\": 2}}");
    bson_value_t change = value_of(holder);
    struct failure failure = {0};
    struct update update = {.change = &change, .inserting = true};
    bool changed;
    bson_t is = BSON_INITIALIZER;
    assert_true(update_apply(&update, was, &is, &changed, &failure));
    assert_same(&is, expected, "$setOnInsert");
    bson_destroy(&is);
    bson_destroy(was);
    bson_destroy(expected);
    bson_destroy(holder);
}

static const struct {
    const char *was, *update;
    enum failure_code code;
} refusals[] = {
    {"{}", "{\"$nonsense\": {\"a\": 1}}", FAILURE_FAILED_TO_PARSE},
    {"{}", "{\"$set\": {\"a\": 1}, \"b\": 1}", FAILURE_FAILED_TO_PARSE},
    {"{}", "{\"a\": 1, \"$set\": {\"b\": 1}}", FAILURE_DOLLAR_PREFIXED_FIELD_NAME},
    {"{}", "{\"$set\": 1}", FAILURE_FAILED_TO_PARSE},
    {"{}", "{\"$set\": {\"a\": 1}, \"$inc\": {\"a\": 1}}", FAILURE_CONFLICTING_UPDATE_OPERATORS},
    {"{}", "{\"$set\": {\"a\": 1, \"a.b\": 1}}", FAILURE_CONFLICTING_UPDATE_OPERATORS},
    {"{}", "{\"$set\": {\"a.b.c\": 1}, \"$unset\": {\"a.b\": 1}}",
     FAILURE_CONFLICTING_UPDATE_OPERATORS},
    {"{}", "{\"$inc\": {\"a\": \"x\"}}", FAILURE_TYPE_MISMATCH},
    {"{\"a\": null}", "{\"$inc\": {\"a\": 1}}", FAILURE_TYPE_MISMATCH},
    {"{\"a\": " LONG("9223372036854775807") "}", "{\"$inc\": {\"a\": 1}}", FAILURE_BAD_VALUE},
    {"{\"a\": " LONG("9223372036854775807") "}", "{\"$mul\": {\"a\": 2}}", FAILURE_BAD_VALUE},
    {"{\"a\": 1}", "{\"$set\": {\"a.b\": 1}}", FAILURE_PATH_NOT_VIABLE},
    {"{\"a\": [1]}", "{\"$set\": {\"a.x\": 1}}", FAILURE_PATH_NOT_VIABLE},
    {"{\"a\": 1}", "{\"$push\": {\"a\": 1}}", FAILURE_BAD_VALUE},
    {"{}", "{\"$push\": {\"a\": {\"$each\": 1}}}", FAILURE_BAD_VALUE},
    {"{}", "{\"$push\": {\"a\": {\"$each\": [1], \"$slice\": 1}}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"_id\": 1}", "{\"$set\": {\"_id\": 2}}", FAILURE_IMMUTABLE_FIELD},
    {"{\"_id\": 1}", "{\"$unset\": {\"_id\": 1}}", FAILURE_IMMUTABLE_FIELD},
    {"{\"_id\": 1}", "{\"_id\": 2, \"a\": 1}", FAILURE_IMMUTABLE_FIELD},
    {"{}", "{\"$set\": {\"a..b\": 1}}", FAILURE_EMPTY_FIELD_NAME},
    {"{}", "{\"$set\": {\"\": 1}}", FAILURE_EMPTY_FIELD_NAME},
    {"{}", "{\"$set\": {\"a.$\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$set\": {\"a.$[x]\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$set\": {\"a.$b\": 1}}", FAILURE_DOLLAR_PREFIXED_FIELD_NAME},
    {"{}", "{\"$addToSet\": {\"a\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$pull\": {\"a\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$rename\": {\"a\": \"b\"}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$currentDate\": {\"a\": 1}}", FAILURE_BAD_VALUE},
    {"{}", "[{\"$nonsense\": 1}]", FAILURE_UNKNOWN_STAGE},
    {"{}", "[{\"$project\": {\"a\": 1}}]", FAILURE_NOT_IMPLEMENTED},
    {"{}", "[{\"$set\": {\"a\": {\"$nonsense\": 1}}}]", FAILURE_INVALID_PIPELINE_OPERATOR},
    {"{\"a\": \"x\"}", "[{\"$set\": {\"a\": {\"$add\": [\"$a\", 1]}}}]", FAILURE_TYPE_MISMATCH},
    {"{}", "1", FAILURE_FAILED_TO_PARSE},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        bson_t *was = parse(refusals[i].was), *holder = parse_update(refusals[i].update);
        bson_value_t change = value_of(holder);
        struct failure failure = {0};
        struct update update = {.change = &change};
        bool changed;
        bson_t is = BSON_INITIALIZER;
        if (update_check(&change, &failure) && update_apply(&update, was, &is, &changed, &failure))
            fail_msg("%s is accepted on %s", refusals[i].update, refusals[i].was);
        if (failure.code != refusals[i].code)
            fail_msg("%s: code %d (%s) instead of %d", refusals[i].update, (int)failure.code,
                     failure.message, (int)refusals[i].code);
        failure_reset(&failure);
        bson_destroy(&is);
        bson_destroy(was);
        bson_destroy(holder);
    }
}

/* $set of random paths twice is $set of them once. */
static void test_set_twice_is_set_once(void **state)
{
    (void)state;
    static const char *const paths[] = {"a", "b", "c.d", "c.e", "c.d.x", "f.0", "f.2", "f.1.g"};
    static const char *const documents[] = {
        "{\"_id\": 1}", "{\"_id\": 1, \"c\": {}}", "{\"_id\": 1, \"f\": [{}, {}]}",
        "{\"_id\": 1, \"a\": 1, \"c\": {\"e\": [1]}, \"f\": []}"};
    struct random random;
    random_seed(&random, test_seed());
    int applied = 0;
    for (int i = 0; i < 5000; i++) {
        char *text = x_format("{\"$set\": {\"%s\": 1, \"%s\": {\"y\": 2}, \"%s\": [3]}}",
                              paths[random_below(&random, COUNT_OF(paths))],
                              paths[random_below(&random, COUNT_OF(paths))],
                              paths[random_below(&random, COUNT_OF(paths))]);
        bson_t *was = parse(documents[random_below(&random, COUNT_OF(documents))]);
        bson_t *holder = parse_update(text);
        bson_value_t change = value_of(holder);
        struct failure failure = {0};
        struct update update = {.change = &change};
        bool changed = false, again = true;
        bson_t once = BSON_INITIALIZER, twice = BSON_INITIALIZER;
        if (update_check(&change, &failure) &&
            update_apply(&update, was, &once, &changed, &failure)) {
            applied++;
            assert_true(update_apply(&update, &once, &twice, &again, &failure));
            assert_same(&twice, &once, text);
            assert_false(again);
        }
        failure_reset(&failure);
        bson_destroy(&once);
        bson_destroy(&twice);
        bson_destroy(was);
        bson_destroy(holder);
        free(text);
    }
    assert_true(applied > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_set_on_insert_counts_on_insert),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_set_twice_is_set_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
