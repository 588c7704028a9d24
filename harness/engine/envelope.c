/* SPDX-License-Identifier: Apache-2.0
 *
 * envelope: see envelope.h. Of write concerns one node can satisfy only 0, 1 and majority.
 * One that it cannot satisfy is reported beside the reply, because the write stays done. Journaling
 * (j) is accepted: the memory store has no journal that could be waited for, and says so in its
 * name. Read concerns local, available and majority mean the same in an engine that has one copy.
 *
 * Cluster time, by which causally consistent sessions say what they have seen, is the wall clock's
 * second, and never goes back. MongoDB's moves with each write; one copy whose commands come one
 * after the other shows everything that was written before, whatever time is asked for, and drivers
 * take a lock and a copy of their topology for each time that is new to them.
 */
#include "envelope.h"

#include <stdio.h>
#include <string.h>

/* What most commands carry comes first, and in the order in which drivers send it. */
const struct field envelope_fields[] = {
    {"$db", FIELD_TEXT, offsetof(struct envelope, database), false},
    {"lsid", FIELD_VALUE, offsetof(struct envelope, session), false},
    {"txnNumber", FIELD_VALUE, offsetof(struct envelope, transaction_number), false},
    {"$clusterTime", FIELD_IGNORED, 0, false},
    {"writeConcern", FIELD_DOCUMENT, offsetof(struct envelope, write_concern), false},
    {"comment $readPreference apiStrict apiDeprecationErrors client", FIELD_IGNORED, 0, false},
    {"readConcern", FIELD_DOCUMENT, offsetof(struct envelope, read_concern), false},
    {"maxTimeMS", FIELD_MS, offsetof(struct envelope, max_time_ms), false},
    {"apiVersion", FIELD_TEXT, offsetof(struct envelope, api_version), false},
    {"startTransaction", FIELD_VALUE, offsetof(struct envelope, start_transaction), false},
    {"stmtId", FIELD_VALUE, offsetof(struct envelope, statement), false},
    {"autocommit", FIELD_VALUE, offsetof(struct envelope, autocommit), false},
    {"stmtIds", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

struct write_concern_fields {
    bson_value_t w;
    bool journal;
};

static const struct field write_concern_table[] = {
    {"w", FIELD_VALUE, offsetof(struct write_concern_fields, w), false},
    {"j", FIELD_BOOL, offsetof(struct write_concern_fields, journal), false},
    {"wtimeout", FIELD_NUMBER, 0, false},
    {"fsync provenance", FIELD_IGNORED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static bool check_write_concern(struct request *request, const bson_t *concern)
{
    enum { W_MAX = 50 };
    struct write_concern_fields arguments = {.journal = false};
    struct fields_reader reader =
        fields_reader(write_concern_table, "writeConcern", &arguments, NULL);
    int64_t nodes = 0;
    if (!fields_parse(&reader, concern, &request->failure))
        return false;
    request->concern.flush = arguments.journal;
    if (arguments.w.value_type == BSON_TYPE_EOD)
        return true;
    if (arguments.w.value_type == BSON_TYPE_UTF8) {
        request->concern.flush = true;
        if (strcmp(arguments.w.value.v_utf8.str, "majority") != 0) {
            request->concern.code = FAILURE_UNKNOWN_WRITE_CONCERN;
            snprintf(request->concern.message, sizeof request->concern.message,
                     "No write concern mode named '%.40s' found in replica set configuration",
                     arguments.w.value.v_utf8.str);
        }
        return true;
    }
    if (!fields_integer(&arguments.w, &nodes))
        return failure_set(&request->failure, FAILURE_FAILED_TO_PARSE,
                           "w has to be a number, string, or object; found: %s",
                           fields_type_name(arguments.w.value_type));
    if (nodes < 0 || nodes > W_MAX)
        return failure_set(&request->failure, FAILURE_FAILED_TO_PARSE,
                           "w has to be a non-negative number and not greater than %d", W_MAX);
    if (nodes > 1) {
        request->concern.code = FAILURE_UNSATISFIABLE_WRITE_CONCERN;
        snprintf(request->concern.message, sizeof request->concern.message,
                 "Not enough data-bearing nodes");
    }
    return true;
}

struct read_concern_fields {
    const char *level;
    bson_value_t after;
};

static const struct field read_concern_table[] = {
    {"level", FIELD_TEXT, offsetof(struct read_concern_fields, level), false},
    {"provenance", FIELD_IGNORED, 0, false},
    {"afterClusterTime", FIELD_VALUE, offsetof(struct read_concern_fields, after), false},
    {"afterOpTime atClusterTime", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

/* What each reply says of the time, and of success before that. */
static void describe_time(struct engine *engine)
{
    static const uint8_t unsigned_hash[20] = {0};
    bson_t *description = engine->time, time, signature;
    bson_reinit(description);
    bson_append_document_begin(description, "$clusterTime", -1, &time);
    bson_append_timestamp(&time, "clusterTime", -1, engine->cluster_seconds, 1);
    bson_append_document_begin(&time, "signature", -1, &signature);
    bson_append_binary(&signature, "hash", -1, BSON_SUBTYPE_BINARY, unsigned_hash,
                       sizeof unsigned_hash);
    bson_append_int64(&signature, "keyId", -1, 0);
    bson_append_document_end(&time, &signature);
    bson_append_document_end(description, &time);
    bson_append_timestamp(description, "operationTime", -1, engine->cluster_seconds, 1);
    bson_reinit(engine->success);
    bson_append_double(engine->success, "ok", -1, 1);
    bson_concat(engine->success, description);
}

static uint32_t cluster_seconds(struct engine *engine, int64_t now_ms)
{
    uint32_t seconds = (uint32_t)(now_ms / 1000);
    if (seconds > engine->cluster_seconds || bson_empty(engine->time)) {
        engine->cluster_seconds = seconds;
        describe_time(engine);
    }
    return engine->cluster_seconds;
}

void envelope_tell_time(struct engine *engine, int64_t now_ms, bson_t *reply)
{
    if (!engine->replica_set)
        return;
    cluster_seconds(engine, now_ms);
    document_append(reply, bson_get_data(engine->time), engine->time->len);
}

void envelope_append_time(const struct request *request)
{
    if (request->origin->connection != 0)
        envelope_tell_time(request->engine, request->now_ms, request->reply);
}

void envelope_append_success(const struct request *request)
{
    struct engine *engine = request->engine;
    if (!engine->replica_set || request->origin->connection == 0) {
        bson_append_double(request->reply, "ok", -1, 1);
        return;
    }
    cluster_seconds(engine, request->now_ms);
    document_append(request->reply, bson_get_data(engine->success), engine->success->len);
}

/* What came before the time asked for is there, if the time is one that was told. */
static bool check_after(struct request *request, const bson_value_t *after)
{
    if (after->value_type == BSON_TYPE_EOD)
        return true;
    if (!request->engine->replica_set)
        return failure_set(&request->failure, FAILURE_NOT_A_REPLICA_SET,
                           "node needs to be a replica set member to use read concern");
    if (after->value_type != BSON_TYPE_TIMESTAMP)
        return failure_set(&request->failure, FAILURE_TYPE_MISMATCH,
                           "\"afterClusterTime\" had the wrong type. Expected timestamp, found %s",
                           fields_type_name(after->value_type));
    return after->value.v_timestamp.timestamp <=
               cluster_seconds(request->engine, request->now_ms) ||
           failure_set(&request->failure, FAILURE_INVALID_OPTIONS,
                       "readConcern afterClusterTime value must not be greater than the current "
                       "clusterTime. Requested clusterTime: %u; current clusterTime: %u",
                       after->value.v_timestamp.timestamp, request->engine->cluster_seconds);
}

/* Inside a transaction only its first command may say one, and not every one. */
static bool check_inside(struct request *request, const struct envelope *envelope,
                         const char *level)
{
    if (envelope->start_transaction.value_type == BSON_TYPE_EOD)
        return failure_set(&request->failure, FAILURE_INVALID_OPTIONS,
                           "Only the first command in a transaction may specify a readConcern");
    return strcmp(level, "linearizable") != 0 && strcmp(level, "available") != 0
               ? true
               : failure_set(
                     &request->failure, FAILURE_INVALID_OPTIONS,
                     "The readConcern level must be either 'local' (default), 'majority' or "
                     "'snapshot' in order to run in a transaction");
}

static bool check_read_concern(struct request *request, const struct envelope *envelope)
{
    const bson_t *concern = &envelope->read_concern;
    struct read_concern_fields arguments = {.level = "local"};
    struct fields_reader reader =
        fields_reader(read_concern_table, "readConcern", &arguments, NULL);
    const char *level;
    if (!fields_parse(&reader, concern, &request->failure))
        return false;
    level = arguments.level;
    if (!check_after(request, &arguments.after))
        return false;
    bool inside = request->numbered == PART_TRANSACTION;
    if (inside && !check_inside(request, envelope, level))
        return false;
    if ((inside && strcmp(level, "snapshot") == 0) ||
        (request->engine->replica_set && strcmp(level, "linearizable") == 0))
        return true;
    if (strcmp(level, "local") == 0 || strcmp(level, "available") == 0 ||
        strcmp(level, "majority") == 0)
        return true;
    if (strcmp(level, "linearizable") == 0)
        return failure_set(&request->failure, FAILURE_NOT_A_REPLICA_SET,
                           "node needs to be a replica set member to use read concern");
    if (strcmp(level, "snapshot") == 0)
        return failure_set(&request->failure, FAILURE_SNAPSHOT_UNAVAILABLE,
                           "read concern 'snapshot' is not supported outside transactions");
    return failure_set(&request->failure, FAILURE_BAD_VALUE,
                       "Enumeration value '%.40s' for field 'readConcern.level' is not a valid "
                       "value.",
                       level);
}

bool envelope_check(struct request *request, const struct envelope *envelope)
{
    struct failure *failure = &request->failure;
    if (envelope->api_version != NULL && strcmp(envelope->api_version, "1") != 0)
        return failure_set(failure, FAILURE_API_VERSION, "API version must be \"1\"");
    if (!bson_empty(&envelope->write_concern)) {
        if (!(request->command->flags & COMMAND_WRITES))
            return failure_set(failure, FAILURE_INVALID_OPTIONS,
                               "Command %s does not support { writeConcern: ... }",
                               request->command->name);
        if (request->numbered == PART_TRANSACTION && !(request->command->flags & COMMAND_ENDS))
            return failure_set(failure, FAILURE_INVALID_OPTIONS,
                               "writeConcern is not allowed within a multi-statement transaction");
        if (!check_write_concern(request, &envelope->write_concern))
            return false;
    }
    if (!bson_empty(&envelope->read_concern)) {
        if (!(request->command->flags & COMMAND_READS) && request->numbered != PART_TRANSACTION)
            return failure_set(failure, FAILURE_INVALID_OPTIONS,
                               "Command %s does not support { readConcern: ... }",
                               request->command->name);
        return check_read_concern(request, envelope);
    }
    return true;
}
