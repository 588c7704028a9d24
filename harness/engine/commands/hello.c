/* SPDX-License-Identifier: Apache-2.0
 *
 * hello: the handshake, under its three names, by OP_MSG and by OP_QUERY. Drivers decide from
 * this reply what they may send: wire version 17 (MongoDB 6.0) from 0, sessions (a timeout is
 * there), retryable writes and transactions (setName is there, with the persona "replset"), no
 * compression, and no topologyVersion, without which monitors poll instead of streaming. Types
 * matter: libmongoc takes a server with a wrong one for unknown. Of the request only the name of
 * the application is looked at, for fail points: each new driver sends one more field.
 */
#include "engine/command.h"

#include <string.h>

/* A set of one, under the address that the client has connected to: drivers follow it. */
static void append_set(const struct request *request)
{
    static const uint8_t election[12] = {0x7f, 0xff, 0xff, 0xff, [11] = 1};
    const char *address = request->origin->address;
    bson_t *reply = request->reply, hosts, last;
    bson_oid_t id;
    bson_oid_init_from_data(&id, election);
    bson_append_array_begin(reply, "hosts", -1, &hosts);
    bson_append_utf8(&hosts, "0", 1, address, -1);
    bson_append_array_end(reply, &hosts);
    bson_append_utf8(reply, "setName", -1, ENGINE_SET_NAME, -1);
    bson_append_int32(reply, "setVersion", -1, 1);
    bson_append_bool(reply, "secondary", -1, false);
    bson_append_utf8(reply, "primary", -1, address, -1);
    bson_append_utf8(reply, "me", -1, address, -1);
    bson_append_oid(reply, "electionId", -1, &id);
    bson_append_document_begin(reply, "lastWrite", -1, &last);
    bson_append_date_time(&last, "lastWriteDate", -1, request->now_ms);
    bson_append_document_end(reply, &last);
}

static void note_application(struct request *request)
{
    bson_iter_t iter, name;
    uint32_t length;
    if (!bson_iter_init(&iter, request->body) ||
        !bson_iter_find_descendant(&iter, "client.application.name", &name) ||
        !BSON_ITER_HOLDS_UTF8(&name))
        return;
    const char *text = bson_iter_utf8(&name, &length);
    if (length <= APPLICATION_BYTES_MAX)
        memcpy(request->origin->application, text, length + 1);
}

static bool run(struct request *request)
{
    enum { WIRE_VERSION_MAX = 17, SESSION_MINUTES = 30 };
    bson_t *reply = request->reply;
    bool hello = bson_has_field(request->body, "hello");
    bson_append_bool(reply, "helloOk", -1, true);
    bson_append_bool(reply, hello ? "isWritablePrimary" : "ismaster", -1, true);
    note_application(request);
    if (request->engine->replica_set)
        append_set(request);
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

COMMAND(hello, COMMAND_LENIENT | COMMAND_HANDSHAKE, .alias = "isMaster",
        .second_alias = "ismaster");
