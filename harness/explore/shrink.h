/* SPDX-License-Identifier: Apache-2.0
 *
 * shrink: from a schedule that fails to one that is easier to read: fewest workers, then fewest
 * operations, then fewest context switches, then fewest faults, then fewest moves. It knows nothing
 * about how executions are made: whoever asks brings a search and a replay.
 *
 * While the search is exhaustive within its limits, so is the result: limits are raised from the
 * smallest, and the first with a failing schedule is taken. Where it is not, what was at hand is
 * made smaller move by move: parts left out, blocks of one worker brought together, each time
 * replayed (delta debugging, Zeller and Hildebrandt 2002).
 */
#ifndef RACEBENCH_EXPLORE_SHRINK_H
#define RACEBENCH_EXPLORE_SHRINK_H

#include "schedule.h"

/* The size of a failure, and the limits of a search. Smaller is decided by the first that
 * differs. */
struct shrink_size {
    int32_t workers;
    int64_t operations; /* in all, or of each worker: as the driver counts them */
    int switches;       /* context switches: schedule_switches() */
    int faults;         /* schedule_faults() */
};

/* How executions are made. Both return true when one failed in the way that is being shrunk, and
 * then fill in the whole schedule as it ran, which the caller frees. */
struct shrink_driver {
    /* Looks for a failing execution within the limits. */
    bool (*search)(void *context, const struct shrink_size *limits, struct schedule *found);
    /* Replays a schedule, whose moves may not fit any more, with so many workers and operations. */
    bool (*replay)(void *context, const struct shrink_size *size, const struct schedule *tried,
                   struct schedule *ran);
    void *context;
};

/* Shrinks `schedule`, which failed with `size` (workers and operations; the rest is counted), in
 * place; `*size` becomes the size of the result. Returns the number of searches and replays. */
int shrink(const struct shrink_driver *, struct schedule *schedule, struct shrink_size *size);

/* Is `a` smaller? */
bool shrink_smaller(const struct shrink_size *a, const struct shrink_size *b);

#endif
