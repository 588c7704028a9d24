/* SPDX-License-Identifier: Apache-2.0
 *
 * assumes_held: takes a lock request that got no answer for one that was granted.
 *
 *      worker 1                        worker 2
 *                                      obtains, reads n = 5
 *      asks; the connection breaks
 *      "mine": reads n = 5, sets n = 6 sets n = 6
 *
 * Seen in: the other half of go-mgo #313, where a driver's retry hid that the lock was held.
 *
 * number: 47
 * twin: lock_document
 * convicted by: counter --workers 8 --work 1ms
 * hazard: drop
 */
#include "parts.h"

static enum outcome assumes_held_apply(struct session *session, void *shared,
                                       const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = parts_ask(session, edit, &lease);
    if (outcome != DONE && outcome != UNKNOWN) /* the bug: UNKNOWN is not DONE */
        return outcome == FAILED ? FAILED : BUSY;
    outcome = parts_section(session, edit);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_assumes_held = {
    .name = "assumes_held",
    .help = "takes a lock request without an answer for granted",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = assumes_held_apply,
};
