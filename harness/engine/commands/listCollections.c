/* SPDX-License-Identifier: Apache-2.0
 *
 * listCollections: name, type, options, info and the _id index of each collection, or name and
 * type alone, filtered by the caller's filter over that description. Tools list with it, and
 * racebench looks whether a database is its own before it drops it. Everything is in the first
 * batch: a cursor that could be read on is opened as by find when there are many.
 */
#include "document/match.h"
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/cursor.h"
#include "engine/dispatch.h"
#include <stdlib.h>

struct arguments {
    bson_t filter;
    bson_t cursor;
    bool name_only;
};

static const struct field fields[] = {
    {"filter", FIELD_DOCUMENT, offsetof(struct arguments, filter), false},
    {"nameOnly", FIELD_BOOL, offsetof(struct arguments, name_only), false},
    {"cursor", FIELD_DOCUMENT, offsetof(struct arguments, cursor), false},
    {"authorizedCollections", FIELD_IGNORED, 0, false},
    {NULL, FIELD_END, 0, false},
};

struct listing {
    struct request *request;
    struct documents found;
};

static void describe(const struct collection *collection, bool name_only, bson_t *description)
{
    bson_t info, index;
    bson_append_utf8(description, "name", -1, collection->name, -1);
    bson_append_utf8(description, "type", -1, "collection", -1);
    if (name_only)
        return;
    bson_append_document_begin(description, "options", -1, &info);
    bson_append_document_end(description, &info);
    bson_append_document_begin(description, "info", -1, &info);
    bson_append_bool(&info, "readOnly", -1, false);
    bson_append_document_end(description, &info);
    bson_append_document_begin(description, "idIndex", -1, &index);
    index_describe(NULL, &index);
    bson_append_document_end(description, &index);
}

static bool list_one(struct collection *collection, void *context)
{
    struct listing *listing = context;
    struct request *request = listing->request;
    const struct arguments *arguments = request->arguments;
    bson_t description = BSON_INITIALIZER;
    describe(collection, arguments->name_only, &description);
    if (match(&arguments->filter, &description, request->now_ms, &request->failure))
        documents_add(&listing->found, &description);
    bson_destroy(&description);
    return request->failure.code == FAILURE_NONE;
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct listing listing = {.request = request};
    if (!match_check(&arguments->filter, &request->failure))
        return false;
    bool fine = catalog_visit(request->engine->catalog, request->database, list_one, &listing);
    request->collection = "$cmd.listCollections";
    return cursor_reply_all(request, &arguments->cursor, &listing.found) && fine;
}

COMMAND(listCollections, 0, .fields = fields, .arguments_bytes = sizeof(struct arguments));
