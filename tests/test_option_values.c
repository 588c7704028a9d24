/* SPDX-License-Identifier: Apache-2.0
 *
 * option_values: tables of what people type and what it means. What is refused must also leave the
 * value alone, since a default stands there.
 *
 * labels: unit
 */
#include "support.h"

#include "option_values.h"

static void counts_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value; /* -1: refused */
    } rows[] = {
        {"0", 0},
        {"7", 7},
        {"10000", 10000},
        {"10k", 10000},
        {"10K", 10000},
        {"2M", 2000000},
        {"10_000", 10000},
        {"10,000", 10000},
        {"1,000,000", 1000000},
        {"1_000k", 1000000},
        {"007", 7},
        {"9223372036854775807", INT64_MAX},
        {"", -1},
        {"-1", -1},
        {"+1", -1},
        {" 1", -1},
        {"1 ", -1},
        {"ten", -1},
        {"1.5", -1},
        {"1e3", -1},
        {"10,00", -1},
        {"1,0000", -1},
        {"1000,000", -1},
        {"1,000_000", -1},
        {"10m", -1},
        {"10kk", -1},
        {"k", -1},
        {"0x10", -1},
        {"9223372036854775808", -1},
        {"9223372036854775807k", -1},
        {",100", -1},
        {"100,", -1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t value = -7;
        const char *problem = option_value_count(rows[i].text, &value);
        if (rows[i].value < 0 ? problem == NULL || value != -7
                              : problem != NULL || value != rows[i].value)
            fail_msg("count '%s': %s, %lld", rows[i].text, problem != NULL ? problem : "taken",
                     (long long)value);
    }
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us; /* -1: refused */
    } rows[] = {
        {"0", 0},
        {"0s", 0},
        {"100us", 100},
        {"1ms", 1000},
        {"30s", 30000000},
        {"2m", 120000000},
        {"2min", 120000000},
        {"1h", 3600000000},
        {"1.5s", 1500000},
        {"0.1ms", 100},
        {"1.000001s", 1000001},
        {"1000ns", 1},
        {"1_000ms", 1000000},
        {"", -1},
        {"30", -1},
        {"s", -1},
        {"-1s", -1},
        {"1 s", -1},
        {"1d", -1},
        {"1.s", -1},
        {".5s", -1},
        {"1.5us", -1},
        {"100ns", -1},
        {"1s2", -1},
        {"9999999999h", -1},
        {"1.00000000000000000000001s", -1},
        {"1S", -1},
        {"nan", -1},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t us = -7;
        const char *problem = option_value_duration(rows[i].text, 1000, &us);
        if (rows[i].us < 0 ? problem == NULL || us != -7 : problem != NULL || us != rows[i].us)
            fail_msg("duration '%s': %s, %lld us", rows[i].text,
                     problem != NULL ? problem : "taken", (long long)us);
    }
    int64_t ms = 0;
    assert_null(option_value_duration("1.5s", 1000000, &ms));
    assert_int_equal(ms, 1500);
    assert_non_null(option_value_duration("100us", 1000000, &ms));
}

static void lists_of_counts_are_read(void **state)
{
    (void)state;
    struct option_counts counts;
    assert_null(option_value_counts("1,10,1k", &counts));
    assert_int_equal(counts.count, 3);
    assert_int_equal(counts.items[0], 1);
    assert_int_equal(counts.items[2], 1000);
    free(counts.items);
    static const char *const wrong[] = {"", ",", "1,", ",1", "1,,2", "1;2", "10,000", "a", "1, 2"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (option_value_counts(wrong[i], &counts) == NULL)
            fail_msg("list '%s' was taken", wrong[i]);
}

static void back_off_is_read(void **state)
{
    (void)state;
    struct backoff backoff;
    assert_null(option_value_backoff("none", &backoff));
    assert_int_equal(backoff.kind, BACKOFF_NONE);
    assert_null(option_value_backoff("fixed:2ms", &backoff));
    assert_int_equal(backoff.kind, BACKOFF_FIXED);
    assert_int_equal(backoff.base_us, 2000);
    assert_null(option_value_backoff("exponential:100us:1s", &backoff));
    assert_int_equal(backoff.kind, BACKOFF_EXPONENTIAL);
    assert_int_equal(backoff.base_us, 100);
    assert_int_equal(backoff.cap_us, 1000000);
    assert_null(option_value_backoff("full-jitter:1ms:1ms", &backoff));
    assert_int_equal(backoff.kind, BACKOFF_FULL_JITTER);
    static const char *const wrong[] = {"",
                                        "None",
                                        "none:1ms",
                                        "fixed",
                                        "fixed:",
                                        "fixed:0",
                                        "fixed:1",
                                        "fixed:1ms:2ms",
                                        "exponential:1ms",
                                        "jitter",
                                        "full-jitter:1s:1ms",
                                        "fixed:2h",
                                        "full-jitter:1ms:2ms:3ms",
                                        "full-jitter::1ms"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (option_value_backoff(wrong[i], &backoff) == NULL)
            fail_msg("back-off '%s' was taken", wrong[i]);
}

static void seeds_flags_choices_and_outputs_are_read(void **state)
{
    (void)state;
    uint64_t seed = 0;
    bool flag = false;
    int index = -1;
    struct option_output output;
    assert_null(option_value_seed("9223372036854775807", &seed));
    assert_true(seed == INT64_MAX);
    assert_null(option_value_seed("0xff", &seed));
    assert_int_equal(seed, 255);
    assert_non_null(option_value_seed("9223372036854775808", &seed));
    assert_non_null(option_value_seed("0x", &seed));
    assert_non_null(option_value_seed("-1", &seed));
    assert_non_null(option_value_seed("1k", &seed));
    assert_null(option_value_flag("Yes", &flag));
    assert_true(flag);
    assert_null(option_value_flag("0", &flag));
    assert_false(flag);
    assert_non_null(option_value_flag("maybe", &flag));
    assert_null(option_value_choice("sync", "off|write|sync", &index));
    assert_int_equal(index, 2);
    assert_non_null(option_value_choice("off|write", "off|write|sync", &index));
    assert_non_null(option_value_choice("", "off|write|sync", &index));
    assert_non_null(option_value_choice("syn", "off|write|sync", &index));
    assert_null(option_value_output("json=a=b", &output));
    assert_string_equal(output.kind, "json");
    assert_string_equal(output.file, "a=b");
    free(output.kind);
    free(output.file);
    assert_non_null(option_value_output("json", &output));
    assert_non_null(option_value_output("json=", &output));
    assert_non_null(option_value_output("=file", &output));
}

static void suggestions_are_near(void **state)
{
    (void)state;
    static const char *const names[] = {"workers", "work", "verbose", "occ", "inc", "naive", NULL};
    static const struct {
        const char *text, *wanted;
    } rows[] = {{"worker", "workers"},
                {"wrok", "work"},
                {"workes", "workers"},
                {"verb", "verbose"},
                {"oc", "occ"},
                {"ooc", "occ"},
                {"naiv", "naive"},
                {"nvaie", "naive"},
                {"zebra", NULL},
                {"", NULL},
                {"q", NULL}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *near = option_suggest(rows[i].text, names);
        if (rows[i].wanted == NULL ? near != NULL
                                   : near == NULL || strcmp(near, rows[i].wanted) != 0)
            fail_msg("'%s': %s", rows[i].text, near != NULL ? near : "nothing");
    }
    static const char *const close_ones[] = {"drop", "work", NULL};
    assert_string_equal(option_suggest("wrok", close_ones), "work"); /* a swap is one edit */
    char longest[5000];
    memset(longest, 'w', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_null(option_suggest(longest, names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_read),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(lists_of_counts_are_read),
        cmocka_unit_test(back_off_is_read),
        cmocka_unit_test(seeds_flags_choices_and_outputs_are_read),
        cmocka_unit_test(suggestions_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
