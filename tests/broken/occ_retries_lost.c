/* SPDX-License-Identifier: Apache-2.0
 *
 * occ_retries_lost: optimistic concurrency control that tries again after a network error as
 * after a conflict: reads, adds and saves once more. If only the reply was lost, its own save is
 * now the document that it reads. (That worker_apply() asks again is what it claims.)
 *
 *      worker 1                        server
 *      saves n = 6 on version 3        n = 6, version 4; the reply is lost
 *      reads n = 6, saves n = 7 on 4   n = 7: one operation, counted twice
 *
 * Seen in: facts/seed-systems.md, section 3: 50 operations, 12 lost replies, final 62.
 *
 * number: 12
 * twin: occ_once
 * convicted by: counter --workers 8
 * hazard: lost_reply
 */
#include "parts.h"

static enum outcome occ_retries_lost_apply(struct session *session, void *shared,
                                           const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE && !was[0])
        return FAILED; /* not made to create documents */
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    bson_t *filter = session_key(session, &edit->key[0]);
    bson_t *update = parts_update_without(session, "version", was[0], is[0]);
    BSON_APPEND_INT64(filter, "version", edit_number(was[0], "version", 0));
    parts_append(update, "$inc", "version", 1);
    return parts_write(session, edit, filter, update); /* the bug: UNKNOWN is tried again */
}

const struct strategy strategy_occ_retries_lost = {
    .name = "occ_retries_lost",
    .help = "tries again after a lost reply",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ALWAYS, [DOUBLED] = PARTS_ALWAYS},
    .apply = occ_retries_lost_apply,
};
