/* SPDX-License-Identifier: Apache-2.0
 *
 * unknown_as_failed: takes a time-out for "it was not applied" and tells the caller so.
 *
 *      worker 1                        server
 *      $inc n                          n = 6; the reply is lost
 *      tells its caller: failed
 *
 * Seen in: the planted defect "timeouts treated as never happened" of facts/reliability.md, in a
 * strategy.
 *
 * number: 13
 * twin: inc_once
 * convicted by: counter --workers 8
 * hazard: lost_reply
 */
#include "parts.h"

static enum outcome unknown_as_failed_apply(struct session *session, void *shared,
                                            const struct edit *edit)
{
    (void)shared;
    if (!edit->operators)
        return FAILED;
    enum outcome outcome = parts_send_operators(session, edit);
    return outcome == UNKNOWN ? FAILED : outcome; /* the bug: it may have been applied */
}

const struct strategy strategy_unknown_as_failed = {
    .name = "unknown_as_failed",
    .help = "takes a lost reply for a refusal",
    .can = CAN_OPERATORS | CAN_CREATE,
    .home = HOME_DATABASE,
    .blind = true,
    .keeps = {[LOST] = PARTS_ALWAYS, [DOUBLED] = PARTS_ALWAYS},
    .apply = unknown_as_failed_apply,
};
