/* SPDX-License-Identifier: Apache-2.0
 *
 * process_wire: see process_wire.h. A reader keeps what has come in one buffer and gives frames out
 * of it without copying; what has been given out is dropped when more comes. A length beyond
 * BODY_MAX is refused before anybody waits for so many bytes.
 */
#include "process_wire.h"

#include "base.h"

#include <stdlib.h>
#include <string.h>

enum { MAGIC = 0x31504252, BODY_MAX = 16 << 20 }; /* "RBP1" */

struct head {
    uint32_t magic;
    uint16_t version, kind;
    int32_t worker;
    uint32_t length;
};

/* Length of a kind's body; -1: as the head says. */
static const struct {
    const char *name;
    int64_t length;
} kinds[FRAME_KIND_COUNT] = {
    [FRAME_ORDER] = {"order", -1},
    [FRAME_GO] = {"go", sizeof(int64_t)},
    [FRAME_STOP] = {"stop", 0},
    [FRAME_RESUME] = {"resume", 0},
    [FRAME_BEAT] = {"beat", 0},
    [FRAME_ARRIVED] = {"arrived", -1},
    [FRAME_ATTEMPT] = {"attempt", sizeof(int64_t)},
    [FRAME_EVENT] = {"event", sizeof(struct process_settled)},
    [FRAME_STRIKE] = {"strike", sizeof(int32_t)},
    [FRAME_ENDED] = {"ended", 0},
    [FRAME_END] = {"end", 0},
};

size_t process_memory_bytes(int32_t workers)
{
    return sizeof(struct process_memory) + (size_t)workers * sizeof(struct process_slot);
}

const char *frame_name(enum frame_kind kind)
{
    return kinds[kind].name;
}

static void append(uint8_t **bytes, size_t *count, size_t *capacity, struct frame part)
{
    if (*count + part.length > *capacity) {
        *capacity = 2 * (*count + part.length);
        *bytes = x_realloc(*bytes, *capacity);
    }
    if (part.length > 0)
        memcpy(*bytes + *count, part.body, part.length);
    *count += part.length;
}

void frame_reader_add(struct frame_reader *reader, const void *bytes, size_t count)
{
    if (reader->start > 0) {
        reader->count -= reader->start;
        memmove(reader->bytes, reader->bytes + reader->start, reader->count);
        reader->start = 0;
    }
    append(&reader->bytes, &reader->count, &reader->capacity,
           (struct frame){.body = bytes, .length = count});
}

void frame_reader_free(struct frame_reader *reader)
{
    free(reader->bytes);
    *reader = (struct frame_reader){0};
}

enum frame_state frame_next(struct frame_reader *reader, struct frame *frame)
{
    struct head head;
    size_t there = reader->count - reader->start;
    if (there < sizeof(head))
        return FRAME_MORE;
    memcpy(&head, reader->bytes + reader->start, sizeof(head));
    if (head.magic != MAGIC || head.version != PROCESS_VERSION || head.kind >= FRAME_KIND_COUNT ||
        head.length > BODY_MAX ||
        (kinds[head.kind].length >= 0 && head.length != (uint32_t)kinds[head.kind].length))
        return FRAME_BAD;
    if (there - sizeof(head) < head.length)
        return FRAME_MORE;
    *frame = (struct frame){.kind = (enum frame_kind)head.kind,
                            .worker = head.worker,
                            .body = reader->bytes + reader->start + sizeof(head),
                            .length = head.length};
    reader->start += sizeof(head) + head.length;
    return FRAME_READY;
}

void frame_append(struct frame_buffer *buffer, const struct frame *frame)
{
    struct head head = {.magic = MAGIC,
                        .version = PROCESS_VERSION,
                        .kind = (uint16_t)frame->kind,
                        .worker = frame->worker,
                        .length = (uint32_t)frame->length};
    must(frame->length <= BODY_MAX);
    append(&buffer->bytes, &buffer->count, &buffer->capacity,
           (struct frame){.body = (const uint8_t *)&head, .length = sizeof(head)});
    append(&buffer->bytes, &buffer->count, &buffer->capacity, *frame);
}
