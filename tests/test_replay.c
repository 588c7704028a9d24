/* SPDX-License-Identifier: Apache-2.0
 *
 * Replaying schedules: under `direct` move by move, under `driver` with threads and libmongoc held
 * at the engine's gate, and both come to the same end. labels: unit driver
 */
#include "explore/replay.h"
#include "support.h"

static struct schedule schedule;

static void read_moves(const char *moves)
{
    char *text = x_format("cell: x\n%s", moves);
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

static void test_obstacles(void **state)
{
    (void)state;
    static const char *const moves[] = {"crash w0",    "skew w0 +1s", "restart",
                                        "w0.random=3", "boot w0",     "duplicate w0"};
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
        cmocka_unit_test(test_naive_over_sockets),  cmocka_unit_test(test_files_over_sockets),
        cmocka_unit_test(test_faults_over_sockets), cmocka_unit_test(test_vanished_steps),
        cmocka_unit_test(test_clock_over_sockets),  cmocka_unit_test(test_obstacles),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
