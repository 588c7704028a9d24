/* SPDX-License-Identifier: Apache-2.0
 *
 * cursor: what a find or aggregate has not handed out yet. A cursor holds finished documents, as
 * they were when it was opened; nothing is read again by getMore. Unused for ten minutes it goes,
 * as in MongoDB (looked at whenever another one is opened).
 */
#ifndef RACEBENCH_ENGINE_CURSOR_H
#define RACEBENCH_ENGINE_CURSOR_H

#include "document/documents.h"
#include <bson/bson.h>
#include <stdbool.h>
#include <stdint.h>

enum { CURSOR_FIRST_BATCH = 101, CURSOR_BATCH_BYTES_MAX = 16 * 1024 * 1024 };

/* Beyond these a command is refused with 146, ExceededMemoryLimit, instead of taking the process
 * down: cursors of an engine, and what they all hold. */
enum {
    CURSORS_MAX = 10000,
    CURSORS_BYTES_MAX = 256 * 1024 * 1024,
    CURSOR_IDLE_MS = 600000, /* without a getMore: then it is forgotten */
};

struct cursors; /* opaque: cursor.c */
struct request;

/* An empty table of cursors, whose ids come from `seed`; free with cursors_free(). */
struct cursors *cursors_new(uint64_t seed);
void cursors_free(struct cursors *);

/* Tells them the engine's time, milliseconds, before one is opened or asked: the idle ones go. */
void cursors_now(struct cursors *, int64_t now_ms);
/* Opens a cursor over `rest`, which it takes over and leaves empty; returns its id. 0: there are
 * too many cursors, or they hold too much. */
int64_t cursor_open(struct cursors *, const char *namespace, struct documents *rest);
/* Closes it; false when there is none of that id on that namespace. */
bool cursor_close(struct cursors *, int64_t id, const char *namespace);

/* Appends the next documents to `batch` (an array being built): at most `count` of them (0: no
 * limit) and 16 MiB. `*finished` when none is left: then the cursor is closed. False: no such
 * cursor on that namespace. */
struct cursor_batch {
    bson_t *array;
    int64_t count;
    bool finished;
};
bool cursor_next(struct cursors *, int64_t id, const char *namespace, struct cursor_batch *);

/* A reply {cursor: {firstBatch, id, ns}} while it is being built. Between begin and end, documents
 * are handed to cursor_reply_add(): those that fit the first batch go into the reply, the rest into
 * a cursor. */
struct cursor_reply {
    bson_t cursor, batch; /* under construction inside the reply */
    int64_t batch_size;   /* at most so many in the first batch */
    bool single;          /* no cursor: what does not fit is dropped */
    int64_t count;        /* in the first batch so far */
    size_t bytes;
    struct documents rest;
};
void cursor_reply_begin(struct cursor_reply *, bson_t *reply);
/* False: nothing more is wanted (single batch full). */
bool cursor_reply_add(struct cursor_reply *, const bson_t *document);
/* `fine` false: the command failed, no cursor is opened. The namespace is the request's. Returns
 * `fine`, or false when what is left is more than may be kept (146). */
bool cursor_reply_end(struct cursor_reply *, struct request *, bool fine);

/* Makes the whole reply of documents that are there already, and frees them. `options` is the field
 * "cursor" ({batchSize: number}) of the command; false: it is wrong. */
bool cursor_reply_all(struct request *, const bson_t *options, struct documents *);

#endif
