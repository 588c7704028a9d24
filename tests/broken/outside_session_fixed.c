/* SPDX-License-Identifier: Apache-2.0
 *
 * outside_session_fixed: both documents are looked at again, and written or touched, in one
 * transaction.
 *
 * fixes: outside_session
 */
#include "parts.h"

static enum outcome outside_session_fixed_apply(struct session *session, void *shared,
                                                const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = parts_read_all(session, edit, was);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    return outcome == DONE ? parts_transact(session, edit, was, is) : outcome;
}

const struct strategy strategy_outside_session_fixed = {
    .name = "outside_session_fixed",
    .help = "a transaction around all that is written",
    .can = CAN_CHANGE | CAN_TWO_DOCUMENTS,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED, [SKEWED] = PARTS_ANSWERED},
    .apply = outside_session_fixed_apply,
};
