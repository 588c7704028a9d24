/* SPDX-License-Identifier: Apache-2.0
 *
 * clock: those that tick go with those that do not.
 * labels: unit
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base.h"

/* A tick lasts 10 ms at most; a machine that is busy with others may be late with it. */
enum { LATE_MS = 60 * 1000 };

static int64_t monotonic_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

static void expect_between(int64_t before_ms, int64_t tick_ms, int64_t after_ms)
{
    assert_in_range(tick_ms, before_ms - LATE_MS, after_ms);
}

static void test_ticks(void **state)
{
    (void)state;
    int64_t before_ms = monotonic_ms(), tick_ms = clock_monotonic_tick_ms();
    expect_between(before_ms, tick_ms, monotonic_ms());
    before_ms = clock_wall_ms();
    tick_ms = clock_wall_tick_ms();
    expect_between(before_ms, tick_ms, clock_wall_ms());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ticks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
