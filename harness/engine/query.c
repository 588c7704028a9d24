/* SPDX-License-Identifier: Apache-2.0
 *
 * query: see query.h. A lookup is only taken where it cannot miss: values that stand for something
 * else in a match (arrays as a whole or by element, null for missing, regular expressions) scan.
 */
#include "query.h"

#include "base.h"
#include "dispatch.h"
#include "keys.h"
#include "match.h"
#include <string.h>

struct matcher {
    struct request *request;
    const struct query *query;
    query_visitor *visit;
    void *context;
};

/* A visitor of store_scan(). */
static bool match_row(struct slice key, struct slice value, void *context)
{
    struct matcher *matcher = context;
    struct request *request = matcher->request;
    bson_t document;
    must(bson_init_static(&document, value.bytes, value.length));
    if (!match(matcher->query->filter, &document, request->now_ms, &request->failure))
        return request->failure.code == FAILURE_NONE;
    return matcher->visit(key, &document, matcher->context);
}

/* Encodes the one value that the filter demands of `field` into the engine's key buffer; false when
 * there is none that a lookup may use. */
static bool demanded_key(struct request *request, const bson_t *filter, const char *field)
{
    struct buffer *buffer = &request->engine->key;
    bson_value_t value;
    if (!match_equality(filter, field, &value) || value.value_type == BSON_TYPE_ARRAY ||
        value.value_type == BSON_TYPE_NULL || value.value_type == BSON_TYPE_UNDEFINED ||
        value.value_type == BSON_TYPE_REGEX)
        return false;
    buffer->length = 0;
    return keys_append(buffer, &value);
}

/* Finds by a unique index on a single field; false when no index serves. */
static bool lookup_unique(struct matcher *matcher)
{
    const struct query *query = matcher->query;
    const struct collection *collection = query->collection;
    for (size_t i = 0; i < collection->index_count; i++) {
        const struct index *index = &collection->indexes[i];
        bson_iter_t iter;
        struct slice key, value;
        if (!index->unique || bson_count_keys(index->key) != 1 ||
            !bson_iter_init(&iter, index->key) || !bson_iter_next(&iter) ||
            !demanded_key(matcher->request, query->filter, bson_iter_key(&iter)))
            continue;
        struct slice entry = buffer_slice(&matcher->request->engine->key);
        if (store_get(query->transaction, index->entries, entry, &key) == STORE_DONE &&
            store_get(query->transaction, collection->rows, key, &value) == STORE_DONE)
            match_row(key, value, matcher);
        return true;
    }
    return false;
}

bool query_visit(struct request *request, const struct query *query, query_visitor *visit,
                 void *context)
{
    struct matcher matcher = {request, query, visit, context};
    struct store_table *rows = query->collection->rows;
    if (demanded_key(request, query->filter, "_id")) {
        struct slice key = buffer_slice(&request->engine->key), value;
        if (store_get(query->transaction, rows, key, &value) == STORE_DONE)
            match_row(key, value, &matcher);
    } else if (query->collection->unique_count == 0 || !lookup_unique(&matcher)) {
        store_scan(query->transaction, rows, (struct slice){NULL, 0}, match_row, &matcher);
    }
    return request->failure.code == FAILURE_NONE;
}

bool query_read(struct request *request, const bson_t *filter, query_visitor *visit, void *context)
{
    struct collection *collection = request_collection(request);
    if (collection == NULL)
        return true;
    struct store_transaction *transaction = request_begin(request);
    struct query query = {collection, transaction, filter};
    bool fine = query_visit(request, &query, visit, context);
    request_end(request, transaction);
    return fine;
}

bool query_check_hint(const struct collection *collection, const bson_value_t *hint,
                      struct failure *failure)
{
    bson_t key;
    bson_iter_t iter;
    bool there = false;
    if (hint->value_type == BSON_TYPE_EOD)
        return true;
    if (hint->value_type == BSON_TYPE_UTF8) {
        const char *name = hint->value.v_utf8.str;
        there = strcmp(name, "_id_") == 0 ||
                (collection != NULL && collection_index_named(collection, name) != NULL);
    } else if (hint->value_type == BSON_TYPE_DOCUMENT &&
               bson_init_static(&key, hint->value.v_doc.data, hint->value.v_doc.data_len) &&
               bson_iter_init(&iter, &key)) {
        if (!bson_iter_next(&iter)) /* {}: no hint */
            return true;
        there = (strcmp(bson_iter_key(&iter), "_id") == 0 && bson_count_keys(&key) == 1) ||
                strcmp(bson_iter_key(&iter), "$natural") == 0 ||
                (collection != NULL && collection_index_on(collection, &key) != NULL);
    } else {
        return failure_set(failure, FAILURE_FAILED_TO_PARSE, "Hint must be a string or an object");
    }
    return there || failure_set(failure, FAILURE_BAD_VALUE,
                                "error processing query: hint provided does not correspond to an "
                                "existing index");
}
