/* SPDX-License-Identifier: Apache-2.0
 *
 * report text: what a person reads on the terminal, or at night in the log of a build. From top to
 * bottom: what was run and on what; one line per cell, with as many columns as fit; why each
 * verdict is what it is; and one sentence to take away, with the command that repeats the run. A
 * single cell, or --verbose, adds where the time went. Plain ASCII; colour only in the verdict,
 * and never the only carrier of a meaning.
 *
 * Cells are told grouped by scenario and strategy, each group in the order of the command line, so
 * that a sweep reads as one block per strategy.
 */
#include "base.h"
#include "report.h"
#include "scenario.h"
#include "table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One report being written. */
struct page {
    const struct run_result *result;
    const struct style *style;
    FILE *out;
    const struct cell_result **cells; /* in the order in which they are told */
};

enum { INDENT = 2 };

static bool same(const struct cell_result *a, const struct cell_result *b, bool strategy_too)
{
    return strcmp(a->cell->scenario->name, b->cell->scenario->name) == 0 &&
           (!strategy_too || strcmp(a->cell->strategy_name, b->cell->strategy_name) == 0);
}

/* Cells by scenario, then strategy, each in the order of first appearance; stable. */
static void arrange(struct page *page)
{
    size_t count = page->result->cell_count, told = 0;
    const struct cell_result *cells = page->result->cells;
    bool *done = x_calloc(count, sizeof(*done));
    page->cells = x_calloc(count, sizeof(const struct cell_result *));
    for (size_t i = 0; i < count; i++)
        for (size_t j = i; j < count; j++) {
            if (done[j] || !same(&cells[i], &cells[j], false))
                continue;
            for (size_t k = j; k < count; k++)
                if (!done[k] && same(&cells[j], &cells[k], true)) {
                    page->cells[told++] = &cells[k];
                    done[k] = true;
                }
        }
    must(told == count);
    free(done);
}

static const char *paint(const struct page *page, const struct cell_result *cell)
{
    if (!page->style->color)
        return NULL;
    switch (cell_result_exit(cell)) {
    case EXIT_OK:
        return cell->verdict.status == HELD ? "\033[32m" : "\033[36m";
    case EXIT_BROKEN:
        return "\033[1;31m";
    default:
        return "\033[33m";
    }
}

/* Head ---------------------------------------------------------------------------------------- */

static void say_settings(const struct page *page)
{
    const struct cell *cell = page->cells[0]->cell;
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);
    must(out != NULL);
    const char *comma = "";
    for (size_t i = 0; report_setting(i) != NULL; i++) {
        const struct report_setting *setting = report_setting(i);
        bool endless = strcmp(setting->title, "ops") == 0 && cell->ops == 0;
        if (report_varies(page->result, setting) || report_usual(setting, cell) || endless)
            continue;
        fprintf(out, "%s%s", comma, report_setting_phrase(setting, cell).text);
        comma = ", ";
    }
    if (cell->duration_ms > 0)
        fprintf(out, "%sfor at most %s", comma, human_duration(cell->duration_ms * 1000000).text);
    must(fclose(out) == 0);
    human_wrap(page->out, line, page->style->columns, 0, INDENT);
    free(line);
}

static void say_targets(const struct page *page)
{
    size_t count = page->result->cell_count;
    char **told = x_calloc(count, sizeof(*told));
    for (size_t i = 0; i < count; i++) {
        told[i] = report_target(page->cells[i]);
        bool again = false;
        for (size_t j = 0; j < i && !again; j++)
            again = strcmp(told[i], told[j]) == 0;
        if (!again)
            human_wrap(page->out, told[i], page->style->columns, 0, INDENT);
    }
    for (size_t i = 0; i < count; i++)
        free(told[i]);
    free(told);
    for (size_t i = 0; i < count; i++)
        if (page->cells[i]->virtual_clock) {
            fprintf(page->out, "times are virtual: a fixed cost per step\n");
            return;
        }
}

/* Table --------------------------------------------------------------------------------------- */

/* Counts that are worth a column only where there are any. */
static int64_t doubled(const struct counts *counts)
{
    return counts->doubled;
}

static int64_t failed(const struct counts *counts)
{
    return counts->failed + counts->busy;
}

static int64_t unanswered(const struct counts *counts)
{
    return counts->unknown;
}

static const struct {
    const char *title;
    int64_t (*count)(const struct counts *);
} rare[] = {{"doubled", doubled}, {"failed", failed}, {"no\nanswer", unanswered}};

static bool rare_occurs(const struct page *page, size_t index)
{
    for (size_t i = 0; i < page->result->cell_count; i++)
        if (rare[index].count(&page->cells[i]->verdict.counts) > 0)
            return true;
    return false;
}

static void make_columns(const struct page *page, struct table *table)
{
    table_column(table, "strategy", false, 0);
    for (size_t i = 0; report_setting(i) != NULL; i++)
        if (report_varies(page->result, report_setting(i)))
            table_column(table, report_setting(i)->title, report_setting(i)->number != NULL, 0);
    table_column(table, "final/expected", true, 0);
    table_column(table, "lost", true, 0);
    for (size_t i = 0; i < COUNT_OF(rare); i++)
        if (rare_occurs(page, i))
            table_column(table, rare[i].title, true, 0);
    table_column(table, "ops/s", true, 0);
    table_column(table, "p50", true, 3);
    table_column(table, "p99", true, 1);
    table_column(table, "p99.9", true, 6);
    table_column(table, "max", true, 7);
    table_column(table, "attempts\n/op", true, 4);
    table_column(table, "commands\n/op", true, 5);
    table_column(table, "fairness", true, 8);
    table_column(table, "verdict", false, 0);
}

static char *final_text(const struct verdict *verdict)
{
    const struct counts *counts = &verdict->counts;
    bool unread = verdict->reason == REASON_FINAL_UNREADABLE;
    if (unread && counts->expected_max == 0)
        return x_strdup("?");
    char *final = unread ? x_strdup("?") : x_strdup(human_count(counts->final).text);
    char *text = counts->expected_min == counts->expected_max
                     ? x_format("%s/%s", final, human_count(counts->expected_min).text)
                     : x_format("%s/%s..%s", final, human_count(counts->expected_min).text,
                                human_count(counts->expected_max).text);
    free(final);
    return text;
}

/* Something per operation; "-" when there was none. */
static struct human per_operation(const struct cell_result *cell, int64_t number)
{
    const struct counts *counts = &cell->verdict.counts;
    int64_t operations =
        counts->acked + counts->nothing + counts->busy + counts->failed + counts->unknown;
    struct human none = {"-"};
    return operations > 0 ? human_number((double)number / (double)operations) : none;
}

static struct human percentile(const struct histogram *histogram, double percent)
{
    struct human none = {"-"};
    return histogram->count > 0 ? human_duration(histogram_percentile(histogram, percent)) : none;
}

static void put_row(const struct page *page, struct table *table, const struct cell_result *cell)
{
    static const double percents[] = {50, 99, 99.9, 100};
    char *final = final_text(&cell->verdict);
    table_row(table, paint(page, cell));
    table_put(table, cell->cell->strategy_name);
    for (size_t i = 0; report_setting(i) != NULL; i++)
        if (report_varies(page->result, report_setting(i)))
            table_put(table, report_setting_value(report_setting(i), cell->cell).text);
    table_put(table, final);
    table_put(table, human_count(cell->verdict.counts.lost).text);
    for (size_t i = 0; i < COUNT_OF(rare); i++)
        if (rare_occurs(page, i))
            table_put(table, human_count(rare[i].count(&cell->verdict.counts)).text);
    table_put(table, human_number(cell->throughput_ops_s).text);
    for (size_t i = 0; i < COUNT_OF(percents); i++)
        table_put(table, percentile(&cell->operation, percents[i]).text);
    table_put(table, per_operation(cell, cell->attempts).text);
    table_put(table, per_operation(cell, cell->commands).text);
    table_put(table, human_number(cell->fairness).text);
    table_put(table, report_verdict(cell).text);
    free(final);
}

static void say_table(const struct page *page)
{
    struct table table = {0};
    bool sweep = report_is_sweep(page->result); /* then strategies are divided too */
    make_columns(page, &table);
    for (size_t i = 0; i < page->result->cell_count; i++) {
        if (i > 0 && !same(page->cells[i - 1], page->cells[i], sweep))
            table_gap(&table);
        put_row(page, &table, page->cells[i]);
    }
    fputc('\n', page->out);
    table_print(&table, page->style->columns, page->out);
    table_free(&table);
}

/* Reasons ------------------------------------------------------------------------------------- */

/* "BROKEN" where it fails a build, "unknown (no-overlap)", or nothing. */
static struct human remark(const struct cell_result *cell)
{
    struct human human = {""};
    if (cell->verdict.status == UNDECIDED)
        snprintf(human.text, sizeof(human.text), ", unknown (%s)",
                 reason_name(cell->verdict.reason));
    else if (cell_result_exit(cell) == EXIT_BROKEN)
        snprintf(human.text, sizeof(human.text), " BROKEN");
    return human;
}

/* Prints "names: explanation." once for all cells that it fits; a witness belongs to one cell. */
static void say_reason(const struct page *page, size_t first, bool *told)
{
    const struct cell_result *cells = page->result->cells, *cell = &cells[first];
    bool *member = x_calloc(page->result->cell_count, sizeof(*member));
    char *explanation = report_explanation(cell);
    member[first] = told[first] = true;
    for (size_t i = first + 1; i < page->result->cell_count; i++) {
        char *other = report_explanation(&cells[i]);
        if (!told[i] && cell->verdict.witness_count == 0 && strcmp(other, explanation) == 0 &&
            strcmp(remark(&cells[i]).text, remark(cell).text) == 0)
            member[i] = told[i] = true;
        free(other);
    }
    char *names = report_names(page->result, member);
    size_t length = strlen(explanation);
    const char *stop = length > 0 && explanation[length - 1] == '.' ? "" : ".";
    char *line = x_format("%s%s: %s%s", names, remark(cell).text, explanation, stop);
    human_wrap(page->out, line, page->style->columns, 0, INDENT);
    if (cell_result_exit(cell) == EXIT_BROKEN && page->result->cell_count > 1) {
        char *repro = cell_result_repro(cell);
        fprintf(page->out, "%*srepeat: %s\n", INDENT, "", repro);
        free(repro);
    }
    free(line);
    free(names);
    free(explanation);
    free(member);
}

static void say_reasons(const struct page *page)
{
    static const enum status order[] = {BROKEN, UNDECIDED, HELD};
    bool *told = x_calloc(page->result->cell_count, sizeof(*told));
    fputc('\n', page->out);
    for (size_t rank = 0; rank < COUNT_OF(order); rank++)
        for (size_t i = 0; i < page->result->cell_count; i++)
            if (!told[i] && page->result->cells[i].verdict.status == order[rank])
                say_reason(page, i, told);
    free(told);
}

/* Details ------------------------------------------------------------------------------------- */

static void say_latencies(const struct page *page, const struct cell_result *cell)
{
    static const double percents[] = {50, 90, 99, 99.9, 100};
    static const char *const titles[] = {"p50", "p90", "p99", "p99.9", "max"};
    const struct {
        const char *name;
        const struct histogram *histogram;
    } rows[] = {{"operation", &cell->operation},
                {"attempt", &cell->attempt},
                {"waiting", &cell->waiting}};
    struct table table = {0};
    table_column(&table, "  latency", false, 0);
    table_column(&table, "count", true, 0);
    table_column(&table, "mean", true, 0);
    for (size_t i = 0; i < COUNT_OF(percents); i++)
        table_column(&table, titles[i], true, 0);
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        char *name = x_format("  %s", rows[row].name);
        const struct histogram *histogram = rows[row].histogram;
        table_row(&table, NULL);
        table_put(&table, name);
        table_put(&table, human_count((int64_t)histogram->count).text);
        table_put(&table, histogram->count > 0
                              ? human_duration((int64_t)histogram_mean_ns(histogram)).text
                              : "-");
        for (size_t i = 0; i < COUNT_OF(percents); i++)
            table_put(&table, percentile(histogram, percents[i]).text);
        free(name);
    }
    table_print(&table, page->style->columns, page->out);
    table_free(&table);
}

static void say_counts(const struct page *page, const struct cell_result *cell)
{
    const struct verdict *verdict = &cell->verdict;
    const struct counts *counts = &verdict->counts;
    FILE *out = page->out;
    fprintf(out, "  outcomes   %s done, ", human_count(counts->acked).text);
    fprintf(out, "%s nothing to do, ", human_count(counts->nothing).text);
    fprintf(out, "%s busy, ", human_count(counts->busy).text);
    fprintf(out, "%s failed, ", human_count(counts->failed).text);
    fprintf(out, "%s unknown\n", human_count(counts->unknown).text);
    fprintf(out, "  overlaps   %s operations met another worker's on the same document",
            human_count(verdict->overlaps).text);
    fprintf(out, " (%s needed)\n", human_count(verdict->overlaps_needed).text);
    if (counts->lost > 0)
        fprintf(out, "  lost       %s of the acknowledged operations, counted %s\n",
                human_share((double)counts->lost / (double)(counts->acked > 0 ? counts->acked : 1))
                    .text,
                verdict->lost_by_identity ? "one by one" : "from the final value");
    for (int i = 0; i < HAZARD_COUNT; i++)
        if (i != HAZARD_INDEX_none && ((cell->cell->hazards >> i & 1) != 0 || cell->hits[i] > 0))
            fprintf(out, "  hazard     %s struck %s\n", hazard_name((enum hazard_index)i),
                    human_counted(cell->hits[i], "time").text);
}

static void say_witnesses(const struct page *page, const struct cell_result *cell)
{
    for (int i = 1; i < cell->verdict.witness_count; i++) {
        char *witness = report_witness(cell, &cell->verdict.witnesses[i]);
        fprintf(page->out, "  witness    ");
        human_wrap(page->out, witness, page->style->columns, 13, 13);
        free(witness);
    }
}

static void say_details(const struct page *page)
{
    for (size_t i = 0; i < page->result->cell_count; i++) {
        const struct cell_result *cell = page->cells[i];
        char *label = report_label(page->result, cell->cell);
        fprintf(page->out, "\n%s, %s long\n", label,
                human_duration((int64_t)(cell->seconds * 1e9)).text);
        free(label);
        say_latencies(page, cell);
        say_counts(page, cell);
        if (page->style->verbose) {
            say_witnesses(page, cell);
            char *repro = cell_result_repro(cell);
            fprintf(page->out, "  repeat     %s\n", repro);
            free(repro);
        }
    }
}

static void say_environment(const struct page *page)
{
    const struct environment *environment = &page->result->environment;
    fprintf(page->out, "\nracebench %s, libmongoc %s, libuv %s, %s\n", environment->racebench,
            environment->libmongoc, environment->libuv, environment->compiler);
    fprintf(page->out, "%s, %s, %s\n", environment->os, environment->cpu,
            human_counted(environment->cpus, "CPU").text);
    fprintf(page->out, "started %s, run %s\n", environment->started_at, page->result->run_id);
}

/* The sentence to take away ------------------------------------------------------------------- */

static void say_summary(const struct page *page)
{
    char *summary = report_summary(page->result), *repeat = report_repeat(page->result);
    char *text = x_format("%s; to repeat it:", summary);
    fputc('\n', page->out);
    human_wrap(page->out, text, page->style->columns, 0, INDENT);
    fprintf(page->out, "%*s%s\n", INDENT, "", repeat);
    free(text);
    free(summary);
    free(repeat);
}

static void say_quiet(const struct page *page)
{
    for (size_t i = 0; i < page->result->cell_count; i++) {
        const struct cell_result *cell = page->cells[i];
        char *label = report_label(page->result, cell->cell);
        fprintf(page->out, "%s: %s, %s lost of ", label, report_verdict(cell).text,
                human_count(cell->verdict.counts.lost).text);
        fprintf(page->out, "%s\n", human_count(cell->verdict.counts.acked).text);
        free(label);
    }
}

static void write_text(const struct run_result *result, const struct style *style, FILE *out)
{
    struct page page = {.result = result, .style = style, .out = out};
    if (result->cell_count == 0) {
        fprintf(out, "No cell was run%s.\n", result->interrupted ? ": interrupted" : "");
        return;
    }
    arrange(&page);
    if (style->quiet) {
        say_quiet(&page);
    } else {
        say_settings(&page);
        say_targets(&page);
        say_table(&page);
        say_reasons(&page);
        if (result->cell_count == 1 || style->verbose)
            say_details(&page);
        if (style->verbose)
            say_environment(&page);
        say_summary(&page);
    }
    free(page.cells);
}

const struct report report_text = {
    .name = "text",
    .help = "tables and sentences for people: what stdout shows by default",
    .write = write_text,
};
