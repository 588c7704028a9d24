/* SPDX-License-Identifier: Apache-2.0
 *
 * heartbeat_by_id: a lock that is renewed before the write, by its name alone. A holder who comes
 * too late renews the lease of its successor, and takes it for its own.
 *
 *      worker 1                        worker 2
 *      obtains, reads n = 5, works long
 *                                      obtains, the lease is over
 *                                      reads n = 5
 *      renews: it is there, so it is mine
 *      sets n = 6                      sets n = 6
 *
 * Seen in: Hangfire.Mongo, whose heartbeat filters the resource only.
 *
 * number: 16
 * twin: heartbeat_by_id_fixed
 * convicted by: counter --workers 8 --lease 50ms --work 5ms
 */
#include "parts.h"

static enum outcome heartbeat_by_id_apply(struct session *session, void *shared,
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
        parts_dawdle(session, 16);                        /* the work itself, slow now and then */
        const bson_t *lock = parts_lock(session, &lease); /* the bug */
        if (parts_expire(session, lock, session_now_ms(session) + session_lease_ms(session)))
            outcome = parts_write_back(session, edit, was[0], is[0]);
        else
            outcome = BUSY; /* lost on the way: nothing written */
    }
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_heartbeat_by_id = {
    .name = "heartbeat_by_id",
    .help = "renews a lock whoever owns it",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = heartbeat_by_id_apply,
};
