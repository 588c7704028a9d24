/* SPDX-License-Identifier: Apache-2.0
 *
 * flag_after_effect: sends the goods, and marks the order afterwards, under a lock that runs out
 * by itself. Who comes in between finds it unmarked.
 *
 *      worker 1                        worker 2
 *      locks, reads: not processed, sends, stops
 *                                      the lock is over: locks
 *                                      reads: not processed, sends again
 *      marks it                        marks it
 *
 * Seen in: mongoose-lock-release (seeds/003): post-processing before the save.
 *
 * number: 30
 * twin: claim
 * convicted by: once_only --workers 8 --lease 50ms
 * hazard: pause
 */
#include "parts.h"

static enum outcome flag_after_effect_apply(struct session *session, void *shared,
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
    if (outcome == DONE && is[0])
        outcome = session_effect(session, edit); /* the bug: before it is marked */
    if (outcome == DONE && is[0])
        outcome = parts_write_back(session, edit, was[0], is[0]);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_flag_after_effect = {
    .name = "flag_after_effect",
    .help = "marks the order after it was sent",
    .can = CAN_CHANGE | CAN_ONCE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = flag_after_effect_apply,
};
