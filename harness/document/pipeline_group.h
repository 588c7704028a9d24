/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline_group: the stage $group: {_id: expression, field: {$sum: expression}, ...} with $sum,
 * $avg, $min, $max, $first, $last, $push, $addToSet and $count.
 */
#ifndef RACEBENCH_DOCUMENT_PIPELINE_GROUP_H
#define RACEBENCH_DOCUMENT_PIPELINE_GROUP_H

#include "documents.h"
#include "element.h"
#include "failure.h"

/* Checks the stage: no _id (15955), unknown accumulators (15952), wrong forms. */
bool group_check(const struct element *stage, struct failure *);

/* Replaces the documents by their groups, in the order of the groups' _ids (MongoDB promises none).
 * False: an expression failed. */
bool group_run(const struct element *stage, struct documents *, int64_t now_ms, struct failure *);

#endif
