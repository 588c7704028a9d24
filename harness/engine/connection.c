/* SPDX-License-Identifier: Apache-2.0
 *
 * connection: one client. Bytes come in, whole messages go to the engine in order of arrival, one
 * at a time; replies gather in a buffer that is written once in a turn of the loop, after the
 * commit: one commit of the store, and one write of its log, serve all commands of the turn. A
 * reply that wants the log on the disk, and all that its client gets after it, waits for a flush;
 * flushes run beside the loop, one at a time, and each serves all that were waiting when it began.
 * Messages are parsed where they were read; only what is incomplete is kept.
 *
 * While a command is parked, or a client does not read its replies, nothing more is read from it:
 * memory per client stays bounded by one message and one batch of replies, and that of all clients
 * by the server's limit. A message that has begun must be complete within the server's time, and a
 * client that takes nothing of its replies for so long is closed; one that is silent between
 * messages may stay, as long as TCP finds it alive.
 *
 * The struct lives until its handle is closed, its command in flight is answered and no list of the
 * server's holds it.
 */
#include "command.h"
#include "server.h"
#include "wire.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    KEPT_BYTES_MAX = 256 * 1024,     /* buffers larger than this are given back when empty */
    KEEPALIVE_S = 60,                /* then TCP asks whether a silent client is still there */
    REPLIES_BYTES_MAX = 1024 * 1024, /* then written before the next command is run */
};

struct connection {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_pipe_t pipe;
        uv_tcp_t tcp;
    };
    struct engine_server *server;
    struct connection *previous, *next;
    struct connection *next_held; /* in one of the server's lists, when `held` */
    struct origin origin;
    struct wire_message message; /* the command in flight */
    struct buffer in;            /* a message that is not complete, or waits */
    struct buffer out;           /* replies to be written */
    struct buffer writing;       /* replies that libuv is writing */
    uv_write_t write;
    int32_t replies;           /* ids of replies */
    uint64_t partial_since_ms; /* loop time; 0: no message has begun */
    uint64_t stuck_since_ms;   /* loop time; 0: nothing waits to be written */
    size_t unwritten;          /* bytes that waited to be written when that was looked at */
    size_t buffered_bytes;     /* as counted in the server's */
    bool busy;                 /* a command is in flight */
    bool inside;               /* engine_execute() is on the stack */
    bool blocked;              /* `writing` is not written yet */
    bool held;                 /* replies in `out` wait for the log */
    bool wants_flush;          /* for the disk, even */
    bool ending;               /* to be closed when the replies are written */
    bool paused;               /* reading is stopped */
    bool closing, closed;
};

static void connection_resume(struct connection *connection);

static void connection_free(struct connection *connection)
{
    if (connection->busy || connection->held)
        return; /* who ends that will free it */
    connection->server->buffered_bytes -= connection->buffered_bytes;
    buffer_release(&connection->in);
    buffer_release(&connection->out);
    buffer_release(&connection->writing);
    free(connection);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct engine_server *server = connection->server;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    server->connection_count--;
    connection->closed = true;
    connection_free(connection);
}

static void connection_close(struct connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    if (connection->busy && !connection->inside)
        engine_cancel(connection->server->engine, connection);
    uv_close(&connection->handle, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    struct connection *connection = write->data;
    connection->blocked = false;
    if (status < 0) {
        connection_close(connection);
        return;
    }
    if (connection->writing.capacity > KEPT_BYTES_MAX)
        buffer_release(&connection->writing);
    connection->writing.length = 0;
    connection_resume(connection);
}

/* What has gathered will be written in this turn of the loop. */
static void connection_flush(struct connection *connection)
{
    struct engine_server *server = connection->server;
    if (connection->held || connection->blocked || connection->closing)
        return;
    if (connection->out.length == 0 && connection->ending)
        connection_close(connection);
    if (connection->out.length == 0)
        return;
    connection->held = true;
    connection->next_held = server->ready;
    server->ready = connection;
}

/* Closes when the replies to earlier commands are written. */
static void connection_end(struct connection *connection)
{
    connection->ending = true;
    connection_flush(connection);
}

/* Writes what has gathered: at once as far as the socket takes it, the rest through the loop. */
static void connection_write(struct connection *connection)
{
    struct buffer *out = &connection->out;
    if (connection->closing)
        return;
    uv_buf_t bytes = uv_buf_init((char *)out->bytes, (unsigned)out->length);
    int written = uv_try_write(&connection->stream, &bytes, 1);
    if (written < 0 && written != UV_EAGAIN) {
        connection_close(connection);
        return;
    }
    size_t done = written > 0 ? (size_t)written : 0;
    if (done == out->length) {
        out->length = 0;
        if (out->capacity > KEPT_BYTES_MAX)
            buffer_release(out);
        return;
    }
    struct buffer spare = connection->writing;
    connection->writing = *out;
    connection->out = spare;
    bytes = uv_buf_init((char *)connection->writing.bytes + done,
                        (unsigned)(connection->writing.length - done));
    connection->blocked = true;
    connection->write.data = connection;
    if (uv_write(&connection->write, &connection->stream, &bytes, 1, on_written) != 0) {
        connection->blocked = false;
        connection_close(connection);
    }
}

/* The engine's answer to the command in flight. */
static void on_answer(const bson_t *reply, void *context)
{
    struct connection *connection = context;
    connection->busy = false;
    if (connection->closed) {
        connection_free(connection);
        return;
    }
    connection->wants_flush |= connection->server->engine->flush_wanted;
    if (reply == NULL) { /* replies to earlier commands still go out */
        connection_end(connection);
    } else if (!connection->message.more_to_come && !bson_empty(reply)) {
        wire_append_reply(&connection->out, &connection->message, ++connection->replies, reply);
    }
    if (!connection->inside)
        connection_resume(connection);
}

static void connection_execute(struct connection *connection, struct slice bytes)
{
    struct engine_server *server = connection->server;
    bson_t body;
    if (server->canned != NULL && canned_reply(server->canned, bytes, &connection->out))
        return;
    if (!wire_parse(bytes, &server->merged, &connection->message, &body)) {
        connection_end(connection);
        return;
    }
    connection->origin.legacy = connection->message.legacy;
    connection->busy = true;
    connection->inside = true;
    engine_execute(server->engine, &body, &connection->origin, on_answer, connection);
    connection->inside = false;
    if (server->merged.capacity > KEPT_BYTES_MAX)
        buffer_release(&server->merged);
}

/* Executes whole messages as long as it may; returns how many bytes it has used up. */
static size_t connection_consume(struct connection *connection, struct slice bytes)
{
    size_t used = 0, length = 0;
    while (!connection->busy && !connection->blocked && !connection->closing &&
           !connection->ending && connection->out.length < REPLIES_BYTES_MAX) {
        struct slice rest = {bytes.bytes + used, bytes.length - used};
        enum wire_result result = wire_frame(rest, &length);
        if (result == WIRE_GARBAGE)
            connection_close(connection);
        if (result != WIRE_COMPLETE)
            break;
        connection_execute(connection, (struct slice){rest.bytes, length});
        used += length;
    }
    connection_flush(connection);
    return used;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *bytes)
{
    struct connection *connection = handle->data;
    (void)suggested;
    *bytes = uv_buf_init(connection->server->read_bytes, sizeof connection->server->read_bytes);
}

/* After bytes were used up: is a message under way, and may more be read? */
static void connection_settle(struct connection *connection, bool progress);

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *bytes)
{
    struct connection *connection = stream->data;
    if (length < 0)
        connection_close(connection);
    if (length <= 0)
        return;
    struct slice arrived = {(const uint8_t *)bytes->base, (size_t)length};
    size_t used;
    if (connection->in.length == 0) {
        used = connection_consume(connection, arrived);
        buffer_append(&connection->in, arrived.bytes + used, arrived.length - used);
    } else {
        buffer_append(&connection->in, arrived.bytes, arrived.length);
        used = connection_consume(connection, buffer_slice(&connection->in));
        buffer_consume(&connection->in, used);
    }
    connection_settle(connection, used > 0);
}

/* Counts the connection's buffers; false: all together hold too much now, and this one's are not
 * small, so that whoever fills the memory does not shut out others. */
static bool connection_count_bytes(struct connection *connection)
{
    struct engine_server *server = connection->server;
    size_t bytes =
        connection->in.capacity + connection->out.capacity + connection->writing.capacity;
    bool grows = bytes > connection->buffered_bytes;
    server->buffered_bytes += bytes - connection->buffered_bytes; /* wraps round and back */
    connection->buffered_bytes = bytes;
    return !grows || bytes <= KEPT_BYTES_MAX ||
           server->buffered_bytes <= server->buffered_bytes_max;
}

static void connection_settle(struct connection *connection, bool progress)
{
    if (connection->closing)
        return;
    if (!connection_count_bytes(connection)) {
        connection_close(connection);
        return;
    }
    /* while a command is parked one read is still wanted: it may say that the client is gone */
    bool waiting = connection->blocked || connection->ending ||
                   connection->out.length >= REPLIES_BYTES_MAX ||
                   (connection->busy && connection->in.length > 0);
    if (connection->in.length == 0 && connection->in.capacity > KEPT_BYTES_MAX)
        buffer_release(&connection->in);
    if (connection->in.length == 0 || waiting || connection->busy)
        connection->partial_since_ms = 0;
    else if (progress || connection->partial_since_ms == 0)
        connection->partial_since_ms = uv_now(&connection->server->loop);
    if (waiting == connection->paused)
        return;
    connection->paused = waiting;
    if (waiting)
        uv_read_stop(&connection->stream);
    else if (uv_read_start(&connection->stream, on_allocate, on_read) != 0)
        connection_close(connection);
}

/* A parked command was answered, or replies were written: goes on with what is waiting. */
static void connection_resume(struct connection *connection)
{
    if (connection->closing)
        return;
    size_t used = connection_consume(connection, buffer_slice(&connection->in));
    buffer_consume(&connection->in, used);
    connection_settle(connection, used > 0);
}

/* Takes a connection off the list that it was on. */
static void connection_let_go(struct connection *connection)
{
    connection->held = false;
    if (connection->closed) {
        connection_free(connection);
        return;
    }
    connection_write(connection);
    connection_resume(connection);
}

static void flush_log(uv_work_t *work)
{
    const struct engine_server *server = work->data;
    engine_flush_log(server->engine);
}

/* Those that have waited may go; what they got since wants another turn. */
static void on_flushed(uv_work_t *work, int status)
{
    struct engine_server *server = work->data;
    struct connection *next = server->flushing;
    (void)status; /* nobody cancels it */
    server->flush_runs = false;
    while (next != NULL) {
        struct connection *connection = next;
        next = connection->next_held;
        connection->next_held = server->ready;
        server->ready = connection;
    }
    server->flushing = NULL;
}

static void start_flush(struct engine_server *server)
{
    if (server->flush_runs || server->unflushed == NULL)
        return;
    server->flushing = server->unflushed;
    server->unflushed = NULL;
    for (struct connection *each = server->flushing; each != NULL; each = each->next_held)
        each->wants_flush = false;
    server->flush_runs = true;
    server->flush.data = server;
    must(uv_queue_work(&server->loop, &server->flush, flush_log, on_flushed) == 0);
}

void connection_release_all(struct engine_server *server)
{
    while (server->ready != NULL) { /* who is let go may have commands waiting: they come next */
        struct connection *next = server->ready;
        server->ready = NULL;
        engine_write_log(server->engine);
        while (next != NULL) {
            struct connection *connection = next;
            next = connection->next_held;
            if (connection->wants_flush && !connection->closed) {
                connection->next_held = server->unflushed;
                server->unflushed = connection;
            } else {
                connection_let_go(connection);
            }
        }
    }
    engine_write_log(server->engine); /* also what nobody is told of */
    start_flush(server);
}

/* The address that the client has connected to, "127.0.0.1:27017" or a path: a replica set must
 * say it. */
static void read_address(struct connection *connection, bool tcp)
{
    struct sockaddr_storage address;
    int length = sizeof address;
    char *text = connection->origin.address, host[64] = "";
    size_t bytes = sizeof connection->origin.address;
    if (!tcp) {
        if (uv_pipe_getsockname(&connection->pipe, text, &bytes) != 0)
            text[0] = '\0';
    } else if (uv_tcp_getsockname(&connection->tcp, (struct sockaddr *)&address, &length) == 0) {
        bool six = address.ss_family == AF_INET6;
        uint16_t port = six ? ((struct sockaddr_in6 *)&address)->sin6_port
                            : ((struct sockaddr_in *)&address)->sin_port;
        if (six)
            uv_ip6_name((struct sockaddr_in6 *)&address, host, sizeof host);
        else
            uv_ip4_name((struct sockaddr_in *)&address, host, sizeof host);
        snprintf(text, bytes, six ? "[%s]:%u" : "%s:%u", host, ntohs(port));
    }
}

void connection_accept(struct engine_server *server, uv_stream_t *listener)
{
    struct connection *connection = x_calloc(1, sizeof *connection);
    bool tcp = listener->type == UV_TCP;
    int status = tcp ? uv_tcp_init(&server->loop, &connection->tcp)
                     : uv_pipe_init(&server->loop, &connection->pipe, 0);
    must(status == 0);
    connection->server = server;
    connection->handle.data = connection;
    connection->origin.connection = ++server->connection_number & INT32_MAX;
    connection->next = server->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    server->connections = connection;
    server->connection_count++;
    if (uv_accept(listener, &connection->stream) != 0 ||
        server->connection_count > server->connections_max ||
        (tcp && uv_tcp_nodelay(&connection->tcp, 1) != 0) ||
        (tcp && uv_tcp_keepalive(&connection->tcp, 1, KEEPALIVE_S) != 0) ||
        uv_read_start(&connection->stream, on_allocate, on_read) != 0)
        connection_close(connection);
    else
        read_address(connection, tcp);
}

/* Since when has the client taken nothing of what waits to be written? 0: it takes, or nothing
 * waits. */
static uint64_t stuck_since(struct connection *connection, uint64_t now_ms)
{
    size_t unwritten = uv_stream_get_write_queue_size(&connection->stream);
    if (unwritten == 0)
        connection->stuck_since_ms = 0;
    else if (connection->stuck_since_ms == 0 || unwritten != connection->unwritten)
        connection->stuck_since_ms = now_ms;
    connection->unwritten = unwritten;
    return connection->stuck_since_ms;
}

void connection_close_slow(struct engine_server *server)
{
    uint64_t now_ms = uv_now(&server->loop), timeout_ms = (uint64_t)server->message_timeout_ms;
    for (struct connection *connection = server->connections; connection != NULL;
         connection = connection->next) {
        uint64_t partial_ms = connection->partial_since_ms;
        uint64_t stuck_ms = stuck_since(connection, now_ms);
        if ((partial_ms != 0 && now_ms - partial_ms >= timeout_ms) ||
            (stuck_ms != 0 && now_ms - stuck_ms >= timeout_ms))
            connection_close(connection);
    }
}

void connection_close_all(struct engine_server *server)
{
    for (struct connection *connection = server->connections; connection != NULL;
         connection = connection->next)
        connection_close(connection);
}
