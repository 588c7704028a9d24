/* SPDX-License-Identifier: Apache-2.0
 *
 * matrix: what its cells are, and that it turns red: a claim that breaks (1), a conviction that
 * does not happen or happens for another reason (2), a canary that loses nothing (2). Claims: wider
 * in one scenario, and in a mix only among those who know of each other.
 *
 * labels: unit
 */
#include "support.h"

#include "claims.h"
#include "engine/engine.h"
#include "hazards.h"
#include "matrix.h"
#include "report_matrix.h"

static struct cell *make(bool quick, size_t *count)
{
    return matrix_cells(&(struct matrix_settings){.quick = quick, .seed = 7}, count);
}

/* The cell of a column, or with column NULL the first conviction for this reason. */
static struct cell find(bool quick, const char *scenario, const char *strategy, const char *column,
                        enum reason of)
{
    size_t count = 0;
    struct cell *cells = make(quick, &count), found = {0};
    for (size_t i = 0; i < count && found.scenario == NULL; i++) {
        const struct cell *cell = &cells[i];
        bool here = column != NULL ? cell->column != NULL && strcmp(cell->column, column) == 0
                                   : cell->conviction != NULL && cell->convicted_of == (int)of;
        if (here && strcmp(cell->scenario->name, scenario) == 0 &&
            strcmp(cell->strategy_name, strategy) == 0)
            found = *cell;
    }
    free(cells);
    assert_non_null(found.scenario);
    return found;
}

/* Runs the cell with another strategy in the place of its own. */
static struct cell_result run_as(struct cell *cell, const struct strategy *strategy)
{
    cell->strategy[0] = strategy;
    cell->strategy_name = strategy->name;
    cell->strategy_count = 1;
    return support_run(cell);
}

static void expect_end(struct cell_result *result, enum exit_code code, const char *word)
{
    const struct run_result run = {.cells = result, .cell_count = 1};
    assert_string_equal(report_matrix_word(result), word);
    assert_int_equal(cell_result_exit(result), code);
    assert_int_equal(run_result_exit(&run), code);
    cell_result_free(result);
}

static void test_claim_that_breaks(void **state)
{
    (void)state;
    struct strategy boaster = *strategy_find("naive");
    boaster.keeps[LOST] = boaster.keeps[DOUBLED] = HAZARD_BIT(none);
    struct cell cell = find(true, "counter", "occ", "none", REASON_NONE);
    struct cell_result result = run_as(&cell, &boaster);
    assert_true(result.claimed);
    expect_end(&result, EXIT_BROKEN, "BROKEN");
    result = run_as(&cell, strategy_find("occ"));
    expect_end(&result, EXIT_OK, "held");
}

static void test_conviction_that_does_not_happen(void **state)
{
    (void)state;
    struct cell cell = find(true, "counter", "occ", NULL, REASON_DOUBLED_UPDATE);
    struct cell_result result = run_as(&cell, strategy_find("occ_once"));
    assert_int_equal(result.verdict.reason, REASON_NOT_CONVICTED);
    expect_end(&result, EXIT_UNKNOWN, "NOT CONVICTED");
    result = run_as(&cell, strategy_find("occ"));
    expect_end(&result, EXIT_OK, "broken");
}

static void test_conviction_of_something_else(void **state)
{
    (void)state;
    struct cell cell = find(true, "counter", "occ", NULL, REASON_DOUBLED_UPDATE);
    struct cell_result result = run_as(&cell, strategy_find("naive")); /* loses, not doubles */
    expect_end(&result, EXIT_UNKNOWN, "NOT CONVICTED");
}

static void test_canary_that_sings(void **state)
{
    (void)state;
    size_t tried = 0;
    static const char *const names[] = {"none", "instances", "pause", "skew"};
    struct strategy singer = *strategy_find("inc");
    memset(singer.keeps, 0, sizeof(singer.keeps));
    for (size_t i = 0; i < COUNT_OF(names); i++, tried++) {
        struct cell cell = find(true, "counter", "naive", names[i], REASON_NONE);
        struct cell_result result = run_as(&cell, &singer);
        expect_end(&result, EXIT_UNKNOWN, "NOT CONVICTED");
    }
    assert_int_equal(tried, COUNT_OF(names));
}

/* What nobody claims fails nothing, whichever way it goes. */
static void test_unclaimed(void **state)
{
    (void)state;
    struct strategy modest = *strategy_find("inc");
    modest.keeps[LOST] = HAZARD_BIT(boot);
    modest.keeps[DOUBLED] = 0;
    struct cell cell = find(true, "counter", "inc", "none", REASON_NONE);
    struct cell_result result = run_as(&cell, &modest);
    expect_end(&result, EXIT_OK, "(held)");
    modest = *strategy_find("naive");
    modest.keeps[LOST] = HAZARD_BIT(boot);
    result = run_as(&cell, &modest);
    expect_end(&result, EXIT_OK, "broken");
}

static bool claims(const char *scenario, const char *strategy, const char *column)
{
    struct cell cell = find(true, scenario, strategy, column, REASON_NONE);
    return claims_made(&cell);
}

static void test_claims_of_one_scenario(void **state)
{
    (void)state;
    assert_true(claims("once_only", "lock_document", "instances"));
    assert_false(claims("cron_tick", "lock_document", "none"));
    assert_false(claims("once_only", "lock_document", "pause"));
    assert_true(claims("cron_tick", "claim", "error"));
    assert_false(claims("once_only", "claim", "error"));
    assert_int_equal(claims_hazards(strategy_find("lock_document"), scenario_find("cron_tick"),
                                    REPEATED),
                     0);
    assert_int_equal(claims_hazards(strategy_find("naive"), scenario_find("counter"), LOST), 0);
}

static void test_claims_of_a_mix(void **state)
{
    (void)state;
    assert_true(claims("counter", "occ+occ_once", "none"));
    assert_true(claims("counter", "inc+inc_once", "instances"));
    assert_false(claims("counter", "inc+occ", "none"));
    assert_false(claims("counter", "naive+occ", "none"));
    assert_false(claims("counter", "lock_document+occ", "none"));
    struct cell cell = find(true, "counter", "inc+occ", NULL, REASON_LOST_UPDATE);
    assert_int_equal(claims_expected(&cell), BROKEN);
    struct cell_result result = support_run(&cell);
    expect_end(&result, EXIT_OK, "broken");
}

/* A claim for one scenario that cannot be is a fault of the strategy. */
static void test_faults_of_claims(void **state)
{
    (void)state;
    static const struct claim wrong[] = {{"counterfeit", LOST, HAZARD_BIT(none)},
                                         {"cron_tick", REPEATED, 1u << HAZARD_COUNT},
                                         {"cron_tick", TORN, HAZARD_BIT(none)},
                                         {"counter", LOST, HAZARD_BIT(none)}};
    struct strategy occ = *strategy_find("occ");
    assert_null(strategy_fault(&occ, "occ"));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        memset(occ.also, 0, sizeof(occ.also));
        occ.also[0] = wrong[i];
        assert_non_null(strategy_fault(&occ, "occ"));
    }
}

static bool is_at_gate(const struct cell *cell)
{
    return (cell->hazards & (HAZARD_BIT(lost_reply) | HAZARD_BIT(drop) | HAZARD_BIT(error) |
                             HAZARD_BIT(restart))) != 0;
}

static bool restarts(const struct cell *cell)
{
    return (cell->hazards & HAZARD_BIT(restart)) != 0;
}

static void test_transports(void **state)
{
    (void)state;
    for (int quick = 0; quick < 2; quick++) {
        size_t count = 0, wire = 0;
        struct cell *cells = make(quick == 1, &count);
        for (size_t i = 0; i < count; i++) {
            const struct cell *cell = &cells[i];
            bool driver = cell->transport == TRANSPORT_DRIVER;
            wire += driver;
            assert_null(hazards_obstacle(cell));
            if (cell->processes > 1 || restarts(cell))
                assert_true(driver);
            else if (cell->column == NULL || (quick == 1 && strcmp(cell->column, "none") != 0))
                assert_false(driver);
            if (driver && is_at_gate(cell))
                assert_true(cell->lease_ms <= 2000 && cell->duration_ms > 0);
            if (driver)
                assert_int_equal(cell->hazards & (HAZARD_BIT(pause) | HAZARD_BIT(crash)), 0);
            else
                assert_true(cell->duration_ms == 0 && cell->lease_ms >= 2000);
        }
        assert_in_range(wire, quick == 1 ? 15 : 100, count / 2);
        free(cells);
    }
}

static void test_convictions_name_what_there_is(void **state)
{
    (void)state;
    size_t rows = 0, count = 0, found = 0;
    bool durable = strcmp(engine_default_store(), "memory") != 0;
    for (const struct conviction *row = matrix_convictions; row->strategy != NULL; row++)
        rows += durable || (row->hazards & HAZARD_BIT(restart)) == 0;
    struct cell *cells = make(true, &count);
    for (size_t i = 0; i < count; i++) {
        found += cells[i].conviction != NULL;
        if (cells[i].conviction != NULL)
            assert_true(cells[i].convicted_of != REASON_NONE && !claims_made(&cells[i]));
    }
    assert_int_equal(found, rows);
    free(cells);
}

/* Each restart that is planned strikes, however few of the operations write; documents in memory,
 * or in files, have no column for it. */
static void test_restart(void **state)
{
    (void)state;
    size_t count = 0, columns = 0;
    struct cell *cells =
        matrix_cells(&(struct matrix_settings){.store = "memory", .seed = 7}, &count);
    for (size_t i = 0; i < count; i++)
        assert_false(restarts(&cells[i]));
    free(cells);
    if (strcmp(engine_default_store(), "memory") == 0)
        return;
    static const char *const tried[][2] = {{"counter", "live_object"},
                                           {"stale_save", "occ"},
                                           {"snapshot", "naive"}};
    for (size_t i = 0; i < COUNT_OF(tried); i++) {
        struct cell cell = find(false, tried[i][0], tried[i][1], "restart", REASON_NONE);
        struct cell_result result = support_run(&cell);
        assert_int_equal(result.hits[HAZARD_INDEX_restart], 3);
        assert_int_equal(result.verdict.counts.unknown + result.verdict.counts.failed, 0);
        expect_end(&result, EXIT_OK, i == 0 ? "(held)" : i == 1 ? "held" : "broken");
    }
    static const struct {
        const char *scenario, *strategy;
        bool claimed;
    } rows[] = {{"counter", "inc_once", true},     {"counter", "inc", false},
                {"counter", "occ_once", true},     {"counter", "occ", false},
                {"stale_save", "occ", true},       {"cron_tick", "claim", true},
                {"once_only", "claim", false},     {"counter", "lock_document", false},
                {"ticket_events", "occ", true},    {"ticket_events", "occ_compat", false},
                {"transfer", "transaction", false}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cell cell = find(false, rows[i].scenario, rows[i].strategy, "restart", REASON_NONE);
        assert_int_equal(claims_made(&cell), rows[i].claimed);
    }
    cells = make(false, &count);
    for (size_t i = 0; i < count; i++) {
        bool is = cells[i].column != NULL && strcmp(cells[i].column, "restart") == 0;
        columns += is;
        assert_false(is && cells[i].strategy[0]->home == HOME_FILES);
    }
    assert_in_range(columns, 40, count / 8);
    free(cells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claim_that_breaks),
        cmocka_unit_test(test_conviction_that_does_not_happen),
        cmocka_unit_test(test_conviction_of_something_else),
        cmocka_unit_test(test_canary_that_sings),
        cmocka_unit_test(test_unclaimed),
        cmocka_unit_test(test_claims_of_one_scenario),
        cmocka_unit_test(test_claims_of_a_mix),
        cmocka_unit_test(test_faults_of_claims),
        cmocka_unit_test(test_transports),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_convictions_name_what_there_is),
    };
    return cmocka_run_group_tests_name("matrix", tests, NULL, NULL);
}
