/* SPDX-License-Identifier: Apache-2.0
 *
 * release_before_write: lets go of the lock when the new document is worked out, before it is
 * written: "keep critical sections short".
 *
 *      worker 1                        worker 2
 *      obtains, reads n = 5, releases
 *                                      obtains, reads n = 5, releases
 *      sets n = 6                      sets n = 6
 *
 * Seen in: a write that was not awaited before the unlock (class of 001's unqueued calls).
 *
 * number: 23
 * twin: lock_document
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome release_before_write_apply(struct session *session, void *shared,
                                               const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    parts_release(session, &lease); /* the bug */
    return outcome == DONE && is[0] ? parts_write_back(session, edit, was[0], is[0]) : outcome;
}

const struct strategy strategy_release_before_write = {
    .name = "release_before_write",
    .help = "releases before it writes",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = release_before_write_apply,
};
