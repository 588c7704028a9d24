/* SPDX-License-Identifier: Apache-2.0
 *
 * policy_random: at each step any of the possible moves with the same chance, from the seed, again
 * and again until the budget ends. Proves nothing; finds what is too far down for an exhaustive
 * search.
 */
#include "explore.h"

#include "base.h"
#include <stdlib.h>

struct walk {
    struct random random;
};

static void *random_open(const struct explore_settings *settings)
{
    struct walk *walk = x_calloc(1, sizeof(*walk));
    random_seed(&walk->random, settings->seed);
    return walk;
}

static bool random_begin(void *state)
{
    (void)state;
    return true;
}

static int random_choose(void *state, struct world *world, const struct move *moves, size_t count)
{
    struct walk *walk = state;
    (void)world, (void)moves;
    return (int)random_below(&walk->random, count);
}

static int64_t random_states(const void *state)
{
    (void)state;
    return 0;
}

const struct policy policy_random = {
    .name = "random",
    .help = "one of the possible moves, by chance, until the budget ends",
    .open = random_open,
    .close = free,
    .begin = random_begin,
    .choose = random_choose,
    .states = random_states,
};
