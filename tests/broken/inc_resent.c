/* SPDX-License-Identifier: Apache-2.0
 *
 * inc_resent: sends an increment, and sends it again when no answer came.
 *
 *      worker 1                        server
 *      $inc n                          n = 6; the reply is lost
 *      $inc n, once more               n = 7: one operation, counted twice
 *
 * Seen in: facts/seed-systems.md, section 3: 62 of 50, on a standalone server or with
 * retryWrites=false.
 *
 * number: 13
 * twin: inc_once
 * convicted by: counter --workers 8
 * hazard: lost_reply
 */
#include "parts.h"

static enum outcome inc_resent_apply(struct session *session, void *shared, const struct edit *edit)
{
    (void)shared;
    if (!edit->operators)
        return FAILED;
    enum outcome outcome = parts_send_operators(session, edit);
    if (outcome == UNKNOWN)
        outcome = parts_send_operators(session, edit); /* the bug: it may have been applied */
    return outcome;
}

const struct strategy strategy_inc_resent = {
    .name = "inc_resent",
    .help = "sends an increment again after a lost reply",
    .can = CAN_OPERATORS | CAN_CREATE,
    .home = HOME_DATABASE,
    .blind = true,
    .keeps = {[LOST] = PARTS_ALWAYS, [DOUBLED] = PARTS_ALWAYS},
    .apply = inc_resent_apply,
};
