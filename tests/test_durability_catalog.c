/* SPDX-License-Identifier: Apache-2.0
 *
 * durability_catalog: `racebench serve --dbpath` is killed (SIGKILL) while transactions that make
 * collections are committed, aborted, open, or about to be committed. After the restart each of
 * these collections is there with its index and its document, or there is nothing of it, and all
 * that was acknowledged is there.
 * RACEBENCH_KILLS says how many kills (default 5).
 * labels: engine slow
 * needs: wiredtiger
 * runs: program
 */
#include "served.h"

/* Runs a command of the session's transaction on the database "made". */
static bool command_inside(mongoc_client_t *connection, mongoc_client_session_t *session,
                           const char *text)
{
    bson_t options = BSON_INITIALIZER;
    bson_error_t error;
    bson_t *command = bson_new_from_json((const uint8_t *)text, -1, NULL);
    bool fine =
        mongoc_client_session_append(session, &options, &error) &&
        mongoc_client_write_command_with_opts(connection, "made", command, &options, NULL, &error);
    bson_destroy(command);
    bson_destroy(&options);
    return fine;
}

/* A transaction that makes a collection with a unique index and a document, up to its end. The
 * document is larger than what WiredTiger gathers before it writes to its log, so that a kill can
 * come between two parts of the commit if it has parts. */
static mongoc_client_session_t *make_inside(mongoc_client_t *connection, const char *name)
{
    enum { PAD_BYTES = 1 << 20 };
    mongoc_client_session_t *session = mongoc_client_start_session(connection, NULL, NULL);
    char *pad = x_calloc(1, PAD_BYTES + 1);
    memset(pad, 'x', PAD_BYTES);
    char *texts[] = {
        x_format("{\"create\": \"%s\"}", name),
        x_format("{\"createIndexes\": \"%s\", \"indexes\": [{\"key\": {\"u\": 1}, \"name\": \"u\", "
                 "\"unique\": true}]}",
                 name),
        x_format("{\"insert\": \"%s\", \"documents\": [{\"_id\": 1, \"u\": 7, \"pad\": \"%s\"}]}",
                 name, pad)};
    assert_true(mongoc_client_session_start_transaction(session, NULL, NULL));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_true(command_inside(connection, session, texts[i]));
        free(texts[i]);
    }
    free(pad);
    return session;
}

/* Is the collection there? Then its document and its index must be too, else nothing of it. */
static bool is_made(mongoc_client_t *connection, const char *name)
{
    mongoc_database_t *database = mongoc_client_get_database(connection, "made");
    mongoc_collection_t *collection = mongoc_client_get_collection(connection, "made", name);
    bson_t all = BSON_INITIALIZER;
    bson_error_t error = {0};
    bson_t *again = BCON_NEW("_id", BCON_INT32(2), "u", BCON_INT32(7));
    bool made = mongoc_database_has_collection(database, name, &error);
    assert_int_equal(mongoc_collection_count_documents(collection, &all, NULL, NULL, NULL, NULL),
                     made);
    assert_int_equal(mongoc_collection_insert_one(collection, again, NULL, NULL, &error), !made);
    assert_true(!made || error.code == 11000);
    assert_true(mongoc_collection_drop(collection, &error));
    bson_destroy(again);
    mongoc_collection_destroy(collection);
    mongoc_database_destroy(database);
    return made;
}

/* The commit, as a thread; NULL: it was not acknowledged. */
static void *commit(void *session)
{
    return mongoc_client_session_commit_transaction(session, NULL, NULL) ? session : NULL;
}

/* Transactions that made collections: one was committed, one aborted, one is open, and one is about
 * to be committed when the engine is killed. */
static void test_created_in_transactions(void **state)
{
    static const char *const names[] = {"kept", "aborted", "open", "closing"};
    struct served served = {.program = SOUND};
    struct random random;
    int closed = 0;
    char *folder = make_private_folder("");
    (void)state;
    random_seed(&random, (uint64_t)clock_monotonic_ns());
    serve(&served, folder, "write", 0);
    for (int kills = 0; kills < wanted_kills(); kills++) {
        mongoc_client_t *connections[COUNT_OF(names)];
        mongoc_client_session_t *sessions[COUNT_OF(names)];
        pthread_t closing;
        void *acknowledged;
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            connections[i] = mongoc_client_new(served.uri);
            sessions[i] = make_inside(connections[i], names[i]);
        }
        assert_non_null(commit(sessions[0]));
        assert_true(mongoc_client_session_abort_transaction(sessions[1], NULL));
        assert_int_equal(pthread_create(&closing, NULL, commit, sessions[3]), 0);
        sleep_us((int64_t)random_below(&random, 3000));
        end_served(&served, SIGKILL);
        assert_int_equal(pthread_join(closing, &acknowledged), 0);
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            mongoc_client_session_destroy(sessions[i]);
            mongoc_client_destroy(connections[i]);
        }
        serve(&served, folder, "write", 0);
        connections[0] = mongoc_client_new(served.uri);
        assert_true(is_made(connections[0], names[0]));
        assert_false(is_made(connections[0], names[1]));
        assert_false(is_made(connections[0], names[2]));
        bool there = is_made(connections[0], names[3]);
        assert_true(there || acknowledged == NULL);
        closed += there;
        mongoc_client_destroy(connections[0]);
    }
    end_served(&served, SIGTERM);
    remove_folder(folder);
    free(folder);
    print_message("collections made in transactions: of %d commits at a kill %d are there\n",
                  wanted_kills(), closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_created_in_transactions),
    };
    mongoc_init();
    mongoc_log_set_handler(NULL, NULL); /* each kill is an error to every client */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
