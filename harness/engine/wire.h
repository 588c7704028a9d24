/* SPDX-License-Identifier: Apache-2.0
 *
 * wire: MongoDB's messages, parsed and written; no sockets here. In: OP_MSG with its document
 * sequences merged into the body as arrays, and OP_QUERY, by which drivers still shake hands. Out:
 * OP_MSG with one section, OP_REPLY. Everything that is not exactly right is garbage, and garbage
 * closes the connection: unknown opcodes (2012, compression, is one), flags, sections, wrong sizes,
 * malformed BSON. Nothing is allocated by a size that a message claims.
 */
#ifndef RACEBENCH_ENGINE_WIRE_H
#define RACEBENCH_ENGINE_WIRE_H

#include "document/buffer.h"
#include <bson/bson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    WIRE_HEADER_BYTES = 16,
    WIRE_MESSAGE_BYTES_MAX = 48000000,
    WIRE_MERGED_BYTES_MAX = 64000000, /* the names of array elements come on top */
    WIRE_SEQUENCES_MAX = 16,          /* in one message: drivers send one */
    WIRE_OP_REPLY = 1,
    WIRE_OP_QUERY = 2004,
    WIRE_OP_MSG = 2013,
};

/* What a reply needs to know of its message. */
struct wire_message {
    int32_t id;
    bool legacy;       /* OP_QUERY, to be answered by OP_REPLY */
    bool more_to_come; /* no reply is wanted, ever */
};

enum wire_result { WIRE_PARTIAL, WIRE_COMPLETE, WIRE_GARBAGE };

/* Looks at the beginning of what arrived: is a whole message there, and how long is it? PARTIAL:
 * not yet (`*length` is not set). */
enum wire_result wire_frame(struct slice bytes, size_t *length);

/* Parses one whole message. `*body` is static over the message or over `merged` (a buffer that is
 * overwritten), valid while both are. False: garbage. */
bool wire_parse(struct slice message, struct buffer *merged, struct wire_message *, bson_t *body);

/* Appends the reply to a message; `id` is the reply's own. */
void wire_append_reply(struct buffer *out, const struct wire_message *, int32_t id,
                       const bson_t *reply);

/* Reads a little-endian int32 at `offset`, which must lie inside. */
int32_t wire_int32(struct slice bytes, size_t offset);

#endif
