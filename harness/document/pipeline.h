/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline: stages over a list of documents. An aggregate runs $match $skip $limit $sort $group
 * $count $project $addFields $set $unset $replaceRoot $replaceWith; an update runs those of them
 * that change documents one by one, over one document.
 */
#ifndef RACEBENCH_DOCUMENT_PIPELINE_H
#define RACEBENCH_DOCUMENT_PIPELINE_H

#include "documents.h"
#include "failure.h"

/* Checks the stages (an array) without a document. Refused: those that MongoDB has and this engine
 * lacks (238), unknown ones (40324), in an update those that make no sense there (72). */
bool pipeline_check(const bson_value_t *stages, bool updating, struct failure *);

/* Runs stages that were checked over `documents`, which become the result. `now_ms` is $$NOW. After
 * a failure the list holds anything. */
bool pipeline_run(const bson_value_t *stages, struct documents *documents, int64_t now_ms,
                  struct failure *);

/* Stages that MongoDB has and this engine refuses, with blanks between them. */
extern const char pipeline_refused[];

#endif
