/* SPDX-License-Identifier: Apache-2.0
 *
 * match: does a document satisfy a filter? $eq $ne $gt $gte $lt $lte $in $nin $exists $size $type
 * $elemMatch on fields,
 * $and $or $nor $not, $expr; everything else is refused with MongoDB's code.
 */
#ifndef RACEBENCH_DOCUMENT_MATCH_H
#define RACEBENCH_DOCUMENT_MATCH_H

#include "element.h"
#include "failure.h"
#include <bson/bson.h>
#include <stdbool.h>

/* Checks a filter without a document, so that a bad one is refused on an empty collection too. */
bool match_check(const bson_t *filter, struct failure *);

/* True when `document` satisfies `filter`, which match_check() has accepted. `now_ms` is the
 * command's single value of $$NOW, milliseconds since 1970. An expression that fails on this
 * document (a type error in $expr) sets `failure` and returns false. */
bool match(const bson_t *filter, const bson_t *document, int64_t now_ms, struct failure *);

/* Does an array's element satisfy a condition as $elemMatch and $pull know them: operators for its
 * value, or a filter for an element that is a document, or else an equal value? The condition has
 * passed match_check_element(). `whole`: an element that is an array itself counts as one value
 * ($elemMatch); else its elements are asked as well ($pull). */
bool match_element(const struct element *condition, const struct element *element, bool whole);
bool match_check_element(const struct element *condition, struct failure *);

/* If the filter demands one value of a field (`{_id: 5}`, `{_id: {$eq: 5}}`, `{_id: {$in:
 * [5]}}`, also within $and or an $or of one), gives it in `*value` (borrowed from filter) and
 * returns true: the way to look up by key. An array also matches as an element, and null what is
 * missing: a lookup by key does not find those. */
bool match_equality(const bson_t *filter, const char *field, bson_value_t *value);

/* Writes a document of the fields that an upsert takes from its filter into `seed`: AND-ed
 * equalities, in sorted order of their paths, _id first. Refused: two equalities for one path or a
 * prefix of it (54), $expr anywhere (224). A replacement takes only _id: match_equality() gives
 * it. */
bool match_upsert_seed(const bson_t *filter, struct buffer *seed, struct failure *);

/* What MongoDB has in a predicate, and in the place of a field, and this engine refuses (238):
 * names with blanks between them. */
extern const char match_refused_predicates[], match_refused_conditions[];

#endif
