/* SPDX-License-Identifier: Apache-2.0
 *
 * documents: see documents.h. Rows are found by the store's own table and key; those that an
 * execution has changed are on a list, which is the way back.
 */
#include "documents.h"

#include "base.h"
#include "document/element.h"
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 1024 };

static hash128 text_hash(const char *text)
{
    struct hash hash;
    hash_init(&hash);
    hash_bytes(&hash, text, strlen(text));
    return hash_full(&hash);
}

/* Numbers of any type name one document; other ids are compared byte by byte. */
static hash128 id_place(hash128 collection, const struct element *id)
{
    struct hash hash;
    hash_init(&hash);
    hash_add(&hash, collection);
    if (id->type == BSON_TYPE_INT64 || id->type == BSON_TYPE_INT32 || id->type == BSON_TYPE_DOUBLE)
        hash_u64(&hash, (uint64_t)element_number(id, 0));
    else
        hash_bytes(&hash, id->start, (size_t)(id->data - id->start) + id->size);
    return hash_full(&hash);
}

hash128 documents_place(const char *collection, const bson_t *filter)
{
    struct element id;
    hash128 whole = text_hash(collection);
    if (filter == NULL || !elements_find(elements_of(filter), "_id", 3, &id) ||
        id.type == BSON_TYPE_DOCUMENT)
        return whole;
    return id_place(whole, &id);
}

hash128 documents_place_of(const char *collection, int64_t id)
{
    struct hash hash;
    hash_init(&hash);
    hash_add(&hash, text_hash(collection));
    hash_u64(&hash, (uint64_t)id);
    return hash_full(&hash);
}

int64_t documents_changes(const struct documents *documents, hash128 place)
{
    for (size_t i = 0; i < documents->place_count; i++)
        if (documents->places[i].name == place)
            return documents->places[i].changes;
    return 0;
}

void documents_touch(struct documents *documents, hash128 place)
{
    for (size_t i = 0; i < documents->place_count; i++)
        if (documents->places[i].name == place) {
            documents->places[i].changes++;
            return;
        }
    size_t at = array_grow((void **)&documents->places, &documents->place_count,
                           &documents->place_capacity, sizeof(*documents->places));
    documents->places[at] = (struct place){place, 1};
}

/* Rows ---------------------------------------------------------------------------------------- */

/* "c DATABASE.COLLECTION": the collection, when it is one of ours. */
static const char *collection_of(const struct documents *documents, const char *table)
{
    size_t length = strlen(documents->database);
    if (table[0] != 'c' || strncmp(table + 2, documents->database, length) != 0 ||
        table[2 + length] != '.')
        return NULL;
    return table + 2 + length + 1;
}

static void row_set(uint8_t **to, size_t *to_bytes, const struct slice *from)
{
    if (from->bytes == NULL) {
        free(*to);
        *to = NULL;
    } else {
        *to = x_realloc(*to, from->length);
        memcpy(*to, from->bytes, from->length);
    }
    *to_bytes = from->length;
}

static void read_document(struct documents *documents, struct row *row)
{
    bson_t view;
    struct element id;
    canon_read(&row->canon, row->now, row->now_bytes, documents->workers);
    row->weight = row->now != NULL ? hash_mix(row->canon.hash, row->name) : 0;
    if (row->place == 0 && row->now != NULL && bson_init_static(&view, row->now, row->now_bytes) &&
        elements_find(elements_of(&view), "_id", 3, &id))
        row->place = id_place(row->name, &id);
}

/* The row; one that is seen for the first time is at the start what it was before the change. */
static struct row *row_find(struct documents *documents, const struct store_change *change)
{
    uint8_t key[KEY_MAX];
    size_t table_bytes = strlen(change->table) + 1, bytes = table_bytes + change->key.length;
    struct row *row = NULL;
    must(bytes <= sizeof(key));
    memcpy(key, change->table, table_bytes);
    memcpy(key + table_bytes, change->key.bytes, change->key.length);
    HASH_FIND(hh, documents->rows, key, bytes, row);
    if (row != NULL)
        return row;
    row = x_calloc(1, sizeof(*row) + bytes);
    row->key_bytes = bytes;
    memcpy(row->key, key, bytes);
    row->table = (const char *)row->key;
    row->collection = collection_of(documents, row->table);
    row->name = row->collection != NULL ? text_hash(row->collection) : 0;
    row_set(&row->first, &row->first_bytes, &change->before);
    row_set(&row->now, &row->now_bytes, &change->before);
    if (row->collection != NULL)
        read_document(documents, row);
    row->first_canon = row->canon;
    row->first_weight = row->weight;
    HASH_ADD_KEYPTR(hh, documents->rows, row->key, row->key_bytes, row);
    return row;
}

static void watch(const struct store_change *change, void *context)
{
    struct documents *documents = context;
    if (change->table[1] != ' ') /* the catalog's own: what was created stays, empty */
        return;
    struct row *row = row_find(documents, change);
    if (!row->changed) {
        row->changed = true;
        size_t at = array_grow((void **)&documents->changed, &documents->changed_count,
                               &documents->changed_capacity, sizeof(struct row *));
        documents->changed[at] = row;
    }
    if (row->collection == NULL) {
        row_set(&row->now, &row->now_bytes, &change->after);
        return;
    }
    documents->sum -= row->weight;
    row_set(&row->now, &row->now_bytes, &change->after);
    if (documents->restoring) {
        row->canon = row->first_canon;
        row->weight = row->first_weight;
        documents->sum += row->weight;
        return;
    }
    documents->last_stamp = row->canon.stamp;
    read_document(documents, row);
    documents->sum += row->weight;
    documents->last = row;
    row->write = ++documents->writes;
    documents_touch(documents, row->place);
    documents_touch(documents, row->name);
}

hash128 documents_content(const struct documents *documents)
{
    hash128 sum = documents->sum;
    for (size_t i = 0; i < documents->changed_count; i++) {
        const struct row *row = documents->changed[i];
        for (int h = 0; row->now != NULL && h < row->canon.count; h++) {
            const struct hole *hole = &row->canon.holes[h];
            hash128 name = hash_mix(hash_mix(row->weight, hole->place), (uint32_t)hole->worker);
            sum += hash_mix(name, (uint64_t)hole->number);
        }
    }
    return sum;
}

hash128 documents_changed_after(const struct documents *documents, int64_t writes)
{
    hash128 sum = 0;
    for (size_t i = 0; i < documents->changed_count; i++) {
        const struct row *row = documents->changed[i];
        if (row->collection != NULL && row->write > writes)
            sum += hash_mix(row->place, row->name);
    }
    return sum;
}

/* Life ---------------------------------------------------------------------------------------- */

void documents_init(struct documents *documents, struct engine *engine, const char *database,
                    int32_t workers)
{
    *documents =
        (struct documents){.store = engine_rows(engine), .database = database, .workers = workers};
    documents->store->watcher = watch;
    documents->store->watcher_context = documents;
}

void documents_free(struct documents *documents)
{
    struct row *row, *next;
    documents->store->watcher = NULL;
    HASH_ITER (hh, documents->rows, row, next) {
        HASH_DEL(documents->rows, row);
        free(row->now);
        free(row->first);
        free(row);
    }
    free(documents->changed);
    free(documents->places);
}

/* Makes a row what it was at the start. */
static void put_back(struct store *store, struct store_transaction *transaction,
                     const struct row *row)
{
    size_t table_bytes = strlen(row->table) + 1;
    struct slice key = {row->key + table_bytes, row->key_bytes - table_bytes};
    struct store_table *table = store_table_open(store, row->table);
    if (row->first != NULL)
        must(store_put(transaction, table, key, (struct slice){row->first, row->first_bytes}) ==
             STORE_DONE);
    else
        must(store_delete(transaction, table, key) != STORE_CONFLICT);
}

void documents_restore(struct documents *documents)
{
    struct store_transaction *transaction = store_begin(documents->store);
    documents->restoring = true;
    for (size_t i = 0; i < documents->changed_count; i++)
        put_back(documents->store, transaction, documents->changed[i]);
    must(store_commit(transaction) == STORE_DONE);
    for (size_t i = 0; i < documents->changed_count; i++)
        documents->changed[i]->changed = false;
    documents->restoring = false;
    documents->changed_count = documents->place_count = 0;
    documents->last = NULL;
    must(documents->sum == 0);
}
