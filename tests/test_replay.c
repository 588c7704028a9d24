/* SPDX-License-Identifier: Apache-2.0
 *
 * Replaying schedules: under `direct` move by move, under `driver` with threads and libmongoc held
 * at the engine's gate, and both come to the same end. labels: unit driver
 */
#include "explore/finding.h"
#include "explore/replay.h"
#include "support.h"

static struct schedule schedule;

static void read_moves(const char *moves)
{
    char *text = x_format("cell: x\n%s", moves); /* what they are of is known */
    char *problem = schedule_parse(&schedule, "x.race", text, strlen(text));
    if (problem != NULL)
        fail_msg("%s", problem);
    free(text);
}

static struct cell cell_of(const char *scenario, const char *strategy, int32_t workers)
{
    struct cell cell =
        support_cell(scenario_find(scenario), strategy_find(strategy), TRANSPORT_DIRECT);
    cell.workers = workers;
    cell.ops = workers;
    cell.backoff = (struct backoff){.kind = BACKOFF_NONE};
    return cell;
}

static struct replay_result over_sockets(const char *scenario, const char *strategy,
                                         int32_t workers, const char *moves)
{
    struct replay_result result = {0};
    struct cell cell = cell_of(scenario, strategy, workers);
    read_moves(moves);
    assert_null(replay_driver_obstacle(&schedule));
    replay_driver(&schedule, &cell, "replay", &result);
    schedule_free(&schedule);
    return result;
}

/* All orders in which two naive workers may go: the verdict follows from the schedule each time. */
static void test_naive_over_sockets(void **state)
{
    (void)state;
    static const struct {
        const char *moves;
        int64_t final;
    } rows[] = {
        {"w0.find w1.find w0.update w1.update", 1}, {"w0.find w1.find w1.update w0.update", 1},
        {"w1.find w0.find w0.update w1.update", 1}, {"w1.find w0.find w1.update w0.update", 1},
        {"w0.find w0.update w1.find w1.update", 2}, {"w1.find w1.update w0.find w0.update", 2},
    };
    for (int round = 0; round < 5; round++)
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            struct replay_result result = over_sockets("counter", "naive", 2, rows[i].moves);
            assert_int_equal(result.skipped, 0);
            assert_int_equal(result.further, 0);
            assert_int_equal(result.verdict.counts.final, rows[i].final);
            assert_int_equal(result.verdict.counts.lost, 2 - rows[i].final);
        }
}

/* Steps that reach no server are held in their threads. */
static void test_files_over_sockets(void **state)
{
    (void)state;
    struct replay_result result = {0};
    struct cell cell = cell_of("counter", "file_naive", 2);
    cell.instances = 2;
    static const struct {
        const char *moves;
        int64_t final;
    } rows[] = {
        {"w0.read_file w1.read_file w0.empty_file w0.write_file w1.empty_file w1.write_file", 1},
        {"w1.read_file w1.empty_file w1.write_file w0.read_file w0.empty_file w0.write_file", 2},
        {"w1.read_file w1.empty_file w0.read_file w1.write_file", 1}, /* w0 finds it empty */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        result = (struct replay_result){0};
        read_moves(rows[i].moves);
        replay_driver(&schedule, &cell, "replay", &result);
        schedule_free(&schedule);
        assert_int_equal(result.skipped, 0);
        assert_int_equal(result.verdict.counts.final, rows[i].final);
        assert_int_equal(result.verdict.counts.failed, i == 2);
    }
}

/* A lost reply, one that never arrived, and a refusal. */
static void test_faults_over_sockets(void **state)
{
    (void)state;
    struct replay_result result = over_sockets("counter", "naive", 1, "w0.find lost w0.update");
    assert_int_equal(result.verdict.counts.unknown, 1);
    assert_int_equal(result.verdict.counts.final, 1);
    result = over_sockets("counter", "naive", 1, "w0.find drop w0.update");
    assert_int_equal(result.verdict.counts.unknown, 1);
    assert_int_equal(result.verdict.counts.final, 0);
    result = over_sockets("counter", "naive", 1, "w0.find error w0.update");
    assert_int_equal(result.verdict.counts.failed, 1);
    assert_int_equal(result.verdict.counts.final, 0);
}

/* The code has changed since: what is not there any more is skipped, what is new goes on freely. */
static void test_vanished_steps(void **state)
{
    (void)state;
    struct replay_result result =
        over_sockets("counter", "naive", 2, "w0.find w0.insert w1.find w0.update");
    assert_int_equal(result.skipped, 1);
    assert_int_equal(result.first_skipped, 1);
    assert_int_equal(result.further, 1);
    assert_int_equal(result.verdict.counts.lost, 1);
}

/* The clock moves between two of their readings and nowhere else. */
static void test_clock_over_sockets(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "w0.now w0.find_and_modify w0.update w0.find +31s w1.now w1.find_and_modify w1.update "
        "w1.find w0.update w0.update w1.update w1.update",
        "w0.now +31s w0.find_and_modify w0.update w0.find w1.now w1.find_and_modify w1.update "
        "w1.find w1.update w1.update w0.update w0.update",
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct replay_result result = over_sockets("counter", "lock_document_compat", 2, rows[i]);
        assert_int_equal(result.skipped, 0);
        assert_int_equal(result.verdict.counts.final, 1);
        assert_int_equal(result.verdict.counts.lost, 1);
    }
}

/* In this process: every order, the same end as over sockets, the same text again. */
static struct replay_result in_process(const struct cell *cell, const char *moves,
                                       struct schedule *ran, struct trail *trail)
{
    struct replay_result result = {0};
    const struct world_limits limits = {.bound = -1};
    struct world *world = world_open(cell, &limits);
    read_moves(moves);
    replay_direct(world, &schedule,
                  &(struct replay_settings){.seed = 1, .ran = ran, .trail = trail}, &result);
    schedule_free(&schedule);
    world_close(world);
    return result;
}

static void test_same_end(void **state)
{
    (void)state;
    static const char *const rows[] = {"w0.find  w1.find  w0.update  w1.update\n",
                                       "w0.find  w1.find  w1.update  w0.update\n",
                                       "w0.find  w0.update  w1.find  w1.update\n",
                                       "w1.find  w1.update  w0.find  w0.update\n"};
    struct cell cell = cell_of("counter", "naive", 2);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct schedule ran = {0};
        struct trail trail = {0};
        struct replay_result here = in_process(&cell, rows[i], &ran, &trail);
        struct replay_result there = over_sockets("counter", "naive", 2, rows[i]);
        char *text = schedule_text(&ran);
        assert_int_equal(here.skipped + here.further, 0);
        assert_string_equal(text, rows[i]); /* byte for byte */
        assert_int_equal(here.verdict.counts.final, there.verdict.counts.final);
        assert_int_equal(here.verdict.counts.lost, there.verdict.counts.lost);
        assert_int_equal(here.verdict.status == BROKEN, i < 2);
        assert_int_equal(trail.count, 4);
        assert_int_equal(trail.entries[3].lost, i < 2);
        if (i == 0)
            assert_int_equal(trail.entries[3].victim, OPERATION_ID(0, 0));
        free(text);
        schedule_free(&ran);
        trail_free(&trail);
    }
}

/* What does not fit is skipped; the seed decides what comes after the end, the same each time. */
static void test_goes_on_by_seed(void **state)
{
    (void)state;
    struct cell cell = cell_of("counter", "naive", 3);
    char *first = NULL;
    for (int i = 0; i < 3; i++) {
        struct schedule ran = {0};
        struct replay_result result =
            in_process(&cell, "w0.find w0.insert w2.find lost w1.update", &ran, NULL);
        assert_int_equal(result.skipped, 2);
        assert_int_equal(result.first_skipped, 1);
        assert_int_equal(result.further, 4);
        char *text = schedule_text(&ran);
        if (first == NULL)
            first = x_strdup(text);
        assert_string_equal(text, first);
        free(text);
        schedule_free(&ran);
    }
    free(first);
}

/* Of naive's lost update: once both have read, nothing helps. */
static void test_no_return(void **state)
{
    (void)state;
    static const struct {
        const char *moves;
        size_t no_return;
    } rows[] = {
        {"w0.find w1.find w0.update w1.update", 2},
        {"w0.find w0.update w1.find w1.update", SIZE_MAX},
    };
    struct cell cell = cell_of("counter", "naive", 2);
    const struct world_limits limits = {.bound = -1};
    struct world *world = world_open(&cell, &limits);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        read_moves(rows[i].moves);
        assert_true(replay_no_return(world, &schedule) == rows[i].no_return);
        schedule_free(&schedule);
    }
    world_close(world);
}

/* Makes the first `kept` moves, then at each fork what `forks` say: 0 where they say nothing. */
static bool fails(struct world *world, size_t kept, size_t forks[][2], size_t *count)
{
    const struct move *moves;
    size_t depth = 0, possible;
    struct verdict verdict = {.status = BROKEN};
    world_begin(world, NULL);
    while ((possible = world_moves(world, &moves)) > 0) {
        size_t at = 0;
        if (depth < kept) {
            while (at < possible && !move_equal(&moves[at], &schedule.moves[depth]))
                at++;
        } else {
            if (depth - kept == *count)
                forks[(*count)++][0] = 0;
            assert_true(*count < 64);
            forks[depth - kept][1] = possible;
            at = forks[depth - kept][0];
        }
        assert_true(at < possible);
        depth++;
        struct move move = moves[at];
        world_do(world, &move);
    }
    if (world_over(world))
        world_judge(world, &verdict);
    return verdict.status == BROKEN;
}

/* Does every continuation fail? Each is executed, whatever state it leads to. */
static bool all_fail(struct world *world, size_t kept)
{
    size_t forks[64][2], count = 0;
    for (;;) {
        if (!fails(world, kept, forks, &count))
            return false;
        while (count > 0 && forks[count - 1][0] + 1 == forks[count - 1][1])
            count--;
        if (count == 0)
            return true;
        forks[count - 1][0]++;
    }
}

/* The point of no return is where trying out everything says that it is: what explore is shown to
 * find (tests/golden), and where it lies within another one's transaction, whose first read
 * decides what it sees. */
static void test_no_return_by_brute_force(void **state)
{
    (void)state;
    static const struct {
        const char *scenario, *strategy, *moves;
        size_t no_return;
    } rows[] = {
        {"counter", "naive", "w0.find w1.find w1.update w0.update", 2},
        {"cron_tick", "lock_document",
         "w0.find_and_modify w0.find w0.update w0.update w1.find_and_modify w1.find w1.update "
         "w1.update",
         4},
        {"transfer", "transaction",
         "w0.random=0 w0.random=1 w0.random=0 w0.find w0.find w0.update w1.random=1 w1.random=1 "
         "w1.random=0 w1.find w1.find w1.update w1.commit w0.commit",
         10},
        {"counter", "transaction", "w0.find w0.update w0.commit w1.find w1.update w1.commit",
         SIZE_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cell cell = cell_of(rows[i].scenario, rows[i].strategy, 2);
        const struct world_limits limits = {.bound = -1};
        cell.tick_ms = 5000;
        struct world *world = world_open(&cell, &limits);
        read_moves(rows[i].moves);
        size_t no_return = replay_no_return(world, &schedule);
        print_message("%s with %s: after %zd moves\n", rows[i].scenario, rows[i].strategy,
                      (ssize_t)no_return);
        assert_true(no_return == rows[i].no_return);
        if (no_return == SIZE_MAX)
            no_return = schedule.count + 1;
        else
            assert_true(all_fail(world, no_return));
        assert_false(all_fail(world, no_return - 1));
        schedule_free(&schedule);
        world_close(world);
    }
}

/* Three workers with two operations each, shrunk by explore itself. */
static void test_shrunk_by_explore(void **state)
{
    (void)state;
    struct cell cell = cell_of("counter", "naive", 3);
    cell.ops = 6;
    struct explore_settings settings = {.limits = {.bound = -1}, .policy = &policy_dfs};
    struct explore_result result = {0};
    struct finding finding = {0};
    explore_cell(&cell, &settings, &result);
    assert_int_equal(result.status, BROKEN);
    finding_shrink(&finding, &cell, &settings, &result.schedule, &result.first);
    finding_watch(&finding, &settings.limits);
    assert_int_equal(finding.cell.workers, 2);
    assert_int_equal(finding.cell.ops, 2);
    assert_int_equal(schedule_switches(&finding.schedule), 2);
    assert_int_equal(finding.schedule.count, 4);
    assert_int_equal(finding.trail.no_return, 2);
    assert_int_equal(finding.verdict.reason, REASON_LOST_UPDATE);
    finding_free(&finding);
    explore_result_free(&result);
}

/* An instance's workers share RAM: who enters first is the schedule's too. What explore finds, real
 * threads repeat. */
static void test_instances_over_sockets(void **state)
{
    (void)state;
    struct cell cell = cell_of("counter", "live_object_compat", 2);
    struct explore_settings settings = {.limits = {.bound = -1}, .policy = &policy_dfs};
    struct explore_result found = {0};
    struct replay_result result = {0};
    cell.instances = 2;
    explore_cell(&cell, &settings, &found);
    assert_null(found.fault);
    assert_int_equal(found.status, BROKEN);
    replay_driver(&found.schedule, &cell, "replay", &result);
    assert_int_equal(result.skipped, 0);
    assert_int_equal(result.verdict.status, BROKEN);
    assert_int_equal(result.verdict.reason, found.first.reason);
    explore_result_free(&found);
}

static void test_obstacles(void **state)
{
    (void)state;
    static const char *const moves[] = {"restart", "restart during w0.update", "crash w0 keeping 5",
                                        "error w0.write_file", "lost w0.commit"};
    for (size_t i = 0; i < COUNT_OF(moves); i++) {
        read_moves(moves[i]);
        char *obstacle = replay_driver_obstacle(&schedule);
        assert_non_null(obstacle);
        assert_non_null(strstr(obstacle, moves[i]));
        free(obstacle);
        schedule_free(&schedule);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_naive_over_sockets),       cmocka_unit_test(test_files_over_sockets),
        cmocka_unit_test(test_faults_over_sockets),      cmocka_unit_test(test_vanished_steps),
        cmocka_unit_test(test_clock_over_sockets),       cmocka_unit_test(test_obstacles),
        cmocka_unit_test(test_instances_over_sockets),   cmocka_unit_test(test_same_end),
        cmocka_unit_test(test_goes_on_by_seed),          cmocka_unit_test(test_no_return),
        cmocka_unit_test(test_no_return_by_brute_force), cmocka_unit_test(test_shrunk_by_explore),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
