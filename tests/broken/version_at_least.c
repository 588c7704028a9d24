/* SPDX-License-Identifier: Apache-2.0
 *
 * version_at_least: asks in the filter for a version that is not older than the one that it has
 * read, in place of that very one.
 *
 *      worker 1                        worker 2
 *      reads n = 5, version 3
 *                                      reads n = 5, version 3
 *      saves n = 6, version 4
 *                                      saves on version >= 3: accepted
 *
 * Seen in: the stored document's side of "accepts version > stored" (#33).
 *
 * number: 33
 * twin: occ
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome version_at_least_apply(struct session *session, void *shared,
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
    parts_append(filter, "version", "$gte", edit_number(was[0], "version", 0)); /* the bug */
    parts_append(update, "$inc", "version", 1);
    return parts_write(session, edit, filter, update);
}

const struct strategy strategy_version_at_least = {
    .name = "version_at_least",
    .help = "accepts a newer version than it has read",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = version_at_least_apply,
};
