/* SPDX-License-Identifier: Apache-2.0
 *
 * update: see update.h. Operators become a list of small changes, one per path, sorted by path (numbers
 * numerically), so that conflicts are neighbours and new fields come in sorted order, as MongoDB 5.0
 * and later does it. Then the old document is copied field by field; where a path leads into a field,
 * the copy goes on inside with the changes below that path. Nothing is changed in place.
 */
#include "update.h"
#include "base.h"
#include "update_change.h"
#include "update_pipeline.h"
#include "value.h"

#include <string.h>

enum { DOCUMENT_BYTES_MAX = 16 << 20 };

/* Reading the update -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum change_kind kind;
} kinds[] = {{"$set", CHANGE_SET},
             {"$unset", CHANGE_UNSET},
             {"$inc", CHANGE_INC},
             {"$mul", CHANGE_MUL},
             {"$min", CHANGE_MIN},
             {"$max", CHANGE_MAX},
             {"$push", CHANGE_PUSH},
             {"$currentDate", CHANGE_CURRENT_DATE},
             {"$setOnInsert", CHANGE_SET_ON_INSERT}};

static const char *const refused[] = {"$addToSet", "$bit", "$pop", "$pull", "$pullAll", "$rename"};

static bool kind_of(const char *name, enum change_kind *kind, struct failure *failure)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(name, kinds[i].name) == 0) {
            *kind = kinds[i].kind;
            return true;
        }
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (strcmp(name, refused[i]) == 0)
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "%s is not implemented", name);
    return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                       "Unknown modifier: %s. Expected a valid update modifier or pipeline-style "
                       "update specified as an array",
                       name);
}

/* Compares dotted paths part by part; parts that are numbers numerically. Negative, 0, positive; a
 * path that is a prefix of the other comes first. */
static int compare_paths(const char *a, const char *b)
{
    for (;;) {
        size_t a_length = strcspn(a, "."), b_length = strcspn(b, ".");
        size_t a_digits = strspn(a, "0123456789"), b_digits = strspn(b, "0123456789");
        bool numbers = a_digits == a_length && b_digits == b_length && a_length > 0 && b_length > 0;
        if (numbers && a_length != b_length)
            return a_length < b_length ? -1 : 1;
        size_t shorter = a_length < b_length ? a_length : b_length;
        int order = memcmp(a, b, shorter);
        if (order != 0 || a_length != b_length)
            return order != 0 ? order : a_length < b_length ? -1 : 1;
        if (a[a_length] == '\0' || b[b_length] == '\0')
            return (a[a_length] != '\0') - (b[b_length] != '\0');
        a += a_length + 1;
        b += b_length + 1;
    }
}

static int compare_changes(const void *a, const void *b)
{
    return compare_paths(((const struct change *)a)->path, ((const struct change *)b)->path);
}

static bool is_prefix(const char *path, const char *longer)
{
    size_t length = strlen(path);
    return strncmp(path, longer, length) == 0 && (longer[length] == '.' || longer[length] == '\0');
}

static bool check_path(const char *path, struct failure *failure)
{
    if (path[0] == '\0' || path[0] == '.' || path[strlen(path) - 1] == '.' ||
        strstr(path, "..") != NULL)
        return failure_set(
            failure, FAILURE_EMPTY_FIELD_NAME,
            "The update path '%s' contains an empty field name, which is not allowed.", path);
    for (const char *part = path; part != NULL; part = strchr(part, '.')) {
        part += part[0] == '.';
        if (strncmp(part, "$[", 2) == 0 || (part[0] == '$' && (part[1] == '.' || part[1] == '\0')))
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "positional updates are not implemented: '%s'", path);
        if (part[0] == '$')
            return failure_set(
                failure, FAILURE_DOLLAR_PREFIXED_FIELD_NAME,
                "The dollar ($) prefixed field '%s' is not allowed in an update path", path);
    }
    return true;
}

static bool add_operator(struct changes *changes, enum change_kind kind, const bson_value_t *fields,
                         struct failure *failure)
{
    bson_iter_t iter;
    if (fields->value_type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Modifiers operate on fields but we found another type instead");
    for (value_open(fields, &iter); bson_iter_next(&iter);) {
        struct change change = {kind, bson_iter_key(&iter), *bson_iter_value(&iter)};
        if (!check_path(change.path, failure) || !change_check(&change, failure))
            return false;
        size_t i = array_grow((void **)&changes->items, &changes->count, &changes->capacity,
                              sizeof(*changes->items));
        changes->items[i] = change;
    }
    return true;
}

/* Reads all operators into a sorted list without conflicts. */
static bool read_changes(const bson_value_t *update, struct changes *changes,
                         struct failure *failure)
{
    bson_iter_t iter;
    for (value_open(update, &iter); bson_iter_next(&iter);) {
        enum change_kind kind = CHANGE_SET;
        if (!kind_of(bson_iter_key(&iter), &kind, failure) ||
            !add_operator(changes, kind, bson_iter_value(&iter), failure))
            return false;
    }
    if (changes->count > 1)
        qsort(changes->items, changes->count, sizeof(*changes->items), compare_changes);
    for (size_t i = 1; i < changes->count; i++)
        if (is_prefix(changes->items[i - 1].path, changes->items[i].path))
            return failure_set(failure, FAILURE_CONFLICTING_UPDATE_OPERATORS,
                               "Updating the path '%s' would create a conflict at '%s'",
                               changes->items[i].path, changes->items[i - 1].path);
    return true;
}

bool update_is_replacement(const bson_value_t *change)
{
    bson_iter_t iter;
    if (change->value_type != BSON_TYPE_DOCUMENT)
        return false;
    return !value_open(change, &iter) || !bson_iter_next(&iter) || bson_iter_key(&iter)[0] != '$';
}

static bool check_replacement(const bson_value_t *replacement, struct failure *failure)
{
    bson_iter_t iter;
    for (value_open(replacement, &iter); bson_iter_next(&iter);)
        if (bson_iter_key(&iter)[0] == '$')
            return failure_set(
                failure, FAILURE_DOLLAR_PREFIXED_FIELD_NAME,
                "The dollar ($) prefixed field '%s' in '%s' is not valid for storage.",
                bson_iter_key(&iter), bson_iter_key(&iter));
    return true;
}

bool update_check(const bson_value_t *change, struct failure *failure)
{
    struct changes changes = {0};
    if (change->value_type == BSON_TYPE_ARRAY)
        return pipeline_check(change, failure);
    if (change->value_type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Update argument must be either an object or an array");
    if (update_is_replacement(change))
        return check_replacement(change, failure);
    bool fine = read_changes(change, &changes, failure);
    free(changes.items);
    return fine;
}

/* Applying ------------------------------------------------------------------------------------ */

/* One level of the copy: which changes are still to be made below a path of `skip` bytes. */
struct below {
    struct change *from, *end; /* sorted; all begin with the same `skip` bytes */
    size_t skip;
};

struct applying {
    const struct update *update;
    struct failure *failure;
};

static bool copy_level(const struct applying *applying, bson_iter_t *old, bool is_array,
                       const struct below *below, bson_t *into);

/* The changes whose next part is `key`, of those from `at` on; sets done on them by moving `at`. */
static struct below part_of(const struct below *below, const char *key, size_t length)
{
    struct below part = {below->end, below->end, below->skip + length + 1};
    for (struct change *change = below->from; change < below->end; change++) {
        const char *rest = change->path + below->skip;
        bool same = strncmp(rest, key, length) == 0 &&
                    (rest[length] == '.' || rest[length] == '\0') && strcspn(rest, ".") == length;
        if (same && part.from == below->end)
            part.from = change;
        if (same)
            part.end = change + 1;
    }
    if (part.from == below->end)
        part.end = part.from;
    return part;
}

static bool is_leaf(const struct below *part)
{
    return part->end - part->from == 1 && part->from->path[part->skip - 1] == '\0';
}

/* A field that exists and that some change leads into or replaces. */
static bool copy_changed(const struct applying *applying, const bson_iter_t *field, bool in_array,
                         const struct below *part, bson_t *into)
{
    const char *key = bson_iter_key(field);
    bson_iter_t inside;
    bson_t child;
    if (is_leaf(part)) {
        bson_iter_t copy = *field;
        struct change_place place = {key, bson_iter_value(&copy), in_array};
        return change_apply(part->from, applying->update, &place, into, applying->failure);
    }
    if (BSON_ITER_HOLDS_DOCUMENT(field) || BSON_ITER_HOLDS_ARRAY(field)) {
        bool is_array = BSON_ITER_HOLDS_ARRAY(field);
        must(bson_iter_recurse(field, &inside));
        if (is_array)
            BSON_APPEND_ARRAY_BEGIN(into, key, &child);
        else
            BSON_APPEND_DOCUMENT_BEGIN(into, key, &child);
        bool fine = copy_level(applying, &inside, is_array, part, &child);
        return (is_array ? bson_append_array_end(into, &child)
                         : bson_append_document_end(into, &child)) &&
               fine;
    }
    for (struct change *change = part->from; change < part->end; change++)
        if (change->kind != CHANGE_UNSET)
            return failure_set(applying->failure, FAILURE_PATH_NOT_VIABLE,
                               "Cannot create field '%s' in element {%s: ...}",
                               change->path + part->skip, key);
    return bson_append_iter(into, NULL, -1, field);
}

static bool makes_something(const struct applying *applying, const struct below *part)
{
    for (struct change *change = part->from; change < part->end; change++)
        if (change->kind != CHANGE_UNSET &&
            (change->kind != CHANGE_SET_ON_INSERT || applying->update->inserting))
            return true;
    return false;
}

/* A field that does not exist yet. */
static bool add_missing(const struct applying *applying, const char *key, const struct below *part,
                        bson_t *into)
{
    bson_t child;
    bson_iter_t nothing;
    const bson_t empty = BSON_INITIALIZER;
    if (!makes_something(applying, part))
        return true;
    if (is_leaf(part)) {
        struct change_place place = {key, NULL, false};
        return change_apply(part->from, applying->update, &place, into, applying->failure);
    }
    bson_iter_init(&nothing, &empty);
    BSON_APPEND_DOCUMENT_BEGIN(into, key, &child);
    bool fine = copy_level(applying, &nothing, false, part, &child);
    return bson_append_document_end(into, &child) && fine;
}

/* New elements of an array: their names must be numbers, gaps are filled with null. */
static bool pad_array(const struct applying *applying, const char *name, size_t length,
                      uint32_t *next, bson_t *into)
{
    enum { PADDING_MAX = 1500000 };
    char key[16];
    const char *text;
    if (strspn(name, "0123456789") != length || length > 9)
        return failure_set(applying->failure, FAILURE_PATH_NOT_VIABLE,
                           "Cannot create field '%s' in an array", name);
    unsigned long index = strtoul(name, NULL, 10);
    if (index > *next + PADDING_MAX)
        return failure_set(applying->failure, (enum failure_code)2, "too much padding in an array");
    for (; *next < index; (*next)++) {
        bson_uint32_to_string(*next, &text, key, sizeof(key));
        BSON_APPEND_NULL(into, text);
    }
    (*next)++;
    return true;
}

static bool add_all_missing(const struct applying *applying, const struct below *below,
                            const bson_iter_t *old, bool is_array, uint32_t next, bson_t *into)
{
    for (struct change *change = below->from; change < below->end;) {
        const char *name = change->path + below->skip;
        size_t length = strcspn(name, ".");
        struct below part = part_of(below, name, length);
        bson_iter_t look = *old;
        change = part.end;
        if (bson_iter_find_w_len(&look, name, (int)length))
            continue;
        char *key = x_strndup(name, length);
        bool fine = !is_array || !makes_something(applying, &part) ||
                    pad_array(applying, key, length, &next, into);
        fine = fine && add_missing(applying, key, &part, into);
        free(key);
        if (!fine)
            return false;
    }
    return true;
}

static bool copy_level(const struct applying *applying, bson_iter_t *old, bool is_array,
                       const struct below *below, bson_t *into)
{
    bson_iter_t start = *old;
    uint32_t next = 0;
    while (bson_iter_next(old)) {
        const char *key = bson_iter_key(old);
        struct below part = part_of(below, key, bson_iter_key_len(old));
        next++;
        if (part.from == below->end) {
            if (!bson_append_iter(into, NULL, -1, old))
                return false;
        } else if (!copy_changed(applying, old, is_array, &part, into)) {
            return false;
        }
    }
    return add_all_missing(applying, below, &start, is_array, next, into);
}

static bool apply_operators(const struct applying *applying, const bson_t *was, bson_t *is)
{
    struct changes changes = {0};
    bson_iter_t old;
    bool fine = read_changes(applying->update->change, &changes, applying->failure);
    struct below below = {changes.items, changes.items + changes.count, 0};
    if (fine) {
        bson_iter_init(&old, was);
        fine = copy_level(applying, &old, false, &below, is);
    }
    free(changes.items);
    if (!fine && applying->failure->code == FAILURE_NONE)
        failure_set(applying->failure, FAILURE_OBJECT_TOO_LARGE, "the document would be too large");
    return fine;
}

static bool apply_replacement(const bson_value_t *replacement, const bson_t *was, bson_t *is)
{
    bson_iter_t iter;
    bson_value_t id;
    if (value_field(was, "_id", &id))
        bson_append_value(is, "_id", -1, &id);
    for (value_open(replacement, &iter); bson_iter_next(&iter);)
        if (strcmp(bson_iter_key(&iter), "_id") != 0 || !bson_has_field(is, "_id"))
            bson_append_iter(is, NULL, -1, &iter);
    return true;
}

/* The _id a replacement names must be the one that is there. */
static bool same_id(const bson_t *was, const bson_value_t *replacement, struct failure *failure)
{
    bson_iter_t iter;
    bson_value_t id;
    if (!value_open(replacement, &iter) || !bson_iter_find(&iter, "_id") ||
        !value_field(was, "_id", &id) || value_compare(&id, bson_iter_value(&iter)) == 0)
        return true;
    return failure_set(failure, FAILURE_IMMUTABLE_FIELD,
                       "After applying the update, the (immutable) field '_id' was found to have "
                       "been altered");
}

static bool check_result(const bson_t *was, const bson_t *is, struct failure *failure)
{
    bson_value_t before, after;
    if (is->len > DOCUMENT_BYTES_MAX)
        return failure_set(failure, FAILURE_OBJECT_TOO_LARGE,
                           "Resulting document after update is larger than 16777216");
    if (value_field(was, "_id", &before) &&
        (!value_field(is, "_id", &after) || !value_identical(&before, &after)))
        return failure_set(failure, FAILURE_IMMUTABLE_FIELD,
                           "Performing an update on the path '_id' would modify the immutable "
                           "field '_id'");
    return true;
}

/* Moves _id to the front when an operator has added it behind other fields. */
static void put_id_first(bson_t *document)
{
    bson_iter_t iter;
    bson_value_t id;
    if (bson_empty(document) || !bson_iter_init(&iter, document) || !bson_iter_next(&iter) ||
        strcmp(bson_iter_key(&iter), "_id") == 0 || !value_field(document, "_id", &id))
        return;
    bson_t ordered = BSON_INITIALIZER;
    bson_append_value(&ordered, "_id", -1, &id);
    for (bson_iter_init(&iter, document); bson_iter_next(&iter);)
        if (strcmp(bson_iter_key(&iter), "_id") != 0)
            bson_append_iter(&ordered, NULL, -1, &iter);
    bson_destroy(document);
    bson_copy_to(&ordered, document);
    bson_destroy(&ordered);
}

bool update_apply(const struct update *update, const bson_t *was, bson_t *is, bool *changed,
                  struct failure *failure)
{
    struct applying applying = {update, failure};
    bool fine;
    if (update->change->value_type == BSON_TYPE_ARRAY)
        fine = pipeline_apply(update->change, was, update->now_ms, is, failure);
    else if (update_is_replacement(update->change))
        fine = same_id(was, update->change, failure) && apply_replacement(update->change, was, is);
    else
        fine = apply_operators(&applying, was, is);
    if (!fine)
        return false;
    put_id_first(is);
    *changed = !bson_equal(was, is);
    return check_result(was, is, failure);
}
