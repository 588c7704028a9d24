/* SPDX-License-Identifier: Apache-2.0
 *
 * value_check: is this BSON at all? A bounded walk of our own over bytes from a socket: every
 * length is checked against what is left before it is used (element_size()), every text ends in its
 * zero and is UTF-8, documents end where they say, and nesting is counted on a small stack, not by
 * recursion. Nothing else may look at bytes before this did.
 */
#include "value.h"

#include "element.h"
#include <string.h>

static uint32_t read_length(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

/* A length and as many bytes, the last of them zero; element_size() has seen that all are there. */
static bool is_text(const uint8_t *data, size_t size)
{
    uint32_t length = read_length(data);
    return length >= 1 && length <= size - 4 && data[4 + length - 1] == '\0';
}

/* Most text is plain ASCII, which is UTF-8: that is seen eight bytes at a time. */
static bool is_utf8(const uint8_t *text, size_t length)
{
    uint64_t word, all = 0;
    size_t at = 0;
    for (; length - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        all |= word;
    }
    for (; at < length; at++)
        all |= text[at];
    return (all & UINT64_C(0x8080808080808080)) == 0 ||
           bson_utf8_validate((const char *)text, length, true);
}

/* What the size alone does not say of a value that holds no document. Code with scope is refused:
 * nobody needs it here and its nesting would need a second count. */
static bool is_sound(const struct element *element)
{
    const uint8_t *data = element->data;
    switch ((int)element->type) {
    case BSON_TYPE_UTF8:
        return is_text(data, element->size) && is_utf8(data + 4, element->size - 5);
    case BSON_TYPE_CODE:
    case BSON_TYPE_SYMBOL:
    case BSON_TYPE_DBPOINTER:
        return is_text(data, element->size);
    case BSON_TYPE_BINARY: /* subtype 2 repeats its length inside */
        return data[4] != BSON_SUBTYPE_BINARY_DEPRECATED ||
               (element->size >= 9 && read_length(data + 5) == element->size - 9);
    case BSON_TYPE_BOOL:
        return data[0] <= 1;
    case BSON_TYPE_CODEWSCOPE:
        return false;
    default:
        return true;
    }
}

bool value_malformed(const uint8_t *bytes, size_t length)
{
    return value_malformed_below(bytes, length, 0);
}

bool value_malformed_below(const uint8_t *bytes, size_t length, int first)
{
    const uint8_t *around[VALUE_DEPTH_MAX]; /* where the documents around this one end */
    struct element element;
    int depth = first;
    if (length < 5 || length > INT32_MAX || read_length(bytes) != length || bytes[length - 1] != 0)
        return true;
    struct elements here = {bytes + 4, bytes + length - 1};
    for (;;) {
        while (here.at == here.end) {
            if (depth == first)
                return false;
            here.end = around[--depth];
            here.at++; /* behind the zero byte of the document that has ended */
        }
        if (!elements_next(&here, &element))
            return true;
        if (!element_is_container(&element)) {
            if (!is_sound(&element))
                return true;
            continue;
        }
        around[depth] = here.end;
        here = elements_of_element(&element);
        if (++depth == VALUE_DEPTH_MAX || *here.end != 0)
            return true;
    }
}
