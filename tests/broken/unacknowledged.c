/* SPDX-License-Identifier: Apache-2.0
 *
 * unacknowledged: sends and forgets: whatever the server answers, it is done (w:0).
 *
 *      worker 1                        server
 *      $inc n                          refused: ShutdownInProgress
 *      tells its caller: done
 *
 * Seen in: Spring Data documentation on write concerns and @Version.
 *
 * number: 46
 * twin: inc
 * convicted by: counter --workers 8
 * hazard: error
 */
#include "parts.h"

static enum outcome unacknowledged_apply(struct session *session, void *shared,
                                         const struct edit *edit)
{
    (void)shared;
    if (!edit->operators)
        return FAILED;
    parts_send_operators(session, edit);
    return DONE; /* the bug: nobody looks at the answer */
}

const struct strategy strategy_unacknowledged = {
    .name = "unacknowledged",
    .help = "sends and forgets",
    .can = CAN_OPERATORS | CAN_CREATE,
    .home = HOME_DATABASE,
    .blind = true,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = unacknowledged_apply,
};
