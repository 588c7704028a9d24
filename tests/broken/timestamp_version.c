/* SPDX-License-Identifier: Apache-2.0
 *
 * timestamp_version: the version is the time of the last write, in milliseconds. Two writes
 * within one have the same version.
 *
 *      worker 1                        worker 2
 *      saves, at 100 ms
 *                                      reads n = 5, at 100 ms
 *      reads n = 5, saves n = 6 at 100 ms
 *                                      saves n = 6: still 100 ms
 *
 * Seen in: the plugin's timestamp mode (seeds/004); doctrine/mongodb-odm #1587.
 *
 * number: 8
 * twin: occ
 * convicted by: counter --workers 8 --backoff none
 */
#include "parts.h"

static enum outcome timestamp_version_apply(struct session *session, void *shared,
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
    bson_t *update = edit_update(session, was[0], is[0]);
    bson_iter_t time;
    if (bson_iter_init_find(&time, was[0], "updatedAt"))
        bson_append_iter(filter, NULL, -1, &time);
    else
        BSON_APPEND_NULL(filter, "updatedAt");
    parts_append(update, "$max", "updatedAt",
                 session_now_ms(session)); /* the bug: a coarse clock */
    return parts_write(session, edit, filter, update);
}

const struct strategy strategy_timestamp_version = {
    .name = "timestamp_version",
    .help = "the time in milliseconds is the version",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = timestamp_version_apply,
};
