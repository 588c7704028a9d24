/* SPDX-License-Identifier: Apache-2.0
 *
 * project: which fields a reply carries, and in which order documents come.
 * labels: engine unit
 */
#include "semantics.h"

#include "engine/project.h"

static const struct {
    const char *projection, *document, *result;
} rows[] = {
    {"{}", "{\"_id\": 1, \"a\": 1}", "{\"_id\": 1, \"a\": 1}"},
    {"{\"a\": 1}", "{\"_id\": 1, \"a\": 1, \"b\": 2}", "{\"_id\": 1, \"a\": 1}"},
    {"{\"a\": 1, \"_id\": 0}", "{\"_id\": 1, \"a\": 1, \"b\": 2}", "{\"a\": 1}"},
    {"{\"_id\": 1}", "{\"_id\": 1, \"a\": 1}", "{\"_id\": 1}"},
    {"{\"_id\": 0}", "{\"_id\": 1, \"a\": 1}", "{\"a\": 1}"},
    {"{\"a\": 0}", "{\"_id\": 1, \"a\": 1, \"b\": 2}", "{\"_id\": 1, \"b\": 2}"},
    {"{\"a.b\": 1}", "{\"_id\": 1, \"a\": {\"b\": 1, \"c\": 2}}",
     "{\"_id\": 1, \"a\": {\"b\": 1}}"},
    {"{\"a.b\": 0}", "{\"_id\": 1, \"a\": {\"b\": 1, \"c\": 2}}",
     "{\"_id\": 1, \"a\": {\"c\": 2}}"},
    {"{\"a.b\": 1}", "{\"_id\": 1, \"a\": [{\"b\": 1, \"c\": 2}, 5, {\"b\": 3}]}",
     "{\"_id\": 1, \"a\": [{\"b\": 1}, {\"b\": 3}]}"},
    {"{\"a.b\": 0}", "{\"_id\": 1, \"a\": [{\"b\": 1, \"c\": 2}, 5]}",
     "{\"_id\": 1, \"a\": [{\"c\": 2}, 5]}"},
    {"{\"a.b\": 1}", "{\"_id\": 1, \"a\": 5}", "{\"_id\": 1}"},
    {"{\"b\": 1, \"a\": 1}", "{\"a\": 1, \"_id\": 1, \"b\": 2}",
     "{\"_id\": 1, \"a\": 1, \"b\": 2}"},
};

static void test_projections(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bson_t *projection = parse(rows[i].projection), *document = parse(rows[i].document);
        bson_t *expected = parse(rows[i].result), result = BSON_INITIALIZER;
        struct failure failure = {0};
        assert_true(project_check(projection, &failure));
        project(projection, document, &result);
        assert_same(&result, expected, rows[i].projection);
        bson_destroy(projection);
        bson_destroy(document);
        bson_destroy(expected);
        bson_destroy(&result);
    }
}

static const struct {
    const char *projection;
    int code;
} refusals[] = {
    {"{\"a\": 1, \"b\": 0}", 31254},
    {"{\"a\": 0, \"b\": 1}", 31253},
    {"{\"a\": {\"$slice\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": \"$b\"}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a.$\": 1}", FAILURE_NOT_IMPLEMENTED},
};

static void test_refused_projections(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        bson_t *projection = parse(refusals[i].projection);
        struct failure failure = {0};
        assert_false(project_check(projection, &failure));
        assert_int_equal(failure.code, refusals[i].code);
        failure_reset(&failure);
        bson_destroy(projection);
    }
}

static const struct {
    const char *sort, *first, *second;
    int order;
} sorts[] = {
    {"{\"a\": 1}", "{\"a\": 1}", "{\"a\": 2}", -1},
    {"{\"a\": -1}", "{\"a\": 1}", "{\"a\": 2}", 1},
    {"{\"a\": 1}", "{\"a\": 1}", "{\"a\": 1.0}", 0},
    {"{\"a\": 1, \"b\": -1}", "{\"a\": 1, \"b\": 1}", "{\"a\": 1, \"b\": 2}", 1},
    {"{\"a\": 1}", "{}", "{\"a\": 1}", -1},
    {"{\"a\": 1}", "{}", "{\"a\": null}", 0},
    {"{\"a\": 1}", "{\"a\": [5, 1]}", "{\"a\": 2}", -1},
    {"{\"a\": -1}", "{\"a\": [5, 1]}", "{\"a\": 2}", -1},
    {"{\"a.b\": 1}", "{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 2}}", -1},
};

static void test_sorting(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(sorts); i++) {
        bson_t *sort = parse(sorts[i].sort), *a = parse(sorts[i].first),
               *b = parse(sorts[i].second);
        struct failure failure = {0};
        assert_true(sort_check(sort, &failure));
        int order = sort_compare(sort, a, b), back = sort_compare(sort, b, a);
        if ((order > 0) - (order < 0) != sorts[i].order ||
            (back > 0) - (back < 0) != -sorts[i].order)
            fail_msg("%s puts %s and %s wrongly", sorts[i].sort, sorts[i].first, sorts[i].second);
        bson_destroy(sort);
        bson_destroy(a);
        bson_destroy(b);
    }
    struct failure failure = {0};
    bson_t *sort = parse("{\"a\": 2}");
    assert_false(sort_check(sort, &failure));
    bson_destroy(sort);
    sort = parse("{\"a\": \"x\"}");
    assert_false(sort_check(sort, &failure));
    assert_int_equal(failure.code, FAILURE_BAD_VALUE);
    failure_reset(&failure);
    bson_destroy(sort);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_projections),
        cmocka_unit_test(test_refused_projections),
        cmocka_unit_test(test_sorting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
