/* SPDX-License-Identifier: Apache-2.0
 *
 * wire: frames by hand over raw sockets against a real server. What is right gets its reply;
 * whatever is not exactly right closes the connection, and the server goes on answering others.
 * labels: engine
 */
#include "frames.h"

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

static void expect_duplicate(const struct fixture *fixture, struct buffer *message)
{
    struct reply reply;
    bson_iter_t code;
    int client = connect_to(fixture);
    finish(message);
    send_all(client, message->bytes, message->length);
    assert_true(receive(client, &reply));
    assert_true(ok_of(&reply) == 0);
    assert_true(bson_iter_init_find(&code, reply.body, "code"));
    assert_int_equal(bson_iter_int32(&code), 40413);
    bson_destroy(reply.body);
    close(client);
}

static void test_names_are_there_once(void **state)
{
    static const char *const documents[] = {"{\"_id\": 1}", NULL};
    struct buffer message = {0};
    begin_msg(&message, 1, 0);
    append_body(&message, "{\"insert\": \"c\", \"$db\": \"a\"}");
    append_sequence(&message, "documents", documents);
    append_sequence(&message, "documents", documents);
    expect_duplicate(*state, &message);
    begin_msg(&message, 1, 0); /* a name that the body has */
    append_body(&message, "{\"insert\": \"c\", \"documents\": [], \"$db\": \"a\"}");
    append_sequence(&message, "documents", documents);
    expect_duplicate(*state, &message);
    begin_msg(&message, 1, 0); /* one of the envelope's */
    append_body(&message, "{\"ping\": 1, \"$db\": \"a\"}");
    append_sequence(&message, "$db", documents);
    expect_duplicate(*state, &message);
    buffer_release(&message);
}

/* As many sequences as may be, and one more. */
static void test_sequences_max(void **state)
{
    static const char *const documents[] = {"{\"_id\": 1}", NULL};
    struct buffer message = {0};
    struct reply reply;
    int client = connect_to(*state);
    for (int over = 0; over < 2; over++) {
        begin_msg(&message, 1, 0);
        append_body(&message, "{\"ping\": 1, \"$db\": \"a\"}");
        for (int i = 0; i < WIRE_SEQUENCES_MAX + over; i++) {
            char name[16];
            snprintf(name, sizeof name, "s%d", i);
            append_sequence(&message, name, documents);
        }
        if (over == 1) {
            expect_message_closes(*state, &message);
            continue;
        }
        finish(&message);
        send_all(client, message.bytes, message.length);
        assert_true(receive(client, &reply));
        assert_true(ok_of(&reply) == 1);
        bson_destroy(reply.body);
    }
    close(client);
    buffer_release(&message);
}

/* Documents of five bytes, each of which needs a name in the array that they become: fewer bytes
 * than a message may have, and more than are put together. */
static void test_merged_bytes_max(void **state)
{
    enum { EMPTY_BYTES = 5, COUNT = 6000000 };
    static const uint8_t empty[EMPTY_BYTES] = {EMPTY_BYTES};
    struct buffer message = {0};
    begin_msg(&message, 1, 0);
    append_body(&message, "{\"insert\": \"c\", \"$db\": \"a\"}");
    buffer_byte(&message, 1);
    size_t start = message.length;
    buffer_int32(&message, 0);
    buffer_append(&message, "documents", sizeof "documents");
    for (int i = 0; i < COUNT; i++)
        buffer_append(&message, empty, sizeof empty);
    buffer_patch_int32(&message, start, (int32_t)(message.length - start));
    assert_true(message.length < WIRE_MESSAGE_BYTES_MAX);
    expect_message_closes(*state, &message);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_more_to_come),
        cmocka_unit_test(test_garbage_headers),
        cmocka_unit_test(test_garbage_flags),
        cmocka_unit_test(test_garbage_sections),
        cmocka_unit_test(test_names_are_there_once),
        cmocka_unit_test(test_sequences_max),
        cmocka_unit_test(test_merged_bytes_max),
        cmocka_unit_test(test_garbage_documents),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, server_setup, server_teardown);
}
