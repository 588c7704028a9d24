/* SPDX-License-Identifier: Apache-2.0
 *
 * test_checker_contention: when "nothing was lost" is worth something: overlaps counted by hand,
 * each reason for doubt and their order, the bound of a rate that was not seen; and that a million
 * operations are judged in well under a second.
 * labels: unit
 */
#include "checker_support.h"

#include <math.h>

/* A number of workers with `operations` operators each on one document, `length_ns` long, each
 * worker's begun every `step_ns`; worker w starts w later. The caller frees it. */
static struct event *busy_workers(int workers, int operations, int64_t length_ns, int64_t step_ns)
{
    struct event *events = x_calloc((size_t)(workers * operations), sizeof(*events));
    for (int i = 0; i < operations; i++)
        for (int w = 0; w < workers; w++)
            events[i * workers + w] = (struct event){.invoke_ns = i * step_ns + w,
                                                     .return_ns = i * step_ns + w + length_ns,
                                                     .operation = OPERATION_ID(w, i + 1),
                                                     .key = {0, -1},
                                                     .read = {VERSION_BLIND, 0},
                                                     .amount = 1,
                                                     .applied = 1,
                                                     .worker = w,
                                                     .attempts = 1,
                                                     .wrote = 1};
    return events;
}

static struct verdict contention(const struct record *record)
{
    struct verdict verdict;
    checker_count(record, &verdict);
    checker_updates(record, &verdict);
    checker_contention(record, &verdict);
    return verdict;
}

static void assert_verdict(const struct verdict *verdict, enum status status, enum reason reason)
{
    assert_string_equal(reason_name(verdict->reason), reason_name(reason));
    assert_int_equal(verdict->status, status);
}

static void test_contention_reasons(void **state)
{
    (void)state;
    enum { WORKERS = 4, OPERATIONS = 50 };
    struct event *events = busy_workers(WORKERS, OPERATIONS, 10, 100);
    struct cell cell = {.workers = WORKERS, .hazards = HAZARD_BIT(none)};
    struct final final = {true, WORKERS * OPERATIONS, OPERATION_ID(3, OPERATIONS)};
    struct record record = {.cell = &cell,
                            .events = events,
                            .event_count = WORKERS * OPERATIONS,
                            .finals = &final,
                            .final_count = 1};
    struct verdict verdict = contention(&record);
    assert_verdict(&verdict, HELD, REASON_NONE);
    assert_int_equal(verdict.overlaps, 3 * OPERATIONS); /* all but the first of each round */
    assert_int_equal(verdict.overlaps_needed, 10);
    assert_true(fabs(verdict.lost_bound - 0.014867) < 1e-5);

    cell.workers = 5; /* the fifth did nothing */
    verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_IDLE_WORKER);
    assert_true(verdict.lost_bound == 0);
    cell.hazards |= HAZARD_BIT(instances); /* planned, never struck: goes before */
    verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_HAZARD_NEVER_STRUCK);
    record.hits[HAZARD_INDEX_instances] = 1;
    cell.workers = 4;
    verdict = contention(&record);
    assert_verdict(&verdict, HELD, REASON_NONE);
    cell.workers = 1;
    verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_ONE_WORKER);
    record.interrupted = true;
    verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_INTERRUPTED);
    final.value--; /* broken stays broken, whatever else is wrong */
    verdict = contention(&record);
    assert_verdict(&verdict, BROKEN, REASON_LOST_UPDATE);
    free(events);
}

/* Overlaps of a small history, counted by hand. */
static void test_overlaps(void **state)
{
    (void)state;
    static const struct {
        const char *history;
        int64_t overlaps;
    } cases[] = {
        {"A 0-5 0 write done; B 6-9 A write done; = 2 B", 0},
        {"A 0-5 0 write done; B 5-9 A write done; = 2 B", 0},
        {"A 0-5 0 write done; B 4-9 A write done; = 2 B", 1},
        {"A 0-5 0 write done; B 4-9 0 write done #1; = 1 A; = 1 B", 0},
        {"A 0-5 0 write done @0; B 4-9 A write done @0; = 2 B", 0},
        {"A 0-5 0 read done; B 4-9 0 read done; = 0 0", 0},
        {"A 0-5 0 read done; B 4-9 0 write done; = 1 B", 1},
        {"A 0-5 0 write done; B 4-9 0 read done; = 1 A", 1},
        {"A 0-5 0 write failed; B 4-9 0 write done; = 1 B", 0},
        {"A 0-5 0 none busy; B 4-9 0 write done; = 1 B", 1},
        {"A 0-5 0 write unknown; B 4-9 0 write done; = 1 B", 1},
        {"A 0-50 0 write done; B 1-2 0 read done; C 3-4 0 read done; D 6-7 0 read done; = 1 A", 3},
        {"A 0-9 0 write done; B 1-20 A write done; A 10-30 0 none busy @0; = 2 B", 2},
        {"A 0-50 0 write done; B 1-60 0 none busy; C 2-70 0 none busy @1; = 1 A", 2},
        {"A 0-5 0 write done +0#1; B 4-9 0 write done #1; = 0 A; = 1 B", 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sketch sketch;
        struct verdict verdict;
        sketch_read(&sketch, cases[i].history);
        checker_count(&sketch.record, &verdict);
        if (verdict.overlaps != cases[i].overlaps)
            fail_msg("%s: %d overlaps", cases[i].history, (int)verdict.overlaps);
    }
}

/* One worker that never returned is not open for ever. */
static void test_overlap_of_the_dead(void **state)
{
    (void)state;
    struct sketch sketch;
    struct verdict verdict;
    sketch_read(&sketch, "A 0-5 0 write unknown; B 7-9 0 write done; C 10-12 B write done; = 2 C");
    sketch.events[0].return_ns = RETURN_NEVER;
    checker_count(&sketch.record, &verdict);
    assert_int_equal(verdict.overlaps, 0);
    checker_updates(&sketch.record, &verdict);
    assert_int_equal(verdict.status, HELD);
}

/* Nobody is acknowledged for more than two leases: stuck when ten gave up meanwhile, else slow. */
static void test_stuck(void **state)
{
    enum { WORKERS = 4, OPERATIONS = 50, SILENT_FROM = 80, TRIES_MAX = 5 };
    static const struct {
        int given_up;
        int64_t lease_ms;
        enum status status;
    } cases[] = {{0, 1, HELD}, {9, 1, HELD}, {10, 1, BROKEN}, {40, 1, BROKEN}, {40, 3, HELD}};
    (void)state;
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        struct event *events = busy_workers(WORKERS, OPERATIONS, 10, 100);
        struct cell cell = {.workers = WORKERS,
                            .hazards = HAZARD_BIT(none),
                            .lease_ms = cases[c].lease_ms,
                            .max_tries = TRIES_MAX};
        struct record record = {.cell = &cell,
                                .events = events,
                                .event_count = WORKERS * OPERATIONS};
        struct verdict verdict;
        for (int i = SILENT_FROM; i < WORKERS * OPERATIONS; i++) {
            if (i < SILENT_FROM + cases[c].given_up)
                events[i].outcome = BUSY;
            else /* after 3 ms of silence */
                events[i].return_ns += 3000000;
            if (i >= SILENT_FROM + cases[c].given_up)
                events[i].invoke_ns += 3000000;
            events[i].attempts = TRIES_MAX;
        }
        checker_count(&record, &verdict);
        verdict.status = HELD;
        checker_contention(&record, &verdict);
        if (verdict.status != cases[c].status)
            fail_msg("%d gave up, lease %d ms: %s", cases[c].given_up, (int)cases[c].lease_ms,
                     status_name(verdict.status));
        if (verdict.status == BROKEN)
            assert_int_equal(verdict.reason, REASON_STUCK);
        free(events);
    }
}

static void test_no_overlap(void **state)
{
    (void)state;
    struct event *events = busy_workers(2, 1000, 1, 10);
    struct cell cell = {.workers = 2, .hazards = HAZARD_BIT(none)};
    struct final final = {true, 2000, OPERATION_ID(1, 1000)};
    struct record record = {
        .cell = &cell, .events = events, .event_count = 2000, .finals = &final, .final_count = 1};
    struct verdict verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_NO_OVERLAP);
    assert_int_equal(verdict.overlaps, 0);
    assert_int_equal(verdict.overlaps_needed, 20);
    for (size_t i = 0; i < 40; i += 2)
        events[i].return_ns += 5;
    verdict = contention(&record);
    assert_verdict(&verdict, HELD, REASON_NONE);
    assert_int_equal(verdict.overlaps, 20);
    events[0].return_ns -= 5;
    verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_NO_OVERLAP);
    free(events);
}

/* Where a thing is asked for once, the answer "somebody else has it" is an answer. */
static void test_idle_worker_and_once(void **state)
{
    (void)state;
    struct event *events = busy_workers(2, 100, 8, 10);
    struct cell cell = {.workers = 2, .hazards = HAZARD_BIT(none)};
    struct final final = {true, 100, OPERATION_ID(0, 100)};
    struct record record = {
        .cell = &cell, .events = events, .event_count = 200, .finals = &final, .final_count = 1};
    for (size_t i = 1; i < 200; i += 2)
        events[i].outcome = BUSY;
    for (size_t i = 1; i < 200; i += 2)
        events[i].applied = 0;
    struct verdict verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_IDLE_WORKER);
    for (size_t i = 0; i < 200; i++)
        events[i].once = (int64_t)i / 2 + 1;
    verdict = contention(&record);
    assert_verdict(&verdict, HELD, REASON_NONE);
    assert_int_equal(verdict.counts.acked, 100);
    assert_int_equal(verdict.counts.busy, 100);
    free(events);
}

static void test_count_outcomes(void **state)
{
    (void)state;
    struct sketch sketch;
    struct verdict verdict = {.status = BROKEN, .witness_count = 3};
    sketch_read(&sketch,
                "A 0-5 0 write done; B 1-2 0 none nothing; C 1-2 0 none busy; "
                "D 1-2 0 none conflict; E 1-2 0 none failed; F 1-2 0 write unknown; = 1 A");
    checker_count(&sketch.record, &verdict);
    assert_int_equal(verdict.status, HELD);
    assert_int_equal(verdict.witness_count, 0);
    assert_int_equal(verdict.counts.acked, 1);
    assert_int_equal(verdict.counts.nothing, 1);
    assert_int_equal(verdict.counts.busy, 2);
    assert_int_equal(verdict.counts.failed, 1);
    assert_int_equal(verdict.counts.unknown, 1);
}

/* Hanley and Lippman-Hand's rule of three, and the exact values around it. */
static void test_zero_bound(void **state)
{
    (void)state;
    assert_true(checker_zero_bound(0) == 1);
    assert_true(fabs(checker_zero_bound(1) - 0.95) < 1e-12);
    assert_true(fabs(checker_zero_bound(2) - (1 - sqrt(0.05))) < 1e-12);
    assert_true(fabs(checker_zero_bound(100) - 0.0295130) < 1e-6);
    for (int64_t n = 100; n < INT64_C(10000000000); n *= 10)
        assert_true(checker_zero_bound(n) < 3 / (double)n &&
                    checker_zero_bound(n) > 2.9 / (double)n);
}

/* Size ----------------------------------------------------------------------------------------- */

/* A million operations in one chain, or of operators, over `documents`; every 1000th update of the
 * former is lost. Returns the seconds that judging took. */
static double judge_million(bool blind, int64_t documents, int64_t *lost)
{
    enum { MILLION = 1000000, WORKERS = 100 };
    struct event *events = busy_workers(WORKERS, MILLION / WORKERS, 150, 100);
    struct cell cell = {.workers = WORKERS, .hazards = HAZARD_BIT(none)};
    struct final *finals = x_calloc((size_t)documents, sizeof(*finals));
    for (int64_t i = 0; i < documents; i++)
        finals[i].present = true;
    for (int64_t i = 0; i < MILLION; i++) {
        struct final *final = &finals[i % documents];
        bool loses = !blind && i % 1000 == 999;
        events[i].key[0] = i % documents;
        if (!blind) {
            events[i].read[0] = final->version;
            events[i].applied = -1;
        }
        if (loses)
            continue;
        final->version = events[i].operation;
        final->value++;
    }
    struct record record = {.cell = &cell,
                            .events = events,
                            .event_count = MILLION,
                            .finals = finals,
                            .final_count = documents};
    int64_t before_ns = clock_monotonic_ns();
    struct verdict verdict = contention(&record);
    double seconds = (double)(clock_monotonic_ns() - before_ns) / 1e9;
    *lost = verdict.counts.lost;
    assert_int_equal(verdict.status, blind ? HELD : BROKEN);
    free(events);
    free(finals);
    return seconds;
}

static void test_a_million_events(void **state)
{
    (void)state;
    static const struct {
        bool blind;
        int64_t documents, lost;
    } cases[] = {{false, 1, 1000}, {false, 999, 1000}, {true, 1, 0}, {true, 7, 0}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t lost;
        double seconds = judge_million(cases[i].blind, cases[i].documents, &lost);
        print_message("1,000,000 %s over %d documents: judged in %.3f s\n",
                      cases[i].blind ? "operators" : "read-modify-writes", (int)cases[i].documents,
                      seconds);
        assert_int_equal(lost, cases[i].lost);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contention_reasons),
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_overlap_of_the_dead),
        cmocka_unit_test(test_no_overlap),
        cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_idle_worker_and_once),
        cmocka_unit_test(test_count_outcomes),
        cmocka_unit_test(test_zero_bound),
        cmocka_unit_test(test_a_million_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
