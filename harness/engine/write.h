/* SPDX-License-Identifier: Apache-2.0
 *
 * write: what insert, update, delete and findAndModify share. One document is written per store
 * transaction, so that a write is atomic per document and a multi:true update that fails midway
 * keeps what it has done, as in MongoDB; inside a multi-document transaction
 * all goes through the session's. The report collects what a batch did, statement by statement, and
 * puts it into the reply in MongoDB's order; it survives when the command is parked in the middle
 * because another transaction has written a row, and goes on there.
 */
#ifndef RACEBENCH_ENGINE_WRITE_H
#define RACEBENCH_ENGINE_WRITE_H

#include "document/buffer.h"
#include "document/element.h"
#include "document/failure.h"
#include <bson/bson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;
struct collection;
struct update;

enum { WRITE_BATCH_MAX = 100000 };

/* Which image of a written document the outcome keeps. */
enum keep { KEEP_NONE, KEEP_WAS, KEEP_IS };

/* One update or delete. All is borrowed; filter and sort have been checked. */
struct write {
    const bson_t *filter;
    const bson_t *sort;    /* which of several, or NULL: the first; not with multi */
    struct update *update; /* read; NULL: delete */
    bool upsert, multi;
    enum keep keep;
};

/* What one write did. Free with write_outcome_reset(). */
struct write_outcome {
    int64_t matched, modified; /* of an insert 1; of a delete both are the number deleted */
    bool upserted;             /* engine->image has the _id of the document that was inserted */
    bool retried;              /* not done now: an earlier one with this number did it */
    bson_t *image;             /* when asked for and there is one; owned */
};

/* Documents that a multi-document write has still to visit: kept while the command is parked. */
struct write_rest {
    struct buffer keys; /* one after the other */
    size_t *lengths;
    size_t count, capacity, next, offset;
    int64_t matched, modified;
};

/* What a batch did so far. Zeroed at the start; write_report_reset() frees it. */
struct write_report {
    int32_t next; /* statement */
    int64_t n, modified, applied;
    bson_t *upserted, *errors, *retried; /* arrays; NULL while empty */
    int32_t upserted_count, error_count, retried_count;
    struct write_rest rest;
};
void write_report_reset(struct write_report *);

/* Inserts one document into the collection; without _id it gets one, and _id moves to the front.
 * The stored image is in engine->image. Failures: 10334, 53, 11000. */
bool write_insert(struct request *, struct collection *, const bson_t *document,
                  struct write_outcome *);

/* Updates or deletes; what an upsert inserts is left in engine->image. The collection may
 * be absent; an upsert makes it. What was done before a failure stays and is in the outcome. */
bool write_modify(struct request *, const struct write *, struct write_outcome *);
void write_outcome_reset(struct write_outcome *);

/* One statement of a batch; false: request->failure says why not. The outcome comes zeroed. */
typedef bool write_statement(struct request *, const struct element *item, struct write_outcome *);

/* Runs the statements of insert, update or delete (1 to WRITE_BATCH_MAX, else 16), from where the
 * command was parked; ordered stops at the first failure. Appends n, nModified (`with_modified`),
 * upserted, writeErrors and retriedStmtIds to the reply. False: the command is to be refused, or to
 * be parked when the failure is 112. */
struct write_batch {
    const bson_t *statements;
    bool ordered, with_modified;
    write_statement *one;
};
bool write_batch_run(struct request *, const struct write_batch *);

#endif
