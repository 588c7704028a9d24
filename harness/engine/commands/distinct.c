/* SPDX-License-Identifier: Apache-2.0
 *
 * distinct: the different values of a field among the documents that match, in canonical order
 * (MongoDB promises none). An array counts by its elements; documents that lack the field add
 * nothing. Numbers of different types that are equal are one value, the first that was met.
 */
#include "document/element.h"
#include "document/match.h"
#include "document/project.h"
#include "document/value.h"
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/cursor.h"
#include "engine/dispatch.h"
#include "engine/query.h"
#include <string.h>

struct arguments {
    const char *key;
    bson_t query;
    bson_value_t hint;
};

static const struct field fields[] = {
    {"key", FIELD_TEXT, offsetof(struct arguments, key), true},
    {"query", FIELD_DOCUMENT, offsetof(struct arguments, query), false},
    {"hint", FIELD_VALUE, offsetof(struct arguments, hint), false},
    {"collation", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

struct distinct {
    const char *key;
    struct documents values; /* {v: value} */
};

/* A visitor of value_walk_query(), which visits an array's elements before the array. */
static bool add_value(const bson_value_t *value, void *context)
{
    struct distinct *distinct = context;
    bson_t one = BSON_INITIALIZER;
    if (value == NULL || value->value_type == BSON_TYPE_ARRAY)
        return true;
    bson_append_value(&one, "v", 1, value);
    bool more = documents_add(&distinct->values, &one);
    bson_destroy(&one);
    return more;
}

static bool add_values(struct slice key, const bson_t *document, void *context)
{
    struct distinct *distinct = context;
    (void)key;
    value_walk_query(document, distinct->key, add_value, distinct);
    return distinct->values.bytes <= GATHERED_BYTES_MAX;
}

/* False: they do not fit a reply. */
static bool append_values(const struct documents *values, bson_t *array)
{
    bson_value_t value, before = {.value_type = BSON_TYPE_EOD};
    char text[16];
    const char *name;
    for (size_t i = 0, count = 0; i < values->count; i++) {
        must(value_field(values->items[i], "v", &value));
        if (before.value_type != BSON_TYPE_EOD && value_compare(&before, &value) == 0)
            continue;
        size_t length = bson_uint32_to_string((uint32_t)count++, &name, text, sizeof text);
        bson_append_value(array, name, (int)length, &value); /* no array: see add_value() */
        before = value;
        if (array->len > DOCUMENT_BYTES_MAX)
            return false;
    }
    return true;
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct distinct distinct = {.key = arguments->key};
    bson_t sort = BSON_INITIALIZER, array;
    if (!match_check(&arguments->query, &request->failure) ||
        !query_check_hint(request, &arguments->hint))
        return false;
    bool fine = query_read(request, &arguments->query, add_values, &distinct) &&
                documents_fit(&distinct.values, &request->failure);
    bson_append_int32(&sort, "v", 1, 1);
    sort_documents(&sort, &distinct.values);
    bson_append_array_begin(request->reply, "values", -1, &array);
    if (fine && !append_values(&distinct.values, &array))
        fine =
            failure_set(&request->failure, FAILURE_DISTINCT_TOO_BIG, "distinct too big, 16mb cap");
    bson_append_array_end(request->reply, &array);
    documents_release(&distinct.values);
    return fine;
}

COMMAND(distinct, COMMAND_COLLECTION | COMMAND_READS | COMMAND_INSIDE, .fields = fields,
        .arguments_bytes = sizeof(struct arguments));
