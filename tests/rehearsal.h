/* SPDX-License-Identifier: Apache-2.0
 *
 * rehearsal: strategies one step at a time. Workers are fibers in virtual time (`direct`), and each
 * command of theirs passes a tap before it reaches the engine. The tap counts, can make commands
 * slow, lets a test do something just before a given command (a rival who writes between read and
 * write, exactly there), and decides its fate: passed, lost on the way, answered into the void, or
 * refused. So each race of a head comment is played once and on purpose, not waited for.
 */
#ifndef RACEBENCH_TESTS_REHEARSAL_H
#define RACEBENCH_TESTS_REHEARSAL_H

#include "run_cell.h"
#include "support.h"
#include "transport_direct.h"

/* What becomes of a command. */
enum fate { PASS, LOSE_REQUEST, LOSE_REPLY, REFUSE, DUPLICATE };

struct tap {
    /* Asked before every command that passes tapped: the how many-th of its kind it is, from 1.
     * NULL: all pass. */
    enum fate (*hook)(struct session *, const struct command_request *, int nth);
    int64_t latency_us;          /* of every command, virtual */
    int counts[STEP_KIND_COUNT]; /* commands so far, rivals' not counted */
    int saving, saving_max;      /* updates on their way at the same time */
    bool untapped[128];          /* by worker: a hook or a helper below is at work */
    bool altered;                /* an update changed while it was on its way */
    int failed_line;             /* first EXPECT that did not hold, or 0 */
};
static struct tap tap;

/* Notes the first expectation that does not hold: an assertion must not jump out of a fiber. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition) && tap.failed_line == 0)                                                  \
            tap.failed_line = __LINE__;                                                            \
    } while (0)

static inline void tap_pass(struct session *session, const struct command_request *request,
                            struct command_reply *reply)
{
    const bson_t *update = request->kind == STEP_UPDATE ? request->modify.update : NULL;
    bson_t *before = update != NULL ? bson_copy(update) : NULL;
    tap.saving += request->kind == STEP_UPDATE;
    if (tap.saving > tap.saving_max)
        tap.saving_max = tap.saving;
    if (tap.latency_us > 0)
        transport_direct.clock->sleep_us(session, tap.latency_us);
    if (before != NULL && !bson_equal(before, update))
        tap.altered = true;
    bson_destroy(before);
    transport_direct.commands->execute(session, request, reply);
    tap.saving -= request->kind == STEP_UPDATE;
}

static inline void tap_execute(struct session *session, const struct command_request *request,
                               struct command_reply *reply)
{
    enum { DUPLICATE_KEY = 11000, UNAUTHORIZED = 13 };
    enum fate fate = PASS;
    bool *untapped = &tap.untapped[session->worker];
    if (*untapped) {
        transport_direct.commands->execute(session, request, reply);
        return;
    }
    int nth = ++tap.counts[request->kind];
    if (tap.hook != NULL) {
        *untapped = true;
        fate = tap.hook(session, request, nth);
        *untapped = false;
    }
    if (fate == PASS || fate == LOSE_REPLY)
        tap_pass(session, request, reply);
    if (fate == LOSE_REPLY && reply->document != NULL) {
        bson_destroy(reply->document);
        reply->document = NULL;
    }
    if (fate != PASS) {
        reply->sent = true;
        reply->answered = fate == REFUSE || fate == DUPLICATE;
        reply->code = fate == REFUSE ? UNAUTHORIZED : fate == DUPLICATE ? DUPLICATE_KEY : 0;
    }
}

/* A scenario without documents of its own whose workers do what a test says. */
static inline int64_t rehearsal_documents(const struct cell *cell)
{
    (void)cell;
    return 0;
}
static inline void rehearsal_seed(const struct cell *cell, int64_t id, bson_t *document)
{
    (void)cell, (void)id, (void)document;
}
static inline void rehearsal_judge(const struct record *record, struct verdict *verdict)
{
    checker_count(record, verdict);
}

struct rehearsal {
    const char *strategy;
    void (*work)(struct session *,
                 const struct cell *); /* of every worker; session_worker() tells them apart */
    enum fate (*hook)(struct session *, const struct command_request *, int nth); /* or NULL */
    int64_t latency_us, work_us;
    int64_t lease_ms;               /* 0: 30000 */
    int32_t workers, instances;     /* 0: 1 */
    const struct file_table *files; /* NULL: those of direct */
};

/* Plays it to the end and fails the test at the first EXPECT that did not hold. */
static inline void rehearse(const struct rehearsal *rehearsal)
{
    static const struct command_table commands = {tap_execute};
    static struct transport_table transport;
    struct scenario scenario = {.name = "rehearsal",
                                .collection = "counters",
                                .field = "n",
                                .documents = rehearsal_documents,
                                .seed = rehearsal_seed,
                                .work = rehearsal->work,
                                .judge = rehearsal_judge};
    struct cell cell =
        support_cell(&scenario, strategy_find(rehearsal->strategy), TRANSPORT_DIRECT);
    cell.workers = rehearsal->workers > 0 ? rehearsal->workers : 1;
    cell.instances = rehearsal->instances > 0 ? rehearsal->instances : 1;
    cell.ops = cell.workers;
    cell.lease_ms = rehearsal->lease_ms > 0 ? rehearsal->lease_ms : 30000;
    cell.work_us = rehearsal->work_us;
    tap = (struct tap){.hook = rehearsal->hook, .latency_us = rehearsal->latency_us};
    struct stage stage = {0};
    stage_open(&stage, &cell, "rehearsal", 0);
    transport = transport_direct;
    transport.commands = &commands;
    if (rehearsal->files != NULL)
        transport.files = rehearsal->files;
    stage.crew.transport = &transport;
    direct_start(&stage.crew);
    while (direct_turn(&stage.crew, 1000))
        continue;
    bool stuck = direct_stuck(&stage.crew);
    stage_close(&stage);
    if (tap.failed_line != 0)
        print_error("expectation in line %d does not hold\n", tap.failed_line);
    assert_int_equal(tap.failed_line, 0);
    assert_false(stuck);
}

/* The frequent case: one worker, hook or NULL. */
static inline void play(const char *strategy, void (*work)(struct session *, const struct cell *),
                        enum fate (*hook)(struct session *, const struct command_request *, int))
{
    rehearse(&(struct rehearsal){.strategy = strategy, .work = work, .hook = hook});
}

/* What tests do inside a worker --------------------------------------------------------------- */

static const struct key first_key = {"counters", 0}, second_key = {"counters", 1};

static inline const bson_t *json(struct session *session, const char *text)
{
    const bson_t *document = session_parse(session, text, strlen(text));
    EXPECT(document != NULL);
    return document;
}

/* Inserts a document given as JSON. Like the helpers that follow it passes untapped. */
static inline void put(struct session *session, const char *collection, const char *document)
{
    bool before = tap.untapped[session->worker];
    tap.untapped[session->worker] = true;
    EXPECT(session_insert_one(session, collection, json(session, document)) == DONE);
    tap.untapped[session->worker] = before;
}

/* Changes the one document that matches; both given as JSON. */
static inline void alter(struct session *session, const char *collection, const char *filter,
                         const char *update)
{
    struct modify modify = {.collection = collection,
                            .filter = json(session, filter),
                            .update = json(session, update)};
    struct written written;
    bool before = tap.untapped[session->worker];
    tap.untapped[session->worker] = true;
    EXPECT(session_update_one(session, &modify, &written) == DONE && written.matched == 1);
    tap.untapped[session->worker] = before;
}

/* The document that matches a filter given as JSON, or NULL. */
static inline const bson_t *get(struct session *session, const char *collection, const char *filter)
{
    const bson_t *found;
    bool before = tap.untapped[session->worker];
    tap.untapped[session->worker] = true;
    EXPECT(session_find(session, collection, json(session, filter), &found) == DONE);
    tap.untapped[session->worker] = before;
    return found;
}

/* A number of counter 0 in the database; -1: no such field, -2: no such document. */
static inline int64_t counter(struct session *session, const char *field)
{
    const bson_t *found = get(session, "counters", "{\"_id\": 0}");
    return found != NULL ? edit_number(found, field, -1) : -2;
}

/* n + amount, everything else as it was. */
static inline enum change add(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    for (int i = 0; i < edit->count; i++) {
        if (was[i] != NULL)
            bson_copy_to_excluding_noinit(was[i], is[i], "n", NULL);
        else
            BSON_APPEND_INT64(is[i], "_id", edit->key[i].id);
        BSON_APPEND_INT64(is[i], "n", edit_number(was[i], "n", 0) + edit->amount);
    }
    return CHANGED;
}
static inline enum change say_already(const struct edit *edit, const bson_t *const was[],
                                      bson_t *is[])
{
    (void)edit, (void)was, (void)is;
    return ALREADY;
}
static inline enum change say_not_yet(const struct edit *edit, const bson_t *const was[],
                                      bson_t *is[])
{
    (void)edit, (void)was, (void)is;
    return NOT_YET;
}
static inline enum change refuse(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    (void)edit, (void)was;
    BSON_APPEND_INT64(is[0], "n", 1000);
    return REFUSED;
}

/* An edit of counter 0 that is tried once. */
static inline struct edit edit_of(enum change (*change)(const struct edit *, const bson_t *const[],
                                                        bson_t *[]))
{
    return (struct edit){.key = {first_key, second_key},
                         .count = 1,
                         .change = change,
                         .field = "n",
                         .base = EDIT_ANY,
                         .amount = 1};
}

/* One operation of one attempt, recorded like any other. */
static inline enum outcome try(struct session *session, struct edit edit)
{
    return worker_apply(session, &edit, NULL);
}

/* One attempt by somebody else, from inside a hook: past the worker's loop, not recorded. */
static inline enum outcome rival_tries(struct session *session, struct edit edit)
{
    return session->strategy->apply(session, session->instance->shared[0], &edit);
}

#endif
