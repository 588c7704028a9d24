/* SPDX-License-Identifier: Apache-2.0
 *
 * update_change: one operator on one path: $inc of "a.b", and so on.
 */
#ifndef RACEBENCH_ENGINE_UPDATE_CHANGE_H
#define RACEBENCH_ENGINE_UPDATE_CHANGE_H

#include "failure.h"
#include "update.h"

enum change_kind {
    CHANGE_SET,
    CHANGE_UNSET,
    CHANGE_INC,
    CHANGE_MUL,
    CHANGE_MIN,
    CHANGE_MAX,
    CHANGE_PUSH,
    CHANGE_CURRENT_DATE,
    CHANGE_SET_ON_INSERT,
};

struct change {
    enum change_kind kind;
    const char *path;     /* dotted; borrowed from the update */
    bson_value_t operand; /* likewise */
};

/* A growing list of changes. */
struct changes {
    struct change *items;
    size_t count, capacity;
};

/* Where a change strikes: the field's name, its present value (NULL: missing). */
struct change_place {
    const char *key;
    const bson_value_t *old;
    bool in_array; /* an element: $unset leaves null behind */
};

/* Checks the operand, as far as that can be done without a document. */
bool change_check(const struct change *, struct failure *);

/* Appends what the change makes of the place to `into` (nothing, for $unset of a field). */
bool change_apply(const struct change *, const struct update *, const struct change_place *,
                  bson_t *into, struct failure *);

#endif
