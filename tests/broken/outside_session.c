/* SPDX-License-Identifier: Apache-2.0
 *
 * outside_session: an edit of two documents in a transaction, of which one write was not given the
 * transaction's session: it stands at once and for ever, whatever becomes of the rest.
 *
 *      worker 1                        worker 2
 *      credits b, outside
 *      begins, debits a
 *                                      was first at a
 *      write conflict: aborted
 *      b was credited, a never debited
 *
 * Seen in: the transactions specification: an operation without the session is not part of it.
 *
 * number: 44
 * twin: outside_session_fixed
 * convicted by: transfer --workers 8
 */
#include "parts.h"

static enum outcome outside_session_apply(struct session *session, void *shared,
                                          const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    struct edit inside = *edit;
    (void)shared;
    enum outcome outcome = parts_read_all(session, edit, was);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome == DONE && is[1]) { /* the bug: before and beside the transaction */
        const struct edit other = parts_about(edit, 1);
        outcome = parts_write_back(session, &other, was[1], is[1]);
        inside.count = 1;
    }
    return outcome == DONE ? parts_transact(session, &inside, was, is) : outcome;
}

const struct strategy strategy_outside_session = {
    .name = "outside_session",
    .help = "a transaction of which one write is not part",
    .can = CAN_CHANGE | CAN_TWO_DOCUMENTS,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED, [SKEWED] = PARTS_ANSWERED},
    .apply = outside_session_apply,
};
