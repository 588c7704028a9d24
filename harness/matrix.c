/* SPDX-License-Identifier: Apache-2.0
 *
 * matrix: see matrix.h. A column is one thing that goes wrong, alone, so that a verdict names its
 * cause; `skew` needs a second instance to be skewed against. After a reply that was lost workers
 * ask again, as applications do: that is what counts twice.
 *
 * Transport, cell by cell. On the wire (`driver`: libmongoc, sockets, threads) run the plain column
 * and `instances` of every scenario, since that is what people have, and what strikes at the gate
 * (lost_reply, drop, error) for the counter. libmongoc needs 0.5 s to come back from each lost
 * connection, and who waits for a lease waits for real: so these strike five times, the lease is
 * 2 s, and a cell is over after 10 s. All else runs in virtual time (`direct`: fibers beside the
 * engine), where waiting for a lease, a tick or a redelivery costs nothing, with the usual lease of
 * 30 s. With --quick only the plain counter is on the wire. `processes` and `restart` have no other
 * place than the wire; with --quick only the counter has them. A restart takes 0.5 s as well.
 *
 * What nobody claims may break, but need not: such a cell is lenient. Not so the canaries, who
 * claim nothing at all (naive and file_naive) and must be seen to lose in every column, and not the
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
    enum {
        WIRE,
        WIRE_COUNTER,
        WIRE_ONLY, /* or not at all */
        VIRTUAL
    } place;         /* where it runs unless --transport says */
    bool asks_again; /* --retry-unknown */
};

static const struct column columns[] = {
    {"none", 0, 1, WIRE, false},
    {"instances", 0, 2, WIRE, false},
    {"processes", HAZARD_BIT(processes), 2, WIRE_ONLY, false},
    {"lost_reply", HAZARD_BIT(lost_reply), 1, WIRE_COUNTER, true},
    {"drop", HAZARD_BIT(drop), 1, WIRE_COUNTER, true},
    {"restart", HAZARD_BIT(restart), 1, WIRE_ONLY, true},
    {"error", HAZARD_BIT(error), 1, WIRE_COUNTER, false},
    {"hang", HAZARD_BIT(hang), 1, VIRTUAL, false},
    {"delay", HAZARD_BIT(delay), 1, VIRTUAL, false},
    {"pause", HAZARD_BIT(pause), 1, VIRTUAL, false},
    {"crash", HAZARD_BIT(crash), 1, VIRTUAL, false},
    {"skew", HAZARD_BIT(skew), 2, VIRTUAL, false},
    {"boot", HAZARD_BIT(boot), 1, VIRTUAL, false},
    {"duplicates", HAZARD_BIT(duplicates), 1, VIRTUAL, false},
    {"reordering", HAZARD_BIT(reordering), 1, VIRTUAL, false},
};

/* Rolling deploys: the counter under `none` and `instances`, each worker with one of the two. */
static const char *const mixes[] = {"claim+inc_once", "inc+claim",         "inc+inc_once",
                                    "inc+occ",        "lock_document+occ", "naive+occ",
                                    "occ+occ_compat", "occ+occ_once"};

const struct conviction matrix_convictions[] = {
    {"live_object", "counter", REASON_LOST_UPDATE, .why = "two copies overwrite each other's saves",
     .instances = 2},
    {"live_object", "counter", REASON_LOST_UPDATE,
     .why = "two processes overwrite each other's saves", .processes = 2},
    {"file_lock_compat", "counter", REASON_LOST_UPDATE, .why = "its queue ends at the instance",
     .instances = 2},
    {"lock_document_compat", "cron_tick", REASON_REPEATED, .why = "a lock is not a tick",
     .instances = 3, .jitter_ms = 10},
    /* With the usual back-off who releases mostly locks again before anybody asks, and few start
     * while another holds: one seed in a hundred lost nothing. */
    {"lock_document_compat", "counter", REASON_LOST_UPDATE,
     .why = "a start frees the lock of a holder", .hazards = HAZARD_BIT(boot), .instances = 3,
     .times = 600, .work_us = 20000, .backoff_us = 1000},
    /* Fewer deaths than instances: while all are dead nobody gives up, and who starts again frees
     * the lock of the dead. */
    {"lock_document_compat", "counter", REASON_STUCK,
     .why = "who dies between its two steps leaves a lock for ever", .hazards = HAZARD_BIT(crash),
     .instances = 8, .times = 7, .dead_us = 60000000, .lease_ms = 2000, .max_tries = 30},
    {"lock_document_compat", "counter", REASON_LOST_UPDATE,
     .why = "a late release frees the lock of another", .hazards = HAZARD_BIT(pause), .times = 50},
    {"lock_release_compat", "counter", REASON_LOST_UPDATE,
     .why = "a late release frees the lock of another", .hazards = HAZARD_BIT(pause), .times = 50},
    {"lock_release_compat", "cron_tick", REASON_REPEATED,
     .why = "who comes after the release does it again"},
    {"lock_release_compat", "once_only", REASON_REPEATED,
     .why = "it checks the copy that was loaded before the lock"},
    {"occ", "counter", REASON_DOUBLED_UPDATE,
     .why = "its own write looks like another's, and is made again",
     .hazards = HAZARD_BIT(lost_reply), .retry_unknown = true},
    {"inc", "counter", REASON_DOUBLED_UPDATE, .why = "sent again it counts twice",
     .hazards = HAZARD_BIT(lost_reply), .retry_unknown = true},
    {"inc", "counter", REASON_DOUBLED_UPDATE,
     .why = "a server without retryable writes does not know what it did before it restarted",
     .hazards = HAZARD_BIT(restart), .persona = PERSONA_STANDALONE, .retry_unknown = true},
    {"live_object_compat", "snapshot", REASON_TORN,
     .why = "its snapshot is the live object: a save stores half of an edit",
     .hazards = HAZARD_BIT(crash), .times = 100},
    {"transaction", "transfer", REASON_SKEWED,
     .why = "snapshot isolation does not check what was only read (write skew)"},
    {"occ_compat", "ticket_events", REASON_NEVER_ACKED, .why = "a duplicate is never acknowledged",
     .hazards = HAZARD_BIT(duplicates)},
    {"naive+occ", "counter", REASON_LOST_UPDATE,
     .why = "who writes without asking for the version is not noticed by who does"},
    {"inc+occ", "counter", REASON_LOST_UPDATE,
     .why = "$inc leaves the version as it was, so the other overwrites it"},
    {.strategy = NULL},
};

/* Adds a strategy, or a mix "A+B", to the cell; false: there is no such strategy. */
static bool line_up(struct cell *cell, const char *name)
{
    char *copy = x_strdup(name);
    char *rest = copy;
    bool known = true;
    for (char *part; known && (part = strsep(&rest, "+")) != NULL;) {
        must(cell->strategy_count < CELL_STRATEGIES_MAX);
        cell->strategy[cell->strategy_count++] = strategy_find(part);
        known = cell->strategy[cell->strategy_count - 1] != NULL;
    }
    free(copy);
    return known;
}

static bool is_canary(const struct cell *cell)
{
    for (int s = 0; s < cell->strategy_count; s++)
        for (int p = 0; p < PROPERTY_COUNT; p++)
            if (cell->strategy[s]->keeps[p] != 0)
                return false;
    return true;
}

/* Ticks and redelivery are waits as well. */
static bool waits_by_itself(const struct scenario *scenario)
{
    return strcmp(scenario->name, "cron_tick") == 0 || strcmp(scenario->name, "ticket_events") == 0;
}

static bool is_counter(const struct scenario *scenario)
{
    return strcmp(scenario->name, "counter") == 0;
}

/* What all cells have in common; false: it is not wanted, or there is no such strategy. */
static bool common(const struct matrix_settings *settings, const struct scenario *scenario,
                   const char *strategy_name, struct cell *cell)
{
    *cell = (struct cell){.scenario = scenario,
                          .strategy_name = strategy_name,
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
    return line_up(cell, strategy_name) &&
           (settings->wanted == NULL ||
            settings->wanted(settings->context, scenario, strategy_name));
}

/* On a wire, what strikes at the gate. TRIES_MAX outlast a lease (backoff: 45 ms on average), and
 * are few enough that ten operations can give up in DURATION_MS: that is what "stuck" needs. An
 * engine restarts as often as it does anyway, or with --quick once less. */
static void shorten(const struct matrix_settings *settings, struct cell *cell)
{
    enum { TIMES = 5, RESTARTS_QUICK = 2, LEASE_MS = 2000, DURATION_MS = 10000, TRIES_MAX = 80 };
    cell->lease_ms = LEASE_MS;
    cell->duration_ms = DURATION_MS;
    cell->max_tries = TRIES_MAX;
    for (int i = 0; i < HAZARD_COUNT; i++)
        if ((cell->hazards >> i & 1) != 0 && hazard_place((enum hazard_index)i) == PLACE_GATE)
            cell->hazard[i].times = i != HAZARD_INDEX_restart ? TIMES
                                    : settings->quick         ? RESTARTS_QUICK
                                                              : 0;
}

/* Who gets no answer comes back while the others are still at work: a cell of virtual time is over
 * after some 50 ms. With a time-out beyond that a worker whose first command hangs does nothing. */
static void settle_timeout(bool direct, struct cell *cell)
{
    enum { TIMEOUT_VIRTUAL_MS = 5 };
    if ((cell->hazards & HAZARD_BIT(hang)) != 0)
        cell->timeout_ms = direct ? TIMEOUT_VIRTUAL_MS : PLAN_TIMEOUT_HAZARD_MS;
}

/* Sets the transport, and what follows from it. */
static void settle_transport(const struct matrix_settings *settings, bool direct, struct cell *cell)
{
    enum { TICK_VIRTUAL_MS = 5000, TICK_REAL_MS = 100, WORK_REAL_US = 200 };
    unsigned at_gate =
        HAZARD_BIT(lost_reply) | HAZARD_BIT(drop) | HAZARD_BIT(error) | HAZARD_BIT(restart);
    cell->transport = direct ? TRANSPORT_DIRECT : TRANSPORT_DRIVER;
    if (settings->transport_given)
        cell->transport = settings->transport;
    if (cell->processes > 1 || (cell->hazards & HAZARD_BIT(restart)) != 0)
        cell->transport = TRANSPORT_DRIVER;
    bool is_direct = cell->transport == TRANSPORT_DIRECT;
    settle_timeout(is_direct, cell);
    /* On a busy machine a thread may do all of its share before the next one gets a processor: its
     * operations would meet nobody's. Time between reading and writing lets the others in. */
    if (!is_direct && cell->work_us == 0)
        cell->work_us = WORK_REAL_US;
    cell->tick_ms = is_direct ? TICK_VIRTUAL_MS : TICK_REAL_MS;
    if (!is_direct && (cell->hazards & at_gate) != 0)
        shorten(settings, cell);
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

static bool runs_direct(const struct matrix_settings *settings, const struct column *column,
                        const struct scenario *scenario)
{
    bool plain = is_counter(scenario) && column->hazards == 0 && column->instances == 1;
    return column->place != WIRE_ONLY &&
           (waits_by_itself(scenario) || (settings->quick && !plain) || column->place == VIRTUAL ||
            (column->place == WIRE_COUNTER && !is_counter(scenario)));
}

/* Messages go to whoever comes first, not to each worker its share: of few somebody may get none
 * (one seed of 40, with clocks that differ). What a pause has to outlast is their redelivery, some
 * 10 ms; who stopped for longer than the whole cell takes would have done nothing. */
static void suit_messages(struct cell *cell)
{
    enum { OPS_EVENTS = 1000, PAUSE_US = 30000 };
    if (strcmp(cell->scenario->name, "ticket_events") != 0)
        return;
    cell->ops = cell->ops < OPS_EVENTS ? OPS_EVENTS : cell->ops;
    cell->hazard[HAZARD_INDEX_pause].amount = PAUSE_US;
}

/* Most of what stale_save does is to read: strikes at writes must be dense to hit any. */
static void suit_saves(struct cell *cell)
{
    enum { OPS_PER_STRIKE = 10 };
    if (strcmp(cell->scenario->name, "stale_save") != 0 || cell->transport != TRANSPORT_DIRECT)
        return;
    for (int i = 0; i < HAZARD_COUNT; i++)
        if ((cell->hazards >> i & 1) != 0 && hazard_place((enum hazard_index)i) == PLACE_GATE)
            cell->hazard[i].times = (int32_t)(cell->ops / OPS_PER_STRIKE);
}

/* A canary's write in place that fails destroys the file, and all that follows fails: it happens
 * once, and among so many operations that everybody has done something before. */
static void suit_files(struct cell *cell)
{
    if (!is_canary(cell) || cell->strategy[0]->home != HOME_FILES ||
        (cell->hazards & HAZARD_BIT(error)) == 0)
        return;
    cell->ops = OPS_FULL;
    cell->hazard[HAZARD_INDEX_error].times = 1;
}

/* Where time is never virtual, who waits by itself does so for real, and is asked for less. */
static bool leaves_out(const struct matrix_settings *settings, const struct column *column,
                       struct cell *cell)
{
    if (column->place == WIRE_ONLY && waits_by_itself(cell->scenario))
        cell->ops = OPS_QUICK;
    return column->place == WIRE_ONLY && settings->quick && !is_counter(cell->scenario);
}

static void add_cell(const struct matrix_settings *settings, const struct column *column,
                     struct cell cell, struct cells *cells)
{
    cell.column = column->name;
    cell.instances = column->instances;
    cell.hazards |= column->hazards;
    if ((column->hazards & HAZARD_BIT(processes)) != 0)
        cell.processes = column->instances;
    else if (column->instances > 1)
        cell.hazards |= HAZARD_BIT(instances);
    cell.retry_unknown = column->asks_again;
    suit_messages(&cell);
    cell.lenient = !is_canary(&cell);
    settle_transport(settings, runs_direct(settings, column, cell.scenario), &cell);
    suit_saves(&cell);
    suit_files(&cell);
    if (hazards_obstacle(&cell) == NULL && !leaves_out(settings, column, &cell))
        add(cells, &cell);
}

static void add_row(const struct matrix_settings *settings, const struct scenario *scenario,
                    const char *name, struct cells *cells)
{
    struct cell cell;
    if (!common(settings, scenario, name, &cell))
        return;
    for (int s = 0; s < cell.strategy_count; s++)
        if (plan_obstacle(cell.strategy[s], scenario, false) != NULL)
            return;
    for (size_t i = 0; i < COUNT_OF(columns); i++)
        if (cell.strategy_count == 1 || columns[i].hazards == 0)
            add_cell(settings, &columns[i], cell, cells);
}

static void add_conviction(const struct matrix_settings *settings,
                           const struct conviction *conviction, struct cells *cells)
{
    const struct scenario *scenario = scenario_find(conviction->scenario);
    struct cell cell;
    if (scenario == NULL || !common(settings, scenario, conviction->strategy, &cell))
        return;
    cell.conviction = conviction->why;
    cell.convicted_of = (int)conviction->of;
    cell.ops = OPS_FULL;
    cell.hazards |= conviction->hazards | (conviction->instances > 1 ? HAZARD_BIT(instances) : 0);
    cell.instances = conviction->instances > 0 ? conviction->instances : 1;
    if (conviction->processes > 0) {
        cell.processes = cell.instances = conviction->processes;
        cell.hazards |= HAZARD_BIT(processes);
    }
    if (conviction->jitter_ms > 0)
        cell.jitter_ms = conviction->jitter_ms;
    if (conviction->max_tries > 0)
        cell.max_tries = conviction->max_tries;
    if (conviction->backoff_us > 0)
        cell.backoff = (struct backoff){BACKOFF_FIXED, conviction->backoff_us, 0};
    if (conviction->lease_ms > 0)
        cell.lease_ms = conviction->lease_ms;
    for (int i = 0; i < HAZARD_COUNT; i++)
        if ((conviction->hazards >> i & 1) != 0)
            cell.hazard[i].times = conviction->times;
    cell.work_us = conviction->work_us;
    cell.persona = conviction->persona;
    cell.hazard[HAZARD_INDEX_crash].amount = conviction->dead_us;
    cell.retry_unknown = conviction->retry_unknown;
    settle_transport(settings, true, &cell);
    if (hazards_obstacle(&cell) == NULL)
        add(cells, &cell);
}

struct cell *matrix_cells(const struct matrix_settings *settings, size_t *count)
{
    struct cells cells = {0};
    for (size_t c = 0; scenarios[c] != NULL; c++) {
        for (size_t s = 0; strategies[s] != NULL; s++)
            add_row(settings, scenarios[c], strategies[s]->name, &cells);
        for (size_t m = 0; is_counter(scenarios[c]) && m < COUNT_OF(mixes); m++)
            add_row(settings, scenarios[c], mixes[m], &cells);
    }
    for (const struct conviction *one = matrix_convictions; one->strategy != NULL; one++)
        add_conviction(settings, one, &cells);
    *count = cells.count;
    return cells.items;
}
