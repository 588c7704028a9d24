/* SPDX-License-Identifier: Apache-2.0
 *
 * replay: see replay.h. Each move of the schedule is looked for among those that are possible; one
 * that is not there is skipped. Afterwards a seed decides, or the workers go on one after the
 * other, which is what shrinking wants: no switch that nobody asked for.
 */
#include "replay.h"

#include "memory.h"
#include <stdlib.h>

enum { FURTHER_MAX = 100000, CONTINUATIONS_MAX = 20000, STEPS_MAX = 300000 };

static const struct move *find_move(struct world *world, const struct move *wanted)
{
    const struct move *moves;
    size_t count = world_moves(world, &moves);
    for (size_t i = 0; i < count; i++)
        if (move_equal(&moves[i], wanted))
            return &moves[i];
    return NULL;
}

/* The next move where the schedule says nothing: a step, or what else there is. */
static const struct move *next_move(struct world *world, struct random *random)
{
    const struct move *moves;
    size_t count = world_moves(world, &moves), steps = 0;
    for (size_t i = 0; i < count; i++)
        steps += moves[i].kind == MOVE_STEP;
    if (steps == 0)
        return count > 0 ? &moves[0] : NULL;
    uint64_t chosen = random != NULL ? random_below(random, steps) : 0;
    for (size_t i = 0; i < count; i++)
        if (moves[i].kind == MOVE_STEP && chosen-- == 0)
            return &moves[i];
    return NULL;
}

/* One execution on its way. */
struct run {
    struct world *world;
    struct schedule *ran; /* or NULL */
};

static void make(const struct run *run, const struct move *given)
{
    struct move move = *given;
    if (run->ran != NULL)
        schedule_add(run->ran, &move);
    world_do(run->world, &move);
}

void replay_direct(struct world *world, const struct schedule *schedule,
                   const struct replay_settings *settings, struct replay_result *result)
{
    struct run run = {world, settings->ran};
    struct random random;
    const struct move *move;
    world_begin(world, settings->trail);
    for (size_t i = 0; i < schedule->count; i++) {
        move = find_move(world, &schedule->moves[i]);
        if (move != NULL) {
            result->faults += move_is_fault(move);
            make(&run, move);
            continue;
        }
        if (result->skipped++ == 0)
            result->first_skipped = i;
    }
    random_seed(&random, settings->seed);
    while (result->further < FURTHER_MAX &&
           (move = next_move(world, settings->orderly ? NULL : &random)) != NULL) {
        make(&run, move);
        result->further++;
    }
    result->verdict = (struct verdict){.status = BROKEN, .reason = REASON_STUCK};
    if (world_over(world))
        world_judge(world, &result->verdict);
    else
        result->stuck = world_stuck(world);
}

/* The point of no return -------------------------------------------------------------------- */

/* A place on the way where there was a choice. */
struct fork {
    size_t chosen, count;
};

struct continuations {
    struct fork *forks;
    size_t count, capacity;
    struct memory seen;
};

/* Plays one continuation of the first `kept` moves, along the forks chosen so far and on. True: it
 * came to its end and did not fail. */
static bool play(struct world *world, const struct schedule *schedule, size_t kept,
                 struct continuations *ways)
{
    const struct move *moves;
    size_t depth = 0, count;
    world_begin(world, NULL);
    for (size_t i = 0; i < kept; i++) {
        const struct move *move = find_move(world, &schedule->moves[i]);
        if (move == NULL)
            return false;
        world_do(world, &(struct move){.kind = move->kind,
                                       .worker = move->worker,
                                       .step = move->step,
                                       .amount = move->amount});
    }
    for (; (count = world_moves(world, &moves)) > 0; depth++) {
        if (depth == ways->count) {
            if (memory_meet(&ways->seen, world_key(world), 0) != NULL)
                return false; /* all ways on from here have been, or will be, played */
            size_t at = array_grow((void **)&ways->forks, &ways->count, &ways->capacity,
                                   sizeof(*ways->forks));
            ways->forks[at] = (struct fork){0, count};
        }
        struct move move = moves[ways->forks[depth].chosen];
        world_do(world, &move);
    }
    struct verdict verdict = {.status = BROKEN};
    if (world_over(world))
        world_judge(world, &verdict);
    return verdict.status != BROKEN;
}

/* Does every continuation of the first `kept` moves fail? False too when there are too many. */
static bool is_doomed(struct world *world, const struct schedule *schedule, size_t kept)
{
    struct continuations ways = {0};
    bool doomed = false;
    int64_t last = world_steps(world) + STEPS_MAX;
    for (int tries = 0; tries < CONTINUATIONS_MAX && world_steps(world) < last; tries++) {
        if (play(world, schedule, kept, &ways))
            break;
        while (ways.count > 0 &&
               ways.forks[ways.count - 1].chosen + 1 == ways.forks[ways.count - 1].count)
            ways.count--;
        doomed = ways.count == 0;
        if (doomed)
            break;
        ways.forks[ways.count - 1].chosen++;
    }
    free(ways.forks);
    memory_free(&ways.seen);
    return doomed;
}

size_t replay_no_return(struct world *world, const struct schedule *schedule)
{
    size_t low = 0, high = schedule->count;
    if (!is_doomed(world, schedule, high))
        return SIZE_MAX;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (is_doomed(world, schedule, middle))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void replay_take_moves(struct schedule *schedule, struct schedule *ran)
{
    struct schedule given = *schedule;
    schedule->moves = ran->moves;
    schedule->count = ran->count;
    schedule->capacity = ran->capacity;
    *ran = (struct schedule){.moves = given.moves};
}
