/* SPDX-License-Identifier: Apache-2.0
 *
 * bypass: optimistic concurrency control by all but one: an old script, worker 0, writes by _id
 * alone and leaves the version as it is, so those in between see no conflict.
 *
 *      worker 0, the script            worker 1
 *                                      reads n = 5, version 3
 *      sets n = 6 by _id
 *                                      saves n = 6 on version 3: accepted
 *
 * Seen in: eoin-obrien/mongoose-update-if-current #3; the plugin leaves updateOne alone.
 *
 * number: 7
 * twin: occ
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome bypass_apply(struct session *session, void *shared, const struct edit *edit)
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
    if (session_worker(session) == 0) /* the bug */
        return parts_write_back(session, edit, was[0], is[0]);
    bson_t *filter = session_key(session, &edit->key[0]);
    bson_t *update = parts_update_without(session, "version", was[0], is[0]);
    BSON_APPEND_INT64(filter, "version", edit_number(was[0], "version", 0));
    parts_append(update, "$inc", "version", 1);
    return parts_write(session, edit, filter, update);
}

const struct strategy strategy_bypass = {
    .name = "bypass",
    .help = "one of the writers leaves the version alone",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = bypass_apply,
};
