/* SPDX-License-Identifier: Apache-2.0
 *
 * version_not_counted: names the version in the filter and never counts it up, because another
 * field of a similar name is counted.
 *
 *      worker 1                        worker 2
 *      reads n = 5, version 3
 *                                      reads n = 5, version 3
 *      saves on version 3, which stays
 *                                      saves on version 3 as well
 *
 * Seen in: mender-server #781, in review (`version` and `v`).
 *
 * number: 6
 * twin: occ
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome version_not_counted_apply(struct session *session, void *shared,
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
    parts_append(update, "$inc", "v", 1); /* the bug: the filter asks for `version` */
    return parts_write(session, edit, filter, update);
}

const struct strategy strategy_version_not_counted = {
    .name = "version_not_counted",
    .help = "the version in the filter is never counted",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = version_not_counted_apply,
};
