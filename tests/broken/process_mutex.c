/* SPDX-License-Identifier: Apache-2.0
 *
 * process_mutex: a mutex in the application's RAM around reading and writing, as "the fix". The
 * second copy of the application has a mutex of its own.
 *
 *      instance 1                      instance 2
 *      takes its mutex, reads n = 5
 *                                      takes its mutex, reads n = 5
 *      sets n = 6
 *                                      sets n = 6: instance 1's update is gone
 *
 * Seen in: LiveObjectManager (seeds/000) with two managers on one record, 25 of 50.
 *
 * number: 2
 * twin: lock_document
 * convicted by: counter --workers 8 --instances 2
 */
#include "parts.h"

static enum outcome process_mutex_apply(struct session *session, void *shared,
                                        const struct edit *edit)
{
    if (parts_enter(session, shared) != DONE) /* the bug: only this instance waits here */
        return FAILED;
    enum outcome outcome = parts_section(session, edit);
    parts_leave(session, shared);
    return outcome;
}

const struct strategy strategy_process_mutex = {
    .name = "process_mutex",
    .help = "a mutex in RAM around reading and writing",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .setup = parts_turnstile_new,
    .apply = process_mutex_apply,
    .digest = parts_turnstile_digest,
    .teardown = parts_turnstile_free,
};
