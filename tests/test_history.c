/* SPDX-License-Identifier: Apache-2.0
 *
 * test_history: appending, merging, sorting and hashing of histories.
 * labels: unit
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base.h"
#include "history.h"

static struct event *add(struct history *history, int64_t invoke_ns, int64_t operation)
{
    struct event *event = history_append(history);
    event->invoke_ns = invoke_ns;
    event->return_ns = invoke_ns + 5;
    event->operation = operation;
    event->worker = OPERATION_WORKER(operation);
    return event;
}

static void test_operation_ids_name_worker_and_number(void **state)
{
    (void)state;
    static const struct {
        int32_t worker;
        int64_t number;
    } rows[] = {{0, 0}, {0, 1}, {7, 42}, {9999, 0xffffffff}, {INT32_MAX - 1, 3}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t id = OPERATION_ID(rows[i].worker, rows[i].number);
        assert_true(id > 0);
        assert_int_equal(OPERATION_WORKER(id), rows[i].worker);
        assert_int_equal(OPERATION_NUMBER(id), rows[i].number);
    }
}

static void test_append_gives_zeroed_events(void **state)
{
    (void)state;
    struct history history;
    history_init(&history);
    for (int64_t i = 0; i < 1000; i++) {
        struct event *event = history_append(&history);
        assert_int_equal(event->operation, 0);
        assert_int_equal(event->outcome, DONE);
        assert_int_equal(event->wrote, 0);
        event->operation = i + 1;
        event->wrote = 3;
    }
    assert_int_equal(history.count, 1000);
    for (size_t i = 0; i < history.count; i++)
        assert_int_equal(history.events[i].operation, (int64_t)i + 1);
    history_free(&history);
    assert_null(history.events);
    history_free(&history);
}

static void test_merge_moves_everything(void **state)
{
    (void)state;
    struct history all, one;
    history_init(&all);
    for (int32_t worker = 0; worker < 100; worker++) {
        history_init(&one);
        for (int64_t number = 0; number < worker; number++)
            add(&one, number, OPERATION_ID(worker, number));
        history_merge(&all, &one);
        assert_int_equal(one.count, 0);
        assert_null(one.events);
    }
    assert_int_equal(all.count, 99 * 100 / 2);
    assert_true(all.capacity >= all.count);
    assert_int_equal(all.events[0].operation, OPERATION_ID(1, 0));
    assert_int_equal(all.events[all.count - 1].operation, OPERATION_ID(99, 98));
    history_free(&all);
}

static void test_sort_by_invocation_then_operation(void **state)
{
    (void)state;
    struct history history;
    struct random random;
    random_seed(&random, 7);
    history_init(&history);
    history_sort(&history);
    for (int64_t number = 0; number < 5000; number++)
        add(&history, (int64_t)random_below(&random, 500),
            OPERATION_ID((int32_t)random_below(&random, 9), number));
    uint64_t before = history_hash(&history, true);
    history_sort(&history);
    for (size_t i = 1; i < history.count; i++) {
        const struct event *a = &history.events[i - 1], *b = &history.events[i];
        assert_true(a->invoke_ns < b->invoke_ns ||
                    (a->invoke_ns == b->invoke_ns && a->operation < b->operation));
    }
    assert_int_equal(history.count, 5000);
    assert_true(before == history_hash(&history, true));
    add(&history, 0, OPERATION_ID(0, 6000));
    history_sort(&history);
    assert_int_equal(history.events[0].invoke_ns, 0);
    assert_int_equal(history.count, 5001);
    history_free(&history);
}

/* Every member but the times counts; the times only when asked for. */
static void test_hash_sees_every_member(void **state)
{
    (void)state;
    struct history history;
    history_init(&history);
    struct event *event = add(&history, 1, OPERATION_ID(1, 1));
    uint64_t bare = history_hash(&history, false), timed = history_hash(&history, true);
    event->return_ns++;
    assert_true(history_hash(&history, false) == bare);
    assert_true(history_hash(&history, true) != timed);
#define CHANGES(member, value)                                                                     \
    do {                                                                                           \
        struct event saved = *event;                                                               \
        event->member = value;                                                                     \
        assert_true(history_hash(&history, false) != bare);                                        \
        *event = saved;                                                                            \
        assert_true(history_hash(&history, false) == bare);                                        \
    } while (0)
    CHANGES(operation, 9);
    CHANGES(key[0], 9);
    CHANGES(key[1], 9);
    CHANGES(read[0], 9);
    CHANGES(read[1], 9);
    CHANGES(value_read, 9);
    CHANGES(value_written, 9);
    CHANGES(amount, 9);
    CHANGES(once, 9);
    CHANGES(applied, 9);
    CHANGES(worker, 9);
    CHANGES(instance, 9);
    CHANGES(attempts, 9);
    CHANGES(commands, 9);
    CHANGES(outcome, UNKNOWN);
    CHANGES(strategy, 1);
    CHANGES(wrote, 1);
    CHANGES(reads_only, true);
    CHANGES(doubled, true);
    CHANGES(retried, true);
#undef CHANGES
    history_free(&history);
}

/* Two runs that did the same in another order of the clocks are equal, apart from their times. */
static void test_hash_knows_no_order(void **state)
{
    (void)state;
    struct history one, other;
    history_init(&one);
    history_init(&other);
    uint64_t empty = history_hash(&one, false);
    add(&one, 1, OPERATION_ID(0, 1));
    add(&one, 2, OPERATION_ID(1, 1));
    add(&other, 1, OPERATION_ID(1, 1));
    add(&other, 2, OPERATION_ID(0, 1));
    assert_true(history_hash(&one, false) == history_hash(&other, false));
    assert_true(history_hash(&one, true) != history_hash(&other, true));
    assert_true(history_hash(&one, false) != empty);
    history_free(&one);
    history_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operation_ids_name_worker_and_number),
        cmocka_unit_test(test_append_gives_zeroed_events),
        cmocka_unit_test(test_merge_moves_everything),
        cmocka_unit_test(test_sort_by_invocation_then_operation),
        cmocka_unit_test(test_hash_sees_every_member),
        cmocka_unit_test(test_hash_knows_no_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
