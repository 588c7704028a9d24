/* SPDX-License-Identifier: Apache-2.0
 *
 * heartbeat_by_id_fixed: heartbeat_by_id, mended: the renewal names the owner's token. If it
 * matches nothing the lease was lost on the way, and nothing is written.
 *
 *      worker 1                        worker 2
 *      obtains, reads n = 5, works long
 *                                      obtains, the lease is over
 *      renews: no such owner, gives up reads n = 5, sets n = 6
 *
 * Seen in: strategies/fenced_lease.c, where the document itself refuses.
 *
 * fixes: heartbeat_by_id, no_recheck
 */
#include "parts.h"

static enum outcome heartbeat_by_id_fixed_apply(struct session *session, void *shared,
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
    if (outcome == DONE && is[0]) {
        parts_dawdle(session, 16); /* the work itself, slow now and then */
        const bson_t *lock = parts_ours(session, &lease);
        if (parts_expire(session, lock, session_now_ms(session) + session_lease_ms(session)))
            outcome = parts_write_back(session, edit, was[0], is[0]);
        else
            outcome = BUSY; /* lost on the way: nothing written */
    }
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_heartbeat_by_id_fixed = {
    .name = "heartbeat_by_id_fixed",
    .help = "heartbeat_by_id, mended",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_PLAIN, [DOUBLED] = PARTS_PLAIN},
    .apply = heartbeat_by_id_fixed_apply,
};
