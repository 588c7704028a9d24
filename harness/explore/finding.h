/* SPDX-License-Identifier: Apache-2.0
 *
 * finding: what becomes of a schedule that fails: it is shrunk by searches and replays of its cell,
 * executed once more to see each step, and told.
 */
#ifndef RACEBENCH_EXPLORE_FINDING_H
#define RACEBENCH_EXPLORE_FINDING_H

#include "explore.h"
#include "shrink.h"

#include <stdio.h>

/* A failing schedule and all that is known of it. Zeroed: empty. */
struct finding {
    struct cell cell; /* after shrinking: maybe fewer workers and operations */
    struct schedule schedule;
    struct verdict verdict;
    struct trail trail;
    char *stuck; /* who waits for what, or NULL */
    int tries;   /* of shrinking */
};

/* Limits under which a schedule's moves are all possible, whatever else may be. */
struct world_limits finding_limits(const struct world_limits *, const struct schedule *);
/* Shrinks `schedule`, which failed like `verdict` in the cell under the settings: fewest workers,
 * operations, switches, faults, moves. The finding's cell and schedule are set. */
void finding_shrink(struct finding *, const struct cell *, const struct explore_settings *,
                    const struct schedule *, const struct verdict *);
/* Executes the finding's schedule, whose moves must fit, and fills in verdict and trail. */
void finding_watch(struct finding *, const struct world_limits *);
/* Tells it, in lines of at most `columns`. */
void finding_tell(const struct finding *, int columns, FILE *out);
/* The title of its schedule; the caller frees it. */
char *finding_title(const struct finding *);
void finding_free(struct finding *);

#endif
