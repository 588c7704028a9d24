/* SPDX-License-Identifier: Apache-2.0
 *
 * poisoned_queue_fixed: poisoned_queue, mended: an edit that is rejected leaves its place like
 * any other, and the next one is tried for itself.
 *
 *      worker 1                        worker 2
 *      edits, the save is refused: rejected
 *                                      edits: done
 *
 * Seen in: strategies/file_lock.c, whose queue goes on as well.
 *
 * fixes: poisoned_queue
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

static enum outcome poisoned_queue_fixed_apply(struct session *session, void *shared,
                                               const struct edit *edit)
{
    if (parts_enter(session, shared) != DONE)
        return FAILED;
    enum outcome outcome = run_task(session, edit);
    parts_leave(session, shared);
    return outcome;
}

const struct strategy strategy_poisoned_queue_fixed = {
    .name = "poisoned_queue_fixed",
    .help = "poisoned_queue, mended",
    .can = CAN_CHANGE | CAN_ONCE,
    .home = HOME_DATABASE,
    .keeps =
        {[REPEATED] = PARTS_PLAIN | HAZARD_BIT(error), [MISSED] = PARTS_PLAIN | HAZARD_BIT(error)},
    .setup = parts_turnstile_new,
    .apply = poisoned_queue_fixed_apply,
    .digest = parts_turnstile_digest,
    .teardown = parts_turnstile_free,
};
