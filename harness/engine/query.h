/* SPDX-License-Identifier: Apache-2.0
 *
 * query: the documents of a collection that satisfy a filter. The plan is by _id when the filter
 * demands one, else by the index of whose first fields it demands most, else a scan in order of
 * _id; whatever the plan finds is matched with the whole filter.
 */
#ifndef RACEBENCH_ENGINE_QUERY_H
#define RACEBENCH_ENGINE_QUERY_H

#include "catalog.h"
#include "command.h"

/* Called for each document that matches; return false to stop. Key and document are borrowed for
 * the call, of a lookup by _id until the row is written. Must not write. */
typedef bool query_visitor(struct slice key, const bson_t *document, void *context);

/* Visits the matching documents inside the caller's transaction. The filter has passed
 * match_check(). False: matching failed on a document, request->failure says how. */
struct query {
    struct collection *collection;
    struct store_transaction *transaction;
    const bson_t *filter;
};
bool query_visit(struct request *, const struct query *, query_visitor *, void *context);

/* Visits the matching documents of the request's collection, as query_visit() does, in a
 * transaction of its own. Nothing is there to visit when there is no such collection. */
bool query_read(struct request *, const bson_t *filter, query_visitor *, void *context);

/* Checks that a hint (a name or a key pattern; EOD: none) names an index that exists (else 2).
 */
bool query_check_hint(struct request *, const bson_value_t *hint);

#endif
