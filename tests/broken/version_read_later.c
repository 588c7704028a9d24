/* SPDX-License-Identifier: Apache-2.0
 *
 * version_read_later: reads the document, works, and asks for the version in a second query just
 * before the save: a stale document on a fresh version.
 *
 *      worker 1                        worker 2
 *      reads n = 5
 *                                      saves n = 6, version 4
 *      reads version 4
 *      saves n = 6 on version 4
 *
 * Seen in: the projection without version that the acceptance list of the OCC seed forbids.
 *
 * number: 46
 * twin: occ
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome version_read_later_apply(struct session *session, void *shared,
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
    const bson_t *now;
    if (parts_read(session, edit, &now) != DONE) /* the bug: not the document that was changed */
        return BUSY;
    bson_t *filter = session_key(session, &edit->key[0]);
    bson_t *update = parts_update_without(session, "version", was[0], is[0]);
    BSON_APPEND_INT64(filter, "version", edit_number(now, "version", 0));
    parts_append(update, "$inc", "version", 1);
    return parts_write(session, edit, filter, update);
}

const struct strategy strategy_version_read_later = {
    .name = "version_read_later",
    .help = "asks for the version just before the save",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = version_read_later_apply,
};
