/* SPDX-License-Identifier: Apache-2.0
 *
 * two_step_acquire: takes the lock for ever in a first command and dates it in a second one. Who
 * dies in between leaves a lock that is never free again.
 *
 *      worker 1                        all others
 *      owner: worker 1, expires: never
 *      dies
 *                                      tick 8, 9, 10, ...: held
 *
 * Seen in: MongoDB Lock Demo (seeds/002).
 *
 * number: 20
 * twin: two_step_acquire_fixed
 * convicted by: cron_tick --workers 8 --instances 8 --lease 50ms
 * hazard: crash
 */
#include "parts.h"

/* The task, unless the document says that the tick is done. */
static enum outcome run_task(struct session *session, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE && edit_number(was[0], "lastTick", 0) >= edit->once)
        return NOTHING;
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    return outcome == DONE && is[0] ? parts_write_back(session, edit, was[0], is[0]) : outcome;
}

static enum outcome obtain(struct session *session, const struct edit *edit, struct lease *lease)
{
    int64_t now_ms = session_now_ms(session);
    *lease = (struct lease){.id = edit->key[0].id, .token = session_token(session)};
    bson_t *filter = parts_lock(session, lease);
    parts_append(filter, "expires", "$lt", now_ms);
    const struct modify modify = {.collection = PARTS_LOCKS,
                                  .filter = filter,
                                  .update = parts_taking(session, lease->token, INT64_MAX),
                                  .upsert = true};
    const bson_t *image;
    enum outcome outcome = session_find_and_modify(session, &modify, &image);
    if (outcome != DONE)
        return outcome == FAILED ? FAILED : BUSY;
    int64_t expires_ms = now_ms + session_lease_ms(session); /* the bug: only now */
    return parts_expire(session, parts_ours(session, lease), expires_ms) ? DONE : BUSY;
}

static enum outcome two_step_acquire_apply(struct session *session, void *shared,
                                           const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = run_task(session, edit);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_two_step_acquire = {
    .name = "two_step_acquire",
    .help = "takes the lock for ever, then dates it",
    .can = CAN_CHANGE | CAN_ONCE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = two_step_acquire_apply,
};
