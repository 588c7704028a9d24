/* SPDX-License-Identifier: Apache-2.0
 *
 * bumps_before_save: counts the version of the object in RAM up before the save, and leaves it so
 * when the save fails. The caller saves the same object once more, which now carries the version
 * that the other writer has just made.
 *
 *      worker 1                        worker 2
 *      reads n = 5, version 3
 *                                      reads n = 5, version 3
 *      saves n = 6, version 4
 *                                      its version is 4: on 3, refused
 *                                      saves again, on 4: n = 6, version 5
 *
 * Seen in: apache/grails-data-mapping #118, #180.
 *
 * number: 4
 * twin: occ
 * convicted by: counter --workers 8
 */
#include "parts.h"

static enum outcome bumps_before_save_apply(struct session *session, void *shared,
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
        bson_t *filter = session_key(session, &edit->key[0]);
        bson_t *update = parts_update_without(session, "version", was[0], is[0]);
        BSON_APPEND_INT64(filter, "version", version++); /* the bug: counted whatever comes of it */
        parts_append(update, "$inc", "version", 1);
        outcome = parts_write(session, edit, filter, update);
    }
    return outcome;
}

const struct strategy strategy_bumps_before_save = {
    .name = "bumps_before_save",
    .help = "counts the version in RAM before a save that fails",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = bumps_before_save_apply,
};
