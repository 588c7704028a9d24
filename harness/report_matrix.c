/* SPDX-License-Identifier: Apache-2.0
 *
 * report_matrix: see report_matrix.h. First comes whether all is as expected. Columns and rows are
 * found in the result in the order of the cells, so that the report knows nothing of how a matrix
 * is made; a cell without a column (of `run`) stands under "run". What is not there is n/a. Under
 * the name of a column stands the transport of its cells; where they differ it stands in the cells.
 * The cost stands behind the verdict: commands per operation, and operations per second in
 * Markdown, where there is room; virtual time gives no rate that means anything.
 */
#include "report_matrix.h"
#include "base.h"
#include "scenario.h"
#include "table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 256 };

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
        if (result->proof.asked && result->proof.status == HELD)
            return result->claimed || result->expected == HELD ? "proved" : "(proved)";
        return result->claimed || result->expected == HELD ? "held" : "(held)";
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

/* The transport of all cells of a column in a block, or NULL: they differ. */
static const char *column_transport(const struct run_result *result, const char *scenario,
                                    const char *column)
{
    const struct cell *first = NULL;
    for (size_t i = 0; i < result->cell_count; i++) {
        const struct cell *cell = result->cells[i].cell;
        if (cell->conviction != NULL || strcmp(cell->scenario->name, scenario) != 0 ||
            strcmp(column_of(cell), column) != 0)
            continue;
        if (first != NULL && first->transport != cell->transport)
            return NULL;
        first = cell;
    }
    return first != NULL ? transport_name(first->transport) : NULL;
}

/* Capitals in a document are bold, so that the eye finds them. */
static char *say_word(const struct cell_result *result, bool markdown)
{
    const char *word = report_matrix_word(result);
    bool loud = markdown && word[0] >= 'A' && word[0] <= 'Z';
    return x_format(loud ? "**%s**" : "%s", word);
}

/* In how many workers' schedules: ":3w"; "" when it is not proved. The caller frees it. */
static char *say_proof(const struct cell_result *result, bool markdown)
{
    const struct proof *proof = &result->proof;
    if (!proof->asked || proof->status != HELD)
        return x_strdup("");
    return x_format(markdown ? ": %" PRId32 " workers%s" : ":%" PRId32 "w%s", proof->workers,
                    proof->faults == 0 ? ""
                    : markdown         ? ", one fault"
                                       : "");
}

/* "held 2.0", or in Markdown "held<br>2.0 c/op, 8,100 op/s"; with the transport where the column
 * does not say it. The caller frees it. */
static char *say_cell(const struct cell_result *result, const char *transport, bool markdown)
{
    if (result == NULL)
        return x_strdup("n/a");
    char *word = say_word(result, markdown), *proof = say_proof(result, markdown), *text;
    char *cost = x_strdup(human_number(commands_per_operation(result)).text);
    char *place = transport != NULL ? x_strdup("")
                                    : x_format(markdown ? ", %s" : " %s",
                                               transport_name(result->cell->transport));
    if (!markdown)
        text = x_format("%s%s %s%s", word, proof, cost, place);
    else if (result->virtual_clock)
        text = x_format("%s%s<br>%s c/op%s", word, proof, cost, place);
    else
        text = x_format("%s%s<br>%s c/op, %s op/s%s", word, proof, cost,
                        human_number(result->throughput_ops_s).text, place);
    free(place);
    free(proof);
    free(cost);
    free(word);
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

/* The table of one scenario in the making. */
struct block {
    const struct run_result *result;
    const char *scenario;
    bool markdown;
    struct names rows, columns;
    char *titles[TABLE_COLUMNS_MAX];
    const char *transports[TABLE_COLUMNS_MAX]; /* by column; NULL: its cells differ */
    struct table table;
};

static void find_names(struct block *block)
{
    for (size_t i = 0; i < block->result->cell_count; i++) {
        const struct cell *cell = block->result->cells[i].cell;
        if (cell->conviction != NULL || strcmp(cell->scenario->name, block->scenario) != 0)
            continue;
        note_name(&block->rows, cell->strategy_name);
        note_name(&block->columns, column_of(cell));
    }
    must(block->columns.count < TABLE_COLUMNS_MAX);
}

static void make_columns(struct block *block)
{
    table_column(&block->table, "strategy", false, 0);
    for (size_t c = 0; c < block->columns.count; c++) {
        const char *name = block->columns.items[c];
        const char *transport = column_transport(block->result, block->scenario, name);
        block->transports[c] = transport;
        block->titles[c] = transport == NULL ? x_strdup(name)
                                             : x_format(block->markdown ? "%s<br>(%s)" : "%s\n(%s)",
                                                        name, transport);
        table_column(&block->table, block->titles[c], false, 0);
    }
}

static void fill_rows(struct block *block)
{
    for (size_t r = 0; r < block->rows.count; r++) {
        const char *strategy = block->rows.items[r];
        table_row(&block->table, NULL);
        table_put(&block->table, strategy);
        for (size_t c = 0; c < block->columns.count; c++) {
            const struct cell_result *cell =
                find_cell(block->result, block->scenario, strategy, block->columns.items[c]);
            char *text = say_cell(cell, block->transports[c], block->markdown);
            table_put(&block->table, text);
            free(text);
        }
    }
}

static void write_block(const struct run_result *result, const char *scenario, bool markdown,
                        const struct style *style, FILE *out)
{
    struct block block = {.result = result, .scenario = scenario, .markdown = markdown};
    find_names(&block);
    if (block.rows.count == 0)
        return;
    fprintf(out, markdown ? "\n### %s\n\n" : "\n%s\n", scenario);
    make_columns(&block);
    fill_rows(&block);
    write_table(&block.table, markdown, style, out);
    table_free(&block.table);
    for (size_t c = 0; c < block.columns.count; c++)
        free(block.titles[c]);
}

/* "pause", "none"; the caller frees it. */
static char *say_hazards(const struct cell *cell)
{
    char *text = x_strdup("");
    for (int h = 0; h < HAZARD_COUNT; h++) {
        if (h == HAZARD_INDEX_none || h == HAZARD_INDEX_instances || (cell->hazards >> h & 1) == 0)
            continue;
        char *longer = x_format("%s%s%s", text, text[0] != '\0' ? ", " : "",
                                hazard_name((enum hazard_index)h));
        free(text);
        text = longer;
    }
    if (text[0] != '\0')
        return text;
    free(text);
    return x_strdup("none");
}

static void write_convictions(const struct run_result *result, bool markdown,
                              const struct style *style, FILE *out)
{
    struct table table = {0};
    static const char *const titles[] = {"strategy", "scenario",  "hazards", "instances",
                                         "verdict",  "transport", "found",   "why"};
    for (size_t i = 0; i < COUNT_OF(titles); i++)
        table_column(&table, titles[i], false, 0);
    for (size_t i = 0; i < result->cell_count; i++) {
        const struct cell_result *cell = &result->cells[i];
        if (cell->cell->conviction == NULL)
            continue;
        table_row(&table, NULL);
        table_put(&table, cell->cell->strategy_name);
        table_put(&table, cell->cell->scenario->name);
        char *hazards = say_hazards(cell->cell), *word = say_word(cell, markdown);
        table_put(&table, hazards);
        table_put(&table, human_count(cell->cell->instances).text);
        table_put(&table, word);
        table_put(&table, transport_name(cell->cell->transport));
        table_put(&table, report_broken_words(cell->verdict.reason));
        free(hazards);
        free(word);
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
        const struct cell *its = cell->cell;
        fprintf(out, "\n%s%s on %s (%s, %s): %s: %s\n  repro: %s\n", markdown ? "- " : "",
                its->strategy_name, its->scenario->name,
                its->conviction != NULL ? "must break" : column_of(its),
                transport_name(its->transport), report_verdict(cell).text, why, repro);
        if (cell->proof.schedule != NULL)
            fprintf(out, "\n%s%s%s", markdown ? "```\n" : "", cell->proof.schedule,
                    markdown ? "```\n" : "");
        free(why);
        free(repro);
    }
}

/* What --prove came to: what is proved, and why the rest is not. */
static void write_proofs(const struct run_result *result, const struct style *style, FILE *out)
{
    static const char legend[] =
        "proved: held, and in all schedules of 2 (2w) or 3 (3w) workers, an operation each, with "
        "what goes wrong striking once at any step. What is only held is so in the operations of "
        "the run.";
    struct names reasons = {0};
    double seconds = 0;
    int64_t asked = 0, proved = 0;
    for (size_t i = 0; i < result->cell_count; i++) {
        const struct proof *proof = &result->cells[i].proof;
        asked += proof->asked;
        proved += proof->asked && proof->status == HELD;
        seconds += proof->asked ? proof->seconds : 0;
        if (proof->asked && proof->status == UNDECIDED)
            note_name(&reasons, proof->why);
    }
    if (asked == 0)
        return;
    fprintf(out, "\n%s of %s that held proved, in %s.", human_count(proved).text,
            human_counted(asked, "cell").text, human_duration((int64_t)(seconds * 1e9)).text);
    for (size_t r = 0; r < reasons.count; r++) {
        int64_t count = 0;
        for (size_t i = 0; i < result->cell_count; i++)
            count += result->cells[i].proof.asked && result->cells[i].proof.status == UNDECIDED &&
                     strcmp(result->cells[i].proof.why, reasons.items[r]) == 0;
        fprintf(out, "%s %s: %s", r > 0 ? "," : " Not proved:", reasons.items[r],
                human_count(count).text);
    }
    fputs("\n", out);
    human_wrap(out, legend, style->columns, 0, 0);
}

/* Numbers of cells by what they came to, and what the words mean. */
static void write_end(const struct run_result *result, const struct style *style, FILE *out)
{
    static const char legend[] =
        "held: as claimed. (held): it held here, but nobody claims that. broken: and nobody claims "
        "otherwise. n/a: the strategy cannot do it, or there is no place for the hazard to strike. "
        "Capitals are not as they should be: BROKEN although it is claimed to hold, NOT CONVICTED "
        "although it must break. The number is commands per operation. driver: threads with "
        "libmongoc over a socket; direct: fibers beside the engine, in virtual time.";
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
    fputs(".\n", out);
    human_wrap(out, legend, style->columns, 0, 0);
    write_proofs(result, style, out);
}

static bool is_of_files(const struct cell_result *cell)
{
    const struct strategy *strategy = cell->cell->strategy[0];
    return strategy != NULL && strategy->home == HOME_FILES;
}

/* What matters, first: is all as it should be, and was all of it tried? */
static void write_verdict(const struct run_result *result, bool markdown, FILE *out)
{
    const char *mark = markdown ? "**" : "";
    int64_t other = 0;
    for (size_t i = 0; i < result->cell_count; i++)
        other += cell_result_exit(&result->cells[i]) != EXIT_OK;
    fputs(mark, out);
    if (result->interrupted)
        fputs("Interrupted: these results are partial. ", out);
    if (other == 0)
        fprintf(out, "As expected: %s.%s\n\n",
                human_counted((int64_t)result->cell_count, "cell").text, mark);
    else
        fprintf(out, "NOT as expected: %s of %s; why, and how to repeat each, is below.%s\n\n",
                human_count(other).text, human_counted((int64_t)result->cell_count, "cell").text,
                mark);
}

/* On what all this was found: a verdict without it cannot be compared. */
static void write_head(const struct run_result *result, bool markdown, FILE *out)
{
    const struct environment *environment = &result->environment;
    const struct cell_result *cell = &result->cells[0];
    for (size_t i = 1; i < result->cell_count && is_of_files(cell); i++)
        cell = &result->cells[i];
    char *target = report_target(cell);
    fprintf(out, "%s.%s\n", target, markdown ? "  " : ""); /* two blanks: a new line */
    fprintf(out, "racebench %s, libmongoc %s, %s, seed %" PRIu64 "; ", environment->racebench,
            environment->libmongoc, environment->started_at, cell->cell->seed);
    fprintf(out, "%s, %s, %s.\n", environment->os, environment->cpu,
            human_counted(environment->cpus, "CPU").text);
    free(target);
}

void report_matrix_write(const struct run_result *result, bool markdown, const struct style *style,
                         FILE *out)
{
    struct names scenario_names = {0};
    if (result->cell_count == 0) {
        fprintf(out, "No cell was run%s.\n", result->interrupted ? ": interrupted" : "");
        return;
    }
    write_verdict(result, markdown, out);
    write_head(result, markdown, out);
    for (size_t i = 0; i < result->cell_count; i++)
        note_name(&scenario_names, result->cells[i].cell->scenario->name);
    for (size_t i = 0; i < scenario_names.count; i++)
        write_block(result, scenario_names.items[i], markdown, style, out);
    write_convictions(result, markdown, style, out);
    write_troubles(result, markdown, out);
    write_end(result, style, out);
}
