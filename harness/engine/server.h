/* SPDX-License-Identifier: Apache-2.0
 *
 * server: what the server and its connections know of each other. The server owns engine, loop,
 * thread and connections; all of this belongs to the loop's thread once that runs.
 */
#ifndef RACEBENCH_ENGINE_SERVER_H
#define RACEBENCH_ENGINE_SERVER_H

#include "canned.h"
#include "document/buffer.h"
#include "engine.h"
#include <uv.h>

struct connection;

struct engine_server {
    struct engine *engine;
    uv_loop_t loop;
    uv_thread_t thread;
    struct engine_settings settings; /* of the engine; its folder is a copy */
    char *folder;
    bool ended;           /* between two engines */
    uv_async_t stop;      /* of all handles other threads touch only this one */
    uv_async_t again;     /* and this one */
    uv_pipe_t pipe;       /* listens on the socket's path */
    uv_tcp_t tcp;         /* listens on a port */
    uv_timer_t timer;     /* looks for messages that do not get complete */
    uv_prepare_t prepare; /* before the loop waits: replies leave, `due` is set */
    uv_timer_t due;       /* the engine's own times */
    char *socket_uri, *tcp_uri;

    struct connection *connections; /* doubly linked */
    struct connection *ready;       /* have replies that may leave when the log is written */
    struct connection *unflushed;   /* have replies that wait for the next flush of the log */
    struct connection *flushing;    /* wait for the one that is under way */
    uv_work_t flush;
    bool flush_runs;
    int connection_count, connections_max;
    size_t buffered_bytes, buffered_bytes_max; /* of all connections' buffers */
    int32_t connection_number;                 /* of the last one */
    int message_timeout_ms;
    struct canned *canned; /* NULL: commands are executed */

    struct buffer merged;       /* scratch of wire_parse() */
    char read_bytes[64 * 1024]; /* what one read gives; shared, since reads do not overlap */
};

/* Accepts a connection from a listening pipe or tcp handle. */
void connection_accept(struct engine_server *, uv_stream_t *listener);

/* Writes the log, then the replies that have gathered; those that want the log on the disk wait for
 * a flush in a thread of libuv's, one at a time. Called once in each turn of the loop. */
void connection_release_all(struct engine_server *);

/* Closes connections whose message has been incomplete, or of whose replies nothing has been read,
 * for longer than message_timeout_ms. */
void connection_close_slow(struct engine_server *);

/* Closes all connections. */
void connection_close_all(struct engine_server *);

#endif
