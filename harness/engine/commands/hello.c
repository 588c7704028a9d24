/* SPDX-License-Identifier: Apache-2.0
 *
 * hello: the handshake, under its three names, by OP_MSG and by OP_QUERY. Drivers decide from
 * this reply what they may send: wire version 17 (MongoDB 6.0) from 0, sessions (a timeout is
 * there), no retryable writes and no replica set (setName is absent), no compression, and no
 * topologyVersion, without which monitors poll instead of streaming. Types matter: libmongoc
 * takes a server with a wrong one for unknown. Fields of the request are not looked at: each
 * new driver sends one more.
 */
#include "engine/command.h"

static const struct field fields[] = {{NULL, FIELD_END, 0, false}};

static bool run(struct request *request)
{
    enum { WIRE_VERSION_MAX = 17, SESSION_MINUTES = 30 };
    bson_t *reply = request->reply;
    bool hello = bson_has_field(request->body, "hello");
    bson_append_bool(reply, "helloOk", -1, true);
    bson_append_bool(reply, hello ? "isWritablePrimary" : "ismaster", -1, true);
    bson_append_int32(reply, "maxBsonObjectSize", -1, 16 * 1024 * 1024);
    bson_append_int32(reply, "maxMessageSizeBytes", -1, 48000000);
    bson_append_int32(reply, "maxWriteBatchSize", -1, 100000);
    bson_append_date_time(reply, "localTime", -1, request->now_ms);
    bson_append_int32(reply, "logicalSessionTimeoutMinutes", -1, SESSION_MINUTES);
    bson_append_int32(reply, "connectionId", -1, request->origin->connection);
    bson_append_int32(reply, "minWireVersion", -1, 0);
    bson_append_int32(reply, "maxWireVersion", -1, WIRE_VERSION_MAX);
    bson_append_bool(reply, "readOnly", -1, false);
    return true;
}

const struct command command_hello = {.name = "hello",
                                      .alias = "isMaster",
                                      .second_alias = "ismaster",
                                      .flags = COMMAND_LENIENT | COMMAND_HANDSHAKE,
                                      .fields = fields,
                                      .run = run};
