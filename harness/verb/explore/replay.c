/* SPDX-License-Identifier: Apache-2.0
 *
 * replay: `explore --replay FILE`: the cell comes from the schedule alone, as if its options had
 * been typed; the command line says where it is repeated (--transport, --store) and how it goes on
 * where the schedule does not fit any more (--seed).
 */
#include "../../explore/replay.h"
#include "../../human.h"
#include "../../scenario.h"
#include "cells.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Reads the options of a schedule's cell as if they had been typed. */
static void read_cell_options(const struct schedule *schedule, const char *path,
                              struct options *options)
{
    size_t count;
    char **words = schedule_words(schedule, &count);
    char **arguments = x_calloc(count + 3, sizeof(*arguments));
    arguments[0] = "racebench";
    arguments[1] = "explore";
    memcpy(arguments + 2, words, count * sizeof(*words));
    char *problem = options_parse(options, (int)count + 2, arguments);
    if (problem != NULL)
        die(EXIT_INPUT, "%s:%d: %s", path, schedule->cell_line, problem);
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        bool known = options->source[i] == OPTION_FROM_DEFAULT || i == OPTION_AT_seed ||
                     explore_is_cell_option((enum option_index)i);
        if (!known && options->source[i] == OPTION_FROM_FLAG)
            die(EXIT_INPUT, "%s:%d: --%s is no setting of a schedule's cell; remove it", path,
                schedule->cell_line, option_rows[i].name);
        if (i != OPTION_AT_seed && known && options->source[i] == OPTION_FROM_ENVIRONMENT)
            die(EXIT_USAGE,
                "%s is set: a replay takes its settings from the schedule alone; "
                "unset it",
                option_twin(&option_rows[i]));
    }
    free(arguments);
    schedule_words_free(words, count);
}

/* What did not fit, on stderr. */
static void tell_skipped(const struct schedule *schedule, const char *path,
                         const struct replay_result *result, bool direct, uint64_t seed)
{
    if (result->skipped > 0) {
        const struct move *move = &schedule->moves[result->first_skipped];
        char *text = move_text(move);
        warn("%s:%d: %s did not fit any more and %s skipped, the first is '%s'", path, move->line,
             human_counted((int64_t)result->skipped, "move").text,
             result->skipped == 1 ? "was" : "were", text);
        free(text);
    }
    if (result->further > 0 && direct)
        warn("the schedule ended early: %s, chosen with --seed %" PRIu64,
             human_counted((int64_t)result->further, "further move").text, seed);
    else if (result->further > 0)
        warn("the schedule ended early: %s, made freely",
             human_counted((int64_t)result->further, "further step").text);
}

static void replay_here(const struct options *options, const struct world_limits *given,
                        struct finding *finding, struct schedule *ran, struct replay_result *result)
{
    struct world_limits limits = finding_limits(given, &finding->schedule);
    struct world *world = world_open(&finding->cell, &limits);
    replay_direct(world, &finding->schedule,
                  &(struct replay_settings){.seed = options->seed,
                                            .trail = &finding->trail,
                                            .ran = ran},
                  result);
    finding->verdict = result->verdict;
    finding->stuck = result->stuck;
    world_close(world);
    if (result->verdict.status != BROKEN || options->quiet)
        return;
    struct cell in_memory =
        finding->cell; /* thousands of executions, to which the store is equal */
    in_memory.store = NULL;
    world = world_open(&in_memory, &limits);
    finding->trail.no_return = replay_no_return(world, ran);
    world_close(world);
}

/* One schedule proves nothing but itself: that nobody met nobody is no reason to doubt it. What
 * goes wrong is a move of it, which the run's judge does not know; but if something was planned and
 * no such move was made, it has not been tried. */
static void judge_one(struct replay_result *result, unsigned planned)
{
    struct verdict *verdict = &result->verdict;
    bool excused = verdict->reason == REASON_ONE_WORKER || verdict->reason == REASON_NO_OVERLAP ||
                   verdict->reason == REASON_IDLE_WORKER ||
                   verdict->reason == REASON_HAZARD_NEVER_STRUCK;
    if (verdict->status == UNDECIDED && excused)
        verdict->status = HELD;
    if (verdict->status == HELD && (planned & ~HAZARD_BIT(none)) != 0 && result->faults == 0) {
        verdict->status = UNDECIDED;
        verdict->reason = REASON_HAZARD_NEVER_STRUCK;
    }
}

static enum status tell_verdict(const struct cell *cell, const struct replay_result *result)
{
    enum status status = result->verdict.status;
    printf("%s with %s, %s: %s%s\n", cell->scenario->name, cell->strategy_name,
           human_counted(cell->workers, "worker").text,
           status == BROKEN      ? "broken: "
           : status != HELD      ? "unknown: "
           : result->skipped > 0 ? "as far as it fits, this schedule does not fail"
                                 : "this schedule does not fail",
           status == HELD ? "" : reason_name(result->verdict.reason));
    return status;
}

enum exit_code explore_replay(const struct options *options)
{
    const char *path = options->replay;
    bool direct = options->source[OPTION_AT_transport] == OPTION_FROM_DEFAULT ||
                  options->transport == TRANSPORT_DIRECT;
    struct finding finding = {0};
    struct replay_result result = {0};
    struct schedule ran = {0};
    struct options own = {0};
    struct plan plan = {0};
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        if (options->source[i] == OPTION_FROM_FLAG && explore_is_cell_option((enum option_index)i))
            die(EXIT_USAGE, "--%s: a replay takes its settings from the schedule; leave it out",
                option_rows[i].name);
    char *problem = schedule_read(&finding.schedule, path);
    if (problem != NULL)
        die(EXIT_INPUT, "%s", problem);
    read_cell_options(&finding.schedule, path, &own);
    problem = plan_check_names(&own);
    if (problem != NULL)
        die(EXIT_INPUT, "%s:%d: %s", path, finding.schedule.cell_line, problem);
    explore_plan(&own, &plan);
    if (plan.count != 1)
        die(EXIT_INPUT, "%s:%d: these options make %zu cells; a schedule is of one", path,
            finding.schedule.cell_line, plan.count);
    finding.cell = plan.cells[0];
    finding.cell.store = plan_store(options);
    problem = schedule_check(&finding.schedule, path, finding.cell.workers);
    if (problem != NULL)
        die(EXIT_INPUT, "%s", problem);
    if (direct) {
        replay_here(options,
                    &(struct world_limits){.clock_steps = (int)own.clock_steps,
                                           .hazards = own.hazard.planned},
                    &finding, &ran, &result);
    } else {
        problem = replay_driver_obstacle(&finding.schedule);
        if (problem != NULL)
            die(EXIT_USAGE, "%s", problem);
        replay_driver(&finding.schedule, &finding.cell, "replay", &result);
        finding.verdict = result.verdict;
    }
    tell_skipped(&finding.schedule, path, &result, direct, options->seed);
    judge_one(&result, own.hazard.planned);
    enum status status = tell_verdict(&finding.cell, &result);
    if (direct)
        replay_take_moves(&finding.schedule, &ran);
    if (direct && status == BROKEN)
        explore_print_finding(options, &finding);
    schedule_free(&ran);
    finding_free(&finding);
    plan_free(&plan);
    options_free(&own);
    return status == BROKEN ? EXIT_BROKEN : status == HELD ? EXIT_OK : EXIT_UNKNOWN;
}
