/* SPDX-License-Identifier: Apache-2.0
 *
 * write: what insert, update, delete and findAndModify share. One document is written per store
 * transaction, so that a write is atomic per document and a multi:true update that fails midway
 * keeps what it has done, as in MongoDB. The report collects what a batch did, statement by
 * statement, and puts it into the reply in MongoDB's order.
 */
#ifndef RACEBENCH_ENGINE_WRITE_H
#define RACEBENCH_ENGINE_WRITE_H

#include "catalog.h"
#include "command.h"

enum { WRITE_BATCH_MAX = 100000, DOCUMENT_BYTES_MAX = 16 * 1024 * 1024 };

/* One update or delete. Documents are borrowed; filter, sort and change have been checked. */
struct write {
    const bson_t *filter;
    const bson_t *sort;         /* which of several, or NULL: the first; not with multi */
    const bson_value_t *change; /* NULL: delete */
    bool upsert, multi;
    bool keep_was; /* copy the old image into the outcome */
};

/* What one write did. Free with write_outcome_reset(). */
struct write_outcome {
    int64_t matched, modified; /* of a delete both are the number deleted */
    bool upserted;             /* engine->image is the document that was inserted */
    bson_t *was;               /* when asked for and something matched; owned */
};

/* Inserts one document into the collection; without _id it gets one, and _id moves to the front.
 * The stored image is in engine->image. Failures: 10334, 53, 11000. */
bool write_insert(struct request *, struct collection *, const bson_t *document, struct failure *);

/* Updates or deletes; the new image of a single update is left in engine->image. `*collection` may
 * be NULL: there is none; an upsert makes it. What was done before a failure stays and is in the
 * outcome. */
bool write_modify(struct request *, struct collection **collection, const struct write *,
                  struct write_outcome *);
void write_outcome_reset(struct write_outcome *);

/* What a batch did. Zeroed at the start; write_report_finish() frees it. */
struct write_report {
    int64_t n, modified;
    bson_t *upserted, *errors; /* arrays; NULL while empty */
    int32_t upserted_count, error_count;
};
/* Statement `index` failed for the reason in request->failure, which is reset. */
void write_report_error(struct write_report *, struct request *, int32_t index);
/* Statement `index` inserted engine->image by upsert. */
void write_report_upserted(struct write_report *, const struct request *, int32_t index);
/* Appends n, nModified (if `with_modified`), upserted and writeErrors to the reply; frees them. */
void write_report_finish(struct write_report *, struct request *, bool with_modified);

/* Checks the number of statements of a batch: 1 to WRITE_BATCH_MAX (else 16). */
bool write_check_batch(const bson_t *statements, struct failure *);

#endif
