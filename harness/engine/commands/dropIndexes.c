/* SPDX-License-Identifier: Apache-2.0
 *
 * dropIndexes: takes indexes away, by name, by key pattern, by a list of names, or all ("*"). The
 * one on _id stays: asking for it by name is 72, and "*" leaves it out. An index that is not there
 * is 27, a collection 26. All names are checked before the first index goes.
 */
#include "document/element.h"
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/dispatch.h"
#include <string.h>

struct arguments {
    bson_value_t index;
};

static const struct field fields[] = {
    {"index", FIELD_VALUE, offsetof(struct arguments, index), true},
    {NULL, FIELD_END, 0, false},
};

/* One index, by name or key pattern; with `dropping` it goes. */
static bool drop_one(struct request *request, struct collection *collection,
                     const bson_value_t *which, bool dropping)
{
    struct failure *failure = &request->failure;
    const char *name = which->value_type == BSON_TYPE_UTF8 ? which->value.v_utf8.str : "";
    struct index *index = NULL;
    bson_t key;
    if (strcmp(name, "_id_") == 0)
        return failure_set(failure, FAILURE_INVALID_OPTIONS, "cannot drop _id index");
    if (which->value_type == BSON_TYPE_UTF8)
        index = collection_index_named(collection, name);
    else if (which->value_type != BSON_TYPE_DOCUMENT ||
             !bson_init_static(&key, which->value.v_doc.data, which->value.v_doc.data_len))
        return failure_set(failure, FAILURE_TYPE_MISMATCH,
                           "BSON field 'dropIndexes.index' is the wrong type '%s'",
                           fields_type_name(which->value_type));
    else
        index = collection_index_on(collection, &key);
    if (index == NULL)
        return failure_set(failure, FAILURE_INDEX_NOT_FOUND, "index not found with name [%.100s]",
                           name);
    return !dropping || collection_index_drop(collection, index, failure);
}

static bool drop_each(struct request *request, struct collection *collection, bool dropping)
{
    const bson_value_t *which = &((const struct arguments *)request->arguments)->index;
    struct elements names = elements_of_value(which);
    struct element name;
    bson_value_t value;
    if (which->value_type != BSON_TYPE_ARRAY)
        return drop_one(request, collection, which, dropping);
    while (elements_next(&names, &name)) {
        element_value(&name, &value);
        if (!drop_one(request, collection, &value, dropping))
            return false;
    }
    return true;
}

static bool run(struct request *request)
{
    const bson_value_t *which = &((const struct arguments *)request->arguments)->index;
    struct collection *collection = request_collection(request);
    if (collection == NULL)
        return failure_set(&request->failure, FAILURE_NAMESPACE_NOT_FOUND, "ns not found %s.%s",
                           request->database, request->collection);
    bool all = which->value_type == BSON_TYPE_UTF8 && strcmp(which->value.v_utf8.str, "*") == 0;
    bson_append_int32(request->reply, "nIndexesWas", -1, (int32_t)collection->index_count + 1);
    while (all && collection->index_count > 0)
        if (!collection_index_drop(collection, &collection->indexes[0], &request->failure))
            return false;
    return all || (drop_each(request, collection, false) && drop_each(request, collection, true));
}

COMMAND(dropIndexes, COMMAND_COLLECTION | COMMAND_WRITES, .alias = "deleteIndexes",
        .fields = fields, .arguments_bytes = sizeof(struct arguments));
