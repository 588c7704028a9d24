/* SPDX-License-Identifier: Apache-2.0
 *
 * occ: optimistic concurrency control. Every document carries a version; a write names the version
 * that it has read, in its filter, and counts it up in the same command. Whoever comes second finds
 * that the filter matches nothing: CONFLICT, and nothing was written.
 *
 * A new document is inserted with version 0; the unique _id decides between two creators. A
 * document that never had a version may be written once as such and has version 1 afterwards. The
 * version belongs to this strategy: whatever the edit makes of that field is not used. An edit that
 * comes from a version seen earlier (`base`) is asked first, since it may say "already" or "not
 * yet", and is refused when the document has moved on.
 *
 * Claim: no update is lost, doubled or torn, with any number of workers and instances.
 * Weakness: one writer that bypasses the version undoes it all. Under contention attempts grow with
 * the square of the workers (100 workers, one increment each: 3,508 to 5,050 attempts). After a
 * lost reply its own write looks like somebody else's, and trying again would count it twice.
 * Seed: mongoose-update-if-current and the ticket events (seeds/004).
 */
#include "strategy.h"

#define VERSION "version"
/* Of a document that has none. */
enum { NO_VERSION = -1 };

static enum outcome create(struct session *session, const struct edit *edit, const bson_t *is)
{
    bson_t *first = session_document(session);
    bson_copy_to_excluding_noinit(is, first, VERSION, NULL);
    BSON_APPEND_INT64(first, VERSION, 0);
    return session_insert_one(session, edit->key[0].collection, first);
}

/* {_id, version: the one that was read} */
static const bson_t *unchanged_since(struct session *session, const struct key *key,
                                     int64_t version)
{
    bson_t *filter = session_key(session, key), missing;
    if (version != NO_VERSION) {
        BSON_APPEND_INT64(filter, VERSION, version);
        return filter;
    }
    BSON_APPEND_DOCUMENT_BEGIN(filter, VERSION, &missing);
    BSON_APPEND_BOOL(&missing, "$exists", false);
    bson_append_document_end(filter, &missing);
    return filter;
}

/* {$set: what the edit changed, $inc: {version: 1}} */
static const bson_t *next_version(struct session *session, const bson_t *was, const bson_t *is)
{
    bson_t *old_fields = session_document(session), *new_fields = session_document(session), one;
    bson_copy_to_excluding_noinit(was, old_fields, VERSION, NULL);
    bson_copy_to_excluding_noinit(is, new_fields, VERSION, NULL);
    bson_t *update = edit_update(session, old_fields, new_fields);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$inc", &one);
    BSON_APPEND_INT64(&one, VERSION, 1);
    bson_append_document_end(update, &one);
    return update;
}

static enum outcome save(struct session *session, const struct edit *edit, const bson_t *was,
                         const bson_t *is)
{
    int64_t version = was ? edit_number(was, VERSION, NO_VERSION) : NO_VERSION;
    if (edit->base != EDIT_ANY && edit->base != version)
        return CONFLICT; /* moved on since the caller looked, or deleted */
    if (!was)
        return create(session, edit, is);
    const struct modify modify = {
        .collection = edit->key[0].collection,
        .filter = unchanged_since(session, &edit->key[0], version),
        .update = next_version(session, was, is),
    };
    struct written written;
    enum outcome outcome = session_update_one(session, &modify, &written);
    return outcome == DONE && written.matched == 0 ? CONFLICT : outcome;
}

static enum outcome occ_apply(struct session *session, void *shared, const struct edit *edit)
{
    const struct key *key = &edit->key[0];
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome =
        session_find(session, key->collection, session_key(session, key), &was[0]);
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

#define UNLESS_RESENT                                                                              \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(drop) |         \
     HAZARD_BIT(error) | HAZARD_BIT(delay) | HAZARD_BIT(pause) | HAZARD_BIT(crash) |               \
     HAZARD_BIT(skew) | HAZARD_BIT(boot) | HAZARD_BIT(duplicates) | HAZARD_BIT(reordering))

const struct strategy strategy_occ = {
    .name = "occ",
    .help = "write only if the version is still the one that was read",
    .can = CAN_CHANGE | CAN_BASE | CAN_CREATE,
    .home = HOME_DATABASE,
    .guard = "version",
    .keeps = {[LOST] = ALWAYS,
              [DOUBLED] = UNLESS_RESENT,
              [REPEATED] = ALWAYS,
              [MISSED] = ALWAYS,
              [TORN] = ALWAYS},
    /* Who saves over a version that he saw cannot do it twice. */
    .also = {{"stale_save", DOUBLED, ALWAYS}, {"ticket_events", DOUBLED, ALWAYS}},
    .apply = occ_apply,
};
