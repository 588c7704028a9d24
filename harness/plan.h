/* SPDX-License-Identifier: Apache-2.0
 *
 * plan: from options to cells: every scenario with every strategy (or mix) at every number of
 * workers, in the order in which they were named. Everything that can be known to be wrong before
 * anything runs is found here.
 */
#ifndef RACEBENCH_PLAN_H
#define RACEBENCH_PLAN_H

#include "cell.h"

#include <stddef.h>

struct options;

/* A zeroed one is empty. Cells borrow text of the options, which must live longer. */
struct plan {
    struct cell *cells;
    size_t count, capacity;
    char **notes; /* combinations that were left out, one line each */
    size_t note_count, note_capacity;
    char **remarks; /* settings that were chosen for the hazards, one line each */
    size_t remark_count, remark_capacity;
    char **texts; /* names that the cells borrow */
    size_t text_count, text_capacity;
};

enum {
    PLAN_WORKERS_DRIVER_MAX = 10000,  /* a thread and a connection each */
    PLAN_TIMEOUT_HAZARD_MS = 200,     /* instead of the default time-out, where saves hang */
    PLAN_LEASE_HAZARD_MS = 200,       /* instead of the default lease, where holders stop past it */
    PLAN_WORKERS_DIRECT_MAX = 100000, /* a fiber each */
};

/* Makes the cells. Returns NULL, or what is wrong as one line for die(), which the caller frees. A
 * combination that cannot work is left out with a note, unless its scenario and its strategy were
 * both named: then it is wrong. */
char *plan_make(const struct options *, struct plan *);
void plan_free(struct plan *);
/* Are the strategies and scenarios of the options known? NULL, or what is wrong, likewise. */
char *plan_check_names(const struct options *);

/* What --store asks for: the name of a store, or NULL (auto): the transport's usual one. */
const char *plan_store(const struct options *);

/* Why a strategy cannot do a scenario, as half a sentence: "it takes no edits of two documents";
 * NULL when it can. Static text. */
struct strategy;
struct scenario;
const char *plan_obstacle(const struct strategy *, const struct scenario *, bool unseeded);

#endif
