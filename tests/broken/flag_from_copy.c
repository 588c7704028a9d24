/* SPDX-License-Identifier: Apache-2.0
 *
 * flag_from_copy: decides whether an order was processed by the copy that it had read before it
 * took the lock.
 *
 *      worker 1                        worker 2
 *      reads: not processed            reads: not processed
 *      locks, sends, marks, releases
 *                                      locks, sends again, marks, releases
 *
 * Seen in: the README of mongoose-lock-release (seeds/003).
 *
 * number: 29
 * twin: lock_release
 * convicted by: once_only --workers 8
 */
#include "parts.h"

static enum outcome flag_from_copy_apply(struct session *session, void *shared,
                                         const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = parts_read(session, edit, &was[0]); /* the bug: not under the lock */
    if (outcome == DONE)
        outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = edit_run(session, edit, was, is);
    if (outcome == DONE && is[0])
        outcome = parts_effect(session, edit, parts_write_back(session, edit, was[0], is[0]));
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_flag_from_copy = {
    .name = "flag_from_copy",
    .help = "looks at the flag before it has the lock",
    .can = CAN_CHANGE | CAN_ONCE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = flag_from_copy_apply,
};
