/* SPDX-License-Identifier: Apache-2.0
 *
 * update_read: an update is read once, before any document is seen. Operators become a list of
 * small changes, one per path, sorted by path (numbers numerically), so that conflicts are
 * neighbours and new fields come in sorted order, as MongoDB 5.0 and later does it. Paths are
 * nearly always a few bytes long and without dots: their parts are found by plain loops.
 */
#include "update.h"

#include "base.h"
#include "fields.h"
#include "path.h"
#include "pipeline.h"
#include "value.h"
#include <stdlib.h>
#include <string.h>

static void changes_init(struct change_list *changes)
{
    changes->items = changes->few;
    changes->count = 0;
    changes->capacity = CHANGES_FEW;
    changes->nested = false;
}

static void changes_add(struct change_list *changes, const struct change *change)
{
    if (changes->count == changes->capacity) {
        bool moving = changes->items == changes->few;
        size_t bytes = 2 * changes->capacity * sizeof *changes->items;
        changes->items = x_realloc(moving ? NULL : changes->items, bytes);
        if (moving)
            memcpy(changes->items, changes->few, sizeof changes->few);
        changes->capacity *= 2;
    }
    changes->items[changes->count++] = *change;
}

/* Compares two parts of paths: numbers come first and in numeric order, which keeps it total. */
static int compare_parts(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int64_t x = element_index(a, a_length), y = element_index(b, b_length);
    if (x >= 0 && y >= 0)
        return x < y ? -1 : x > y;
    if (x >= 0 || y >= 0)
        return x >= 0 ? -1 : 1;
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

/* Part by part; a path that is a prefix of the other comes first. */
static int compare_paths(const char *a, const char *b)
{
    for (;;) {
        size_t a_length = path_part(a), b_length = path_part(b);
        int order = compare_parts(a, a_length, b, b_length);
        if (order != 0)
            return order;
        if (a[a_length] == '\0' || b[b_length] == '\0')
            return (a[a_length] != '\0') - (b[b_length] != '\0');
        a += a_length + 1;
        b += b_length + 1;
    }
}

static int compare_changes(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    return compare_paths(x->operand.name, y->operand.name);
}

static bool check_part(const char *path, const char *part, size_t length, struct failure *failure)
{
    if (length == 0)
        return failure_set(failure, FAILURE_EMPTY_FIELD_NAME,
                           "The update path '%s' contains an empty field name, which is not "
                           "allowed.",
                           path);
    if (part[0] != '$')
        return true;
    if (length == 1 || part[1] == '[')
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                           "positional updates are not implemented: '%s'", path);
    return failure_set(failure, FAILURE_DOLLAR_PREFIXED_FIELD_NAME,
                       "The dollar ($) prefixed field '%.*s' in '%s' is not valid for storage.",
                       (int)length, part, path);
}

/* Its number of parts, or 0: refused. */
static int check_path(const char *path, struct failure *failure)
{
    int depth = 1;
    if (path[0] == '\0') {
        failure_set(failure, FAILURE_EMPTY_FIELD_NAME, "An empty update path is not valid.");
        return 0;
    }
    for (const char *part = path;; depth++) {
        size_t length = path_part(part);
        if (!check_part(path, part, length, failure))
            return 0;
        if (part[length] == '\0')
            break;
        part += length + 1;
    }
    if (depth <= VALUE_DEPTH_MAX)
        return depth;
    failure_set(failure, FAILURE_OVERFLOW, "An update path has more than %d parts",
                VALUE_DEPTH_MAX);
    return 0;
}

static bool add_operator(struct change_list *changes, const struct element *operator,
                         struct failure * failure)
{
    struct change change = {0};
    struct elements fields = elements_of_element(operator);
    if (!change_kind_of(operator->name, &change.kind, failure))
        return false;
    if (operator->type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Modifiers operate on fields but we found type %s instead. For example: "
                           "{$mod: {<field>: ...}} not {%s: <%s>}",
                           fields_type_name(operator->type), operator->name,
                           fields_type_name(operator->type));
    while (elements_next(&fields, &change.operand)) {
        int parts = check_path(change.operand.name, failure);
        if (parts == 0 || !change_check(&change, failure))
            return false;
        changes->nested |=
            parts > 1 || change.kind == CHANGE_PUSH || change.kind == CHANGE_ADD_TO_SET;
        changes_add(changes, &change);
    }
    return true;
}

/* Mostly they come in order. */
static bool are_sorted(const struct change_list *changes)
{
    for (size_t i = 1; i < changes->count; i++)
        if (compare_changes(&changes->items[i - 1], &changes->items[i]) > 0)
            return false;
    return true;
}

/* Reads all operators into a sorted list without conflicts. */
static bool read_changes(const bson_value_t *update, struct change_list *changes,
                         struct failure *failure)
{
    struct elements operators = elements_of_value(update);
    struct element operator;
    while (elements_next(&operators, &operator))
        if (!add_operator(changes, &operator, failure))
            return false;
    if (!are_sorted(changes))
        qsort(changes->items, changes->count, sizeof *changes->items, compare_changes);
    for (size_t i = 1; i < changes->count; i++) {
        const char *path = changes->items[i].operand.name;
        const char *before = changes->items[i - 1].operand.name;
        if (path_overlaps(before, path))
            return failure_set(failure, FAILURE_CONFLICTING_UPDATE_OPERATORS,
                               "Updating the path '%s' would create a conflict at '%s'", path,
                               before);
    }
    return true;
}

bool update_is_replacement(const bson_value_t *change)
{
    struct elements fields = elements_of_value(change);
    struct element first;
    if (change->value_type != BSON_TYPE_DOCUMENT)
        return false;
    return !elements_next(&fields, &first) || first.name[0] != '$';
}

static bool check_replacement(const bson_value_t *replacement, struct failure *failure)
{
    struct elements fields = elements_of_value(replacement);
    struct element field;
    while (elements_next(&fields, &field))
        if (field.name[0] == '$')
            return failure_set(failure, FAILURE_DOLLAR_PREFIXED_FIELD_NAME,
                               "The dollar ($) prefixed field '%s' in '%s' is not allowed in the "
                               "context of an update's replacement document. Consider using an "
                               "aggregation pipeline with $replaceWith.",
                               field.name, field.name);
    return true;
}

static bool read_form(struct update *update, struct failure *failure)
{
    const bson_value_t *change = update->change;
    if (change->value_type == BSON_TYPE_ARRAY) {
        update->form = UPDATE_PIPELINE;
        return pipeline_check(change, true, failure);
    }
    if (change->value_type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Update argument must be either an object or an array");
    if (update_is_replacement(change)) {
        update->form = UPDATE_REPLACEMENT;
        return check_replacement(change, failure);
    }
    update->form = UPDATE_OPERATORS;
    return read_changes(change, &update->changes, failure);
}

bool update_read(struct update *update, const bson_value_t *change, struct failure *failure)
{
    update->change = change;
    update->inserting = false;
    update->now_ms = 0;
    changes_init(&update->changes);
    bool fine = read_form(update, failure);
    if (!fine)
        update_release(update);
    return fine;
}

void update_release(struct update *update)
{
    if (update->changes.items != update->changes.few)
        free(update->changes.items);
}
