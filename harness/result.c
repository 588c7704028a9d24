/* SPDX-License-Identifier: Apache-2.0
 *
 * result: see result.h. The exit code compares what was found with what was expected; the order
 * over several cells is the documented one: broken, interrupted, unknown, gate, as expected. The
 * repeating command names what defines the cell (scenario, strategy, workers, operations, seed)
 * always and every other setting only where it is not the usual one, so that the line stays short
 * enough to paste; `usual` below must say what options.def says, which a test of plan.c can
 * compare.
 */
#include "result.h"

#include "base.h"
#include "hazards.h"
#include "human.h"
#include "scenario.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct cell usual = {
    .transport = TRANSPORT_DRIVER,
    .expect = EXPECT_EXACT,
    .instances = 1,
    .processes = 1,
    .docs = 1,
    .lease_ms = 30000,
    .timeout_ms = 10000,
    .max_tries = 1000,
    .backoff = {.kind = BACKOFF_FULL_JITTER, .base_us = 1000, .cap_us = 100000},
    .durability = DURABILITY_WRITE,
    .jitter_ms = 10,
};

void target_free(struct target *target)
{
    free(target->name);
    free(target->persona);
    free(target->store);
    free(target->durability);
    free(target->version);
    free(target->write_concern);
    free(target->uri);
}

void proof_free(struct proof *proof)
{
    free(proof->why);
    free(proof->schedule);
    free(proof->options);
    memset(proof, 0, sizeof(*proof));
}

char *proof_phrase(const struct proof *proof)
{
    if (proof->status == UNDECIDED)
        return x_format("not proved: %s", proof->why);
    char *each = proof->operations > 1
                     ? x_format(", %" PRId64 " operations each", proof->operations)
                     : x_strdup("");
    char *phrase = x_format("%s of %" PRId32 " workers%s%s",
                            proof->status == HELD ? "all schedules" : "not in this schedule",
                            proof->workers, each, proof->faults > 0 ? ", with one fault" : "");
    free(each);
    return phrase;
}

void cell_result_free(struct cell_result *cell)
{
    target_free(&cell->target);
    histogram_free(&cell->operation);
    histogram_free(&cell->attempt);
    histogram_free(&cell->waiting);
    history_free(&cell->history);
    free(cell->database);
    free(cell->trace);
    proof_free(&cell->proof);
    memset(cell, 0, sizeof(*cell));
}

void run_result_free(struct run_result *result)
{
    struct environment *environment = &result->environment;
    for (size_t i = 0; i < result->cell_count; i++)
        cell_result_free(&result->cells[i]);
    free(result->cells);
    free(result->run_id);
    free(result->folder);
    free(environment->racebench);
    free(environment->libmongoc);
    free(environment->libuv);
    free(environment->compiler);
    free(environment->os);
    free(environment->cpu);
    free(environment->started_at);
    free(environment->command);
    memset(result, 0, sizeof(*result));
}

enum exit_code cell_result_exit(const struct cell_result *cell)
{
    const struct verdict *verdict = &cell->verdict;
    if (verdict->status == UNDECIDED && verdict->reason == REASON_INTERRUPTED)
        return EXIT_INTERRUPTED;
    if (cell->expected == UNDECIDED || verdict->status == cell->expected)
        return EXIT_OK;
    if (verdict->status == BROKEN)
        return EXIT_BROKEN;
    return EXIT_UNKNOWN; /* undecided; or a canary that was expected to break and did not */
}

enum exit_code run_result_exit(const struct run_result *result)
{
    static const enum exit_code order[] = {EXIT_BROKEN, EXIT_INTERRUPTED, EXIT_UNKNOWN, EXIT_GATE};
    for (size_t rank = 0; rank < COUNT_OF(order); rank++) {
        if (order[rank] == EXIT_INTERRUPTED && result->interrupted)
            return EXIT_INTERRUPTED;
        for (size_t i = 0; i < result->cell_count; i++)
            if (cell_result_exit(&result->cells[i]) == order[rank])
                return order[rank];
    }
    return result->cell_count > 0 ? EXIT_OK : EXIT_UNKNOWN;
}

static void say_number(FILE *out, const char *option, int64_t value, int64_t otherwise)
{
    if (value != otherwise)
        fprintf(out, " --%s %" PRId64, option, value);
}

static void say_time(FILE *out, const char *option, int64_t us, int64_t otherwise_us)
{
    if (us != otherwise_us)
        fprintf(out, " --%s %s", option, human_option(us).text);
}

static void say_word(FILE *out, const char *option, const char *word)
{
    char *quoted = human_shell_word(word);
    fprintf(out, " --%s %s", option, quoted);
    free(quoted);
}

/* A connection string goes in as it is only when it holds no secret. */
static void say_uri(FILE *out, const struct cell_result *result)
{
    const char *uri = result->cell->uri;
    if (uri == NULL)
        return;
    bool open = result->target.uri != NULL && strcmp(uri, result->target.uri) == 0;
    say_word(out, "uri", open ? uri : "env:RACEBENCH_URI");
}

/* " --hazard pause:300ms:times=3,boot", as options.c takes them. */
static void say_hazards(FILE *out, const struct cell *cell)
{
    bool first = true;
    for (int i = 0; i < HAZARD_COUNT; i++) {
        const struct hazard_setting *setting = &cell->hazard[i];
        if ((cell->hazards >> i & 1) == 0 || hazard_place((enum hazard_index)i) <= PLACE_SETTING)
            continue;
        fprintf(out, "%s%s", first ? " --hazard " : ",", hazard_name((enum hazard_index)i));
        if (setting->amount > 0 && i == HAZARD_INDEX_error)
            fprintf(out, ":%" PRId64, setting->amount);
        else if (setting->amount > 0 && i == HAZARD_INDEX_lost_reply)
            fputs(":once", out);
        else if (setting->amount > 0)
            fprintf(out, ":%s", human_option(setting->amount).text);
        if (setting->times > 0)
            fprintf(out, ":times=%" PRId32, setting->times);
        first = false;
    }
}

char *cell_result_repro(const struct cell_result *result)
{
    const struct cell *cell = result->cell;
    if (result->proof.options != NULL)
        return x_format("%s explore %s", registry_program, result->proof.options);
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);
    must(out != NULL);
    fputs(registry_program, out);
    say_word(out, "scenario", cell->scenario->name);
    say_word(out, "strategy", cell->strategy_name);
    fprintf(out, " --workers %" PRId32, cell->workers);
    say_number(out, "instances", cell->instances, cell->processes); /* one each, unless said */
    say_number(out, "processes", cell->processes, usual.processes);
    say_hazards(out, cell);
    say_number(out, "ops", cell->ops, 0);
    say_time(out, "duration", cell->duration_ms * 1000, 0);
    say_number(out, "docs", cell->docs, usual.docs);
    say_number(out, "bytes", cell->bytes, 0);
    fputs(cell->unseeded ? " --unseeded" : "", out);
    say_time(out, "work", cell->work_us, 0);
    say_time(out, "lease", cell->lease_ms * 1000, usual.lease_ms * 1000);
    if (strcmp(cell->scenario->name, "cron_tick") == 0) {
        say_time(out, "tick", cell->tick_ms * 1000, 0);
        say_time(out, "jitter", cell->jitter_ms * 1000, usual.jitter_ms * 1000);
    }
    say_time(out, "timeout", cell->timeout_ms * 1000, usual.timeout_ms * 1000);
    say_number(out, "max-tries", cell->max_tries, usual.max_tries);
    fputs(cell->retry_unknown ? " --retry-unknown" : "", out);
    if (strcmp(human_backoff(&cell->backoff).text, human_backoff(&usual.backoff).text) != 0)
        say_word(out, "backoff", human_backoff(&cell->backoff).text);
    if (cell->durability != usual.durability)
        say_word(out, "durability", durability_name(cell->durability));
    if (cell->store != NULL && cell->transport == TRANSPORT_DRIVER)
        say_word(out, "store", cell->store);
    if (cell->transport != usual.transport)
        say_word(out, "transport", transport_name(cell->transport));
    if (cell->persona != usual.persona)
        say_word(out, "persona", persona_name(cell->persona));
    say_uri(out, result);
    if (cell->database != NULL)
        say_word(out, "database", cell->database);
    if (cell->expect != usual.expect)
        say_word(out, "expect", expect_name(cell->expect));
    fprintf(out, " --seed %" PRIu64, cell->seed);
    must(fclose(out) == 0);
    return line;
}
