/* SPDX-License-Identifier: Apache-2.0
 *
 * canned: see canned.h. The replies say that one document was found, written or deleted, which is
 * what the callers of a benchmark expect; nothing is stored, so no checker may judge such a run.
 * They have the fields of the engine's own, a replica set's times with them: a driver reads those
 * and sends them back, which costs it the same with either.
 */
#include "canned.h"

#include "base.h"
#include "envelope.h"
#include "wire.h"
#include <bson/bson.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *command, *reply;
} texts[] = {
    {"find",
     "{\"cursor\": {\"firstBatch\": [{\"_id\": 1, \"value\": 1, \"version\": 1, \"padding\": "
     "\"................................................................................"
     "................................\"}], \"id\": {\"$numberLong\": \"0\"}, \"ns\": "
     "\"canned.canned\"}, \"ok\": 1.0}"},
    {"update", "{\"n\": 1, \"nModified\": 1, \"ok\": 1.0}"},
    {"insert", "{\"n\": 1, \"ok\": 1.0}"},
    {"delete", "{\"n\": 1, \"ok\": 1.0}"},
    {"findAndModify", "{\"lastErrorObject\": {\"n\": 1, \"updatedExisting\": true}, \"value\": "
                      "{\"_id\": 1, \"value\": 1, \"version\": 1}, \"ok\": 1.0}"},
};

struct canned {
    struct buffer replies[COUNT_OF(texts)]; /* whole messages; responseTo is patched */
};

struct canned *canned_new(struct engine *engine)
{
    struct canned *canned = x_calloc(1, sizeof *canned);
    struct wire_message message = {.id = 0};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        bson_t *reply = bson_new_from_json((const uint8_t *)texts[i].reply, -1, NULL);
        must(reply != NULL);
        envelope_tell_time(engine, clock_wall_ms(), reply);
        wire_append_reply(&canned->replies[i], &message, 0, reply);
        bson_destroy(reply);
    }
    return canned;
}

void canned_free(struct canned *canned)
{
    if (canned == NULL)
        return;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        buffer_release(&canned->replies[i]);
    free(canned);
}

bool canned_reply(const struct canned *canned, struct slice message, struct buffer *out)
{
    enum { NAME_OFFSET = 26, RESPONSE_TO_OFFSET = 8, FLAG_MORE_TO_COME = 2 };
    if (wire_int32(message, 12) != WIRE_OP_MSG || message.length <= NAME_OFFSET ||
        message.bytes[20] != 0) /* the body comes first */
        return false;
    const char *name = (const char *)message.bytes + NAME_OFFSET;
    size_t room = message.length - NAME_OFFSET;
    if (strnlen(name, room) == room)
        return false; /* it is cut off: wire_parse() refuses it */
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (strcmp(name, texts[i].command) != 0)
            continue;
        if (wire_int32(message, 16) & FLAG_MORE_TO_COME)
            return true;
        size_t start = out->length;
        buffer_append(out, canned->replies[i].bytes, canned->replies[i].length);
        buffer_patch_int32(out, start + RESPONSE_TO_OFFSET, wire_int32(message, 4));
        return true;
    }
    return false;
}
