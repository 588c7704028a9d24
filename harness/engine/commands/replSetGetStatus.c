/* SPDX-License-Identifier: Apache-2.0
 *
 * replSetGetStatus, replSetGetConfig: the replica set that the persona "replset" poses as: one
 * member, the primary, under the address that the client has connected to. The tests of libmongoc
 * count the members, tools look at the state. A standalone answers 76, as a real one does.
 */
#include "engine/command.h"

#include "engine/dispatch.h"

static bool run(struct request *request)
{
    bool config = bson_has_field(request->body, "replSetGetConfig");
    bson_t *reply = request->reply, inner, *body = config ? &inner : reply, members, member;
    if (!request->engine->replica_set)
        return failure_set(&request->failure, FAILURE_NO_REPLICATION, "not running with --replSet");
    if (config)
        bson_append_document_begin(reply, "config", -1, &inner);
    bson_append_utf8(body, config ? "_id" : "set", -1, ENGINE_SET_NAME, -1);
    bson_append_int32(body, config ? "version" : "myState", -1, 1);
    bson_append_int64(body, "term", -1, 1);
    bson_append_array_begin(body, "members", -1, &members);
    bson_append_document_begin(&members, "0", 1, &member);
    bson_append_int32(&member, "_id", -1, 0);
    bson_append_utf8(&member, config ? "host" : "name", -1, request->origin->address, -1);
    if (!config) {
        bson_append_double(&member, "health", -1, 1);
        bson_append_int32(&member, "state", -1, 1);
        bson_append_utf8(&member, "stateStr", -1, "PRIMARY", -1);
        bson_append_bool(&member, "self", -1, true);
    }
    bson_append_document_end(&members, &member);
    bson_append_array_end(body, &members);
    if (config)
        bson_append_document_end(reply, &inner);
    return true;
}

COMMAND(replSetGetStatus, COMMAND_ADMIN | COMMAND_LENIENT, .alias = "replSetGetConfig");
