/* SPDX-License-Identifier: Apache-2.0
 *
 * process_wire: what the parent and its children say to each other. Two pipes for each child, one
 * up and one down, both a row of frames: a head of fixed size and as many bytes as the head says.
 * Both ends are the same program (the child is started through /proc/self/exe), so numbers and
 * structs go as they lie in memory; magic, version and the exact length of each kind refuse
 * everything else at once, since a history that was misread would be a verdict that lies.
 *
 *     down: ORDER, GO, then STOP or RESUME at any time
 *     up:   BEAT at any time, ARRIVED, then of each worker ATTEMPT and EVENT, STRIKE, ENDED; END
 *
 * Besides the pipes they share one mapping (struct process_memory): the hazards' tally, and of each
 * worker the event that it would leave if it died now. Memory outlives SIGKILL.
 */
#ifndef RACEBENCH_PROCESS_WIRE_H
#define RACEBENCH_PROCESS_WIRE_H

#include "hazards.h"
#include "history.h"
#include "transport.h"

/* A child's descriptors, and the word that makes the program a child: `racebench (process)`. It is
 * no verb, since only the program itself says it. */
enum { PROCESS_DOWN = 3, PROCESS_UP = 4, PROCESS_MEMORY = 5 };
#define PROCESS_WORD "(process)"

enum { PROCESS_VERSION = 1 };
/* How often a child says that it is alive. */
enum { PROCESS_BEAT_MS = 250 };

enum frame_kind {
    FRAME_ORDER,   /* struct process_order, its texts, its shares */
    FRAME_GO,      /* int64_t: time zero, monotonic ns */
    FRAME_STOP,    /* no further operations */
    FRAME_RESUME,  /* what was to strike this process has; go on */
    FRAME_BEAT,    /* still here */
    FRAME_ARRIVED, /* all workers are at the start line; or why one cannot be, as text */
    FRAME_ATTEMPT, /* int64_t: ns that one attempt of `worker` took */
    FRAME_EVENT,   /* struct process_settled of `worker` */
    FRAME_STRIKE,  /* int32_t: the hazard that is to strike the whole process now */
    FRAME_ENDED,   /* `worker` does nothing more */
    FRAME_END,     /* nothing more comes: a clean end */
    FRAME_KIND_COUNT
};

struct frame {
    enum frame_kind kind;
    int32_t worker; /* or -1 */
    const uint8_t *body;
    size_t length;
};

/* One settled operation. */
struct process_settled {
    struct event event;
    int64_t waiting_ns;
};

/* What a child is to do. Pointers in `cell` mean nothing on the other side: the texts that follow
 * replace them, each ended by a 0: scenario, strategies, their name together, URI of what answers,
 * database, folder. Then `share_count` struct crew_share. */
struct process_order {
    struct cell cell;
    int32_t number; /* of the process, from 0 */
    int32_t share_count;
    bool embedded; /* the engine at the URI is the parent's own */
    bool verbose;
    uint32_t text_bytes;
};

/* What a worker leaves if it dies now. Two, of which `turn` says the one that is whole: a process
 * can be killed in the middle of a copy. */
struct process_slot {
    atomic_uint turn;
    struct {
        struct event event; /* operation 0: none is open */
        int64_t token_count;
    } left[2];
};

/* The mapping of a cell. */
struct process_memory {
    struct hazard_tally tally;
    struct process_slot slots[]; /* by worker of the cell */
};
size_t process_memory_bytes(int32_t workers);

/* Bytes that have come and are not yet understood. */
struct frame_reader {
    uint8_t *bytes;
    size_t count, capacity, start;
};
void frame_reader_add(struct frame_reader *, const void *bytes, size_t count);
void frame_reader_free(struct frame_reader *);

/* The next frame: its body is borrowed until the next call of either function. */
enum frame_state {
    FRAME_READY,
    FRAME_MORE, /* not all of it has come */
    FRAME_BAD,  /* these bytes are no frame; nothing after them can be trusted */
};
enum frame_state frame_next(struct frame_reader *, struct frame *);

/* A frame as bytes, appended to a buffer that the caller frees. */
struct frame_buffer {
    uint8_t *bytes;
    size_t count, capacity;
};
void frame_append(struct frame_buffer *, const struct frame *);

/* "event", ...: for messages. */
const char *frame_name(enum frame_kind);

#endif
