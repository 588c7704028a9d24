/* SPDX-License-Identifier: Apache-2.0
 *
 * find_then_lock: looks whether the lock is free, and takes it with a second command.
 *
 *      worker 1                        worker 2
 *      finds it free
 *                                      finds it free
 *      takes it, reads n = 5
 *                                      takes it, reads n = 5
 *      sets n = 6                      sets n = 6
 *
 * Seen in: seppevs/migrate-mongo #262, #479.
 *
 * number: 17
 * twin: lock_document
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome find_then_lock_apply(struct session *session, void *shared,
                                         const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    const bson_t *lock;
    struct written written;
    int64_t now_ms = session_now_ms(session);
    lease = (struct lease){.id = edit->key[0].id, .token = session_token(session)};
    enum outcome outcome = session_find(session, PARTS_LOCKS, parts_lock(session, &lease), &lock);
    if (outcome != DONE || edit_number(lock, "expires", 0) >= now_ms)
        return outcome == DONE ? BUSY : outcome;
    const struct modify modify = {
        .collection = PARTS_LOCKS,
        .filter = parts_lock(session, &lease), /* the bug: not "if it is still free" */
        .update = parts_taking(session, lease.token, now_ms + session_lease_ms(session)),
        .upsert = true};
    outcome = session_update_one(session, &modify, &written);
    if (outcome == DONE)
        outcome = parts_section(session, edit);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_find_then_lock = {
    .name = "find_then_lock",
    .help = "finds the lock free, then takes it",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = find_then_lock_apply,
};
