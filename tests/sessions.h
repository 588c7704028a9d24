/* SPDX-License-Identifier: Apache-2.0
 *
 * sessions: what tests of sessions, transactions and fail points share: an engine that poses as a
 * replica set, on a clock that the test moves, and commands that may be parked.
 */
#ifndef RACEBENCH_TESTS_SESSIONS_H
#define RACEBENCH_TESTS_SESSIONS_H

#include "commands.h"

/* lsid and number of session A or B; the rest of a transaction's first and later commands. */
#define LSID(letters) "'lsid': {'id': {'$binary': {'base64': '" letters "', 'subType': '04'}}}"
#define A             LSID("AAAAAAAAAAAAAAAAAAAAAA==")
#define B             LSID("BBBBBBBBBBBBBBBBBBBBBA==")
#define NUMBER(n)     "'txnNumber': {'$numberLong': '" #n "'}"
#define START(s, n)   s ", " NUMBER(n) ", 'autocommit': false, 'startTransaction': true"
#define INSIDE(s, n)  s ", " NUMBER(n) ", 'autocommit': false"
#define COMMIT(s, n)  "{'commitTransaction': 1, '$db': 'admin', " INSIDE(s, n) "}"
#define ABORT(s, n)   "{'abortTransaction': 1, '$db': 'admin', " INSIDE(s, n) "}"

#define INC(id, rest)                                                                              \
    "{'update': 'c', 'updates': [{'q': {'_id': " #id "}, 'u': {'$inc': {'n': 1}}}]" rest "}"

struct world {
    struct engine *engine;
    int64_t now_ms;
};

static inline int64_t world_now_ms(void *context)
{
    return ((struct world *)context)->now_ms;
}

static inline int world_setup(void **state)
{
    struct world *world = *state = x_calloc(1, sizeof *world);
    world->now_ms = 1000;
    world->engine = engine_new(&(struct engine_settings){.persona = "replset",
                                                         .now_ms = world_now_ms,
                                                         .now_context = world,
                                                         .test_commands = true,
                                                         .seed = 1});
    bson_destroy(run(world->engine,
                     "{'insert': 'c', 'documents': [{'_id': 1, 'n': 0}, {'_id': 2, 'n': 0}]}"));
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *world = *state;
    engine_free(world->engine);
    free(world);
    return 0;
}

/* Time passes. */
static inline void pass_ms(struct world *world, int64_t ms)
{
    world->now_ms += ms;
    engine_tick(world->engine);
}

/* A command that need not be answered at once. */
struct answer {
    bson_t *reply;
    int count; /* of answers */
};

static inline void keep_answer(const bson_t *reply, void *context)
{
    struct answer *answer = context;
    answer->reply = reply != NULL ? bson_copy(reply) : NULL;
    answer->count++;
}

static inline void submit(struct world *world, const char *text, struct answer *answer)
{
    bson_t *command = parse(text);
    *answer = (struct answer){NULL, 0};
    if (!bson_has_field(command, "$db"))
        BSON_APPEND_UTF8(command, "$db", "db");
    engine_submit(world->engine, command, keep_answer, answer);
    bson_destroy(command); /* a parked command must have a copy */
}

/* Has the command done what it is to do? `code` 0: ok; -1: no reply. Frees the answer. */
static inline void assert_code(struct answer *answer, int32_t code, const char *label)
{
    assert_int_equal(answer->count, 1);
    if (code < 0) {
        assert_null(answer->reply);
        return;
    }
    assert_non_null(answer->reply);
    bson_iter_t iter, found;
    char *json = bson_as_relaxed_extended_json(answer->reply, NULL);
    int32_t actual = int_at(answer->reply, "code") < 0 ? 0 : int_at(answer->reply, "code");
    if (actual != code)
        fail_msg("code %d expected: %s", code, json);
    bool labelled = bson_iter_init(&iter, answer->reply) &&
                    bson_iter_find_descendant(&iter, "errorLabels.0", &found);
    if (labelled != (label != NULL) ||
        (labelled && label != NULL && strcmp(bson_iter_utf8(&found, NULL), label) != 0))
        fail_msg("label %s expected: %s", label != NULL ? label : "none", json);
    bson_free(json);
    bson_destroy(answer->reply);
    answer->reply = NULL;
}

static inline void expect(struct world *world, const char *text, int32_t code, const char *label)
{
    struct answer answer;
    submit(world, text, &answer);
    if (answer.count != 1)
        fail_msg("not answered: %s", text);
    assert_code(&answer, code, label);
}

/* What another client sees in document `id`. */
static inline int32_t n_of(struct world *world, int id)
{
    char *text = x_format("{'find': 'c', 'filter': {'_id': %d}}", id);
    bson_t *reply = run(world->engine, text);
    int32_t n = int_at(reply, "cursor.firstBatch.0.n");
    bson_destroy(reply);
    free(text);
    return n;
}

#endif
