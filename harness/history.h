/* SPDX-License-Identifier: Apache-2.0
 *
 * history: every operation is an event on one monotonic clock: invoked, returned, how it came out,
 * which version of each document it read and which it wrote. Each worker appends to its own; they
 * are merged after the join. The version of a document is the id of the operation that wrote it
 * (its stamp), so the order of updates is in the data and not in the clocks.
 */
#ifndef RACEBENCH_HISTORY_H
#define RACEBENCH_HISTORY_H

#include "edit.h"

/* Number of an operation that is unique in a run; 0 is nobody's: the seeded document. */
#define OPERATION_ID(worker, number) ((((int64_t)(worker) + 1) << 32) | (int64_t)(number))
#define OPERATION_WORKER(id)         ((int32_t)((id) >> 32) - 1)
#define OPERATION_NUMBER(id)         ((int64_t)((id)&0xffffffff))

/* In the number of a token, which is no operation's (session_token()). */
#define TOKEN_BIT INT64_C(0x80000000)
/* `read` of an event that wrote without reading (operators). */
#define VERSION_BLIND INT64_C(-1)
/* `return_ns` of an event whose operation may still take effect at any time. */
#define RETURN_NEVER INT64_MAX

/* One operation. Times are nanoseconds on the run's clock since the cell's start. */
struct event {
    int64_t invoke_ns;                /* before the first attempt's first step */
    int64_t return_ns;                /* after the last attempt's last step */
    int64_t operation;                /* OPERATION_ID(worker, number) */
    int64_t key[EDIT_DOCUMENTS_MAX];  /* _id of the documents, -1: no such */
    int64_t read[EDIT_DOCUMENTS_MAX]; /* version that the last attempt read; 0: the seeded one or
                                       * none; VERSION_BLIND: not read */
    int64_t value_read;               /* edit->field of document 0 as read (0: absent) */
    int64_t value_written;            /* the same as written */
    int64_t amount;                   /* edit->amount */
    int64_t once;                     /* edit->once */
    int64_t detail;                   /* what the scenario noted for its judge: worker_note() */
    int64_t applied;                  /* how often its writes changed a document, as the engine saw
                                       * it by the operation's id; -1: not seen */
    int32_t worker;
    int32_t instance;
    int32_t attempts;
    int32_t commands; /* commands sent, all attempts together */
    enum outcome outcome;
    uint8_t strategy; /* index within the cell's mix */
    uint8_t wrote;    /* bit i: the last attempt set out to write document i */
    bool reads_only;  /* the edit had nothing to change */
    bool doubled;     /* an attempt read this operation's own stamp: it had been
                                       * applied before */
    bool retried;     /* an attempt before the last had got no answer (UNKNOWN) */
};

/* An append-only array of events. */
struct history {
    struct event *events;
    size_t count, capacity;
};
/* An empty one, and its memory given back. */
void history_init(struct history *);
void history_free(struct history *);
/* Appends a zeroed event and returns it; valid until the next append. */
struct event *history_append(struct history *);
/* Moves all of `from` to the end of `into`; `from` is empty afterwards. */
void history_merge(struct history *into, struct history *from);
/* Sorts by invocation, then operation: the order of reports and of the checker. */
void history_sort(struct history *);
/* Hash over everything but times, in whatever order the events are: equal for equal runs; over
 * times too when `with_times`. */
uint64_t history_hash(const struct history *, bool with_times);

#endif
