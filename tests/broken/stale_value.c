/* SPDX-License-Identifier: Apache-2.0
 *
 * stale_value: after a conflict it reads the version again, and saves the value that it had
 * worked out from the old document.
 *
 *      worker 1                        worker 2
 *      reads n = 5, version 3
 *                                      reads n = 5, version 3
 *      saves n = 6, version 4
 *                                      saves on 3: refused
 *                                      reads version 4, saves n = 6 on it
 *
 * Seen in: grails/grails-data-mongodb #64.
 *
 * number: 5
 * twin: occ
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome stale_value_apply(struct session *session, void *shared,
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
    int64_t version = edit_number(was[0], "version", 0);
    outcome = CONFLICT;
    for (int tries = 0; tries < 2 && outcome == CONFLICT; tries++) {
        const bson_t *now;
        bson_t *filter = session_key(session, &edit->key[0]);
        bson_t *update = parts_update_without(session, "version", was[0], is[0]); /* the bug */
        BSON_APPEND_INT64(filter, "version", version);
        parts_append(update, "$inc", "version", 1);
        outcome = parts_write(session, edit, filter, update);
        if (outcome == CONFLICT && parts_read(session, edit, &now) == DONE)
            version = edit_number(now, "version", 0);
    }
    return outcome;
}

const struct strategy strategy_stale_value = {
    .name = "stale_value",
    .help = "reads the version again and keeps the old value",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = stale_value_apply,
};
