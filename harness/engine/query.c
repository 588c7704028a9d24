/* SPDX-License-Identifier: Apache-2.0
 *
 * query: see query.h. A lookup is only taken where it cannot miss: values that stand for something
 * else in a match (arrays as a whole or by element, null for missing, regular expressions) scan.
 */
#include "query.h"

#include "base.h"
#include "dispatch.h"
#include "document/element.h"
#include "document/keys.h"
#include "document/match.h"
#include <string.h>

struct matcher {
    struct request *request;
    const struct query *query;
    query_visitor *visit;
    void *context;
    bool exact; /* a row that is visited is one that matches */
};

/* A visitor of store_scan(). */
static bool match_row(struct slice key, struct slice value, void *context)
{
    struct matcher *matcher = context;
    struct request *request = matcher->request;
    bson_t document;
    must(bson_init_static(&document, value.bytes, value.length));
    if (!matcher->exact &&
        !match(matcher->query->filter, &document, request->now_ms, &request->failure))
        return request->failure.code == FAILURE_NONE;
    return matcher->visit(key, &document, matcher->context);
}

/* Appends the one value that the filter demands of `field` to `key`; false when there is none that
 * a lookup may use. */
static bool demanded_key(const bson_t *filter, const char *field, struct buffer *key)
{
    bson_value_t value;
    return match_equality(filter, field, &value) && value.value_type != BSON_TYPE_ARRAY &&
           value.value_type != BSON_TYPE_NULL && value.value_type != BSON_TYPE_UNDEFINED &&
           value.value_type != BSON_TYPE_REGEX && keys_append(key, &value);
}

/* Is the filter {_id: value} and nothing else, of a type whose key says all of the value? The row
 * under that key then matches. It is what most commands ask, and spares them 900 instructions. */
static bool is_sole_id(const bson_t *filter, bson_value_t *value)
{
    struct elements conditions = elements_of(filter);
    struct element id;
    if (!elements_next(&conditions, &id) || !element_is_named(&id, "_id", 3) ||
        conditions.at != conditions.end ||
        (id.type != BSON_TYPE_INT32 && id.type != BSON_TYPE_INT64 && id.type != BSON_TYPE_OID &&
         id.type != BSON_TYPE_UTF8))
        return false;
    element_value(&id, value);
    return true;
}

/* Has the path a number in it? A query then means an element's place or a field's name, or both. */
static bool has_number(const char *path)
{
    for (size_t length;; path += length + 1) {
        length = strcspn(path, ".");
        if (element_index(path, length) >= 0)
            return true;
        if (path[length] == '\0')
            return false;
    }
}

/* Appends the values that the filter demands of the index's first fields; returns their number. */
static size_t demanded_prefix(const bson_t *filter, const struct index *index, struct buffer *key)
{
    struct elements fields = elements_of(index->key);
    struct element field;
    size_t count = 0;
    while (elements_next(&fields, &field) && !has_number(field.name)) {
        size_t length = key->length;
        if (!demanded_key(filter, field.name, key)) {
            key->length = length;
            break;
        }
        count++;
    }
    return count;
}

/* A visitor of store_scan() over entries. */
static bool gather_key(struct slice entry, struct slice key, void *context)
{
    (void)entry;
    key_list_add(context, key);
    return true;
}

static bool visit_by_key(struct matcher *matcher, struct slice key)
{
    const struct query *query = matcher->query;
    struct slice value;
    return store_get(query->transaction, query->collection->rows, key, &value) != STORE_DONE ||
           match_row(key, value, matcher);
}

/* The index of which the filter demands most fields, and their values; NULL: none serves. */
static const struct index *best_index(const struct query *query, struct buffer *prefix)
{
    const struct index *best = NULL;
    struct buffer key = {0};
    size_t most = 0;
    for (size_t i = 0; i < query->collection->index_count; i++) {
        key.length = 0;
        size_t count = demanded_prefix(query->filter, &query->collection->indexes[i], &key);
        if (count <= most)
            continue;
        most = count;
        best = &query->collection->indexes[i];
        prefix->length = 0;
        buffer_append(prefix, key.bytes, key.length);
    }
    buffer_release(&key);
    return best;
}

/* Finds by an index; false when none serves. An array has several entries: each document is
 * visited once, in the order of _id. */
static bool visit_by_index(struct matcher *matcher)
{
    struct buffer prefix = {0};
    struct key_list keys = {0};
    const struct index *index = best_index(matcher->query, &prefix);
    if (index != NULL)
        store_scan(matcher->query->transaction, index->entries, buffer_slice(&prefix), gather_key,
                   &keys);
    key_list_unique(&keys);
    for (size_t i = 0; i < keys.count; i++)
        if (!visit_by_key(matcher, buffer_slice(&keys.items[i])))
            break;
    key_list_release(&keys);
    buffer_release(&prefix);
    return index != NULL;
}

bool query_visit(struct request *request, const struct query *query, query_visitor *visit,
                 void *context)
{
    struct matcher matcher = {request, query, visit, context, false};
    struct buffer *key = &request->engine->key;
    bson_value_t id;
    key->length = 0;
    matcher.exact = is_sole_id(query->filter, &id) && keys_append(key, &id);
    if (matcher.exact || demanded_key(query->filter, "_id", key))
        visit_by_key(&matcher, buffer_slice(key));
    else if (!visit_by_index(&matcher))
        store_scan(query->transaction, query->collection->rows, (struct slice){NULL, 0}, match_row,
                   &matcher);
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

bool query_check_hint(struct request *request, const bson_value_t *hint)
{
    struct failure *failure = &request->failure;
    bson_t key;
    bson_iter_t iter;
    bool there = false;
    if (hint->value_type == BSON_TYPE_EOD)
        return true;
    const struct collection *collection = request_collection(request);
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
