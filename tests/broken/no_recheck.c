/* SPDX-License-Identifier: Apache-2.0
 *
 * no_recheck: a lock with an owner and a lease, and work that now and then takes longer than
 * that. Nobody renews it, nobody looks again before the write.
 *
 *      worker 1                        worker 2
 *      obtains, reads n = 5, works long
 *                                      obtains, the lease is over
 *                                      reads n = 5, sets n = 6
 *      sets n = 6
 *
 * Seen in: agenda #256: jobs that run longer than their lock run several times.
 *
 * number: 23
 * twin: heartbeat_by_id_fixed
 * convicted by: counter --workers 8 --lease 50ms --work 5ms
 */
#include "parts.h"

static enum outcome no_recheck_apply(struct session *session, void *shared, const struct edit *edit)
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
        outcome = parts_write_back(session, edit, was[0], is[0]); /* the bug: may be late */
    }
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_no_recheck = {
    .name = "no_recheck",
    .help = "a lease that nobody looks at again",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = no_recheck_apply,
};
