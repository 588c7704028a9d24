/* SPDX-License-Identifier: Apache-2.0
 *
 * shared_for_exclusive: takes the lock on the file as readers do, shared, and writes under it.
 *
 *      worker 1                        worker 2
 *      locks shared, reads n = 5
 *                                      locks shared, reads n = 5
 *      writes n = 6                    writes n = 6
 *
 * Seen in: the list of variants in facts/reliability.md, section 2.
 *
 * number: 41
 * twin: file_lock
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome shared_for_exclusive_apply(struct session *session, void *shared,
                                               const struct edit *edit)
{
    (void)shared;
    const char *name = session_file_name(session, &edit->key[0]);
    enum outcome outcome = session_lock_file(session, name, LOCK_SHARED); /* the bug */
    if (outcome != DONE)
        return outcome;
    outcome = parts_file_section(session, edit);
    session_unlock_file(session);
    return outcome;
}

const struct strategy strategy_shared_for_exclusive = {
    .name = "shared_for_exclusive",
    .help = "writes under a shared lock",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_FILES,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = shared_for_exclusive_apply,
};
