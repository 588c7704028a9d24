/* SPDX-License-Identifier: Apache-2.0
 *
 * report trace: the first steps of the first workers of each cell, as JSON lines: who did what to
 * which document, what the filter asked for, and whether the update said how the document changes
 * or what it becomes. `racebench explore --from-run` reads it.
 */
#include "base.h"
#include "report.h"

#include <inttypes.h>

static void print_text(FILE *out, const char *key, const char *text)
{
    char *clean = human_utf8(text);
    char *escaped = bson_utf8_escape_for_json(clean, -1);
    must(escaped != NULL);
    fprintf(out, ",\"%s\":\"%s\"", key, escaped);
    bson_free(escaped);
    free(clean);
}

static void print_entry(FILE *out, size_t cell, const struct trace_entry *entry)
{
    fprintf(out, "{\"cell\":%zu,\"worker\":%" PRId32 ",\"operation\":%" PRId64, cell, entry->worker,
            entry->operation);
    print_text(out, "step", step_kind_name(entry->kind));
    if (entry->target[0] != '\0')
        print_text(out, "target", entry->target);
    if (entry->document[0] != '\0')
        print_text(out, "document", entry->document);
    if (entry->filter != TRACE_FILTER_NONE)
        print_text(out, "filter", entry->filter == TRACE_FILTER_ID ? "id" : "more");
    if (entry->update != TRACE_UPDATE_NONE)
        print_text(out, "update", entry->update == TRACE_UPDATE_VALUES ? "values" : "operators");
    fputs("}\n", out);
}

static void write_trace(const struct run_result *result, const struct style *style, FILE *out)
{
    (void)style;
    for (size_t i = 0; i < result->cell_count; i++)
        for (size_t j = 0; j < result->cells[i].trace_count; j++)
            print_entry(out, i, &result->cells[i].trace[j]);
}

const struct report report_trace = {
    .name = "trace",
    .help = "the first steps of each cell as JSON lines: for 'explore --from-run'",
    .write = write_trace,
};
