/* SPDX-License-Identifier: Apache-2.0
 *
 * handshake: what clients send first (as they were seen to, libmongoc 1.23, pymongo 3.11 and 4,
 * the Node driver 7, mongosh 2), over raw sockets: each is answered by its own opcode, once, with
 * the types that drivers insist on, and with nothing that would make them stream, compress,
 * authenticate or balance loads. A replica set tells the time with each reply, also with a refusal,
 * and its time never goes back.
 * labels: engine
 */
#include "frames.h"

enum { EXHAUST_ALLOWED = 1 << 16 };

#define CLIENT                                                                                     \
    "\"client\": {\"driver\": {\"name\": \"x\", \"version\": \"1\"}, \"os\": {\"type\": \"y\"}}"
#define VERSION                                                                                    \
    "\"topologyVersion\": {\"processId\": {\"$oid\": \"0123456789abcdef01234567\"}, \"counter\": " \
    "{\"$numberLong\": \"3\"}}, \"maxAwaitTimeMS\": {\"$numberLong\": \"10000\"}"

struct handshake {
    const char *from;
    int32_t opcode;
    uint32_t flags; /* of OP_MSG */
    const char *text;
};

static const struct handshake handshakes[] = {
    {"libmongoc", WIRE_OP_QUERY, 0,
     "{\"isMaster\": 1, \"helloOk\": true, " CLIENT ", \"compression\": [\"zstd\", \"zlib\"]}"},
    {"libmongoc's monitor", WIRE_OP_QUERY, 0, "{\"hello\": 1, \"helloOk\": true}"},
    {"libmongoc's monitor, streaming", WIRE_OP_QUERY, 0, "{\"hello\": 1, " VERSION "}"},
    {"libmongoc with a user", WIRE_OP_QUERY, 0,
     "{\"isMaster\": 1, \"saslSupportedMechs\": \"admin.user\", \"speculativeAuthenticate\": "
     "{\"saslStart\": 1, \"mechanism\": \"SCRAM-SHA-256\", \"db\": \"admin\"}, " CLIENT "}"},
    {"Node", WIRE_OP_QUERY, 0,
     "{\"ismaster\": true, \"helloOk\": true, \"backpressure\": true, " CLIENT
     ", \"compression\": [\"none\"]}"},
    {"Node, load balanced", WIRE_OP_MSG, 0,
     "{\"hello\": 1, \"loadBalanced\": true, " CLIENT ", \"$db\": \"admin\"}"},
    {"pymongo 3.11", WIRE_OP_QUERY, 0, "{\"ismaster\": 1, " CLIENT ", \"compression\": []}"},
    {"pymongo 3.11, streaming", WIRE_OP_MSG, EXHAUST_ALLOWED,
     "{\"ismaster\": 1, " VERSION ", \"$db\": \"admin\"}"},
    {"pymongo 4", WIRE_OP_MSG, 0,
     "{\"ismaster\": 1, \"helloOk\": true, " CLIENT ", \"$db\": \"admin\"}"},
    {"pymongo 4, streaming", WIRE_OP_MSG, EXHAUST_ALLOWED,
     "{\"hello\": 1, " VERSION ", \"$db\": \"admin\"}"},
    {"with an API version", WIRE_OP_MSG, 0,
     "{\"hello\": 1, \"apiVersion\": \"1\", \"apiStrict\": true, \"apiDeprecationErrors\": true, "
     "\"$db\": \"admin\"}"},
    {"mongosh's heartbeat", WIRE_OP_MSG, 0,
     "{\"hello\": 1, \"$readPreference\": {\"mode\": \"primaryPreferred\"}, \"$db\": \"admin\"}"},
    {"one with a time", WIRE_OP_MSG, 0,
     "{\"hello\": 1, \"$clusterTime\": {\"clusterTime\": {\"$timestamp\": {\"t\": 4294967295, "
     "\"i\": 1}}}, \"$db\": \"admin\"}"},
};

/* Fields of every reply, then those of a replica set. */
static const struct {
    const char *name;
    bson_type_t type;
    bool set;
} wanted[] = {
    {"helloOk", BSON_TYPE_BOOL, false},
    {"maxBsonObjectSize", BSON_TYPE_INT32, false},
    {"maxMessageSizeBytes", BSON_TYPE_INT32, false},
    {"maxWriteBatchSize", BSON_TYPE_INT32, false},
    {"localTime", BSON_TYPE_DATE_TIME, false},
    {"logicalSessionTimeoutMinutes", BSON_TYPE_INT32, false},
    {"connectionId", BSON_TYPE_INT32, false},
    {"minWireVersion", BSON_TYPE_INT32, false},
    {"maxWireVersion", BSON_TYPE_INT32, false},
    {"readOnly", BSON_TYPE_BOOL, false},
    {"ok", BSON_TYPE_DOUBLE, false},
    {"setName", BSON_TYPE_UTF8, true},
    {"setVersion", BSON_TYPE_INT32, true},
    {"secondary", BSON_TYPE_BOOL, true},
    {"hosts", BSON_TYPE_ARRAY, true},
    {"primary", BSON_TYPE_UTF8, true},
    {"me", BSON_TYPE_UTF8, true},
    {"electionId", BSON_TYPE_OID, true},
    {"lastWrite", BSON_TYPE_DOCUMENT, true},
    {"$clusterTime", BSON_TYPE_DOCUMENT, true},
    {"operationTime", BSON_TYPE_TIMESTAMP, true},
};

static const char *const unwanted[] = {"topologyVersion",    "compression",
                                       "saslSupportedMechs", "speculativeAuthenticate",
                                       "serviceId",          "msg",
                                       "arbiterOnly",        "hidden"};

static void send_command(int client, const struct handshake *handshake, int32_t id)
{
    struct buffer message = {0};
    if (handshake->opcode == WIRE_OP_MSG) {
        begin_msg(&message, id, handshake->flags);
        append_body(&message, handshake->text);
    } else {
        begin(&message, id, WIRE_OP_QUERY);
        buffer_int32(&message, 4);
        buffer_append(&message, "admin.$cmd", sizeof "admin.$cmd");
        buffer_int32(&message, 0);
        buffer_int32(&message, -1);
        append_json(&message, handshake->text);
    }
    finish(&message);
    send_all(client, message.bytes, message.length);
    buffer_release(&message);
}

static void check_reply(const struct handshake *handshake, const bson_t *body, bool set)
{
    bson_iter_t iter, me, host;
    bool hello = strncmp(handshake->text + 2, "hello", 5) == 0;
    assert_true(bson_iter_init_find(&iter, body, hello ? "isWritablePrimary" : "ismaster"));
    assert_true(bson_iter_bool(&iter));
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        bool there = bson_iter_init_find(&iter, body, wanted[i].name);
        if (there != (set || !wanted[i].set) || (there && bson_iter_type(&iter) != wanted[i].type))
            fail_msg("%s: %s", handshake->from, wanted[i].name);
    }
    for (size_t i = 0; i < COUNT_OF(unwanted); i++)
        if (bson_has_field(body, unwanted[i]))
            fail_msg("%s: %s is there", handshake->from, unwanted[i]);
    if (!set)
        return;
    assert_true(bson_iter_init_find(&me, body, "me") && bson_iter_init(&iter, body) &&
                bson_iter_find_descendant(&iter, "hosts.0", &host));
    assert_string_equal(bson_iter_utf8(&host, NULL), bson_iter_utf8(&me, NULL));
}

static void check_persona(const char *persona)
{
    struct fixture fixture;
    struct engine_server_settings settings = {.engine.persona = persona};
    assert_int_equal(start(&fixture, settings), 0);
    for (int32_t i = 0; i < (int32_t)COUNT_OF(handshakes); i++) {
        struct buffer message = {0};
        struct reply reply;
        int client = connect_to(&fixture);
        send_command(client, &handshakes[i], i);
        assert_true(receive(client, &reply));
        assert_int_equal(reply.opcode,
                         handshakes[i].opcode == WIRE_OP_MSG ? WIRE_OP_MSG : WIRE_OP_REPLY);
        assert_int_equal(reply.flags, handshakes[i].opcode == WIRE_OP_MSG ? 0 : 8);
        assert_int_equal(reply.response_to, i);
        check_reply(&handshakes[i], reply.body, persona[0] == 'r');
        bson_destroy(reply.body);
        ping(&message, 1000); /* one reply, no stream: the next one is the ping's */
        send_all(client, message.bytes, message.length);
        expect_ping(client, 1000);
        buffer_release(&message);
        close(client);
    }
    stop(&fixture);
}

static void test_set(void **state)
{
    (void)state;
    check_persona("replset");
}

static void test_standalone(void **state)
{
    (void)state;
    check_persona("standalone");
}

static int64_t clock_of_test_ms(void *context)
{
    return __atomic_load_n((int64_t *)context, __ATOMIC_SEQ_CST);
}

/* The cluster time of a reply, in seconds, which must be its operation time as well. */
static uint32_t time_of(int client, const char *text, bool fine)
{
    struct handshake command = {"", WIRE_OP_MSG, 0, text};
    struct reply reply;
    bson_iter_t iter, time;
    uint32_t told, operated, part;
    send_command(client, &command, 1);
    assert_true(receive(client, &reply));
    assert_true((ok_of(&reply) == 1) == fine);
    assert_true(bson_iter_init(&iter, reply.body) &&
                bson_iter_find_descendant(&iter, "$clusterTime.clusterTime", &time));
    bson_iter_timestamp(&time, &told, &part);
    assert_true(bson_iter_init_find(&iter, reply.body, "operationTime"));
    bson_iter_timestamp(&iter, &operated, &part);
    assert_int_equal(told, operated);
    bson_destroy(reply.body);
    return told;
}

static void test_time(void **state)
{
    static const char insert[] = "{\"insert\": \"c\", \"documents\": [{}], \"$db\": \"a\"}";
    int64_t now_ms = 7000;
    struct fixture fixture;
    struct engine_server_settings settings = {.engine.persona = "replset",
                                              .engine.now_ms = clock_of_test_ms,
                                              .engine.now_context = &now_ms};
    (void)state;
    assert_int_equal(start(&fixture, settings), 0);
    int client = connect_to(&fixture);
    assert_int_equal(time_of(client, insert, true), 7);
    assert_int_equal(time_of(client, "{\"nonsense\": 1, \"$db\": \"a\"}", false), 7);
    __atomic_store_n(&now_ms, 9999, __ATOMIC_SEQ_CST);
    assert_int_equal(time_of(client, insert, true), 9);
    __atomic_store_n(&now_ms, 1000, __ATOMIC_SEQ_CST); /* somebody sets the clock back */
    assert_int_equal(time_of(client, insert, true), 9);
    assert_int_equal(time_of(client,
                             "{\"find\": \"c\", \"readConcern\": {\"afterClusterTime\": "
                             "{\"$timestamp\": {\"t\": 9, \"i\": 1}}}, \"$db\": \"a\"}",
                             true),
                     9);
    close(client);
    stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_standalone),
        cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests_name("handshake", tests, NULL, NULL);
}
