/* SPDX-License-Identifier: Apache-2.0
 *
 * report_summary: the names that reports give to cells and groups of cells, and the sentence that
 * sums a run up. See report.h.
 *
 * Names: a strategy stands for all its cells; where only some are meant, what varies between cells
 * is added, as a list when it is one setting ("occ (10, 100 workers)").
 */
#include "base.h"
#include "report.h"
#include "scenario.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool same_strategy(const struct run_result *result, size_t a, size_t b)
{
    return strcmp(result->cells[a].cell->strategy_name, result->cells[b].cell->strategy_name) == 0;
}

/* Is there an earlier cell of the same strategy? */
static bool repeated(const struct run_result *result, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (same_strategy(result, i, index))
            return true;
    return false;
}

bool report_is_sweep(const struct run_result *result)
{
    for (size_t i = 0; i < result->cell_count; i++)
        for (size_t j = 0; j < i; j++)
            if (same_strategy(result, i, j) && strcmp(result->cells[i].cell->scenario->name,
                                                      result->cells[j].cell->scenario->name) == 0)
                return true;
    return false;
}

/* The settings that vary: how many, and one of them. */
static int varying(const struct run_result *result, const struct report_setting **one)
{
    int count = 0;
    for (size_t i = 0; report_setting(i) != NULL; i++)
        if (report_varies(result, report_setting(i))) {
            *one = report_setting(i);
            count++;
        }
    return count;
}

/* What varies, of one cell: "counter, 10 workers". */
static void say_phrases(FILE *out, const struct run_result *result, const struct cell *cell)
{
    const char *between = "";
    for (size_t i = 0; report_setting(i) != NULL; i++)
        if (report_varies(result, report_setting(i))) {
            fprintf(out, "%s%s", between, report_setting_phrase(report_setting(i), cell).text);
            between = ", ";
        }
}

char *report_label(const struct run_result *result, const struct cell *cell)
{
    const struct report_setting *one = NULL;
    char *text = NULL;
    size_t size = 0;
    if (varying(result, &one) == 0)
        return x_strdup(cell->strategy_name);
    FILE *out = open_memstream(&text, &size);
    must(out != NULL);
    fprintf(out, "%s (", cell->strategy_name);
    say_phrases(out, result, cell);
    fputc(')', out);
    must(fclose(out) == 0);
    return text;
}

/* The members among the cells of one strategy: how many, of how many, and the last of them. */
struct part {
    int members, cells;
    size_t last;
};

static struct part part(const struct run_result *result, const bool *member, size_t index)
{
    struct part part = {0};
    for (size_t i = 0; i < result->cell_count; i++) {
        if (!same_strategy(result, i, index))
            continue;
        part.cells++;
        part.members += member[i];
        if (member[i])
            part.last = i;
    }
    return part;
}

/* "10, 100, 1,000 workers": the values of the one setting that varies. */
static void say_values(FILE *out, const struct run_result *result, const bool *member, size_t index)
{
    const struct report_setting *one = NULL;
    struct part all = part(result, member, index);
    varying(result, &one);
    for (size_t i = 0; i < all.last; i++)
        if (member[i] && same_strategy(result, i, index))
            fprintf(out, "%s, ", report_setting_value(one, result->cells[i].cell).text);
    fprintf(out, "%s", report_setting_phrase(one, result->cells[all.last].cell).text);
}

char *report_names(const struct run_result *result, const bool *member)
{
    const struct report_setting *one = NULL;
    const char *between = "";
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    must(out != NULL);
    for (size_t i = 0; i < result->cell_count; i++) {
        struct part these = part(result, member, i);
        if (repeated(result, i) || these.members == 0)
            continue;
        fprintf(out, "%s%s", between, result->cells[i].cell->strategy_name);
        between = ", ";
        if (these.members == these.cells)
            continue;
        fprintf(out, " (");
        if (varying(result, &one) == 1)
            say_values(out, result, member, i);
        else if (these.members == 1)
            say_phrases(out, result, result->cells[these.last].cell);
        else
            fprintf(out, "%d of %d cells", these.members, these.cells);
        fputc(')', out);
    }
    must(fclose(out) == 0);
    return text;
}

/* What the sentence says of a cell. */
enum class { CLASS_BROKEN, CLASS_UNKNOWN, CLASS_EXPECTED, CLASS_HELD, CLASS_COUNT };

static enum class class(const struct cell_result *cell) {
    if (cell->verdict.status == UNDECIDED) return CLASS_UNKNOWN;
    if (cell->verdict.status == HELD) return CLASS_HELD;
    return cell->expected == HELD ? CLASS_BROKEN : CLASS_EXPECTED;
}

static void say_classes(FILE *out, const struct run_result *result)
{
    static const char *const titles[CLASS_COUNT] = {"BROKEN", "unknown", "broken as expected",
                                                    "held"};
    const char *between = "";
    bool *member = x_calloc(result->cell_count, sizeof(*member));
    for (int wanted = 0; wanted < CLASS_COUNT; wanted++) {
        int count = 0;
        for (size_t i = 0; i < result->cell_count; i++) {
            member[i] = class(&result->cells[i]) == (enum class)wanted;
            count += member[i];
        }
        if (count == 0)
            continue;
        char *names = report_names(result, member);
        bool claimed = wanted != CLASS_EXPECTED || result->cells[0].expected != UNDECIDED;
        fprintf(out, "%s%s: %s", between, claimed ? titles[wanted] : "broken", names);
        between = "; ";
        free(names);
    }
    free(member);
}

/* Mean time per operation over the held cells of a strategy, ns; 0: none held or one is broken. */
static double cost_ns(const struct run_result *result, size_t index)
{
    double sum_ns = 0;
    int held = 0;
    for (size_t i = 0; i < result->cell_count; i++) {
        const struct cell_result *cell = &result->cells[i];
        if (!same_strategy(result, i, index))
            continue;
        if (cell->verdict.status == BROKEN)
            return 0;
        if (cell->verdict.status == HELD && cell->throughput_ops_s > 0) {
            sum_ns += 1e9 / cell->throughput_ops_s;
            held++;
        }
    }
    return held > 0 ? sum_ns / held : 0;
}

static int cells_of(const struct run_result *result, size_t index)
{
    int count = 0;
    for (size_t i = 0; i < result->cell_count; i++)
        count += same_strategy(result, i, index);
    return count;
}

static void say_cheapest(FILE *out, const struct run_result *result)
{
    size_t cheapest = 0;
    double least_ns = 0;
    int held = 0;
    for (size_t i = 0; i < result->cell_count; i++) {
        double ns = repeated(result, i) ? 0 : cost_ns(result, i);
        held += ns > 0;
        if (ns > 0 && (held == 1 || ns < least_ns)) {
            least_ns = ns;
            cheapest = i;
        }
    }
    const char *average = cells_of(result, cheapest) > 1 ? " on average" : "";
    if (held > 1)
        fprintf(out, "; the cheapest that held is %s (%s ops/s%s)",
                result->cells[cheapest].cell->strategy_name, human_number(1e9 / least_ns).text,
                average);
}

char *report_summary(const struct run_result *result)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    must(out != NULL);
    if (result->interrupted)
        fprintf(out, "interrupted, these results are partial; ");
    say_classes(out, result);
    say_cheapest(out, result);
    must(fclose(out) == 0);
    if (text[0] >= 'a' && text[0] <= 'z')
        text[0] = (char)(text[0] - 'a' + 'A');
    return text;
}

char *report_repeat(const struct run_result *result)
{
    const char *typed = result->environment.command;
    bool one_seed = true;
    if (result->cell_count == 1 || typed == NULL)
        return cell_result_repro(&result->cells[0]);
    for (size_t i = 1; i < result->cell_count; i++)
        one_seed = one_seed && result->cells[i].cell->seed == result->cells[0].cell->seed;
    if (!one_seed || strstr(typed, "--seed") != NULL)
        return x_strdup(typed);
    return x_format("%s --seed %" PRIu64, typed, result->cells[0].cell->seed);
}
