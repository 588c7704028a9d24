/* SPDX-License-Identifier: Apache-2.0
 *
 * base_ignored: saves a copy on the version that the document has now, and not on the one that
 * the copy was made from.
 *
 *      first copy                      second copy
 *      reads n = 5, version 3          reads n = 5, version 3
 *      saves n = 6 on version 3
 *                                      loads version 4, saves n = 6 on it
 *
 * Seen in: a controller that loads, assigns the request's fields and saves: the course of
 * seeds/004 warns of it.
 *
 * number: 5
 * twin: occ
 * convicted by: stale_save --workers 8
 */
#include "parts.h"

static enum outcome base_ignored_apply(struct session *session, void *shared,
                                       const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    bson_t *filter = session_key(session, &edit->key[0]); /* the bug: edit->base is not asked */
    bson_t *update = parts_update_without(session, "version", was[0], is[0]);
    BSON_APPEND_INT64(filter, "version", edit_number(was[0], "version", 0));
    parts_append(update, "$inc", "version", 1);
    return parts_write(session, edit, filter, update);
}

const struct strategy strategy_base_ignored = {
    .name = "base_ignored",
    .help = "a copy is saved on the newest version",
    .can = CAN_CHANGE | CAN_BASE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = base_ignored_apply,
};
