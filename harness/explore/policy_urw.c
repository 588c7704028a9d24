/* SPDX-License-Identifier: Apache-2.0
 *
 * policy_urw: the uniform random walk: like `random`, but a worker is chosen as often as it has
 * steps left, so that of workers with many and few steps every interleaving comes up about equally
 * often and not mostly those in which the short worker comes first. How many steps a worker makes
 * is learnt from the executions before: the most that it ever made; so the first one is a plain
 * walk. Algorithm: Zhao, Yuan et al., "Selectively Uniform Concurrency Testing" (ASPLOS 2025).
 */
#include "explore.h"

#include "base.h"
#include <stdlib.h>

/* How many steps a worker has made, in this execution and at most in one. */
struct stride {
    int64_t made, most;
};

struct walk {
    struct random random;
    struct stride *strides;
    size_t count, capacity;
};

static void *urw_open(const struct explore_settings *settings)
{
    struct walk *walk = x_calloc(1, sizeof(*walk));
    random_seed(&walk->random, settings->seed);
    return walk;
}

static void urw_close(void *state)
{
    struct walk *walk = state;
    free(walk->strides);
    free(walk);
}

static bool urw_begin(void *state)
{
    struct walk *walk = state;
    for (size_t i = 0; i < walk->count; i++)
        walk->strides[i].made = 0;
    return true;
}

static struct stride *stride_of(struct walk *walk, int32_t worker)
{
    while (walk->count <= (size_t)worker) {
        size_t at = array_grow((void **)&walk->strides, &walk->count, &walk->capacity,
                               sizeof(*walk->strides));
        walk->strides[at] = (struct stride){0};
    }
    return &walk->strides[worker];
}

/* A worker's move weighs what it has left to do, at least one step; the clock's one. */
static uint64_t weight(struct walk *walk, const struct move *move)
{
    if (move->worker == STEP_NOBODY)
        return 1;
    const struct stride *stride = stride_of(walk, move->worker);
    return stride->most > stride->made ? (uint64_t)(stride->most - stride->made) : 1;
}

static int urw_choose(void *state, struct world *world, const struct move *moves, size_t count)
{
    struct walk *walk = state;
    uint64_t all = 0;
    size_t chosen = 0;
    (void)world;
    for (size_t i = 0; i < count; i++)
        all += weight(walk, &moves[i]);
    uint64_t left = random_below(&walk->random, all);
    while (left >= weight(walk, &moves[chosen]))
        left -= weight(walk, &moves[chosen++]);
    if (moves[chosen].worker != STEP_NOBODY) {
        struct stride *stride = stride_of(walk, moves[chosen].worker);
        stride->made++;
        if (stride->most < stride->made)
            stride->most = stride->made;
    }
    return (int)chosen;
}

static int64_t urw_states(const void *state)
{
    (void)state;
    return 0;
}

const struct policy policy_urw = {
    .name = "urw",
    .help = "the same, each worker as often as it has steps left",
    .open = urw_open,
    .close = urw_close,
    .begin = urw_begin,
    .choose = urw_choose,
    .states = urw_states,
};
