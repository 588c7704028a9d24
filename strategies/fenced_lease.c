/* SPDX-License-Identifier: Apache-2.0
 *
 * fenced_lease: a lease that the document itself enforces. The lock (collection "leases") is taken
 * as lock_document takes it: one command, the server's clock, a token for each acquisition, and a
 * fence that counts up with each change of hands and never runs backwards. But here the holder
 * brings its fence to the document: reading it stamps the fence on it, if it has no higher one, and
 * writing asks that the fence is still the same. A holder that was paused past its lease finds a
 * higher fence: its write matches nothing, and the next holder's work stands.
 *
 * Stamping on read is the point. If only writes carried the fence, the old holder could still write
 * between the new one's read and write. Before post-processing the lease is renewed, by token,
 * since that is what must not be done by two.
 *
 * Two documents have a lease each, taken in the order of their keys. A fence refuses who comes late
 * with one write, but not who stopped between two: half of the edit would stand, and who dies there
 * leaves it so for ever. So what was read and thought out under the leases, for as long as it may
 * take, is written by one short transaction, which also asks whether what was only read carries our
 * fence still: both documents are then as they were read, and no rule over both is broken.
 *
 * When a command fails: the lease is released by token, which does nothing if it is not ours. A
 * write without an answer is UNKNOWN: it may have happened.
 *
 * Claim: no update is lost, doubled or torn and no rule over two documents is violated, with any
 * number of workers and instances, whatever their clocks say and however long a holder stops; a
 * crashed holder costs at most one lease, and one that dies in its transaction what the server
 * gives transactions (60 s).
 * Weakness: four to six commands for an edit of one document, ten for two, which need a replica
 * set; everybody who writes the document must bring a fence. After a lost reply nobody can tell
 * whether the write happened.
 * Seed: the MongoDB Lock Demo (seeds/002) with the remedies of Kleppmann ("How to do distributed
 * locking") and of johanhaleby/occurrent, whose token was computed and then not checked (ADR 115).
 */
#include "strategy.h"

#include <inttypes.h>
#include <stdio.h>

#define LEASES "leases"
#define FENCE  "fence"

/* A lease as taken. */
struct lease {
    char name[96]; /* _id of the lease: "counters/0" */
    int64_t token; /* this acquisition, and no other */
    int64_t fence;
};

/* Appends {$cond: [{$lt: ["$expires", "$$NOW"]}, yes, "$field"]} as `field`; a missing `expires`
 * sorts before every date: a new lease, or a released one. */
static void append_if_free(bson_t *set, const char *field, const char *as_it_was,
                           const bson_value_t *yes)
{
    bson_t choice, branches, test, operands;
    bson_append_document_begin(set, field, -1, &choice);
    BSON_APPEND_ARRAY_BEGIN(&choice, "$cond", &branches);
    BSON_APPEND_DOCUMENT_BEGIN(&branches, "0", &test);
    BSON_APPEND_ARRAY_BEGIN(&test, "$lt", &operands);
    BSON_APPEND_UTF8(&operands, "0", "$expires");
    BSON_APPEND_UTF8(&operands, "1", "$$NOW");
    bson_append_array_end(&test, &operands);
    bson_append_document_end(&branches, &test);
    BSON_APPEND_VALUE(&branches, "1", yes);
    BSON_APPEND_UTF8(&branches, "2", as_it_was);
    bson_append_array_end(&choice, &branches);
    bson_append_document_end(set, &choice);
}

/* {$add: [first, number]} as a value of its own. */
static bson_value_t sum_of(struct session *session, const char *first, int64_t number)
{
    bson_t *holder = session_document(session), sum, terms, fallback, values;
    bson_iter_t iter;
    BSON_APPEND_DOCUMENT_BEGIN(holder, "v", &sum);
    BSON_APPEND_ARRAY_BEGIN(&sum, "$add", &terms);
    BSON_APPEND_DOCUMENT_BEGIN(&terms, "0", &fallback);
    BSON_APPEND_ARRAY_BEGIN(&fallback, "$ifNull", &values);
    BSON_APPEND_UTF8(&values, "0", first);
    BSON_APPEND_INT64(&values, "1", 0);
    bson_append_array_end(&fallback, &values);
    bson_append_document_end(&terms, &fallback);
    BSON_APPEND_INT64(&terms, "1", number);
    bson_append_array_end(&sum, &terms);
    bson_append_document_end(holder, &sum);
    must(bson_iter_init_find(&iter, holder, "v"));
    return *bson_iter_value(&iter);
}

static const bson_t *taking(struct session *session, int64_t token)
{
    bson_t *pipeline = session_document(session), stage, set;
    bson_value_t owner = {.value_type = BSON_TYPE_INT64};
    bson_value_t next_fence = sum_of(session, "$" FENCE, 1);
    bson_value_t expires = sum_of(session, "$$NOW", session_lease_ms(session));
    owner.value.v_int64 = token;
    BSON_APPEND_DOCUMENT_BEGIN(pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$set", &set);
    append_if_free(&set, "owner", "$owner", &owner);
    append_if_free(&set, FENCE, "$" FENCE, &next_fence);
    append_if_free(&set, "expires", "$expires", &expires);
    bson_append_document_end(&stage, &set);
    bson_append_document_end(pipeline, &stage);
    return pipeline;
}

/* Updates the lease if it is still ours by token; did it match? */
static bool update_ours(struct session *session, const struct lease *lease, const bson_t *update,
                        const bson_t *pipeline)
{
    bson_t *ours = session_document(session);
    BSON_APPEND_UTF8(ours, "_id", lease->name);
    BSON_APPEND_INT64(ours, "owner", lease->token);
    const struct modify modify = {.collection = LEASES,
                                  .filter = ours,
                                  .update = update,
                                  .pipeline = pipeline};
    struct written written;
    return session_update_one(session, &modify, &written) == DONE && written.matched == 1;
}

static void release(struct session *session, const struct lease *lease)
{
    bson_t *update = session_document(session), gone;
    BSON_APPEND_DOCUMENT_BEGIN(update, "$unset", &gone);
    BSON_APPEND_BOOL(&gone, "owner", true);
    BSON_APPEND_BOOL(&gone, "expires", true);
    bson_append_document_end(update, &gone);
    update_ours(session, lease, update, NULL);
}

/* Begins the lease anew. False: it is not ours any more. */
static bool renew(struct session *session, const struct lease *lease)
{
    bson_t *pipeline = session_document(session), stage, set;
    bson_value_t expires = sum_of(session, "$$NOW", session_lease_ms(session));
    BSON_APPEND_DOCUMENT_BEGIN(pipeline, "0", &stage);
    BSON_APPEND_DOCUMENT_BEGIN(&stage, "$set", &set);
    BSON_APPEND_VALUE(&set, "expires", &expires);
    bson_append_document_end(&stage, &set);
    bson_append_document_end(pipeline, &stage);
    return update_ours(session, lease, NULL, pipeline);
}

/* DONE: ours; BUSY: somebody else's, or nobody can tell. */
static enum outcome obtain(struct session *session, const struct key *key, struct lease *lease)
{
    snprintf(lease->name, sizeof(lease->name), "%s/%" PRId64, key->collection, key->id);
    lease->token = session_token(session);
    bson_t *filter = session_document(session);
    BSON_APPEND_UTF8(filter, "_id", lease->name);
    const struct modify modify = {.collection = LEASES,
                                  .filter = filter,
                                  .pipeline = taking(session, lease->token),
                                  .upsert = true};
    const bson_t *image;
    enum outcome outcome = session_find_and_modify(session, &modify, &image);
    if (outcome == UNKNOWN)
        release(session, lease); /* it may be ours */
    if (outcome != DONE)
        return outcome == FAILED ? FAILED : BUSY;
    lease->fence = edit_number(image, FENCE, 0);
    return edit_number(image, "owner", 0) == lease->token ? DONE : BUSY;
}

/* Reads the document and stamps our fence on it. CONFLICT: it carries a higher one. */
static enum outcome read_fenced(struct session *session, const struct key *key,
                                const struct lease *lease, const bson_t **was)
{
    bson_t *filter = session_key(session, key), *update = session_document(session), part, above;
    BSON_APPEND_DOCUMENT_BEGIN(filter, FENCE, &part);
    BSON_APPEND_DOCUMENT_BEGIN(&part, "$not", &above);
    BSON_APPEND_INT64(&above, "$gt", lease->fence);
    bson_append_document_end(&part, &above);
    bson_append_document_end(filter, &part);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &part);
    BSON_APPEND_INT64(&part, FENCE, lease->fence);
    bson_append_document_end(update, &part);
    enum outcome outcome = session_find_and_modify(
        session,
        &(struct modify){.collection = key->collection, .filter = filter, .update = update}, was);
    if (outcome == UNKNOWN)
        return BUSY; /* stamped or not: nothing of the edit is written */
    return outcome == DONE && *was == NULL ? CONFLICT : outcome;
}

static enum outcome write_fenced(struct session *session, const struct key *key,
                                 const struct lease *lease, const bson_t *update)
{
    bson_t *filter = session_key(session, key);
    BSON_APPEND_INT64(filter, FENCE, lease->fence);
    struct written written;
    enum outcome outcome = session_update_one(session,
                                              &(struct modify){.collection = key->collection,
                                                               .filter = filter,
                                                               .update = update},
                                              &written);
    return outcome == DONE && written.matched == 0 ? CONFLICT : outcome; /* a higher fence came */
}

/* Does what was only read still carry our fence? */
static enum outcome check_fence(struct session *session, const struct key *key,
                                const struct lease *lease)
{
    bson_t *filter = session_key(session, key);
    BSON_APPEND_INT64(filter, FENCE, lease->fence);
    const bson_t *found;
    enum outcome outcome = session_find(session, key->collection, filter, &found);
    return outcome == DONE && !found ? CONFLICT : outcome;
}

/* Two documents at once or not at all, and only while both carry our fences. A commit without an
 * answer is asked again, once: committing what is committed is no second commit. */
static enum outcome write_together(struct session *session, const struct edit *edit,
                                   const struct lease leases[], const bson_t *const updates[])
{
    enum outcome outcome = session_begin(session);
    if (outcome != DONE)
        return outcome;
    for (int i = 0; outcome == DONE && i < edit->count; i++)
        outcome = updates[i] ? write_fenced(session, &edit->key[i], &leases[i], updates[i])
                             : check_fence(session, &edit->key[i], &leases[i]);
    if (outcome != DONE) {
        session_abort(session);
        return outcome;
    }
    outcome = session_commit(session);
    if (outcome == UNKNOWN)
        outcome = session_commit(session);
    if (outcome == UNKNOWN)
        session_abort(session); /* whatever became of it, the release is not part of it */
    return outcome;
}

static enum outcome post_process(struct session *session, const struct edit *edit,
                                 const struct lease leases[])
{
    for (int i = 0; i < edit->count; i++)
        if (!renew(session, &leases[i]))
            return UNKNOWN; /* written, but its post-processing may be missing */
    return session_effect(session, edit) == DONE ? DONE : UNKNOWN;
}

static enum outcome section(struct session *session, const struct edit *edit,
                            const struct lease leases[])
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    const bson_t *updates[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome decided = DONE, written;
    for (int i = 0; decided == DONE && i < edit->count; i++) /* window opens */
        decided = read_fenced(session, &edit->key[i], &leases[i], &was[i]);
    if (decided == DONE)
        decided = edit_run(session, edit, was, is);
    for (int i = 0; i < edit->count; i++)
        updates[i] = is[i] ? edit_update(session, was[i], is[i]) : NULL;
    if (edit->count == 2 && (decided == DONE || decided == NOTHING))
        written = write_together(session, edit, leases, updates);
    else if (decided == DONE && is[0])
        written = write_fenced(session, &edit->key[0], &leases[0], updates[0]);
    else
        return decided;
    if (written != DONE || decided == NOTHING || !edit->effect) /* window closes */
        return written == DONE ? decided : written;
    return post_process(session, edit, leases);
}

static enum outcome look(struct session *session, const struct edit *edit)
{
    const struct key *key = &edit->key[0];
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome =
        session_find(session, key->collection, session_key(session, key), &was[0]);
    return outcome == DONE ? edit_run(session, edit, was, is) : outcome;
}

static enum outcome fenced_lease_apply(struct session *session, void *shared,
                                       const struct edit *edit)
{
    (void)shared;
    if (!edit->change && edit->count == 1)
        return look(session, edit); /* one read is whole by itself */
    struct lease leases[EDIT_DOCUMENTS_MAX];
    int first = edit_first(edit), held = 0;
    enum outcome outcome = DONE;
    for (; outcome == DONE && held < edit->count; held += outcome == DONE) {
        int next = held == 0 ? first : 1 - first;
        outcome = obtain(session, &edit->key[next], &leases[next]);
    }
    if (outcome == DONE)
        outcome = section(session, edit, leases);
    while (held > 0)
        release(session, &leases[--held == 0 ? first : 1 - first]);
    return outcome;
}

#define UNLESS_RESENT                                                                              \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(error) |        \
     HAZARD_BIT(drop) | HAZARD_BIT(delay) | HAZARD_BIT(pause) | HAZARD_BIT(crash) |                \
     HAZARD_BIT(skew) | HAZARD_BIT(boot))

#define ALWAYS (UNLESS_RESENT | HAZARD_BIT(lost_reply))

const struct strategy strategy_fenced_lease = {
    .name = "fenced_lease",
    .help = "a lease whose fence the document checks on every write",
    .can = CAN_CHANGE | CAN_TWO_DOCUMENTS,
    .home = HOME_DATABASE,
    .guard = "fence",
    .keeps = {[LOST] = ALWAYS, [DOUBLED] = UNLESS_RESENT, [TORN] = ALWAYS, [SKEWED] = ALWAYS},
    .apply = fenced_lease_apply,
};
