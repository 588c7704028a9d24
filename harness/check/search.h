/* SPDX-License-Identifier: Apache-2.0
 *
 * search: is there any order of these operations of one key that real time allows and that the
 * model explains? The general question is NP-complete, so the search has limits and an honest third
 * answer. It is exact when it answers.
 */
#ifndef RACEBENCH_CHECK_SEARCH_H
#define RACEBENCH_CHECK_SEARCH_H

#include "checker.h"
#include "foreign.h"

struct search_limits {
    int64_t deadline_ns; /* on clock_monotonic_ns(); INT64_MAX: none */
    size_t memory_bytes; /* for remembered configurations */
};

enum { SEARCH_STATES_MAX = 8 };

enum search_stop { SEARCH_DONE, SEARCH_OUT_OF_TIME, SEARCH_OUT_OF_MEMORY };

struct search_result {
    enum status status; /* HELD: an order exists; BROKEN: none; UNDECIDED: see stop */
    enum search_stop stop;
    size_t blocked; /* BROKEN: the operation that no order gets past: all that returned before
                            * it can be explained, this one's return no longer. An index */
    int64_t states[SEARCH_STATES_MAX]; /* BROKEN: states in which orders got stuck before it */
    int state_count;
    bool more_states;
    uint64_t steps; /* operations tried */
};

/* What is searched: the operations of one key, in order of invocation. */
struct search_question {
    enum model model;
    int64_t initial; /* state at the start */
    const struct operation *operations;
    size_t count;
};

/* Searches. Takes time exponential in the number of operations that are open at once in the worst
 * case; linear in their whole number when few are. */
void search_run(const struct search_question *, const struct search_limits *,
                struct search_result *);

/* The model: may the operation happen in this state, and which state follows? */
bool model_step(enum model, int64_t state, const struct operation *, int64_t *next);

#endif
