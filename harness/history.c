/* SPDX-License-Identifier: Apache-2.0
 *
 * history: see history.h. An append doubles the array when it is full, so a worker pays for memory
 * a few times in a run and never for another worker. Sorting moves 24-byte keys and then each event
 * once, because events are five times as large; a history that is in order already (one worker's,
 * or a run inside one process) is only looked through. The hash is the sum of the events' own
 * hashes: equal sets of operations give equal values in whatever order the clocks put them, which
 * is what "an equal run" means when times are left out.
 */
#include "history.h"

#include "base.h"

#include <stdlib.h>
#include <string.h>

struct sort_key {
    int64_t invoke_ns, operation;
    size_t place;
};

void history_init(struct history *history)
{
    *history = (struct history){0};
}

void history_free(struct history *history)
{
    free(history->events);
    *history = (struct history){0};
}

struct event *history_append(struct history *history)
{
    void *items = history->events;
    size_t place = array_grow(&items, &history->count, &history->capacity, sizeof(struct event));
    history->events = items;
    history->events[place] = (struct event){0};
    return &history->events[place];
}

void history_merge(struct history *into, struct history *from)
{
    must(into != from);
    if (into->count == 0) {
        history_free(into);
        *into = *from;
        *from = (struct history){0};
        return;
    }
    if (from->count > 0) {
        size_t count = into->count + from->count;
        if (count > into->capacity) {
            /* At least doubled: merging a thousand workers one by one stays linear. */
            into->capacity = count > 2 * into->capacity ? count : 2 * into->capacity;
            into->events = x_realloc(into->events, into->capacity * sizeof(struct event));
        }
        memcpy(into->events + into->count, from->events, from->count * sizeof(struct event));
        into->count = count;
    }
    history_free(from);
}

static int key_compare(const void *left, const void *right)
{
    const struct sort_key *a = left, *b = right;
    if (a->invoke_ns != b->invoke_ns)
        return a->invoke_ns < b->invoke_ns ? -1 : 1;
    return (a->operation > b->operation) - (a->operation < b->operation);
}

static bool is_sorted(const struct history *history)
{
    for (size_t i = 1; i < history->count; i++) {
        const struct event *a = &history->events[i - 1], *b = &history->events[i];
        if (a->invoke_ns > b->invoke_ns ||
            (a->invoke_ns == b->invoke_ns && a->operation > b->operation))
            return false;
    }
    return true;
}

void history_sort(struct history *history)
{
    if (is_sorted(history))
        return;
    struct sort_key *keys = x_malloc(history->count * sizeof(*keys));
    for (size_t i = 0; i < history->count; i++)
        keys[i] = (struct sort_key){history->events[i].invoke_ns, history->events[i].operation, i};
    qsort(keys, history->count, sizeof(*keys), key_compare);
    struct event *sorted = x_malloc(history->count * sizeof(*sorted));
    for (size_t i = 0; i < history->count; i++)
        sorted[i] = history->events[keys[i].place];
    free(keys);
    free(history->events);
    history->events = sorted;
    history->capacity = history->count;
}

static uint64_t event_hash(const struct event *event, bool with_times)
{
    struct hash hash;
    hash_init(&hash);
    if (with_times) {
        hash_u64(&hash, (uint64_t)event->invoke_ns);
        hash_u64(&hash, (uint64_t)event->return_ns);
    }
    hash_u64(&hash, (uint64_t)event->operation);
    for (int i = 0; i < EDIT_DOCUMENTS_MAX; i++) {
        hash_u64(&hash, (uint64_t)event->key[i]);
        hash_u64(&hash, (uint64_t)event->read[i]);
    }
    hash_u64(&hash, (uint64_t)event->value_read);
    hash_u64(&hash, (uint64_t)event->value_written);
    hash_u64(&hash, (uint64_t)event->amount);
    hash_u64(&hash, (uint64_t)event->once);
    hash_u64(&hash, (uint64_t)event->detail);
    hash_u64(&hash, (uint64_t)event->applied);
    hash_u64(&hash, (uint64_t)event->worker);
    hash_u64(&hash, (uint64_t)event->instance);
    hash_u64(&hash, (uint64_t)event->attempts);
    hash_u64(&hash, (uint64_t)event->commands);
    hash_u64(&hash, (uint64_t)event->outcome);
    hash_u64(&hash, (uint64_t)event->strategy | (uint64_t)event->wrote << 8 |
                        (uint64_t)event->reads_only << 16 | (uint64_t)event->doubled << 17 |
                        (uint64_t)event->retried << 18);
    return hash_value(&hash);
}

uint64_t history_hash(const struct history *history, bool with_times)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < history->count; i++)
        sum += event_hash(&history->events[i], with_times);
    struct hash hash;
    hash_init(&hash);
    hash_u64(&hash, history->count);
    hash_u64(&hash, sum);
    return hash_value(&hash);
}
