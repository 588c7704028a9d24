/* SPDX-License-Identifier: Apache-2.0
 *
 * store_wiredtiger: rows in MongoDB's own storage engine, Debian's WiredTiger 3.2.1, in a folder.
 *
 * A transaction is a WiredTiger session of its own, used again after its end, with one cursor per
 * table that it has touched. Sessions are opened with snapshot isolation, since the default
 * (read-committed) lets two transactions overwrite each other and commit both; at every start two
 * transactions prove that the second one is refused. Every write is inside an explicit transaction:
 * an automatic one would wait for the row in a loop, and the engine's only thread with it.
 *
 * A table is the file t<number>; "table:names" keeps name -> number. A drop takes the name away and
 * the file when WiredTiger lets it go, at the latest at the next start: files without a name go.
 *
 * Commits do not write the log: store_write() does, once for all commits whose replies are about to
 * be sent, and store_flush() brings it to the disk, from another thread and with its own session.
 * An fsync inside a commit would hold the row meanwhile. WiredTiger's errors beyond conflicts mean
 * that nothing can be kept any more: the program ends before any reply that would promise it.
 *
 * Settings, each measured: use_environment and config_base off, for the environment and a file
 * could turn the log off unnoticed; log files of 16 MB, not preallocated (else 300 MB a folder);
 * large dirty limits and pages, for otherwise a hot document's page cannot be evicted past an idle
 * transaction and every update stalls.
 */
#include "store.h"

#include "base.h"
#include "store_changes.h"
#include "store_folder.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wiredtiger.h>

/* Tests compile this file with another isolation, to see that it is caught: at the start, and where
 * nobody looks there, by what it loses. */
#ifndef STORE_ISOLATION
#define STORE_ISOLATION       "snapshot"
#define STORE_ISOLATION_PROOF true
#endif

#define TABLE_CONFIG "key_format=u,value_format=u,memory_page_max=1GB"

struct store_table {
    struct wired_store *store;
    size_t place;   /* index in the store's tables and in every transaction's places */
    size_t writers; /* open transactions that have written to it */
    char *name, *uri;
};

/* A transaction's use of one table. Where the last thing done was to read a row, the cursor stands
 * on it, and a put to that row needs no second search: 1,100 of an update's 42,000 instructions. */
struct place {
    WT_CURSOR *cursor;
    bool written;
    uint64_t found_by;   /* use of the transaction that has found `found`; 0: none */
    struct buffer found; /* its key */
};

struct wired_transaction {
    struct store_transaction base;
    struct wired_transaction *next, *next_free;
    WT_SESSION *session;
    uint64_t use; /* counts its transactions: each begins with fresh cursors */
    struct place *places;
    struct store_table **written;
    size_t place_count, written_count, written_capacity;
    struct changes changes; /* for who watches */
};

struct wired_store {
    struct store base;
    WT_EVENT_HANDLER events; /* its address tells the handler which store */
    pthread_mutex_t mutex;   /* of message: WiredTiger's threads speak as well */
    char message[256];       /* its first one */
    char *folder;
    WT_CONNECTION *connection;
    WT_SESSION *writer, *flusher; /* for the log only; the second belongs to another thread */
    struct store_table *names;
    struct store_table **tables; /* by place; NULL: free */
    size_t table_count, table_capacity;
    int64_t number; /* of the last table */
    char **doomed;  /* files to be dropped */
    size_t doomed_count, doomed_capacity;
    struct wired_transaction *transactions, *spare;
    size_t open;
    bool journal, unwritten;
};

static int on_error(WT_EVENT_HANDLER *events, WT_SESSION *session, int error, const char *message)
{
    struct wired_store *store =
        (struct wired_store *)((char *)events - offsetof(struct wired_store, events));
    (void)session, (void)error;
    pthread_mutex_lock(&store->mutex);
    if (store->message[0] == '\0')
        snprintf(store->message, sizeof store->message, "%s", message);
    pthread_mutex_unlock(&store->mutex);
    return 0;
}

static int on_message(WT_EVENT_HANDLER *events, WT_SESSION *session, const char *message)
{
    (void)events, (void)session, (void)message;
    return 0;
}

/* Ends the program: what is asked of the store cannot be done. */
_Noreturn static void give_up(struct wired_store *store, int error, const char *what)
{
    pthread_mutex_lock(&store->mutex);
    const char *colon = strrchr(store->message, ':'); /* "[time], file:x, what: why: error" */
    const char *why = colon != NULL ? colon + 2 : wiredtiger_strerror(error);
    if (error == EBUSY && strcmp(what, "open") == 0)
        die(EXIT_TARGET, "another engine uses the store in %s; end it or choose another folder",
            store->folder);
    bool lacking = error == EMFILE || error == ENFILE || strcmp(what, "open") == 0;
    die(lacking ? EXIT_TARGET : EXIT_RESULTS,
        "cannot %s the store in %s: %s; nothing that was acknowledged is lost", what, store->folder,
        why);
}

static void check(struct wired_store *store, int error, const char *what)
{
    if (error != 0)
        give_up(store, error, what);
}

/* Transactions and rows. ----------------------------------------------------------------------- */

static WT_SESSION *session_open(struct wired_store *store)
{
    WT_SESSION *session;
    check(store,
          store->connection->open_session(store->connection, NULL, "isolation=" STORE_ISOLATION,
                                          &session),
          "open a session of");
    return session;
}

static struct store_transaction *wired_begin(struct store *base)
{
    struct wired_store *store = (struct wired_store *)base;
    struct wired_transaction *transaction = store->spare;
    if (transaction != NULL) {
        store->spare = transaction->next_free;
    } else {
        must(store->open < STORE_TRANSACTIONS_MAX);
        transaction = x_calloc(1, sizeof *transaction);
        transaction->session = session_open(store);
        transaction->next = store->transactions;
        store->transactions = transaction;
    }
    store->open++;
    transaction->use++;
    check(store, transaction->session->begin_transaction(transaction->session, NULL), "begin in");
    return &transaction->base;
}

static void wired_end(struct wired_store *store, struct wired_transaction *transaction)
{
    for (size_t i = 0; i < transaction->written_count; i++) {
        struct store_table *table = transaction->written[i];
        table->writers--;
        transaction->places[table->place].written = false;
    }
    transaction->written_count = 0;
    changes_forget(&transaction->changes);
    transaction->next_free = store->spare;
    store->spare = transaction;
    store->open--;
}

static void wired_rollback(struct store_transaction *base)
{
    struct wired_store *store = (struct wired_store *)base->store;
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    check(store, transaction->session->rollback_transaction(transaction->session, NULL),
          "roll back in");
    wired_end(store, transaction);
}

static enum store_result wired_commit(struct store_transaction *base)
{
    struct wired_store *store = (struct wired_store *)base->store;
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    store->unwritten |= transaction->written_count > 0;
    int error = transaction->session->commit_transaction(transaction->session, NULL);
    if (error != 0 && error != WT_ROLLBACK) /* it has rolled back by itself */
        give_up(store, error, "commit to");
    if (error == 0)
        changes_tell(&transaction->changes, base->store);
    wired_end(store, transaction);
    return error == 0 ? STORE_DONE : STORE_CONFLICT;
}

static struct place *place_of(struct wired_transaction *transaction, struct store_table *table)
{
    if (table->place >= transaction->place_count) {
        size_t count = table->store->table_count;
        transaction->places = x_realloc(transaction->places, count * sizeof *transaction->places);
        memset(transaction->places + transaction->place_count, 0,
               (count - transaction->place_count) * sizeof *transaction->places);
        transaction->place_count = count;
    }
    struct place *place = &transaction->places[table->place];
    if (place->cursor == NULL)
        check(table->store,
              transaction->session->open_cursor(transaction->session, table->uri, NULL, NULL,
                                                &place->cursor),
              "read");
    return place;
}

static WT_ITEM item_of(struct slice slice)
{
    return (WT_ITEM){.data = slice.bytes != NULL ? slice.bytes : (const uint8_t *)"",
                     .size = slice.length};
}

static enum store_result place_find(struct store_table *table, struct place *place, WT_ITEM *key)
{
    place->found_by = 0;
    place->cursor->set_key(place->cursor, key);
    int error = place->cursor->search(place->cursor);
    if (error != WT_NOTFOUND)
        check(table->store, error, "read");
    return error == WT_NOTFOUND ? STORE_ABSENT : STORE_DONE;
}

static enum store_result wired_get(struct store_transaction *base, struct store_table *table,
                                   struct slice key, struct slice *value)
{
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    struct place *place = place_of(transaction, table);
    WT_ITEM wanted = item_of(key), item;
    if (place_find(table, place, &wanted) == STORE_ABSENT)
        return STORE_ABSENT;
    check(table->store, place->cursor->get_value(place->cursor, &item), "read");
    *value = (struct slice){item.data, item.size};
    place->found.length = 0;
    buffer_append(&place->found, key.bytes, key.length);
    place->found_by = transaction->use;
    return STORE_DONE;
}

/* What became of a write. */
static enum store_result wrote(struct wired_transaction *transaction, struct store_table *table,
                               int error)
{
    struct place *place = &transaction->places[table->place];
    if (error == WT_ROLLBACK)
        return STORE_CONFLICT;
    check(table->store, error, "write to");
    if (!place->written) {
        place->written = true;
        table->writers++;
        size_t at = array_grow((void **)&transaction->written, &transaction->written_count,
                               &transaction->written_capacity, sizeof(struct store_table *));
        transaction->written[at] = table;
    }
    return STORE_DONE;
}

static enum store_result wired_put(struct store_transaction *base, struct store_table *table,
                                   struct slice key, struct slice value)
{
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    changes_note(&transaction->changes, base, table,
                 &(struct store_change){.table = table->name, .key = key, .after = value});
    struct place *place = place_of(transaction, table);
    WT_ITEM wanted = item_of(key), bytes = item_of(value);
    bool there = place->found_by == transaction->use && place->found.length == key.length &&
                 memcmp(place->found.bytes, wanted.data, key.length) == 0;
    if (!there)
        place->cursor->set_key(place->cursor, &wanted);
    place->cursor->set_value(place->cursor, &bytes);
    place->found_by = 0;
    return wrote(transaction, table, place->cursor->insert(place->cursor)); /* overwrites */
}

static enum store_result wired_delete(struct store_transaction *base, struct store_table *table,
                                      struct slice key)
{
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    struct place *place = place_of(transaction, table);
    WT_ITEM wanted = item_of(key);
    changes_note(&transaction->changes, base, table,
                 &(struct store_change){.table = table->name, .key = key});
    return place_find(table, place, &wanted) == STORE_DONE
               ? wrote(transaction, table, place->cursor->remove(place->cursor))
               : STORE_ABSENT;
}

/* Moves a fresh cursor to the first row that is not before `prefix`. */
static int cursor_begin(WT_CURSOR *cursor, struct slice prefix)
{
    WT_ITEM wanted = item_of(prefix);
    int side = 0;
    if (prefix.length == 0)
        return cursor->next(cursor);
    cursor->set_key(cursor, &wanted);
    int error = cursor->search_near(cursor, &side);
    return error == 0 && side < 0 ? cursor->next(cursor) : error;
}

static void wired_scan(struct store_transaction *base, struct store_table *table,
                       struct slice prefix, store_visitor *visit, void *context)
{
    WT_SESSION *session = ((struct wired_transaction *)base)->session;
    WT_CURSOR *cursor; /* its own: the visitor may look up rows */
    check(table->store, session->open_cursor(session, table->uri, NULL, NULL, &cursor), "read");
    int error = cursor_begin(cursor, prefix);
    for (; error == 0; error = cursor->next(cursor)) {
        WT_ITEM key, value;
        check(table->store, cursor->get_key(cursor, &key), "read");
        check(table->store, cursor->get_value(cursor, &value), "read");
        if (key.size < prefix.length ||
            (prefix.length > 0 && memcmp(key.data, prefix.bytes, prefix.length) != 0) ||
            !visit((struct slice){key.data, key.size}, (struct slice){value.data, value.size},
                   context))
            break;
    }
    if (error != WT_NOTFOUND)
        check(table->store, error, "read");
    check(table->store, cursor->close(cursor), "read");
}

/* Tables. -------------------------------------------------------------------------------------- */

/* Tries to drop the files that are not needed any more; those in use wait. */
static void sweep(struct wired_store *store)
{
    WT_SESSION *session = store->writer;
    size_t kept = 0;
    for (size_t i = 0; i < store->doomed_count; i++) {
        int error = session->drop(session, store->doomed[i],
                                  "force=true,checkpoint_wait=false,lock_wait=false");
        if (error == EBUSY) {
            store->doomed[kept++] = store->doomed[i];
            continue;
        }
        check(store, error, "drop a table of");
        free(store->doomed[i]);
    }
    store->doomed_count = kept;
}

static void doom(struct wired_store *store, const char *uri)
{
    size_t at = array_grow((void **)&store->doomed, &store->doomed_count, &store->doomed_capacity,
                           sizeof(char *));
    store->doomed[at] = x_strdup(uri);
}

/* Makes the file when it is not there. */
static struct store_table *table_make(struct wired_store *store, const char *name, char *uri)
{
    struct store_table *table = x_calloc(1, sizeof *table);
    size_t place = 0;
    while (place < store->table_count && store->tables[place] != NULL)
        place++;
    if (place == store->table_count)
        array_grow((void **)&store->tables, &store->table_count, &store->table_capacity,
                   sizeof(struct store_table *));
    store->tables[place] = table;
    *table =
        (struct store_table){.store = store, .place = place, .name = x_strdup(name), .uri = uri};
    check(store, store->writer->create(store->writer, uri, TABLE_CONFIG), "make a table of");
    return table;
}

static struct slice name_key(const char *name)
{
    return (struct slice){(const uint8_t *)name, strlen(name)};
}

static struct store_table *wired_table_open(struct store *base, const char *name)
{
    struct wired_store *store = (struct wired_store *)base;
    for (size_t i = 0; i < store->table_count; i++)
        if (store->tables[i] != NULL && store->tables[i] != store->names &&
            strcmp(store->tables[i]->name, name) == 0)
            return store->tables[i];
    int64_t number = ++store->number;
    struct store_table *table = table_make(store, name, x_format("table:t%lld", (long long)number));
    struct store_transaction *transaction = store_begin(base);
    must(store_put(transaction, store->names, name_key(name),
                   (struct slice){(uint8_t *)&number, sizeof number}) == STORE_DONE);
    must(store_commit(transaction) == STORE_DONE);
    return table;
}

static bool wired_table_written(const struct store_table *table)
{
    return table->writers > 0;
}

static void table_free(struct store_table *table)
{
    free(table->name);
    free(table->uri);
    free(table);
}

static void wired_table_drop(struct store_table *table)
{
    struct wired_store *store = table->store;
    for (struct wired_transaction *each = store->transactions; each != NULL; each = each->next) {
        struct place *place = table->place < each->place_count ? &each->places[table->place] : NULL;
        if (place == NULL || place->cursor == NULL)
            continue;
        check(store, place->cursor->close(place->cursor), "drop a table of");
        place->cursor = NULL;
        place->found_by = 0;
    }
    struct store_transaction *transaction = store_begin(&store->base);
    must(store_delete(transaction, store->names, name_key(table->name)) == STORE_DONE);
    must(store_commit(transaction) == STORE_DONE);
    store->tables[table->place] = NULL;
    doom(store, table->uri);
    table_free(table);
    sweep(store);
}

static void wired_tables_visit(struct store *base, store_table_visitor *visit, void *context)
{
    struct wired_store *store = (struct wired_store *)base;
    for (size_t i = 0; i < store->table_count; i++)
        if (store->tables[i] != NULL && store->tables[i] != store->names)
            visit(store->tables[i], store->tables[i]->name, context);
}

/* The log. ------------------------------------------------------------------------------------- */

static void wired_write(struct store *base)
{
    struct wired_store *store = (struct wired_store *)base;
    if (!store->unwritten || !store->journal)
        return;
    check(store, store->writer->log_flush(store->writer, "sync=off"), "write the log of");
    store->unwritten = false;
}

static void wired_flush(struct store *base)
{
    struct wired_store *store = (struct wired_store *)base;
    if (store->journal)
        check(store, store->flusher->log_flush(store->flusher, "sync=on"), "flush the log of");
}

/* Start and end. ------------------------------------------------------------------------------- */

static bool load_name(struct slice key, struct slice value, void *context)
{
    struct wired_store *store = context;
    char *name = x_strndup((const char *)key.bytes, key.length);
    int64_t number;
    must(value.length == sizeof number);
    memcpy(&number, value.bytes, sizeof number);
    table_make(store, name, x_format("table:t%lld", (long long)number));
    free(name);
    return true;
}

static bool is_named(const struct wired_store *store, const char *uri)
{
    for (size_t i = 0; i < store->table_count; i++)
        if (strcmp(store->tables[i]->uri, uri) == 0)
            return true;
    return false;
}

/* Opens the tables that have names, and drops the files that have none. */
static void load_tables(struct wired_store *store)
{
    struct store_transaction *transaction = store_begin(&store->base);
    store_scan(transaction, store->names, (struct slice){NULL, 0}, load_name, store);
    store_rollback(transaction);
    WT_CURSOR *cursor;
    long long number;
    const char *uri;
    int error;
    check(store, store->writer->open_cursor(store->writer, "metadata:", NULL, NULL, &cursor),
          "open");
    while ((error = cursor->next(cursor)) == 0) {
        check(store, cursor->get_key(cursor, &uri), "open");
        if (sscanf(uri, "table:t%lld", &number) != 1)
            continue;
        store->number = number > store->number ? number : store->number;
        if (!is_named(store, uri))
            doom(store, uri);
    }
    check(store, error == WT_NOTFOUND ? 0 : error, "open");
    check(store, cursor->close(cursor), "open");
    sweep(store);
}

static void wired_close(struct store *base)
{
    struct wired_store *store = (struct wired_store *)base;
    must(store->open == 0);
    while (store->transactions != NULL) { /* their sessions end with the connection */
        struct wired_transaction *transaction = store->transactions;
        store->transactions = transaction->next;
        for (size_t i = 0; i < transaction->place_count; i++)
            buffer_release(&transaction->places[i].found);
        free(transaction->places);
        free(transaction->written);
        changes_free(&transaction->changes);
        free(transaction);
    }
    check(store, store->connection->close(store->connection, NULL), "close");
    for (size_t i = 0; i < store->table_count; i++)
        if (store->tables[i] != NULL)
            table_free(store->tables[i]);
    for (size_t i = 0; i < store->doomed_count; i++)
        free(store->doomed[i]);
    free(store->tables);
    free(store->doomed);
    free(store->folder);
    pthread_mutex_destroy(&store->mutex);
    free(store);
}

static const struct store_methods wired_methods = {
    .name = "wiredtiger",
    .close = wired_close,
    .write = wired_write,
    .flush = wired_flush,
    .table_open = wired_table_open,
    .table_written = wired_table_written,
    .table_drop = wired_table_drop,
    .tables_visit = wired_tables_visit,
    .begin = wired_begin,
    .commit = wired_commit,
    .rollback = wired_rollback,
    .get = wired_get,
    .put = wired_put,
    .delete = wired_delete,
    .scan = wired_scan,
};

/* WiredTiger's threads leave the program's signals alone. */
static void connect(struct wired_store *store, bool journal, bool temporary)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    long long half_mb = (long long)pages * page / 2 / (1024 * 1024);
    char *config = x_format(
        "create,use_environment=false,config_base=false,cache_size=%lldM,"
        "eviction_dirty_target=90,eviction_dirty_trigger=95,session_max=%d,"
        "log=(enabled=%s,archive=true,file_max=16MB,prealloc=false),"
        "transaction_sync=(enabled=false),checkpoint=(wait=60,log_size=256MB),checkpoint_sync=%s",
        half_mb < 4096 ? half_mb : 4096, STORE_TRANSACTIONS_MAX + 64, journal ? "true" : "false",
        temporary ? "false" : "true");
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = wiredtiger_open(store->folder, &store->events, config, &store->connection);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    check(store, error, "open");
    free(config);
}

struct store *store_wiredtiger_open(const struct store_settings *settings)
{
    struct wired_store *store = x_calloc(1, sizeof *store);
    store->base.methods = &wired_methods;
    store->events.handle_error = on_error;
    store->events.handle_message = on_message;
    pthread_mutex_init(&store->mutex, NULL);
    store->folder = x_strdup(settings->folder);
    store->journal = settings->journal;
    store_folder_claim(store->folder);
    if (!store->journal) { /* what an earlier start has logged must not be passed over */
        connect(store, true, settings->temporary);
        check(store, store->connection->close(store->connection, NULL), "open");
    }
    connect(store, store->journal, settings->temporary);
    store->writer = session_open(store);
    store->flusher = session_open(store);
    store->names = table_make(store, "", x_strdup("table:names"));
    if (STORE_ISOLATION_PROOF)
        store_prove_isolation(&store->base, store->names, store->folder);
    load_tables(store);
    if (store->journal) /* fails when, against all settings, there is no log */
        check(store, store->writer->log_flush(store->writer, "sync=off"), "open");
    return &store->base;
}
