/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_snapshot: whole documents. What a reader saw is in its event (`detail`), judged here
 * only: a document whose parts disagree is torn, whoever read it; one that is kept in a file and
 * could not be read as a document is torn; an absent one is, when it had been there: seeded, or
 * written by an operation acknowledged before the reader was invoked. To find that, events are
 * walked in the order of their invocation, and per document the earliest acknowledged write is
 * known beforehand. O(n) on average.
 */
#include "base.h"
#include "checker.h"
#include "checker_table.h"

#include <stdlib.h>

struct snapshots {
    const struct record *record;
    struct checker_table keys;
    int64_t *there_ns; /* per document: when its first write was acknowledged */
    uint32_t *last;    /* per document: the write that was invoked last so far, or NOWHERE */
};

static bool is_write(const struct event *event)
{
    return !event->reads_only && (event->outcome == DONE || event->outcome == UNKNOWN);
}

static void snapshots_init(struct snapshots *snapshots, const struct record *record)
{
    uint32_t count = 0;
    *snapshots = (struct snapshots){.record = record};
    checker_table_init(&snapshots->keys, record->event_count);
    snapshots->there_ns = x_malloc((record->event_count + 1) * sizeof(int64_t));
    snapshots->last = x_malloc((record->event_count + 1) * sizeof(uint32_t));
    for (size_t i = 0; i < record->event_count; i++) {
        const struct event *event = &record->events[i];
        if (checker_table_put(&snapshots->keys, event->key[0], count) == NOWHERE) {
            snapshots->there_ns[count] = RETURN_NEVER;
            snapshots->last[count++] = NOWHERE;
        }
        uint32_t place = checker_table_get(&snapshots->keys, event->key[0]);
        if (is_write(event) && event->outcome == DONE &&
            event->return_ns < snapshots->there_ns[place])
            snapshots->there_ns[place] = event->return_ns;
    }
}

/* Did this operation see half of a document? */
static bool saw_torn(const struct snapshots *snapshots, const struct event *event)
{
    const struct cell *cell = snapshots->record->cell;
    uint32_t place = checker_table_get(&snapshots->keys, event->key[0]);
    bool refused = !event->reads_only && (cell->hazards & HAZARD_BIT(error)) != 0;
    if (event->outcome == FAILED) /* the one reason for it where documents are files */
        return cell->strategy[event->strategy]->home == HOME_FILES && !refused &&
               !snapshots->record->interrupted;
    if (event->detail == SNAPSHOT_ABSENT)
        return !cell->unseeded || snapshots->there_ns[place] < event->invoke_ns;
    return event->detail == SNAPSHOT_TORN;
}

static void accuse(struct verdict *verdict, int64_t key, const struct event *victim,
                   const struct event *culprit)
{
    struct witness witness = {.property = TORN, .key = key};
    if (victim != NULL) {
        witness.victim = victim->operation;
        witness.version = victim->read[0];
        witness.value_read = victim->value_read;
        witness.victim_return_ns = victim->return_ns;
    }
    if (culprit != NULL) {
        witness.culprit = culprit->operation;
        witness.culprit_return_ns = culprit->return_ns;
    }
    verdict->counts.torn++;
    checker_accuse(verdict, REASON_TORN, &witness);
}

/* Was the document there, so that it must be at the end? */
static bool is_owed(const struct snapshots *snapshots, int64_t key)
{
    uint32_t place = checker_table_get(&snapshots->keys, key);
    return !snapshots->record->cell->unseeded ||
           (place != NOWHERE && snapshots->there_ns[place] != RETURN_NEVER);
}

void checker_snapshot(const struct record *record, bool (*is_whole)(const bson_t *),
                      struct verdict *verdict)
{
    struct snapshots snapshots;
    snapshots_init(&snapshots, record);
    for (uint32_t i = 0; i < record->event_count; i++) {
        const struct event *event = &record->events[i];
        uint32_t place = checker_table_get(&snapshots.keys, event->key[0]);
        uint32_t writer = snapshots.last[place];
        if (saw_torn(&snapshots, event))
            accuse(verdict, event->key[0], event,
                   writer == NOWHERE ? NULL : &record->events[writer]);
        if (is_write(event))
            snapshots.last[place] = i;
    }
    for (int64_t key = 0; record->documents != NULL && key < record->final_count; key++) {
        const bson_t *document = record->documents[key];
        uint32_t place = checker_table_get(&snapshots.keys, key);
        uint32_t writer = place == NOWHERE ? NOWHERE : snapshots.last[place];
        if (document != NULL ? !is_whole(document) : is_owed(&snapshots, key))
            accuse(verdict, key, NULL, writer == NOWHERE ? NULL : &record->events[writer]);
    }
    checker_table_free(&snapshots.keys);
    free(snapshots.there_ns);
    free(snapshots.last);
}
