/* SPDX-License-Identifier: Apache-2.0
 *
 * steps: see steps.h.
 */
#include "steps.h"

#include "base.h"
#include "document/value.h"
#include "engine/parking.h"
#include "engine/sessions.h"
#include "engine/store.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static int64_t clock_of(void *context)
{
    return ((struct steps *)context)->now_ms;
}

void steps_start(struct steps *steps, const char *store, const char *folder)
{
    *steps = (struct steps){.now_ms = INT64_C(1700000000000)};
    steps->engine = engine_new(&(struct engine_settings){.store = store,
                                                         .folder = folder,
                                                         .temporary = true,
                                                         .durability = DURABILITY_OFF,
                                                         .persona = "replset",
                                                         .test_commands = true,
                                                         .lifetime_ms = STEPS_LIFETIME_MS,
                                                         .now_ms = clock_of,
                                                         .now_context = steps,
                                                         .seed = 1});
}

void steps_stop(struct steps *steps)
{
    engine_free(steps->engine);
    steps_forget(steps);
}

static void on_reply(const bson_t *reply, void *context)
{
    struct step_sent *sent = context;
    bson_iter_t ok, code, name;
    if (++sent->answers > 1)
        fuzz_finding("a command was answered twice");
    if (reply == NULL)
        return; /* a fail point closed the connection */
    if (value_malformed(bson_get_data(reply), reply->len))
        fuzz_finding("the reply is malformed");
    if (!bson_iter_init_find(&ok, reply, "ok") || !BSON_ITER_HOLDS_NUMBER(&ok))
        fuzz_finding("the reply has no ok");
    if (!bson_iter_as_bool(&ok) &&
        (!bson_iter_init_find(&code, reply, "code") || bson_iter_as_int64(&code) == 0 ||
         !bson_iter_init_find(&name, reply, "codeName")))
        fuzz_finding("a refusal has no code or no name");
    sent->reply = bson_copy(reply);
}

struct step_sent *steps_send(struct steps *steps, const bson_t *command)
{
    must(steps->count < STEPS_MAX);
    struct step_sent *sent = &steps->sent[steps->count++];
    *sent = (struct step_sent){.command = bson_copy(command)};
    engine_submit(steps->engine, sent->command, on_reply, sent);
    return sent;
}

struct step_sent *steps_send_json(struct steps *steps, const char *json)
{
    bson_t *command = bson_new_from_json((const uint8_t *)json, -1, NULL);
    must(command != NULL);
    struct step_sent *sent = steps_send(steps, command);
    bson_destroy(command);
    return sent;
}

void steps_list_sessions(bson_t *command, const char *verb, int first, int last)
{
    bson_t list, one;
    BSON_APPEND_ARRAY_BEGIN(command, verb, &list);
    for (int i = first; i <= last; i++) {
        uint8_t id[16] = {(uint8_t)i};
        BSON_APPEND_DOCUMENT_BEGIN(&list, i == first ? "0" : "1", &one);
        BSON_APPEND_BINARY(&one, "id", BSON_SUBTYPE_UUID, id, sizeof id);
        bson_append_document_end(&list, &one);
    }
    bson_append_array_end(command, &list);
    BSON_APPEND_UTF8(command, "$db", "admin");
}

bool step_answered(const struct step_sent *sent)
{
    return sent->answers > 0;
}

bool step_fine(const struct step_sent *sent)
{
    bson_iter_t ok;
    return sent->reply != NULL && bson_iter_init_find(&ok, sent->reply, "ok") &&
           bson_iter_as_bool(&ok);
}

int steps_answered(const struct steps *steps)
{
    int answered = 0;
    for (int i = 0; i < steps->count; i++)
        answered += steps->sent[i].answers;
    return answered;
}

void steps_advance(struct steps *steps, int64_t by_ms)
{
    steps->now_ms += by_ms;
    if (engine_due_ms(steps->engine) == 0)
        engine_tick(steps->engine);
}

void steps_settle(struct steps *steps)
{
    steps_advance(steps, INT32_MAX); /* delays: who was held back may begin a transaction now */
    steps_advance(steps, STEPS_LIFETIME_MS);
    if (sessions_open(steps->engine))
        fuzz_finding("a transaction has outlived its lifetime");
    for (int i = 0; i < steps->count; i++)
        if (steps->sent[i].answers != 1)
            fuzz_finding("command %d of %d was answered %d times", i, steps->count,
                         steps->sent[i].answers);
    if (parking_count(steps->engine) != 0)
        fuzz_finding("somebody is parked whom nobody has sent");
}

void steps_forget(struct steps *steps)
{
    for (int i = 0; i < steps->count; i++) {
        bson_destroy(steps->sent[i].command);
        bson_destroy(steps->sent[i].reply);
    }
    steps->count = 0;
}

/* Contents ------------------------------------------------------------------------------------- */

enum { TABLES_MAX = 16 };

struct tables {
    struct named {
        char *name;
        struct store_table *table;
    } items[TABLES_MAX];
    int count;
};

static void append_slice(struct buffer *into, struct slice slice)
{
    buffer_int32(into, (int32_t)slice.length);
    buffer_append(into, slice.bytes, slice.length);
}

static bool dump_row(struct slice key, struct slice value, void *context)
{
    append_slice(context, key);
    append_slice(context, value);
    return true;
}

static void note_table(struct store_table *table, const char *name, void *context)
{
    struct tables *tables = context;
    if (strncmp(name, "c ", 2) != 0)
        return;
    must(tables->count < TABLES_MAX);
    tables->items[tables->count++] = (struct named){x_strdup(name), table};
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* An empty collection is left out: it may have been made on the way to a refusal. */
static void dump_table(struct store_transaction *transaction, const struct named *named,
                       struct buffer *into)
{
    struct buffer rows = {0};
    store_scan(transaction, named->table, (struct slice){NULL, 0}, dump_row, &rows);
    if (rows.length > 0) {
        buffer_append(into, named->name, strlen(named->name) + 1);
        append_slice(into, buffer_slice(&rows));
    }
    buffer_release(&rows);
}

void steps_contents(const struct steps *steps, struct buffer *into)
{
    struct store *store = engine_rows(steps->engine);
    struct tables tables = {.count = 0};
    store_tables_visit(store, note_table, &tables);
    qsort(tables.items, (size_t)tables.count, sizeof *tables.items, compare_names);
    struct store_transaction *transaction = store_begin(store);
    for (int i = 0; i < tables.count; i++) {
        dump_table(transaction, &tables.items[i], into);
        free(tables.items[i].name);
    }
    store_rollback(transaction);
}

void steps_same(const struct steps *steps, const struct buffer *before, const char *why)
{
    struct buffer now = {0};
    steps_contents(steps, &now);
    if (now.length != before->length ||
        (now.length > 0 && memcmp(now.bytes, before->bytes, now.length) != 0))
        fuzz_finding("contents have changed: %s", why);
    buffer_release(&now);
}
