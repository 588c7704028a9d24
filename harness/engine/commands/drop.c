/* SPDX-License-Identifier: Apache-2.0
 *
 * drop: a collection goes, with its indexes. One that is not there is 26, "ns not found": libmongoc
 * and others compare exactly these words to swallow it. Cursors that are open keep what they
 * have gathered.
 */
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/dispatch.h"

static bool run(struct request *request)
{
    struct collection *collection = request_collection(request);
    if (collection == NULL)
        return failure_set(&request->failure, FAILURE_NAMESPACE_NOT_FOUND, "ns not found");
    bson_append_int32(request->reply, "nIndexesWas", -1, (int32_t)collection->index_count + 1);
    bson_append_utf8(request->reply, "ns", -1, collection->namespace, -1);
    return catalog_drop(collection, &request->failure);
}

COMMAND(drop, COMMAND_COLLECTION | COMMAND_WRITES, .fields = NULL);
