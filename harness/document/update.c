/* SPDX-License-Identifier: Apache-2.0
 *
 * update: see update.h. Operators become a list of small changes, one per path, sorted by path
 * (numbers numerically), so that conflicts are neighbours and new fields come in sorted order, as
 * MongoDB 5.0 and later does it. Then the old document is copied element by element into a buffer;
 * where a path leads into a field, the copy goes on inside with the changes below that path. A
 * group of changes that share the path so far is a range of the list, so that no tree is built.
 * Nothing is changed in place. Recursion is as deep as the document nests or a path is long; both
 * are bounded.
 */
#include "update.h"

#include "base.h"
#include "fields.h"
#include "pipeline.h"
#include "update_change.h"
#include "value.h"
#include <stdlib.h>
#include <string.h>

static const char too_large[] = "Resulting document after update is larger than %d";

enum { PADDING_MAX = 1500000, CHANGES_FEW = 6 };

/* Reading the update --------------------------------------------------------------------------- */

/* The list of changes; short ones need no memory of their own. */
struct changes {
    struct change few[CHANGES_FEW];
    struct change *items;
    size_t count, capacity;
    bool nested; /* a path is dotted or an array grows: the result may nest deeper */
};

static void changes_init(struct changes *changes)
{
    changes->items = changes->few;
    changes->count = 0;
    changes->capacity = CHANGES_FEW;
    changes->nested = false;
}

static void changes_release(struct changes *changes)
{
    if (changes->items != changes->few)
        free(changes->items);
}

static void changes_add(struct changes *changes, const struct change *change)
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
        size_t a_length = strcspn(a, "."), b_length = strcspn(b, ".");
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

static bool is_prefix(const char *path, const char *longer)
{
    size_t length = strlen(path);
    return strncmp(path, longer, length) == 0 && (longer[length] == '.' || longer[length] == '\0');
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

static bool check_path(const char *path, struct failure *failure)
{
    int depth = 1;
    if (path[0] == '\0')
        return failure_set(failure, FAILURE_EMPTY_FIELD_NAME, "An empty update path is not valid.");
    for (const char *part = path;; depth++) {
        size_t length = strcspn(part, ".");
        if (!check_part(path, part, length, failure))
            return false;
        if (part[length] == '\0')
            break;
        part += length + 1;
    }
    return depth <= VALUE_DEPTH_MAX ||
           failure_set(failure, FAILURE_OVERFLOW, "An update path has more than %d parts",
                       VALUE_DEPTH_MAX);
}

static bool add_operator(struct changes *changes, const struct element *operator,
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
        if (!check_path(change.operand.name, failure) || !change_check(&change, failure))
            return false;
        changes->nested |= change.kind == CHANGE_PUSH || change.kind == CHANGE_ADD_TO_SET ||
                           strchr(change.operand.name, '.') != NULL;
        changes_add(changes, &change);
    }
    return true;
}

/* Mostly they come in order. */
static bool are_sorted(const struct changes *changes)
{
    for (size_t i = 1; i < changes->count; i++)
        if (compare_changes(&changes->items[i - 1], &changes->items[i]) > 0)
            return false;
    return true;
}

/* Reads all operators into a sorted list without conflicts. */
static bool read_changes(const bson_value_t *update, struct changes *changes,
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
        if (is_prefix(before, path))
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

bool update_check(const bson_value_t *change, struct failure *failure)
{
    struct changes changes;
    if (change->value_type == BSON_TYPE_ARRAY)
        return pipeline_check(change, true, failure);
    if (change->value_type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Update argument must be either an object or an array");
    if (update_is_replacement(change))
        return check_replacement(change, failure);
    changes_init(&changes);
    bool fine = read_changes(change, &changes, failure);
    changes_release(&changes);
    return fine;
}

/* Applying operators --------------------------------------------------------------------------- */

/* Changes that share the first `skip` bytes of their paths: what is to be done at one level. */
struct group {
    struct change *from, *end;
    size_t skip;
    size_t level; /* 1 at the top */
};

/* An update under way: what stays the same at all levels. */
struct applying {
    const struct update *update;
    struct buffer *out;
    struct failure *failure;
};

static bool write_level(const struct applying *applying, struct elements old, bool is_array,
                        const struct group *group);

/* The changes of the group, from `from` on, that go into the same field as the first: `name`. */
static struct group part_from(const struct group *group, struct change *from, const char **name,
                              size_t *length)
{
    *name = from->operand.name + group->skip;
    *length = strcspn(*name, ".");
    struct change *end = from + 1;
    while (end < group->end) {
        const char *other = end->operand.name + group->skip;
        if (strncmp(other, *name, *length) != 0 ||
            (other[*length] != '.' && other[*length] != '\0'))
            break;
        end++;
    }
    return (struct group){from, end, group->skip + *length + 1, group->level + 1};
}

/* The changes that concern an old element; false: none. `at` is its position. */
static bool find_part(const struct group *group, const struct element *old, bool is_array,
                      int64_t at, struct group *part)
{
    const char *name;
    size_t length;
    for (struct change *change = group->from; change < group->end; change = part->end) {
        *part = part_from(group, change, &name, &length);
        bool same =
            is_array ? element_index(name, length) == at : element_is_named(old, name, length);
        if (same && change->handled < group->level) { /* of two fields of one name: the first */
            change->handled = group->level;
            return true;
        }
    }
    return false;
}

/* Does the path end here? Without conflicts the change is then alone in its group. */
static bool is_end(const struct group *part)
{
    return part->from->operand.name[part->skip - 1] == '\0';
}

/* Would the changes make something where there is nothing? */
static bool is_creating(const struct applying *applying, const struct group *part)
{
    for (struct change *change = part->from; change < part->end; change++)
        if (change->kind != CHANGE_UNSET && change->kind != CHANGE_PULL &&
            change->kind != CHANGE_POP &&
            (change->kind != CHANGE_SET_ON_INSERT || applying->update->inserting))
            return true;
    return false;
}

static bool refuse_path(const struct applying *applying, const struct group *group,
                        const char *parent, const char *type)
{
    const char *name = group->from->operand.name + group->skip;
    return failure_set(applying->failure, FAILURE_PATH_NOT_VIABLE,
                       "Cannot create field '%.*s' in element {%s: <%s>}", (int)strcspn(name, "."),
                       name, parent, type);
}

/* An old element that some change strikes or leads into. */
static bool write_changed(const struct applying *applying, const struct element *old, bool in_array,
                          const struct group *part)
{
    struct buffer *out = applying->out;
    if (is_end(part)) {
        struct change_place place = {old->name, old->name_length, old, in_array};
        return change_apply(part->from, applying->update, &place, out, applying->failure);
    }
    if (element_is_container(old)) {
        element_begin(out, old->type, old->name, old->name_length);
        size_t begun = document_begin(out);
        if (!write_level(applying, elements_of_element(old), old->type == BSON_TYPE_ARRAY, part))
            return false;
        document_end(out, begun);
        return true;
    }
    if (is_creating(applying, part))
        return refuse_path(applying, part, old->name, fields_type_name(old->type));
    element_write(out, old);
    return true;
}

/* A field that did not exist. */
static bool write_new(const struct applying *applying, const char *name, size_t length,
                      const struct group *part)
{
    struct buffer *out = applying->out;
    if (is_end(part)) {
        struct change_place place = {name, length, NULL, false};
        return change_apply(part->from, applying->update, &place, out, applying->failure);
    }
    element_begin(out, BSON_TYPE_DOCUMENT, name, length);
    size_t begun = document_begin(out);
    if (!write_level(applying, (struct elements){0}, false, part))
        return false;
    document_end(out, begun);
    return true;
}

/* Fills an array with null up to a new element's index. */
static bool pad_array(const struct applying *applying, const struct group *group, int64_t index,
                      int64_t *count)
{
    char text[16];
    const char *name;
    if (index < 0)
        return refuse_path(applying, group, "an element", "array");
    if (index - *count > PADDING_MAX)
        return failure_set(applying->failure, FAILURE_CANNOT_BACKFILL_ARRAY,
                           "can't backfill more than %d elements", PADDING_MAX);
    if (applying->out->length >
        DOCUMENT_BYTES_MAX) /* each field of an update may pad another array */
        return failure_set(applying->failure, FAILURE_OBJECT_TOO_LARGE, too_large,
                           DOCUMENT_BYTES_MAX);
    for (; *count < index; (*count)++) {
        size_t length = bson_uint32_to_string((uint32_t)*count, &name, text, sizeof text);
        element_begin(applying->out, BSON_TYPE_NULL, name, length);
    }
    (*count)++;
    return true;
}

/* Copies one level of the old document with the group's changes; then appends what is new. */
static bool write_level(const struct applying *applying, struct elements old, bool is_array,
                        const struct group *group)
{
    struct element element;
    struct group part;
    const char *name;
    size_t length;
    int64_t count = 0;
    for (; elements_next(&old, &element); count++) {
        if (!find_part(group, &element, is_array, count, &part))
            element_write(applying->out, &element);
        else if (!write_changed(applying, &element, is_array, &part))
            return false;
    }
    for (struct change *change = group->from; change < group->end; change = part.end) {
        part = part_from(group, change, &name, &length);
        if (change->handled >= group->level || !is_creating(applying, &part))
            continue;
        if (is_array) {
            struct group here = {part.from, part.end, group->skip, group->level};
            if (!pad_array(applying, &here, element_index(name, length), &count))
                return false;
        }
        if (!write_new(applying, name, length, &part))
            return false;
    }
    return true;
}

static bool apply_operators(const struct update *update, const bson_t *was, struct buffer *out,
                            struct failure *failure)
{
    struct changes changes;
    struct applying applying = {update, out, failure};
    changes_init(&changes);
    bool fine = read_changes(update->change, &changes, failure);
    if (fine) {
        struct group all = {changes.items, changes.items + changes.count, 0, 1};
        size_t begun = document_begin(out);
        fine = write_level(&applying, elements_of(was), false, &all);
        document_end(out, begun);
    }
    if (fine && changes.nested && out->length <= DOCUMENT_BYTES_MAX &&
        value_malformed(out->bytes, out->length))
        fine = failure_set(failure, FAILURE_OVERFLOW,
                           "The update would make the document nest deeper than %d levels",
                           VALUE_DEPTH_MAX);
    changes_release(&changes);
    return fine;
}

/* All forms ------------------------------------------------------------------------------------ */

void update_put_id_first(struct elements fields, const bson_t *otherwise, struct buffer *out)
{
    struct element field;
    size_t begun = document_begin(out);
    if (elements_find(fields, "_id", 3, &field) ||
        elements_find(elements_of(otherwise), "_id", 3, &field))
        element_write(out, &field);
    while (elements_next(&fields, &field))
        if (!element_is_named(&field, "_id", 3))
            element_write(out, &field);
    document_end(out, begun);
}

/* Operators leave _id where it was; an upsert's may have put it behind other fields. */
static bool is_id_first(const struct buffer *out)
{
    struct elements fields = elements_of_buffer(out);
    struct element id;
    return !elements_find(fields, "_id", 3, &id) || id.start == fields.at;
}

/* Equal values; nearly always the same bytes. */
static bool is_same(const struct element *a, const struct element *b)
{
    bson_value_t x, y;
    if (a->type == b->type && a->size == b->size && memcmp(a->data, b->data, a->size) == 0)
        return true;
    element_value(a, &x);
    element_value(b, &y);
    return value_compare(&x, &y) == 0;
}

/* `is` is the new document; its _id, if any, is in front. */
static bool check_id(const bson_t *was, const bson_t *is, struct failure *failure)
{
    struct element before, after;
    bool had = elements_find(elements_of(was), "_id", 3, &before);
    bool has = elements_find(elements_of(is), "_id", 3, &after);
    if (had && (!has || !is_same(&before, &after)))
        return failure_set(failure, FAILURE_IMMUTABLE_FIELD,
                           "Performing an update on the path '_id' would modify the immutable "
                           "field '_id'");
    if (has && (after.type == BSON_TYPE_ARRAY || after.type == BSON_TYPE_REGEX ||
                after.type == BSON_TYPE_UNDEFINED))
        return failure_set(failure, FAILURE_INVALID_ID_FIELD,
                           "The '_id' value cannot be of type %s", fields_type_name(after.type));
    return true;
}

static bool finish(const bson_t *was, struct buffer *out, bson_t *is, bool *changed,
                   struct failure *failure)
{
    bson_t view;
    if (out->length > DOCUMENT_BYTES_MAX)
        return failure_set(failure, FAILURE_OBJECT_TOO_LARGE, too_large, DOCUMENT_BYTES_MAX);
    document_of_buffer(out, &view);
    if (!check_id(was, &view, failure))
        return false;
    *changed = view.len != was->len || memcmp(out->bytes, bson_get_data(was), view.len) != 0;
    bson_concat(is, &view);
    return true;
}

static bool apply_pipeline(const struct update *update, const bson_t *was, struct buffer *out,
                           struct failure *failure)
{
    struct documents documents = {0};
    documents_add(&documents, was);
    bool fine = pipeline_run(update->change, &documents, update->now_ms, failure);
    if (fine)
        update_put_id_first(elements_of(documents.items[0]), was, out);
    documents_release(&documents);
    return fine;
}

bool update_apply(const struct update *update, const bson_t *was, bson_t *is, bool *changed,
                  struct failure *failure)
{
    struct buffer out = {0}, unordered = {0};
    bool fine = true;
    if (update->change->value_type == BSON_TYPE_ARRAY)
        fine = apply_pipeline(update, was, &out, failure);
    else if (update_is_replacement(update->change))
        update_put_id_first(elements_of_value(update->change), was, &out);
    else
        fine = apply_operators(update, was, &out, failure);
    if (fine && !is_id_first(&out)) {
        unordered = out;
        out = (struct buffer){0};
        update_put_id_first(elements_of_buffer(&unordered), was, &out);
    }
    fine = fine && finish(was, &out, is, changed, failure);
    buffer_release(&out);
    buffer_release(&unordered);
    return fine;
}
