/* SPDX-License-Identifier: Apache-2.0
 *
 * retry: a real libmongoc over the socket of an engine that poses as a replica set: its retryable
 * writes after a lost reply, its transactions (with_transaction under contention), plain writes
 * parked behind a transaction and woken by each of its ends, and a client that goes away meanwhile.
 * labels: engine
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "engine/engine.h"
#include <mongoc/mongoc.h>
#include <pthread.h>
#include <unistd.h>

enum { WORKERS = 8, TRANSFERS = 25, LIFETIME_MS = 1000 };

struct fixture {
    struct engine_server *server;
    mongoc_client_pool_t *pool;
    mongoc_client_t *client;
    char *folder, *path;
};

static int setup(void **state)
{
    struct fixture *fixture = *state = x_calloc(1, sizeof *fixture);
    bson_error_t error;
    fixture->folder = make_private_folder("");
    fixture->path = x_format("%s/s.sock", fixture->folder);
    fixture->server = engine_server_start(&(struct engine_server_settings){
        .engine = {.persona = "replset", .test_commands = true, .lifetime_ms = LIFETIME_MS},
        .socket_path = fixture->path});
    mongoc_uri_t *uri =
        mongoc_uri_new_with_error(engine_server_socket_uri(fixture->server), &error);
    assert_non_null(uri);
    fixture->pool = mongoc_client_pool_new(uri);
    mongoc_client_pool_set_error_api(fixture->pool, MONGOC_ERROR_API_VERSION_2);
    mongoc_uri_destroy(uri);
    fixture->client = mongoc_client_pool_pop(fixture->pool);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    mongoc_client_pool_push(fixture->pool, fixture->client);
    mongoc_client_pool_destroy(fixture->pool);
    engine_server_stop(fixture->server);
    int left = rmdir(fixture->folder);
    free(fixture->folder);
    free(fixture->path);
    free(fixture);
    return left;
}

static bson_t *parse(const char *json)
{
    bson_error_t error;
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, &error);
    if (document == NULL)
        fail_msg("%s: %s", json, error.message);
    return document;
}

/* {$inc: {n: 1}} on document `id`; the error's code, or 0. */
static int increment(mongoc_client_t *client, int id, mongoc_client_session_t *session)
{
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "db", "c");
    bson_t *update = parse("{\"$inc\": {\"n\": 1}}"), options = BSON_INITIALIZER;
    bson_t filter = BSON_INITIALIZER;
    bson_error_t error = {0};
    BSON_APPEND_INT32(&filter, "_id", id);
    if (session != NULL)
        assert_true(mongoc_client_session_append(session, &options, &error));
    bool done = mongoc_collection_update_one(collection, &filter, update, &options, NULL, &error);
    bson_destroy(&filter);
    bson_destroy(&options);
    bson_destroy(update);
    mongoc_collection_destroy(collection);
    return done ? 0 : (int)error.code;
}

static void command(mongoc_client_t *client, const char *database, const char *json)
{
    bson_t *body = parse(json);
    bson_error_t error;
    if (!mongoc_client_command_simple(client, database, body, NULL, NULL, &error))
        fail_msg("%s: %s", json, error.message);
    bson_destroy(body);
}

static void seed(struct fixture *fixture)
{
    command(fixture->client, "db",
            "{\"insert\": \"c\", \"documents\": [{\"_id\": 1, \"n\": 0}, {\"_id\": 2, \"n\": 0}]}");
}

static int64_t n_of(mongoc_client_t *client, int id)
{
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "db", "c");
    bson_t filter = BSON_INITIALIZER;
    const bson_t *document;
    bson_iter_t iter;
    int64_t n = -1;
    BSON_APPEND_INT32(&filter, "_id", id);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &filter, NULL, NULL);
    if (mongoc_cursor_next(cursor, &document) && bson_iter_init_find(&iter, document, "n"))
        n = bson_iter_as_int64(&iter);
    mongoc_cursor_destroy(cursor);
    bson_destroy(&filter);
    mongoc_collection_destroy(collection);
    return n;
}

/* The reply of each write is lost once; the driver sends it again, and it is applied once. */
static void test_lost_replies(void **state)
{
    struct fixture *fixture = *state;
    seed(fixture);
    for (int i = 1; i <= 10; i++) {
        command(fixture->client, "admin",
                "{\"configureFailPoint\": \"onPrimaryTransactionalWrite\", \"mode\": {\"times\": "
                "1}, \"data\": {}}");
        assert_int_equal(increment(fixture->client, 1, NULL), 0);
        assert_int_equal(n_of(fixture->client, 1), i);
    }
    command(fixture->client, "admin",
            "{\"configureFailPoint\": \"failCommand\", \"mode\": {\"times\": 1}, \"data\": "
            "{\"failCommands\": [\"update\"], \"errorCode\": 91}}");
    assert_int_equal(increment(fixture->client, 1, NULL), 0); /* by the label */
    assert_int_equal(n_of(fixture->client, 1), 11);
}

/* Transactions --------------------------------------------------------------------------------- */

static bool both(mongoc_client_session_t *session, void *context, bson_t **reply,
                 bson_error_t *error)
{
    mongoc_client_t *client = context;
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "db", "c");
    bson_t *update = parse("{\"$inc\": {\"n\": 1}}"), options = BSON_INITIALIZER;
    bool done = mongoc_client_session_append(session, &options, error);
    *reply = NULL;
    for (int id = 1; done && id <= 2; id++) {
        bson_t filter = BSON_INITIALIZER;
        BSON_APPEND_INT32(&filter, "_id", id);
        bson_destroy(*reply);
        bson_t answer;
        done = mongoc_collection_update_one(collection, &filter, update, &options, &answer, error);
        *reply = bson_copy(&answer); /* its labels say whether to begin again */
        bson_destroy(&answer);
        bson_destroy(&filter);
    }
    bson_destroy(&options);
    bson_destroy(update);
    mongoc_collection_destroy(collection);
    return done;
}

static void *transfer(void *context)
{
    struct fixture *fixture = context;
    mongoc_client_t *client = mongoc_client_pool_pop(fixture->pool);
    bson_error_t error;
    mongoc_client_session_t *session = mongoc_client_start_session(client, NULL, &error);
    int64_t failed = session == NULL;
    for (int i = 0; session != NULL && i < TRANSFERS; i++) {
        bson_t reply;
        failed +=
            !mongoc_client_session_with_transaction(session, both, NULL, client, &reply, &error);
        bson_destroy(&reply);
    }
    mongoc_client_session_destroy(session);
    mongoc_client_pool_push(fixture->pool, client);
    return (void *)(intptr_t)failed;
}

static void test_with_transaction(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[WORKERS];
    seed(fixture);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, transfer, fixture), 0);
    for (int i = 0; i < WORKERS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_int_equal((intptr_t)failed, 0);
    }
    assert_int_equal(n_of(fixture->client, 1), WORKERS * TRANSFERS);
    assert_int_equal(n_of(fixture->client, 2), WORKERS * TRANSFERS);
}

/* Parked writes -------------------------------------------------------------------------------- */

struct plain {
    struct fixture *fixture;
    mongoc_client_t *client;
    pthread_t thread;
    int code;
};

static void *plain_write(void *context)
{
    struct plain *plain = context;
    plain->code = increment(plain->client, 1, NULL);
    return NULL;
}

/* A transaction has written document 1; a plain write to it is on its way, and others are
 * served. */
static mongoc_client_session_t *park(struct fixture *fixture, struct plain *plain)
{
    bson_error_t error;
    mongoc_client_session_t *session = mongoc_client_start_session(fixture->client, NULL, &error);
    assert_non_null(session);
    assert_true(mongoc_client_session_start_transaction(session, NULL, &error));
    assert_int_equal(increment(fixture->client, 1, session), 0);
    plain->fixture = fixture;
    plain->client = mongoc_client_pool_pop(fixture->pool);
    assert_int_equal(pthread_create(&plain->thread, NULL, plain_write, plain), 0);
    usleep(50000);
    assert_int_equal(increment(fixture->client, 2, NULL), 0);
    return session;
}

static void join(struct plain *plain)
{
    pthread_join(plain->thread, NULL);
    mongoc_client_pool_push(plain->fixture->pool, plain->client);
    assert_int_equal(plain->code, 0);
}

static void test_parked(void **state)
{
    struct fixture *fixture = *state;
    struct plain plain;
    bson_error_t error;
    seed(fixture);
    mongoc_client_session_t *session = park(fixture, &plain);
    assert_true(mongoc_client_session_commit_transaction(session, NULL, &error));
    join(&plain);
    mongoc_client_session_destroy(session);
    assert_int_equal(n_of(fixture->client, 1), 2);

    session = park(fixture, &plain);
    assert_true(mongoc_client_session_abort_transaction(session, &error));
    join(&plain);
    mongoc_client_session_destroy(session);
    assert_int_equal(n_of(fixture->client, 1), 3);

    session = park(fixture, &plain);
    join(&plain); /* by the transaction's lifetime */
    assert_int_equal(increment(fixture->client, 1, session), 251);
    mongoc_client_session_destroy(session);
    assert_int_equal(n_of(fixture->client, 1), 4);
}

static void test_parked_max_time(void **state)
{
    struct fixture *fixture = *state;
    bson_error_t error;
    bson_t reply, *update = parse("{\"update\": \"c\", \"updates\": [{\"q\": {\"_id\": 1}, \"u\": "
                                  "{\"$inc\": {\"n\": 1}}}], \"maxTimeMS\": 30}");
    seed(fixture);
    mongoc_client_session_t *session = mongoc_client_start_session(fixture->client, NULL, &error);
    assert_true(mongoc_client_session_start_transaction(session, NULL, &error));
    assert_int_equal(increment(fixture->client, 1, session), 0);
    assert_false(mongoc_client_command_simple(fixture->client, "db", update, NULL, &reply, &error));
    assert_int_equal(error.code, 50);
    bson_destroy(&reply);
    bson_destroy(update);
    assert_true(mongoc_client_session_commit_transaction(session, NULL, &error));
    mongoc_client_session_destroy(session);
    assert_int_equal(n_of(fixture->client, 1), 1);
}

/* A client whose write is parked hears nothing for 50 ms and goes away: the write is forgotten. */
static void test_parked_client_goes_away(void **state)
{
    struct fixture *fixture = *state;
    bson_error_t error;
    seed(fixture);
    mongoc_uri_t *uri = mongoc_uri_new(engine_server_socket_uri(fixture->server));
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, 50);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, false);
    mongoc_client_t *hurried = mongoc_client_new_from_uri(uri);
    mongoc_client_session_t *session = mongoc_client_start_session(fixture->client, NULL, &error);
    assert_true(mongoc_client_session_start_transaction(session, NULL, &error));
    assert_int_equal(increment(fixture->client, 1, session), 0);
    assert_int_not_equal(increment(hurried, 1, NULL), 0);
    mongoc_client_destroy(hurried);
    mongoc_uri_destroy(uri);
    usleep(50000);
    assert_true(mongoc_client_session_commit_transaction(session, NULL, &error));
    mongoc_client_session_destroy(session);
    assert_int_equal(n_of(fixture->client, 1), 1);
}

int main(void)
{
    mongoc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lost_replies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_with_transaction, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parked_max_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parked_client_goes_away, setup, teardown),
    };
    int failed = cmocka_run_group_tests_name("retry", tests, NULL, NULL);
    mongoc_cleanup();
    return failed;
}
