/* SPDX-License-Identifier: Apache-2.0
 *
 * The memo against its reference, the search that executes every step: the same states, the same
 * ends executed and the same outcomes, for every strategy and scenario; where it is not able to it
 * must have said so and changed nothing.
 *
 * labels: unit slow explore
 */
#include "support.h"

#include "explore/explore.h"
#include "plan.h"

static struct cell cell_of(const char *scenario, const char *strategy, int32_t workers)
{
    struct cell cell =
        support_cell(scenario_find(scenario), strategy_find(strategy), TRANSPORT_DIRECT);
    cell.workers = workers;
    cell.ops = workers;
    cell.tick_ms = 5000;
    cell.backoff = (struct backoff){.kind = BACKOFF_NONE};
    return cell;
}

static struct explore_result explored(const struct cell *cell, bool no_memo)
{
    struct explore_settings settings = {.limits = {.bound = -1},
                                        .policy = &policy_dfs,
                                        .seed = 1,
                                        .no_memo = no_memo,
                                        .budget = {.states = 4000},
                                        .all = true};
    struct explore_result result = {0};
    explore_cell(cell, &settings, &result);
    return result;
}

static bool contains(struct memory *all, const struct memory *some)
{
    for (size_t i = 0; i < some->capacity; i++)
        if (memory_key(&some->slots[i]) != 0 &&
            memory_find(all, memory_key(&some->slots[i])) == NULL)
            return false;
    return true;
}

/* Was it the memo that searched? Then it found what executing finds. */
static bool compare(const struct cell *cell)
{
    struct explore_result known = explored(cell, false);
    struct explore_result executed = explored(cell, true);
    bool able = known.transitions > 0;
    assert_true(executed.transitions == 0);
    if (known.complete && executed.complete) {
        bool same = known.states == executed.states && known.schedules == executed.schedules &&
                    known.status == executed.status && known.failing == executed.failing &&
                    known.outcomes.count == executed.outcomes.count &&
                    contains(&known.outcomes, &executed.outcomes);
        if (!same)
            print_error("%s with %s, %d workers, %lld operations: %lld/%lld states, %lld/%lld "
                        "schedules, %lld/%lld fail, %zu/%zu outcomes\n",
                        cell->scenario->name, cell->strategy_name, cell->workers,
                        (long long)cell->ops, (long long)known.states, (long long)executed.states,
                        (long long)known.schedules, (long long)executed.schedules,
                        (long long)known.failing, (long long)executed.failing, known.outcomes.count,
                        executed.outcomes.count);
        assert_true(same);
    }
    explore_result_free(&known);
    explore_result_free(&executed);
    return able;
}

static void it_finds_what_executing_finds(void **state)
{
    (void)state;
    for (int32_t workers = 2; workers <= 3; workers++) {
        int able = 0, compared = 0;
        for (size_t c = 0; scenarios[c] != NULL; c++)
            for (size_t s = 0; strategies[s] != NULL; s++) {
                struct cell cell = cell_of(scenarios[c]->name, strategies[s]->name, workers);
                if (plan_obstacle(strategies[s], scenarios[c], false) != NULL ||
                    hazards_obstacle(&cell) != NULL)
                    continue;
                compared++;
                able += compare(&cell);
            }
        print_message("%d workers: %d compared, %d by the memo\n", workers, compared, able);
        assert_true(able >= 10);
    }
}

static void more_operations_are_as_well(void **state)
{
    static const char *const names[] = {"naive", "occ", "inc"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct cell cell = cell_of("counter", names[i], 2);
        cell.ops = 6;
        assert_true(compare(&cell));
        cell = cell_of("counter", names[i], 5);
        assert_true(compare(&cell));
    }
}

/* What it cannot hold in its tables it leaves to executing. */
static void what_it_does_not_know_it_refuses(void **state)
{
    static const char *const names[] = {"live_object", "file_lock", "transaction"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct cell cell = cell_of("counter", names[i], 2);
        assert_false(compare(&cell));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_what_executing_finds),
        cmocka_unit_test(more_operations_are_as_well),
        cmocka_unit_test(what_it_does_not_know_it_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
