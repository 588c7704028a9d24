/* SPDX-License-Identifier: Apache-2.0
 *
 * write: see write.h. The hot path is one document by _id: begin, look up, match, compute the new
 * image into a buffer that is reused, put, commit.
 *
 * MongoDB tries an upsert again inside the server when it meets a duplicate key, the filter is an
 * equality on exactly the unique index's fields and the clashing values are the filter's: then the
 * document came between search and insert. Here nothing comes between them, since one thread
 * searches and inserts in one go, so that a duplicate key is always the filter's own doing (a lock
 * that is held: {_id: 1, held: false}) and goes to the client, as it does in MongoDB.
 */
#include "write.h"

#include "base.h"
#include "keys.h"
#include "match.h"
#include "project.h"
#include "query.h"
#include "rows.h"
#include "update.h"
#include "value.h"
#include <stdlib.h>
#include <string.h>

static struct store_transaction *write_begin(const struct request *request)
{
    return store_begin(catalog_store(request->engine->catalog));
}

/* Ends a transaction as its work ended; true when it was committed. */
static bool write_end(struct store_transaction *transaction, bool fine, struct failure *failure)
{
    if (!fine) {
        store_rollback(transaction);
        return false;
    }
    if (store_commit(transaction) == STORE_DONE)
        return true;
    return failure_set(failure, FAILURE_WRITE_CONFLICT, "WriteConflict error at commit");
}

/* Encodes the document's _id into the engine's key buffer. */
static bool encode_id(struct request *request, const bson_t *document, struct failure *failure)
{
    bson_value_t id;
    must(value_field(document, "_id", &id));
    request->engine->key.length = 0;
    if (id.value_type == BSON_TYPE_ARRAY || id.value_type == BSON_TYPE_REGEX ||
        id.value_type == BSON_TYPE_UNDEFINED || !keys_append(&request->engine->key, &id))
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
        bson_append_iter(image, "_id", 3, &iter);
    } else {
        engine_generate_id(request->engine, request->now_ms, &generated);
        bson_append_oid(image, "_id", 3, &generated);
    }
    must(bson_iter_init(&iter, document));
    while (bson_iter_next(&iter))
        if (strcmp(bson_iter_key(&iter), "_id") != 0)
            bson_append_iter(image, NULL, 0, &iter);
}

static bool check_size(const bson_t *document, struct failure *failure)
{
    return document->len <= DOCUMENT_BYTES_MAX ||
           failure_set(failure, FAILURE_OBJECT_TOO_LARGE,
                       "object to insert too large. size in bytes: %u, max size: %d", document->len,
                       DOCUMENT_BYTES_MAX);
}

bool write_insert(struct request *request, struct collection *collection, const bson_t *document,
                  struct failure *failure)
{
    bson_iter_t first;
    if (!check_size(document, failure))
        return false;
    if (!bson_iter_init(&first, document) || !bson_iter_next(&first) ||
        strcmp(bson_iter_key(&first), "_id") != 0) {
        image_with_id(request, document);
        document = request->engine->image;
    }
    if (!encode_id(request, document, failure))
        return false;
    struct store_transaction *transaction = write_begin(request);
    struct slice key = buffer_slice(&request->engine->key);
    return write_end(transaction, rows_insert(collection, transaction, key, document, failure),
                     failure);
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
    bson_t was;   /* borrowed from the store, or from `copy` */
    bson_t *copy; /* with a sort: the scan goes on, and takes back what it has shown */
};

/* A visitor of query_visit(). */
static bool pick_one(struct slice key, const bson_t *document, void *context)
{
    struct pick *pick = context;
    if (pick->found && sort_compare(pick->sort, document, &pick->was) >= 0)
        return true;
    pick->found = true;
    if (pick->sort != NULL) {
        bson_destroy(pick->copy);
        pick->copy = bson_copy(document);
        document = pick->copy;
    }
    must(bson_init_static(&pick->was, bson_get_data(document), document->len));
    if (key.bytes != pick->key->bytes) { /* a lookup by _id left it there already */
        pick->key->length = 0;
        buffer_append(pick->key, key.bytes, key.length);
    }
    return pick->sort != NULL;
}

/* Writes the document `was` inside the job's transaction. */
static bool job_write(struct job *job, struct slice key, const bson_t *was)
{
    struct failure *failure = &job->request->failure;
    bson_t *image = job->request->engine->image;
    struct update update = {job->write->change, false, job->request->now_ms};
    struct rows_change change = {key, was, image};
    bool changed = true;
    if (job->write->keep_was)
        job->outcome->was = bson_copy(was);
    if (job->write->change == NULL) {
        if (!rows_remove(job->collection, job->transaction, key, was, failure))
            return false;
    } else {
        bson_reinit(image);
        if (!update_apply(&update, was, image, &changed, failure) ||
            (changed && !rows_replace(job->collection, job->transaction, &change, failure)))
            return false;
    }
    job->outcome->matched++;
    job->outcome->modified += changed;
    return true;
}

static void job_undo(struct job *job)
{
    bson_destroy(job->outcome->was);
    *job->outcome = (struct write_outcome){0};
}

/* At most one document, searched and written in one transaction. */
static bool modify_first(struct job *job)
{
    struct pick pick = {.key = &job->request->engine->key, .sort = job->write->sort};
    job->transaction = write_begin(job->request);
    struct query query = {job->collection, job->transaction, job->write->filter};
    bool fine = query_visit(job->request, &query, pick_one, &pick) &&
                (!pick.found || job_write(job, buffer_slice(pick.key), &pick.was));
    fine = write_end(job->transaction, fine, &job->request->failure);
    bson_destroy(pick.copy);
    if (!fine)
        job_undo(job);
    return fine;
}

struct key_lengths {
    struct buffer keys; /* one after the other */
    size_t *lengths;
    size_t count, capacity;
};

static bool gather_key(struct slice key, const bson_t *document, void *context)
{
    struct key_lengths *all = context;
    (void)document;
    buffer_append(&all->keys, key.bytes, key.length);
    size_t place =
        array_grow((void **)&all->lengths, &all->count, &all->capacity, sizeof *all->lengths);
    all->lengths[place] = key.length;
    return true;
}

/* One of several, in a transaction of its own. */
static bool modify_one_of_all(struct job *job, struct slice key)
{
    struct slice value;
    bson_t was;
    bool fine = true;
    job->transaction = write_begin(job->request);
    if (store_get(job->transaction, job->collection->rows, key, &value) == STORE_DONE) {
        must(bson_init_static(&was, value.bytes, value.length));
        fine = job_write(job, key, &was);
    }
    return write_end(job->transaction, fine, &job->request->failure);
}

/* All documents that match: their keys first, since a visitor must not write. */
static bool modify_all(struct job *job)
{
    struct key_lengths all = {0};
    job->transaction = write_begin(job->request);
    struct query query = {job->collection, job->transaction, job->write->filter};
    bool fine = query_visit(job->request, &query, gather_key, &all);
    store_rollback(job->transaction);
    const uint8_t *next = all.keys.bytes;
    for (size_t i = 0; fine && i < all.count; next += all.lengths[i++])
        fine = modify_one_of_all(job, (struct slice){next, all.lengths[i]});
    buffer_release(&all.keys);
    free(all.lengths);
    return fine;
}

/* Nothing matched: inserts what filter and change make together. */
static bool upsert(struct job *job)
{
    struct request *request = job->request;
    struct failure *failure = &request->failure;
    bson_t seed = BSON_INITIALIZER, made = BSON_INITIALIZER;
    struct update update = {job->write->change, true, request->now_ms};
    bool changed = false;
    bool fine = match_upsert_seed(job->write->filter, &seed, failure) &&
                update_apply(&update, &seed, &made, &changed, failure);
    if (fine) {
        image_with_id(request, &made);
        fine = check_size(request->engine->image, failure) &&
               encode_id(request, request->engine->image, failure);
    }
    if (fine) {
        struct slice key = buffer_slice(&request->engine->key);
        job->transaction = write_begin(request);
        fine = rows_insert(job->collection, job->transaction, key, request->engine->image, failure);
        fine = write_end(job->transaction, fine, failure);
    }
    job->outcome->upserted = fine;
    bson_destroy(&seed);
    bson_destroy(&made);
    return fine;
}

bool write_modify(struct request *request, struct collection **collection,
                  const struct write *write, struct write_outcome *outcome)
{
    struct job job = {request, write, outcome, *collection, NULL};
    *outcome = (struct write_outcome){0};
    if (*collection != NULL && !(write->multi ? modify_all(&job) : modify_first(&job)))
        return false;
    if (outcome->matched > 0 || !write->upsert)
        return true;
    if (*collection == NULL)
        *collection =
            catalog_open(request->engine->catalog, request->database, request->collection);
    job.collection = *collection;
    return upsert(&job);
}

void write_outcome_reset(struct write_outcome *outcome)
{
    bson_destroy(outcome->was);
    outcome->was = NULL;
}

/* The report of a batch. ----------------------------------------------------------------------- */

/* Begins the next document of an array that is made when it is first needed. */
static void begin_item(bson_t **array, int32_t *count, bson_t *item)
{
    char text[16];
    const char *key;
    if (*array == NULL)
        *array = bson_new();
    size_t length = bson_uint32_to_string((uint32_t)(*count)++, &key, text, sizeof text);
    bson_append_document_begin(*array, key, (int)length, item);
}

void write_report_error(struct write_report *report, struct request *request, int32_t index)
{
    bson_t item;
    begin_item(&report->errors, &report->error_count, &item);
    bson_append_int32(&item, "index", -1, index);
    bson_append_int32(&item, "code", -1, (int32_t)request->failure.code);
    if (request->failure.detail != NULL)
        bson_concat(&item, request->failure.detail);
    bson_append_utf8(&item, "errmsg", -1, request->failure.message, -1);
    bson_append_document_end(report->errors, &item);
    failure_reset(&request->failure);
}

void write_report_upserted(struct write_report *report, const struct request *request,
                           int32_t index)
{
    bson_t item;
    bson_iter_t id;
    begin_item(&report->upserted, &report->upserted_count, &item);
    bson_append_int32(&item, "index", -1, index);
    must(bson_iter_init_find(&id, request->engine->image, "_id"));
    bson_append_iter(&item, "_id", 3, &id);
    bson_append_document_end(report->upserted, &item);
}

void write_report_finish(struct write_report *report, struct request *request, bool with_modified)
{
    bson_append_int32(request->reply, "n", 1, (int32_t)report->n);
    if (with_modified)
        bson_append_int32(request->reply, "nModified", 9, (int32_t)report->modified);
    if (report->upserted != NULL)
        bson_append_array(request->reply, "upserted", -1, report->upserted);
    if (report->errors != NULL)
        bson_append_array(request->reply, "writeErrors", -1, report->errors);
    bson_destroy(report->upserted);
    bson_destroy(report->errors);
}

bool write_check_batch(const bson_t *statements, struct failure *failure)
{
    uint32_t count = bson_count_keys(statements);
    return (count >= 1 && count <= WRITE_BATCH_MAX) ||
           failure_set(failure, FAILURE_INVALID_LENGTH,
                       "Write batch sizes must be between 1 and %d. Got %u operations.",
                       WRITE_BATCH_MAX, count);
}
