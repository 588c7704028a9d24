/* SPDX-License-Identifier: Apache-2.0
 *
 * memory: see memory.h. Linear probing; at most half full. Key 0 stands for an empty slot and is
 * stored as 1: keys are hashes.
 */
#include "memory.h"

#include "base.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CAPACITY_FIRST = 1024 };

hash128 memory_key(const struct memory_slot *slot)
{
    return (hash128)slot->key[1] << 64 | slot->key[0];
}

/* Where a key belongs: the highest bits of a product, on which all of the key has an influence. */
static size_t place_of(size_t capacity, hash128 key)
{
    const uint64_t both = (uint64_t)key ^ (uint64_t)(key >> 64);
    return (size_t)((hash128)(both * UINT64_C(0x9e3779b97f4a7c15)) * capacity >> 64);
}

static struct memory_slot *find(struct memory_slot *slots, size_t capacity, hash128 key)
{
    const uint64_t low = (uint64_t)key, high = (uint64_t)(key >> 64);
    size_t at = place_of(capacity, key);
    while ((slots[at].key[0] != low || slots[at].key[1] != high) &&
           (slots[at].key[0] | slots[at].key[1]) != 0)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

/* Empty slots; many of them in large pages, since each look goes to another page. */
static struct memory_slot *new_slots(size_t capacity)
{
    enum { LARGE_PAGE = 2 << 20 };
    struct memory_slot *slots = x_calloc(capacity, sizeof(*slots));
    uintptr_t page = ((uintptr_t)slots + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    uintptr_t end = (uintptr_t)(slots + capacity);
    if (page + LARGE_PAGE <= end)
        madvise((void *)page, end - page, MADV_HUGEPAGE); /* advice: as well without */
    return slots;
}

static void grow(struct memory *memory)
{
    size_t capacity = memory->capacity > 0 ? memory->capacity * 2 : CAPACITY_FIRST;
    struct memory_slot *slots = new_slots(capacity);
    for (size_t i = 0; i < memory->capacity; i++)
        if (memory_key(&memory->slots[i]) != 0)
            *find(slots, capacity, memory_key(&memory->slots[i])) = memory->slots[i];
    free(memory->slots);
    memory->slots = slots;
    memory->capacity = capacity;
}

uint64_t *memory_meet(struct memory *memory, hash128 key, uint64_t value)
{
    if (memory->count * 2 >= memory->capacity)
        grow(memory);
    if (key == 0)
        key = 1;
    struct memory_slot *slot = find(memory->slots, memory->capacity, key);
    if (memory_key(slot) != 0)
        return &slot->value;
    *slot = (struct memory_slot){{(uint64_t)key, (uint64_t)(key >> 64)}, value};
    memory->count++;
    return NULL;
}

const uint64_t *memory_find(const struct memory *memory, hash128 key)
{
    if (memory->count == 0)
        return NULL;
    const struct memory_slot *slot = find(memory->slots, memory->capacity, key != 0 ? key : 1);
    return memory_key(slot) != 0 ? &slot->value : NULL;
}

void memory_expect(const struct memory *memory, hash128 key)
{
    if (memory->capacity > 0)
        __builtin_prefetch(&memory->slots[place_of(memory->capacity, key)]);
}

void memory_clear(struct memory *memory)
{
    if (memory->capacity > 0)
        memset(memory->slots, 0, memory->capacity * sizeof(*memory->slots));
    memory->count = 0;
}

void memory_free(struct memory *memory)
{
    free(memory->slots);
    *memory = (struct memory){0};
}
