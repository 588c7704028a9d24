/* SPDX-License-Identifier: Apache-2.0
 *
 * linear: the kinds of history for which whether an order exists can be said in O(n log n),
 * exactly. Each function looks first whether the history is of its kind; where not, search.h
 * remains. All take the operations of one key in order of invocation and are compared with a search
 * over all orders in tests/test_check_search.c.
 */
#ifndef RACEBENCH_CHECK_LINEAR_H
#define RACEBENCH_CHECK_LINEAR_H

#include "checker.h"
#include "foreign.h"

/* What was found wrong; printed with dashes. */
enum finding {
    FINDING_NONE,
    FINDING_NOT_LINEARIZABLE, /* no order that real time allows explains what was seen */
    FINDING_LOST_UPDATE,      /* two updates of one version */
    FINDING_PHANTOM,          /* something was seen that nobody had written by then */
    FINDING_LOST_ELEMENT,     /* an acknowledged element is missing in a later read */
    FINDING_DUPLICATE,        /* a read of a set has an element twice */
    FINDING_OUT_OF_BOUNDS,    /* a counter was read too low or too high for any order */
    FINDING_COUNT
};

enum { LINEAR_WITNESSES_MAX = 4 };

struct linear_result {
    enum status status; /* UNDECIDED: the history is not of this kind */
    enum finding finding;
    size_t witnesses[LINEAR_WITNESSES_MAX]; /* BROKEN: indices of the operations that prove it */
    int witness_count;
    int64_t element; /* set: number of the element; register: number of the value; -1: none */
};

/* A key's operations. */
struct linear_question {
    const struct foreign *foreign;
    const struct operation *operations;
    size_t count;
};

/* Versions that the writer named (racebench's own histories): read-modify-write. Not of this kind
 * when something wrote blindly or perhaps unseen. checker_register(). */
struct linear_result linear_versions(const struct linear_question *);
/* Registers changed by cas alone, each to a value that nobody else makes: values are versions.
 * checker_register(). */
struct linear_result linear_cas(const struct linear_question *);
/* Registers that are written and read, each written value unique. */
struct linear_result linear_register(const struct linear_question *);
/* Counters whose increments answer with the new value. checker_counter(). */
struct linear_result linear_increments(const struct linear_question *);
/* Counters with adds of one and the same amount, and reads. */
struct linear_result linear_adds(const struct linear_question *);
/* Counters with any adds: BROKEN when a read lies outside of what any order allows, and otherwise
 * UNDECIDED: necessary, not sufficient. */
struct linear_result linear_bounds(const struct linear_question *);
/* Sets that only grow. */
struct linear_result linear_set(const struct linear_question *);

/* Adds a witness, unless it is there. */
void linear_witness(struct linear_result *, size_t operation);

#endif
