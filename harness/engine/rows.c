/* SPDX-License-Identifier: Apache-2.0
 *
 * rows: see rows.h. An entry of a unique index has a key made of the indexed values only, so that
 * two transactions that claim one value collide in the store by themselves; one of a plain index
 * has the encoded _id behind them. The value of both is the encoded _id. A replacement whose
 * indexed values stay the same touches no entry, which is what makes an update of a document in a
 * collection with unique indexes cost one write.
 */
#include "rows.h"

#include "base.h"
#include "document/keys.h"
#include "document/value.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool conflict(struct failure *failure)
{
    return failure_set(failure, FAILURE_WRITE_CONFLICT,
                       "WriteConflict error: this operation conflicted with another operation. "
                       "Please retry your operation or multi-document transaction.");
}

static struct slice document_slice(const bson_t *document)
{
    return (struct slice){bson_get_data(document), document->len};
}

/* A value as MongoDB prints it in duplicate key messages; a new string. */
static char *value_text(const bson_value_t *value)
{
    char id[25];
    double number;
    switch ((int)value->value_type) {
    case BSON_TYPE_UTF8:
        return x_format("\"%.100s\"", value->value.v_utf8.str);
    case BSON_TYPE_INT32:
        return x_format("%" PRId32, value->value.v_int32);
    case BSON_TYPE_INT64:
        return x_format("%" PRId64, value->value.v_int64);
    case BSON_TYPE_DOUBLE:
        number = value->value.v_double;
        return x_format("%.17g%s", number, number == trunc(number) && isfinite(number) ? ".0" : "");
    case BSON_TYPE_BOOL:
        return x_strdup(value->value.v_bool ? "true" : "false");
    case BSON_TYPE_NULL:
        return x_strdup("null");
    case BSON_TYPE_DATE_TIME:
        return x_format("new Date(%" PRId64 ")", value->value.v_datetime);
    case BSON_TYPE_OID:
        bson_oid_to_string(&value->value.v_oid, id);
        return x_format("ObjectId('%s')", id);
    default:
        return x_strdup("...");
    }
}

static bool duplicate(const struct collection *collection, const char *index, const bson_t *pattern,
                      const bson_t *document, struct failure *failure)
{
    bson_t *values = bson_new();
    char *text = x_strdup("");
    bson_iter_t iter;
    must(bson_iter_init(&iter, pattern));
    while (bson_iter_next(&iter)) {
        bson_value_t value = {.value_type = BSON_TYPE_NULL};
        value_at(document, bson_iter_key(&iter), &value);
        value_append(values, bson_iter_key(&iter), -1, &value);
        char *one = value_text(&value);
        char *longer =
            x_format("%s%s %s: %s", text, *text != '\0' ? "," : "", bson_iter_key(&iter), one);
        free(one);
        free(text);
        text = longer;
    }
    failure_set(failure, FAILURE_DUPLICATE_KEY,
                "E11000 duplicate key error collection: %s index: %s dup key: {%s }",
                collection->namespace, index, text);
    free(text);
    failure->detail = bson_new();
    bson_append_document(failure->detail, "keyPattern", -1, pattern);
    bson_append_document(failure->detail, "keyValue", -1, values);
    bson_destroy(values);
    return false;
}

struct entry_writer {
    const struct collection *collection;
    const struct index *index;
    struct store_transaction *transaction;
    const bson_t *document;
    struct slice key; /* encoded _id */
    struct buffer *scratch;
    struct failure *failure;
};

static struct slice entry_key(const struct entry_writer *writer, struct slice values)
{
    if (writer->index->unique)
        return values;
    writer->scratch->length = 0;
    buffer_append(writer->scratch, values.bytes, values.length);
    buffer_append(writer->scratch, writer->key.bytes, writer->key.length);
    return buffer_slice(writer->scratch);
}

/* A visitor of keys_visit(): claims one entry for the document. */
static bool claim_entry(struct slice values, void *context)
{
    struct entry_writer *writer = context;
    const struct index *index = writer->index;
    struct slice owner, entry = entry_key(writer, values);
    if (index->unique &&
        store_get(writer->transaction, index->entries, entry, &owner) == STORE_DONE)
        return duplicate(writer->collection, index->name, index->key, writer->document,
                         writer->failure);
    if (store_put(writer->transaction, index->entries, entry, writer->key) != STORE_DONE)
        return conflict(writer->failure);
    return true;
}

static bool give_up_entry(struct slice values, void *context)
{
    struct entry_writer *writer = context;
    struct slice entry = entry_key(writer, values);
    if (store_delete(writer->transaction, writer->index->entries, entry) == STORE_CONFLICT)
        return conflict(writer->failure);
    return true;
}

/* A visitor of keys_visit(): all the keys, one after the other, each with its length before it. */
static bool gather(struct slice entry, void *context)
{
    struct buffer *buffer = context;
    buffer_int32(buffer, (int32_t)entry.length);
    buffer_append(buffer, entry.bytes, entry.length);
    return true;
}

/* Do both images have the same keys in the index? False with a failure: one cannot be indexed. */
static bool same_entries(const struct index *index, const struct rows_change *change,
                         struct failure *failure)
{
    struct buffer was = {0}, is = {0};
    bool same = keys_visit(index->key, change->was, gather, &was, failure) &&
                keys_visit(index->key, change->is, gather, &is, failure) &&
                was.length == is.length && memcmp(was.bytes, is.bytes, was.length) == 0;
    buffer_release(&was);
    buffer_release(&is);
    return same;
}

/* Moves the entries of one index. */
static bool move_in_index(struct entry_writer *writer, const struct rows_change *change)
{
    struct failure *failure = writer->failure;
    const bson_t *pattern = writer->index->key;
    if (change->was != NULL && change->is != NULL) {
        if (same_entries(writer->index, change, failure))
            return true;
        if (failure->code != FAILURE_NONE)
            return false;
    }
    return (change->was == NULL ||
            keys_visit(pattern, change->was, give_up_entry, writer, failure)) &&
           (change->is == NULL || keys_visit(pattern, change->is, claim_entry, writer, failure));
}

/* Entries of all indexes: those of `was` go, those of `is` come; either may be NULL. */
static bool move_entries(struct collection *collection, struct store_transaction *transaction,
                         const struct rows_change *change, struct failure *failure)
{
    struct buffer scratch = {0};
    struct entry_writer writer = {.collection = collection,
                                  .transaction = transaction,
                                  .document = change->is,
                                  .key = change->key,
                                  .scratch = &scratch,
                                  .failure = failure};
    bool fine = true;
    for (size_t i = 0; fine && i < collection->index_count; i++) {
        writer.index = &collection->indexes[i];
        fine = move_in_index(&writer, change);
    }
    buffer_release(&scratch);
    return fine;
}

bool rows_insert(struct collection *collection, struct store_transaction *transaction,
                 struct slice key, const bson_t *document, struct failure *failure)
{
    struct slice there;
    struct rows_change change = {key, NULL, document};
    if (store_get(transaction, collection->rows, key, &there) == STORE_DONE) {
        bson_t pattern = BSON_INITIALIZER;
        bson_append_int32(&pattern, "_id", 3, 1);
        return duplicate(collection, "_id_", &pattern, document, failure);
    }
    if (!move_entries(collection, transaction, &change, failure))
        return false;
    return store_put(transaction, collection->rows, key, document_slice(document)) == STORE_DONE ||
           conflict(failure);
}

bool rows_replace(struct collection *collection, struct store_transaction *transaction,
                  const struct rows_change *change, struct failure *failure)
{
    if (!move_entries(collection, transaction, change, failure))
        return false;
    return store_put(transaction, collection->rows, change->key, document_slice(change->is)) ==
               STORE_DONE ||
           conflict(failure);
}

bool rows_remove(struct collection *collection, struct store_transaction *transaction,
                 struct slice key, const bson_t *was, struct failure *failure)
{
    struct rows_change change = {key, was, NULL};
    if (!move_entries(collection, transaction, &change, failure))
        return false;
    return store_delete(transaction, collection->rows, key) == STORE_DONE || conflict(failure);
}

struct index_builder {
    struct entry_writer writer;
    bool fine;
};

static bool build_one(struct slice key, struct slice value, void *context)
{
    struct index_builder *builder = context;
    bson_t document;
    must(bson_init_static(&document, value.bytes, value.length));
    builder->writer.document = &document;
    builder->writer.key = key;
    builder->fine = keys_visit(builder->writer.index->key, &document, claim_entry, &builder->writer,
                               builder->writer.failure);
    return builder->fine;
}

bool rows_build_index(struct collection *collection, const struct index *index,
                      struct failure *failure)
{
    struct store_transaction *transaction = store_begin(catalog_store(collection->catalog));
    struct buffer scratch = {0};
    struct index_builder builder = {.writer = {.scratch = &scratch,
                                               .collection = collection,
                                               .index = index,
                                               .transaction = transaction,
                                               .failure = failure},
                                    .fine = true};
    store_scan(transaction, collection->rows, (struct slice){NULL, 0}, build_one, &builder);
    buffer_release(&scratch);
    if (builder.fine)
        return store_commit(transaction) == STORE_DONE || conflict(failure);
    store_rollback(transaction);
    return false;
}
