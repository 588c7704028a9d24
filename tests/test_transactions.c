/* SPDX-License-Identifier: Apache-2.0
 *
 * transactions: every code and label of the state machine, snapshot isolation, and plain writes
 * that are parked behind an open transaction and woken by its commit, its abort, its lifetime, or
 * answered by maxTimeMS; collections that a transaction creates; on a clock that the test moves.
 * labels: engine
 */
#include "sessions.h"

#define TRANSIENT "TransientTransactionError"

/* Commands one after the other, each with its code (0: ok) and label. */
struct row {
    const char *text;
    int32_t code;
    const char *label;
};

static void test_states(void **state)
{
    static const struct row rows[] = {
        {"{'find': 'c', " INSIDE(A, 1) "}", 251, TRANSIENT}, /* nobody has begun it */
        {COMMIT(A, 1), 251, TRANSIENT},
        {ABORT(A, 1), 251, NULL},
        {"{'find': 'c', " START(A, 5) "}", 0, NULL},
        {"{'find': 'c', " START(A, 5) "}", 50911, NULL},
        {"{'find': 'c', " START(A, 4) "}", 225, NULL},
        {"{'find': 'c', " INSIDE(A, 4) "}", 225, NULL},
        {"{'find': 'c', " INSIDE(A, 6) "}", 251, TRANSIENT},
        {INC(1, ", " INSIDE(A, 5)), 0, NULL},
        {COMMIT(A, 5), 0, NULL},
        {COMMIT(A, 5), 0, NULL}, /* a commit may be repeated */
        {ABORT(A, 5), 256, NULL},
        {"{'find': 'c', " INSIDE(A, 5) "}", 256, NULL},
        {INC(1, ", " START(A, 6)), 0, NULL},
        {ABORT(A, 6), 0, NULL},
        {ABORT(A, 6), 251, NULL},
        {COMMIT(A, 6), 251, TRANSIENT},
        {"{'find': 'c', " INSIDE(A, 6) "}", 251, TRANSIENT},
        {INC(1, ", " START(A, 7)), 0, NULL}, /* a higher number aborts it */
        {"{'find': 'c', " START(A, 8) "}", 0, NULL},
        {"{'find': 'c', " INSIDE(A, 7) "}", 225, NULL},
        {COMMIT(A, 8), 0, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect(*state, rows[i].text, rows[i].code, rows[i].label);
    assert_int_equal(n_of(*state, 1), 1);
}

static void test_refusals(void **state)
{
    static const struct row rows[] = {
        {"{'find': 'c', " START(A, 1) "}", 0, NULL},
        {"{'count': 'c', " INSIDE(A, 1) "}", 263, NULL},
        {"{'drop': 'c', " INSIDE(A, 1) "}", 263, NULL},
        {"{'create': 'c', " START(B, 1) "}", 48, NULL},
        {"{'createIndexes': 'c', 'indexes': [{'key': {'n': 1}, 'name': 'n'}], " START(B, 2) "}",
         263, NULL},
        {"{'commitTransaction': 1, '$db': 'admin', " START(A, 2) "}", 263, NULL},
        {"{'commitTransaction': 1, '$db': 'admin'}", 125, NULL},
        {"{'abortTransaction': 1, '$db': 'admin', " A "}", 125, NULL},
        {"{'find': 'c', " NUMBER(1) ", 'autocommit': false}", 72, NULL}, /* no lsid */
        {"{'find': 'c', " A ", 'autocommit': false}", 72, NULL},
        {"{'find': 'c', " A ", " NUMBER(1) ", 'autocommit': true}", 72, NULL},
        {"{'find': 'c', " A ", " NUMBER(1) ", 'startTransaction': true}", 72, NULL},
        {"{'find': 'c', " INSIDE(A, 1) ", 'startTransaction': false}", 72, NULL},
        {"{'find': 'c', " INSIDE(A, -1) "}", 72, NULL},
        {"{'find': 'c', 'lsid': {'id': 1}}", 72, NULL},
        {"{'find': 'c', " INSIDE(A, 1) ", 'readConcern': {'level': 'local'}}", 72, NULL},
        {"{'find': 'c', " START(A, 2) ", 'readConcern': {'level': 'linearizable'}}", 72, NULL},
        {"{'find': 'c', " START(A, 2) ", 'readConcern': {'level': 'snapshot'}}", 0, NULL},
        {"{'find': 'c', 'readConcern': {'level': 'linearizable'}}", 0, NULL},
        {"{'find': 'c', 'readConcern': {'level': 'snapshot'}}", 246, NULL},
        {INC(1, ", 'writeConcern': {'w': 1}, " INSIDE(A, 2)), 72, NULL},
        {"{'find': 'c', " A ", " NUMBER(3) "}", 50768, NULL},
        {INC(1, ", " A ", " NUMBER(2)), 72, NULL},    /* the number is a transaction's */
        {"{'find': 'c', " INSIDE(A, 2) "}", 0, NULL}, /* none of them has ended it */
        {"{'aggregate': 'c', 'pipeline': [], 'cursor': {}, " INSIDE(A, 2) "}", 0, NULL},
        {"{'distinct': 'c', 'key': 'n', " INSIDE(A, 2) "}", 0, NULL},
        {INC(1, ", 'readConcern': {'level': 'local'}, " INSIDE(A, 2)), 72, NULL},
        {INC(2, ", 'readConcern': {'level': 'local'}"), 72, NULL}, /* a write outside */
        {INC(2, ", 'readConcern': {'level': 'snapshot'}, " START(A, 3)), 0, NULL},
        {"{'find': 'c', 'readConcern': {'afterClusterTime': {'$timestamp': {'t': 1, 'i': 9}}}}", 0,
         NULL}, /* the clock says 1 s */
        {"{'find': 'c', 'readConcern': {'afterClusterTime': {'$timestamp': {'t': 2, 'i': 1}}}}", 72,
         NULL},
        {"{'find': 'c', 'readConcern': {'afterClusterTime': 1}}", 14, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect(*state, rows[i].text, rows[i].code, rows[i].label);
}

static void test_isolation(void **state)
{
    struct world *world = *state;
    expect(world, INC(1, ", " START(A, 1)), 0, NULL);
    assert_int_equal(n_of(world, 1), 0); /* nobody else sees it */
    bson_t *reply = run(world->engine, "{'find': 'c', 'filter': {'_id': 1}, " INSIDE(A, 1) "}");
    assert_int_equal(int_at(reply, "cursor.firstBatch.0.n"), 1); /* its own writes */
    bson_destroy(reply);
    expect(world, INC(2, ""), 0, NULL);
    reply = run(world->engine, "{'find': 'c', 'filter': {'_id': 2}, " INSIDE(A, 1) "}");
    assert_int_equal(int_at(reply, "cursor.firstBatch.0.n"), 0); /* its snapshot */
    bson_destroy(reply);
    expect(world, COMMIT(A, 1), 0, NULL);
    assert_int_equal(n_of(world, 1), 1);
}

static void test_every_write_is_taken_back(void **state)
{
    struct world *world = *state;
    expect(world, "{'insert': 'c', 'documents': [{'_id': 3, 'n': 9}], " START(A, 1) "}", 0, NULL);
    expect(world, "{'delete': 'c', 'deletes': [{'q': {'_id': 1}, 'limit': 1}], " INSIDE(A, 1) "}",
           0, NULL);
    expect(world,
           "{'findAndModify': 'c', 'query': {'_id': 2}, 'update': {'$set': {'n': 7}}, " INSIDE(
               A, 1) "}",
           0, NULL);
    expect(
        world,
        "{'update': 'c', 'updates': [{'q': {}, 'u': {'$inc': {'n': 1}}, 'multi': true}], " INSIDE(
            A, 1) "}",
        0, NULL);
    expect(world, ABORT(A, 1), 0, NULL);
    assert_int_equal(n_of(world, 1), 0);
    assert_int_equal(n_of(world, 2), 0);
    assert_int_equal(n_of(world, 3), -1);
}

static void test_conflict(void **state)
{
    struct world *world = *state;
    expect(world, INC(1, ", " START(A, 1)), 0, NULL);
    expect(world, INC(2, ", " START(B, 1)), 0, NULL);
    expect(world, INC(1, ", " INSIDE(B, 1)), 112, TRANSIENT); /* at once, and it is over */
    expect(world, INC(2, ", " INSIDE(B, 1)), 251, TRANSIENT);
    expect(world, COMMIT(B, 1), 251, TRANSIENT);
    expect(world, COMMIT(A, 1), 0, NULL);
    assert_int_equal(n_of(world, 1), 1);
    assert_int_equal(n_of(world, 2), 0);
    /* written after its snapshot was taken: likewise */
    expect(world, "{'find': 'c', " START(A, 2) "}", 0, NULL);
    expect(world, INC(1, ""), 0, NULL);
    expect(world,
           "{'findAndModify': 'c', 'query': {'_id': 1}, 'update': {'$inc': {'n': 1}}, " INSIDE(
               A, 2) "}",
           112, TRANSIENT);
}

static void test_write_error_ends_it(void **state)
{
    struct world *world = *state;
    expect(world, INC(1, ", " START(A, 1)), 0, NULL);
    bson_t *reply = run(world->engine, "{'insert': 'c', 'documents': [{'_id': 2}, {'_id': 9}], "
                                       "'ordered': false, " INSIDE(A, 1) "}");
    assert_int_equal(int_at(reply, "writeErrors.0.code"), 11000);
    assert_int_equal(int_at(reply, "n"), 0); /* unordered or not: nothing after it */
    bson_destroy(reply);
    expect(world, COMMIT(A, 1), 251, TRANSIENT);
    assert_int_equal(n_of(world, 1), 0);
}

static void test_write_skew(void **state)
{
    struct world *world = *state;
    expect(world, "{'find': 'c', " START(A, 1) "}", 0, NULL);
    expect(world, "{'find': 'c', " START(B, 1) "}", 0, NULL);
    expect(world, INC(1, ", " INSIDE(A, 1)), 0, NULL);
    expect(world, INC(2, ", " INSIDE(B, 1)), 0, NULL);
    expect(world, COMMIT(A, 1), 0, NULL); /* snapshot isolation allows both, as MongoDB does */
    expect(world, COMMIT(B, 1), 0, NULL);
}

/* Parking. ------------------------------------------------------------------------------------- */

static void test_parked_until_commit(void **state)
{
    struct world *world = *state;
    struct answer parked[3];
    expect(world, INC(1, ", " START(A, 1)), 0, NULL);
    submit(world, INC(1, ""), &parked[0]);
    submit(world,
           "{'findAndModify': 'c', 'query': {'_id': 1}, 'update': {'$inc': {'n': 1}}, 'new': true}",
           &parked[1]);
    submit(world, INC(1, ", " B ", " NUMBER(1)), &parked[2]); /* a retryable write parks as well */
    for (int i = 0; i < 3; i++)
        assert_int_equal(parked[i].count, 0);
    expect(world, INC(2, ""), 0, NULL); /* the loop goes on */
    expect(world, COMMIT(A, 1), 0, NULL);
    assert_int_equal(int_at(parked[1].reply, "value.n"), 3); /* first come, first run */
    for (int i = 0; i < 3; i++)
        assert_code(&parked[i], 0, NULL);
    assert_int_equal(n_of(world, 1), 4);
}

static void test_parked_until_abort_and_lifetime(void **state)
{
    struct world *world = *state;
    struct answer parked;
    expect(world, INC(1, ", " START(A, 1)), 0, NULL);
    submit(world, INC(1, ""), &parked);
    expect(world, ABORT(A, 1), 0, NULL);
    assert_code(&parked, 0, NULL);
    assert_int_equal(n_of(world, 1), 1);

    expect(world, INC(1, ", " START(A, 2)), 0, NULL);
    submit(world, INC(1, ""), &parked);
    assert_int_equal(engine_due_ms(world->engine), 60000);
    pass_ms(world, 30000);
    expect(world, INC(2, ", " INSIDE(A, 2)), 0, NULL); /* does not make it live longer */
    pass_ms(world, 29999);
    assert_int_equal(parked.count, 0);
    pass_ms(world, 1);
    assert_code(&parked, 0, NULL);
    expect(world, INC(1, ", " INSIDE(A, 2)), 251, TRANSIENT);
    assert_int_equal(n_of(world, 1), 2);
    assert_int_equal(engine_due_ms(world->engine), -1);
}

static void test_parked_behind_two(void **state)
{
    struct world *world = *state;
    struct answer parked;
    expect(world, INC(1, ", " START(A, 1)), 0, NULL);
    expect(world, INC(2, ", " START(B, 1)), 0, NULL);
    submit(world,
           "{'update': 'c', 'updates': [{'q': {}, 'u': {'$inc': {'n': 10}}, 'multi': true}, "
           "{'q': {'_id': 2}, 'u': {'$inc': {'n': 100}}}]}",
           &parked);
    expect(world, COMMIT(A, 1), 0, NULL);
    assert_int_equal(parked.count, 0); /* parks again, at the second document */
    assert_int_equal(n_of(world, 1), 11);
    expect(world, COMMIT(B, 1), 0, NULL);
    assert_int_equal(int_at(parked.reply, "n"), 3); /* what was done before is not done again */
    assert_int_equal(int_at(parked.reply, "nModified"), 3);
    assert_code(&parked, 0, NULL);
    assert_int_equal(n_of(world, 1), 11);
    assert_int_equal(n_of(world, 2), 111);
}

/* What an upsert would insert comes from a transaction in between, by _id or by a unique index: it
 * searches again and updates it, where MongoDB has its rule of trying again after 11000. */
static void test_parked_upsert_finds_what_came(void **state)
{
    static const char *const filters[] = {"'_id': 7", "'u': 7"};
    struct world *world = *state;
    struct answer parked;
    expect(world, "{'delete': 'c', 'deletes': [{'q': {}, 'limit': 0}]}", 0, NULL);
    expect(world,
           "{'createIndexes': 'c', 'indexes': [{'key': {'u': 1}, 'name': 'u', 'unique': true}]}", 0,
           NULL);
    for (int i = 0; i < 2; i++) {
        char *upsert = x_format("{'update': 'c', 'updates': [{'q': {%s}, 'u': {'$inc': {'n': 1}}, "
                                "'upsert': true}]}",
                                filters[i]);
        char *with_more = x_format("{'update': 'c', 'updates': [{'q': {%s, 'held': false}, 'u': "
                                   "{'$inc': {'n': 1}}, 'upsert': true}]}",
                                   filters[i]);
        char *begin = x_format("{'insert': 'c', 'documents': [{'_id': 7, 'u': 7, 'n': 0}], " A
                               ", 'txnNumber': {'$numberLong': '%d'}, 'autocommit': false, "
                               "'startTransaction': true}",
                               i + 1);
        expect(world, begin, 0, NULL);
        submit(world, upsert, &parked);
        assert_int_equal(parked.count, 0);
        expect(world, i == 0 ? COMMIT(A, 1) : COMMIT(A, 2), 0, NULL);
        assert_int_equal(int_at(parked.reply, "nModified"), 1);
        assert_false(bson_has_field(parked.reply, "upserted"));
        assert_code(&parked, 0, NULL);
        assert_int_equal(n_of(world, 7), 1);
        bson_t *reply = run(world->engine, with_more); /* more than the index's fields: 11000 */
        assert_int_equal(int_at(reply, "writeErrors.0.code"), 11000);
        bson_destroy(reply);
        expect(world, "{'delete': 'c', 'deletes': [{'q': {}, 'limit': 0}]}", 0, NULL);
        free(upsert);
        free(with_more);
        free(begin);
    }
    expect(world, "{'find': 'c', " START(B, 1) "}", 0, NULL); /* after its snapshot: 112 at once */
    expect(world, "{'insert': 'c', 'documents': [{'_id': 8, 'n': 0}]}", 0, NULL);
    expect(world,
           "{'update': 'c', 'updates': [{'q': {'_id': 8}, 'u': {'$inc': {'n': 1}}, 'upsert': "
           "true}], " INSIDE(B, 1) "}",
           112, TRANSIENT);
}

static void test_parked_batch_goes_on(void **state)
{
    struct world *world = *state;
    struct answer parked;
    expect(world, "{'insert': 'c', 'documents': [{'_id': 5, 'n': 0}], " START(A, 1) "}", 0, NULL);
    submit(world,
           "{'insert': 'c', 'documents': [{'_id': 4, 'n': 0}, {'_id': 5, 'n': 1}, "
           "{'_id': 6, 'n': 0}], 'ordered': false}",
           &parked);
    assert_int_equal(n_of(world, 4), 0); /* done before it was parked */
    expect(world, COMMIT(A, 1), 0, NULL);
    assert_int_equal(int_at(parked.reply, "n"), 2);
    assert_int_equal(int_at(parked.reply, "writeErrors.0.index"), 1);
    assert_int_equal(int_at(parked.reply, "writeErrors.0.code"), 11000);
    bson_destroy(parked.reply);
    assert_int_equal(n_of(world, 6), 0);
}

/* What does not match any more when the transaction that it waited for has ended stays as it is. */
static void test_parked_all_looks_again(void **state)
{
    struct world *world = *state;
    struct answer parked;
    expect(world,
           "{'update': 'c', 'updates': [{'q': {'_id': 2}, 'u': {'$set': {'n': 7}}}], " START(A,
                                                                                             1) "}",
           0, NULL);
    submit(world,
           "{'update': 'c', 'updates': [{'q': {'n': 0}, 'u': {'$inc': {'n': 1}}, 'multi': true}]}",
           &parked);
    assert_int_equal(parked.count, 0);
    expect(world, COMMIT(A, 1), 0, NULL);
    assert_int_equal(int_at(parked.reply, "n"), 1);
    assert_int_equal(n_of(world, 1), 1);
    assert_int_equal(n_of(world, 2), 7);
    bson_destroy(parked.reply);
}

static void test_max_time(void **state)
{
    struct world *world = *state;
    struct answer parked, patient;
    expect(world, INC(1, ", " START(A, 1)), 0, NULL);
    submit(world, INC(1, ", 'maxTimeMS': 50"), &parked);
    submit(world, INC(1, ", 'maxTimeMS': 5000"), &patient);
    pass_ms(world, 49);
    assert_int_equal(parked.count, 0);
    assert_int_equal(engine_due_ms(world->engine), 1);
    pass_ms(world, 1);
    assert_code(&parked, 50, NULL);
    assert_int_equal(patient.count, 0);
    expect(world, COMMIT(A, 1), 0, NULL);
    assert_code(&patient, 0, NULL);
    assert_int_equal(n_of(world, 1), 2);
}

static void test_cancelled(void **state)
{
    struct world *world = *state;
    struct answer parked, other;
    expect(world, INC(1, ", " START(A, 1)), 0, NULL);
    submit(world, INC(1, ""), &parked);
    submit(world, INC(1, ""), &other);
    engine_cancel(world->engine, &parked);
    assert_code(&parked, -1, NULL);
    expect(world, COMMIT(A, 1), 0, NULL);
    assert_code(&other, 0, NULL);
    assert_int_equal(n_of(world, 1), 2); /* the client of the other one is gone */
}

static void test_drop_waits(void **state)
{
    struct world *world = *state;
    struct answer parked;
    expect(world, INC(1, ", " START(A, 1)), 0, NULL);
    submit(world, "{'drop': 'c'}", &parked);
    assert_int_equal(parked.count, 0);
    expect(world, COMMIT(A, 1), 0, NULL);
    assert_code(&parked, 0, NULL);
    assert_int_equal(n_of(world, 1), -1);
}

static void test_sessions_end(void **state)
{
    static const char *const ends[] = {
        "{'endSessions': [{'id': {'$binary': {'base64': 'AAAAAAAAAAAAAAAAAAAAAA==', 'subType': "
        "'04'}}}]}",
        "{'killSessions': [{'id': {'$binary': {'base64': 'AAAAAAAAAAAAAAAAAAAAAA==', 'subType': "
        "'04'}}}]}",
        "{'killAllSessions': []}",
    };
    struct world *world = *state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        char *begin = x_format(
            "{'update': 'c', 'updates': [{'q': {'_id': 1}, 'u': {'$inc': {'n': 1}}}], " A
            ", 'txnNumber': {'$numberLong': '%zu'}, 'autocommit': false, 'startTransaction': true}",
            i + 1);
        expect(world, begin, 0, NULL);
        expect(world, ends[i], 0, NULL);
        expect(world, INC(1, ""), 0, NULL); /* nothing is in its way */
        free(begin);
    }
    assert_int_equal(n_of(world, 1), 3);
    expect(world, "{'refreshSessions': []}", 0, NULL);
    expect(world, "{'killSessions': 1}", 14, NULL);
}

/* How many collections others see. */
static int32_t collections(struct world *world)
{
    bson_t *reply = run(world->engine, "{'listCollections': 1}");
    int32_t count = 0;
    bson_iter_t iter, batch;
    assert_true(bson_iter_init(&iter, reply) &&
                bson_iter_find_descendant(&iter, "cursor.firstBatch", &batch) &&
                bson_iter_recurse(&batch, &iter));
    while (bson_iter_next(&iter))
        count++;
    bson_destroy(reply);
    return count;
}

#define INSERT(collection, id, rest)                                                               \
    "{'insert': '" #collection "', 'documents': [{'_id': " #id ", 'n': 1}], " rest "}"
#define INDEX(collection, rest)                                                                    \
    "{'createIndexes': '" #collection "', 'indexes': [{'key': {'n': 1}, 'name': 'n', 'unique': "   \
    "true}], " rest "}"

/* Others wait for a name that a transaction is creating, or have a conflict; at its end the waiting
 * insert into it has stored `n` documents. */
static void check_others(struct world *world, const char *name, const char *end, int32_t n)
{
    char *other = x_format("{'create': '%s', " START(B, 1) "}", name);
    char *plain = x_format("{'insert': '%s', 'documents': [{'_id': 2, 'n': 1}]}", name);
    struct answer waiting;
    expect(world, other, 112, TRANSIENT);
    submit(world, plain, &waiting);
    assert_int_equal(waiting.count, 0);
    expect(world, end, 0, NULL);
    assert_int_equal(waiting.count, 1);
    assert_int_equal(int_at(waiting.reply, "n"), n);
    bson_destroy(waiting.reply);
    free(other);
    free(plain);
}

static void test_created_and_committed(void **state)
{
    struct world *world = *state;
    expect(world, "{'create': 'd', " START(A, 1) "}", 0, NULL);
    expect(world, INDEX(d, INSIDE(A, 1)), 0, NULL);
    expect(world, INSERT(d, 1, INSIDE(A, 1)), 0, NULL);
    expect(world, INSERT(e, 1, INSIDE(A, 1)), 0, NULL);
    expect(world, INDEX(d, INSIDE(A, 1)), 0, NULL); /* it is there */
    assert_int_equal(collections(world), 1);
    check_others(world, "d", COMMIT(A, 1), 0); /* the index is there, and unique */
    assert_int_equal(collections(world), 3);
}

static void test_created_and_aborted(void **state)
{
    struct world *world = *state;
    expect(world, INDEX(d, START(A, 1)), 0, NULL);
    expect(world, INSERT(d, 1, INSIDE(A, 1)), 0, NULL);
    expect(world, INSERT(e, 1, INSIDE(A, 1)), 0, NULL);
    check_others(world, "d", ABORT(A, 1), 1);
    assert_int_equal(collections(world), 2);
    expect(world, INSERT(f, 1, START(A, 2)), 0, NULL); /* no index on what has documents */
    expect(world, INDEX(f, INSIDE(A, 2)), 263, NULL);
    assert_int_equal(collections(world), 2);
}

/* Its row in the catalog has changed since the transaction began, and is gone again. */
static void test_created_and_dropped_meanwhile(void **state)
{
    struct world *world = *state;
    expect(world, INSERT(c, 9, START(A, 1)), 0, NULL);
    expect(world, "{'create': 'd'}", 0, NULL);
    expect(world, "{'drop': 'd'}", 0, NULL);
    expect(world, INSERT(d, 1, INSIDE(A, 1)), 0, NULL);
    expect(world, COMMIT(A, 1), 112, TRANSIENT);
    assert_int_equal(collections(world), 1);
    expect(world, COMMIT(A, 1), 251, TRANSIENT);
    expect(world, INSERT(d, 1, START(A, 2)), 0, NULL);
    expect(world, COMMIT(A, 2), 0, NULL);
    assert_int_equal(collections(world), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_states),
        TEST(test_refusals),
        TEST(test_created_and_committed),
        TEST(test_created_and_aborted),
        TEST(test_created_and_dropped_meanwhile),
        TEST(test_isolation),
        TEST(test_every_write_is_taken_back),
        TEST(test_conflict),
        TEST(test_write_error_ends_it),
        TEST(test_write_skew),
        TEST(test_parked_until_commit),
        TEST(test_parked_until_abort_and_lifetime),
        TEST(test_parked_behind_two),
        TEST(test_parked_upsert_finds_what_came),
        TEST(test_parked_batch_goes_on),
        TEST(test_parked_all_looks_again),
        TEST(test_max_time),
        TEST(test_cancelled),
        TEST(test_drop_waits),
        TEST(test_sessions_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
