/* SPDX-License-Identifier: Apache-2.0
 *
 * trail: what happened at each move of one execution, kept for those who tell it: who stepped, in
 * which operation and attempt, what came back, what the documents were like afterwards, what the
 * monitors saw. A trail is made only for an execution that is shown; searching keeps none.
 */
#ifndef RACEBENCH_EXPLORE_TRAIL_H
#define RACEBENCH_EXPLORE_TRAIL_H

#include "schedule.h"
#include "strategy.h"

/* A document after a move, as JSON without its stamp. */
struct trail_image {
    char *name; /* "counters/0", "locks/counters/0", or a file's name */
    char *text; /* relaxed extended JSON, or a file's content; NULL: absent */
};

/* One move, and what became of it. */
struct trail_entry {
    struct move move;
    char target[32];            /* collection or file of the step, or "" */
    int64_t operation;          /* number within the worker, -1: outside of any */
    int32_t attempt;            /* of that operation, from 1; 0: outside */
    enum outcome reply;         /* what the verb returned; of steps */
    char *returned;             /* document, text or number that it returned, or NULL */
    bool wrote;                 /* it changed a document or a file */
    bool settled;               /* the operation ended after it ... */
    enum outcome outcome;       /* ... like this */
    int64_t clock_ms;           /* virtual clock after it, since the start of the run */
    bool lost;                  /* monitor: it wrote over a version that it had not read ... */
    int64_t victim;             /* ... of this operation (OPERATION_ID) */
    struct trail_image *images; /* of all documents and files that it changed */
    size_t image_count, image_capacity;
};

/* An execution. Zeroed: an empty one. */
struct trail {
    int32_t workers;
    struct trail_image *first; /* the documents at the start */
    size_t first_count, first_capacity;
    struct trail_entry *entries;
    size_t count, capacity;
    size_t no_return; /* entries before the first from which every continuation fails; count: none,
                       * or not known */
};

/* Appends a zeroed entry and returns it; valid until the next one. */
struct trail_entry *trail_add(struct trail *);
/* Frees all that it owns; empty afterwards. */
void trail_free(struct trail *);

#endif
