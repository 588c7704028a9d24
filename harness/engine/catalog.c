/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog: see catalog.h. Collections are hashed by namespace; uthash keeps the order of creation.
 * Tables of the store are named "c <namespace>" and "i <namespace> <index>": a blank cannot be part
 * of a database's name, so that no two of them meet.
 */
#include "catalog.h"

#include "base.h"
#include "rows.h"
#include <stdlib.h>
#include <string.h>

struct catalog {
    struct store *store;
    struct collection *collections; /* by namespace */
};

struct catalog *catalog_new(struct store *store)
{
    struct catalog *catalog = x_calloc(1, sizeof *catalog);
    catalog->store = store;
    return catalog;
}

static void index_release(struct index *index)
{
    free(index->name);
    bson_destroy(index->key);
}

static void collection_free(struct collection *collection)
{
    for (size_t i = 0; i < collection->index_count; i++)
        index_release(&collection->indexes[i]);
    free(collection->indexes);
    free(collection->namespace);
    free(collection);
}

void catalog_free(struct catalog *catalog)
{
    if (catalog == NULL)
        return;
    struct collection *collection = catalog->collections;
    HASH_CLEAR(hh, catalog->collections); /* frees the hash; the collections stay linked */
    while (collection != NULL) {
        struct collection *next = collection->hh.next;
        collection_free(collection);
        collection = next;
    }
    store_close(catalog->store);
    free(catalog);
}

struct store *catalog_store(const struct catalog *catalog)
{
    return catalog->store;
}

struct collection *catalog_find(const struct catalog *catalog, const char *database,
                                const char *name)
{
    char namespace[320]; /* names are checked: 255 bytes in all */
    size_t database_bytes = strlen(database), name_bytes = strlen(name);
    struct collection *found = NULL;
    if (database_bytes + 1 + name_bytes > sizeof namespace)
        return NULL;
    memcpy(namespace, database, database_bytes);
    namespace[database_bytes] = '.';
    memcpy(namespace + database_bytes + 1, name, name_bytes);
    HASH_FIND(hh, catalog->collections, namespace, database_bytes + 1 + name_bytes, found);
    return found;
}

struct collection *catalog_open(struct catalog *catalog, const char *database, const char *name)
{
    struct collection *collection = catalog_find(catalog, database, name);
    if (collection != NULL)
        return collection;
    collection = x_calloc(1, sizeof *collection);
    collection->catalog = catalog;
    collection->namespace = x_format("%s.%s", database, name);
    collection->name = collection->namespace + strlen(database) + 1;
    char *table = x_format("c %s", collection->namespace);
    collection->rows = store_table_open(catalog->store, table);
    free(table);
    HASH_ADD_KEYPTR(hh, catalog->collections, collection->namespace, strlen(collection->namespace),
                    collection);
    return collection;
}

bool catalog_drop(struct collection *collection, struct failure *failure)
{
    struct catalog *catalog = collection->catalog;
    if (store_table_written(catalog->store, collection->rows))
        return failure_set(failure, FAILURE_WRITE_CONFLICT, "a transaction has written to %s",
                           collection->namespace);
    store_table_drop(catalog->store, collection->rows);
    for (size_t i = 0; i < collection->index_count; i++)
        if (collection->indexes[i].unique) /* nobody writes entries without writing rows */
            store_table_drop(catalog->store, collection->indexes[i].entries);
    HASH_DELETE(hh, catalog->collections, collection);
    collection_free(collection);
    return true;
}

bool catalog_visit(struct catalog *catalog, const char *database, catalog_visitor *visit,
                   void *context)
{
    size_t length = strlen(database);
    struct collection *collection, *next;
    HASH_ITER (hh, catalog->collections, collection, next) {
        if (strncmp(collection->namespace, database, length) == 0 &&
            collection->namespace[length] == '.' && !visit(collection, context))
            return false;
    }
    return true;
}

struct index *collection_index_named(const struct collection *collection, const char *name)
{
    for (size_t i = 0; i < collection->index_count; i++)
        if (strcmp(collection->indexes[i].name, name) == 0)
            return &collection->indexes[i];
    return NULL;
}

/* Key patterns are equal when fields and directions are; 1 and 1.0 are the same direction. */
static bool patterns_equal(const bson_t *a, const bson_t *b)
{
    bson_iter_t left, right;
    if (bson_count_keys(a) != bson_count_keys(b) || !bson_iter_init(&left, a) ||
        !bson_iter_init(&right, b))
        return false;
    while (bson_iter_next(&left) && bson_iter_next(&right))
        if (strcmp(bson_iter_key(&left), bson_iter_key(&right)) != 0 ||
            bson_iter_as_int64(&left) != bson_iter_as_int64(&right))
            return false;
    return true;
}

struct index *collection_index_on(const struct collection *collection, const bson_t *key)
{
    for (size_t i = 0; i < collection->index_count; i++)
        if (patterns_equal(collection->indexes[i].key, key))
            return &collection->indexes[i];
    return NULL;
}

bool collection_index_add(struct collection *collection, const char *name, const bson_t *key,
                          bool unique, struct failure *failure)
{
    struct store *store = collection->catalog->store;
    struct index index = {.name = x_strdup(name), .key = bson_copy(key), .unique = unique};
    if (unique) {
        char *table = x_format("i %s %s", collection->namespace, name);
        index.entries = store_table_open(store, table);
        free(table);
        if (!rows_build_index(collection, &index, failure)) {
            store_table_drop(store, index.entries);
            index_release(&index);
            return false;
        }
        collection->unique_count++;
    }
    size_t place = array_grow((void **)&collection->indexes, &collection->index_count,
                              &collection->index_capacity, sizeof index);
    collection->indexes[place] = index;
    return true;
}
