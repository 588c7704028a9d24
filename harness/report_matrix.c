/* SPDX-License-Identifier: Apache-2.0
 *
 * report_matrix: see report_matrix.h. Columns and rows are found in the result in the order of the
 * cells, so that the report knows nothing of how a matrix is made; a cell without a column (of
 * `run`) stands under "run". What is not there is n/a. The cost stands behind the verdict: commands
 * per operation, and operations per second in Markdown, where there is room; virtual time gives no
 * rate that means anything.
 */
#include "report_matrix.h"
#include "base.h"
#include "scenario.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 64 };

struct names {
    const char *items[NAMES_MAX];
    size_t count;
};

static void note_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return;
    if (names->count < NAMES_MAX)
        names->items[names->count++] = name;
}

static const char *column_of(const struct cell *cell)
{
    return cell->column != NULL ? cell->column : "run";
}

const char *report_matrix_word(const struct cell_result *result)
{
    switch (result->verdict.status) {
    case HELD:
        return result->expected == HELD ? "held" : "not convicted";
    case BROKEN:
        return result->expected == HELD ? "BROKEN" : "broken";
    default:
        return result->verdict.reason == REASON_NOT_CONVICTED ? "NOT CONVICTED"
               : result->expected == UNDECIDED                ? "unknown"
                                                              : "UNKNOWN";
    }
}

static double commands_per_operation(const struct cell_result *result)
{
    size_t count = result->history.count;
    return count > 0 ? (double)result->commands / (double)count : 0;
}

static const struct cell_result *find_cell(const struct run_result *result, const char *scenario,
                                           const char *strategy, const char *column)
{
    for (size_t i = 0; i < result->cell_count; i++) {
        const struct cell *cell = result->cells[i].cell;
        if (cell->conviction == NULL && strcmp(cell->scenario->name, scenario) == 0 &&
            strcmp(cell->strategy_name, strategy) == 0 && strcmp(column_of(cell), column) == 0)
            return &result->cells[i];
    }
    return NULL;
}

/* "held 2.0", or in Markdown "held, 2.0 commands, 8,100/s". The caller frees it. */
static char *say_cell(const struct cell_result *result, bool markdown)
{
    if (result == NULL)
        return x_strdup("n/a");
    const char *word = report_matrix_word(result);
    char *cost = x_strdup(human_number(commands_per_operation(result)).text);
    char *text;
    if (!markdown)
        text = x_format("%s %s", word, cost);
    else if (result->virtual_clock)
        text = x_format("%s<br>%s c/op", word, cost);
    else
        text = x_format("%s<br>%s c/op, %s op/s", word, cost,
                        human_number(result->throughput_ops_s).text);
    free(cost);
    return text;
}

static void write_table(const struct table *table, bool markdown, const struct style *style,
                        FILE *out)
{
    if (!markdown) {
        table_print(table, style->columns > 200 ? style->columns : 200, out);
        return;
    }
    for (size_t i = 0; i < table->column_count; i++)
        fprintf(out, "| %s ", table->columns[i].title);
    fputs("|\n", out);
    for (size_t i = 0; i < table->column_count; i++)
        fputs("|---", out);
    fputs("|\n", out);
    for (size_t i = 0; i < table->cell_count; i++)
        fprintf(out, "| %s %s", table->cells[i],
                i % table->column_count == table->column_count - 1 ? "|\n" : "");
}

static void write_block(const struct run_result *result, const char *scenario, bool markdown,
                        const struct style *style, FILE *out)
{
    struct names rows = {0}, columns = {0};
    struct table table = {0};
    for (size_t i = 0; i < result->cell_count; i++) {
        const struct cell *cell = result->cells[i].cell;
        if (cell->conviction != NULL || strcmp(cell->scenario->name, scenario) != 0)
            continue;
        note_name(&rows, cell->strategy_name);
        note_name(&columns, column_of(cell));
    }
    if (rows.count == 0)
        return;
    fprintf(out, markdown ? "\n### %s\n\n" : "\n%s\n", scenario);
    table_column(&table, "strategy", false, 0);
    for (size_t c = 0; c < columns.count && c + 1 < TABLE_COLUMNS_MAX; c++)
        table_column(&table, columns.items[c], false, 0);
    for (size_t r = 0; r < rows.count; r++) {
        table_row(&table, NULL);
        table_put(&table, rows.items[r]);
        for (size_t c = 0; c + 1 < table.column_count; c++) {
            char *text =
                say_cell(find_cell(result, scenario, rows.items[r], columns.items[c]), markdown);
            table_put(&table, text);
            free(text);
        }
    }
    write_table(&table, markdown, style, out);
    table_free(&table);
}

static void write_convictions(const struct run_result *result, bool markdown,
                              const struct style *style, FILE *out)
{
    struct table table = {0};
    static const char *const titles[] = {"strategy", "scenario", "verdict", "found", "why"};
    for (size_t i = 0; i < COUNT_OF(titles); i++)
        table_column(&table, titles[i], false, 0);
    for (size_t i = 0; i < result->cell_count; i++) {
        const struct cell_result *cell = &result->cells[i];
        if (cell->cell->conviction == NULL)
            continue;
        table_row(&table, NULL);
        table_put(&table, cell->cell->strategy_name);
        table_put(&table, cell->cell->scenario->name);
        table_put(&table, report_matrix_word(cell));
        table_put(&table, report_broken_words(cell->verdict.reason));
        table_put(&table, cell->cell->conviction);
    }
    if (table.row_count > 0) {
        fputs(markdown ? "\n### What must break\n\n" : "\nWhat must break\n", out);
        write_table(&table, markdown, style, out);
    }
    table_free(&table);
}

/* Every cell that is not as it should be, with the line that repeats it. */
static void write_troubles(const struct run_result *result, bool markdown, FILE *out)
{
    for (size_t i = 0; i < result->cell_count; i++) {
        const struct cell_result *cell = &result->cells[i];
        if (cell_result_exit(cell) == EXIT_OK)
            continue;
        char *why = report_explanation(cell), *repro = cell_result_repro(cell);
        fprintf(out, "\n%s%s on %s (%s): %s: %s\n  repro: %s\n", markdown ? "- " : "",
                cell->cell->strategy_name, cell->cell->scenario->name, column_of(cell->cell),
                report_verdict(cell).text, why, repro);
        free(why);
        free(repro);
    }
}

/* Numbers of cells by what they came to, and what the words mean. */
static void write_end(const struct run_result *result, FILE *out)
{
    struct names words = {0};
    for (size_t i = 0; i < result->cell_count; i++)
        note_name(&words, report_matrix_word(&result->cells[i]));
    fprintf(out, "\n%s:", human_counted((int64_t)result->cell_count, "cell").text);
    for (size_t w = 0; w < words.count; w++) {
        int64_t count = 0;
        for (size_t i = 0; i < result->cell_count; i++)
            count += strcmp(report_matrix_word(&result->cells[i]), words.items[w]) == 0;
        fprintf(out, "%s %s %s", w > 0 ? "," : "", human_count(count).text, words.items[w]);
    }
    fputs(". The number is commands per operation. Small letters are as expected: broken and not "
          "convicted are not claimed; n/a: cannot be.\n",
          out);
}

void report_matrix_write(const struct run_result *result, bool markdown, const struct style *style,
                         FILE *out)
{
    struct names scenario_names = {0};
    for (size_t i = 0; i < result->cell_count; i++)
        note_name(&scenario_names, result->cells[i].cell->scenario->name);
    for (size_t i = 0; i < scenario_names.count; i++)
        write_block(result, scenario_names.items[i], markdown, style, out);
    write_convictions(result, markdown, style, out);
    write_troubles(result, markdown, out);
    write_end(result, out);
}
