/* SPDX-License-Identifier: Apache-2.0
 *
 * shrink: see shrink.h. First searches with growing limits, one dimension after the other; then
 * replays of the schedule with something taken out or moved. Each replay is accepted only if what
 * really ran is smaller than what there was, so it ends.
 */
#include "shrink.h"

#include "base.h"
#include <string.h>

struct shrinking {
    const struct shrink_driver *driver;
    struct schedule *best;
    struct shrink_size size;
    int tries;
};

bool shrink_smaller(const struct shrink_size *a, const struct shrink_size *b)
{
    if (a->workers != b->workers)
        return a->workers < b->workers;
    if (a->operations != b->operations)
        return a->operations < b->operations;
    if (a->switches != b->switches)
        return a->switches < b->switches;
    return a->faults < b->faults;
}

static void measure(const struct schedule *schedule, struct shrink_size *size)
{
    size->switches = schedule_switches(schedule);
    size->faults = schedule_faults(schedule);
}

/* Takes `found` in place of the best so far; title and cell stay. */
static void take(struct shrinking *shrinking, struct schedule *found,
                 const struct shrink_size *size)
{
    struct schedule *best = shrinking->best;
    struct schedule old = *best;
    *best = *found;
    best->title = old.title;
    best->cell = old.cell;
    best->cell_line = old.cell_line;
    old.title = found->title;
    old.cell = found->cell;
    schedule_free(&old);
    shrinking->size = *size;
    measure(best, &shrinking->size);
}

/* Searches within the limits; takes what it finds. */
static bool search(struct shrinking *shrinking, const struct shrink_size *limits)
{
    struct schedule found = {0};
    shrinking->tries++;
    if (!shrinking->driver->search(shrinking->driver->context, limits, &found)) {
        schedule_free(&found);
        return false;
    }
    take(shrinking, &found, limits);
    return true;
}

/* Raises one limit after the other from the least that makes sense, until a search succeeds. */
static void search_all(struct shrinking *shrinking)
{
    struct shrink_size limits = shrinking->size;
    for (limits.workers = 1; limits.workers < shrinking->size.workers; limits.workers++) {
        limits.operations = shrinking->size.operations;
        limits.switches = INT32_MAX;
        if (search(shrinking, &limits))
            break;
    }
    limits = shrinking->size;
    limits.switches = INT32_MAX;
    for (limits.operations = 1; limits.operations < shrinking->size.operations; limits.operations++)
        if (search(shrinking, &limits))
            break;
    limits = shrinking->size;
    for (limits.switches = 0; limits.switches < shrinking->size.switches; limits.switches++)
        if (search(shrinking, &limits))
            break;
    limits = shrinking->size;
    for (limits.faults = 0; limits.faults < shrinking->size.faults; limits.faults++)
        if (search(shrinking, &limits))
            break;
}

/* Replays `tried` and takes what ran if that is smaller, or as small with fewer moves. */
static bool replay(struct shrinking *shrinking, const struct schedule *tried)
{
    struct schedule ran = {0};
    struct shrink_size size = shrinking->size;
    shrinking->tries++;
    bool failed = shrinking->driver->replay(shrinking->driver->context, &size, tried, &ran);
    measure(&ran, &size);
    if (failed &&
        (shrink_smaller(&size, &shrinking->size) ||
         (!shrink_smaller(&shrinking->size, &size) && ran.count < shrinking->best->count))) {
        take(shrinking, &ran, &size);
        return true;
    }
    schedule_free(&ran);
    return false;
}

/* The best schedule without the moves from `from` to `to`. */
static bool without(struct shrinking *shrinking, size_t from, size_t to)
{
    struct schedule tried = {0};
    for (size_t i = 0; i < shrinking->best->count; i++)
        if (i < from || i >= to)
            schedule_add(&tried, &shrinking->best->moves[i]);
    bool taken = replay(shrinking, &tried);
    schedule_free(&tried);
    return taken;
}

/* Leaves out halves, quarters, ... and in the end single moves, until none can go. */
static void leave_out(struct shrinking *shrinking)
{
    size_t part = shrinking->best->count / 2;
    while (part > 0) {
        bool taken = false;
        for (size_t from = 0; from < shrinking->best->count;) {
            size_t to = from + part;
            if (to > shrinking->best->count)
                to = shrinking->best->count;
            if (without(shrinking, from, to))
                taken = true;
            else
                from = to;
        }
        if (!taken || part > 1)
            part /= 2;
    }
}

/* The move at `at` and those of its worker behind it, up to another worker's. */
static size_t block_end(const struct schedule *schedule, size_t at)
{
    size_t end = at + 1;
    while (end < schedule->count && (schedule->moves[end].worker == schedule->moves[at].worker ||
                                     schedule->moves[end].worker == STEP_NOBODY))
        end++;
    return end;
}

/* Swaps each block with the one behind it, which brings blocks of one worker together. */
static bool bring_together(struct shrinking *shrinking)
{
    for (size_t at = 0; at < shrinking->best->count; at = block_end(shrinking->best, at)) {
        const struct schedule *best = shrinking->best;
        size_t middle = block_end(best, at);
        size_t end = middle < best->count ? block_end(best, middle) : middle;
        struct schedule tried = {0};
        for (size_t i = 0; i < best->count; i++) {
            size_t from = i < at || i >= end      ? i
                          : i < at + end - middle ? i + middle - at
                                                  : i - (end - middle);
            schedule_add(&tried, &best->moves[from]);
        }
        bool taken = end > middle && replay(shrinking, &tried);
        schedule_free(&tried);
        if (taken)
            return true;
    }
    return false;
}

int shrink(const struct shrink_driver *driver, struct schedule *schedule, struct shrink_size *size)
{
    struct shrinking shrinking = {driver, schedule, *size, 0};
    measure(schedule, &shrinking.size);
    search_all(&shrinking);
    do {
        leave_out(&shrinking);
    } while (bring_together(&shrinking));
    *size = shrinking.size;
    return shrinking.tries;
}
