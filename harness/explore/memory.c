/* SPDX-License-Identifier: Apache-2.0
 *
 * memory: see memory.h. Linear probing; at most half full. Key 0 stands for an empty slot and is
 * stored as 1: keys are hashes.
 */
#include "memory.h"

#include "base.h"
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 1024 };

static struct memory_slot *find(struct memory_slot *slots, size_t capacity, uint64_t key)
{
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (capacity - 1);
    while (slots[at].key != 0 && slots[at].key != key)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

static void grow(struct memory *memory)
{
    size_t capacity = memory->capacity > 0 ? memory->capacity * 2 : CAPACITY_FIRST;
    struct memory_slot *slots = x_calloc(capacity, sizeof(*slots));
    for (size_t i = 0; i < memory->capacity; i++)
        if (memory->slots[i].key != 0)
            *find(slots, capacity, memory->slots[i].key) = memory->slots[i];
    free(memory->slots);
    memory->slots = slots;
    memory->capacity = capacity;
}

uint64_t *memory_meet(struct memory *memory, uint64_t key, uint64_t value)
{
    if (memory->count * 2 >= memory->capacity)
        grow(memory);
    if (key == 0)
        key = 1;
    struct memory_slot *slot = find(memory->slots, memory->capacity, key);
    if (slot->key == key)
        return &slot->value;
    *slot = (struct memory_slot){key, value};
    memory->count++;
    return NULL;
}

const uint64_t *memory_find(const struct memory *memory, uint64_t key)
{
    if (memory->count == 0)
        return NULL;
    const struct memory_slot *slot = find(memory->slots, memory->capacity, key != 0 ? key : 1);
    return slot->key != 0 ? &slot->value : NULL;
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
