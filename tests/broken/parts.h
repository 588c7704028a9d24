/* SPDX-License-Identifier: Apache-2.0
 *
 * parts: what several broken variants are put together from, each part right by itself: reading
 * and writing back, a lease with an owner and a fence, an object in RAM, a document in a file. A
 * variant shows its one bug in its own text; whatever it takes from here is not the bug.
 * Collections, clocks and waiting are the session's, as in strategies/.
 */
#ifndef RACEBENCH_TESTS_BROKEN_PARTS_H
#define RACEBENCH_TESTS_BROKEN_PARTS_H

#include "strategy.h"

#include <stdlib.h>

/* What a variant claims, as its author would: everything but what a lost reply leaves open; and
 * with that, which also makes worker_apply() ask again when no answer came. PLAIN is what twins
 * keep, besides the hazard that they are mended for. */
enum {
    PARTS_PLAIN = HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes),
    PARTS_ALWAYS = (1 << HAZARD_COUNT) - 1,
    PARTS_ANSWERED = PARTS_ALWAYS & ~(int)HAZARD_BIT(lost_reply) & ~(int)HAZARD_BIT(hang) &
                     ~(int)HAZARD_BIT(drop)
};

/* Documents ------------------------------------------------------------------------------------ */

/* Appends {field: {operator: value}} to a filter, or {operator: {field: value}} to an update: a
 * document in `outer` that says inner: value. */
static inline void parts_append(bson_t *document, const char *outer, const char *inner,
                                int64_t value)
{
    bson_t part;
    bson_append_document_begin(document, outer, -1, &part);
    BSON_APPEND_INT64(&part, inner, value);
    bson_append_document_end(document, &part);
}

/* Appends {field: {$not: {$gt: value}}}: at most that, or absent. */
static inline void parts_at_most(bson_t *filter, const char *field, int64_t value)
{
    bson_t part;
    bson_append_document_begin(filter, field, -1, &part);
    parts_append(&part, "$not", "$gt", value);
    bson_append_document_end(filter, &part);
}

/* The update from `was` to `is` that leaves `field` alone; owned by the session. */
static inline bson_t *parts_update_without(struct session *session, const char *field,
                                           const bson_t *was, const bson_t *is)
{
    bson_t *before = session_document(session), *after = session_document(session);
    if (was)
        bson_copy_to_excluding_noinit(was, before, field, NULL);
    bson_copy_to_excluding_noinit(is, after, field, NULL);
    return edit_update(session, before, after);
}

/* Reads the edit's document. */
static inline enum outcome parts_read(struct session *session, const struct edit *edit,
                                      const bson_t **was)
{
    const struct key *key = &edit->key[0];
    return session_find(session, key->collection, session_key(session, key), was);
}

/* Updates the edit's document if it matches `filter`; CONFLICT when it does not. */
static inline enum outcome parts_write(struct session *session, const struct edit *edit,
                                       const bson_t *filter, const bson_t *update)
{
    struct written written;
    const struct modify modify = {.collection = edit->key[0].collection,
                                  .filter = filter,
                                  .update = update};
    enum outcome outcome = session_update_one(session, &modify, &written);
    return outcome == DONE && written.matched == 0 ? CONFLICT : outcome;
}

/* Writes the new fields back by _id, whatever the document says by now. */
static inline enum outcome parts_write_back(struct session *session, const struct edit *edit,
                                            const bson_t *was, const bson_t *is)
{
    struct written written;
    const struct modify modify = {.collection = edit->key[0].collection,
                                  .filter = session_key(session, &edit->key[0]),
                                  .update = edit_update(session, was, is),
                                  .upsert = true};
    return session_update_one(session, &modify, &written);
}

/* Post-processing of an edit that has been written. */
static inline enum outcome parts_effect(struct session *session, const struct edit *edit,
                                        enum outcome outcome)
{
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN;
    return outcome;
}

/* Reads, changes and writes back, with nothing to protect it: what locks are put around. */
static inline enum outcome parts_section(struct session *session, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    return parts_effect(session, edit, parts_write_back(session, edit, was[0], is[0]));
}

/* The same for one whose edit has operators: one command, nothing read. */
static inline enum outcome parts_send_operators(struct session *session, const struct edit *edit)
{
    struct written written;
    const struct modify modify = {.collection = edit->key[0].collection,
                                  .filter = session_key(session, &edit->key[0]),
                                  .update = edit_operators(session, edit),
                                  .upsert = true};
    return session_update_one(session, &modify, &written);
}

/* Two documents -------------------------------------------------------------------------------- */

/* The edit as if it were about its document i alone. */
static inline struct edit parts_about(const struct edit *edit, int i)
{
    struct edit one = *edit;
    one.key[0] = edit->key[i];
    one.count = 1;
    return one;
}

/* Reads all documents of the edit, one after the other. */
static inline enum outcome parts_read_all(struct session *session, const struct edit *edit,
                                          const bson_t *was[])
{
    enum outcome outcome = DONE;
    for (int i = 0; outcome == DONE && i < edit->count; i++) {
        const struct edit one = parts_about(edit, i);
        outcome = parts_read(session, &one, &was[i]);
    }
    return outcome;
}

/* Within a transaction: writes `is`, or, NULL, touches what was only read, so that whoever writes
 * it conflicts. CONFLICT: it is not as it was. */
static inline enum outcome parts_write_inside(struct session *session, const struct edit *one,
                                              const bson_t *was, const bson_t *is)
{
    const bson_t *now;
    bson_t *touch = session_document(session);
    parts_append(touch, "$inc", "touched", 1);
    enum outcome outcome = parts_read(session, one, &now);
    if (outcome != DONE)
        return outcome;
    if (edit_stamp(now) != edit_stamp(was))
        return CONFLICT;
    return parts_write(session, one, session_key(session, &one->key[0]),
                       is ? edit_update(session, was, is) : touch);
}

/* A transaction over all documents of the edit. What fails is aborted at the attempt's end. */
static inline enum outcome parts_transact(struct session *session, const struct edit *edit,
                                          const bson_t *const was[], const bson_t *const is[])
{
    enum outcome outcome = session_begin(session);
    for (int i = 0; outcome == DONE && i < edit->count; i++) {
        const struct edit one = parts_about(edit, i);
        outcome = parts_write_inside(session, &one, was[i], is[i]);
    }
    return outcome == DONE ? session_commit(session) : outcome;
}

/* A lease -------------------------------------------------------------------------------------- */

#define PARTS_LOCKS "locks"

/* One acquisition of the lock of a document. */
struct lease {
    int64_t id;    /* _id of the lock: the document's */
    int64_t token; /* owner: this acquisition and no other */
    int64_t fence; /* one more at each acquisition */
};

/* {_id: of the lock} */
static inline bson_t *parts_lock(struct session *session, const struct lease *lease)
{
    bson_t *filter = session_document(session);
    BSON_APPEND_INT64(filter, "_id", lease->id);
    return filter;
}

/* {$set: {owner, expires}, $inc: {fence: 1}} */
static inline bson_t *parts_taking(struct session *session, int64_t token, int64_t expires_ms)
{
    bson_t *update = session_document(session), set;
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    BSON_APPEND_INT64(&set, "owner", token);
    BSON_APPEND_INT64(&set, "expires", expires_ms);
    bson_append_document_end(update, &set);
    parts_append(update, "$inc", "fence", 1);
    return update;
}

/* Asks for the lock in one command by the client's clock: {_id, expires: {$lt: now}}, upsert, so
 * that a held lock is a duplicate key. CONFLICT: held; UNKNOWN: nobody can tell. */
static inline enum outcome parts_ask(struct session *session, const struct edit *edit,
                                     struct lease *lease)
{
    int64_t now_ms = session_now_ms(session);
    *lease = (struct lease){.id = edit->key[0].id, .token = session_token(session)};
    bson_t *filter = parts_lock(session, lease);
    parts_append(filter, "expires", "$lt", now_ms);
    const struct modify modify = {.collection = PARTS_LOCKS,
                                  .filter = filter,
                                  .update = parts_taking(session, lease->token,
                                                         now_ms + session_lease_ms(session)),
                                  .upsert = true};
    const bson_t *image;
    enum outcome outcome = session_find_and_modify(session, &modify, &image);
    if (outcome == DONE)
        lease->fence = edit_number(image, "fence", 0);
    return outcome;
}

/* The same; BUSY: held, or nobody can tell. */
static inline enum outcome parts_obtain(struct session *session, const struct edit *edit,
                                        struct lease *lease)
{
    enum outcome outcome = parts_ask(session, edit, lease);
    return outcome == DONE || outcome == FAILED ? outcome : BUSY;
}

/* {_id, owner: token}: the lock while it is still ours. */
static inline const bson_t *parts_ours(struct session *session, const struct lease *lease)
{
    bson_t *filter = parts_lock(session, lease);
    BSON_APPEND_INT64(filter, "owner", lease->token);
    return filter;
}

/* Sets `expires` of the lock that matches; 0 frees it. Did it match? */
static inline bool parts_expire(struct session *session, const bson_t *filter, int64_t expires_ms)
{
    bson_t *update = session_document(session);
    struct written written;
    parts_append(update, "$set", "expires", expires_ms);
    return session_update_one(session,
                              &(struct modify){.collection = PARTS_LOCKS,
                                               .filter = filter,
                                               .update = update},
                              &written) == DONE &&
           written.matched == 1;
}

/* Frees the lock if it is still ours. */
static inline void parts_release(struct session *session, const struct lease *lease)
{
    parts_expire(session, parts_ours(session, lease), 0);
}

/* Once in `often` operations the work takes one and a half leases: a slow mail server. */
static inline void parts_dawdle(struct session *session, int64_t often)
{
    if (session_random(session, often) == 0)
        session_sleep_until(session, session_now_ms(session) + session_lease_ms(session) * 3 / 2);
}

/* A file --------------------------------------------------------------------------------------- */

/* The document in the file, NULL when there is none; FAILED when it holds no document. */
static inline enum outcome parts_get_file(struct session *session, const char *name,
                                          const bson_t **document)
{
    const char *text;
    size_t length;
    *document = NULL;
    enum outcome outcome = session_read_file(session, name, &text, &length);
    if (outcome != DONE || !text)
        return outcome;
    *document = session_parse(session, text, length);
    return *document ? DONE : FAILED;
}

/* Writes a document as a whole file. */
static inline enum outcome parts_put_file(struct session *session, const char *name,
                                          enum write_mode mode, const bson_t *document)
{
    size_t length;
    const char *text = session_text(session, document, &length);
    return session_write_file(session, name, mode, text, length);
}

/* Reads, changes and renames a new file over the old, with nothing to protect it. */
static inline enum outcome parts_file_section(struct session *session, const struct edit *edit)
{
    const char *name = session_file_name(session, &edit->key[0]);
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = parts_get_file(session, name, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    return parts_effect(session, edit, parts_put_file(session, name, WRITE_RENAME, is[0]));
}

/* One at a time in an instance ----------------------------------------------------------------- */

/* What the workers of an instance share. */
struct turnstile {
    bool taken;
};

static inline void *parts_turnstile_new(struct session *session)
{
    (void)session;
    return x_calloc(1, sizeof(struct turnstile));
}

/* Waits for its turn. FAILED: interrupted. */
static inline enum outcome parts_enter(struct session *session, struct turnstile *turnstile)
{
    while (turnstile->taken)
        if (session_wait(session, turnstile) != DONE)
            return FAILED;
    turnstile->taken = true;
    return DONE;
}

static inline void parts_leave(struct session *session, struct turnstile *turnstile)
{
    turnstile->taken = false;
    session_wake(session, turnstile);
}

static inline void parts_turnstile_digest(const void *shared, struct hash *hash)
{
    const struct turnstile *turnstile = shared;
    hash_u64(hash, turnstile->taken);
}

static inline void parts_turnstile_free(struct session *session, void *shared)
{
    (void)session;
    free(shared);
}

/* An object in RAM ----------------------------------------------------------------------------- */

/* The one object of an instance. Changes are numbered; a save stores all up to its own number. */
struct object {
    bson_t *image; /* all changes included */
    bool loaded, busy;
    int64_t changed, saved;
};

static inline void *parts_object_new(struct session *session)
{
    (void)session;
    return x_calloc(1, sizeof(struct object));
}

/* Reads the document when it is first used; one worker reads, the others wait. */
static inline enum outcome parts_load(struct session *session, struct object *object,
                                      const struct edit *edit)
{
    const bson_t *found;
    while (object->busy && !object->loaded)
        if (session_wait(session, object) != DONE)
            return FAILED;
    if (object->loaded)
        return DONE;
    object->busy = true;
    enum outcome outcome = parts_read(session, edit, &found);
    object->busy = false;
    object->loaded = outcome == DONE && found;
    if (object->loaded)
        object->image = bson_copy(found);
    session_wake(session, object);
    return outcome == DONE && !found ? FAILED : outcome;
}

/* Changes the object at once: nothing comes between the look and the new image. */
static inline enum outcome parts_change(struct session *session, struct object *object,
                                        const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = edit_work(session);
    if (outcome != DONE)
        return outcome;
    bson_t *look = session_document(session);
    bson_concat(look, object->image);
    was[0] = look;
    outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    bson_destroy(object->image);
    object->image = bson_copy(is[0]);
    object->changed++;
    return DONE;
}

/* Saves a copy of the object as it is now, whole. */
static inline enum outcome parts_save(struct session *session, const struct object *object,
                                      const struct edit *edit)
{
    bson_t *snapshot = session_document(session);
    bson_concat(snapshot, object->image);
    return parts_write(session, edit, session_key(session, &edit->key[0]), snapshot);
}

/* Waits until the present changes are stored, saving them where nobody else does. For objects whose
 * saves do not fail: a change whose save did stays in the object. */
static inline enum outcome parts_settle(struct session *session, struct object *object,
                                        const struct edit *edit)
{
    int64_t mine = object->changed;
    while (object->saved < mine) {
        if (object->busy) {
            if (session_wait(session, object) != DONE)
                return UNKNOWN;
            continue;
        }
        int64_t number = object->changed;
        object->busy = true;
        enum outcome outcome = parts_save(session, object, edit);
        object->busy = false;
        if (outcome == DONE)
            object->saved = number;
        session_wake(session, object);
        if (outcome != DONE)
            return outcome;
    }
    return DONE;
}

/* Every part of the object but the stamps of its image. */
static inline void parts_object_digest(const void *shared, struct hash *hash)
{
    const struct object *object = shared;
    bson_t plain = BSON_INITIALIZER;
    if (object->image)
        bson_copy_to_excluding_noinit(object->image, &plain, EDIT_STAMP, NULL);
    hash_bytes(hash, bson_get_data(&plain), plain.len);
    bson_destroy(&plain);
    hash_u64(hash, (uint64_t)object->loaded << 1 | object->busy);
    hash_u64(hash, (uint64_t)(object->changed - object->saved));
}

static inline void parts_object_free(struct session *session, void *shared)
{
    struct object *object = shared;
    (void)session;
    bson_destroy(object->image);
    free(object);
}

#endif
