/* SPDX-License-Identifier: Apache-2.0
 *
 * What may happen beside steps, and what must never be called "held": faults as moves, each with
 * its own cell; a crash in the middle of a file's write at every byte; nothing contended, nothing
 * struck; strategies that look past their session, which the function check and the second
 * execution find; bounds; and policies that draw.
 *
 * labels: unit explore
 */
#include "support.h"

#include "explore/explore.h"
#include "explore/replay.h"

static struct cell cell_of(const char *scenario, const struct strategy *strategy, int32_t workers,
                           int operations)
{
    struct cell cell = support_cell(scenario_find(scenario), strategy, TRANSPORT_DIRECT);
    cell.workers = workers;
    cell.ops = workers * operations;
    cell.tick_ms = 5000;
    cell.backoff = (struct backoff){.kind = BACKOFF_NONE};
    return cell;
}

/* All of it, with one fault of this kind. */
static struct explore_result explored(struct cell *cell, unsigned hazards)
{
    struct explore_settings settings = {
        .limits = {.bound = -1, .hazards = hazards, .faults = hazards != 0}, .policy = &policy_dfs};
    struct explore_result result = {0};
    cell->hazards |= hazards;
    settings.all = true;
    explore_cell(cell, &settings, &result);
    assert_null(result.fault);
    assert_true(result.complete);
    return result;
}

static void expect(const char *scenario, const char *strategy, unsigned hazards, enum status status)
{
    struct cell cell = cell_of(scenario, strategy_find(strategy), 2, 1);
    cell.instances = 2;
    struct explore_result result = explored(&cell, hazards);
    print_message("%s with %s, hazards %x: %s, %lld schedules, %lld fail\n", scenario, strategy,
                  hazards, status_name(result.status), (long long)result.schedules,
                  (long long)result.failing);
    assert_int_equal(result.status, status);
    explore_result_free(&result);
}

static void a_crash_tears_a_file_that_is_written_in_place(void **state)
{
    (void)state;
    expect("snapshot", "file_naive", HAZARD_BIT(crash), BROKEN);
    expect("snapshot", "file_lock", HAZARD_BIT(crash), HELD);
}

static void a_clock_ahead_breaks_the_lease_of_who_trusts_it(void **state)
{
    (void)state;
    expect("counter", "lock_document_compat", HAZARD_BIT(skew), BROKEN);
    expect("counter", "lock_document", HAZARD_BIT(skew), HELD);
}

/* What a restart of the engine does not take: what was acknowledged, and what a resend is told.
 * Without retryable writes nobody resends, and nobody knows. */
static void a_restart_is_survived_by_who_may_send_again(void **state)
{
    static const struct {
        const char *strategy;
        enum persona persona;
        enum status status;
    } rows[] = {{"inc", PERSONA_REPLSET, HELD},
                {"inc", PERSONA_STANDALONE, BROKEN},
                {"inc_once", PERSONA_STANDALONE, HELD},
                {"transaction", PERSONA_REPLSET, HELD}};
    static const enum hazard_index hazards[] = {HAZARD_INDEX_restart, HAZARD_INDEX_lost_reply};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows) * COUNT_OF(hazards); i++) {
        enum hazard_index hazard = hazards[i % COUNT_OF(hazards)];
        size_t row = i / COUNT_OF(hazards);
        struct cell cell = cell_of("counter", strategy_find(rows[row].strategy), 2, 1);
        cell.persona = rows[row].persona;
        cell.retry_unknown = true;
        cell.hazard[HAZARD_INDEX_lost_reply].amount = 1; /* the first only */
        struct explore_result result = explored(&cell, 1u << hazard);
        print_message("%s as %s under %s: %s\n", cell.strategy_name, persona_name(cell.persona),
                      hazard_name(hazard), status_name(result.status));
        assert_int_equal(result.status, rows[row].status);
        assert_int_equal(result.unstruck, 0);
        if (result.status == BROKEN)
            assert_int_equal(result.first.reason, REASON_DOUBLED_UPDATE);
        explore_result_free(&result);
    }
}

/* Makes the first of the moves that are possible and of this kind; false: there is none. */
static bool make(struct world *world, enum move_kind kind, int32_t worker)
{
    const struct move *moves;
    size_t count = world_moves(world, &moves);
    for (size_t i = 0; i < count; i++)
        if (moves[i].kind == kind && moves[i].worker == worker) {
            struct move move = moves[i];
            world_do(world, &move);
            return true;
        }
    return false;
}

/* Adds one to counters/0: in a transaction of its own (worker 0), or as it is. */
static enum outcome holds_a_row(struct session *session, void *shared, const struct edit *edit)
{
    struct written written;
    (void)shared;
    const struct modify modify = {.collection = edit->key[0].collection,
                                  .filter = session_key(session, &edit->key[0]),
                                  .update = edit_operators(session, edit)};
    bool first = session_worker(session) == 0;
    enum outcome outcome = first ? session_begin(session) : DONE;
    if (outcome == DONE)
        outcome = session_update_one(session, &modify, &written);
    return outcome == DONE && first ? session_commit(session) : outcome;
}

/* w0's transaction has written the row, w1 waits for it in the engine; the engine restarts: w1 is
 * at its update again, whose resend is done, and w0 is told that there is no transaction. */
static void a_restart_ends_transactions_and_lets_go_who_waits(void **state)
{
    struct strategy strategy = *strategy_find("inc");
    struct world_limits limits = {.bound = -1, .hazards = HAZARD_BIT(restart), .faults = 1};
    struct verdict verdict;
    (void)state;
    strategy.apply = holds_a_row;
    struct cell cell = cell_of("counter", &strategy, 2, 1);
    cell.hazards |= HAZARD_BIT(restart);
    struct world *world = world_open(&cell, &limits);
    world_begin(world, NULL);
    assert_false(make(world, MOVE_RESTART, STEP_NOBODY)); /* nobody would notice */
    assert_true(make(world, MOVE_STEP, 0));
    assert_true(make(world, MOVE_STEP, 1));
    assert_false(make(world, MOVE_STEP, 1)); /* parked */
    hash128 before = world_worker_key(world, 0);
    assert_true(make(world, MOVE_RESTART, STEP_NOBODY));
    assert_true(before != world_worker_key(world, 0));
    assert_true(make(world, MOVE_STEP, 1));
    assert_false(make(world, MOVE_STEP, 1)); /* it has ended */
    while (make(world, MOVE_STEP, 0))
        ;
    assert_true(world_over(world));
    world_judge(world, &verdict);
    assert_int_equal(verdict.counts.final, 2); /* w0's next attempt */
    assert_int_equal(world_unstruck(world), 0);
    world_close(world);
}

/* Takes the lock of its file and waits there for somebody to wake it, which nobody does. */
static enum outcome waits_with_a_lock(struct session *session, void *shared,
                                      const struct edit *edit)
{
    const char *name = session_file_name(session, &edit->key[0]);
    (void)shared;
    if (session_lock_file(session, name, LOCK_EXCLUSIVE) != DONE)
        return FAILED;
    session_wait(session, session);
    session_unlock_file(session);
    return FAILED;
}

/* Who holds up whom is said: of a lock, of a wake-up that never comes. */
static void who_is_stuck_is_told_with_who_holds_what(void **state)
{
    struct strategy strategy = *strategy_find("file_lock");
    struct explore_settings settings = {.limits = {.bound = -1}, .policy = &policy_dfs};
    struct explore_result result = {0};
    (void)state;
    strategy.apply = waits_with_a_lock;
    struct cell cell = cell_of("counter", &strategy, 2, 1);
    explore_cell(&cell, &settings, &result);
    assert_null(result.fault);
    assert_int_equal(result.status, BROKEN);
    assert_int_equal(result.first.reason, REASON_STUCK);
    assert_string_equal(result.stuck, "w0 waits to be woken in instance 0; w1 waits for the lock "
                                      "of counters.0.json, which w0 holds");
    explore_result_free(&result);
}

/* Drives a world to where w0 stands between the halves of a write, and looks at its crashes. */
static void every_prefix_of_a_write_is_a_crash_of_its_own(void **state)
{
    struct cell cell = cell_of("snapshot", strategy_find("file_naive"), 1, 1);
    struct world_limits limits = {.bound = -1, .hazards = HAZARD_BIT(crash), .faults = 1};
    const struct move *moves;
    size_t count;
    int64_t longest = 0, crashes = 0;
    (void)state;
    cell.hazards |= HAZARD_BIT(crash);
    struct world *world = world_open(&cell, &limits);
    world_begin(world, NULL);
    while ((count = world_moves(world, &moves)) > 0 && moves[0].step != STEP_WRITE_FILE)
        world_do(world, &(struct move){.kind = moves[0].kind,
                                       .worker = moves[0].worker,
                                       .step = moves[0].step,
                                       .amount = moves[0].amount});
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        if (moves[i].kind == MOVE_CRASH) {
            crashes++;
            if (moves[i].amount > longest)
                longest = moves[i].amount;
        }
    assert_true(longest > 10);
    assert_int_equal(crashes, longest + 1); /* nothing kept, and 1 .. all of it */
    world_close(world);
}

/* Reads a move back from its text, by itself. */
static struct move reread(const struct move *move)
{
    struct schedule schedule;
    char *text = move_text(move), *whole = x_format("cell: -w 2\n%s\n", text);
    char *problem = schedule_parse(&schedule, "a move", whole, strlen(whole));
    if (problem != NULL)
        fail_msg("%s", problem);
    assert_int_equal(schedule.count, 1);
    struct move read = schedule.moves[0];
    schedule_free(&schedule);
    free(whole);
    free(text);
    return read;
}

/* What can be done can be written down and replayed, also what strikes where a number is drawn. */
static void every_move_is_the_same_as_text(void **state)
{
    struct cell cell = cell_of("snapshot", strategy_find("lock_document"), 2, 1);
    struct world_limits limits = {.bound = -1, .clock_steps = 1, .faults = 1};
    const struct move *moves;
    int faults_at_draws = 0;
    size_t count;
    (void)state;
    limits.hazards = HAZARD_BIT(boot) | HAZARD_BIT(skew) | HAZARD_BIT(lost_reply) |
                     HAZARD_BIT(drop) | HAZARD_BIT(error) | HAZARD_BIT(pause) | HAZARD_BIT(crash);
    struct world *world = world_open(&cell, &limits);
    world_begin(world, NULL);
    while ((count = world_moves(world, &moves)) > 0) {
        for (size_t i = 0; i < count; i++) {
            const struct move read = reread(&moves[i]);
            if (!move_equal(&moves[i], &read))
                fail_msg("'%s' is another move when it is read", move_text(&moves[i]));
            faults_at_draws += moves[i].kind == MOVE_BOOT && moves[i].step == STEP_RANDOM;
        }
        world_do(world,
                 &(struct move){moves[0].kind, moves[0].worker, moves[0].step, moves[0].amount, 0});
    }
    assert_true(faults_at_draws > 0);
    world_close(world);
}

/* Of a hundred values eight are tried, from the first to the last. */
static void draws_are_spread_over_their_range(void **state)
{
    struct cell cell = cell_of("counter", strategy_find("inc"), 1, 1);
    struct world_limits limits = {.bound = -1};
    const struct move *moves;
    (void)state;
    cell.docs = 100;
    struct world *world = world_open(&cell, &limits);
    world_begin(world, NULL);
    size_t count = world_moves(world, &moves);
    assert_int_equal(count, 8);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(moves[i].step, STEP_RANDOM);
        assert_int_equal(moves[i].amount, (int64_t)i * 99 / 7);
    }
    world_close(world);
}

/* How many writes of a whole execution are marked as having lost an update. */
static int losses_of(const char *strategy, bool in_turns)
{
    struct cell cell = cell_of("counter", strategy_find(strategy), 2, 1);
    struct world_limits limits = {.bound = -1};
    struct trail trail = {0};
    const struct move *moves;
    size_t count;
    int losses = 0;
    struct world *world = world_open(&cell, &limits);
    world_begin(world, &trail);
    while ((count = world_moves(world, &moves)) > 0)
        world_do(world, &(struct move){moves[in_turns ? count - 1 : 0].kind,
                                       moves[in_turns ? count - 1 : 0].worker,
                                       moves[in_turns ? count - 1 : 0].step,
                                       moves[in_turns ? count - 1 : 0].amount, 0});
    for (size_t i = 0; i < trail.count; i++)
        losses += trail.entries[i].lost;
    world_close(world);
    trail_free(&trail);
    return losses;
}

/* Who writes over what it has not read; not who writes twice, nor who sends operators. */
static void only_who_overwrites_is_accused(void **state)
{
    static const char *const innocent[] = {"inc",          "inc_once",     "occ",
                                           "lock_release", "fenced_lease", "lock_document"};
    (void)state;
    assert_int_equal(losses_of("naive", true), 1);
    assert_int_equal(losses_of("naive", false), 0);
    for (size_t i = 0; i < COUNT_OF(innocent); i++) {
        assert_int_equal(losses_of(innocent[i], true), 0);
        assert_int_equal(losses_of(innocent[i], false), 0);
    }
}

static void what_meets_nobody_or_never_strikes_is_not_held(void **state)
{
    struct cell cell = cell_of("stale_save", strategy_find("occ"), 2, 1);
    struct explore_result result = explored(&cell, 0);
    (void)state;
    assert_int_equal(result.status, UNDECIDED);
    assert_false(result.contended);
    explore_result_free(&result);
    cell = cell_of("counter", strategy_find("live_object"), 2, 1);
    struct explore_settings none = {.limits = {.bound = -1, .hazards = HAZARD_BIT(boot)},
                                    .policy = &policy_dfs};
    cell.hazards |= HAZARD_BIT(boot);
    result = (struct explore_result){0};
    explore_cell(&cell, &none, &result); /* planned, but no fault may come */
    assert_int_equal(result.status, UNDECIDED);
    assert_int_equal(result.unstruck, HAZARD_BIT(boot));
    explore_result_free(&result);
}

/* Also before the one operation that each worker has. */
static void another_copy_may_start_before_the_first_operation(void **state)
{
    (void)state;
    struct cell cell = cell_of("counter", strategy_find("live_object"), 2, 1);
    struct explore_result result = explored(&cell, HAZARD_BIT(boot));
    assert_int_equal(result.status, HELD);
    assert_int_equal(result.unstruck, 0);
    explore_result_free(&result);
}

/* A save that fails leaves the old file; of one that nobody answers nothing is known. In place the
 * document is gone with the first, which the verdict must say. */
static void the_save_of_a_file_may_fail_or_hang(void **state)
{
    (void)state;
    expect("counter", "file_lock", HAZARD_BIT(error), HELD);
    expect("counter", "file_lock", HAZARD_BIT(lost_reply), HELD);
    expect("counter", "file_naive", HAZARD_BIT(error), BROKEN);
}

/* Reads once more at every third call, which no session knows of. */
static enum outcome counts_calls(struct session *session, void *shared, const struct edit *edit)
{
    static int calls;
    const bson_t *found;
    if (++calls % 3 == 0)
        session_find(session, edit->key[0].collection, session_key(session, &edit->key[0]), &found);
    return strategy_find("naive")->apply(session, shared, edit);
}

/* Writes what time it is, past its session. */
static enum outcome reads_the_clock(struct session *session, void *shared, const struct edit *edit)
{
    bson_t *set = session_document(session), part;
    struct written written;
    (void)shared;
    BSON_APPEND_DOCUMENT_BEGIN(set, "$set", &part);
    BSON_APPEND_INT64(&part, "at", clock_monotonic_ns());
    bson_append_document_end(set, &part);
    const struct modify modify = {.collection = edit->key[0].collection,
                                  .filter = session_key(session, &edit->key[0]),
                                  .update = set};
    return session_update_one(session, &modify, &written);
}

static void past_the_session(enum outcome (*apply)(struct session *, void *, const struct edit *),
                             bool twice)
{
    struct strategy strategy = *strategy_find("naive");
    strategy.apply = apply;
    struct cell cell = cell_of("counter", &strategy, twice ? 1 : 3, 1);
    struct explore_settings settings = {.limits = {.bound = -1},
                                        .policy = &policy_dfs,
                                        .no_cache = true,
                                        .all = true,
                                        .twice = twice};
    struct explore_result result = {0};
    explore_cell(&cell, &settings, &result);
    assert_non_null(result.fault);
    print_message("%s\n", result.fault);
    assert_non_null(strstr(result.fault, "past its session"));
    assert_true(strstr(result.fault, "find") != NULL || strstr(result.fault, "update") != NULL);
    assert_int_not_equal(result.status, HELD);
    explore_result_free(&result);
}

static void who_looks_past_the_session_is_found(void **state)
{
    (void)state;
    past_the_session(counts_calls, false);
    past_the_session(reads_the_clock, false);
    past_the_session(reads_the_clock, true);
}

/* Two workers that lose need one switch away from one who could go on. */
static void a_bound_leaves_out_what_needs_more_switches(void **state)
{
    static const struct {
        int bound;
        int64_t schedules, failing;
    } rows[] = {{0, 2, 0}, {1, 4, 2}, {2, 6, 4}, {-1, 6, 4}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cell cell = cell_of("counter", strategy_find("naive"), 2, 1);
        struct explore_settings settings = {.limits = {.bound = rows[i].bound},
                                            .policy = &policy_dfs,
                                            .no_cache = true,
                                            .all = true};
        struct explore_result result = {0};
        explore_cell(&cell, &settings, &result);
        print_message("bound %d: %lld schedules, %lld fail\n", rows[i].bound,
                      (long long)result.schedules, (long long)result.failing);
        assert_int_equal(result.schedules, rows[i].schedules);
        assert_int_equal(result.failing, rows[i].failing);
        explore_result_free(&result);
    }
}

/* The lease of a paused holder runs out only where the clock can move. */
static void the_clock_moves_as_often_as_it_may(void **state)
{
    (void)state;
    for (int steps = 0; steps < 2; steps++) {
        struct cell cell = cell_of("counter", strategy_find("lock_document_compat"), 2, 1);
        struct explore_settings settings = {.limits = {.bound = -1, .clock_steps = steps},
                                            .policy = &policy_dfs,
                                            .budget = {.schedules = 20000}};
        struct explore_result result = {0};
        explore_cell(&cell, &settings, &result);
        assert_int_equal(result.status == BROKEN, steps > 0);
        explore_result_free(&result);
    }
}

static void walks_end_with_their_budget_and_find_what_is_common(void **state)
{
    static const struct policy *const policies[] = {&policy_random, &policy_urw};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        struct cell cell = cell_of("counter", strategy_find("naive"), 2, 1);
        struct explore_settings settings = {.limits = {.bound = -1},
                                            .policy = policies[i],
                                            .seed = 7,
                                            .all = true,
                                            .budget = {.schedules = 600}};
        struct explore_result result = {0};
        explore_cell(&cell, &settings, &result);
        print_message("%s: %lld of %lld lose\n", policies[i]->name, (long long)result.failing,
                      (long long)result.schedules);
        assert_int_equal(result.schedules, 600);
        assert_false(result.complete);
        assert_true(result.failing > 200 && result.failing < 590);
        cell.strategy[0] = strategy_find("occ");
        explore_result_free(&result);
        result = (struct explore_result){0};
        explore_cell(&cell, &settings, &result);
        assert_int_equal(result.status, UNDECIDED); /* walking proves nothing */
        explore_result_free(&result);
    }
}

/* By chance the short worker comes first more often than not; evenly, one time in so many orders.
 * Worker 1 has one operation of two steps, worker 0 three: one of C(8, 2) = 28 orders has worker 1
 * first, by chance one of 4. */
static void the_uniform_walk_is_more_even(void **state)
{
    int64_t first[2];
    static const struct policy *const policies[] = {&policy_random, &policy_urw};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        struct cell cell = cell_of("counter", strategy_find("naive"), 2, 1);
        struct explore_settings settings = {.policy = policies[i], .seed = 11};
        void *walk = policies[i]->open(&settings);
        struct move moves[2] = {{.kind = MOVE_STEP, .worker = 0}, {.kind = MOVE_STEP, .worker = 1}};
        (void)cell;
        first[i] = 0;
        for (int round = 0; round < 2001; round++) {
            int left[2] = {6, 2}, made = 0;
            bool one_first = false;
            policies[i]->begin(walk);
            for (; left[0] + left[1] > 0; made++) {
                struct move enabled[2];
                size_t count = 0;
                for (int w = 0; w < 2; w++)
                    if (left[w] > 0)
                        enabled[count++] = moves[w];
                int chosen = policies[i]->choose(walk, NULL, enabled, count);
                int32_t worker = enabled[chosen].worker;
                left[worker]--;
                if (left[1] == 0 && made == 1)
                    one_first = true;
            }
            first[i] += one_first;
        }
        policies[i]->close(walk);
    }
    print_message("worker 1 first: %lld by chance, %lld evenly, of 2001\n", (long long)first[0],
                  (long long)first[1]);
    assert_true(first[0] > 400 && first[0] < 600);
    assert_true(first[1] > 40 && first[1] < 110); /* 2001 / 28 = 71 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_tears_a_file_that_is_written_in_place),
        cmocka_unit_test(a_clock_ahead_breaks_the_lease_of_who_trusts_it),
        cmocka_unit_test(a_restart_is_survived_by_who_may_send_again),
        cmocka_unit_test(a_restart_ends_transactions_and_lets_go_who_waits),
        cmocka_unit_test(every_prefix_of_a_write_is_a_crash_of_its_own),
        cmocka_unit_test(every_move_is_the_same_as_text),
        cmocka_unit_test(draws_are_spread_over_their_range),
        cmocka_unit_test(only_who_overwrites_is_accused),
        cmocka_unit_test(what_meets_nobody_or_never_strikes_is_not_held),
        cmocka_unit_test(another_copy_may_start_before_the_first_operation),
        cmocka_unit_test(the_save_of_a_file_may_fail_or_hang),
        cmocka_unit_test(who_is_stuck_is_told_with_who_holds_what),
        cmocka_unit_test(who_looks_past_the_session_is_found),
        cmocka_unit_test(a_bound_leaves_out_what_needs_more_switches),
        cmocka_unit_test(the_clock_moves_as_often_as_it_may),
        cmocka_unit_test(walks_end_with_their_budget_and_find_what_is_common),
        cmocka_unit_test(the_uniform_walk_is_more_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
