/* SPDX-License-Identifier: Apache-2.0
 *
 * lock_document_compat: the MongoDB Lock Demo as it is. One lock, "cron", protects everything.
 * Obtaining is two commands: a findAndModify that sets the owner and, for the moment, an expiry of
 * Infinity; then an update by _id alone that sets the real expiry, from the client's clock as it
 * was before the first. Releasing is an update by _id alone. At every start an application frees
 * the lock, whoever holds it, and creates it if it is not there.
 *
 * Claim: no update is lost, doubled or torn while no lease expires, nobody starts, nobody dies and
 * all clocks agree.
 * Weakness: each of these. A holder that dies between the two commands leaves a lock that never
 * expires. A holder that comes back late frees its successor's lock. A start frees a holder's lock.
 * A clock that is ahead steals. And a lock is not a tick: it is free again milliseconds later, so
 * "once every five seconds however many instances" does not hold.
 * Seed: MongoDB Lock Demo (seeds/002), smhdale/mongodb-lock-demo, two commits, 2020.
 */
#include "strategy.h"

#define LOCKS "locks"
#define NAME  "cron"
/* Overflows to it, as IEEE 754 says. */
#define FOR_EVER (1e308 * 10)

static const bson_t *by_name(struct session *session)
{
    bson_t *filter = session_document(session);
    BSON_APPEND_UTF8(filter, "_id", NAME);
    return filter;
}

static bool update_lock(struct session *session, const bson_t *filter, const bson_t *update,
                        bool upsert)
{
    struct written written;
    const struct modify modify = {.collection = LOCKS,
                                  .filter = filter,
                                  .update = update,
                                  .upsert = upsert};
    return session_update_one(session, &modify, &written) == DONE;
}

static const bson_t *set_owner_null(struct session *session)
{
    bson_t *update = session_document(session), set;
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    BSON_APPEND_NULL(&set, "owner");
    bson_append_document_end(update, &set);
    return update;
}

/* Lock.create, and updateMany({owner: {$ne: null}}, {owner: null}): frees every holder's lock. */
static void *lock_document_compat_setup(struct session *session)
{
    bson_t *held = session_document(session), *update = session_document(session), part;
    BSON_APPEND_DOCUMENT_BEGIN(held, "owner", &part);
    BSON_APPEND_NULL(&part, "$ne");
    bson_append_document_end(held, &part);
    update_lock(session, held, set_owner_null(session), false);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$setOnInsert", &part);
    BSON_APPEND_NULL(&part, "owner");
    BSON_APPEND_DOUBLE(&part, "expires", 0);
    bson_append_document_end(update, &part);
    update_lock(session, by_name(session), update, true);
    return NULL;
}

/* {_id, $or: [{owner: null}, {expires: {$lt: now}}]} */
static const bson_t *obtainable(struct session *session, int64_t now_ms)
{
    bson_t *filter = session_document(session), either, branch, before;
    BSON_APPEND_UTF8(filter, "_id", NAME);
    BSON_APPEND_ARRAY_BEGIN(filter, "$or", &either);
    BSON_APPEND_DOCUMENT_BEGIN(&either, "0", &branch);
    BSON_APPEND_NULL(&branch, "owner");
    bson_append_document_end(&either, &branch);
    BSON_APPEND_DOCUMENT_BEGIN(&either, "1", &branch);
    BSON_APPEND_DOCUMENT_BEGIN(&branch, "expires", &before);
    BSON_APPEND_DOUBLE(&before, "$lt", (double)now_ms);
    bson_append_document_end(&branch, &before);
    bson_append_document_end(&either, &branch);
    bson_append_array_end(filter, &either);
    return filter;
}

static const bson_t *set_expires(struct session *session, int64_t owner, double expires)
{
    bson_t *update = session_document(session), set;
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    if (owner > 0)
        BSON_APPEND_INT64(&set, "owner", owner);
    BSON_APPEND_DOUBLE(&set, "expires", expires);
    bson_append_document_end(update, &set);
    return update;
}

static enum outcome obtain(struct session *session)
{
    int64_t now_ms = session_now_ms(session);
    const struct modify modify = {.collection = LOCKS,
                                  .filter = obtainable(session, now_ms),
                                  .update =
                                      set_expires(session, session_worker(session) + 1, FOR_EVER)};
    const bson_t *lock;
    enum outcome outcome = session_find_and_modify(session, &modify, &lock);
    if (outcome != DONE || !lock)
        return outcome == FAILED ? FAILED : BUSY; /* without an answer: thrown, the lock stays */
    const bson_t *real =
        set_expires(session, 0, (double)now_ms + (double)session_lease_ms(session));
    return update_lock(session, by_name(session), real, false) ? DONE : BUSY; /* thrown as well */
}

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
        struct written one;
        if (!is[i])
            continue;
        const struct modify modify = {.collection = edit->key[i].collection,
                                      .filter = session_key(session, &edit->key[i]),
                                      .update = edit_update(session, was[i], is[i]),
                                      .upsert = was[i] == NULL};
        outcome = session_update_one(session, &modify, &one);
        if (outcome != DONE)
            return written ? UNKNOWN : outcome; /* one of two is written: half applied */
        written = true;
    } /* window closes */
    if (edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* written, but its post-processing may be missing */
    return DONE;
}

static enum outcome lock_document_compat_apply(struct session *session, void *shared,
                                               const struct edit *edit)
{
    (void)shared;
    enum outcome outcome = obtain(session);
    if (outcome != DONE)
        return outcome;
    outcome = section(session, edit);
    update_lock(session, by_name(session), set_owner_null(session), false); /* whoever owns it */
    return outcome;
}

#define UNDISTURBED                                                                                \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(delay))

const struct strategy strategy_lock_document_compat = {
    .name = "lock_document_compat",
    .help = "the MongoDB Lock Demo as it is",
    .can = CAN_CHANGE | CAN_TWO_DOCUMENTS | CAN_ONCE | CAN_CREATE,
    .home = HOME_DATABASE,
    .guard = "the one lock",
    .keeps = {[LOST] = UNDISTURBED,
              [DOUBLED] = UNDISTURBED,
              [TORN] = UNDISTURBED,
              [SKEWED] = UNDISTURBED},
    .setup = lock_document_compat_setup,
    .apply = lock_document_compat_apply,
};
