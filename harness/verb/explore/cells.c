/* SPDX-License-Identifier: Apache-2.0
 *
 * cells: see cells.h. The plan is that of `run`, with what explore decides itself put in place of
 * the rest: transport, back-off (a rule says when another attempt can come out differently),
 * jitter, and the seed, since whatever is drawn is a move.
 */
#include "cells.h"

#include "../../hazards.h"
#include "../../scenario.h"

#include <inttypes.h>
#include <stdlib.h>

enum { WORKERS_MAX = 64 };

/* Hazards that are moves, or nothing that a schedule does not have anyway (delay). */
static void check_hazards(const struct options *options)
{
    unsigned known = HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(lost_reply) |
                     HAZARD_BIT(drop) | HAZARD_BIT(error) | HAZARD_BIT(delay) | HAZARD_BIT(pause) |
                     HAZARD_BIT(crash) | HAZARD_BIT(skew) | HAZARD_BIT(boot) |
                     HAZARD_BIT(duplicates) | HAZARD_BIT(reordering) | HAZARD_BIT(restart);
    for (int i = 0; i < HAZARD_COUNT; i++)
        if ((options->hazard.planned & ~known & 1u << i) != 0)
            die(EXIT_USAGE, "--hazard %s: explore does not try it; use run or matrix for it",
                hazard_name((enum hazard_index)i));
}

/* Of each worker; by default as many as belong together in the scenario. */
static int64_t operations_of(const struct options *options, const struct scenario *scenario)
{
    bool given = options->source[OPTION_AT_operations] != OPTION_FROM_DEFAULT;
    return given || scenario->round == 0 ? options->operations : scenario->round;
}

void explore_plan(const struct options *given, struct plan *plan)
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
    check_hazards(given);
    for (size_t i = 0; i < options.workers.count; i++)
        if (options.workers.items[i] > WORKERS_MAX)
            die(EXIT_USAGE,
                "--workers %" PRId64 ": explore takes at most %d, and few schedules of "
                "so many can be tried; use run",
                options.workers.items[i], WORKERS_MAX);
    char *problem = plan_make(&options, plan);
    if (problem != NULL)
        die(EXIT_USAGE, "%s", problem);
    for (size_t i = 0; i < plan->count; i++) {
        struct cell *cell = &plan->cells[i];
        cell->ops = operations_of(given, cell->scenario) * cell->workers;
        cell->seed = 1; /* of ids that the engine makes: all else that is drawn is a move */
    }
    for (size_t i = 0; i < plan->note_count && !given->quiet; i++)
        fprintf(stderr, "racebench: left out: %s\n", plan->notes[i]);
}

/* What a schedule says of its cell, beside scenario, strategy and size. */
static const enum option_index cell_options[] = {OPTION_AT_instances,  OPTION_AT_docs,
                                                 OPTION_AT_unseeded,   OPTION_AT_hazard,
                                                 OPTION_AT_faults,     OPTION_AT_lease_ms,
                                                 OPTION_AT_tick_ms,    OPTION_AT_clock_steps,
                                                 OPTION_AT_durability, OPTION_AT_retry_unknown,
                                                 OPTION_AT_persona};

bool explore_is_cell_option(enum option_index at)
{
    static const enum option_index also[] = {OPTION_AT_scenario, OPTION_AT_strategy,
                                             OPTION_AT_workers, OPTION_AT_operations};
    bool is = false;
    for (size_t i = 0; i < COUNT_OF(also); i++)
        is |= also[i] == at;
    for (size_t i = 0; i < COUNT_OF(cell_options); i++)
        is |= cell_options[i] == at;
    return is;
}

char *explore_cell_line(const struct options *options, const struct cell *cell)
{
    int64_t each = cell->ops / cell->workers;
    char *line = x_format("--scenario %s --strategy %s --workers %d%s", cell->scenario->name,
                          cell->strategy_name, cell->workers, each > 1 ? " --operations " : "");
    for (size_t i = 0; i <= COUNT_OF(cell_options); i++) {
        bool first = i == 0;
        enum option_index at = first ? OPTION_AT_operations : cell_options[i - 1];
        char *longer;
        if (first && each > 1)
            longer = x_format("%s%" PRId64, line, each);
        else if (first || options->source[at] == OPTION_FROM_DEFAULT)
            continue;
        else if (option_rows[at].type == OPTION_FLAG)
            longer = x_format("%s --%s", line, option_rows[at].name);
        else
            longer = x_format("%s --%s %s", line, option_rows[at].name, options->text[at]);
        free(line);
        line = longer;
    }
    return line;
}

void explore_name_finding(const struct options *options, struct finding *finding)
{
    if (finding->schedule.title == NULL)
        finding->schedule.title = finding_title(finding);
    if (finding->schedule.cell == NULL)
        finding->schedule.cell = explore_cell_line(options, &finding->cell);
}

void explore_print_finding(const struct options *options, struct finding *finding)
{
    struct style style;
    options_style(options, &style);
    if (!options->quiet) {
        printf("\n");
        finding_tell(finding, style.columns, stdout);
    }
    explore_name_finding(options, finding);
    char *text = schedule_text(&finding->schedule);
    printf("\n%s\n", text);
    free(text);
}
