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
#include "../hazards.h"
#include "../human.h"
#include "../options.h"
#include "../plan.h"
#include "../report.h"
#include "../run_folder.h"
#include "../scenario.h"
#include "../signals.h"
#include "../verb.h"
#include "explore/cells.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    fprintf(stderr, "%sracebench: %s schedules, %s states, %.1f s, %s states/s%s",
            teller->progress == PROGRESS_BAR ? "\r" : "", human_count(schedules).text,
            human_count(states).text, seconds, human_number((double)states / seconds).text,
            teller->progress == PROGRESS_BAR ? "\033[K" : "\n");
    return true;
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
        explore_print_finding(exploration->options, &finding);
    explore_name_finding(exploration->options, &finding);
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
    proof.options = explore_cell_line(options, cell);
    certificate_result(cell, &result, &proof, into);
    exploration->result.interrupted |= result.stopped;
    explore_result_free(&result);
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
        return explore_replay(options);
    if (options->from_run != NULL)
        return from_run_act(options);
    if (options->source[OPTION_AT_transport] != OPTION_FROM_DEFAULT &&
        options->transport != TRANSPORT_DIRECT)
        die(EXIT_USAGE, "explore works in this process; --transport driver is for --replay FILE");
    explore_plan(options, &plan);
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
