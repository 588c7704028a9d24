/* SPDX-License-Identifier: Apache-2.0
 *
 * lock_after_read: loads the document, and only then takes the lock for changing and saving it.
 *
 *      worker 1                        worker 2
 *      reads n = 5
 *                                      reads n = 5
 *      obtains, sets n = 6, releases
 *                                      obtains, sets n = 6, releases
 *
 * Seen in: callers of mongoose-lock-release (seeds/003) that work on the copy they had before.
 *
 * number: 29
 * twin: lock_document
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome lock_after_read_apply(struct session *session, void *shared,
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
        outcome = parts_write_back(session, edit, was[0], is[0]);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_lock_after_read = {
    .name = "lock_after_read",
    .help = "reads first and locks then",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = lock_after_read_apply,
};
