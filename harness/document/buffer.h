/* SPDX-License-Identifier: Apache-2.0
 *
 * buffer: bytes that grow at the end. Holds what is to be written to a socket, what has arrived
 * only in part, merged commands and encoded keys. Reused from command to command, so that the hot
 * path allocates nothing.
 */
#ifndef RACEBENCH_DOCUMENT_BUFFER_H
#define RACEBENCH_DOCUMENT_BUFFER_H

#include <stddef.h>
#include <stdint.h>

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

/* Makes the buffer longer by so many bytes, and says where they are; the caller writes them. Valid
 * until the buffer changes again. */
uint8_t *buffer_extend(struct buffer *, size_t more);

/* Appends bytes (copied), one byte, or an int32 in little-endian order. */
void buffer_append(struct buffer *, const void *bytes, size_t length);
void buffer_byte(struct buffer *, uint8_t byte);
void buffer_int32(struct buffer *, int32_t value);

/* Overwrites the four bytes at `offset` (already appended) with an int32 in little-endian order. */
void buffer_patch_int32(struct buffer *, size_t offset, int32_t value);

/* Forgets the first `length` bytes and moves the rest to the front. */
void buffer_consume(struct buffer *, size_t length);

/* All of it, borrowed until the buffer changes. */
struct slice buffer_slice(const struct buffer *);

/* Frees the memory and makes the buffer empty. */
void buffer_release(struct buffer *);

#endif
