/* SPDX-License-Identifier: Apache-2.0
 *
 * documents: all that is stored, as explore watches it: what each document is now, how often it has
 * changed, one hash over all, kept up to date with every commit. It knows what the documents were
 * at the start and puts them back: an execution costs as many writes as it made itself, and no new
 * engine.
 *
 * A place is what a command examines: one document (present or not), or a whole collection where
 * the filter names no _id. Places are numbers; each counts how often something in it has changed.
 */
#ifndef RACEBENCH_EXPLORE_DOCUMENTS_H
#define RACEBENCH_EXPLORE_DOCUMENTS_H

#include "canon.h"
#include "engine/engine.h"
#include "engine/store.h"

#include <uthash.h>

/* A row of the store. */
struct row {
    UT_hash_handle hh;
    const char *table;      /* of the store */
    const char *collection; /* part of it; NULL: an entry of an index */
    uint8_t *now, *first;   /* bytes; NULL: absent */
    size_t now_bytes, first_bytes;
    hash128 name;                    /* hash of the collection's */
    hash128 place;                   /* of the document */
    int64_t write;                   /* number of its last change since the start, from 1 */
    struct canon canon, first_canon; /* of the document as it is, and as it was */
    hash128 weight, first_weight;    /* what it adds to the sum: nothing when it is absent */
    bool changed;                    /* since the start */
    size_t key_bytes;
    uint8_t key[]; /* what the hash table compares: table's name, then the store's key */
};

/* How often something at a place has changed. */
struct place {
    hash128 name;
    int64_t changes;
};

struct documents {
    struct store *store;
    const char *database;
    int32_t workers;
    struct row *rows;
    hash128 sum; /* over the canons of all documents, in no order, less that of the start */
    struct row **changed;
    size_t changed_count, changed_capacity;
    struct place *places;
    size_t place_count, place_capacity;
    struct row *last;   /* that changed since the caller set it to NULL; of a collection */
    int64_t last_stamp; /* of that row before */
    int64_t writes;     /* changes of documents so far */
    bool restoring;
};

/* Begins to watch an engine: what is there now is the start. Free with documents_free() before the
 * engine. */
void documents_init(struct documents *, struct engine *, const char *database, int32_t workers);
void documents_free(struct documents *);
/* Puts all back to the start. */
void documents_restore(struct documents *);

/* The place that a filter examines: the document with its _id, or the collection. */
hash128 documents_place(const char *collection, const bson_t *filter);
/* The place of the document with this number. */
hash128 documents_place_of(const char *collection, int64_t id);
/* How often something there has changed since the start. */
int64_t documents_changes(const struct documents *, hash128 place);
/* All documents as they are now, stamps apart, as one number. */
hash128 documents_content(const struct documents *);
/* Which documents have changed after the first `writes` changes since the start, as one number. */
hash128 documents_changed_after(const struct documents *, int64_t writes);
/* Something there has changed. */
void documents_touch(struct documents *, hash128 place);

#endif
