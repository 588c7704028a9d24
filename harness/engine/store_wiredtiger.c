/* SPDX-License-Identifier: Apache-2.0
 *
 * store_wiredtiger: rows in MongoDB's own storage engine, Debian's WiredTiger 3.2.1, in a folder.
 *
 * A transaction that is open alone is grouped: it writes into memory (store_group.h), and reads
 * there and below. store_write() brings all that was committed so into WiredTiger in one
 * transaction, and WiredTiger's log to the operating system, once for all commits whose replies are
 * about to be sent. Nothing is committed in WiredTiger meanwhile, so what is read below is current,
 * and what the group wrote lately it knows without reading.
 * As soon as a second transaction begins beside it, a grouped one gets a transaction of
 * WiredTiger's like the others, as of now, which is as of its own beginning; conflicts between
 * transactions are WiredTiger's to find.
 *
 * Sessions are opened with snapshot isolation, since the default (read-committed) lets two
 * transactions overwrite each other and commit both; at every start two transactions prove that the
 * second one is refused.
 *
 * A table is the file t<number>; "table:names" keeps name -> number. A drop takes the name away and
 * the file when WiredTiger lets it go, at the latest at the next start: files without a name go.
 *
 * The commit of a group writes the log; the others leave that to store_write(), once for all of
 * them. store_flush() brings it to the disk, from another thread and with its own session: an fsync
 * inside a commit would hold the row meanwhile.
 *
 * Pages are large, or a hot document's would be split all the time.
 */
#include "store.h"

#include "base.h"
#include "store_changes.h"
#include "store_folder.h"
#include "store_group.h"
#include "wired.h"
#include "wired_session.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tests compile this file with another isolation, to see that it is caught: at the start, and where
 * nobody looks there, by what it loses. */
#ifndef STORE_ISOLATION
#define STORE_ISOLATION       "snapshot"
#define STORE_ISOLATION_PROOF true
#endif

#define TABLE_CONFIG "key_format=u,value_format=u,memory_page_max=1GB"

struct store_table {
    struct wired_store *store;
    struct wired_file file; /* its place is also the index in the store's tables */
    char *name;
    size_t writers;             /* open transactions that have written to it */
    struct group_table grouped; /* its rows in the store's group */
};

/* It is grouped as long as its session has not begun. */
struct wired_transaction {
    struct store_transaction base;
    struct wired_transaction *next, *next_free;
    struct wired_session session;
    struct store_table **written;
    size_t written_count, written_capacity;
    struct changes changes; /* for who watches */
};

struct wired_store {
    struct store base;
    struct wired wired;
    WT_SESSION *writer, *flusher; /* for the log only; the second belongs to another thread */
    struct store_table *names;
    struct store_table **tables; /* by place; NULL: free */
    size_t table_count, table_capacity;
    int64_t number; /* of the last table */
    char **doomed;  /* files to be dropped */
    size_t doomed_count, doomed_capacity;
    struct wired_transaction *transactions, *spare;
    size_t open;
    struct group group;
    struct wired_transaction *grouped; /* the open transaction, when it is */
    struct wired_session below;        /* reads and writes for the group; begun when it needs to */
    bool journal, unwritten;
};

static void check(struct wired_store *store, int error, const char *what)
{
    wired_check(&store->wired, error, what);
}

/* The group. ----------------------------------------------------------------------------------- */

/* The session that reads for the group. */
static struct wired_session *below(struct wired_store *store)
{
    if (!store->below.begun)
        wired_session_begin(&store->below);
    return &store->below;
}

static enum store_result write_row(struct wired_session *session, const struct group_row *row,
                                   enum group_state state, const struct buffer *value)
{
    struct slice key = buffer_slice(&row->key);
    if (state == GROUP_NOTHING)
        return STORE_DONE;
    if (state == GROUP_THERE)
        return wired_put(session, &row->table->owner->file, key, buffer_slice(value));
    enum store_result result = wired_delete(session, &row->table->owner->file, key);
    return result == STORE_ABSENT ? STORE_DONE : result;
}

/* Writes all that was committed in the group, and commits it. */
static enum store_result write_committed(struct wired_session *session, const struct group *group)
{
    enum store_result result = STORE_DONE;
    for (size_t i = 0; i < group->row_count && result == STORE_DONE; i++)
        result = write_row(session, group->rows[i], group->rows[i]->state, &group->rows[i]->value);
    return result == STORE_DONE ? wired_session_commit(session) : result;
}

/* Writes what the open transaction has written, which was taken out of the group. */
static enum store_result write_undone(struct wired_session *session, const struct group *group)
{
    enum store_result result = STORE_DONE;
    for (size_t i = 0; i < group->undo_count && result == STORE_DONE; i++)
        result =
            write_row(session, group->undo[i].row, group->undo[i].state, &group->undo[i].value);
    return result;
}

/* Writes in one of these ways, in a transaction that is begun when none is open. Nobody else is
 * there to conflict with. Lack of room in WiredTiger's cache may refuse even so, and passes; if it
 * does not, what was committed above cannot be kept, and the program ends. */
static void write_alone(struct wired_session *session, const struct group *group,
                        enum store_result (*write)(struct wired_session *, const struct group *))
{
    enum { TRIES_MAX = 1000 };
    for (int tries = 0;; tries++) {
        if (!session->begun)
            wired_session_begin(session);
        if (write(session, group) == STORE_DONE)
            return;
        if (session->begun)
            wired_session_roll_back(session);
        if (tries == TRIES_MAX)
            wired_check(session->wired, WT_ROLLBACK, "write to");
    }
}

/* All that was committed goes down into WiredTiger. The open transaction, if any, becomes one of
 * WiredTiger's, and writes there what it has written. */
static void settle(struct wired_store *store)
{
    struct wired_transaction *open = store->grouped;
    if (open != NULL)
        group_undo(&store->group);
    if (store->group.row_count > 0) {
        write_alone(&store->below, &store->group, write_committed);
        if (store->below.wrote) /* and with it all that was committed before */
            store->unwritten = false;
    } else if (store->below.begun) {
        wired_session_roll_back(&store->below);
    }
    if (open != NULL)
        write_alone(&open->session, &store->group, write_undone);
    store->grouped = NULL;
    group_clear(&store->group);
    if (open != NULL)
        group_forget(&store->group);
}

/* Transactions and rows. ----------------------------------------------------------------------- */

static struct wired_transaction *transaction_new(struct wired_store *store)
{
    struct wired_transaction *transaction = x_calloc(1, sizeof *transaction);
    wired_session_open(&transaction->session, &store->wired, STORE_ISOLATION);
    transaction->next = store->transactions;
    store->transactions = transaction;
    return transaction;
}

static struct store_transaction *begin(struct store *base)
{
    struct wired_store *store = (struct wired_store *)base;
    struct wired_transaction *transaction = store->spare;
    must(store->open < STORE_TRANSACTIONS_MAX);
    if (store->grouped != NULL || store->group.bytes > GROUP_BYTES_MAX)
        settle(store);
    if (transaction != NULL)
        store->spare = transaction->next_free;
    else
        transaction = transaction_new(store);
    if (store->open++ == 0)
        store->grouped = transaction;
    else
        wired_session_begin(&transaction->session);
    return &transaction->base;
}

static void keep_open(struct store_transaction *base)
{
    const struct wired_transaction *transaction = (const struct wired_transaction *)base;
    if (!transaction->session.begun)
        settle((struct wired_store *)base->store);
}

static void end(struct wired_store *store, struct wired_transaction *transaction)
{
    for (size_t i = 0; i < transaction->written_count; i++)
        transaction->written[i]->writers--;
    transaction->written_count = 0;
    changes_forget(&transaction->changes);
    transaction->next_free = store->spare;
    store->spare = transaction;
    store->grouped = NULL;
    store->open--;
}

static void roll_back(struct store_transaction *base)
{
    struct wired_store *store = (struct wired_store *)base->store;
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    if (transaction->session.begun) {
        wired_session_roll_back(&transaction->session);
    } else {
        group_undo(&store->group);
        group_keep(&store->group);
    }
    end(store, transaction);
}

static enum store_result commit(struct store_transaction *base)
{
    struct wired_store *store = (struct wired_store *)base->store;
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    enum store_result result = STORE_DONE;
    if (transaction->session.begun) {
        store->unwritten |= transaction->written_count > 0;
        result = wired_session_commit(&transaction->session);
    } else {
        group_keep(&store->group);
    }
    if (result == STORE_DONE)
        changes_tell(&transaction->changes, base->store);
    end(store, transaction);
    return result;
}

static enum store_result get_row(struct store_transaction *base, struct store_table *table,
                                 struct slice key, struct slice *value)
{
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    if (transaction->session.begun)
        return wired_get(&transaction->session, &table->file, key, value);
    const struct group_row *row = group_find(&table->store->group, &table->grouped, key);
    if (row == NULL)
        return wired_get(below(table->store), &table->file, key, value);
    *value = buffer_slice(&row->value);
    return row->state == GROUP_THERE ? STORE_DONE : STORE_ABSENT;
}

/* A transaction that has written to a table keeps it from being dropped. It writes to few. */
static enum store_result wrote(struct wired_transaction *transaction, struct store_table *table,
                               enum store_result result)
{
    size_t i = 0;
    if (result != STORE_DONE)
        return result;
    while (i < transaction->written_count && transaction->written[i] != table)
        i++;
    if (i == transaction->written_count) {
        array_grow((void **)&transaction->written, &transaction->written_count,
                   &transaction->written_capacity, sizeof(struct store_table *));
        transaction->written[i] = table;
        table->writers++;
    }
    return STORE_DONE;
}

static enum store_result put_row(struct store_transaction *base, struct store_table *table,
                                 struct slice key, struct slice value)
{
    struct wired_store *store = table->store;
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    enum store_result result = STORE_DONE;
    if (store_is_watched(base->store))
        changes_note(&transaction->changes, base, table,
                     &(struct store_change){.table = table->name, .key = key, .after = value});
    if (transaction->session.begun)
        result = wired_put(&transaction->session, &table->file, key, value);
    else
        group_write(&store->group, &table->grouped, key, value, GROUP_THERE);
    return wrote(transaction, table, result);
}

static enum store_result delete_row(struct store_transaction *base, struct store_table *table,
                                    struct slice key)
{
    struct wired_store *store = table->store;
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    struct slice nothing = {NULL, 0}, there;
    if (store_is_watched(base->store))
        changes_note(&transaction->changes, base, table,
                     &(struct store_change){.table = table->name, .key = key});
    if (transaction->session.begun)
        return wrote(transaction, table, wired_delete(&transaction->session, &table->file, key));
    if (get_row(base, table, key, &there) == STORE_ABSENT)
        return STORE_ABSENT;
    group_write(&store->group, &table->grouped, key, nothing, GROUP_GONE);
    return wrote(transaction, table, STORE_DONE);
}

static void scan_rows(struct store_transaction *base, struct store_table *table,
                      struct slice prefix, store_visitor *visit, void *context)
{
    struct wired_transaction *transaction = (struct wired_transaction *)base;
    if (!transaction->session.begun)
        settle(table->store);
    wired_scan(&transaction->session, &table->file, prefix, visit, context);
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
    *table = (struct store_table){.store = store,
                                  .file = {place, uri},
                                  .name = x_strdup(name),
                                  .grouped = {.owner = table}};
    check(store, store->writer->create(store->writer, uri, TABLE_CONFIG), "make a table of");
    return table;
}

static struct slice name_key(const char *name)
{
    return (struct slice){(const uint8_t *)name, strlen(name)};
}

static struct store_table *table_open(struct store *base, const char *name)
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

static bool table_written(const struct store_table *table)
{
    return table->writers > 0;
}

static void table_free(struct store_table *table)
{
    group_table_free(&table->grouped);
    free(table->name);
    free(table->file.uri);
    free(table);
}

static void table_drop(struct store_table *table)
{
    struct wired_store *store = table->store;
    struct store_transaction *transaction = store_begin(&store->base);
    must(store_delete(transaction, store->names, name_key(table->name)) == STORE_DONE);
    must(store_commit(transaction) == STORE_DONE);
    settle(store); /* the name goes before the file, and the rows before both */
    for (struct wired_transaction *each = store->transactions; each != NULL; each = each->next)
        wired_leave(&each->session, &table->file);
    wired_leave(&store->below, &table->file);
    store->tables[table->file.place] = NULL;
    doom(store, table->file.uri);
    table_free(table);
    sweep(store);
}

static void tables_visit(struct store *base, store_table_visitor *visit, void *context)
{
    struct wired_store *store = (struct wired_store *)base;
    for (size_t i = 0; i < store->table_count; i++)
        if (store->tables[i] != NULL && store->tables[i] != store->names)
            visit(store->tables[i], store->tables[i]->name, context);
}

/* The log. ------------------------------------------------------------------------------------- */

static void write_log(struct store *base)
{
    struct wired_store *store = (struct wired_store *)base;
    settle(store);
    if (!store->unwritten || !store->journal)
        return;
    check(store, store->writer->log_flush(store->writer, "sync=off"), "write the log of");
    store->unwritten = false;
}

static void flush_log(struct store *base)
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
        if (strcmp(store->tables[i]->file.uri, uri) == 0)
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

static void close_store(struct store *base)
{
    struct wired_store *store = (struct wired_store *)base;
    must(store->open == 0);
    settle(store);
    while (store->transactions != NULL) { /* their sessions end with the connection */
        struct wired_transaction *transaction = store->transactions;
        store->transactions = transaction->next;
        wired_session_free(&transaction->session);
        free(transaction->written);
        changes_free(&transaction->changes);
        free(transaction);
    }
    wired_session_free(&store->below);
    wired_disconnect(&store->wired);
    group_free(&store->group);
    for (size_t i = 0; i < store->table_count; i++)
        if (store->tables[i] != NULL)
            table_free(store->tables[i]);
    for (size_t i = 0; i < store->doomed_count; i++)
        free(store->doomed[i]);
    free(store->tables);
    free(store->doomed);
    free(store);
}

static const struct store_methods wired_methods = {
    .name = "wiredtiger",
    .close = close_store,
    .write = write_log,
    .flush = flush_log,
    .table_open = table_open,
    .table_written = table_written,
    .table_drop = table_drop,
    .tables_visit = tables_visit,
    .begin = begin,
    .keep_open = keep_open,
    .commit = commit,
    .rollback = roll_back,
    .get = get_row,
    .put = put_row,
    .delete = delete_row,
    .scan = scan_rows,
};

struct store *store_wiredtiger_open(const struct store_settings *settings)
{
    struct wired_store *store = x_calloc(1, sizeof *store);
    store->base.methods = &wired_methods;
    store->journal = settings->journal;
    store_folder_claim(settings->folder);
    if (!store->journal) { /* what an earlier start has logged must not be passed over */
        wired_connect(&store->wired, settings->folder, true, settings->temporary);
        wired_disconnect(&store->wired);
    }
    wired_connect(&store->wired, settings->folder, store->journal, settings->temporary);
    store->writer = wired_open_session(&store->wired, STORE_ISOLATION);
    store->flusher = wired_open_session(&store->wired, STORE_ISOLATION);
    wired_session_open(&store->below, &store->wired, STORE_ISOLATION);
    store->below.writes_log = true;
    store->names = table_make(store, "", x_strdup("table:names"));
    if (STORE_ISOLATION_PROOF)
        store_prove_isolation(&store->base, store->names, settings->folder);
    load_tables(store);
    if (store->journal) /* fails when, against all settings, there is no log */
        check(store, store->writer->log_flush(store->writer, "sync=off"), "open");
    return &store->base;
}
