/* SPDX-License-Identifier: Apache-2.0
 *
 * documents: see documents.h.
 */
#include "documents.h"

#include "base.h"
#include "failure.h"
#include <stdlib.h>

bool documents_add(struct documents *documents, const bson_t *document)
{
    size_t place = array_grow((void **)&documents->items, &documents->count, &documents->capacity,
                              sizeof(bson_t *));
    documents->items[place] = bson_copy(document);
    documents->bytes += sizeof(bson_t) + document->len;
    return documents->bytes <= GATHERED_BYTES_MAX;
}

bool documents_fit(const struct documents *documents, struct failure *failure)
{
    return documents->bytes <= GATHERED_BYTES_MAX ||
           failure_set(failure, FAILURE_EXCEEDED_MEMORY_LIMIT,
                       "the command gathers more than %d bytes of documents", GATHERED_BYTES_MAX);
}

void documents_release(struct documents *documents)
{
    for (size_t i = 0; i < documents->count; i++)
        bson_destroy(documents->items[i]);
    free(documents->items);
    *documents = (struct documents){0};
}
