/* SPDX-License-Identifier: Apache-2.0
 *
 * dropDatabase: all collections of a database go, and with the last one the database. One that
 * is not there is dropped all the same, without an error, as in MongoDB; "dropped" is only in
 * the reply when there was something. racebench drops its own database with it at the end.
 */
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/dispatch.h"

struct drop {
    struct failure *failure;
    int dropped;
};

static bool drop_one(struct collection *collection, void *context)
{
    struct drop *drop = context;
    drop->dropped++;
    return catalog_drop(collection, drop->failure);
}

static bool run(struct request *request)
{
    struct drop drop = {&request->failure, 0};
    if (!catalog_visit(request->engine->catalog, request->database, drop_one, &drop))
        return false;
    if (drop.dropped > 0)
        bson_append_utf8(request->reply, "dropped", -1, request->database, -1);
    return true;
}

COMMAND(dropDatabase, COMMAND_WRITES, .fields = NULL);
