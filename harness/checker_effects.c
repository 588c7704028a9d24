/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_effects: things that are asked for once by several: a tick, an order, a message. Who did
 * a thing is known by name and never from a sum: an operation did it when it was acknowledged, and
 * also when it was not but its version was read by somebody, or is the final one, or the engine's
 * ledger has it as applied. Effects (post-processing) are judged by what stands in their own
 * collection, which only grows; what operations say counts there only as "somebody was told". One
 * pass to find the things, one to count, one to testify: O(n) on average.
 */
#include "base.h"
#include "checker.h"
#include "checker_table.h"

#include <stdlib.h>

/* What is known of one thing. Indices are of events; NOWHERE: none. */
struct thing {
    int64_t times;       /* how often it was done */
    uint32_t first;      /* who did it first */
    uint32_t asked;      /* who asked for it first */
    uint32_t told;       /* who was told first that it is done */
    bool may_be_done;    /* somebody got no answer */
    bool failed;         /* somebody was refused */
    int64_t effects;     /* how often its post-processing happened */
    int64_t first_by;    /* whose that was */
    int64_t number, key; /* `once`, and _id of its document */
};

struct things {
    const struct record *record;
    struct checker_table numbers;    /* once -> index in `items` */
    struct checker_table operations; /* id -> event */
    struct checker_table versions;   /* seen by somebody or at the end */
    struct thing *items;
    uint32_t count;
};

static void see(struct things *things, int64_t version)
{
    if (version > 0)
        checker_table_put(&things->versions, version, 0);
}

static void note_versions(struct things *things)
{
    const struct record *record = things->record;
    for (size_t i = 0; i < record->event_count; i++)
        for (int slot = 0; slot < EDIT_DOCUMENTS_MAX; slot++)
            if (record->events[i].read[slot] != record->events[i].operation)
                see(things, record->events[i].read[slot]);
    for (int64_t key = 0; record->finals != NULL && key < record->final_count; key++)
        see(things, record->finals[key].version);
}

static void things_find(struct things *things, const struct record *record)
{
    *things = (struct things){.record = record};
    checker_table_init(&things->numbers, record->event_count);
    checker_table_init(&things->operations, record->event_count);
    checker_table_init(&things->versions,
                       record->event_count * EDIT_DOCUMENTS_MAX + (size_t)record->final_count);
    things->items = x_calloc(record->event_count + 1, sizeof(*things->items));
    note_versions(things);
    for (uint32_t i = 0; i < record->event_count; i++) {
        const struct event *event = &record->events[i];
        checker_table_put(&things->operations, event->operation, i);
        if (event->once != 0 &&
            checker_table_put(&things->numbers, event->once, things->count) == NOWHERE)
            things->items[things->count++] = (struct thing){.first = NOWHERE,
                                                            .asked = i,
                                                            .told = NOWHERE,
                                                            .number = event->once,
                                                            .key = event->key[0]};
    }
}

static void things_free(struct things *things)
{
    checker_table_free(&things->numbers);
    checker_table_free(&things->operations);
    checker_table_free(&things->versions);
    free(things->items);
}

static struct thing *thing_of(const struct things *things, int64_t number)
{
    uint32_t place = checker_table_get(&things->numbers, number);
    return place == NOWHERE ? NULL : &things->items[place];
}

/* How often an operation is known to have done what it was asked for. */
static int64_t times_done(const struct things *things, const struct event *event)
{
    if (event->applied > 1)
        return event->applied;
    return event->outcome == DONE || event->applied == 1 ||
           checker_table_get(&things->versions, event->operation) != NOWHERE;
}

static int64_t return_of(const struct things *things, int64_t operation)
{
    uint32_t place = checker_table_get(&things->operations, operation);
    return place == NOWHERE ? 0 : things->record->events[place].return_ns;
}

static void testify(const struct things *things, struct verdict *verdict, enum reason reason,
                    struct witness witness)
{
    witness.property = reason == REASON_REPEATED ? REPEATED : MISSED;
    witness.victim_return_ns = return_of(things, witness.victim);
    witness.culprit_return_ns = return_of(things, witness.culprit);
    checker_accuse(verdict, reason, &witness);
}

/* Counts who did what; the second to do a thing is a witness. */
static void count_done(struct things *things, struct verdict *verdict)
{
    const struct record *record = things->record;
    for (uint32_t i = 0; i < record->event_count; i++) {
        const struct event *event = &record->events[i];
        struct thing *thing = event->once != 0 ? thing_of(things, event->once) : NULL;
        if (thing == NULL)
            continue;
        int64_t times = times_done(things, event);
        thing->may_be_done |= event->outcome == UNKNOWN;
        if (times > 0 && thing->first == NOWHERE)
            thing->first = i;
        int64_t excess = thing->times > 0 ? times : times - 1;
        thing->times += times;
        if (excess <= 0)
            continue;
        verdict->counts.repeated += excess;
        testify(things, verdict, REASON_REPEATED,
                (struct witness){.key = event->key[0],
                                 .victim = record->events[thing->first].operation,
                                 .culprit = event->operation});
    }
}

void checker_once(const struct record *record, int64_t count, struct verdict *verdict)
{
    struct things things;
    things_find(&things, record);
    count_done(&things, verdict);
    for (uint32_t i = 0; i < things.count; i++) {
        const struct thing *thing = &things.items[i];
        if (thing->times > 0 || thing->may_be_done)
            continue;
        verdict->counts.missed++;
        testify(&things, verdict, REASON_MISSED,
                (struct witness){.key = thing->key,
                                 .victim = record->events[thing->asked].operation});
    }
    for (int64_t number = 1; number <= count && !record->interrupted; number++) {
        if (thing_of(&things, number) != NULL)
            continue;
        verdict->counts.missed++; /* nobody asked for it, so there is no operation to name */
        testify(&things, verdict, REASON_MISSED, (struct witness){.key = 0});
    }
    things_free(&things);
}

void checker_asked(const struct record *record, struct verdict *verdict)
{
    struct things things;
    things_find(&things, record);
    verdict->overlaps = 0;
    for (size_t i = 0; i < record->event_count; i++) {
        const struct thing *thing =
            record->events[i].once != 0 ? thing_of(&things, record->events[i].once) : NULL;
        verdict->overlaps +=
            thing != NULL && record->events[thing->asked].worker != record->events[i].worker;
    }
    things_free(&things);
}

/* Effects ------------------------------------------------------------------------------------- */

static void note_told(struct things *things)
{
    const struct record *record = things->record;
    for (uint32_t i = 0; i < record->event_count; i++) {
        const struct event *event = &record->events[i];
        struct thing *thing = event->once != 0 ? thing_of(things, event->once) : NULL;
        if (thing == NULL)
            continue;
        thing->may_be_done |= event->outcome == UNKNOWN;
        thing->failed |= event->outcome == FAILED;
        if (thing->told == NOWHERE && (event->outcome == DONE || event->outcome == NOTHING))
            thing->told = i;
    }
}

static void count_effects(struct things *things, struct verdict *verdict)
{
    const struct record *record = things->record;
    for (size_t i = 0; i < record->effect_count; i++) {
        const struct effect *effect = &record->effects[i];
        struct thing *thing = thing_of(things, effect->once);
        if (thing != NULL && thing->effects++ == 0) {
            thing->first_by = effect->by;
            continue;
        }
        verdict->counts.repeated++;
        testify(things, verdict, REASON_REPEATED,
                (struct witness){.key = thing != NULL ? thing->key : 0,
                                 .victim = thing != NULL ? thing->first_by : effect->by,
                                 .culprit = thing != NULL ? effect->by : 0});
    }
}

void checker_effects(const struct record *record, struct verdict *verdict)
{
    if (record->effects_unread) {
        if (verdict->status == HELD) {
            verdict->status = UNDECIDED;
            verdict->reason = REASON_FINAL_UNREADABLE;
        }
        return;
    }
    struct things things;
    things_find(&things, record);
    note_told(&things);
    count_effects(&things, verdict);
    for (uint32_t i = 0; i < things.count; i++) {
        const struct thing *thing = &things.items[i];
        if (thing->effects > 0 || (thing->told == NOWHERE && (thing->may_be_done || thing->failed)))
            continue;
        uint32_t victim = thing->told != NOWHERE ? thing->told : thing->asked;
        verdict->counts.missed++;
        testify(&things, verdict, REASON_MISSED,
                (struct witness){.key = thing->key, .victim = record->events[victim].operation});
    }
    things_free(&things);
}
