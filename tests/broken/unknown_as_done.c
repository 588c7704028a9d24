/* SPDX-License-Identifier: Apache-2.0
 *
 * unknown_as_done: takes a broken connection for "it was sent, so it is done".
 *
 *      worker 1                        server
 *      $inc n                          the connection breaks before it
 *      tells its caller: done
 *
 * Seen in: write concern w:0 in disguise (#46).
 *
 * number: 46
 * twin: inc_once
 * convicted by: counter --workers 8
 * hazard: drop
 */
#include "parts.h"

static enum outcome unknown_as_done_apply(struct session *session, void *shared,
                                          const struct edit *edit)
{
    (void)shared;
    if (!edit->operators)
        return FAILED;
    enum outcome outcome = parts_send_operators(session, edit);
    return outcome == UNKNOWN ? DONE : outcome; /* the bug: it may not have been applied */
}

const struct strategy strategy_unknown_as_done = {
    .name = "unknown_as_done",
    .help = "takes a broken connection for success",
    .can = CAN_OPERATORS | CAN_CREATE,
    .home = HOME_DATABASE,
    .blind = true,
    .keeps = {[LOST] = PARTS_ALWAYS, [DOUBLED] = PARTS_ALWAYS},
    .apply = unknown_as_done_apply,
};
