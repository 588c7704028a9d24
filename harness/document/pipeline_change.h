/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline_change: stages that make a new document out of each: $set ($addFields), $unset,
 * $project, $replaceRoot ($replaceWith).
 */
#ifndef RACEBENCH_DOCUMENT_PIPELINE_CHANGE_H
#define RACEBENCH_DOCUMENT_PIPELINE_CHANGE_H

#include "element.h"
#include "failure.h"

/* A document before the stage, and the command's time. */
struct changing {
    const bson_t *was;
    int64_t now_ms;
    struct failure *failure;
};

/* Appends what the stage makes of the document to `is` (empty). False: an expression failed. */
typedef bool stage_change(const struct changing *, const struct element *stage, struct buffer *is);
stage_change change_set, change_unset, change_project, change_root;

/* Each checks the stage of that name without a document. */
bool change_set_check(const struct element *stage, struct failure *);
bool change_unset_check(const struct element *stage, struct failure *);
bool change_project_check(const struct element *stage, struct failure *);
bool change_root_check(const struct element *stage, struct failure *);

#endif
