/* SPDX-License-Identifier: Apache-2.0
 *
 * sessions: what the engine knows of clients' logical sessions (lsid): the number of each one's
 * latest transaction or retryable write, and the multi-document transaction that is open in it.
 *
 * A transaction is one transaction of the store, held open over commands. It ends by commit, abort,
 * a failed statement, a higher number in its session, the end of its session, or its lifetime;
 * whoever is parked behind it is then run again. A connection's end does not end it.
 * The lifetime counts from its first command, whatever came later; a command that comes after it
 * gets 251 with the label (MongoDB's jstests/core/txns/abort_expired_transaction.js). 290 is for
 * one that is running when the time is over (kill_op_on_txn_expiry.js there): none here does.
 *
 * What retryable writes did is retry.h's. Only the persona "replset" has any of this.
 */
#ifndef RACEBENCH_ENGINE_SESSIONS_H
#define RACEBENCH_ENGINE_SESSIONS_H

#include "command.h"

struct envelope;
struct sessions;

/* With those that the store knows; free with sessions_free(), before the store. */
struct sessions *sessions_new(struct engine *);
void sessions_free(struct engine *);

/* Finds the request's part in its session: begins, continues or refuses (20, 72, 225, 251, 256,
 * 261, 263, 50768, 50911, 125), fills in part, session and transaction. */
bool sessions_enter(struct request *, const struct envelope *);

/* Ends the open transaction of the request's session: makes its writes visible (again: nothing to
 * do), or takes them back. */
bool transaction_commit(struct request *);
void transaction_abort(struct engine *, struct logical_session *);

/* The request's transaction has changed documents: told to the gate when it commits. */
void transaction_note_applied(struct request *, int64_t documents);

/* Is some transaction open? Only then is somebody there to wait for. */
bool sessions_open(const struct engine *);

/* Tells commands apart that a driver may send again: equal for a command and its resend, else not;
 * 0 for those that carry no session and number. `fields`: of the command. */
uint64_t sessions_resend_key(struct elements fields);

/* Aborts transactions that are older than engine->lifetime_ms, forgets sessions that were not used
 * for 30 minutes; returns when to come again, on the engine's clock. */
int64_t sessions_expire(struct engine *);

/* What to do with each session that a command lists; those that are not known are passed over. */
enum session_verb { SESSIONS_REFRESH, SESSIONS_KILL, SESSIONS_END };
/* The list is the array that the command's first field holds (else 14); of killAllSessions it names
 * users, and all sessions are meant. */
bool sessions_each(struct request *, enum session_verb, bool all);

#endif
