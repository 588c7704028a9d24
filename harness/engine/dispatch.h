/* SPDX-License-Identifier: Apache-2.0
 *
 * dispatch: from a command document to its reply. The stages, in MongoDB's order: gate, name,
 * fields, envelope (API version, transaction numbers, concerns), names of database and collection,
 * run, concern of the write, "ok". Retry cache and sessions will stand between fields and run; a
 * write that meets another's row will be parked where run() returns code 112.
 */
#ifndef RACEBENCH_ENGINE_DISPATCH_H
#define RACEBENCH_ENGINE_DISPATCH_H

#include <bson/bson.h>
#include <stdbool.h>

struct commands;
struct request;
struct failure;
struct collection;

/* The table of all commands and aliases, sorted by name; free with commands_free(). */
struct commands *commands_new(void);
void commands_free(struct commands *);
/* The command of that name or alias, or NULL. */
const struct command *commands_find(const struct commands *, const char *name);

/* Fills in an error reply: ok 0, errmsg, code, codeName and the failure's details. */
void dispatch_refuse(bson_t *reply, const struct failure *);

/* A write changed `documents` documents of the request's collection: told to the gate. */
void request_applied(struct request *, int64_t documents);

/* The request's collection, or NULL when there is none. */
struct collection *request_collection(const struct request *);

/* "database.collection" for the reply: a new string. */
char *request_namespace(const struct request *);

/* The value of the body's first field, the one that names the command. Borrowed. */
void request_first(const struct request *, bson_value_t *value);

#endif
