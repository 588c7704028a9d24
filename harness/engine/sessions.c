/* SPDX-License-Identifier: Apache-2.0
 *
 * sessions: see sessions.h. Rules and words of refusals are those of MongoDB's transaction
 * participant. Sessions without a transaction number need no memory and get none. At start retry.c
 * makes those that the table knows: the highest number of each, and whether that was a commit.
 */
#include "sessions.h"

#include "base.h"
#include "catalog.h"
#include "dispatch.h"
#include "envelope.h"
#include "failpoint.h"
#include "parking.h"
#include "retry.h"
#include "session.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_MS = 30 * 60 * 1000, SWEEP_MS = 60 * 1000 };
enum { TRANSACTIONS_MAX = STORE_TRANSACTIONS_MAX - 100 }; /* some are left to statements */

struct sessions {
    struct logical_session *all; /* by id */
    int open;                    /* in STATE_OPEN */
    int64_t swept_ms;
};

/* An id is a random UUID: its two words mixed are hash enough. */
static unsigned hash_of(const uint8_t *id)
{
    uint64_t words[2];
    memcpy(words, id, sizeof words);
    return (unsigned)random_mix(words[0], words[1]);
}

static struct logical_session *find(struct sessions *sessions, const uint8_t *id)
{
    struct logical_session *session = NULL;
    HASH_FIND_BYHASHVALUE(hh, sessions->all, id, SESSION_ID_BYTES, hash_of(id), session);
    return session;
}

struct logical_session *session_make(struct engine *engine, const uint8_t *id)
{
    struct logical_session *session = find(engine->sessions, id);
    if (session != NULL)
        return session;
    session = x_calloc(1, sizeof *session);
    memcpy(session->id, id, SESSION_ID_BYTES);
    session->number = -1;
    session->used_ms = engine_elapsed_ms(engine);
    HASH_ADD_BYHASHVALUE(hh, engine->sessions->all, id, SESSION_ID_BYTES, hash_of(id), session);
    return session;
}

static void forget_noted(struct logical_session *session)
{
    for (size_t i = 0; i < session->noted_count; i++)
        free(session->noted[i].target);
    session->noted_count = 0;
}

static void session_free(struct sessions *sessions, struct logical_session *session)
{
    HASH_DELETE(hh, sessions->all, session);
    forget_noted(session);
    free(session->noted);
    free(session);
}

struct sessions *sessions_new(struct engine *engine)
{
    struct sessions *sessions = engine->sessions = x_calloc(1, sizeof *sessions);
    sessions->swept_ms = engine_elapsed_ms(engine);
    engine->retries = retries_new(engine);
    return sessions;
}

void sessions_free(struct engine *engine)
{
    struct logical_session *session, *next;
    HASH_ITER (hh, engine->sessions->all, session, next) {
        transaction_abort(engine, session);
        session_free(engine->sessions, session);
    }
    retries_free(engine->retries);
    free(engine->sessions);
}

/* Transactions --------------------------------------------------------------------------------- */

static void end(struct engine *engine, struct logical_session *session, enum session_state state)
{
    engine->sessions->open--;
    session->state = state;
    session->transaction = NULL;
    forget_noted(session);
    parking_wake(engine);
}

void transaction_abort(struct engine *engine, struct logical_session *session)
{
    if (session->state != STATE_OPEN)
        return;
    struct store_transaction *transaction = session->transaction;
    store_rollback(transaction);
    catalog_settle(engine->catalog, transaction, false);
    end(engine, session, STATE_ABORTED);
}

bool transaction_commit(struct request *request)
{
    struct logical_session *session = request->session;
    struct engine *engine = request->engine;
    if (session->state == STATE_COMMITTED)
        return true;
    bool fine = (session->noted_count == 0 || retry_keep_commit(request, session->transaction)) &&
                catalog_publish(engine->catalog, session->transaction, &request->failure);
    request->transaction = NULL;
    if (!fine) {
        transaction_abort(engine, session);
        return false;
    }
    struct store_transaction *transaction = session->transaction;
    bool committed = store_commit(transaction) == STORE_DONE;
    catalog_settle(engine->catalog, transaction, committed);
    if (!committed) {
        end(engine, session, STATE_ABORTED);
        return failure_set(&request->failure, FAILURE_WRITE_CONFLICT, "WriteConflict at commit");
    }
    for (size_t i = 0; i < session->noted_count; i++) {
        struct noted *noted = &session->noted[i];
        noted->step.target = noted->target;
        if (noted->step.worker != STEP_NOBODY)
            gate_applied(engine->gate, &noted->step, noted->documents);
    }
    end(engine, session, STATE_COMMITTED);
    return true;
}

void transaction_note_applied(struct request *request, int64_t documents)
{
    struct logical_session *session = request->session;
    size_t i = array_grow((void **)&session->noted, &session->noted_count, &session->noted_capacity,
                          sizeof *session->noted);
    session->noted[i] = (struct noted){request->step, x_strdup(request->step.target), documents};
}

static bool too_old(struct request *request, int64_t number)
{
    return failure_set(&request->failure, FAILURE_TRANSACTION_TOO_OLD,
                       "Cannot start transaction %" PRId64 " because a newer transaction %" PRId64
                       " has already started.",
                       number, request->session->number);
}

static bool enter_retryable(struct request *request, int64_t number)
{
    struct logical_session *session = request->session;
    if (number < session->number)
        return too_old(request, number);
    if (number > session->number) {
        transaction_abort(request->engine, session);
        session->number = number;
        session->state = STATE_WRITES;
        session->kept = false;
    }
    return session->state == STATE_WRITES ||
           failure_set(&request->failure, FAILURE_INVALID_OPTIONS,
                       "Must specify autocommit=false on all operations of a multi-statement "
                       "transaction.");
}

static bool start(struct request *request, int64_t number)
{
    struct logical_session *session = request->session;
    struct engine *engine = request->engine;
    if (number < session->number)
        return too_old(request, number);
    if (number == session->number)
        return failure_set(&request->failure, FAILURE_TRANSACTION_RESTARTED,
                           "Cannot start a transaction at given transaction number %" PRId64
                           ": one with the same number is there already",
                           number);
    transaction_abort(engine, session);
    if (engine->sessions->open >= TRANSACTIONS_MAX)
        return failure_set(&request->failure, FAILURE_EXCEEDED_MEMORY_LIMIT,
                           "more than %d open transactions are not supported", TRANSACTIONS_MAX);
    session->number = number;
    session->state = STATE_OPEN;
    engine->sessions->open++;
    session->transaction = store_begin(catalog_store(engine->catalog));
    store_keep_open(session->transaction);
    session->started_ms = session->used_ms;
    if (session->started_ms + engine->lifetime_ms < engine->due_ms)
        engine->due_ms = session->started_ms + engine->lifetime_ms;
    return true;
}

static bool go_on(struct request *request, int64_t number)
{
    struct logical_session *session = request->session;
    bool commits = request->command->name[0] == 'c' && (request->command->flags & COMMAND_ENDS);
    if (number < session->number)
        return too_old(request, number);
    if (number > session->number || session->state == STATE_WRITES)
        return failure_set(&request->failure, FAILURE_NO_SUCH_TRANSACTION,
                           "Given transaction number %" PRId64
                           " does not match any in-progress transactions. The active transaction "
                           "number is %" PRId64,
                           number, session->number);
    if (session->state == STATE_ABORTED)
        return failure_set(&request->failure, FAILURE_NO_SUCH_TRANSACTION,
                           "Transaction %" PRId64 " has been aborted.", number);
    return session->state == STATE_OPEN || commits ||
           failure_set(&request->failure, FAILURE_TRANSACTION_COMMITTED,
                       "Transaction %" PRId64 " has been committed.", number);
}

/* Entering ------------------------------------------------------------------------------------- */

/* The 16 bytes of {id: UUID}, or NULL. */
static const uint8_t *read_id(const bson_value_t *lsid)
{
    struct element id;
    bson_value_t value;
    if (lsid->value_type != BSON_TYPE_DOCUMENT ||
        !elements_find(elements_of_value(lsid), "id", 2, &id) || id.type != BSON_TYPE_BINARY)
        return NULL;
    element_value(&id, &value);
    return value.value.v_binary.subtype == BSON_SUBTYPE_UUID &&
                   value.value.v_binary.data_len == SESSION_ID_BYTES
               ? value.value.v_binary.data
               : NULL;
}

uint64_t sessions_resend_key(struct elements fields)
{
    struct element lsid, element;
    bson_value_t value;
    int64_t number = 0;
    uint64_t words[2];
    if (!elements_find(fields, "lsid", 4, &lsid) ||
        !elements_find(fields, "txnNumber", 9, &element))
        return 0;
    element_value(&lsid, &value);
    const uint8_t *id = read_id(&value);
    element_value(&element, &value);
    if (id == NULL || !fields_integer(&value, &number))
        return 0;
    memcpy(words, id, sizeof words);
    return random_mix(random_mix(words[0], words[1]), (uint64_t)number);
}

bool sessions_open(const struct engine *engine)
{
    return engine->sessions->open > 0;
}

static bool is_bool(const bson_value_t *value, bool expected)
{
    return value->value_type == BSON_TYPE_BOOL && value->value.v_bool == expected;
}

/* What may be said together: MongoDB's initializeOperationSessionInfo. */
static bool check_numbers(struct request *request, const struct envelope *envelope, int64_t *number)
{
    bool numbered = envelope->transaction_number.value_type != BSON_TYPE_EOD;
    bool commits = envelope->autocommit.value_type != BSON_TYPE_EOD;
    bool starts = envelope->start_transaction.value_type != BSON_TYPE_EOD;
    int64_t statement = 0; /* signed 32 bits in MongoDB */
    const char *wrong = NULL;
    if (!request->engine->replica_set && (numbered || commits || starts))
        return failure_set(&request->failure, FAILURE_ILLEGAL_OPERATION,
                           "Transaction numbers are only allowed on a replica set member or "
                           "mongos");
    if (numbered && envelope->session.value_type == BSON_TYPE_EOD)
        wrong = "Transaction number requires a session ID to also be specified";
    else if (numbered && (!fields_integer(&envelope->transaction_number, number) || *number < 0))
        wrong = "Transaction number must be a number and cannot be negative";
    else if (commits && !numbered)
        wrong = "'autocommit' field requires a transaction number to also be specified";
    else if (commits && !is_bool(&envelope->autocommit, false))
        wrong = "Specifying autocommit=true is not allowed.";
    else if (starts && !commits)
        wrong = "'startTransaction' field requires 'autocommit' field to also be specified";
    else if (starts && !is_bool(&envelope->start_transaction, true))
        wrong = "Specifying startTransaction=false is not allowed.";
    else if (envelope->statement.value_type != BSON_TYPE_EOD &&
             (!fields_integer(&envelope->statement, &statement) || statement < 0 ||
              statement > INT32_MAX))
        wrong = "stmtId must be a number from 0 to 2147483647";
    return wrong == NULL || failure_set(&request->failure, FAILURE_INVALID_OPTIONS, "%s", wrong);
}

/* May this command have a number at all? */
static bool check_command(struct request *request, const struct envelope *envelope)
{
    const struct command *command = request->command;
    bool starts = envelope->start_transaction.value_type != BSON_TYPE_EOD;
    struct failure *failure = &request->failure;
    if (request->numbered == PART_NONE)
        return !(command->flags & COMMAND_ENDS) ||
               failure_set(failure, FAILURE_COMMAND_FAILED, "%s must be run within a transaction",
                           command->name);
    if (request->numbered == PART_RETRYABLE)
        return (command->flags & COMMAND_RETRYABLE) ||
               failure_set(failure, FAILURE_NOT_RETRYABLE,
                           "txnNumber may only be provided for multi-document transactions and "
                           "retryable write commands. autocommit:false was not provided, and %s is "
                           "not a retryable write command.",
                           command->name);
    if (!(command->flags & (COMMAND_INSIDE | COMMAND_ENDS)))
        return failure_set(failure, FAILURE_TRANSACTION_OPERATION,
                           "Cannot run '%s' in a multi-document transaction.", command->name);
    return !starts || !(command->flags & COMMAND_ENDS) ||
           failure_set(failure, FAILURE_TRANSACTION_OPERATION,
                       "Cannot run command '%s' at the start of a transaction.", command->name);
}

bool sessions_enter(struct request *request, const struct envelope *envelope)
{
    struct engine *engine = request->engine;
    int64_t number = 0;
    request->part = PART_NONE;
    if (!check_numbers(request, envelope, &number) || !check_command(request, envelope))
        return false;
    const uint8_t *id = read_id(&envelope->session);
    if (envelope->session.value_type != BSON_TYPE_EOD && id == NULL)
        return failure_set(&request->failure, FAILURE_INVALID_OPTIONS,
                           "lsid must be an object whose 'id' is a UUID");
    struct logical_session *session = id != NULL ? find(engine->sessions, id) : NULL;
    if (session != NULL)
        session->used_ms = engine_elapsed_ms(engine);
    if (request->numbered == PART_NONE)
        return true;
    if (session == NULL && HASH_COUNT(engine->sessions->all) >= SESSIONS_MAX)
        return failure_set(&request->failure, FAILURE_TOO_MANY_SESSIONS,
                           "more than %d sessions are not supported", SESSIONS_MAX);
    request->session = session != NULL ? session : session_make(engine, id);
    bool starts = envelope->start_transaction.value_type != BSON_TYPE_EOD;
    bool fine = request->numbered == PART_RETRYABLE ? enter_retryable(request, number)
                : starts                            ? start(request, number)
                                                    : go_on(request, number);
    if (!fine)
        return false;
    request->part = request->numbered;
    request->transaction = request->session->transaction;
    return true;
}

/* Ends of sessions ----------------------------------------------------------------------------- */

static void session_end(struct engine *engine, struct logical_session *session)
{
    retry_forget(engine, session);
    session_free(engine->sessions, session);
}

int64_t sessions_expire(struct engine *engine)
{
    struct sessions *sessions = engine->sessions;
    int64_t now_ms = engine_elapsed_ms(engine), first_ms = INT64_MAX;
    bool sweep = now_ms - sessions->swept_ms >= SWEEP_MS;
    struct logical_session *session, *next;
    HASH_ITER (hh, sessions->all, session, next) {
        int64_t end_ms = session->started_ms + engine->lifetime_ms;
        if (session->state == STATE_OPEN && end_ms <= now_ms)
            transaction_abort(engine, session);
        else if (session->state == STATE_OPEN && end_ms < first_ms)
            first_ms = end_ms;
        if (sweep && session->state != STATE_OPEN && now_ms - session->used_ms > IDLE_MS)
            session_end(engine, session);
    }
    if (sweep)
        sessions->swept_ms = now_ms;
    return first_ms;
}

static void apply(struct engine *engine, struct logical_session *session, enum session_verb verb)
{
    session->used_ms = engine_elapsed_ms(engine);
    if (verb != SESSIONS_REFRESH)
        transaction_abort(engine, session);
    if (verb == SESSIONS_END)
        session_end(engine, session);
}

bool sessions_each(struct request *request, enum session_verb verb, bool all)
{
    struct engine *engine = request->engine;
    struct logical_session *session, *next;
    bson_value_t list;
    bson_iter_t iter;
    request_first(request, &list);
    if (list.value_type != BSON_TYPE_ARRAY ||
        !bson_iter_init_from_data(&iter, list.value.v_doc.data, list.value.v_doc.data_len))
        return failure_set(&request->failure, FAILURE_TYPE_MISMATCH,
                           "BSON field '%s.%s' is the wrong type '%s', expected type 'array'",
                           request->command->name, request->command->name,
                           fields_type_name(list.value_type));
    if (all) {
        HASH_ITER (hh, engine->sessions->all, session, next) {
            apply(engine, session, verb);
        }
    }
    while (!all && bson_iter_next(&iter)) {
        const uint8_t *id = read_id(bson_iter_value(&iter));
        session = id != NULL ? find(engine->sessions, id) : NULL;
        if (session != NULL)
            apply(engine, session, verb);
    }
    return true;
}
