/* SPDX-License-Identifier: Apache-2.0
 *
 * judge: from a foreign history to a verdict. A history of several keys is linearizable exactly
 * when each key's part is (Herlihy and Wing 1990, locality), so every key is judged alone, by a
 * linear algorithm where its operations are of a kind that has one and by search otherwise.
 */
#ifndef RACEBENCH_CHECK_JUDGE_H
#define RACEBENCH_CHECK_JUDGE_H

#include "linear.h"
#include "search.h"

/* How a key was judged. */
enum algorithm {
    ALGORITHM_VERSIONS,
    ALGORITHM_CAS,
    ALGORITHM_BLOCKS,
    ALGORITHM_INCREMENTS,
    ALGORITHM_ADDS,
    ALGORITHM_BOUNDS,
    ALGORITHM_SET,
    ALGORITHM_SEARCH,
    ALGORITHM_COUNT
};
/* A word for programs, "search", and some more for people. */
const char *algorithm_name(enum algorithm);
const char *algorithm_help(enum algorithm);

/* Why there is no verdict. */
enum doubt {
    DOUBT_NONE,
    DOUBT_TIME,         /* the search ran into --time-limit */
    DOUBT_MEMORY,       /* ... or into --memory-limit */
    DOUBT_NOTHING_SEEN, /* no acknowledged operation shows anything: nothing to hold it against */
    DOUBT_NO_VERSIONS,  /* two documents at once, and not all versions are named */
    DOUBT_COUNT
};
/* "time-limit", and one sentence with what to do. */
const char *doubt_name(enum doubt);
const char *doubt_help(enum doubt);
/* "lost-update", and one sentence. */
const char *finding_name(enum finding);
const char *finding_help(enum finding);

enum { JUDGE_AROUND_MAX = 8 };

struct judgement {
    enum status status;
    enum finding finding; /* BROKEN */
    enum doubt doubt;     /* UNDECIDED */
    size_t keys, broken_keys, undecided_keys;
    size_t unseen_keys;                /* of which nothing was seen, so that they prove nothing */
    size_t judged_by[ALGORITHM_COUNT]; /* keys */
    int64_t concurrency;               /* most acknowledged operations open at once */
    uint64_t steps;                    /* of all searches */
    /* The witness, of the first broken key, or the first undecided one: */
    uint32_t key;
    enum algorithm algorithm;
    struct operation witnesses[LINEAR_WITNESSES_MAX]; /* the search: the one nothing gets past */
    int witness_count;
    int64_t element;                           /* number of a value that it is about, -1: none */
    struct operation around[JUDGE_AROUND_MAX]; /* the search: what was open at that time */
    int around_count;
    int64_t around_more;
    int64_t states[SEARCH_STATES_MAX]; /* the search: what could have been the state before it */
    int state_count;
    bool more_states;
};

/* Judges a history; sorts its operations by key. */
void judge_history(struct foreign *, const struct search_limits *, struct judgement *);

/* A state of the model for people: a value, a number, "locked". Owned by the caller. */
char *judge_state(const struct foreign *, int64_t state);

#endif
