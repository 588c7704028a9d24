/* SPDX-License-Identifier: Apache-2.0
 *
 * expression: the aggregation expressions that leases need: literals, "$field.path", $$NOW, $$ROOT,
 * $$CURRENT, $$REMOVE, $literal, $cond, $ifNull, $add, $subtract, $eq $ne $gt $gte $lt $lte, $and
 * $or $not, documents and arrays of them. Others are refused (168).
 */
#ifndef RACEBENCH_DOCUMENT_EXPRESSION_H
#define RACEBENCH_DOCUMENT_EXPRESSION_H

#include "failure.h"
#include <bson/bson.h>
#include <stdbool.h>

/* What an expression gave: a value, or nothing (a field that is missing). */
struct expression_result {
    bool missing;
    bson_value_t value; /* a copy, owned; set only when not missing */
};

/* Checks an expression's form without a document. */
bool expression_check(const bson_value_t *expression, struct failure *);

/* Evaluates `expression` over `root`. On success the caller frees the result with
 * expression_result_reset(). A type error (such as $add of a string) sets failure (14); so does a
 * result that is larger than a document (10334) or nests deeper (15). */
bool expression_evaluate(const bson_value_t *expression, const bson_t *root, int64_t now_ms,
                         struct expression_result *result, struct failure *);

/* False, and failure is 10334: so many bytes are more than a document may have. Whoever puts
 * results together asks, since an expression of a few bytes may name a whole document again and
 * again. */
bool expression_fits(size_t bytes, struct failure *);

/* Frees the value, if there is one, and makes the result missing. */
void expression_result_reset(struct expression_result *);

#endif
