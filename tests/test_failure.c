/* SPDX-License-Identifier: Apache-2.0
 *
 * failure: codes have MongoDB's names; a failure says one thing at a time and owns its detail.
 * labels: engine unit
 */
#include "semantics.h"

static void test_codes_have_mongodbs_names(void **state)
{
    (void)state;
    char buffer[32];
    assert_string_equal(failure_name(FAILURE_DUPLICATE_KEY, buffer), "DuplicateKey");
    assert_string_equal(failure_name(FAILURE_WRITE_CONFLICT, buffer), "WriteConflict");
    assert_string_equal(failure_name(FAILURE_COMMAND_NOT_FOUND, buffer), "CommandNotFound");
    assert_string_equal(failure_name(FAILURE_UNKNOWN_FIELD, buffer), "Location40415");
    assert_string_equal(failure_name(FAILURE_EXPRESSION_IN_UPSERT, buffer),
                        "QueryFeatureNotAllowed");
    assert_string_equal(failure_name(FAILURE_UNKNOWN_STAGE, buffer), "Location40324");
    assert_string_equal(failure_name((enum failure_code)251, buffer), "NoSuchTransaction");
}

static void test_setting_again_replaces(void **state)
{
    (void)state;
    struct failure failure = {0};
    assert_false(failure_set(&failure, FAILURE_BAD_VALUE, "first %d", 1));
    assert_int_equal(failure.code, FAILURE_BAD_VALUE);
    assert_string_equal(failure.message, "first 1");
    failure.detail = bson_new();
    assert_false(failure_set(&failure, FAILURE_OVERFLOW, "second, after: %s", failure.message));
    assert_int_equal(failure.code, FAILURE_OVERFLOW);
    assert_string_equal(failure.message, "second, after: first 1");
    assert_null(failure.detail);
    failure.detail = bson_new();
    failure_reset(&failure);
    assert_int_equal(failure.code, FAILURE_NONE);
    assert_null(failure.detail);
}

/* A message that is too long is cut between characters, wherever the cut would fall. */
static void test_long_messages_stay_utf8(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        struct failure failure = {0};
        char text[2000] = "xxx";
        text[shift] = '\0';
        while (strlen(text) < 1500)
            strcat(text, "\xf0\x9f\x8f\x81"); /* four bytes a character */
        failure_set(&failure, FAILURE_BAD_VALUE, "%s", text);
        assert_true(strlen(failure.message) > sizeof failure.message - 5);
        assert_true(bson_utf8_validate(failure.message, strlen(failure.message), false));
        failure_reset(&failure);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_have_mongodbs_names),
        cmocka_unit_test(test_setting_again_replaces),
        cmocka_unit_test(test_long_messages_stay_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
