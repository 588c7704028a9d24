/* SPDX-License-Identifier: Apache-2.0
 *
 * project: see project.h. A projection is a set of dotted paths to keep or to leave out; a document is
 * copied level by level against it. Sorting compares the least (or greatest) element of an array.
 */
#include "project.h"
#include "base.h"
#include "value.h"

#include <string.h>

static bool as_flag(const bson_value_t *value, bool *flag)
{
    if (value->value_type == BSON_TYPE_BOOL)
        *flag = value->value.v_bool;
    else if (value->value_type == BSON_TYPE_INT32)
        *flag = value->value.v_int32 != 0;
    else if (value->value_type == BSON_TYPE_INT64)
        *flag = value->value.v_int64 != 0;
    else if (value->value_type == BSON_TYPE_DOUBLE)
        *flag = value->value.v_double != 0;
    else
        return false;
    return true;
}

bool project_check(const bson_t *projection, struct failure *failure)
{
    bson_iter_t iter;
    int kind = -1;
    for (bson_iter_init(&iter, projection); bson_iter_next(&iter);) {
        const char *path = bson_iter_key(&iter);
        bool keep;
        if (!as_flag(bson_iter_value(&iter), &keep))
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "projection by expression is not implemented: '%s'", path);
        if (path[0] == '$' || strstr(path, ".$") != NULL)
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "positional projection is not implemented: '%s'", path);
        if (strcmp(path, "_id") == 0)
            continue;
        if (kind >= 0 && kind != (int)keep)
            return failure_set(failure, (enum failure_code)(keep ? 31253 : 31254),
                               "Cannot do %s on field %s in %s projection",
                               keep ? "inclusion" : "exclusion", path,
                               keep ? "exclusion" : "inclusion");
        kind = (int)keep;
    }
    return true;
}

/* Does the projection name this path exactly, and does any of its paths lead below it? */
static void look_up(const bson_t *projection, const char *path, bool *exact, bool *below)
{
    bson_iter_t iter;
    size_t length = strlen(path);
    *exact = *below = false;
    for (bson_iter_init(&iter, projection); bson_iter_next(&iter);) {
        const char *named = bson_iter_key(&iter);
        if (strcmp(named, path) == 0)
            *exact = true;
        else if (strncmp(named, path, length) == 0 && named[length] == '.')
            *below = true;
    }
}

/* A level of the copy; `path` is where it lies, "" at the top. */
struct level {
    const bson_t *projection;
    bool keeping; /* inclusion: only what is named; exclusion: all but that */
    const char *path;
    bool in_array;
};

static void copy_level(const struct level *level, bson_iter_t *iter, bson_t *into);

static void copy_inside(const struct level *level, const bson_iter_t *iter, const char *path,
                        bson_t *into, const char *key)
{
    struct level next = {level->projection, level->keeping, path, BSON_ITER_HOLDS_ARRAY(iter)};
    bson_iter_t inside;
    bson_t child;
    must(bson_iter_recurse(iter, &inside));
    if (next.in_array)
        bson_append_array_begin(into, key, -1, &child);
    else
        bson_append_document_begin(into, key, -1, &child);
    copy_level(&next, &inside, &child);
    if (next.in_array)
        bson_append_array_end(into, &child);
    else
        bson_append_document_end(into, &child);
}

static void copy_level(const struct level *level, bson_iter_t *iter, bson_t *into)
{
    char key_buffer[16];
    uint32_t next = 0;
    while (bson_iter_next(iter)) {
        const char *key = bson_iter_key(iter);
        bool container = BSON_ITER_HOLDS_DOCUMENT(iter) || BSON_ITER_HOLDS_ARRAY(iter);
        if (level->in_array) { /* the elements of an array have the array's path */
            bson_uint32_to_string(next, &key, key_buffer, sizeof(key_buffer));
            if (container)
                copy_inside(level, iter, level->path, into, key);
            else if (!level->keeping)
                bson_append_iter(into, key, -1, iter);
            next += container || !level->keeping;
            continue;
        }
        char *path = level->path[0] ? x_format("%s.%s", level->path, key) : x_strdup(key);
        bool exact, below;
        look_up(level->projection, path, &exact, &below);
        if (exact ? level->keeping : !level->keeping && !below)
            bson_append_iter(into, key, -1, iter);
        else if (!exact && below && container)
            copy_inside(level, iter, path, into, key);
        else if (!exact && below && !level->keeping)
            bson_append_iter(into, key, -1, iter);
        free(path);
    }
}

/* Is it an inclusion? {_id: 1} alone is one, {_id: 0} alone is not. */
static bool is_inclusion(const bson_t *projection)
{
    bson_iter_t iter;
    bool keep = false;
    for (bson_iter_init(&iter, projection); bson_iter_next(&iter);) {
        as_flag(bson_iter_value(&iter), &keep);
        if (strcmp(bson_iter_key(&iter), "_id") != 0)
            return keep;
    }
    return keep;
}

void project(const bson_t *projection, const bson_t *document, bson_t *result)
{
    bson_iter_t iter;
    bson_value_t value;
    bool keep_id = true;
    if (bson_empty(projection)) {
        bson_concat(result, document);
        return;
    }
    if (value_field(projection, "_id", &value))
        as_flag(&value, &keep_id);
    if (keep_id && value_field(document, "_id", &value))
        bson_append_value(result, "_id", -1, &value);
    bson_t rest = BSON_INITIALIZER;
    for (bson_iter_init(&iter, document); bson_iter_next(&iter);)
        if (strcmp(bson_iter_key(&iter), "_id") != 0)
            bson_append_iter(&rest, NULL, -1, &iter);
    struct level level = {projection, is_inclusion(projection), "", false};
    bson_iter_init(&iter, &rest);
    copy_level(&level, &iter, result);
    bson_destroy(&rest);
}

bool sort_check(const bson_t *sort, struct failure *failure)
{
    bson_iter_t iter;
    for (bson_iter_init(&iter, sort); bson_iter_next(&iter);) {
        bson_value_t one = *bson_iter_value(&iter);
        if (!value_is_number(&one))
            return failure_set(failure, FAILURE_BAD_VALUE, "Illegal key in $sort specification: %s",
                               bson_iter_key(&iter));
        int64_t direction = bson_iter_as_int64(&iter);
        if (direction != 1 && direction != -1)
            return failure_set(
                failure, (enum failure_code)15975,
                "$sort key ordering must be 1 (for ascending) or -1 (for descending)");
    }
    return true;
}

/* The value by which a document sorts: of all the values on a path the least or the greatest. */
struct extreme {
    bson_value_t value;
    bool found;
    int direction;
};

static void consider(struct extreme *extreme, const bson_value_t *value)
{
    if (!extreme->found || value_compare(value, &extreme->value) * extreme->direction < 0)
        extreme->value = *value;
    extreme->found = true;
}

static bool visit(const bson_value_t *value, void *context)
{
    static const bson_value_t null = {.value_type = BSON_TYPE_NULL};
    struct extreme *extreme = context;
    bson_iter_t element;
    if (value == NULL) {
        consider(extreme, &null);
    } else if (value->value_type == BSON_TYPE_ARRAY) {
        for (value_open(value, &element); bson_iter_next(&element);)
            consider(extreme, bson_iter_value(&element));
    } else {
        consider(extreme, value);
    }
    return true;
}

int sort_compare(const bson_t *sort, const bson_t *a, const bson_t *b)
{
    bson_iter_t iter;
    for (bson_iter_init(&iter, sort); bson_iter_next(&iter);) {
        int direction = bson_iter_as_int64(&iter) < 0 ? -1 : 1;
        struct extreme left = {.value.value_type = BSON_TYPE_UNDEFINED, .direction = direction};
        struct extreme right = left;
        value_walk(a, bson_iter_key(&iter), visit, &left);
        value_walk(b, bson_iter_key(&iter), visit, &right);
        int order = value_compare(&left.value, &right.value) * direction;
        if (order != 0)
            return order;
    }
    return 0;
}
