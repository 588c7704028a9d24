/* SPDX-License-Identifier: Apache-2.0
 *
 * start_frees_locks: frees whatever lock is held when a copy of the application starts: left over
 * from the last time, it thinks.
 *
 *      worker 1                        another instance, starting
 *      obtains, reads n = 5
 *                                      frees all locks
 *                                      its worker obtains, reads n = 5
 *      sets n = 6                      sets n = 6
 *
 * Seen in: MongoDB Lock Demo (seeds/002); JSONbored/loopover #9466.
 *
 * number: 21
 * twin: lock_document
 * convicted by: counter --workers 8 --work 1ms
 * hazard: boot
 */
#include "parts.h"

/* {expires: {$gt: 0}} -> {$set: {expires: 0}} */
static void *free_locks(struct session *session)
{
    bson_t *held = session_document(session);
    parts_append(held, "expires", "$gt", 0);
    parts_expire(session, held, 0); /* the bug: others may be at work */
    return NULL;
}

static enum outcome start_frees_locks_apply(struct session *session, void *shared,
                                            const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = parts_section(session, edit);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_start_frees_locks = {
    .name = "start_frees_locks",
    .help = "frees all locks when it starts",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .setup = free_locks,
    .apply = start_frees_locks_apply,
};
