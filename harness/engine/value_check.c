/* SPDX-License-Identifier: Apache-2.0
 *
 * value_check: is this BSON at all? A bounded walk of our own over bytes from a socket: every length
 * is checked against what is left before it is used, every string ends in its zero, and nesting is
 * counted on a small stack, not by recursion. Nothing else may look at bytes before this did.
 */
#include "base.h"
#include "value.h"

#include <string.h>

/* What is left to read of the document at each depth. */
struct level {
    size_t end;
};

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* Bytes of a string value at `at`: its length, the text and the zero; 0 when malformed. */
static size_t string_bytes(const uint8_t *bytes, size_t at, size_t end)
{
    if (end - at < 5)
        return 0;
    uint32_t length = read_u32(bytes + at);
    if (length < 1 || length > end - at - 4 || bytes[at + 4 + length - 1] != '\0')
        return 0;
    return 4 + (size_t)length;
}

/* Bytes of a zero-terminated text at `at`, with its zero; 0 when there is none before `end`. */
static size_t cstring_bytes(const uint8_t *bytes, size_t at, size_t end)
{
    const uint8_t *zero = at < end ? memchr(bytes + at, '\0', end - at) : NULL;
    return zero != NULL ? (size_t)(zero - (bytes + at)) + 1 : 0;
}

/* Bytes of a value whose size the type alone gives; 0: not such a type. */
static size_t fixed_bytes(uint8_t type)
{
    switch (type) {
    case BSON_TYPE_DOUBLE:
    case BSON_TYPE_DATE_TIME:
    case BSON_TYPE_TIMESTAMP:
    case BSON_TYPE_INT64:
        return 8;
    case BSON_TYPE_INT32:
        return 4;
    case BSON_TYPE_OID:
        return 12;
    case BSON_TYPE_BOOL:
        return 1;
    case BSON_TYPE_DECIMAL128:
        return 16;
    default:
        return 0;
    }
}

static bool is_empty_type(uint8_t type)
{
    return type == BSON_TYPE_NULL || type == BSON_TYPE_UNDEFINED || type == BSON_TYPE_MINKEY ||
           type == BSON_TYPE_MAXKEY;
}

static size_t binary_bytes(const uint8_t *bytes, size_t at, size_t end)
{
    if (end - at < 5)
        return 0;
    uint32_t length = read_u32(bytes + at);
    if (length > end - at - 5)
        return 0;
    if (bytes[at + 4] == BSON_SUBTYPE_BINARY_DEPRECATED &&
        (length < 4 || read_u32(bytes + at + 5) != length - 4))
        return 0;
    return 5 + (size_t)length;
}

/* Bytes of a leaf value (no document inside); 0 when malformed. Code with scope is refused: nobody
 * needs it here and its nesting would need a second count. */
static size_t leaf_bytes(const uint8_t *bytes, uint8_t type, size_t at, size_t end)
{
    size_t first, second;
    switch (type) {
    case BSON_TYPE_UTF8: {
        size_t length = string_bytes(bytes, at, end);
        return length > 0 && bson_utf8_validate((const char *)bytes + at + 4, length - 5, true)
                   ? length
                   : 0;
    }
    case BSON_TYPE_CODE:
    case BSON_TYPE_SYMBOL:
        return string_bytes(bytes, at, end);
    case BSON_TYPE_BINARY:
        return binary_bytes(bytes, at, end);
    case BSON_TYPE_REGEX:
        first = cstring_bytes(bytes, at, end);
        second = first > 0 ? cstring_bytes(bytes, at + first, end) : 0;
        return second > 0 ? first + second : 0;
    case BSON_TYPE_DBPOINTER:
        first = string_bytes(bytes, at, end);
        return first > 0 && end - at - first >= 12 ? first + 12 : 0;
    default:
        first = fixed_bytes(type);
        return first > 0 && first <= end - at && (type != BSON_TYPE_BOOL || bytes[at] <= 1) ? first
                                                                                            : 0;
    }
}

/* Opens a document at `at`: checks its length and last byte; false when malformed. */
static bool open_level(const uint8_t *bytes, size_t at, size_t end, struct level *level)
{
    if (end - at < 5)
        return false;
    uint32_t length = read_u32(bytes + at);
    if (length < 5 || length > end - at || bytes[at + length - 1] != '\0')
        return false;
    level->end = at + length - 1; /* its own closing zero is not content */
    return true;
}

bool value_malformed(const uint8_t *bytes, size_t length)
{
    struct level levels[VALUE_DEPTH_MAX];
    int depth = 0;
    size_t at = 4;
    if (!open_level(bytes, 0, length, &levels[0]) || levels[0].end != length - 1)
        return true;
    for (;;) {
        size_t end = levels[depth].end;
        if (at == end) {
            at++; /* the closing zero */
            if (depth-- == 0)
                return false;
            continue;
        }
        uint8_t type = bytes[at++];
        size_t name = cstring_bytes(bytes, at, end);
        if (name == 0)
            return true;
        at += name;
        if (type == BSON_TYPE_DOCUMENT || type == BSON_TYPE_ARRAY) {
            if (depth + 1 >= VALUE_DEPTH_MAX || !open_level(bytes, at, end, &levels[depth + 1]))
                return true;
            depth++;
            at += 4;
        } else if (!is_empty_type(type)) {
            size_t leaf = leaf_bytes(bytes, type, at, end);
            if (leaf == 0)
                return true;
            at += leaf;
        }
    }
}
