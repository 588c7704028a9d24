/* SPDX-License-Identifier: Apache-2.0
 *
 * test_checker_counter: small histories of fetch-and-increment, by hand, with the pair that each
 * must name. The comparison with a search over all orders is in test_checker_properties.c.
 * labels: unit
 */
#include "checker_support.h"

static void test_counter_core(void **state)
{
    (void)state;
    static const struct {
        struct count_operation operations[4];
        size_t count;
        bool linearizable;
        size_t pair[2];
    } cases[] = {
        {{{0, 5, 1, false, false}, {1, 6, 2, false, false}}, 2, true, {0, 0}},
        {{{0, 5, 1, false, false}, {1, 6, 1, false, false}}, 2, false, {0, 1}},
        {{{0, 5, 2, false, false}, {6, 9, 1, false, false}}, 2, false, {1, 0}},
        {{{0, 5, 0, false, false}}, 1, false, {0, 0}},
        {{{0, 5, 2, false, false}}, 1, false, {0, 0}},
        {{{0, 5, 2, false, false}, {3, 4, 0, false, true}}, 2, true, {0, 0}},
        {{{0, 5, 2, false, false}, {6, 9, 0, false, true}}, 2, false, {1, 0}},
        {{{0, 5, 1, false, false}, {6, 9, 0, true, false}}, 2, false, {1, 0}},
        {{{0, 5, 1, false, false}, {6, 9, 1, true, false}}, 2, true, {0, 0}},
        {{{0, 5, 7, true, false}}, 1, false, {0, 0}},
        {{{0, 5, -1, true, false}}, 1, false, {0, 0}},
        {{{0, 5, INT64_MAX, true, false}, {0, 5, INT64_MIN, false, false}}, 2, false, {0, 0}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t pair[2] = {0, 0};
        bool got = checker_counter(cases[i].operations, cases[i].count, 0, pair);
        if (got != cases[i].linearizable || pair[0] != cases[i].pair[0] ||
            pair[1] != cases[i].pair[1])
            fail_msg("case %zu: %d, pair %zu %zu", i, got, pair[0], pair[1]);
    }
    size_t pair[2];
    assert_true(checker_counter(NULL, 0, 5, pair));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
