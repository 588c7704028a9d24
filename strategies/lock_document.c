/* SPDX-License-Identifier: Apache-2.0
 *
 * lock_document: a collection "locks" holds one document per thing to be protected; whoever is its
 * owner may read, think and write the thing itself as naively as it likes.
 *
 * Obtaining is one command. Its filter is the _id alone and all is decided inside the update, by
 * the server and by the server's clock: if the lease is over (or never was) the caller becomes
 * owner under a token made for this one acquisition, the lease starts anew and the fence counts up;
 * otherwise nothing changes. The image that comes back says who owns it. Releasing names the token,
 * so a late release cannot free the lock of somebody else; the fence stays, so it never runs
 * backwards. Two documents are locked in the order of their keys and released the other way round,
 * and nobody waits while holding: whoever finds one held gives back the other and reports BUSY.
 *
 * When a command fails: obtaining without an answer: the lock may be ours, so it is released by
 * token and the attempt is BUSY, nothing was written. A write without an answer: UNKNOWN, and the
 * lock is released all the same, as `finally` does in the seed: holding on would only turn each
 * lost reply into a pause of one lease. A release without an answer: the edit stands, the lease
 * runs out.
 *
 * Claim: no update is lost, doubled or torn, and no rule over two documents is violated, with any
 * number of workers and instances, as long as work is shorter than the lease.
 * Weakness: the protected document does not know about the lock. A holder that pauses past its
 * lease, or a write that arrives after its time-out, overwrites the next holder's work; only a
 * resource that refuses old fences can stop that. Nobody queues: who finds it held must ask again.
 * A lock is not a tick: it is free again milliseconds later, so what is asked for once may be done
 * twice. Seed: MongoDB Lock Demo (seeds/002), here without its second step, its Infinity, its
 * client clock and its start-up that frees everybody's locks.
 */
#include "strategy.h"

#include <inttypes.h>
#include <stdio.h>

#define LOCKS "locks"

/* One lock that was asked for. */
struct hold {
    char name[96]; /* _id of the lock: "counters/0" */
    int64_t token; /* owner: this acquisition, and no other */
};

/* {owner: token, fence: one more, expires: the server's now plus the lease} */
static const bson_t *wanted(struct session *session, int64_t token)
{
    bson_t *fields = session_document(session), sum, terms, fallback, values;
    BSON_APPEND_INT64(fields, "owner", token);
    BSON_APPEND_DOCUMENT_BEGIN(fields, "fence", &sum);
    BSON_APPEND_ARRAY_BEGIN(&sum, "$add", &terms);
    BSON_APPEND_DOCUMENT_BEGIN(&terms, "0", &fallback);
    BSON_APPEND_ARRAY_BEGIN(&fallback, "$ifNull", &values);
    BSON_APPEND_UTF8(&values, "0", "$fence");
    BSON_APPEND_INT64(&values, "1", 0);
    bson_append_array_end(&fallback, &values);
    bson_append_document_end(&terms, &fallback);
    BSON_APPEND_INT64(&terms, "1", 1);
    bson_append_array_end(&sum, &terms);
    bson_append_document_end(fields, &sum);
    BSON_APPEND_DOCUMENT_BEGIN(fields, "expires", &sum);
    BSON_APPEND_ARRAY_BEGIN(&sum, "$add", &terms);
    BSON_APPEND_UTF8(&terms, "0", "$$NOW");
    BSON_APPEND_INT64(&terms, "1", session_lease_ms(session));
    bson_append_array_end(&sum, &terms);
    bson_append_document_end(fields, &sum);
    return fields;
}

/* {$lt: ["$expires", "$$NOW"]}: true for a missing `expires` too, which sorts before every date;
 * that is what a new and a released lock look like. */
static const bson_t *lease_over(struct session *session)
{
    bson_t *test = session_document(session), operands;
    BSON_APPEND_ARRAY_BEGIN(test, "$lt", &operands);
    BSON_APPEND_UTF8(&operands, "0", "$expires");
    BSON_APPEND_UTF8(&operands, "1", "$$NOW");
    bson_append_array_end(test, &operands);
    return test;
}

/* [{$set: {FIELD: {$cond: [test, VALUE, "$FIELD"]}, ...}}] for the fields of `values`; all of them
 * look at the document as it was, so either all change or none does. */
static const bson_t *set_if(struct session *session, const bson_t *test, const bson_t *values)
{
    bson_t *pipeline = session_document(session), stage, set, choice, branches;
    bson_iter_t value;
    BSON_APPEND_DOCUMENT_BEGIN(pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$set", &set);
    for (bson_iter_init(&value, values); bson_iter_next(&value);) {
        char as_it_was[32];
        snprintf(as_it_was, sizeof(as_it_was), "$%s", bson_iter_key(&value));
        BSON_APPEND_DOCUMENT_BEGIN(&set, bson_iter_key(&value), &choice);
        BSON_APPEND_ARRAY_BEGIN(&choice, "$cond", &branches);
        BSON_APPEND_DOCUMENT(&branches, "0", test);
        bson_append_iter(&branches, "1", -1, &value);
        BSON_APPEND_UTF8(&branches, "2", as_it_was);
        bson_append_array_end(&choice, &branches);
        bson_append_document_end(&set, &choice);
    }
    bson_append_document_end(&stage, &set);
    bson_append_document_end(pipeline, &stage);
    return pipeline;
}

/* Frees the lock if it is still ours, and does nothing otherwise, also when called twice. Whatever
 * comes of it, the caller can do no more: an unreleased lock is free when its lease is over. */
static void release(struct session *session, const struct hold *hold)
{
    bson_t *ours = session_document(session), *update = session_document(session), gone;
    BSON_APPEND_UTF8(ours, "_id", hold->name);
    BSON_APPEND_INT64(ours, "owner", hold->token);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$unset", &gone);
    BSON_APPEND_BOOL(&gone, "owner", true);
    BSON_APPEND_BOOL(&gone, "expires", true);
    bson_append_document_end(update, &gone);
    struct written written;
    session_update_one(session,
                       &(struct modify){.collection = LOCKS, .filter = ours, .update = update},
                       &written);
}

/* DONE: ours; BUSY: somebody else's, or nobody can tell. */
static enum outcome obtain(struct session *session, const struct key *key, struct hold *hold)
{
    snprintf(hold->name, sizeof(hold->name), "%s/%" PRId64, key->collection, key->id);
    hold->token = session_token(session);
    bson_t *filter = session_document(session);
    BSON_APPEND_UTF8(filter, "_id", hold->name);
    const struct modify modify = {
        .collection = LOCKS,
        .filter = filter,
        .pipeline = set_if(session, lease_over(session), wanted(session, hold->token)),
        .upsert = true,
    };
    const bson_t *lock;
    enum outcome outcome = session_find_and_modify(session, &modify, &lock);
    if (outcome == DONE)
        return edit_number(lock, "owner", 0) == hold->token ? DONE : BUSY;
    if (outcome == UNKNOWN)
        release(session, hold);               /* it may be ours */
    return outcome == FAILED ? FAILED : BUSY; /* CONFLICT: another's first upsert was faster */
}

static enum outcome write_back(struct session *session, const struct key *key, const bson_t *was,
                               const bson_t *is)
{
    if (!was)
        return session_insert_one(session, key->collection, is);
    const struct modify modify = {
        .collection = key->collection,
        .filter = session_key(session, key),
        .update = edit_update(session, was, is),
    };
    struct written written;
    enum outcome outcome = session_update_one(session, &modify, &written);
    return outcome == DONE && written.matched == 0 ? CONFLICT
                                                   : outcome; /* deleted without a lock */
}

/* What the lock is for: read, change, write, post-process. */
static enum outcome section(struct session *session, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    for (int i = 0; i < edit->count; i++) {
        const struct key *key = &edit->key[i];
        enum outcome read =
            session_find(session, key->collection, session_key(session, key), &was[i]);
        if (read != DONE)
            return read;
    } /* window opens, but only for those who do not ask for the lock */
    enum outcome outcome = edit_run(session, edit, was, is);
    if (outcome != DONE)
        return outcome;
    bool written = false;
    for (int i = 0; i < edit->count; i++) {
        if (!is[i])
            continue;
        outcome = write_back(session, &edit->key[i], was[i], is[i]);
        if (outcome != DONE)
            return written ? UNKNOWN : outcome; /* one of two is written: half applied */
        written = true;
    } /* window closes */
    if (edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* written, but its post-processing may be missing */
    return DONE;
}

static enum outcome lock_document_apply(struct session *session, void *shared,
                                        const struct edit *edit)
{
    (void)shared;
    if (edit->change == NULL && edit->count == 1)
        return section(session, edit); /* one read is whole by itself and needs no lock */
    struct hold holds[EDIT_DOCUMENTS_MAX];
    int first = edit_first(edit), held = 0;
    enum outcome outcome = DONE;
    while (outcome == DONE && held < edit->count) {
        outcome = obtain(session, &edit->key[held == 0 ? first : 1 - first], &holds[held]);
        if (outcome == DONE)
            held++;
    }
    if (outcome == DONE)
        outcome = section(session, edit);
    while (held > 0)
        release(session, &holds[--held]);
    return outcome;
}

#define IN_LEASE                                                                                   \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(delay) |        \
     HAZARD_BIT(crash) | HAZARD_BIT(skew) | HAZARD_BIT(boot) | HAZARD_BIT(error) |                 \
     HAZARD_BIT(drop))

#define IN_LEASE_ALWAYS (IN_LEASE | HAZARD_BIT(lost_reply))

#define UNDISTURBED                                                                                \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(delay) |        \
     HAZARD_BIT(skew) | HAZARD_BIT(boot))

const struct strategy strategy_lock_document = {
    .name = "lock_document",
    .help = "own a document in a lock collection while reading and writing",
    .can = CAN_CHANGE | CAN_TWO_DOCUMENTS | CAN_ONCE | CAN_CREATE,
    .home = HOME_DATABASE,
    .guard = "lock",
    .keeps = {[LOST] = IN_LEASE_ALWAYS,
              [DOUBLED] = IN_LEASE,
              [TORN] = IN_LEASE_ALWAYS,
              [SKEWED] = UNDISTURBED},
    /* An order says itself that it is processed; a tick does not. */
    .also = {{"once_only", REPEATED, UNDISTURBED}, {"once_only", MISSED, UNDISTURBED}},
    .apply = lock_document_apply,
};
