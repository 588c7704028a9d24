/* SPDX-License-Identifier: Apache-2.0
 *
 * report junit: for build servers, in the dialect that Jenkins reads: one <testsuite> per scenario,
 * one <testcase> per cell. A cell that is broken against expectation is a <failure>, one without a
 * verdict an <error>, both with the explanation, the transport and a line "repro: COMMAND"; the
 * rest pass and say why in <system-out>. So a suite is green exactly when racebench's exit code is
 * 0. Names hold no seed unless seeds vary, so that a build server recognises a test from run to
 * run.
 *
 * XML 1.0 has no way to write most control characters, not even escaped: they are left out, and
 * what is no UTF-8 becomes '?'.
 */
#include "base.h"
#include "report.h"
#include "scenario.h"

#include <stdlib.h>
#include <string.h>

static void put(FILE *out, const char *text)
{
    char *clean = human_utf8(text);
    for (const char *at = clean; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (strncmp(at, "\xef\xbf\xbe", 3) == 0 || strncmp(at, "\xef\xbf\xbf", 3) == 0)
            at += 2; /* U+FFFE and U+FFFF are no characters of XML */
        else if (byte == '&')
            fputs("&amp;", out);
        else if (byte == '<')
            fputs("&lt;", out);
        else if (byte == '>')
            fputs("&gt;", out);
        else if (byte == '"')
            fputs("&quot;", out);
        else if (byte == '\n' || byte == '\t')
            fprintf(out, "&#%d;", byte);
        else if (byte >= 0x20)
            fputc(byte, out);
    }
    free(clean);
}

static void put_attribute(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"", name);
    put(out, value);
    fputc('"', out);
}

struct totals {
    int tests, failures, errors;
    double seconds;
};

static bool belongs(const struct cell_result *cell, const char *scenario)
{
    return scenario == NULL || strcmp(cell->cell->scenario->name, scenario) == 0;
}

/* Of one scenario, or of all (NULL). */
static struct totals count(const struct run_result *result, const char *scenario)
{
    struct totals totals = {0};
    for (size_t i = 0; i < result->cell_count; i++) {
        const struct cell_result *cell = &result->cells[i];
        if (!belongs(cell, scenario))
            continue;
        enum exit_code code = cell_result_exit(cell);
        totals.tests++;
        totals.failures += code == EXIT_BROKEN;
        totals.errors += code != EXIT_BROKEN && code != EXIT_OK;
        totals.seconds += cell->seconds;
    }
    return totals;
}

static void put_totals(FILE *out, const struct totals *totals)
{
    fprintf(out, " tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"0\" time=\"%.3f\"",
            totals->tests, totals->failures, totals->errors, totals->seconds);
}

static void put_explanation(FILE *out, const struct cell_result *cell, const char *message)
{
    char *target = report_target(cell), *repeat = cell_result_repro(cell);
    put(out, message);
    fputc('\n', out);
    put(out, target);
    fprintf(out, "\ntransport: %s\nrepro: ", transport_name(cell->cell->transport));
    put(out, repeat);
    fputc('\n', out);
    if (cell->proof.schedule != NULL)
        put(out, cell->proof.schedule);
    free(target);
    free(repeat);
}

/* The cell's name among those of its suite; in a matrix settings alone do not tell cells apart. */
static char *case_name(const struct run_result *result, const struct cell *cell)
{
    char *label = report_label(result, cell);
    char *name = cell->conviction != NULL ? x_format("%s, must break: %s", label, cell->conviction)
                 : cell->column != NULL   ? x_format("%s, %s", label, cell->column)
                                          : x_strdup(label);
    free(label);
    return name;
}

static void put_case(FILE *out, const struct run_result *result, const struct cell_result *cell)
{
    enum exit_code code = cell_result_exit(cell);
    char *name = case_name(result, cell->cell);
    char *class = x_format("racebench.%s", cell->cell->scenario->name);
    char *explanation = report_explanation(cell);
    char *message = x_format("%s: %s", report_verdict(cell).text, explanation);
    fputs("    <testcase", out);
    put_attribute(out, "classname", class);
    put_attribute(out, "name", name);
    fprintf(out, " time=\"%.3f\">\n", cell->seconds);
    const char *element = code == EXIT_OK       ? "system-out"
                          : code == EXIT_BROKEN ? "failure"
                                                : "error";
    fprintf(out, "      <%s", element);
    if (code != EXIT_OK) {
        put_attribute(out, "type", reason_name(cell->verdict.reason));
        put_attribute(out, "message", message);
    }
    fputc('>', out);
    put_explanation(out, cell, message);
    fprintf(out, "</%s>\n    </testcase>\n", element);
    free(message);
    free(explanation);
    free(class);
    free(name);
}

/* Is this the first cell of its scenario? */
static bool is_first(const struct run_result *result, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (belongs(&result->cells[i], result->cells[index].cell->scenario->name))
            return false;
    return true;
}

static void put_suite(FILE *out, const struct run_result *result, const char *scenario)
{
    struct totals totals = count(result, scenario);
    fputs("  <testsuite", out);
    put_attribute(out, "name", scenario);
    put_totals(out, &totals);
    if (result->environment.started_at != NULL) {
        /* xs:dateTime without a zone, as Jenkins' schema has it; the time is UTC. */
        char *moment = x_strndup(result->environment.started_at, strlen("2026-11-21T10:15:00"));
        put_attribute(out, "timestamp", moment);
        free(moment);
    }
    fputs(">\n", out);
    for (size_t i = 0; i < result->cell_count; i++)
        if (belongs(&result->cells[i], scenario))
            put_case(out, result, &result->cells[i]);
    fputs("  </testsuite>\n", out);
}

static void write_junit(const struct run_result *result, const struct style *style, FILE *out)
{
    (void)style;
    struct totals totals = count(result, NULL);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"racebench\"", out);
    put_totals(out, &totals);
    fputs(">\n", out);
    for (size_t i = 0; i < result->cell_count; i++)
        if (is_first(result, i))
            put_suite(out, result, result->cells[i].cell->scenario->name);
    fputs("</testsuites>\n", out);
}

const struct report report_junit = {
    .name = "junit",
    .help = "JUnit XML as Jenkins reads it, a test case per cell: for build servers",
    .write = write_junit,
};
