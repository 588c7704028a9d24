/* SPDX-License-Identifier: Apache-2.0
 *
 * value_walk: what a path denotes. Two ways to walk differ in what arrays mean: an index or a sort
 * wants each branch, present or missing, and takes arrays apart itself; a query wants what
 * MongoDB's ElementIterator yields (src/mongo/db/matcher/path.cpp): elements first, then the array
 * itself, and nothing for an array of which no element fits the rest of the path. Each step goes
 * one level down in the document and most often one part along the path, so that both bound the
 * recursion.
 */
#include "value.h"

#include "element.h"
#include "path.h"
#include <string.h>

bool value_field(const bson_t *document, const char *name, bson_value_t *value)
{
    struct element element;
    if (!elements_find(elements_of(document), name, strlen(name), &element))
        return false;
    element_value(&element, value);
    return true;
}

/* The element of that number; an array's own names may be anything, their order counts. */
static bool find_index(struct elements array, int64_t index, struct element *element)
{
    while (elements_next(&array, element))
        if (index-- == 0)
            return true;
    return false;
}

bool value_at(const bson_t *document, const char *path, bson_value_t *value)
{
    struct elements inside = elements_of(document);
    struct element element = {.type = BSON_TYPE_DOCUMENT};
    for (;;) {
        size_t length = path_part(path);
        int64_t index = element.type == BSON_TYPE_ARRAY ? element_index(path, length) : -1;
        bool found = element.type == BSON_TYPE_ARRAY
                         ? index >= 0 && find_index(inside, index, &element)
                         : elements_find(inside, path, length, &element);
        if (!found)
            return false;
        if (path[length] == '\0') {
            element_value(&element, value);
            return true;
        }
        path += length + 1;
        inside = elements_of_element(&element);
    }
}

/* A walk under way: what stays the same on all its branches. */
struct walk {
    value_visitor *visit;
    void *context;
    bool query;
};

static bool walk_array(const struct walk *walk, struct elements array, const char *rest);

__attribute__((noinline)) static bool visit_element(const struct walk *walk,
                                                    const struct element *element)
{
    bson_value_t value;
    if (element == NULL)
        return walk->visit(NULL, walk->context);
    element_value(element, &value);
    return walk->visit(&value, walk->context);
}

/* The path's end. */
static bool walk_leaf(const struct walk *walk, const struct element *element)
{
    if (walk->query && element->type == BSON_TYPE_ARRAY) {
        struct elements array = elements_of_element(element);
        struct element inside;
        while (elements_next(&array, &inside))
            if (!visit_element(walk, &inside))
                return false;
    }
    return visit_element(walk, element);
}

static bool walk_document(const struct walk *walk, struct elements document, const char *path)
{
    struct element element;
    size_t length = path_part(path);
    if (!elements_find(document, path, length, &element))
        return visit_element(walk, NULL);
    if (path[length] == '\0')
        return walk_leaf(walk, &element);
    path += length + 1;
    if (element.type == BSON_TYPE_DOCUMENT)
        return walk_document(walk, elements_of_element(&element), path);
    if (element.type == BSON_TYPE_ARRAY)
        return walk_array(walk, elements_of_element(&element), path);
    return visit_element(walk, NULL);
}

/* An element that the path names by its number; `rest` is what follows, NULL at the path's end. */
static bool walk_indexed(const struct walk *walk, const struct element *element, const char *rest)
{
    if (rest == NULL)
        return visit_element(walk, element);
    if (element->type == BSON_TYPE_DOCUMENT)
        return walk_document(walk, elements_of_element(element), rest);
    if (element->type == BSON_TYPE_ARRAY)
        return walk_array(walk, elements_of_element(element), rest);
    return walk->query || visit_element(walk, NULL);
}

/* `path` goes on inside an array: in each element that is a document, and in the element whose
 * number is the path's next part. */
static bool walk_array(const struct walk *walk, struct elements array, const char *path)
{
    struct element element;
    size_t length = path_part(path);
    int64_t index = element_index(path, length), at = 0;
    bool any = false;
    for (; elements_next(&array, &element); at++) {
        /* An index takes the number for a position alone where there is one. */
        bool document = element.type == BSON_TYPE_DOCUMENT && (walk->query || index < 0);
        if (document && !walk_document(walk, elements_of_element(&element), path))
            return false;
        if (at == index &&
            !walk_indexed(walk, &element, path[length] == '.' ? path + length + 1 : NULL))
            return false;
        any = any || document || at == index;
    }
    return any || walk->query || visit_element(walk, NULL);
}

void value_walk(const bson_t *document, const char *path, value_visitor *visit, void *context)
{
    struct walk walk = {visit, context, false};
    walk_document(&walk, elements_of(document), path);
}

void value_walk_query(const bson_t *document, const char *path, value_visitor *visit, void *context)
{
    struct walk walk = {visit, context, true};
    walk_document(&walk, elements_of(document), path);
}
