/* SPDX-License-Identifier: Apache-2.0
 *
 * world: one cell as explore sees it: workers are fibers that stand at their next step, and nothing
 * happens until somebody says who goes. world_do() makes one move and runs that worker up to its
 * next step (all others stand still: exact quiescence, by construction); world_moves() says what
 * could come next; world_key() says in one number what the future depends on. An execution is
 * abandoned at any time: its fibers are unwound and the documents put back.
 *
 * Steps are commands, file operations, entries into an instance whose workers share RAM, readings
 * of the clock where it can move, and draws, whose outcome is part of the move. Waking is untimed.
 * A worker whose attempt ended BUSY or CONFLICT, and one that polls, rests until something that its
 * commands examined has changed, or the clock has moved. The application starts, copy by copy,
 * before anybody works: to start while others work is a fault. Where the workers of a scenario
 * first learn what all agree on, they do so at the start, worker by worker.
 */
#ifndef RACEBENCH_EXPLORE_WORLD_H
#define RACEBENCH_EXPLORE_WORLD_H

#include "checker.h"
#include "schedule.h"
#include "trail.h"

/* What the moves are made of. */
struct world_limits {
    int clock_steps;  /* moves of the clock in an execution */
    int faults;       /* faults in an execution ... */
    unsigned hazards; /* ... of these kinds: HAZARD_BIT()s */
    int bound;        /* switches away from a worker that could go on; -1: any number */
};

struct world; /* opaque: stand.h */

/* A world for a cell (transport direct, no hazards of its own); the cell must outlive it. */
struct world *world_open(const struct cell *, const struct world_limits *);
void world_close(struct world *);

/* Abandons what is under way, puts all back and runs every worker up to its first step. A trail is
 * kept in `trail` when it is not NULL. */
void world_begin(struct world *, struct trail *trail);
/* The moves that are possible now, into `moves`, which belong to the world; 0: all have ended, or
 * everyone waits for everyone. The worker that moved last comes first. */
size_t world_moves(struct world *, const struct move **moves);
/* Makes a move, which must be one of them. */
void world_do(struct world *, const struct move *);
/* Has every worker ended? If there is no move and some have not, the world is stuck. */
bool world_over(const struct world *);
/* Who waits for what, and who holds it, one line; the caller frees it. */
char *world_stuck(const struct world *);

/* What the future depends on, and the part of one worker; equal workers have equal keys. */
hash128 world_key(const struct world *);
hash128 world_worker_key(const struct world *, int32_t worker);
/* May equal workers stand for each other? False once one has asked for its number. */
bool world_symmetric(const struct world *);

/* Judges a finished execution: the scenario's own judge over its history and final documents. */
void world_judge(struct world *, struct verdict *);
/* In the execution that was judged last: did operations of two workers (of one, if it is alone)
 * come to one document, and one of them wrote or was to write it? Otherwise nothing was tried. */
bool world_contended(const struct world *);
/* HAZARD_BIT()s of what was to go wrong and did not in any execution since the world was opened. */
unsigned world_unstruck(const struct world *);
/* Final documents and outcomes by content, as one number. */
hash128 world_outcome(const struct world *);
/* A hash over all that happened at each step, stamps and times included: of equal executions
 * equal. */
hash128 world_trace(const struct world *);
/* Steps that workers have made since the world was opened. */
int64_t world_steps(const struct world *);

/* The function check: has a worker, told the same, gone on differently? NULL, or what and where as
 * one line, which belongs to the world. */
const char *world_fault(const struct world *);
/* Forgets what the function check has learnt: worker's keys mean something else from here on. */
void world_forget(struct world *);

#endif
