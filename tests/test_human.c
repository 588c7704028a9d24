/* SPDX-License-Identifier: Apache-2.0
 *
 * test_human: numbers, times and sentences as people read them; and tables, which they are put
 * into. labels: unit
 */
#include "report_samples.h"
#include "table.h"

static void counts_have_separators(void **state)
{
    (void)state;
    assert_string_equal(human_count(0).text, "0");
    assert_string_equal(human_count(999).text, "999");
    assert_string_equal(human_count(1000).text, "1,000");
    assert_string_equal(human_count(-1234567).text, "-1,234,567");
    assert_string_equal(human_count(INT64_MAX).text, "9,223,372,036,854,775,807");
    assert_string_equal(human_count(INT64_MIN).text, "-9,223,372,036,854,775,808");
    assert_string_equal(human_counted(1, "worker").text, "1 worker");
    assert_string_equal(human_counted(2, "process").text, "2 processes");
}

static void durations_have_three_digits(void **state)
{
    (void)state;
    assert_string_equal(human_duration(0).text, "0 ns");
    assert_string_equal(human_duration(999).text, "999 ns");
    assert_string_equal(human_duration(1000).text, "1.00 us");
    assert_string_equal(human_duration(999499).text, "999 us");
    assert_string_equal(human_duration(999500).text, "1.00 ms");
    assert_string_equal(human_duration(9994000).text, "9.99 ms");
    assert_string_equal(human_duration(9996000).text, "10.0 ms");
    assert_string_equal(human_duration(99960000).text, "100 ms");
    assert_string_equal(human_duration(1200000000).text, "1.20 s");
    assert_string_equal(human_duration(INT64_C(3600000000000)).text, "3,600 s");
    assert_string_equal(human_moment(112034000).text, "0.112034 s");
    assert_string_equal(human_moment(INT64_C(61000001999)).text, "61.000001 s");
}

static void numbers_are_never_nan(void **state)
{
    (void)state;
    assert_string_equal(human_number(0.984).text, "0.98");
    assert_string_equal(human_number(9.996).text, "10.0");
    assert_string_equal(human_number(99.96).text, "100");
    assert_string_equal(human_number(24800.4).text, "24,800");
    assert_string_equal(human_number(NAN).text, "0.00");
    assert_string_equal(human_number(INFINITY).text, "0.00");
    assert_string_equal(human_share(0.87961).text, "87.96 %");
    assert_string_equal(human_share(NAN).text, "0.00 %");
}

static void options_are_exact(void **state)
{
    (void)state;
    struct backoff backoff = {BACKOFF_FULL_JITTER, 1000, 100000};
    assert_string_equal(human_option(0).text, "0");
    assert_string_equal(human_option(1500).text, "1500us");
    assert_string_equal(human_option(1000).text, "1ms");
    assert_string_equal(human_option(90000000).text, "90s");
    assert_string_equal(human_backoff(&backoff).text, "full-jitter:1ms:100ms");
    backoff.kind = BACKOFF_EXPONENTIAL;
    assert_string_equal(human_backoff(&backoff).text, "exponential:1ms:100ms");
    backoff.kind = BACKOFF_FIXED;
    assert_string_equal(human_backoff(&backoff).text, "fixed:1ms");
    backoff.kind = BACKOFF_NONE;
    assert_string_equal(human_backoff(&backoff).text, "none");
}

static void operations_have_names(void **state)
{
    (void)state;
    assert_string_equal(human_operation(OPERATION_ID(3, 17)).text, "w3.17");
    assert_string_equal(human_operation(0).text, "the seed");
}

static char *wrapped(const char *text, int columns)
{
    char *result = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&result, &size);
    human_wrap(out, text, columns, 0, 2);
    fclose(out);
    return result;
}

static void lines_break_between_words(void **state)
{
    static const char *const cases[][2] = {
        {"one two three", "one two\n  three\n"},
        {"", "\n"},
        {"averyveryverylongword a", "averyveryverylongword\n  a\n"},
        {"one by 0.12 s: gone", "one by\n  0.12 s:\n  gone\n"}, /* a unit stays with its number */
        {"with 95 % sure", "with 95 %\n  sure\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *text = wrapped(cases[i][0], 9);
        assert_string_equal(text, cases[i][1]);
        free(text);
    }
}

static void bytes_become_utf8(void **state)
{
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xff\xfe", "??"},
        {"cut \xe2\x82", "cut ??"},
        {"overlong \xc0\xaf", "overlong ??"},
        {"surrogate \xed\xa0\x80", "surrogate ???"},
        {"too far \xf4\x90\x80\x80", "too far ????"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *text = human_utf8(cases[i][0]);
        assert_string_equal(text, cases[i][1]);
        assert_true(bson_utf8_validate(text, strlen(text), false));
        free(text);
    }
    char *text = human_utf8(NULL);
    assert_string_equal(text, "unknown");
    free(text);
}

static void words_are_quoted_for_a_shell(void **state)
{
    static const char *const cases[][2] = {
        {"naive+occ", "naive+occ"},   {"mongodb://a/?w=1&j=true", "'mongodb://a/?w=1&j=true'"},
        {"it's", "'it'\\''s'"},       {"", "''"},
        {"$(reboot)", "'$(reboot)'"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *word = human_shell_word(cases[i][0]);
        assert_string_equal(word, cases[i][1]);
        free(word);
    }
}

static char *printed(const struct table *table, int width)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    table_print(table, width, out);
    fclose(out);
    return text;
}

static void tables_drop_the_least_important(void **state)
{
    static const struct {
        int width;
        const char *text;
    } cases[] = {
        {80, "              per\nname     a  value  last\nx        1  12345  end\n\n"
             "longer  22      6  z\n"},
        {19, "name     a  last\nx        1  end\n\nlonger  22  z\n"},
        {5, "name    last\nx       end\n\nlonger  z\n"},
    };
    struct table table = {0};
    (void)state;
    table_column(&table, "name", false, 0);
    table_column(&table, "a", true, 1);
    table_column(&table, "per\nvalue", true, 2);
    table_column(&table, "last", false, 0);
    table_row(&table, NULL);
    const char *const first[] = {"x", "1", "12345", "end"};
    const char *const second[] = {"longer", "22", "6", "z"};
    for (size_t i = 0; i < 4; i++)
        table_put(&table, first[i]);
    table_gap(&table);
    table_row(&table, NULL);
    for (size_t i = 0; i < 4; i++)
        table_put(&table, second[i]);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *text = printed(&table, cases[i].width);
        assert_string_equal(text, cases[i].text);
        free(text);
    }
    table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_separators),
        cmocka_unit_test(durations_have_three_digits),
        cmocka_unit_test(numbers_are_never_nan),
        cmocka_unit_test(options_are_exact),
        cmocka_unit_test(operations_have_names),
        cmocka_unit_test(lines_break_between_words),
        cmocka_unit_test(bytes_become_utf8),
        cmocka_unit_test(words_are_quoted_for_a_shell),
        cmocka_unit_test(tables_drop_the_least_important),
    };
    return cmocka_run_group_tests_name("human", tests, NULL, NULL);
}
