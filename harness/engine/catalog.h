/* SPDX-License-Identifier: Apache-2.0
 *
 * catalog: which databases, collections and indexes there are. A database exists while it has a
 * collection. A collection's rows are one table of the store, the entries of each index another
 * (rows.h). The catalog owns the store and is kept in it: a store that keeps its rows is opened
 * again with all its collections. Dropping is immediate and in no transaction. What a transaction
 * creates it alone sees until it commits, and an abort takes it back; who wants the same name
 * meanwhile has a conflict.
 */
#ifndef RACEBENCH_ENGINE_CATALOG_H
#define RACEBENCH_ENGINE_CATALOG_H

#include "document/failure.h"
#include "store.h"
#include <bson/bson.h>
#include <stdbool.h>
#include <uthash.h>

struct catalog; /* opaque: catalog.c */

struct index {
    char *name;
    bson_t *key; /* {field: 1 or -1, ...} */
    bool unique;
    struct store_table *entries;
};

struct collection {
    UT_hash_handle hh;
    struct catalog *catalog;
    char *namespace;  /* "database.name" */
    const char *name; /* inside namespace */
    struct store_table *rows;
    const struct store_transaction *maker; /* open, and alone to see it; NULL: everybody does */
    struct index *indexes;                 /* beside the one on _id */
    size_t index_count, index_capacity;
};

/* The catalog of an open store, which it owns from now on: reads what an earlier run has left, and
 * drops the tables that a crash left half made. Free with catalog_free(). */
struct catalog *catalog_new(struct store *);
void catalog_free(struct catalog *);
struct store *catalog_store(const struct catalog *);

/* A collection, whoever may see it, or NULL when there is none. The names have been checked. Lives
 * until it is dropped. */
struct collection *catalog_find(struct catalog *, const char *database, const char *name);
/* Makes a collection that is not there, for everybody or (`maker`) inside a transaction. */
struct collection *catalog_make(struct catalog *, const char *database, const char *name,
                                const struct store_transaction *maker);

/* Before a transaction of the store commits, what it has made becomes part of it, so that a crash
 * leaves all or nothing; refused (112), and the transaction to be rolled back, when another one has
 * made and dropped such a collection since it began. After its end all see what it made, or it is
 * gone. */
bool catalog_publish(struct catalog *, struct store_transaction *maker, struct failure *);
void catalog_settle(struct catalog *, const struct store_transaction *maker, bool committed);

/* Drops a collection with its indexes. Refused (112) while a transaction has written to it. */
bool catalog_drop(struct collection *, struct failure *);

/* Called for each collection; return false to stop. The one visited may be dropped. */
typedef bool catalog_visitor(struct collection *, void *context);
/* Visits the collections of a database, or of all (NULL), that everybody sees. */
bool catalog_visit(struct catalog *, const char *database, catalog_visitor *, void *context);

/* The collection's index of that name or of that key pattern, or NULL. The one on _id is not among
 * them. */
struct index *collection_index_named(const struct collection *, const char *name);
struct index *collection_index_on(const struct collection *, const bson_t *key);

/* Appends what listIndexes says of an index (NULL: the one on _id): v, key, name, unique. */
void index_describe(const struct index *, bson_t *description);

/* Adds an index, built from the rows that are there. It is refused and not added when they cannot
 * be indexed: a unique one has duplicates (11000), see keys_visit(). `key` is copied. */
bool collection_index_add(struct collection *, const char *name, const bson_t *key, bool unique,
                          struct failure *);
/* Drops an index of the collection. Refused (112) while a transaction has written to its entries.
 * */
bool collection_index_drop(struct collection *, struct index *, struct failure *);

#endif
