/* SPDX-License-Identifier: Apache-2.0
 *
 * update: statements one after the other; each picks by q the first document (or, with multi,
 * all) and changes it by u, which is operators, a replacement or a pipeline; upsert inserts when
 * nothing matches. n counts matched and upserted, nModified what became different. What a
 * statement may carry is in the second table; sort, array filters and collation would change
 * its meaning and are refused.
 */
#include "engine/command.h"

#include "document/match.h"
#include "document/update.h"
#include "engine/catalog.h"
#include "engine/dispatch.h"
#include "engine/query.h"
#include "engine/write.h"

struct arguments {
    bson_t updates;
    bool ordered;
};

static const struct arguments defaults = {.ordered = true};

static const struct field fields[] = {
    {"ordered", FIELD_BOOL, offsetof(struct arguments, ordered), false},
    {"updates", FIELD_ARRAY, offsetof(struct arguments, updates), true},
    {"bypassDocumentValidation", FIELD_IGNORED, 0, false},
    {"let", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

struct statement {
    bson_t filter;
    bson_value_t change, hint;
    bool upsert, multi;
};

static const struct field statement_fields[] = {
    {"q", FIELD_DOCUMENT, offsetof(struct statement, filter), true},
    {"u", FIELD_VALUE, offsetof(struct statement, change), true},
    {"upsert", FIELD_BOOL, offsetof(struct statement, upsert), false},
    {"multi", FIELD_BOOL, offsetof(struct statement, multi), false},
    {"hint", FIELD_VALUE, offsetof(struct statement, hint), false},
    {"arrayFilters collation sort c", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

/* False: refused, and there is nothing to release. */
static bool read_statement(struct request *request, const struct statement *statement,
                           struct update *update)
{
    struct failure *failure = &request->failure;
    if (statement->change.value_type != BSON_TYPE_DOCUMENT &&
        statement->change.value_type != BSON_TYPE_ARRAY)
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "Update argument must be either an object or an array");
    if (statement->multi && update_is_replacement(&statement->change))
        return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                           "multi update is not supported for replacement-style update");
    return update_read(update, &statement->change, failure);
}

static bool update_one(struct request *request, const struct element *item,
                       struct write_outcome *outcome)
{
    struct statement statement = {.upsert = false};
    struct fields_reader reader =
        fields_reader(statement_fields, "update.updates", &statement, NULL);
    struct update update;
    if (!fields_parse_element(&reader, item, &request->failure) ||
        !read_statement(request, &statement, &update))
        return false;
    struct write write = {.filter = &statement.filter,
                          .update = &update,
                          .upsert = statement.upsert,
                          .multi = statement.multi};
    bool fine = match_check(&statement.filter, &request->failure) &&
                query_check_hint(request, &statement.hint) &&
                write_modify(request, &write, outcome);
    update_release(&update);
    return fine;
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    const struct write_batch batch = {&arguments->updates, arguments->ordered, true, update_one};
    return write_batch_run(request, &batch);
}

COMMAND(update, COMMAND_COLLECTION | COMMAND_WRITES | COMMAND_RETRYABLE | COMMAND_INSIDE,
        .fields = fields, .arguments_bytes = sizeof(struct arguments), .defaults = &defaults);
