/* SPDX-License-Identifier: Apache-2.0
 *
 * test_checker_register: small histories of read-modify-write with named versions, by hand, with
 * the pair that each must name. The comparison with a search over all orders is in
 * test_checker_properties.c.
 * labels: unit
 */
#include "checker_support.h"

static void test_register_core(void **state)
{
    (void)state;
    static const struct {
        struct register_operation operations[4];
        size_t count;
        enum reason reason;
        size_t pair[2];
    } cases[] = {
        {{{0, 5, 0, 1, false}, {1, 6, 1, 2, false}}, 2, REASON_NONE, {0, 0}},
        {{{0, 5, 0, 1, false}, {1, 6, 0, 2, false}}, 2, REASON_LOST_UPDATE, {0, 1}},
        {{{0, 5, 0, 1, false}, {1, 6, 0, 2, true}}, 2, REASON_NONE, {0, 0}},
        {{{0, 5, 0, 1, false}, {1, 6, 0, 2, true}, {7, 8, 2, 0, false}},
         3,
         REASON_LOST_UPDATE,
         {0, 1}},
        {{{0, 5, 9, 1, false}}, 1, REASON_PHANTOM_VERSION, {0, 0}},
        {{{0, 5, 2, 1, false}, {1, 6, 1, 2, false}}, 2, REASON_NOT_LINEARIZABLE, {0, 1}},
        {{{0, 5, 1, 1, false}}, 1, REASON_NOT_LINEARIZABLE, {0, 0}},
        {{{6, 9, 0, 1, false}, {0, 5, 1, 2, false}}, 2, REASON_NOT_LINEARIZABLE, {0, 1}},
        {{{0, 5, 0, 1, false}, {6, 9, 0, 0, false}}, 2, REASON_NOT_LINEARIZABLE, {1, 0}},
        {{{0, 5, 0, 1, true}, {6, 9, 0, 0, false}}, 2, REASON_NONE, {0, 0}},
        {{{0, 5, 0, 1, false}, {6, 9, 1, 1, false}}, 2, REASON_NOT_LINEARIZABLE, {0, 1}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t pair[2] = {0, 0};
        enum reason reason;
        bool got = checker_register(cases[i].operations, cases[i].count, pair, &reason);
        if (got != (cases[i].reason == REASON_NONE) || reason != cases[i].reason ||
            pair[0] != cases[i].pair[0] || pair[1] != cases[i].pair[1])
            fail_msg("case %zu: %d %s, pair %zu %zu", i, got, reason_name(reason), pair[0],
                     pair[1]);
    }
    size_t pair[2];
    enum reason reason;
    assert_true(checker_register(NULL, 0, pair, &reason));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_register_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
