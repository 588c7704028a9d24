/* SPDX-License-Identifier: Apache-2.0
 *
 * state: what an engine consists of. It owns the catalog (which owns the store), the cursors, the
 * table of commands and the scratch memory that is reused from command to command; the server and
 * its connections know the engine, never the other way round. One thread only.
 */
#ifndef RACEBENCH_ENGINE_STATE_H
#define RACEBENCH_ENGINE_STATE_H

#include "base.h"
#include "document/buffer.h"
#include "engine.h"

/* The replica set that the persona "replset" poses as. */
#define ENGINE_SET_NAME "racebench"

struct catalog;
struct commands;
struct cursors;
struct failpoints;
struct origin;
struct parking;
struct retries;
struct sessions;

struct engine {
    struct gate *gate;
    bool gate_owned;
    int64_t (*now_ms)(void *);
    void *now_context;
    const char *store, *persona; /* static text */
    bool replica_set;            /* the persona: sessions have numbers */
    bool test_commands;
    bool own_clock;           /* now_ms is the caller's, and time is what it says */
    int64_t lifetime_ms;      /* of a transaction */
    uint32_t cluster_seconds; /* the highest clusterTime that was told, see envelope.c */
    size_t rows_bytes_max;
    int64_t due_ms; /* when engine_tick() has something to do, on the engine's clock */
    enum durability durability;

    struct commands *commands;
    struct catalog *catalog;
    struct cursors *cursors;
    struct sessions *sessions;
    struct retries *retries;
    struct parking *parking;
    struct failpoints *failpoints;

    struct random random;
    uint8_t id_process[5]; /* of generated ObjectIds */
    uint32_t id_counter;

    /* Pointers: a bson_t wants an alignment that allocated memory does not have. */
    bson_t *reply;           /* of the command in hand */
    bool reply_taken;        /* done() is reading it: a command inside done() needs its own */
    bson_t *image;           /* of the document that is inserted */
    bson_t *time;            /* what replies say of cluster_seconds: made once a second */
    bson_t *success;         /* the same with {ok: 1} before it */
    bool flush_wanted;       /* the reply in hand must not leave before the log is on the disk */
    struct buffer key;       /* encoded _id of the document in hand */
    struct buffer updated;   /* what an update makes of it */
    struct buffer row;       /* outcome of the retryable write in hand, then its counts */
    struct buffer namespace; /* of the reply in hand */
};

/* engine_submit() for a command that came from a socket; a handshake fills in its application. */
void engine_execute(struct engine *, const bson_t *command, struct origin *, engine_done *,
                    void *context);

/* What commands have committed reaches the operating system: before a reply leaves. */
void engine_write_log(struct engine *);
/* What is written reaches the disk: before a reply leaves that wants it. Waits; may be called by
 * one other thread. */
void engine_flush_log(struct engine *);

/* The engine's clock for waiting, which is never set: milliseconds since anything. */
int64_t engine_elapsed_ms(const struct engine *);

/* A new ObjectId: the engine's clock, five bytes and a counter from its seed. */
void engine_generate_id(struct engine *, int64_t now_ms, bson_oid_t *id);

#endif
