/* SPDX-License-Identifier: Apache-2.0
 *
 * limits_sessions: limits of what stays open between commands: transactions, sessions, cursors that
 * nobody asks; and of the numbers that name them. Whoever is refused has begun nothing, and who
 * ends makes room.
 * labels: engine
 */
#include "sessions.h"

#include "engine/cursor.h"
#include "engine/store.h"

static int32_t code_of_text(struct engine *engine, const char *text)
{
    bson_t *reply = run(engine, text);
    int32_t code = int_at(reply, "ok") == 1 ? 0 : int_at(reply, "code");
    bson_destroy(reply);
    return code;
}

/* A cursor that nobody asks for ten minutes is gone; one that is asked stays. */
static void test_idle_cursors(void **state)
{
    struct world *world = *state;
    struct answer answer;
    submit(world, "{'insert': 'c', 'documents': [{'_id': 3}, {'_id': 4}]}", &answer);
    assert_code(&answer, 0, NULL);
    char *more[2];
    for (int i = 0; i < 2; i++) {
        bson_t *opened = run(world->engine, "{'find': 'c', 'batchSize': 1}");
        bson_iter_t iter, id;
        assert_true(bson_iter_init(&iter, opened));
        assert_true(bson_iter_find_descendant(&iter, "cursor.id", &id));
        more[i] = x_format("{'getMore': {'$numberLong': '%lld'}, 'collection': 'c', 'batchSize': "
                           "1}",
                           (long long)bson_iter_int64(&id));
        bson_destroy(opened);
    }
    pass_ms(world, CURSOR_IDLE_MS);
    assert_int_equal(code_of_text(world->engine, more[0]), 0);
    pass_ms(world, 1000);
    assert_int_equal(code_of_text(world->engine, more[1]), 43);
    assert_int_equal(code_of_text(world->engine, more[0]), 0);
    free(more[0]);
    free(more[1]);
}

/* A command of a transaction, for in_session(). */
static bson_t *of_session(const char *text)
{
    bson_t *command = parse(text), session;
    uint8_t id[16] = {0};
    BSON_APPEND_DOCUMENT_BEGIN(command, "lsid", &session);
    BSON_APPEND_BINARY(&session, "id", BSON_SUBTYPE_UUID, id, sizeof id);
    bson_append_document_end(command, &session);
    BSON_APPEND_INT64(command, "txnNumber", 1);
    BSON_APPEND_BOOL(command, "autocommit", false);
    return command;
}

/* Runs it in session number `i`; the reply's code, or 0. */
static int32_t in_session(struct engine *engine, const bson_t *command, int32_t i)
{
    bson_iter_t iter, id;
    const uint8_t *bytes;
    uint32_t length;
    bson_t *reply = NULL;
    assert_true(bson_iter_init(&iter, command));
    assert_true(bson_iter_find_descendant(&iter, "lsid.id", &id));
    bson_iter_binary(&id, NULL, &length, &bytes);
    memcpy((uint8_t *)(uintptr_t)bytes, &i, sizeof i);
    engine_submit(engine, command, keep_reply, &reply);
    int32_t code = int_at(reply, "ok") == 1 ? 0 : int_at(reply, "code");
    bson_destroy(reply);
    return code;
}

/* Open transactions, in each store: those that are refused have begun nothing, and others than
 * transactions go on. */
static void test_transactions(void **state)
{
    bson_t *begin = of_session("{'insert': 'c', 'documents': [{}], 'startTransaction': true, "
                               "'$db': 'db'}");
    bson_t *end = of_session("{'commitTransaction': 1, '$db': 'admin'}");
    const char *const stores[] = {"memory", engine_default_store()};
    (void)state;
    for (int s = 0; s < 2; s++) {
        char *folder = make_private_folder(""), *data = x_format("%s/data", folder);
        struct engine *engine = engine_new(&(struct engine_settings){
            .store = stores[s], .folder = data, .temporary = true, .persona = "replset"});
        assert_int_equal(code_of_text(engine, "{'create': 'c'}"), 0);
        int32_t open = 0, code;
        while ((code = in_session(engine, begin, open)) == 0)
            open++;
        assert_int_equal(code, 146);
        assert_int_equal(open, STORE_TRANSACTIONS_MAX - 100);
        assert_int_equal(code_of_text(engine, "{'insert': 'd', 'documents': [{}]}"), 0);
        assert_int_equal(in_session(engine, end, open / 2), 0);
        assert_int_equal(in_session(engine, begin, open), 0);
        assert_int_equal(in_session(engine, begin, open + 1), 146);
        engine_free(engine);
        remove_folder(folder);
        free(folder);
        free(data);
    }
    bson_destroy(begin);
    bson_destroy(end);
}

/* Sessions that are remembered; who was idle for half an hour makes room. */
static void test_sessions(void **state)
{
    enum { SESSIONS = 1000000, IDLE_MS = 31 * 60 * 1000 };
    bson_t *end = of_session("{'commitTransaction': 1, '$db': 'admin'}");
    struct world *world = *state;
    for (int32_t i = 0; i < SESSIONS; i++)
        if (in_session(world->engine, end, i) != 251) /* there is nothing to commit */
            fail_msg("session %d", i);
    assert_int_equal(in_session(world->engine, end, SESSIONS), 261);
    assert_int_equal(in_session(world->engine, end, 1), 251);
    assert_int_equal(code_of_text(world->engine, "{'find': 'c'}"), 0);
    pass_ms(world, IDLE_MS);
    assert_int_equal(in_session(world->engine, end, SESSIONS), 251);
    bson_destroy(end);
}

/* A fail point's code must be one that a refusal can have. */
static void test_fail_point_codes(void **state)
{
    struct world *world = *state;
    static const char *const bad[] = {"0", "-1", "4294967296", "'x'"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char *one = x_format("{'configureFailPoint': 'failCommand', 'mode': 'alwaysOn', 'data': "
                             "{'failCommands': ['ping'], 'errorCode': %s}, '$db': 'admin'}",
                             bad[i]);
        char *two = x_format("{'configureFailPoint': 'onPrimaryTransactionalWrite', 'mode': "
                             "'alwaysOn', 'data': {'failBeforeCommitExceptionCode': %s}, '$db': "
                             "'admin'}",
                             bad[i]);
        const char *texts[] = {one, two};
        for (int j = 0; j < 2; j++) {
            struct answer answer;
            submit(world, texts[j], &answer);
            assert_code(&answer, 2, NULL);
        }
        free(one);
        free(two);
    }
}

/* Statement numbers: -1 marks a commit, and sums must not overflow. */
static void test_statement_numbers(void **state)
{
    struct world *world = *state;
    static const char *const bad[] = {"-1", "2147483648", "9223372036854775807"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct answer answer;
        char *text = x_format("{'insert': 'c', 'documents': [{}], %s, %s, 'stmtId': "
                              "{'$numberLong': '%s'}}",
                              A, NUMBER(1), bad[i]);
        submit(world, text, &answer);
        assert_code(&answer, 72, NULL);
        free(text);
    }
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(test_idle_cursors),     cmocka_unit_test(test_transactions), WORLD(test_sessions),
        WORLD(test_fail_point_codes), WORLD(test_statement_numbers),
    };
    return cmocka_run_group_tests_name("limits_sessions", tests, NULL, NULL);
}
