/* SPDX-License-Identifier: Apache-2.0
 *
 * duplicate_unacked: looks for the document at the version before the event. When it is not
 * there, be it that the event comes too early or for the second time, it throws, and does not
 * acknowledge.
 *
 *      consumer 1                      consumer 2
 *      takes version 2, saves, acks
 *                                      takes version 2 again: no version 1
 *                                      throws; again, and again
 *
 * Seen in: the listeners of the OCC seed (seeds/004); nats.node #559.
 *
 * number: 32
 * twin: occ
 * convicted by: ticket_events --workers 8
 * hazard: duplicates
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

static enum outcome duplicate_unacked_apply(struct session *session, void *shared,
                                            const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    bson_t *filter = session_key(session, &edit->key[0]);
    if (edit->base != EDIT_ANY)
        BSON_APPEND_INT64(filter, "version", edit->base);
    enum outcome outcome = session_find(session, edit->key[0].collection, filter, &was[0]);
    if (outcome == DONE && edit->base != EDIT_ANY && !was[0])
        return BUSY; /* the bug: it may have been applied long ago */
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    return outcome == DONE && is[0] ? save(session, edit, was[0], is[0]) : outcome;
}

const struct strategy strategy_duplicate_unacked = {
    .name = "duplicate_unacked",
    .help = "a duplicate is neither applied nor acknowledged",
    .can = CAN_CHANGE | CAN_BASE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = duplicate_unacked_apply,
};
