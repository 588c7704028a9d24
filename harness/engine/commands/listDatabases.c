/* SPDX-License-Identifier: Apache-2.0
 *
 * listDatabases: the databases that have a collection, by name. Sizes are not kept here and are 0.
 * A filter may look at all fields of the description. Only on "admin", as in MongoDB. mongosh asks
 * for it with nameOnly, and drivers with authorizedDatabases, which says nothing without users.
 */
#include "document/match.h"
#include "document/project.h"
#include "document/value.h"
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/cursor.h"
#include <string.h>

struct arguments {
    bson_t filter;
    bool name_only;
};

static const struct field fields[] = {
    {"filter", FIELD_DOCUMENT, offsetof(struct arguments, filter), false},
    {"nameOnly", FIELD_BOOL, offsetof(struct arguments, name_only), false},
    {"authorizedDatabases", FIELD_IGNORED, 0, false},
    {NULL, FIELD_END, 0, false},
};

struct listing {
    struct request *request;
    struct documents found;
};

static bool list_one(struct collection *collection, void *context)
{
    struct listing *listing = context;
    const struct arguments *arguments = listing->request->arguments;
    bson_t one = BSON_INITIALIZER;
    int length = (int)(collection->name - 1 - collection->namespace);
    bson_append_utf8(&one, "name", -1, collection->namespace, length);
    if (!arguments->name_only) {
        bson_append_int64(&one, "sizeOnDisk", -1, 0);
        bson_append_bool(&one, "empty", -1, false);
    }
    if (match(&arguments->filter, &one, listing->request->now_ms, &listing->request->failure))
        documents_add(&listing->found, &one);
    bson_destroy(&one);
    return listing->request->failure.code == FAILURE_NONE;
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct listing listing = {.request = request};
    bson_t sort = BSON_INITIALIZER, array;
    char text[16];
    const char *key;
    uint32_t count = 0;
    if (!match_check(&arguments->filter, &request->failure))
        return false;
    bool fine = catalog_visit(request->engine->catalog, NULL, list_one, &listing);
    bson_append_int32(&sort, "name", -1, 1);
    sort_documents(&sort, &listing.found);
    bson_append_array_begin(request->reply, "databases", -1, &array);
    for (size_t i = 0; i < listing.found.count;
         i++) /* one for each collection: leave doubles out */
        if (i == 0 || !bson_equal(listing.found.items[i - 1], listing.found.items[i])) {
            size_t length = bson_uint32_to_string(count++, &key, text, sizeof text);
            bson_append_document(&array, key, (int)length, listing.found.items[i]);
        }
    bson_append_array_end(request->reply, &array);
    if (!arguments->name_only)
        bson_append_int64(request->reply, "totalSize", -1, 0);
    documents_release(&listing.found);
    return fine;
}

COMMAND(listDatabases, COMMAND_ADMIN, .fields = fields,
        .arguments_bytes = sizeof(struct arguments));
