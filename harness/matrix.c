/* SPDX-License-Identifier: Apache-2.0
 *
 * matrix: see matrix.h. A column is one thing that goes wrong, alone, so that a verdict names its
 * cause; `skew` needs a second instance to be skewed against. Cells in which somebody waits for a
 * lease or a tick run in virtual time (`direct`), where waiting costs nothing; the others run on
 * the wire, since that is what people have. With --quick only the plain counter does.
 *
 * What nobody claims may break, but need not: such a cell is lenient. Not so the canary (naive and
 * file_naive, which claim nothing) in the plain column of a scenario about updates, and not the
 * cells of the table of convictions: each is a promise of a seed that does not hold, and a harness
 * that cannot show it is blind there.
 */
#include "matrix.h"
#include "base.h"
#include "hazards.h"
#include "plan.h"
#include "scenario.h"
#include "strategy.h"

#include <stdlib.h>
#include <string.h>

enum { WORKERS = 8, OPS_QUICK = 400, OPS_FULL = 2000 };

struct column {
    const char *name;
    unsigned hazards;
    int32_t instances;
    bool waits; /* somebody waits for long: virtual time */
};

static const struct column columns[] = {
    {"none", 0, 1, false},
    {"instances", 0, 2, false},
    {"processes", HAZARD_BIT(processes), 2, false},
    {"lost_reply", HAZARD_BIT(lost_reply), 1, false},
    {"drop", HAZARD_BIT(drop), 1, false},
    {"error", HAZARD_BIT(error), 1, false},
    {"delay", HAZARD_BIT(delay), 1, true},
    {"pause", HAZARD_BIT(pause), 1, true},
    {"crash", HAZARD_BIT(crash), 1, true},
    {"skew", HAZARD_BIT(skew), 2, true},
    {"boot", HAZARD_BIT(boot), 1, true},
    {"duplicates", HAZARD_BIT(duplicates), 1, true},
    {"reordering", HAZARD_BIT(reordering), 1, true},
};

const struct conviction matrix_convictions[] = {
    {.strategy = "live_object",
     .scenario = "counter",
     .instances = 2,
     .why = "two copies overwrite each other's saves"},
    {.strategy = "file_lock_compat",
     .scenario = "counter",
     .instances = 2,
     .why = "its queue ends at the instance"},
    {.strategy = "lock_document_compat",
     .scenario = "cron_tick",
     .instances = 3,
     .jitter_ms = 10,
     .why = "a lock is not a tick"},
    {.strategy = "lock_document_compat",
     .scenario = "counter",
     .hazards = HAZARD_BIT(boot),
     .instances = 3,
     .times = 600,
     .work_us = 20000,
     .why = "a start frees the lock of a holder"},
    {.strategy = "lock_document_compat",
     .scenario = "counter",
     .hazards = HAZARD_BIT(crash),
     .instances = 4,
     .times = 20,
     .dead_us = 60000000,
     .lease_ms = 2000,
     .max_tries = 30,
     .why = "who dies between its two steps leaves a lock for ever"},
    {.strategy = "lock_document_compat",
     .scenario = "counter",
     .hazards = HAZARD_BIT(pause),
     .times = 50,
     .why = "a late release frees the lock of another"},
    {.strategy = "lock_release_compat",
     .scenario = "counter",
     .hazards = HAZARD_BIT(pause),
     .times = 50,
     .why = "a late release frees the lock of another"},
    {.strategy = "lock_release_compat",
     .scenario = "cron_tick",
     .why = "who comes after the release does it again"},
    {.strategy = "lock_release_compat",
     .scenario = "once_only",
     .why = "it checks the copy that was loaded before the lock"},
    {.strategy = "occ",
     .scenario = "counter",
     .hazards = HAZARD_BIT(lost_reply),
     .retry_unknown = true,
     .why = "its own write looks like another's, and is made again"},
    {.strategy = "inc",
     .scenario = "counter",
     .hazards = HAZARD_BIT(lost_reply),
     .retry_unknown = true,
     .why = "sent again it counts twice"},
    {.strategy = "occ_compat",
     .scenario = "ticket_events",
     .hazards = HAZARD_BIT(duplicates),
     .why = "a duplicate is never acknowledged"},
    {.strategy = NULL},
};

static bool is_canary(const struct strategy *strategy)
{
    for (int p = 0; p < PROPERTY_COUNT; p++)
        if (strategy->keeps[p] != 0)
            return false;
    return true;
}

/* Ticks and redelivery are waits as well. */
static bool waits_by_itself(const struct scenario *scenario)
{
    return strcmp(scenario->name, "cron_tick") == 0 || strcmp(scenario->name, "ticket_events") == 0;
}

static struct cell common(const struct matrix_settings *settings, const struct scenario *scenario,
                          const struct strategy *strategy)
{
    return (struct cell){.scenario = scenario,
                         .strategy = {strategy},
                         .strategy_count = 1,
                         .strategy_name = strategy->name,
                         .expect = EXPECT_CLAIMS,
                         .hazards = HAZARD_BIT(none),
                         .workers = WORKERS,
                         .instances = 1,
                         .processes = 1,
                         .ops = settings->quick ? OPS_QUICK : OPS_FULL,
                         .seed = settings->seed,
                         .docs = 1,
                         .lease_ms = 30000,
                         .jitter_ms = 10,
                         .timeout_ms = 10000,
                         .max_tries = 1000,
                         .backoff = {BACKOFF_FULL_JITTER, 1000, 100000},
                         .store = settings->store,
                         .durability = settings->durability};
}

/* On which transport, and what follows from it. */
static void choose_transport(const struct matrix_settings *settings, bool waits, struct cell *cell)
{
    enum { TICK_VIRTUAL_MS = 5000, TICK_REAL_MS = 100 };
    bool plain = strcmp(cell->scenario->name, "counter") == 0 && cell->hazards == HAZARD_BIT(none);
    bool direct = waits || waits_by_itself(cell->scenario) || (settings->quick && !plain);
    cell->transport = direct ? TRANSPORT_DIRECT : TRANSPORT_DRIVER;
    if (settings->transport_given)
        cell->transport = settings->transport;
    if (cell->processes > 1)
        cell->transport = TRANSPORT_DRIVER;
    bool is_direct = cell->transport == TRANSPORT_DIRECT;
    cell->tick_ms = is_direct ? TICK_VIRTUAL_MS : TICK_REAL_MS;
    if (!is_direct && (cell->hazards & (HAZARD_BIT(pause) | HAZARD_BIT(crash))) != 0)
        cell->lease_ms = PLAN_LEASE_HAZARD_MS;
}

struct cells {
    struct cell *items;
    size_t count, capacity;
};

static void add(struct cells *cells, const struct cell *cell)
{
    size_t at =
        array_grow((void **)&cells->items, &cells->count, &cells->capacity, sizeof *cells->items);
    cells->items[at] = *cell;
}

static void add_row(const struct matrix_settings *settings, const struct scenario *scenario,
                    const struct strategy *strategy, struct cells *cells)
{
    unsigned about_updates = 1u << LOST | 1u << REPEATED;
    if (plan_obstacle(strategy, scenario, false) != NULL)
        return;
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        const struct column *column = &columns[i];
        struct cell cell = common(settings, scenario, strategy);
        cell.column = column->name;
        cell.instances = column->instances;
        cell.hazards |= column->hazards;
        if ((column->hazards & HAZARD_BIT(processes)) != 0)
            cell.processes = column->instances;
        else if (column->instances > 1)
            cell.hazards |= HAZARD_BIT(instances);
        cell.lenient = !(is_canary(strategy) && cell.hazards == HAZARD_BIT(none) &&
                         (scenario->checks & about_updates) != 0);
        choose_transport(settings, column->waits, &cell);
        if (hazards_obstacle(&cell) == NULL)
            add(cells, &cell);
    }
}

static void add_conviction(const struct matrix_settings *settings,
                           const struct conviction *conviction, struct cells *cells)
{
    const struct scenario *scenario = scenario_find(conviction->scenario);
    const struct strategy *strategy = strategy_find(conviction->strategy);
    if (scenario == NULL || strategy == NULL ||
        (settings->wanted != NULL && !settings->wanted(settings->context, scenario, strategy)))
        return;
    struct cell cell = common(settings, scenario, strategy);
    cell.conviction = conviction->why;
    cell.ops = OPS_FULL;
    cell.hazards |= conviction->hazards | (conviction->instances > 1 ? HAZARD_BIT(instances) : 0);
    cell.instances = conviction->instances > 0 ? conviction->instances : 1;
    if (conviction->jitter_ms > 0)
        cell.jitter_ms = conviction->jitter_ms;
    if (conviction->max_tries > 0)
        cell.max_tries = conviction->max_tries;
    if (conviction->lease_ms > 0)
        cell.lease_ms = conviction->lease_ms;
    for (int i = 0; i < HAZARD_COUNT; i++)
        if ((conviction->hazards >> i & 1) != 0)
            cell.hazard[i].times = conviction->times;
    cell.work_us = conviction->work_us;
    cell.hazard[HAZARD_INDEX_crash].amount = conviction->dead_us;
    cell.retry_unknown = conviction->retry_unknown;
    choose_transport(settings, true, &cell);
    add(cells, &cell);
}

struct cell *matrix_cells(const struct matrix_settings *settings, size_t *count)
{
    struct cells cells = {0};
    for (size_t c = 0; scenarios[c] != NULL; c++)
        for (size_t s = 0; strategies[s] != NULL; s++)
            if (settings->wanted == NULL ||
                settings->wanted(settings->context, scenarios[c], strategies[s]))
                add_row(settings, scenarios[c], strategies[s], &cells);
    for (const struct conviction *one = matrix_convictions; one->strategy != NULL; one++)
        add_conviction(settings, one, &cells);
    *count = cells.count;
    return cells.items;
}
