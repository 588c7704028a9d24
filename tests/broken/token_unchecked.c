/* SPDX-License-Identifier: Apache-2.0
 *
 * token_unchecked: draws a fencing token with the lock and writes it into the document, and never
 * asks whether a higher one is there.
 *
 *      worker 1                        worker 2
 *      obtains 33, reads n = 5, stops
 *                                      obtains 34, reads n = 5
 *                                      sets n = 6, fence 34
 *      goes on: sets n = 6, fence 33
 *
 * Seen in: johanhaleby/occurrent, ADR 115: the token was computed and not checked.
 *
 * number: 24
 * twin: fenced_lease
 * convicted by: counter --workers 8 --lease 50ms
 * hazard: pause
 */
#include "parts.h"

static enum outcome token_unchecked_apply(struct session *session, void *shared,
                                          const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome == DONE && is[0]) {
        bson_t *update = parts_update_without(session, "fence", was[0], is[0]);
        parts_append(update, "$max", "fence", lease.fence);
        outcome = parts_write(session, edit, session_key(session, &edit->key[0]), update); /* bug */
    }
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_token_unchecked = {
    .name = "token_unchecked",
    .help = "a fencing token that nobody checks",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = token_unchecked_apply,
};
