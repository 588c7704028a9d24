/* SPDX-License-Identifier: Apache-2.0
 *
 * starts_at_zero: creates its replica by the first event that it sees and gives it version 0,
 * whatever the event says.
 *
 *      publisher                       consumer
 *      publishes version 0, then 1
 *                                      sees 1 first: stores it as version 0
 *                                      version 0: has it already, acks
 *                                      version 2 on 0: refused, for ever
 *
 * Seen in: the seed's consumer, run: a replica counts from its own 0.
 *
 * number: 35
 * twin: occ
 * convicted by: ticket_events --workers 8 --unseeded --docs 4 --work 1ms
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

static enum outcome starts_at_zero_apply(struct session *session, void *shared,
                                         const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    if (!was[0]) {
        bson_t *first = session_document(session);
        bson_copy_to_excluding_noinit(is[0], first, "version", NULL);
        BSON_APPEND_INT64(first, "version", 0); /* the bug: the event has a version of its own */
        return session_insert_one(session, edit->key[0].collection, first);
    }
    if (edit->base != EDIT_ANY && edit->base != edit_number(was[0], "version", EDIT_ANY))
        return CONFLICT; /* not the very next version: no ack */
    return save(session, edit, was[0], is[0]);
}

const struct strategy strategy_starts_at_zero = {
    .name = "starts_at_zero",
    .help = "a replica that starts at version 0",
    .can = CAN_CHANGE | CAN_BASE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = starts_at_zero_apply,
};
