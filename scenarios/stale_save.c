/* SPDX-License-Identifier: Apache-2.0
 *
 * stale_save: a worker reads a document twice, changes each copy, and saves one after the other,
 * saying each time on which version its copy stands (base). The second copy is stale by then, and
 * its save must be refused. Other workers do the same to the same documents. This is the test of
 * the seed ("implements OCC") as a load. Four operations a round: two reads, two saves.
 *
 *      worker 1, first copy            worker 1, second copy
 *      reads n = 5, version 3
 *                                      reads n = 5, version 3
 *      saves n = 6 on version 3
 *                                      saves n = 6 on version 3: must be refused
 *
 * What is saved comes from the copy, not from the document as it is at the save; so an accepted
 * stale save wipes out what was saved in between: LOST, with both named. The judge takes the
 * version that the copy stands on, which the scenario notes, for the one that the save has read.
 */
#include "scenario.h"

#include <stdlib.h>
#include <string.h>

/* A copy of the document, as far as it matters. */
struct copy {
    int64_t n, version, stamp;
};

static int64_t stale_save_documents(const struct cell *cell)
{
    return cell->docs;
}

static void stale_save_seed(const struct cell *cell, int64_t id, bson_t *document)
{
    (void)cell;
    BSON_APPEND_INT64(document, "_id", id);
    BSON_APPEND_INT64(document, "n", 0);
    BSON_APPEND_INT64(document, "version", 0);
}

static enum change create(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    if (was[0])
        return ALREADY;
    stale_save_seed(NULL, edit->key[0].id, is[0]);
    return CHANGED;
}

/* One more than in the copy, whatever the document has become. */
static enum change save_copy(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    const struct copy *copy = edit->argument;
    if (!was[0])
        return REFUSED; /* nothing here deletes */
    bson_copy_to_excluding_noinit(was[0], is[0], "n", NULL);
    BSON_APPEND_INT64(is[0], "n", copy->n + edit->amount);
    return CHANGED;
}

static bool read_copy(struct session *session, int64_t id, struct copy *copy)
{
    const struct edit edit = {
        .key = {{"tickets", id}}, .count = 1, .field = "n", .base = EDIT_ANY, .wait = true};
    struct result result;
    if (worker_apply(session, &edit, &result) != DONE || !result.was[0])
        return false;
    copy->n = edit_number(result.was[0], "n", 0);
    copy->version = edit_number(result.was[0], "version", EDIT_ANY);
    copy->stamp = edit_stamp(result.was[0]);
    return true;
}

static void save(struct session *session, int64_t id, const struct copy *copy)
{
    const struct edit edit = {.key = {{"tickets", id}},
                              .count = 1,
                              .change = save_copy,
                              .field = "n",
                              .base = copy->version,
                              .amount = 1,
                              .argument = copy};
    worker_apply(session, &edit, NULL);
    worker_note(session, copy->stamp);
}

static void create_absent(struct session *session, const struct cell *cell)
{
    for (int64_t id = 0; id < cell->docs && worker_next(session); id++) {
        const struct edit edit = {.key = {{"tickets", id}},
                                  .count = 1,
                                  .change = create,
                                  .field = "n",
                                  .base = EDIT_ANY,
                                  .wait = true};
        worker_apply(session, &edit, NULL);
    }
}

static void stale_save_work(struct session *session, const struct cell *cell)
{
    struct copy first, second;
    if (cell->unseeded)
        create_absent(session, cell);
    while (worker_next(session)) {
        int64_t id = cell->docs > 1 ? session_random(session, cell->docs) : 0;
        if (!read_copy(session, id, &first) || !worker_next(session) ||
            !read_copy(session, id, &second))
            continue;
        if (worker_next(session))
            save(session, id, &first);
        if (worker_next(session))
            save(session, id, &second);
    }
}

static void stale_save_judge(const struct record *record, struct verdict *verdict)
{
    struct event *events = x_malloc((record->event_count + 1) * sizeof(*events));
    if (record->event_count > 0)
        memcpy(events, record->events, record->event_count * sizeof(*events));
    for (size_t i = 0; i < record->event_count; i++) {
        if (events[i].reads_only || events[i].amount == 0)
            continue;
        events[i].read[0] = events[i].detail;
        events[i].value_read = events[i].value_written - events[i].amount;
    }
    struct record based = *record;
    based.events = events;
    checker_count(record, verdict);
    checker_updates(&based, verdict);
    if (verdict->counts.lost > 0)
        verdict->counts.doubled = 0; /* a sum above the named losses is two saves mixed, field by
                                      * field, and not one that was applied twice */
    checker_contention(record, verdict);
    free(events);
}

const struct scenario scenario_stale_save = {
    .name = "stale_save",
    .help = "two copies of a document are saved; the second, stale one must be refused",
    .needs = CAN_CHANGE | CAN_BASE,
    .checks = 1u << LOST | 1u << DOUBLED,
    .collection = "tickets",
    .field = "n",
    .round = 4,
    .documents = stale_save_documents,
    .seed = stale_save_seed,
    .work = stale_save_work,
    .judge = stale_save_judge,
};
