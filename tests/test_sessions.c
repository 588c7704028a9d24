/* SPDX-License-Identifier: Apache-2.0
 *
 * sessions: what a retryable write did is returned when it is sent again, and not done again: for
 * each command, with and without a restart, also after the reply was lost; which writes cannot be
 * retried; how long a session is remembered; the labels of codes.
 * labels: engine
 */
#include "sessions.h"

#include <sys/stat.h>
#include <unistd.h>

#define RETRY(n) A ", " NUMBER(n)

/* A write sent twice, and the first field at which the second reply must say that it was not run
 * again. */
struct resend {
    const char *text;
    const char *path;
    int32_t value;
    const char *mark; /* retriedStmtIds or retriedStmtId */
};

static const struct resend resends[] = {
    {"{'insert': 'c', 'documents': [{'_id': 10}, {'_id': 11}], " RETRY(1) "}", "n", 2,
     "retriedStmtIds.1"},
    {INC(1, ", " RETRY(2)), "nModified", 1, "retriedStmtIds.0"},
    {"{'update': 'c', 'updates': [{'q': {'_id': 12}, 'u': {'$inc': {'n': 1}}, 'upsert': "
     "true}], " RETRY(3) "}",
     "upserted.0._id", 12, "retriedStmtIds.0"},
    {"{'delete': 'c', 'deletes': [{'q': {'_id': 10}, 'limit': 1}], " RETRY(4) "}", "n", 1,
     "retriedStmtIds.0"},
    {"{'findAndModify': 'c', 'query': {'_id': 1}, 'update': {'$inc': {'n': 1}}, 'new': "
     "true, " RETRY(5) "}",
     "value.n", 2, "retriedStmtId"},
    {"{'findAndModify': 'c', 'query': {'_id': 1}, 'update': {'$inc': {'n': 1}}, " RETRY(6) "}",
     "value.n", 2, "retriedStmtId"},
    {"{'findAndModify': 'c', 'query': {'_id': 13}, 'update': {'$inc': {'n': 1}}, 'upsert': true, "
     "'new': true, " RETRY(7) "}",
     "lastErrorObject.upserted", 13, "retriedStmtId"},
    {"{'findAndModify': 'c', 'query': {'_id': 13}, 'remove': true, " RETRY(8) "}", "value._id", 13,
     "retriedStmtId"},
};

/* The replies to both must be the same but for the mark. */
static void check_resent(const struct resend *resend, const bson_t *first, const bson_t *second)
{
    bson_t without = BSON_INITIALIZER;
    bson_iter_t iter, found;
    assert_true(bson_iter_init(&iter, second));
    if (!bson_iter_find_descendant(&iter, resend->mark, &found))
        fail_msg("no %s: %s", resend->mark, bson_as_relaxed_extended_json(second, NULL));
    bson_copy_to_excluding_noinit(second, &without, "retriedStmtIds", "retriedStmtId", NULL);
    assert_true(bson_equal(first, &without));
    assert_int_equal(int_at(second, resend->path), resend->value);
    bson_destroy(&without);
}

static void test_resent(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < COUNT_OF(resends); i++) {
        bson_t *first = run(world->engine, resends[i].text);
        bson_t *second = run(world->engine, resends[i].text);
        check_resent(&resends[i], first, second);
        bson_destroy(first);
        bson_destroy(second);
    }
    assert_int_equal(n_of(world, 1), 3);
}

static void test_half_of_a_batch(void **state)
{
    struct world *world = *state;
    bson_t *reply = run(world->engine, "{'insert': 'c', 'documents': [{'_id': 20}, {'_id': 1}, "
                                       "{'_id': 21}], " RETRY(1) "}");
    assert_int_equal(int_at(reply, "n"), 1);
    bson_destroy(reply);
    expect(world, "{'delete': 'c', 'deletes': [{'q': {'_id': 1}, 'limit': 1}]}", 0, NULL);
    reply = run(world->engine, "{'insert': 'c', 'documents': [{'_id': 20}, {'_id': 1}, "
                               "{'_id': 21}], " RETRY(1) "}");
    assert_int_equal(int_at(reply, "n"), 3); /* the rest is done now */
    assert_int_equal(int_at(reply, "retriedStmtIds.0"), 0);
    assert_int_equal(int_at(reply, "retriedStmtIds.1"), -1);
    bson_destroy(reply);
    /* stmtId: the same statement under another place */
    expect(world, INC(2, ", 'stmtId': 7, " RETRY(2)), 0, NULL);
    expect(world, INC(2, ", 'stmtId': 7, " RETRY(2)), 0, NULL);
    expect(world, INC(2, ", 'stmtId': 8, " RETRY(2)), 0, NULL);
    assert_int_equal(n_of(world, 2), 2);
}

/* What a statement of an earlier number did says nothing of the same statement now. */
static void test_numbers_are_told_apart(void **state)
{
    static const char both[] = "'updates': [{'q': {'_id': 1}, 'u': {'$inc': {'n': 1}}}, "
                               "{'q': {'_id': 2}, 'u': {'$inc': {'n': 1}}}], ";
    struct world *world = *state;
    for (int number = 1; number <= 2; number++) {
        char *text =
            x_format("{'update': 'c', %s" A ", 'txnNumber': {'$numberLong': '%d'}}", both, number);
        expect(world, text, 0, NULL);
        free(text);
        assert_int_equal(n_of(world, 1), number);
        assert_int_equal(n_of(world, 2), number);
    }
}

/* What was written before a time that was never told is not known to be there. */
static void test_time_to_come(void **state)
{
    static const char find[] = "{'find': 'c', 'readConcern': {'afterClusterTime': {'$timestamp': "
                               "{'t': %d, 'i': 1}}}}";
    static const struct {
        int seconds;
        int32_t code;
    } rows[] = {{0, 0}, {1, 0}, {2, 72}, {2000000000, 72}};
    struct world *world = *state; /* its clock stands at 1 s */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *text = x_format(find, rows[i].seconds);
        expect(world, text, rows[i].code, NULL);
        free(text);
    }
}

static void test_numbers(void **state)
{
    static const struct {
        const char *text;
        int32_t code;
    } rows[] = {
        {INC(1, ", " RETRY(5)), 0},
        {INC(1, ", " RETRY(4)), 225},
        {INC(1, ", " B ", " NUMBER(1)), 0}, /* another session's */
        {INC(1, ", " RETRY(5)), 0},
        {"{'update': 'c', 'updates': [{'q': {}, 'u': {'$inc': {'n': 1}}, 'multi': true}], " RETRY(
             6) "}",
         0},
        {"{'ping': 1, " RETRY(7) "}", 50768},
        {INC(1, ", " NUMBER(1)), 72},
        {INC(1, ", 'stmtIds': [1], " RETRY(8)), 238},
    };
    struct world *world = *state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect(world, rows[i].text, rows[i].code, NULL);
    assert_int_equal(n_of(world, 1), 2);
    bson_t *reply =
        run(world->engine, "{'delete': 'c', 'deletes': [{'q': {}, 'limit': 0}], " RETRY(9) "}");
    assert_int_equal(int_at(reply, "writeErrors.0.code"), 72);
    bson_destroy(reply);
}

/* A statement that wrote nothing is run again, as in MongoDB. */
static void test_nothing_written(void **state)
{
    struct world *world = *state;
    expect(world, INC(9, ", " RETRY(1)), 0, NULL);
    expect(world, "{'insert': 'c', 'documents': [{'_id': 9, 'n': 0}]}", 0, NULL);
    expect(world, INC(9, ", " RETRY(1)), 0, NULL);
    assert_int_equal(n_of(world, 9), 1);
}

/* The numbers of statements go up to the end of their range, and one beyond in a batch. */
static void test_last_statement(void **state)
{
    static const char text[] =
        "{'update': 'c', 'updates': [{'q': {'_id': 9}, 'u': {'$inc': {'n': 1}}}, {'q': {'_id': 1}, "
        "'u': {'$inc': {'n': 1}}}], 'stmtId': 2147483647, " RETRY(1) "}";
    struct world *world = *state;
    expect(world, text, 0, NULL);
    expect(world, text, 0, NULL);
    assert_int_equal(n_of(world, 1), 1);
}

static void test_forgotten(void **state)
{
    struct world *world = *state;
    expect(world, INC(1, ", " RETRY(1)), 0, NULL);
    pass_ms(world, 29 * 60 * 1000);
    expect(world,
           "{'refreshSessions': [{'id': {'$binary': {'base64': 'AAAAAAAAAAAAAAAAAAAAAA==', "
           "'subType': '04'}}}]}",
           0, NULL);
    pass_ms(world, 29 * 60 * 1000);
    expect(world, INC(1, ", " RETRY(1)), 0, NULL);
    assert_int_equal(n_of(world, 1), 1); /* still remembered */
    pass_ms(world, 31 * 60 * 1000);
    expect(world, INC(1, ", " RETRY(1)), 0, NULL);
    assert_int_equal(n_of(world, 1), 2); /* forgotten after 30 minutes */
}

#ifdef WITH_WIREDTIGER
/* Both replies of a write are lost, the resend's too; it is applied once, also by a new engine over
 * the same folder. */
static void test_restart(void **state)
{
    (void)state;
    char *folder = make_private_folder("");
    char *data = x_format("%s/data", folder);
    struct engine_settings settings = {.store = "wiredtiger", .folder = data, .persona = "replset"};
    bson_t *first[COUNT_OF(resends)];
    struct world world = {.engine = engine_new(&settings)};
    bson_destroy(run(world.engine, "{'insert': 'c', 'documents': [{'_id': 1, 'n': 0}]}"));
    for (size_t i = 0; i < COUNT_OF(resends); i++) {
        first[i] = run(world.engine, resends[i].text);
        engine_free(world.engine);
        world.engine = engine_new(&settings);
        bson_t *second = run(world.engine, resends[i].text);
        check_resent(&resends[i], first[i], second);
        bson_destroy(first[i]);
        bson_destroy(second);
    }
    expect(&world, INC(1, ", " RETRY(1)), 225, NULL);
    /* a commit may be repeated after a restart; what was open is gone */
    expect(&world, INC(1, ", " START(B, 1)), 0, NULL);
    expect(&world, COMMIT(B, 1), 0, NULL);
    expect(&world, INC(1, ", " START(B, 2)), 0, NULL);
    engine_free(world.engine);
    world.engine = engine_new(&settings);
    expect(&world, COMMIT(B, 1), 0, NULL);
    expect(&world, COMMIT(B, 2), 251, "TransientTransactionError");
    assert_int_equal(n_of(&world, 1), 4);
    engine_free(world.engine);
    remove_folder(folder);
    free(data);
    free(folder);
}
#endif

/* Many sessions, at random: what each of them has sent last may be sent again at any time, also to
 * a new engine, until the session is ended. Each counts in a document of its own. */
enum { SESSIONS = 40, STEPS = 3000 };

struct sender {
    char *last; /* its latest command; NULL: none that is remembered */
    int64_t number;
    int32_t n;
};

struct senders {
    struct world world;
    struct engine_settings settings;
    struct random random;
    struct sender all[SESSIONS];
    int32_t made; /* documents made by upserts */
};

static char *id_of(int who)
{
    return x_format("{'id': {'$uuid': '00000000-0000-4000-8000-0000000000%02d'}}", who);
}

static void send_new(struct senders *senders, int who)
{
    static const char one[] = "{'q': {'_id': %d}, 'u': {'$inc': {'n': 1}}}";
    struct sender *sender = &senders->all[who];
    char *id = id_of(who), *part = x_format(one, who), *command;
    int kind = (int)random_below(&senders->random, 6);
    if (kind == 0)
        command = x_format("'update': 'c', 'updates': [%s, %s]", part, part);
    else if (kind == 1)
        command = x_format("'findAndModify': 'c', 'query': {'_id': %d}, 'update': {'$inc': {'n': "
                           "1}}",
                           who);
    else if (kind == 2)
        command = x_format("'update': 'c', 'updates': [{'q': {'_id': 'm%d'}, 'u': {'$inc': {'n': "
                           "1}}, 'upsert': true}, %s]",
                           senders->made++, part);
    else
        command = x_format("'update': 'c', 'updates': [%s]", part);
    sender->n += kind == 0 ? 2 : 1;
    free(sender->last);
    sender->last = x_format("{%s, 'lsid': %s, 'txnNumber': {'$numberLong': '%lld'}}", command, id,
                            (long long)++sender->number);
    expect(&senders->world, sender->last, 0, NULL);
    free(command);
    free(part);
    free(id);
}

static void end_session(struct senders *senders, int who)
{
    struct sender *sender = &senders->all[who];
    char *id = id_of(who), *command = x_format("{'endSessions': [%s]}", id);
    expect(&senders->world, command, 0, NULL);
    free(sender->last);
    sender->last = NULL;
    sender->number = 0; /* it may begin again */
    free(command);
    free(id);
}

static void random_step(struct senders *senders, bool restarts)
{
    int who = (int)random_below(&senders->random, SESSIONS);
    struct sender *sender = &senders->all[who];
    uint64_t what = random_below(&senders->random, 100);
    if (what < 45) {
        send_new(senders, who);
    } else if (what < 90 && sender->last != NULL) {
        expect(&senders->world, sender->last, 0, NULL);
    } else if (what < 98) {
        end_session(senders, who);
    } else if (restarts) {
        engine_free(senders->world.engine);
        senders->world.engine = engine_new(&senders->settings);
    }
    assert_int_equal(n_of(&senders->world, who), sender->n);
}

static void run_senders(const struct engine_settings *settings)
{
    struct senders senders = {.settings = *settings, .world = {.engine = engine_new(settings)}};
    uint64_t seed = (uint64_t)clock_monotonic_ns();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&senders.random, seed);
    for (int i = 0; i < SESSIONS; i++) {
        char *insert = x_format("{'insert': 'c', 'documents': [{'_id': %d, 'n': 0}]}", i);
        expect(&senders.world, insert, 0, NULL);
        free(insert);
    }
    for (int i = 0; i < STEPS; i++)
        random_step(&senders, settings->folder != NULL);
    bson_t *reply = run(senders.world.engine, "{'count': 'c'}");
    assert_int_equal(int_at(reply, "n"), SESSIONS + senders.made);
    bson_destroy(reply);
    for (int i = 0; i < SESSIONS; i++)
        free(senders.all[i].last);
    engine_free(senders.world.engine);
}

static void test_many_memory(void **state)
{
    (void)state;
    run_senders(&(struct engine_settings){.store = "memory", .persona = "replset"});
}

#ifdef WITH_WIREDTIGER
static void test_many_wiredtiger(void **state)
{
    (void)state;
    char *folder = make_private_folder("");
    char *data = x_format("%s/data", folder);
    run_senders(
        &(struct engine_settings){.store = "wiredtiger", .folder = data, .persona = "replset"});
    remove_folder(folder);
    free(data);
    free(folder);
}
#endif

/* Labels: fail points make each code. ---------------------------------------------------------- */

static void fail_with(struct world *world, const char *command, int code)
{
    char *text = x_format("{'configureFailPoint': 'failCommand', '$db': 'admin', 'mode': {'times': "
                          "1}, 'data': {'failCommands': ['%s'], 'errorCode': %d}}",
                          command, code);
    expect(world, text, 0, NULL);
    free(text);
}

static void test_labels(void **state)
{
    static const int retryable[] = {6,    7,     89,    91,    134,   189,   262,  317,
                                    358,  384,   402,   406,   407,   412,   453,  462,
                                    9001, 10107, 11600, 11602, 13435, 13436, 50915};
    static const int transient[] = {24, 112, 239, 246, 251, 267, 272};
    static const int neither[] = {2, 50, 100, 11000, 11601, 225, 256};
    static const char retryable_write[] = "RetryableWriteError";
    static const char transient_error[] = "TransientTransactionError";
    struct world *world = *state;
    expect(world, "{'find': 'c', " START(B, 1) "}", 0, NULL);
    for (size_t i = 0; i < COUNT_OF(retryable); i++) {
        fail_with(world, "update", retryable[i]);
        expect(world, INC(1, ", " RETRY(1)), retryable[i], retryable_write);
        fail_with(world, "update", retryable[i]);
        expect(world, INC(1, ""), retryable[i], NULL);
        fail_with(world, "update", retryable[i]);
        expect(world, INC(1, ", " INSIDE(B, 1)), retryable[i], transient_error);
        fail_with(world, "commitTransaction", retryable[i]);
        expect(world, COMMIT(B, 1), retryable[i], retryable_write);
        fail_with(world, "abortTransaction", retryable[i]);
        expect(world, ABORT(B, 1), retryable[i], retryable_write);
    }
    for (size_t i = 0; i < COUNT_OF(transient); i++) {
        fail_with(world, "update", transient[i]);
        expect(world, INC(1, ", " INSIDE(B, 1)), transient[i], transient_error);
        fail_with(world, "update", transient[i]);
        expect(world, INC(1, ", " RETRY(1)), transient[i], NULL);
    }
    for (size_t i = 0; i < COUNT_OF(neither); i++) {
        fail_with(world, "update", neither[i]);
        expect(world, INC(1, ", " INSIDE(B, 1)), neither[i], NULL);
        fail_with(world, "update", neither[i]);
        expect(world, INC(1, ", " RETRY(1)), neither[i], NULL);
    }
    assert_int_equal(n_of(world, 1), 0);
    expect(world, COMMIT(B, 1), 0, NULL); /* what never ran has not ended it */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_resent),
        TEST(test_numbers_are_told_apart),
        TEST(test_time_to_come),
        TEST(test_half_of_a_batch),
        TEST(test_numbers),
        TEST(test_nothing_written),
        TEST(test_last_statement),
        TEST(test_forgotten),

#ifdef WITH_WIREDTIGER
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_many_wiredtiger),
#endif
        cmocka_unit_test(test_many_memory),
        TEST(test_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
