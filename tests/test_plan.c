/* SPDX-License-Identifier: Apache-2.0
 *
 * plan: command lines to cells, over the real strategies and scenarios. A few obstacles no real
 * pair has yet; these are tried with strategies made up here.
 *
 * labels: unit
 */
#include "support.h"

#include "options.h"
#include "plan.h"
#include "scenario.h"
#include "verb.h"

struct planned {
    struct options options;
    struct plan plan;
    char *problem;
};

/* Plans "-s occ -w 3", split at blanks. */
static void plan_line(struct planned *planned, const char *line)
{
    static char words[512];
    char *argv[48] = {NULL};
    int argc = 1;
    snprintf(words, sizeof(words), "%s", line);
    argv[0] = words + strlen(words);
    char *rest = words;
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word != '\0' && argc < 47)
            argv[argc++] = word;
    char *problem = options_parse(&planned->options, argc, argv);
    if (problem != NULL)
        fail_msg("'%s': %s", line, problem);
    planned->problem = plan_make(&planned->options, &planned->plan);
}

static void plan_drop(struct planned *planned)
{
    free(planned->problem);
    plan_free(&planned->plan);
    options_free(&planned->options);
}

static void good(struct planned *planned, const char *line, size_t cells)
{
    plan_line(planned, line);
    if (planned->problem != NULL)
        fail_msg("'%s' was refused: %s", line, planned->problem);
    if (planned->plan.count != cells)
        fail_msg("'%s': %zu cells instead of %zu", line, planned->plan.count, cells);
}

static void bad(const char *line, const char *wanted)
{
    struct planned planned;
    plan_line(&planned, line);
    if (planned.problem == NULL)
        fail_msg("'%s' was planned", line);
    if (strncmp(planned.problem, wanted, strlen(wanted)) != 0)
        fail_msg("'%s': '%s' instead of '%s'", line, planned.problem, wanted);
    assert_null(strchr(planned.problem, '\n'));
    plan_drop(&planned);
}

static void a_sweep_is_a_product(void **state)
{
    (void)state;
    struct planned planned;
    good(&planned, "-s naive,occ -w 1,10,100 --seed 42", 6);
    const struct cell *cells = planned.plan.cells;
    assert_string_equal(cells[0].strategy_name, "naive");
    assert_int_equal(cells[0].workers, 1);
    assert_int_equal(cells[2].workers, 100);
    assert_string_equal(cells[3].strategy_name, "occ");
    assert_string_equal(cells[5].scenario->name, "counter");
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(cells[i].seed, 42); /* so that one cell can be repeated alone */
    plan_drop(&planned);
}

static void settings_reach_the_cell(void **state)
{
    (void)state;
    struct planned planned;
    good(&planned,
         "-s occ -w 8 --instances 4 -n 100 --docs 3 --bytes 64 --work 2ms --lease 5s --timeout 1s "
         "--max-tries 9 --backoff fixed:3ms --durability sync --expect none --transport direct "
         "--database mine --keep --unseeded --seed 7",
         1);
    const struct cell *cell = &planned.plan.cells[0];
    assert_int_equal(cell->workers, 8);
    assert_int_equal(cell->instances, 4);
    assert_int_equal(cell->processes, 1);
    assert_int_equal(cell->ops, 100);
    assert_int_equal(cell->docs, 3);
    assert_int_equal(cell->bytes, 64);
    assert_int_equal(cell->work_us, 2000);
    assert_int_equal(cell->lease_ms, 5000);
    assert_int_equal(cell->timeout_ms, 1000);
    assert_int_equal(cell->max_tries, 9);
    assert_int_equal(cell->backoff.kind, BACKOFF_FIXED);
    assert_int_equal(cell->durability, DURABILITY_SYNC);
    assert_int_equal(cell->expect, EXPECT_NONE);
    assert_int_equal(cell->transport, TRANSPORT_DIRECT);
    assert_string_equal(cell->database, "mine");
    assert_true(cell->keep && cell->unseeded);
    assert_int_equal(cell->hazards, HAZARD_BIT(none) | HAZARD_BIT(instances));
    plan_drop(&planned);
    good(&planned, "-s occ", 1);
    assert_int_equal(planned.plan.cells[0].hazards, HAZARD_BIT(none));
    plan_drop(&planned);
}

static void same_cell(const struct cell *a, const struct cell *b)
{
    assert_string_equal(a->strategy_name, b->strategy_name);
    assert_ptr_equal(a->scenario, b->scenario);
    assert_int_equal(a->transport, b->transport);
    assert_int_equal(a->expect, b->expect);
    assert_int_equal(a->hazards, b->hazards);
    assert_int_equal(a->workers, b->workers);
    assert_int_equal(a->instances, b->instances);
    assert_int_equal(a->processes, b->processes);
    assert_int_equal(a->ops, b->ops);
    assert_int_equal(a->duration_ms, b->duration_ms);
    assert_int_equal(a->seed, b->seed);
    assert_int_equal(a->docs, b->docs);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->unseeded, b->unseeded);
    assert_int_equal(a->work_us, b->work_us);
    assert_int_equal(a->lease_ms, b->lease_ms);
    assert_int_equal(a->timeout_ms, b->timeout_ms);
    assert_int_equal(a->max_tries, b->max_tries);
    assert_int_equal(a->backoff.kind, b->backoff.kind);
    assert_int_equal(a->backoff.base_us, b->backoff.base_us);
    assert_int_equal(a->backoff.cap_us, b->backoff.cap_us);
    assert_int_equal(a->durability, b->durability);
}

/* The line under a report leaves out what it takes for usual: that must be the table's defaults. */
static void the_repeating_line_plans_the_same_cell(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "-s occ --seed 5",
        "-s naive+occ -w 7 --instances 2 -n 50 --docs 2 --lease 1s --backoff none --seed 5",
        "-s file_lock --durability off --expect claims --transport direct --max-tries 3 --seed 5",
        "-s inc -d 2s --timeout 500ms --work 100us --bytes 100 --unseeded --seed 5",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct planned first, second;
        good(&first, lines[i], 1);
        struct cell_result result = {.cell = &first.plan.cells[0]};
        char *line = cell_result_repro(&result);
        assert_memory_equal(line, "./racebench ", 12);
        good(&second, line + 12, 1);
        char *again = cell_result_repro(&(struct cell_result){.cell = &second.plan.cells[0]});
        assert_string_equal(line, again);
        same_cell(&first.plan.cells[0], &second.plan.cells[0]);
        free(again);
        free(line);
        plan_drop(&first);
        plan_drop(&second);
    }
}

static void all_is_everything_that_can(void **state)
{
    (void)state;
    struct planned planned;
    size_t able = 0;
    for (size_t i = 0; strategies[i] != NULL; i++)
        able += plan_obstacle(strategies[i], scenario_find("counter"), false) == NULL;
    assert_true(able >= 8);
    good(&planned, "-s all", able);
    plan_drop(&planned);
    good(&planned, "", able);
    assert_int_equal(planned.plan.cells[0].workers, 32);
    assert_int_equal(planned.plan.cells[0].expect, EXPECT_CLAIMS);
    plan_drop(&planned);
    good(&planned, "-s occ,all,occ", able); /* each once */
    assert_string_equal(planned.plan.cells[0].strategy_name, "occ");
    plan_drop(&planned);
}

static void a_mix_is_one_cell(void **state)
{
    (void)state;
    struct planned planned;
    good(&planned, "-s naive+occ,occ", 2);
    const struct cell *cell = &planned.plan.cells[0];
    assert_int_equal(cell->strategy_count, 2);
    assert_string_equal(cell->strategy_name, "naive+occ");
    assert_string_equal(cell->strategy[0]->name, "naive");
    assert_string_equal(cell->strategy[1]->name, "occ");
    plan_drop(&planned);
    good(&planned, "-s naive+occ+inc+occ", 1);
    assert_int_equal(planned.plan.cells[0].strategy_count, 4);
    plan_drop(&planned);
    bad("-s occ+occ+occ+occ+occ", "--strategy 'occ+occ+occ+occ+occ': a mix takes at most 4");
    bad("-s occ+", "unknown strategy ''");
    bad("-s occ+file_lock -S counter",
        "strategy 'occ+file_lock' cannot do scenario 'counter': one keeps its documents in files");
    bad("-s occ+file_lock", "nothing to run: strategy 'occ+file_lock'");
}

static void duration_alone_is_endless(void **state)
{
    (void)state;
    struct planned planned;
    good(&planned, "-s occ -d 2s", 1);
    assert_int_equal(planned.plan.cells[0].ops, 0);
    assert_int_equal(planned.plan.cells[0].duration_ms, 2000);
    plan_drop(&planned);
    good(&planned, "-s occ -d 2s -n 500", 1);
    assert_int_equal(planned.plan.cells[0].ops, 500);
    plan_drop(&planned);
    good(&planned, "-s occ -d 2s -w 20k --transport direct", 1); /* no operations to share out */
    plan_drop(&planned);
}

static void limits_are_told(void **state)
{
    (void)state;
    struct planned planned;
    good(&planned, "-s occ -w 10k", 1);
    plan_drop(&planned);
    good(&planned, "-s occ -w 100k -n 100k --transport direct", 1);
    plan_drop(&planned);
    bad("-s occ -w 10001 -n 1M", "--workers 10,001: at most 10,000 with --transport driver");
    bad("-s occ -w 10 -n 9", "--ops 9 is less than --workers 10");
    bad("-s occ -w 1,10,100 -n 50", "--ops 50 is less than --workers 100");
    bad("-s occ -w 10 --instances 11", "--instances 11 is more than --workers 10");
    bad("-s occ --uri mongodb://localhost --transport direct", "--transport direct calls the");
}

static void unknown_names_get_a_suggestion(void **state)
{
    (void)state;
    bad("-s oc", "unknown strategy 'oc'; did you mean 'occ'?");
    bad("-s occ,naiv", "unknown strategy 'naiv'; did you mean 'naive'?");
    bad("-s zebra", "unknown strategy 'zebra'; 'racebench list strategies' names them");
    bad("-s all+occ", "unknown strategy 'all'");
    bad("-s ,", "unknown strategy ''");
    bad("-S conter", "unknown scenario 'conter'; did you mean 'counter'?");
    bad("-S zebra", "unknown scenario 'zebra'; 'racebench list scenarios' names them");
    bad("-s mongodb://me:secret@host", "unknown strategy 'mongodb://***@host'");
}

static void database_names_are_checked(void **state)
{
    (void)state;
    struct planned planned;
    good(&planned, "-s occ --database racebench-1_a", 1);
    plan_drop(&planned);
    bad("-s occ --database admin", "--database 'admin' belongs to MongoDB");
    bad("-s occ --database a.b", "--database 'a.b': not a name that MongoDB takes");
    bad("-s occ --database a/b", "--database 'a/b': not a name");
    bad("-s occ --database a$b", "--database 'a$b': not a name");
    bad("-s occ --database aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "--database 'aaaaaa");
    bad("-s occ --database me:secret@host", "--database '***': not a name");
}

static void obstacles_are_found(void **state)
{
    (void)state;
    const struct strategy changes = {.can = CAN_CHANGE};
    const struct strategy sends = {.can = CAN_OPERATORS};
    const struct strategy able = {.can = CAN_CHANGE | CAN_TWO_DOCUMENTS | CAN_ONCE | CAN_BASE};
    const struct scenario counts = {.needs = CAN_CHANGE, .operators = true};
    const struct scenario moves = {.needs = CAN_CHANGE | CAN_TWO_DOCUMENTS};
    const struct scenario ticks = {.needs = CAN_CHANGE | CAN_ONCE};
    const struct scenario saves = {.needs = CAN_CHANGE | CAN_BASE};
    assert_null(plan_obstacle(&changes, &counts, false));
    assert_null(plan_obstacle(&sends, &counts, false)); /* operators stand for the change */
    assert_non_null(plan_obstacle(&sends, &moves, false));
    assert_non_null(plan_obstacle(&changes, &moves, false));
    assert_non_null(plan_obstacle(&changes, &ticks, false));
    assert_non_null(plan_obstacle(&changes, &saves, false));
    assert_null(plan_obstacle(&able, &moves, false));
    assert_null(plan_obstacle(&able, &ticks, false));
    assert_null(plan_obstacle(&able, &saves, false));
    assert_non_null(plan_obstacle(&able, &counts, true)); /* cannot create */
}

static int clean_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        char *twin = option_twin(&option_rows[i]);
        if (twin != NULL)
            unsetenv(twin);
        free(twin);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_is_a_product),
        cmocka_unit_test(settings_reach_the_cell),
        cmocka_unit_test(the_repeating_line_plans_the_same_cell),
        cmocka_unit_test(all_is_everything_that_can),
        cmocka_unit_test(a_mix_is_one_cell),
        cmocka_unit_test(duration_alone_is_endless),
        cmocka_unit_test(limits_are_told),
        cmocka_unit_test(unknown_names_get_a_suggestion),
        cmocka_unit_test(database_names_are_checked),
        cmocka_unit_test(obstacles_are_found),
    };
    return cmocka_run_group_tests(tests, clean_environment, NULL) != 0;
}
