/* SPDX-License-Identifier: Apache-2.0
 *
 * durability: `racebench serve --dbpath` is killed (SIGKILL) under load again and again. What was
 * acknowledged is counted here, outside the process that dies; after each restart nothing of it may
 * be missing and nothing may be there twice. The one write of each client that was under way at the
 * kill may be there or not, a transaction as a whole; one kind is then sent again, under its
 * number, and must be there once. In every other life nobody opens a transaction: then the store
 * commits what many have written in one (store_group.h). The same test must see that --durability
 * off loses, and that a store does which reads what is committed (racebench-uncommitted): in it the
 * second of two open transactions writes over what the first one has written, and both commit.
 * RACEBENCH_KILLS says how many kills (default 5); the test labelled long makes 100.
 * labels: engine slow
 * needs: wiredtiger
 * runs: program
 */
#include "frames.h"
#include "served.h"

#include <stdatomic.h>

enum { CLIENTS = 6, KINDS = 6, PAIR = 4, NUMBERED = 5 };

/* What one client was told, by kind of write: numbers count up from 1 in each. */
struct ledger {
    int64_t acknowledged[KINDS];
    int64_t sent[KINDS]; /* one more when the last one was not answered */
};

struct client {
    const char *uri, *folder;
    int number;
    bool alone;          /* no transactions */
    int64_t bad_replies; /* answers that a sound engine cannot give */
    atomic_llong answered;
    struct ledger ledger;
    pthread_t thread;
};

struct tally {
    int64_t acknowledged, lost, doubled, halves, unanswered_there, unanswered_gone;
};

/* The six kinds of write; false: no answer, or an error. -------------------------------------- */

static bool increment(mongoc_collection_t *collection, const struct client *client, int64_t number)
{
    char field[8];
    bson_error_t error;
    (void)number;
    snprintf(field, sizeof field, "w%d", client->number);
    bson_t *filter = BCON_NEW("_id", "hot");
    bson_t *update = BCON_NEW("$inc", "{", "all", BCON_INT64(1), field, BCON_INT64(1), "}");
    bson_t *options = BCON_NEW("upsert", BCON_BOOL(true));
    bool fine = mongoc_collection_update_one(collection, filter, update, options, NULL, &error);
    bson_destroy(filter);
    bson_destroy(update);
    bson_destroy(options);
    return fine;
}

static bool insert(mongoc_collection_t *collection, const struct client *client, int64_t number)
{
    bson_error_t error;
    bson_t *document = BCON_NEW("_id", BCON_INT64(client->number * INT64_C(1000000000) + number),
                                "w", BCON_INT32(client->number));
    bool fine = mongoc_collection_insert_one(collection, document, NULL, NULL, &error);
    bson_destroy(document);
    return fine;
}

/* Sets v to the next number and asks for the value before: it must be the last one. */
static bool find_and_modify(mongoc_collection_t *collection, struct client *client, int64_t number)
{
    bson_error_t error;
    bson_iter_t iter, before;
    bson_t reply;
    bson_t *filter = BCON_NEW("_id", BCON_INT32(client->number));
    bson_t *update = BCON_NEW("$set", "{", "v", BCON_INT64(number), "}");
    mongoc_find_and_modify_opts_t *options = mongoc_find_and_modify_opts_new();
    mongoc_find_and_modify_opts_set_update(options, update);
    mongoc_find_and_modify_opts_set_flags(options, MONGOC_FIND_AND_MODIFY_UPSERT);
    bool fine =
        mongoc_collection_find_and_modify_with_opts(collection, filter, options, &reply, &error);
    int64_t was = 0;
    if (fine && bson_iter_init(&iter, &reply) &&
        bson_iter_find_descendant(&iter, "value.v", &before))
        was = bson_iter_as_int64(&before);
    if (fine && was != client->ledger.acknowledged[2])
        client->bad_replies++;
    bson_destroy(&reply);
    bson_destroy(filter);
    bson_destroy(update);
    mongoc_find_and_modify_opts_destroy(options);
    return fine;
}

/* A generated _id and a value of its own in a unique index: a second one must be refused. */
static bool claim(mongoc_collection_t *collection, struct client *client, int64_t number)
{
    bson_error_t error;
    bson_t *document = BCON_NEW("u", BCON_INT64(client->number * INT64_C(1000000000) + number), "w",
                                BCON_INT32(client->number));
    bool fine = mongoc_collection_insert_one(collection, document, NULL, NULL, &error);
    bson_t *again = BCON_NEW("u", BCON_INT64(client->number * INT64_C(1000000000) + number), "w",
                             BCON_INT32(-1));
    if (fine && number % 8 == 0 &&
        (mongoc_collection_insert_one(collection, again, NULL, NULL, &error) ||
         (error.code != 11000 && error.domain != MONGOC_ERROR_STREAM)))
        client->bad_replies++;
    bson_destroy(document);
    bson_destroy(again);
    return fine;
}

/* Counts up this client's field of one of the two documents of the pair. */
static bool increment_half(mongoc_collection_t *collection, const struct client *client,
                           mongoc_client_session_t *session, const char *id, bson_error_t *error)
{
    char field[8];
    bson_t options = BSON_INITIALIZER;
    snprintf(field, sizeof field, "w%d", client->number);
    bson_t *filter = BCON_NEW("_id", id);
    bson_t *update = BCON_NEW("$inc", "{", field, BCON_INT64(1), "}");
    bool fine = mongoc_client_session_append(session, &options, error) &&
                mongoc_collection_update_one(collection, filter, update, &options, NULL, error);
    bson_destroy(filter);
    bson_destroy(update);
    bson_destroy(&options);
    return fine;
}

/* A transaction over both; begun anew as long as another one was first. */
static bool increment_both(mongoc_collection_t *collection, struct client *client,
                           mongoc_client_session_t *session)
{
    enum { WRITE_CONFLICT = 112 };
    bson_error_t error;
    bool fine;
    do {
        memset(&error, 0, sizeof error);
        fine = mongoc_client_session_start_transaction(session, NULL, &error) &&
               increment_half(collection, client, session, "a", &error) &&
               increment_half(collection, client, session, "b", &error) &&
               mongoc_client_session_commit_transaction(session, NULL, &error);
        if (!fine && mongoc_client_session_in_transaction(session))
            mongoc_client_session_abort_transaction(session, NULL);
    } while (!fine && error.code == WRITE_CONFLICT && error.domain == MONGOC_ERROR_SERVER);
    return fine;
}

/* Sends a command without the driver, which would add a session of its own; was one document
 * modified? */
static bool modifies_one(int line, const char *command)
{
    struct buffer message = {0};
    struct reply reply;
    bson_iter_t iter;
    begin_msg(&message, 1, 0);
    append_body(&message, command);
    finish(&message);
    send_all(line, message.bytes, message.length);
    buffer_release(&message);
    if (!receive(line, &reply))
        return false;
    bool one =
        bson_iter_init_find(&iter, reply.body, "nModified") && bson_iter_as_int64(&iter) == 1;
    bson_destroy(reply.body);
    return one;
}

/* Counts up this client's field, in a session and under a number of our own, so that it can be sent
 * again to the next engine. */
static bool increment_numbered(const struct client *client, int64_t number)
{
    static const char form[] =
        "{\"update\": \"numbered\", \"updates\": [{\"q\": {\"_id\": \"hot\"}, \"u\": {\"$inc\": "
        "{\"w%d\": 1}}}], \"lsid\": {\"id\": {\"$uuid\": "
        "\"00000000-0000-4000-8000-00000000000%d\"}}, "
        "\"txnNumber\": {\"$numberLong\": \"%lld\"}, \"$db\": \"ledger\"}";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int line = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/e.sock", client->folder);
    char *command = x_format(form, client->number, client->number, (long long)number);
    bool fine = connect(line, (struct sockaddr *)&address, sizeof address) == 0 &&
                modifies_one(line, command);
    close(line);
    free(command);
    return fine;
}

static const char *const collections[KINDS] = {"counters", "inserts", "modified",
                                               "claims",   "pairs",   "numbered"};

static void *work(void *context)
{
    struct client *client = context;
    mongoc_client_t *connection = mongoc_client_new(client->uri);
    mongoc_client_session_t *session = mongoc_client_start_session(connection, NULL, NULL);
    mongoc_collection_t *places[KINDS];
    bool fine = session != NULL;
    for (int kind = 0; kind < KINDS; kind++)
        places[kind] = mongoc_client_get_collection(connection, "ledger", collections[kind]);
    for (int kind = client->number % KINDS; fine; kind = (kind + 1) % KINDS) {
        if (kind == PAIR && client->alone)
            continue;
        int64_t number = ++client->ledger.sent[kind];
        fine = kind == 0      ? increment(places[kind], client, number)
               : kind == 1    ? insert(places[kind], client, number)
               : kind == 2    ? find_and_modify(places[kind], client, number)
               : kind == 3    ? claim(places[kind], client, number)
               : kind == PAIR ? increment_both(places[kind], client, session)
                              : increment_numbered(client, number);
        if (!fine)
            break;
        client->ledger.acknowledged[kind] = number;
        atomic_fetch_add(&client->answered, 1);
    }
    for (int kind = 0; kind < KINDS; kind++)
        mongoc_collection_destroy(places[kind]);
    mongoc_client_session_destroy(session);
    mongoc_client_destroy(connection);
    return NULL;
}

/* After the restart. -------------------------------------------------------------------------- */

/* A number of the first document that matches, 0: none. */
static int64_t number_in(mongoc_collection_t *collection, const bson_t *filter, const char *field)
{
    const bson_t *document;
    bson_iter_t iter;
    int64_t value = 0;
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, filter, NULL, NULL);
    if (mongoc_cursor_next(cursor, &document) && bson_iter_init_find(&iter, document, field))
        value = bson_iter_as_int64(&iter);
    bson_error_t error;
    if (mongoc_cursor_error(cursor, &error))
        fail_msg("%s", error.message);
    mongoc_cursor_destroy(cursor);
    return value;
}

/* How many writes of a kind are there for a client. */
static int64_t found(mongoc_client_t *connection, int kind, int number)
{
    mongoc_collection_t *collection =
        mongoc_client_get_collection(connection, "ledger", collections[kind]);
    bson_error_t error;
    int64_t count = 0;
    char field[8];
    snprintf(field, sizeof field, "w%d", number);
    bool many = kind == 1 || kind == 3;
    bson_t *filter = many           ? BCON_NEW("w", BCON_INT32(number))
                     : kind == 2    ? BCON_NEW("_id", BCON_INT32(number))
                     : kind == PAIR ? BCON_NEW("_id", "a")
                                    : BCON_NEW("_id", "hot");
    if (!many)
        count = number_in(collection, filter, kind == 2 ? "v" : field);
    else
        count = mongoc_collection_count_documents(collection, filter, NULL, NULL, NULL, &error);
    assert_true(count >= 0);
    bson_destroy(filter);
    mongoc_collection_destroy(collection);
    return count;
}

/* Do the two documents of the pair differ in what this client counted? */
static bool is_half(mongoc_client_t *connection, int number)
{
    mongoc_collection_t *collection = mongoc_client_get_collection(connection, "ledger", "pairs");
    char field[8];
    snprintf(field, sizeof field, "w%d", number);
    bson_t *a = BCON_NEW("_id", "a"), *b = BCON_NEW("_id", "b");
    bool differs = number_in(collection, a, field) != number_in(collection, b, field);
    bson_destroy(a);
    bson_destroy(b);
    mongoc_collection_destroy(collection);
    return differs;
}

/* Compares, and takes what is there as the new beginning. */
static void settle(mongoc_client_t *connection, struct client *client, struct tally *tally)
{
    for (int kind = 0; kind < KINDS; kind++) {
        struct ledger *ledger = &client->ledger;
        bool again = kind == NUMBERED && ledger->sent[kind] > 0;
        if (again && increment_numbered(client, ledger->sent[kind]))
            ledger->acknowledged[kind] = ledger->sent[kind];
        int64_t there = found(connection, kind, client->number);
        int64_t told = ledger->acknowledged[kind], sent = ledger->sent[kind];
        tally->lost += there < told ? told - there : 0;
        tally->doubled += there > sent ? there - sent : 0;
        if (sent > told)
            *(there > told ? &tally->unanswered_there : &tally->unanswered_gone) += 1;
        ledger->acknowledged[kind] = ledger->sent[kind] = there;
    }
    tally->halves += is_half(connection, client->number);
}

/* The unique index of the claims, the two documents of the pair, the one of numbered writes. */
static void prepare(const char *uri)
{
    mongoc_client_t *connection = mongoc_client_new(uri);
    mongoc_collection_t *pairs = mongoc_client_get_collection(connection, "ledger", "pairs");
    bson_error_t error;
    for (const char *id = "ab"; *id != '\0'; id++) {
        bson_t *document = BCON_NEW("_id", BCON_UTF8(*id == 'a' ? "a" : "b"));
        assert_true(mongoc_collection_insert_one(pairs, document, NULL, NULL, &error));
        bson_destroy(document);
    }
    mongoc_collection_destroy(pairs);
    mongoc_collection_t *numbered = mongoc_client_get_collection(connection, "ledger", "numbered");
    bson_t *hot = BCON_NEW("_id", "hot");
    assert_true(mongoc_collection_insert_one(numbered, hot, NULL, NULL, &error));
    bson_destroy(hot);
    mongoc_collection_destroy(numbered);
    bson_t *command =
        BCON_NEW("createIndexes", "claims", "indexes", "[", "{", "key", "{", "u", BCON_INT32(1),
                 "}", "name", "u", "unique", BCON_BOOL(true), "}", "]");
    assert_true(mongoc_client_command_simple(connection, "ledger", command, NULL, NULL, &error));
    bson_destroy(command);
    mongoc_client_destroy(connection);
}

static long long answered(struct client *clients)
{
    long long sum = 0;
    for (int i = 0; i < CLIENTS; i++)
        sum += atomic_load(&clients[i].answered);
    return sum;
}

/* One life of the engine: load, a kill at any moment, but not before something was acknowledged,
 * however busy the machine is. */
static void one_kill(struct served *served, struct client *clients, bool alone, int64_t load_ms)
{
    enum { ANSWERED_MIN = 30, PATIENCE_MS = 60000, LOOK_MS = 10 };
    long long before = answered(clients);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].uri = served->uri;
        clients[i].alone = alone;
        assert_int_equal(pthread_create(&clients[i].thread, NULL, work, &clients[i]), 0);
    }
    sleep_us(load_ms * 1000);
    for (int ms = 0; answered(clients) < before + ANSWERED_MIN && ms < PATIENCE_MS; ms += LOOK_MS)
        sleep_us(LOOK_MS * 1000);
    kill(served->process, SIGKILL);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
    end_served(served, SIGKILL);
}

static struct tally kills(const char *program, const char *durability, int count, bool until_lost)
{
    struct client clients[CLIENTS] = {{.number = 0}};
    struct tally tally = {0};
    struct served served = {.program = program};
    struct random random;
    char *folder = make_private_folder("");
    random_seed(&random, (uint64_t)clock_monotonic_ns());
    serve(&served, folder, durability, 0);
    prepare(served.uri);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].number = i;
        clients[i].folder = folder;
    }
    for (int i = 0; i < count && !(until_lost && tally.lost > 0); i++) {
        int64_t before[CLIENTS][KINDS];
        for (int c = 0; c < CLIENTS; c++)
            memcpy(before[c], clients[c].ledger.acknowledged, sizeof before[c]);
        one_kill(&served, clients, i % 2 != 0, 100 + (int64_t)random_below(&random, 300));
        serve(&served, folder, durability, 0);
        mongoc_client_t *connection = mongoc_client_new(served.uri);
        for (int c = 0; c < CLIENTS; c++) {
            for (int kind = 0; kind < KINDS; kind++)
                tally.acknowledged += clients[c].ledger.acknowledged[kind] - before[c][kind];
            settle(connection, &clients[c], &tally);
            assert_int_equal(clients[c].bad_replies, 0);
        }
        mongoc_client_destroy(connection);
    }
    end_served(&served, SIGTERM);
    remove_folder(folder);
    free(folder);
    print_message("%s: %lld acknowledged, %lld lost, %lld doubled, %lld halves; unanswered: %lld "
                  "there, %lld not\n",
                  durability, (long long)tally.acknowledged, (long long)tally.lost,
                  (long long)tally.doubled, (long long)tally.halves,
                  (long long)tally.unanswered_there, (long long)tally.unanswered_gone);
    return tally;
}

static void test_write_survives(void **state)
{
    (void)state;
    struct tally tally = kills(SOUND, "write", wanted_kills(), false);
    assert_true(tally.acknowledged > 10 * wanted_kills());
    assert_int_equal(tally.lost, 0);
    assert_int_equal(tally.doubled, 0);
    assert_int_equal(tally.halves, 0);
}

static void test_sync_survives(void **state)
{
    (void)state;
    struct tally tally = kills(SOUND, "sync", (wanted_kills() + 3) / 4, false);
    assert_true(tally.acknowledged > 0);
    assert_int_equal(tally.lost, 0);
    assert_int_equal(tally.doubled, 0);
    assert_int_equal(tally.halves, 0);
}

/* A log that cannot grow ends the engine with 74; what was acknowledged until then is there after
 * the restart. Likewise a full disk (tests/cli/dbpath.bats). */
static void test_full_files(void **state)
{
    static const char *const durabilities[] = {"write", "sync"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct client clients[CLIENTS] = {{.number = 0}};
        struct tally tally = {0};
        struct served served = {.program = SOUND};
        int64_t acknowledged = 0;
        int status;
        char *folder = make_private_folder("");
        serve(&served, folder, durabilities[i], 1 << 20);
        prepare(served.uri);
        for (int c = 0; c < CLIENTS; c++) {
            clients[c].number = c;
            clients[c].folder = folder;
            clients[c].uri = served.uri;
            assert_int_equal(pthread_create(&clients[c].thread, NULL, work, &clients[c]), 0);
        }
        assert_int_equal(waitpid(served.process, &status, 0), served.process);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), EXIT_RESULTS);
        for (int c = 0; c < CLIENTS; c++)
            pthread_join(clients[c].thread, NULL);
        free(served.uri);
        serve(&served, folder, durabilities[i], 0);
        mongoc_client_t *connection = mongoc_client_new(served.uri);
        for (int c = 0; c < CLIENTS; c++) {
            for (int kind = 0; kind < KINDS; kind++)
                acknowledged += clients[c].ledger.acknowledged[kind];
            settle(connection, &clients[c], &tally);
        }
        mongoc_client_destroy(connection);
        end_served(&served, SIGTERM);
        remove_folder(folder);
        free(folder);
        print_message("files of 1 MiB, %s: %lld acknowledged, %lld lost, %lld doubled\n",
                      durabilities[i], (long long)acknowledged, (long long)tally.lost,
                      (long long)tally.doubled);
        assert_true(acknowledged > 100);
        assert_int_equal(tally.lost, 0);
        assert_int_equal(tally.doubled, 0);
        assert_int_equal(tally.halves, 0);
    }
}

/* The test of the test: without the log it must see a loss. */
static void test_off_loses(void **state)
{
    (void)state;
    assert_true(kills(SOUND, "off", 20, true).lost > 0);
}

/* And a store without snapshot isolation, whose log is sound. */
static void test_read_committed_loses(void **state)
{
    (void)state;
    assert_true(kills(UNCOMMITTED, "write", 20, true).lost > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_survives),       cmocka_unit_test(test_sync_survives),
        cmocka_unit_test(test_full_files),           cmocka_unit_test(test_off_loses),
        cmocka_unit_test(test_read_committed_loses),
    };
    mongoc_init();
    mongoc_log_set_handler(NULL, NULL); /* each kill is an error to every client */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
