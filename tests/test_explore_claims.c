/* SPDX-License-Identifier: Apache-2.0
 *
 * What strategies claim against what explore finds: every cell of the matrix, made small, with what
 * goes wrong in its column as one step of the schedule. What is claimed never fails in any schedule
 * of two workers; and the proof is one: the canaries fail in the same cells, and so do convictions
 * that need no more than explore has.
 *
 * labels: slow explore
 */
#include "support.h"

#include "claims.h"
#include "explore/prove.h"
#include "matrix.h"
#include "transport.h"

static const struct prove_settings two_workers = {.budget_ns = INT64_C(5000000000),
                                                  .workers_max = 2,
                                                  .operations_max = 1};

static struct cell *cells_of(size_t *count)
{
    const struct matrix_settings settings = {.quick = true, .seed = 1};
    return matrix_cells(&settings, count);
}

static void tell(const struct cell *cell, const struct proof *proof)
{
    print_error("%s with %s under %s: %s\n%s", cell->scenario->name, cell->strategy_name,
                cell->column != NULL ? cell->column : cell->conviction,
                proof->status == BROKEN ? reason_name(proof->reason) : proof->why,
                proof->schedule != NULL ? proof->schedule : "\n");
}

/* What the budget is too small for on a busy machine: the searches of these scenarios are by far
 * the largest. Everything else is settled: that nothing was contended, or that a hazard never
 * struck, is no excuse. */
static bool is_limit(const struct cell *cell, const struct proof *proof)
{
    static const char *const large[] = {"ticket_events", "transfer"};
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(large); i++)
        known |= strcmp(cell->scenario->name, large[i]) == 0;
    return proof->status == UNDECIDED && known &&
           strcmp(proof->why, reason_name(REASON_BUDGET)) == 0;
}

/* One fault, or none, in all schedules of two workers. */
static void claims_hold_in_every_schedule(void **state)
{
    size_t count;
    int held = 0, undecided = 0, wrong = 0;
    struct cell *cells = cells_of(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct proof proof;
        char *obstacle = prove_obstacle(&cells[i]);
        bool asked = cells[i].conviction == NULL && obstacle == NULL && claims_made(&cells[i]);
        free(obstacle);
        if (!asked)
            continue;
        prove_cell(&cells[i], &two_workers, &proof, NULL);
        held += proof.status == HELD;
        undecided += is_limit(&cells[i], &proof);
        if (proof.status != HELD && !is_limit(&cells[i], &proof)) {
            tell(&cells[i], &proof);
            wrong++;
        }
        proof_free(&proof);
    }
    print_message("%d claims held in all schedules, %d unknown\n", held, undecided);
    free(cells);
    assert_int_equal(wrong, 0);
    assert_true(held > 250);
    assert_true(undecided * 5 < held);
}

static bool is_canary(const struct cell *cell)
{
    return strcmp(cell->strategy_name, "naive") == 0 ||
           strcmp(cell->strategy_name, "file_naive") == 0;
}

/* A search that finds nothing here finds nothing anywhere. */
static void canaries_fail_in_some_schedule(void **state)
{
    size_t count;
    int broken = 0, wrong = 0;
    struct cell *cells = cells_of(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct proof proof;
        char *obstacle = prove_obstacle(&cells[i]);
        bool asked = cells[i].conviction == NULL && obstacle == NULL && is_canary(&cells[i]);
        free(obstacle);
        if (!asked)
            continue;
        prove_cell(&cells[i], &two_workers, &proof, NULL);
        broken += proof.status == BROKEN;
        if (proof.status != BROKEN) {
            tell(&cells[i], &proof);
            wrong++;
        }
        proof_free(&proof);
    }
    print_message("%d cells of canaries fail in some schedule\n", broken);
    free(cells);
    assert_int_equal(wrong, 0);
    assert_true(broken > 40);
}

static void a_budget_that_ends_is_no_proof(void **state)
{
    (void)state;
    struct cell cell =
        support_cell(scenario_find("ticket_events"), strategy_find("occ"), TRANSPORT_DIRECT);
    struct prove_settings settings = two_workers;
    struct proof proof;
    settings.budget_ns = 1;
    prove_cell(&cell, &settings, &proof, NULL);
    assert_int_equal(proof.status, UNDECIDED);
    assert_string_equal(proof.why, "budget");
    proof_free(&proof);
}

/* Reads once more at every third call, which no session knows of; not yet in its first operation,
 * so that the smallest cell is proved. */
static enum outcome counts_later(struct session *session, void *shared, const struct edit *edit)
{
    static int calls;
    const bson_t *seen;
    if (OPERATION_NUMBER(session_operation(session)) > 0 && ++calls % 3 == 0)
        session_find(session, edit->key[0].collection, session_key(session, &edit->key[0]), &seen);
    return strategy_find("occ")->apply(session, shared, edit);
}

/* Who looks past the session proves nothing, at whatever size that is noticed. */
static void a_fault_takes_back_what_was_proved(void **state)
{
    static const struct strategy counting = {.name = "counting",
                                             .help = "counts its calls",
                                             .can = CAN_CHANGE | CAN_CREATE,
                                             .home = HOME_DATABASE,
                                             .apply = counts_later};
    (void)state;
    struct cell cell =
        support_cell(scenario_find("counter"), strategy_find("occ"), TRANSPORT_DIRECT);
    struct prove_settings settings = two_workers;
    struct proof proof;
    cell.strategy[0] = &counting;
    prove_cell(&cell, &settings, &proof, NULL);
    assert_int_equal(proof.status, HELD);
    proof_free(&proof);
    settings.operations_max = 2;
    prove_cell(&cell, &settings, &proof, NULL);
    assert_int_equal(proof.status, UNDECIDED);
    assert_non_null(strstr(proof.why, "past its session"));
    proof_free(&proof);
}

/* The cell of a run as explore has it: what matters is kept, what is only size goes. */
static void a_small_cell_keeps_what_goes_wrong(void **state)
{
    (void)state;
    struct cell cell =
        support_cell(scenario_find("stale_save"), strategy_find("occ"), TRANSPORT_DRIVER);
    cell.hazards |= HAZARD_BIT(hang) | HAZARD_BIT(delay) | HAZARD_BIT(processes);
    cell.processes = cell.instances = 4;
    cell.retry_unknown = true;
    struct cell small = prove_small(&cell, 2, 1);
    assert_int_equal(small.hazards,
                     HAZARD_BIT(none) | HAZARD_BIT(lost_reply) | HAZARD_BIT(instances));
    assert_int_equal(small.instances, 2);
    assert_int_equal(small.ops, 8); /* two reads and two saves each */
    assert_true(small.retry_unknown);
    char *options = prove_options(&small);
    assert_string_equal(options, "--scenario stale_save --strategy occ --workers 2 --operations 4 "
                                 "--instances 2 --hazard lost_reply --retry-unknown");
    free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_cell_keeps_what_goes_wrong),
        cmocka_unit_test(a_budget_that_ends_is_no_proof),
        cmocka_unit_test(a_fault_takes_back_what_was_proved),
        cmocka_unit_test(canaries_fail_in_some_schedule),
        cmocka_unit_test(claims_hold_in_every_schedule),
    };
    return cmocka_run_group_tests_name("explore_claims", tests, NULL, NULL);
}
