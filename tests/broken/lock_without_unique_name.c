/* SPDX-License-Identifier: Apache-2.0
 *
 * lock_without_unique_name: asks for the lock by a name that no index keeps unique. While it is
 * held, an upsert that asks for one whose lease is over finds none and makes a second lock.
 *
 *      worker 1                        worker 2
 *      upserts {name, expires < now}: new
 *                                      the same: held, so matches nothing,
 *                                      and inserts another lock document
 *      reads n = 5, sets n = 6         reads n = 5, sets n = 6
 *
 * Seen in: Hangfire.Mongo #134; BeanieODM/beanie #1350; HKUDS/LightRAG #3172.
 *
 * number: 18
 * twin: lock_document
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome lock_without_unique_name_apply(struct session *session, void *shared,
                                                   const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    int64_t now_ms = session_now_ms(session);
    const bson_t *image;
    lease.token = session_token(session);
    bson_t *filter = session_document(session), *ours = session_document(session);
    BSON_APPEND_INT64(filter, "name", edit->key[0].id); /* the bug: not _id */
    parts_append(filter, "expires", "$lt", now_ms);
    const struct modify modify = {.collection = PARTS_LOCKS,
                                  .filter = filter,
                                  .update = parts_taking(session, lease.token,
                                                         now_ms + session_lease_ms(session)),
                                  .upsert = true};
    enum outcome outcome = session_find_and_modify(session, &modify, &image);
    if (outcome != DONE)
        return outcome == FAILED ? FAILED : BUSY;
    outcome = parts_section(session, edit);
    BSON_APPEND_INT64(ours, "owner", lease.token);
    parts_expire(session, ours, 0);
    return outcome;
}

const struct strategy strategy_lock_without_unique_name = {
    .name = "lock_without_unique_name",
    .help = "locks by a name without a unique index",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = lock_without_unique_name_apply,
};
