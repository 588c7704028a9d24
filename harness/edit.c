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

static const char *const outcome_names[OUTCOME_COUNT] = {"done",     "nothing", "busy",
                                                         "conflict", "failed",  "unknown"};

const char *outcome_name(enum outcome outcome)
{
    return outcome_names[outcome];
}

int64_t edit_number(const bson_t *document, const char *field, int64_t otherwise)
{
    bson_iter_t iter;
    if (document == NULL || !bson_iter_init_find(&iter, document, field) ||
        !BSON_ITER_HOLDS_NUMBER(&iter))
        return otherwise;
    return bson_iter_as_int64(&iter);
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

const bson_t *edit_operators(struct session *session, const struct edit *edit)
{
    must(edit->operators != NULL);
    session->evidence.read[0] = VERSION_BLIND;
    session->evidence.wrote = 1;
    bson_t *operators = session_document(session);
    bson_t set;
    bson_iter_t iter;
    bool stamped = false;
    for (bson_iter_init(&iter, edit->operators); bson_iter_next(&iter);) {
        if (strcmp(bson_iter_key(&iter), "$set") != 0) {
            bson_append_iter(operators, NULL, -1, &iter);
            continue;
        }
        bson_iter_t field;
        BSON_APPEND_DOCUMENT_BEGIN(operators, "$set", &set);
        for (bson_iter_recurse(&iter, &field); bson_iter_next(&field);)
            bson_append_iter(&set, NULL, -1, &field);
        BSON_APPEND_INT64(&set, EDIT_STAMP, session_operation(session));
        bson_append_document_end(operators, &set);
        stamped = true;
    }
    if (!stamped) {
        BSON_APPEND_DOCUMENT_BEGIN(operators, "$set", &set);
        BSON_APPEND_INT64(&set, EDIT_STAMP, session_operation(session));
        bson_append_document_end(operators, &set);
    }
    return operators;
}

/* Does `document` hold this very field, same type and same bytes? */
static bool holds(const bson_t *document, const bson_iter_t *field)
{
    bson_iter_t other;
    if (document == NULL || !bson_iter_init_find(&other, document, bson_iter_key(field)) ||
        bson_iter_type(&other) != bson_iter_type(field))
        return false;
    if (BSON_ITER_HOLDS_INT64(field))
        return bson_iter_int64(&other) == bson_iter_int64(field);
    bson_t a = BSON_INITIALIZER, b = BSON_INITIALIZER;
    bson_append_iter(&a, "", 0, field);
    bson_append_iter(&b, "", 0, &other);
    bool equal = bson_equal(&a, &b);
    bson_destroy(&a);
    bson_destroy(&b);
    return equal;
}

bson_t *edit_update(struct session *session, const bson_t *was, const bson_t *is)
{
    bson_t *update = session_document(session);
    bson_t part;
    bson_iter_t iter;
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &part);
    for (bson_iter_init(&iter, is); bson_iter_next(&iter);)
        if (strcmp(bson_iter_key(&iter), "_id") != 0 && !holds(was, &iter))
            bson_append_iter(&part, NULL, -1, &iter);
    bson_append_document_end(update, &part);
    bool gone = false;
    if (was != NULL)
        for (bson_iter_init(&iter, was); !gone && bson_iter_next(&iter);)
            gone = !bson_has_field(is, bson_iter_key(&iter));
    if (!gone)
        return update;
    BSON_APPEND_DOCUMENT_BEGIN(update, "$unset", &part);
    for (bson_iter_init(&iter, was); bson_iter_next(&iter);)
        if (strcmp(bson_iter_key(&iter), "_id") != 0 && !bson_has_field(is, bson_iter_key(&iter)))
            BSON_APPEND_BOOL(&part, bson_iter_key(&iter), true);
    bson_append_document_end(update, &part);
    return update;
}
