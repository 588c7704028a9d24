/* SPDX-License-Identifier: Apache-2.0
 *
 * engine: what stands before and around every command: the gate and what it counts as applied,
 * commands inside done(), generated ids, limits.
 * labels: engine
 * stores: both
 */
#include "commands.h"
#include "gate.h"

static void test_document_too_large(void **state)
{
    enum { BYTES = 16 * 1024 * 1024 };
    char *filler = x_malloc(BYTES);
    memset(filler, 'x', BYTES);
    bson_t *command = bson_new(), *reply = NULL;
    bson_t documents, document;
    BSON_APPEND_UTF8(command, "insert", "large");
    BSON_APPEND_UTF8(command, "$db", "db");
    BSON_APPEND_ARRAY_BEGIN(command, "documents", &documents);
    BSON_APPEND_DOCUMENT_BEGIN(&documents, "0", &document);
    bson_append_utf8(&document, "filler", -1, filler, BYTES);
    bson_append_document_end(&documents, &document);
    bson_append_array_end(command, &documents);
    engine_submit(*state, command, keep_reply, &reply);
    assert_int_equal(int_at(reply, "writeErrors.0.code"), 10334);
    bson_destroy(reply);
    bson_destroy(command);
    free(filler);
}

static void test_generated_ids(void **state)
{
    (void)state;
    bson_t *replies[2];
    for (int i = 0; i < 2; i++) { /* the same seed generates the same ids, apart from the clock */
        struct engine *engine = engine_open((struct engine_settings){.seed = 9});
        bson_destroy(run(engine, "{'insert': 'c', 'documents': [{'a': 1}]}"));
        replies[i] = run(engine, "{'find': 'c'}");
        engine_close(engine);
    }
    for (int i = 0; i < 2; i++) {
        bson_iter_t iter, found;
        assert_true(bson_iter_init(&iter, replies[i]));
        assert_true(bson_iter_find_descendant(&iter, "cursor.firstBatch.0._id", &found));
        assert_true(BSON_ITER_HOLDS_OID(&found));
        const bson_oid_t *id = bson_iter_oid(&found);
        bson_iter_t other;
        assert_true(bson_iter_init(&iter, replies[0]));
        assert_true(bson_iter_find_descendant(&iter, "cursor.firstBatch.0._id", &other));
        assert_memory_equal(id->bytes + 4, bson_iter_oid(&other)->bytes + 4, 8);
    }
    bson_destroy(replies[0]);
    bson_destroy(replies[1]);
}

/* The gate. ------------------------------------------------------------------------------------ */

struct decision {
    enum gate_action action;
    struct step seen;
    char target[32];
    int steps;
};

static enum gate_action decide(void *state, const struct step *step)
{
    struct decision *decision = state;
    decision->seen = *step;
    strncpy(decision->target, step->target, sizeof decision->target - 1);
    decision->steps++;
    return decision->action;
}

static void test_gate(void **state)
{
    (void)state;
    static const struct gate_policy policy = {.name = "decide", .arrive = decide};
    static const char update[] =
        "{'update': 'c', 'updates': [{'q': {'_id': 1}, 'u': {'$inc': {'n': 1}}, 'upsert': true}], "
        "'comment': 'w1.7'}";
    struct decision decision = {.action = GATE_PASS};
    struct gate *gate = gate_new(2, 0);
    struct engine *engine = engine_open((struct engine_settings){.gate = gate});
    gate_set_policy(gate, &policy, &decision);

    bson_t *reply = run(engine, update);
    assert_int_equal(int_at(reply, "n"), 1);
    bson_destroy(reply);
    assert_int_equal(decision.steps, 1);
    assert_int_equal(decision.seen.worker, 1);
    assert_int_equal(decision.seen.operation, 7);
    assert_int_equal(decision.seen.kind, STEP_UPDATE);
    assert_string_equal(decision.target, "c");
    assert_int_equal(gate_applied_count(gate, "c", 1, 7), 1);

    decision.action = GATE_CLOSE_BEFORE;
    assert_null(run(engine, update));
    assert_int_equal(gate_applied_count(gate, "c", 1, 7), 1);
    decision.action = GATE_CLOSE_AFTER;
    assert_null(run(engine, update));
    assert_int_equal(gate_applied_count(gate, "c", 1, 7), 2);
    decision.action = GATE_ERROR;
    reply = run(engine, update);
    assert_int_equal(int_at(reply, "code"), 91);
    assert_int_equal(int_at(reply, "ok"), 0);
    bson_destroy(reply);
    assert_int_equal(gate_applied_count(gate, "c", 1, 7), 2);
    decision.action = GATE_PASS;
    reply = run(engine, "{'find': 'c', 'comment': 'w0.0'}");
    assert_int_equal(int_at(reply, "cursor.firstBatch.0.n"), 2);
    bson_destroy(reply);
    assert_int_equal(gate_count(gate, STEP_UPDATE), 4);
    assert_int_equal(gate_count(gate, STEP_FIND), 1);
    int64_t before = gate_unattributed_count(gate);
    bson_destroy(run(engine, "{'ping': 1}"));
    bson_destroy(run(engine, "{'hello': 1}"));
    bson_destroy(run(engine, "{'nope': 1}"));
    assert_int_equal(gate_unattributed_count(gate), before + 3);
    engine_close(engine);
    gate_free(gate);
}

static void test_applied(void **state)
{
    (void)state;
    struct gate *gate = gate_new(1, 0);
    struct engine *engine = engine_open((struct engine_settings){.gate = gate});
    bson_destroy(run(engine, "{'insert': 'c', 'documents': [{'_id': 1, 'n': 2}]}"));
    /* What counts as applied: documents that changed. */
    static const struct {
        const char *command;
        int64_t operation, applied;
    } writes[] = {
        {"{'update': 'c', 'updates': [{'q': {'_id': 1}, 'u': {'$set': {'n': 2}}}], 'comment': "
         "'w0.1'}",
         1, 0},
        {"{'update': 'c', 'updates': [{'q': {'_id': 5}, 'u': {'$set': {'n': 2}}}], 'comment': "
         "'w0.2'}",
         2, 0},
        {"{'insert': 'c', 'documents': [{'_id': 2}, {'_id': 3}, {'_id': 1}], 'comment': 'w0.3'}", 3,
         2},
        {"{'update': 'c', 'updates': [{'q': {}, 'u': {'$set': {'x': 2}}, 'multi': true}], "
         "'comment': 'w0.4'}",
         4, 3},
        {"{'findAndModify': 'c', 'query': {'_id': 9}, 'update': {'$set': {'x': 1}}, 'upsert': "
         "true, "
         "'comment': 'w0.5'}",
         5, 1},
        {"{'findAndModify': 'c', 'query': {'_id': 9}, 'remove': true, 'comment': 'w0.6'}", 6, 1},
        {"{'delete': 'c', 'deletes': [{'q': {}, 'limit': 0}], 'comment': 'w0.7'}", 7, 3},
    };
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        bson_destroy(run(engine, writes[i].command));
        assert_int_equal(gate_applied_count(gate, "c", 0, writes[i].operation), writes[i].applied);
    }
    engine_close(engine);
    gate_free(gate);
}

struct nested {
    struct engine *engine;
    bson_t *inner, *outer;
};

static void submit_again(const bson_t *reply, void *context)
{
    struct nested *nested = context;
    nested->inner = run(nested->engine, "{'count': 'c'}");
    nested->outer = bson_copy(reply); /* still there */
}

static void test_nested(void **state)
{
    struct nested nested = {*state, NULL, NULL};
    bson_t *command = parse("{'ping': 1, '$db': 'db'}");
    engine_submit(*state, command, submit_again, &nested);
    assert_true(bson_has_field(nested.inner, "n"));
    assert_false(bson_has_field(nested.outer, "n"));
    bson_destroy(command);
    bson_destroy(nested.inner);
    bson_destroy(nested.outer);
}

static void test_names(void **state)
{
    assert_string_equal(engine_name(*state), "embedded");
    assert_string_equal(engine_store(*state), store_name());
    assert_string_equal(engine_persona(*state), "standalone");
    assert_string_equal(engine_version(), "6.0.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_document_too_large, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_generated_ids, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_gate, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_applied, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_nested, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_names, engine_setup, engine_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
