/* SPDX-License-Identifier: Apache-2.0
 *
 * two_step_acquire_fixed: two_step_acquire, mended: owner and expiry in one command, so that a
 * lock whose holder died is free after one lease.
 *
 *      worker 1                        all others
 *      owner: worker 1, expires in 1 s
 *      dies
 *                                      tick 8: free
 *
 * Seen in: strategies/lock_document.c, where a tick can be done twice.
 *
 * fixes: two_step_acquire
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

static enum outcome two_step_acquire_fixed_apply(struct session *session, void *shared,
                                                 const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = run_task(session, edit);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_two_step_acquire_fixed = {
    .name = "two_step_acquire_fixed",
    .help = "two_step_acquire, mended",
    .can = CAN_CHANGE | CAN_ONCE,
    .home = HOME_DATABASE,
    .keeps =
        {[REPEATED] = PARTS_PLAIN | HAZARD_BIT(crash), [MISSED] = PARTS_PLAIN | HAZARD_BIT(crash)},
    .apply = two_step_acquire_fixed_apply,
};
