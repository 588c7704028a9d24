/* SPDX-License-Identifier: Apache-2.0
 *
 * check: judges a history that somebody else recorded: Jepsen's operations as JSON lines or EDN, or
 * racebench's own `--out history=FILE`. The file is read (harness/check/foreign.h), judged by the
 * model (judge.h), and told (tell.h). Exit 0: linearizable; 1: not; 2: nobody knows, with the
 * reason; 65: the file cannot be read or contradicts itself, with the line: never "held".
 *
 * Its options are rows of options.def, found by name: --model (demanded), --initial, --time-limit,
 * --memory-limit, --json.
 */
#include "../check/tell.h"
#include "../option_values.h"
#include "../options.h"
#include "../verb.h"

#include <stdlib.h>
#include <string.h>

enum { TIME_LIMIT_DEFAULT_MS = 60000, MEMORY_LIMIT_DEFAULT_MB = 1024 };

/* An option's text as it was typed, or its default; NULL: neither. */
static const char *option_text(const struct options *options, const char *name)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        if (strcmp(option_rows[i].name, name) == 0)
            return options->text[i] != NULL ? options->text[i] : option_rows[i].initial;
    return NULL;
}

static enum model demand_model(const struct options *options)
{
    enum model model = MODEL_REGISTER;
    const char *name = option_text(options, "model");
    if (name == NULL || !model_find(name, &model))
        die(EXIT_USAGE,
            "%s%s%s: --model says what the operations mean: register, cas-register, counter, set "
            "or "
            "mutex",
            name == NULL ? "no model" : "unknown model '", name == NULL ? "" : name,
            name == NULL ? "" : "'");
    return model;
}

/* The limits of the search; the clock starts now. */
static struct search_limits limits_of(const struct options *options)
{
    int64_t time_ms = TIME_LIMIT_DEFAULT_MS, memory_mb = MEMORY_LIMIT_DEFAULT_MB;
    const char *time = option_text(options, "time-limit");
    const char *memory = option_text(options, "memory-limit");
    if (time != NULL && option_value_duration(time, 1000000, &time_ms) != NULL)
        die(EXIT_USAGE, "--time-limit '%s' is no duration, such as 30s", time);
    if (memory != NULL && option_value_count(memory, &memory_mb) != NULL)
        die(EXIT_USAGE, "--memory-limit '%s' is no number of MB", memory);
    if (time_ms < 0 || time_ms > 86400000 || memory_mb < 1 || memory_mb > 1048576)
        die(EXIT_USAGE, "--time-limit goes up to 24h, --memory-limit from 1 to 1048576 MB");
    return (struct search_limits){.deadline_ns = clock_monotonic_ns() + time_ms * 1000000,
                                  .memory_bytes = (size_t)memory_mb * 1000000};
}

static enum exit_code exit_of(enum status status)
{
    return status == HELD ? EXIT_OK : status == BROKEN ? EXIT_BROKEN : EXIT_UNKNOWN;
}

static enum exit_code act(const struct options *options)
{
    enum model model = demand_model(options);
    if (options->argument == NULL)
        die(EXIT_USAGE, "which history? racebench check FILE --model %s", model_name(model));
    struct reader reader;
    struct foreign foreign;
    struct judgement judgement;
    int64_t start_ns = clock_monotonic_ns();
    if (!reader_open(&reader, options->argument))
        die(EXIT_INPUT, "%s: %s", options->argument, reader.problem);
    char *problem = foreign_read(&foreign, &reader, model, option_text(options, "initial"));
    if (problem != NULL)
        die(EXIT_INPUT, "%s: %s", options->argument, problem);
    reader_close(&reader);
    struct search_limits limits = limits_of(options);
    int64_t read_ns = clock_monotonic_ns();
    judge_history(&foreign, &limits, &judgement);
    int64_t judged_ns = clock_monotonic_ns();
    enum exit_code code = exit_of(judgement.status);
    struct tell tell = {.path = options->argument,
                        .foreign = &foreign,
                        .judgement = &judgement,
                        .reading_s = (double)(read_ns - start_ns) / 1e9,
                        .judging_s = (double)(judged_ns - read_ns) / 1e9,
                        .exit_code = (int)code};
    if (options->json)
        tell_json(&tell, stdout);
    else
        tell_text(&tell, stdout);
    foreign_free(&foreign);
    return code;
}

const struct verb verb_check = {
    .name = "check",
    .argument = "FILE",
    .help = "judge a history in Jepsen's form (JSON lines or EDN): is it linearizable?",
    .act = act,
};
