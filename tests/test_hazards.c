/* SPDX-License-Identifier: Apache-2.0
 *
 * hazards: each strikes where it can, over fibers and over threads, and says how often; a planned
 * one without a hit leaves the verdict open; positions sweep over every step of an operation; an
 * instance that died starts again.
 * labels: unit stress
 */
#include "claims.h"
#include "rehearsal.h"

#include "options.h"
#include "run.h"

/* Of commands in cells whose saves hang: also of those that seed and read the documents, on a
 * machine with other things to do. */
enum { TIMEOUT_MS = 1000 };

static struct cell hazard_cell(const char *strategy, enum transport transport, unsigned hazards)
{
    struct cell cell = support_cell(scenario_find("counter"), strategy_find(strategy), transport);
    cell.workers = 4;
    cell.ops = 200;
    cell.lease_ms = 40;
    cell.hazards |= hazards;
    for (int i = 0; i < HAZARD_COUNT; i++)
        cell.hazard[i].times = 5;
    cell.hazard[HAZARD_INDEX_delay].amount = 2000;
    return cell;
}

static void test_each_strikes_on_both_transports(void **state)
{
    (void)state;
    static const enum hazard_index indices[] = {HAZARD_INDEX_lost_reply, HAZARD_INDEX_drop,
                                                HAZARD_INDEX_error,      HAZARD_INDEX_delay,
                                                HAZARD_INDEX_pause,      HAZARD_INDEX_crash,
                                                HAZARD_INDEX_boot,       HAZARD_INDEX_skew,
                                                HAZARD_INDEX_hang};
    for (int transport = TRANSPORT_DRIVER; transport <= TRANSPORT_DIRECT; transport++)
        for (size_t i = 0; i < COUNT_OF(indices); i++) {
            struct cell cell = hazard_cell("occ_once", (enum transport)transport, 1u << indices[i]);
            cell.timeout_ms = indices[i] == HAZARD_INDEX_hang ? TIMEOUT_MS : cell.timeout_ms;
            if (indices[i] == HAZARD_INDEX_skew) {
                cell.instances = 2;
                cell.hazards |= HAZARD_BIT(instances);
            }
            struct cell_result result = support_run(&cell);
            bool gate = hazard_place(indices[i]) == PLACE_GATE;
            int64_t hits = result.hits[indices[i]];
            if (hits < 1 || hits > 5 || result.verdict.status != HELD)
                fail_msg("%s over %s: %d hits, %s", hazard_name(indices[i]),
                         transport_name((enum transport)transport), (int)hits,
                         reason_name(result.verdict.reason));
            if (gate && indices[i] != HAZARD_INDEX_error)
                assert_true(result.attempts > 200); /* the lost ones were made again */
            cell_result_free(&result);
        }
}

/* Its transaction is still open when an instance dies, and all who wait for its rows wait until the
 * engine ends it: the minute after which it does is over at once, in virtual time. */
static void test_transactions_of_the_dead(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct cell cell = support_cell(scenario_find("transfer"), strategy_find("fenced_lease"),
                                        TRANSPORT_DIRECT);
        cell.hazards |= HAZARD_BIT(crash);
        cell.seed = seed;
        cell.workers = 8;
        cell.ops = 400;
        cell.max_tries = 1000;
        struct cell_result result = support_run(&cell);
        assert_int_equal(result.verdict.status, HELD);
        cell_result_free(&result);
    }
}

#ifdef WITH_WIREDTIGER
/* Durable data stays, and what the driver sends again to the new engine is not done twice. */
static void test_restarts_of_the_engine(void **state)
{
    (void)state;
    static const char *const names[] = {"occ_once", "inc_once", "claim", "transaction", "inc"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct cell cell = hazard_cell(names[i], TRANSPORT_DRIVER, HAZARD_BIT(restart));
        cell.hazard[HAZARD_INDEX_restart].times = 2;
        struct cell_result result = support_run(&cell);
        const struct counts *counts = &result.verdict.counts;
        assert_int_equal(result.hits[HAZARD_INDEX_restart], 2);
        if (i < 3) /* these claim it; of inc the retry table alone keeps count */
            assert_int_equal(result.verdict.status, HELD);
        assert_in_range(counts->final, counts->acked, counts->acked + counts->unknown);
        assert_true(counts->acked > 150);
        cell_result_free(&result);
    }
    struct cell cell = hazard_cell("inc_once", TRANSPORT_DIRECT, HAZARD_BIT(restart));
    assert_non_null(strstr(hazards_obstacle(&cell), "--store wiredtiger"));
    assert_true((claims_kept(strategy_find("inc"), LOST) & HAZARD_BIT(restart)) != 0);
    assert_true((claims_kept(strategy_find("inc"), DOUBLED) & HAZARD_BIT(restart)) == 0);
}
#endif

/* A save to a file that fails changes nothing and says so; one that hangs may have been made. */
static void test_saves_to_files_fail_and_hang(void **state)
{
    (void)state;
    static const enum hazard_index indices[] = {HAZARD_INDEX_error, HAZARD_INDEX_hang};
    for (int transport = TRANSPORT_DRIVER; transport <= TRANSPORT_DIRECT; transport++)
        for (size_t i = 0; i < COUNT_OF(indices); i++) {
            struct cell_result result;
            struct cell cell =
                hazard_cell("file_lock", (enum transport)transport, 1u << indices[i]);
            bool hangs = indices[i] == HAZARD_INDEX_hang;
            cell.timeout_ms = TIMEOUT_MS;
            result = support_run(&cell);
            const struct counts *counts = &result.verdict.counts;
            assert_int_equal(result.verdict.status, HELD);
            assert_int_equal(result.hits[indices[i]], 5);
            assert_int_equal(counts->unknown, hangs ? 5 : 0);
            assert_int_equal(counts->failed, hangs ? 0 : 5);
            assert_int_equal(counts->acked, 195);
            assert_int_equal(counts->final, hangs ? 200 : 195); /* what hung had been written */
            cell_result_free(&result);
        }
}

/* In place there is no old file to go back to: the document is gone, and that is said. */
static void test_a_failed_write_in_place_destroys(void **state)
{
    (void)state;
    struct cell_result result;
    struct cell cell = hazard_cell("file_lock_compat", TRANSPORT_DIRECT, HAZARD_BIT(error));
    result = support_run(&cell);
    assert_int_not_equal(result.verdict.status, HELD);
    assert_true(result.verdict.counts.acked < 195); /* nor was it told that all went well */
    cell_result_free(&result);
}

/* Whoever hangs on a save is not waited for longer than the time-out: the database's strategies. */
static void test_hanging_saves_end_by_the_time_out(void **state)
{
    (void)state;
    static const char *const names[] = {"live_object", "occ", "inc", "naive"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct cell_result result;
        struct cell cell = hazard_cell(names[i], TRANSPORT_DRIVER, HAZARD_BIT(hang));
        cell.timeout_ms = TIMEOUT_MS;
        result = support_run(&cell);
        assert_in_range(result.hits[HAZARD_INDEX_hang], 1, 5);
        assert_true(result.verdict.counts.unknown >= result.hits[HAZARD_INDEX_hang]);
        assert_true(result.seconds < 60);
        if (i < 3)
            assert_int_equal(result.verdict.status, HELD);
        cell_result_free(&result);
    }
}

static void test_no_hit_leaves_it_open(void **state)
{
    (void)state;
    struct cell cell = hazard_cell("inc", TRANSPORT_DIRECT, HAZARD_BIT(duplicates));
    struct cell_result result = support_run(&cell);
    assert_int_equal(result.hits[HAZARD_INDEX_duplicates], 0);
    assert_int_equal(result.verdict.status, UNDECIDED);
    assert_int_equal(result.verdict.reason, REASON_HAZARD_NEVER_STRUCK);
    cell_result_free(&result);
}

static unsigned seen_steps; /* bit i: an operation died after i commands */

static void note_deaths(struct session *session, const struct cell *cell)
{
    struct edit edit = edit_of(add);
    edit.wait = true;
    while (worker_next(session))
        if (worker_apply(session, &edit, NULL) == UNKNOWN)
            seen_steps |= 1u << session->history.events[session->history.count - 1].commands;
    (void)cell;
}

static void test_crash_sweeps_every_step_and_starts_again(void **state)
{
    (void)state;
    struct scenario scenario = *scenario_find("counter");
    scenario.work = note_deaths;
    struct cell cell = hazard_cell("lock_document_compat", TRANSPORT_DIRECT, HAZARD_BIT(crash));
    cell.scenario = &scenario;
    cell.workers = 1;
    cell.hazard[HAZARD_INDEX_crash].times = 20;
    seen_steps = 0;
    struct cell_result result = support_run(&cell);
    assert_int_equal(seen_steps, 0x1f << 2); /* after 0 to 4 commands, and two at the new start */
    assert_int_equal(result.hits[HAZARD_INDEX_crash], 20);
    assert_int_equal(result.verdict.counts.unknown, 20);
    assert_int_equal(result.verdict.counts.acked, 180); /* it went on each time */
    cell_result_free(&result);
}

static void test_retry_unknown_doubles(void **state)
{
    (void)state;
    static const char *const names[] = {"occ", "inc", "occ_once", "inc_once"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (int retry = 0; retry < 2; retry++) {
            struct cell cell = hazard_cell(names[i], TRANSPORT_DIRECT, HAZARD_BIT(lost_reply));
            cell.retry_unknown = retry != 0;
            struct cell_result result = support_run(&cell);
            bool doubles = retry != 0 && i < 2;
            assert_int_equal(result.verdict.status, doubles ? BROKEN : HELD);
            assert_int_equal(result.verdict.counts.doubled, doubles ? 5 : 0);
            cell_result_free(&result);
        }
}

static void test_dead_too_long_is_stuck(void **state)
{
    (void)state;
    struct cell cell = hazard_cell("lock_document_compat", TRANSPORT_DIRECT,
                                   HAZARD_BIT(crash) | HAZARD_BIT(instances));
    cell.instances = 4;
    cell.workers = 8;
    cell.ops = 2000;
    cell.lease_ms = 2000;
    cell.max_tries = 30;
    cell.hazard[HAZARD_INDEX_crash] = (struct hazard_setting){60000000, 20};
    struct cell_result result = support_run(&cell);
    assert_int_equal(result.verdict.reason, REASON_STUCK);
    cell_result_free(&result);
    cell.strategy[0] = strategy_find("lock_document");
    cell.strategy_name = "lock_document";
    result = support_run(&cell);
    assert_int_equal(result.verdict.status, HELD);
    cell_result_free(&result);
}

static void refused(const char *text, const char *wanted)
{
    struct option_hazards hazards = {0};
    char *problem = options_read_hazards(text, &hazards);
    assert_non_null(problem);
    assert_string_equal(problem, wanted);
    free(problem);
}

static void test_values(void **state)
{
    (void)state;
    struct option_hazards hazards = {0};
    assert_null(options_read_hazards("pause:300ms:times=3,boot,error:20", &hazards));
    assert_int_equal(hazards.settings[HAZARD_INDEX_pause].amount, 300000);
    assert_int_equal(hazards.settings[HAZARD_INDEX_pause].times, 3);
    assert_int_equal(hazards.settings[HAZARD_INDEX_error].amount, 20);
    assert_int_equal(hazards.planned, HAZARD_BIT(pause) | HAZARD_BIT(boot) | HAZARD_BIT(error));
    refused("crahs", "unknown hazard 'crahs'; did you mean 'crash'?");
    refused("none", "'none' is what happens without --hazard; leave it out");
    refused("instances", "say --instances N to run several copies of the application");
    refused("boot:3", "boot takes no amount; write boot or boot:times=N");
    refused("pause:2h", "time of pause must be from 1us to 1h");
    refused("pause:times=0", "times of pause must be from 1 to 1,000,000");
    refused("boot,boot", "boot is named twice");
    refused("error:0", "the code of error must be from 1 to 100,000");
    refused("", "unknown hazard ''; 'racebench list hazards' names them");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_no_hit_leaves_it_open),
        cmocka_unit_test(test_crash_sweeps_every_step_and_starts_again),
        cmocka_unit_test(test_saves_to_files_fail_and_hang),
        cmocka_unit_test(test_transactions_of_the_dead),
#ifdef WITH_WIREDTIGER
        cmocka_unit_test(test_restarts_of_the_engine),
#endif
        cmocka_unit_test(test_a_failed_write_in_place_destroys),
        cmocka_unit_test(test_hanging_saves_end_by_the_time_out),
        cmocka_unit_test(test_retry_unknown_doubles),
        cmocka_unit_test(test_dead_too_long_is_stuck),
        cmocka_unit_test(test_each_strikes_on_both_transports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
