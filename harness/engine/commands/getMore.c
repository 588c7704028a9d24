/* SPDX-License-Identifier: Apache-2.0
 *
 * getMore: the next batch of a cursor that find or aggregate opened, by its number and its
 * collection. Without batchSize everything that fits a reply comes. A cursor that is not there,
 * because it is used up, closed or was never opened, is 43. The documents were gathered when the
 * cursor was opened, so that nothing here touches a collection.
 */
#include "engine/command.h"
#include "engine/cursor.h"
#include "engine/dispatch.h"
#include <inttypes.h>
#include <stdlib.h>

struct arguments {
    const char *collection;
    int64_t batch_size;
};

static const struct field fields[] = {
    {"collection", FIELD_TEXT, offsetof(struct arguments, collection), true},
    {"batchSize", FIELD_COUNT, offsetof(struct arguments, batch_size), false},
    {"maxAwaitTimeMS", FIELD_IGNORED, 0, false},
    {"term", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static bool next_batch(struct request *request, int64_t id, const char *namespace)
{
    const struct arguments *arguments = request->arguments;
    bson_t cursor, array;
    struct cursor_batch batch = {.array = &array, .count = arguments->batch_size};
    bson_append_document_begin(request->reply, "cursor", 6, &cursor);
    bson_append_array_begin(&cursor, "nextBatch", 9, &array);
    cursors_now(request->engine->cursors, engine_elapsed_ms(request->engine));
    bool found = cursor_next(request->engine->cursors, id, namespace, &batch);
    bson_append_array_end(&cursor, &array);
    bson_append_int64(&cursor, "id", 2, batch.finished ? 0 : id);
    bson_append_utf8(&cursor, "ns", 2, namespace, -1);
    bson_append_document_end(request->reply, &cursor);
    return found || failure_set(&request->failure, FAILURE_CURSOR_NOT_FOUND,
                                "cursor id %" PRId64 " not found", id);
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    bson_value_t id;
    request_first(request, &id);
    if (id.value_type != BSON_TYPE_INT64)
        return failure_set(&request->failure, FAILURE_TYPE_MISMATCH,
                           "BSON field 'getMore.getMore' is the wrong type '%s', expected type "
                           "'long'",
                           fields_type_name(id.value_type));
    request->collection = arguments->collection;
    return next_batch(request, id.value.v_int64, request_namespace(request));
}

COMMAND(getMore, COMMAND_INSIDE, .fields = fields, .arguments_bytes = sizeof(struct arguments));
