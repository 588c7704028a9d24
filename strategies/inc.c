/* SPDX-License-Identifier: Apache-2.0
 *
 * inc: send the change itself ({$inc: {n: 1}}) and let the server apply it to whatever it holds.
 * One command, nothing is read, so there is no window in which a reading could go stale.
 *
 * Claim: no update is lost, doubled or torn, with any number of workers and instances: the server
 * changes one document at a time, and increments commute.
 * Weakness: only changes that can be said as operators; a rule that needs the old value ("never
 * below zero") cannot. When the reply is lost, nobody knows whether it was applied, and sending it
 * again may count it twice; that is what UNKNOWN says.
 * Seed: none of the five; the remedy in MongoDB's manual ("Atomicity and Transactions"). It is the
 * speed that the others are compared with.
 */
#include "strategy.h"

/* An edit that only looks: one command, and one document is always whole. */
static enum outcome look(struct session *session, const struct edit *edit)
{
    const struct key *key = &edit->key[0];
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome =
        session_find(session, key->collection, session_key(session, key), &was[0]);
    return outcome == DONE ? edit_run(session, edit, was, is) : outcome;
}

static enum outcome inc_apply(struct session *session, void *shared, const struct edit *edit)
{
    (void)shared;
    if (!edit->operators)
        return edit->change ? FAILED : look(session, edit); /* FAILED: no way to say this change */
    const struct modify modify = {
        .collection = edit->key[0].collection,
        .filter = session_key(session, &edit->key[0]),
        .update = edit_operators(session, edit),
        .upsert = true,
    };
    struct written written;
    enum outcome outcome = session_update_one(session, &modify, &written); /* no window */
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* written, but its post-processing may be missing */
    return outcome;
}

#define ALWAYS                                                                                     \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(lost_reply) |   \
     HAZARD_BIT(hang) | HAZARD_BIT(drop) | HAZARD_BIT(error) | HAZARD_BIT(delay) |                 \
     HAZARD_BIT(pause) | HAZARD_BIT(crash) | HAZARD_BIT(skew) | HAZARD_BIT(boot))

#define UNLESS_RESENT                                                                              \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(drop) |         \
     HAZARD_BIT(error) | HAZARD_BIT(delay) | HAZARD_BIT(pause) | HAZARD_BIT(crash) |               \
     HAZARD_BIT(skew) | HAZARD_BIT(boot))

const struct strategy strategy_inc = {
    .name = "inc",
    .help = "send update operators and read nothing",
    .can = CAN_OPERATORS | CAN_CREATE,
    .home = HOME_DATABASE,
    .blind = true,
    .guard = "operators",
    .keeps = {[LOST] = ALWAYS, [DOUBLED] = UNLESS_RESENT, [TORN] = ALWAYS},
    .apply = inc_apply,
};
