/* SPDX-License-Identifier: Apache-2.0
 *
 * show: a stored run, read back from its result.json. The file may be old, cut off, edited or
 * anything else: only what has the expected type is used, "?" stands for the rest, control
 * characters never reach the terminal, and what is no result at all is exit 65. Histories and
 * histograms are not in that file, so this is a summary; report.txt beside it is the whole text.
 */
#include "../human.h"
#include "../options.h"
#include "../run_folder.h"
#include "../table.h"
#include "../verb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Fields ------------------------------------------------------------------------------------- */

static bool find(const bson_t *document, const char *path, bson_iter_t *found)
{
    bson_iter_t iter;
    return bson_iter_init(&iter, document) && bson_iter_find_descendant(&iter, path, found);
}

/* A field as text fit for a terminal, "?" when it is not there; the caller frees it. */
static char *text_of(const bson_t *document, const char *path)
{
    bson_iter_t at;
    if (!find(document, path, &at) || !BSON_ITER_HOLDS_UTF8(&at))
        return x_strdup("?");
    char *text = human_utf8(bson_iter_utf8(&at, NULL));
    for (char *letter = text; *letter != '\0'; letter++)
        if ((unsigned char)*letter < ' ' || *letter == 127)
            *letter = '?';
    return text;
}

static bool number_of(const bson_t *document, const char *path, double *number)
{
    bson_iter_t at;
    if (!find(document, path, &at) || !BSON_ITER_HOLDS_NUMBER(&at))
        return false;
    *number = bson_iter_as_double(&at);
    return *number > -9e18 && *number < 9e18; /* also refuses what is not a number */
}

static struct human count_of(const bson_t *document, const char *path)
{
    double number;
    struct human unknown = {"?"};
    return number_of(document, path, &number) ? human_count((int64_t)number) : unknown;
}

static struct human time_of(const bson_t *document, const char *path)
{
    double number;
    struct human unknown = {"?"};
    return number_of(document, path, &number) && number >= 0 ? human_duration((int64_t)number)
                                                             : unknown;
}

/* Calls `say` for each document in an array. */
static void each(const bson_t *document, const char *path,
                 void (*say)(const bson_t *, struct table *), struct table *table)
{
    bson_iter_t array, item;
    bson_t view;
    if (!find(document, path, &array) || !BSON_ITER_HOLDS_ARRAY(&array) ||
        !bson_iter_recurse(&array, &item))
        return;
    while (bson_iter_next(&item)) {
        const uint8_t *data;
        uint32_t length;
        if (!BSON_ITER_HOLDS_DOCUMENT(&item))
            continue;
        bson_iter_document(&item, &length, &data);
        if (bson_init_static(&view, data, length))
            say(&view, table);
    }
}

/* Summary ------------------------------------------------------------------------------------ */

static void put_text(struct table *table, const bson_t *document, const char *path)
{
    char *text = text_of(document, path);
    table_put(table, text);
    free(text);
}

static void put_verdict(struct table *table, const bson_t *cell)
{
    char *verdict = text_of(cell, "verdict");
    char *reason = text_of(cell, "reason");
    char *expected = text_of(cell, "expected");
    bool wanted = strcmp(verdict, expected) == 0;
    char *text = x_format("%s%s%s%s", verdict, strcmp(reason, "?") != 0 ? ": " : "",
                          strcmp(reason, "?") != 0 ? reason : "",
                          wanted && strcmp(verdict, "broken") == 0 ? " (expected)" : "");
    table_put(table, text);
    free(text);
    free(expected);
    free(reason);
    free(verdict);
}

static void say_cell(const bson_t *cell, struct table *table)
{
    double rate;
    table_row(table, NULL);
    put_text(table, cell, "scenario");
    put_text(table, cell, "strategy");
    put_text(table, cell, "transport");
    table_put(table, count_of(cell, "workers").text);
    table_put(table, count_of(cell, "counts.acked").text);
    table_put(table, count_of(cell, "counts.final").text);
    table_put(table, count_of(cell, "counts.lost").text);
    table_put(table, number_of(cell, "throughput_ops_s", &rate) ? human_number(rate).text : "?");
    table_put(table, time_of(cell, "latency_ns.p50").text);
    table_put(table, time_of(cell, "latency_ns.p99").text);
    put_verdict(table, cell);
}

static void say_repeat(const bson_t *cell, struct table *table)
{
    char *repeat = text_of(cell, "repeat");
    (void)table;
    printf("  %s\n", repeat);
    free(repeat);
}

static void say_witness(const bson_t *witness, struct table *table)
{
    char *text = text_of(witness, "text");
    (void)table;
    printf("  %s\n", text);
    free(text);
}

static void say_witnesses(const bson_t *cell, struct table *table)
{
    each(cell, "witnesses", say_witness, table);
}

static void say_line(const bson_t *result, const char *title, const char *path)
{
    char *text = text_of(result, path);
    printf("%-9s %s\n", title, text);
    free(text);
}

static void say_summary(const bson_t *result, const struct style *style)
{
    static const char *const titles[] = {"scenario", "strategy", "transport", "workers",
                                         "acked",    "final",    "lost",      "ops/s",
                                         "p50",      "p99",      "verdict"};
    struct table table = {0};
    bson_iter_t at;
    say_line(result, "run", "run_id");
    say_line(result, "started", "environment.started_at");
    say_line(result, "command", "environment.command");
    if (find(result, "interrupted", &at) && BSON_ITER_HOLDS_BOOL(&at) && bson_iter_bool(&at))
        printf("%-9s interrupted: what follows is partial\n", "note");
    printf("\n");
    for (size_t i = 0; i < COUNT_OF(titles); i++)
        table_column(&table, titles[i], i >= 3 && i < 10, i == 2 ? 2 : i == 9 ? 1 : 0);
    each(result, "cells", say_cell, &table);
    table_print(&table, style->columns, stdout);
    table_free(&table);
    if (style->verbose) {
        printf("\nwitnesses:\n");
        each(result, "cells", say_witnesses, &table);
    }
    printf("\nrepeat:\n");
    each(result, "cells", say_repeat, &table);
    printf("\nexit code %s\n", count_of(result, "exit_code").text);
}

static enum exit_code show_act(const struct options *options)
{
    struct style style;
    size_t length;
    char *path = run_folder_find(options->results, options->argument);
    char *text = run_folder_text(path, &length);
    bson_t *result = run_folder_parse(path, text, length);
    options_style(options, &style);
    if (options->json)
        fwrite(text, 1, length, stdout);
    else
        say_summary(result, &style);
    bson_destroy(result);
    free(text);
    free(path);
    return EXIT_OK;
}

const struct verb verb_show = {
    .name = "show",
    .argument = "[RUN]",
    .help = "print a stored run: the latest, or one by its id or path",
    .act = show_act,
};
