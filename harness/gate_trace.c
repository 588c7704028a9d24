/* SPDX-License-Identifier: Apache-2.0
 *
 * gate_trace: what a trace keeps of a command: which document it names, whether its filter asks for
 * more than that document, and whether its update says how the document changes or what it becomes.
 * From this alone it can be told which writes may put back something stale.
 *
 * The stamp that the harness adds to every document does not make an update one of values.
 */
#include "gate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STAMP "stamp" /* EDIT_STAMP of edit.h, which a gate does not know; a test compares them */

/* Where a command has its filter, its update, its new document. */
struct places {
    const char *filter, *update, *document;
};
static const struct places places[STEP_KIND_COUNT] = {
    [STEP_FIND] = {.filter = "filter"},
    [STEP_INSERT] = {.document = "documents.0"},
    [STEP_UPDATE] = {.filter = "updates.0.q", .update = "updates.0.u"},
    [STEP_DELETE] = {.filter = "deletes.0.q"},
    [STEP_FIND_AND_MODIFY] = {.filter = "query", .update = "update"},
};

static bool find(const bson_t *command, const char *place, bson_iter_t *found)
{
    bson_iter_t iter;
    return place != NULL && bson_iter_init(&iter, command) &&
           bson_iter_find_descendant(&iter, place, found);
}

static void note_id(const bson_iter_t *id, struct trace_entry *entry)
{
    size_t length;
    if (BSON_ITER_HOLDS_INT(id)) {
        snprintf(entry->document, sizeof(entry->document), "%" PRId64, bson_iter_as_int64(id));
    } else if (BSON_ITER_HOLDS_UTF8(id)) {
        const char *text = bson_iter_utf8(id, NULL);
        length = strnlen(text, sizeof(entry->document) - 1);
        memcpy(entry->document, text, length);
        entry->document[length] = '\0';
    }
}

/* Notes an _id among the members; true: there are others as well. */
static bool note_members(const bson_iter_t *document, struct trace_entry *entry)
{
    bson_iter_t member;
    bool others = false;
    if (!BSON_ITER_HOLDS_DOCUMENT(document) || !bson_iter_recurse(document, &member))
        return false;
    while (bson_iter_next(&member)) {
        if (strcmp(bson_iter_key(&member), "_id") == 0)
            note_id(&member, entry);
        else
            others = true;
    }
    return others;
}

/* Does an operator put a value into a field of the application's? */
static bool puts_value(const bson_iter_t *operator)
{
    const char *name = bson_iter_key(operator);
    bson_iter_t field;
    if (name[0] != '$')
        return true; /* a whole document */
    if ((strcmp(name, "$set") != 0 && strcmp(name, "$unset") != 0) ||
        !BSON_ITER_HOLDS_DOCUMENT(operator) || !bson_iter_recurse(operator, & field))
        return false;
    while (bson_iter_next(&field))
        if (strcmp(bson_iter_key(&field), STAMP) != 0)
            return true;
    return false;
}

static enum trace_update form_of(const bson_iter_t *update)
{
    bson_iter_t operator;
    if (!BSON_ITER_HOLDS_DOCUMENT(update) || !bson_iter_recurse(update, &operator))
        return TRACE_UPDATE_OPERATORS; /* a pipeline */
    while (bson_iter_next(&operator))
        if (puts_value(&operator))
            return TRACE_UPDATE_VALUES;
    return TRACE_UPDATE_OPERATORS;
}

void gate_trace_command(const bson_t *command, struct trace_entry *entry)
{
    const struct places *at = &places[entry->kind];
    bson_iter_t found;
    if (find(command, at->document, &found))
        note_members(&found, entry);
    if (find(command, at->filter, &found))
        entry->filter = note_members(&found, entry) ? TRACE_FILTER_MORE : TRACE_FILTER_ID;
    if (find(command, at->update, &found))
        entry->update = form_of(&found);
}
