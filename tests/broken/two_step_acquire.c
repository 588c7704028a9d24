/* SPDX-License-Identifier: Apache-2.0
 *
 * two_step_acquire: takes the lock for ever in a first command and dates it in a second one. Who
 * dies in between leaves a lock that is never free again.
 *
 *      worker 1                        all others
 *      owner: worker 1, expires: never
 *      dies
 *                                      held, held, held, ... and given up
 *
 * It is not convicted by the ticks that nobody does: with any lease a holder that dies late in one
 * tick keeps the next one's workers out (see lease_past_the_next_tick in test_scenarios.c), so that
 * a right lock would be convicted as well, on a machine that stops for a moment.
 *
 * Seen in: MongoDB Lock Demo (seeds/002).
 *
 * number: 20
 * twin: fenced_lease
 * convicted by: counter --workers 8 --instances 8 --lease 50ms --max-tries 12
 * hazard: crash
 */
#include "parts.h"

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
    outcome = parts_section(session, edit);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_two_step_acquire = {
    .name = "two_step_acquire",
    .help = "takes the lock for ever, then dates it",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = two_step_acquire_apply,
};
