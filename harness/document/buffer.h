/* SPDX-License-Identifier: Apache-2.0
 *
 * buffer: bytes that grow at the end. Holds what is to be written to a socket, what has arrived
 * only in part, merged commands and encoded keys. Reused from command to command, so that the hot
 * path allocates nothing. Appending is inline: most of it is a few bytes.
 */
#ifndef RACEBENCH_DOCUMENT_BUFFER_H
#define RACEBENCH_DOCUMENT_BUFFER_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Zeroed: empty. */
struct buffer {
    uint8_t *bytes;
    size_t length, capacity;
};

/* Bytes that somebody else owns. */
struct slice {
    const uint8_t *bytes;
    size_t length;
};

/* Makes room for so many bytes behind those that are there. */
void buffer_grow(struct buffer *, size_t more);

/* Makes the buffer longer by so many bytes, and says where they are; the caller writes them. Valid
 * until the buffer changes again. */
static inline uint8_t *buffer_extend(struct buffer *buffer, size_t more)
{
    size_t length = buffer->length;
    if (more > buffer->capacity - length)
        buffer_grow(buffer, more);
    buffer->length = length + more;
    return buffer->bytes + length;
}

/* Appends bytes (copied), one byte, or an int32 in little-endian order. */
static inline void buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(buffer_extend(buffer, length), bytes, length);
}

static inline void buffer_byte(struct buffer *buffer, uint8_t byte)
{
    *buffer_extend(buffer, 1) = byte;
}

static inline void buffer_int32(struct buffer *buffer, int32_t value)
{
    uint32_t bits = htole32((uint32_t)value);
    memcpy(buffer_extend(buffer, sizeof bits), &bits, sizeof bits);
}

/* Overwrites the four bytes at `offset` (already appended) with an int32 in little-endian order. */
void buffer_patch_int32(struct buffer *, size_t offset, int32_t value);

/* Forgets the first `length` bytes and moves the rest to the front. */
void buffer_consume(struct buffer *, size_t length);

/* All of it, borrowed until the buffer changes. */
struct slice buffer_slice(const struct buffer *);

/* Frees the memory and makes the buffer empty. */
void buffer_release(struct buffer *);

#endif
