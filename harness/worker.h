/* SPDX-License-Identifier: Apache-2.0
 *
 * worker: the only loop. worker_apply() makes attempts through the worker's strategy until the edit
 * is settled, with back-off between them, and appends one event to the worker's own history;
 * attempts, waiting and the whole operation are timed here and nowhere else.
 */
#ifndef RACEBENCH_WORKER_H
#define RACEBENCH_WORKER_H

#include "edit.h"

struct event;

/* What the caller may want to know of an operation. Documents are borrowed until the worker's next
 * operation. */
struct result {
    const bson_t *was[EDIT_DOCUMENTS_MAX]; /* documents read by the last attempt, or NULL */
    int attempts;
};

/* Claims the worker's next operation of its share (`--ops`, `--duration`): true: go on and call
 * worker_apply(); false: done, or interrupted. */
bool worker_next(struct session *);

/* Applies an edit: attempts until DONE, NOTHING or FAILED; after BUSY or CONFLICT again if
 * edit->wait and fewer than --max-tries were made; after UNKNOWN again only where the strategy
 * claims to keep DOUBLED under lost replies, or with --retry-unknown. Once an attempt got no
 * answer the operation is recorded as UNKNOWN unless one is DONE; the caller is told so too, but
 * for NOTHING: that the document says so is all that it asked. `result` may be NULL. */
enum outcome worker_apply(struct session *, const struct edit *, struct result *);

/* The event of the worker's present operation as it must be recorded if nothing more comes of it,
 * since its process dies: UNKNOWN, with the evidence of what may have been written. Its return_ns
 * is left to whoever knows when. */
void worker_unfinished(const struct session *, struct event *);

/* Adds to the event of the worker's last operation what the scenario saw of it, for its judge. */
void worker_note(struct session *, int64_t detail);

#endif
