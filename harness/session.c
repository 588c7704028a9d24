/* SPDX-License-Identifier: Apache-2.0
 *
 * session: the verbs of session.h over the transport's tables. Each verb is: may we (session_step),
 * leave the instance, do it, enter the instance again, hand the outcome back. What is the same for
 * every transport is here and only here: which reply means what, whose the memory is, draws, files.
 */
#include "session.h"
#include "strategy.h"
#include "transport.h"

#include <inttypes.h>
#include <sanitizer/asan_interface.h>
#include <string.h>

enum outcome command_outcome(const struct command_reply *reply, bool writes)
{
    enum { DUPLICATE_KEY = 11000, WRITE_CONFLICT = 112, NO_SUCH_TRANSACTION = 251 };
    enum { MAX_TIME_EXPIRED = 50, INTERRUPTED_AT_SHUTDOWN = 11600, INTERRUPTED_BY_CHANGE = 11602 };
    if (!reply->answered) {
        if (!writes)
            return BUSY;
        return reply->sent ? UNKNOWN : FAILED;
    }
    switch (reply->code) {
    case 0:
        return reply->durable ? DONE : UNKNOWN;
    case DUPLICATE_KEY:
    case WRITE_CONFLICT:
    case NO_SUCH_TRANSACTION: /* aborted meanwhile: nothing of it is written */
        return CONFLICT;
    case MAX_TIME_EXPIRED: /* these may come after the write took effect */
    case INTERRUPTED_AT_SHUTDOWN:
    case INTERRUPTED_BY_CHANGE:
        return writes ? UNKNOWN : BUSY;
    default:
        return FAILED;
    }
}

/* In a dead instance nothing works but its restart. What a scenario does between operations (a
 * message bus, a timer) is outside of it and waits until it runs again. */
static bool may_go_on(struct session *session)
{
    const struct instance *instance = session->instance;
    if (session->in_operation)
        return !instance->crashed || instance->starter == session;
    if ((session->crew->cell->hazards & HAZARD_BIT(crash)) != 0) {
        crew_enter(session);
        crew_leave(session);
    }
    return true;
}

bool session_step(struct session *session, enum step_kind kind, const char *target)
{
    if (session->in_change)
        die(EXIT_INTERNAL, "an edit's change function called its session (%s); it must be pure",
            step_kind_name(kind));
    struct crew *crew = session->crew;
    session->step = kind;
    session->target = target;
    if (atomic_load_explicit(&crew->abandon, memory_order_relaxed))
        return false;
    if (crew->witness != NULL)
        crew->witness->stepping(session);
    if (crew->hazards != NULL && session->in_operation &&
        kind != STEP_WAIT && /* nothing may come between a check and the wait for its change */
        !hazards_step(crew->hazards, session, kind))
        return false;
    if (!may_go_on(session))
        return false;
    bool unseen = kind > STEP_OTHER_COMMAND || kind == STEP_BEGIN; /* no command says it */
    if (unseen || !crew->gate_sees_commands) {
        struct step step = {session->worker, session->operation_count - 1, kind, target, 0, NULL};
        if (gate_arrive(crew->gate, &step) == GATE_CLOSE_BEFORE)
            return false; /* its instance has died while it was held */
    }
    return true;
}

/* Memory of the attempt ---------------------------------------------------------------------- */

/* Documents are made once and used again; whoever touches one after its attempt is told by
 * AddressSanitizer all the same. */

bson_t *session_document(struct session *session)
{
    if (session->document_count == session->document_made) {
        size_t i = array_grow((void **)&session->documents, &session->document_made,
                              &session->document_capacity, sizeof(*session->documents));
        /* not bson_new(): what it makes cannot be made anew */
        session->documents[i] = x_aligned(_Alignof(bson_t), sizeof(bson_t));
    }
    bson_t *document = session->documents[session->document_count++];
    ASAN_UNPOISON_MEMORY_REGION(document, sizeof(*document));
    bson_init(document);
    return document;
}

bson_t *session_keep(struct session *session, const uint8_t *bytes, size_t length)
{
    bson_t *document = session_document(session), view;
    must(bson_init_static(&view, bytes, length) && bson_concat(document, &view));
    return document;
}

static char *keep_text(struct session *session, char *text)
{
    size_t i = array_grow((void **)&session->texts, &session->text_count, &session->text_capacity,
                          sizeof(*session->texts));
    session->texts[i] = text;
    return text;
}

void session_forget(struct session *session)
{
    for (size_t i = 0; i < session->document_count; i++) {
        bson_destroy(session->documents[i]); /* its bytes, if they did not fit */
        ASAN_POISON_MEMORY_REGION(session->documents[i], sizeof(bson_t));
    }
    for (size_t i = 0; i < session->text_count; i++)
        free(session->texts[i]);
    session->document_count = session->text_count = 0;
}

void session_free(struct session *session)
{
    session_forget(session);
    for (size_t i = 0; i < session->document_made; i++) {
        ASAN_UNPOISON_MEMORY_REGION(session->documents[i], sizeof(bson_t));
        free(session->documents[i]);
    }
    free(session->documents);
    free(session->texts);
    buffer_release(&session->command);
    buffer_release(&session->scratch);
}

bson_t *session_key(struct session *session, const struct key *key)
{
    bson_t *filter = session_document(session);
    BSON_APPEND_INT64(filter, "_id", key->id);
    return filter;
}

const bson_t *session_parse(struct session *session, const char *text, size_t length)
{
    bson_error_t error;
    bson_t *document = bson_new_from_json((const uint8_t *)text, (ssize_t)length, &error);
    if (document == NULL)
        return NULL;
    bson_t *kept = session_keep(session, bson_get_data(document), document->len);
    bson_destroy(document);
    return kept;
}

const char *session_text(struct session *session, const bson_t *document, size_t *length)
{
    char *json = bson_as_relaxed_extended_json(document, length);
    must(json != NULL);
    char *text = x_strndup(json, *length);
    bson_free(json);
    return keep_text(session, text);
}

const char *session_file_name(struct session *session, const struct key *key)
{
    return keep_text(session, x_format("%s.%" PRId64 ".json", key->collection, key->id));
}

/* Commands ----------------------------------------------------------------------------------- */

static enum outcome execute(struct session *session, const struct command_request *request,
                            struct command_reply *reply)
{
    memset(reply, 0, sizeof(*reply));
    reply->durable = true;
    if (!session_step(session, request->kind, request->collection))
        return FAILED;
    const struct transport_table *transport = session->crew->transport;
    session->commands++;
    transport->waiting->leave(session);
    transport->commands->execute(session, request, reply);
    transport->waiting->enter(session);
    bool writes = request->kind != STEP_FIND && /* within a transaction only its commit writes */
                  (!session->in_transaction || request->kind == STEP_COMMIT);
    return command_outcome(reply, writes);
}

enum outcome session_find(struct session *session, const char *collection, const bson_t *filter,
                          const bson_t **found)
{
    struct command_request request = {.kind = STEP_FIND,
                                      .collection = collection,
                                      .filter = filter};
    struct command_reply reply;
    enum outcome outcome = execute(session, &request, &reply);
    *found = reply.document;
    return outcome;
}

enum outcome session_insert_one(struct session *session, const char *collection,
                                const bson_t *document)
{
    struct command_request request = {.kind = STEP_INSERT,
                                      .collection = collection,
                                      .document = document};
    struct command_reply reply;
    return execute(session, &request, &reply);
}

enum outcome session_update_one(struct session *session, const struct modify *modify,
                                struct written *written)
{
    struct command_request request = {.kind = STEP_UPDATE,
                                      .collection = modify->collection,
                                      .filter = modify->filter,
                                      .modify = *modify};
    struct command_reply reply;
    enum outcome outcome = execute(session, &request, &reply);
    *written = reply.written;
    return outcome;
}

enum outcome session_delete_one(struct session *session, const char *collection,
                                const bson_t *filter, int64_t *deleted)
{
    struct command_request request = {.kind = STEP_DELETE,
                                      .collection = collection,
                                      .filter = filter};
    struct command_reply reply;
    enum outcome outcome = execute(session, &request, &reply);
    *deleted = reply.deleted;
    return outcome;
}

enum outcome session_find_and_modify(struct session *session, const struct modify *modify,
                                     const bson_t **image)
{
    struct command_request request = {.kind = STEP_FIND_AND_MODIFY,
                                      .collection = modify->collection,
                                      .filter = modify->filter,
                                      .modify = *modify};
    struct command_reply reply;
    enum outcome outcome = execute(session, &request, &reply);
    *image = reply.document;
    return outcome;
}

enum outcome session_begin(struct session *session)
{
    must(!session->in_transaction);
    struct command_request request = {.kind = STEP_BEGIN, .collection = ""};
    struct command_reply reply;
    enum outcome outcome = execute(session, &request, &reply);
    session->in_transaction = outcome == DONE;
    return outcome;
}

enum outcome session_commit(struct session *session)
{
    must(session->in_transaction);
    struct command_request request = {.kind = STEP_COMMIT, .collection = ""};
    struct command_reply reply;
    enum outcome outcome = execute(session, &request, &reply);
    session->in_transaction = outcome == UNKNOWN;
    return outcome;
}

void session_abort(struct session *session)
{
    must(session->in_transaction);
    struct command_request request = {.kind = STEP_ABORT, .collection = ""};
    struct command_reply reply;
    execute(session, &request, &reply);
    session->in_transaction = false;
    session->transaction.life += !reply.sent;
}

enum outcome session_effect(struct session *session, const struct edit *edit)
{
    bson_t *effect = session_document(session);
    BSON_APPEND_INT64(effect, "_id", session_token(session));
    BSON_APPEND_INT64(effect, "once", edit->once);
    BSON_APPEND_INT64(effect, "by", session_operation(session));
    return session_insert_one(session, "effects", effect);
}

/* Clock and choice --------------------------------------------------------------------------- */

/* The worker's own clock: the transport's, and a hazard's skew. */
static int64_t wall_ms(struct session *session)
{
    struct crew *crew = session->crew;
    int64_t skew_ms = crew->hazards != NULL ? hazards_skew_ms(crew->hazards, session) : 0;
    return crew->transport->clock->wall_ms(session) + skew_ms;
}

int64_t session_now_ms(struct session *session)
{
    session_step(session, STEP_NOW, "");
    return wall_ms(session);
}

enum outcome session_sleep_until(struct session *session, int64_t until_ms)
{
    if (!session_step(session, STEP_SLEEP, ""))
        return FAILED;
    const struct transport_table *transport = session->crew->transport;
    int64_t left_ms = until_ms - wall_ms(session);
    if (left_ms <= 0)
        return DONE;
    transport->waiting->leave(session);
    bool slept = transport->clock->sleep_us(session, left_ms * 1000);
    transport->waiting->enter(session);
    return slept ? DONE : FAILED;
}

int64_t session_draw(struct session *session, int64_t bound)
{
    return (int64_t)random_below(&session->random, (uint64_t)bound);
}

int64_t session_random(struct session *session, int64_t bound)
{
    if (bound > 1) /* otherwise there is no choice */
        session_step(session, STEP_RANDOM, "");
    return session->crew->transport->choice->draw(session, bound);
}

int64_t session_token(struct session *session)
{
    session_step(session, STEP_TOKEN, "");
    return OPERATION_ID(session->worker, TOKEN_BIT | ++session->token_count);
}

/* Waiting ------------------------------------------------------------------------------------ */

enum outcome session_wait(struct session *session, const void *condition)
{
    if (!session_step(session, STEP_WAIT, ""))
        return FAILED;
    return session->crew->transport->waiting->wait(session, condition) ? DONE : FAILED;
}

void session_wake(struct session *session, const void *condition)
{
    session_step(session, STEP_WAKE, "");
    session->crew->transport->waiting->wake(session, condition);
}

/* Who and where ------------------------------------------------------------------------------- */

int64_t session_operation(const struct session *session)
{
    return OPERATION_ID(session->worker, session->operation_count - 1);
}

int32_t session_worker(const struct session *session)
{
    atomic_store_explicit(&session->crew->identified, true, memory_order_relaxed);
    return session->worker;
}

int64_t session_lease_ms(const struct session *session)
{
    return session->crew->cell->lease_ms;
}

bool session_strike(struct session *session, unsigned hazard_index)
{
    const struct choice_table *choice = session->crew->transport->choice;
    struct hazards *hazards = session->crew->hazards;
    if (choice->strike != NULL)
        return choice->strike(session, (enum hazard_index)hazard_index);
    return hazards != NULL && hazards_strike(hazards, (enum hazard_index)hazard_index);
}
