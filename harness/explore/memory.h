/* SPDX-License-Identifier: Apache-2.0
 *
 * memory: a table of 64-bit keys with a 64-bit value each: the states that were seen, what a worker
 * did next. Open addressing; the memory is all that a search keeps.
 */
#ifndef RACEBENCH_EXPLORE_MEMORY_H
#define RACEBENCH_EXPLORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_slot {
    uint64_t key, value;
};
/* Zeroed: an empty one. */
struct memory {
    struct memory_slot *slots;
    size_t count, capacity; /* a power of two, or 0 */
};

/* Remembers `value` for a new key and returns NULL; otherwise returns the place of the value that
 * is remembered, valid until the next call. */
uint64_t *memory_meet(struct memory *, uint64_t key, uint64_t value);
/* The value that is remembered, or NULL; valid until the next memory_meet(). */
const uint64_t *memory_find(const struct memory *, uint64_t key);
/* Forgets all, or gives the memory back. */
void memory_clear(struct memory *);
void memory_free(struct memory *);

#endif
