/* SPDX-License-Identifier: Apache-2.0
 *
 * run: plan, run the cells, write what was found. Everything that can fail for a reason outside is
 * tried before the first worker starts (the plan, the run's folder, the files of --out), since a
 * result that cannot be written after an hour is an hour lost. Afterwards the run's folder comes
 * first: it is there even when stdout or a file of --out turns out to be full.
 */
#include "../environment.h"
#include "../explore/prove.h"
#include "../hazards.h"
#include "../options.h"
#include "../plan.h"
#include "../run_folder.h"
#include "../signals.h"
#include "../uri.h"
#include "../verb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_kind(const char *kind)
{
    const char *names[64] = {NULL};
    if (report_find(kind) != NULL)
        return;
    for (size_t i = 0; reports[i] != NULL && i + 1 < COUNT_OF(names); i++)
        names[i] = reports[i]->name;
    const char *near = option_suggest(kind, names);
    char *shown = uri_shown(kind);
    if (near != NULL)
        die(EXIT_USAGE, "--out: unknown kind of report '%s'; did you mean '%s'?", shown, near);
    die(EXIT_USAGE, "--out: unknown kind of report '%s'; 'racebench list reports' names them",
        shown);
}

/* Can the files of --out be written? Leaves what is in them alone. */
static void check_outputs(const struct option_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        check_kind(outputs->items[i].kind);
    for (size_t i = 0; i < outputs->count; i++) {
        const char *file = outputs->items[i].file;
        if (strcmp(file, "-") == 0)
            continue;
        int descriptor = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
        if (descriptor < 0 && errno != ENXIO) /* a pipe that nobody reads yet */
            die(EXIT_RESULTS, "--out: cannot write %s: %s; choose another file", file,
                strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
    }
}

/* Hazards that strike at the gate need the engine that has one. */
static void check_gate(const struct options *options)
{
    for (int i = 0; i < HAZARD_COUNT && options->uri != NULL; i++)
        if ((options->hazard.planned >> i & 1) != 0 &&
            hazard_place((enum hazard_index)i) == PLACE_GATE)
            die(EXIT_TARGET, "--hazard %s needs the embedded engine; leave out --uri",
                hazard_name((enum hazard_index)i));
}

static void make_plan(const struct options *options, struct plan *plan)
{
    const char *uri = options->text[OPTION_AT_uri];
    check_gate(options);
    char *problem = plan_make(options, plan);
    if (problem != NULL)
        die(EXIT_USAGE, "%s", problem);
    if (options->quiet)
        return;
    for (size_t i = 0; i < plan->note_count; i++)
        fprintf(stderr, "racebench: left out: %s\n", plan->notes[i]);
    for (size_t i = 0; i < plan->remark_count; i++)
        fprintf(stderr, "racebench: %s\n", plan->remarks[i]);
    if (uri != NULL && strchr(uri, '@') != NULL)
        warn("a password in --uri can be read in the list of processes; use --uri env:NAME");
}

/* Can results be written? Leaves nothing behind: a run that ends before it began (no connection)
 * must not litter the folder of runs. */
static void try_folder(const struct options *options, const char *run_id)
{
    char *folder = run_folder_open(options->results, run_id);
    rmdir(folder);
    free(folder);
}

/* The settings and where each came from, beside the results. */
static void write_settings(const struct options *options, const char *folder)
{
    char *path = x_format("%s/options.json", folder);
    bson_t settings = BSON_INITIALIZER;
    options_echo(options, &settings);
    char *text = bson_as_relaxed_extended_json(&settings, NULL);
    FILE *out = fopen(path, "we");
    if (out == NULL || fprintf(out, "%s\n", text) < 0 || fclose(out) != 0)
        die(EXIT_RESULTS,
            "cannot write %s: %s; choose another folder with --results, or make room there", path,
            strerror(errno));
    bson_free(text);
    bson_destroy(&settings);
    free(path);
}

static void write_reports(const struct options *options, const struct run_result *result,
                          const char *page)
{
    struct style style;
    bool text = true;
    options_style(options, &style);
    write_settings(options, result->folder);
    run_folder_write(result);
    for (int on_stdout = 0; on_stdout < 2; on_stdout++)
        for (size_t i = 0; i < options->out.count; i++) {
            const struct option_output *output = &options->out.items[i];
            bool is_stdout = strcmp(output->file, "-") == 0;
            if (is_stdout != (on_stdout == 1))
                continue;
            report_save(report_find(output->kind), result, &style, output->file);
            text = text && !is_stdout;
        }
    if (text)
        report_save(report_find(page), result, &style, "-");
}

static bool may_go_on(void *context)
{
    (void)context;
    return !signals_pending();
}

/* --prove: explores what held. A signal ends it as it ends a run: what is known is written. */
static void prove(const struct options *options, struct run_result *result, int *signal_number)
{
    sigset_t before;
    signals_block(&before);
    if (!options->quiet)
        fprintf(stderr, "racebench: exploring what held\n");
    const struct prove_settings settings = {.budget_ns = options->prove_budget_ms * 1000000,
                                            .workers_max = 3,
                                            .operations_max = 1,
                                            .may_go_on = may_go_on};
    prove_result(result, &settings);
    result->interrupted |= signals_take(&before, signal_number);
}

enum exit_code verb_run_plan(const struct options *options, struct plan *plan, const char *page)
{
    struct run_result result = {0};
    int signal_number = 0;
    check_outputs(&options->out);
    char *command = options_command(options);
    environment_describe(&result.environment, command);
    free(command);
    result.run_id = run_folder_id(clock_wall_ms(),
                                  random_mix((uint64_t)clock_monotonic_ns(), (uint64_t)getpid()));
    try_folder(options, result.run_id);
    if (options->quiet)
        fprintf(stderr, "racebench: seed %" PRIu64 "\n", options->seed);
    else
        fprintf(stderr, "racebench: run %s, %zu cell%s, seed %" PRIu64 "\n", result.run_id,
                plan->count, plan->count == 1 ? "" : "s", options->seed);
    run_cells(plan->cells, plan->count,
              &(struct run_settings){.run_id = result.run_id,
                                     .progress = options_progress(options),
                                     .verbose = options->verbose},
              &result, &signal_number);
    if (options->prove && !result.interrupted)
        prove(options, &result, &signal_number);
    result.exit_code = run_result_exit(&result);
    if (result.exit_code == EXIT_INTERRUPTED && signal_number == SIGTERM)
        result.exit_code = EXIT_TERMINATED;
    result.folder = run_folder_open(options->results, result.run_id);
    write_reports(options, &result, page);
    enum exit_code code = result.exit_code;
    run_result_free(&result);
    plan_free(plan);
    return code;
}

static enum exit_code run_act(const struct options *options)
{
    struct plan plan;
    check_outputs(&options->out);
    make_plan(options, &plan);
    return verb_run_plan(options, &plan, "text");
}

const struct verb verb_run = {
    .name = "run",
    .help = "run strategies on scenarios and judge what happened",
    .act = run_act,
};
