/* SPDX-License-Identifier: Apache-2.0
 *
 * wire: see wire.h. An OP_MSG is header (16), flags (4), sections, and a checksum (4) when flag 0
 * says so. A section is a byte for its kind and then one document (kind 0, exactly one), or a size,
 * a name and documents (kind 1). Each document is checked by value_malformed() before anything
 * else looks at it. The common message has one or two sections: a body alone is used where it lies;
 * otherwise body and arrays are put together byte by byte, without libbson's appending. A sequence
 * whose name is there already becomes a second field of that name, which dispatch refuses.
 */
#include "wire.h"

#include "base.h"
#include "document/element.h"
#include "document/value.h"
#include <stdio.h>
#include <string.h>

enum {
    FLAG_CHECKSUM = 1 << 0,
    FLAG_MORE_TO_COME = 1 << 1,
    FLAGS_REQUIRED = 0xffff, /* of these an unknown one must be refused; of the others not */
    OP_REPLY_AWAIT_CAPABLE = 8,
    DOCUMENT_BYTES_MIN = 5,
};

int32_t wire_int32(struct slice bytes, size_t offset)
{
    const uint8_t *at = bytes.bytes + offset;
    must(offset + 4 <= bytes.length);
    return (int32_t)((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
                     (uint32_t)at[3] << 24);
}

enum wire_result wire_frame(struct slice bytes, size_t *length)
{
    if (bytes.length < WIRE_HEADER_BYTES)
        return WIRE_PARTIAL;
    int32_t claimed = wire_int32(bytes, 0), opcode = wire_int32(bytes, 12);
    if (claimed < WIRE_HEADER_BYTES || claimed > WIRE_MESSAGE_BYTES_MAX ||
        (opcode != WIRE_OP_MSG && opcode != WIRE_OP_QUERY))
        return WIRE_GARBAGE;
    if (bytes.length < (size_t)claimed)
        return WIRE_PARTIAL;
    *length = (size_t)claimed;
    return WIRE_COMPLETE;
}

static struct slice rest_of(struct slice bytes, size_t offset)
{
    return (struct slice){bytes.bytes + offset, bytes.length - offset};
}

/* The document at the beginning of `bytes`, which will stand `depth` levels down in the body,
 * checked; false: garbage. */
static bool take_document(struct slice bytes, int depth, struct slice *document)
{
    if (bytes.length < DOCUMENT_BYTES_MIN)
        return false;
    int32_t length = wire_int32(bytes, 0);
    if (length < DOCUMENT_BYTES_MIN || (size_t)length > bytes.length)
        return false;
    *document = (struct slice){bytes.bytes, (size_t)length};
    return !value_malformed_below(document->bytes, document->length, depth);
}

/* The name at the beginning of `bytes`, ended by a zero within them; false: garbage. */
static bool take_name(struct slice bytes, const char **name, size_t *length)
{
    const uint8_t *end = memchr(bytes.bytes, 0, bytes.length);
    if (end == NULL || end == bytes.bytes)
        return false;
    *name = (const char *)bytes.bytes;
    *length = (size_t)(end - bytes.bytes) + 1;
    return true;
}

/* A section of kind 1 after its kind byte: a size that includes itself, name, documents. */
static bool take_sequence(struct slice bytes, struct slice *sequence)
{
    if (bytes.length < 4)
        return false;
    int32_t size = wire_int32(bytes, 0);
    if (size < 4 || (size_t)size > bytes.length)
        return false;
    *sequence = (struct slice){bytes.bytes, (size_t)size};
    return true;
}

/* Appends a sequence to the merged body as the array `name`; documents are checked on the way. */
static bool merge_sequence(struct buffer *merged, struct slice sequence)
{
    struct slice rest = rest_of(sequence, 4), document;
    const char *name;
    size_t name_bytes;
    char number[16];
    if (!take_name(rest, &name, &name_bytes))
        return false;
    rest = rest_of(rest, name_bytes);
    buffer_byte(merged, BSON_TYPE_ARRAY);
    buffer_append(merged, name, name_bytes);
    size_t start = merged->length;
    buffer_int32(merged, 0);
    for (uint32_t index = 0; rest.length > 0; index++) {
        const char *key;
        if (!take_document(rest, 2, &document) || merged->length > WIRE_MERGED_BYTES_MAX)
            return false;
        size_t key_bytes = bson_uint32_to_string(index, &key, number, sizeof number);
        buffer_byte(merged, BSON_TYPE_DOCUMENT);
        buffer_append(merged, key, key_bytes + 1);
        buffer_append(merged, document.bytes, document.length);
        rest = rest_of(rest, document.length);
    }
    buffer_byte(merged, 0);
    buffer_patch_int32(merged, start, (int32_t)(merged->length - start));
    return true;
}

struct sections {
    struct slice body;
    size_t bodies, sequences;
};

/* First pass: the one body, and how many sequences there are. */
static bool find_sections(struct slice bytes, struct sections *sections)
{
    *sections = (struct sections){.bodies = 0};
    while (bytes.length > 0) {
        uint8_t kind = bytes.bytes[0];
        struct slice part;
        bytes = rest_of(bytes, 1);
        if (kind == 0) {
            if (!take_document(bytes, 0, &part) || ++sections->bodies > 1)
                return false;
            sections->body = part;
        } else if (kind == 1) {
            if (!take_sequence(bytes, &part) || ++sections->sequences > WIRE_SEQUENCES_MAX)
                return false;
        } else {
            return false;
        }
        bytes = rest_of(bytes, part.length);
    }
    return sections->bodies == 1;
}

/* Second pass, when there are sequences: body without its end, arrays, end. */
static bool merge_sections(struct slice bytes, const struct sections *sections,
                           struct buffer *merged)
{
    merged->length = 0;
    buffer_append(merged, sections->body.bytes, sections->body.length - 1);
    while (bytes.length > 0) {
        uint8_t kind = bytes.bytes[0];
        struct slice part = sections->body;
        bytes = rest_of(bytes, 1);
        if (kind == 1) {
            must(take_sequence(bytes, &part));
            if (!merge_sequence(merged, part))
                return false;
        }
        bytes = rest_of(bytes, part.length);
    }
    buffer_byte(merged, 0);
    buffer_patch_int32(merged, 0, (int32_t)merged->length);
    return true;
}

static bool parse_msg(struct slice bytes, struct buffer *merged, struct wire_message *message,
                      bson_t *body)
{
    struct sections sections;
    if (bytes.length < WIRE_HEADER_BYTES + 4)
        return false;
    uint32_t flags = (uint32_t)wire_int32(bytes, WIRE_HEADER_BYTES);
    if ((flags & FLAGS_REQUIRED & ~(uint32_t)(FLAG_CHECKSUM | FLAG_MORE_TO_COME)) != 0)
        return false;
    bytes = rest_of(bytes, WIRE_HEADER_BYTES + 4);
    if (flags & FLAG_CHECKSUM) {
        if (bytes.length < 4)
            return false;
        bytes.length -= 4;
    }
    message->legacy = false;
    message->more_to_come = (flags & FLAG_MORE_TO_COME) != 0;
    if (!find_sections(bytes, &sections))
        return false;
    if (sections.sequences == 0)
        return bson_init_static(body, sections.body.bytes, sections.body.length);
    return merge_sections(bytes, &sections, merged) &&
           bson_init_static(body, merged->bytes, merged->length);
}

/* flags (4), "database.$cmd", skip (4), return (4), query, and perhaps a selector. */
static bool parse_query(struct slice bytes, struct wire_message *message, bson_t *body)
{
    static const char suffix[] = ".$cmd";
    struct slice document, selector;
    const char *name;
    size_t name_bytes;
    if (bytes.length < WIRE_HEADER_BYTES + 4)
        return false;
    bytes = rest_of(bytes, WIRE_HEADER_BYTES + 4);
    if (!take_name(bytes, &name, &name_bytes) || name_bytes < sizeof suffix ||
        strcmp(name + name_bytes - sizeof suffix, suffix) != 0 || bytes.length < name_bytes + 8)
        return false;
    bytes = rest_of(bytes, name_bytes + 8);
    if (!take_document(bytes, 0, &document))
        return false;
    bytes = rest_of(bytes, document.length);
    if (bytes.length > 0 &&
        (!take_document(bytes, 0, &selector) || selector.length != bytes.length))
        return false;
    message->legacy = true;
    message->more_to_come = false;
    return bson_init_static(body, document.bytes, document.length);
}

bool wire_parse(struct slice bytes, struct buffer *merged, struct wire_message *message,
                bson_t *body)
{
    message->id = wire_int32(bytes, 4);
    return wire_int32(bytes, 12) == WIRE_OP_MSG ? parse_msg(bytes, merged, message, body)
                                                : parse_query(bytes, message, body);
}

void wire_append_reply(struct buffer *out, const struct wire_message *message, int32_t id,
                       const bson_t *reply)
{
    size_t start = out->length;
    buffer_int32(out, 0);
    buffer_int32(out, id);
    buffer_int32(out, message->id);
    if (message->legacy) {
        buffer_int32(out, WIRE_OP_REPLY);
        buffer_int32(out, OP_REPLY_AWAIT_CAPABLE);
        buffer_int32(out, 0); /* cursor id, 8 bytes */
        buffer_int32(out, 0);
        buffer_int32(out, 0); /* starting from */
        buffer_int32(out, 1); /* documents */
    } else {
        buffer_int32(out, WIRE_OP_MSG);
        buffer_int32(out, 0); /* flags */
        buffer_byte(out, 0);  /* one section of kind 0 */
    }
    buffer_append(out, bson_get_data(reply), reply->len);
    buffer_patch_int32(out, start, (int32_t)(out->length - start));
}
