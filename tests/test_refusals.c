/* SPDX-License-Identifier: Apache-2.0
 *
 * refusals: every command, field, option and stage that the engine refuses, with MongoDB's code and
 * name; none may be ignored, and none may change anything.
 * labels: engine
 */
#include "commands.h"

#include "document/match.h"
#include "document/pipeline.h"
#include "document/update_change.h"
#include "engine/command.h"

#define X(name) extern const struct command command_##name;
#include "commands.list"
#undef X

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
    {"{'find': 'c', '$db': 'a/b'}", 73, "InvalidNamespace"},
    {"{'find': 'c', '$db': 'a\\\\b'}", 73, "InvalidNamespace"},
    {"{'find': 'c', '$db': 'a\\\"b'}", 73, "InvalidNamespace"},
    {"{'find': 'c', '$db': 'a$'}", 73, "InvalidNamespace"},
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
    {"{'commitTransaction': 1, '$db': 'admin'}", 125, "CommandFailed"},
    {"{'abortTransaction': 1, '$db': 'admin'}", 125, "CommandFailed"},
    {"{'abortTransaction': 1}", 13, "Unauthorized"},
    {"{'find': 'c', 'maxTimeMS': 'soon'}", 14, "TypeMismatch"},
    {"{'find': 'c', 'maxTimeMS': -1}", 2, "BadValue"},
    {"{'find': 'c', 'maxTimeMS': 2147483648}", 2, "BadValue"},
    {"{'find': 'c', 'maxTimeMS': 9223372036854775807}", 2, "BadValue"},
    {"{'find': 'c', 'writeConcern': {'w': 1}}", 72, "InvalidOptions"},
    {"{'ping': 1, 'readConcern': {'level': 'local'}}", 72, "InvalidOptions"},
    {"{'insert': 'c', 'documents': [{}], 'readConcern': {'level': 'local'}}", 72, "InvalidOptions"},
    {"{'find': 'c', 'readConcern': {'level': 'snapshot'}}", 246, "SnapshotUnavailable"},
    {"{'find': 'c', 'readConcern': {'level': 'linearizable'}}", 123, "NotAReplicaSet"},
    {"{'find': 'c', 'readConcern': {'level': 'wild'}}", 2, "BadValue"},
    {"{'find': 'c', 'readConcern': {'afterClusterTime': 1}}", 123, "NotAReplicaSet"},
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
    {"{'insert': 'c', 'ordered': true, 'documents': [{}], 'ordered': true}", 40413,
     "Location40413"},
    {"{'insert': 'c', 'documents': [{}], 'x': 1}", 40415, "Location40415"},
    {"{'insert': 'c', 'documents': [{}], 'apiStrict client': 1}", 40415, "Location40415"},
    {"{'insert': 'c', 'documents': [{}], "
     "'comment $readPreference apiStrict apiDeprecationErrors client': 1}",
     40415, "Location40415"},
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
    {"{'aggregate': 'c', 'pipeline': [{'$limit': 0}], 'cursor': {}}", 15958, "Location15958"},
    {"{'aggregate': 'c', 'pipeline': [{'$skip': -1}], 'cursor': {}}", 5107200, "Location5107200"},
    {"{'aggregate': 'c', 'pipeline': [{'$group': {'n': {'$sum': 1}}}], 'cursor': {}}", 15955,
     "Location15955"},
    {"{'aggregate': 'c', 'pipeline': [{'$group': {'_id': 1, 'n': {'$foo': 1}}}], 'cursor': {}}",
     15952, "Location15952"},
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
    {"{'dropIndexes': 'c', 'x': 1, 'index': '*'}", 40415, "Location40415"},
    {"{'dropIndexes': 'none', 'index': '*'}", 26, "NamespaceNotFound"},
    {"{'listIndexes': 'none'}", 26, "NamespaceNotFound"},
    {"{'listIndexes': 'c', 'x': 1}", 40415, "Location40415"},
    {"{'distinct': 'c'}", 40414, "Location40414"},
    {"{'distinct': 'c', 'key': 1}", 14, "TypeMismatch"},
    {"{'distinct': 'c', 'key': 'a', 'query': {'$bad': 1}}", 2, "BadValue"},
    {"{'distinct': 'c', 'key': 'a', 'collation': {}}", 238, "NotImplemented"},
    {"{'listDatabases': 1}", 13, "Unauthorized"},
    {"{'listDatabases': 1, '$db': 'admin', 'x': 1}", 40415, "Location40415"},
    {"{'listDatabases': 1, '$db': 'admin', 'filter': {'$bad': 1}}", 2, "BadValue"},
    {"{'getParameter': 1, 'nonsense': 1, '$db': 'admin'}", 72, "InvalidOptions"},
    {"{'getParameter': '*'}", 13, "Unauthorized"},
    {"{'hostInfo': 1}", 13, "Unauthorized"},
    {"{'getLog': '*'}", 13, "Unauthorized"},
    {"{'getCmdLineOpts': 1}", 13, "Unauthorized"},
    {"{'renameCollection': 'db.c', 'to': 'db.d', '$db': 'admin'}", 59, "CommandNotFound"},
    {"{'mapReduce': 'c'}", 59, "CommandNotFound"},
    {"{'collMod': 'c'}", 59, "CommandNotFound"},
    {"{'explain': {}}", 59, "CommandNotFound"},
};

/* Statements that are refused one by one: their failure stands in writeErrors. */
static const struct refusal statement_refusals[] = {
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}, 'collation sort': false}]}", 40415, ""},
    {"{'update': 'c', 'updates': [{'q': {}, 'u': {}, 'upsert': false, 'multi': false, 'hint': "
     "'_id_', 'arrayFilters collation sort c': false}]}",
     40415, ""},
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
    {"{'insert': 'c', 'documents': [{'_id': {'$a': 1}}]}", 52, ""},
    {"{'insert': 'c', 'documents': [{'_id': {'$regularExpression': {'pattern': 'a', 'options': "
     "''}}}]}",
     53, ""},
};

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

static void test_longest_database(void **state)
{
    bson_t *command = parse("{'find': 'c', '$db': "
                            "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}");
    bson_t *reply = NULL;
    engine_submit(*state, command, keep_reply, &reply);
    assert_int_equal(int_at(reply, "ok"), 1);
    bson_destroy(command);
    bson_destroy(reply);
}

static void test_no_database(void **state)
{
    bson_t *command = parse("{'find': 'c'}"), *reply = NULL;
    engine_submit(*state, command, keep_reply, &reply);
    assert_int_equal(int_at(reply, "code"), 40571);
    bson_destroy(command);
    bson_destroy(reply);
}

/* What the code's own tables refuse ---------------------------------------------------------------
 *
 * Each word of a list in the code, put into a command, is 238: a list that grows is tested at once.
 */

/* Runs `form` (a %s in it) with a word. Its dollar is put in behind the JSON parser, which has a
 * meaning of its own for some words. */
static bson_t *run_word(struct engine *engine, const char *form, const char *word)
{
    const char *place = strstr(form, "%s");
    char *key = x_strdup(word);
    if (key[0] == '$')
        key[0] = '@';
    char *text = x_format("%.*s%s%s", (int)(place - form), form, key, place + 2);
    bson_t *command = parse(text), *reply = NULL;
    uint8_t *bytes = (uint8_t *)(uintptr_t)bson_get_data(command);
    for (uint32_t i = 0; i + 1 < command->len; i++)
        if (bytes[i] == '@' && bytes[i + 1] >= 'a') /* no length */
            bytes[i] = '$';
    if (!bson_has_field(command, "$db"))
        BSON_APPEND_UTF8(command, "$db", "db");
    engine_submit(engine, command, keep_reply, &reply);
    bson_destroy(command);
    free(text);
    free(key);
    return reply;
}

/* Expects 238 for each of the words; returns their number. */
static size_t refuse_words(struct engine *engine, const char *words, const char *form)
{
    char *copy = x_strdup(words), *rest = copy;
    size_t count = 0;
    for (char *word; (word = strsep(&rest, " ")) != NULL; count++) {
        bson_t *reply = run_word(engine, form, word);
        int32_t code = int_at(reply, "code");
        if (code == -1)
            code = int_at(reply, "writeErrors.0.code");
        if (code != 238)
            fail_msg("%s: code %d", word, (int)code);
        bson_destroy(reply);
    }
    free(copy);
    return count;
}

static void test_tables_of_commands(void **state)
{
    static const struct command *const all[] = {
#define X(name) &command_##name,
#include "commands.list"
#undef X
    };
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        for (const struct field *field = all[i]->fields; field != NULL && field->kind != FIELD_END;
             field++)
            if (field->kind == FIELD_REFUSED) { /* read before what is required is missed */
                char *form = x_format("{'%s': 'c', '%%s': 1, '$db': 'admin'}", all[i]->name);
                count += refuse_words(*state, field->name, form);
                free(form);
            }
    assert_true(count >= 30);
}

static void test_tables_of_operators(void **state)
{
    refuse_words(*state, match_refused_predicates, "{'find': 'c', 'filter': {'a': {'%s': 1}}}");
    refuse_words(*state, match_refused_conditions, "{'find': 'c', 'filter': {'%s': 1}}");
    refuse_words(*state, pipeline_refused,
                 "{'aggregate': 'c', 'pipeline': [{'%s': 1}], 'cursor': {}}");
    refuse_words(*state, change_refused,
                 "{'update': 'c', 'updates': [{'q': {}, 'u': {'%s': {'a': 1}}}]}");
    refuse_words(*state,
                 "sparse expireAfterSeconds partialFilterExpression collation hidden "
                 "wildcardProjection weights default_language language_override textIndexVersion "
                 "2dsphereIndexVersion bits min max storageEngine clustered prepareUnique",
                 "{'createIndexes': 'c', 'indexes': [{'key': {'a': 1}, 'name': 'a', '%s': 1}]}");
    refuse_words(*state, "arrayFilters collation sort c",
                 "{'update': 'c', 'updates': [{'q': {}, 'u': {}, '%s': 1}]}");
    refuse_words(*state, "collation", "{'delete': 'c', 'deletes': [{'q': {}, '%s': 1}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refusals, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_tables_of_commands, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_tables_of_operators, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_longest_database, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_no_database, engine_setup, engine_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
