/* SPDX-License-Identifier: Apache-2.0
 *
 * lock_per_tick: a lock around the task of a tick, and nothing that says that the tick is done.
 * Who comes when the lock is free again does it again.
 *
 *      worker 1                        worker 2
 *      tick 7: obtains, n = 7, releases
 *                                      tick 7, 4 ms late: obtains, n = 8
 *
 * Seen in: MongoDB Lock Demo (seeds/002); ShedLock #6.
 *
 * number: 28
 * twin: claim
 * convicted by: cron_tick --workers 8 --instances 8
 */
#include "parts.h"

static enum outcome lock_per_tick_apply(struct session *session, void *shared,
                                        const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = parts_section(session, edit); /* the bug: edit->once is not looked at */
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_lock_per_tick = {
    .name = "lock_per_tick",
    .help = "a lock as once-per-tick",
    .can = CAN_CHANGE | CAN_ONCE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = lock_per_tick_apply,
};
