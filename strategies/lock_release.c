/* SPDX-License-Identifier: Apache-2.0
 *
 * lock_release: the lock is a date on the document itself. Locking moves `locked` into the future
 * and names the holder in `lockedBy`; until then nobody else can lock it. Releasing is part of the
 * write: one command, which names the holder, stores the new fields and takes the lock off. If it
 * matches nothing the lease was lost on the way and nothing was written: CONFLICT.
 *
 * The server's clock decides, in one command. A document that was never locked, or is older than
 * this strategy, has no `locked` and is free; a released one carries a date long past, which
 * clients of the original plugin understand as well. Held, absent and already processed are told
 * apart by a look at the document when it could not be locked. An absent one is created by an
 * insert, which its unique _id guards. A thing to be done once is marked in `processed`, together
 * with the release, and the lock is refused when it is marked already; numbers of one document are
 * expected to rise. Post-processing comes before the write, under the lock, as in the seed: a crash
 * between the two does it again (at least once).
 *
 * When a command fails: locking without an answer: it is released by its token and the attempt is
 * BUSY, nothing was written. The write without an answer: releasing tells what became of it. If the
 * token was still there the write has not happened, and never will, since its filter names a token
 * that is gone: BUSY. Otherwise UNKNOWN.
 *
 * Claim: no update is lost, doubled or torn and nothing is done twice that was asked for once, with
 * any number of workers and instances, as long as work is shorter than the lease.
 * Weakness: the lock is advisory; a writer who does not ask for it is neither stopped nor noticed.
 * Post-processing that outlives the lease happens twice, though the write does not. Nobody queues.
 * Seed: mongoose-lock-release (seeds/003), here with a holder, the server's clock and the mark.
 */
#include "strategy.h"

#define LOCKED    "locked"
#define HOLDER    "lockedBy"
#define PROCESSED "processed"
/* A moment that is past on every clock: the `locked` of a free document. */
enum { LONG_AGO_MS = 0 };

/* The document as the edit knows it: without our three fields. */
static const bson_t *plain(struct session *session, const bson_t *document)
{
    if (!document)
        return NULL;
    bson_t *copy = session_document(session);
    bson_copy_to_excluding_noinit(document, copy, LOCKED, HOLDER, PROCESSED, NULL);
    return copy;
}

/* The edit's new document with our fields: free, and marked with what has now been done. `seen`: as
 * it was when we locked it, or NULL. */
static const bson_t *released(struct session *session, const struct edit *edit, const bson_t *seen,
                              const bson_t *is)
{
    bson_t *document = session_document(session);
    int64_t done = edit->once ? edit->once : edit_number(seen, PROCESSED, 0);
    bson_copy_to_excluding_noinit(is, document, LOCKED, HOLDER, PROCESSED, NULL);
    BSON_APPEND_DATE_TIME(document, LOCKED, LONG_AGO_MS);
    if (done)
        BSON_APPEND_INT64(document, PROCESSED, done);
    return document;
}

/* {_id, $expr: {$lte: ["$locked", "$$NOW"]}}, where a missing field sorts before every date; and
 * not yet processed, if the edit is for once. */
static const bson_t *free_now(struct session *session, const struct edit *edit)
{
    bson_t *filter = session_key(session, &edit->key[0]), test, operands;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "$expr", &test);
    BSON_APPEND_ARRAY_BEGIN(&test, "$lte", &operands);
    BSON_APPEND_UTF8(&operands, "0", "$" LOCKED);
    BSON_APPEND_UTF8(&operands, "1", "$$NOW");
    bson_append_array_end(&test, &operands);
    bson_append_document_end(filter, &test);
    if (!edit->once)
        return filter;
    bson_t unmarked, marked;
    BSON_APPEND_DOCUMENT_BEGIN(filter, PROCESSED, &unmarked);
    BSON_APPEND_DOCUMENT_BEGIN(&unmarked, "$not", &marked);
    BSON_APPEND_INT64(&marked, "$gte", edit->once);
    bson_append_document_end(&unmarked, &marked);
    bson_append_document_end(filter, &unmarked);
    return filter;
}

/* [{$set: {locked: the server's now plus the lease, lockedBy: token}}] */
static const bson_t *hold(struct session *session, int64_t token)
{
    bson_t *pipeline = session_document(session), stage, set, sum, terms;
    BSON_APPEND_DOCUMENT_BEGIN(pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$set", &set);
    BSON_APPEND_DOCUMENT_BEGIN(&set, LOCKED, &sum);
    BSON_APPEND_ARRAY_BEGIN(&sum, "$add", &terms);
    BSON_APPEND_UTF8(&terms, "0", "$$NOW");
    BSON_APPEND_INT64(&terms, "1", session_lease_ms(session));
    bson_append_array_end(&sum, &terms);
    bson_append_document_end(&set, &sum);
    BSON_APPEND_INT64(&set, HOLDER, token);
    bson_append_document_end(&stage, &set);
    bson_append_document_end(pipeline, &stage);
    return pipeline;
}

/* Updates the document if we still hold it; *held says whether we did. */
static enum outcome update_held(struct session *session, const struct edit *edit, int64_t token,
                                const bson_t *update, bool *held)
{
    bson_t *ours = session_key(session, &edit->key[0]);
    BSON_APPEND_INT64(ours, HOLDER, token);
    struct written written;
    enum outcome outcome = session_update_one(
        session,
        &(struct modify){.collection = edit->key[0].collection, .filter = ours, .update = update},
        &written);
    *held = outcome == DONE && written.matched == 1;
    return outcome;
}

/* Takes the lock off without writing anything else. Were we still its holder? */
static bool release(struct session *session, const struct edit *edit, int64_t token)
{
    bson_t *update = session_document(session), part;
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &part);
    BSON_APPEND_DATE_TIME(&part, LOCKED, LONG_AGO_MS);
    bson_append_document_end(update, &part);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$unset", &part);
    BSON_APPEND_BOOL(&part, HOLDER, true);
    bson_append_document_end(update, &part);
    bool held;
    update_held(session, edit, token, update, &held);
    return held;
}

/* Everything that is done while holding the lock. `seen` is the document as locked. */
static enum outcome section(struct session *session, const struct edit *edit, int64_t token,
                            const bson_t *seen)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {plain(session, seen)},
                 *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = edit_run(session, edit, was, is);
    if (outcome == DONE && is[0] && edit->effect)
        outcome = session_effect(session, edit);
    if (outcome != DONE || !is[0]) {
        release(session, edit, token);
        return outcome;
    }
    const bson_t *update = edit_update(session, seen, released(session, edit, seen, is[0]));
    bool held;
    outcome = update_held(session, edit, token, update, &held); /* window closes */
    if (outcome == DONE)
        return held ? DONE : CONFLICT; /* CONFLICT: the lease was lost */
    bool unwritten = release(session, edit, token);
    return outcome == UNKNOWN && unwritten ? BUSY : outcome;
}

/* The document is absent: only stored documents can be locked, so the insert itself decides. */
static enum outcome create(struct session *session, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    outcome =
        session_insert_one(session, edit->key[0].collection, released(session, edit, NULL, is[0]));
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* created, but its post-processing may be missing */
    return outcome;
}

/* What needs no lock: an edit that only reads, and finding out why a document was not locked. */
static enum outcome look(struct session *session, const struct edit *edit)
{
    const struct key *key = &edit->key[0];
    const bson_t *seen, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = session_find(session, key->collection, session_key(session, key), &seen);
    if (outcome != DONE)
        return outcome;
    if (!edit->change) {
        const bson_t *was[EDIT_DOCUMENTS_MAX] = {plain(session, seen)};
        return edit_run(session, edit, was, is);
    }
    if (!seen)
        return create(session, edit);
    return edit->once && edit_number(seen, PROCESSED, 0) >= edit->once ? NOTHING : BUSY;
}

static enum outcome lock_release_apply(struct session *session, void *shared,
                                       const struct edit *edit)
{
    (void)shared;
    if (!edit->change)
        return look(session, edit);
    int64_t token = session_token(session);
    const struct modify modify = {
        .collection = edit->key[0].collection,
        .filter = free_now(session, edit),
        .pipeline = hold(session, token),
    };
    const bson_t *seen;
    enum outcome outcome = session_find_and_modify(session, &modify, &seen);
    if (outcome == UNKNOWN) {
        release(session, edit, token); /* it may be ours */
        return BUSY;
    }
    if (outcome != DONE)
        return outcome;
    if (!seen)
        return look(session, edit);
    return section(session, edit, token,
                   seen); /* window opens, but only for those who do not ask */
}

#define IN_ANY_LEASE                                                                               \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(error) |        \
     HAZARD_BIT(drop) | HAZARD_BIT(delay) | HAZARD_BIT(pause) | HAZARD_BIT(crash) |                \
     HAZARD_BIT(skew) | HAZARD_BIT(boot))

#define ALWAYS (IN_ANY_LEASE | HAZARD_BIT(lost_reply))

#define IN_LEASE                                                                                   \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(delay) |        \
     HAZARD_BIT(skew) | HAZARD_BIT(boot))

const struct strategy strategy_lock_release = {
    .name = "lock_release",
    .help = "lock the document itself until a date, write and release in one",
    .can = CAN_CHANGE | CAN_ONCE | CAN_CREATE,
    .home = HOME_DATABASE,
    .guard = "locked",
    .keeps = {[LOST] = ALWAYS,
              [DOUBLED] = IN_ANY_LEASE,
              [REPEATED] = IN_LEASE,
              [MISSED] = IN_LEASE,
              [TORN] = ALWAYS},
    /* A tick has no post-processing: it is marked and done in one command. */
    .also = {{"cron_tick", REPEATED, ALWAYS}},
    .apply = lock_release_apply,
};
