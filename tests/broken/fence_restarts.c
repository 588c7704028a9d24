/* SPDX-License-Identifier: Apache-2.0
 *
 * fence_restarts: the lock, and the fence with it, is deleted when it is released or over, and
 * starts again at 1. So the fence of a holder who comes late is no lower than its successor's.
 *
 *      worker 1                        worker 2
 *      obtains: fence 1, reads n = 5, stops
 *                                      deletes what is over, obtains: fence 1
 *                                      reads n = 5, sets n = 6
 *      sets n = 6: the fence is still 1
 *
 * Seen in: johanhaleby/occurrent #672.
 *
 * number: 25
 * twin: fenced_lease
 * convicted by: counter --workers 8 --lease 50ms
 * hazard: pause
 */
#include "parts.h"

static enum outcome obtain(struct session *session, const struct edit *edit, struct lease *lease)
{
    int64_t now_ms = session_now_ms(session), deleted;
    *lease = (struct lease){.id = edit->key[0].id, .token = session_token(session), .fence = 1};
    bson_t *over = parts_lock(session, lease), *lock = parts_lock(session, lease);
    parts_append(over, "expires", "$lt", now_ms);
    if (session_delete_one(session, PARTS_LOCKS, over, &deleted) != DONE)
        return BUSY;
    BSON_APPEND_INT64(lock, "owner", lease->token);
    BSON_APPEND_INT64(lock, "expires", now_ms + session_lease_ms(session));
    BSON_APPEND_INT64(lock, "fence", lease->fence); /* the bug: what was counted is forgotten */
    return session_insert_one(session, PARTS_LOCKS, lock) == DONE ? DONE : BUSY;
}

/* As it should be: stamps the fence on reading, asks for it on writing. */
static enum outcome section(struct session *session, const struct edit *edit,
                            const struct lease *lease)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    bson_t *filter = session_key(session, &edit->key[0]), *update = session_document(session);
    parts_at_most(filter, "fence", lease->fence);
    parts_append(update, "$set", "fence", lease->fence);
    const struct modify read = {.collection = edit->key[0].collection,
                                .filter = filter,
                                .update = update};
    enum outcome outcome = session_find_and_modify(session, &read, &was[0]);
    if (outcome != DONE || !was[0])
        return outcome == DONE ? CONFLICT : BUSY;
    outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    filter = session_key(session, &edit->key[0]);
    BSON_APPEND_INT64(filter, "fence", lease->fence);
    return parts_write(session, edit, filter, edit_update(session, was[0], is[0]));
}

static enum outcome fence_restarts_apply(struct session *session, void *shared,
                                         const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = section(session, edit, &lease);
    int64_t deleted;
    session_delete_one(session, PARTS_LOCKS, parts_ours(session, &lease), &deleted);
    return outcome;
}

const struct strategy strategy_fence_restarts = {
    .name = "fence_restarts",
    .help = "a fence that starts again at 1",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = fence_restarts_apply,
};
