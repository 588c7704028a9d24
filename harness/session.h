/* SPDX-License-Identifier: Apache-2.0
 *
 * session: one worker's only way to the outside. Every command, file operation, clock reading,
 * sleep, draw and wait of a worker is a verb here, and every step passes the gate exactly once.
 * Strategies and scenarios read top to bottom and "block"; whether a worker is a thread with a
 * libmongoc client (`driver`) or a fiber beside the engine (`direct`) they cannot tell.
 *
 * Memory: what a verb hands out (documents, text) and what session_document() makes belongs to the
 * session and lives until the present attempt ends; strategies free nothing and may return at any
 * place. What shall outlive the attempt must be copied.
 *
 * Outcomes of commands: DONE: the server answered; FAILED: it refused, surely without effect;
 * CONFLICT: it refused because of another writer (duplicate key 11000, write conflict 112); BUSY: a
 * read got no answer (nothing can have been written); UNKNOWN: a write was sent and got no answer.
 * After an interrupt, and when an abandoned run is unwound, every verb returns FAILED at once.
 */
#ifndef RACEBENCH_SESSION_H
#define RACEBENCH_SESSION_H

#include "base.h"
#include "edit.h"

struct session;

/* Commands ----------------------------------------------------------------------------------- */

/* The first document that matches, or `*found` NULL when none does. */
enum outcome session_find(struct session *, const char *collection, const bson_t *filter,
                          const bson_t **found);

/* Inserts one document. CONFLICT: a unique key is taken. */
enum outcome session_insert_one(struct session *, const char *collection, const bson_t *document);

/* A write that picks its document by a filter. Unset members mean "no". */
struct modify {
    const char *collection;
    const bson_t *filter;
    const bson_t *update;   /* operators, or a replacement */
    const bson_t *pipeline; /* an array of stages instead of `update` */
    const bson_t *sort;     /* find_and_modify: which of several */
    bool upsert;            /* insert when nothing matches */
    bool remove;            /* find_and_modify: delete instead of update */
    bool old_image;         /* find_and_modify: give the document as it was, not as it is */
};

/* What a write did, as the server counted it. */
struct written {
    int64_t matched;  /* documents that the filter picked; an upsert's insert does not count */
    int64_t modified; /* of these, how many became different */
    bool upserted;    /* one was inserted */
};

/* Updates at most one document; DONE with matched 0 when the filter picked none. */
enum outcome session_update_one(struct session *, const struct modify *, struct written *);

/* Deletes at most one document; `*deleted` is 0 or 1. */
enum outcome session_delete_one(struct session *, const char *collection, const bson_t *filter,
                                int64_t *deleted);

/* Finds and changes one document atomically. `*image` is its new (or old) image, NULL when nothing
 * matched, and NULL too when the old image of an upsert's insert was asked for. */
enum outcome session_find_and_modify(struct session *, const struct modify *, const bson_t **image);

/* A transaction over the commands that follow. begin: FAILED when the target has none. Within it
 * nothing is written before the commit: CONFLICT: another writer was first, the transaction is
 * over; BUSY: no answer. commit: CONFLICT likewise; UNKNOWN: may be committed, and may be asked
 * again. Abort never needs an answer; what an attempt leaves open is aborted at its end. */
enum outcome session_begin(struct session *);
enum outcome session_commit(struct session *);
void session_abort(struct session *);

/* The post-processing of an edit (`edit->effect`), the thing that shall happen once: appends
 * {once, by} to the collection "effects". */
enum outcome session_effect(struct session *, const struct edit *);

/* Clock and choice --------------------------------------------------------------------------- */

/* The worker's own wall clock, milliseconds since 1970; may be skewed by a hazard. */
int64_t session_now_ms(struct session *);

/* Sleeps until session_now_ms() has reached `wall_ms`; FAILED when interrupted. */
enum outcome session_sleep_until(struct session *, int64_t wall_ms);

/* A draw from [0, bound). */
int64_t session_random(struct session *, int64_t bound);

/* A number that no other call of any worker in the run returns: owners, ids. Never 0. */
int64_t session_token(struct session *);

/* Files: of the cell's own folder; names are flat ---------------------------------------------- */

/* The whole content, zero-terminated; `*text` NULL when the file does not exist. FAILED: it cannot
 * be read. */
enum outcome session_read_file(struct session *, const char *name, const char **text,
                               size_t *length);

enum write_mode {
    WRITE_IN_PLACE, /* truncate, then write: readers may see nothing or half */
    WRITE_RENAME,   /* a temporary file of its own, renamed over the old: readers see old or new */
};
/* Writes a whole file, as durable as `--durability` says. */
enum outcome session_write_file(struct session *, const char *name, enum write_mode mode,
                                const char *text, size_t length);

enum lock_mode { LOCK_SHARED, LOCK_EXCLUSIVE };
/* Waits for and takes an open-file-description lock on a file of its own beside `name`; it excludes
 * other instances and processes, and dies with the process. One lock at a time in a session. */
enum outcome session_lock_file(struct session *, const char *name, enum lock_mode mode);
void session_unlock_file(struct session *);

/* Waiting inside an instance ------------------------------------------------------------------ */

/* Sleeps until somebody of the same instance wakes `condition` (any address inside `shared`). Check
 * again afterwards. FAILED when interrupted. Between any two session calls a worker runs alone in
 * its instance, so there is no window between the check and the wait. */
enum outcome session_wait(struct session *, const void *condition);
/* Wakes all who wait for `condition`, in the order in which they came. */
void session_wake(struct session *, const void *condition);

/* Who and where ------------------------------------------------------------------------------- */

/* The id of the present operation: operation_id(worker, number); never 0. */
int64_t session_operation(const struct session *);
/* The worker's number, from 0. */
int32_t session_worker(const struct session *);
/* The cell's lease, milliseconds (`--lease`). */
int64_t session_lease_ms(const struct session *);

/* An empty document for filters, updates and commands; owned by the session until the attempt
 * ends. */
bson_t *session_document(struct session *);
/* The filter {_id: key->id}. */
bson_t *session_key(struct session *, const struct key *);
/* JSON text as a document, owned like the above; NULL when it is not valid JSON (torn, empty). */
const bson_t *session_parse(struct session *, const char *text, size_t length);
/* A document as JSON text (relaxed extended JSON); owned likewise. */
const char *session_text(struct session *, const bson_t *document, size_t *length);
/* A flat file name for a document, "counters.0.json"; owned likewise. */
const char *session_file_name(struct session *, const struct key *);

/* Does this hazard strike now? For scenarios, which are the place of some (duplicates, reordering);
 * false when it is not planned. */
bool session_strike(struct session *, unsigned hazard_index);

#endif
