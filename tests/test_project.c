/* SPDX-License-Identifier: Apache-2.0
 *
 * project: which fields a reply carries, and in which order documents come.
 * labels: engine unit
 */
#include "semantics.h"

#include "document/project.h"

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
    {"{\"b\": 1, \"a\": 1}", "{\"_id\": 1, \"a\": 1, \"c\": 3, \"b\": 2}",
     "{\"_id\": 1, \"a\": 1, \"b\": 2}"},
    {"{\"_id\": 1, \"a\": 0}", "{\"_id\": 1, \"a\": 1, \"b\": 2}", "{\"_id\": 1, \"b\": 2}"},
    {"{\"_id\": 0, \"a\": 0}", "{\"_id\": 1, \"a\": 1, \"b\": 2}", "{\"b\": 2}"},
    {"{\"_id\": 0, \"a.b\": 1, \"a.d\": 1}",
     "{\"_id\": 1, \"a\": {\"b\": 1, \"c\": 2, \"d\": 3}, \"e\": 4}",
     "{\"a\": {\"b\": 1, \"d\": 3}}"},
    {"{\"a.b.c\": 1}",
     "{\"_id\": 1, \"a\": [{\"b\": [{\"c\": 1, \"d\": 2}, 5]}, [{\"b\": {\"c\": 3}}], 7]}",
     "{\"_id\": 1, \"a\": [{\"b\": [{\"c\": 1}]}, [{\"b\": {\"c\": 3}}]]}"},
    {"{\"a.b\": 0}", "{\"_id\": 1, \"a\": 5}", "{\"_id\": 1, \"a\": 5}"},
    {"{\"a.b\": 1}", "{\"_id\": 1, \"a\": {\"c\": 1}}", "{\"_id\": 1, \"a\": {}}"},
    {"{\"ab\": 1}", "{\"_id\": 1, \"a\": {\"x\": 1}, \"abc\": 2}", "{\"_id\": 1}"},
    {"{\"_id.a\": 1}", "{\"_id\": {\"a\": 1, \"b\": 2}, \"c\": 3}", "{\"_id\": {\"a\": 1}}"},
    {"{\"a\": {\"$numberLong\": \"1\"}}", "{\"_id\": 1, \"a\": 1, \"b\": 2}",
     "{\"_id\": 1, \"a\": 1}"},
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
    {"{\"a\": {\"$elemMatch\": {\"b\": 1}}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"$meta\": \"x\"}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"b\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": 1, \"a.b\": 1}", FAILURE_PATH_COLLISION},
    {"{\"a.b\": 1, \"a\": 1}", FAILURE_PATH_COLLISION},
    {"{\"a\": 1, \"a\": 1}", FAILURE_PATH_COLLISION},
    {"{\"$a\": 1}", FAILURE_FIELD_PATH_DOLLAR},
    {"{\"a..b\": 1}", FAILURE_FIELD_PATH_EMPTY},
    {"{\"\": 1}", FAILURE_FIELD_PATH_EMPTY},
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
    {"{\"a\": 1}", "{\"a\": []}", "{\"a\": null}", -1},
    {"{\"a\": 1}", "{\"a\": []}", "{}", -1},
    {"{\"a\": -1}", "{\"a\": []}", "{}", 1},
    {"{\"a.b\": 1}", "{\"a\": [{\"b\": 3}, {\"b\": 1}]}", "{\"a\": {\"b\": 2}}", -1},
    {"{\"a.b\": -1}", "{\"a\": [{\"b\": 3}, {\"b\": 1}]}", "{\"a\": {\"b\": 2}}", -1},
    {"{\"a.0\": 1}", "{\"a\": [1, 9]}", "{\"a\": [2, 0]}", -1},
    {"{\"a\": 1}", "{\"a\": \"x\"}", "{\"a\": 5}", 1},
    {"{}", "{\"a\": 1}", "{\"a\": 2}", 0},
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
}

static const struct {
    const char *sort;
    int code;
} refused_sorts[] = {
    {"{\"a\": 2}", FAILURE_SORT_ORDER},
    {"{\"a\": 0}", FAILURE_SORT_ORDER},
    {"{\"a\": -1.5}", FAILURE_SORT_ORDER},
    {"{\"a\": \"x\"}", FAILURE_SORT_KEY},
    {"{\"a\": true}", FAILURE_SORT_KEY},
    {"{\"a\": {\"$meta\": \"textScore\"}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"$a\": 1}", FAILURE_FIELD_PATH_DOLLAR},
    {"{\"a.\": 1}", FAILURE_FIELD_PATH_EMPTY},
};

static void test_refused_sorts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused_sorts); i++) {
        bson_t *sort = parse(refused_sorts[i].sort);
        struct failure failure = {0};
        assert_false(sort_check(sort, &failure));
        if ((int)failure.code != refused_sorts[i].code)
            fail_msg("%s: code %d", refused_sorts[i].sort, (int)failure.code);
        failure_reset(&failure);
        bson_destroy(sort);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_projections),
        cmocka_unit_test(test_refused_projections),
        cmocka_unit_test(test_sorting),
        cmocka_unit_test(test_refused_sorts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
