/* SPDX-License-Identifier: Apache-2.0
 *
 * commands: a table of commands and replies, run in order through engine_submit() in process, once
 * more on a fiber's stack, and the handshake. errmsg is only compared where a row gives it.
 * labels: engine
 * stores: both
 */
#include "commands.h"
#include <pthread.h>

static void check(struct engine *engine, const char *command, const char *expected)
{
    bson_t *reply = run(engine, command), *wanted = parse(expected), *got = bson_new();
    assert_non_null(reply);
    if (bson_has_field(wanted, "errmsg"))
        bson_copy_to_excluding_noinit(reply, got, "", NULL);
    else
        bson_copy_to_excluding_noinit(reply, got, "errmsg", NULL);
    char *left = bson_as_canonical_extended_json(got, NULL);
    char *right = bson_as_canonical_extended_json(wanted, NULL);
    if (strcmp(left, right) != 0)
        print_message("command %s\n", command);
    assert_string_equal(left, right);
    bson_free(left);
    bson_free(right);
    bson_destroy(reply);
    bson_destroy(wanted);
    bson_destroy(got);
}

struct row {
    const char *command, *reply;
};

static const struct row rows[] = {
    {"{'ping': 1}", "{'ok': 1.0}"},
    {"{'endSessions': [{'id': 1}]}", "{'ok': 1.0}"},
    /* insert */
    {"{'insert': 'c', 'documents': [{'_id': 1, 'n': 0}], 'comment': 'w0.0'}",
     "{'n': 1, 'ok': 1.0}"},
    {"{'insert': 'c', 'documents': [{'_id': 2}, {'_id': 1.0}, {'_id': 3}]}",
     "{'n': 1, 'writeErrors': [{'index': 1, 'code': 11000, 'keyPattern': {'_id': 1}, 'keyValue': "
     "{'_id': 1.0}, 'errmsg': 'E11000 duplicate key error collection: db.c index: _id_ dup key: { "
     "_id: 1.0 }'}], 'ok': 1.0}"},
    {"{'insert': 'c', 'ordered': false, 'documents': [{'_id': 2}, {'_id': [1]}, {'_id': 3}]}",
     "{'n': 1, 'writeErrors': [{'index': 0, 'code': 11000, 'keyPattern': {'_id': 1}, 'keyValue': "
     "{'_id': 2}, 'errmsg': 'E11000 duplicate key error collection: db.c index: _id_ dup key: { "
     "_id: 2 }'}, {'index': 1, 'code': 53, 'errmsg': 'The \\u0027_id\\u0027 value cannot be of "
     "type array'}], 'ok': 1.0}"},
    {"{'insert': 'moved', 'documents': [{'a': 1, '_id': 7}]}", "{'n': 1, 'ok': 1.0}"},
    {"{'find': 'moved'}", "{'cursor': {'firstBatch': [{'_id': 7, 'a': 1}], 'id': {'$numberLong': "
                          "'0'}, 'ns': 'db.moved'}, 'ok': 1.0}"},
    /* upsert: $setOnInsert counts when it inserts, and never else */
    {"{'update': 'born', 'updates': [{'q': {'_id': 1}, 'u': {'$setOnInsert': {'a': 1}, '$inc': "
     "{'n': 1}}, 'upsert': true}]}",
     "{'n': 1, 'nModified': 0, 'upserted': [{'index': 0, '_id': 1}], 'ok': 1.0}"},
    {"{'findAndModify': 'born', 'query': {'_id': 1}, 'update': {'$setOnInsert': {'a': 2}, '$inc': "
     "{'n': 1}}, 'upsert': true, 'new': true}",
     "{'lastErrorObject': {'n': 1, 'updatedExisting': true}, 'value': {'_id': 1, 'a': 1, 'n': 2}, "
     "'ok': 1.0}"},
    {"{'findAndModify': 'born', 'query': {'_id': 2}, 'update': {'$setOnInsert': {'a': 2}, '$inc': "
     "{'n': 1}}, 'upsert': true, 'new': true}",
     "{'lastErrorObject': {'n': 1, 'updatedExisting': false, 'upserted': 2}, 'value': {'_id': 2, "
     "'a': 2, 'n': 1}, 'ok': 1.0}"},
    /* one update for many documents */
    {"{'update': 'born', 'updates': [{'q': {}, 'u': {'$inc': {'n': 1, 'm.k': 1}}, 'multi': true}]}",
     "{'n': 2, 'nModified': 2, 'ok': 1.0}"},
    {"{'update': 'born', 'updates': [{'q': {}, 'u': {'$inc': {'n': 1, 'm.k': 1}}, 'multi': true}]}",
     "{'n': 2, 'nModified': 2, 'ok': 1.0}"},
    {"{'count': 'born', 'query': {'n': {'$gte': 3}, 'm.k': 2}}", "{'n': 2, 'ok': 1.0}"},
    /* find */
    {"{'find': 'c', 'filter': {'_id': 1}}",
     "{'cursor': {'firstBatch': [{'_id': 1, 'n': 0}], 'id': {'$numberLong': '0'}, 'ns': 'db.c'}, "
     "'ok': 1.0}"},
    {"{'find': 'c', 'filter': {'_id': 1, 'n': 1}}",
     "{'cursor': {'firstBatch': [], 'id': {'$numberLong': '0'}, 'ns': 'db.c'}, 'ok': 1.0}"},
    {"{'find': 'nothing'}",
     "{'cursor': {'firstBatch': [], 'id': {'$numberLong': '0'}, 'ns': 'db.nothing'}, 'ok': 1.0}"},
    {"{'find': 'c', 'sort': {'_id': -1}, 'projection': {'_id': 1}, 'limit': 2}",
     "{'cursor': {'firstBatch': [{'_id': 3}, {'_id': 2}], 'id': {'$numberLong': '0'}, 'ns': "
     "'db.c'}, 'ok': 1.0}"},
    {"{'find': 'c', 'sort': {'x': 1}, 'skip': 1}",
     "{'cursor': {'firstBatch': [{'_id': 2}, {'_id': 3}], 'id': {'$numberLong': '0'}, 'ns': "
     "'db.c'}, 'ok': 1.0}"},
    {"{'find': 'c', 'skip': 2, 'hint': '_id_'}",
     "{'cursor': {'firstBatch': [{'_id': 3}], 'id': {'$numberLong': '0'}, 'ns': 'db.c'}, 'ok': "
     "1.0}"},
    {"{'find': 'c', 'batchSize': 1, 'singleBatch': true}",
     "{'cursor': {'firstBatch': [{'_id': 1, 'n': 0}], 'id': {'$numberLong': '0'}, 'ns': 'db.c'}, "
     "'ok': 1.0}"},
    {"{'find': 'c', 'filter': {'_id': {'$gte': 2}}, 'readConcern': {'level': 'majority'}, "
     "'$readPreference': {'mode': 'primary'}, 'maxTimeMS': 100, 'lsid': {'id': {'$binary': "
     "{'base64': "
     "'AAAAAAAAAAAAAAAAAAAAAA==', 'subType': '04'}}}, "
     "'$clusterTime': {}, 'apiVersion': '1'}",
     "{'cursor': {'firstBatch': [{'_id': 2}, {'_id': 3}], 'id': {'$numberLong': '0'}, 'ns': "
     "'db.c'}, 'ok': 1.0}"},
    /* update */
    {"{'update': 'c', 'updates': [{'q': {'_id': 1}, 'u': {'$inc': {'n': 5}}}]}",
     "{'n': 1, 'nModified': 1, 'ok': 1.0}"},
    {"{'update': 'c', 'updates': [{'q': {'_id': 1}, 'u': {'$set': {'n': 5}}}]}",
     "{'n': 1, 'nModified': 0, 'ok': 1.0}"},
    {"{'update': 'c', 'updates': [{'q': {'_id': 9}, 'u': {'$inc': {'n': 1}}}]}",
     "{'n': 0, 'nModified': 0, 'ok': 1.0}"},
    {"{'update': 'nothing', 'updates': [{'q': {'_id': 9}, 'u': {'$inc': {'n': 1}}}]}",
     "{'n': 0, 'nModified': 0, 'ok': 1.0}"},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {'$set': {'all': 1}}, 'multi': true}]}",
     "{'n': 3, 'nModified': 3, 'ok': 1.0}"},
    {"{'update': 'c', 'updates': [{'q': {'_id': 9}, 'u': {'$inc': {'n': 1}}, 'upsert': true}, "
     "{'q': {'_id': 9}, 'u': {'$inc': {'n': 1}}, 'upsert': true}]}",
     "{'n': 2, 'nModified': 1, 'upserted': [{'index': 0, '_id': 9}], 'ok': 1.0}"},
    {"{'update': 'fresh', 'updates': [{'q': {'_id': 1, 'a': 2}, 'u': {'b': 3}, 'upsert': true}]}",
     "{'n': 1, 'nModified': 0, 'upserted': [{'index': 0, '_id': 1}], 'ok': 1.0}"},
    {"{'find': 'fresh'}", "{'cursor': {'firstBatch': [{'_id': 1, 'b': 3}], 'id': {'$numberLong': "
                          "'0'}, 'ns': 'db.fresh'}, 'ok': 1.0}"},
    /* a lock that is held: the upsert clashes on _id */
    {"{'update': 'c', 'updates': [{'q': {'_id': 1, 'held': true}, 'u': {'$set': {'x': 1}}, "
     "'upsert': true}]}",
     "{'n': 0, 'nModified': 0, 'writeErrors': [{'index': 0, 'code': 11000, 'keyPattern': {'_id': "
     "1}, 'keyValue': {'_id': 1}, 'errmsg': 'E11000 duplicate key error collection: db.c index: "
     "_id_ dup key: { _id: 1 }'}], 'ok': 1.0}"},
    /* delete */
    {"{'delete': 'c', 'deletes': [{'q': {'_id': 9}, 'limit': 1}, {'q': {'_id': 9}, 'limit': 1}]}",
     "{'n': 1, 'ok': 1.0}"},
    {"{'delete': 'c', 'deletes': [{'q': {'_id': {'$lt': 3}}, 'limit': 0}]}", "{'n': 2, 'ok': 1.0}"},
    {"{'delete': 'nothing', 'deletes': [{'q': {}, 'limit': 0}]}", "{'n': 0, 'ok': 1.0}"},
    /* findAndModify */
    {"{'insert': 'f', 'documents': [{'_id': 1, 's': 2}, {'_id': 2, 's': 1}, {'_id': 3, 's': 3}]}",
     "{'n': 3, 'ok': 1.0}"},
    {"{'findAndModify': 'f', 'query': {'_id': 1}, 'update': {'$inc': {'n': 1}}, 'new': true, "
     "'remove': false, 'upsert': false}",
     "{'lastErrorObject': {'n': 1, 'updatedExisting': true}, 'value': {'_id': 1, 's': 2, 'n': 1}, "
     "'ok': 1.0}"},
    {"{'findandmodify': 'f', 'query': {'_id': 1}, 'update': {'$inc': {'n': 1}}, 'fields': {}}",
     "{'lastErrorObject': {'n': 1, 'updatedExisting': true}, 'value': {'_id': 1, 's': 2, 'n': 1}, "
     "'ok': 1.0}"},
    {"{'findAndModify': 'f', 'sort': {'s': 1}, 'update': {'$set': {'x': 1}}, 'fields': {'_id': "
     "1}}",
     "{'lastErrorObject': {'n': 1, 'updatedExisting': true}, 'value': {'_id': 2}, 'ok': 1.0}"},
    {"{'findAndModify': 'f', 'query': {'_id': 8}, 'update': {'$set': {'x': 1}}}",
     "{'lastErrorObject': {'n': 0, 'updatedExisting': false}, 'value': null, 'ok': 1.0}"},
    {"{'findAndModify': 'f', 'query': {'_id': 8}, 'update': {'$set': {'x': 1}}, 'upsert': true}",
     "{'lastErrorObject': {'n': 1, 'updatedExisting': false, 'upserted': 8}, 'value': null, 'ok': "
     "1.0}"},
    {"{'findAndModify': 'f', 'query': {'_id': 7}, 'update': {'$set': {'x': 1}}, 'upsert': true, "
     "'new': true}",
     "{'lastErrorObject': {'n': 1, 'updatedExisting': false, 'upserted': 7}, 'value': {'_id': 7, "
     "'x': 1}, 'ok': 1.0}"},
    {"{'findAndModify': 'f', 'sort': {'s': -1}, 'remove': true}",
     "{'lastErrorObject': {'n': 1}, 'value': {'_id': 3, 's': 3}, 'ok': 1.0}"},
    {"{'findAndModify': 'f', 'query': {'_id': 99}, 'remove': true}",
     "{'lastErrorObject': {'n': 0}, 'value': null, 'ok': 1.0}"},
    /* count, aggregate */
    {"{'count': 'f'}", "{'n': 4, 'ok': 1.0}"},
    {"{'count': 'f', 'query': {'x': 1}, 'skip': 1, 'limit': 1}", "{'n': 1, 'ok': 1.0}"},
    {"{'count': 'f', 'limit': -2}", "{'n': 2, 'ok': 1.0}"},
    {"{'count': 'nothing'}", "{'n': 0, 'ok': 1.0}"},
    {"{'aggregate': 'f', 'pipeline': [{'$match': {'x': 1}}, {'$group': {'_id': 1, 'n': {'$sum': "
     "1}}}], 'cursor': {}}",
     "{'cursor': {'firstBatch': [{'_id': 1, 'n': 3}], 'id': {'$numberLong': '0'}, 'ns': 'db.f'}, "
     "'ok': 1.0}"},
    {"{'aggregate': 'f', 'pipeline': [{'$match': {}}, {'$skip': 1}, {'$limit': 2}, {'$group': "
     "{'_id': null, 'n': {'$sum': 1}}}], 'cursor': {}}",
     "{'cursor': {'firstBatch': [{'_id': null, 'n': 2}], 'id': {'$numberLong': '0'}, 'ns': "
     "'db.f'}, 'ok': 1.0}"},
    {"{'aggregate': 'f', 'pipeline': [{'$skip': 3}, {'$group': {'_id': 1, 'n': {'$sum': 2}}}], "
     "'cursor': {}}",
     "{'cursor': {'firstBatch': [{'_id': 1, 'n': 2}], 'id': {'$numberLong': '0'}, 'ns': 'db.f'}, "
     "'ok': 1.0}"},
    {"{'aggregate': 'f', 'pipeline': [{'$match': {'x': 5}}, {'$group': {'_id': 1, 'n': {'$sum': "
     "1}}}], 'cursor': {}}",
     "{'cursor': {'firstBatch': [], 'id': {'$numberLong': '0'}, 'ns': 'db.f'}, 'ok': 1.0}"},
    {"{'aggregate': 'f', 'pipeline': [{'$limit': 1}], 'cursor': {}}",
     "{'cursor': {'firstBatch': [{'_id': 1, 's': 2, 'n': 2}], 'id': {'$numberLong': '0'}, 'ns': "
     "'db.f'}, 'ok': 1.0}"},
    /* collections and indexes */
    {"{'create': 'made'}", "{'ok': 1.0}"},
    {"{'create': 'made'}", "{'ok': 0.0, 'code': 48, 'codeName': 'NamespaceExists'}"},
    {"{'createIndexes': 'users', 'indexes': [{'key': {'name': 1}, 'name': 'name_1', 'unique': "
     "true}]}",
     "{'numIndexesBefore': 1, 'numIndexesAfter': 2, 'createdCollectionAutomatically': true, 'ok': "
     "1.0}"},
    {"{'createIndexes': 'users', 'indexes': [{'key': {'name': 1}, 'name': 'name_1', 'unique': "
     "true}]}",
     "{'numIndexesBefore': 2, 'numIndexesAfter': 2, 'createdCollectionAutomatically': false, "
     "'note': 'all indexes already exist', 'ok': 1.0}"},
    {"{'createIndexes': 'users', 'indexes': [{'key': {'age': 1}, 'name': 'name_1'}]}",
     "{'ok': 0.0, 'code': 86, 'codeName': 'IndexKeySpecsConflict'}"},
    {"{'createIndexes': 'users', 'indexes': [{'key': {'name': 1}, 'name': 'name_1'}]}",
     "{'ok': 0.0, 'code': 86, 'codeName': 'IndexKeySpecsConflict'}"},
    {"{'createIndexes': 'users', 'indexes': [{'key': {'name': 1}, 'name': 'other'}]}",
     "{'ok': 0.0, 'code': 85, 'codeName': 'IndexOptionsConflict'}"},
    {"{'insert': 'users', 'documents': [{'_id': 1, 'name': 'a'}, {'_id': 2, 'name': 'b'}]}",
     "{'n': 2, 'ok': 1.0}"},
    {"{'insert': 'users', 'documents': [{'_id': 3, 'name': 'a'}]}",
     "{'n': 0, 'writeErrors': [{'index': 0, 'code': 11000, 'keyPattern': {'name': 1}, 'keyValue': "
     "{'name': 'a'}, 'errmsg': 'E11000 duplicate key error collection: db.users index: name_1 dup "
     "key: { name: \\u0022a\\u0022 }'}], 'ok': 1.0}"},
    {"{'count': 'users'}", "{'n': 2, 'ok': 1.0}"},
    {"{'findAndModify': 'users', 'query': {'_id': 2}, 'update': {'$set': {'name': 'a'}}}",
     "{'ok': 0.0, 'code': 11000, 'codeName': 'DuplicateKey', 'keyPattern': {'name': 1}, "
     "'keyValue': {'name': 'a'}}"},
    {"{'update': 'users', 'updates': [{'q': {'name': 'b'}, 'u': {'$set': {'name': 'c'}}}]}",
     "{'n': 1, 'nModified': 1, 'ok': 1.0}"},
    {"{'find': 'users', 'filter': {'name': 'b'}}",
     "{'cursor': {'firstBatch': [], 'id': {'$numberLong': '0'}, 'ns': 'db.users'}, 'ok': 1.0}"},
    {"{'find': 'users', 'filter': {'name': 'c'}, 'hint': {'name': 1}}",
     "{'cursor': {'firstBatch': [{'_id': 2, 'name': 'c'}], 'id': {'$numberLong': '0'}, 'ns': "
     "'db.users'}, 'ok': 1.0}"},
    {"{'delete': 'users', 'deletes': [{'q': {'name': 'c'}, 'limit': 1}]}", "{'n': 1, 'ok': 1.0}"},
    {"{'insert': 'users', 'documents': [{'_id': 3, 'name': 'c'}, {'_id': 4}, {'_id': 5}]}",
     "{'n': 2, 'writeErrors': [{'index': 2, 'code': 11000, 'keyPattern': {'name': 1}, 'keyValue': "
     "{'name': null}, 'errmsg': 'E11000 duplicate key error collection: db.users index: name_1 dup "
     "key: { name: null }'}], 'ok': 1.0}"},
    {"{'find': 'users', 'filter': {'name': null}}",
     "{'cursor': {'firstBatch': [{'_id': 4}], 'id': {'$numberLong': '0'}, 'ns': 'db.users'}, 'ok': "
     "1.0}"},
    {"{'insert': 'twice', 'documents': [{'_id': 1, 'a': 1}, {'_id': 2, 'a': 1}]}",
     "{'n': 2, 'ok': 1.0}"},
    {"{'createIndexes': 'twice', 'indexes': [{'key': {'a': 1}, 'name': 'a_1', 'unique': true}]}",
     "{'ok': 0.0, 'code': 11000, 'codeName': 'DuplicateKey', 'keyPattern': {'a': 1}, 'keyValue': "
     "{'a': 1}}"},
    {"{'createIndexes': 'twice', 'indexes': [{'key': {'a': 1}, 'name': 'a_1'}]}",
     "{'numIndexesBefore': 1, 'numIndexesAfter': 2, 'createdCollectionAutomatically': false, 'ok': "
     "1.0}"},
    {"{'drop': 'users'}", "{'nIndexesWas': 2, 'ns': 'db.users', 'ok': 1.0}"},
    {"{'drop': 'users'}",
     "{'ok': 0.0, 'errmsg': 'ns not found', 'code': 26, 'codeName': 'NamespaceNotFound'}"},
    {"{'create': 'one', '$db': 'two'}", "{'ok': 1.0}"},
    {"{'create': 'other', '$db': 'two2'}", "{'ok': 1.0}"},
    {"{'listCollections': 1, 'nameOnly': true, '$db': 'two'}",
     "{'cursor': {'firstBatch': [{'name': 'one', 'type': 'collection'}], 'id': {'$numberLong': "
     "'0'}, 'ns': 'two.$cmd.listCollections'}, 'ok': 1.0}"},
    {"{'listCollections': 1, 'filter': {'name': 'one'}, '$db': 'two'}",
     "{'cursor': {'firstBatch': [{'name': 'one', 'type': 'collection', 'options': {}, 'info': "
     "{'readOnly': false}, 'idIndex': {'v': 2, 'key': {'_id': 1}, 'name': '_id_'}}], 'id': "
     "{'$numberLong': '0'}, 'ns': 'two.$cmd.listCollections'}, 'ok': 1.0}"},
    {"{'listCollections': 1, 'filter': {'name': 'x'}, '$db': 'two'}",
     "{'cursor': {'firstBatch': [], 'id': {'$numberLong': '0'}, 'ns': 'two.$cmd.listCollections'}, "
     "'ok': 1.0}"},
    {"{'dropDatabase': 1, '$db': 'two'}", "{'dropped': 'two', 'ok': 1.0}"},
    {"{'dropDatabase': 1, '$db': 'two'}", "{'ok': 1.0}"},
    {"{'count': 'moved'}", "{'n': 1, 'ok': 1.0}"}, /* another database stays */
    /* concerns */
    {"{'insert': 'w', 'documents': [{'_id': 1}], 'writeConcern': {'w': 2}}",
     "{'n': 1, 'writeConcernError': {'code': 100, 'codeName': 'UnsatisfiableWriteConcern', "
     "'errmsg': 'Not enough data-bearing nodes'}, 'ok': 1.0}"},
    {"{'insert': 'w', 'documents': [{'_id': 2}], 'writeConcern': {'w': 'far', 'wtimeout': 1}}",
     "{'n': 1, 'writeConcernError': {'code': 79, 'codeName': 'UnknownReplWriteConcern', 'errmsg': "
     "'No write concern mode named \\u0027far\\u0027 found in replica set configuration'}, 'ok': "
     "1.0}"},
    {"{'insert': 'w', 'documents': [{'_id': 3}], 'writeConcern': {'w': 'majority', 'j': true}}",
     "{'n': 1, 'ok': 1.0}"},
    {"{'insert': 'w', 'documents': [{'_id': 4}], 'writeConcern': {'w': 0}}", "{'n': 1, 'ok': 1.0}"},
    {"{'count': 'w'}", "{'n': 4, 'ok': 1.0}"},
    {"{'killCursors': 'c', 'cursors': [{'$numberLong': '5'}]}",
     "{'cursorsKilled': [], 'cursorsNotFound': [{'$numberLong': '5'}], 'cursorsAlive': [], "
     "'cursorsUnknown': [], 'ok': 1.0}"},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check(*state, rows[i].command, rows[i].reply);
}

/* A multi-update that fails at its third document keeps what it has done, and the batch goes on. */
static void test_fails_midway(void **state)
{
    bson_destroy(run(*state,
                     "{'insert': 'c', 'documents': [{'_id': 1}, {'_id': 2}, {'_id': 3, 'm': "
                     "'text'}, {'_id': 4}]}"));
    bson_t *reply = run(*state, "{'update': 'c', 'ordered': false, 'updates': [{'q': {}, 'u': "
                                "{'$inc': {'m': 1}}, 'multi': true}, {'q': {'_id': 4}, 'u': "
                                "{'$set': {'m': 8}}}]}");
    assert_int_equal(int_at(reply, "n"), 3);
    assert_int_equal(int_at(reply, "nModified"), 3);
    assert_int_equal(int_at(reply, "writeErrors.0.index"), 0);
    assert_int_equal(int_at(reply, "writeErrors.0.code"), 14);
    bson_destroy(reply);
    reply = run(*state, "{'count': 'c', 'query': {'m': 1}}");
    assert_int_equal(int_at(reply, "n"), 2);
    bson_destroy(reply);
}

static void test_hello(void **state)
{
    static const char *const names[] = {"hello", "isMaster", "ismaster"};
    bson_iter_t iter;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *text = x_format("{'%s': 1, 'helloOk': true, 'anything': 1, 'client': {}}", names[i]);
        bson_t *reply = run(*state, text);
        assert_true(bson_iter_init_find(&iter, reply, i == 0 ? "isWritablePrimary" : "ismaster"));
        assert_true(BSON_ITER_HOLDS_BOOL(&iter) && bson_iter_bool(&iter));
        assert_true(bson_iter_init_find(&iter, reply, "maxWireVersion"));
        assert_true(BSON_ITER_HOLDS_INT32(&iter) && bson_iter_int32(&iter) == 17);
        assert_true(bson_iter_init_find(&iter, reply, "connectionId"));
        assert_true(BSON_ITER_HOLDS_INT32(&iter));
        assert_int_equal(int_at(reply, "minWireVersion"), 0);
        assert_int_equal(int_at(reply, "logicalSessionTimeoutMinutes"), 30);
        assert_false(bson_has_field(reply, "setName"));
        assert_false(bson_has_field(reply, "topologyVersion"));
        assert_false(bson_has_field(reply, "compression"));
        bson_destroy(reply);
        free(text);
    }
    bson_t *reply = run(*state, "{'buildinfo': 1}");
    assert_true(bson_iter_init_find(&iter, reply, "version"));
    assert_string_equal(bson_iter_utf8(&iter, NULL), "6.0.0");
    assert_true(bson_iter_init_find(&iter, reply, "racebench") && bson_iter_bool(&iter));
    bson_destroy(reply);
}

/* Fibers call the engine on stacks of 64 KiB: all rows, and an _id that nests as deep as may be. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK_BYTES = 128 * 1024 };
#else
enum { STACK_BYTES = 64 * 1024 };
#endif

struct small_stack {
    struct engine *engine;
    bson_t *commands[COUNT_OF(rows) + 2];
};

static void ignore_reply(const bson_t *reply, void *context)
{
    (void)reply;
    (void)context;
}

static void *submit_all(void *context)
{
    struct small_stack *small = context;
    for (size_t i = 0; i < COUNT_OF(small->commands); i++)
        engine_submit(small->engine, small->commands[i], ignore_reply, NULL);
    return NULL;
}

static bson_t *deep_insert(int depth)
{
    bson_t *deep = parse("{'_id': 1}");
    for (int i = 0; i < depth; i++) {
        bson_t *outer = bson_new();
        bson_append_document(outer, "_id", -1, deep);
        bson_destroy(deep);
        deep = outer;
    }
    bson_t *command = parse("{'insert': 'deep', '$db': 'db'}"), documents;
    bson_append_array_begin(command, "documents", -1, &documents);
    bson_append_document(&documents, "0", -1, deep);
    bson_append_array_end(command, &documents);
    bson_destroy(deep);
    return command;
}

static void test_small_stack(void **state)
{
    struct small_stack small = {.engine = *state};
    pthread_attr_t attributes;
    pthread_t thread;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        small.commands[i] = parse(rows[i].command);
        if (!bson_has_field(small.commands[i], "$db"))
            BSON_APPEND_UTF8(small.commands[i], "$db", "db");
    }
    small.commands[COUNT_OF(rows)] = deep_insert(97);
    small.commands[COUNT_OF(rows) + 1] = deep_insert(97);
    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attributes, submit_all, &small), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    bson_t *reply = run(*state, "{'count': 'deep'}");
    assert_int_equal(int_at(reply, "n"), 1);
    bson_destroy(reply);
    for (size_t i = 0; i < COUNT_OF(small.commands); i++)
        bson_destroy(small.commands[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_fails_midway, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_hello, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_small_stack, engine_setup, engine_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
