/* SPDX-License-Identifier: Apache-2.0
 *
 * project: which fields of a document a reply carries, and in which order documents come.
 */
#ifndef RACEBENCH_DOCUMENT_PROJECT_H
#define RACEBENCH_DOCUMENT_PROJECT_H

#include "documents.h"
#include "failure.h"
#include <bson/bson.h>
#include <stdbool.h>

/* Checks a find/findAndModify projection: inclusion or exclusion (not both, _id apart: 31253,
 * 31254) by dotted paths, of which none may be another or a part of it (31249); nested
 * documents, expressions, $slice, $elemMatch, $meta and positional `$` are refused (238). */
bool project_check(const bson_t *projection, struct failure *);

/* Appends the projected fields of `document` to `result` (initialised, empty). An empty projection
 * copies all. */
void project(const bson_t *projection, const bson_t *document, bson_t *result);

/* Checks a sort: fields with 1 or -1 (no number: 15974, another: 15975); $meta is refused (238). */
bool sort_check(const bson_t *sort, struct failure *);

/* < 0, 0 or > 0 as `a` comes before, with or after `b` under `sort`, which sort_check() accepted;
 * an array sorts by its least element ascending, its greatest descending; missing as null. */
int sort_compare(const bson_t *sort, const bson_t *a, const bson_t *b);
/* Sorts documents; equal ones keep their order. */
void sort_documents(const bson_t *sort, struct documents *);

#endif
