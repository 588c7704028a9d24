/* SPDX-License-Identifier: Apache-2.0
 *
 * transaction: a multi-document transaction around reads and writes: begin, find each document, run
 * the edit, write what it changed, commit. All of it sees one snapshot, and all of its writes
 * become visible at once or not at all. Whoever writes a document that another has written since
 * that snapshot is refused at once (WriteConflict, 112): the attempt is over, nothing of it is
 * written, and it begins anew with a new snapshot, as the drivers' withTransaction does after a
 * TransientTransactionError. A commit without an answer is asked again, once beside the driver's
 * own resend: committing what is committed is no second commit. If that has no answer either,
 * nobody can tell.
 *
 * Claim: no update is lost or torn, with any number of workers and instances, whoever stops or
 * dies. Who dies within its transaction holds up other writers of the same documents until the
 * server ends it (60 s). The effect is made after the commit, since what is outside of the database
 * cannot be taken back.
 * Weakness: snapshot isolation checks what was written, not what was read: two transactions that
 * each read both of two documents and write one of them do both commit (write skew), so that a rule
 * over both can be violated: SKEWED is not claimed. It needs a replica set, and two more commands.
 * Seed: none of the five; the remedy that MongoDB's manual gives for edits of two documents.
 */
#include "strategy.h"

/* Writes one document of the transaction. */
static enum outcome write_document(struct session *session, const struct key *key,
                                   const bson_t *was, const bson_t *is)
{
    struct written written;
    if (!was)
        return session_insert_one(session, key->collection, is);
    const struct modify modify = {.collection = key->collection,
                                  .filter = session_key(session, key),
                                  .update = edit_update(session, was, is)};
    enum outcome outcome = session_update_one(session, &modify, &written);
    return outcome == DONE && written.matched == 0 ? CONFLICT : outcome;
}

static enum outcome transaction_apply(struct session *session, void *shared,
                                      const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = session_begin(session);
    for (int i = 0; outcome == DONE && i < edit->count; i++) /* window opens: the snapshot */
        outcome = session_find(session, edit->key[i].collection,
                               session_key(session, &edit->key[i]), &was[i]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    for (int i = 0; outcome == DONE && i < edit->count; i++)
        if (is[i])
            outcome = write_document(session, &edit->key[i], was[i], is[i]);
    if (outcome != DONE)
        return outcome;                /* whatever was begun is aborted at the attempt's end */
    outcome = session_commit(session); /* window closes */
    if (outcome == UNKNOWN)
        outcome = session_commit(session);
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* committed, but its post-processing may be missing */
    return outcome;
}

#define ALWAYS                                                                                     \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(lost_reply) |   \
     HAZARD_BIT(drop) | HAZARD_BIT(error) | HAZARD_BIT(delay) | HAZARD_BIT(pause) |                \
     HAZARD_BIT(crash) | HAZARD_BIT(skew) | HAZARD_BIT(boot))

#define UNLESS_RESENT (ALWAYS & ~HAZARD_BIT(lost_reply))

#define PLAIN (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes))

const struct strategy strategy_transaction = {
    .name = "transaction",
    .help = "reads and writes in one multi-document transaction, tried again after a conflict",
    .can = CAN_CHANGE | CAN_TWO_DOCUMENTS | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = ALWAYS,
              [DOUBLED] = UNLESS_RESENT,
              [REPEATED] = PLAIN,
              [MISSED] = PLAIN,
              [TORN] = ALWAYS},
    .apply = transaction_apply,
};
