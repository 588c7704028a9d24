/* SPDX-License-Identifier: Apache-2.0
 *
 * fiber: switches keep registers, stacks and floating-point state; stacks are guarded; many fibers
 * live at once; the sanitizers agree.
 * labels: unit
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base.h"
#include "fiber.h"

struct count {
    struct fiber *fiber;
    int from, steps;
    int sum;
};

static void add_up(void *argument)
{
    struct count *count = argument;
    double scale = 0.5; /* lives in a register over the switches, if the compiler wants it to */
    for (int i = 0; i < count->steps; i++) {
        count->sum += (int)((count->from + i) * 2 * scale);
        fiber_yield(count->fiber);
    }
}

static void test_runs_in_turns_and_keeps_its_locals(void **state)
{
    (void)state;
    struct count a = {.from = 1, .steps = 3}, b = {.from = 100, .steps = 2};
    a.fiber = fiber_new(add_up, &a, fiber_default_stack_bytes());
    b.fiber = fiber_new(add_up, &b, fiber_default_stack_bytes());
    fiber_resume(a.fiber);
    fiber_resume(b.fiber);
    fiber_resume(a.fiber);
    assert_int_equal(a.sum, 1 + 2);
    assert_int_equal(b.sum, 100);
    assert_false(fiber_ended(a.fiber));
    fiber_resume(b.fiber);
    fiber_resume(a.fiber);
    fiber_resume(a.fiber);
    fiber_resume(b.fiber);
    assert_int_equal(a.sum, 1 + 2 + 3);
    assert_int_equal(b.sum, 100 + 101);
    assert_true(fiber_ended(a.fiber));
    assert_true(fiber_ended(b.fiber));
    fiber_free(a.fiber);
    fiber_free(b.fiber);
}

static void test_a_fiber_that_never_ran_can_be_freed(void **state)
{
    (void)state;
    struct count a = {.from = 1, .steps = 3};
    fiber_free(fiber_new(add_up, &a, fiber_default_stack_bytes()));
    assert_int_equal(a.sum, 0);
}

static void test_many_live_at_once(void **state)
{
    (void)state;
    enum { MANY = 300 }; /* ThreadSanitizer allows some 8,000 fibers and threads, and is slow */
    struct count *counts = x_calloc(MANY, sizeof(*counts));
    for (int i = 0; i < MANY; i++) {
        counts[i] = (struct count){.from = i, .steps = 5};
        counts[i].fiber = fiber_new(add_up, &counts[i], fiber_default_stack_bytes());
    }
    for (int round = 0; round < 6; round++)
        for (int i = 0; i < MANY; i++)
            fiber_resume(counts[i].fiber);
    for (int i = 0; i < MANY; i++) {
        assert_true(fiber_ended(counts[i].fiber));
        assert_int_equal(counts[i].sum, 5 * i + 10);
        fiber_free(counts[i].fiber);
    }
    free(counts);
}

static int touch(volatile char *stack, size_t bytes)
{
    int sum = 0;
    for (size_t i = 0; i < bytes; i += 512)
        sum += stack[i] = 1;
    return sum;
}

static void use_most_of_the_stack(void *argument)
{
    volatile char buffer[48 << 10];
    *(int *)argument = touch(buffer, sizeof(buffer));
}

static void test_most_of_the_stack_can_be_used(void **state)
{
    (void)state;
    int sum = 0;
    struct fiber *fiber = fiber_new(use_most_of_the_stack, &sum, fiber_default_stack_bytes());
    fiber_resume(fiber);
    assert_int_equal(sum, (48 << 10) / 512);
    fiber_free(fiber);
}

/* Each call needs the array of the one before, so that no compiler makes a loop of them. */
static int overflow(int depth, const volatile char *before)
{
    volatile char buffer[4096];
    int sum = touch(buffer, sizeof(buffer));
    return (depth == 0 ? sum : sum + overflow(depth - 1, buffer)) + before[0];
}

static void overflow_the_stack(void *argument)
{
    char first = 0;
    *(int *)argument = overflow(1000, &first);
}

static void test_an_overflow_is_a_fault_and_not_a_corruption(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        int sum = 0;
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(0);
        fiber_resume(fiber_new(overflow_the_stack, &sum, fiber_default_stack_bytes()));
        _exit(0); /* it came through: wrong */
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_in_turns_and_keeps_its_locals),
        cmocka_unit_test(test_a_fiber_that_never_ran_can_be_freed),
        cmocka_unit_test(test_many_live_at_once),
        cmocka_unit_test(test_most_of_the_stack_can_be_used),
        cmocka_unit_test(test_an_overflow_is_a_fault_and_not_a_corruption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
