/* SPDX-License-Identifier: Apache-2.0
 *
 * commands: a table of commands and replies, run in order through engine_submit() in process; and a
 * table of everything that is refused, with MongoDB's code and name. Texts are JSON with ' for ".
 * errmsg is only compared where a row gives it.
 * labels: engine
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "engine/engine.h"
#include "gate.h"

static bson_t *parse(const char *text)
{
    char *json = x_strdup(text);
    bson_error_t error;
    for (char *at = json; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, &error);
    if (document == NULL)
        fail_msg("%s: %s", json, error.message);
    free(json);
    return document;
}

static void keep_reply(const bson_t *reply, void *context)
{
    *(bson_t **)context = reply != NULL ? bson_copy(reply) : NULL;
}

/* Runs a command ("$db" is "db" unless it says otherwise); the caller frees the reply. */
static bson_t *run(struct engine *engine, const char *text)
{
    bson_t *command = parse(text), *reply = NULL;
    if (!bson_has_field(command, "$db"))
        BSON_APPEND_UTF8(command, "$db", "db");
    engine_submit(engine, command, keep_reply, &reply);
    bson_destroy(command);
    return reply;
}

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
     "'$readPreference': {'mode': 'primary'}, 'maxTimeMS': 100, 'lsid': {'id': 1}, "
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
    /* one that fails midway keeps what is done: documents 1, 2, 3 and 9 in this order */
    {"{'update': 'c', 'updates': [{'q': {'_id': 3}, 'u': {'$set': {'m': 'text'}}}]}",
     "{'n': 1, 'nModified': 1, 'ok': 1.0}"},
    {"{'update': 'c', 'ordered': false, 'updates': [{'q': {}, 'u': {'$inc': {'m': 1}}, 'multi': "
     "true}, {'q': {'_id': 9}, 'u': {'$set': {'m': 8}}}]}",
     "{'n': 3, 'nModified': 3, 'writeErrors': [{'index': 0, 'code': 14, 'errmsg': 'Cannot apply "
     "$inc to a value of non-numeric type. The field \\u0027m\\u0027 is not a number'}], 'ok': "
     "1.0}"},
    /* delete */
    {"{'delete': 'c', 'deletes': [{'q': {'_id': 9}, 'limit': 1}, {'q': {'_id': 9}, 'limit': 1}]}",
     "{'n': 1, 'ok': 1.0}"},
    {"{'delete': 'c', 'deletes': [{'q': {'m': 1}, 'limit': 0}]}", "{'n': 2, 'ok': 1.0}"},
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

struct refusal {
    const char *command;
    int32_t code;
    const char *name;
};

static const struct refusal refusals[] = {
    {"{}", 59, "CommandNotFound"}, /* "$db" is its first field then */
    {"{'foo': 1}", 59, "CommandNotFound"},
    {"{'saslStart': 1, 'mechanism': 'SCRAM-SHA-256'}", 59, "CommandNotFound"},
    {"{'saslContinue': 1}", 59, "CommandNotFound"},
    {"{'authenticate': 1}", 59, "CommandNotFound"},
    {"{'getnonce': 1}", 59, "CommandNotFound"},
    {"{'bulkWrite': 1}", 59, "CommandNotFound"},
    {"{'Find': 'c'}", 59, "CommandNotFound"},
    /* names */
    {"{'find': 'c', '$db': ''}", 73, "InvalidNamespace"},
    {"{'find': 'c', '$db': 'a.b'}", 73, "InvalidNamespace"},
    {"{'find': 'c', '$db': 'a b'}", 73, "InvalidNamespace"},
    {"{'find': 'c', '$db': "
     "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}",
     73, "InvalidNamespace"},
    {"{'find': ''}", 73, "InvalidNamespace"},
    {"{'find': 'a$b'}", 73, "InvalidNamespace"},
    {"{'find': '.a'}", 73, "InvalidNamespace"},
    {"{'find': 1}", 73, "InvalidNamespace"},
    {"{'find': 'a\\u0000b'}", 73, "InvalidNamespace"},
    {"{'create': {}}", 73, "InvalidNamespace"},
    {"{'find': 'c', '$db': 5}", 14, "TypeMismatch"},
    /* the envelope */
    {"{'find': 'c', 'apiVersion': '2'}", 322, "APIVersionError"},
    {"{'find': 'c', 'txnNumber': {'$numberLong': '1'}}", 20, "IllegalOperation"},
    {"{'insert': 'c', 'documents': [{}], 'txnNumber': {'$numberLong': '1'}}", 20,
     "IllegalOperation"},
    {"{'find': 'c', 'startTransaction': true, 'autocommit': false, 'txnNumber': {'$numberLong': "
     "'1'}}",
     20, "IllegalOperation"},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {'$set': {'a': 1}}}], 'autocommit': false}", 20,
     "IllegalOperation"},
    {"{'commitTransaction': 1, '$db': 'admin', 'txnNumber': {'$numberLong': '1'}, 'autocommit': "
     "false}",
     20, "IllegalOperation"},
    {"{'abortTransaction': 1, '$db': 'admin', 'txnNumber': {'$numberLong': '1'}, 'autocommit': "
     "false}",
     20, "IllegalOperation"},
    {"{'commitTransaction': 1, '$db': 'admin'}", 20, "IllegalOperation"},
    {"{'abortTransaction': 1, '$db': 'admin'}", 20, "IllegalOperation"},
    {"{'abortTransaction': 1}", 13, "Unauthorized"},
    {"{'find': 'c', 'maxTimeMS': 'soon'}", 14, "TypeMismatch"},
    {"{'find': 'c', 'writeConcern': {'w': 1}}", 72, "InvalidOptions"},
    {"{'ping': 1, 'readConcern': {'level': 'local'}}", 72, "InvalidOptions"},
    {"{'insert': 'c', 'documents': [{}], 'readConcern': {'level': 'local'}}", 72, "InvalidOptions"},
    {"{'find': 'c', 'readConcern': {'level': 'snapshot'}}", 246, "SnapshotUnavailable"},
    {"{'find': 'c', 'readConcern': {'level': 'linearizable'}}", 123, "NotAReplicaSet"},
    {"{'find': 'c', 'readConcern': {'level': 'wild'}}", 2, "BadValue"},
    {"{'find': 'c', 'readConcern': {'afterClusterTime': 1}}", 238, "NotImplemented"},
    {"{'find': 'c', 'readConcern': {'atClusterTime': 1}}", 238, "NotImplemented"},
    {"{'find': 'c', 'readConcern': {'afterOpTime': 1}}", 238, "NotImplemented"},
    {"{'find': 'c', 'readConcern': {'x': 1}}", 40415, "Location40415"},
    {"{'insert': 'c', 'documents': [{}], 'writeConcern': {'w': -1}}", 9, "FailedToParse"},
    {"{'insert': 'c', 'documents': [{}], 'writeConcern': {'w': 51}}", 9, "FailedToParse"},
    {"{'insert': 'c', 'documents': [{}], 'writeConcern': {'w': [1]}}", 9, "FailedToParse"},
    {"{'insert': 'c', 'documents': [{}], 'writeConcern': 1}", 14, "TypeMismatch"},
    {"{'insert': 'c', 'documents': [{}], 'writeConcern': {'x': 1}}", 40415, "Location40415"},
    /* insert */
    {"{'insert': 'c'}", 40414, "Location40414"},
    {"{'insert': 'c', 'documents': []}", 16, "InvalidLength"},
    {"{'insert': 'c', 'documents': {}}", 14, "TypeMismatch"},
    {"{'insert': 'c', 'documents': [{}], 'documents': [{}]}", 40413, "Location40413"},
    {"{'insert': 'c', 'documents': [{}], 'ordered': 'no'}", 14, "TypeMismatch"},
    {"{'insert': 'c', 'documents': [{}], 'x': 1}", 40415, "Location40415"},
    /* update */
    {"{'update': 'c'}", 40414, "Location40414"},
    {"{'update': 'c', 'updates': []}", 16, "InvalidLength"},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}}], 'let': {}}", 238, "NotImplemented"},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}}], 'x': 1}", 40415, "Location40415"},
    /* delete */
    {"{'delete': 'c', 'deletes': []}", 16, "InvalidLength"},
    {"{'delete': 'c', 'deletes': [{'q': {}, 'limit': 0}], 'let': {}}", 238, "NotImplemented"},
    {"{'delete': 'c', 'deletes': [{'q': {}, 'limit': 0}], 'x': 1}", 40415, "Location40415"},
    /* find */
    {"{'find': 'c', 'collation': {}}", 238, "NotImplemented"},
    {"{'find': 'c', 'let': {}}", 238, "NotImplemented"},
    {"{'find': 'c', 'tailable': true}", 238, "NotImplemented"},
    {"{'find': 'c', 'awaitData': true}", 238, "NotImplemented"},
    {"{'find': 'c', 'min': {}}", 238, "NotImplemented"},
    {"{'find': 'c', 'max': {}}", 238, "NotImplemented"},
    {"{'find': 'c', 'returnKey': true}", 238, "NotImplemented"},
    {"{'find': 'c', 'showRecordId': true}", 238, "NotImplemented"},
    {"{'find': 'c', 'x': 1}", 40415, "Location40415"},
    {"{'find': 'c', 'limit': -1}", 51024, "Location51024"},
    {"{'find': 'c', 'limit': 1.5}", 9, "FailedToParse"},
    {"{'find': 'c', 'limit': 'x'}", 14, "TypeMismatch"},
    {"{'find': 'c', 'filter': 1}", 14, "TypeMismatch"},
    {"{'find': 'c', 'hint': 'nope'}", 2, "BadValue"},
    {"{'find': 'c', 'hint': {'a': 1}}", 2, "BadValue"},
    {"{'find': 'c', 'hint': 1}", 9, "FailedToParse"},
    {"{'find': 'c', 'filter': {'a': {'$near': 1}}}", 238, "NotImplemented"},
    {"{'find': 'empty', 'filter': {'$bad': 1}}", 2, "BadValue"},
    /* findAndModify */
    {"{'findAndModify': 'c'}", 9, "FailedToParse"},
    {"{'findAndModify': 'c', 'update': {}, 'remove': true}", 9, "FailedToParse"},
    {"{'findAndModify': 'c', 'upsert': true, 'remove': true}", 9, "FailedToParse"},
    {"{'findAndModify': 'c', 'new': true, 'remove': true}", 9, "FailedToParse"},
    {"{'findAndModify': 'c', 'update': 1}", 9, "FailedToParse"},
    {"{'findAndModify': 'c', 'update': {'$foo': {'a': 1}}}", 9, "FailedToParse"},
    {"{'findAndModify': 'c', 'update': {}, 'arrayFilters': []}", 238, "NotImplemented"},
    {"{'findAndModify': 'c', 'update': {}, 'collation': {}}", 238, "NotImplemented"},
    {"{'findAndModify': 'c', 'update': {}, 'let': {}}", 238, "NotImplemented"},
    {"{'findAndModify': 'c', 'update': {}, 'x': {}}", 40415, "Location40415"},
    /* cursors */
    {"{'getMore': {'$numberLong': '5'}, 'collection': 'c'}", 43, "CursorNotFound"},
    {"{'getMore': 5, 'collection': 'c'}", 14, "TypeMismatch"},
    {"{'getMore': {'$numberLong': '5'}}", 40414, "Location40414"},
    {"{'getMore': {'$numberLong': '5'}, 'collection': 'c', 'term': 1}", 238, "NotImplemented"},
    {"{'killCursors': 'c', 'cursors': [5]}", 14, "TypeMismatch"},
    /* count, aggregate */
    {"{'count': 'c', 'collation': {}}", 238, "NotImplemented"},
    {"{'count': 'c', 'x': 1}", 40415, "Location40415"},
    {"{'aggregate': 'c', 'pipeline': []}", 40414, "Location40414"},
    {"{'aggregate': 'c', 'cursor': {}}", 40414, "Location40414"},
    {"{'aggregate': 'c', 'pipeline': [{'$nope': {}}], 'cursor': {}}", 40324, "Location40324"},
    {"{'aggregate': 'c', 'pipeline': [{'$lookup': {}}], 'cursor': {}}", 238, "NotImplemented"},
    {"{'aggregate': 'c', 'pipeline': [{'$out': 'x'}], 'cursor': {}}", 238, "NotImplemented"},
    {"{'aggregate': 'c', 'pipeline': [{'$merge': 'x'}], 'cursor': {}}", 238, "NotImplemented"},
    {"{'aggregate': 'c', 'pipeline': [{'$changeStream': {}}], 'cursor': {}}", 238,
     "NotImplemented"},
    {"{'aggregate': 'c', 'pipeline': [{'$skip': 1, '$limit': 1}], 'cursor': {}}", 40323,
     "Location40323"},
    {"{'aggregate': 'c', 'pipeline': [{'$limit': 0}], 'cursor': {}}", 9, "FailedToParse"},
    {"{'aggregate': 'c', 'pipeline': [{'$skip': -1}], 'cursor': {}}", 9, "FailedToParse"},
    {"{'aggregate': 'c', 'pipeline': [{'$group': {'_id': '$a'}}], 'cursor': {}}", 238,
     "NotImplemented"},
    {"{'aggregate': 'c', 'pipeline': [{'$group': {'n': {'$sum': 1}}}], 'cursor': {}}", 15952,
     "Location15952"},
    {"{'aggregate': 'c', 'pipeline': [{'$group': {'_id': 1, 'n': {'$foo': 1}}}], 'cursor': {}}",
     15952, "Location15952"},
    {"{'aggregate': 'c', 'pipeline': [{'$group': {'_id': 1}}, {'$skip': 1}], 'cursor': {}}", 238,
     "NotImplemented"},
    {"{'aggregate': 'c', 'pipeline': [1], 'cursor': {}}", 14, "TypeMismatch"},
    {"{'aggregate': 'c', 'pipeline': [], 'cursor': {}, 'explain': true}", 238, "NotImplemented"},
    {"{'aggregate': 'c', 'pipeline': [], 'cursor': {}, 'collation': {}}", 238, "NotImplemented"},
    {"{'aggregate': 'c', 'pipeline': [], 'cursor': {}, 'let': {}}", 238, "NotImplemented"},
    {"{'aggregate': 1, 'pipeline': [], 'cursor': {}}", 73, "InvalidNamespace"},
    /* collections and indexes */
    {"{'create': 'x', 'capped': true}", 238, "NotImplemented"},
    {"{'create': 'x', 'size': 1}", 238, "NotImplemented"},
    {"{'create': 'x', 'max': 1}", 238, "NotImplemented"},
    {"{'create': 'x', 'validator': {}}", 238, "NotImplemented"},
    {"{'create': 'x', 'viewOn': 'c'}", 238, "NotImplemented"},
    {"{'create': 'x', 'timeseries': {}}", 238, "NotImplemented"},
    {"{'create': 'x', 'collation': {}}", 238, "NotImplemented"},
    {"{'create': 'x', 'clusteredIndex': {}}", 238, "NotImplemented"},
    {"{'create': 'x', 'expireAfterSeconds': 1}", 238, "NotImplemented"},
    {"{'create': 'x', 'bogus': 1}", 40415, "Location40415"},
    {"{'drop': 'nothing'}", 26, "NamespaceNotFound"},
    {"{'drop': 'nothing', 'x': 1}", 40415, "Location40415"},
    {"{'dropDatabase': 1, 'x': 1}", 40415, "Location40415"},
    {"{'listCollections': 1, 'x': 1}", 40415, "Location40415"},
    {"{'listCollections': 1, 'filter': {'$bad': 1}}", 2, "BadValue"},
    {"{'endSessions': 1}", 14, "TypeMismatch"},
    {"{'createIndexes': 'x', 'indexes': []}", 2, "BadValue"},
    {"{'createIndexes': 'x', 'indexes': [1]}", 14, "TypeMismatch"},
    {"{'createIndexes': 'x', 'indexes': [{'name': 'a'}]}", 40414, "Location40414"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 1}}]}", 40414, "Location40414"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {}, 'name': 'a'}]}", 67, "CannotCreateIndex"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 'text'}, 'name': 'a'}]}", 67,
     "CannotCreateIndex"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 'hashed'}, 'name': 'a'}]}", 67,
     "CannotCreateIndex"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'$**': 1}, 'name': 'a'}]}", 67,
     "CannotCreateIndex"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a.$**': 1}, 'name': 'a'}]}", 67,
     "CannotCreateIndex"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 0}, 'name': 'a'}]}", 67,
     "CannotCreateIndex"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 1}, 'name': '_id_'}]}", 67,
     "CannotCreateIndex"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 1}, 'name': 'a', 'sparse': true}]}", 238,
     "NotImplemented"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 1}, 'name': 'a', 'expireAfterSeconds': 1}]}",
     238, "NotImplemented"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 1}, 'name': 'a', "
     "'partialFilterExpression': {}}]}",
     238, "NotImplemented"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 1}, 'name': 'a', 'collation': {}}]}", 238,
     "NotImplemented"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 1}, 'name': 'a', 'hidden': true}]}", 238,
     "NotImplemented"},
    {"{'createIndexes': 'x', 'indexes': [{'key': {'a': 1}, 'name': 'a', 'bogus': true}]}", 40415,
     "Location40415"},
    {"{'hello': 1, 'apiVersion': '2'}", 322, "APIVersionError"},
};

/* Statements that are refused one by one: their failure stands in writeErrors. */
static const struct refusal statement_refusals[] = {
    {"{'update': 'c', 'updates': [{'u': {}}]}", 40414, ""},
    {"{'update': 'c', 'updates': [{'q': {}}]}", 40414, ""},
    {"{'update': 'c', 'updates': [1]}", 14, ""},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': 1}]}", 9, ""},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}, 'sort': {}}]}", 238, ""},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}, 'arrayFilters': []}]}", 238, ""},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}, 'collation': {}}]}", 238, ""},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}, 'c': {}}]}", 238, ""},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}, 'x': 1}]}", 40415, ""},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}, 'multi': true}]}", 9, ""},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {'$foo': {'a': 1}}}]}", 9, ""},
    {"{'update': 'c', 'updates': [{'q': {'$bad': 1}, 'u': {}}]}", 2, ""},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}, 'hint': 'nope'}]}", 2, ""},
    {"{'delete': 'c', 'deletes': [{'q': {}}]}", 40414, ""},
    {"{'delete': 'c', 'deletes': [{'limit': 1}]}", 40414, ""},
    {"{'delete': 'c', 'deletes': [{'q': {}, 'limit': 2}]}", 9, ""},
    {"{'delete': 'c', 'deletes': [{'q': {}, 'limit': 1, 'collation': {}}]}", 238, ""},
    {"{'delete': 'c', 'deletes': [{'q': {}, 'limit': 1, 'x': 1}]}", 40415, ""},
    {"{'delete': 'c', 'deletes': [{'q': {}, 'limit': 1, 'hint': 'nope'}]}", 2, ""},
    {"{'delete': 'c', 'deletes': [1]}", 14, ""},
    {"{'insert': 'c', 'documents': [1]}", 14, ""},
    {"{'insert': 'c', 'documents': [{'_id': {'$regularExpression': {'pattern': 'a', 'options': "
     "''}}}]}",
     53, ""},
};

static int engine_setup(void **state)
{
    *state = engine_new(&(struct engine_settings){.seed = 1});
    return 0;
}

static int engine_teardown(void **state)
{
    engine_free(*state);
    return 0;
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check(*state, rows[i].command, rows[i].reply);
}

static int32_t int_at(const bson_t *document, const char *path)
{
    bson_iter_t iter, found;
    assert_true(bson_iter_init(&iter, document));
    if (!bson_iter_find_descendant(&iter, path, &found))
        return -1;
    return (int32_t)bson_iter_as_int64(&found);
}

static void test_refusals(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        bson_t *reply = run(*state, refusals[i].command);
        bson_iter_t iter;
        if (int_at(reply, "code") != refusals[i].code)
            print_message("%s\n", refusals[i].command);
        assert_int_equal(int_at(reply, "code"), refusals[i].code);
        assert_true(bson_iter_init_find(&iter, reply, "codeName"));
        assert_string_equal(bson_iter_utf8(&iter, NULL), refusals[i].name);
        assert_true(bson_iter_init_find(&iter, reply, "ok") && bson_iter_double(&iter) == 0);
        assert_true(bson_iter_init_find(&iter, reply, "errmsg"));
        bson_destroy(reply);
    }
    for (size_t i = 0; i < COUNT_OF(statement_refusals); i++) {
        bson_t *reply = run(*state, statement_refusals[i].command);
        if (int_at(reply, "writeErrors.0.code") != statement_refusals[i].code)
            print_message("%s\n", statement_refusals[i].command);
        assert_int_equal(int_at(reply, "writeErrors.0.code"), statement_refusals[i].code);
        assert_int_equal(int_at(reply, "ok"), 1);
        bson_destroy(reply);
    }
}

static void test_no_database(void **state)
{
    bson_t *command = parse("{'find': 'c'}"), *reply = NULL;
    engine_submit(*state, command, keep_reply, &reply);
    assert_int_equal(int_at(reply, "code"), 40571);
    bson_destroy(command);
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

static void insert_many(struct engine *engine, const char *collection, int count)
{
    for (int i = 0; i < count; i++) {
        char *text = x_format("{'insert': '%s', 'documents': [{'_id': %d}]}", collection, i);
        bson_destroy(run(engine, text));
        free(text);
    }
}

static int64_t cursor_id(const bson_t *reply)
{
    bson_iter_t iter, found;
    assert_true(bson_iter_init(&iter, reply));
    assert_true(bson_iter_find_descendant(&iter, "cursor.id", &found));
    assert_true(BSON_ITER_HOLDS_INT64(&found));
    return bson_iter_int64(&found);
}

static void test_cursor(void **state)
{
    insert_many(*state, "many", 250);
    bson_t *reply = run(*state, "{'find': 'many'}");
    int64_t id = cursor_id(reply);
    assert_int_not_equal(id, 0);
    assert_int_equal(int_at(reply, "cursor.firstBatch.100._id"), 100);
    assert_int_equal(int_at(reply, "cursor.firstBatch.101._id"), -1);
    bson_destroy(reply);
    char *text = x_format("{'getMore': {'$numberLong': '%lld'}, 'collection': 'many', 'batchSize': "
                          "100}",
                          (long long)id);
    char *elsewhere =
        x_format("{'getMore': {'$numberLong': '%lld'}, 'collection': 'c'}", (long long)id);
    reply = run(*state, elsewhere);
    assert_int_equal(int_at(reply, "code"), 43);
    bson_destroy(reply);
    reply = run(*state, text);
    assert_int_equal(cursor_id(reply), id);
    assert_int_equal(int_at(reply, "cursor.nextBatch.99._id"), 200);
    assert_int_equal(int_at(reply, "cursor.nextBatch.100._id"), -1);
    bson_destroy(reply);
    reply = run(*state, text);
    assert_int_equal(cursor_id(reply), 0);
    assert_int_equal(int_at(reply, "cursor.nextBatch.48._id"), 249);
    bson_destroy(reply);
    reply = run(*state, text);
    assert_int_equal(int_at(reply, "code"), 43);
    bson_destroy(reply);
    free(text);
    free(elsewhere);

    reply = run(*state, "{'find': 'many', 'batchSize': 0, 'limit': 3}");
    id = cursor_id(reply);
    assert_int_not_equal(id, 0);
    bson_destroy(reply);
    text = x_format("{'killCursors': 'many', 'cursors': [{'$numberLong': '%lld'}]}", (long long)id);
    reply = run(*state, text);
    assert_int_equal(int_at(reply, "cursorsKilled.0"), (int32_t)id);
    bson_destroy(reply);
    reply = run(*state, text);
    assert_int_equal(int_at(reply, "cursorsNotFound.0"), (int32_t)id);
    bson_destroy(reply);
    free(text);
}

/* 17 documents of 1 MB: a reply carries at most 16 MiB of them. */
static void test_large(void **state)
{
    enum { BYTES = 1000000 };
    char *filler = x_malloc(BYTES);
    memset(filler, 'x', BYTES);
    for (int i = 0; i < 17; i++) {
        bson_t command = BSON_INITIALIZER, documents, document;
        bson_t *reply = NULL;
        BSON_APPEND_UTF8(&command, "insert", "large");
        BSON_APPEND_UTF8(&command, "$db", "db");
        BSON_APPEND_ARRAY_BEGIN(&command, "documents", &documents);
        BSON_APPEND_DOCUMENT_BEGIN(&documents, "0", &document);
        BSON_APPEND_INT32(&document, "_id", i);
        bson_append_utf8(&document, "filler", -1, filler, BYTES);
        bson_append_document_end(&documents, &document);
        bson_append_array_end(&command, &documents);
        engine_submit(*state, &command, keep_reply, &reply);
        assert_int_equal(int_at(reply, "n"), 1);
        bson_destroy(reply);
        bson_destroy(&command);
    }
    free(filler);
    bson_t *reply = run(*state, "{'find': 'large'}");
    assert_int_equal(int_at(reply, "cursor.firstBatch.15._id"), 15);
    assert_int_equal(int_at(reply, "cursor.firstBatch.16._id"), -1);
    assert_int_not_equal(cursor_id(reply), 0);
    bson_destroy(reply);
}

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
        struct engine *engine = engine_new(&(struct engine_settings){.seed = 9});
        bson_destroy(run(engine, "{'insert': 'c', 'documents': [{'a': 1}]}"));
        replies[i] = run(engine, "{'find': 'c'}");
        engine_free(engine);
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
    static const struct gate_policy policy = {"decide", decide};
    static const char update[] =
        "{'update': 'c', 'updates': [{'q': {'_id': 1}, 'u': {'$inc': {'n': 1}}, 'upsert': true}], "
        "'comment': 'w1.7'}";
    struct decision decision = {.action = GATE_PASS};
    struct gate *gate = gate_new(2, 0);
    struct engine *engine = engine_new(&(struct engine_settings){.gate = gate});
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
    check(engine, update, "{'ok': 0.0, 'code': 91, 'codeName': 'ShutdownInProgress'}");
    assert_int_equal(gate_applied_count(gate, "c", 1, 7), 2);
    decision.action = GATE_PASS;
    check(engine, "{'find': 'c', 'comment': 'w0.0'}",
          "{'cursor': {'firstBatch': [{'_id': 1, 'n': 2}], 'id': {'$numberLong': '0'}, 'ns': "
          "'db.c'}, 'ok': 1.0}");
    assert_int_equal(gate_count(gate, STEP_UPDATE), 4);
    assert_int_equal(gate_count(gate, STEP_FIND), 1);

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
    int64_t before = gate_unattributed_count(gate);
    bson_destroy(run(engine, "{'ping': 1}"));
    bson_destroy(run(engine, "{'hello': 1}"));
    bson_destroy(run(engine, "{'nope': 1}"));
    assert_int_equal(gate_unattributed_count(gate), before + 3);
    engine_free(engine);
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
    assert_string_equal(engine_store(*state), "memory");
    assert_string_equal(engine_persona(*state), "standalone");
    assert_string_equal(engine_version(), "6.0.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_no_database, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_hello, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_cursor, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_large, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_document_too_large, engine_setup, engine_teardown),
        cmocka_unit_test(test_generated_ids),
        cmocka_unit_test(test_gate),
        cmocka_unit_test_setup_teardown(test_nested, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_names, engine_setup, engine_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
