/* SPDX-License-Identifier: Apache-2.0
 *
 * filter: how a filter is read, shared by match.c and match_equality.c.
 */
#ifndef RACEBENCH_DOCUMENT_FILTER_H
#define RACEBENCH_DOCUMENT_FILTER_H

#include "element.h"

/* Is this value {$operator: ...} and not a plain document? The first name decides. */
bool filter_is_predicate(const struct element *value);
/* Is it the name of $and, $or or $nor? */
bool filter_is_logical(const char *name);
/* Is there an $expr in it, at any depth of $and, $or and $nor? */
bool filter_has_expression(struct elements filter);

#endif
