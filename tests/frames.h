/* SPDX-License-Identifier: Apache-2.0
 *
 * frames: what tests of wire and connection share: a server on a unix socket, raw sockets to it,
 * and messages put together by hand.
 */
#ifndef RACEBENCH_TESTS_FRAMES_H
#define RACEBENCH_TESTS_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "document/buffer.h"
#include "engine/engine.h"
#include "engine/wire.h"
#include "gate.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TIMEOUT_MS = 300 };

struct fixture {
    struct engine_server *server;
    char *folder, *path;
};

static inline int start(struct fixture *fixture, struct engine_server_settings settings)
{
    fixture->folder = make_private_folder("");
    fixture->path = x_format("%s/s.sock", fixture->folder);
    settings.socket_path = fixture->path;
    fixture->server = engine_server_start(&settings);
    return 0;
}

static inline void stop(struct fixture *fixture)
{
    engine_server_stop(fixture->server);
    assert_int_equal(rmdir(fixture->folder), 0); /* the socket is gone */
    free(fixture->folder);
    free(fixture->path);
}

static inline int server_setup(void **state)
{
    static struct fixture fixture;
    *state = &fixture;
    return start(&fixture, (struct engine_server_settings){.connections_max = 20});
}

static inline int server_teardown(void **state)
{
    stop(*state);
    return 0;
}

static inline int connect_to(const struct fixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, fixture->path);
    assert_true(client >= 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static inline void send_all(int client, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t sent = send(client, at, length, MSG_NOSIGNAL);
        if (sent < 0)
            return; /* closed: the test sees it when it reads */
        at += sent;
        length -= (size_t)sent;
    }
}

/* Reads exactly so many bytes; false when the connection was closed instead. */
static inline bool receive_all(int client, void *bytes, size_t length)
{
    char *at = bytes;
    while (length > 0) {
        struct pollfd wait = {.fd = client, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 60000), 1);
        ssize_t got = recv(client, at, length, 0);
        if (got <= 0)
            return false;
        at += got;
        length -= (size_t)got;
    }
    return true;
}

struct reply {
    int32_t id, response_to, opcode, flags;
    bson_t *body;
};

static inline bool receive(int client, struct reply *reply)
{
    uint8_t header[16];
    *reply = (struct reply){.body = NULL};
    if (!receive_all(client, header, sizeof header))
        return false;
    struct slice slice = {header, sizeof header};
    size_t length = (size_t)wire_int32(slice, 0) - sizeof header;
    uint8_t *rest = x_malloc(length);
    assert_true(receive_all(client, rest, length));
    struct slice body = {rest, length};
    reply->id = wire_int32(slice, 4);
    reply->response_to = wire_int32(slice, 8);
    reply->opcode = wire_int32(slice, 12);
    reply->flags = wire_int32(body, 0);
    size_t skip = reply->opcode == WIRE_OP_REPLY ? 20 : 5;
    reply->body = bson_new_from_data(rest + skip, length - skip);
    assert_non_null(reply->body);
    free(rest);
    return true;
}

static inline double ok_of(const struct reply *reply)
{
    bson_iter_t iter;
    assert_true(bson_iter_init_find(&iter, reply->body, "ok"));
    return bson_iter_double(&iter);
}

/* Building messages. --------------------------------------------------------------------------- */

static inline void begin(struct buffer *message, int32_t id, int32_t opcode)
{
    message->length = 0;
    buffer_int32(message, 0);
    buffer_int32(message, id);
    buffer_int32(message, 0);
    buffer_int32(message, opcode);
}

static inline void finish(struct buffer *message)
{
    buffer_patch_int32(message, 0, (int32_t)message->length);
}

static inline void append_json(struct buffer *message, const char *json)
{
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, NULL);
    assert_non_null(document);
    buffer_append(message, bson_get_data(document), document->len);
    bson_destroy(document);
}

static inline void begin_msg(struct buffer *message, int32_t id, uint32_t flags)
{
    begin(message, id, WIRE_OP_MSG);
    buffer_int32(message, (int32_t)flags);
}

static inline void append_body(struct buffer *message, const char *json)
{
    buffer_byte(message, 0);
    append_json(message, json);
}

static inline void append_sequence(struct buffer *message, const char *name,
                                   const char *const *documents)
{
    buffer_byte(message, 1);
    size_t start = message->length;
    buffer_int32(message, 0);
    buffer_append(message, name, strlen(name) + 1);
    for (; *documents != NULL; documents++)
        append_json(message, *documents);
    buffer_patch_int32(message, start, (int32_t)(message->length - start));
}

static inline void ping(struct buffer *message, int32_t id)
{
    begin_msg(message, id, 0);
    append_body(message, "{\"ping\": 1, \"$db\": \"a\"}");
    finish(message);
}

static inline void expect_ping(int client, int32_t id)
{
    struct reply reply;
    assert_true(receive(client, &reply));
    assert_int_equal(reply.response_to, id);
    assert_int_equal(reply.opcode, WIRE_OP_MSG);
    assert_int_equal(reply.flags, 0);
    assert_true(ok_of(&reply) == 1);
    bson_destroy(reply.body);
}

/* The server lives: somebody new is answered. */
static inline void expect_alive(const struct fixture *fixture)
{
    struct buffer message = {0};
    int client = connect_to(fixture);
    ping(&message, 77);
    send_all(client, message.bytes, message.length);
    expect_ping(client, 77);
    close(client);
    buffer_release(&message);
}

static inline void expect_closed(const struct fixture *fixture, const void *bytes, size_t length)
{
    char byte;
    int client = connect_to(fixture);
    send_all(client, bytes, length);
    assert_false(receive_all(client, &byte, 1));
    close(client);
    expect_alive(fixture);
}

#endif
