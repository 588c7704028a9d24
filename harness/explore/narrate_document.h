/* SPDX-License-Identifier: Apache-2.0
 *
 * narrate_document: documents in a table's cells: of each only the fields that change somewhere in
 * the trail, `{n: 1, owner: w0}`; times of the virtual clock as "0s", "30s" since its start, ids
 * that the session handed out as the worker that asked for them. What is no document (a torn file)
 * is shown as text.
 */
#ifndef RACEBENCH_EXPLORE_NARRATE_DOCUMENT_H
#define RACEBENCH_EXPLORE_NARRATE_DOCUMENT_H

#include "trail.h"

struct narrate_documents; /* opaque: which documents there are, and which of their fields change */

/* Looks through a trail, which must live as long. */
struct narrate_documents *narrate_documents_new(const struct trail *);
void narrate_documents_free(struct narrate_documents *);

/* Title of the documents' column: the document's name, or "documents" when several change. */
const char *narrate_heading(const struct narrate_documents *);

/* A document after a move, cut to `width`, with its name when several change in the trail; NULL:
 * it never changes, and others do. The caller frees it. */
char *narrate_image(const struct narrate_documents *, const struct trail_image *, int width);

/* What a step returned, cut to `width`. The caller frees it. */
char *narrate_returned(const struct narrate_documents *, const struct trail_entry *entry,
                       int width);

#endif
