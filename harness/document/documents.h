/* SPDX-License-Identifier: Apache-2.0
 *
 * documents: a list of finished documents, which one command gathers: what a stage of a pipeline
 * hands to the next, what a cursor keeps. It counts their bytes, so that a command which gathers
 * too much is refused with 146, ExceededMemoryLimit, instead of taking the process down.
 */
#ifndef RACEBENCH_DOCUMENT_DOCUMENTS_H
#define RACEBENCH_DOCUMENT_DOCUMENTS_H

#include <bson/bson.h>
#include <stdbool.h>
#include <stddef.h>

enum { GATHERED_BYTES_MAX = 256 * 1024 * 1024 };

struct failure;

struct documents {
    bson_t **items; /* owned */
    size_t count, capacity;
    size_t bytes; /* of all that were added */
};
/* Appends a copy. False: they are too many now, gather no more (see documents_fit()). */
bool documents_add(struct documents *, const bson_t *document);
/* False, and failure is 146: they are more than a command may gather. */
bool documents_fit(const struct documents *, struct failure *);
void documents_release(struct documents *);

#endif
