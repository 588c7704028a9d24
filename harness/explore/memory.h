/* SPDX-License-Identifier: Apache-2.0
 *
 * memory: a table of 128-bit keys with a 64-bit value each: the states that were seen, what a
 * worker did next. Open addressing; the memory is all that a search keeps.
 */
#ifndef RACEBENCH_EXPLORE_MEMORY_H
#define RACEBENCH_EXPLORE_MEMORY_H

#include "base.h"

struct memory_slot {
    uint64_t key[2], value; /* no padding */
};
/* Zeroed: an empty one. */
struct memory {
    struct memory_slot *slots;
    size_t count, capacity; /* a power of two, or 0 */
};

/* The key of a slot; 0: it is empty. */
hash128 memory_key(const struct memory_slot *);
/* Remembers `value` for a new key and returns NULL; otherwise returns the place of the value that
 * is remembered, valid until the next call. */
uint64_t *memory_meet(struct memory *, hash128 key, uint64_t value);
/* The value that is remembered, or NULL; valid until the next memory_meet(). */
const uint64_t *memory_find(const struct memory *, hash128 key);
/* This key will be asked for soon: fetches what is remembered about it from far away. */
void memory_expect(const struct memory *, hash128 key);
/* Forgets all, or gives the memory back. */
void memory_clear(struct memory *);
void memory_free(struct memory *);

#endif
