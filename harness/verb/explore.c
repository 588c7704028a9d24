/* SPDX-License-Identifier: Apache-2.0
 *
 * explore: every schedule of small cells. The plan is that of `run`, with what explore decides
 * itself put in place of the rest: fibers beside the engine, so many operations a worker, no
 * back-off (a rule says when another attempt can come out differently), no jitter. A failing
 * schedule is printed as the text that replays it; where none fails, what exactly was tried.
 */
#include "../environment.h"
#include "../explore/certificate.h"
#include "../explore/finding.h"
#include "../explore/predict.h"
#include "../explore/prove.h"
#include "../explore/replay.h"
#include "../hazards.h"
#include "../human.h"
#include "../options.h"
#include "../plan.h"
#include "../report.h"
#include "../run_folder.h"
#include "../scenario.h"
#include "../signals.h"
#include "../verb.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKERS_MAX = 64 };

/* The words of --policy, in the order of its choices. */
static const struct policy *const policies[] = {&policy_dfs, &policy_random, &policy_urw};

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
    for (size_t i = 0; i < plan->count; i++)
        plan->cells[i].ops = operations_of(given, plan->cells[i].scenario) * plan->cells[i].workers;
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
    double interval = teller->last == 0 ? 1 : teller->progress == PROGRESS_BAR ? 0.1 : 5;
    if (signals_pending())
        return false;
    if (teller->progress == PROGRESS_NONE || seconds - teller->last < interval)
        return true;
    teller->last = seconds;
    fprintf(stderr, "%sracebench: %s schedules, %s states, %.1f s, %.0f states/s%s",
            teller->progress == PROGRESS_BAR ? "\r" : "", human_count(schedules).text,
            human_count(states).text, seconds, (double)states / seconds,
            teller->progress == PROGRESS_BAR ? "\033[K" : "\n");
    return true;
}

/* What a schedule says of its cell, beside scenario, strategy and size. */
static const enum option_index cell_options[] = {OPTION_AT_instances,  OPTION_AT_docs,
                                                 OPTION_AT_unseeded,   OPTION_AT_hazard,
                                                 OPTION_AT_faults,     OPTION_AT_lease_ms,
                                                 OPTION_AT_tick_ms,    OPTION_AT_clock_steps,
                                                 OPTION_AT_durability, OPTION_AT_retry_unknown,
                                                 OPTION_AT_persona};

/* The options of one cell, for the head of its schedule. The caller frees it. */
static char *cell_line(const struct options *options, const struct cell *cell)
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

static void name_finding(const struct options *options, struct finding *finding)
{
    if (finding->schedule.title == NULL)
        finding->schedule.title = finding_title(finding);
    if (finding->schedule.cell == NULL)
        finding->schedule.cell = cell_line(options, &finding->cell);
}

/* What was found: the interleaving, then the text that replays it. */
static void print_finding(const struct options *options, struct finding *finding)
{
    struct style style;
    options_style(options, &style);
    if (!options->quiet) {
        printf("\n");
        finding_tell(finding, style.columns, stdout);
    }
    name_finding(options, finding);
    char *text = schedule_text(&finding->schedule);
    printf("\n%s\n", text);
    free(text);
}

/* Where the result of a cell goes: the text, unless a report takes its place, and the report. */
struct exploration {
    const struct options *options;
    FILE *text; /* NULL: none */
    struct run_result result;
};

static void print_cell(const struct exploration *exploration, const struct cell *cell,
                       const struct explore_settings *settings, struct explore_result *result)
{
    const struct options *options = exploration->options;
    FILE *text = exploration->text;
    if (text == NULL)
        return;
    certificate_head(cell, settings, result, text);
    if (!options->quiet || result->status == BROKEN)
        certificate_write(cell, settings, result, options->text[OPTION_AT_budget], text);
}

/* Shrinks what was found, and tells it. */
static void show_finding(const struct exploration *exploration, const struct cell *cell,
                         const struct explore_settings *settings,
                         const struct explore_result *result, struct proof *proof)
{
    struct finding finding = {0};
    finding_shrink(&finding, cell, settings, &result->schedule, &result->first);
    finding_watch(&finding, &settings->limits);
    if (exploration->text != NULL)
        print_finding(exploration->options, &finding);
    name_finding(exploration->options, &finding);
    proof->schedule = schedule_text(&finding.schedule);
    finding_free(&finding);
}

static struct explore_settings settings_of(const struct options *options, const struct cell *cell,
                                           struct teller *teller)
{
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
        .no_memo = options->no_memo,
        .all = options->all || options->no_cache,
        .twice = options->twice,
        .progress = tell,
        .context = teller};
    read_budget(options->budget, &settings.budget);
    return settings;
}

static void explore_one(struct exploration *exploration, const struct cell *cell,
                        struct cell_result *into)
{
    const struct options *options = exploration->options;
    struct explore_result result = {0};
    struct teller teller = {options->quiet ? PROGRESS_NONE : options_progress(options), 0};
    struct explore_settings settings = settings_of(options, cell, &teller);
    explore_cell(cell, &settings, &result);
    if (teller.progress == PROGRESS_BAR)
        fprintf(stderr, "\r\033[K");
    if (result.fault != NULL)
        die(EXIT_INTERNAL, "%s with %s: %s", cell->scenario->name, cell->strategy_name,
            result.fault);
    struct proof proof = certificate_proof(cell, &settings, &result);
    print_cell(exploration, cell, &settings, &result);
    if (result.status == BROKEN)
        show_finding(exploration, cell, &settings, &result, &proof);
    proof.options = cell_line(options, cell);
    certificate_result(cell, &result, &proof, into);
    exploration->result.interrupted |= result.stopped;
    explore_result_free(&result);
}

/* Replay --------------------------------------------------------------------------------------- */

/* Reads the options of a schedule's cell as if they had been typed. */
static void read_cell_options(const struct schedule *schedule, const char *path,
                              struct options *options)
{
    static const enum option_index also[] = {OPTION_AT_scenario, OPTION_AT_strategy,
                                             OPTION_AT_workers, OPTION_AT_operations,
                                             OPTION_AT_seed};
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
        bool known = options->source[i] == OPTION_FROM_DEFAULT;
        for (size_t k = 0; k < COUNT_OF(also); k++)
            known |= also[k] == (enum option_index)i;
        for (size_t k = 0; k < COUNT_OF(cell_options); k++)
            known |= cell_options[k] == (enum option_index)i;
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
    finding->trail.no_return =
        result->verdict.status == BROKEN ? replay_no_return(world, ran) : SIZE_MAX;
    world_close(world);
}

/* One schedule proves nothing but itself: that nobody met nobody is no reason to doubt it. */
static enum status judge_one(const struct verdict *verdict)
{
    bool met = verdict->reason != REASON_ONE_WORKER && verdict->reason != REASON_NO_OVERLAP &&
               verdict->reason != REASON_IDLE_WORKER;
    return verdict->status == UNDECIDED && !met ? HELD : verdict->status;
}

static enum exit_code replay_act(const struct options *options)
{
    const char *path = options->replay;
    bool direct = options->source[OPTION_AT_transport] == OPTION_FROM_DEFAULT ||
                  options->transport == TRANSPORT_DIRECT;
    struct finding finding = {0};
    struct replay_result result = {0};
    struct schedule ran = {0};
    struct options own = {0};
    struct plan plan = {0};
    char *problem = schedule_read(&finding.schedule, path);
    if (problem != NULL)
        die(EXIT_INPUT, "%s", problem);
    read_cell_options(&finding.schedule, path, &own);
    problem = plan_check_names(&own);
    if (problem != NULL)
        die(EXIT_INPUT, "%s:%d: %s", path, finding.schedule.cell_line, problem);
    make_plan(&own, &plan);
    if (plan.count != 1)
        die(EXIT_INPUT, "%s:%d: these options make %zu cells; a schedule is of one", path,
            finding.schedule.cell_line, plan.count);
    finding.cell = plan.cells[0];
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
    enum status status = judge_one(&result.verdict);
    printf("%s with %s, %s: %s%s\n", finding.cell.scenario->name, finding.cell.strategy_name,
           human_counted(finding.cell.workers, "worker").text,
           status == HELD     ? "this schedule does not fail"
           : status == BROKEN ? "broken: "
                              : "unknown: ",
           status == HELD ? "" : reason_name(result.verdict.reason));
    if (direct)
        replay_take_moves(&finding.schedule, &ran);
    if (direct && status == BROKEN)
        print_finding(options, &finding);
    schedule_free(&ran);
    finding_free(&finding);
    plan_free(&plan);
    options_free(&own);
    return status == BROKEN ? EXIT_BROKEN : status == HELD ? EXIT_OK : EXIT_UNKNOWN;
}

/* From a run ----------------------------------------------------------------------------------- */

/* Explores a cell with candidates. */
static enum exit_code confirm(const struct options *options, const struct cell *cell,
                              const struct prediction *prediction)
{
    struct explore_budget budget;
    struct finding finding = {0};
    struct proof proof;
    struct style style;
    options_style(options, &style);
    read_budget(options->budget, &budget);
    if (budget.ns == 0)
        die(EXIT_USAGE, "--budget '%s': with --from-run it must be a time", options->budget);
    prove_cell(cell,
               &(struct prove_settings){.budget_ns = budget.ns,
                                        .workers_max = 3,
                                        .operations_max = 2},
               &proof, &finding);
    enum status status = proof.status;
    char *phrase = proof_phrase(&proof);
    if (!options->quiet || status == BROKEN)
        for (size_t i = 0; i < prediction->candidate_count; i++)
            candidate_print(&prediction->candidates[i]);
    if (status == BROKEN) {
        printf("  confirmed: %s\n\n", reason_name(proof.reason));
        if (!options->quiet)
            finding_tell(&finding, style.columns, stdout);
        printf("\n%s\n", proof.schedule);
    } else if (!options->quiet) {
        printf("  not confirmed: %s%s\n", status == HELD ? "held: " : "", phrase);
    }
    free(phrase);
    finding_free(&finding);
    proof_free(&proof);
    return status == BROKEN ? EXIT_BROKEN : status == HELD ? EXIT_OK : EXIT_UNKNOWN;
}

static enum exit_code confirm_cell(const struct options *options, const char *path,
                                   const bson_t *document, const struct prediction *prediction)
{
    struct cell cell;
    char *problem = predict_cell(document, &cell);
    if (problem != NULL)
        die(EXIT_INPUT, "%s: %s", path, problem);
    if (!options->quiet || prediction->candidate_count > 0)
        printf("%s with %s, %s traced: %s\n", cell.scenario->name, cell.strategy_name,
               human_counted(prediction->operations, "operation").text,
               prediction->candidate_count == 0
                   ? "no candidate"
                   : human_counted((int64_t)prediction->candidate_count, "candidate").text);
    return prediction->candidate_count > 0 ? confirm(options, &cell, prediction) : EXIT_OK;
}

/* The cells of a result; EXIT_TARGET when a MongoDB answered, whose commands nobody saw. */
static size_t count_cells(const char *path, const bson_t *result, bson_iter_t *cells)
{
    bson_iter_t iter, engine;
    size_t count = 0;
    if (!bson_iter_init_find(&iter, result, "cells") || !BSON_ITER_HOLDS_ARRAY(&iter) ||
        !bson_iter_recurse(&iter, cells))
        die(EXIT_INPUT, "%s has no cells", path);
    for (bson_iter_t each = *cells; bson_iter_next(&each); count++) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&each))
            die(EXIT_INPUT, "%s: cell %zu is no object", path, count);
        if (bson_iter_recurse(&each, &iter) &&
            bson_iter_find_descendant(&iter, "engine.name", &engine) &&
            BSON_ITER_HOLDS_UTF8(&engine) && strcmp(bson_iter_utf8(&engine, NULL), "embedded") != 0)
            die(EXIT_TARGET,
                "%s: that run was against a MongoDB, which does not tell what commands asked "
                "for; run it again without --uri",
                path);
    }
    return count;
}

static struct prediction *read_predictions(const char *result_path, size_t cells)
{
    const char *slash = strrchr(result_path, '/');
    char *folder =
        slash != NULL ? x_strndup(result_path, (size_t)(slash - result_path)) : x_strdup(".");
    char *path = x_format("%s/trace.jsonl", folder);
    free(folder);
    if (access(path, R_OK) != 0)
        die(EXIT_INPUT,
            "%s is not there: a run of more than %d cells, or of an older racebench, has no trace",
            path, RUN_FOLDER_TRACE_CELLS_MAX);
    struct prediction *predictions = x_calloc(cells + 1, sizeof(*predictions));
    size_t length;
    char *text = run_folder_text(path, &length);
    char *problem = strlen(text) == length ? predict_read(path, text, predictions, cells)
                                           : x_format("%s: no text", path);
    if (problem != NULL)
        die(EXIT_INPUT, "%s", problem);
    free(text);
    free(path);
    return predictions;
}

static enum exit_code from_run_act(const struct options *options)
{
    size_t length, count;
    enum exit_code worst = EXIT_OK;
    bson_iter_t cells;
    char *path = run_folder_find(options->results, options->from_run);
    char *text = run_folder_text(path, &length);
    bson_t *result = run_folder_parse(path, text, length);
    count = count_cells(path, result, &cells);
    struct prediction *predictions = read_predictions(path, count);
    for (size_t i = 0; i < count && bson_iter_next(&cells); i++) {
        const uint8_t *data;
        uint32_t bytes;
        bson_t document;
        bson_iter_document(&cells, &bytes, &data);
        must(bson_init_static(&document, data, bytes));
        enum exit_code code = confirm_cell(options, path, &document, &predictions[i]);
        if (worst != EXIT_BROKEN && code != EXIT_OK)
            worst = code;
        prediction_free(&predictions[i]);
    }
    free(predictions);
    bson_destroy(result);
    free(text);
    free(path);
    return worst;
}

/* Only the JSON report says what explore found; the others are about runs. */
static bool has_text(const struct options *options)
{
    bool text = true;
    for (size_t i = 0; i < options->out.count; i++) {
        if (strcmp(options->out.items[i].kind, "json") != 0)
            die(EXIT_USAGE, "--out %s: explore writes json and no other report",
                options->out.items[i].kind);
        text = text && strcmp(options->out.items[i].file, "-") != 0;
    }
    return text;
}

static enum exit_code finish(struct exploration *exploration, int signal_number)
{
    const struct options *options = exploration->options;
    struct run_result *result = &exploration->result;
    char *command = options_command(options);
    result->exit_code = run_result_exit(result);
    if (result->exit_code == EXIT_INTERRUPTED && signal_number == SIGTERM)
        result->exit_code = EXIT_TERMINATED;
    environment_describe(&result->environment, command);
    result->run_id = run_folder_id(clock_wall_ms(), (uint64_t)clock_monotonic_ns());
    for (size_t i = 0; i < options->out.count; i++)
        report_save(report_find("json"), result, &(struct style){0}, options->out.items[i].file);
    free(command);
    enum exit_code code = result->exit_code;
    run_result_free(result);
    return code;
}

/* A signal ends it as it ends a run: what is known is told and written. */
static enum exit_code explore_all(const struct options *options, const struct plan *plan)
{
    struct exploration exploration = {.options = options};
    int signal_number = 0;
    sigset_t before;
    exploration.text = has_text(options) ? stdout : NULL;
    exploration.result.cells = x_calloc(plan->count + 1, sizeof(*exploration.result.cells));
    signals_block(&before);
    for (size_t i = 0; i < plan->count && !exploration.result.interrupted; i++)
        explore_one(&exploration, &plan->cells[i],
                    &exploration.result.cells[exploration.result.cell_count++]);
    exploration.result.interrupted |= signals_take(&before, &signal_number);
    return finish(&exploration, signal_number);
}

static enum exit_code explore_act(const struct options *options)
{
    struct plan plan;
    if (options->replay != NULL)
        return replay_act(options);
    if (options->from_run != NULL)
        return from_run_act(options);
    if (options->source[OPTION_AT_transport] != OPTION_FROM_DEFAULT &&
        options->transport != TRANSPORT_DIRECT)
        die(EXIT_USAGE, "explore works in this process; --transport driver is for --replay FILE");
    make_plan(options, &plan);
    for (size_t i = 0; i < plan.count; i++)
        plan.cells[i].expect = EXPECT_EXACT;
    enum exit_code code = explore_all(options, &plan);
    plan_free(&plan);
    return code;
}

const struct verb verb_explore = {
    .name = "explore",
    .help = "try every schedule of a few workers: the one that fails, or the proof that none does",
    .act = explore_act,
};
