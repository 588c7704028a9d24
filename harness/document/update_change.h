/* SPDX-License-Identifier: Apache-2.0
 *
 * update_change: one operator on one path: $inc of "a.b", and so on. update.c finds the place, this
 * file says what becomes of it.
 */
#ifndef RACEBENCH_DOCUMENT_UPDATE_CHANGE_H
#define RACEBENCH_DOCUMENT_UPDATE_CHANGE_H

#include "element.h"
#include "failure.h"

struct update;

enum { CHANGES_FEW = 6 };

enum change_kind {
    CHANGE_SET,
    CHANGE_UNSET,
    CHANGE_INC,
    CHANGE_MUL,
    CHANGE_MIN,
    CHANGE_MAX,
    CHANGE_PUSH,
    CHANGE_ADD_TO_SET,
    CHANGE_PULL,
    CHANGE_POP,
    CHANGE_CURRENT_DATE,
    CHANGE_SET_ON_INSERT,
};

struct change {
    enum change_kind kind;
    struct element operand; /* borrowed from the update; its name is the dotted path */
    size_t handled;         /* levels of the document at which its part of the path was met */
};

/* All of an update, sorted by path; few of them need no memory of their own. */
struct change_list {
    struct change few[CHANGES_FEW];
    struct change *items;
    size_t count, capacity;
    bool nested; /* a path is dotted or an array grows: the result may nest deeper */
};

/* Where a change strikes: the field's name and its present value (NULL: missing). */
struct change_place {
    const char *name;
    size_t length;
    const struct element *old;
    bool in_array; /* an element: $unset leaves null behind */
};

/* Finds the kind by the operator's name. False: unknown (9) or not supported here (238). */
bool change_kind_of(const char *name, enum change_kind *kind, struct failure *);

/* Checks the operand, as far as that can be done without a document. */
bool change_check(const struct change *, struct failure *);

/* Appends what the change makes of the place to `out` (nothing, for $unset of a field). */
bool change_apply(const struct change *, const struct update *, const struct change_place *,
                  struct buffer *out, struct failure *);

/* Operators that MongoDB has and this engine refuses, with blanks between them. */
extern const char change_refused[];

#endif
