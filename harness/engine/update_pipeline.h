/* SPDX-License-Identifier: Apache-2.0
 *
 * update_pipeline: updates written as a pipeline of stages with expressions: $set, $addFields,
 * $unset, $replaceWith, $replaceRoot.
 */
#ifndef RACEBENCH_ENGINE_UPDATE_PIPELINE_H
#define RACEBENCH_ENGINE_UPDATE_PIPELINE_H

#include "buffer.h"
#include "failure.h"
#include "update.h"

/* Checks the stages without a document: unknown ones are refused (40324), as are those that
 * updates do not take, and $project, which this engine lacks (238). */
bool pipeline_check(const bson_value_t *stages, struct failure *);

/* Runs the stages over `was` and appends the bytes of the result to `out` (empty). A result without
 * _id gets the old one. */
bool pipeline_apply(const struct update *, const bson_t *was, struct buffer *out, struct failure *);

#endif
