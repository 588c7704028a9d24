/* SPDX-License-Identifier: Apache-2.0
 *
 * search: Wing and Gong's algorithm (1993) as improved by Lowe ("Testing for linearizability",
 * 2017) and used by Porcupine: walk over a list of invocations and returns; an operation whose
 * invocation stands before the first return may be next; take it out of the list (lift) and go on;
 * at a return that cannot be passed, put the last one back (unlift) and try the next. Remembered
 * are pairs of (set of operations done, state): a pair seen before needs no second visit.
 *
 * What keeps it small:
 * - An acknowledged read that can happen now is taken at once and never tried elsewhere: any order
 *   that has it later works with it here as well. (Not so a write of what is there already: later
 *   it may be needed to bring that back.)
 * - Operations without an answer have no return and need not happen; one that would not change the
 *   state never does, and of several that are equal the earliest goes first.
 * - The set of operations done is kept as those before which all are done, plus a window that is as
 *   wide as the concurrency, plus one bit per unanswered operation: a memory entry of a long
 *   history takes a few words, and entries are compared in full, so a hash collision cannot hide an
 *   order. No recursion: the stack is an array.
 */
#include "search.h"

#include "base.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_AT_CLOCK_EVERY = 4096 };

bool model_step(enum model model, int64_t state, const struct operation *operation, int64_t *next)
{
    *next = state;
    switch ((enum action)operation->action) {
    case ACTION_READ:
        return state == operation->first;
    case ACTION_WRITE:
        *next = operation->first;
        return true;
    case ACTION_CAS:
        *next = operation->second;
        return state == operation->first;
    case ACTION_ADD:
        must(model == MODEL_COUNTER);
        *next = state + operation->first;
        return true;
    case ACTION_INCREMENT:
        *next = state + 1;
        return operation->pending || *next == operation->first;
    case ACTION_ACQUIRE:
        *next = 1;
        return state == 0;
    case ACTION_RELEASE:
        *next = 0;
        return state == 1;
    default:
        return false;
    }
}

/* The list: entry i is the invocation of operation i, entry count + i its return; the last entry is
 * the head. */
struct list {
    uint32_t *next, *previous;
    uint32_t head;
};

/* An operation taken, on the stack. */
struct taken {
    uint32_t operation;
    bool forced;   /* nothing else needs to be tried in its place */
    int64_t state; /* before it */
};

/* Configurations seen: blobs of words, found by open addressing. */
struct memory {
    uint64_t *words;
    size_t count, capacity;
    uint64_t *slots; /* 1 + index of a blob, or 0 */
    size_t mask, used;
    size_t limit_bytes;
};

struct search {
    const struct search_question *question;
    struct search_result *result;
    struct list list;
    struct taken *stack;
    size_t depth;
    int64_t state;
    uint32_t *bit;      /* per operation: its number among the acknowledged, or the unanswered */
    uint32_t *twin;     /* per operation: the unanswered equal one before it, or itself */
    uint32_t *reach;    /* per acknowledged number: how many were invoked by its return */
    uint32_t *position; /* per operation: place of its return among all returns */
    uint64_t *done, *happened; /* bits of the acknowledged, and of the unanswered */
    size_t required, optional, base, left;
    uint64_t *key; /* the present configuration, for memory */
    struct memory memory;
    int64_t best; /* position of result->blocked, -1: none yet */
};

/* Building ------------------------------------------------------------------------------------ */

struct return_key {
    int64_t end;
    uint32_t operation;
};

static int compare_returns(const void *left, const void *right)
{
    const struct return_key *a = left, *b = right;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return (a->operation > b->operation) - (a->operation < b->operation);
}

static void list_append(struct list *list, uint32_t entry)
{
    uint32_t last = list->previous[list->head];
    list->next[last] = entry;
    list->previous[entry] = last;
    list->next[entry] = list->head;
    list->previous[list->head] = entry;
}

/* Invocations and returns in the order of their places; at equal places invocations come first,
 * which makes the operations concurrent. */
static void build_list(struct search *search)
{
    const struct operation *operations = search->question->operations;
    size_t count = search->question->count, returns = 0, next = 0;
    struct list *list = &search->list;
    struct return_key *keys = x_malloc((count + 1) * sizeof(*keys));
    for (size_t i = 0; i < count; i++)
        if (!operations[i].pending)
            keys[returns++] = (struct return_key){operations[i].end, (uint32_t)i};
    qsort(keys, returns, sizeof(*keys), compare_returns);
    list->next = x_malloc((2 * count + 1) * sizeof(*list->next));
    list->previous = x_malloc((2 * count + 1) * sizeof(*list->previous));
    list->head = (uint32_t)(2 * count);
    list->next[list->head] = list->previous[list->head] = list->head;
    for (size_t i = 0; i < returns; i++) {
        while (next < count && operations[next].begin <= keys[i].end)
            list_append(list, (uint32_t)next++);
        list_append(list, (uint32_t)count + keys[i].operation);
        search->position[keys[i].operation] = (uint32_t)i;
        search->reach[search->bit[keys[i].operation]] = (uint32_t)next;
    }
    while (next < count)
        list_append(list, (uint32_t)next++);
    free(keys);
}

/* Links equal unanswered operations. They are few; quadratic in their number would still hurt a
 * history of nothing but time-outs, so only the last of each kind within a short distance
 * counts. */
static void find_twins(struct search *search)
{
    enum { DISTANCE = 256 };
    const struct operation *operations = search->question->operations;
    uint32_t *pending = x_malloc((search->optional + 1) * sizeof(*pending));
    size_t count = 0;
    for (uint32_t i = 0; i < search->question->count; i++) {
        search->twin[i] = i;
        if (!operations[i].pending)
            continue;
        for (size_t back = 0; back < count && back < DISTANCE; back++) {
            const struct operation *other = &operations[pending[count - 1 - back]];
            if (other->action == operations[i].action && other->first == operations[i].first &&
                other->second == operations[i].second) {
                search->twin[i] = pending[count - 1 - back];
                break;
            }
        }
        pending[count++] = i;
    }
    free(pending);
}

/* reach[] comes from build_list() as a number of operations; the window needs acknowledged ones. */
static void count_reach(struct search *search)
{
    const struct operation *operations = search->question->operations;
    size_t count = search->question->count;
    uint32_t *before = x_malloc((count + 1) * sizeof(*before));
    before[0] = 0;
    for (size_t i = 0; i < count; i++)
        before[i + 1] = before[i] + !operations[i].pending;
    for (size_t i = 0; i < search->required; i++)
        search->reach[i] = before[search->reach[i]];
    free(before);
}

static size_t words_of(size_t bits)
{
    return bits / 64 + 1;
}

static void build(struct search *search)
{
    size_t count = search->question->count;
    must(count < UINT32_MAX / 2);
    search->bit = x_malloc((count + 1) * sizeof(*search->bit));
    search->twin = x_malloc((count + 1) * sizeof(*search->twin));
    search->reach = x_calloc(count + 1, sizeof(*search->reach));
    search->position = x_calloc(count + 1, sizeof(*search->position));
    search->stack = x_malloc((count + 1) * sizeof(*search->stack));
    for (size_t i = 0; i < count; i++)
        search->bit[i] = (uint32_t)(search->question->operations[i].pending ? search->optional++
                                                                            : search->required++);
    search->left = search->required;
    search->done = x_calloc(words_of(search->required), sizeof(uint64_t));
    search->happened = x_calloc(words_of(search->optional), sizeof(uint64_t));
    search->key =
        x_malloc((4 + words_of(search->required) + words_of(search->optional)) * sizeof(uint64_t));
    search->memory.mask = 1023;
    search->memory.slots = x_calloc(search->memory.mask + 1, sizeof(uint64_t));
    build_list(search);
    find_twins(search);
    count_reach(search);
}

static void destroy(struct search *search)
{
    free(search->bit);
    free(search->twin);
    free(search->reach);
    free(search->position);
    free(search->stack);
    free(search->done);
    free(search->happened);
    free(search->key);
    free(search->list.next);
    free(search->list.previous);
    free(search->memory.words);
    free(search->memory.slots);
}

/* Remembering --------------------------------------------------------------------------------- */

/* The present configuration as words: their number, the state, where the window begins, the window,
 * the unanswered that happened. Equal configurations give equal words and no others do. */
static size_t describe(struct search *search)
{
    size_t length = 1;
    uint64_t *key = search->key;
    key[length++] = (uint64_t)search->state;
    key[length++] = search->base;
    if (search->base < search->required) {
        size_t last = search->reach[search->base] / 64;
        for (size_t word = search->base / 64; word <= last; word++)
            key[length++] = search->done[word];
    }
    if (search->optional > 0) {
        size_t words = words_of(search->optional);
        while (words > 0 && search->happened[words - 1] == 0)
            words--;
        for (size_t word = 0; word < words; word++)
            key[length++] = search->happened[word];
    }
    key[0] = length;
    return length;
}

static uint64_t hash_words(const uint64_t *words, size_t length)
{
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ words[i]) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return hash;
}

static size_t memory_find(const struct memory *memory, const uint64_t *words, size_t length)
{
    size_t at = hash_words(words, length) & memory->mask;
    for (; memory->slots[at] != 0; at = (at + 1) & memory->mask) {
        const uint64_t *blob = memory->words + memory->slots[at] - 1;
        if (blob[0] == length && memcmp(blob, words, length * sizeof(*words)) == 0)
            break;
    }
    return at;
}

static void memory_widen(struct memory *memory)
{
    uint64_t *old = memory->slots;
    size_t count = memory->mask + 1;
    memory->mask = 2 * count - 1;
    memory->slots = x_calloc(memory->mask + 1, sizeof(*memory->slots));
    for (size_t i = 0; i < count; i++)
        if (old[i] != 0) {
            const uint64_t *words = memory->words + old[i] - 1;
            memory->slots[memory_find(memory, words, words[0])] = old[i];
        }
    free(old);
}

/* Is there room for so many more words, under the limit? */
static bool memory_reserve(struct memory *memory, size_t length)
{
    size_t capacity = memory->capacity == 0 ? 4096 : memory->capacity;
    while (capacity < memory->count + length)
        capacity *= 2;
    bool widen = 4 * (memory->used + 1) > 3 * (memory->mask + 1);
    size_t slots = (memory->mask + 1) * (widen ? 2 : 1);
    if ((capacity + slots) * sizeof(uint64_t) > memory->limit_bytes)
        return false;
    if (capacity != memory->capacity) {
        memory->words = x_realloc(memory->words, capacity * sizeof(*memory->words));
        memory->capacity = capacity;
    }
    if (widen)
        memory_widen(memory);
    return true;
}

/* Is the present configuration new? Then it is remembered. Sets result->stop when there is no
 * room. */
static bool is_new(struct search *search)
{
    struct memory *memory = &search->memory;
    size_t length = describe(search);
    if (!memory_reserve(memory, length)) {
        search->result->stop = SEARCH_OUT_OF_MEMORY;
        return false;
    }
    size_t at = memory_find(memory, search->key, length);
    if (memory->slots[at] != 0)
        return false;
    memcpy(memory->words + memory->count, search->key, length * sizeof(uint64_t));
    memory->slots[at] = memory->count + 1;
    memory->count += length;
    memory->used++;
    return true;
}

/* Moving -------------------------------------------------------------------------------------- */

static void unlink_entry(struct list *list, uint32_t entry)
{
    list->next[list->previous[entry]] = list->next[entry];
    list->previous[list->next[entry]] = list->previous[entry];
}

static void relink_entry(struct list *list, uint32_t entry)
{
    list->next[list->previous[entry]] = entry;
    list->previous[list->next[entry]] = entry;
}

static void take(struct search *search, uint32_t operation, int64_t next, bool forced)
{
    size_t count = search->question->count;
    uint32_t bit = search->bit[operation];
    search->stack[search->depth++] = (struct taken){operation, forced, search->state};
    search->state = next;
    unlink_entry(&search->list, operation);
    if (search->question->operations[operation].pending) {
        search->happened[bit / 64] |= UINT64_C(1) << bit % 64;
        return;
    }
    unlink_entry(&search->list, (uint32_t)count + operation);
    search->done[bit / 64] |= UINT64_C(1) << bit % 64;
    search->left--;
    while (search->base < search->required &&
           (search->done[search->base / 64] >> search->base % 64 & 1) != 0)
        search->base++;
}

/* Undoes the last take() and says what it was. */
static struct taken give_back(struct search *search)
{
    size_t count = search->question->count;
    struct taken taken = search->stack[--search->depth];
    uint32_t bit = search->bit[taken.operation];
    search->state = taken.state;
    if (search->question->operations[taken.operation].pending) {
        search->happened[bit / 64] &= ~(UINT64_C(1) << bit % 64);
    } else {
        relink_entry(&search->list, (uint32_t)count + taken.operation);
        search->done[bit / 64] &= ~(UINT64_C(1) << bit % 64);
        search->left++;
        if (bit < search->base)
            search->base = bit;
    }
    relink_entry(&search->list, taken.operation);
    return taken;
}

/* May it happen now, as far as the model and the rules for unanswered operations say? */
static bool can_happen(const struct search *search, uint32_t operation, int64_t *next)
{
    const struct operation *what = &search->question->operations[operation];
    if (!model_step(search->question->model, search->state, what, next))
        return false;
    if (!what->pending)
        return true;
    uint32_t twin = search->twin[operation], bit = search->bit[twin];
    bool is_turn = twin == operation || (search->happened[bit / 64] >> bit % 64 & 1) != 0;
    return is_turn && *next != search->state;
}

/* Never changes a state. */
static bool is_read(const struct operation *operation)
{
    return operation->action == ACTION_READ ||
           (operation->action == ACTION_CAS && operation->first == operation->second);
}

/* Takes all reads that can happen, without choice. Those passed over stay impossible while the
 * state stays, so one walk suffices. */
static void take_forced(struct search *search)
{
    uint32_t count = (uint32_t)search->question->count;
    struct list *list = &search->list;
    for (uint32_t entry = list->next[list->head]; entry < count; entry = list->next[entry]) {
        int64_t next;
        search->result->steps++;
        if (!is_read(&search->question->operations[entry]) || !can_happen(search, entry, &next))
            continue;
        uint32_t before = list->previous[entry];
        take(search, entry, next, true);
        entry = before;
    }
}

/* Every order ends before the return at `entry`: notes the one that got furthest. */
static void note_dead_end(struct search *search, uint32_t entry)
{
    struct search_result *result = search->result;
    uint32_t operation = entry - (uint32_t)search->question->count;
    int64_t position = search->position[operation];
    if (position < search->best)
        return;
    if (position > search->best) {
        search->best = position;
        result->blocked = operation;
        result->state_count = 0;
        result->more_states = false;
    }
    for (int i = 0; i < result->state_count; i++)
        if (result->states[i] == search->state)
            return;
    if (result->state_count < SEARCH_STATES_MAX)
        result->states[result->state_count++] = search->state;
    else
        result->more_states = true;
}

/* Tries the operations from `entry` on; takes the first that leads somewhere new. False: none. */
static bool advance(struct search *search, uint32_t entry)
{
    uint32_t count = (uint32_t)search->question->count;
    for (; entry < count; entry = search->list.next[entry]) {
        int64_t next;
        search->result->steps++;
        if (!can_happen(search, entry, &next))
            continue;
        size_t depth = search->depth;
        take(search, entry, next, false);
        take_forced(search);
        if (search->left == 0 || is_new(search))
            return true;
        while (search->depth > depth)
            give_back(search);
        if (search->result->stop != SEARCH_DONE)
            return false;
    }
    if (entry < 2 * count)
        note_dead_end(search, entry);
    return false;
}

/* Goes back to the last choice; the entry after it is where to go on. False: there is none left. */
static bool back(struct search *search, uint32_t *entry)
{
    while (search->depth > 0) {
        struct taken taken = give_back(search);
        *entry = search->list.next[taken.operation];
        if (!taken.forced)
            return true;
    }
    return false;
}

void search_run(const struct search_question *question, const struct search_limits *limits,
                struct search_result *result)
{
    *result = (struct search_result){.status = UNDECIDED};
    struct search search = {.question = question,
                            .result = result,
                            .state = question->initial,
                            .memory = {.limit_bytes = limits->memory_bytes},
                            .best = -1};
    build(&search);
    take_forced(&search);
    uint32_t entry = search.list.next[search.list.head];
    for (uint64_t turn = 1; search.left > 0; turn++) {
        if (turn % LOOK_AT_CLOCK_EVERY == 0 && clock_monotonic_ns() > limits->deadline_ns)
            result->stop = SEARCH_OUT_OF_TIME;
        if (result->stop != SEARCH_DONE)
            break;
        if (advance(&search, entry)) {
            entry = search.list.next[search.list.head];
        } else if (result->stop == SEARCH_DONE && !back(&search, &entry)) {
            result->status = BROKEN;
            break;
        }
    }
    if (search.left == 0)
        result->status = HELD;
    destroy(&search);
}
