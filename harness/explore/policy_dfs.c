/* SPDX-License-Identifier: Apache-2.0
 *
 * policy_dfs: depth first, everything once. The path is a stack of nodes; an execution follows it
 * and goes on from its end, always with the first move that is left (the worker that moved last
 * comes first, so schedules with few switches are tried before those with many). A state that was
 * seen before is not gone into again, and of several equal workers only the first is moved; without
 * the cache neither is done, and every schedule is executed.
 */
#include "explore.h"

#include "base.h"
#include <stdlib.h>

/* A place on the path: which moves are to be tried, and which one is under way. */
struct node {
    size_t first; /* in `choices` */
    uint32_t count, next;
    uint32_t moves; /* there were, to notice an execution that goes another way */
};

struct search {
    bool cache;
    struct memory seen;
    int64_t states;
    struct node *nodes;
    size_t count, capacity, depth;
    uint32_t *choices;
    size_t choice_count, choice_capacity;
    hash128 *keys; /* scratch: of the workers whose moves a new node has */
    size_t key_count, key_capacity;
    bool begun;
};

static void *dfs_open(const struct explore_settings *settings)
{
    struct search *search = x_calloc(1, sizeof(*search));
    search->cache = !settings->no_cache;
    return search;
}

static void dfs_close(void *state)
{
    struct search *search = state;
    memory_free(&search->seen);
    free(search->nodes);
    free(search->choices);
    free(search->keys);
    free(search);
}

/* Drops what is done from the end of the path. */
static bool dfs_begin(void *state)
{
    struct search *search = state;
    search->depth = 0;
    if (!search->begun)
        return search->begun = true;
    while (search->count > 0) {
        struct node *node = &search->nodes[search->count - 1];
        if (++node->next < node->count)
            return true;
        search->choice_count = node->first;
        search->count--;
    }
    return false;
}

static void add_choice(struct search *search, uint32_t choice)
{
    size_t at = array_grow((void **)&search->choices, &search->choice_count,
                           &search->choice_capacity, sizeof(*search->choices));
    search->choices[at] = choice;
}

/* Are the moves the same, apart from which of equal workers makes them? */
static bool moves_alike(const struct search *search, const struct move *moves, size_t i, size_t j)
{
    return moves[i].kind == moves[j].kind && moves[i].amount == moves[j].amount &&
           moves[i].worker != STEP_NOBODY && moves[j].worker != STEP_NOBODY &&
           search->keys[i] == search->keys[j];
}

/* The key of the worker of each move. */
static void read_keys(struct search *search, const struct world *world, const struct move *moves,
                      size_t count)
{
    search->key_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = array_grow((void **)&search->keys, &search->key_count, &search->key_capacity,
                               sizeof(*search->keys));
        search->keys[at] =
            moves[i].worker != STEP_NOBODY ? world_worker_key(world, moves[i].worker) : 0;
    }
}

/* The moves of a new node: of equal workers only the first. */
static struct node make_node(struct search *search, const struct world *world,
                             const struct move *moves, size_t count)
{
    struct node node = {.first = search->choice_count, .moves = (uint32_t)count};
    if (search->cache)
        read_keys(search, world, moves, count);
    for (size_t i = 0; i < count; i++) {
        bool alike = false;
        for (size_t j = 0; search->cache && j < i && !alike; j++)
            alike = moves_alike(search, moves, i, j);
        if (!alike)
            add_choice(search, (uint32_t)i);
    }
    node.count = (uint32_t)(search->choice_count - node.first);
    return node;
}

static int dfs_choose(void *state, struct world *world, const struct move *moves, size_t count)
{
    struct search *search = state;
    if (search->depth == search->count) {
        if (search->cache) {
            if (memory_meet(&search->seen, world_key(world), 0) != NULL)
                return -1;
        }
        search->states++;
        size_t at = array_grow((void **)&search->nodes, &search->count, &search->capacity,
                               sizeof(*search->nodes));
        search->nodes[at] = make_node(search, world, moves, count);
    }
    const struct node *node = &search->nodes[search->depth++];
    must(node->moves == count);
    return (int)search->choices[node->first + node->next];
}

static int64_t dfs_states(const void *state)
{
    const struct search *search = state;
    return search->states;
}

const struct policy policy_dfs = {
    .name = "dfs",
    .help = "all schedules, depth first",
    .exhaustive = true,
    .open = dfs_open,
    .close = dfs_close,
    .begin = dfs_begin,
    .choose = dfs_choose,
    .states = dfs_states,
};
