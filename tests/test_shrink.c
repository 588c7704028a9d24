/* SPDX-License-Identifier: Apache-2.0
 *
 * Shrinking, on a machine small enough to search by brute force: workers that find and update a
 * counter, whose failure is a lost update. The smallest one is known: 2 workers, 2 operations, 2
 * switches, no fault.
 */
#include "base.h"
#include "explore/shrink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_MAX = 6 };

/* The machine. */
struct machine {
    int32_t workers;
    int left[WORKERS_MAX]; /* steps of each */
    int value, read[WORKERS_MAX];
    bool lost;
    struct schedule ran;
};

static void machine_open(struct machine *machine, const struct shrink_size *size)
{
    memset(machine, 0, sizeof(*machine));
    machine->workers = size->workers;
    for (int64_t i = 0; i < size->operations; i++)
        machine->left[i % size->workers] += 2;
}

static struct move next_move(const struct machine *machine, int32_t worker)
{
    return (struct move){MOVE_STEP, worker,
                         machine->left[worker] % 2 == 0 ? STEP_FIND : STEP_UPDATE, MOVE_PLAIN, 0};
}

/* False: the move does not fit. A pause and a clock move always fit and do nothing. */
static bool machine_move(struct machine *machine, const struct move *move)
{
    int32_t w = move->worker;
    if (move->kind == MOVE_STEP) {
        if (w >= machine->workers || machine->left[w] == 0 ||
            next_move(machine, w).step != move->step)
            return false;
        if (move->step == STEP_FIND) {
            machine->read[w] = machine->value;
        } else {
            machine->lost |= machine->read[w] != machine->value;
            machine->value = machine->read[w] + 1;
        }
        machine->left[w]--;
    }
    schedule_add(&machine->ran, move);
    return true;
}

/* What is left, worker by worker. */
static void machine_finish(struct machine *machine)
{
    for (int32_t w = 0; w < machine->workers; w++)
        while (machine->left[w] > 0) {
            struct move move = next_move(machine, w);
            assert_true(machine_move(machine, &move));
        }
}

static int searches, replays;

static bool replay(void *context, const struct shrink_size *size, const struct schedule *tried,
                   struct schedule *ran)
{
    struct machine machine;
    (void)context;
    replays++;
    machine_open(&machine, size);
    for (size_t i = 0; i < tried->count; i++)
        machine_move(&machine, &tried->moves[i]);
    machine_finish(&machine);
    *ran = machine.ran;
    return machine.lost;
}

static bool search_from(const struct machine *machine, const struct shrink_size *limits,
                        struct schedule *found)
{
    bool ended = true;
    for (int32_t w = 0; w < machine->workers; w++) {
        struct machine next = *machine;
        if (machine->left[w] == 0)
            continue;
        ended = false;
        schedule_copy(&next.ran, &machine->ran);
        struct move move = next_move(machine, w);
        machine_move(&next, &move);
        bool fails =
            schedule_switches(&next.ran) <= limits->switches && search_from(&next, limits, found);
        schedule_free(&next.ran);
        if (fails)
            return true;
    }
    if (ended && machine->lost)
        schedule_copy(found, &machine->ran);
    return ended && machine->lost;
}

static bool search(void *context, const struct shrink_size *limits, struct schedule *found)
{
    struct machine machine;
    (void)context;
    searches++;
    machine_open(&machine, limits);
    return search_from(&machine, limits, found);
}

static bool search_nothing(void *context, const struct shrink_size *limits, struct schedule *found)
{
    (void)context, (void)limits, (void)found;
    return false;
}

/* A failing schedule of this size by chance, with moves in it that matter to nobody. */
static void random_failure(struct random *random, const struct shrink_size *size,
                           struct schedule *schedule)
{
    for (;;) {
        struct machine machine;
        machine_open(&machine, size);
        for (int i = 0; i < 200; i++) {
            int32_t w = (int32_t)random_below(random, (uint64_t)size->workers);
            struct move move = {MOVE_PAUSE, w, STEP_FIND, MOVE_PLAIN, 0};
            if (random_below(random, 20) == 0)
                move = (struct move){MOVE_CLOCK, STEP_NOBODY, STEP_FIND, 30000, 0};
            else if (random_below(random, 20) > 0)
                move = next_move(&machine, w);
            if (move.kind != MOVE_STEP || machine.left[w] > 0)
                machine_move(&machine, &move);
        }
        machine_finish(&machine);
        *schedule = machine.ran;
        if (machine.lost)
            return;
        schedule_free(schedule);
    }
}

static uint64_t seed_of(const char *what)
{
    const char *text = getenv("RACEBENCH_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)clock_monotonic_ns();
    print_message("%s: RACEBENCH_TEST_SEED=%llu\n", what, (unsigned long long)seed);
    return seed;
}

static void test_smallest(void **state)
{
    (void)state;
    static const struct shrink_driver driver = {search, replay, NULL};
    struct random random;
    random_seed(&random, seed_of("smallest"));
    for (int i = 0; i < 20; i++) {
        struct shrink_size size = {2 + (int32_t)random_below(&random, 3), 0, 0, 0};
        size.operations = size.workers + (int64_t)random_below(&random, 3);
        struct schedule schedule = {0};
        random_failure(&random, &size, &schedule);
        schedule.title = x_strdup("kept");
        shrink(&driver, &schedule, &size);
        assert_int_equal(size.workers, 2);
        assert_int_equal(size.operations, 2);
        assert_int_equal(size.switches, 2);
        assert_int_equal(size.faults, 0);
        assert_int_equal(schedule.count, 4);
        assert_string_equal(schedule.title, "kept");
        schedule_free(&schedule);
    }
    assert_true(searches > 0);
}

/* With replays alone workers and operations stay, but nothing that matters to nobody. */
static void test_without_a_search(void **state)
{
    (void)state;
    static const struct shrink_driver driver = {search_nothing, replay, NULL};
    struct random random;
    random_seed(&random, seed_of("replays"));
    for (int i = 0; i < 50; i++) {
        struct shrink_size size = {2, 2, 0, 0};
        struct schedule schedule = {0};
        random_failure(&random, &size, &schedule);
        shrink(&driver, &schedule, &size);
        assert_int_equal(size.switches, 2);
        assert_int_equal(size.faults, 0);
        assert_int_equal(schedule.count, 4);
        schedule_free(&schedule);
    }
}

/* Leaving out is not enough where all steps are made in the end anyway: blocks of one worker must
 * be brought together. */
static void test_blocks_come_together(void **state)
{
    (void)state;
    static const struct shrink_driver driver = {search_nothing, replay, NULL};
    struct random random;
    random_seed(&random, seed_of("blocks"));
    for (int i = 0; i < 50; i++) {
        struct shrink_size size = {2, 6, 0, 0};
        struct schedule schedule = {0};
        random_failure(&random, &size, &schedule);
        shrink(&driver, &schedule, &size);
        assert_int_equal(size.switches, 2);
        schedule_free(&schedule);
    }
}

static bool replay_nothing(void *context, const struct shrink_size *size,
                           const struct schedule *tried, struct schedule *ran)
{
    (void)context, (void)size, (void)tried, (void)ran;
    return false;
}

/* Searches alone find the smallest sizes too. */
static void test_without_a_replay(void **state)
{
    (void)state;
    static const struct shrink_driver driver = {search, replay_nothing, NULL};
    struct random random;
    random_seed(&random, seed_of("searches"));
    for (int i = 0; i < 20; i++) {
        struct shrink_size size = {3, 4, 0, 0};
        struct schedule schedule = {0};
        random_failure(&random, &size, &schedule);
        shrink(&driver, &schedule, &size);
        assert_int_equal(size.workers, 2);
        assert_int_equal(size.operations, 2);
        assert_int_equal(size.switches, 2);
        schedule_free(&schedule);
    }
}

/* Whatever the size, what comes out fails, is not larger than what went in, and replays to itself.
 */
static void test_never_larger(void **state)
{
    (void)state;
    static const struct shrink_driver driver = {search_nothing, replay, NULL};
    struct random random;
    random_seed(&random, seed_of("never larger"));
    for (int i = 0; i < 30; i++) {
        struct shrink_size size = {2 + (int32_t)random_below(&random, 4), 7, 0, 0}, was;
        struct schedule schedule = {0}, ran = {0};
        random_failure(&random, &size, &schedule);
        was = size;
        was.switches = schedule_switches(&schedule);
        was.faults = schedule_faults(&schedule);
        size_t count = schedule.count;
        shrink(&driver, &schedule, &size);
        assert_false(shrink_smaller(&was, &size));
        assert_true(schedule.count <= count);
        assert_int_equal(size.faults, 0);
        assert_true(replay(NULL, &size, &schedule, &ran));
        assert_int_equal(ran.count, schedule.count);
        for (size_t m = 0; m < ran.count; m++)
            assert_true(move_equal(&ran.moves[m], &schedule.moves[m]));
        schedule_free(&ran);
        schedule_free(&schedule);
    }
}

/* What is small already stays, and the question is put few times. */
static void test_already_small(void **state)
{
    (void)state;
    static const struct shrink_driver driver = {search, replay, NULL};
    static const int32_t order[] = {0, 1, 1, 0};
    struct shrink_size size = {2, 2, 0, 0};
    struct machine machine;
    machine_open(&machine, &size);
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        struct move move = next_move(&machine, order[i]);
        machine_move(&machine, &move);
    }
    struct schedule schedule = machine.ran;
    searches = replays = 0;
    int tries = shrink(&driver, &schedule, &size);
    assert_int_equal(tries, searches + replays);
    assert_true(tries < 20);
    assert_int_equal(schedule.count, 4);
    schedule_free(&schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),         cmocka_unit_test(test_without_a_search),
        cmocka_unit_test(test_without_a_replay), cmocka_unit_test(test_never_larger),
        cmocka_unit_test(test_already_small),    cmocka_unit_test(test_blocks_come_together),
    };
    return cmocka_run_group_tests_name("shrink", tests, NULL, NULL);
}
