/* SPDX-License-Identifier: Apache-2.0
 *
 * buffer: see buffer.h. Capacity doubles, as it does for every array here; a buffer that once held
 * a large message is given back by its owner (connection.c), not here.
 */
#include "buffer.h"

#include "base.h"
#include <stdlib.h>
#include <string.h>

static void buffer_reserve(struct buffer *buffer, size_t more)
{
    size_t needed = buffer->length + more;
    if (needed <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : 256;
    while (capacity < needed)
        capacity *= 2;
    buffer->bytes = x_realloc(buffer->bytes, capacity);
    buffer->capacity = capacity;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    if (length == 0)
        return;
    buffer_reserve(buffer, length);
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
}

void buffer_byte(struct buffer *buffer, uint8_t byte)
{
    buffer_reserve(buffer, 1);
    buffer->bytes[buffer->length++] = byte;
}

void buffer_int32(struct buffer *buffer, int32_t value)
{
    buffer_reserve(buffer, 4);
    buffer->length += 4;
    buffer_patch_int32(buffer, buffer->length - 4, value);
}

void buffer_patch_int32(struct buffer *buffer, size_t offset, int32_t value)
{
    must(offset + 4 <= buffer->length);
    for (int i = 0; i < 4; i++)
        buffer->bytes[offset + (size_t)i] = (uint8_t)((uint32_t)value >> (8 * i));
}

void buffer_consume(struct buffer *buffer, size_t length)
{
    must(length <= buffer->length);
    if (length > 0 && length < buffer->length)
        memmove(buffer->bytes, buffer->bytes + length, buffer->length - length);
    buffer->length -= length;
}

struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->bytes, buffer->length};
}

void buffer_release(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}
