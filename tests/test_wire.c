/* SPDX-License-Identifier: Apache-2.0
 *
 * wire and connection: frames by hand over raw sockets against a real server. What is right gets
 * its reply however it is cut into pieces; whatever is not exactly right closes the connection, and
 * the server goes on answering others.
 * labels: engine
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "engine/buffer.h"
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
    char folder[32], path[48];
};

static int start(struct fixture *fixture, struct engine_server_settings settings)
{
    strcpy(fixture->folder, "/tmp/racebench-XXXXXX");
    if (mkdtemp(fixture->folder) == NULL)
        return 1;
    snprintf(fixture->path, sizeof fixture->path, "%s/s.sock", fixture->folder);
    settings.socket_path = fixture->path;
    fixture->server = engine_server_start(&settings);
    return 0;
}

static void stop(struct fixture *fixture)
{
    engine_server_stop(fixture->server);
    assert_int_equal(rmdir(fixture->folder), 0); /* the socket is gone */
}

static int server_setup(void **state)
{
    static struct fixture fixture;
    *state = &fixture;
    return start(&fixture, (struct engine_server_settings){.connections_max = 20});
}

static int server_teardown(void **state)
{
    stop(*state);
    return 0;
}

static int connect_to(const struct fixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, fixture->path);
    assert_true(client >= 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static void send_all(int client, const void *bytes, size_t length)
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
static bool receive_all(int client, void *bytes, size_t length)
{
    char *at = bytes;
    while (length > 0) {
        struct pollfd wait = {.fd = client, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 10000), 1);
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

static bool receive(int client, struct reply *reply)
{
    uint8_t header[16];
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

static double ok_of(const struct reply *reply)
{
    bson_iter_t iter;
    assert_true(bson_iter_init_find(&iter, reply->body, "ok"));
    return bson_iter_double(&iter);
}

/* Building messages. --------------------------------------------------------------------------- */

static void begin(struct buffer *message, int32_t id, int32_t opcode)
{
    message->length = 0;
    buffer_int32(message, 0);
    buffer_int32(message, id);
    buffer_int32(message, 0);
    buffer_int32(message, opcode);
}

static void finish(struct buffer *message)
{
    buffer_patch_int32(message, 0, (int32_t)message->length);
}

static void append_json(struct buffer *message, const char *json)
{
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, NULL);
    assert_non_null(document);
    buffer_append(message, bson_get_data(document), document->len);
    bson_destroy(document);
}

static void begin_msg(struct buffer *message, int32_t id, uint32_t flags)
{
    begin(message, id, WIRE_OP_MSG);
    buffer_int32(message, (int32_t)flags);
}

static void append_body(struct buffer *message, const char *json)
{
    buffer_byte(message, 0);
    append_json(message, json);
}

static void append_sequence(struct buffer *message, const char *name, const char *const *documents)
{
    buffer_byte(message, 1);
    size_t start = message->length;
    buffer_int32(message, 0);
    buffer_append(message, name, strlen(name) + 1);
    for (; *documents != NULL; documents++)
        append_json(message, *documents);
    buffer_patch_int32(message, start, (int32_t)(message->length - start));
}

static void ping(struct buffer *message, int32_t id)
{
    begin_msg(message, id, 0);
    append_body(message, "{\"ping\": 1, \"$db\": \"a\"}");
    finish(message);
}

static void expect_ping(int client, int32_t id)
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
static void expect_alive(const struct fixture *fixture)
{
    struct buffer message = {0};
    int client = connect_to(fixture);
    ping(&message, 77);
    send_all(client, message.bytes, message.length);
    expect_ping(client, 77);
    close(client);
    buffer_release(&message);
}

static void expect_closed(const struct fixture *fixture, const void *bytes, size_t length)
{
    char byte;
    int client = connect_to(fixture);
    send_all(client, bytes, length);
    assert_false(receive_all(client, &byte, 1));
    close(client);
    expect_alive(fixture);
}

/* Tests. --------------------------------------------------------------------------------------- */

static void test_pieces(void **state)
{
    struct buffer message = {0}, all = {0};
    int client = connect_to(*state);
    ping(&message, 5);
    for (size_t i = 0; i < message.length; i++) { /* byte by byte */
        send_all(client, message.bytes + i, 1);
        if (i % 16 == 0)
            usleep(1000);
    }
    expect_ping(client, 5);
    for (int32_t id = 0; id < 1000; id++) { /* many in one write, the last one cut */
        ping(&message, id);
        buffer_append(&all, message.bytes, message.length);
    }
    send_all(client, all.bytes, all.length - 7);
    for (int32_t id = 0; id < 999; id++)
        expect_ping(client, id);
    send_all(client, all.bytes + all.length - 7, 7);
    expect_ping(client, 999);
    close(client);
    buffer_release(&message);
    buffer_release(&all);
}

static void test_hello(void **state)
{
    static const char *const names[] = {"isMaster", "ismaster", "hello"};
    struct buffer message = {0};
    struct reply reply;
    int client = connect_to(*state);
    for (int32_t i = 0; i < 3; i++) {
        char *text = x_format("{\"%s\": 1, \"helloOk\": true}", names[i]);
        begin(&message, i, WIRE_OP_QUERY);
        buffer_int32(&message, 4);
        buffer_append(&message, "admin.$cmd", sizeof "admin.$cmd");
        buffer_int32(&message, 0);
        buffer_int32(&message, -1);
        append_json(&message, text);
        finish(&message);
        send_all(client, message.bytes, message.length);
        assert_true(receive(client, &reply));
        assert_int_equal(reply.opcode, WIRE_OP_REPLY);
        assert_int_equal(reply.response_to, i);
        assert_int_equal(reply.flags, 8);
        assert_true(ok_of(&reply) == 1);
        assert_true(bson_has_field(reply.body, i == 2 ? "isWritablePrimary" : "ismaster"));
        bson_destroy(reply.body);
        free(text);
    }
    begin(&message, 9, WIRE_OP_QUERY); /* nothing else by OP_QUERY */
    buffer_int32(&message, 0);
    buffer_append(&message, "test.$cmd", sizeof "test.$cmd");
    buffer_int32(&message, 0);
    buffer_int32(&message, -1);
    append_json(&message, "{\"find\": \"c\"}");
    finish(&message);
    send_all(client, message.bytes, message.length);
    assert_true(receive(client, &reply));
    bson_iter_t iter;
    assert_true(bson_iter_init_find(&iter, reply.body, "code"));
    assert_int_equal(bson_iter_int32(&iter), 352);
    bson_destroy(reply.body);
    close(client);
    buffer_release(&message);
}

static void test_sections(void **state)
{
    static const char *const documents[] = {"{\"_id\": 1}", "{\"_id\": 2}", "{\"_id\": 3}", NULL};
    struct buffer message = {0};
    struct reply reply;
    bson_iter_t iter;
    int client = connect_to(*state);
    for (int order = 0; order < 2; order++) {
        const char *body = order == 0 ? "{\"insert\": \"c0\", \"$db\": \"a\"}"
                                      : "{\"insert\": \"c1\", \"$db\": \"a\"}";
        begin_msg(&message, 1, order == 0 ? 0 : 1); /* the second time with a checksum */
        if (order == 0)
            append_body(&message, body);
        append_sequence(&message, "documents", documents);
        if (order == 1)
            append_body(&message, body);
        if (order == 1)
            buffer_int32(&message, 0x12345678);
        finish(&message);
        send_all(client, message.bytes, message.length);
        assert_true(receive(client, &reply));
        assert_true(bson_iter_init_find(&iter, reply.body, "n"));
        assert_int_equal(bson_iter_int32(&iter), 3);
        assert_true(ok_of(&reply) == 1);
        bson_destroy(reply.body);
    }
    close(client);
    buffer_release(&message);
}

static void test_more_to_come(void **state)
{
    struct buffer message = {0};
    int client = connect_to(*state);
    begin_msg(&message, 1, 2 | 1 << 16 | 1 << 17); /* high bits that are unknown are optional */
    append_body(&message,
                "{\"endSessions\": [], \"$db\": \"admin\", \"writeConcern\": {\"w\": 0}}");
    finish(&message);
    send_all(client, message.bytes, message.length);
    begin_msg(&message, 2, 2); /* an error is dropped as well */
    append_body(&message, "{\"nope\": 1, \"$db\": \"admin\"}");
    finish(&message);
    send_all(client, message.bytes, message.length);
    ping(&message, 3);
    send_all(client, message.bytes, message.length);
    expect_ping(client, 3); /* the only reply */
    close(client);
    buffer_release(&message);
}

static void expect_message_closes(const struct fixture *fixture, struct buffer *message)
{
    finish(message);
    expect_closed(fixture, message->bytes, message->length);
}

static void test_garbage_headers(void **state)
{
    static const struct {
        int32_t length, opcode;
    } headers[] = {
        {0, WIRE_OP_MSG},
        {15, WIRE_OP_MSG},
        {-1, WIRE_OP_MSG},
        {INT32_MIN, WIRE_OP_MSG},
        {48000001, WIRE_OP_MSG},
        {INT32_MAX, WIRE_OP_MSG},
        {16, WIRE_OP_MSG},
        {20, WIRE_OP_MSG},
        {16, WIRE_OP_QUERY},
        {100, 2012},
        {100, 0},
        {100, 2001},
        {100, 2005},
        {100, WIRE_OP_REPLY},
        {100, -1},
    };
    struct buffer message = {0};
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        begin(&message, 1, headers[i].opcode);
        buffer_int32(&message, 0);
        buffer_patch_int32(&message, 0, headers[i].length);
        expect_closed(*state, message.bytes, message.length);
    }
    expect_closed(*state, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35);
    buffer_release(&message);
}

static void test_garbage_flags(void **state)
{
    struct buffer message = {0};
    for (int bit = 2; bit < 16; bit++) {
        begin_msg(&message, 1, 1u << bit);
        append_body(&message, "{\"ping\": 1, \"$db\": \"a\"}");
        expect_message_closes(*state, &message);
    }
    begin_msg(&message, 1, 1); /* a checksum that is not there */
    finish(&message);
    expect_closed(*state, message.bytes, message.length);
    buffer_release(&message);
}

static void test_garbage_sections(void **state)
{
    static const char *const documents[] = {"{\"_id\": 1}", NULL};
    static const char body[] = "{\"insert\": \"c\", \"$db\": \"a\"}";
    struct buffer message = {0};
    for (int kind = 2; kind < 256; kind += 127) {
        begin_msg(&message, 1, 0);
        append_body(&message, body);
        buffer_byte(&message, (uint8_t)kind);
        expect_message_closes(*state, &message);
    }
    begin_msg(&message, 1, 0); /* two bodies */
    append_body(&message, body);
    append_body(&message, body);
    expect_message_closes(*state, &message);
    begin_msg(&message, 1, 0); /* no body */
    append_sequence(&message, "documents", documents);
    expect_message_closes(*state, &message);
    begin_msg(&message, 1, 0); /* one name twice */
    append_body(&message, body);
    append_sequence(&message, "documents", documents);
    append_sequence(&message, "documents", documents);
    expect_message_closes(*state, &message);
    begin_msg(&message, 1, 0); /* a name that the body has */
    append_body(&message, "{\"insert\": \"c\", \"documents\": [], \"$db\": \"a\"}");
    append_sequence(&message, "documents", documents);
    expect_message_closes(*state, &message);
    begin_msg(&message, 1, 0); /* no name */
    append_body(&message, body);
    append_sequence(&message, "", documents);
    expect_message_closes(*state, &message);
    static const int32_t sizes[] = {0, 3, 4, 5, -1, INT32_MAX, 1000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        begin_msg(&message, 1, 0);
        append_body(&message, body);
        buffer_byte(&message, 1);
        buffer_int32(&message, sizes[i]);
        buffer_append(&message, "documents", 9); /* and no zero after it */
        expect_message_closes(*state, &message);
    }
    buffer_release(&message);
}

static void test_garbage_documents(void **state)
{
    struct buffer message = {0}, good = {0};
    append_json(&good, "{\"ping\": 1, \"$db\": \"a\", \"x\": {\"y\": [1, \"text\"]}}");
    static const int32_t lengths[] = {0, 4, -1, INT32_MAX, 6, 1000};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        begin_msg(&message, 1, 0);
        buffer_byte(&message, 0);
        size_t start = message.length;
        buffer_append(&message, good.bytes, good.length);
        buffer_patch_int32(&message, start, lengths[i]);
        expect_message_closes(*state, &message);
    }
    begin_msg(&message, 1, 0); /* nested too deep */
    bson_t *deep = bson_new();
    for (int i = 0; i < 150; i++) {
        bson_t *outer = bson_new();
        BSON_APPEND_DOCUMENT(outer, "d", deep);
        bson_destroy(deep);
        deep = outer;
    }
    buffer_byte(&message, 0);
    buffer_append(&message, bson_get_data(deep), deep->len);
    bson_destroy(deep);
    expect_message_closes(*state, &message);
    /* a selector after an OP_QUERY's document that is not one; no $cmd; a name without end */
    static const char *const names[] = {"admin.$cmd", "admin.c", "$cmd", ""};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        begin(&message, 1, WIRE_OP_QUERY);
        buffer_int32(&message, 0);
        buffer_append(&message, names[i], strlen(names[i]) + 1);
        buffer_int32(&message, 0);
        buffer_int32(&message, -1);
        buffer_append(&message, good.bytes, good.length);
        buffer_append(&message, "xyz", 3);
        expect_message_closes(*state, &message);
    }
    buffer_release(&message);
    buffer_release(&good);
}

/* Every byte of good messages changed at random: an answer or a close, but never a dead server. */
static void test_mutations(void **state)
{
    enum { ROUNDS = 3000 };
    static const char *const updates[] = {
        "{\"q\": {\"_id\": 1}, \"u\": {\"$inc\": {\"n\": 1}}, \"upsert\": true}", NULL};
    uint64_t seed = (uint64_t)clock_monotonic_ns();
    struct buffer message = {0};
    struct random random;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int round = 0; round < ROUNDS; round++) {
        begin_msg(&message, 1, 0);
        append_body(&message, "{\"update\": \"c\", \"ordered\": true, \"$db\": \"a\"}");
        append_sequence(&message, "updates", updates);
        finish(&message);
        for (uint64_t i = 0; i <= random_below(&random, 3); i++)
            message.bytes[16 + random_below(&random, message.length - 16)] =
                (uint8_t)random_next(&random);
        int client = connect_to(*state);
        send_all(client, message.bytes, message.length);
        shutdown(client, SHUT_WR); /* a message that has become a partial one ends here */
        struct reply reply;
        if (receive(client, &reply))
            bson_destroy(reply.body);
        close(client);
    }
    expect_alive(*state);
    buffer_release(&message);
}

static void test_half_open(void **state)
{
    (void)state;
    struct fixture fixture;
    struct buffer message = {0};
    char byte;
    struct engine_server_settings settings = {.message_timeout_ms = TIMEOUT_MS};
    assert_int_equal(start(&fixture, settings), 0);
    int idle = connect_to(&fixture), half = connect_to(&fixture), slow = connect_to(&fixture);
    ping(&message, 1);
    int64_t start_ns = clock_monotonic_ns();
    send_all(half, message.bytes, 20);
    send_all(slow, message.bytes, 1);
    while (clock_monotonic_ns() - start_ns < 4 * (int64_t)TIMEOUT_MS * 1000000) {
        usleep(TIMEOUT_MS * 1000 / 10); /* a byte now and then does not prolong it */
        send_all(slow, message.bytes + 1, 1);
    }
    struct pollfd closed = {.fd = slow, .events = POLLIN};
    assert_int_equal(poll(&closed, 1, 0), 1);
    assert_false(receive_all(slow, &byte, 1));
    assert_false(receive_all(half, &byte, 1));
    send_all(idle, message.bytes, message.length); /* silent between messages: it may stay */
    expect_ping(idle, 1);
    close(idle);
    close(half);
    close(slow);
    stop(&fixture);
    buffer_release(&message);
}

static void test_connections_max(void **state)
{
    int clients[21];
    char byte;
    struct buffer message = {0};
    usleep(50000); /* those of the tests before are gone */
    ping(&message, 1);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        clients[i] = connect_to(*state);
        if (i + 1 < COUNT_OF(clients)) {
            send_all(clients[i], message.bytes, message.length);
            expect_ping(clients[i], 1);
        }
    }
    assert_false(receive_all(clients[20], &byte, 1)); /* one too many */
    for (size_t i = 0; i < COUNT_OF(clients); i++)
        close(clients[i]);
    usleep(50000);
    expect_alive(*state);
    buffer_release(&message);
}

/* A client that does not read: its commands wait, nobody else does, and nothing is lost. */
static void test_slow_reader(void **state)
{
    (void)state;
    struct fixture fixture;
    struct engine_server_settings settings = {.message_timeout_ms = TIMEOUT_MS};
    assert_int_equal(start(&fixture, settings), 0);
    enum { FILLER = 1000000, FINDS = 40 };
    struct buffer message = {0};
    struct reply reply;
    int client = connect_to(&fixture);
    char *filler = x_malloc(FILLER);
    memset(filler, 'x', FILLER);
    begin_msg(&message, 1, 0);
    append_body(&message, "{\"insert\": \"big\", \"$db\": \"a\"}");
    bson_t *document = bson_new();
    bson_append_utf8(document, "filler", -1, filler, FILLER);
    buffer_byte(&message, 1);
    size_t start = message.length;
    buffer_int32(&message, 0);
    buffer_append(&message, "documents", sizeof "documents");
    buffer_append(&message, bson_get_data(document), document->len);
    buffer_patch_int32(&message, start, (int32_t)(message.length - start));
    finish(&message);
    send_all(client, message.bytes, message.length);
    assert_true(receive(client, &reply));
    bson_destroy(reply.body);
    for (int32_t i = 0; i < FINDS; i++) {
        begin_msg(&message, i, 0);
        append_body(&message, "{\"find\": \"big\", \"$db\": \"a\"}");
        finish(&message);
        send_all(client, message.bytes, message.length);
    }
    expect_alive(&fixture);
    usleep(2 * TIMEOUT_MS * 1000); /* not reading is no unfinished message */
    for (int32_t i = 0; i < FINDS; i++) {
        assert_true(receive(client, &reply));
        assert_int_equal(reply.response_to, i);
        bson_destroy(reply.body);
    }
    close(client);
    stop(&fixture);
    bson_destroy(document);
    free(filler);
    buffer_release(&message);
}

static enum gate_action decide(void *state, const struct step *step)
{
    (void)step;
    return *(enum gate_action *)state;
}

/* The gate closes: earlier replies still come, the command's own does not. */
static void test_gate_closes(void **state)
{
    (void)state;
    static const struct gate_policy policy = {"decide", decide};
    static const enum gate_action actions[] = {GATE_CLOSE_BEFORE, GATE_CLOSE_AFTER};
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        struct fixture fixture;
        struct gate *gate = gate_new(1, 0);
        enum gate_action action = actions[i];
        struct buffer message = {0};
        char byte;
        gate_set_policy(gate, &policy, &action);
        assert_int_equal(start(&fixture, (struct engine_server_settings){.engine = {.gate = gate}}),
                         0);
        int client = connect_to(&fixture);
        ping(&message, 1);
        struct buffer both = {0};
        buffer_append(&both, message.bytes, message.length);
        begin_msg(&message, 2, 0);
        append_body(&message, "{\"insert\": \"c\", \"documents\": [{\"_id\": 1}], \"$db\": \"a\", "
                              "\"comment\": \"w0.0\"}");
        finish(&message);
        buffer_append(&both, message.bytes, message.length);
        send_all(client, both.bytes, both.length);
        expect_ping(client, 1);
        assert_false(receive_all(client, &byte, 1));
        assert_int_equal(gate_applied_count(gate, "c", 0, 0), actions[i] == GATE_CLOSE_AFTER);
        close(client);
        expect_alive(&fixture);
        stop(&fixture);
        gate_free(gate);
        buffer_release(&message);
        buffer_release(&both);
    }
}

static void test_canned(void **state)
{
    (void)state;
    static const char *const names[] = {"find", "update", "insert", "delete", "findAndModify"};
    struct fixture fixture;
    struct buffer message = {0};
    struct reply reply;
    assert_int_equal(start(&fixture, (struct engine_server_settings){.canned = true}), 0);
    int client = connect_to(&fixture);
    for (int32_t i = 0; i < (int32_t)COUNT_OF(names); i++) {
        char *text = x_format("{\"%s\": \"c\", \"$db\": \"a\"}", names[i]);
        begin_msg(&message, i + 100, 0);
        append_body(&message, text);
        finish(&message);
        send_all(client, message.bytes, message.length);
        assert_true(receive(client, &reply));
        assert_int_equal(reply.response_to, i + 100);
        assert_true(ok_of(&reply) == 1);
        bson_destroy(reply.body);
        free(text);
    }
    ping(&message, 7); /* really executed */
    send_all(client, message.bytes, message.length);
    expect_ping(client, 7);
    close(client);
    stop(&fixture);
    buffer_release(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),           cmocka_unit_test(test_hello),
        cmocka_unit_test(test_sections),         cmocka_unit_test(test_more_to_come),
        cmocka_unit_test(test_garbage_headers),  cmocka_unit_test(test_garbage_flags),
        cmocka_unit_test(test_garbage_sections), cmocka_unit_test(test_garbage_documents),
        cmocka_unit_test(test_mutations),        cmocka_unit_test(test_half_open),
        cmocka_unit_test(test_connections_max),  cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_gate_closes),      cmocka_unit_test(test_canned),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
