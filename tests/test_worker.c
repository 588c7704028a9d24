/* SPDX-License-Identifier: Apache-2.0
 *
 * worker: the only loop. Strategies here are scripted: they return the outcomes that a test wants
 * to see handled, so that attempts, back-off, limits and the events recorded can be checked one by
 * one; then real strategies for what a seed promises and for instances, waiting and two documents.
 * labels: unit
 */
#include "support.h"

#include "run_cell.h"
#include <sys/stat.h>
#include <unistd.h>

static int64_t one_document(const struct cell *cell)
{
    (void)cell;
    return 1;
}
static void seed_zero(const struct cell *cell, int64_t id, bson_t *document)
{
    (void)cell;
    BSON_APPEND_INT64(document, "_id", id);
    BSON_APPEND_INT64(document, "n", 0);
}
static void judge(const struct record *record, struct verdict *verdict)
{
    checker_count(record, verdict);
}

static enum change add_one(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    BSON_APPEND_INT64(is[0], "_id", edit->key[0].id);
    BSON_APPEND_INT64(is[0], "n", edit_number(was[0], "n", 0) + edit->amount);
    return CHANGED;
}

static struct edit plus_one(bool wait)
{
    return (struct edit){.key = {{"things", 0}},
                         .count = 1,
                         .change = add_one,
                         .field = "n",
                         .base = EDIT_ANY,
                         .wait = wait,
                         .amount = 1};
}

static void work_waiting(struct session *session, const struct cell *cell)
{
    (void)cell;
    while (worker_next(session)) {
        struct edit edit = plus_one(true);
        worker_apply(session, &edit, NULL);
    }
}
static void work_not_waiting(struct session *session, const struct cell *cell)
{
    (void)cell;
    while (worker_next(session)) {
        struct edit edit = plus_one(false);
        worker_apply(session, &edit, NULL);
    }
}

static struct scenario scenario_of(void (*work)(struct session *, const struct cell *))
{
    return (struct scenario){.name = "scripted",
                             .collection = "things",
                             .field = "n",
                             .documents = one_document,
                             .seed = seed_zero,
                             .work = work,
                             .judge = judge};
}

/* Scripted strategies -------------------------------------------------------------------------- */

/* BUSY until the third attempt of an operation, by the draw-free way: a count in a document. */
static enum outcome third_time(struct session *session, void *shared, const struct edit *edit)
{
    (void)shared;
    const bson_t *image;
    bson_t *update = session_document(session), inc;
    BSON_APPEND_DOCUMENT_BEGIN(update, "$inc", &inc);
    BSON_APPEND_INT64(&inc, "tries", 1);
    bson_append_document_end(update, &inc);
    struct key key = {"tries", session_operation(session)};
    struct modify modify = {.collection = "tries",
                            .filter = session_key(session, &key),
                            .update = update,
                            .upsert = true};
    if (session_find_and_modify(session, &modify, &image) != DONE)
        return FAILED;
    (void)edit;
    return edit_number(image, "tries", 0) < 3 ? BUSY : DONE;
}
static enum outcome always_busy(struct session *session, void *shared, const struct edit *edit)
{
    (void)session, (void)shared, (void)edit;
    return BUSY;
}
static enum outcome always_unknown(struct session *session, void *shared, const struct edit *edit)
{
    (void)session, (void)shared, (void)edit;
    return UNKNOWN;
}
static enum outcome always_failed(struct session *session, void *shared, const struct edit *edit)
{
    (void)session, (void)shared, (void)edit;
    return FAILED;
}

static struct cell_result run_scripted(enum outcome (*apply)(struct session *, void *,
                                                             const struct edit *),
                                       void (*work)(struct session *, const struct cell *))
{
    static struct strategy strategy;
    static struct scenario scenario;
    strategy = (struct strategy){.name = "scripted", .help = "", .can = CAN_CHANGE, .apply = apply};
    scenario = scenario_of(work);
    struct cell cell = support_cell(&scenario, &strategy, TRANSPORT_DIRECT);
    cell.max_tries = 7;
    cell.ops = 20;
    return support_run(&cell);
}

static void test_busy_is_tried_again_when_the_edit_waits(void **state)
{
    (void)state;
    struct cell_result result = run_scripted(third_time, work_waiting);
    assert_int_equal(result.history.count, 20);
    for (size_t i = 0; i < result.history.count; i++) {
        assert_int_equal(result.history.events[i].outcome, DONE);
        assert_int_equal(result.history.events[i].attempts, 3);
        assert_int_equal(result.history.events[i].commands, 3);
    }
    assert_int_equal(result.attempts, 60);
    assert_int_equal(result.commands, 60);
    assert_true(result.waiting.max_ns > 0);
    cell_result_free(&result);
}

static void test_busy_goes_to_the_caller_when_the_edit_does_not_wait(void **state)
{
    (void)state;
    struct cell_result result = run_scripted(third_time, work_not_waiting);
    assert_int_equal(result.verdict.counts.busy, 20);
    assert_int_equal(result.attempts, 20);
    assert_int_equal(result.waiting.max_ns, 0);
    cell_result_free(&result);
}

static void test_tries_are_limited(void **state)
{
    (void)state;
    struct cell_result result = run_scripted(always_busy, work_waiting);
    assert_int_equal(result.verdict.counts.busy, 20);
    assert_int_equal(result.attempts, 20 * 7);
    cell_result_free(&result);
}

static void test_unknown_and_failed_are_not_tried_again(void **state)
{
    (void)state;
    struct cell_result result = run_scripted(always_unknown, work_waiting);
    assert_int_equal(result.verdict.counts.unknown, 20);
    assert_int_equal(result.attempts, 20);
    cell_result_free(&result);
    result = run_scripted(always_failed, work_waiting);
    assert_int_equal(result.verdict.counts.failed, 20);
    assert_int_equal(result.attempts, 20);
    cell_result_free(&result);
}

/* Real strategies ------------------------------------------------------------------------------ */

/* Who loses has time between reading and writing, so that the others get there, however busy the
 * machine: a thread could do all of its share before the next one starts. */
static struct cell_result run_losing(const char *strategy, enum transport transport)
{
    struct cell cell = support_cell(scenario_find("counter"), strategy_find(strategy), transport);
    cell.workers = 8;
    cell.ops = 400;
    cell.work_us = 200;
    return support_run(&cell);
}

static struct cell_result run_real(const char *strategy, enum transport transport, uint64_t seed)
{
    struct cell cell = support_cell(scenario_find("counter"), strategy_find(strategy), transport);
    cell.workers = 8;
    cell.ops = 400;
    cell.seed = seed;
    return support_run(&cell);
}

/* What got no answer stays unknown, whatever later attempts say, unless one is acknowledged. */
static const struct stickiness {
    const char *script; /* outcomes of the attempts: D N B C F U, in lower case: nothing written */
    enum outcome event, told;
    bool retried; /* sent again by an attempt that may have been applied as well */
} stickiness[] = {
    {"D", DONE, DONE, false},
    {"f", FAILED, FAILED, false},
    {"U D", DONE, DONE, true},
    {"U d", DONE, DONE, false}, /* says that the first one was applied */
    {"U f", UNKNOWN, UNKNOWN, false},
    {"U n", UNKNOWN, NOTHING, false},
    {"U b b", UNKNOWN, UNKNOWN, false}, /* given up */
    {"U c f", UNKNOWN, UNKNOWN, false},
    {"U U f", UNKNOWN, UNKNOWN, true},
    {"U u f", UNKNOWN, UNKNOWN, false},
    {"b U f", UNKNOWN, UNKNOWN, false},
    {"c D", DONE, DONE, false},
};
static size_t played, spoken, sticky; /* which row; where in its script; rows that were right */

static enum outcome follow_script(struct session *session, void *shared, const struct edit *edit)
{
    static const char letters[] = "DNBCFU", small[] = "dnbcfu";
    const char *script = stickiness[played].script;
    (void)shared, (void)edit;
    char letter = script[spoken];
    must(letter != '\0');
    spoken += script[spoken + 1] == ' ' ? 2 : 1;
    const char *place = strchr(letters, letter);
    session->evidence.wrote = place != NULL;
    session->evidence.value_written = place != NULL ? (int64_t)spoken : 0;
    return (enum outcome)(place != NULL ? place - letters : strchr(small, letter) - small);
}

static void work_script(struct session *session, const struct cell *cell)
{
    (void)cell;
    for (played = 0; played < COUNT_OF(stickiness); played++) {
        const struct stickiness *row = &stickiness[played];
        struct edit edit = plus_one(true);
        spoken = 0;
        enum outcome told = worker_apply(session, &edit, NULL);
        const struct event *event = &session->history.events[played];
        bool evidence = row->event == DONE || row->event == UNKNOWN;
        if (told != row->told || event->outcome != row->event || event->retried != row->retried ||
            (event->wrote != 0) != evidence || (event->value_written != 0) != evidence)
            print_error("%s: told %s, recorded %s%s, wrote %d\n", row->script, outcome_name(told),
                        outcome_name(event->outcome), event->retried ? ", retried" : "",
                        event->wrote);
        sticky += told == row->told && event->outcome == row->event &&
                  event->retried == row->retried && (event->wrote != 0) == evidence &&
                  (event->value_written != 0) == evidence && row->script[spoken] == '\0';
    }
}

static void test_unknown_sticks(void **state)
{
    (void)state;
    struct strategy strategy = {.name = "scripted",
                                .help = "",
                                .can = CAN_CHANGE,
                                .keeps = {[DOUBLED] = HAZARD_BIT(lost_reply)},
                                .apply = follow_script};
    struct scenario scenario = scenario_of(work_script);
    struct cell cell = support_cell(&scenario, &strategy, TRANSPORT_DIRECT);
    cell.workers = 1;
    cell.max_tries = 3;
    sticky = 0;
    struct cell_result result = support_run(&cell);
    assert_int_equal(sticky, COUNT_OF(stickiness));
    cell_result_free(&result);
}

static void test_one_seed_gives_one_history(void **state)
{
    (void)state;
    const char *const names[] = {"naive", "occ", "live_object", "lock_document", "file_lock"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        uint64_t hash = 0;
        for (int round = 0; round < (i == 0 ? 100 : 20); round++) {
            struct cell_result result = run_real(names[i], TRANSPORT_DIRECT, 7);
            uint64_t this_hash = history_hash(&result.history, true);
            cell_result_free(&result);
            if (round > 0)
                assert_int_equal(this_hash, hash);
            hash = this_hash;
        }
        struct cell_result other = run_real(names[i], TRANSPORT_DIRECT, 8);
        assert_int_not_equal(history_hash(&other.history, true), hash);
        cell_result_free(&other);
    }
}

/* One loop and one engine must not run in lockstep: two naive workers lose a share that varies with
 * the seed, and not exactly half of their updates. */
static void test_fibers_do_not_run_in_lockstep(void **state)
{
    (void)state;
    int64_t first_lost = -1;
    bool varies = false;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cell cell =
            support_cell(scenario_find("counter"), strategy_find("naive"), TRANSPORT_DIRECT);
        cell.workers = 2;
        cell.ops = 1000;
        cell.seed = seed;
        struct cell_result result = support_run(&cell);
        assert_true(result.verdict.counts.lost > 0);
        assert_true(result.verdict.counts.lost < 500);
        varies |= first_lost >= 0 && result.verdict.counts.lost != first_lost;
        first_lost = result.verdict.counts.lost;
        cell_result_free(&result);
    }
    assert_true(varies);
}

static void test_every_event_says_what_it_read_and_wrote(void **state)
{
    (void)state;
    struct cell_result result = run_real("occ", TRANSPORT_DIRECT, 3);
    int64_t sum = 0;
    for (size_t i = 0; i < result.history.count; i++) {
        const struct event *event = &result.history.events[i];
        assert_int_equal(event->outcome, DONE);
        assert_int_equal(event->wrote, 1);
        assert_int_equal(event->value_written, event->value_read + 1);
        assert_true(event->return_ns > event->invoke_ns);
        assert_true(event->attempts >= 1 && event->commands >= 2 * event->attempts);
        assert_int_equal(event->key[0], 0);
        assert_int_equal(event->key[1], -1);
        sum += event->amount;
    }
    assert_int_equal(sum, 400);
    assert_int_equal(result.verdict.counts.final, 400);
    cell_result_free(&result);
}

static void test_both_transports_run_the_same_strategies(void **state)
{
    (void)state;
    const char *const exact[] = {"occ",           "inc",          "live_object",
                                 "lock_document", "lock_release", "file_lock"};
    for (size_t i = 0; i < COUNT_OF(exact); i++)
        for (enum transport t = TRANSPORT_DRIVER; t <= TRANSPORT_DIRECT; t++) {
            struct cell_result result = run_real(exact[i], t, 5);
            if (result.verdict.counts.final != 400 || result.verdict.counts.acked != 400)
                fail_msg("%s under %s ends at %lld after %lld acknowledged", exact[i],
                         transport_name(t), (long long)result.verdict.counts.final,
                         (long long)result.verdict.counts.acked);
            cell_result_free(&result);
        }
    const char *const losing[] = {"naive", "file_naive"};
    for (size_t i = 0; i < COUNT_OF(losing); i++)
        for (enum transport t = TRANSPORT_DRIVER; t <= TRANSPORT_DIRECT; t++) {
            struct cell_result result = run_losing(losing[i], t);
            assert_int_equal(result.verdict.status, BROKEN);
            cell_result_free(&result);
        }
}

static void test_two_live_objects_lose(void **state)
{
    (void)state;
    for (enum transport t = TRANSPORT_DRIVER; t <= TRANSPORT_DIRECT; t++) {
        struct cell cell = support_cell(scenario_find("counter"), strategy_find("live_object"), t);
        cell.workers = 8;
        cell.ops = 400;
        cell.instances = 2;
        cell.hazards |= HAZARD_BIT(instances);
        cell.work_us = 200; /* as in run_losing() */
        struct cell_result result = support_run(&cell);
        assert_int_equal(result.verdict.status, BROKEN);
        cell_result_free(&result);
    }
}

static void test_many_fibers(void **state)
{
    (void)state;
    struct cell cell =
        support_cell(scenario_find("counter"), strategy_find("inc"), TRANSPORT_DIRECT);
    cell.workers = 500; /* ThreadSanitizer limits fibers; the command-line tests run 10,000 */
    cell.ops = 1000;
    struct cell_result result = support_run(&cell);
    assert_int_equal(result.verdict.counts.final, 1000);
    cell_result_free(&result);
}

static void *no_ram(struct session *session)
{
    (void)session;
    return NULL;
}

/* Who dies with RAM that others may save has perhaps written the operation all the same. */
static void test_unfinished_in_shared_memory(void **state)
{
    static const struct strategy alone = {.name = "alone"}, shares = {.name = "s", .setup = no_ram};
    const struct strategy *const strategies_of[] = {&alone, &shares};
    struct edit edit = {.key = {{"counters", 0}}, .count = 1, .operators = bson_new()};
    struct instance instance = {.number = 0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(strategies_of); i++) {
        struct event open = {.attempts = 1}, left;
        struct session session = {.instance = &instance,
                                  .strategy = strategies_of[i],
                                  .edit = &edit,
                                  .event = &open,
                                  .operation_count = 1};
        worker_unfinished(&session, &left);
        assert_int_equal(left.outcome, UNKNOWN);
        assert_int_equal(left.wrote, i == 1 ? 1 : 0);
        assert_int_equal(left.read[0], i == 1 ? VERSION_BLIND : 0);
    }
    bson_destroy((bson_t *)edit.operators);
}

/* Puts a folder in the place of the document's file: it is there, and cannot be read. */
static void make_unreadable(struct stage *stage, void *context)
{
    char *path = x_format("%s/%s.0.json", stage->folder, stage->cell->scenario->collection);
    (void)context;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
}

/* What could not be read is neither there nor gone: no verdict. */
static void test_file_that_cannot_be_read(void **state)
{
    struct run_settings settings = {.run_id = "test", .ended = make_unreadable};
    struct cell cell =
        support_cell(scenario_find("counter"), strategy_find("file_lock"), TRANSPORT_DRIVER);
    struct run_result result = {0};
    int signal_number = 0;
    (void)state;
    cell.work_us = 100;
    run_cells(&cell, 1, &settings, &result, &signal_number);
    assert_int_equal(result.cells[0].verdict.status, UNDECIDED);
    assert_int_equal(result.cells[0].verdict.reason, REASON_FINAL_UNREADABLE);
    cell_result_free(&result.cells[0]);
    free(result.cells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy_is_tried_again_when_the_edit_waits),
        cmocka_unit_test(test_busy_goes_to_the_caller_when_the_edit_does_not_wait),
        cmocka_unit_test(test_tries_are_limited),
        cmocka_unit_test(test_unknown_and_failed_are_not_tried_again),
        cmocka_unit_test(test_unknown_sticks),
        cmocka_unit_test(test_one_seed_gives_one_history),
        cmocka_unit_test(test_fibers_do_not_run_in_lockstep),
        cmocka_unit_test(test_every_event_says_what_it_read_and_wrote),
        cmocka_unit_test(test_both_transports_run_the_same_strategies),
        cmocka_unit_test(test_two_live_objects_lose),
        cmocka_unit_test(test_many_fibers),
        cmocka_unit_test(test_unfinished_in_shared_memory),
        cmocka_unit_test(test_file_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
