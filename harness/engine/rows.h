/* SPDX-License-Identifier: Apache-2.0
 *
 * rows: a collection's documents together with the entries of its indexes. All writes to a
 * collection come through here, so that entries can never miss a row. Every function works inside
 * the caller's transaction; when one returns false the caller rolls back. Failures: 11000 with
 * keyPattern and keyValue; 112 when another open transaction wrote the same row or entry.
 */
#ifndef RACEBENCH_ENGINE_ROWS_H
#define RACEBENCH_ENGINE_ROWS_H

#include "catalog.h"

/* A new document under its encoded _id. */
bool rows_insert(struct collection *, struct store_transaction *, struct slice key,
                 const bson_t *document, struct failure *);

/* A new image of the document `was`, which is stored under `key`; the _id stays. */
struct rows_change {
    struct slice key;
    const bson_t *was, *is;
};
bool rows_replace(struct collection *, struct store_transaction *, const struct rows_change *,
                  struct failure *);

/* The document `was` goes. */
bool rows_remove(struct collection *, struct store_transaction *, struct slice key,
                 const bson_t *was, struct failure *);

/* Fills the entries of a new index, in a transaction of its own. */
bool rows_build_index(struct collection *, const struct index *, struct failure *);

#endif
