/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_skew: operations over two documents, one after the other or in a circle. Small histories
 * as text first, each kind of circle once and what is none; then random ones, made by operations
 * that read, and later write one document after the other wherever nobody was faster, against all
 * orders of them tried one by one. labels: unit checker
 */
#include "checker_support.h"

static struct verdict judge(struct sketch *sketch, const char *text)
{
    struct verdict verdict = {.status = HELD};
    sketch_read(sketch, text);
    checker_skew(&sketch->record, &verdict);
    return verdict;
}

/* A reads both and writes document 0, B reads both and writes document 1. */
static void write_skew_is_a_circle(void **state)
{
    struct sketch sketch;
    (void)state;
    sketch_read(&sketch, "A 0-5 0 write done +0#1; B 1-6 0 write done #1 +0#0; = 1 A; = 1 B");
    sketch.events[0].wrote = sketch.events[1].wrote = 1; /* the other one was only read */
    struct verdict verdict = {.status = HELD};
    checker_skew(&sketch.record, &verdict);
    assert_int_equal(verdict.status, BROKEN);
    assert_int_equal(verdict.reason, REASON_SKEWED);
    assert_int_equal(verdict.counts.skewed, 2);
    assert_int_equal(verdict.witness_count, 1);
    assert_int_equal(verdict.witnesses[0].property, SKEWED);
    assert_int_equal(verdict.witnesses[0].victim, sketch.events[0].operation);
    assert_int_equal(verdict.witnesses[0].culprit, sketch.events[1].operation);
    assert_int_equal(verdict.witnesses[0].key, 1);
}

/* Each reads what the next one writes: nobody passes anybody, and all three stand in one circle. */
static void a_circle_of_three_is_one(void **state)
{
    struct sketch sketch;
    (void)state;
    sketch_read(&sketch, "A 0-5 0 write done +0#1; B 1-6 0 write done #1 +0#2; "
                         "C 2-7 0 write done #2 +0#0; = 1 A; = 1 B; = 1 C");
    for (int i = 0; i < 3; i++)
        sketch.events[i].wrote = 1;
    struct verdict verdict = {.status = HELD};
    checker_skew(&sketch.record, &verdict);
    assert_int_equal(verdict.counts.skewed, 3);
    assert_int_equal(verdict.witness_count, 1);
}

static void one_after_the_other_is_none(void **state)
{
    struct sketch sketch;
    (void)state;
    sketch_read(&sketch, "A 0-5 0 write done +0#1; B 6-9 0 write done #1 +A#0; = 1 A; = 1 B");
    sketch.events[0].wrote = sketch.events[1].wrote = 1;
    struct verdict verdict = {.status = HELD};
    checker_skew(&sketch.record, &verdict);
    assert_int_equal(verdict.status, HELD);
    assert_int_equal(verdict.counts.skewed, 0);
    assert_int_equal(verdict.witness_count, 0);
}

/* Two moves that pass each other: A first in document 0, B first in document 1. */
static void writers_in_two_orders_are_a_circle(void **state)
{
    struct sketch sketch;
    (void)state;
    struct verdict verdict =
        judge(&sketch, "A 0-5 0 write done +B#1; B 0-5 A write done +0#1; = 1 B; = 1 A");
    assert_int_equal(verdict.status, BROKEN);
    assert_int_equal(verdict.counts.skewed, 2);
    assert_int_equal(verdict.witness_count, 1);
    verdict = judge(&sketch, "A 0-5 0 write done +0#1; B 0-5 A write done +A#1; = 1 B; = 1 B");
    assert_int_equal(verdict.status, HELD);
}

/* A reader that saw the new document 0 and the old document 1 of one move. */
static void a_reader_between_two_writes_is_a_circle(void **state)
{
    struct sketch sketch;
    (void)state;
    sketch_read(&sketch, "A 0-5 0 write done +0#1; B 1-6 A read done +0#1; = 1 A; = 1 A");
    sketch.events[1].wrote = 0;
    struct verdict verdict = {.status = HELD};
    checker_skew(&sketch.record, &verdict);
    assert_int_equal(verdict.counts.skewed, 2);
    assert_int_equal(verdict.witnesses[0].victim, sketch.events[1].operation);
    assert_int_equal(verdict.witnesses[0].culprit, sketch.events[0].operation);
}

static void half_of_a_move_is_skewed(void **state)
{
    struct sketch sketch;
    (void)state;
    struct verdict verdict = judge(&sketch, "A 0-5 0 write unknown +0#1; = 1 A; = 0 0");
    assert_int_equal(verdict.reason, REASON_SKEWED);
    assert_int_equal(verdict.counts.skewed, 1);
    assert_int_equal(verdict.witnesses[0].key, 1);
    verdict = judge(&sketch, "A 0-5 0 write unknown +0#1; = 1 A; = 0 A");
    assert_int_equal(verdict.status, HELD); /* all of it */
    verdict = judge(&sketch, "A 0-5 0 write unknown +0#1; = 0 0; = 0 0");
    assert_int_equal(verdict.status, HELD); /* nothing of it */
}

static void what_is_lost_is_not_counted_again(void **state)
{
    struct sketch sketch;
    (void)state;
    struct verdict verdict = judge(&sketch, "A 0-5 0 write done; B 0-5 0 write done; = 1 B");
    assert_int_equal(verdict.status, HELD);
    verdict = judge(&sketch, "A 0-5 0 write done +0#1; = gone; = gone");
    assert_int_equal(verdict.status, HELD);
    verdict = judge(&sketch, "");
    assert_int_equal(verdict.status, HELD);
    sketch.record.finals = NULL;
    checker_skew(&sketch.record, &verdict);
    assert_int_equal(verdict.status, HELD);
}

/* Against all orders --------------------------------------------------------------------------- */

enum { DOCUMENTS = 3, OPERATIONS = 6 };

struct world {
    struct event events[OPERATIONS];
    struct final finals[DOCUMENTS];
    int step[OPERATIONS]; /* 0: to read, 1 and 2: to write document slot step - 1, 3: over */
    struct record record;
    struct cell cell;
    int halves;
};

static void invent(struct world *world, struct random *random)
{
    *world = (struct world){.cell = {.workers = OPERATIONS, .hazards = HAZARD_BIT(none)}};
    for (int i = 0; i < OPERATIONS; i++) {
        struct event *event = &world->events[i];
        *event = (struct event){.invoke_ns = i,
                                .return_ns = 1000,
                                .operation = OPERATION_ID(i, 1),
                                .worker = i,
                                .outcome = DONE,
                                .applied = -1,
                                .attempts = 1};
        event->key[0] = (int64_t)random_below(random, DOCUMENTS);
        event->key[1] =
            (event->key[0] + 1 + (int64_t)random_below(random, DOCUMENTS - 1)) % DOCUMENTS;
        event->wrote = (uint8_t)random_below(random, 4);
        event->reads_only = event->wrote == 0;
    }
}

/* One step of one operation: reads both, or writes one if nobody did so meanwhile. */
static void advance(struct world *world, int i)
{
    struct event *event = &world->events[i];
    int slot = world->step[i]++ - 1;
    if (slot < 0) {
        for (int s = 0; s < EDIT_DOCUMENTS_MAX; s++)
            event->read[s] = world->finals[event->key[s]].version;
        return;
    }
    if ((event->wrote >> slot & 1) == 0)
        return;
    struct final *final = &world->finals[event->key[slot]];
    if (final->version == event->read[slot]) {
        *final = (struct final){true, final->value + 1, event->operation};
        return;
    }
    bool half = slot == 1 && (event->wrote & 1) != 0;
    world->halves += half;
    event->outcome = half ? UNKNOWN : CONFLICT;
    world->step[i] = 3;
}

static void play(struct world *world, struct random *random)
{
    for (int left = OPERATIONS; left > 0;) {
        int i = (int)random_below(random, OPERATIONS);
        if (world->step[i] == 3)
            continue;
        advance(world, i);
        left -= world->step[i] == 3;
    }
    for (int key = 0; key < DOCUMENTS; key++)
        world->finals[key].present = true;
    world->record = (struct record){.cell = &world->cell,
                                    .events = world->events,
                                    .event_count = OPERATIONS,
                                    .finals = world->finals,
                                    .final_count = DOCUMENTS};
}

/* Could the rest have happened in some order from here? */
static bool any_order(const struct world *world, const int64_t version[], unsigned done)
{
    bool left = false;
    for (int i = 0; i < OPERATIONS; i++) {
        const struct event *event = &world->events[i];
        int64_t next[DOCUMENTS];
        bool fits = true;
        if ((done >> i & 1) != 0 || event->outcome != DONE)
            continue;
        left = true;
        memcpy(next, version, sizeof(next));
        for (int slot = 0; slot < EDIT_DOCUMENTS_MAX; slot++) {
            fits &= version[event->key[slot]] == event->read[slot];
            if ((event->wrote >> slot & 1) != 0)
                next[event->key[slot]] = event->operation;
        }
        if (fits && any_order(world, next, done | 1u << i))
            return true;
    }
    for (int key = 0; !left && key < DOCUMENTS; key++)
        if (world->finals[key].version != version[key])
            return false;
    return !left;
}

static void agrees_with_all_orders(void **state)
{
    struct random random;
    uint64_t first = seed(), histories = setting("RACEBENCH_TEST_HISTORIES", 20000);
    int skewed = 0;
    (void)state;
    for (uint64_t n = 0; n < histories; n++) {
        struct world world;
        struct verdict verdict = {.status = HELD};
        int64_t none[DOCUMENTS] = {0};
        random_seed(&random, first + n);
        invent(&world, &random);
        play(&world, &random);
        checker_skew(&world.record, &verdict);
        bool possible = world.halves == 0 && any_order(&world, none, 0);
        if ((verdict.status == HELD) != possible || (verdict.counts.skewed == 0) != possible)
            fail_msg("RACEBENCH_TEST_SEED=%llu RACEBENCH_TEST_HISTORIES=1: skewed %lld, an order "
                     "is %spossible",
                     (unsigned long long)(first + n), (long long)verdict.counts.skewed,
                     possible ? "" : "im");
        skewed += !possible;
    }
    if (histories > 1000)
        assert_in_range(skewed, histories / 50, histories);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_skew_is_a_circle),
        cmocka_unit_test(a_circle_of_three_is_one),
        cmocka_unit_test(one_after_the_other_is_none),
        cmocka_unit_test(writers_in_two_orders_are_a_circle),
        cmocka_unit_test(a_reader_between_two_writes_is_a_circle),
        cmocka_unit_test(half_of_a_move_is_skewed),
        cmocka_unit_test(what_is_lost_is_not_counted_again),
        cmocka_unit_test(agrees_with_all_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
