/* SPDX-License-Identifier: Apache-2.0
 *
 * live_object: the document lives in RAM. An edit changes it there, at once and undisturbed, and
 * then waits until a save is over whose snapshot was taken after the change. At most one save of an
 * object is in flight; all changes that are made meanwhile go into the next one together, so a
 * hundred increments at once cost two saves. Each save overwrites the whole document with a byte
 * copy, which no later change can reach. A document is read from the database once, when it is
 * first used.
 *
 * Nobody is told anything before it is stored: who only reads, or finds the thing done already,
 * waits like a writer for the save that holds what it saw.
 *
 * When a save fails: refused, surely without effect: the object goes back to the newest image that
 * is or may be stored. The edits of that save get its outcome; those that were queued behind it
 * were worked out from what is now undone, and get CONFLICT: nothing of them is written, try again.
 * Without an answer: the edits of that save get UNKNOWN and stay in the object, since they may be
 * stored; it is saved again by whoever comes next, a reader or teardown included, so that what was
 * left open is decided in the end.
 *
 * Claim: no update is lost, doubled or torn in one running copy of the application.
 * Weakness: that "one". A second copy has an object of its own and overwrites the first one's saves
 * with its own past; so does a save that arrives after its time-out.
 * Seed: LiveObjectManager (seeds/000), here with a true snapshot and a rule for saves that fail.
 */
#include "strategy.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

/* `newest` of an object with no change that waits for a save. */
enum { NO_SAVE = -1 };

/* Which document; compared byte by byte. */
struct name {
    int64_t id;
    char collection[56];
};

/* An edit that waits for a save, on the stack of its worker. */
struct pending {
    struct pending *prev, *next;
    int32_t worker;
    int64_t save; /* number of the one that settles it */
    bool settled;
    enum outcome outcome;
};

struct object {
    struct name name;
    bson_t *image;  /* the object, all changes included; NULL: absent */
    bson_t *stored; /* newest image that is, or may be, in the database; NULL: absent */
    bool loaded, loading;
    bool doubtful;        /* the save of `stored` got no answer */
    int64_t begun, ended; /* saves; at most one more begun than ended */
    int64_t newest;       /* number of the save that will hold the newest change */
    struct pending *pending;
    UT_hash_handle hh;
};

/* What the workers of an instance share. */
struct live {
    struct object *objects; /* by name; they stay once made */
};

static struct object *object_find(struct live *live, const struct key *key)
{
    struct object *object;
    struct name name;
    memset(&name, 0, sizeof(name));
    must(strlen(key->collection) < sizeof(name.collection));
    strcpy(name.collection, key->collection);
    name.id = key->id;
    HASH_FIND(hh, live->objects, &name, sizeof(name), object);
    if (object)
        return object;
    object = x_calloc(1, sizeof(*object));
    object->name = name;
    object->newest = NO_SAVE;
    HASH_ADD(hh, live->objects, name, sizeof(name), object);
    return object;
}

static void replace(bson_t **image, const bson_t *by)
{
    bson_t *copy = by ? bson_copy(by) : NULL;
    bson_destroy(*image);
    *image = copy;
}

/* Reads the document when it is first used; one worker reads, the others wait for it. */
static enum outcome load(struct session *session, struct object *object, const struct key *key)
{
    while (object->loading)
        if (session_wait(session, &object->loading) != DONE)
            return FAILED; /* interrupted */
    if (object->loaded)
        return DONE;
    object->loading = true;
    const bson_t *found;
    enum outcome outcome =
        session_find(session, key->collection, session_key(session, key), &found);
    object->loading = false;
    if (outcome == DONE) {
        replace(&object->image, found);
        replace(&object->stored, found);
        object->loaded = true;
    }
    session_wake(session, &object->loading);
    return outcome;
}

/* Tells those who wait for save `number` how it ended; if the object went back, those behind. */
static void answer(struct object *object, int64_t number, enum outcome outcome)
{
    bool went_back = outcome != DONE && outcome != UNKNOWN;
    struct pending *one;
    DL_FOREACH (object->pending, one) {
        if (one->settled || (one->save != number && !went_back))
            continue;
        one->settled = true;
        one->outcome = one->save == number ? outcome : CONFLICT;
    }
}

/* Saves the object as it is now. Only while no other save of it is in flight. */
static void save(struct session *session, struct object *object)
{
    int64_t number = object->begun++;
    bson_t *snapshot = bson_copy(object->image);
    const struct modify modify = {
        .collection = object->name.collection,
        .filter = session_key(session, &(struct key){object->name.collection, object->name.id}),
        .update = snapshot,
        .upsert = true,
    };
    struct written written;
    enum outcome outcome = session_update_one(session, &modify, &written);
    object->ended++;
    if (outcome == DONE || outcome == UNKNOWN) {
        replace(&object->stored, snapshot);
        object->doubtful = outcome == UNKNOWN;
        if (object->doubtful)
            object->newest = object->begun; /* once more */
    } else {
        replace(&object->image, object->stored);
        object->newest = object->doubtful ? object->begun : NO_SAVE;
    }
    bson_destroy(snapshot);
    answer(object, number, outcome);
    if (object->pending && object->pending->next)
        session_wake(session, object);
}

/* Waits until all that is in the object now is stored, saving it where nobody else does. */
static enum outcome settle(struct session *session, struct object *object)
{
    if (object->newest < object->ended)
        return DONE;
    struct pending self = {.worker = session_worker(session), .save = object->newest};
    DL_APPEND(object->pending, &self);
    while (!self.settled) {
        if (object->begun == object->ended) {
            save(session, object);
        } else if (session_wait(session, object) != DONE) {
            self.outcome = UNKNOWN; /* interrupted: others may still save it */
            break;
        }
    }
    DL_DELETE(object->pending, &self);
    return self.outcome;
}

static enum outcome live_object_apply(struct session *session, void *shared,
                                      const struct edit *edit)
{
    struct object *object = object_find(shared, &edit->key[0]);
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = load(session, object, &edit->key[0]);
    if (outcome != DONE)
        return outcome;
    if (edit_work(session) != DONE) /* now, so that nothing comes between the look and the change */
        return FAILED;
    if (object->image) {
        bson_t *look = session_document(session);
        bson_concat(look, object->image);
        was[0] = look;
    } /* no window: until settle() this worker is alone in its instance ... */
    outcome = edit_run(session, edit, was, is);
    bool changed = outcome == DONE && is[0];
    if (changed) {
        replace(&object->image, is[0]);
        object->newest = object->begun;
    }
    enum outcome stored = settle(session, object); /* ... but not alone in the database */
    if (stored != DONE)
        return changed ? stored : BUSY; /* BUSY: what was seen may not be so */
    if (changed && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* stored, but its post-processing may be missing */
    return outcome;
}

static void *live_object_setup(struct session *session)
{
    (void)session;
    return x_calloc(1, sizeof(struct live));
}

/* An image without its stamp, which differs between schedules that are alike. */
static void digest_image(const bson_t *image, struct hash *hash)
{
    bson_t plain = BSON_INITIALIZER;
    if (image)
        bson_copy_to_excluding_noinit(image, &plain, EDIT_STAMP, NULL);
    hash_bytes(hash, bson_get_data(&plain), plain.len);
    bson_destroy(&plain);
}

/* Saves are counted from the last one that ended, and objects are added up, since neither the
 * number of past saves nor the order of the table means anything. */
static void live_object_digest(const void *shared, struct hash *hash)
{
    const struct live *live = shared;
    uint64_t sum = 0;
    for (const struct object *object = live->objects; object; object = object->hh.next) {
        struct hash one;
        bool dirty = object->newest >= object->ended;
        hash_init(&one);
        hash_bytes(&one, &object->name, sizeof(object->name));
        digest_image(object->image, &one);
        digest_image(object->stored, &one);
        hash_u64(&one, (uint64_t)object->loaded << 2 | (uint64_t)object->loading << 1 |
                           (uint64_t)object->doubtful);
        hash_u64(&one, (uint64_t)(object->begun - object->ended));
        hash_u64(&one, dirty ? (uint64_t)(object->newest - object->ended) : UINT64_MAX);
        for (const struct pending *other = object->pending; other; other = other->next) {
            hash_u64(&one, (uint64_t)other->worker);
            hash_u64(&one, other->settled ? (uint64_t)other->outcome + 2
                                          : (uint64_t)(other->save - object->ended));
        }
        sum += hash_value(&one);
    }
    hash_u64(hash, sum);
}

static void live_object_teardown(struct session *session, void *shared)
{
    struct live *live = shared;
    struct object *object, *next;
    HASH_ITER (hh, live->objects, object, next) {
        if (object->newest >= object->ended)
            save(session, object);
        HASH_DEL(live->objects, object);
        bson_destroy(object->image);
        bson_destroy(object->stored);
        free(object);
    }
    free(live);
}

/* Who asks again for what is still in the object counts twice, stored or not. */
#define ALONE_ANSWERED                                                                             \
    (HAZARD_BIT(none) | HAZARD_BIT(delay) | HAZARD_BIT(pause) | HAZARD_BIT(crash) |                \
     HAZARD_BIT(boot) | HAZARD_BIT(error))

#define ALONE (ALONE_ANSWERED | HAZARD_BIT(lost_reply) | HAZARD_BIT(drop))

const struct strategy strategy_live_object = {
    .name = "live_object",
    .help = "keep the document in RAM, change it there, save it whole",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = ALONE, [DOUBLED] = ALONE_ANSWERED, [TORN] = ALONE},
    .setup = live_object_setup,
    .apply = live_object_apply,
    .digest = live_object_digest,
    .teardown = live_object_teardown,
};
