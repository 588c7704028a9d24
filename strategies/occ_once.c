/* SPDX-License-Identifier: Apache-2.0
 *
 * occ_once: optimistic concurrency control that can tell its own write from somebody else's. With
 * the new version each save stores the number of its operation (`applied.w3: 17`). When a reply was
 * lost the attempt is made again, and the first thing that it sees is whether the number is there:
 * then the save happened, and that is the answer that was missing.
 *
 * Numbers of a worker rise and it has one operation at a time, so one number for each worker is
 * enough. What an edit makes of `version` and `applied` is not used: they belong to the strategy.
 *
 * Claim: no update is lost, doubled or torn, with any number of workers and instances, and when
 * replies, connections or whole instances are lost on the way.
 * Weakness: one writer that bypasses the version undoes it all; attempts grow with the square of
 * the workers; the document carries a number for every worker that ever wrote it.
 * Seed: the OCC notes (seeds/004), with what they lack for a lost reply.
 */
#include "strategy.h"

#include <inttypes.h>
#include <stdio.h>

#define VERSION "version"
#define APPLIED "applied"

/* Under which name the worker's last number is kept, and which it is now: from 1. */
struct mark {
    char name[16]; /* "w3" */
    int64_t number;
};

static struct mark mark_of(const struct session *session)
{
    struct mark mark = {.number = (session_operation(session) & UINT32_MAX) + 1};
    snprintf(mark.name, sizeof(mark.name), "w%" PRId32, session_worker(session));
    return mark;
}

static bool is_applied(const bson_t *was, const struct mark *mark)
{
    bson_iter_t iter, inside;
    return was && bson_iter_init_find(&iter, was, APPLIED) && bson_iter_recurse(&iter, &inside) &&
           bson_iter_find(&inside, mark->name) && bson_iter_as_int64(&inside) >= mark->number;
}

/* The document as the edit knows it: without what belongs to us. */
static const bson_t *plain(struct session *session, const bson_t *document)
{
    bson_t *copy = session_document(session);
    bson_copy_to_excluding_noinit(document, copy, VERSION, APPLIED, NULL);
    return copy;
}

static enum outcome create(struct session *session, const struct edit *edit, const bson_t *is,
                           const struct mark *mark)
{
    bson_t *first = session_document(session), applied;
    bson_concat(first, plain(session, is));
    BSON_APPEND_INT64(first, VERSION, 0);
    BSON_APPEND_DOCUMENT_BEGIN(first, APPLIED, &applied);
    BSON_APPEND_INT64(&applied, mark->name, mark->number);
    bson_append_document_end(first, &applied);
    return session_insert_one(session, edit->key[0].collection, first);
}

/* {_id, version: the one that was read}; a document without one matches as such. */
static const bson_t *unchanged_since(struct session *session, const struct key *key,
                                     const bson_t *was)
{
    bson_t *filter = session_key(session, key);
    bson_iter_t version;
    if (bson_iter_init_find(&version, was, VERSION))
        bson_append_iter(filter, VERSION, -1, &version);
    else
        BSON_APPEND_NULL(filter, VERSION);
    return filter;
}

/* {$set: what the edit changed, $inc: {version: 1}, $max: {applied.w3: number}} */
static const bson_t *next_version(struct session *session, const bson_t *was, const bson_t *is,
                                  const struct mark *mark)
{
    char field[32];
    bson_t *update = edit_update(session, plain(session, was), plain(session, is)), part;
    snprintf(field, sizeof(field), APPLIED ".%s", mark->name);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$inc", &part);
    BSON_APPEND_INT64(&part, VERSION, 1);
    bson_append_document_end(update, &part);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$max", &part);
    BSON_APPEND_INT64(&part, field, mark->number);
    bson_append_document_end(update, &part);
    return update;
}

static enum outcome save(struct session *session, const struct edit *edit, const bson_t *was,
                         const bson_t *is)
{
    struct mark mark = mark_of(session);
    if (edit->base != EDIT_ANY && edit->base != edit_number(was, VERSION, EDIT_ANY))
        return CONFLICT; /* moved on since the caller looked, or deleted */
    if (!was)
        return create(session, edit, is, &mark);
    const struct modify modify = {
        .collection = edit->key[0].collection,
        .filter = unchanged_since(session, &edit->key[0], was),
        .update = next_version(session, was, is, &mark),
    };
    struct written written;
    enum outcome outcome = session_update_one(session, &modify, &written);
    return outcome == DONE && written.matched == 0 ? CONFLICT : outcome;
}

static enum outcome occ_once_apply(struct session *session, void *shared, const struct edit *edit)
{
    const struct key *key = &edit->key[0];
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    struct mark mark = mark_of(session);
    (void)shared;
    enum outcome outcome =
        session_find(session, key->collection, session_key(session, key), &was[0]);
    if (outcome == DONE && edit->change && is_applied(was[0], &mark))
        return DONE;     /* an earlier attempt was applied: nothing read, nothing to write */
    if (outcome == DONE) /* window opens */
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    outcome = save(session, edit, was[0], is[0]); /* window closes: stale, or nobody was between */
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* saved, but its post-processing may be missing */
    return outcome;
}

#define ALWAYS                                                                                     \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(lost_reply) |   \
     HAZARD_BIT(hang) | HAZARD_BIT(drop) | HAZARD_BIT(error) | HAZARD_BIT(delay) |                 \
     HAZARD_BIT(pause) | HAZARD_BIT(crash) | HAZARD_BIT(skew) | HAZARD_BIT(boot) |                 \
     HAZARD_BIT(duplicates) | HAZARD_BIT(reordering))

const struct strategy strategy_occ_once = {
    .name = "occ_once",
    .help = "write only if the version is unchanged, with the operation's number",
    .can = CAN_CHANGE | CAN_BASE | CAN_CREATE,
    .home = HOME_DATABASE,
    .guard = "version",
    .keeps = {[LOST] = ALWAYS,
              [DOUBLED] = ALWAYS,
              [REPEATED] = ALWAYS,
              [MISSED] = ALWAYS,
              [TORN] = ALWAYS},
    .apply = occ_once_apply,
};
