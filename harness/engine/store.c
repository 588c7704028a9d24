/* SPDX-License-Identifier: Apache-2.0
 *
 * store: the names of the stores, and the calls that reach through a store's methods. See store.h;
 * a further store is one more file and one more line in store_open().
 */
#include "store.h"

#include "base.h"
#include <string.h>

struct store *store_open(const struct store_settings *settings)
{
    if (strcmp(settings->name, "memory") == 0)
        return store_memory_open();
    if (strcmp(settings->name, "wiredtiger") != 0)
        return NULL;
#ifdef WITH_WIREDTIGER
    must(settings->folder != NULL);
    return store_wiredtiger_open(settings);
#else
    die(EXIT_TARGET, "this racebench was built without WiredTiger; install libwiredtiger-dev and "
                     "build again, or use --store memory");
#endif
}

void store_write(struct store *store)
{
    if (store->methods->write != NULL)
        store->methods->write(store);
}

void store_flush(struct store *store)
{
    if (store->methods->flush != NULL)
        store->methods->flush(store);
}

void store_close(struct store *store)
{
    if (store != NULL)
        store->methods->close(store);
}

struct store_table *store_table_open(struct store *store, const char *name)
{
    return store->methods->table_open(store, name);
}

bool store_table_written(struct store *store, const struct store_table *table)
{
    return store->methods->table_written(table);
}

void store_table_drop(struct store *store, struct store_table *table)
{
    must(!store->methods->table_written(table));
    store->methods->table_drop(table);
}

void store_tables_visit(struct store *store, store_table_visitor *visit, void *context)
{
    store->methods->tables_visit(store, visit, context);
}

struct store_transaction *store_begin(struct store *store)
{
    struct store_transaction *transaction = store->methods->begin(store);
    transaction->store = store;
    transaction->conflicted = false;
    return transaction;
}

void store_keep_open(struct store_transaction *transaction)
{
    if (transaction->store->methods->keep_open != NULL)
        transaction->store->methods->keep_open(transaction);
}

enum store_result store_commit(struct store_transaction *transaction)
{
    must(!transaction->conflicted);
    return transaction->store->methods->commit(transaction);
}

void store_rollback(struct store_transaction *transaction)
{
    transaction->store->methods->rollback(transaction);
}

enum store_result store_get(struct store_transaction *transaction, struct store_table *table,
                            struct slice key, struct slice *value)
{
    return transaction->store->methods->get(transaction, table, key, value);
}

enum store_result store_put(struct store_transaction *transaction, struct store_table *table,
                            struct slice key, struct slice value)
{
    must(!transaction->conflicted);
    enum store_result result = transaction->store->methods->put(transaction, table, key, value);
    transaction->conflicted = result == STORE_CONFLICT;
    return result;
}

enum store_result store_delete(struct store_transaction *transaction, struct store_table *table,
                               struct slice key)
{
    must(!transaction->conflicted);
    enum store_result result = transaction->store->methods->delete (transaction, table, key);
    transaction->conflicted = result == STORE_CONFLICT;
    return result;
}

void store_scan(struct store_transaction *transaction, struct store_table *table,
                struct slice prefix, store_visitor *visit, void *context)
{
    transaction->store->methods->scan(transaction, table, prefix, visit, context);
}

void store_prove_isolation(struct store *store, struct store_table *table, const char *folder)
{
    static const uint8_t key[] = {0};
    struct slice slice = {key, sizeof key};
    struct store_transaction *first = store_begin(store), *second = store_begin(store);
    if (store_put(first, table, slice, slice) != STORE_DONE ||
        store_put(second, table, slice, slice) != STORE_CONFLICT)
        die(EXIT_TARGET,
            "the store in %s lets two transactions write one row: no verdict could be "
            "trusted",
            folder);
    store_rollback(second);
    store_rollback(first);
}
