/* SPDX-License-Identifier: Apache-2.0
 *
 * server: a real libmongoc, over the unix socket and over TCP: everything an application does here,
 * and counters that many threads increment at once.
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
#include "engine/catalog.h"
#include "engine/engine.h"
#include "engine/server.h"
#include "engine/state.h"
#include "gate.h"
#include <mongoc/mongoc.h>
#include <pthread.h>
#include <unistd.h>

enum { CLIENTS = 100 };

struct fixture {
    struct engine_server *server;
    struct gate *gate;
    char *folder, *path;
};

static int server_setup(void **state)
{
    static struct fixture fixture;
    *state = &fixture;
    fixture.folder = make_private_folder("");
    fixture.path = x_format("%s/s.sock", fixture.folder);
    fixture.gate = gate_new(CLIENTS, 0);
    fixture.server = engine_server_start(
        &(struct engine_server_settings){.engine = {.gate = fixture.gate, .seed = 1},
                                         .socket_path = fixture.path,
                                         .tcp_host = "127.0.0.1"});
    return 0;
}

static int server_teardown(void **state)
{
    struct fixture *fixture = *state;
    engine_server_stop(fixture->server);
    gate_free(fixture->gate);
    int left = rmdir(fixture->folder);
    free(fixture->folder);
    free(fixture->path);
    return left;
}

static mongoc_client_pool_t *open_pool(const char *text)
{
    bson_error_t error;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &error);
    assert_non_null(uri);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, CLIENTS);
    mongoc_client_pool_t *pool = mongoc_client_pool_new(uri);
    mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);
    mongoc_uri_destroy(uri);
    return pool;
}

static bson_t *parse(const char *json)
{
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, NULL);
    assert_non_null(document);
    return document;
}

static int64_t number_at(const bson_t *document, const char *name)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, document, name) ? bson_iter_as_int64(&iter) : -1;
}

static void check_update(mongoc_collection_t *collection)
{
    bson_error_t error;
    bson_t reply, *one = parse("{\"_id\": 1}"), *two = parse("{\"_id\": 2}");
    bson_t *increment = parse("{\"$inc\": {\"n\": 1}}"), *upsert = parse("{\"upsert\": true}");
    bson_t *document = parse("{\"_id\": 1, \"n\": 0}");
    assert_true(mongoc_collection_insert_one(collection, document, NULL, NULL, &error));
    assert_false(mongoc_collection_insert_one(collection, document, NULL, NULL, &error));
    assert_int_equal(error.code, 11000);
    assert_true(mongoc_collection_update_one(collection, one, increment, NULL, &reply, &error));
    assert_int_equal(number_at(&reply, "matchedCount"), 1);
    assert_int_equal(number_at(&reply, "modifiedCount"), 1);
    bson_destroy(&reply);
    assert_true(mongoc_collection_update_one(collection, two, increment, NULL, &reply, &error));
    assert_int_equal(number_at(&reply, "matchedCount"), 0);
    bson_destroy(&reply);
    assert_true(mongoc_collection_update_one(collection, two, increment, upsert, &reply, &error));
    assert_int_equal(number_at(&reply, "upsertedCount"), 1);
    bson_destroy(&reply);
    assert_true(mongoc_collection_replace_one(collection, two, document, NULL, NULL, &error) ==
                false);
    assert_int_equal(error.code, 66);
    assert_int_equal(mongoc_collection_count_documents(collection, one, NULL, NULL, NULL, &error),
                     1);
    assert_int_equal(mongoc_collection_estimated_document_count(collection, NULL, NULL, NULL,
                                                                &error),
                     2);
    assert_true(mongoc_collection_delete_one(collection, two, NULL, &reply, &error));
    assert_int_equal(number_at(&reply, "deletedCount"), 1);
    bson_destroy(&reply);
    bson_destroy(one);
    bson_destroy(two);
    bson_destroy(increment);
    bson_destroy(upsert);
    bson_destroy(document);
}

static void check_find_and_modify(mongoc_collection_t *collection)
{
    bson_error_t error;
    bson_t reply, *query = parse("{\"_id\": 1}"), *increment = parse("{\"$inc\": {\"n\": 10}}");
    mongoc_find_and_modify_opts_t *options = mongoc_find_and_modify_opts_new();
    mongoc_find_and_modify_opts_set_update(options, increment);
    mongoc_find_and_modify_opts_set_flags(options, MONGOC_FIND_AND_MODIFY_RETURN_NEW);
    assert_true(
        mongoc_collection_find_and_modify_with_opts(collection, query, options, &reply, &error));
    bson_iter_t iter, found;
    assert_true(bson_iter_init(&iter, &reply));
    assert_true(bson_iter_find_descendant(&iter, "value.n", &found));
    assert_int_equal(bson_iter_as_int64(&found), 11);
    bson_destroy(&reply);
    mongoc_find_and_modify_opts_destroy(options);
    bson_destroy(query);
    bson_destroy(increment);
}

static void check_cursor(mongoc_collection_t *collection)
{
    enum { DOCUMENTS = 1000 };
    bson_error_t error;
    bson_t *documents[DOCUMENTS], *all = bson_new(), *batches = parse("{\"batchSize\": 70}");
    const bson_t *document;
    for (int i = 0; i < DOCUMENTS; i++)
        documents[i] = BCON_NEW("_id", BCON_INT32(i));
    assert_true(mongoc_collection_insert_many(collection, (const bson_t **)documents, DOCUMENTS,
                                              NULL, NULL, &error));
    for (int round = 0; round < 2; round++) {
        mongoc_cursor_t *cursor =
            mongoc_collection_find_with_opts(collection, all, round ? batches : NULL, NULL);
        int count = 0;
        for (; mongoc_cursor_next(cursor, &document); count++)
            assert_int_equal(number_at(document, "_id"), count);
        assert_false(mongoc_cursor_error(cursor, &error));
        assert_int_equal(count, DOCUMENTS);
        mongoc_cursor_destroy(cursor);
    }
    mongoc_cursor_t *left = mongoc_collection_find_with_opts(collection, all, batches, NULL);
    assert_true(mongoc_cursor_next(left, &document));
    mongoc_cursor_destroy(left); /* killCursors */
    for (int i = 0; i < DOCUMENTS; i++)
        bson_destroy(documents[i]);
    bson_destroy(all);
    bson_destroy(batches);
}

static void check_large(mongoc_collection_t *collection)
{
    enum { BYTES = 1000000 };
    bson_error_t error;
    char *filler = x_malloc(BYTES + 1);
    memset(filler, 'x', BYTES);
    filler[BYTES] = '\0';
    bson_t *document = BCON_NEW("_id", "large", "filler", BCON_UTF8(filler));
    bson_t *query = parse("{\"_id\": \"large\"}");
    const bson_t *found;
    assert_true(mongoc_collection_insert_one(collection, document, NULL, NULL, &error));
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, query, NULL, NULL);
    assert_true(mongoc_cursor_next(cursor, &found));
    assert_true(bson_equal(found, document));
    mongoc_cursor_destroy(cursor);
    bson_destroy(document);
    bson_destroy(query);
    free(filler);
}

static void check_unacknowledged(mongoc_collection_t *collection)
{
    bson_error_t error;
    bson_t *options = parse("{\"writeConcern\": {\"w\": 0}}"),
           *document = parse("{\"_id\": \"w0\"}");
    bson_t *bad = parse("{\"writeConcern\": {\"w\": 2}}"), *other = parse("{\"_id\": \"w2\"}");
    assert_true(mongoc_collection_insert_one(collection, document, options, NULL, &error));
    assert_true(mongoc_collection_insert_one(collection, document, options, NULL, &error));
    int64_t count = 0; /* the same connection: arrives before */
    count = mongoc_collection_count_documents(collection, document, NULL, NULL, NULL, &error);
    assert_int_equal(count, 1);
    assert_false(mongoc_collection_insert_one(collection, other, bad, NULL, &error));
    assert_int_equal(error.code, 100);
    count = mongoc_collection_count_documents(collection, other, NULL, NULL, NULL, &error);
    assert_int_equal(count, 1); /* done all the same */
    bson_destroy(options);
    bson_destroy(document);
    bson_destroy(bad);
    bson_destroy(other);
}

static void check_unique(mongoc_client_t *client)
{
    bson_error_t error;
    mongoc_database_t *database = mongoc_client_get_database(client, "server");
    mongoc_collection_t *collection = mongoc_database_get_collection(database, "unique");
    bson_t *command =
        parse("{\"createIndexes\": \"unique\", \"indexes\": [{\"key\": {\"name\": 1}, "
              "\"name\": \"name_1\", \"unique\": true}]}");
    bson_t *document = parse("{\"name\": \"a\"}");
    assert_true(mongoc_database_write_command_with_opts(database, command, NULL, NULL, &error));
    assert_true(mongoc_collection_insert_one(collection, document, NULL, NULL, &error));
    assert_false(mongoc_collection_insert_one(collection, document, NULL, NULL, &error));
    assert_int_equal(error.code, 11000);
    assert_string_equal(error.message, "E11000 duplicate key error collection: server.unique "
                                       "index: name_1 dup key: { name: \"a\" }");
    char **names = mongoc_database_get_collection_names_with_opts(database, NULL, &error);
    assert_non_null(names);
    bson_strfreev(names);
    assert_true(mongoc_collection_drop(collection, &error));
    assert_true(mongoc_database_drop(database, &error));
    bson_destroy(command);
    bson_destroy(document);
    mongoc_collection_destroy(collection);
    mongoc_database_destroy(database);
}

/* A standalone refuses transactions, though libmongoc lets them begin. */
static void check_transaction(mongoc_client_t *client, mongoc_collection_t *collection)
{
    bson_error_t error;
    bson_t options = BSON_INITIALIZER, *document = parse("{\"_id\": \"transaction\"}");
    mongoc_client_session_t *session = mongoc_client_start_session(client, NULL, &error);
    assert_non_null(session);
    assert_true(mongoc_client_session_start_transaction(session, NULL, &error));
    assert_true(mongoc_client_session_append(session, &options, &error));
    assert_false(mongoc_collection_insert_one(collection, document, &options, NULL, &error));
    assert_int_equal(error.code, 20);
    mongoc_client_session_abort_transaction(session, NULL);
    mongoc_client_session_destroy(session);
    bson_destroy(&options);
    bson_destroy(document);
}

static void check_all(const char *uri)
{
    mongoc_client_pool_t *pool = open_pool(uri);
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "server", "c");
    mongoc_collection_t *many = mongoc_client_get_collection(client, "server", "many");
    check_update(collection);
    check_find_and_modify(collection);
    check_large(collection);
    check_unacknowledged(collection);
    check_transaction(client, collection);
    check_cursor(many);
    check_unique(client); /* drops the database */
    mongoc_collection_destroy(collection);
    mongoc_collection_destroy(many);
    mongoc_client_pool_push(pool, client);
    mongoc_client_pool_destroy(pool);
}

static void test_socket(void **state)
{
    const struct fixture *fixture = *state;
    check_all(engine_server_socket_uri(fixture->server));
}

static void test_tcp(void **state)
{
    const struct fixture *fixture = *state;
    check_all(engine_server_tcp_uri(fixture->server));
}

/* A stand-alone client, without a pool and its monitor. */
static void test_single(void **state)
{
    const struct fixture *fixture = *state;
    bson_error_t error;
    bson_t reply, *ping = parse("{\"ping\": 1}");
    mongoc_client_t *client = mongoc_client_new(engine_server_socket_uri(fixture->server));
    assert_true(mongoc_client_command_simple(client, "admin", ping, NULL, &reply, &error));
    bson_destroy(&reply);
    mongoc_client_destroy(client);
    bson_destroy(ping);
}

enum { INCREMENTS = 50 };

struct worker {
    mongoc_client_pool_t *pool;
    int number;
    bool failed;
    pthread_t thread;
};

static void *increment(void *context)
{
    struct worker *worker = context;
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_pool_pop(worker->pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "server", "hot");
    bson_t *query = bson_new_from_json((const uint8_t *)"{\"_id\": 1}", -1, NULL);
    bson_t *change = bson_new_from_json((const uint8_t *)"{\"$inc\": {\"n\": 1}}", -1, NULL);
    for (int i = 0; i < INCREMENTS && !worker->failed; i++) {
        char comment[32];
        bson_t options = BSON_INITIALIZER;
        snprintf(comment, sizeof comment, "w%d.%d", worker->number, i);
        BSON_APPEND_BOOL(&options, "upsert", true);
        BSON_APPEND_UTF8(&options, "comment", comment);
        worker->failed =
            !mongoc_collection_update_one(collection, query, change, &options, NULL, &error);
        bson_destroy(&options);
    }
    bson_destroy(query);
    bson_destroy(change);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(worker->pool, client);
    return NULL;
}

static void test_hundred_connections(void **state)
{
    const struct fixture *fixture = *state;
    struct worker workers[CLIENTS];
    mongoc_client_pool_t *pool = open_pool(engine_server_socket_uri(fixture->server));
    for (int i = 0; i < CLIENTS; i++) {
        workers[i] = (struct worker){.pool = pool, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, increment, &workers[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_false(workers[i].failed);
    }
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "server", "hot");
    bson_t *all = bson_new();
    const bson_t *document;
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, all, NULL, NULL);
    assert_true(mongoc_cursor_next(cursor, &document));
    assert_int_equal(number_at(document, "n"), CLIENTS * INCREMENTS); /* none is lost */
    for (int32_t worker = 0; worker < CLIENTS; worker++)
        for (int64_t i = 0; i < INCREMENTS; i++)
            assert_int_equal(gate_applied_count(fixture->gate, "hot", worker, i), 1);
    assert_int_equal(gate_count(fixture->gate, STEP_UPDATE), CLIENTS * INCREMENTS);
    mongoc_cursor_destroy(cursor);
    bson_destroy(all);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(pool, client);
    mongoc_client_pool_destroy(pool);
}

/* A store whose flush takes as long as the test likes: put in place by the gate, in the server's
 * own thread. */
struct slow_disk {
    struct engine_server *server;
    struct store_methods methods;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int flushes; /* begun */
    bool done, answered;
};

static void flush_slowly(struct store *store)
{
    struct slow_disk *disk = store->watcher_context;
    pthread_mutex_lock(&disk->mutex);
    disk->flushes++;
    pthread_cond_broadcast(&disk->changed);
    while (!disk->done)
        pthread_cond_wait(&disk->changed, &disk->mutex);
    pthread_mutex_unlock(&disk->mutex);
}

static enum gate_action put_in_place(void *state, const struct step *step)
{
    struct slow_disk *disk = state;
    (void)step;
    pthread_mutex_lock(&disk->mutex);
    struct store *store = catalog_store(disk->server->engine->catalog);
    if (disk->methods.flush == NULL) {
        disk->methods = *store->methods;
        disk->methods.flush = flush_slowly;
        store->watcher_context = disk;
        store->methods = &disk->methods;
    }
    pthread_mutex_unlock(&disk->mutex);
    return GATE_PASS;
}

struct durable_insert {
    struct slow_disk *disk;
    const char *concern;
    bool fine;
    pthread_t thread;
};

static void *insert_durably(void *context)
{
    struct durable_insert *insert = context;
    bson_t *document = parse("{}"), *options = parse(insert->concern);
    bson_error_t error;
    mongoc_client_t *client = mongoc_client_new(engine_server_socket_uri(insert->disk->server));
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "server", "durable");
    insert->fine = mongoc_collection_insert_one(collection, document, options, NULL, &error);
    pthread_mutex_lock(&insert->disk->mutex);
    insert->disk->answered = true;
    pthread_cond_broadcast(&insert->disk->changed);
    pthread_mutex_unlock(&insert->disk->mutex);
    mongoc_collection_destroy(collection);
    mongoc_client_destroy(client);
    bson_destroy(document);
    bson_destroy(options);
    return NULL;
}

/* j and majority are answered when the flush has ended, and others are not kept waiting. */
static void check_durable(struct slow_disk *disk, const char *concern)
{
    struct durable_insert durable = {.disk = disk, .concern = concern};
    struct durable_insert plain = {.disk = disk,
                                   .concern =
                                       "{\"comment\": \"w0.2\", \"writeConcern\": {\"w\": 1}}"};
    int flushes = disk->flushes;
    disk->done = false;
    assert_int_equal(pthread_create(&durable.thread, NULL, insert_durably, &durable), 0);
    pthread_mutex_lock(&disk->mutex);
    while (disk->flushes == flushes && !disk->answered)
        pthread_cond_wait(&disk->changed, &disk->mutex);
    assert_false(disk->answered);
    pthread_mutex_unlock(&disk->mutex);
    insert_durably(&plain);
    assert_true(plain.fine);
    pthread_mutex_lock(&disk->mutex);
    assert_int_equal(disk->flushes, flushes + 1);
    disk->answered = false; /* that was the plain one */
    disk->done = true;
    pthread_cond_broadcast(&disk->changed);
    pthread_mutex_unlock(&disk->mutex);
    pthread_join(durable.thread, NULL);
    assert_true(durable.fine && disk->answered);
    disk->answered = false;
}

static void test_durable_writes_wait_for_the_flush(void **state)
{
    static const struct gate_policy policy = {.name = "slow disk", .arrive = put_in_place};
    struct slow_disk disk = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                             .changed = PTHREAD_COND_INITIALIZER};
    char *folder = make_private_folder(""), *path = x_format("%s/s.sock", folder);
    (void)state;
    struct gate *gate = gate_new(1, 0);
    gate_set_policy(gate, &policy, &disk);
    pthread_mutex_lock(&disk.mutex);
    disk.server = engine_server_start(
        &(struct engine_server_settings){.engine = {.gate = gate}, .socket_path = path});
    pthread_mutex_unlock(&disk.mutex);
    check_durable(&disk, "{\"comment\": \"w0.1\", \"writeConcern\": {\"w\": 1, \"j\": true}}");
    check_durable(&disk, "{\"comment\": \"w0.1\", \"writeConcern\": {\"w\": \"majority\"}}");
    engine_server_stop(disk.server);
    gate_free(gate);
    assert_int_equal(rmdir(folder), 0);
    free(folder);
    free(path);
}

int main(void)
{
    setenv("MONGOC_DISABLE_SHM", "1", 1);
    mongoc_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socket),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_single),
        cmocka_unit_test(test_hundred_connections),
        cmocka_unit_test(test_durable_writes_wait_for_the_flush),
    };
    int failed = cmocka_run_group_tests(tests, server_setup, server_teardown);
    mongoc_cleanup();
    return failed;
}
