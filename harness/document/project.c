/* SPDX-License-Identifier: Apache-2.0
 *
 * project: see project.h. A projection is a set of dotted paths to keep or to leave out; a document
 * is copied level by level against it, fields in the document's order. The path of a level is a
 * text that grows and shrinks with the recursion, which is as deep as the longest path of the
 * projection and, through arrays, as the document nests. Sorting compares the least (or greatest)
 * element of an array.
 */
#include "project.h"

#include "base.h"
#include "element.h"
#include "path.h"
#include "value.h"
#include <stdlib.h>
#include <string.h>

/* Is it a number or a truth value? Tells whether it says "keep". */
static bool is_flag(const struct element *element, bool *keep)
{
    bson_value_t value;
    element_value(element, &value);
    *keep = value_is_true(&value);
    return value.value_type == BSON_TYPE_BOOL || value_is_number(&value);
}

/* Of all the paths behind this one, is one the same or a part of the other? */
static bool check_collisions(struct elements behind, const char *path, struct failure *failure)
{
    struct element other;
    while (elements_next(&behind, &other))
        if (path_overlaps(path, other.name))
            return failure_set(failure, FAILURE_PATH_COLLISION, "Path collision at %s", other.name);
    return true;
}

static bool check_path(const char *path, struct failure *failure)
{
    const char *dollar = strstr(path, ".$");
    if (dollar != NULL && (dollar[2] == '.' || dollar[2] == '\0'))
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                           "positional projection is not implemented: '%s'", path);
    return path_check(path, failure);
}

bool project_check(const bson_t *projection, struct failure *failure)
{
    struct elements paths = elements_of(projection);
    struct element path;
    bool keep, keeping = false, decided = false;
    while (elements_next(&paths, &path)) {
        if (!check_path(path.name, failure) || !check_collisions(paths, path.name, failure))
            return false;
        if (!is_flag(&path, &keep))
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "projection by expression is not implemented: '%s'", path.name);
        if (strcmp(path.name, "_id") == 0)
            continue;
        if (decided && keep && !keeping)
            return failure_set(failure, FAILURE_INCLUSION_IN_EXCLUSION,
                               "Cannot do inclusion on field %s in exclusion projection",
                               path.name);
        if (decided && !keep && keeping)
            return failure_set(failure, FAILURE_EXCLUSION_IN_INCLUSION,
                               "Cannot do exclusion on field %s in inclusion projection",
                               path.name);
        keeping = keep;
        decided = true;
    }
    return true;
}

/* A projection under way. */
struct projecting {
    struct elements paths;
    bool keeping; /* inclusion: only what is named; exclusion: all but that */
    bool keep_id;
    struct buffer path; /* of the level, with a dot at its end; empty at the top */
    struct buffer out;
};

enum relation { APART, SAME, ABOVE }; /* ABOVE: some path leads into the field */

static enum relation look_up(const struct projecting *projecting, const struct element *field)
{
    struct elements paths = projecting->paths;
    struct element path;
    size_t level = projecting->path.length, length = level + field->name_length;
    while (elements_next(&paths, &path)) {
        if (path.name_length < length ||
            (level > 0 && memcmp(path.name, projecting->path.bytes, level) != 0) ||
            memcmp(path.name + level, field->name, field->name_length) != 0)
            continue;
        if (path.name_length == length)
            return SAME;
        if (path.name[length] == '.')
            return ABOVE;
    }
    return APART;
}

static void copy_level(struct projecting *projecting, struct elements fields);

/* What a path leads into: a document level by level, an array element by element, all with the
 * array's path; a scalar is left out by an inclusion and kept by an exclusion. */
static void copy_inside(struct projecting *projecting, const struct element *field)
{
    struct buffer *out = &projecting->out;
    if (!element_is_container(field)) {
        if (!projecting->keeping)
            element_write(out, field);
        return;
    }
    struct elements inside = elements_of_element(field);
    element_begin(out, field->type, field->name, field->name_length);
    size_t begun = document_begin(out);
    if (field->type == BSON_TYPE_DOCUMENT) {
        copy_level(projecting, inside);
    } else {
        struct element element;
        char text[16];
        uint32_t count = 0;
        while (elements_next(&inside, &element)) {
            if (projecting->keeping && !element_is_container(&element))
                continue; /* the others move up */
            element.name_length = bson_uint32_to_string(count++, &element.name, text, sizeof text);
            if (element_is_container(&element))
                copy_inside(projecting, &element);
            else
                element_write_named(out, element.name, element.name_length, &element);
        }
    }
    document_end(out, begun);
}

static void copy_level(struct projecting *projecting, struct elements fields)
{
    struct element field;
    size_t level = projecting->path.length;
    while (elements_next(&fields, &field)) {
        enum relation relation = look_up(projecting, &field);
        if (level == 0 && element_is_named(&field, "_id", 3) && relation != ABOVE)
            relation = projecting->keep_id == projecting->keeping ? SAME : APART;
        if (relation == ABOVE) {
            buffer_append(&projecting->path, field.name, field.name_length);
            buffer_byte(&projecting->path, '.');
            copy_inside(projecting, &field);
            projecting->path.length = level;
        } else if ((relation == SAME) == projecting->keeping) {
            element_write(&projecting->out, &field);
        }
    }
}

/* {_id: 1} alone is an inclusion, {_id: 0} alone is none. */
static void read_projection(const bson_t *projection, struct projecting *projecting)
{
    struct elements paths = elements_of(projection);
    struct element path;
    bool keep, decided = false;
    *projecting = (struct projecting){.paths = paths, .keep_id = true};
    while (elements_next(&paths, &path)) {
        is_flag(&path, &keep);
        if (strcmp(path.name, "_id") == 0)
            projecting->keep_id = keep;
        if (!decided)
            projecting->keeping = keep;
        decided = decided || strcmp(path.name, "_id") != 0;
    }
}

void project(const bson_t *projection, const bson_t *document, bson_t *result)
{
    struct projecting projecting;
    bson_t view;
    if (bson_empty(projection)) {
        bson_concat(result, document);
        return;
    }
    read_projection(projection, &projecting);
    size_t begun = document_begin(&projecting.out);
    copy_level(&projecting, elements_of(document));
    document_end(&projecting.out, begun);
    must(bson_init_static(&view, projecting.out.bytes, projecting.out.length));
    bson_concat(result, &view);
    buffer_release(&projecting.path);
    buffer_release(&projecting.out);
}

/* Sorting -------------------------------------------------------------------------------------- */

static bool is_one(const bson_value_t *value, int one)
{
    bson_value_t number = {.value_type = BSON_TYPE_INT32};
    number.value.v_int32 = one;
    return value_compare(value, &number) == 0;
}

bool sort_check(const bson_t *sort, struct failure *failure)
{
    struct elements keys = elements_of(sort);
    struct element key;
    bson_value_t value;
    while (elements_next(&keys, &key)) {
        element_value(&key, &value);
        if (!check_path(key.name, failure))
            return false;
        if (value.value_type == BSON_TYPE_DOCUMENT)
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "$meta in a sort is not implemented: '%s'", key.name);
        if (!value_is_number(&value))
            return failure_set(failure, FAILURE_SORT_KEY, "Illegal key in $sort specification: %s",
                               key.name);
        if (!is_one(&value, 1) && !is_one(&value, -1))
            return failure_set(failure, FAILURE_SORT_ORDER,
                               "$sort key ordering must be 1 (for ascending) or -1 (for "
                               "descending)");
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

/* An array counts by its elements; an empty one as undefined, as in MongoDB's indexes. */
static bool visit(const bson_value_t *value, void *context)
{
    static const bson_value_t null = {.value_type = BSON_TYPE_NULL};
    static const bson_value_t undefined = {.value_type = BSON_TYPE_UNDEFINED};
    struct extreme *extreme = context;
    struct element element;
    bson_value_t one;
    if (value == NULL || value->value_type != BSON_TYPE_ARRAY) {
        consider(extreme, value == NULL ? &null : value);
        return true;
    }
    struct elements array = elements_of_value(value);
    if (array.at == array.end)
        consider(extreme, &undefined);
    while (elements_next(&array, &element)) {
        element_value(&element, &one);
        consider(extreme, &one);
    }
    return true;
}

int sort_compare(const bson_t *sort, const bson_t *a, const bson_t *b)
{
    struct elements keys = elements_of(sort);
    struct element key;
    bson_value_t ascending;
    while (elements_next(&keys, &key)) {
        element_value(&key, &ascending);
        int direction = is_one(&ascending, 1) ? 1 : -1;
        struct extreme left = {.direction = direction}, right = {.direction = direction};
        value_walk(a, key.name, visit, &left);
        value_walk(b, key.name, visit, &right);
        int order = value_compare(&left.value, &right.value) * direction;
        if (order != 0)
            return order;
    }
    return 0;
}

/* A merge sort would be stable by itself; here pairs are ordered by place when keys are equal. */
struct placed {
    bson_t *document;
    size_t place;
};

static int placed_compare(const void *a, const void *b, void *sort)
{
    const struct placed *left = a, *right = b;
    int order = sort_compare(sort, left->document, right->document);
    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

void sort_documents(const bson_t *sort, struct documents *documents)
{
    size_t count = documents->count;
    struct placed *placed = x_calloc(count, sizeof *placed);
    for (size_t i = 0; i < count; i++)
        placed[i] = (struct placed){documents->items[i], i};
    qsort_r(placed, count, sizeof *placed, placed_compare, (void *)(uintptr_t)sort);
    for (size_t i = 0; i < count; i++)
        documents->items[i] = placed[i].document;
    free(placed);
}
