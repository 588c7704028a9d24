/* SPDX-License-Identifier: Apache-2.0
 *
 * occ_compat: mongoose-update-if-current and the course's listener, as they are. A save names the
 * version that was loaded in its filter and counts it up; a new document is stored with version 0
 * whatever it said. The listener looks an event's document up by {_id, version: base}; when that is
 * not there it throws, whether the event comes too early or has long been applied.
 *
 * Claim: no update is lost, doubled or torn among those who use it, with any number of instances.
 * Weakness: it cannot tell a duplicate from an event that is too early, so a duplicate is never
 * acknowledged and comes back for ever. After a lost reply its own save looks like somebody else's.
 * Seed: the OCC notes with their listener tests (seeds/004); plugin 1.4.0.
 */
#include "strategy.h"

#define VERSION "version"

/* findOne({_id, version: base}) for an event, findById for everything else. */
static enum outcome load(struct session *session, const struct edit *edit, const bson_t **was)
{
    bson_t *filter = session_key(session, &edit->key[0]);
    if (edit->base != EDIT_ANY)
        BSON_APPEND_INT64(filter, VERSION, edit->base);
    enum outcome outcome = session_find(session, edit->key[0].collection, filter, was);
    if (outcome == DONE && edit->base != EDIT_ANY && *was == NULL)
        return BUSY; /* "Ticket not found": thrown, not acknowledged */
    return outcome;
}

static const bson_t *without_version(struct session *session, const bson_t *document)
{
    bson_t *copy = session_document(session);
    bson_copy_to_excluding_noinit(document, copy, VERSION, NULL);
    return copy;
}

static enum outcome create(struct session *session, const struct edit *edit, const bson_t *is)
{
    bson_t *first = session_document(session);
    bson_concat(first, without_version(session, is));
    BSON_APPEND_INT64(first, VERSION, 0);
    return session_insert_one(session, edit->key[0].collection, first);
}

/* update {_id, version: v} with {$set: changed paths, $inc: {version: 1}} */
static enum outcome save(struct session *session, const struct edit *edit, const bson_t *was,
                         const bson_t *is)
{
    bson_t *filter = session_key(session, &edit->key[0]), one;
    bson_t *update =
        edit_update(session, without_version(session, was), without_version(session, is));
    bson_iter_t version;
    if (bson_iter_init_find(&version, was, VERSION))
        bson_append_iter(filter, VERSION, -1, &version);
    else
        BSON_APPEND_NULL(filter, VERSION);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$inc", &one);
    BSON_APPEND_INT64(&one, VERSION, 1);
    bson_append_document_end(update, &one);
    struct written written;
    enum outcome outcome = session_update_one(
        session,
        &(struct modify){.collection = edit->key[0].collection, .filter = filter, .update = update},
        &written);
    return outcome == DONE && written.matched == 0 ? CONFLICT : outcome; /* VersionError */
}

static enum outcome occ_compat_apply(struct session *session, void *shared, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = load(session, edit, &was[0]);
    if (outcome == DONE) /* window opens */
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    outcome = was[0] ? save(session, edit, was[0], is[0]) : create(session, edit, is[0]);
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE) /* closed */
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

/* Whatever is delivered again is never acknowledged. */
#define IN_TIME                                                                                    \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(delay) |        \
     HAZARD_BIT(skew) | HAZARD_BIT(reordering))

const struct strategy strategy_occ_compat = {
    .name = "occ_compat",
    .help = "mongoose-update-if-current and its listener, as they are",
    .can = CAN_CHANGE | CAN_BASE | CAN_CREATE,
    .home = HOME_DATABASE,
    .guard = "version",
    .keeps = {[LOST] = ALWAYS,
              [DOUBLED] = UNLESS_RESENT,
              [REPEATED] = ALWAYS,
              [MISSED] = IN_TIME,
              [TORN] = ALWAYS},
    /* Who saves over a version that he saw cannot do it twice. */
    .also = {{"stale_save", DOUBLED, ALWAYS}, {"ticket_events", DOUBLED, ALWAYS}},
    .apply = occ_compat_apply,
};
