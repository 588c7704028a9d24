/* SPDX-License-Identifier: Apache-2.0
 *
 * claim: a thing that is asked for by number is claimed and done in one command. The document
 * remembers the highest number done (`claimed`); the filter asks for a smaller one, and the same
 * findAndModify that raises it makes the change. So of all who ask for number 17, one finds it
 * undone, and the lock that is free again milliseconds later is not needed.
 *
 * Numbers of one document are expected to rise (ticks, versions); one that comes late is taken as
 * done. An edit without a number has nothing to claim and is the plain change.
 *
 * Claim: nothing that was asked for once is done twice, and no update is lost, doubled or torn,
 * with any number of workers and instances, whatever their clocks say.
 * Weakness: only changes that can be said as operators. When its reply is lost, the caller does not
 * know whether it was the one: UNKNOWN. Post-processing that fails after the claim is not made up
 * for by anybody.
 * Seed: the remedy for the cron task of the MongoDB Lock Demo (seeds/002): the tick is the lock.
 */
#include "strategy.h"

#define CLAIMED "claimed"

/* {_id, claimed: {$not: {$gte: once}}}: smaller, or never set. */
static const bson_t *unclaimed(struct session *session, const struct edit *edit)
{
    bson_t *filter = session_key(session, &edit->key[0]), none, after;
    if (!edit->once)
        return filter;
    BSON_APPEND_DOCUMENT_BEGIN(filter, CLAIMED, &none);
    BSON_APPEND_DOCUMENT_BEGIN(&none, "$not", &after);
    BSON_APPEND_INT64(&after, "$gte", edit->once);
    bson_append_document_end(&none, &after);
    bson_append_document_end(filter, &none);
    return filter;
}

/* The edit's operators, and {$max: {claimed: once}} with them. */
static const bson_t *claiming(struct session *session, const struct edit *edit)
{
    const bson_t *operators = edit_operators(session, edit);
    if (!edit->once)
        return operators;
    bson_t *update = session_document(session), max;
    bson_concat(update, operators);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$max", &max);
    BSON_APPEND_INT64(&max, CLAIMED, edit->once);
    bson_append_document_end(update, &max);
    return update;
}

static enum outcome look(struct session *session, const struct edit *edit)
{
    const struct key *key = &edit->key[0];
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome =
        session_find(session, key->collection, session_key(session, key), &was[0]);
    return outcome == DONE ? edit_run(session, edit, was, is) : outcome;
}

static enum outcome claim_apply(struct session *session, void *shared, const struct edit *edit)
{
    (void)shared;
    if (!edit->operators)
        return edit->change ? FAILED : look(session, edit); /* FAILED: no way to say this change */
    const struct modify modify = {
        .collection = edit->key[0].collection,
        .filter = unclaimed(session, edit),
        .update = claiming(session, edit),
    };
    const bson_t *image;
    enum outcome outcome = session_find_and_modify(session, &modify, &image); /* no window */
    if (outcome == DONE && !image)
        return edit->once ? NOTHING : FAILED; /* done already; or there is no such document */
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* claimed, but its post-processing may be missing */
    return outcome;
}

#define ALIVE                                                                                      \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(delay) |        \
     HAZARD_BIT(pause) | HAZARD_BIT(skew) | HAZARD_BIT(boot))

#define UNLESS_RESENT (ALIVE | HAZARD_BIT(error) | HAZARD_BIT(drop) | HAZARD_BIT(crash))

#define ALWAYS (UNLESS_RESENT | HAZARD_BIT(lost_reply))

const struct strategy strategy_claim = {
    .name = "claim",
    .help = "claim a number and make the change in one command",
    .can = CAN_OPERATORS | CAN_ONCE,
    .home = HOME_DATABASE,
    .blind = true,
    .guard = "operators",
    .keeps = {[LOST] = ALWAYS,
              [DOUBLED] = UNLESS_RESENT,
              [REPEATED] = ALWAYS,
              [MISSED] = ALIVE,
              [TORN] = ALWAYS},
    .also = {{"cron_tick", MISSED, ALWAYS}}, /* a tick has no post-processing that could fail */
    .apply = claim_apply,
};
