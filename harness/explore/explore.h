/* SPDX-License-Identifier: Apache-2.0
 *
 * explore: every schedule of a small cell, not just the lucky ones. An execution is one path from
 * the start to the end of all workers; a policy says which way to go at each step, and going back
 * is executing again from the start. What is found: a schedule that fails, as text that replays; or
 * that none does, with what exactly was tried.
 */
#ifndef RACEBENCH_EXPLORE_EXPLORE_H
#define RACEBENCH_EXPLORE_EXPLORE_H

#include "memory.h"
#include "world.h"

struct policy;

/* How much may be tried; 0: no limit. */
struct explore_budget {
    int64_t states, schedules, ns;
};

struct explore_settings {
    struct world_limits limits;
    const struct policy *policy;
    struct explore_budget budget;
    uint64_t seed; /* of policies that draw */
    bool no_cache; /* every schedule, also those that lead to a state seen before */
    bool no_memo;  /* every step executed, also those whose outcome is known: see memo.h */
    bool all;      /* go on after a failing schedule */
    bool twice;    /* every execution twice, which must not differ */
    /* Told now and then how far it is; returns false to stop. NULL: nobody. */
    bool (*progress)(void *context, int64_t schedules, int64_t states, double seconds);
    void *context;
};

/* What was found. Zeroed: nothing yet. Free with explore_result_free(). */
struct explore_result {
    enum status status;   /* BROKEN: a schedule fails; HELD: none does, and all were tried;
                           * UNDECIDED: the budget ended first, it was stopped, nothing was
                           * contended, or a hazard never struck */
    struct verdict first; /* of the first schedule that failed */
    bool complete;        /* nothing within the limits is left to try */
    bool stopped;         /* by `progress` */
    bool contended;       /* in some schedule two operations met in a document (world_contended) */
    unsigned unstruck;    /* HAZARD_BIT()s of hazards that struck in no schedule */
    bool symmetric;       /* equal workers stood for each other */
    int64_t schedules;    /* executions that came to their end */
    int64_t executions;   /* all of them, also those cut off at a state seen before */
    int64_t failing;      /* of `schedules` */
    int64_t lost;         /* of `schedules`: an update was lost */
    int64_t states;       /* different ones met */
    int64_t steps;        /* made, re-executed ones included */
    int64_t transitions;  /* looked up or learnt by the memo; 0: all was executed */
    double seconds;
    struct schedule schedule; /* the failing one with the fewest faults, switches, moves */
    char *stuck;              /* of that schedule: who waits for what; or NULL */
    struct memory outcomes;   /* final documents and outcomes by content, with the verdict */
    char *fault;              /* the function check, or --twice: what went past its session */
};

/* Explores a cell. The cell's transport and hazards are explore's own. */
void explore_cell(const struct cell *, const struct explore_settings *, struct explore_result *);
void explore_result_free(struct explore_result *);

/* Policies: one file each --------------------------------------------------------------------- */

/* Which way to go. */
struct policy {
    const char *name, *help;
    bool exhaustive; /* begin() returns false when everything has been tried */
    void *(*open)(const struct explore_settings *);
    void (*close)(void *state);
    /* Another execution begins; false: there is nothing left to try. */
    bool (*begin)(void *state);
    /* One of the `count` moves, by its index; -1: not worth going on. */
    int (*choose)(void *state, struct world *, const struct move *moves, size_t count);
    int64_t (*states)(const void *state); /* different ones met so far */
};
extern const struct policy policy_dfs, policy_random, policy_urw;

#endif
