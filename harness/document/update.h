/* SPDX-License-Identifier: Apache-2.0
 *
 * update: old document + update -> new document, purely. Three forms: operators ($set $unset $inc
 * $mul $min $max $setOnInsert $currentDate $push), a whole replacement, and a pipeline of
 * $set/$addFields/$unset/$replaceWith/$replaceRoot stages with expressions.
 */
#ifndef RACEBENCH_DOCUMENT_UPDATE_H
#define RACEBENCH_DOCUMENT_UPDATE_H

#include "element.h"
#include "failure.h"
#include "update_change.h"
#include <bson/bson.h>
#include <stdbool.h>

enum update_form { UPDATE_OPERATORS, UPDATE_REPLACEMENT, UPDATE_PIPELINE };

/* An update that was read: it may be applied to any number of documents. */
struct update {
    const bson_value_t *change; /* borrowed: a document or, for a pipeline, an array */
    enum update_form form;
    struct change_list changes; /* of operators */
    bool inserting;             /* the caller's: an upsert that inserts, $setOnInsert counts */
    int64_t now_ms;             /* the caller's: the command's time for $$NOW, $currentDate */
};

/* Reads an update and checks its form without a document: unknown operators (9), two operators on
 * one path or a prefix of it (40), a field among operators (9) or an operator among fields (52),
 * bad paths, unknown stages and expressions. `change` must live as long as the update; the struct
 * must stay where it is. Free with update_release(), unless this was refused. */
bool update_read(struct update *, const bson_value_t *change, struct failure *);
void update_release(struct update *);

/* True when `change` is a whole replacement document (no operators, not a pipeline); such an update
 * must not be combined with multi:true. */
bool update_is_replacement(const bson_value_t *change);

/* Computes the new document. `was` is the stored document, or the seed of an upsert. `is` may hold
 * something, which goes; on success it holds the new document, `_id` first, existing fields in
 * place, new ones in sorted path order. `*changed` is false when the result is identical (then
 * nModified does not count it). A result without _id has none: the caller generates it.
 * Refused: changing _id (66; another number type of the same value is no change), an _id that is
 * an array, a regular expression or undefined (53), a path through a scalar (28), $inc or $mul
 * of a non-number (14), int64 overflow (2), gaps of more than 1,500,000 in an array (34), a
 * result that nests deeper than VALUE_DEPTH_MAX (15) or is over 16 MiB (10334). What `is` holds
 * after a refusal is undefined. */
bool update_apply(struct update *, const bson_t *was, struct buffer *is, bool *changed,
                  struct failure *);

/* Appends a document to `out`: _id first, the one among `fields` or else that of `otherwise` (none:
 * none), then the other fields. */
void update_put_id_first(struct elements fields, const bson_t *otherwise, struct buffer *out);

#endif
