/* SPDX-License-Identifier: Apache-2.0
 *
 * ignores_matched: names the version in the filter, and does not look at how many documents
 * matched. A stale save changes nothing and is reported as done.
 *
 *      worker 1                        worker 2
 *      reads n = 5, version 3
 *                                      reads n = 5, version 3
 *      saves n = 6 on version 3
 *                                      saves on version 3: matches nothing,
 *                                      and says that it is done
 *
 * Seen in: cballou/MongoSession #11.
 *
 * number: 3
 * twin: occ
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome ignores_matched_apply(struct session *session, void *shared,
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
    outcome = parts_write(session, edit, filter, update);
    return outcome == CONFLICT ? DONE : outcome; /* the bug: nothing matched, nothing written */
}

const struct strategy strategy_ignores_matched = {
    .name = "ignores_matched",
    .help = "version in the filter, the answer is not looked at",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = ignores_matched_apply,
};
