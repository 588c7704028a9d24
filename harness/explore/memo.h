/* SPDX-License-Identifier: Apache-2.0
 *
 * memo: a search over all schedules that executes a step once and knows it from then on. A worker
 * is a function of what its session told it, so what a step does depends on what is stored and on
 * that worker alone, and what it does to another worker on the step and on that other one. Both are
 * asked from the real code, the first time, by executing a path to where they are seen; afterwards
 * a state is a few numbers (what is stored, how many workers stand where) and a move is a look into
 * a table. Explicit states, no copied stacks. After facts of the reply memo, see CONTRIBUTING.md.
 *
 * It knows steps that are commands outside of transactions, and nothing else: where another kind of
 * step, a draw, shared RAM, files or the clock come in, or a worker saw something that names
 * another worker, it says so and the search is made by executing, which is also its reference: the
 * same states, the same executed ends. Every end is executed and judged for real, and every
 * execution is compared with what the tables had said.
 */
#ifndef RACEBENCH_EXPLORE_MEMO_H
#define RACEBENCH_EXPLORE_MEMO_H

#include "schedule.h"
#include "world.h"

struct memo; /* opaque */

enum memo_next {
    MEMO_END,   /* the world stands at the end of an execution that is to be judged */
    MEMO_PAUSE, /* nothing to report: a moment to look at budgets */
    MEMO_DONE,  /* everything has been tried */
    MEMO_UNABLE /* not its business, memo_reason() says why: search by executing */
};

/* A memo for a world, which must outlive it. */
struct memo *memo_open(struct world *);
void memo_close(struct memo *);
/* Searches on. At MEMO_END `path` holds the moves that were made. */
enum memo_next memo_next(struct memo *, struct schedule *path);
/* Why it is unable; NULL: it is able so far. */
const char *memo_reason(const struct memo *);
/* Different states met, ends not counted; moves looked up or made. */
int64_t memo_states(const struct memo *);
int64_t memo_transitions(const struct memo *);

#endif
