/* SPDX-License-Identifier: Apache-2.0
 *
 * cursor: see cursor.h. Ids are random 63-bit numbers, as MongoDB's are, so that nobody guesses
 * another's; the engine's seed makes them the same in the same run.
 */
#include "cursor.h"

#include "base.h"
#include "command.h"
#include "dispatch.h"
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum { SWEEP_MS = 1000 };

struct cursor {
    UT_hash_handle hh;
    int64_t id;
    char *namespace;
    struct documents documents;
    size_t next;
    int64_t used_ms;
};

struct cursors {
    struct cursor *open; /* by id */
    size_t bytes;        /* that they hold */
    int64_t now_ms, swept_ms;
    struct random random;
};

struct cursors *cursors_new(uint64_t seed)
{
    struct cursors *cursors = x_calloc(1, sizeof *cursors);
    random_seed(&cursors->random, seed);
    return cursors;
}

static void cursor_free(struct cursors *cursors, struct cursor *cursor)
{
    HASH_DELETE(hh, cursors->open, cursor);
    cursors->bytes -= cursor->documents.bytes;
    documents_release(&cursor->documents);
    free(cursor->namespace);
    free(cursor);
}

void cursors_free(struct cursors *cursors)
{
    struct cursor *cursor, *next;
    if (cursors == NULL)
        return;
    HASH_ITER (hh, cursors->open, cursor, next) {
        cursor_free(cursors, cursor);
    }
    free(cursors);
}

static struct cursor *cursor_find(struct cursors *cursors, int64_t id, const char *namespace)
{
    struct cursor *cursor = NULL;
    HASH_FIND(hh, cursors->open, &id, sizeof id, cursor);
    return cursor != NULL && strcmp(cursor->namespace, namespace) == 0 ? cursor : NULL;
}

void cursors_now(struct cursors *cursors, int64_t now_ms)
{
    struct cursor *cursor, *next;
    cursors->now_ms = now_ms;
    if (now_ms - cursors->swept_ms < SWEEP_MS)
        return;
    cursors->swept_ms = now_ms;
    HASH_ITER (hh, cursors->open, cursor, next) {
        if (now_ms - cursor->used_ms > CURSOR_IDLE_MS)
            cursor_free(cursors, cursor);
    }
}

int64_t cursor_open(struct cursors *cursors, const char *namespace, struct documents *rest)
{
    if (HASH_COUNT(cursors->open) >= CURSORS_MAX ||
        cursors->bytes + rest->bytes > CURSORS_BYTES_MAX)
        return 0;
    struct cursor *cursor = x_calloc(1, sizeof *cursor), *taken = NULL;
    cursor->used_ms = cursors->now_ms;
    cursors->bytes += rest->bytes;
    do {
        cursor->id = (int64_t)(random_next(&cursors->random) >> 1);
        HASH_FIND(hh, cursors->open, &cursor->id, sizeof cursor->id, taken);
    } while (cursor->id == 0 || taken != NULL);
    cursor->namespace = x_strdup(namespace);
    cursor->documents = *rest;
    *rest = (struct documents){0};
    HASH_ADD(hh, cursors->open, id, sizeof cursor->id, cursor);
    return cursor->id;
}

bool cursor_close(struct cursors *cursors, int64_t id, const char *namespace)
{
    struct cursor *cursor = cursor_find(cursors, id, namespace);
    if (cursor == NULL)
        return false;
    cursor_free(cursors, cursor);
    return true;
}

static void batch_append(bson_t *batch, int64_t place, const bson_t *document)
{
    char text[16];
    const char *key;
    size_t length = bson_uint32_to_string((uint32_t)place, &key, text, sizeof text);
    bson_append_document(batch, key, (int)length, document);
}

bool cursor_next(struct cursors *cursors, int64_t id, const char *namespace,
                 struct cursor_batch *batch)
{
    struct cursor *cursor = cursor_find(cursors, id, namespace);
    if (cursor == NULL)
        return false;
    struct documents *documents = &cursor->documents;
    size_t bytes = 0;
    cursor->used_ms = cursors->now_ms;
    for (int64_t place = 0; cursor->next < documents->count; place++, cursor->next++) {
        const bson_t *document = documents->items[cursor->next];
        bytes += document->len;
        if ((batch->count > 0 && place >= batch->count) ||
            (place > 0 && bytes > CURSOR_BATCH_BYTES_MAX))
            break;
        batch_append(batch->array, place, document);
    }
    batch->finished = cursor->next == documents->count;
    if (batch->finished)
        cursor_free(cursors, cursor);
    return true;
}

void cursor_reply_begin(struct cursor_reply *reply, bson_t *into)
{
    bson_append_document_begin(into, "cursor", 6, &reply->cursor);
    bson_append_array_begin(&reply->cursor, "firstBatch", 10, &reply->batch);
    reply->count = 0;
    reply->bytes = 0;
    reply->rest = (struct documents){0};
}

bool cursor_reply_add(struct cursor_reply *reply, const bson_t *document)
{
    bool fits = reply->rest.count == 0 && reply->count < reply->batch_size &&
                (reply->count == 0 || reply->bytes + document->len <= CURSOR_BATCH_BYTES_MAX);
    if (fits) {
        batch_append(&reply->batch, reply->count++, document);
        reply->bytes += document->len;
        return true;
    }
    if (reply->single)
        return false;
    return documents_add(&reply->rest, document);
}

bool cursor_reply_end(struct cursor_reply *reply, struct request *request, bool fine)
{
    const char *namespace = request_namespace(request);
    int64_t id = 0;
    fine = fine && documents_fit(&reply->rest, &request->failure);
    if (fine && reply->rest.count > 0) {
        cursors_now(request->engine->cursors, engine_elapsed_ms(request->engine));
        id = cursor_open(request->engine->cursors, namespace, &reply->rest);
        if (id == 0)
            fine = failure_set(&request->failure, FAILURE_EXCEEDED_MEMORY_LIMIT,
                               "there are %d open cursors, or they hold %d bytes: close some",
                               CURSORS_MAX, CURSORS_BYTES_MAX);
    }
    documents_release(&reply->rest); /* empty when a cursor has them */
    bson_append_array_end(&reply->cursor, &reply->batch);
    bson_append_int64(&reply->cursor, "id", 2, id);
    bson_append_utf8(&reply->cursor, "ns", 2, namespace, -1);
    bson_append_document_end(request->reply, &reply->cursor);
    return fine;
}

struct cursor_options {
    int64_t batch_size;
};

static const struct field option_fields[] = {
    {"batchSize", FIELD_COUNT, offsetof(struct cursor_options, batch_size), false},
    {NULL, FIELD_END, 0, false},
};

bool cursor_reply_all(struct request *request, const bson_t *options, struct documents *documents)
{
    struct cursor_options given = {.batch_size = CURSOR_FIRST_BATCH};
    struct fields_reader reader = fields_reader(option_fields, "cursor", &given, NULL);
    bool fine = fields_parse(&reader, options, &request->failure);
    struct cursor_reply reply = {.batch_size = given.batch_size};
    cursor_reply_begin(&reply, request->reply);
    for (size_t i = 0; fine && i < documents->count; i++)
        cursor_reply_add(&reply, documents->items[i]);
    fine = cursor_reply_end(&reply, request, fine);
    documents_release(documents);
    return fine;
}
