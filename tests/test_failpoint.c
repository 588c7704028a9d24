/* SPDX-License-Identifier: Apache-2.0
 *
 * failpoint: failCommand and onPrimaryTransactionalWrite: who is meant, how often, in which order
 * the effects come, and how they are refused.
 * labels: engine
 */
#include "sessions.h"

#define FAIL(mode, data)                                                                           \
    "{'configureFailPoint': 'failCommand', '$db': 'admin', 'mode': " mode ", 'data': {" data "}}"
#define ON_WRITE(mode, data)                                                                       \
    "{'configureFailPoint': 'onPrimaryTransactionalWrite', '$db': 'admin', 'mode': " mode          \
    ", 'data': {" data "}}"
#define RETRY(n) A ", " NUMBER(n)

/* Commands one after the other: code 0 ok, -1 closed. */
struct row {
    const char *text;
    int32_t code;
    const char *label;
};

static void expect_rows(struct world *world, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect(world, rows[i].text, rows[i].code, rows[i].label);
}

static void test_modes(void **state)
{
    static const struct row rows[] = {
        {FAIL("{'times': 2}", "'failCommands': ['ping'], 'errorCode': 91"), 0, NULL},
        {"{'find': 'c'}", 0, NULL}, /* not meant, costs nothing */
        {"{'ping': 1}", 91, NULL},
        {"{'ping': 1}", 91, NULL},
        {"{'ping': 1}", 0, NULL},
        {FAIL("{'skip': 1}", "'failCommands': ['ping'], 'errorCode': 91"), 0, NULL},
        {"{'ping': 1}", 0, NULL},
        {"{'ping': 1}", 91, NULL},
        {"{'ping': 1}", 91, NULL},
        {FAIL("'alwaysOn'", "'failCommands': ['isMaster', 'find'], 'errorCode': 10107"), 0, NULL},
        {"{'ping': 1}", 0, NULL},      /* the last configuration wins */
        {"{'hello': 1}", 10107, NULL}, /* aliases count */
        {"{'find': 'c'}", 10107, NULL},
        {FAIL("'off'", ""), 0, NULL},
        {"{'find': 'c'}", 0, NULL},
        {FAIL("'alwaysOn'", "'failCommands': ['ping', 'configureFailPoint'], 'closeConnection': "
                            "true, 'errorCode': 91"),
         0, NULL},
        {"{'ping': 1}", -1, NULL}, /* closing beats the error */
        {FAIL("'off'", ""), 0, NULL},
        {FAIL("{'times': 1}", "'failCommands': ['ping']"), 0, NULL},
        {"{'ping': 1}", 0, NULL}, /* would do nothing: not even spent */
        {FAIL("{'times': 1}", "'failCommands': ['update'], 'errorCode': 11600, 'errorLabels': "
                              "['Mine']"),
         0, NULL},
        {INC(1, ", " RETRY(1)), 11600, "Mine"},
        {FAIL("{'times': 1}", "'failCommands': ['update'], 'errorCode': 11600, 'errorLabels': []"),
         0, NULL},
        {INC(1, ", " RETRY(1)), 11600, NULL},
    };
    expect_rows(*state, rows, COUNT_OF(rows));
    assert_int_equal(n_of(*state, 1), 0);
}

static void test_who(void **state)
{
    static const struct row rows[] = {
        {FAIL("'alwaysOn'", "'failCommands': ['find'], 'errorCode': 91, 'namespace': 'db.d'"), 0,
         NULL},
        {"{'find': 'c'}", 0, NULL},
        {"{'find': 'd'}", 91, NULL},
        {"{'find': 'd', '$db': 'other'}", 0, NULL},
        {FAIL("'alwaysOn'", "'failCommands': ['find'], 'errorCode': 91, 'appName': 'mine'"), 0,
         NULL},
        {"{'find': 'c'}", 0, NULL},
        {FAIL("'off'", ""), 0, NULL},
    };
    expect_rows(*state, rows, COUNT_OF(rows));
}

static void test_concern(void **state)
{
    struct world *world = *state;
    expect(world,
           FAIL("{'times': 1}", "'failCommands': ['update'], 'writeConcernError': {'code': "
                                "91, 'errmsg': 'gone'}"),
           0, NULL);
    bson_t *reply = run(world->engine, INC(1, ", " RETRY(1)));
    assert_int_equal(int_at(reply, "ok"), 1); /* it was run */
    assert_int_equal(int_at(reply, "writeConcernError.code"), 91);
    assert_true(bson_has_field(reply, "errorLabels"));
    bson_destroy(reply);
    assert_int_equal(n_of(world, 1), 1);
}

static void test_block(void **state)
{
    struct world *world = *state;
    struct answer blocked, hurried;
    expect(world,
           FAIL("{'times': 2}", "'failCommands': ['update'], 'blockConnection': true, "
                                "'blockTimeMS': 100"),
           0, NULL);
    submit(world, INC(1, ""), &blocked);
    submit(world, INC(1, ", 'maxTimeMS': 40"), &hurried);
    expect(world, INC(2, ""), 0, NULL); /* the loop goes on */
    pass_ms(world, 99);
    assert_code(&hurried, 50, NULL);
    assert_int_equal(blocked.count, 0);
    pass_ms(world, 1);
    assert_code(&blocked, 0, NULL);
    assert_int_equal(n_of(world, 1), 1);
    expect(world,
           FAIL("'alwaysOn'", "'failCommands': ['ping'], 'blockConnection': true, "
                              "'blockTimeMS': 5, 'errorCode': 6"),
           0, NULL);
    submit(world, "{'ping': 1}", &blocked);
    assert_int_equal(blocked.count, 0);
    pass_ms(world, 5);
    assert_code(&blocked, 6, NULL); /* block first, then fail */
}

/* Its labels are those of the reply, also of one that is "ok": MongoDB asks nothing else first. */
static void test_labels_of_success(void **state)
{
    struct world *world = *state;
    struct answer blocked;
    expect(world,
           FAIL("{'times': 1}", "'failCommands': ['ping'], 'blockConnection': true, "
                                "'blockTimeMS': 5, 'errorLabels': ['Mine']"),
           0, NULL);
    submit(world, "{'ping': 1}", &blocked);
    pass_ms(world, 5);
    assert_code(&blocked, 0, "Mine");
}

/* Who is delayed is woken by time alone, and leaves nothing behind when its client goes. */
static void test_blocked_and_gone(void **state)
{
    struct world *world = *state;
    struct answer blocked;
    expect(world,
           FAIL("'alwaysOn'", "'failCommands': ['ping'], 'blockConnection': true, 'blockTimeMS': "
                              "100, 'errorCode': 6, 'errorLabels': ['Mine'], "
                              "'writeConcernError': {'code': 64}"),
           0, NULL);
    submit(world, "{'ping': 1}", &blocked);
    expect(world, INC(1, ", " START(A, 1)), 0, NULL);
    expect(world, COMMIT(A, 1), 0, NULL);
    pass_ms(world, 1);
    assert_int_equal(blocked.count, 0);
    engine_cancel(world->engine, &blocked);
    assert_code(&blocked, -1, NULL);
}

/* The lost reply that failCommand cannot make. */
static void test_on_write(void **state)
{
    struct world *world = *state;
    static const struct row rows[] = {
        {ON_WRITE("{'times': 1}", ""), 0, NULL},
        {INC(1, ""), 0, NULL}, /* not retryable: not meant */
        {INC(1, ", " RETRY(1)), -1, NULL},
        {INC(1, ", " RETRY(1)), 0, NULL}, /* sent again */
        {ON_WRITE("{'skip': 1}", ""), 0, NULL},
        {INC(1, ", " RETRY(2)), 0, NULL},
        {INC(1, ", " RETRY(3)), -1, NULL},
        {ON_WRITE("'off'", ""), 0, NULL},
        {INC(1, ", " RETRY(3)), 0, NULL},
        {ON_WRITE("{'times': 1}", "'failBeforeCommitExceptionCode': 1"), 0, NULL},
        {INC(1, ", " RETRY(4)), -1, NULL},
    };
    expect_rows(world, rows, COUNT_OF(rows));
    assert_int_equal(n_of(world, 1), 4); /* the last one was not committed */
    expect(world, INC(1, ", " RETRY(4)), 0, NULL);
    assert_int_equal(n_of(world, 1), 5);
}

static void test_refused(void **state)
{
    static const struct row rows[] = {
        {"{'configureFailPoint': 'failCommand', 'mode': 'off'}", 13, NULL},
        {"{'configureFailPoint': 'failOften', '$db': 'admin', 'mode': 'off'}", 249, NULL},
        {FAIL("'sometimes'", "'failCommands': []"), 2, NULL},
        {FAIL("{'activationProbability': 0.5}", "'failCommands': []"), 238, NULL},
        {FAIL("{'times': -1}", "'failCommands': []"), 2, NULL},
        {FAIL("'alwaysOn'", ""), 40414, NULL},
        {FAIL("'alwaysOn'", "'failCommands': ['ping'], 'blockConnection': true"), 72, NULL},
        {FAIL("'alwaysOn'", "'failCommands': ['ping'], 'errorExtraInfo': {}"), 238, NULL},
        {FAIL("'alwaysOn'", "'failCommands': ['ping'], 'often': 1"), 40415, NULL},
        {"{'ping': 1}", 0, NULL},
    };
    expect_rows(*state, rows, COUNT_OF(rows));
    struct engine *engine = engine_new(&(struct engine_settings){.persona = "replset"});
    bson_t *reply = run(engine, FAIL("'off'", "'failCommands': []"));
    assert_int_equal(int_at(reply, "code"), 59);
    bson_destroy(reply);
    engine_free(engine);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_modes),
        TEST(test_who),
        TEST(test_concern),
        TEST(test_block),
        TEST(test_on_write),
        TEST(test_refused),
        TEST(test_blocked_and_gone),
        TEST(test_labels_of_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
