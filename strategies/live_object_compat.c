/* SPDX-License-Identifier: Apache-2.0
 *
 * live_object_compat: LiveObjectManager as it is. An edit changes the object in RAM at once, then
 * waits for a save that began afterwards; one save is in flight at a time and takes all who wait by
 * then. What it saves is no snapshot: the "clone" inherits from the live object, so a save that
 * reads its fields at two moments can store a record that never was. Here a save finds its record
 * and then stores it in one command; half of the fields are read before the find, half after.
 *
 * A save that fails rejects its waiters without a reason (FAILED); the object keeps what they
 * changed, and the next save stores it after all.
 *
 * Claim: no update is lost or doubled in one running copy of the application whose saves never
 * fail. Weakness: a second copy overwrites the first one's saves. A "failed" write comes true
 * later, so who tries again counts twice. A save can store half of an edit. A save that never ends
 * stops everybody. Seed: LiveObjectManager (seeds/000), Siko91/sync-db-object-manager-example,
 * 2021.
 */
#include "strategy.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

/* An edit that waits for a save, on the stack of its worker. */
struct pending {
    struct pending *prev, *next;
    bool taken, settled;
    int32_t worker;
    enum outcome outcome;
};

struct object {
    int64_t id;
    const char *collection; /* of the edits, which name it by a literal */
    bson_t *live;
    bool loaded, loading, saving;
    struct pending *pending;
    UT_hash_handle hh;
};

/* What the workers of an instance share. */
struct manager {
    struct object *objects; /* by id; they stay once made */
};

static struct object *object_find(struct manager *manager, const struct key *key)
{
    struct object *object;
    HASH_FIND(hh, manager->objects, &key->id, sizeof(key->id), object);
    if (object)
        return object;
    object = x_calloc(1, sizeof(*object));
    object->id = key->id;
    object->collection = key->collection;
    HASH_ADD(hh, manager->objects, id, sizeof(object->id), object);
    return object;
}

/* findById, once, before the manager is made; one worker reads, the others wait for it. */
static enum outcome load(struct session *session, struct object *object, const struct key *key)
{
    while (object->loading)
        if (session_wait(session, &object->loading) != DONE)
            return FAILED;
    if (object->loaded)
        return DONE;
    object->loading = true;
    const bson_t *found;
    enum outcome outcome =
        session_find(session, key->collection, session_key(session, key), &found);
    object->loading = false;
    if (outcome == DONE && found) {
        object->live = bson_copy(found);
        object->loaded = true;
    }
    session_wake(session, &object->loading);
    return outcome == DONE && !object->loaded ? FAILED : outcome; /* nothing to manage */
}

/* Adds the fields of the live object whose names have this parity, as they are now. */
static void take_half(const struct object *object, int parity, bson_t *fields)
{
    bson_iter_t field;
    for (bson_iter_init(&field, object->live); bson_iter_next(&field);) {
        const char *name = bson_iter_key(&field);
        if (strcmp(name, "_id") != 0 && name[0] % 2 == parity)
            bson_append_iter(fields, NULL, -1, &field);
    }
}

/* save(clone): finds the record, then stores it, and reads the clone before and after. */
static enum outcome save(struct session *session, const struct object *object)
{
    struct key key = {object->collection, object->id};
    const bson_t *record;
    bson_t *update = session_document(session), *fields = session_document(session);
    struct written written;
    take_half(object, 0, fields);
    if (session_find(session, key.collection, session_key(session, &key), &record) != DONE)
        return FAILED;
    take_half(object, 1, fields); /* others have changed it meanwhile: no snapshot */
    BSON_APPEND_DOCUMENT(update, "$set", fields);
    struct modify modify = {.collection = key.collection,
                            .filter = session_key(session, &key),
                            .update = update};
    if (session_update_one(session, &modify, &written) != DONE)
        return FAILED; /* rejected, and nobody is told why */
    return DONE;
}

/* Saves for all who wait now, and tells them how it went. */
static void save_for_waiters(struct session *session, struct object *object)
{
    struct pending *one;
    object->saving = true;
    DL_FOREACH (object->pending, one)
        one->taken = true;
    enum outcome outcome = save(session, object);
    DL_FOREACH (object->pending, one) {
        if (!one->taken || one->settled)
            continue;
        one->settled = true;
        one->outcome = outcome;
    }
    object->saving = false;
    session_wake(session, object);
}

static enum outcome settle(struct session *session, struct object *object)
{
    struct pending self = {.worker = session_worker(session)};
    DL_APPEND(object->pending, &self);
    while (!self.settled) {
        if (!object->saving) {
            save_for_waiters(session, object);
        } else if (session_wait(session, object) != DONE) {
            self.outcome = UNKNOWN; /* interrupted: others may still save it */
            break;
        }
    }
    DL_DELETE(object->pending, &self);
    return self.outcome;
}

static enum outcome live_object_compat_apply(struct session *session, void *shared,
                                             const struct edit *edit)
{
    struct object *object = object_find(shared, &edit->key[0]);
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = load(session, object, &edit->key[0]);
    if (outcome == DONE)
        outcome = edit_work(session);
    if (outcome != DONE)
        return outcome;
    bson_t *look = session_document(session);
    bson_concat(look, object->live);
    was[0] = look; /* no window: until settle() this worker is alone in its instance */
    outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome; /* getClone() waits for no save */
    bson_destroy(object->live);
    object->live = bson_copy(is[0]);
    outcome = settle(session, object);
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* stored, but its post-processing may be missing */
    return outcome;
}

static void *live_object_compat_setup(struct session *session)
{
    (void)session;
    return x_calloc(1, sizeof(struct manager));
}

/* Objects are added up, since the order of the table means nothing. */
static void live_object_compat_digest(const void *shared, struct hash *hash)
{
    const struct manager *manager = shared;
    uint64_t sum = 0;
    for (const struct object *object = manager->objects; object; object = object->hh.next) {
        struct hash one;
        bson_t plain = BSON_INITIALIZER;
        hash_init(&one);
        hash_u64(&one, (uint64_t)object->id);
        if (object->live)
            bson_copy_to_excluding_noinit(object->live, &plain, EDIT_STAMP, NULL);
        hash_bytes(&one, bson_get_data(&plain), plain.len);
        bson_destroy(&plain);
        hash_u64(&one, (uint64_t)object->loaded << 2 | (uint64_t)object->loading << 1 |
                           (uint64_t)object->saving);
        for (const struct pending *other = object->pending; other; other = other->next)
            hash_u64(&one, (uint64_t)other->worker << 4 | (uint64_t)other->taken << 3 |
                               (uint64_t)other->settled << 2 | (uint64_t)other->outcome);
        sum += hash_value(&one);
    }
    hash_u64(hash, sum);
}

static void live_object_compat_teardown(struct session *session, void *shared)
{
    struct manager *manager = shared;
    struct object *object, *next;
    (void)session;
    HASH_ITER (hh, manager->objects, object, next) {
        HASH_DEL(manager->objects, object);
        bson_destroy(object->live);
        free(object);
    }
    free(manager);
}

#define ALONE (HAZARD_BIT(none) | HAZARD_BIT(delay) | HAZARD_BIT(pause))

const struct strategy strategy_live_object_compat = {
    .name = "live_object_compat",
    .help = "LiveObjectManager as it is",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = ALONE, [DOUBLED] = ALONE},
    .setup = live_object_compat_setup,
    .apply = live_object_compat_apply,
    .digest = live_object_compat_digest,
    .teardown = live_object_compat_teardown,
};
