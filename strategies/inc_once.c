/* SPDX-License-Identifier: Apache-2.0
 *
 * inc_once: send the change itself, and with it the number of the operation, in one command. The
 * document remembers the last number of each worker (`applied.w3: 17`); the filter asks for a
 * smaller one. So the same operation sent again, after a reply was lost, matches nothing and
 * changes nothing: it has been applied, and that is the answer that was missing.
 *
 * Numbers of a worker rise and it has one operation at a time, so one number for each worker is
 * enough: the document grows with the workers and not with the operations.
 *
 * Claim: no update is lost, doubled or torn, with any number of workers and instances, and when
 * replies, connections or whole instances are lost on the way.
 * Weakness: only changes that can be said as operators. The document carries a number for every
 * worker that ever wrote it; whoever starts again under an old name must go on from its number.
 * Seed: none of the five; the remedy for "applied, reply lost" in the table of facts about them.
 */
#include "strategy.h"

#include <inttypes.h>
#include <stdio.h>

/* Where the worker's last number is kept, and which it is now: from 1. */
struct mark {
    char field[32]; /* "applied.w3" */
    int64_t number;
};

static struct mark mark_of(const struct session *session)
{
    struct mark mark = {.number = (session_operation(session) & UINT32_MAX) + 1};
    snprintf(mark.field, sizeof(mark.field), "applied.w%" PRId32, session_worker(session));
    return mark;
}

/* {_id, applied.w3: {$not: {$gte: number}}}: not applied yet. */
static const bson_t *not_applied(struct session *session, const struct key *key,
                                 const struct mark *mark)
{
    bson_t *filter = session_key(session, key), none, after;
    BSON_APPEND_DOCUMENT_BEGIN(filter, mark->field, &none);
    BSON_APPEND_DOCUMENT_BEGIN(&none, "$not", &after);
    BSON_APPEND_INT64(&after, "$gte", mark->number);
    bson_append_document_end(&none, &after);
    bson_append_document_end(filter, &none);
    return filter;
}

/* The edit's operators, and {$max: {applied.w3: number}} with them. */
static const bson_t *marked(struct session *session, const struct edit *edit,
                            const struct mark *mark)
{
    bson_t *update = session_document(session), max;
    bson_concat(update, edit_operators(session, edit));
    BSON_APPEND_DOCUMENT_BEGIN(update, "$max", &max);
    BSON_APPEND_INT64(&max, mark->field, mark->number);
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

static enum outcome inc_once_apply(struct session *session, void *shared, const struct edit *edit)
{
    (void)shared;
    if (!edit->operators)
        return edit->change ? FAILED : look(session, edit); /* FAILED: no way to say this change */
    struct mark mark = mark_of(session);
    const struct modify modify = {
        .collection = edit->key[0].collection,
        .filter = not_applied(session, &edit->key[0], &mark),
        .update = marked(session, edit, &mark),
        .upsert = true,
    };
    struct written written;
    enum outcome outcome = session_update_one(session, &modify, &written); /* no window */
    if (outcome == CONFLICT)
        outcome = DONE; /* the document is there and did not match: it had been applied */
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* written, but its post-processing may be missing */
    return outcome;
}

#define ALWAYS                                                                                     \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(lost_reply) |   \
     HAZARD_BIT(hang) | HAZARD_BIT(drop) | HAZARD_BIT(error) | HAZARD_BIT(delay) |                 \
     HAZARD_BIT(pause) | HAZARD_BIT(crash) | HAZARD_BIT(skew) | HAZARD_BIT(boot))

const struct strategy strategy_inc_once = {
    .name = "inc_once",
    .help = "send update operators with the operation's number",
    .can = CAN_OPERATORS | CAN_CREATE,
    .home = HOME_DATABASE,
    .blind = true,
    .guard = "operators",
    .keeps = {[LOST] = ALWAYS, [DOUBLED] = ALWAYS, [TORN] = ALWAYS},
    .apply = inc_once_apply,
};
