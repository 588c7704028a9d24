/* SPDX-License-Identifier: Apache-2.0
 *
 * engine: the embedded MongoDB-wire engine, as the rest of the harness sees it. One thread executes
 * commands one after the other: single-document updates are atomic by construction and arrival
 * order is the schedule. A command is a BSON document with "$db"; a reply is a BSON document with
 * "ok". What the engine does not support it refuses with MongoDB's own code, never ignores.
 *
 * The engine knows base and gate and nothing else of racebench.
 */
#ifndef RACEBENCH_ENGINE_H
#define RACEBENCH_ENGINE_H

#include "base.h"
#include <bson/bson.h>
#include <stdbool.h>
#include <stdint.h>

struct gate;
struct engine; /* opaque: engine.c */

/* How an engine is made. Zeroed members take the defaults that are named. */
struct engine_settings {
    const char *store;          /* "memory" (default) or "wiredtiger" */
    const char *folder;         /* of wiredtiger, where it keeps its rows: made when absent */
    bool temporary;             /* the folder goes after the engine: no disk need be waited for */
    enum durability durability; /* of wiredtiger; memory has none */
    const char *persona;        /* "standalone" (default), or "replset": a replica set of one */
    bool test_commands;         /* answer configureFailPoint */
    int64_t lifetime_ms;        /* of a transaction, then it is aborted; 0: 60,000 */
    struct gate *gate;         /* every command passes it; NULL: a private one that lets all pass */
    int64_t (*now_ms)(void *); /* wall clock of $$NOW and $currentDate, and then of all waiting;
                                * NULL: clock_wall_tick_ms() */
    void *now_context;
    uint64_t seed;         /* of generated ids; 0: from the clock */
    size_t rows_bytes_max; /* of memory that rows may take, where they are kept in memory: beyond it
                            * writes but for deletes are refused (146); 0: half of the machine's */
};

/* Starts an engine in this thread, without any socket. Ends with EXIT_TARGET when the store cannot
 * be opened. Free with engine_free(), which must come after the last command was answered. */
struct engine *engine_new(const struct engine_settings *);
void engine_free(struct engine *);

/* What it is, for results: static text. */
const char *engine_name(const struct engine *);       /* "embedded" */
const char *engine_store(const struct engine *);      /* "memory" */
const char *engine_durability(const struct engine *); /* "write"...; "none" in memory */
const char *engine_persona(const struct engine *);    /* "standalone", "replset" */
const char *engine_version(void); /* MongoDB version that it poses as, "6.0.0" */

/* The store of an engine that listens on sockets, unless asked otherwise: "wiredtiger" where this
 * program was built with it, else "memory". */
const char *engine_default_store(void);

/* Called once with a command's reply, borrowed for the call. NULL: no reply will come, because the
 * gate closed the connection; the caller cannot know whether the command was run. An empty one: no
 * reply will come either, but the connection stays open (GATE_SILENT), so that whoever asked waits
 * for as long as he likes. */
typedef void engine_done(const bson_t *reply, void *context);

/* Executes one command (body and document sequences merged, with "$db"). `done` is called before
 * the return, or later when a write is parked behind another. The command passes the gate here.
 * Only from the thread that runs the engine. */
void engine_submit(struct engine *, const bson_t *command, engine_done *done, void *context);

/* Forgets parked commands that were submitted with this context (NULL: all): each is answered NULL,
 * now. What a batch has done before it was parked stays done. */
void engine_cancel(struct engine *, const void *context);

/* The engine ends and begins again on its store, in place: parked commands are answered NULL, open
 * transactions are aborted, cursors and fail points are gone, and what memory held of sessions is
 * read from the store again. What was acknowledged stays, as in a store at durability `write`. Not
 * from within engine_submit(). */
void engine_restart(struct engine *);

/* Milliseconds until engine_tick() has something to do (0: now), or -1: nothing is waiting for a
 * time. A tick ends what is over: lifetimes of transactions, delays, maxTimeMS. */
int64_t engine_due_ms(const struct engine *);
void engine_tick(struct engine *);

/* The gate may let go on what it held: commands that it holds ask it again. */
void engine_ask_again(struct engine *);

/* The store behind it, for who watches what commands change and puts it back (explore). Rows of a
 * collection are in the table "c DATABASE.COLLECTION". */
struct store;
struct store *engine_rows(struct engine *);

/* A server: an engine behind sockets, on a libuv loop and thread of its own. */
struct engine_server; /* opaque: server.c */

struct engine_server_settings {
    struct engine_settings engine;
    const char *socket_path;   /* unix socket to listen on, ends in ".sock", or NULL */
    const char *tcp_host;      /* address to listen on, or NULL: no TCP; loopback unless asked */
    int tcp_port;              /* 0: any free port */
    bool canned;               /* answer find/update/... with precomputed replies, for measuring */
    int connections_max;       /* 0: 20000; or what descriptors allow; further ones are closed */
    int message_timeout_ms;    /* 0: 30000; a message that has begun must be complete by then, and
                              * a reply must make its way: else the connection is closed */
    size_t buffered_bytes_max; /* 0: 512 MiB; of messages that are not complete and replies that are
                                * not read, over all connections: whose adds more is closed */
};

/* Starts a server and returns when it listens. Ends with EXIT_TARGET when it cannot. */
struct engine_server *engine_server_start(const struct engine_server_settings *);
/* The engine ends and begins again on its store: all connections close, open transactions are
 * aborted, what memory held is gone. It goes on listening: who connects meanwhile is answered by
 * the new one. Not from the server's thread; returns when it is up again. */
void engine_server_restart(struct engine_server *);
/* Closes all connections, ends the thread and frees the server. */
void engine_server_stop(struct engine_server *);
/* engine_ask_again() for a server's engine, soon, in the server's thread; from any thread. */
void engine_server_ask_again(struct engine_server *);
/* Connection strings, owned by the server: of the unix socket and of TCP, or NULL. */
const char *engine_server_socket_uri(const struct engine_server *);
const char *engine_server_tcp_uri(const struct engine_server *);

#endif
