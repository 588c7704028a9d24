/* SPDX-License-Identifier: Apache-2.0
 *
 * lock_upgraded: reads under a shared lock, lets go of it, and takes an exclusive one for the
 * write.
 *
 *      worker 1                        worker 2
 *      locks shared, reads n = 5, unlocks
 *                                      locks shared, reads n = 5, unlocks
 *      locks, writes n = 6, unlocks
 *                                      locks, writes n = 6, unlocks
 *
 * Seen in: the list of variants in facts/reliability.md ("functional edit with shared lock
 * upgraded").
 *
 * number: 41
 * twin: file_lock
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome lock_upgraded_apply(struct session *session, void *shared,
                                        const struct edit *edit)
{
    (void)shared;
    const char *name = session_file_name(session, &edit->key[0]);
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = session_lock_file(session, name, LOCK_SHARED);
    if (outcome != DONE)
        return outcome;
    outcome = parts_get_file(session, name, &was[0]);
    session_unlock_file(session); /* the bug: others may write now */
    if (outcome == DONE)
        outcome = session_lock_file(session, name, LOCK_EXCLUSIVE);
    if (outcome != DONE)
        return outcome;
    outcome = edit_run(session, edit, was, is);
    if (outcome == DONE && is[0])
        outcome = parts_put_file(session, name, WRITE_RENAME, is[0]);
    session_unlock_file(session);
    return outcome;
}

const struct strategy strategy_lock_upgraded = {
    .name = "lock_upgraded",
    .help = "lets go of the lock between reading and writing",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_FILES,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = lock_upgraded_apply,
};
