/* SPDX-License-Identifier: Apache-2.0
 *
 * report json: everything that is known about a command line as one JSON object,
 * "racebench.result/1" (results/README.md explains it, results/result.schema.json checks it).
 * Built as BSON and printed as what MongoDB calls relaxed extended JSON, which for these types is
 * plain JSON. Whole numbers stay whole; times are nanoseconds unless the key says otherwise; a
 * number that is not finite becomes 0, since JSON has none.
 *
 * Printed here and not by bson_as_relaxed_extended_json(): that writes 0.1 as
 * 0.10000000000000000555 and everything on one line, and people do look at these files.
 */
#include "base.h"
#include "report.h"
#include "scenario.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Building ------------------------------------------------------------------------------------ */

static void add_text(bson_t *to, const char *key, const char *text)
{
    char *clean = human_utf8(text);
    must(bson_append_utf8(to, key, -1, clean, -1));
    free(clean);
}

static void add_text_or_null(bson_t *to, const char *key, const char *text)
{
    if (text != NULL)
        add_text(to, key, text);
    else
        must(bson_append_null(to, key, -1));
}

static void add_whole(bson_t *to, const char *key, int64_t number)
{
    must(bson_append_int64(to, key, -1, number));
}

static void add_number(bson_t *to, const char *key, double number)
{
    must(bson_append_double(to, key, -1, isfinite(number) ? number : 0));
}

static void add_flag(bson_t *to, const char *key, bool flag)
{
    must(bson_append_bool(to, key, -1, flag));
}

/* A seed may be above 2^63 - 1: then it is text, since JSON readers would round it. */
static void add_seed(bson_t *to, uint64_t seed)
{
    char text[32];
    snprintf(text, sizeof(text), "%" PRIu64, seed);
    if (seed <= INT64_MAX)
        add_whole(to, "seed", (int64_t)seed);
    else
        add_text(to, "seed", text);
}

static void add_operation(bson_t *to, const char *key, int64_t operation)
{
    add_text_or_null(to, key, operation > 0 ? human_operation(operation).text : NULL);
}

static void add_settings(bson_t *to, const struct cell_result *result)
{
    const struct cell *cell = result->cell;
    bson_t settings;
    bson_append_document_begin(to, "settings", -1, &settings);
    add_whole(&settings, "docs", cell->docs);
    add_whole(&settings, "bytes", cell->bytes);
    add_whole(&settings, "lease_ms", cell->lease_ms);
    add_whole(&settings, "timeout_ms", cell->timeout_ms);
    add_whole(&settings, "max_tries", cell->max_tries);
    add_text(&settings, "backoff", human_backoff(&cell->backoff).text);
    add_flag(&settings, "retry_writes", result->retry_writes);
    add_text(&settings, "durability", durability_name(cell->durability));
    add_number(&settings, "work_ms", (double)cell->work_us / 1000);
    add_whole(&settings, "duration_ms", cell->duration_ms);
    add_flag(&settings, "unseeded", cell->unseeded);
    add_text(&settings, "expect", expect_name(cell->expect));
    add_whole(&settings, "tick_ms", cell->tick_ms);
    add_whole(&settings, "jitter_ms", cell->jitter_ms);
    add_flag(&settings, "retry_unknown", cell->retry_unknown);
    bson_append_document_end(to, &settings);
}

static void add_hazards(bson_t *to, const struct cell_result *result)
{
    bson_t hazards, hazard;
    char key[16];
    uint32_t count = 0;
    bson_append_array_begin(to, "hazards", -1, &hazards);
    for (int i = 0; i < HAZARD_COUNT; i++) {
        bool planned = (result->cell->hazards >> i & 1) != 0;
        if (i == HAZARD_INDEX_none || !(planned || result->hits[i] > 0))
            continue;
        snprintf(key, sizeof(key), "%" PRIu32, count++);
        bson_append_document_begin(&hazards, key, -1, &hazard);
        add_text(&hazard, "name", hazard_name((enum hazard_index)i));
        add_whole(&hazard, "hits", result->hits[i]);
        if (result->cell->hazard[i].amount > 0 && i == HAZARD_INDEX_lost_reply)
            bson_append_bool(&hazard, "once", -1, true);
        else if (result->cell->hazard[i].amount > 0)
            add_whole(&hazard, i == HAZARD_INDEX_error ? "code" : "amount_us",
                      result->cell->hazard[i].amount);
        if (result->cell->hazard[i].times > 0)
            add_whole(&hazard, "times", result->cell->hazard[i].times);
        bson_append_document_end(&hazards, &hazard);
    }
    bson_append_array_end(to, &hazards);
}

static void add_engine(bson_t *to, const struct cell_result *result)
{
    const struct target *target = &result->target;
    bson_t engine;
    bson_append_document_begin(to, "engine", -1, &engine);
    add_text(&engine, "name", target->name);
    add_text(&engine, "persona", target->persona);
    add_text(&engine, "store", target->store);
    add_text(&engine, "durability", target->durability);
    add_text(&engine, "version", target->version);
    add_text(&engine, "write_concern", target->write_concern);
    add_text_or_null(&engine, "uri", result->cell->uri != NULL ? target->uri : NULL);
    bson_append_document_end(to, &engine);
}

static void add_counts(bson_t *to, const struct counts *counts)
{
    const struct {
        const char *key;
        int64_t value;
    } rows[] = {
        {"acked", counts->acked},
        {"nothing", counts->nothing},
        {"busy", counts->busy},
        {"failed", counts->failed},
        {"unknown", counts->unknown},
        {"final", counts->final},
        {"expected_min", counts->expected_min},
        {"expected_max", counts->expected_max},
        {"lost", counts->lost},
        {"doubled", counts->doubled},
        {"repeated", counts->repeated},
        {"missed", counts->missed},
        {"torn", counts->torn},
        {"skewed", counts->skewed},
    };
    bson_t document;
    bson_append_document_begin(to, "counts", -1, &document);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        add_whole(&document, rows[i].key, rows[i].value);
    bson_append_document_end(to, &document);
}

static void add_latency(bson_t *to, const char *key, const struct histogram *histogram)
{
    bson_t latency;
    bson_append_document_begin(to, key, -1, &latency);
    add_whole(&latency, "mean", histogram->count > 0 ? llround(histogram_mean_ns(histogram)) : 0);
    add_whole(&latency, "p50", histogram_percentile(histogram, 50));
    add_whole(&latency, "p90", histogram_percentile(histogram, 90));
    add_whole(&latency, "p99", histogram_percentile(histogram, 99));
    add_whole(&latency, "p999", histogram_percentile(histogram, 99.9));
    add_whole(&latency, "max", histogram_percentile(histogram, 100));
    bson_append_document_end(to, &latency);
}

static void add_witness(bson_t *to, const struct cell_result *result, const struct witness *witness)
{
    const struct event *victim = report_event(result, witness->victim);
    const struct event *culprit = report_event(result, witness->culprit);
    char *text = report_witness(result, witness);
    add_text(to, "property", property_name(witness->property));
    add_whole(to, "key", witness->key);
    add_operation(to, "victim", witness->victim);
    add_operation(to, "culprit", witness->culprit);
    add_operation(to, "version", witness->version);
    add_whole(to, "value_read", witness->value_read);
    if (victim != NULL) {
        add_whole(to, "victim_wrote", victim->value_written);
        add_whole(to, "victim_invoke_ns", victim->invoke_ns);
    }
    if (witness->victim_return_ns != RETURN_NEVER)
        add_whole(to, "victim_return_ns", witness->victim_return_ns);
    if (culprit != NULL) {
        add_whole(to, "culprit_wrote", culprit->value_written);
        add_whole(to, "culprit_invoke_ns", culprit->invoke_ns);
    }
    if (witness->culprit != 0 && witness->culprit_return_ns != RETURN_NEVER)
        add_whole(to, "culprit_return_ns", witness->culprit_return_ns);
    add_text(to, "text", text);
    free(text);
}

static void add_witnesses(bson_t *to, const struct cell_result *result)
{
    bson_t witnesses, witness;
    char key[16];
    bson_append_array_begin(to, "witnesses", -1, &witnesses);
    for (int i = 0; i < result->verdict.witness_count; i++) {
        snprintf(key, sizeof(key), "%d", i);
        bson_append_document_begin(&witnesses, key, -1, &witness);
        add_witness(&witness, result, &result->verdict.witnesses[i]);
        bson_append_document_end(&witnesses, &witness);
    }
    bson_append_array_end(to, &witnesses);
}

/* Attempts or commands per operation; 0 when there was no operation. */
static double per_operation(const struct cell_result *result, int64_t number)
{
    const struct counts *counts = &result->verdict.counts;
    int64_t operations =
        counts->acked + counts->nothing + counts->busy + counts->failed + counts->unknown;
    return operations > 0 ? (double)number / (double)operations : 0;
}

/* What explore found, or null: it was not asked. */
static void add_explore(bson_t *to, const struct proof *proof)
{
    bson_t explore, bounds;
    if (!proof->asked) {
        add_text_or_null(to, "explore", NULL);
        return;
    }
    bson_append_document_begin(to, "explore", -1, &explore);
    add_text(&explore, "verdict", status_name(proof->status));
    add_flag(&explore, "complete", proof->status == HELD);
    add_text_or_null(&explore, "why", proof->why);
    add_whole(&explore, "schedules", proof->schedules);
    add_whole(&explore, "states", proof->states);
    add_whole(&explore, "failing", proof->failing);
    add_whole(&explore, "steps", proof->steps);
    add_whole(&explore, "transitions", proof->transitions);
    add_number(&explore, "seconds", proof->seconds);
    bson_append_document_begin(&explore, "bounds", -1, &bounds);
    add_whole(&bounds, "workers", proof->workers);
    add_whole(&bounds, "operations", proof->operations);
    add_whole(&bounds, "faults", proof->faults);
    add_whole(&bounds, "clock_steps", proof->clock_steps);
    if (proof->switches >= 0)
        add_whole(&bounds, "switches", proof->switches);
    else
        add_text_or_null(&bounds, "switches", NULL);
    bson_append_document_end(&explore, &bounds);
    add_text_or_null(&explore, "schedule", proof->schedule);
    bson_append_document_end(to, &explore);
}

/* What the list of keys does not have; after it, so that the order of that list holds. */
static void add_more(bson_t *to, const struct cell_result *result)
{
    char *repeat = cell_result_repro(result);
    add_whole(to, "overlaps_needed", result->verdict.overlaps_needed);
    add_number(to, "lost_bound", result->verdict.lost_bound);
    add_text(to, "counted_by", result->verdict.lost_by_identity ? "identity" : "sum");
    add_whole(to, "attempts", result->attempts);
    add_whole(to, "commands", result->commands);
    add_number(to, "seconds", result->seconds);
    add_text(to, "clock", result->virtual_clock ? "virtual" : "monotonic");
    add_latency(to, "attempt_ns", &result->attempt);
    add_latency(to, "waiting_ns", &result->waiting);
    add_text_or_null(to, "database", result->database);
    add_flag(to, "claimed", result->claimed);
    add_text_or_null(to, "column", result->cell->column);
    add_text_or_null(to, "conviction", result->cell->conviction);
    add_explore(to, &result->proof);
    add_text(to, "repeat", repeat);
    free(repeat);
}

static void add_cell(bson_t *to, const struct cell_result *result)
{
    const struct cell *cell = result->cell;
    const struct verdict *verdict = &result->verdict;
    add_text(to, "scenario", cell->scenario->name);
    add_text(to, "strategy", cell->strategy_name);
    add_text(to, "transport", transport_name(cell->transport));
    add_whole(to, "workers", cell->workers);
    add_whole(to, "instances", cell->instances);
    add_whole(to, "processes", cell->processes);
    add_whole(to, "ops", cell->ops);
    add_seed(to, cell->seed);
    add_settings(to, result);
    add_hazards(to, result);
    add_engine(to, result);
    add_text(to, "verdict", status_name(verdict->status));
    add_text_or_null(to, "expected",
                     result->expected == UNDECIDED ? NULL : status_name(result->expected));
    add_text_or_null(to, "reason",
                     verdict->reason == REASON_NONE ? NULL : reason_name(verdict->reason));
    add_counts(to, &verdict->counts);
    add_latency(to, "latency_ns", &result->operation);
    add_number(to, "throughput_ops_s", result->throughput_ops_s);
    add_number(to, "attempts_per_op", per_operation(result, result->attempts));
    add_number(to, "commands_per_op", per_operation(result, result->commands));
    add_number(to, "fairness", result->fairness);
    add_whole(to, "overlaps", verdict->overlaps);
    add_witnesses(to, result);
    add_more(to, result);
}

static void add_environment(bson_t *to, const struct environment *environment)
{
    bson_t document;
    bson_append_document_begin(to, "environment", -1, &document);
    add_text(&document, "racebench", environment->racebench);
    add_text(&document, "libmongoc", environment->libmongoc);
    add_text(&document, "libuv", environment->libuv);
    add_text(&document, "compiler", environment->compiler);
    add_text(&document, "os", environment->os);
    add_text(&document, "cpu", environment->cpu);
    add_whole(&document, "cpus", environment->cpus);
    add_text(&document, "started_at", environment->started_at);
    add_text(&document, "command", environment->command);
    bson_append_document_end(to, &document);
}

static void build(bson_t *to, const struct run_result *result)
{
    bson_t cells, cell;
    char key[24];
    add_text(to, "schema", "racebench.result/1");
    bson_append_array_begin(to, "cells", -1, &cells);
    for (size_t i = 0; i < result->cell_count; i++) {
        snprintf(key, sizeof(key), "%zu", i);
        bson_append_document_begin(&cells, key, -1, &cell);
        add_cell(&cell, &result->cells[i]);
        bson_append_document_end(&cells, &cell);
    }
    bson_append_array_end(to, &cells);
    add_whole(to, "exit_code", result->exit_code);
    add_environment(to, &result->environment);
    add_text(to, "run_id", result->run_id);
    add_text_or_null(to, "folder", result->folder);
    add_flag(to, "interrupted", result->interrupted);
}

/* Printing ------------------------------------------------------------------------------------ */

/* Lists and objects deeper than this stay on one line. */
enum { OPEN_DEPTH = 3 };

/* The shortest decimal form that reads back as the same number, with a point or an exponent. */
static void print_double(FILE *out, double number)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, number);
        if (!(strtod(text, NULL) < number || strtod(text, NULL) > number))
            break;
    }
    fprintf(out, "%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}

static void print_text(FILE *out, const char *text, size_t length)
{
    char *escaped = bson_utf8_escape_for_json(text, (ssize_t)length);
    must(escaped != NULL);
    fprintf(out, "\"%s\"", escaped);
    bson_free(escaped);
}

static void print_value(FILE *out, const bson_iter_t *iter, int depth);

static void print_members(FILE *out, bson_iter_t *iter, bool array, int depth)
{
    bool first = true, open = depth < OPEN_DEPTH;
    while (bson_iter_next(iter)) {
        fprintf(out, "%s", first ? "" : open ? "," : ", ");
        if (open)
            fprintf(out, "\n%*s", 2 * (depth + 1), "");
        if (!array) {
            print_text(out, bson_iter_key(iter), strlen(bson_iter_key(iter)));
            fprintf(out, ": ");
        }
        print_value(out, iter, depth + 1);
        first = false;
    }
    if (open && !first)
        fprintf(out, "\n%*s", 2 * depth, "");
}

static void print_value(FILE *out, const bson_iter_t *iter, int depth)
{
    bson_iter_t inner;
    switch (bson_iter_type(iter)) {
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY: {
        bool array = bson_iter_type(iter) == BSON_TYPE_ARRAY;
        must(bson_iter_recurse(iter, &inner));
        fputc(array ? '[' : '{', out);
        print_members(out, &inner, array, depth);
        fputc(array ? ']' : '}', out);
        break;
    }
    case BSON_TYPE_UTF8: {
        uint32_t length = 0;
        const char *text = bson_iter_utf8(iter, &length);
        print_text(out, text, length);
        break;
    }
    case BSON_TYPE_INT64:
        fprintf(out, "%" PRId64, bson_iter_int64(iter));
        break;
    case BSON_TYPE_DOUBLE:
        print_double(out, bson_iter_double(iter));
        break;
    case BSON_TYPE_BOOL:
        fputs(bson_iter_bool(iter) ? "true" : "false", out);
        break;
    default:
        must(bson_iter_type(iter) == BSON_TYPE_NULL);
        fputs("null", out);
    }
}

static void write_json(const struct run_result *result, const struct style *style, FILE *out)
{
    (void)style;
    bson_t document = BSON_INITIALIZER;
    bson_iter_t iter;
    build(&document, result);
    must(bson_iter_init(&iter, &document));
    fputc('{', out);
    print_members(out, &iter, false, 0);
    fprintf(out, "}\n");
    bson_destroy(&document);
}

const struct report report_json = {
    .name = "json",
    .help = "one JSON object, racebench.result/1: for programs and plots",
    .write = write_json,
};
