/* SPDX-License-Identifier: Apache-2.0
 *
 * partial_guard: names the version for changes that it holds to be dangerous, and leaves it out
 * for others (a push into an array), here every other operation; both set the same field.
 *
 *      worker 1, an overwrite          worker 2, a push
 *                                      reads n = 5, version 3
 *      saves n = 6 on version 3
 *                                      saves n = 6 without a version
 *
 * Seen in: mongoose #15912.
 *
 * number: 9
 * twin: occ
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome partial_guard_apply(struct session *session, void *shared,
                                        const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE && !was[0])
        return FAILED; /* not made to create documents */
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    bool guarded = session_operation(session) % 2 == 0; /* the bug: all must be */
    bson_t *filter = session_key(session, &edit->key[0]);
    bson_t *update = parts_update_without(session, "version", was[0], is[0]);
    if (guarded)
        BSON_APPEND_INT64(filter, "version", edit_number(was[0], "version", 0));
    parts_append(update, "$inc", "version", 1);
    return parts_write(session, edit, filter, update);
}

const struct strategy strategy_partial_guard = {
    .name = "partial_guard",
    .help = "names the version for some changes only",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = partial_guard_apply,
};
