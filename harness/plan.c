/* SPDX-License-Identifier: Apache-2.0
 *
 * plan: see plan.h. Every cell of a command line carries the same seed, so that the line that
 * repeats one cell alone repeats just that cell. A mix A+B is a lineup of two strategies in one
 * cell; a single strategy is a lineup of one.
 */
#include "plan.h"
#include "base.h"
#include "hazards.h"
#include "human.h"
#include "options.h"
#include "scenario.h"
#include "strategy.h"
#include "uri.h"
#include "verb.h"

#include <stdlib.h>
#include <string.h>

/* The strategies of one cell. */
struct lineup {
    const struct strategy *strategy[CELL_STRATEGIES_MAX];
    int count;
    const char *name; /* owned by the plan */
    bool named;       /* not by "all" */
};

struct lineups {
    struct lineup *items;
    size_t count, capacity;
};

struct named_scenario {
    const struct scenario *scenario;
    bool named;
};

struct named_scenarios {
    struct named_scenario *items;
    size_t count, capacity;
};

static void keep_line(char ***lines, size_t *count, size_t *capacity, char *line)
{
    size_t at = array_grow((void **)lines, count, capacity, sizeof(char *));
    (*lines)[at] = line;
}

/* Names ------------------------------------------------------------------------------------- */

/* "unknown strategy 'oc'; did you mean 'occ'?" */
static char *unknown(const char *kind, const char *plural, const char *name,
                     const char *const *names)
{
    char *shown = uri_shown(name);
    const char *near = option_suggest(name, names);
    char *line = near != NULL ? x_format("unknown %s '%s'; did you mean '%s'?", kind, shown, near)
                              : x_format("unknown %s '%s'; 'racebench list %s' names them", kind,
                                         shown, plural);
    free(shown);
    return line;
}

static char *unknown_strategy(const char *name)
{
    const char *names[256] = {NULL};
    for (size_t i = 0; strategies[i] != NULL && i + 1 < COUNT_OF(names); i++)
        names[i] = strategies[i]->name;
    return unknown("strategy", "strategies", name, names);
}

static char *unknown_scenario(const char *name)
{
    const char *names[256] = {NULL};
    for (size_t i = 0; scenarios[i] != NULL && i + 1 < COUNT_OF(names); i++)
        names[i] = scenarios[i]->name;
    return unknown("scenario", "scenarios", name, names);
}

static void add_scenario(struct named_scenarios *list, const struct scenario *scenario, bool named)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].scenario == scenario) {
            list->items[i].named |= named;
            return;
        }
    size_t at =
        array_grow((void **)&list->items, &list->count, &list->capacity, sizeof *list->items);
    list->items[at] = (struct named_scenario){scenario, named};
}

static char *read_scenarios(const struct options *options, struct named_scenarios *list)
{
    bool given = options->source[OPTION_AT_scenario] != OPTION_FROM_DEFAULT;
    char *copy = x_strdup(options->scenario);
    char *rest = copy;
    char *problem = NULL;
    for (char *name; problem == NULL && (name = strsep(&rest, ",")) != NULL;) {
        const struct scenario *scenario = scenario_find(name);
        if (strcmp(name, "all") == 0)
            for (size_t i = 0; scenarios[i] != NULL; i++)
                add_scenario(list, scenarios[i], false);
        else if (scenario != NULL)
            add_scenario(list, scenario, given);
        else
            problem = unknown_scenario(name);
    }
    free(copy);
    return problem;
}

static void add_lineup(struct lineups *list, const struct lineup *lineup)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, lineup->name) == 0) {
            list->items[i].named |= lineup->named;
            return;
        }
    size_t at =
        array_grow((void **)&list->items, &list->count, &list->capacity, sizeof *list->items);
    list->items[at] = *lineup;
}

static void add_all_lineups(struct lineups *list)
{
    for (size_t i = 0; strategies[i] != NULL; i++)
        add_lineup(list, &(struct lineup){.strategy = {strategies[i]},
                                          .count = 1,
                                          .name = strategies[i]->name});
}

/* Reads "occ" or "naive+occ". */
static char *read_lineup(struct plan *plan, const char *text, struct lineups *list)
{
    struct lineup lineup = {.named = true};
    char *copy = x_strdup(text);
    char *rest = copy;
    char *problem = NULL;
    for (char *name; problem == NULL && (name = strsep(&rest, "+")) != NULL;) {
        const struct strategy *strategy = strategy_find(name);
        if (strategy == NULL)
            problem = unknown_strategy(name);
        else if (lineup.count == CELL_STRATEGIES_MAX)
            problem = x_format("--strategy '%s': a mix takes at most %d strategies", text,
                               CELL_STRATEGIES_MAX);
        else
            lineup.strategy[lineup.count++] = strategy;
    }
    free(copy);
    if (problem != NULL)
        return problem;
    char *name = x_strdup(text);
    keep_line(&plan->texts, &plan->text_count, &plan->text_capacity, name);
    lineup.name = name;
    add_lineup(list, &lineup);
    return NULL;
}

static char *read_lineups(const struct options *options, struct plan *plan, struct lineups *list)
{
    char *copy = x_strdup(options->strategy);
    char *rest = copy;
    char *problem = NULL;
    for (char *text; problem == NULL && (text = strsep(&rest, ",")) != NULL;) {
        if (strcmp(text, "all") == 0)
            add_all_lineups(list);
        else
            problem = read_lineup(plan, text, list);
    }
    free(copy);
    return problem;
}

/* What goes with what ------------------------------------------------------------------------ */

const char *plan_obstacle(const struct strategy *strategy, const struct scenario *scenario,
                          bool unseeded)
{
    static const struct {
        unsigned bit;
        const char *text;
    } lacks[] = {
        {CAN_CHANGE, "it cannot run a change that operators do not say"},
        {CAN_OPERATORS, "it cannot send operators"},
        {CAN_TWO_DOCUMENTS, "it takes no edits of two documents"},
        {CAN_BASE, "it cannot start from a version seen earlier"},
        {CAN_ONCE, "it cannot do a thing once for all who ask"},
        {CAN_CREATE, "it cannot start from absent documents"},
    };
    unsigned can = strategy->can;
    if (scenario->operators && (can & CAN_OPERATORS) != 0)
        can |= CAN_CHANGE;
    unsigned missing = (scenario->needs | (unseeded ? CAN_CREATE : 0u)) & ~can;
    for (size_t i = 0; i < COUNT_OF(lacks); i++)
        if ((missing & lacks[i].bit) != 0)
            return lacks[i].text;
    return NULL;
}

/* NULL, or why this lineup cannot do this scenario; the caller frees it. */
static char *find_obstacle(const struct lineup *lineup, const struct scenario *scenario,
                           bool unseeded)
{
    for (int i = 0; i < lineup->count; i++) {
        const char *obstacle = plan_obstacle(lineup->strategy[i], scenario, unseeded);
        if (obstacle != NULL && lineup->count > 1)
            return x_format("%s: %s", lineup->strategy[i]->name, obstacle);
        if (obstacle != NULL)
            return x_strdup(obstacle);
        if (lineup->strategy[i]->home != lineup->strategy[0]->home)
            return x_strdup("one keeps its documents in files, another in the database");
    }
    return NULL;
}

/* Settings ----------------------------------------------------------------------------------- */

static char *check_database(const char *name)
{
    static const char *const taken[] = {"admin", "local", "config"};
    if (name == NULL)
        return NULL;
    char *shown = uri_shown(name);
    char *problem = NULL;
    if (strlen(name) > 63 || strpbrk(name, "/\\. \"$*<>:|?@\n\t") != NULL ||
        strcmp(shown, name) != 0)
        problem = x_format("--database '%s': not a name that MongoDB takes (up to 63 bytes, no "
                           "blanks and none of / \\ . \" $ * < > : | ?)",
                           shown);
    for (size_t i = 0; problem == NULL && i < COUNT_OF(taken); i++)
        if (strcmp(name, taken[i]) == 0)
            problem = x_format("--database '%s' belongs to MongoDB; choose another name", shown);
    free(shown);
    return problem;
}

static char *check_workers(const struct cell *cell)
{
    struct human workers = human_count(cell->workers);
    if (cell->transport == TRANSPORT_DRIVER && cell->workers > PLAN_WORKERS_DRIVER_MAX)
        return x_format("--workers %s: at most %s with --transport driver (a thread and a "
                        "connection each); --transport direct takes %s",
                        workers.text, human_count(PLAN_WORKERS_DRIVER_MAX).text,
                        human_count(PLAN_WORKERS_DIRECT_MAX).text);
    if (cell->workers > PLAN_WORKERS_DIRECT_MAX)
        return x_format("--workers %s: at most %s", workers.text,
                        human_count(PLAN_WORKERS_DIRECT_MAX).text);
    if (cell->ops > 0 && cell->ops < cell->workers)
        return x_format("--ops %s is less than --workers %s: each worker needs an operation, so "
                        "give --ops %d or more",
                        human_count(cell->ops).text, workers.text, cell->workers);
    if (cell->processes > cell->workers)
        return x_format("--processes %d is more than --workers %s: a process needs a worker",
                        cell->processes, workers.text);
    if (cell->instances > cell->workers)
        return x_format("--instances %d is more than --workers %s: an instance needs a worker",
                        cell->instances, workers.text);
    return NULL;
}

/* Where time is virtual a tick costs nothing and can be as long as the seed's. */
static int64_t tick_ms(const struct options *options)
{
    enum { TICK_VIRTUAL_MS = 5000, TICK_REAL_MS = 100 };
    if (options->tick_ms > 0)
        return options->tick_ms;
    return (enum transport)options->transport == TRANSPORT_DIRECT ? TICK_VIRTUAL_MS : TICK_REAL_MS;
}

/* Whoever stops past the lease would stop for long: on a wire the default lease is too much. */
static bool lowers_lease(const struct options *options)
{
    return (options->hazard.planned & (HAZARD_BIT(pause) | HAZARD_BIT(crash) | HAZARD_BIT(hang))) !=
               0 &&
           options->source[OPTION_AT_lease_ms] == OPTION_FROM_DEFAULT &&
           (enum transport)options->transport == TRANSPORT_DRIVER;
}

const char *plan_store(const struct options *options)
{
    static const char *const names[] = {NULL, "wiredtiger", "memory"};
    return names[options->store];
}

/* Likewise whoever waits for an answer that never comes. */
static bool lowers_timeout(const struct options *options)
{
    return (options->hazard.planned & HAZARD_BIT(hang)) != 0 &&
           options->source[OPTION_AT_timeout_ms] == OPTION_FROM_DEFAULT &&
           (enum transport)options->transport == TRANSPORT_DRIVER;
}

static bool is_explored(const struct options *options)
{
    return options->verb != NULL && strcmp(options->verb->name, "explore") == 0;
}

/* What all cells have in common. */
static struct cell common_cell(const struct options *options)
{
    bool endless =
        options->duration_ms > 0 && options->source[OPTION_AT_ops] == OPTION_FROM_DEFAULT;
    struct cell cell = {
        .transport = (enum transport)options->transport,
        .persona = (enum persona)options->persona,
        .expect = (enum expect)options->expect,
        .hazards = HAZARD_BIT(none) | options->hazard.planned |
                   (options->instances > options->processes ? HAZARD_BIT(instances) : 0u) |
                   (options->processes > 1 ? HAZARD_BIT(processes) : 0u),
        .uri = options->uri,
        .database = options->database,
        .keep = options->keep,
        .instances = (int32_t)(options->instances > options->processes ? options->instances
                                                                       : options->processes),
        .processes = (int32_t)options->processes,
        .ops = endless ? 0 : options->ops,
        .duration_ms = options->duration_ms,
        .seed = options->seed,
        .docs = options->docs,
        .bytes = options->bytes,
        .unseeded = options->unseeded,
        .work_us = options->work_us,
        .lease_ms = lowers_lease(options) ? PLAN_LEASE_HAZARD_MS : options->lease_ms,
        .tick_ms = tick_ms(options),
        .jitter_ms = options->jitter_ms,
        .timeout_ms = lowers_timeout(options) ? PLAN_TIMEOUT_HAZARD_MS : options->timeout_ms,
        .max_tries = (int32_t)options->max_tries,
        .retry_unknown = options->retry_unknown,
        .backoff = options->backoff,
        .durability = (enum durability)options->durability,
        .store = plan_store(options),
        .explored = is_explored(options),
    };
    memcpy(cell.hazard, options->hazard.settings, sizeof(cell.hazard));
    return cell;
}

static char *check_settings(const struct options *options)
{
    if (options->uri != NULL && (enum transport)options->transport == TRANSPORT_DIRECT)
        return x_strdup("--transport direct calls the embedded engine inside this process; leave "
                        "it out to run against a --uri");
    if (options->processes > 1 && (enum transport)options->transport == TRANSPORT_DIRECT)
        return x_format("--transport direct calls the engine inside this one process; leave it out "
                        "to have --processes %d",
                        (int)options->processes);
    if (options->source[OPTION_AT_instances] != OPTION_FROM_DEFAULT &&
        options->instances < options->processes)
        return x_format("--instances %d is less than --processes %d: a process is an instance at "
                        "least; leave out --instances",
                        (int)options->instances, (int)options->processes);
    const char *store = plan_store(options);
    if (store != NULL && strcmp(store, "memory") != 0 && !is_explored(options) &&
        (enum transport)options->transport == TRANSPORT_DIRECT)
        return x_format("--transport direct keeps its rows in memory, --store %s does not go with "
                        "it",
                        store);
    if (store != NULL && options->uri != NULL)
        return x_format("--store %s is the embedded engine's, --uri names another one; leave one "
                        "of them out",
                        store);
    return check_database(options->database);
}

/* The product -------------------------------------------------------------------------------- */

static struct cell make_cell(const struct options *options, const struct scenario *scenario,
                             const struct lineup *lineup)
{
    struct cell cell = common_cell(options);
    cell.scenario = scenario;
    memcpy(cell.strategy, lineup->strategy, sizeof(cell.strategy));
    cell.strategy_count = lineup->count;
    cell.strategy_name = lineup->name;
    return cell;
}

static char *add_cells(const struct options *options, const struct cell *common, struct plan *plan)
{
    struct cell cell = *common;
    for (size_t i = 0; i < options->workers.count; i++) {
        cell.workers = (int32_t)options->workers.items[i];
        char *problem = check_workers(&cell);
        if (problem != NULL)
            return problem;
        size_t at =
            array_grow((void **)&plan->cells, &plan->count, &plan->capacity, sizeof *plan->cells);
        plan->cells[at] = cell;
    }
    return NULL;
}

/* What the strategy cannot do is left out unless strategy and scenario were both named; what a
 * hazard cannot strike, unless the strategy was: hazards are always named. */
static char *add_pair(const struct options *options, const struct named_scenario *scenario,
                      const struct lineup *lineup, struct plan *plan)
{
    struct cell cell = make_cell(options, scenario->scenario, lineup);
    const char *placeless = hazards_obstacle(&cell);
    char *obstacle = find_obstacle(lineup, scenario->scenario, options->unseeded);
    char *line;
    if (obstacle == NULL && placeless == NULL)
        return add_cells(options, &cell, plan);
    if (obstacle != NULL)
        line = x_format("strategy '%s' cannot do scenario '%s'%s: %s", lineup->name,
                        scenario->scenario->name, options->unseeded ? " unseeded" : "", obstacle);
    else
        line = x_format("--hazard '%s' has no place to strike strategy '%s' in scenario '%s': %s",
                        options->text[OPTION_AT_hazard], lineup->name, scenario->scenario->name,
                        placeless);
    bool wrong = lineup->named && (scenario->named || obstacle == NULL);
    free(obstacle);
    if (wrong)
        return line;
    keep_line(&plan->notes, &plan->note_count, &plan->note_capacity, line);
    return NULL;
}

char *plan_check_names(const struct options *options)
{
    struct plan plan = {0};
    struct named_scenarios scenario_list = {0};
    struct lineups lineup_list = {0};
    char *problem = read_scenarios(options, &scenario_list);
    if (problem == NULL)
        problem = read_lineups(options, &plan, &lineup_list);
    free(scenario_list.items);
    free(lineup_list.items);
    plan_free(&plan);
    return problem;
}

char *plan_make(const struct options *options, struct plan *plan)
{
    struct named_scenarios scenario_list = {0};
    struct lineups lineup_list = {0};
    memset(plan, 0, sizeof(*plan));
    char *problem = check_settings(options);
    if (problem == NULL)
        problem = read_scenarios(options, &scenario_list);
    if (problem == NULL)
        problem = read_lineups(options, plan, &lineup_list);
    if (lowers_lease(options))
        keep_line(&plan->remarks, &plan->remark_count, &plan->remark_capacity,
                  x_format("lease is %s, since a worker stops past it; say --lease to choose",
                           human_option(PLAN_LEASE_HAZARD_MS * 1000).text));
    if (lowers_timeout(options))
        keep_line(&plan->remarks, &plan->remark_count, &plan->remark_capacity,
                  x_format("time-out is %s, since saves hang; say --timeout to choose",
                           human_option(PLAN_TIMEOUT_HAZARD_MS * 1000).text));
    for (size_t i = 0; problem == NULL && i < scenario_list.count; i++)
        for (size_t j = 0; problem == NULL && j < lineup_list.count; j++)
            problem = add_pair(options, &scenario_list.items[i], &lineup_list.items[j], plan);
    if (problem == NULL && plan->count == 0 && plan->note_count > 0)
        problem = x_format("nothing to run: %s", plan->notes[0]);
    else if (problem == NULL && plan->count == 0)
        problem = x_strdup("nothing to run");
    free(scenario_list.items);
    free(lineup_list.items);
    return problem;
}

void plan_free(struct plan *plan)
{
    for (size_t i = 0; i < plan->note_count; i++)
        free(plan->notes[i]);
    for (size_t i = 0; i < plan->remark_count; i++)
        free(plan->remarks[i]);
    for (size_t i = 0; i < plan->text_count; i++)
        free(plan->texts[i]);
    free(plan->remarks);
    free(plan->notes);
    free(plan->texts);
    free(plan->cells);
    memset(plan, 0, sizeof(*plan));
}
