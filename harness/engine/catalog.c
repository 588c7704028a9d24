/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog: see catalog.h. Collections are hashed by namespace; uthash keeps the order of creation.
 * Tables of the store are named "c <namespace>" and "i <namespace> <index>": a blank cannot be part
 * of a database's name, so that no two of them meet.
 *
 * The table "catalog" has a row for each collection: {indexes: [index_describe(), ...]} under its
 * namespace. A row is written after the tables that it speaks of are complete, and deleted before
 * they go: after a crash a row can be trusted, and tables of which no row speaks are left-overs.
 */
#include "catalog.h"

#include "base.h"
#include "rows.h"
#include <stdlib.h>
#include <string.h>

struct catalog {
    struct store *store;
    struct store_table *rows;       /* one for each collection */
    struct collection *collections; /* by namespace */
    struct collection *latest;      /* found: the next command is often about the same */
    int unsettled;                  /* of them, those with a maker */
};

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

/* Is the collection database.name? */
static bool is_named(const struct collection *collection, const char *database, const char *name)
{
    size_t bytes = (size_t)(collection->name - collection->namespace) - 1;
    return strncmp(collection->namespace, database, bytes) == 0 && database[bytes] == '\0' &&
           strcmp(collection->name, name) == 0;
}

static struct collection *search(struct catalog *catalog, const char *database, const char *name)
{
    char namespace[320]; /* names are checked: 255 bytes in all */
    struct collection *found;
    size_t database_bytes = strlen(database), name_bytes = strlen(name);
    if (database_bytes + 1 + name_bytes > sizeof namespace)
        return NULL;
    memcpy(namespace, database, database_bytes);
    namespace[database_bytes] = '.';
    memcpy(namespace + database_bytes + 1, name, name_bytes);
    HASH_FIND(hh, catalog->collections, namespace, database_bytes + 1 + name_bytes, found);
    if (found != NULL)
        catalog->latest = found;
    return found;
}

struct collection *catalog_find(struct catalog *catalog, const char *database, const char *name)
{
    struct collection *latest = catalog->latest;
    return latest != NULL && is_named(latest, database, name) ? latest
                                                              : search(catalog, database, name);
}

static struct slice namespace_key(const struct collection *collection)
{
    return (struct slice){(const uint8_t *)collection->namespace, strlen(collection->namespace)};
}

void index_describe(const struct index *index, bson_t *description)
{
    bson_t key = BSON_INITIALIZER;
    bson_append_int32(&key, "_id", 3, 1);
    bson_append_int32(description, "v", 1, 2);
    bson_append_document(description, "key", 3, index != NULL ? index->key : &key);
    bson_append_utf8(description, "name", 4, index != NULL ? index->name : "_id_", -1);
    if (index != NULL && index->unique)
        bson_append_bool(description, "unique", 6, true);
}

/* Puts the collection's row. */
static enum store_result collection_put(const struct collection *collection,
                                        struct store_transaction *transaction)
{
    bson_t row = BSON_INITIALIZER, indexes, item;
    bson_append_array_begin(&row, "indexes", -1, &indexes);
    for (size_t i = 0; i < collection->index_count; i++) {
        char text[16];
        const char *number;
        bson_uint32_to_string((uint32_t)i, &number, text, sizeof text);
        bson_append_document_begin(&indexes, number, -1, &item);
        index_describe(&collection->indexes[i], &item);
        bson_append_document_end(&indexes, &item);
    }
    bson_append_array_end(&row, &indexes);
    enum store_result result =
        store_put(transaction, collection->catalog->rows, namespace_key(collection),
                  (struct slice){bson_get_data(&row), row.len});
    bson_destroy(&row);
    return result;
}

/* Writes the collection's row; the open transactions of others have no part in it. */
static void collection_save(const struct collection *collection)
{
    struct store_transaction *transaction = store_begin(collection->catalog->store);
    must(collection_put(collection, transaction) == STORE_DONE);
    must(store_commit(transaction) == STORE_DONE);
}

static void collection_forget(const struct collection *collection)
{
    struct store_transaction *transaction = store_begin(collection->catalog->store);
    must(store_delete(transaction, collection->catalog->rows, namespace_key(collection)) !=
         STORE_CONFLICT); /* absent: its transaction has not committed */
    must(store_commit(transaction) == STORE_DONE);
}

/* A collection without indexes, whose name begins after `database_bytes` and a dot. `namespace` is
 * its own from now on. */
static struct collection *collection_add(struct catalog *catalog, char *namespace,
                                         size_t database_bytes)
{
    struct collection *collection = x_calloc(1, sizeof *collection);
    collection->catalog = catalog;
    collection->namespace = namespace;
    collection->name = namespace + database_bytes + 1;
    char *table = x_format("c %s", namespace);
    collection->rows = store_table_open(catalog->store, table);
    free(table);
    HASH_ADD_KEYPTR(hh, catalog->collections, collection->namespace, strlen(collection->namespace),
                    collection);
    return collection;
}

struct collection *catalog_make(struct catalog *catalog, const char *database, const char *name,
                                const struct store_transaction *maker)
{
    struct collection *collection =
        collection_add(catalog, x_format("%s.%s", database, name), strlen(database));
    collection->maker = maker;
    if (maker != NULL)
        catalog->unsettled++;
    else
        collection_save(collection);
    return collection;
}

static void collection_drop(struct collection *collection)
{
    struct catalog *catalog = collection->catalog;
    collection_forget(collection);
    store_table_drop(catalog->store, collection->rows);
    for (size_t i = 0; i < collection->index_count; i++)
        store_table_drop(/* nobody writes entries without writing rows */
                         catalog->store, collection->indexes[i].entries);
    HASH_DELETE(hh, catalog->collections, collection);
    if (catalog->latest == collection)
        catalog->latest = NULL;
    collection_free(collection);
}

bool catalog_drop(struct collection *collection, struct failure *failure)
{
    if (store_table_written(collection->catalog->store, collection->rows))
        return failure_set(failure, FAILURE_WRITE_CONFLICT, "a transaction has written to %s",
                           collection->namespace);
    collection_drop(collection);
    return true;
}

bool catalog_publish(struct catalog *catalog, struct store_transaction *maker,
                     struct failure *failure)
{
    struct collection *collection = catalog->unsettled > 0 ? catalog->collections : NULL;
    for (; collection != NULL; collection = collection->hh.next)
        if (collection->maker == maker && collection_put(collection, maker) != STORE_DONE)
            return failure_set(failure, FAILURE_WRITE_CONFLICT,
                               "WriteConflict error: %s was made and dropped meanwhile",
                               collection->namespace);
    return true;
}

void catalog_settle(struct catalog *catalog, const struct store_transaction *maker, bool committed)
{
    struct collection *collection = catalog->unsettled > 0 ? catalog->collections : NULL;
    while (collection != NULL) {
        struct collection *next = collection->hh.next;
        if (collection->maker == maker) {
            catalog->unsettled--;
            collection->maker = NULL;
            if (!committed)
                collection_drop(collection);
        }
        collection = next;
    }
}

bool catalog_visit(struct catalog *catalog, const char *database, catalog_visitor *visit,
                   void *context)
{
    size_t length = database != NULL ? strlen(database) : 0;
    struct collection *collection, *next;
    HASH_ITER (hh, catalog->collections, collection, next) {
        bool inside = database == NULL || (strncmp(collection->namespace, database, length) == 0 &&
                                           collection->namespace[length] == '.');
        if (inside && collection->maker == NULL && !visit(collection, context))
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

static void open_entries(const struct collection *collection, struct index *index)
{
    char *table = x_format("i %s %s", collection->namespace, index->name);
    index->entries = store_table_open(collection->catalog->store, table);
    free(table);
}

static void index_append(struct collection *collection, const struct index *index)
{
    size_t place = array_grow((void **)&collection->indexes, &collection->index_count,
                              &collection->index_capacity, sizeof *index);
    collection->indexes[place] = *index;
}

bool collection_index_add(struct collection *collection, const char *name, const bson_t *key,
                          bool unique, struct failure *failure)
{
    struct store *store = collection->catalog->store;
    struct index index = {.name = x_strdup(name), .key = bson_copy(key), .unique = unique};
    open_entries(collection, &index);
    if (!rows_build_index(collection, &index, failure)) {
        store_table_drop(store, index.entries);
        index_release(&index);
        return false;
    }
    index_append(collection, &index);
    if (collection->maker == NULL)
        collection_save(collection);
    return true;
}

bool collection_index_drop(struct collection *collection, struct index *index,
                           struct failure *failure)
{
    struct index dropped = *index;
    struct store *store = collection->catalog->store;
    if (store_table_written(store, dropped.entries))
        return failure_set(failure, FAILURE_WRITE_CONFLICT, "a transaction has written to %s",
                           collection->namespace);
    *index = collection->indexes[--collection->index_count];
    collection_save(collection);
    store_table_drop(store, dropped.entries);
    index_release(&dropped);
    return true;
}

/* Reading the catalog of an earlier run. ------------------------------------------------------- */

static void load_index(struct collection *collection, const bson_iter_t *item)
{
    bson_iter_t iter;
    const uint8_t *bytes = NULL;
    uint32_t length = 0;
    bson_t key;
    struct index index = {.unique = false};
    must(bson_iter_recurse(item, &iter) && bson_iter_find(&iter, "key"));
    bson_iter_document(&iter, &length, &bytes);
    must(bson_init_static(&key, bytes, length));
    index.key = bson_copy(&key);
    must(bson_iter_find(&iter, "name"));
    index.name = x_strdup(bson_iter_utf8(&iter, NULL));
    index.unique = bson_iter_find(&iter, "unique");
    open_entries(collection, &index);
    index_append(collection, &index);
}

static bool load_collection(struct slice key, struct slice value, void *context)
{
    bson_t row;
    bson_iter_t iter, item;
    char *namespace = x_strndup((const char *)key.bytes, key.length);
    struct collection *collection = collection_add(context, namespace, strcspn(namespace, "."));
    must(bson_init_static(&row, value.bytes, value.length));
    must(bson_iter_init_find(&iter, &row, "indexes") && bson_iter_recurse(&iter, &item));
    while (bson_iter_next(&item))
        load_index(collection, &item);
    return true;
}

static void drop_left_over(struct store_table *table, const char *name, void *context)
{
    const struct catalog *catalog = context;
    if (strncmp(name, "c ", 2) != 0 && strncmp(name, "i ", 2) != 0)
        return;
    for (const struct collection *collection = catalog->collections; collection != NULL;
         collection = collection->hh.next) {
        if (collection->rows == table)
            return;
        for (size_t i = 0; i < collection->index_count; i++)
            if (collection->indexes[i].entries == table)
                return;
    }
    store_table_drop(catalog->store, table);
}

struct catalog *catalog_new(struct store *store)
{
    struct catalog *catalog = x_calloc(1, sizeof *catalog);
    catalog->store = store;
    catalog->rows = store_table_open(store, "catalog");
    struct store_transaction *transaction = store_begin(store);
    store_scan(transaction, catalog->rows, (struct slice){NULL, 0}, load_collection, catalog);
    store_rollback(transaction);
    store_tables_visit(store, drop_left_over, catalog);
    return catalog;
}
