/* SPDX-License-Identifier: Apache-2.0
 *
 * grammar_command: whole commands from choices. Each has its first field, what it must have, and
 * now and then a field too many or of the wrong type. Arrays of statements hold up to three.
 */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

typedef void part(struct fuzz_input *, bson_t *statement);

static void statement_insert(struct fuzz_input *input, bson_t *statement)
{
    if (fuzz_below(input, 4) > 0)
        BSON_APPEND_INT32(statement, "_id", fuzz_below(input, 4));
    fuzz_fields(input, statement, 2);
}

static void append_filter(struct fuzz_input *input, bson_t *into, const char *name)
{
    bson_t filter;
    BSON_APPEND_DOCUMENT_BEGIN(into, name, &filter);
    if (fuzz_below(input, 3) > 0)
        BSON_APPEND_INT32(&filter, "_id", fuzz_below(input, 4));
    else
        fuzz_filter(input, &filter, 2);
    bson_append_document_end(into, &filter);
}

static void append_update(struct fuzz_input *input, bson_t *into, const char *name)
{
    bson_t update;
    if (fuzz_below(input, 5) == 0) {
        BSON_APPEND_ARRAY_BEGIN(into, name, &update);
        fuzz_pipeline(input, &update);
        bson_append_array_end(into, &update);
        return;
    }
    BSON_APPEND_DOCUMENT_BEGIN(into, name, &update);
    fuzz_update(input, &update);
    bson_append_document_end(into, &update);
}

static void statement_update(struct fuzz_input *input, bson_t *statement)
{
    append_filter(input, statement, "q");
    append_update(input, statement, "u");
    if (fuzz_below(input, 3) == 0)
        BSON_APPEND_BOOL(statement, "upsert", true);
    if (fuzz_below(input, 4) == 0)
        BSON_APPEND_BOOL(statement, "multi", true);
}

static void statement_delete(struct fuzz_input *input, bson_t *statement)
{
    append_filter(input, statement, "q");
    BSON_APPEND_INT32(statement, "limit", fuzz_below(input, 3) == 0 ? 0 : 1);
}

static void statement_index(struct fuzz_input *input, bson_t *statement)
{
    static const char *const names[] = {"a", "b", "a.b", "c", "_id"};
    const char *first = names[fuzz_below(input, 5)], *second = names[fuzz_below(input, 5)];
    bson_t key;
    BSON_APPEND_DOCUMENT_BEGIN(statement, "key", &key);
    BSON_APPEND_INT32(&key, first, fuzz_below(input, 2) ? 1 : -1);
    if (fuzz_below(input, 2))
        BSON_APPEND_INT32(&key, second, 1);
    bson_append_document_end(statement, &key);
    const char *name = names[fuzz_below(input, 4)];
    BSON_APPEND_UTF8(statement, "name", name);
    if (fuzz_below(input, 2))
        BSON_APPEND_BOOL(statement, "unique", true);
    if (fuzz_below(input, 8) == 0)
        fuzz_value(input, statement, "sparse", 1);
}

static void append_statements(struct fuzz_input *input, bson_t *command, const char *name,
                              part *one)
{
    bson_t array, statement;
    char number[16];
    int count = fuzz_below(input, 8) > 0 ? 1 : fuzz_below(input, 4);
    BSON_APPEND_ARRAY_BEGIN(command, name, &array);
    for (int i = 0; i < count; i++) {
        snprintf(number, sizeof number, "%d", i);
        BSON_APPEND_DOCUMENT_BEGIN(&array, number, &statement);
        one(input, &statement);
        bson_append_document_end(&array, &statement);
    }
    bson_append_array_end(command, &array);
    if (fuzz_below(input, 4) == 0)
        BSON_APPEND_BOOL(command, "ordered", false);
}

static void append_find(struct fuzz_input *input, bson_t *command)
{
    static const char *const options[] = {"sort", "projection", "limit", "skip", "batchSize"};
    append_filter(input, command, "filter");
    for (int i = fuzz_below(input, 3); i > 0; i--) {
        const char *name = options[fuzz_below(input, 5)];
        bson_t child;
        if (name[0] == 's' && name[1] == 'o') {
            BSON_APPEND_DOCUMENT_BEGIN(command, name, &child);
            BSON_APPEND_INT32(&child, "a", fuzz_below(input, 2) ? 1 : -1);
            BSON_APPEND_INT32(&child, "_id", 1);
            bson_append_document_end(command, &child);
        } else if (name[0] == 'p') {
            BSON_APPEND_DOCUMENT_BEGIN(command, name, &child);
            fuzz_fields(input, &child, 1);
            bson_append_document_end(command, &child);
        } else {
            BSON_APPEND_INT32(command, name, fuzz_below(input, 4));
        }
    }
}

static void append_find_and_modify(struct fuzz_input *input, bson_t *command)
{
    append_filter(input, command, "query");
    if (fuzz_below(input, 4) == 0)
        BSON_APPEND_BOOL(command, "remove", true);
    else
        append_update(input, command, "update");
    if (fuzz_below(input, 2))
        BSON_APPEND_BOOL(command, "new", true);
    if (fuzz_below(input, 3) == 0)
        BSON_APPEND_BOOL(command, "upsert", true);
}

static void append_aggregate(struct fuzz_input *input, bson_t *command)
{
    bson_t child;
    BSON_APPEND_ARRAY_BEGIN(command, "pipeline", &child);
    fuzz_pipeline(input, &child);
    bson_append_array_end(command, &child);
    BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &child);
    bson_append_document_end(command, &child);
}

static void append_rest(struct fuzz_input *input, bson_t *command)
{
    bson_t *spare;
    switch (fuzz_below(input, 12)) {
    case 0:
        spare = bson_new();
        fuzz_value(input, spare, "x", 1);
        bson_concat(command, spare);
        bson_destroy(spare);
        break;
    case 1:
        fuzz_value(input, command, "maxTimeMS", 1);
        break;
    default:
        break;
    }
}

static void append_body(struct fuzz_input *input, bson_t *command, const char *collection)
{
    static const char *const plain[] = {"count",       "listIndexes", "drop",
                                        "create",      "distinct",    "getMore",
                                        "killCursors", "dropIndexes", "listCollections",
                                        "collStats"};
    switch (fuzz_below(input, 10)) {
    case 0:
    case 1:
        BSON_APPEND_UTF8(command, "insert", collection);
        append_statements(input, command, "documents", statement_insert);
        break;
    case 2:
    case 3:
        BSON_APPEND_UTF8(command, "update", collection);
        append_statements(input, command, "updates", statement_update);
        break;
    case 4:
        BSON_APPEND_UTF8(command, "delete", collection);
        append_statements(input, command, "deletes", statement_delete);
        break;
    case 5:
        BSON_APPEND_UTF8(command, "findAndModify", collection);
        append_find_and_modify(input, command);
        break;
    case 6:
        BSON_APPEND_UTF8(command, "aggregate", collection);
        append_aggregate(input, command);
        break;
    case 7:
        BSON_APPEND_UTF8(command, "createIndexes", collection);
        append_statements(input, command, "indexes", statement_index);
        break;
    case 8:
        bson_append_utf8(command, plain[fuzz_below(input, 10)], -1, collection, -1);
        if (fuzz_below(input, 2))
            BSON_APPEND_UTF8(command, "key", "a");
        if (fuzz_below(input, 4) == 0)
            BSON_APPEND_UTF8(command, "index", "*");
        break;
    default:
        BSON_APPEND_UTF8(command, "find", collection);
        append_find(input, command);
        break;
    }
}

/* lsid, txnNumber, autocommit, startTransaction: mostly as a driver sends them. */
static void append_session(struct fuzz_input *input, bson_t *command)
{
    static const int64_t statements[] = {0, 1, -1, INT32_MAX, INT64_MAX};
    int choice = fuzz_below(input, 6);
    uint8_t id[16] = {0};
    bson_t child;
    if (choice == 0)
        return;
    id[0] = (uint8_t)(1 + fuzz_below(input, 2));
    BSON_APPEND_DOCUMENT_BEGIN(command, "lsid", &child);
    BSON_APPEND_BINARY(&child, "id", BSON_SUBTYPE_UUID, id, sizeof id);
    bson_append_document_end(command, &child);
    if (choice == 1)
        return;
    BSON_APPEND_INT64(command, "txnNumber", 1 + fuzz_below(input, 3));
    if (fuzz_below(input, 8) == 0)
        BSON_APPEND_INT64(command, "stmtId", statements[fuzz_below(input, 5)]);
    if (choice == 2)
        return;
    BSON_APPEND_BOOL(command, "autocommit", false);
    if (choice == 3)
        BSON_APPEND_BOOL(command, "startTransaction", true);
}

void fuzz_command(struct fuzz_input *input, bson_t *command, bool sessions)
{
    static const char *const ends[] = {"commitTransaction", "abortTransaction", "endSessions"};
    int end = sessions ? fuzz_below(input, 8) : 7;
    if (end < 3)
        BSON_APPEND_INT32(command, ends[end], 1);
    else
        append_body(input, command, fuzz_below(input, 4) > 0 ? "one" : "two");
    if (sessions)
        append_session(input, command);
    append_rest(input, command);
    BSON_APPEND_UTF8(command, "$db", end < 3 ? "admin" : "fuzz");
}
