/* SPDX-License-Identifier: Apache-2.0
 *
 * dispatch: from a command document to its reply. The stages, in MongoDB's order: gate, name,
 * fields, fail point, envelope (API version, concerns), names of database and collection, session
 * (transaction numbers), run, concern of the write, labels, "ok". A fail point may delay a command,
 * and a command that meets the row of an open transaction waits for its end, unless it belongs to a
 * transaction itself: then it is parked, and dispatch_run() begins again behind the gate.
 */
#ifndef RACEBENCH_ENGINE_DISPATCH_H
#define RACEBENCH_ENGINE_DISPATCH_H

#include <bson/bson.h>
#include <stdbool.h>

struct commands;
struct receiver;
struct request;
struct store_transaction;
struct failure;
struct collection;

/* The table of all commands and aliases, sorted by name; free with commands_free(). */
struct commands *commands_new(void);
void commands_free(struct commands *);

/* Runs a request that has passed the gate, now or before it was parked; answers or parks it. */
void dispatch_run(struct request *, const struct receiver *);

/* Frees what a request has gathered on its way: the report of a batch, a fail point's documents. */
void request_reset(struct request *);

/* The transaction of the store in which a request reads, or writes one statement: its session's, or
 * one of its own. request_end() gives up one of its own; what was written there is gone. */
struct store_transaction *request_begin(const struct request *);
void request_end(const struct request *, struct store_transaction *);

/* Fills in an error reply: ok 0, errmsg, code, codeName and the failure's details. */
void dispatch_refuse(bson_t *reply, const struct failure *);

/* A write changed `documents` documents of the request's collection: told to the gate. */
void request_applied(struct request *, int64_t documents);

/* The request's collection, or NULL when there is none that it may see. */
struct collection *request_collection(const struct request *);
/* The same; one that is missing is made, inside the request's transaction if it has one. NULL: an
 * open transaction has made it (112). */
struct collection *request_make(struct request *);

/* "database.collection" for the reply, borrowed until the next call. */
const char *request_namespace(const struct request *);

/* The value of the body's first field, the one that names the command. Borrowed. */
void request_first(const struct request *, bson_value_t *value);

#endif
