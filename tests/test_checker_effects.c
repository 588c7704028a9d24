/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_effects: things asked for once. Each verdict from a hand-made record: done twice, never,
 * perhaps; effects twice, none, of nobody. Then random records against a count that is made the
 * plain way, thing by thing and operation by operation. labels: unit checker
 */
#include "checker_support.h"

static struct event asks(int worker, int64_t once, enum outcome outcome)
{
    static int64_t number;
    number++;
    return (struct event){.invoke_ns = number,
                          .return_ns = number + 10,
                          .operation = OPERATION_ID(worker, number),
                          .key = {0, -1},
                          .once = once,
                          .applied = -1,
                          .worker = worker,
                          .attempts = 1,
                          .wrote = outcome == DONE || outcome == UNKNOWN,
                          .outcome = outcome};
}

struct made {
    struct event events[64];
    struct effect effects[64];
    struct final final;
    struct cell cell;
    struct record record;
};

static void make(struct made *made, const struct event *events, size_t count)
{
    *made = (struct made){.cell = {.workers = 3, .hazards = HAZARD_BIT(none)}};
    memcpy(made->events, events, count * sizeof(*events));
    made->record = (struct record){.cell = &made->cell,
                                   .events = made->events,
                                   .event_count = count,
                                   .finals = &made->final,
                                   .final_count = 1,
                                   .effects = made->effects};
}

static struct verdict once(const struct made *made, int64_t things)
{
    struct verdict verdict = {.status = HELD};
    checker_once(&made->record, things, &verdict);
    return verdict;
}

static struct verdict effects(const struct made *made)
{
    struct verdict verdict = {.status = HELD};
    checker_effects(&made->record, &verdict);
    return verdict;
}

static void expect(struct verdict verdict, enum reason reason, int64_t repeated, int64_t missed)
{
    assert_int_equal(verdict.status, reason == REASON_NONE ? HELD : BROKEN);
    assert_int_equal(verdict.reason, reason);
    assert_int_equal(verdict.counts.repeated, repeated);
    assert_int_equal(verdict.counts.missed, missed);
    assert_int_equal(verdict.witness_count, repeated + missed);
}

static void done_once_by_one_of_three_is_held(void **state)
{
    struct made made;
    (void)state;
    make(&made, (struct event[]){asks(0, 1, NOTHING), asks(1, 1, DONE), asks(2, 1, BUSY)}, 3);
    expect(once(&made, 1), REASON_NONE, 0, 0);
}

static void done_by_two_is_repeated(void **state)
{
    struct made made;
    (void)state;
    make(&made, (struct event[]){asks(0, 1, DONE), asks(1, 1, DONE), asks(2, 1, DONE)}, 3);
    struct verdict verdict = once(&made, 1);
    expect(verdict, REASON_REPEATED, 2, 0);
    assert_int_equal(verdict.witnesses[0].property, REPEATED);
    assert_int_equal(verdict.witnesses[0].victim, made.events[0].operation);
    assert_int_equal(verdict.witnesses[0].culprit, made.events[1].operation);
    assert_int_equal(verdict.witnesses[1].culprit, made.events[2].operation);
    assert_int_equal(verdict.witnesses[1].culprit_return_ns, made.events[2].return_ns);
}

static void done_by_nobody_is_missed(void **state)
{
    struct made made;
    (void)state;
    make(&made, (struct event[]){asks(0, 1, BUSY), asks(1, 1, FAILED), asks(2, 2, DONE)}, 3);
    struct verdict verdict = once(&made, 2);
    expect(verdict, REASON_MISSED, 0, 1);
    assert_int_equal(verdict.witnesses[0].victim, made.events[0].operation);
    expect(once(&made, 4), REASON_MISSED, 0, 3); /* nobody asked for 3 and 4 */
    made.record.interrupted = true;
    expect(once(&made, 4), REASON_MISSED, 0, 1);
}

static void without_an_answer_it_may_have_been_done(void **state)
{
    struct made made;
    (void)state;
    make(&made, (struct event[]){asks(0, 1, BUSY), asks(1, 1, UNKNOWN)}, 2);
    expect(once(&made, 1), REASON_NONE, 0, 0);
    make(&made, (struct event[]){asks(0, 1, DONE), asks(1, 1, UNKNOWN)}, 2);
    expect(once(&made, 1), REASON_NONE, 0, 0);
    made.final.version = made.events[1].operation; /* ... and was, as the document shows */
    expect(once(&made, 1), REASON_REPEATED, 1, 0);
    made.final.version = 0;
    made.events[0].read[0] = made.events[1].operation; /* ... as somebody has read */
    expect(once(&made, 1), REASON_REPEATED, 1, 0);
    made.events[0].read[0] = 0;
    made.events[1].applied = 1; /* ... as the engine has it */
    expect(once(&made, 1), REASON_REPEATED, 1, 0);
    made.events[1].applied = 0;
    made.events[0].applied = 2; /* one operation, applied twice */
    expect(once(&made, 1), REASON_REPEATED, 1, 0);
}

static void asked_counts_who_came_second(void **state)
{
    struct made made;
    struct verdict verdict = {.overlaps = 99};
    (void)state;
    make(&made,
         (struct event[]){asks(0, 1, DONE), asks(0, 1, NOTHING), asks(1, 1, BUSY), asks(1, 2, DONE),
                          asks(2, 0, DONE)},
         5);
    checker_asked(&made.record, &verdict);
    assert_int_equal(verdict.overlaps, 1);
}

static void effects_are_counted_where_they_are_kept(void **state)
{
    struct made made;
    (void)state;
    make(&made, (struct event[]){asks(0, 1, DONE), asks(1, 1, NOTHING)}, 2);
    struct verdict verdict = effects(&made);
    expect(verdict, REASON_MISSED, 0, 1); /* told that it is done, and it is not */
    assert_int_equal(verdict.witnesses[0].victim, made.events[0].operation);
    made.effects[0] = (struct effect){1, made.events[0].operation};
    made.record.effect_count = 1;
    expect(effects(&made), REASON_NONE, 0, 0);
    made.effects[1] = (struct effect){1, made.events[1].operation};
    made.record.effect_count = 2;
    verdict = effects(&made);
    expect(verdict, REASON_REPEATED, 1, 0);
    assert_int_equal(verdict.witnesses[0].victim, made.events[0].operation);
    assert_int_equal(verdict.witnesses[0].culprit, made.events[1].operation);
    made.effects[1].once = 7; /* nobody asked for that */
    expect(effects(&made), REASON_REPEATED, 1, 0);
}

static void nobody_left_at_it_is_missed(void **state)
{
    struct made made;
    (void)state;
    make(&made, (struct event[]){asks(0, 1, BUSY), asks(1, 1, CONFLICT)}, 2);
    expect(effects(&made), REASON_MISSED, 0, 1);
    made.events[1].outcome = UNKNOWN;
    expect(effects(&made), REASON_NONE, 0, 0);
    made.events[1].outcome = FAILED;
    expect(effects(&made), REASON_NONE, 0, 0);
    made.events[0].outcome = NOTHING; /* told that it is done: by whom? */
    expect(effects(&made), REASON_MISSED, 0, 1);
}

static void unread_effects_prove_nothing(void **state)
{
    struct made made;
    (void)state;
    make(&made, (struct event[]){asks(0, 1, DONE)}, 1);
    made.record.effects_unread = true;
    struct verdict verdict = effects(&made);
    assert_int_equal(verdict.status, UNDECIDED);
    assert_int_equal(verdict.reason, REASON_FINAL_UNREADABLE);
}

/* Against plain counting ----------------------------------------------------------------------- */

static bool was_seen(const struct made *made, const struct event *event)
{
    if (made->final.version == event->operation)
        return true;
    for (size_t i = 0; i < made->record.event_count; i++)
        if (&made->events[i] != event && made->events[i].read[0] == event->operation)
            return true;
    return false;
}

static void count_plainly(const struct made *made, int64_t things, int64_t *repeated,
                          int64_t *missed)
{
    *repeated = *missed = 0;
    for (int64_t thing = 1; thing <= things; thing++) {
        int64_t done = 0;
        bool perhaps = false;
        for (size_t i = 0; i < made->record.event_count; i++) {
            const struct event *event = &made->events[i];
            if (event->once != thing)
                continue;
            perhaps |= event->outcome == UNKNOWN;
            done += event->applied > 1 ? event->applied
                    : event->outcome == DONE || event->applied == 1 || was_seen(made, event) ? 1
                                                                                             : 0;
        }
        *repeated += done > 1 ? done - 1 : 0;
        *missed += done == 0 && !perhaps;
    }
}

static void agrees_with_plain_counting(void **state)
{
    enum { THINGS = 5 };
    uint64_t first = seed(), histories = setting("RACEBENCH_TEST_HISTORIES", 5000);
    (void)state;
    for (uint64_t n = 0; n < histories; n++) {
        struct made made;
        struct event events[20];
        struct random random;
        random_seed(&random, first + n);
        size_t count = 1 + random_below(&random, COUNT_OF(events));
        for (size_t i = 0; i < count; i++) {
            events[i] = asks((int)random_below(&random, 3), (int64_t)random_below(&random, THINGS),
                             (enum outcome)random_below(&random, OUTCOME_COUNT));
            if (chance(&random, 20))
                events[i].applied = (int64_t)random_below(&random, 3);
            if (chance(&random, 30) && i > 0)
                events[i].read[0] = events[random_below(&random, i)].operation;
        }
        make(&made, events, count);
        made.final.version = chance(&random, 50) ? events[count - 1].operation : 0;
        int64_t repeated, missed;
        count_plainly(&made, THINGS, &repeated, &missed);
        struct verdict verdict = once(&made, THINGS);
        if (verdict.counts.repeated != repeated || verdict.counts.missed != missed ||
            (verdict.status == HELD) != (repeated + missed == 0))
            fail_msg("RACEBENCH_TEST_SEED=%llu: repeated %lld/%lld, missed %lld/%lld",
                     (unsigned long long)(first + n), (long long)verdict.counts.repeated,
                     (long long)repeated, (long long)verdict.counts.missed, (long long)missed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(done_once_by_one_of_three_is_held),
        cmocka_unit_test(done_by_two_is_repeated),
        cmocka_unit_test(done_by_nobody_is_missed),
        cmocka_unit_test(without_an_answer_it_may_have_been_done),
        cmocka_unit_test(asked_counts_who_came_second),
        cmocka_unit_test(effects_are_counted_where_they_are_kept),
        cmocka_unit_test(nobody_left_at_it_is_missed),
        cmocka_unit_test(unread_effects_prove_nothing),
        cmocka_unit_test(agrees_with_plain_counting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
