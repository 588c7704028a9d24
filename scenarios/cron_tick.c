/* SPDX-License-Identifier: Apache-2.0
 *
 * cron_tick: every worker has a timer that goes off once per --tick, up to --jitter late, and asks
 * for the task of that tick: once = the tick's number. Usually each worker is an instance of its
 * own (--instances). The task adds one to a counter and notes its tick. Who finds the task taken
 * goes home (no waiting). --ops is the number of ticks times the number of workers.
 *
 *      worker 1                        worker 2
 *      tick 7: obtains the lock
 *      n = 6 becomes 7
 *      releases the lock
 *                                      tick 7, 4 ms late: obtains the lock
 *                                      n = 7 becomes 8
 *                                      releases the lock
 *
 * Nobody held the lock together with anybody else, and still tick 7 was done twice: excluding each
 * other is not doing it once. Per tick, done by two: REPEATED; by nobody: MISSED. It is counted by
 * operations that were acknowledged, not by the counter.
 */
#include "scenario.h"

static int64_t cron_tick_documents(const struct cell *cell)
{
    (void)cell;
    return 1;
}

static void cron_tick_seed(const struct cell *cell, int64_t id, bson_t *document)
{
    (void)cell;
    BSON_APPEND_INT64(document, "_id", id);
    BSON_APPEND_INT64(document, "n", 0);
    BSON_APPEND_INT64(document, "lastTick", 0);
    BSON_APPEND_INT64(document, "version", 0);
}

/* The task does not look at lastTick: whether the tick is still to be done is the strategy's
 * business, which knows it from `once`. */
static enum change run_task(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    if (was[0]) {
        bson_copy_to_excluding_noinit(was[0], is[0], "n", "lastTick", NULL);
    } else {
        BSON_APPEND_INT64(is[0], "_id", edit->key[0].id);
        BSON_APPEND_INT64(is[0], "version", 0);
    }
    BSON_APPEND_INT64(is[0], "n", edit_number(was[0], "n", 0) + edit->amount);
    BSON_APPEND_INT64(is[0], "lastTick", edit->once);
    return CHANGED;
}

/* The same as operators: {$inc: {n: 1}, $set: {lastTick}}. */
static void build_task(bson_t *operators, const struct edit *edit)
{
    bson_t fields;
    bson_reinit(operators);
    BSON_APPEND_DOCUMENT_BEGIN(operators, "$inc", &fields);
    BSON_APPEND_INT64(&fields, "n", edit->amount);
    bson_append_document_end(operators, &fields);
    BSON_APPEND_DOCUMENT_BEGIN(operators, "$set", &fields);
    BSON_APPEND_INT64(&fields, "lastTick", edit->once);
    bson_append_document_end(operators, &fields);
}

/* When tick 0 was, the same for all: whoever comes first says now. FAILED: nobody answers. */
static enum outcome find_start(struct session *session, int64_t *start_ms)
{
    enum { TRIES_MAX = 20 };
    enum outcome outcome = FAILED;
    for (int tries = 0; tries < TRIES_MAX && outcome != DONE; tries++) {
        const bson_t *schedule;
        bson_t *update = session_document(session), first;
        BSON_APPEND_DOCUMENT_BEGIN(update, "$setOnInsert", &first);
        BSON_APPEND_INT64(&first, "start", session_now_ms(session));
        bson_append_document_end(update, &first);
        const struct modify modify = {.collection = "schedule",
                                      .filter = session_key(session, &(struct key){"schedule", 0}),
                                      .update = update,
                                      .upsert = true};
        outcome = session_find_and_modify(session, &modify, &schedule);
        if (outcome == DONE)
            *start_ms = edit_number(schedule, "start", 0);
    }
    return outcome;
}

static void cron_tick_work(struct session *session, const struct cell *cell)
{
    int64_t start_ms;
    bson_t operators = BSON_INITIALIZER;
    struct edit edit = {.key = {{.collection = "counters"}},
                        .count = 1,
                        .change = run_task,
                        .operators = &operators,
                        .field = "n",
                        .base = EDIT_ANY,
                        .amount = 1};
    bool agreed = find_start(session, &start_ms) == DONE;
    while (agreed && worker_next(session)) {
        edit.once++;
        build_task(&operators, &edit);
        int64_t late_ms = session_random(session, cell->jitter_ms + 1);
        if (session_sleep_until(session, start_ms + edit.once * cell->tick_ms + late_ms) != DONE)
            break;
        worker_apply(session, &edit, NULL);
    }
    bson_destroy(&operators);
}

/* How many ticks there were: worker 0 has as many as anybody. */
static int64_t count_ticks(const struct record *record)
{
    const struct cell *cell = record->cell;
    int64_t ticks = 0;
    if (cell->ops > 0 && cell->duration_ms == 0 && !record->interrupted)
        return (cell->ops + cell->workers - 1) / cell->workers;
    for (size_t i = 0; i < record->event_count; i++)
        if (record->events[i].once > ticks)
            ticks = record->events[i].once;
    return ticks;
}

static void cron_tick_judge(const struct record *record, struct verdict *verdict)
{
    int64_t ticks = count_ticks(record);
    checker_count(record, verdict);
    checker_asked(record, verdict);
    checker_once(record, ticks, verdict);
    verdict->counts.final = record->finals[0].value;
    verdict->counts.expected_min = verdict->counts.expected_max = record->initial_value + ticks;
    checker_contention(record, verdict);
}

const struct scenario scenario_cron_tick = {
    .name = "cron_tick",
    .help = "a task for every tick, asked for by all; none may be done twice or never",
    .needs = CAN_CHANGE | CAN_ONCE,
    .checks = 1u << REPEATED | 1u << MISSED,
    .operators = true,
    .collection = "counters",
    .field = "n",
    .agrees = true,
    .documents = cron_tick_documents,
    .seed = cron_tick_seed,
    .work = cron_tick_work,
    .judge = cron_tick_judge,
};
