/* SPDX-License-Identifier: Apache-2.0
 *
 * read_set: reads the number, adds one in RAM and sets the sum.
 *
 *      worker 1                        worker 2
 *      reads n = 5
 *                                      reads n = 5
 *      sets n = 6, acknowledged
 *                                      sets n = 6: worker 1's update is gone
 *
 * Seen in: the counter of seeds/001, final value 1 of 100.
 *
 * number: 1
 * twin: inc
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome read_set_apply(struct session *session, void *shared, const struct edit *edit)
{
    (void)shared;
    return parts_section(session, edit); /* the bug: nothing stands around it */
}

const struct strategy strategy_read_set = {
    .name = "read_set",
    .help = "reads, then sets the sum",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = read_set_apply,
};
