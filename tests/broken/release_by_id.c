/* SPDX-License-Identifier: Apache-2.0
 *
 * release_by_id: a lock with an owner, released by its name alone. What comes after the write
 * takes longer than the lease now and then; then the lock has long been another's.
 *
 *      worker 1                        workers 2 and 3
 *      obtains, writes, dawdles
 *                                      2 obtains, the lease is over
 *      releases                        2 reads n = 5
 *                                      3 obtains, reads n = 5
 *                                      2 and 3 set n = 6
 *
 * Seen in: MongoDB Lock Demo (seeds/002), mongoose-lock-release (seeds/003); ShedLock #74;
 * agentscope #2728.
 *
 * number: 15
 * twin: release_by_id_fixed
 * convicted by: counter --workers 8 --lease 50ms --work 5ms
 */
#include "parts.h"

static enum outcome release_by_id_apply(struct session *session, void *shared,
                                        const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = parts_section(session, edit);
    parts_dawdle(session, 16); /* afterwards, still under the lock: a report is written */
    parts_expire(session, parts_lock(session, &lease), 0); /* the bug: whoever owns it */
    return outcome;
}

const struct strategy strategy_release_by_id = {
    .name = "release_by_id",
    .help = "releases a lock whoever owns it",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = release_by_id_apply,
};
