/* SPDX-License-Identifier: Apache-2.0
 *
 * bumps_without_publishing_fixed: bumps_without_publishing, mended by an outbox: what is still to
 * be published is saved with the new version, in one update, and whoever finds it there publishes
 * it. Only one at a time does (a lease), and looks first whether the event is out already, since
 * the one before may have died between publishing and clearing the outbox.
 *
 *      worker 1                        worker 2                consumers
 *      saves version 8, outbox: 8
 *      dies
 *                                      outbox: 8: publishes    get 8
 *                                      clears the outbox
 *
 * Seen in: the transactional outbox (microservices.io); MongoDB's one-document atomicity suffices.
 *
 * fixes: bumps_without_publishing
 */
#include "parts.h"

#define OUTBOX "outbox"

/* Publishes what the outbox holds, unless it is out, and clears it; under the lease. */
static enum outcome publish(struct session *session, const struct edit *edit)
{
    const bson_t *sent;
    bson_t *filter = session_document(session), *update = session_document(session);
    BSON_APPEND_INT64(filter, "once", edit->once);
    enum outcome outcome = session_find(session, "effects", filter, &sent);
    if (outcome == DONE && !sent)
        outcome = session_effect(session, edit);
    if (outcome != DONE)
        return UNKNOWN; /* it stays in the outbox */
    parts_append(update, "$unset", OUTBOX, 1);
    return parts_write(session, edit, session_key(session, &edit->key[0]), update);
}

static enum outcome section(struct session *session, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE && edit_number(was[0], OUTBOX, 0) == edit->once)
        return publish(session, edit) == DONE ? NOTHING : UNKNOWN;
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    bson_t *filter = session_key(session, &edit->key[0]), *next = session_document(session);
    BSON_APPEND_INT64(filter, "version", edit_number(was[0], "version", 0));
    bson_copy_to_excluding_noinit(is[0], next, "version", OUTBOX, NULL);
    BSON_APPEND_INT64(next, "version", edit_number(was[0], "version", 0) + 1);
    BSON_APPEND_INT64(next, OUTBOX, edit->once);
    outcome = parts_write(session, edit, filter, edit_update(session, was[0], next));
    return outcome == DONE ? publish(session, edit) : outcome;
}

static enum outcome bumps_without_publishing_fixed_apply(struct session *session, void *shared,
                                                         const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = section(session, edit);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_bumps_without_publishing_fixed = {
    .name = "bumps_without_publishing_fixed",
    .help = "bumps_without_publishing, mended",
    .can = CAN_CHANGE | CAN_ONCE,
    .home = HOME_DATABASE,
    .keeps =
        {[REPEATED] = PARTS_PLAIN | HAZARD_BIT(crash), [MISSED] = PARTS_PLAIN | HAZARD_BIT(crash)},
    .apply = bumps_without_publishing_fixed_apply,
};
