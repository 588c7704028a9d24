/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_contention: did anything happen that could have gone wrong? "Nothing was lost" is worth
 * something only where operations of two workers met on one document, every worker got through, and
 * every planned hazard struck. An operation meets another when, as it is invoked, an operation of
 * another worker on the same document is open, and at least one of the two is not a pure read.
 * Per document it is enough to remember the two workers whose operations stay open longest: one of
 * them is somebody else. Refused operations (FAILED) meet nobody: a server that is down proves
 * nothing. A lock that is never free again breaks no document, but it stops everybody (STUCK).
 *
 * The first reason that applies is given: interrupted, one-worker, hazard-never-struck,
 * idle-worker, no-overlap; each makes the following ones likely, so the first is the cause.
 */
#include "base.h"
#include "checker.h"
#include "checker_table.h"

#include <math.h>
#include <stdlib.h>

enum { GIVEN_UP_MIN = 10 };
enum { OVERLAPS_MIN = 10, OVERLAPS_SHARE = 100 /* one in a hundred operations */ };

/* Operations open on one document: the two workers whose operations return last. */
struct open {
    int32_t worker[2];
    int64_t until_ns[2];
};

/* What is open on one document: by anybody, and by those who may write. */
struct opened {
    struct open any, writing;
};

static void open_clear(struct open *open)
{
    *open = (struct open){{-1, -1}, {INT64_MIN, INT64_MIN}};
}

static void open_add(struct open *open, int32_t worker, int64_t until_ns)
{
    int place = open->worker[0] == worker ? 0 : 1;
    if (until_ns < open->until_ns[place])
        return;
    open->worker[place] = worker;
    open->until_ns[place] = until_ns;
    if (open->until_ns[1] > open->until_ns[0])
        *open = (struct open){{open->worker[1], open->worker[0]},
                              {open->until_ns[1], open->until_ns[0]}};
}

/* Is an operation of somebody else open at this moment? */
static bool open_elsewhere(const struct open *open, int32_t worker, int64_t at_ns)
{
    for (int i = 0; i < 2; i++)
        if (open->worker[i] >= 0 && open->worker[i] != worker && open->until_ns[i] > at_ns)
            return true;
    return false;
}

/* The moment from which an operation no longer counts as open. One that never returned (its worker
 * died) does not: it would meet all that follow. */
static int64_t open_until_ns(const struct event *event)
{
    return event->return_ns == RETURN_NEVER ? event->invoke_ns : event->return_ns;
}

/* Notes the event on each of its documents; true when it met another worker's on one of them. */
static bool meets(const struct event *event, const struct checker_table *keys,
                  struct opened *documents)
{
    bool met = false;
    for (int i = 0; i < EDIT_DOCUMENTS_MAX; i++) {
        if (event->key[i] < 0)
            continue;
        struct opened *opened = &documents[checker_table_get(keys, event->key[i])];
        const struct open *others = event->reads_only ? &opened->writing : &opened->any;
        met |= open_elsewhere(others, event->worker, event->invoke_ns);
        open_add(&opened->any, event->worker, open_until_ns(event));
        if (!event->reads_only)
            open_add(&opened->writing, event->worker, open_until_ns(event));
    }
    return met;
}

static int64_t count_overlaps(const struct record *record)
{
    struct checker_table keys;
    checker_table_init(&keys, record->event_count * EDIT_DOCUMENTS_MAX);
    uint32_t key_count = 0;
    for (size_t i = 0; i < record->event_count; i++)
        for (int slot = 0; slot < EDIT_DOCUMENTS_MAX; slot++)
            if (record->events[i].key[slot] >= 0 &&
                checker_table_put(&keys, record->events[i].key[slot], key_count) == NOWHERE)
                key_count++;
    struct opened *documents = x_malloc((key_count + 1) * sizeof(*documents));
    for (uint32_t i = 0; i < key_count; i++) {
        open_clear(&documents[i].any);
        open_clear(&documents[i].writing);
    }
    int64_t overlaps = 0;
    for (size_t i = 0; i < record->event_count; i++)
        if (record->events[i].outcome != FAILED)
            overlaps += meets(&record->events[i], &keys, documents);
    free(documents);
    checker_table_free(&keys);
    return overlaps;
}

void checker_count(const struct record *record, struct verdict *verdict)
{
    *verdict = (struct verdict){.status = HELD, .reason = REASON_NONE};
    struct counts *counts = &verdict->counts;
    for (size_t i = 0; i < record->event_count; i++) {
        enum outcome outcome = record->events[i].outcome;
        counts->acked += outcome == DONE;
        counts->nothing += outcome == NOTHING;
        counts->busy += outcome == BUSY || outcome == CONFLICT;
        counts->failed += outcome == FAILED;
        counts->unknown += outcome == UNKNOWN;
    }
    verdict->overlaps = count_overlaps(record);
    int64_t share = ((int64_t)record->event_count + OVERLAPS_SHARE - 1) / OVERLAPS_SHARE;
    verdict->overlaps_needed = share > OVERLAPS_MIN ? share : OVERLAPS_MIN;
}

/* Did an operation get an answer that its worker could go on with? Where a thing is asked for once,
 * "somebody else has it" is one. */
static bool is_answered(const struct event *event)
{
    return event->outcome == DONE || event->outcome == NOTHING ||
           (event->once != 0 && (event->outcome == BUSY || event->outcome == CONFLICT));
}

static bool has_idle_worker(const struct record *record)
{
    int32_t workers = record->cell->workers;
    bool *answered = x_calloc((size_t)workers + 1, sizeof(*answered));
    for (size_t i = 0; i < record->event_count; i++) {
        const struct event *event = &record->events[i];
        if (event->worker >= 0 && event->worker < workers && is_answered(event))
            answered[event->worker] = true;
    }
    int32_t busy = 0;
    for (int32_t w = 0; w < workers; w++)
        busy += answered[w];
    free(answered);
    return busy < workers;
}

static bool has_hazard_without_hit(const struct record *record)
{
    for (int hazard = 0; hazard < HAZARD_COUNT; hazard++)
        if (hazard != HAZARD_INDEX_none && (record->cell->hazards & 1u << hazard) != 0 &&
            record->hits[hazard] <= 0)
            return true;
    return false;
}

static enum reason find_doubt(const struct record *record, const struct verdict *verdict)
{
    if (record->interrupted)
        return REASON_INTERRUPTED;
    if (record->cell->workers < 2)
        return REASON_ONE_WORKER;
    if (has_hazard_without_hit(record))
        return REASON_HAZARD_NEVER_STRUCK;
    if (has_idle_worker(record))
        return REASON_IDLE_WORKER;
    if (verdict->overlaps < verdict->overlaps_needed)
        return REASON_NO_OVERLAP;
    return REASON_NONE;
}

/* When something was acknowledged, or the run began or ended. */
static int compare_ns(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Operations that began and were given up between two moments: tried to the limit, always busy. */
static int64_t count_given_up(const struct record *record, int64_t from_ns, int64_t until_ns)
{
    int64_t count = 0;
    for (size_t i = 0; i < record->event_count; i++) {
        const struct event *event = &record->events[i];
        count += (event->outcome == BUSY || event->outcome == CONFLICT) &&
                 event->attempts >= record->cell->max_tries && event->invoke_ns >= from_ns &&
                 event->return_ns <= until_ns;
    }
    return count;
}

/* Was nobody acknowledged for two leases while others gave up? O(n log n), and O(n) for each time
 * that long, of which there are few. */
static bool was_stuck(const struct record *record)
{
    int64_t limit_ns = 2 * record->cell->lease_ms * INT64_C(1000000), end_ns = 0;
    int64_t *moments = x_malloc((record->event_count + 2) * sizeof(*moments));
    size_t count = 0;
    bool stuck = false;
    for (size_t i = 0; i < record->event_count; i++) {
        const struct event *event = &record->events[i];
        if (event->return_ns == RETURN_NEVER)
            continue;
        if (event->return_ns > end_ns)
            end_ns = event->return_ns;
        if (event->outcome == DONE || event->outcome == NOTHING)
            moments[count++] = event->return_ns;
    }
    moments[count++] = 0;
    moments[count++] = end_ns;
    qsort(moments, count, sizeof(*moments), compare_ns);
    for (size_t i = 1; i < count && limit_ns > 0 && !stuck; i++)
        stuck = moments[i] - moments[i - 1] > limit_ns &&
                count_given_up(record, moments[i - 1], moments[i]) >= GIVEN_UP_MIN;
    free(moments);
    return stuck;
}

double checker_zero_bound(int64_t n)
{
    return n <= 0 ? 1 : -expm1(log(0.05) / (double)n);
}

void checker_contention(const struct record *record, struct verdict *verdict)
{
    verdict->lost_bound = 0;
    if (verdict->status != BROKEN && was_stuck(record)) {
        verdict->status = BROKEN;
        verdict->reason = REASON_STUCK;
    }
    if (verdict->status != HELD)
        return;
    enum reason doubt = find_doubt(record, verdict);
    if (doubt != REASON_NONE) {
        verdict->status = UNDECIDED;
        verdict->reason = doubt;
        return;
    }
    int64_t updates = 0;
    for (size_t i = 0; i < record->event_count; i++)
        updates += record->events[i].outcome == DONE && !record->events[i].reads_only;
    verdict->lost_bound = checker_zero_bound(updates);
}
