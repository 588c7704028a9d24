/* SPDX-License-Identifier: Apache-2.0
 *
 * read_from_secondary: holds the lock, and reads what it protects from a secondary
 * (readPreference), where the last holder's write has not arrived yet.
 *
 *      worker 1                        worker 2                secondary
 *      obtains, reads n = 5                                    n = 5
 *      sets n = 6, releases
 *                                      obtains, reads n = 5
 *                                                              n = 6
 *                                      sets n = 6
 *
 * There is one node here, so the secondary is modelled: a collection to which each write is copied
 * after it was acknowledged by the primary alone (w: 1), and which can only be late.
 *
 * Seen in: locks in symfony #58397; the Spring documents on read preferences.
 *
 * number: 46
 * twin: lock_document
 * convicted by: counter --workers 8
 */
#include "parts.h"

#define SECONDARY "secondary"

static enum outcome read_secondary(struct session *session, const struct edit *edit,
                                   const bson_t **was)
{
    enum outcome outcome =
        session_find(session, SECONDARY, session_key(session, &edit->key[0]), was);
    return outcome == DONE && !*was ? parts_read(session, edit, was) : outcome; /* first of all */
}

/* What the lease's holder has written; never over what a later one has. */
static void replicate(struct session *session, const struct lease *lease, const bson_t *is)
{
    bson_t *filter = parts_lock(session, lease), *copy = session_document(session);
    bson_t *update = session_document(session);
    struct written written;
    parts_at_most(filter, "fence", lease->fence);
    bson_copy_to_excluding_noinit(is, copy, "_id", "fence", NULL);
    BSON_APPEND_INT64(copy, "fence", lease->fence);
    BSON_APPEND_DOCUMENT(update, "$set", copy);
    session_update_one(session,
                       &(struct modify){.collection = SECONDARY,
                                        .filter = filter,
                                        .update = update,
                                        .upsert = true},
                       &written);
}

static enum outcome read_from_secondary_apply(struct session *session, void *shared,
                                              const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = read_secondary(session, edit, &was[0]); /* the bug: not what the lock is for */
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome == DONE && is[0])
        outcome = parts_write_back(session, edit, was[0], is[0]);
    parts_release(session, &lease);
    if (outcome == DONE && is[0])
        replicate(session, &lease, is[0]);
    return outcome;
}

const struct strategy strategy_read_from_secondary = {
    .name = "read_from_secondary",
    .help = "locks on the primary and reads from a secondary",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = read_from_secondary_apply,
};
