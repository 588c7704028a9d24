/* SPDX-License-Identifier: Apache-2.0
 *
 * findAndModify: finds one document (the first by sort) and changes or removes it, and gives its
 * old or new image, all in one step. Failures are the command's own, not writeErrors. value is
 * null when nothing matched, and for the old image of an upsert's insert. lastErrorObject says
 * what happened: n, updatedExisting (not for remove), upserted. Drivers always send remove, new
 * and upsert; mongoose sends an empty fields.
 */
#include "document/match.h"
#include "document/project.h"
#include "document/update.h"
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/dispatch.h"
#include "engine/query.h"
#include "engine/write.h"

struct arguments {
    bson_t query, sort, projection;
    bson_value_t change, hint;
    bool remove, upsert, new_image;
};

static const struct field fields[] = {
    {"query", FIELD_DOCUMENT, offsetof(struct arguments, query), false},
    {"update", FIELD_VALUE, offsetof(struct arguments, change), false},
    {"new", FIELD_BOOL, offsetof(struct arguments, new_image), false},
    {"upsert", FIELD_BOOL, offsetof(struct arguments, upsert), false},
    {"remove", FIELD_BOOL, offsetof(struct arguments, remove), false},
    {"sort", FIELD_DOCUMENT, offsetof(struct arguments, sort), false},
    {"fields", FIELD_DOCUMENT, offsetof(struct arguments, projection), false},
    {"hint", FIELD_VALUE, offsetof(struct arguments, hint), false},
    {"bypassDocumentValidation", FIELD_IGNORED, 0, false},
    {"arrayFilters collation let", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static bool check(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct failure *failure = &request->failure;
    bson_type_t type = arguments->change.value_type;
    if (arguments->remove && type != BSON_TYPE_EOD)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Cannot specify both an update and remove=true");
    if (arguments->remove && arguments->upsert)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Cannot specify both upsert=true and remove=true");
    if (arguments->remove && arguments->new_image)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Cannot specify both new=true and remove=true; 'remove' always returns "
                           "the deleted document");
    if (!arguments->remove && type == BSON_TYPE_EOD)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Either an update or remove=true must be specified");
    if (!arguments->remove && type != BSON_TYPE_DOCUMENT && type != BSON_TYPE_ARRAY)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Update argument must be either an object or an array");
    return true;
}

static bool check_filter(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct failure *failure = &request->failure;
    return match_check(&arguments->query, failure) && sort_check(&arguments->sort, failure) &&
           project_check(&arguments->projection, failure) &&
           query_check_hint(request, &arguments->hint);
}

static void append_image(const struct request *request, const bson_t *image)
{
    const struct arguments *arguments = request->arguments;
    bson_t projected;
    if (image == NULL) {
        bson_append_null(request->reply, "value", 5);
    } else if (bson_empty(&arguments->projection)) {
        bson_append_document(request->reply, "value", 5, image);
    } else {
        bson_init(&projected);
        project(&arguments->projection, image, &projected);
        bson_append_document(request->reply, "value", 5, &projected);
        bson_destroy(&projected);
    }
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct write_outcome outcome = {0};
    struct update update;
    bson_t last;
    bson_iter_t id;
    if (!check(request) ||
        (!arguments->remove && !update_read(&update, &arguments->change, &request->failure)))
        return false;
    struct write write = {.filter = &arguments->query,
                          .sort = bson_empty(&arguments->sort) ? NULL : &arguments->sort,
                          .update = arguments->remove ? NULL : &update,
                          .upsert = arguments->upsert,
                          .keep = arguments->new_image ? KEEP_IS : KEEP_WAS};
    bool fine = check_filter(request) && write_modify(request, &write, &outcome);
    if (!arguments->remove)
        update_release(&update);
    if (!fine)
        return false;
    bson_append_document_begin(request->reply, "lastErrorObject", 15, &last);
    bson_append_int32(&last, "n", 1, outcome.matched > 0 || outcome.upserted);
    if (!arguments->remove)
        bson_append_bool(&last, "updatedExisting", 15, outcome.matched > 0);
    if (outcome.upserted && bson_iter_init_find(&id, request->engine->image, "_id"))
        bson_append_iter(&last, "upserted", 8, &id);
    bson_append_document_end(request->reply, &last);
    append_image(request, outcome.image);
    if (outcome.retried) {
        bson_append_int32(request->reply, "retriedStmtId", -1, (int32_t)request->statement);
    } else {
        request_applied(request, outcome.modified + outcome.upserted);
    }
    write_outcome_reset(&outcome);
    return true;
}

COMMAND(findAndModify, COMMAND_COLLECTION | COMMAND_WRITES | COMMAND_RETRYABLE | COMMAND_INSIDE,
        .alias = "findandmodify", .fields = fields, .arguments_bytes = sizeof(struct arguments));
