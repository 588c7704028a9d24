/* SPDX-License-Identifier: Apache-2.0
 *
 * edit: see edit.h. This is where a history's evidence is made: before the change function runs,
 * the versions that the attempt read are noted in the session; the documents that it makes are
 * stamped with the operation's id. So a strategy cannot forget to, and "who overwrote whom" is in
 * the data.
 */
#include "edit.h"
#include "session.h"
#include "transport.h"

#include "document/element.h"
#include <string.h>

static const char *const outcome_names[OUTCOME_COUNT] = {"done",     "nothing", "busy",
                                                         "conflict", "failed",  "unknown"};

const char *outcome_name(enum outcome outcome)
{
    return outcome_names[outcome];
}

int64_t edit_number(const bson_t *document, const char *field, int64_t otherwise)
{
    struct element element;
    if (document == NULL || !elements_find(elements_of(document), field, strlen(field), &element))
        return otherwise;
    return element_number(&element, otherwise);
}

int64_t edit_stamp(const bson_t *document)
{
    return edit_number(document, EDIT_STAMP, 0);
}

enum outcome edit_work(struct session *session)
{
    int64_t work_us = session->crew->cell->work_us;
    if (work_us == 0 || session->worked)
        return DONE;
    session->worked = true;
    if (!session_step(session, STEP_SLEEP, ""))
        return FAILED;
    const struct transport_table *transport = session->crew->transport;
    transport->waiting->leave(session);
    bool slept = transport->clock->sleep_us(session, work_us);
    transport->waiting->enter(session);
    return slept ? DONE : FAILED;
}

static void note_reads(struct session *session, const struct edit *edit, const bson_t *const was[])
{
    for (int i = 0; i < edit->count; i++) {
        session->evidence.read[i] = edit_stamp(was[i]);
        session->was[i] = was[i];
        if (session->evidence.read[i] == session_operation(session))
            session->doubled = true;
    }
    if (edit->field != NULL)
        session->evidence.value_read = edit_number(was[0], edit->field, 0);
}

/* Sets the stamp in place when the change function has copied the old one, else appends it. */
static void stamp(bson_t *document, int64_t operation)
{
    bson_iter_t iter;
    if (bson_iter_init_find(&iter, document, EDIT_STAMP) && BSON_ITER_HOLDS_INT64(&iter))
        bson_iter_overwrite_int64(&iter, operation);
    else
        BSON_APPEND_INT64(document, EDIT_STAMP, operation);
}

int edit_first(const struct edit *edit)
{
    if (edit->count < 2)
        return 0;
    int order = strcmp(edit->key[0].collection, edit->key[1].collection);
    return order < 0 || (order == 0 && edit->key[0].id < edit->key[1].id) ? 0 : 1;
}

enum outcome edit_run(struct session *session, const struct edit *edit, const bson_t *const was[],
                      const bson_t *is[])
{
    if (edit_work(session) != DONE)
        return FAILED;
    note_reads(session, edit, was);
    bson_t *fresh[EDIT_DOCUMENTS_MAX] = {NULL};
    for (int i = 0; i < edit->count; i++)
        is[i] = NULL;
    if (edit->change == NULL)
        return DONE;
    for (int i = 0; i < edit->count; i++)
        fresh[i] = session_document(session);
    session->in_change = true;
    enum change change = edit->change(edit, was, fresh);
    session->in_change = false;
    switch (change) {
    case ALREADY:
        return NOTHING;
    case NOT_YET:
        return BUSY;
    case REFUSED:
        return FAILED;
    case CHANGED:
        break;
    }
    for (int i = 0; i < edit->count; i++) {
        if (bson_empty(fresh[i]))
            continue;
        stamp(fresh[i], session_operation(session));
        session->evidence.wrote |= (uint8_t)(1 << i);
        is[i] = fresh[i];
    }
    if (edit->field != NULL && is[0] != NULL)
        session->evidence.value_written = edit_number(is[0], edit->field, 0);
    return DONE;
}

/* Appends a document's $set with the operation's stamp added, or one made for it alone. */
static void write_stamped(struct session *session, const struct element *set, struct buffer *out)
{
    element_begin(out, BSON_TYPE_DOCUMENT, "$set", 4);
    size_t begun = document_begin(out);
    struct elements fields = set != NULL ? elements_of_element(set) : (struct elements){0};
    struct element field;
    while (elements_next(&fields, &field))
        element_write(out, &field);
    element_write_int64(out, EDIT_STAMP, session_operation(session));
    document_end(out, begun);
}

const bson_t *edit_operators(struct session *session, const struct edit *edit)
{
    must(edit->operators != NULL);
    session->evidence.read[0] = VERSION_BLIND;
    session->evidence.wrote = 1;
    struct buffer *out = &session->scratch;
    struct elements operators = elements_of(edit->operators);
    struct element operator;
    bool stamped = false;
    out->length = 0;
    size_t begun = document_begin(out);
    while (elements_next(&operators, &operator)) {
        if (!element_is_named(&operator, "$set", 4)) {
            element_write(out, &operator);
            continue;
        }
        write_stamped(session, &operator, out);
        stamped = true;
    }
    if (!stamped)
        write_stamped(session, NULL, out);
    document_end(out, begun);
    return session_keep(session, out->bytes, out->length);
}

/* Does `document` hold this very field, same type and same bytes? */
static bool holds(const bson_t *document, const struct element *field)
{
    struct element other;
    return document != NULL &&
           elements_find(elements_of(document), field->name, field->name_length, &other) &&
           other.type == field->type && other.size == field->size &&
           memcmp(other.data, field->data, field->size) == 0;
}

static bool has(const bson_t *document, const struct element *field)
{
    struct element other;
    return elements_find(elements_of(document), field->name, field->name_length, &other);
}

static bool is_id(const struct element *field)
{
    return element_is_named(field, "_id", 3);
}

bson_t *edit_update(struct session *session, const bson_t *was, const bson_t *is)
{
    struct buffer *out = &session->scratch;
    struct elements fields = elements_of(is);
    struct element field;
    bool gone = false;
    out->length = 0;
    size_t begun = document_begin(out);
    element_begin(out, BSON_TYPE_DOCUMENT, "$set", 4);
    size_t part = document_begin(out);
    while (elements_next(&fields, &field))
        if (!is_id(&field) && !holds(was, &field))
            element_write(out, &field);
    document_end(out, part);
    fields = was != NULL ? elements_of(was) : (struct elements){0};
    while (elements_next(&fields, &field)) {
        if (is_id(&field) || has(is, &field))
            continue;
        if (!gone) {
            element_begin(out, BSON_TYPE_DOCUMENT, "$unset", 6);
            part = document_begin(out);
        }
        gone = true;
        element_write_bool(out, field.name, true);
    }
    if (gone)
        document_end(out, part);
    document_end(out, begun);
    return session_keep(session, out->bytes, out->length);
}
