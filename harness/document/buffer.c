/* SPDX-License-Identifier: Apache-2.0
 *
 * buffer: see buffer.h. Capacity doubles, as it does for every array here; a buffer that once held
 * a large message is given back by its owner (connection.c), not here.
 */
#include "buffer.h"

#include "base.h"
#include <stdlib.h>

void buffer_grow(struct buffer *buffer, size_t more)
{
    size_t needed = buffer->length + more, capacity = buffer->capacity > 0 ? buffer->capacity : 256;
    while (capacity < needed)
        capacity *= 2;
    buffer->bytes = x_realloc(buffer->bytes, capacity);
    buffer->capacity = capacity;
}

void buffer_patch_int32(struct buffer *buffer, size_t offset, int32_t value)
{
    must(offset + 4 <= buffer->length);
    uint32_t bits = htole32((uint32_t)value);
    memcpy(buffer->bytes + offset, &bits, sizeof bits);
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
