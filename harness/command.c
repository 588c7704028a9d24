/* SPDX-License-Identifier: Apache-2.0
 *
 * command: a request as the command document that a driver would put on the wire, and a reply read
 * back. `direct` uses both; `driver` leaves building to libmongoc.
 */
#include "transport.h"

#include "document/element.h"

#include <string.h>

/* An array of one document, which comes next. */
static void begin_array(struct buffer *out, const char *name, size_t *begun)
{
    element_begin(out, BSON_TYPE_ARRAY, name, strlen(name));
    begun[0] = document_begin(out);
    element_begin(out, BSON_TYPE_DOCUMENT, "0", 1);
    begun[1] = document_begin(out);
}

static void end_array(struct buffer *out, const size_t *begun)
{
    document_end(out, begun[1]);
    document_end(out, begun[0]);
}

static void build_find(const struct command_request *request, struct buffer *out)
{
    element_write_text(out, "find", request->collection);
    element_write_document(out, BSON_TYPE_DOCUMENT, "filter", request->filter);
    element_write_int32(out, "limit", 1);
    element_write_bool(out, "singleBatch", true);
}

static void build_insert(const struct command_request *request, struct buffer *out)
{
    element_write_text(out, "insert", request->collection);
    element_begin(out, BSON_TYPE_ARRAY, "documents", 9);
    size_t begun = document_begin(out);
    element_write_document(out, BSON_TYPE_DOCUMENT, "0", request->document);
    document_end(out, begun);
}

static void write_update(struct buffer *out, const struct modify *modify, const char *name)
{
    if (modify->pipeline != NULL)
        element_write_document(out, BSON_TYPE_ARRAY, name, modify->pipeline);
    else
        element_write_document(out, BSON_TYPE_DOCUMENT, name, modify->update);
}

static void build_update(const struct command_request *request, struct buffer *out)
{
    size_t begun[2];
    element_write_text(out, "update", request->collection);
    begin_array(out, "updates", begun);
    element_write_document(out, BSON_TYPE_DOCUMENT, "q", request->filter);
    write_update(out, &request->modify, "u");
    if (request->modify.upsert)
        element_write_bool(out, "upsert", true);
    end_array(out, begun);
}

static void build_delete(const struct command_request *request, struct buffer *out)
{
    size_t begun[2];
    element_write_text(out, "delete", request->collection);
    begin_array(out, "deletes", begun);
    element_write_document(out, BSON_TYPE_DOCUMENT, "q", request->filter);
    element_write_int32(out, "limit", 1);
    end_array(out, begun);
}

static void build_find_and_modify(const struct command_request *request, struct buffer *out)
{
    const struct modify *modify = &request->modify;
    element_write_text(out, "findAndModify", request->collection);
    element_write_document(out, BSON_TYPE_DOCUMENT, "query", request->filter);
    if (modify->sort != NULL)
        element_write_document(out, BSON_TYPE_DOCUMENT, "sort", modify->sort);
    if (modify->remove) {
        element_write_bool(out, "remove", true);
        return;
    }
    write_update(out, modify, "update");
    element_write_bool(out, "new", !modify->old_image);
    if (modify->upsert)
        element_write_bool(out, "upsert", true);
}

/* The session and the number of its transaction or write. */
static void write_number(const struct session *session, struct buffer *out)
{
    const struct transaction *transaction = &session->transaction;
    int32_t words[4] = {session->worker, transaction->life, 0, 0};
    element_begin(out, BSON_TYPE_DOCUMENT, "lsid", 4);
    size_t begun = document_begin(out);
    element_begin(out, BSON_TYPE_BINARY, "id", 2);
    buffer_int32(out, sizeof(words));
    buffer_byte(out, BSON_SUBTYPE_UUID);
    buffer_append(out, words, sizeof(words));
    document_end(out, begun);
    element_write_int64(out, "txnNumber", transaction->number);
}

/* The session's number and place in its transaction, as a driver says them. */
static void write_transaction(const struct session *session, bool ends, struct buffer *out)
{
    write_number(session, out);
    element_write_bool(out, "autocommit", false);
    if (!session->transaction.sent && !ends)
        element_write_bool(out, "startTransaction", true);
}

void command_build(struct session *session, const struct command_request *request, bool resent,
                   bson_t *command)
{
    struct buffer *out = &session->command;
    out->length = 0;
    size_t begun = document_begin(out);
    switch (request->kind) {
    case STEP_FIND:
        build_find(request, out);
        break;
    case STEP_INSERT:
        build_insert(request, out);
        break;
    case STEP_UPDATE:
        build_update(request, out);
        break;
    case STEP_DELETE:
        build_delete(request, out);
        break;
    case STEP_FIND_AND_MODIFY:
        build_find_and_modify(request, out);
        break;
    case STEP_COMMIT:
        element_write_int32(out, "commitTransaction", 1);
        break;
    default:
        must(request->kind == STEP_ABORT);
        element_write_int32(out, "abortTransaction", 1);
        break;
    }
    if (session->comment[0] != '\0')
        element_write_text(out, "comment", session->comment);
    bool ends = request->kind == STEP_COMMIT || request->kind == STEP_ABORT;
    if (session->in_transaction)
        write_transaction(session, ends, out);
    if (resent && !session->in_transaction) {
        session->transaction.number++;
        write_number(session, out);
    }
    element_write_text(out, "$db", ends ? "admin" : session->crew->database);
    document_end(out, begun);
    document_of_buffer(out, command);
}

/* The fields of an answer that say something. Zeroed: absent. */
struct answer {
    struct element ok, errors, concern, cursor, value, upserted, n, modified;
};

static void read_answer(const bson_t *document, struct answer *answer)
{
    const struct {
        const char *name;
        size_t length;
        struct element *element;
    } fields[] = {{"ok", 2, &answer->ok},
                  {"writeErrors", 11, &answer->errors},
                  {"writeConcernError", 17, &answer->concern},
                  {"cursor", 6, &answer->cursor},
                  {"value", 5, &answer->value},
                  {"upserted", 8, &answer->upserted},
                  {"n", 1, &answer->n},
                  {"nModified", 9, &answer->modified}};
    struct elements elements = elements_of(document);
    struct element element;
    while (elements_next(&elements, &element))
        for (size_t i = 0; i < COUNT_OF(fields); i++)
            if (fields[i].length == element.name_length && fields[i].element->start == NULL &&
                memcmp(fields[i].name, element.name, element.name_length) == 0)
                *fields[i].element = element;
}

/* Is it a number other than 0, or true? */
static bool is_yes(const struct element *element)
{
    if (element->type == BSON_TYPE_BOOL)
        return element->data[0] != 0;
    return element_number(element, 0) != 0;
}

/* Reads code and message of the reply itself, or of its first write error. */
static void parse_errors(const bson_t *document, const struct answer *answer,
                         struct command_reply *reply)
{
    struct elements where = {0}, errors = elements_of_element(&answer->errors);
    struct element element;
    bool refused = answer->ok.start != NULL && !is_yes(&answer->ok);
    if (refused)
        where = elements_of(document);
    else if (elements_next(&errors, &element) && element.type == BSON_TYPE_DOCUMENT) {
        refused = true;
        where = elements_of_element(&element);
    }
    if (answer->concern.start != NULL)
        reply->durable = false;
    if (!refused)
        return;
    reply->code = -1; /* refused without a code is refused all the same */
    if (elements_find(where, "code", 4, &element))
        reply->code = (int32_t)element_number(&element, -1);
    if (elements_find(where, "errmsg", 6, &element) && element.type == BSON_TYPE_UTF8)
        bson_strncpy(reply->message, (const char *)element.data + 4, sizeof(reply->message));
}

/* A document inside the answer, copied; NULL: it is none. */
static bson_t *keep(struct session *session, const struct element *element)
{
    return element->type == BSON_TYPE_DOCUMENT ? session_keep(session, element->data, element->size)
                                               : NULL;
}

static void parse_find(struct session *session, const struct answer *answer,
                       struct command_reply *reply)
{
    struct element batch, first;
    struct elements documents;
    if (!elements_find(elements_of_element(&answer->cursor), "firstBatch", 10, &batch))
        return;
    documents = elements_of_element(&batch);
    if (elements_next(&documents, &first))
        reply->document = keep(session, &first);
}

void command_parse(struct session *session, enum step_kind kind, const bson_t *document,
                   struct command_reply *reply)
{
    struct answer answer = {.ok = {.start = NULL}};
    reply->sent = true;
    reply->answered = document != NULL;
    if (document == NULL)
        return;
    read_answer(document, &answer);
    parse_errors(document, &answer, reply);
    if (reply->code != 0)
        return;
    if (kind == STEP_FIND) {
        parse_find(session, &answer, reply);
    } else if (kind == STEP_FIND_AND_MODIFY) {
        reply->document = keep(session, &answer.value);
    } else if (kind == STEP_UPDATE) {
        reply->written.upserted = answer.upserted.start != NULL;
        reply->written.matched = element_number(&answer.n, 0) - reply->written.upserted;
        reply->written.modified = element_number(&answer.modified, 0);
    } else if (kind == STEP_DELETE) {
        reply->deleted = element_number(&answer.n, 0);
    }
}
