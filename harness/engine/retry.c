/* SPDX-License-Identifier: Apache-2.0
 *
 * retry: see retry.h. Slots are in memory as they are in the store: a statement writes the whole
 * row of its session's slot, and memory gets what was changed in it after the commit.
 */
#include "retry.h"

#include "base.h"
#include "catalog.h"
#include "dispatch.h"
#include "failpoint.h"
#include "session.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = SESSION_ID_BYTES + 4, SLOT_KEY_BYTES = 4, COMMIT_MARK = -1 };

/* A slot: the session's id; the write's number in little-endian order, or -1: unused; the
 * statement, the same; how many documents matched and were modified. */
enum {
    AT_NUMBER = SESSION_ID_BYTES,
    AT_STATEMENT = AT_NUMBER + 8,
    AT_MATCHED = AT_STATEMENT + 4,
    AT_MODIFIED,
    SLOT_BYTES,
    SLOTS_PER_ROW = 16,
    SLOT_ROW_BYTES = SLOTS_PER_ROW * SLOT_BYTES,
};

/* What the first plain statement of a retryable write did: what is in its session's slot. */
struct done {
    int64_t number; /* of the write; -1: none */
    int32_t statement;
    uint8_t matched, modified;
};

struct retries {
    struct store_table *table;
    struct buffer slots; /* all rows of slots, one after the other, as they are in the store */
    uint32_t taken;      /* slots from the front that some session has had */
    uint32_t *unused;    /* slots */
    size_t unused_count, unused_capacity;
    struct done pending; /* what retry_keep() has put into a slot; number -1: nothing */
};

/* Slots ---------------------------------------------------------------------------------------- */

static void slot_write(uint8_t *slot, const uint8_t *id, const struct done *done)
{
    uint64_t number = htole64((uint64_t)done->number);
    uint32_t statement = htole32((uint32_t)done->statement);
    memcpy(slot, id, SESSION_ID_BYTES);
    memcpy(slot + AT_NUMBER, &number, sizeof number);
    memcpy(slot + AT_STATEMENT, &statement, sizeof statement);
    slot[AT_MATCHED] = done->matched;
    slot[AT_MODIFIED] = done->modified;
}

static struct done slot_read(const uint8_t *slot)
{
    uint64_t number;
    uint32_t statement;
    memcpy(&number, slot + AT_NUMBER, sizeof number);
    memcpy(&statement, slot + AT_STATEMENT, sizeof statement);
    return (struct done){.number = (int64_t)le64toh(number),
                         .statement = (int32_t)le32toh(statement),
                         .matched = slot[AT_MATCHED],
                         .modified = slot[AT_MODIFIED]};
}

static uint8_t *slot_at(struct retries *retries, uint32_t slot)
{
    return retries->slots.bytes + (size_t)slot * SLOT_BYTES;
}

static void slot_give_back(struct retries *retries, uint32_t slot)
{
    static const uint8_t nobody[SESSION_ID_BYTES];
    slot_write(slot_at(retries, slot), nobody, &(struct done){.number = -1});
    size_t at = array_grow((void **)&retries->unused, &retries->unused_count,
                           &retries->unused_capacity, sizeof *retries->unused);
    retries->unused[at] = slot;
}

/* One more row of slots, all unused, the first of them to be taken first. */
static void add_row(struct retries *retries)
{
    uint32_t first = (uint32_t)(retries->slots.length / SLOT_BYTES);
    buffer_extend(&retries->slots, SLOT_ROW_BYTES);
    for (uint32_t i = SLOTS_PER_ROW; i > 0; i--)
        slot_give_back(retries, first + i - 1);
}

static uint32_t slot_of(struct retries *retries, struct logical_session *session)
{
    if (session->slot == 0 && retries->unused_count == 0)
        add_row(retries);
    if (session->slot == 0)
        session->slot = retries->unused[--retries->unused_count] + 1;
    if (session->slot > retries->taken)
        retries->taken = session->slot;
    return session->slot - 1;
}

/* Puts the row of the session's slot with `done` in it, without slots that nobody has had. */
static enum store_result put_slot(struct retries *retries, struct store_transaction *transaction,
                                  struct logical_session *session, const struct done *done)
{
    uint8_t bytes[SLOT_ROW_BYTES];
    uint32_t slot = slot_of(retries, session), row = slot / SLOTS_PER_ROW, key = htobe32(row);
    uint32_t taken = retries->taken - row * SLOTS_PER_ROW;
    size_t length = (size_t)(taken < SLOTS_PER_ROW ? taken : SLOTS_PER_ROW) * SLOT_BYTES;
    memcpy(bytes, slot_at(retries, row * SLOTS_PER_ROW), length);
    slot_write(bytes + (size_t)(slot % SLOTS_PER_ROW) * SLOT_BYTES, session->id, done);
    return store_put(transaction, retries->table,
                     (struct slice){(const uint8_t *)&key, SLOT_KEY_BYTES},
                     (struct slice){bytes, length});
}

/* What is in the session's slot. */
static struct done done_of(struct retries *retries, const struct logical_session *session)
{
    return session->slot > 0 ? slot_read(slot_at(retries, session->slot - 1))
                             : (struct done){.number = -1};
}

/* Rows ----------------------------------------------------------------------------------------- */

static struct slice row_key(uint8_t key[KEY_BYTES], const struct logical_session *session,
                            int64_t statement)
{
    uint32_t number = htobe32((uint32_t)statement);
    memcpy(key, session->id, SESSION_ID_BYTES);
    memcpy(key + SESSION_ID_BYTES, &number, sizeof number);
    return (struct slice){key, KEY_BYTES};
}

static int64_t row_number(const bson_t *row, const char *field)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, row, field) ? bson_iter_as_int64(&iter) : 0;
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
    request->session->has_rows = true;
    document_end(row, 0);
    return store_put(transaction, request->engine->retries->table, key, buffer_slice(row)) ==
               STORE_DONE ||
           failure_set(&request->failure, FAILURE_WRITE_CONFLICT,
                       "WriteConflict error: the session is written to by another operation");
}

static bool put_outcome(struct request *request, struct store_transaction *transaction,
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
    return put_row(request, transaction, request->statement);
}

/* What the row of the statement says, if there is one of this number. */
static bool find_outcome(struct request *request, struct write_outcome *outcome)
{
    uint8_t bytes[KEY_BYTES];
    struct slice value;
    bson_t row, image;
    bson_iter_t iter;
    struct store_transaction *transaction = request_begin(request);
    struct slice key = row_key(bytes, request->session, request->statement);
    bool found =
        store_get(transaction, request->engine->retries->table, key, &value) == STORE_DONE &&
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

/* Both ----------------------------------------------------------------------------------------- */

bool retry_find(struct request *request, struct write_outcome *outcome)
{
    if (request->part != PART_RETRYABLE)
        return false;
    const struct logical_session *session = request->session;
    struct done done = done_of(request->engine->retries, session);
    if (done.number == session->number && done.statement == request->statement) {
        *outcome = (struct write_outcome){.matched = done.matched,
                                          .modified = done.modified,
                                          .retried = true};
        return true;
    }
    return session->kept && find_outcome(request, outcome);
}

bool retry_keep(struct request *request, struct store_transaction *transaction,
                const struct write_outcome *outcome)
{
    struct logical_session *session = request->session;
    struct retries *retries = request->engine->retries;
    bool plain = outcome->image == NULL && !outcome->upserted && outcome->matched <= UINT8_MAX &&
                 outcome->modified <= UINT8_MAX && request->statement <= INT32_MAX;
    retries->pending.number = -1;
    if (!plain || done_of(retries, session).number == session->number)
        return put_outcome(request, transaction, outcome) && failpoint_commit(request);
    retries->pending = (struct done){.number = session->number,
                                     .statement = (int32_t)request->statement,
                                     .matched = (uint8_t)outcome->matched,
                                     .modified = (uint8_t)outcome->modified};
    if (put_slot(retries, transaction, session, &retries->pending) != STORE_DONE)
        return failure_set(&request->failure, FAILURE_WRITE_CONFLICT,
                           "WriteConflict error: sessions are written to by another operation");
    return failpoint_commit(request);
}

void retry_kept(struct request *request)
{
    struct retries *retries = request->engine->retries;
    const struct logical_session *session = request->session;
    if (retries->pending.number >= 0)
        slot_write(slot_at(retries, session->slot - 1), session->id, &retries->pending);
}

bool retry_keep_commit(struct request *request, struct store_transaction *transaction)
{
    row_begin(request);
    return put_row(request, transaction, COMMIT_MARK);
}

static bool gather_key(struct slice key, struct slice value, void *context)
{
    struct buffer *keys = context;
    (void)value;
    buffer_append(keys, key.bytes, key.length);
    return true;
}

/* Nobody else writes to the session's rows. */
static bool delete_rows(struct store_transaction *transaction, struct store_table *table,
                        const struct logical_session *session)
{
    struct buffer keys = {0};
    bool fine = true;
    store_scan(transaction, table, (struct slice){session->id, SESSION_ID_BYTES}, gather_key,
               &keys);
    for (size_t at = 0; fine && at < keys.length; at += KEY_BYTES)
        fine = store_delete(transaction, table, (struct slice){keys.bytes + at, KEY_BYTES}) ==
               STORE_DONE;
    buffer_release(&keys);
    return fine;
}

void retry_forget(struct engine *engine, struct logical_session *session)
{
    struct retries *retries = engine->retries;
    const struct done nothing = {.number = -1};
    bool slotted = done_of(retries, session).number >= 0;
    if (!session->has_rows && !slotted) {
        if (session->slot > 0)
            slot_give_back(retries, session->slot - 1);
        return;
    }
    struct store_transaction *transaction = store_begin(catalog_store(engine->catalog));
    bool fine = (!session->has_rows || delete_rows(transaction, retries->table, session)) &&
                (!slotted || put_slot(retries, transaction, session, &nothing) == STORE_DONE);
    if (!fine) { /* they are found again at the next start */
        store_rollback(transaction);
    } else if (store_commit(transaction) == STORE_DONE && session->slot > 0) {
        slot_give_back(retries, session->slot - 1);
    }
}

/* Start ---------------------------------------------------------------------------------------- */

static void load_row(struct engine *engine, struct slice key, struct slice value)
{
    bson_t row;
    must(bson_init_static(&row, value.bytes, value.length));
    struct logical_session *session = session_make(engine, key.bytes);
    int64_t number = row_number(&row, "t");
    session->has_rows = true;
    if (number > session->number) {
        session->number = number;
        session->state = key.bytes[SESSION_ID_BYTES] == UINT8_MAX ? STATE_COMMITTED : STATE_WRITES;
    }
    session->kept |= number == session->number;
}

static void load_slot(struct engine *engine, uint32_t slot)
{
    struct retries *retries = engine->retries;
    const uint8_t *bytes = slot_at(retries, slot);
    struct done done = slot_read(bytes);
    if (done.number < 0)
        return;
    struct logical_session *session = session_make(engine, bytes);
    if (done_of(retries, session).number > done.number)
        return; /* it was to be forgotten, and could not be: nobody's now */
    session->slot = slot + 1;
    if (done.number > session->number) {
        session->number = done.number;
        session->state = STATE_WRITES;
        session->kept = false;
    }
}

static void load_slots(struct engine *engine, struct slice key, struct slice value)
{
    struct retries *retries = engine->retries;
    uint32_t row, count = (uint32_t)(value.length / SLOT_BYTES);
    must(key.length == sizeof row && value.length == count * SLOT_BYTES && count > 0 &&
         count <= SLOTS_PER_ROW);
    memcpy(&row, key.bytes, sizeof row);
    row = be32toh(row);
    must(row <= SESSIONS_MAX); /* 16 times as many as are needed */
    while (retries->slots.length < ((size_t)row + 1) * SLOT_ROW_BYTES)
        add_row(retries);
    memcpy(slot_at(retries, row * SLOTS_PER_ROW), value.bytes, value.length);
    if (retries->taken < row * SLOTS_PER_ROW + count)
        retries->taken = row * SLOTS_PER_ROW + count;
    for (uint32_t i = 0; i < count; i++)
        load_slot(engine, row * SLOTS_PER_ROW + i);
}

/* Rows that no engine of this format has written end the program: one that is passed over would be
 * a write that is done twice. */
static bool load(struct slice key, struct slice value, void *context)
{
    if (key.length == KEY_BYTES)
        load_row(context, key, value);
    else
        load_slots(context, key, value);
    return true;
}

static bool slot_is_used(struct engine *engine, uint32_t slot)
{
    const uint8_t *bytes = slot_at(engine->retries, slot);
    return slot_read(bytes).number >= 0 && session_make(engine, bytes)->slot == slot + 1;
}

struct retries *retries_new(struct engine *engine)
{
    struct store *store = catalog_store(engine->catalog);
    struct retries *retries = engine->retries = x_calloc(1, sizeof *retries);
    retries->table = store_table_open(store, "sessions");
    struct store_transaction *transaction = store_begin(store);
    store_scan(transaction, retries->table, (struct slice){NULL, 0}, load, engine);
    store_rollback(transaction);
    size_t used = 0;
    for (size_t i = 0; i < retries->unused_count; i++) /* all, until here */
        if (!slot_is_used(engine, retries->unused[i]))
            retries->unused[used++] = retries->unused[i];
    retries->unused_count = used;
    return retries;
}

void retries_free(struct retries *retries)
{
    buffer_release(&retries->slots);
    free(retries->unused);
    free(retries);
}
