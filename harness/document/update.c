/* SPDX-License-Identifier: Apache-2.0
 *
 * update: see update.h. The old document is copied element by element into a buffer; where a path
 * leads into a field, the copy goes on inside with the changes below that path. Changes that share
 * the path so far are a range of the list (update_read.c), so that no tree is built. Nothing is
 * changed in place. Recursion is as deep as the document nests or a path is long; both are bounded.
 */
#include "update.h"

#include "base.h"
#include "fields.h"
#include "path.h"
#include "pipeline.h"
#include "value.h"
#include <string.h>

static const char too_large[] = "Resulting document after update is larger than %d";

enum { PADDING_MAX = 1500000 };

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

/* The changes of the group, from `from` on, that go into the same field as the first. */
static struct group part_from(const struct group *group, struct change *from)
{
    const char *name = from->operand.name + group->skip;
    size_t length = path_part(name);
    struct change *end = from + 1;
    while (end < group->end) {
        const char *other = end->operand.name + group->skip;
        if (strncmp(other, name, length) != 0 || (other[length] != '.' && other[length] != '\0'))
            break;
        end++;
    }
    return (struct group){from, end, group->skip + length + 1, group->level + 1};
}

/* Does the change go into this old element, whose position is `at`? */
static bool goes_into(const struct group *group, const struct change *change,
                      const struct element *old, bool is_array, int64_t at)
{
    const char *name = change->operand.name + group->skip;
    size_t length = path_part(name);
    return is_array ? element_index(name, length) == at : element_is_named(old, name, length);
}

/* The changes that concern an old element; false: none. */
static bool find_part(const struct group *group, const struct element *old, bool is_array,
                      int64_t at, struct group *part)
{
    struct change *change = group->from;
    while (change < group->end && !goes_into(group, change, old, is_array, at))
        change++;
    if (change == group->end || change->handled >= group->level)
        return false; /* of two fields of one name it is the first */
    *part = part_from(group, change);
    for (; change < part->end; change++)
        change->handled = group->level;
    return true;
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
                       "Cannot create field '%.*s' in element {%s: <%s>}", (int)path_part(name),
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

/* Writes what a part of the group makes, if anything, where nothing was. `count`: elements of the
 * array so far. */
static bool write_missing(const struct applying *applying, const struct group *group, bool is_array,
                          int64_t *count, const struct group *part)
{
    const char *name = part->from->operand.name + group->skip;
    size_t length = path_part(name);
    if (!is_creating(applying, part))
        return true;
    if (is_array) {
        struct group here = {part->from, part->end, group->skip, group->level};
        if (!pad_array(applying, &here, element_index(name, length), count))
            return false;
    }
    return write_new(applying, name, length, part);
}

/* Copies one level of the old document with the group's changes; then appends what is new. */
static bool write_level(const struct applying *applying, struct elements old, bool is_array,
                        const struct group *group)
{
    struct element element;
    struct group part;
    int64_t count = 0;
    for (; elements_next(&old, &element); count++) {
        if (!find_part(group, &element, is_array, count, &part))
            element_write(applying->out, &element);
        else if (!write_changed(applying, &element, is_array, &part))
            return false;
    }
    for (struct change *change = group->from; change < group->end;) {
        if (change->handled >= group->level) {
            change++;
            continue;
        }
        part = part_from(group, change);
        if (!write_missing(applying, group, is_array, &count, &part))
            return false;
        change = part.end;
    }
    return true;
}

static bool apply_operators(struct update *update, const bson_t *was, struct buffer *out,
                            struct failure *failure)
{
    struct change_list *changes = &update->changes;
    struct applying applying = {update, out, failure};
    struct group all = {changes->items, changes->items + changes->count, 0, 1};
    for (size_t i = 0; i < changes->count; i++)
        changes->items[i].handled = 0;
    size_t begun = document_begin(out);
    if (!write_level(&applying, elements_of(was), false, &all))
        return false;
    document_end(out, begun);
    return !changes->nested || out->length > DOCUMENT_BYTES_MAX ||
           !value_malformed(out->bytes, out->length) ||
           failure_set(failure, FAILURE_OVERFLOW,
                       "The update would make the document nest deeper than %d levels",
                       VALUE_DEPTH_MAX);
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

/* Do both begin with the same _id, one that may be? Nearly always; then it needs no other look. */
static bool begins_with_id(const bson_t *was, const struct buffer *is)
{
    struct elements fields = elements_of(was);
    const uint8_t *at = fields.at;
    struct element id;
    if (!elements_next(&fields, &id) || !element_is_named(&id, "_id", 3) ||
        !value_type_is_id(id.type))
        return false;
    size_t length = (size_t)(fields.at - at);
    return is->length > 4 + length && memcmp(is->bytes + 4, at, length) == 0;
}

/* The _id may not become another one. */
static bool check_id(const bson_t *was, const struct element *after, struct failure *failure)
{
    struct element before;
    if (elements_find(elements_of(was), "_id", 3, &before) &&
        (after == NULL || !is_same(&before, after)))
        return failure_set(failure, FAILURE_IMMUTABLE_FIELD,
                           "Performing an update on the path '_id' would modify the immutable "
                           "field '_id'");
    if (after != NULL && !value_type_is_id(after->type))
        return failure_set(failure, FAILURE_INVALID_ID_FIELD,
                           "The '_id' value cannot be of type %s", fields_type_name(after->type));
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

/* Operators leave _id where it was; an upsert's may have put it behind other fields. */
static void move_id_first(struct buffer *out, const bson_t *was)
{
    struct buffer ordered = {0};
    update_put_id_first(elements_of_buffer(out), was, &ordered);
    buffer_release(out);
    *out = ordered;
}

/* Sees to it that _id is the one it was, and the first field. */
static bool settle_id(const bson_t *was, struct buffer *is, struct failure *failure)
{
    struct elements fields = elements_of_buffer(is);
    struct element id;
    bool has = elements_find(fields, "_id", 3, &id);
    if (!check_id(was, has ? &id : NULL, failure))
        return false;
    if (has && id.start != fields.at)
        move_id_first(is, was);
    return true;
}

bool update_apply(struct update *update, const bson_t *was, struct buffer *is, bool *changed,
                  struct failure *failure)
{
    bool fine = true;
    is->length = 0;
    if (update->form == UPDATE_PIPELINE)
        fine = apply_pipeline(update, was, is, failure);
    else if (update->form == UPDATE_REPLACEMENT)
        update_put_id_first(elements_of_value(update->change), was, is);
    else
        fine = apply_operators(update, was, is, failure);
    if (!fine)
        return false;
    if (is->length > DOCUMENT_BYTES_MAX)
        return failure_set(failure, FAILURE_OBJECT_TOO_LARGE, too_large, DOCUMENT_BYTES_MAX);
    if (!begins_with_id(was, is) && !settle_id(was, is, failure))
        return false;
    *changed = is->length != was->len || memcmp(is->bytes, bson_get_data(was), is->length) != 0;
    return true;
}
