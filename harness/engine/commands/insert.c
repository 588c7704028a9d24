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
    {"documents", FIELD_ARRAY, offsetof(struct arguments, documents), true},
    {"ordered", FIELD_BOOL, offsetof(struct arguments, ordered), false},
    {"bypassDocumentValidation", FIELD_IGNORED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static bool insert_one(struct request *request, struct collection *collection,
                       const bson_value_t *value)
{
    bson_t document;
    if (value->value_type != BSON_TYPE_DOCUMENT ||
        !bson_init_static(&document, value->value.v_doc.data, value->value.v_doc.data_len))
        return failure_set(&request->failure, FAILURE_TYPE_MISMATCH,
                           "BSON field 'insert.documents' is the wrong type '%s', expected type "
                           "'object'",
                           fields_type_name(value->value_type));
    return write_insert(request, collection, &document, &request->failure);
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct write_report report = {0};
    bson_iter_t iter;
    if (!write_check_batch(&arguments->documents, &request->failure))
        return false;
    struct collection *collection =
        catalog_open(request->engine->catalog, request->database, request->collection);
    must(bson_iter_init(&iter, &arguments->documents));
    for (int32_t index = 0; bson_iter_next(&iter); index++) {
        if (insert_one(request, collection, bson_iter_value(&iter))) {
            report.n++;
            continue;
        }
        write_report_error(&report, request, index);
        if (arguments->ordered)
            break;
    }
    request_applied(request, report.n);
    write_report_finish(&report, request, false);
    return true;
}

const struct command command_insert = {.name = "insert",
                                       .flags = COMMAND_COLLECTION | COMMAND_WRITES,
                                       .fields = fields,
                                       .arguments_bytes = sizeof(struct arguments),
                                       .defaults = &defaults,
                                       .run = run};
