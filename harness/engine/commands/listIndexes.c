/* SPDX-License-Identifier: Apache-2.0
 *
 * listIndexes: the index on _id and all others of a collection, as they were asked for. 26 when
 * there is no such collection. All of them are in the first batch unless batchSize says otherwise;
 * order is that of creation, until one is dropped.
 */
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/cursor.h"
#include "engine/dispatch.h"

struct arguments {
    bson_t cursor;
};

static const struct field fields[] = {
    {"cursor", FIELD_DOCUMENT, offsetof(struct arguments, cursor), false},
    {NULL, FIELD_END, 0, false},
};

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    const struct collection *collection = request_collection(request);
    struct documents found = {0};
    if (collection == NULL)
        return failure_set(&request->failure, FAILURE_NAMESPACE_NOT_FOUND,
                           "ns does not exist: %s.%s", request->database, request->collection);
    for (size_t i = 0; i <= collection->index_count; i++) {
        bson_t one = BSON_INITIALIZER;
        index_describe(i == 0 ? NULL : &collection->indexes[i - 1], &one);
        documents_add(&found, &one);
        bson_destroy(&one);
    }
    return cursor_reply_all(request, &arguments->cursor, &found);
}

COMMAND(listIndexes, COMMAND_COLLECTION, .fields = fields,
        .arguments_bytes = sizeof(struct arguments));
