/* SPDX-License-Identifier: Apache-2.0
 *
 * naive: read the document, work out the new one, write the new fields back. What everybody writes
 * first, and what every other strategy is measured against.
 *
 * Claim: none. It is the canary of every matrix: a run in which it loses nothing proves nothing.
 * Weakness: whatever others write between the read and the write is overwritten without a trace. It
 * accepts a base version and a number to be done once, and looks at neither. Two documents are two
 * writes, and half of them may be missing afterwards.
 * Seed: the counter that motivates persist-lock (seeds/001), final value 1 of 100.
 */
#include "strategy.h"

static enum outcome write_back(struct session *session, const struct key *key, const bson_t *was,
                               const bson_t *is)
{
    const struct modify modify = {
        .collection = key->collection,
        .filter = session_key(session, key),
        .update = edit_update(session, was, is),
        .upsert = was == NULL,
    };
    struct written written;
    return session_update_one(session, &modify, &written);
}

static enum outcome naive_apply(struct session *session, void *shared, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    for (int i = 0; i < edit->count; i++) {
        const struct key *key = &edit->key[i];
        enum outcome read =
            session_find(session, key->collection, session_key(session, key), &was[i]);
        if (read != DONE)
            return read;
    } /* window opens: from here on what was read may be stale */
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

const struct strategy strategy_naive = {
    .name = "naive",
    .help = "read, then write the new fields back; keeps nothing",
    .can = CAN_CHANGE | CAN_TWO_DOCUMENTS | CAN_BASE | CAN_ONCE | CAN_CREATE,
    .home = HOME_DATABASE,
    .apply = naive_apply,
};
