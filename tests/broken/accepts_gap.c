/* SPDX-License-Identifier: Apache-2.0
 *
 * accepts_gap: takes an event for the next one when its version is higher than the stored one.
 * The one in between is then older, and skipped.
 *
 *      consumer 1                      consumer 2
 *      takes version 2
 *                                      takes version 3, saves it over version 1
 *      2 is older than 3: skips it, acks
 *
 * Seen in: facts/seed-systems.md, section 5; events that carry a change, not the whole state.
 *
 * number: 33
 * twin: occ
 * convicted by: ticket_events --workers 8
 * hazard: reordering
 */
#include "parts.h"

/* Saves on the version that was read; the version itself is the event's. */
static enum outcome save(struct session *session, const struct edit *edit, const bson_t *was,
                         const bson_t *is)
{
    if (!was)
        return session_insert_one(session, edit->key[0].collection, is);
    bson_t *filter = session_key(session, &edit->key[0]);
    BSON_APPEND_INT64(filter, "version", edit_number(was, "version", 0));
    return parts_write(session, edit, filter, edit_update(session, was, is));
}

static enum outcome accepts_gap_apply(struct session *session, void *shared,
                                      const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    return save(session, edit, was[0], is[0]); /* the bug: edit->base is not asked */
}

const struct strategy strategy_accepts_gap = {
    .name = "accepts_gap",
    .help = "accepts a version that is not the next",
    .can = CAN_CHANGE | CAN_BASE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = accepts_gap_apply,
};
