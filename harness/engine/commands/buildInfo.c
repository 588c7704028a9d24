/* SPDX-License-Identifier: Apache-2.0
 *
 * buildInfo: which version the engine poses as, for tools that ask before they do anything
 * else. "6.0.0" is the version whose wire protocol (17) the handshake announces; the field
 * "racebench" says what really answers, so that nobody takes its figures for MongoDB's.
 */
#include "engine/command.h"

#include "engine/dispatch.h"

static bool run(struct request *request)
{
    static const int32_t numbers[] = {6, 0, 0, 0};
    bson_t array;
    bson_append_utf8(request->reply, "version", -1, engine_version(), -1);
    bson_append_array_begin(request->reply, "versionArray", -1, &array);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        const char key[2] = {(char)('0' + i), '\0'};
        bson_append_int32(&array, key, 1, numbers[i]);
    }
    bson_append_array_end(request->reply, &array);
    bson_append_utf8(request->reply, "gitVersion", -1, "racebench " RACEBENCH_VERSION, -1);
    bson_append_int32(request->reply, "bits", -1, 64);
    bson_append_int32(request->reply, "maxBsonObjectSize", -1, 16 * 1024 * 1024);
    bson_append_bool(request->reply, "racebench", -1, true);
    bson_append_utf8(request->reply, "store", -1, engine_store(request->engine), -1);
    bson_append_utf8(request->reply, "durability", -1, engine_durability(request->engine), -1);
    return true;
}

COMMAND(buildInfo, 0, .alias = "buildinfo");
