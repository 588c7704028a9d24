/* SPDX-License-Identifier: Apache-2.0
 *
 * prove: from "held in n operations" to "held in every schedule". A cell of a run is made small
 * (two workers, an operation each, one document; then three workers where the budget allows), what
 * goes wrong in it becomes steps of the schedule, once, and explore tries all.
 */
#ifndef RACEBENCH_EXPLORE_PROVE_H
#define RACEBENCH_EXPLORE_PROVE_H

#include "finding.h"
#include "result.h"

struct prove_settings {
    int64_t budget_ns;      /* for one cell */
    int32_t workers_max;    /* 2 or more */
    int64_t operations_max; /* of each worker, at two workers */
    /* Called now and then; false: stop. NULL: go on. */
    bool (*may_go_on)(void *context);
    void *context;
};

/* The cell as explore has it with so many workers and operations of each: processes are instances,
 * a reply that hangs is one that is lost. */
struct cell prove_small(const struct cell *, int32_t workers, int64_t operations);

/* Which of the cell's hazards explore cannot strike with, as half a sentence; NULL: none. The
 * caller frees it. */
char *prove_obstacle(const struct cell *);

/* Explores the cell and says in `proof` what came of it. If a schedule fails it is shrunk, and the
 * finding told in `finding`, unless that is NULL. Both are the caller's. */
void prove_cell(const struct cell *, const struct prove_settings *, struct proof *,
                struct finding *finding);

/* Proves what held in a run: each cell but convictions; one that has a failing schedule becomes
 * broken. Cells that come out the same when they are small are explored once. Returns false when
 * `may_go_on` ended it. */
bool prove_result(struct run_result *, const struct prove_settings *);

/* The options of a small cell, as its schedule has them; the caller frees it. */
char *prove_options(const struct cell *);

#endif
