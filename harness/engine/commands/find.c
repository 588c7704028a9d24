/* SPDX-License-Identifier: Apache-2.0
 *
 * find: documents that match, in order of _id or sorted, projected, in batches. Without a
 * sort each document goes from the store into the reply as it is found; with one they are
 * gathered first, and those with equal keys keep the order of _id. What does not fit the first
 * batch is kept in a cursor. Options that would change which documents come, or how they look,
 * and are not implemented are refused; those that only promise speed are ignored.
 */
#include "engine/command.h"

#include "document/match.h"
#include "document/project.h"
#include "engine/catalog.h"
#include "engine/cursor.h"
#include "engine/dispatch.h"
#include "engine/query.h"
#include <stdlib.h>

struct arguments {
    bson_t filter, projection, sort;
    bson_value_t hint;
    int64_t skip, limit, batch_size;
    bool single;
};

static const struct arguments defaults = {.batch_size = CURSOR_FIRST_BATCH};

static const struct field fields[] = {
    {"filter", FIELD_DOCUMENT, offsetof(struct arguments, filter), false},
    {"limit", FIELD_COUNT, offsetof(struct arguments, limit), false},
    {"singleBatch", FIELD_BOOL, offsetof(struct arguments, single), false},
    {"projection", FIELD_DOCUMENT, offsetof(struct arguments, projection), false},
    {"sort", FIELD_DOCUMENT, offsetof(struct arguments, sort), false},
    {"skip", FIELD_COUNT, offsetof(struct arguments, skip), false},
    {"batchSize", FIELD_COUNT, offsetof(struct arguments, batch_size), false},
    {"hint", FIELD_VALUE, offsetof(struct arguments, hint), false},
    {"allowDiskUse noCursorTimeout allowPartialResults oplogReplay", FIELD_IGNORED, 0, false},
    {"collation let tailable awaitData min max returnKey showRecordId", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

struct found {
    const struct arguments *arguments;
    int64_t skip, left; /* still to be skipped; still to be given, -1: no limit */
    struct cursor_reply reply;
    struct documents sorted; /* gathered for the sort */
};

/* Gives one document to the reply; false when no more is wanted. */
static bool give(struct found *found, const bson_t *document)
{
    bson_t projected;
    bool more;
    if (found->skip > 0) {
        found->skip--;
        return true;
    }
    if (bson_empty(&found->arguments->projection)) {
        more = cursor_reply_add(&found->reply, document);
    } else {
        bson_init(&projected);
        project(&found->arguments->projection, document, &projected);
        more = cursor_reply_add(&found->reply, &projected);
        bson_destroy(&projected);
    }
    return more && (found->left < 0 || --found->left > 0);
}

static bool give_found(struct slice key, const bson_t *document, void *context)
{
    (void)key;
    return give(context, document);
}

static bool gather(struct slice key, const bson_t *document, void *context)
{
    struct found *found = context;
    (void)key;
    return documents_add(&found->sorted, document);
}

static void give_sorted(struct found *found)
{
    sort_documents(&found->arguments->sort, &found->sorted);
    for (size_t i = 0; i < found->sorted.count && give(found, found->sorted.items[i]); i++)
        ;
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct found found = {.arguments = arguments,
                          .skip = arguments->skip,
                          .left = arguments->limit > 0 ? arguments->limit : -1};
    bool sorted = !bson_empty(&arguments->sort);
    if (!match_check(&arguments->filter, &request->failure) ||
        !project_check(&arguments->projection, &request->failure) ||
        !sort_check(&arguments->sort, &request->failure) ||
        !query_check_hint(request, &arguments->hint))
        return false;
    found.reply.batch_size = arguments->batch_size;
    found.reply.single = arguments->single;
    cursor_reply_begin(&found.reply, request->reply);
    bool fine = query_read(request, &arguments->filter, sorted ? gather : give_found, &found);
    fine = fine && documents_fit(&found.sorted, &request->failure);
    if (fine && sorted)
        give_sorted(&found);
    fine = cursor_reply_end(&found.reply, request, fine);
    documents_release(&found.sorted);
    return fine;
}

COMMAND(find, COMMAND_COLLECTION | COMMAND_READS | COMMAND_INSIDE, .fields = fields,
        .arguments_bytes = sizeof(struct arguments), .defaults = &defaults);
