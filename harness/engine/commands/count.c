/* SPDX-License-Identifier: Apache-2.0
 *
 * count: how many documents match, after skip and up to limit (a negative limit means its
 * absolute value, 0 none). Drivers send it for estimatedDocumentCount, without a query;
 * countDocuments is an aggregate. The rows are counted by a scan: no counter is kept, because
 * a shared counter would be a row that all writers fight for.
 */
#include "document/match.h"
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/dispatch.h"
#include "engine/query.h"

struct arguments {
    bson_t query;
    int64_t limit, skip;
    bson_value_t hint;
};

static const struct field fields[] = {
    {"query", FIELD_DOCUMENT, offsetof(struct arguments, query), false},
    {"limit", FIELD_INTEGER, offsetof(struct arguments, limit), false},
    {"skip", FIELD_COUNT, offsetof(struct arguments, skip), false},
    {"hint", FIELD_VALUE, offsetof(struct arguments, hint), false},
    {"fields", FIELD_IGNORED, 0, false},
    {"collation", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static bool count_one(struct slice key, const bson_t *document, void *context)
{
    int64_t *count = context;
    (void)key;
    (void)document;
    ++*count;
    return true;
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    int64_t count = 0, limit = arguments->limit;
    if (!match_check(&arguments->query, &request->failure) ||
        !query_check_hint(request, &arguments->hint))
        return false;
    bool fine = query_read(request, &arguments->query, count_one, &count);
    count = count > arguments->skip ? count - arguments->skip : 0;
    if (limit != 0 && limit > -INT32_MAX)
        limit = limit < 0 ? -limit : limit;
    if (limit > 0 && count > limit)
        count = limit;
    bson_append_int32(request->reply, "n", 1, (int32_t)count);
    return fine;
}

COMMAND(count, COMMAND_COLLECTION | COMMAND_READS, .fields = fields,
        .arguments_bytes = sizeof(struct arguments));
