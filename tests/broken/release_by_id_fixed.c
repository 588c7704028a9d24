/* SPDX-License-Identifier: Apache-2.0
 *
 * release_by_id_fixed: release_by_id, mended: the release names the owner's token and does
 * nothing when the lock is another's by now. The write came before, well within the lease.
 *
 *      worker 1                        workers 2 and 3
 *      obtains, writes, dawdles
 *                                      2 obtains, the lease is over
 *      releases: no such owner         2 reads, writes, releases
 *                                      3 obtains, reads, writes
 *
 * Seen in: strategies/lock_document.c, whose work ends with the write.
 *
 * fixes: release_by_id
 */
#include "parts.h"

static enum outcome release_by_id_fixed_apply(struct session *session, void *shared,
                                              const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = parts_section(session, edit);
    parts_dawdle(session, 16); /* afterwards, still under the lock: a report is written */
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_release_by_id_fixed = {
    .name = "release_by_id_fixed",
    .help = "release_by_id, mended",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_PLAIN, [DOUBLED] = PARTS_PLAIN},
    .apply = release_by_id_fixed_apply,
};
