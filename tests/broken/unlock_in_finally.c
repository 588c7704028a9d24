/* SPDX-License-Identifier: Apache-2.0
 *
 * unlock_in_finally: unlocks at the end by force and by the lock's name, also when it did not get
 * the lock: the call stands in a `finally` around everything.
 *
 *      worker 1                        workers 2 and 3
 *      obtains, reads n = 5
 *                                      2 does not obtain, unlocks all the same
 *                                      3 obtains, reads n = 5
 *      sets n = 6                      3 sets n = 6
 *
 * Seen in: live-mutex #131: a phantom unlock with the wrong id and force evicts the holder.
 *
 * number: 48
 * twin: lock_document
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome unlock_in_finally_apply(struct session *session, void *shared,
                                            const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome == DONE)
        outcome = parts_section(session, edit);
    parts_expire(session, parts_lock(session, &lease), 0); /* the bug: it may be another's */
    return outcome;
}

const struct strategy strategy_unlock_in_finally = {
    .name = "unlock_in_finally",
    .help = "unlocks although it does not hold the lock",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = unlock_in_finally_apply,
};
