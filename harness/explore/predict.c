/* SPDX-License-Identifier: Apache-2.0
 *
 * predict: see predict.h. A trace is short (some hundred steps), so an operation's reads are found
 * by looking back. Files are read and written by name; a write of one has no filter at all.
 */
#include "predict.h"

#include "base.h"
#include "hazards.h"
#include "human.h"
#include "scenario.h"
#include "strategy.h"

#include <stdlib.h>
#include <string.h>

/* Finding ------------------------------------------------------------------------------------- */

static bool is_read(const struct trace_entry *entry)
{
    return entry->kind == STEP_FIND || entry->kind == STEP_FIND_AND_MODIFY ||
           entry->kind == STEP_READ_FILE;
}

/* Does it put values into a document, whatever the document holds by then? */
static bool is_blind_write(const struct trace_entry *entry)
{
    if (entry->kind == STEP_WRITE_FILE)
        return true;
    return (entry->kind == STEP_UPDATE || entry->kind == STEP_FIND_AND_MODIFY) &&
           entry->filter == TRACE_FILTER_ID && entry->update == TRACE_UPDATE_VALUES;
}

static bool same_operation(const struct trace_entry *a, const struct trace_entry *b)
{
    return a->worker == b->worker && a->operation == b->operation;
}

static bool was_read(const struct prediction *prediction, const struct trace_entry *write)
{
    for (const struct trace_entry *entry = prediction->entries; entry < write; entry++)
        if (is_read(entry) && same_operation(entry, write) &&
            strcmp(entry->target, write->target) == 0 &&
            strcmp(entry->document, write->document) == 0)
            return true;
    return false;
}

static bool is_first_step(const struct prediction *prediction, const struct trace_entry *step)
{
    for (const struct trace_entry *entry = prediction->entries; entry < step; entry++)
        if (same_operation(entry, step))
            return false;
    return true;
}

static void note(struct prediction *prediction, const struct trace_entry *write)
{
    bool after_read = was_read(prediction, write);
    for (size_t i = 0; i < prediction->candidate_count; i++) {
        struct candidate *known = &prediction->candidates[i];
        if (strcmp(known->target, write->target) == 0 && known->after_read == after_read) {
            known->times++;
            return;
        }
    }
    size_t at = array_grow((void **)&prediction->candidates, &prediction->candidate_count,
                           &prediction->candidate_capacity, sizeof(*prediction->candidates));
    struct candidate *candidate = &prediction->candidates[at];
    *candidate = (struct candidate){.after_read = after_read,
                                    .worker = write->worker,
                                    .operation = write->operation,
                                    .times = 1};
    memcpy(candidate->target, write->target, sizeof(candidate->target));
    memcpy(candidate->document, write->document, sizeof(candidate->document));
}

void predict(struct prediction *prediction)
{
    for (size_t i = 0; i < prediction->count; i++) {
        const struct trace_entry *entry = &prediction->entries[i];
        prediction->operations += is_first_step(prediction, entry);
        if (is_blind_write(entry))
            note(prediction, entry);
    }
}

void prediction_free(struct prediction *prediction)
{
    free(prediction->entries);
    free(prediction->candidates);
    memset(prediction, 0, sizeof(*prediction));
}

/* Reading ------------------------------------------------------------------------------------- */

static bool read_whole(const bson_t *line, const char *key, int64_t below, int64_t *number)
{
    bson_iter_t at;
    if (!bson_iter_init_find(&at, line, key) || !BSON_ITER_HOLDS_INT(&at))
        return false;
    *number = bson_iter_as_int64(&at);
    return *number >= 0 && *number < below;
}

/* A text that may be left out; false: it is something else, or too long. */
static bool read_text(const bson_t *line, const char *key, char *text, size_t size)
{
    bson_iter_t at;
    text[0] = '\0';
    if (!bson_iter_init_find(&at, line, key))
        return true;
    if (!BSON_ITER_HOLDS_UTF8(&at) || strlen(bson_iter_utf8(&at, NULL)) >= size)
        return false;
    memcpy(text, bson_iter_utf8(&at, NULL), strlen(bson_iter_utf8(&at, NULL)) + 1);
    return true;
}

/* The place of a word among `count`, the first of which is "", or -1. */
static int place_of(const char *word, const char *const words[], int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

static bool read_entry(const bson_t *line, size_t cells, int64_t *cell, struct trace_entry *entry)
{
    static const char *const filters[] = {"", "id", "more"}, *const updates[] = {"", "operators",
                                                                                 "values"};
    int64_t worker, operation;
    char step[32], filter[16], update[16];
    const char *kinds[STEP_KIND_COUNT];
    for (int kind = 0; kind < STEP_KIND_COUNT; kind++)
        kinds[kind] = step_kind_name((enum step_kind)kind);
    if (!read_whole(line, "cell", (int64_t)cells, cell) ||
        !read_whole(line, "worker", TRACE_WORKERS_MAX, &worker) ||
        !read_whole(line, "operation", INT64_MAX, &operation) ||
        !read_text(line, "step", step, sizeof(step)) ||
        !read_text(line, "target", entry->target, sizeof(entry->target)) ||
        !read_text(line, "document", entry->document, sizeof(entry->document)) ||
        !read_text(line, "filter", filter, sizeof(filter)) ||
        !read_text(line, "update", update, sizeof(update)))
        return false;
    int kind = place_of(step, kinds, STEP_KIND_COUNT);
    int asks = place_of(filter, filters, COUNT_OF(filters));
    int says = place_of(update, updates, COUNT_OF(updates));
    entry->worker = (int32_t)worker;
    entry->operation = operation;
    entry->kind = kind >= 0 ? (enum step_kind)kind : STEP_FIND;
    entry->filter = asks >= 0 ? (enum trace_filter)asks : TRACE_FILTER_NONE;
    entry->update = says >= 0 ? (enum trace_update)says : TRACE_UPDATE_NONE;
    return kind >= 0 && asks >= 0 && says >= 0;
}

/* One line, without its end; false: it is none of a trace. */
static bool read_line(const char *text, size_t length, struct prediction *predictions, size_t cells)
{
    bson_error_t error;
    struct trace_entry entry = {0};
    int64_t cell;
    bson_t *line = bson_new_from_json((const uint8_t *)text, (ssize_t)length, &error);
    bool fits = line != NULL && read_entry(line, cells, &cell, &entry);
    bson_destroy(line);
    if (!fits)
        return false;
    struct prediction *prediction = &predictions[cell];
    size_t at = array_grow((void **)&prediction->entries, &prediction->count, &prediction->capacity,
                           sizeof(*prediction->entries));
    prediction->entries[at] = entry;
    return true;
}

char *predict_read(const char *file, const char *text, struct prediction *predictions, size_t cells)
{
    int number = 1;
    for (const char *line = text; *line != '\0'; number++) {
        const char *end = strchr(line, '\n');
        if (end == NULL || end == line ||
            !read_line(line, (size_t)(end - line), predictions, cells))
            return x_format("%s:%d: %s; it was edited or cut off: run it again", file, number,
                            end == NULL ? "the last line has no end" : "no line of a trace");
        line = end + 1;
    }
    for (size_t i = 0; i < cells; i++)
        predict(&predictions[i]);
    return NULL;
}

/* The cell ------------------------------------------------------------------------------------ */

static const char *text_at(const bson_t *cell, const char *path)
{
    bson_iter_t iter, at;
    return bson_iter_init(&iter, cell) && bson_iter_find_descendant(&iter, path, &at) &&
                   BSON_ITER_HOLDS_UTF8(&at)
               ? bson_iter_utf8(&at, NULL)
               : NULL;
}

/* -1: it is not there. */
static int64_t whole_at(const bson_t *cell, const char *path)
{
    bson_iter_t iter, at;
    return bson_iter_init(&iter, cell) && bson_iter_find_descendant(&iter, path, &at) &&
                   (BSON_ITER_HOLDS_INT(&at) || BSON_ITER_HOLDS_BOOL(&at))
               ? bson_iter_as_int64(&at)
               : -1;
}

static bool find_strategies(const char *name, struct cell *cell)
{
    char *copy = x_strdup(name), *rest = copy;
    bool known = true;
    for (char *part; known && (part = strsep(&rest, "+")) != NULL;) {
        known = cell->strategy_count < CELL_STRATEGIES_MAX;
        if (!known)
            break;
        cell->strategy[cell->strategy_count++] = strategy_find(part);
        known = cell->strategy[cell->strategy_count - 1] != NULL;
    }
    free(copy);
    return known;
}

static void find_hazards(const bson_t *document, struct cell *cell)
{
    bson_iter_t iter, array, item;
    if (!bson_iter_init_find(&iter, document, "hazards") || !BSON_ITER_HOLDS_ARRAY(&iter) ||
        !bson_iter_recurse(&iter, &array))
        return;
    while (bson_iter_next(&array)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&array) || !bson_iter_recurse(&array, &item) ||
            !bson_iter_find(&item, "name") || !BSON_ITER_HOLDS_UTF8(&item))
            continue;
        for (int i = 0; i < HAZARD_COUNT; i++)
            if (strcmp(bson_iter_utf8(&item, NULL), hazard_name((enum hazard_index)i)) == 0)
                cell->hazards |= 1u << i;
    }
}

char *predict_cell(const bson_t *document, struct cell *cell)
{
    const char *scenario = text_at(document, "scenario"), *name = text_at(document, "strategy");
    const char *durability = text_at(document, "settings.durability");
    int64_t instances = whole_at(document, "instances");
    *cell = (struct cell){.hazards = HAZARD_BIT(none), .timeout_ms = 10000, .max_tries = 1000};
    if (scenario == NULL || name == NULL || instances < 1)
        return x_strdup("a cell without scenario, strategy or instances");
    cell->scenario = scenario_find(scenario);
    if (cell->scenario == NULL || !find_strategies(name, cell))
        return x_format("%s with %s is not known to this program", scenario, name);
    cell->strategy_name = name;
    cell->instances = instances > 1 ? 2 : 1;
    cell->unseeded = whole_at(document, "settings.unseeded") == 1;
    cell->retry_unknown = whole_at(document, "settings.retry_unknown") == 1;
    for (int d = 0; durability != NULL && d <= DURABILITY_OFF; d++)
        if (strcmp(durability, durability_name((enum durability)d)) == 0)
            cell->durability = (enum durability)d;
    find_hazards(document, cell);
    return NULL;
}

void candidate_print(const struct candidate *candidate)
{
    printf("  %s: w%" PRId32 ".%" PRId64 " %s", candidate->target, candidate->worker,
           candidate->operation, candidate->after_read ? "read" : "wrote");
    if (candidate->document[0] != '\0')
        printf(" %s/%s", candidate->target, candidate->document);
    printf("%s, asking for no version and no owner; %s like it\n",
           candidate->after_read ? ", then put values into it" : " from memory",
           human_counted(candidate->times, "write").text);
}
