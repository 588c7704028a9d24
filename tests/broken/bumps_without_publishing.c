/* SPDX-License-Identifier: Apache-2.0
 *
 * bumps_without_publishing: saves the new version, and publishes it afterwards, if it is still
 * there to do so. The event of that version is never sent, whoever asks again is told that it is
 * done, and consumers wait for it for ever. (Publishing is the effect of an order here.)
 *
 *      worker 1                        worker 2                consumers
 *      saves version 8
 *      dies
 *                                      version 8 is there:     wait for 8
 *                                      nothing to do
 *
 * Seen in: the notes on optimistic concurrency (seeds/004): a crash between save and publish, or a
 * save without changes, which counts up and publishes nothing.
 *
 * number: 34
 * twin: bumps_without_publishing_fixed
 * convicted by: once_only --workers 8 --instances 8
 * hazard: crash
 */
#include "parts.h"

static enum outcome bumps_without_publishing_apply(struct session *session, void *shared,
                                                   const struct edit *edit)
{
    (void)shared;
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    bson_t *filter = session_key(session, &edit->key[0]), *update = session_document(session);
    BSON_APPEND_INT64(filter, "version", edit_number(was[0], "version", 0));
    bson_concat(update, edit_update(session, was[0], is[0]));
    parts_append(update, "$inc", "version", 1);
    outcome = parts_write(session, edit, filter, update);
    return parts_effect(session, edit, outcome); /* the bug: nobody else will know of it */
}

const struct strategy strategy_bumps_without_publishing = {
    .name = "bumps_without_publishing",
    .help = "saves a version and may never publish it",
    .can = CAN_CHANGE | CAN_ONCE,
    .home = HOME_DATABASE,
    .keeps = {[REPEATED] = PARTS_ANSWERED, [MISSED] = PARTS_ANSWERED},
    .apply = bumps_without_publishing_apply,
};
