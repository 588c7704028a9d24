/* SPDX-License-Identifier: Apache-2.0
 *
 * client_clocks: a lease that is dated and judged by the clients' clocks. One that is ahead finds
 * every lease over.
 *
 *      instance 1                      instance 2, ahead by a lease
 *      obtains until 12:00:30, reads n = 5
 *                                      it is 12:00:31: obtains, reads n = 5
 *      sets n = 6                      sets n = 6
 *
 * Seen in: johanhaleby/occurrent, ADR 114; ShedLock, agenda and both lock seeds have client
 * clocks.
 *
 * number: 22
 * twin: client_clocks_fixed
 * convicted by: counter --workers 8 --instances 2
 * hazard: skew
 */
#include "parts.h"

static enum outcome client_clocks_apply(struct session *session, void *shared,
                                        const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = parts_obtain(session, edit, &lease); /* the bug: session_now_ms() */
    if (outcome != DONE)
        return outcome;
    outcome = parts_section(session, edit);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_client_clocks = {
    .name = "client_clocks",
    .help = "a lease by the clients' clocks",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = client_clocks_apply,
};
