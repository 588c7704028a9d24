/* SPDX-License-Identifier: Apache-2.0
 *
 * update_pipeline: updates written as a pipeline of stages with expressions: $set, $addFields, $unset,
 * $replaceWith, $replaceRoot, for top-level fields.
 */
#ifndef RACEBENCH_ENGINE_UPDATE_PIPELINE_H
#define RACEBENCH_ENGINE_UPDATE_PIPELINE_H

#include "failure.h"

/* Checks the stages without a document: unknown ones are refused (40324), known ones that this engine
 * lacks too (238), as are dotted field names. */
bool pipeline_check(const bson_value_t *stages, struct failure *);

/* Runs the stages over `was`; `is` (initialised, empty) gets the result. */
bool pipeline_apply(const bson_value_t *stages, const bson_t *was, int64_t now_ms, bson_t *is,
                    struct failure *);

#endif
