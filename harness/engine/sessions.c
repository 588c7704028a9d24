/* SPDX-License-Identifier: Apache-2.0
 *
 * sessions: see sessions.h. Rules and words of refusals are those of MongoDB's transaction
 * participant. Sessions without a transaction number need no memory and get none. At start the
 * table is read once: the highest number of each session, and whether that was a commit, which is
 * kept as statement -1, so that a commit may be repeated after a restart as well.
 */
#include "sessions.h"

#include "base.h"
#include "catalog.h"
#include "dispatch.h"
#include "envelope.h"
#include "failpoint.h"
#include "parking.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ID_BYTES = 16, KEY_BYTES = ID_BYTES + 4, SESSIONS_MAX = 1000000 };
enum { IDLE_MS = 30 * 60 * 1000, SWEEP_MS = 60 * 1000, COMMIT_MARK = -1 };
enum { TRANSACTIONS_MAX = STORE_TRANSACTIONS_MAX - 100 }; /* some are left to statements */

enum state { STATE_NONE, STATE_WRITES, STATE_OPEN, STATE_COMMITTED, STATE_ABORTED };

/* A write of an open transaction, for the gate. */
struct noted {
    struct step step;
    char *target;
    int64_t documents;
};

struct logical_session {
    UT_hash_handle hh;
    uint8_t id[ID_BYTES];
    int64_t number; /* of the latest transaction or retryable write, or -1 */
    enum state state;
    bool kept;                             /* the table may have rows of this number */
    struct store_transaction *transaction; /* in STATE_OPEN */
    int64_t started_ms, used_ms;           /* on the engine's clock */
    struct noted *noted;
    size_t noted_count, noted_capacity;
};

struct sessions {
    struct logical_session *all; /* by id */
    int open;                    /* in STATE_OPEN */
    struct store_table *table;
    int64_t swept_ms;
};

static struct logical_session *find(struct sessions *sessions, const uint8_t *id)
{
    struct logical_session *session = NULL;
    HASH_FIND(hh, sessions->all, id, ID_BYTES, session);
    return session;
}

static struct logical_session *add(struct engine *engine, const uint8_t *id)
{
    struct logical_session *session = x_calloc(1, sizeof *session);
    memcpy(session->id, id, ID_BYTES);
    session->number = -1;
    session->used_ms = engine_elapsed_ms(engine);
    HASH_ADD(hh, engine->sessions->all, id, ID_BYTES, session);
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

/* The table ------------------------------------------------------------------------------------ */

static struct slice row_key(uint8_t key[KEY_BYTES], const struct logical_session *session,
                            int64_t statement)
{
    memcpy(key, session->id, ID_BYTES);
    for (int i = 0; i < 4; i++)
        key[ID_BYTES + i] = (uint8_t)((uint32_t)statement >> (24 - 8 * i));
    return (struct slice){key, KEY_BYTES};
}

static int64_t row_number(const bson_t *row, const char *field)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, row, field) ? bson_iter_as_int64(&iter) : 0;
}

static bool read_row(struct slice key, struct slice value, void *context)
{
    struct engine *engine = context;
    bson_t row;
    if (key.length != KEY_BYTES || !bson_init_static(&row, value.bytes, value.length))
        return true;
    struct logical_session *session = find(engine->sessions, key.bytes);
    if (session == NULL)
        session = add(engine, key.bytes);
    int64_t number = row_number(&row, "t");
    if (number > session->number) {
        session->number = number;
        session->kept = true;
        session->state = key.bytes[ID_BYTES] == UINT8_MAX ? STATE_COMMITTED : STATE_WRITES;
    }
    return true;
}

struct sessions *sessions_new(struct engine *engine)
{
    struct store *store = catalog_store(engine->catalog);
    struct sessions *sessions = engine->sessions = x_calloc(1, sizeof *sessions);
    sessions->table = store_table_open(store, "sessions");
    sessions->swept_ms = engine_elapsed_ms(engine);
    struct store_transaction *transaction = store_begin(store);
    store_scan(transaction, sessions->table, (struct slice){NULL, 0}, read_row, engine);
    store_rollback(transaction);
    return sessions;
}

void sessions_free(struct engine *engine)
{
    struct logical_session *session, *next;
    HASH_ITER (hh, engine->sessions->all, session, next) {
        transaction_abort(engine, session);
        session_free(engine->sessions, session);
    }
    free(engine->sessions);
}

/* The row begins with its number; the caller may add fields before put_row(). */
static void row_begin(struct request *request)
{
    struct buffer *row = &request->engine->row;
    row->length = 0;
    document_begin(row);
    element_write_int64(row, "t", request->session->number);
}

static bool put_row(struct request *request, struct store_transaction *transaction,
                    int64_t statement)
{
    uint8_t bytes[KEY_BYTES];
    struct buffer *row = &request->engine->row;
    struct slice key = row_key(bytes, request->session, statement);
    document_end(row, 0);
    return store_put(transaction, request->engine->sessions->table, key, buffer_slice(row)) ==
               STORE_DONE ||
           failure_set(&request->failure, FAILURE_WRITE_CONFLICT,
                       "WriteConflict error: the session is written to by another operation");
}

bool retry_keep(struct request *request, struct store_transaction *transaction,
                const struct write_outcome *outcome)
{
    struct buffer *row = &request->engine->row;
    struct element id;
    row_begin(request);
    element_write_int64(row, "n", outcome->matched);
    element_write_int64(row, "m", outcome->modified);
    if (outcome->upserted && elements_find(elements_of(request->engine->image), "_id", 3, &id))
        element_write_named(row, "u", 1, &id);
    if (outcome->image != NULL)
        element_write_document(row, BSON_TYPE_DOCUMENT, "v", outcome->image);
    request->session->kept = true;
    return put_row(request, transaction, request->statement) && failpoint_commit(request);
}

bool retry_find(struct request *request, struct write_outcome *outcome)
{
    uint8_t bytes[KEY_BYTES];
    struct slice value;
    bson_t row, image;
    bson_iter_t iter;
    if (request->part != PART_RETRYABLE || !request->session->kept)
        return false;
    struct store_transaction *transaction = request_begin(request);
    struct slice key = row_key(bytes, request->session, request->statement);
    bool found =
        store_get(transaction, request->engine->sessions->table, key, &value) == STORE_DONE &&
        bson_init_static(&row, value.bytes, value.length) &&
        row_number(&row, "t") == request->session->number;
    if (found) {
        *outcome = (struct write_outcome){.matched = row_number(&row, "n"),
                                          .modified = row_number(&row, "m"),
                                          .retried = true};
        bson_reinit(request->engine->image);
        outcome->upserted = bson_iter_init_find(&iter, &row, "u") &&
                            bson_append_iter(request->engine->image, "_id", 3, &iter);
        if (bson_iter_init_find(&iter, &row, "v")) {
            const bson_value_t *was = bson_iter_value(&iter);
            must(bson_init_static(&image, was->value.v_doc.data, was->value.v_doc.data_len));
            outcome->image = bson_copy(&image);
        }
    }
    request_end(request, transaction);
    return found;
}

/* Transactions --------------------------------------------------------------------------------- */

static void end(struct engine *engine, struct logical_session *session, enum state state)
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
    row_begin(request);
    bool fine =
        (session->noted_count == 0 || put_row(request, session->transaction, COMMIT_MARK)) &&
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
                   value.value.v_binary.data_len == ID_BYTES
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
    request->session = session != NULL ? session : add(engine, id);
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

static bool gather_key(struct slice key, struct slice value, void *context)
{
    struct buffer *keys = context;
    (void)value;
    buffer_append(keys, key.bytes, key.length);
    return true;
}

/* The session goes, with its rows, to which nobody else writes. */
static void forget(struct engine *engine, struct logical_session *session)
{
    struct store_table *table = engine->sessions->table;
    struct buffer keys = {0};
    if (session->number >= 0) {
        struct store_transaction *transaction = store_begin(catalog_store(engine->catalog));
        store_scan(transaction, table, (struct slice){session->id, ID_BYTES}, gather_key, &keys);
        bool fine = true;
        for (size_t at = 0; fine && at < keys.length; at += KEY_BYTES)
            fine = store_delete(transaction, table, (struct slice){keys.bytes + at, KEY_BYTES}) ==
                   STORE_DONE;
        if (fine)
            store_commit(transaction);
        else /* they are found again at the next start */
            store_rollback(transaction);
        buffer_release(&keys);
    }
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
            forget(engine, session);
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
        forget(engine, session);
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
