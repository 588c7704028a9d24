/* SPDX-License-Identifier: Apache-2.0
 *
 * store: the small contract behind which rows are kept. A store has tables, a table has rows (key
 * and value are bytes), and everything is read and written inside a transaction with snapshot
 * isolation: it sees what was committed when it began and its own writes, and the second of two
 * open transactions that write one row gets STORE_CONFLICT at once, at the write (the first updater
 * wins, as in WiredTiger). After a conflict the caller only rolls back; nothing waits in here.
 *
 * The catalog knows what tables mean: rows of a collection have the encoded _id as key and the
 * document as value; entries of a unique index have the encoded fields as key and the encoded _id
 * as value, so that two claims to one value collide here by themselves.
 *
 * Rows are visited in the order of their keys, as MongoDB does it in a clustered collection. Order
 * of insertion, its habit elsewhere, would cost a second table and a second lookup per document,
 * and is promised nowhere.
 *
 * One thread only. Keys and values are not empty. A value is borrowed until the next call on that
 * table in the same transaction, or until a scan or another transaction begins.
 */
#ifndef RACEBENCH_ENGINE_STORE_H
#define RACEBENCH_ENGINE_STORE_H

#include "document/buffer.h"
#include <stdbool.h>

enum store_result {
    STORE_DONE,
    STORE_ABSENT,   /* no such row in this transaction's view */
    STORE_CONFLICT, /* another transaction wrote the row: roll back */
};

struct store_table; /* each store's own */
struct store;

/* An open transaction; each store's own struct begins with this. */
struct store_transaction {
    struct store *store;
    bool conflicted; /* may only be rolled back */
};

/* Called for each row of a scan, whose key and value are borrowed for the call; return false to
 * stop. Must not write to the table. */
typedef bool store_visitor(struct slice key, struct slice value, void *context);
/* Called for each table; may drop it. */
typedef void store_table_visitor(struct store_table *, const char *name, void *context);

struct store_methods {
    const char *name; /* "memory" */
    void (*close)(struct store *);
    void (*write)(struct store *);
    void (*flush)(struct store *);
    struct store_table *(*table_open)(struct store *, const char *name);
    bool (*table_written)(const struct store_table *);
    void (*table_drop)(struct store_table *);
    void (*tables_visit)(struct store *, store_table_visitor *, void *context);
    struct store_transaction *(*begin)(struct store *);
    void (*keep_open)(struct store_transaction *);
    enum store_result (*commit)(struct store_transaction *);
    void (*rollback)(struct store_transaction *);
    enum store_result (*get)(struct store_transaction *, struct store_table *, struct slice key,
                             struct slice *value);
    enum store_result (*put)(struct store_transaction *, struct store_table *, struct slice key,
                             struct slice value);
    enum store_result (*delete)(struct store_transaction *, struct store_table *, struct slice key);
    void (*scan)(struct store_transaction *, struct store_table *, struct slice prefix,
                 store_visitor *, void *context);
};

/* A row that a commit has changed; before or after is empty (bytes NULL) where it was or is absent.
 * Text and bytes are borrowed for the call. */
struct store_change {
    const char *table;
    struct slice key, before, after;
};
/* Called for each row that a commit changes, as it becomes visible to others. */
typedef void store_watcher(const struct store_change *, void *context);

/* Each store's own struct begins with this. */
struct store {
    const struct store_methods *methods;
    store_watcher *watcher; /* NULL: nobody watches */
    void *watcher_context;
    size_t bytes; /* of memory that rows take; 0 where they are on disk */
};

/* Is anybody to be told of what changes? */
static inline bool store_is_watched(const struct store *store)
{
    return store->watcher != NULL;
}

enum { STORE_TRANSACTIONS_MAX = 4000 }; /* open at the same time */

struct store_settings {
    const char *name;   /* "memory" or "wiredtiger" */
    const char *folder; /* of wiredtiger, where it keeps its rows */
    bool temporary;     /* of wiredtiger: nobody opens the folder again, so no disk is waited for */
    bool journal;       /* of wiredtiger: commits are logged; without, a crash loses most of them */
};

/* Opens the store of that name, or returns NULL when there is none. Ends with EXIT_TARGET when it
 * cannot be opened, or this program was built without it. Free with store_close(), after the last
 * transaction ended. */
struct store *store_open(const struct store_settings *);
void store_close(struct store *);

/* What was committed reaches the operating system, and so outlives this process. Call it before
 * anybody is told that a write was done: commit alone does not do it. Without a journal nothing
 * happens. A store that cannot write ends the program (EXIT_RESULTS, or EXIT_TARGET). */
void store_write(struct store *);
/* What was written reaches the disk. Waits for the disk, and may be called by one other thread. */
void store_flush(struct store *);

/* A table of that name, made when it is not there; lives until it is dropped or the store ends. */
struct store_table *store_table_open(struct store *, const char *name);
/* Has an open transaction written to it? Then it cannot be dropped. */
bool store_table_written(struct store *, const struct store_table *);
/* Forgets the table and its rows, at once and in no transaction. */
void store_table_drop(struct store *, struct store_table *);
/* Visits all tables, also those that an earlier run left behind. */
void store_tables_visit(struct store *, store_table_visitor *, void *context);

/* Begins, commits (STORE_CONFLICT: it was rolled back instead), rolls back. */
struct store_transaction *store_begin(struct store *);
/* Said at the beginning of a transaction that will have many statements: a store that keeps what a
 * statement does in memory should not. */
void store_keep_open(struct store_transaction *);
enum store_result store_commit(struct store_transaction *);
void store_rollback(struct store_transaction *);

/* Reads one row: STORE_DONE or STORE_ABSENT. */
enum store_result store_get(struct store_transaction *, struct store_table *, struct slice key,
                            struct slice *value);
/* Writes one row, new or not; key and value are copied: STORE_DONE or STORE_CONFLICT. */
enum store_result store_put(struct store_transaction *, struct store_table *, struct slice key,
                            struct slice value);
/* Deletes one row: STORE_DONE, STORE_ABSENT or STORE_CONFLICT. */
enum store_result store_delete(struct store_transaction *, struct store_table *, struct slice key);
/* Visits the rows of the view whose keys begin with `prefix` (empty: all), in memcmp() order of the
 * keys. */
void store_scan(struct store_transaction *, struct store_table *, struct slice prefix,
                store_visitor *, void *context);

/* Two transactions write one row of the table: the second one must be refused, or the engine would
 * itself lose updates and blame them on a strategy. Ends with EXIT_TARGET, naming the folder, when
 * it is not; nothing stays written. */
void store_prove_isolation(struct store *, struct store_table *, const char *folder);

/* The stores that there are: one methods table per file. */
struct store *store_memory_open(void);
struct store *store_wiredtiger_open(const struct store_settings *);

#endif
