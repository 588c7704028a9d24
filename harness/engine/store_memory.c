/* SPDX-License-Identifier: Apache-2.0
 *
 * store_memory: rows in RAM, for explore, for ThreadSanitizer and for systems without WiredTiger.
 *
 * A table is a uthash by key; before a scan its list is sorted by key if rows were added since the
 * last one. A row is a chain of versions, newest first. A pending one carries its writer; commit
 * stamps it with the next sequence number, and a transaction sees the newest version that was
 * committed before it began, or its own. A write onto a version that is pending elsewhere, or that
 * was committed after the writer began, is a conflict. Rollback takes pending versions off again.
 *
 * Nearly always one transaction is open at a time; then commit leaves one version per row and the
 * rest is freed at once. Otherwise rows with old versions are remembered as stale and are cleaned
 * when no transaction is open any more.
 */
#include "store.h"

#include "base.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct version {
    struct version *older;
    struct memory_transaction *writer; /* NULL: committed */
    int64_t committed;                 /* sequence number of the commit */
    bool removed;                      /* a deletion */
    size_t length;
    uint8_t bytes[];
};

struct row {
    UT_hash_handle hh;
    struct store_table *table;
    struct version *newest;
    bool stale; /* is in the store's list of rows to clean */
    size_t length;
    uint8_t key[];
};

struct store_table {
    struct memory_store *store;
    struct row *rows;
    size_t pending; /* writes of open transactions */
    bool sorted;    /* the order of the list is that of the keys */
    struct store_table *next;
    char *name;
};

struct memory_transaction {
    struct store_transaction base;
    int64_t snapshot; /* sees commits up to this */
    struct row **written;
    size_t written_count, written_capacity;
    struct memory_transaction *next_free;
};

struct memory_store {
    struct store base;
    struct store_table *tables;
    struct memory_transaction *spare; /* ended ones, to be used again */
    int64_t sequence;                 /* of the last commit */
    size_t open;                      /* transactions */
    struct row **stale;
    size_t stale_count, stale_capacity;
};

static void version_free(const struct row *row, struct version *version)
{
    row->table->store->base.bytes -= sizeof *version + version->length;
    free(version);
}

static void version_free_chain(const struct row *row, struct version *version)
{
    while (version != NULL) {
        struct version *older = version->older;
        version_free(row, version);
        version = older;
    }
}

static void row_free(struct row *row)
{
    version_free_chain(row, row->newest);
    row->table->store->base.bytes -= sizeof *row + row->length;
    free(row);
}

/* Leaves the newest version only; a row whose newest version is a deletion goes. Nobody may be able
 * to see older ones. */
static void row_clean(struct row *row)
{
    row->stale = false;
    if (row->newest != NULL && !row->newest->removed) {
        version_free_chain(row, row->newest->older);
        row->newest->older = NULL;
        return;
    }
    HASH_DELETE(hh, row->table->rows, row);
    row_free(row);
}

static const struct version *row_view(const struct row *row, const struct memory_transaction *view)
{
    const struct version *version = row->newest;
    while (version != NULL && version->writer != view &&
           (version->writer != NULL || version->committed > view->snapshot))
        version = version->older;
    return version != NULL && !version->removed ? version : NULL;
}

static struct row *table_find(struct store_table *table, struct slice key)
{
    struct row *row = NULL;
    HASH_FIND(hh, table->rows, key.bytes, key.length, row);
    return row;
}

static struct row *table_add(struct store_table *table, struct slice key)
{
    struct row *row = x_malloc(sizeof *row + key.length);
    *row = (struct row){.table = table, .length = key.length};
    memcpy(row->key, key.bytes, key.length);
    table->store->base.bytes += sizeof *row + key.length;
    table->sorted = false;
    HASH_ADD_KEYPTR(hh, table->rows, row->key, row->length, row);
    return row;
}

static enum store_result memory_get(struct store_transaction *base, struct store_table *table,
                                    struct slice key, struct slice *value)
{
    const struct row *row = table_find(table, key);
    const struct version *version =
        row != NULL ? row_view(row, (struct memory_transaction *)base) : NULL;
    if (version == NULL)
        return STORE_ABSENT;
    *value = (struct slice){version->bytes, version->length};
    return STORE_DONE;
}

/* Puts a pending version on top, in place of one that this transaction put there before. */
static enum store_result row_write(struct row *row, struct memory_transaction *writer,
                                   struct slice value, bool removed)
{
    struct version *top = row->newest;
    bool again = top != NULL && top->writer == writer;
    if (top != NULL && !again && (top->writer != NULL || top->committed > writer->snapshot))
        return STORE_CONFLICT;
    struct version *version = x_malloc(sizeof *version + value.length);
    *version = (struct version){.writer = writer, .removed = removed, .length = value.length};
    row->table->store->base.bytes += sizeof *version + value.length;
    if (value.length > 0)
        memcpy(version->bytes, value.bytes, value.length);
    version->older = again ? top->older : top;
    row->newest = version;
    if (again) {
        version_free(row, top);
        return STORE_DONE;
    }
    size_t index = array_grow((void **)&writer->written, &writer->written_count,
                              &writer->written_capacity, sizeof(struct row *));
    writer->written[index] = row;
    row->table->pending++;
    return STORE_DONE;
}

static enum store_result memory_put(struct store_transaction *base, struct store_table *table,
                                    struct slice key, struct slice value)
{
    struct row *row = table_find(table, key);
    if (row == NULL)
        row = table_add(table, key);
    return row_write(row, (struct memory_transaction *)base, value, false);
}

static enum store_result memory_delete(struct store_transaction *base, struct store_table *table,
                                       struct slice key)
{
    struct row *row = table_find(table, key);
    if (row == NULL || row_view(row, (struct memory_transaction *)base) == NULL)
        return STORE_ABSENT;
    return row_write(row, (struct memory_transaction *)base, (struct slice){NULL, 0}, true);
}

static int row_compare(const struct row *a, const struct row *b)
{
    size_t common = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->key, b->key, common);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static void memory_scan(struct store_transaction *base, struct store_table *table,
                        struct slice prefix, store_visitor *visit, void *context)
{
    if (!table->sorted)
        HASH_SORT(table->rows, row_compare);
    table->sorted = true;
    for (struct row *row = table->rows; row != NULL; row = row->hh.next) {
        if (row->length < prefix.length ||
            (prefix.length > 0 && memcmp(row->key, prefix.bytes, prefix.length) != 0))
            continue;
        const struct version *version = row_view(row, (struct memory_transaction *)base);
        if (version != NULL && !visit((struct slice){row->key, row->length},
                                      (struct slice){version->bytes, version->length}, context))
            return;
    }
}

static struct store_transaction *memory_begin(struct store *base)
{
    struct memory_store *store = (struct memory_store *)base;
    struct memory_transaction *transaction = store->spare;
    if (transaction != NULL)
        store->spare = transaction->next_free;
    else
        transaction = x_calloc(1, sizeof *transaction);
    transaction->snapshot = store->sequence;
    transaction->written_count = 0;
    store->open++;
    return &transaction->base;
}

static void memory_end(struct memory_store *store, struct memory_transaction *transaction)
{
    transaction->next_free = store->spare;
    store->spare = transaction;
    store->open--;
    if (store->open > 0)
        return;
    for (size_t i = 0; i < store->stale_count; i++)
        row_clean(store->stale[i]);
    store->stale_count = 0;
}

static void store_remember(struct memory_store *store, struct row *row)
{
    if (row->stale)
        return;
    row->stale = true;
    size_t index = array_grow((void **)&store->stale, &store->stale_count, &store->stale_capacity,
                              sizeof(struct row *));
    store->stale[index] = row;
}

static struct slice version_value(const struct version *version)
{
    if (version == NULL || version->removed)
        return (struct slice){NULL, 0};
    return (struct slice){version->bytes, version->length};
}

/* Tells who watches what a commit is about to make visible. */
static void row_tell(const struct row *row)
{
    const struct store *store = &row->table->store->base;
    store->watcher(&(struct store_change){.table = row->table->name,
                                          .key = {row->key, row->length},
                                          .before = version_value(row->newest->older),
                                          .after = version_value(row->newest)},
                   store->watcher_context);
}

static enum store_result memory_commit(struct store_transaction *base)
{
    struct memory_store *store = (struct memory_store *)base->store;
    struct memory_transaction *transaction = (struct memory_transaction *)base;
    if (transaction->written_count > 0)
        store->sequence++;
    for (size_t i = 0; i < transaction->written_count; i++) {
        struct row *row = transaction->written[i];
        if (store_is_watched(&store->base))
            row_tell(row);
        row->newest->writer = NULL;
        row->newest->committed = store->sequence;
        row->table->pending--;
        if (store->open > 1)
            store_remember(store, row);
        else if (!row->stale) /* a stale row is cleaned with the others, at the end */
            row_clean(row);
    }
    memory_end(store, transaction);
    return STORE_DONE;
}

static void memory_rollback(struct store_transaction *base)
{
    struct memory_store *store = (struct memory_store *)base->store;
    struct memory_transaction *transaction = (struct memory_transaction *)base;
    for (size_t i = 0; i < transaction->written_count; i++) {
        struct row *row = transaction->written[i];
        struct version *pending = row->newest;
        row->newest = pending->older;
        row->table->pending--;
        version_free(row, pending);
        if (row->newest == NULL && !row->stale)
            row_clean(row);
    }
    memory_end(store, transaction);
}

static struct store_table *memory_table_open(struct store *base, const char *name)
{
    struct memory_store *store = (struct memory_store *)base;
    for (struct store_table *table = store->tables; table != NULL; table = table->next)
        if (strcmp(table->name, name) == 0)
            return table;
    struct store_table *table = x_calloc(1, sizeof *table);
    table->store = store;
    table->name = x_strdup(name);
    table->next = store->tables;
    store->tables = table;
    return table;
}

static void table_free(struct store_table *table)
{
    struct row *row = table->rows;
    HASH_CLEAR(hh, table->rows); /* frees the hash; the rows stay linked */
    while (row != NULL) {
        struct row *next = row->hh.next;
        row_free(row);
        row = next;
    }
    free(table->name);
    free(table);
}

static bool memory_table_written(const struct store_table *table)
{
    return table->pending > 0;
}

static void memory_table_drop(struct store_table *table)
{
    struct memory_store *store = table->store;
    size_t kept = 0;
    for (size_t i = 0; i < store->stale_count; i++)
        if (store->stale[i]->table != table)
            store->stale[kept++] = store->stale[i];
    store->stale_count = kept;
    struct store_table **link = &store->tables;
    while (*link != table)
        link = &(*link)->next;
    *link = table->next;
    table_free(table);
}

static void memory_tables_visit(struct store *base, store_table_visitor *visit, void *context)
{
    struct store_table *table = ((struct memory_store *)base)->tables;
    while (table != NULL) {
        struct store_table *next = table->next;
        visit(table, table->name, context);
        table = next;
    }
}

static void memory_close(struct store *base)
{
    struct memory_store *store = (struct memory_store *)base;
    must(store->open == 0);
    while (store->tables != NULL)
        memory_table_drop(store->tables);
    must(base->bytes == 0);
    while (store->spare != NULL) {
        struct memory_transaction *transaction = store->spare;
        store->spare = transaction->next_free;
        free(transaction->written);
        free(transaction);
    }
    free(store->stale);
    free(store);
}

static const struct store_methods memory_methods = {
    .name = "memory",
    .close = memory_close,
    .table_open = memory_table_open,
    .table_written = memory_table_written,
    .table_drop = memory_table_drop,
    .tables_visit = memory_tables_visit,
    .begin = memory_begin,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .get = memory_get,
    .put = memory_put,
    .delete = memory_delete,
    .scan = memory_scan,
};

struct store *store_memory_open(void)
{
    struct memory_store *store = x_calloc(1, sizeof *store);
    store->base.methods = &memory_methods;
    return &store->base;
}
