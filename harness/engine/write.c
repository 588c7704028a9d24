/* SPDX-License-Identifier: Apache-2.0
 *
 * write: see write.h. The hot path is one document by _id: begin, look up, match, compute the new
 * image into a buffer that is reused, put, commit.
 *
 * MongoDB tries an upsert again inside the server when it meets a duplicate key, the filter is an
 * equality on exactly the unique index's fields and the clashing values are the filter's: then the
 * document came between search and insert. Here one thread searches and inserts in one go; what is
 * not visible yet, because an open transaction has written it, is a conflict at the insert and no
 * duplicate: the statement is parked, and begins again with the search. So a duplicate key is
 * always the filter's own doing (a lock that is held: {_id: 1, held: false}) and goes to the
 * client, as it does in MongoDB.
 */
#include "write.h"

#include "base.h"
#include "catalog.h"
#include "command.h"
#include "dispatch.h"
#include "document/element.h"
#include "document/keys.h"
#include "document/match.h"
#include "document/project.h"
#include "document/update.h"
#include "document/value.h"
#include "query.h"
#include "retry.h"
#include "rows.h"
#include <stdlib.h>
#include <string.h>

/* Ends a statement as its work ended; true when it was committed, or when its transaction goes on.
 * The outcome of a retryable write is kept by the same store transaction. */
static bool write_end(struct request *request, struct store_transaction *transaction, bool fine,
                      const struct write_outcome *outcome)
{
    if (request->transaction != NULL)
        return fine;
    bool keep =
        fine && request->part == PART_RETRYABLE && (outcome->modified > 0 || outcome->upserted);
    if (keep)
        fine = retry_keep(request, transaction, outcome);
    if (!fine) {
        store_rollback(transaction);
        return false;
    }
    if (store_commit(transaction) != STORE_DONE)
        return failure_set(&request->failure, FAILURE_WRITE_CONFLICT,
                           "WriteConflict error at commit");
    if (keep)
        retry_kept(request);
    return true;
}

/* Encodes the document's _id into the engine's key buffer. */
static bool encode_id(struct request *request, const bson_t *document)
{
    struct failure *failure = &request->failure;
    bson_value_t id;
    must(value_field(document, "_id", &id));
    struct elements fields = elements_of_value(&id);
    struct element field;
    while (id.value_type == BSON_TYPE_DOCUMENT && elements_next(&fields, &field))
        if (field.name[0] == '$')
            return failure_set(failure, FAILURE_DOLLAR_PREFIXED_FIELD_NAME,
                               "_id fields may not contain '$'-prefixed fields: %s is not valid "
                               "for storage.",
                               field.name);
    request->engine->key.length = 0;
    if (!value_type_is_id(id.value_type) || !keys_append(&request->engine->key, &id))
        return failure_set(failure, FAILURE_INVALID_ID_FIELD,
                           "The '_id' value cannot be of type %s", fields_type_name(id.value_type));
    return true;
}

/* Copies a document into engine->image with its _id in front; one is generated when it lacks it. */
static void image_with_id(struct request *request, const bson_t *document)
{
    bson_t *image = request->engine->image;
    bson_iter_t iter;
    bson_oid_t generated;
    bson_reinit(image);
    if (bson_iter_init_find(&iter, document, "_id")) {
        value_append(image, "_id", 3, bson_iter_value(&iter));
    } else {
        engine_generate_id(request->engine, request->now_ms, &generated);
        bson_append_oid(image, "_id", 3, &generated);
    }
    must(bson_iter_init(&iter, document));
    while (bson_iter_next(&iter))
        if (strcmp(bson_iter_key(&iter), "_id") != 0)
            value_append(image, bson_iter_key(&iter), -1, bson_iter_value(&iter));
}

/* Is there memory for one more version of a row? */
static bool check_room(struct request *request, const bson_t *document)
{
    const struct engine *engine = request->engine;
    return catalog_store(engine->catalog)->bytes + document->len <= engine->rows_bytes_max ||
           failure_set(&request->failure, FAILURE_EXCEEDED_MEMORY_LIMIT,
                       "the rows take more than %zu bytes of memory, the limit of this store",
                       engine->rows_bytes_max);
}

static bool check_size(struct request *request, const bson_t *document)
{
    if (!check_room(request, document))
        return false;
    return document->len <= DOCUMENT_BYTES_MAX ||
           failure_set(&request->failure, FAILURE_OBJECT_TOO_LARGE,
                       "object to insert too large. size in bytes: %u, max size: %d", document->len,
                       DOCUMENT_BYTES_MAX);
}

bool write_insert(struct request *request, struct collection *collection, const bson_t *document,
                  struct write_outcome *outcome)
{
    bson_iter_t first;
    if (retry_find(request, outcome))
        return true;
    if (!check_size(request, document))
        return false;
    if (!bson_iter_init(&first, document) || !bson_iter_next(&first) ||
        strcmp(bson_iter_key(&first), "_id") != 0) {
        image_with_id(request, document);
        document = request->engine->image;
    }
    if (!encode_id(request, document))
        return false;
    struct store_transaction *transaction = request_begin(request);
    struct slice key = buffer_slice(&request->engine->key);
    struct write_outcome inserted = {.matched = 1, .modified = 1};
    bool fine = rows_insert(collection, transaction, key, document, &request->failure);
    if (!write_end(request, transaction, fine, &inserted))
        return false;
    *outcome = inserted;
    return true;
}

/* Picking the document to write, and writing it. ----------------------------------------------- */

struct job {
    struct request *request;
    const struct write *write;
    struct write_outcome *outcome;
    struct collection *collection;
    struct store_transaction *transaction;
};

struct pick {
    struct buffer *key; /* the picked one's, copied */
    const bson_t *sort; /* NULL: the first one is it */
    bool found;
    bson_t *copy; /* of what a scan has shown: it takes that back */
    bson_t was;   /* when found: borrowed from the store, or from `copy` */
};

/* A visitor of query_visit(). */
static bool pick_one(struct slice key, const bson_t *document, void *context)
{
    struct pick *pick = context;
    if (pick->found && sort_compare(pick->sort, document, &pick->was) >= 0)
        return true;
    bool looked_up = key.bytes == pick->key->bytes; /* by _id, which left it there */
    pick->found = true;
    if (pick->sort != NULL || !looked_up) {
        bson_destroy(pick->copy);
        pick->copy = bson_copy(document);
        document = pick->copy;
    }
    must(bson_init_static(&pick->was, bson_get_data(document), document->len));
    if (!looked_up) {
        pick->key->length = 0;
        buffer_append(pick->key, key.bytes, key.length);
    }
    return pick->sort != NULL;
}

/* Writes the document `was` inside the job's transaction. */
static bool job_write(struct job *job, struct slice key, const bson_t *was)
{
    struct failure *failure = &job->request->failure;
    struct buffer *updated = &job->request->engine->updated;
    bson_t is;
    struct rows_change change = {key, was, &is};
    bool changed = true;
    if (job->write->keep == KEEP_WAS)
        job->outcome->image = bson_copy(was);
    if (job->write->update == NULL) {
        if (!rows_remove(job->collection, job->transaction, key, was, failure))
            return false;
    } else {
        if (!update_apply(job->write->update, was, updated, &changed, failure))
            return false;
        document_of_buffer(updated, &is);
        if (changed && (!check_room(job->request, &is) ||
                        !rows_replace(job->collection, job->transaction, &change, failure)))
            return false;
        if (job->write->keep == KEEP_IS)
            job->outcome->image = bson_copy(&is);
    }
    job->outcome->matched++;
    job->outcome->modified += changed;
    return true;
}

static void job_undo(struct job *job)
{
    write_outcome_reset(job->outcome);
    *job->outcome = (struct write_outcome){0};
}

/* At most one document, searched and written in one transaction. */
static bool modify_first(struct job *job)
{
    struct pick pick; /* not cleared as a whole: `was` is 128 bytes */
    pick.key = &job->request->engine->key;
    pick.sort = job->write->sort;
    pick.found = false;
    pick.copy = NULL;
    job->transaction = request_begin(job->request);
    struct query query = {job->collection, job->transaction, job->write->filter};
    bool fine = query_visit(job->request, &query, pick_one, &pick) &&
                (!pick.found || job_write(job, buffer_slice(pick.key), &pick.was));
    fine = write_end(job->request, job->transaction, fine, job->outcome);
    bson_destroy(pick.copy);
    if (!fine)
        job_undo(job);
    return fine;
}

static bool gather_key(struct slice key, const bson_t *document, void *context)
{
    struct write_rest *rest = context;
    (void)document;
    buffer_append(&rest->keys, key.bytes, key.length);
    size_t place =
        array_grow((void **)&rest->lengths, &rest->count, &rest->capacity, sizeof *rest->lengths);
    rest->lengths[place] = key.length;
    return true;
}

/* One of several, in a transaction of its own; while the command was parked it may have changed. */
static bool modify_one_of_all(struct job *job, struct slice key)
{
    struct request *request = job->request;
    struct slice value;
    bson_t was;
    bool fine = true;
    struct write_outcome before = *job->outcome;
    job->transaction = request_begin(request);
    if (store_get(job->transaction, job->collection->rows, key, &value) == STORE_DONE) {
        must(bson_init_static(&was, value.bytes, value.length));
        if (match(job->write->filter, &was, request->now_ms, &request->failure))
            fine = job_write(job, key, &was);
        else
            fine = request->failure.code == FAILURE_NONE;
    }
    fine = write_end(request, job->transaction, fine, job->outcome);
    if (!fine)
        *job->outcome = before;
    return fine;
}

static void rest_reset(struct write_rest *rest)
{
    buffer_release(&rest->keys);
    free(rest->lengths);
    *rest = (struct write_rest){0};
}

/* All documents that match: their keys first, since a visitor must not write. */
static bool modify_all(struct job *job)
{
    struct request *request = job->request;
    struct write_rest *rest = &request->report.rest;
    bool fine = true;
    if (rest->next == 0) {
        struct query query = {job->collection, request_begin(request), job->write->filter};
        rest_reset(rest);
        fine = query_visit(request, &query, gather_key, rest);
        request_end(request, query.transaction);
    }
    job->outcome->matched = rest->matched;
    job->outcome->modified = rest->modified;
    while (fine && rest->next < rest->count) {
        struct slice key = {rest->keys.bytes + rest->offset, rest->lengths[rest->next]};
        fine = modify_one_of_all(job, key);
        if (!fine)
            break;
        rest->offset += rest->lengths[rest->next++];
        rest->matched = job->outcome->matched;
        rest->modified = job->outcome->modified;
    }
    if (fine || request->failure.code != FAILURE_WRITE_CONFLICT)
        rest_reset(rest);
    return fine;
}

/* Nothing matched: inserts what filter and change make together. */
static bool upsert(struct job *job)
{
    struct request *request = job->request;
    struct failure *failure = &request->failure;
    struct buffer seed = {0}, *updated = &request->engine->updated;
    bson_t view;
    bool changed = false;
    bool fine = match_upsert_seed(job->write->filter, &seed, failure);
    if (fine) {
        job->write->update->inserting = true;
        document_of_buffer(&seed, &view);
        fine = update_apply(job->write->update, &view, updated, &changed, failure);
    }
    if (fine) {
        document_of_buffer(updated, &view);
        image_with_id(request, &view);
        fine = check_size(job->request, job->request->engine->image) &&
               encode_id(request, request->engine->image);
    }
    if (fine) {
        struct slice key = buffer_slice(&request->engine->key);
        job->transaction = request_begin(request);
        fine = rows_insert(job->collection, job->transaction, key, request->engine->image, failure);
        job->outcome->upserted = fine;
        if (fine && job->write->keep == KEEP_IS)
            job->outcome->image = bson_copy(request->engine->image);
        fine = write_end(request, job->transaction, fine, job->outcome);
    }
    if (!fine)
        job_undo(job);
    buffer_release(&seed);
    return fine;
}

bool write_modify(struct request *request, const struct write *write, struct write_outcome *outcome)
{
    struct job job = {request, write, outcome, request_collection(request), NULL};
    if (write->update != NULL)
        write->update->now_ms = request->now_ms;
    if (request->part == PART_RETRYABLE && write->multi)
        return failure_set(&request->failure, FAILURE_INVALID_OPTIONS,
                           "Cannot use retryable writes with %s",
                           write->update != NULL ? "multi=true" : "limit=0");
    if (retry_find(request, outcome))
        return true;
    if (job.collection != NULL && !(write->multi ? modify_all(&job) : modify_first(&job)))
        return false;
    if (outcome->matched > 0 || !write->upsert)
        return true;
    if (job.collection == NULL)
        job.collection = request_make(request);
    return job.collection != NULL && upsert(&job);
}

void write_outcome_reset(struct write_outcome *outcome)
{
    bson_destroy(outcome->image);
    outcome->image = NULL;
}

/* The report of a batch. ----------------------------------------------------------------------- */

void write_report_reset(struct write_report *report)
{
    bson_destroy(report->upserted);
    bson_destroy(report->errors);
    bson_destroy(report->retried);
    rest_reset(&report->rest);
    *report = (struct write_report){0};
}

/* The key of an array's next item; the array is made when it is first needed. */
static const char *next_item(bson_t **array, int32_t *count, char *text)
{
    const char *key;
    if (*array == NULL)
        *array = bson_new();
    bson_uint32_to_string((uint32_t)(*count)++, &key, text, 16);
    return key;
}

static void report_error(struct request *request, int32_t index)
{
    struct write_report *report = &request->report;
    char text[16];
    bson_t item;
    const char *key = next_item(&report->errors, &report->error_count, text);
    bson_append_document_begin(report->errors, key, -1, &item);
    bson_append_int32(&item, "index", -1, index);
    bson_append_int32(&item, "code", -1, (int32_t)request->failure.code);
    if (request->failure.detail != NULL)
        bson_concat(&item, request->failure.detail);
    bson_append_utf8(&item, "errmsg", -1, request->failure.message, -1);
    bson_append_document_end(report->errors, &item);
    failure_reset(&request->failure);
    request->doomed = request->transaction != NULL;
}

static void report_outcome(struct request *request, int32_t index,
                           const struct write_outcome *outcome)
{
    struct write_report *report = &request->report;
    char text[16];
    bson_t item;
    bson_iter_t id;
    report->n += outcome->matched + outcome->upserted;
    report->modified += outcome->modified;
    if (outcome->upserted) {
        const char *key = next_item(&report->upserted, &report->upserted_count, text);
        bson_append_document_begin(report->upserted, key, -1, &item);
        bson_append_int32(&item, "index", -1, index);
        must(bson_iter_init_find(&id, request->engine->image, "_id"));
        bson_append_iter(&item, "_id", 3, &id);
        bson_append_document_end(report->upserted, &item);
    }
    if (outcome->retried) {
        const char *key = next_item(&report->retried, &report->retried_count, text);
        bson_append_int32(report->retried, key, -1, (int32_t)request->statement);
    } else {
        report->applied += outcome->modified + outcome->upserted;
    }
}

static void report_finish(struct request *request, bool with_modified)
{
    struct write_report *report = &request->report;
    request_applied(request, report->applied);
    struct buffer *counts = &request->engine->row; /* libbson would take three times as long */
    counts->length = 0;
    size_t begun = document_begin(counts);
    element_write_int32(counts, "n", (int32_t)report->n);
    if (with_modified)
        element_write_int32(counts, "nModified", (int32_t)report->modified);
    document_end(counts, begun);
    document_append(request->reply, counts->bytes, counts->length);
    if (report->upserted != NULL)
        bson_append_array(request->reply, "upserted", -1, report->upserted);
    if (report->errors != NULL)
        bson_append_array(request->reply, "writeErrors", -1, report->errors);
    if (report->retried != NULL)
        bson_append_array(request->reply, "retriedStmtIds", -1, report->retried);
}

bool write_batch_run(struct request *request, const struct write_batch *batch)
{
    struct write_report *report = &request->report;
    struct elements items = elements_of(batch->statements);
    struct element item;
    uint32_t count = 0;
    int64_t first_statement = request->statement;
    for (struct elements left = items; elements_next(&left, &item);)
        count++;
    if (count < 1 || count > WRITE_BATCH_MAX)
        return failure_set(&request->failure, FAILURE_INVALID_LENGTH,
                           "Write batch sizes must be between 1 and %d. Got %u operations.",
                           WRITE_BATCH_MAX, count);
    for (int32_t index = 0; elements_next(&items, &item); index++) {
        struct write_outcome outcome = {0};
        if (index < report->next)
            continue;
        report->next = index;
        request->statement = first_statement + index;
        bool fine = batch->one(request, &item, &outcome);
        write_outcome_reset(&outcome); /* a number used before by findAndModify has one */
        if (!fine && request->failure.code == FAILURE_WRITE_CONFLICT)
            return false;
        report_outcome(request, index, &outcome);
        if (fine)
            continue;
        report_error(request, index);
        if (batch->ordered || request->doomed)
            break;
    }
    report_finish(request, batch->with_modified);
    return true;
}
