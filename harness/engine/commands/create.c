/* SPDX-License-Identifier: Apache-2.0
 *
 * create: makes an empty collection, in a transaction too; 48 when there is one. mongoose sends it
 * for each model and swallows the 48. Nearly all of its options make another kind of collection
 * (capped, view, time series, clustered, with a validator or a collation) and are refused.
 */
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/dispatch.h"

static const struct field fields[] = {
    {"autoIndexId storageEngine indexOptionDefaults", FIELD_IGNORED, 0, false},
    {"capped size max validator validationLevel validationAction viewOn pipeline collation "
     "timeseries clusteredIndex expireAfterSeconds changeStreamPreAndPostImages encryptedFields "
     "idIndex",
     FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static bool run(struct request *request)
{
    if (request_collection(request) != NULL)
        return failure_set(&request->failure, FAILURE_NAMESPACE_EXISTS,
                           "Collection %s.%s already exists.", request->database,
                           request->collection);
    return request_make(request) != NULL;
}

COMMAND(create, COMMAND_COLLECTION | COMMAND_WRITES | COMMAND_INSIDE, .fields = fields);
