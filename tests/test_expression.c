/* SPDX-License-Identifier: Apache-2.0
 *
 * expression: the expressions that leases are written with, and what is refused.
 * labels: engine unit
 */
#include "semantics.h"

#include "document/expression.h"

#define LONG(n) "{\"$numberLong\": \"" n "\"}"
#define DATE(n) "{\"$date\": {\"$numberLong\": \"" n "\"}}"

static const struct {
    const char *expression, *root, *result; /* result NULL: missing */
} rows[] = {
    {"1", "{}", "1"},
    {"\"text\"", "{}", "\"text\""},
    {"\"$a\"", "{\"a\": 5}", "5"},
    {"\"$a.b\"", "{\"a\": {\"b\": 5}}", "5"},
    {"\"$a\"", "{}", NULL},
    {"\"$$NOW\"", "{}", DATE("1000")},
    {"\"$$ROOT\"", "{\"a\": 1}", "{\"a\": 1}"},
    {"\"$$ROOT.a\"", "{\"a\": 1}", "1"},
    {"{\"$literal\": \"$a\"}", "{\"a\": 1}", "\"$a\""},
    {"{\"$cond\": [true, 1, 2]}", "{}", "1"},
    {"{\"$cond\": [0, 1, 2]}", "{}", "2"},
    {"{\"$cond\": [\"$a\", 1, 2]}", "{}", "2"},
    {"{\"$cond\": [\"\", 1, 2]}", "{}", "1"},
    {"{\"$cond\": {\"if\": false, \"then\": 1, \"else\": 2}}", "{}", "2"},
    {"{\"$cond\": [true, \"$a\", 2]}", "{}", NULL},
    {"{\"$ifNull\": [\"$a\", 7]}", "{}", "7"},
    {"{\"$ifNull\": [\"$a\", 7]}", "{\"a\": null}", "7"},
    {"{\"$ifNull\": [\"$a\", \"$b\", 7]}", "{\"b\": 3}", "3"},
    {"{\"$ifNull\": [\"$a\", 7]}", "{\"a\": 0}", "0"},
    {"{\"$add\": [1, 2]}", "{}", "3"},
    {"{\"$add\": [2147483647, 1]}", "{}", LONG("2147483648")},
    {"{\"$add\": [1, 0.5]}", "{}", "1.5"},
    {"{\"$add\": [\"$a\", 1]}", "{}", "null"},
    {"{\"$add\": [\"$$NOW\", 500]}", "{}", DATE("1500")},
    {"{\"$subtract\": [5, 3]}", "{}", "2"},
    {"{\"$subtract\": [\"$$NOW\", 400]}", "{}", DATE("600")},
    {"{\"$subtract\": [\"$$NOW\", " DATE("400") "]}", "{}", LONG("600")},
    {"{\"$eq\": [1, 1.0]}", "{}", "true"},
    {"{\"$eq\": [\"$a\", null]}", "{}", "false"}, /* missing is not null in expressions */
    {"{\"$ne\": [1, 2]}", "{}", "true"},
    {"{\"$lt\": [\"$a\", 1]}", "{}", "true"}, /* missing sorts first */
    {"{\"$lt\": [\"$a\", \"$$NOW\"]}", "{\"a\": " DATE("999") "}", "true"},
    {"{\"$lt\": [\"$a\", \"$$NOW\"]}", "{\"a\": " DATE("1000") "}", "false"},
    {"{\"$lte\": [\"$a\", \"$$NOW\"]}", "{\"a\": " DATE("1000") "}", "true"},
    {"{\"$gt\": [2, 1]}", "{}", "true"},
    {"{\"$gte\": [1, 2]}", "{}", "false"},
    {"{\"$and\": [true, 1]}", "{}", "true"},
    {"{\"$and\": [true, \"$a\"]}", "{}", "false"},
    {"{\"$and\": []}", "{}", "true"},
    {"{\"$or\": [false, 1]}", "{}", "true"},
    {"{\"$or\": []}", "{}", "false"},
    {"{\"$not\": [true]}", "{}", "false"},
    {"{\"$not\": \"$a\"}", "{}", "true"},
    {"{\"x\": \"$a\", \"y\": \"$b\"}", "{\"a\": 1}", "{\"x\": 1}"},
    {"\"$a.b\"", "{\"a\": [{\"b\": 1}, 5, {\"c\": 1}, [{\"b\": 9}], {\"b\": 2}]}", "[1, 2]"},
    {"\"$a.0\"", "{\"a\": [1]}", "[]"},
    {"\"$a.0\"", "{\"a\": {\"0\": 1}}", "1"},
    {"\"$$CURRENT.a\"", "{\"a\": 1}", "1"},
    {"\"$$REMOVE\"", "{}", NULL},
    {"\"$$NOW.x\"", "{}", NULL},
    {"{\"$literal\": {\"$add\": [1, 2]}}", "{}", "{\"$add\": [1, 2]}"},
    {"{\"$cond\": [{\"$undefined\": true}, 1, 2]}", "{}", "2"},
    {"{\"$cond\": [{\"$numberDouble\": \"NaN\"}, 1, 2]}", "{}", "1"},
    {"{\"$cond\": {\"else\": 2, \"then\": 1, \"if\": true}}", "{}", "1"},
    {"{\"$cond\": [false, {\"$add\": [\"x\", 1]}, 2]}", "{}", "2"},
    {"{\"$ifNull\": [\"$a\", \"$b\"]}", "{}", NULL},
    {"{\"$ifNull\": [\"$a\", null]}", "{}", "null"},
    {"{\"$add\": []}", "{}", "0"},
    {"{\"$add\": 5}", "{}", "5"},
    {"{\"$add\": [null, \"x\"]}", "{}", "null"},
    {"{\"$add\": [{\"$numberLong\": \"9223372036854775807\"}, 1]}", "{}",
     "{\"$numberDouble\": \"9223372036854775808.0\"}"},
    {"{\"$subtract\": [{\"$numberLong\": \"3\"}, 1]}", "{}", "{\"$numberLong\": \"2\"}"},
    {"{\"$subtract\": [-2147483648, 1]}", "{}", "{\"$numberLong\": \"-2147483649\"}"},
    {"{\"$subtract\": [\"$a\", 1]}", "{}", "null"},
    {"{\"$add\": [1.5, \"$$NOW\"]}", "{}", "{\"$date\": {\"$numberLong\": \"1002\"}}"},
    {"{\"$eq\": [\"$a\", \"$b\"]}", "{}", "true"},
    {"{\"$gt\": [\"x\", 5]}", "{}", "true"},
    {"{\"$or\": [\"$a\", 0, null]}", "{}", "false"},
    {"{\"$and\": [false, {\"$add\": [\"x\", 1]}]}", "{}", "false"},
    {"{\"$not\": [0]}", "{}", "true"},
    {"{\"a\": {\"b\": \"$c\"}}", "{}", "{\"a\": {}}"},
    {"{}", "{}", "{}"},
    {"[\"$a\", \"$b\"]", "{\"a\": 1}", "[1, null]"},
};

static void test_results(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *text = x_format("{\"v\": %s}", rows[i].expression);
        bson_t *holder = parse(text), *root = parse(rows[i].root), is = BSON_INITIALIZER;
        bson_value_t expression = value_of(holder);
        struct expression_result result;
        struct failure failure = {0};
        if (!expression_check(&expression, &failure) ||
            !expression_evaluate(&expression, root, 1000, &result, &failure))
            fail_msg("%s is refused: %s", rows[i].expression, failure.message);
        if (result.missing != (rows[i].result == NULL))
            fail_msg("%s: missing is %d", rows[i].expression, result.missing);
        free(text);
        if (!result.missing) {
            text = x_format("{\"v\": %s}", rows[i].result);
            bson_t *expected = parse(text);
            BSON_APPEND_VALUE(&is, "v", &result.value);
            assert_same(&is, expected, rows[i].expression);
            bson_destroy(expected);
            free(text);
        }
        expression_result_reset(&result);
        bson_destroy(&is);
        bson_destroy(root);
        bson_destroy(holder);
    }
}

static const struct {
    const char *expression;
    int code;
} refusals[] = {
    {"{\"$nonsense\": 1}", FAILURE_INVALID_PIPELINE_OPERATOR},
    {"{\"$cond\": [1, 2]}", 16020},
    {"{\"$eq\": [1]}", 16020},
    {"{\"$not\": [1, 2]}", 16020},
    {"{\"$add\": [\"x\", 1]}", FAILURE_TYPE_MISMATCH},
    {"{\"$add\": [\"$$NOW\", \"$$NOW\"]}", 16612},
    {"{\"$add\": [1, 2], \"$eq\": [1, 2]}", 15983},
    {"\"$$nonsense\"", 17276},
    {"{\"$cond\": {\"then\": 2, \"else\": 1}}", FAILURE_COND_IF},
    {"{\"$cond\": {\"if\": 2, \"else\": 1}}", FAILURE_COND_THEN},
    {"{\"$cond\": {\"if\": 1, \"then\": 2}}", FAILURE_COND_ELSE},
    {"{\"$cond\": {\"if\": 1, \"then\": 2, \"else\": 3, \"x\": 4}}", FAILURE_COND_UNKNOWN},
    {"{\"$ifNull\": [1]}", FAILURE_IF_NULL_ARITY},
    {"{\"$subtract\": [1]}", 16020},
    {"{\"$subtract\": [1, \"$$NOW\"]}", FAILURE_TYPE_MISMATCH},
    {"{\"$add\": [true, 1]}", FAILURE_TYPE_MISMATCH},
    {"{\"$add\": [{\"$numberDecimal\": \"1\"}, 1]}", FAILURE_NOT_IMPLEMENTED},
    {"{\"$add\": [" DATE("1") ", " LONG("9223372036854775807") "]}", FAILURE_OVERFLOW},
    {"{\"a\": 1, \"$add\": [1, 2]}", FAILURE_FIELD_PATH_DOLLAR},
    {"{\"a.b\": 1}", FAILURE_FIELD_NAME_DOTTED},
    {"\"$\"", FAILURE_FIELD_PATH_EMPTY},
    {"\"$a..b\"", FAILURE_FIELD_PATH_EMPTY},
    {"\"$a.\"", FAILURE_FIELD_PATH_EMPTY},
    {"\"$a.$b\"", FAILURE_FIELD_PATH_DOLLAR},
    {"\"$$CLUSTER_TIME\"", FAILURE_NOT_IMPLEMENTED},
    {"\"$$NOWHERE\"", 17276},
    {"{\"$not\": [{\"$nonsense\": 1}]}", FAILURE_INVALID_PIPELINE_OPERATOR},
    {"{\"$multiply\": [1, 2]}", FAILURE_INVALID_PIPELINE_OPERATOR},
    {"{\"$cond\": [1, 2, {\"$nonsense\": 1}]}", FAILURE_INVALID_PIPELINE_OPERATOR},
    {"{\"a\": {\"$nonsense\": 1}}", FAILURE_INVALID_PIPELINE_OPERATOR},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        char *text = x_format("{\"v\": %s}", refusals[i].expression);
        bson_t *holder = parse(text), root = BSON_INITIALIZER;
        bson_value_t expression = value_of(holder);
        struct expression_result result = {.missing = true};
        struct failure failure = {0};
        if (expression_check(&expression, &failure) &&
            expression_evaluate(&expression, &root, 0, &result, &failure))
            fail_msg("%s is accepted", refusals[i].expression);
        if ((int)failure.code != refusals[i].code)
            fail_msg("%s: code %d instead of %d", refusals[i].expression, (int)failure.code,
                     refusals[i].code);
        failure_reset(&failure);
        bson_destroy(holder);
        free(text);
    }
}

/* {$not: {$not: ...}}: the deepest expression that passes value_malformed(), on a fiber's stack. */
static void evaluate_deep(void *context)
{
    struct failure failure = {0};
    struct expression_result result;
    bson_t root = BSON_INITIALIZER, *expression = parse("{\"$not\": \"$a\"}");
    for (int i = 1; i < VALUE_DEPTH_MAX - 1; i++) {
        bson_t outer = BSON_INITIALIZER;
        BSON_APPEND_DOCUMENT(&outer, "$not", expression);
        bson_destroy(expression);
        expression = bson_copy(&outer);
        bson_destroy(&outer);
    }
    bson_value_t value = {.value_type = BSON_TYPE_DOCUMENT};
    value.value.v_doc.data = (uint8_t *)(uintptr_t)bson_get_data(expression);
    value.value.v_doc.data_len = expression->len;
    *(bool *)context = expression_check(&value, &failure) &&
                       expression_evaluate(&value, &root, 0, &result, &failure) &&
                       result.value.value_type == BSON_TYPE_BOOL && result.value.value.v_bool;
    bson_destroy(expression);
}

static void test_deep_expressions_fit_on_a_fiber(void **state)
{
    (void)state;
    bool fine = false;
    on_fiber(evaluate_deep, &fine);
    assert_true(fine); /* 99 negations of nothing, which counts as false */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_deep_expressions_fit_on_a_fiber),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
