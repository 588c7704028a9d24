/* SPDX-License-Identifier: Apache-2.0
 *
 * matrix_stores: a verdict does not depend on what the engine keeps its documents in. The cells of
 * the quick matrix run over sockets on both stores and are compared one by one, wherever a verdict
 * is no matter of luck: what is claimed to hold, what must break, and the canaries. Each that
 * differs from what is expected on either store is named. Documents in files know no store, and
 * processes no more of it than threads; `restart` has but one.
 *
 * Without RACEBENCH_CELLS=all only those that wait for nothing: plain cells, and convictions that
 * need no hazard (some ten seconds). The whole takes minutes: test_matrix_stores_all.
 *
 * labels: engine slow
 */
#include "support.h"

#include "claims.h"
#include "engine/engine.h"
#include "matrix.h"

#include <stdlib.h>

enum { DURATION_MS = 10000 };

static struct cell *make(const char *store, size_t *count)
{
    return matrix_cells(&(struct matrix_settings){.quick = true,
                                                  .seed = 7,
                                                  .transport_given = true,
                                                  .transport = TRANSPORT_DRIVER,
                                                  .store = store,
                                                  .durability = DURABILITY_WRITE},
                        count);
}

static bool waits(const struct cell *cell)
{
    return strcmp(cell->scenario->name, "cron_tick") == 0 ||
           strcmp(cell->scenario->name, "ticket_events") == 0 ||
           (cell->hazards & ~(HAZARD_BIT(none) | HAZARD_BIT(instances))) != 0;
}

static bool is_wanted(const struct cell *cell, bool all)
{
    if (cell->strategy[0]->home == HOME_FILES || cell->processes > 1 ||
        (cell->hazards & HAZARD_BIT(restart)) != 0 || claims_expected(cell) == UNDECIDED)
        return false;
    return all || !waits(cell);
}

static const char *where(const struct cell *cell)
{
    return cell->column != NULL ? cell->column : "must break";
}

/* The same cell of the other list, which may lack some. */
static const struct cell *find_same(const struct cell *cells, size_t count, const struct cell *as)
{
    for (size_t i = 0; i < count; i++)
        if (cells[i].scenario == as->scenario && cells[i].conviction == as->conviction &&
            strcmp(cells[i].strategy_name, as->strategy_name) == 0 &&
            strcmp(where(&cells[i]), where(as)) == 0)
            return &cells[i];
    fail_msg("%s on %s, %s: not with the store %s", as->strategy_name, as->scenario->name,
             where(as), cells[0].store);
    return NULL;
}

/* Runs it; a cell that takes long in real time is over when it has been long enough. */
static struct cell_result run(const struct cell *cell)
{
    struct cell limited = *cell;
    if (limited.duration_ms == 0)
        limited.duration_ms = DURATION_MS;
    struct cell_result result = support_run(&limited);
    result.cell = cell;
    return result;
}

/* True when both are as expected. */
static bool compare(const struct cell *memory, const struct cell *wired)
{
    struct cell_result a = run(memory), b = run(wired);
    assert_string_equal(a.target.store, "memory");
    assert_string_equal(b.target.store, "wiredtiger");
    bool same = a.verdict.status == a.expected && b.verdict.status == a.expected &&
                (a.verdict.reason == b.verdict.reason || memory->conviction == NULL);
    if (!same || getenv("RACEBENCH_CELLS") != NULL)
        printf("%s %s on %s, %s: memory %s (%s, %.1f s), wiredtiger %s (%s, %.1f s), expected %s\n",
               same ? "same" : "DIFFERS", memory->strategy_name, memory->scenario->name,
               where(memory), status_name(a.verdict.status), reason_name(a.verdict.reason),
               a.seconds, status_name(b.verdict.status), reason_name(b.verdict.reason), b.seconds,
               status_name(a.expected));
    cell_result_free(&a);
    cell_result_free(&b);
    return same;
}

static void test_same_verdicts(void **state)
{
    (void)state;
    const char *cells = getenv("RACEBENCH_CELLS");
    bool all = cells != NULL && strcmp(cells, "all") == 0;
    size_t memory_count = 0, wired_count = 0, compared = 0, different = 0;
    struct cell *memory = make("memory", &memory_count), *wired = make("wiredtiger", &wired_count);
    for (size_t i = 0; i < memory_count; i++) {
        if (!is_wanted(&memory[i], all))
            continue;
        compared++;
        different += !compare(&memory[i], find_same(wired, wired_count, &memory[i]));
    }
    printf("%zu cells compared, %zu differ\n", compared, different);
    free(memory);
    free(wired);
    assert_in_range(compared, all ? 250 : 40, memory_count);
    assert_int_equal(different, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_verdicts)};
    if (strcmp(engine_default_store(), "wiredtiger") != 0)
        return 0; /* built without it: there is but one store */
    return cmocka_run_group_tests_name("matrix_stores", tests, NULL, NULL);
}
