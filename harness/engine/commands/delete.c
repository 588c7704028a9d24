/* SPDX-License-Identifier: Apache-2.0
 *
 * delete: statements one after the other; each removes the first document that q matches (limit
 * 1) or all of them (limit 0). n counts the documents that went. A collection that is not there
 * has none. Ordered stops at the first failure, as in the other write commands.
 */
#include "engine/command.h"

#include "document/match.h"
#include "engine/catalog.h"
#include "engine/dispatch.h"
#include "engine/query.h"
#include "engine/write.h"

struct arguments {
    bson_t deletes;
    bool ordered;
};

static const struct arguments defaults = {.ordered = true};

static const struct field fields[] = {
    {"ordered", FIELD_BOOL, offsetof(struct arguments, ordered), false},
    {"deletes", FIELD_ARRAY, offsetof(struct arguments, deletes), true},
    {"let", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

struct statement {
    bson_t filter;
    int64_t limit;
    bson_value_t hint;
};

static const struct field statement_fields[] = {
    {"q", FIELD_DOCUMENT, offsetof(struct statement, filter), true},
    {"limit", FIELD_INTEGER, offsetof(struct statement, limit), true},
    {"hint", FIELD_VALUE, offsetof(struct statement, hint), false},
    {"collation", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static bool delete_one(struct request *request, const struct element *item,
                       struct write_outcome *outcome)
{
    struct statement statement = {.limit = 0};
    struct fields_reader reader =
        fields_reader(statement_fields, "delete.deletes", &statement, NULL);
    if (!fields_parse_element(&reader, item, &request->failure))
        return false;
    if (statement.limit != 0 && statement.limit != 1)
        return failure_set(&request->failure, FAILURE_FAILED_TO_PARSE,
                           "The limit field in delete objects must be 0 or 1. Got %lld",
                           (long long)statement.limit);
    if (!match_check(&statement.filter, &request->failure) ||
        !query_check_hint(request, &statement.hint))
        return false;
    struct write write = {.filter = &statement.filter, .multi = statement.limit == 0};
    return write_modify(request, &write, outcome);
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    const struct write_batch batch = {&arguments->deletes, arguments->ordered, false, delete_one};
    return write_batch_run(request, &batch);
}

COMMAND(delete, COMMAND_COLLECTION | COMMAND_WRITES | COMMAND_RETRYABLE | COMMAND_INSIDE,
        .fields = fields, .arguments_bytes = sizeof(struct arguments), .defaults = &defaults);
