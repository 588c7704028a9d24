/* SPDX-License-Identifier: Apache-2.0
 *
 * insert: documents one after the other, each atomic. Ordered (the default) stops at the first
 * failure, unordered goes on; failures are in writeErrors by index, and the command itself is ok.
 * A collection that is not there is made. Acted on: documents, ordered. Every document passes
 * write_insert(), which gives it an _id when it has none.
 */
#include "engine/command.h"

#include "engine/catalog.h"
#include "engine/dispatch.h"
#include "engine/write.h"

struct arguments {
    bson_t documents;
    bool ordered;
};

static const struct arguments defaults = {.ordered = true};

static const struct field fields[] = {
    {"ordered", FIELD_BOOL, offsetof(struct arguments, ordered), false},
    {"documents", FIELD_ARRAY, offsetof(struct arguments, documents), true},
    {"bypassDocumentValidation", FIELD_IGNORED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static bool insert_one(struct request *request, const struct element *item,
                       struct write_outcome *outcome)
{
    bson_t document;
    if (item->type != BSON_TYPE_DOCUMENT || !bson_init_static(&document, item->data, item->size))
        return failure_set(&request->failure, FAILURE_TYPE_MISMATCH,
                           "BSON field 'insert.documents' is the wrong type '%s', expected type "
                           "'object'",
                           fields_type_name(item->type));
    struct collection *collection = request_make(request);
    return collection != NULL && write_insert(request, collection, &document, outcome);
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    const struct write_batch batch = {&arguments->documents, arguments->ordered, false, insert_one};
    return write_batch_run(request, &batch);
}

COMMAND(insert, COMMAND_COLLECTION | COMMAND_WRITES | COMMAND_RETRYABLE | COMMAND_INSIDE,
        .fields = fields, .arguments_bytes = sizeof(struct arguments), .defaults = &defaults);
