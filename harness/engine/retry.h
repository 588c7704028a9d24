/* SPDX-License-Identifier: Apache-2.0
 *
 * retry: what the statements of retryable writes did, so that a command which is sent again is
 * answered and not done again. Kept in the store's table "sessions", in the store transaction of
 * the write itself: both are there or neither, also after a restart.
 *
 * Nearly every such write is one statement that changed one document. What the latest one of a
 * session did needs 30 bytes: a slot. A row of the table holds the slots of SLOTS_PER_ROW sessions,
 * so that a group commit (store_group.h) of many sessions' writes has few rows to write; key: the
 * row's number, 4 bytes. Everything else (further statements of a number, upserts, images, commits
 * of transactions) has a row of its own; key: the session's id and the statement's number, 4 bytes;
 * value: {t: transaction number, n, m, u, v}. A commit is kept as statement -1, so that it may be
 * repeated after a restart as well. A statement that wrote nothing leaves nothing and is simply run
 * again, as in MongoDB.
 *
 * At most one statement writes slots at a time, and no open transaction does: no two transactions
 * can conflict because their sessions are neighbours.
 */
#ifndef RACEBENCH_ENGINE_RETRY_H
#define RACEBENCH_ENGINE_RETRY_H

#include "command.h"

struct retries; /* opaque: retry.c */

/* Reads the table and makes the sessions it knows; free with retries_free(), before the store. */
struct retries *retries_new(struct engine *);
void retries_free(struct retries *);

/* Has this statement of a retryable write been done before? Then fills in the outcome, and
 * engine->image for an upsert. */
bool retry_find(struct request *, struct write_outcome *);
/* Keeps the outcome in the write's own store transaction. False: fail point or conflict. */
bool retry_keep(struct request *, struct store_transaction *, const struct write_outcome *);
/* That transaction was committed. */
void retry_kept(struct request *);
/* Keeps that the session's transaction is committed, in that transaction. False: conflict. */
bool retry_keep_commit(struct request *, struct store_transaction *);

/* The session goes, and with it all that was kept for it. */
void retry_forget(struct engine *, struct logical_session *);

#endif
