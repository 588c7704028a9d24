/* SPDX-License-Identifier: Apache-2.0
 *
 * update: old document + update -> new document, in all three forms; numbers, paths, order of
 * fields; refusals with MongoDB's codes.
 * labels: engine unit
 */
#include "semantics.h"

#include "document/update.h"

#define LONG(n) "{\"$numberLong\": \"" n "\"}"

static const struct {
    const char *was, *update, *is;
} rows[] = {
    {"{\"_id\": 1, \"a\": 1}", "{\"$set\": {\"a\": 2}}", "{\"_id\": 1, \"a\": 2}"},
    {"{\"_id\": 1, \"a\": [1, 2]}", "{\"$addToSet\": {\"a\": 2}}", "{\"_id\": 1, \"a\": [1, 2]}"},
    {"{\"_id\": 1, \"a\": [1, 2]}", "{\"$addToSet\": {\"a\": 2.0}}", "{\"_id\": 1, \"a\": [1, 2]}"},
    {"{\"_id\": 1, \"a\": [1]}", "{\"$addToSet\": {\"a\": {\"$each\": [3, 1, 3]}}}",
     "{\"_id\": 1, \"a\": [1, 3]}"},
    {"{\"_id\": 1}", "{\"$addToSet\": {\"a.b\": 1}}", "{\"_id\": 1, \"a\": {\"b\": [1]}}"},
    {"{\"_id\": 1, \"a\": [1, 1]}", "{\"$addToSet\": {\"a\": [1]}}",
     "{\"_id\": 1, \"a\": [1, 1, [1]]}"},
    {"{\"_id\": 1, \"a\": [1, 2, 1]}", "{\"$pull\": {\"a\": 1}}", "{\"_id\": 1, \"a\": [2]}"},
    {"{\"_id\": 1, \"a\": [1, 5, 9]}", "{\"$pull\": {\"a\": {\"$gte\": 5}}}",
     "{\"_id\": 1, \"a\": [1]}"},
    {"{\"_id\": 1, \"a\": [{\"b\": 1, \"c\": 2}, {\"b\": 2}, 1]}",
     "{\"$pull\": {\"a\": {\"b\": 1}}}", "{\"_id\": 1, \"a\": [{\"b\": 2}, 1]}"},
    {"{\"_id\": 1, \"a\": [\"x\", \"y\"]}", "{\"$pull\": {\"a\": {\"$in\": [\"x\", \"z\"]}}}",
     "{\"_id\": 1, \"a\": [\"y\"]}"},
    {"{\"_id\": 1}", "{\"$pull\": {\"a.b\": 1}}", "{\"_id\": 1}"},
    {"{\"_id\": 1}", "{\"$pull\": {\"a.b\": 1}, \"$set\": {\"a.c\": 1}}",
     "{\"_id\": 1, \"a\": {\"c\": 1}}"},
    {"{\"_id\": 1, \"a\": [1, 2, 3]}", "{\"$pop\": {\"a\": 1}}", "{\"_id\": 1, \"a\": [1, 2]}"},
    {"{\"_id\": 1, \"a\": [1, 2, 3]}", "{\"$pop\": {\"a\": -1}}", "{\"_id\": 1, \"a\": [2, 3]}"},
    {"{\"_id\": 1, \"a\": []}", "{\"$pop\": {\"a\": 1}}", "{\"_id\": 1, \"a\": []}"},
    {"{\"_id\": 1}", "{\"$pop\": {\"a\": 1}}", "{\"_id\": 1}"},
    {"{\"_id\": 1}", "{\"$set\": {}}", "{\"_id\": 1}"},
    /* existing fields keep their place, new ones come sorted */
    {"{\"_id\": 1, \"z\": 1, \"a\": 1}", "{\"$set\": {\"d\": 4, \"c\": 3, \"z\": 2}}",
     "{\"_id\": 1, \"z\": 2, \"a\": 1, \"c\": 3, \"d\": 4}"},
    {"{\"_id\": 1}", "{\"$set\": {\"b\": 1}, \"$inc\": {\"a\": 2}}",
     "{\"_id\": 1, \"a\": 2, \"b\": 1}"},
    {"{\"_id\": 1, \"e\": 0}", /* more than need no memory of their own */
     "{\"$set\": {\"h\": 8, \"g\": 7, \"f\": 6, \"e\": 5, \"d\": 4, \"c\": 3, \"b\": 2, \"a\": 1}}",
     "{\"_id\": 1, \"e\": 5, \"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4, \"f\": 6, \"g\": 7, \"h\": "
     "8}"},
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
    /* of two fields of one name the first counts */
    {"{\"_id\": 1, \"a\": 1, \"a\": 5}", "{\"$inc\": {\"a\": 1}}",
     "{\"_id\": 1, \"a\": 2, \"a\": 5}"},
    {"{\"_id\": 1, \"a\": 5}", "{\"$set\": {\"a\": {\"$numberLong\": \"5\"}}}",
     "{\"_id\": 1, \"a\": {\"$numberLong\": \"5\"}}"},
    {"{\"_id\": 1}", "{\"$set\": {\"_id\": {\"$numberLong\": \"1\"}}}",
     "{\"_id\": {\"$numberLong\": \"1\"}}"},
    {"{\"_id\": 1}", "{\"$set\": {\"x.10\": 1, \"x.9\": 2, \"x.a\": 3}}",
     "{\"_id\": 1, \"x\": {\"9\": 2, \"10\": 1, \"a\": 3}}"},
    {"{\"_id\": 1, \"x\": []}", "{\"$set\": {\"x.10\": 1, \"x.2\": 2}}",
     "{\"_id\": 1, \"x\": [null, null, 2, null, null, null, null, null, null, null, 1]}"},
    {"{\"_id\": 1}", "{\"$set\": {\"a.0\": 1}}", "{\"_id\": 1, \"a\": {\"0\": 1}}"},
    {"{\"_id\": 1, \"a\": [[1, 2]]}", "{\"$set\": {\"a.0.1\": 9}}",
     "{\"_id\": 1, \"a\": [[1, 9]]}"},
    {"{\"_id\": 1, \"a\": [1]}", "{\"$set\": {\"a.2.b\": 5}}",
     "{\"_id\": 1, \"a\": [1, null, {\"b\": 5}]}"},
    {"{\"_id\": 1, \"a\": {\"b\": 1}}", "{\"$unset\": {\"a.b\": \"\"}}", "{\"_id\": 1, \"a\": {}}"},
    {"{\"_id\": 1, \"a\": [1]}", "{\"$unset\": {\"a.5\": \"\"}}", "{\"_id\": 1, \"a\": [1]}"},
    {"{\"_id\": 1, \"a\": [1]}", "{\"$unset\": {\"a.x\": \"\"}}", "{\"_id\": 1, \"a\": [1]}"},
    {"{\"_id\": 1, \"a\": 5}", "{\"$unset\": {\"a.b\": \"\", \"a.c\": \"\"}, \"$set\": {\"z\": 1}}",
     "{\"_id\": 1, \"a\": 5, \"z\": 1}"},
    {"{\"_id\": 1}", "{\"$unset\": {\"a.b\": \"\"}, \"$set\": {\"a.c\": 1}}",
     "{\"_id\": 1, \"a\": {\"c\": 1}}"},
    {"{\"_id\": 1, \"n\": 2147483647}", "{\"$mul\": {\"n\": 2147483647}}",
     "{\"_id\": 1, \"n\": {\"$numberLong\": \"4611686014132420609\"}}"},
    {"{\"_id\": 1, \"n\": {\"$numberLong\": \"5\"}}", "{\"$inc\": {\"n\": 1}}",
     "{\"_id\": 1, \"n\": {\"$numberLong\": \"6\"}}"},
    {"{\"_id\": 1, \"n\": {\"$numberLong\": \"5\"}}", "{\"$inc\": {\"n\": 0}}",
     "{\"_id\": 1, \"n\": {\"$numberLong\": \"5\"}}"},
    {"{\"_id\": 1}", "{\"$mul\": {\"n\": 2.5}}", "{\"_id\": 1, \"n\": 0.0}"},
    {"{\"_id\": 1, \"n\": -2147483648}", "{\"$inc\": {\"n\": -1}}",
     "{\"_id\": 1, \"n\": {\"$numberLong\": \"-2147483649\"}}"},
    {"{\"_id\": 1, \"n\": \"x\"}", "{\"$min\": {\"n\": 3}}", "{\"_id\": 1, \"n\": 3}"},
    {"{\"_id\": 1, \"n\": \"x\"}", "{\"$max\": {\"n\": 3}}", "{\"_id\": 1, \"n\": \"x\"}"},
    {"{\"_id\": 1, \"n\": 1}", "{\"$max\": {\"n\": 1.0}}", "{\"_id\": 1, \"n\": 1}"},
    {"{\"_id\": 1, \"a\": [1]}", "{\"$push\": {\"a\": [2, 3]}}",
     "{\"_id\": 1, \"a\": [1, [2, 3]]}"},
    {"{\"_id\": 1, \"a\": [1]}", "{\"$push\": {\"a\": {\"b\": 2}}}",
     "{\"_id\": 1, \"a\": [1, {\"b\": 2}]}"},
    {"{\"_id\": 1}", "{\"$push\": {\"a.b\": {\"$each\": []}}}", "{\"_id\": 1, \"a\": {\"b\": []}}"},
    {"{\"_id\": 1}", "{\"$setOnInsert\": {\"a.b\": 2}}", "{\"_id\": 1}"},
    {"{\"a\": 1}", "{\"$set\": {\"_id\": 7}}", "{\"_id\": 7, \"a\": 1}"},
    {"{\"a\": 1}", "{\"b\": 1}", "{\"b\": 1}"},
    {"{\"_id\": 1, \"a\": 1}", "{\"_id\": {\"$numberLong\": \"1\"}, \"a\": {\"$x\": 1}}",
     "{\"_id\": {\"$numberLong\": \"1\"}, \"a\": {\"$x\": 1}}"},
    {"{\"_id\": 1, \"a\": {\"x\": 1, \"y\": 2}}",
     "[{\"$set\": {\"a.y\": 3, \"b.c\": {\"$add\": [\"$a.x\", 1]}}}]",
     "{\"_id\": 1, \"a\": {\"x\": 1, \"y\": 3}, \"b\": {\"c\": 2}}"},
    {"{\"_id\": 1, \"a\": {\"x\": 1, \"y\": 2}}", "[{\"$addFields\": {\"a\": {\"y\": 3}}}]",
     "{\"_id\": 1, \"a\": {\"x\": 1, \"y\": 3}}"},
    {"{\"_id\": 1, \"a\": {\"x\": 1}}", "[{\"$set\": {\"a\": {\"$literal\": {\"y\": 3}}}}]",
     "{\"_id\": 1, \"a\": {\"y\": 3}}"},
    {"{\"_id\": 1, \"a\": [{\"x\": 1}, 5]}", "[{\"$set\": {\"a.y\": 3}}]",
     "{\"_id\": 1, \"a\": [{\"x\": 1, \"y\": 3}, {\"y\": 3}]}"},
    {"{\"_id\": 1, \"a\": 1}", "[{\"$set\": {\"a\": \"$$REMOVE\", \"b\": \"$none\"}}]",
     "{\"_id\": 1}"},
    {"{\"_id\": 1, \"a\": 1, \"b\": {\"c\": 1, \"d\": 2}}", "[{\"$unset\": [\"a\", \"b.c\"]}]",
     "{\"_id\": 1, \"b\": {\"d\": 2}}"},
    {"{\"_id\": 1, \"a\": 1}", "[{\"$unset\": \"_id\"}]", "{\"_id\": 1, \"a\": 1}"},
    {"{\"_id\": 1, \"a\": {\"b\": 2}}",
     "[{\"$replaceRoot\": {\"newRoot\": \"$a\"}}, {\"$set\": {\"c\": \"$b\"}}]",
     "{\"_id\": 1, \"b\": 2, \"c\": 2}"},
    {"{\"_id\": 1}", "[]", "{\"_id\": 1}"},
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

/* Reads the update and applies it once, at time 1234567; `is` is initialised and empty. */
static bool apply(const bson_value_t *change, const bson_t *was, bson_t *is, bool *changed,
                  struct failure *failure)
{
    struct update update;
    struct buffer bytes = {0};
    bson_t view;
    if (!update_read(&update, change, failure))
        return false;
    update.now_ms = 1234567;
    bool fine = update_apply(&update, was, &bytes, changed, failure);
    if (fine) {
        document_of_buffer(&bytes, &view);
        bson_concat(is, &view);
    }
    update_release(&update);
    buffer_release(&bytes);
    return fine;
}

static void test_updates(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bson_t *was = parse(rows[i].was), *expected = parse(rows[i].is);
        bson_t *holder = parse_update(rows[i].update);
        bson_value_t change = value_of(holder);
        struct failure failure = {0};
        bool changed = false;
        bson_t is = BSON_INITIALIZER;
        if (!apply(&change, was, &is, &changed, &failure))
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
    struct update update;
    struct buffer bytes = {0};
    bool changed = false;
    bson_t is;
    assert_true(update_read(&update, &change, &failure));
    for (int i = 0; i < 2; i++) { /* one update, two documents */
        update.inserting = i == 1;
        assert_true(update_apply(&update, was, &bytes, &changed, &failure));
        document_of_buffer(&bytes, &is);
        assert_same(&is, i == 1 ? expected : was, "$setOnInsert");
        assert_int_equal(changed, i == 1);
    }
    update_release(&update);
    buffer_release(&bytes);
    bson_destroy(was);
    bson_destroy(expected);
    bson_destroy(holder);
}

/* An update that was read once makes of each document what one makes that was read for it. */
static void test_one_update_many_documents(void **state)
{
    (void)state;
    size_t applied = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bson_t *holder = parse_update(rows[i].update);
        bson_value_t change = value_of(holder);
        struct failure failure = {0};
        struct update update;
        struct buffer bytes = {0};
        assert_true(update_read(&update, &change, &failure));
        update.now_ms = 1234567;
        for (size_t j = 0; j < COUNT_OF(rows); j++) {
            bson_t *was = parse(rows[j].was), expected = BSON_INITIALIZER, is;
            bool changed = false, expected_changed = false;
            bool fine = update_apply(&update, was, &bytes, &changed, &failure);
            failure_reset(&failure);
            assert_int_equal(apply(&change, was, &expected, &expected_changed, &failure), fine);
            failure_reset(&failure);
            if (fine) {
                document_of_buffer(&bytes, &is);
                assert_same(&is, &expected, rows[i].update);
                assert_int_equal(changed, expected_changed);
                applied++;
            }
            bson_destroy(&expected);
            bson_destroy(was);
        }
        update_release(&update);
        buffer_release(&bytes);
        bson_destroy(holder);
    }
    assert_true(applied > COUNT_OF(rows) * COUNT_OF(rows) / 2);
}

/* {$currentDate: {d: {$type: type}}}; libbson's JSON takes {"$type": ...} for something else. */
static bool apply_date_type(const char *type, bson_t *is, struct failure *failure)
{
    bson_t document = BSON_INITIALIZER, fields, options, was = BSON_INITIALIZER;
    BSON_APPEND_DOCUMENT_BEGIN(&document, "$currentDate", &fields);
    BSON_APPEND_DOCUMENT_BEGIN(&fields, "d", &options);
    BSON_APPEND_UTF8(&options, "$type", type);
    bson_append_document_end(&fields, &options);
    bson_append_document_end(&document, &fields);
    bson_value_t change = {.value_type = BSON_TYPE_DOCUMENT};
    change.value.v_doc.data = (uint8_t *)(uintptr_t)bson_get_data(&document);
    change.value.v_doc.data_len = document.len;
    bool changed, fine = apply(&change, &was, is, &changed, failure);
    bson_destroy(&document);
    return fine;
}

static void test_current_date_has_types(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        {"date", "{\"d\": {\"$date\": {\"$numberLong\": \"1234567\"}}}"},
        {"timestamp", "{\"d\": {\"$timestamp\": {\"t\": 1234, \"i\": 568}}}"}};
    struct failure failure = {0};
    bson_t is = BSON_INITIALIZER;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        bson_t *document = parse(expected[i][1]);
        bson_reinit(&is);
        assert_true(apply_date_type(expected[i][0], &is, &failure));
        assert_same(&is, document, expected[i][0]);
        bson_destroy(document);
    }
    assert_false(apply_date_type("double", &is, &failure));
    assert_int_equal(failure.code, FAILURE_BAD_VALUE);
    failure_reset(&failure);
    bson_destroy(&is);
}

static const struct {
    const char *was, *update;
    enum failure_code code;
} refusals[] = {
    {"{}", "{\"$nonsense\": {\"a\": 1}}", FAILURE_FAILED_TO_PARSE},
    {"{}", "{\"$set\": {\"a\": 1}, \"b\": 1}", FAILURE_FAILED_TO_PARSE},
    {"{}",
     "{\"$set\": {\"a\": 1, \"b\": 1, \"c\": 1, \"d\": 1, \"e\": 1, \"f\": 1, \"g\": 1, \"h\": 1, "
     "\"\": 1}}",
     FAILURE_EMPTY_FIELD_NAME},
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
    {"{\"a\": 1}", "{\"$addToSet\": {\"a\": 1}}", FAILURE_BAD_VALUE},
    {"{}", "{\"$addToSet\": {\"a\": {\"$each\": 1}}}", FAILURE_BAD_VALUE},
    {"{}", "{\"$addToSet\": {\"a\": {\"$each\": [1], \"x\": 1}}}", FAILURE_BAD_VALUE},
    {"{\"a\": 1}", "{\"$pull\": {\"a\": 1}}", FAILURE_BAD_VALUE},
    {"{}", "{\"$pull\": {\"a\": {\"$foo\": 1}}}", FAILURE_BAD_VALUE},
    {"{}", "{\"$pop\": {\"a\": 2}}", FAILURE_FAILED_TO_PARSE},
    {"{\"a\": 1}", "{\"$pop\": {\"a\": 1}}", FAILURE_TYPE_MISMATCH},
    {"{}", "{\"$rename\": {\"a\": \"b\"}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$currentDate\": {\"a\": 1}}", FAILURE_BAD_VALUE},
    {"{}", "[{\"$nonsense\": 1}]", FAILURE_UNKNOWN_STAGE},
    {"{}", "[{\"$project\": {\"a\": 1, \"b\": 0}}]", FAILURE_EXCLUSION_IN_INCLUSION},
    {"{}", "[{\"$lookup\": {}}]", FAILURE_NOT_IMPLEMENTED},
    {"{}", "[{\"$foo\": 1}]", FAILURE_UNKNOWN_STAGE},
    {"{}", "[{\"$set\": {\"a\": {\"$nonsense\": 1}}}]", FAILURE_INVALID_PIPELINE_OPERATOR},
    {"{\"a\": \"x\"}", "[{\"$set\": {\"a\": {\"$add\": [\"$a\", 1]}}}]", FAILURE_TYPE_MISMATCH},
    {"{}", "{\"$inc\": {\"a\": {\"$numberDecimal\": \"1\"}}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"$numberDecimal\": \"1\"}}", "{\"$inc\": {\"a\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": \"x\"}", "{\"$mul\": {\"a\": 1}}", FAILURE_TYPE_MISMATCH},
    {"{\"a\": {\"$numberLong\": \"-9223372036854775808\"}}", "{\"$inc\": {\"a\": -1}}",
     FAILURE_BAD_VALUE},
    {"{\"a\": [1]}", "{\"$set\": {\"a.-1\": 1}}", FAILURE_PATH_NOT_VIABLE},
    {"{\"a\": [1]}", "{\"$set\": {\"a.01\": 1}}", FAILURE_PATH_NOT_VIABLE},
    {"{\"a\": []}", "{\"$set\": {\"a.1500001\": 1}}", FAILURE_CANNOT_BACKFILL_ARRAY},
    {"{\"a\": null}", "{\"$set\": {\"a.b\": 1}}", FAILURE_PATH_NOT_VIABLE},
    {"{\"a\": null}", "{\"$push\": {\"a\": 1}}", FAILURE_BAD_VALUE},
    {"{}", "{\"$push\": {\"a\": {\"$each\": [1], \"x\": 1}}}", FAILURE_BAD_VALUE},
    {"{}", "{\"$push\": {\"a\": {\"$position\": 1}}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$push\": {\"a\": {\"$each\": [1], \"$sort\": 1}}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"_id\": {\"a\": 1}}", "{\"$set\": {\"_id.b\": 1}}", FAILURE_IMMUTABLE_FIELD},
    {"{\"_id\": 1}", "[{\"$set\": {\"_id\": 2}}]", FAILURE_IMMUTABLE_FIELD},
    {"{}", "{\"$set\": {\"_id\": [1]}}", FAILURE_INVALID_ID_FIELD},
    {"{\"_id\": [1]}", "{\"$set\": {\"a\": 1}}", FAILURE_INVALID_ID_FIELD},
    {"{}", "{\"$set\": {\"_id\": {\"$undefined\": true}}}", FAILURE_INVALID_ID_FIELD},
    {"{}", "{\"_id\": {\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"\"}}}",
     FAILURE_INVALID_ID_FIELD},
    {"{}", "{\"$set\": {\".a\": 1}}", FAILURE_EMPTY_FIELD_NAME},
    {"{}", "{\"$set\": {\"a.\": 1}}", FAILURE_EMPTY_FIELD_NAME},
    {"{}", "{\"$set\": {\"$a\": 1}}", FAILURE_DOLLAR_PREFIXED_FIELD_NAME},
    {"{}", "{\"$set\": {\"a.$.b\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$set\": {\"a.$[]\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$set\": {\"a\": 1, \"a\": 2}}", FAILURE_CONFLICTING_UPDATE_OPERATORS},
    {"{}", "{\"$set\": {\"a\": 1, \"a-b\": 1, \"a.b\": 1}}", FAILURE_CONFLICTING_UPDATE_OPERATORS},
    {"{}", "{\"$setOnInsert\": {\"a\": 1}, \"$set\": {\"a\": 2}}",
     FAILURE_CONFLICTING_UPDATE_OPERATORS},
    {"{}", "{\"$bit\": {\"a\": {\"or\": 1}}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$pullAll\": {\"a\": [1]}}", FAILURE_NOT_IMPLEMENTED},
    {"{}", "{\"$currentDate\": {\"a\": {\"x\": 1}}}", FAILURE_BAD_VALUE},
    {"{}", "[1]", FAILURE_TYPE_MISMATCH},
    {"{}", "[{}]", FAILURE_STAGE_FORM},
    {"{}", "[{\"$set\": {\"a\": 1}, \"$unset\": \"b\"}]", FAILURE_STAGE_FORM},
    {"{}", "[{\"$match\": {\"a\": 1}}]", FAILURE_INVALID_OPTIONS},
    {"{}", "[{\"$set\": 1}]", FAILURE_SET_STAGE_FORM},
    {"{}", "[{\"$set\": {\"a\": {}}}]", FAILURE_EMPTY_SPECIFICATION},
    {"{}", "[{\"$set\": {\"a\": 1, \"a.b\": 1}}]", FAILURE_PIPELINE_PATH_CONFLICT},
    {"{}", "[{\"$set\": {\"a\": {\"b\": 1}, \"a.b\": 1}}]", FAILURE_PIPELINE_PATH_CONFLICT},
    {"{}", "[{\"$set\": {\"a..b\": 1}}]", FAILURE_FIELD_PATH_EMPTY},
    {"{}", "[{\"$set\": {\"\": 1}}]", FAILURE_FIELD_PATH_EMPTY},
    {"{}", "[{\"$set\": {\"a.$b\": 1}}]", FAILURE_FIELD_PATH_DOLLAR},
    {"{}", "[{\"$unset\": 1}]", FAILURE_UNSET_SPECIFICATION},
    {"{}", "[{\"$unset\": []}]", FAILURE_UNSET_SPECIFICATION},
    {"{}", "[{\"$unset\": [\"a\", \"a.b\"]}]", FAILURE_PATH_COLLISION},
    {"{}", "[{\"$replaceRoot\": 1}]", FAILURE_REPLACE_ROOT_FORM},
    {"{}", "[{\"$replaceRoot\": {\"x\": 1}}]", FAILURE_REPLACE_ROOT_MISSING},
    {"{\"a\": 1}", "[{\"$replaceWith\": \"$a\"}]", FAILURE_REPLACEMENT_NOT_OBJECT},
    {"{}", "[{\"$replaceWith\": \"$a\"}]", FAILURE_REPLACEMENT_NOT_OBJECT},
    {"{}", "1", FAILURE_FAILED_TO_PARSE},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        bson_t *was = parse(refusals[i].was), *holder = parse_update(refusals[i].update);
        bson_value_t change = value_of(holder);
        struct failure failure = {0};
        bool changed = false;
        bson_t is = BSON_INITIALIZER;
        if (apply(&change, was, &is, &changed, &failure))
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

/* In an array it is the position that counts, whatever name a client has given. */
static void test_arrays_go_by_position(void **state)
{
    bson_t was = BSON_INITIALIZER, is = BSON_INITIALIZER, array;
    bson_iter_t iter, item;
    bson_t *holder = parse_update("{\"$set\": {\"a.0\": 5}}");
    bson_value_t change = value_of(holder);
    struct failure failure = {0};
    bool changed = false;
    (void)state;
    BSON_APPEND_ARRAY_BEGIN(&was, "a", &array);
    BSON_APPEND_INT32(&array, "1", 1);
    BSON_APPEND_INT32(&array, "0", 2);
    bson_append_array_end(&was, &array);
    assert_true(apply(&change, &was, &is, &changed, &failure));
    assert_true(bson_iter_init_find(&iter, &is, "a") && bson_iter_recurse(&iter, &item));
    assert_true(bson_iter_next(&item) && bson_iter_int32(&item) == 5);
    assert_true(bson_iter_next(&item) && bson_iter_int32(&item) == 2);
    bson_destroy(&was);
    bson_destroy(&is);
    bson_destroy(holder);
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
        struct update update;
        struct buffer first = {0}, second = {0};
        bool changed = false, again = true, read = update_read(&update, &change, &failure);
        bson_t once, twice;
        if (read && update_apply(&update, was, &first, &changed, &failure)) {
            applied++;
            document_of_buffer(&first, &once);
            assert_true(update_apply(&update, &once, &second, &again, &failure));
            document_of_buffer(&second, &twice);
            assert_same(&twice, &once, text);
            assert_false(again);
        }
        if (read)
            update_release(&update);
        failure_reset(&failure);
        buffer_release(&first);
        buffer_release(&second);
        bson_destroy(was);
        bson_destroy(holder);
        free(text);
    }
    assert_true(applied > 500);
}

/* A document as deep as it may be, updated at its deepest place, on a fiber's stack. */
struct deep {
    const char *operator;
    int parts;
    enum failure_code code;
    bool done;
};

static void update_deep(void *context)
{
    struct deep *deep = context;
    char path[2 * VALUE_DEPTH_MAX + 8] = "a";
    for (int i = 1; i < deep->parts; i++)
        strcat(path, ".a");
    char *text = x_format("{\"%s\": {\"%s\": 1}}", deep->operator, path);
    bson_t *change_document = parse(text), was = BSON_INITIALIZER, is = BSON_INITIALIZER,
           again = BSON_INITIALIZER;
    struct failure failure = {0};
    bson_value_t change = {.value_type = BSON_TYPE_DOCUMENT};
    bool changed = false;
    change.value.v_doc.data = (uint8_t *)(uintptr_t)bson_get_data(change_document);
    change.value.v_doc.data_len = change_document->len;
    deep->done = apply(&change, &was, &is, &changed, &failure) &&
                 apply(&change, &is, &again, &changed, &failure);
    deep->code = failure.code;
    failure_reset(&failure);
    bson_destroy(change_document);
    bson_destroy(&was);
    bson_destroy(&is);
    bson_destroy(&again);
    free(text);
}

static void test_depth_is_limited_and_fits_on_a_fiber(void **state)
{
    (void)state;
    struct deep rows_deep[] = {{.operator= "$set", .parts = VALUE_DEPTH_MAX},
                               {.operator= "$inc", .parts = VALUE_DEPTH_MAX},
                               {.operator= "$set", .parts = VALUE_DEPTH_MAX + 1},
                               {.operator= "$push", .parts = VALUE_DEPTH_MAX}};
    for (size_t i = 0; i < COUNT_OF(rows_deep); i++) {
        on_fiber(update_deep, &rows_deep[i]);
        assert_int_equal(rows_deep[i].done, i < 2);
        assert_int_equal(rows_deep[i].code, i < 2 ? FAILURE_NONE : FAILURE_OVERFLOW);
    }
}

static void test_results_are_limited_in_size(void **state)
{
    (void)state;
    uint32_t length = 9 << 20;
    char *text = x_malloc(length + 1);
    memset(text, 'x', length);
    text[length] = '\0';
    bson_t was = BSON_INITIALIZER, document = BSON_INITIALIZER, inner, is = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&was, "a", text);
    BSON_APPEND_DOCUMENT_BEGIN(&document, "$set", &inner);
    BSON_APPEND_UTF8(&inner, "b", text);
    bson_append_document_end(&document, &inner);
    bson_value_t change = {.value_type = BSON_TYPE_DOCUMENT};
    change.value.v_doc.data = (uint8_t *)(uintptr_t)bson_get_data(&document);
    change.value.v_doc.data_len = document.len;
    struct failure failure = {0};
    bool changed = false;
    assert_false(apply(&change, &was, &is, &changed, &failure));
    assert_int_equal(failure.code, FAILURE_OBJECT_TOO_LARGE);
    failure_reset(&failure);
    bson_destroy(&was);
    bson_destroy(&document);
    bson_destroy(&is);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_set_on_insert_counts_on_insert),
        cmocka_unit_test(test_one_update_many_documents),
        cmocka_unit_test(test_current_date_has_types),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_arrays_go_by_position),
        cmocka_unit_test(test_set_twice_is_set_once),
        cmocka_unit_test(test_depth_is_limited_and_fits_on_a_fiber),
        cmocka_unit_test(test_results_are_limited_in_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
