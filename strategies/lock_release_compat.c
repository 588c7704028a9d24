/* SPDX-License-Identifier: Apache-2.0
 *
 * lock_release_compat: the plugin mongoose-lock-release as it is. Locking is one findAndModify that
 * asks for `locked` <= now, by the client's clock, and moves it into the future. Releasing sets it
 * to now, by _id alone, whoever holds it. In between the document is read from the lock's own
 * reply, changed, post-processed and saved like any other.
 *
 * Documents carry `locked` from birth (the schema's default). One that is older than the plugin has
 * none, and is never lockable: a missing field is not <= now.
 *
 * Claim: no update is lost, doubled or torn while no lease expires and all clocks agree.
 * Weakness: each of these; a late release frees the next holder's lock. "Once and only once" holds
 * only among callers that overlap: after the release the next one may lock and process again.
 * Seed: mongoose-lock-release 0.0.3 (seeds/003), Peerby, 2016.
 */
#include "strategy.h"

#define LOCKED "locked"

static void lock_release_compat_born(bson_t *document, int64_t now_ms)
{
    BSON_APPEND_DATE_TIME(document, LOCKED, now_ms);
}

static const bson_t *set_locked(struct session *session, int64_t until_ms)
{
    bson_t *update = session_document(session), set;
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    BSON_APPEND_DATE_TIME(&set, LOCKED, until_ms);
    bson_append_document_end(update, &set);
    return update;
}

/* DONE with the document, or BUSY: locked, unsaved or missing, which upstream does not tell
 * apart. */
static enum outcome lock(struct session *session, const struct key *key, const bson_t **document)
{
    int64_t now_ms = session_now_ms(session);
    bson_t *filter = session_key(session, key), until;
    BSON_APPEND_DOCUMENT_BEGIN(filter, LOCKED, &until);
    BSON_APPEND_DATE_TIME(&until, "$lte", now_ms);
    bson_append_document_end(filter, &until);
    const struct modify modify = {.collection = key->collection,
                                  .filter = filter,
                                  .update =
                                      set_locked(session, now_ms + session_lease_ms(session))};
    enum outcome outcome = session_find_and_modify(session, &modify, document);
    if (outcome == DONE)
        return *document ? DONE : BUSY;
    return outcome == FAILED ? FAILED : BUSY; /* without an answer: blocked until it expires */
}

static void release(struct session *session, const struct key *key)
{
    struct written written;
    const struct modify modify = {.collection = key->collection,
                                  .filter = session_key(session, key),
                                  .update = set_locked(session, session_now_ms(session))};
    session_update_one(session, &modify, &written); /* by _id alone: whoever holds it */
}

static enum outcome section(struct session *session, const struct edit *edit, const bson_t *seen)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {seen}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    if (edit->effect) {
        outcome = session_effect(session, edit);
        if (outcome != DONE)
            return outcome;
    }
    struct written written;
    const struct modify modify = {.collection = edit->key[0].collection,
                                  .filter = session_key(session, &edit->key[0]),
                                  .update = edit_update(session, seen, is[0])};
    return session_update_one(session, &modify, &written); /* window closes, lock or no lock */
}

static enum outcome look(struct session *session, const struct edit *edit)
{
    const struct key *key = &edit->key[0];
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome =
        session_find(session, key->collection, session_key(session, key), &was[0]);
    return outcome == DONE ? edit_run(session, edit, was, is) : outcome;
}

static enum outcome lock_release_compat_apply(struct session *session, void *shared,
                                              const struct edit *edit)
{
    const struct key *key = &edit->key[0];
    const bson_t *loaded = NULL, *seen;
    enum outcome outcome = DONE;
    (void)shared;
    if (!edit->change)
        return look(session, edit); /* an ordinary read does not ask for the lock */
    if (edit->once) /* "get your model": what it says is what the instruction is checked against */
        outcome = session_find(session, key->collection, session_key(session, key), &loaded);
    if (outcome == DONE)
        outcome = lock(session, key, &seen); /* window opens; with `once` it has been open before */
    if (outcome != DONE)
        return outcome;
    outcome = section(session, edit, loaded ? loaded : seen);
    release(session, key);
    return outcome;
}

#define IN_LEASE                                                                                   \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(delay) |        \
     HAZARD_BIT(crash) | HAZARD_BIT(error) | HAZARD_BIT(drop))

#define IN_LEASE_ALWAYS (IN_LEASE | HAZARD_BIT(lost_reply))

const struct strategy strategy_lock_release_compat = {
    .name = "lock_release_compat",
    .help = "the plugin mongoose-lock-release as it is",
    .can = CAN_CHANGE | CAN_ONCE,
    .home = HOME_DATABASE,
    .guard = "locked",
    .keeps = {[LOST] = IN_LEASE_ALWAYS, [DOUBLED] = IN_LEASE, [TORN] = IN_LEASE_ALWAYS},
    .born = lock_release_compat_born,
    .apply = lock_release_compat_apply,
};
