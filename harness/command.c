/* SPDX-License-Identifier: Apache-2.0
 *
 * command: a request as the command document that a driver would put on the wire, and a reply read
 * back. `direct` uses both; `driver` leaves building to libmongoc.
 */
#include "transport.h"

#include <string.h>

static void build_find(const struct command_request *request, bson_t *command)
{
    BSON_APPEND_UTF8(command, "find", request->collection);
    BSON_APPEND_DOCUMENT(command, "filter", request->filter);
    BSON_APPEND_INT32(command, "limit", 1);
    BSON_APPEND_BOOL(command, "singleBatch", true);
}

static void build_insert(const struct command_request *request, bson_t *command)
{
    bson_t documents;
    BSON_APPEND_UTF8(command, "insert", request->collection);
    BSON_APPEND_ARRAY_BEGIN(command, "documents", &documents);
    BSON_APPEND_DOCUMENT(&documents, "0", request->document);
    bson_append_array_end(command, &documents);
}

static void append_update(const struct modify *modify, const char *name, bson_t *into)
{
    if (modify->pipeline != NULL)
        bson_append_array(into, name, -1, modify->pipeline);
    else
        bson_append_document(into, name, -1, modify->update);
}

static void build_update(const struct command_request *request, bson_t *command)
{
    bson_t updates, update;
    BSON_APPEND_UTF8(command, "update", request->collection);
    BSON_APPEND_ARRAY_BEGIN(command, "updates", &updates);
    BSON_APPEND_DOCUMENT_BEGIN(&updates, "0", &update);
    BSON_APPEND_DOCUMENT(&update, "q", request->filter);
    append_update(&request->modify, "u", &update);
    if (request->modify.upsert)
        BSON_APPEND_BOOL(&update, "upsert", true);
    bson_append_document_end(&updates, &update);
    bson_append_array_end(command, &updates);
}

static void build_delete(const struct command_request *request, bson_t *command)
{
    bson_t deletes, one;
    BSON_APPEND_UTF8(command, "delete", request->collection);
    BSON_APPEND_ARRAY_BEGIN(command, "deletes", &deletes);
    BSON_APPEND_DOCUMENT_BEGIN(&deletes, "0", &one);
    BSON_APPEND_DOCUMENT(&one, "q", request->filter);
    BSON_APPEND_INT32(&one, "limit", 1);
    bson_append_document_end(&deletes, &one);
    bson_append_array_end(command, &deletes);
}

static void build_find_and_modify(const struct command_request *request, bson_t *command)
{
    const struct modify *modify = &request->modify;
    BSON_APPEND_UTF8(command, "findAndModify", request->collection);
    BSON_APPEND_DOCUMENT(command, "query", request->filter);
    if (modify->sort != NULL)
        BSON_APPEND_DOCUMENT(command, "sort", modify->sort);
    if (modify->remove) {
        BSON_APPEND_BOOL(command, "remove", true);
        return;
    }
    append_update(modify, "update", command);
    BSON_APPEND_BOOL(command, "new", !modify->old_image);
    if (modify->upsert)
        BSON_APPEND_BOOL(command, "upsert", true);
}

/* The session and the number of its transaction or write. */
static void append_number(const struct session *session, bson_t *command)
{
    const struct transaction *transaction = &session->transaction;
    int32_t words[4] = {session->worker, transaction->life, 0, 0};
    bson_t lsid;
    BSON_APPEND_DOCUMENT_BEGIN(command, "lsid", &lsid);
    BSON_APPEND_BINARY(&lsid, "id", BSON_SUBTYPE_UUID, (const uint8_t *)words, sizeof(words));
    bson_append_document_end(command, &lsid);
    BSON_APPEND_INT64(command, "txnNumber", transaction->number);
}

void command_number(struct session *session, bson_t *command)
{
    session->transaction.number++;
    append_number(session, command);
}

/* The session's number and place in its transaction, as a driver says them. */
static void append_transaction(const struct session *session, bool ends, bson_t *command)
{
    append_number(session, command);
    BSON_APPEND_BOOL(command, "autocommit", false);
    if (!session->transaction.sent && !ends)
        BSON_APPEND_BOOL(command, "startTransaction", true);
}

void command_build(const struct session *session, const struct command_request *request,
                   bson_t *command)
{
    switch (request->kind) {
    case STEP_FIND:
        build_find(request, command);
        break;
    case STEP_INSERT:
        build_insert(request, command);
        break;
    case STEP_UPDATE:
        build_update(request, command);
        break;
    case STEP_DELETE:
        build_delete(request, command);
        break;
    case STEP_FIND_AND_MODIFY:
        build_find_and_modify(request, command);
        break;
    case STEP_COMMIT:
        BSON_APPEND_INT32(command, "commitTransaction", 1);
        break;
    default:
        must(request->kind == STEP_ABORT);
        BSON_APPEND_INT32(command, "abortTransaction", 1);
        break;
    }
    if (session->comment[0] != '\0')
        BSON_APPEND_UTF8(command, "comment", session->comment);
    bool ends = request->kind == STEP_COMMIT || request->kind == STEP_ABORT;
    if (session->in_transaction)
        append_transaction(session, ends, command);
    BSON_APPEND_UTF8(command, "$db", ends ? "admin" : session->crew->database);
}

/* Reads code and message of the reply itself, or of its first write error. */
static void parse_errors(const bson_t *answer, struct command_reply *reply)
{
    bson_iter_t iter, error, field;
    bson_iter_t where = {0};
    bool refused = false;
    if (bson_iter_init_find(&iter, answer, "ok") && !bson_iter_as_bool(&iter)) {
        refused = bson_iter_init(&where, answer);
    } else if (bson_iter_init_find(&iter, answer, "writeErrors") &&
               bson_iter_recurse(&iter, &error) && bson_iter_next(&error)) {
        refused = bson_iter_recurse(&error, &where);
    }
    if (bson_iter_init_find(&iter, answer, "writeConcernError"))
        reply->durable = false;
    if (!refused)
        return;
    reply->code = -1; /* refused without a code is refused all the same */
    field = where;
    if (bson_iter_find(&field, "code") && BSON_ITER_HOLDS_NUMBER(&field))
        reply->code = (int32_t)bson_iter_as_int64(&field);
    if (bson_iter_find(&where, "errmsg") && BSON_ITER_HOLDS_UTF8(&where))
        bson_strncpy(reply->message, bson_iter_utf8(&where, NULL), sizeof(reply->message));
}

static bson_t *copy_document(const bson_iter_t *iter)
{
    const uint8_t *data;
    uint32_t length;
    if (!BSON_ITER_HOLDS_DOCUMENT(iter))
        return NULL;
    bson_iter_document(iter, &length, &data);
    return bson_new_from_data(data, length);
}

static void parse_find(const bson_t *answer, struct command_reply *reply)
{
    bson_iter_t iter, batch, first;
    if (bson_iter_init(&iter, answer) &&
        bson_iter_find_descendant(&iter, "cursor.firstBatch", &batch) &&
        bson_iter_recurse(&batch, &first) && bson_iter_next(&first))
        reply->document = copy_document(&first);
}

void command_parse(const struct command_request *request, const bson_t *answer,
                   struct command_reply *reply)
{
    bson_iter_t iter;
    reply->sent = true;
    reply->answered = answer != NULL;
    if (answer == NULL)
        return;
    parse_errors(answer, reply);
    if (reply->code != 0)
        return;
    if (request->kind == STEP_FIND) {
        parse_find(answer, reply);
    } else if (request->kind == STEP_FIND_AND_MODIFY) {
        if (bson_iter_init_find(&iter, answer, "value"))
            reply->document = copy_document(&iter);
    } else if (request->kind == STEP_UPDATE) {
        reply->written.upserted = bson_has_field(answer, "upserted");
        reply->written.matched = edit_number(answer, "n", 0) - (reply->written.upserted ? 1 : 0);
        reply->written.modified = edit_number(answer, "nModified", 0);
    } else if (request->kind == STEP_DELETE) {
        reply->deleted = edit_number(answer, "n", 0);
    }
}
