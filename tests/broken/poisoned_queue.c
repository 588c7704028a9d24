/* SPDX-License-Identifier: Apache-2.0
 *
 * poisoned_queue: edits stand in a queue that is a chain of promises; when one is rejected, so is
 * everything that is chained behind it, now and for ever.
 *
 *      worker 1                        worker 2
 *      edits, the save is refused: rejected
 *                                      edits: rejected with worker 1's error
 *      edits: rejected with the same error
 *
 * Seen in: persist-lock 731be16 (seeds/001).
 *
 * number: 40
 * twin: poisoned_queue_fixed
 * convicted by: cron_tick --workers 8
 * hazard: error:times=2
 */
#include "parts.h"

/* What the workers of an instance share. */
struct chain {
    struct turnstile turnstile;
    bool rejected;
};

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

static enum outcome poisoned_queue_apply(struct session *session, void *shared,
                                         const struct edit *edit)
{
    struct chain *chain = shared;
    if (parts_enter(session, &chain->turnstile) != DONE)
        return FAILED;
    enum outcome outcome = chain->rejected ? FAILED : run_task(session, edit);
    chain->rejected = outcome == FAILED; /* the bug: and never again anything else */
    parts_leave(session, &chain->turnstile);
    return outcome;
}

static void *chain_new(struct session *session)
{
    (void)session;
    return x_calloc(1, sizeof(struct chain));
}

static void chain_digest(const void *shared, struct hash *hash)
{
    const struct chain *chain = shared;
    parts_turnstile_digest(&chain->turnstile, hash);
    hash_u64(hash, chain->rejected);
}

const struct strategy strategy_poisoned_queue = {
    .name = "poisoned_queue",
    .help = "one rejected edit rejects all later ones",
    .can = CAN_CHANGE | CAN_ONCE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .setup = chain_new,
    .apply = poisoned_queue_apply,
    .digest = chain_digest,
    .teardown = parts_turnstile_free,
};
