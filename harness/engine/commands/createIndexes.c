/* SPDX-License-Identifier: Apache-2.0
 *
 * createIndexes: unique and plain indexes on up to 32 fields, built at once from the rows that are
 * there; a unique one is refused over duplicates (11000). The collection is made when it is not
 * there. The same index again is no change; the same name with other fields is 86, the same fields
 * under another name or with another "unique" 85. Everything that makes another kind of index
 * (TTL, sparse, partial, text, hashed, ...) changes what is stored or found, and is refused.
 */
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/dispatch.h"
#include <string.h>

enum { INDEX_FIELDS_MAX = 32 };

struct arguments {
    bson_t indexes;
};

static const struct field fields[] = {
    {"indexes", FIELD_ARRAY, offsetof(struct arguments, indexes), true},
    {"commitQuorum", FIELD_IGNORED, 0, false},
    {"ignoreUnknownIndexOptions", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

struct specification {
    bson_t key;
    const char *name;
    bool unique;
};

static const struct field specification_fields[] = {
    {"key", FIELD_DOCUMENT, offsetof(struct specification, key), true},
    {"name", FIELD_TEXT, offsetof(struct specification, name), true},
    {"unique", FIELD_BOOL, offsetof(struct specification, unique), false},
    {"v ns background", FIELD_IGNORED, 0, false},
    {"sparse expireAfterSeconds partialFilterExpression collation hidden wildcardProjection "
     "weights default_language language_override textIndexVersion 2dsphereIndexVersion bits min "
     "max storageEngine clustered prepareUnique",
     FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static bool check_key(const bson_t *key, struct failure *failure)
{
    uint32_t count = bson_count_keys(key);
    bson_iter_t iter;
    if (count == 0 || count > INDEX_FIELDS_MAX)
        return failure_set(failure, FAILURE_CANNOT_CREATE_INDEX,
                           "Index keys cannot be empty or have more than %d fields",
                           INDEX_FIELDS_MAX);
    must(bson_iter_init(&iter, key));
    while (bson_iter_next(&iter)) {
        const char *name = bson_iter_key(&iter);
        size_t length = strlen(name);
        if (BSON_ITER_HOLDS_UTF8(&iter))
            return failure_set(failure, FAILURE_CANNOT_CREATE_INDEX, "Unknown index plugin '%.40s'",
                               bson_iter_utf8(&iter, NULL));
        if (!BSON_ITER_HOLDS_NUMBER(&iter) || bson_iter_as_double(&iter) == 0)
            return failure_set(failure, FAILURE_CANNOT_CREATE_INDEX,
                               "Values in the index key pattern must be numbers other than 0");
        if (length == 0 || name[0] == '$' || name[0] == '.' || name[length - 1] == '.' ||
            strstr(name, "..") != NULL || strstr(name, "$**") != NULL)
            return failure_set(failure, FAILURE_CANNOT_CREATE_INDEX,
                               "Index key contains an illegal field name: '%.100s'", name);
    }
    return true;
}

/* The one on _id is always there; asking for it again is fine. */
static bool is_id_index(const struct specification *wanted)
{
    return bson_count_keys(&wanted->key) == 1 && bson_has_field(&wanted->key, "_id");
}

static bool create_one(struct request *request, struct collection *collection,
                       const struct specification *wanted)
{
    struct failure *failure = &request->failure;
    if (!check_key(&wanted->key, failure))
        return false;
    if (is_id_index(wanted))
        return !wanted->unique ||
               failure_set(failure, FAILURE_INVALID_INDEX_SPECIFICATION_OPTION,
                           "The field 'unique' is not valid for an _id index specification");
    const struct index *named = collection_index_named(collection, wanted->name);
    const struct index *same = collection_index_on(collection, &wanted->key);
    if (wanted->name[0] == '\0' || strcmp(wanted->name, "_id_") == 0)
        return failure_set(failure, FAILURE_CANNOT_CREATE_INDEX, "the index name '%s' is reserved",
                           wanted->name);
    if (named != NULL && named == same && named->unique == wanted->unique)
        return true;
    if (named != NULL)
        return failure_set(failure, FAILURE_INDEX_KEY_SPECS_CONFLICT,
                           "An existing index has the same name as the requested index. Requested "
                           "index name: %.80s",
                           wanted->name);
    if (same != NULL)
        return failure_set(failure, FAILURE_INDEX_OPTIONS_CONFLICT,
                           "Index already exists with a different name: %.80s", same->name);
    if (request->transaction != NULL &&
        (collection->maker != request->transaction ||
         store_table_written(catalog_store(request->engine->catalog), collection->rows)))
        return failure_set(failure, FAILURE_TRANSACTION_OPERATION,
                           "Cannot create new indexes on existing collection %s in a "
                           "multi-document transaction.",
                           collection->namespace);
    return collection_index_add(collection, wanted->name, &wanted->key, wanted->unique, failure);
}

static bool read_specification(struct request *request, const struct element *item,
                               struct specification *wanted)
{
    struct fields_reader reader =
        fields_reader(specification_fields, "createIndexes.indexes", wanted, NULL);
    *wanted = (struct specification){.unique = false};
    return fields_parse_element(&reader, item, &request->failure);
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    bool made = request_collection(request) == NULL;
    struct specification wanted;
    struct elements items = elements_of(&arguments->indexes);
    struct element item;
    if (bson_empty(&arguments->indexes))
        return failure_set(&request->failure, FAILURE_BAD_VALUE,
                           "Must specify at least one index to create");
    while (elements_next(&items, &item)) /* all are checked before the first is made */
        if (!read_specification(request, &item, &wanted) ||
            !check_key(&wanted.key, &request->failure))
            return false;
    struct collection *collection = request_make(request);
    if (collection == NULL)
        return false;
    int32_t before = (int32_t)collection->index_count + 1;
    items = elements_of(&arguments->indexes);
    while (elements_next(&items, &item))
        if (!read_specification(request, &item, &wanted) ||
            !create_one(request, collection, &wanted))
            return false;
    int32_t after = (int32_t)collection->index_count + 1;
    bson_append_int32(request->reply, "numIndexesBefore", -1, before);
    bson_append_int32(request->reply, "numIndexesAfter", -1, after);
    bson_append_bool(request->reply, "createdCollectionAutomatically", -1, made);
    if (before == after)
        bson_append_utf8(request->reply, "note", -1, "all indexes already exist", -1);
    return true;
}

COMMAND(createIndexes, COMMAND_COLLECTION | COMMAND_WRITES | COMMAND_INSIDE, .fields = fields,
        .arguments_bytes = sizeof(struct arguments));
