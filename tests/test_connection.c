/* SPDX-License-Identifier: Apache-2.0
 *
 * connection: messages in pieces and in bulk, half-open and slow clients, too many of them, a gate
 * that closes, precomputed replies; over raw sockets against a real server.
 * labels: engine
 */
#include "frames.h"

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

static void test_half_open(void **state)
{
    enum { SLOW_BYTES = 4000 };
    (void)state;
    struct fixture fixture;
    struct buffer message = {0};
    char byte;
    struct engine_server_settings settings = {.message_timeout_ms = TIMEOUT_MS};
    assert_int_equal(start(&fixture, settings), 0);
    int idle = connect_to(&fixture), half = connect_to(&fixture), slow = connect_to(&fixture);
    ping(&message, 1);
    send_all(half, message.bytes, 20);
    begin_msg(&message, 2, 0);
    for (int i = 0; i < SLOW_BYTES; i++)
        buffer_byte(&message, 0);
    finish(&message);
    send_all(slow, message.bytes, 20);
    struct pollfd closed = {.fd = slow, .events = POLLIN};
    int sent = 0; /* a byte now and then does not prolong it: it ends while they still come */
    for (; sent < SLOW_BYTES / 2 && poll(&closed, 1, TIMEOUT_MS / 10) == 0; sent++)
        send_all(slow, message.bytes + 20 + sent, 1);
    assert_in_range(sent, 1, SLOW_BYTES / 2 - 1);
    ping(&message, 1);
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
    (void)state;
    struct fixture fixture;
    int clients[21];
    char byte;
    struct buffer message = {0};
    struct engine_server_settings settings = {.connections_max = COUNT_OF(clients) - 1};
    assert_int_equal(start(&fixture, settings), 0);
    ping(&message, 1);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        clients[i] = connect_to(&fixture);
        if (i + 1 < COUNT_OF(clients)) {
            send_all(clients[i], message.bytes, message.length);
            expect_ping(clients[i], 1);
        }
    }
    assert_false(receive_all(clients[20], &byte, 1)); /* one too many */
    for (size_t i = 0; i < COUNT_OF(clients); i++)
        close(clients[i]);
    bool alive = false; /* as soon as the server has seen that they are gone */
    for (int tries = 0; tries < 6000 && !alive; tries++) {
        int client = connect_to(&fixture);
        send_all(client, message.bytes, message.length);
        alive = receive_all(client, &byte, 1);
        close(client);
        usleep(alive ? 0 : 10000);
    }
    assert_true(alive);
    stop(&fixture);
    buffer_release(&message);
}

enum { FINDS = 40 };

/* Inserts a document of a megabyte and asks for it FINDS times, without reading. */
static void ask_and_not_read(int client)
{
    enum { FILLER = 1000000 };
    struct buffer message = {0};
    struct reply reply;
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
    bson_destroy(document);
    free(filler);
    buffer_release(&message);
}

/* A client that reads late: its commands wait, nobody else does, and nothing is lost. */
static void test_slow_reader(void **state)
{
    struct reply reply;
    int client = connect_to(*state);
    ask_and_not_read(client);
    expect_alive(*state);
    usleep(2 * TIMEOUT_MS * 1000);
    for (int32_t i = 0; i < FINDS; i++) {
        assert_true(receive(client, &reply));
        assert_int_equal(reply.response_to, i);
        bson_destroy(reply.body);
    }
    close(client);
}

/* A client that never reads is closed when its time is over. */
static void test_stuck_reader(void **state)
{
    (void)state;
    struct fixture fixture;
    struct engine_server_settings settings = {.message_timeout_ms = TIMEOUT_MS};
    char bytes[65536];
    ssize_t got = 0, total = 0;
    assert_int_equal(start(&fixture, settings), 0);
    int client = connect_to(&fixture);
    ask_and_not_read(client);
    struct pollfd closed = {.fd = client, .events = POLLRDHUP};
    assert_int_equal(poll(&closed, 1, 60000), 1);
    while ((got = recv(client, bytes, sizeof bytes, 0)) > 0)
        total += got;
    assert_in_range(total, 0, FINDS * 1000000);
    expect_alive(&fixture);
    close(client);
    stop(&fixture);
}

/* Messages that are begun by many and ended by nobody: who goes beyond what all may hold together
 * is closed, the others stay. */
static void test_buffered_bytes(void **state)
{
    (void)state;
    enum { CLIENTS = 8, EACH = 4 * 1024 * 1024 };
    struct fixture fixture;
    struct engine_server_settings settings = {.buffered_bytes_max = (size_t)EACH * CLIENTS};
    struct buffer message = {0};
    int clients[CLIENTS], closed = 0;
    assert_int_equal(start(&fixture, settings), 0);
    begin_msg(&message, 1, 0);
    for (int i = 0; i < EACH * 2; i++)
        buffer_byte(&message, 0);
    buffer_patch_int32(&message, 0, WIRE_MESSAGE_BYTES_MAX);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(&fixture);
        send_all(clients[i], message.bytes, message.length);
    }
    expect_alive(&fixture);
    for (int i = 0; i < CLIENTS; i++) {
        struct pollfd wait = {.fd = clients[i], .events = POLLRDHUP};
        closed += poll(&wait, 1, 0) == 1;
    }
    assert_in_range(closed, 1, CLIENTS - 1);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    stop(&fixture);
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
    static const struct gate_policy policy = {.name = "decide", .arrive = decide};
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
        cmocka_unit_test(test_pieces),          cmocka_unit_test(test_half_open),
        cmocka_unit_test(test_connections_max), cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_stuck_reader),    cmocka_unit_test(test_buffered_bytes),
        cmocka_unit_test(test_gate_closes),     cmocka_unit_test(test_canned),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
