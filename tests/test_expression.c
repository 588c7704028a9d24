/* SPDX-License-Identifier: Apache-2.0
 *
 * expression: the expressions that leases are written with, and what is refused; codes and names.
 * labels: engine unit
 */
#include "semantics.h"

#include "engine/expression.h"

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
    {"{\"$cond\": {\"if\": 1, \"then\": 2}}", 17080},
    {"{\"$eq\": [1]}", 16020},
    {"{\"$ifNull\": [1]}", 16020},
    {"{\"$not\": [1, 2]}", 16020},
    {"{\"$add\": [\"x\", 1]}", FAILURE_TYPE_MISMATCH},
    {"{\"$add\": [\"$$NOW\", \"$$NOW\"]}", 16612},
    {"{\"$add\": [1, 2], \"$eq\": [1, 2]}", 15983},
    {"\"$$nonsense\"", 17276},
    {"\"$$REMOVE\"", FAILURE_NOT_IMPLEMENTED},
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

static void test_codes_have_mongodbs_names(void **state)
{
    (void)state;
    char buffer[32];
    assert_string_equal(failure_name(FAILURE_DUPLICATE_KEY, buffer), "DuplicateKey");
    assert_string_equal(failure_name(FAILURE_WRITE_CONFLICT, buffer), "WriteConflict");
    assert_string_equal(failure_name(FAILURE_COMMAND_NOT_FOUND, buffer), "CommandNotFound");
    assert_string_equal(failure_name(FAILURE_UNKNOWN_FIELD, buffer), "Location40415");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_codes_have_mongodbs_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
