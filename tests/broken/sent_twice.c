/* SPDX-License-Identifier: Apache-2.0
 *
 * sent_twice: executes its command twice: the query object was awaited and had a callback.
 *
 *      worker 1                        server
 *      $inc n, awaited                 n = 6
 *      $inc n, for the callback        n = 7: one operation, counted twice
 *
 * Seen in: mongoose #6271.
 *
 * number: 14
 * twin: inc
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome sent_twice_apply(struct session *session, void *shared, const struct edit *edit)
{
    (void)shared;
    if (!edit->operators)
        return FAILED;
    enum outcome outcome = parts_send_operators(session, edit);
    if (outcome == DONE)
        outcome = parts_send_operators(session, edit); /* the bug */
    return outcome;
}

const struct strategy strategy_sent_twice = {
    .name = "sent_twice",
    .help = "executes its command twice",
    .can = CAN_OPERATORS | CAN_CREATE,
    .home = HOME_DATABASE,
    .blind = true,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = sent_twice_apply,
};
