/* SPDX-License-Identifier: Apache-2.0
 *
 * section_without_lock: asks for the lock and goes on whether it got it or not.
 *
 *      worker 1                        worker 2
 *      obtains, reads n = 5
 *                                      does not obtain, reads n = 5
 *      sets n = 6                      sets n = 6
 *
 * Seen in: cballou/MongoSession #11.
 *
 * number: 47
 * twin: lock_document
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome section_without_lock_apply(struct session *session, void *shared,
                                               const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    bool held = parts_obtain(session, edit, &lease) == DONE;
    enum outcome outcome = parts_section(session, edit); /* the bug: held or not */
    if (held)
        parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_section_without_lock = {
    .name = "section_without_lock",
    .help = "works whether it holds the lock or not",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = section_without_lock_apply,
};
