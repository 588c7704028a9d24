/* SPDX-License-Identifier: Apache-2.0
 *
 * explore: every schedule of small cells. The plan is that of `run`, with what explore decides
 * itself put in place of the rest: fibers beside the engine, so many operations a worker, no
 * back-off (a rule says when another attempt can come out differently), no jitter. A failing
 * schedule is printed as the text that replays it; where none fails, what exactly was tried.
 */
#include "../explore/explore.h"
#include "../human.h"
#include "../options.h"
#include "../plan.h"
#include "../scenario.h"
#include "../verb.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* The words of --policy, in the order of its choices. */
static const struct policy *const policies[] = {&policy_dfs, &policy_random};

static void read_budget(const char *text, struct explore_budget *budget)
{
    static const char states[] = "states=", schedules[] = "schedules=";
    const char *problem;
    int64_t *limit = &budget->ns;
    *budget = (struct explore_budget){0};
    if (strncmp(text, states, sizeof(states) - 1) == 0)
        problem = option_value_count(text + sizeof(states) - 1, limit = &budget->states);
    else if (strncmp(text, schedules, sizeof(schedules) - 1) == 0)
        problem = option_value_count(text + sizeof(schedules) - 1, limit = &budget->schedules);
    else
        problem = option_value_duration(text, 1, limit);
    if (problem == NULL && *limit == 0)
        problem = "it must be more than nothing";
    if (problem != NULL)
        die(EXIT_USAGE, "--budget '%s': %s; say states=N, schedules=N or a time like 30s", text,
            problem);
}

static void make_plan(const struct options *given, struct plan *plan)
{
    struct options options = *given;
    int64_t two = 2;
    if (given->source[OPTION_AT_workers] == OPTION_FROM_DEFAULT)
        options.workers = (struct option_counts){.items = &two, .count = 1};
    options.transport = TRANSPORT_DIRECT;
    options.ops = 1000000; /* until the cells are there */
    options.backoff = (struct backoff){.kind = BACKOFF_NONE};
    options.jitter_ms = 0;
    options.duration_ms = 0;
    char *problem = plan_make(&options, plan);
    if (problem != NULL)
        die(EXIT_USAGE, "%s", problem);
    for (size_t i = 0; i < plan->count; i++)
        plan->cells[i].ops = given->operations * plan->cells[i].workers;
    for (size_t i = 0; i < plan->note_count && !given->quiet; i++)
        fprintf(stderr, "racebench: left out: %s\n", plan->notes[i]);
}

/* Tells on stderr how far it is. */
struct teller {
    enum progress progress;
    double last;
};

static bool tell(void *context, int64_t schedules, int64_t states, double seconds)
{
    struct teller *teller = context;
    double interval = teller->progress == PROGRESS_BAR ? 0.1 : 5;
    if (teller->progress == PROGRESS_NONE || seconds - teller->last < interval)
        return true;
    teller->last = seconds;
    fprintf(stderr, "%sracebench: %s schedules, %s states, %.1f s, %.0f states/s%s",
            teller->progress == PROGRESS_BAR ? "\r" : "", human_count(schedules).text,
            human_count(states).text, seconds, (double)states / seconds,
            teller->progress == PROGRESS_BAR ? "\033[K" : "\n");
    return true;
}

/* The command line of one cell, for the head of its schedule. */
static char *cell_line(const struct options *options, const struct cell *cell)
{
    char *line = x_format("--scenario %s --strategy %s --workers %d", cell->scenario->name,
                          cell->strategy_name, cell->workers);
    static const enum option_index also[] = {OPTION_AT_operations, OPTION_AT_instances,
                                             OPTION_AT_docs,       OPTION_AT_hazard,
                                             OPTION_AT_faults,     OPTION_AT_clock_steps,
                                             OPTION_AT_lease_ms,   OPTION_AT_tick_ms};
    for (size_t i = 0; i < COUNT_OF(also); i++) {
        if (options->source[also[i]] == OPTION_FROM_DEFAULT)
            continue;
        char *longer =
            x_format("%s --%s %s", line, option_rows[also[i]].name, options->text[also[i]]);
        free(line);
        line = longer;
    }
    if (!cell->unseeded)
        return line;
    char *longer = x_format("%s --unseeded", line);
    free(line);
    return longer;
}

static const char *failure_name(const struct explore_result *result)
{
    return reason_name(result->first.reason);
}

static void print_counts(const struct explore_result *result, const struct options *options)
{
    printf("  %s", human_counted(result->schedules, "schedule").text);
    if (result->states > 0)
        printf(", %s", human_counted(result->states, "state").text);
    printf(", %s in %.3f s", human_counted(result->steps, "step").text, result->seconds);
    if (options->no_cache)
        printf("; %s fail", human_count(result->failing).text);
    printf("\n");
}

static void print_cell(const struct options *options, const struct cell *cell,
                       struct explore_result *result)
{
    printf("%s with %s, %d workers: ", cell->scenario->name, cell->strategy_name, cell->workers);
    if (result->status == HELD) {
        printf("held: %s\n",
               options->no_cache ? "all schedules" : "all schedules, by their states");
    } else if (result->status == UNDECIDED) {
        printf("unknown: %s\n", result->stopped ? "interrupted" : "budget");
    } else {
        printf("broken: %s\n", failure_name(result));
    }
    print_counts(result, options);
    if (result->status != BROKEN)
        return;
    if (result->stuck != NULL)
        printf("  %s\n", result->stuck);
    result->schedule.title = x_format("%s with %s, %d workers: %s", cell->scenario->name,
                                      cell->strategy_name, cell->workers, failure_name(result));
    result->schedule.cell = cell_line(options, cell);
    char *text = schedule_text(&result->schedule);
    printf("\n%s\n", text);
    free(text);
}

static enum exit_code explore_one(const struct options *options, const struct cell *cell)
{
    struct explore_result result = {0};
    struct teller teller = {options->quiet ? PROGRESS_NONE : options_progress(options), 0};
    unsigned hazards = cell->hazards & ~(HAZARD_BIT(none) | HAZARD_BIT(instances));
    struct explore_settings settings = {
        .limits = {.clock_steps = (int)options->clock_steps,
                   .faults = hazards != 0 ? (int)options->faults : 0,
                   .hazards = hazards,
                   .bound = options->source[OPTION_AT_bound] == OPTION_FROM_DEFAULT
                                ? -1
                                : (int)options->bound},
        .policy = policies[options->policy],
        .seed = options->seed,
        .no_cache = options->no_cache,
        .all = options->no_cache,
        .twice = options->twice,
        .progress = tell,
        .context = &teller};
    read_budget(options->budget, &settings.budget);
    explore_cell(cell, &settings, &result);
    if (teller.progress == PROGRESS_BAR)
        fprintf(stderr, "\r\033[K");
    if (result.fault != NULL)
        die(EXIT_INTERNAL, "%s with %s: %s", cell->scenario->name, cell->strategy_name,
            result.fault);
    print_cell(options, cell, &result);
    enum exit_code code = result.status == BROKEN ? EXIT_BROKEN
                          : result.status == HELD ? EXIT_OK
                                                  : EXIT_UNKNOWN;
    explore_result_free(&result);
    return code;
}

static enum exit_code explore_act(const struct options *options)
{
    struct plan plan;
    enum exit_code worst = EXIT_OK;
    make_plan(options, &plan);
    for (size_t i = 0; i < plan.count; i++) {
        enum exit_code code = explore_one(options, &plan.cells[i]);
        if (worst != EXIT_BROKEN && code != EXIT_OK)
            worst = code;
    }
    plan_free(&plan);
    return worst;
}

const struct verb verb_explore = {
    .name = "explore",
    .help = "try every schedule of a few workers: the one that fails, or the proof that none does",
    .act = explore_act,
};
