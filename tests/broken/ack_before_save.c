/* SPDX-License-Identifier: Apache-2.0
 *
 * ack_before_save: acknowledges an event when it has understood it, and saves it then. When the
 * save is refused, nobody brings the event again.
 *
 *      consumer                        bus
 *      takes version 2, acks it        forgets version 2
 *      saves it: refused
 *      takes version 3: too early, for ever
 *
 * Seen in: the listeners of the OCC seed with msg.ack() moved up.
 *
 * number: 31
 * twin: occ
 * convicted by: ticket_events --workers 8
 * hazard: error
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

static enum outcome ack_before_save_apply(struct session *session, void *shared,
                                          const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    if (edit->base != EDIT_ANY && edit->base != edit_number(was[0], "version", EDIT_ANY))
        return CONFLICT; /* not the very next version: no ack */
    outcome = save(session, edit, was[0], is[0]);
    return outcome == FAILED ? DONE : outcome; /* the bug: it is acknowledged already */
}

const struct strategy strategy_ack_before_save = {
    .name = "ack_before_save",
    .help = "acknowledges before it saves",
    .can = CAN_CHANGE | CAN_BASE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = ack_before_save_apply,
};
