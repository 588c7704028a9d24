/* SPDX-License-Identifier: Apache-2.0
 *
 * memo: see memo.h. Things (all that is stored) and nodes (where a worker stands) are numbered as
 * they are met, by the world's own keys. A state is a number of things and a list of (node, how
 * many workers stand there); the path is a stack of such states. Two tables: (things, node) -> what
 * the step does, and (step, node of another worker) -> where that one stands afterwards; a step
 * that stored nothing does nothing to others. What is missing is learnt: the path is executed, the
 * move is made, and the keys of all workers are read before and after.
 */
#include "memo.h"

#include "base.h"
#include "canon.h"
#include "stand.h"
#include <stdlib.h>
#include <string.h>

enum { PAUSE_EVERY = 1 << 12 /* moves */ };

struct memo_node {
    hash128 key, weight;
    enum step_kind kind;
    bool ended, ready;
};

/* What a step does. */
struct memo_step {
    uint32_t things, node; /* afterwards; the node of the worker that made it */
    bool quiet;            /* stored nothing */
};

/* So many workers stand at a node. */
struct memo_group {
    uint32_t node, count;
};

struct memo_frame {
    uint32_t things;
    uint32_t count; /* groups */
    uint32_t next;  /* group to be moved next */
    uint32_t via;   /* node whose step led here */
};

struct memo {
    struct world *world;
    const char *reason;
    struct memory thing_numbers, node_numbers, step_numbers, effects, seen;
    hash128 *things; /* keys */
    size_t thing_count, thing_capacity;
    struct memo_node *nodes;
    size_t node_count, node_capacity;
    struct memo_step *steps;
    size_t step_count, step_capacity;
    struct memo_frame *frames;
    size_t depth, frame_capacity;
    struct memo_group *groups; /* of frame i: from i * workers */
    size_t group_capacity;
    uint32_t *before; /* scratch: nodes of the workers */
    int64_t states, transitions;
    bool begun;
};

struct memo *memo_open(struct world *world)
{
    struct memo *memo = x_calloc(1, sizeof(*memo));
    memo->world = world;
    memo->before = x_calloc((size_t)world->count, sizeof(*memo->before));
    return memo;
}

void memo_close(struct memo *memo)
{
    struct memory *tables[] = {&memo->thing_numbers, &memo->node_numbers, &memo->step_numbers,
                               &memo->effects, &memo->seen};
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        memory_free(tables[i]);
    free(memo->things);
    free(memo->nodes);
    free(memo->steps);
    free(memo->frames);
    free(memo->groups);
    free(memo->before);
    free(memo);
}

const char *memo_reason(const struct memo *memo)
{
    return memo->reason;
}

int64_t memo_states(const struct memo *memo)
{
    return memo->states;
}

int64_t memo_transitions(const struct memo *memo)
{
    return memo->transitions;
}

static bool refuse(struct memo *memo, const char *reason)
{
    memo->reason = reason;
    return false;
}

/* Numbers ------------------------------------------------------------------------------------- */

static uint32_t number_things(struct memo *memo)
{
    hash128 key = memo->world->documents.sum;
    const uint64_t *known = memory_meet(&memo->thing_numbers, key, memo->thing_count);
    if (known != NULL)
        return (uint32_t)*known;
    size_t at = array_grow((void **)&memo->things, &memo->thing_count, &memo->thing_capacity,
                           sizeof(*memo->things));
    memo->things[at] = hash_mix(key, 1);
    return (uint32_t)at;
}

static uint32_t number_node(struct memo *memo, int32_t worker)
{
    const struct stand *stand = &memo->world->stands[worker];
    hash128 key = world_worker_key(memo->world, worker);
    const uint64_t *known = memory_meet(&memo->node_numbers, key, memo->node_count);
    if (known != NULL)
        return (uint32_t)*known;
    size_t at = array_grow((void **)&memo->nodes, &memo->node_count, &memo->node_capacity,
                           sizeof(*memo->nodes));
    memo->nodes[at] = (struct memo_node){.key = key,
                                         .weight = hash_mix(key, 2),
                                         .kind = stand->kind,
                                         .ended = stand->ended,
                                         .ready = stand_ready(memo->world, stand)};
    return (uint32_t)at;
}

/* Is this all of a kind that the tables can hold? */
static bool understood(struct memo *memo)
{
    const struct world *world = memo->world;
    if (world->fault != NULL)
        return refuse(memo, "the function check has found something");
    if (!world_symmetric(world))
        return refuse(memo, "a worker has asked for its number");
    if (world->saw_other)
        return refuse(memo, "a worker has read another one's token");
    for (int32_t w = 0; w < world->count; w++) {
        const struct stand *stand = &world->stands[w];
        const struct session *session = stand->session;
        if (session->instance->shared[session->strategy_index] != NULL)
            return refuse(memo, "shared RAM");
        if (stand->ended)
            continue;
        if (stand->parked || session->in_transaction)
            return refuse(memo, "transactions");
        if (!stand->resting && stand->kind > STEP_FIND_AND_MODIFY)
            return refuse(memo, "steps that are no commands");
    }
    return true;
}

/* Executing ----------------------------------------------------------------------------------- */

/* Makes the step of any worker that stands at the node; that worker, or STEP_NOBODY. */
static int32_t make_step(struct memo *memo, uint32_t node, struct schedule *path)
{
    struct world *world = memo->world;
    for (int32_t w = 0; w < world->count; w++) {
        const struct stand *stand = &world->stands[w];
        if (!stand_ready(world, stand) || world_worker_key(world, w) != memo->nodes[node].key)
            continue;
        const struct move move = {.kind = MOVE_STEP,
                                  .worker = w,
                                  .step = stand->kind,
                                  .amount = MOVE_PLAIN};
        if (path != NULL)
            schedule_add(path, &move);
        world_do(world, &move);
        return w;
    }
    refuse(memo, "an execution differed from what was known");
    return STEP_NOBODY;
}

/* Executes the path to the last state. */
static bool execute_path(struct memo *memo, struct schedule *path)
{
    if (path != NULL)
        path->count = 0;
    world_begin(memo->world, NULL);
    for (size_t i = 1; i < memo->depth; i++)
        if (make_step(memo, memo->frames[i].via, path) == STEP_NOBODY)
            return false;
    return understood(memo);
}

/* Is the world in this state? */
static bool agrees(struct memo *memo, uint32_t things, const struct memo_group *groups,
                   uint32_t count)
{
    hash128 told = 0, is = 0;
    for (uint32_t i = 0; i < count; i++)
        told += groups[i].count * memo->nodes[groups[i].node].weight;
    for (int32_t w = 0; w < memo->world->count; w++)
        is += hash_mix(world_worker_key(memo->world, w), 2);
    return (told == is && hash_mix(memo->world->documents.sum, 1) == memo->things[things]) ||
           refuse(memo, "an execution differed from what was known");
}

static uint64_t pair(uint32_t one, uint32_t other)
{
    return ((uint64_t)one << 32 | other) + 1;
}

/* A fact: new, or as before. */
static bool note(struct memo *memo, struct memory *table, hash128 key, uint64_t value)
{
    const uint64_t *known = memory_meet(table, key, value);
    return known == NULL || *known == value || refuse(memo, "a step did not do the same twice");
}

/* Executes the path and the step of this node, and notes what it does, to whom. */
static bool learn(struct memo *memo, uint32_t node)
{
    struct world *world = memo->world;
    uint32_t things = memo->frames[memo->depth - 1].things;
    if (!execute_path(memo, NULL) ||
        !agrees(memo, things, &memo->groups[(memo->depth - 1) * (size_t)world->count],
                memo->frames[memo->depth - 1].count))
        return false;
    for (int32_t w = 0; w < world->count; w++)
        memo->before[w] = number_node(memo, w);
    int64_t writes = world->documents.writes;
    int32_t mover = make_step(memo, node, NULL);
    if (mover == STEP_NOBODY || !understood(memo))
        return false;
    const struct memo_step step = {.things = number_things(memo),
                                   .node = number_node(memo, mover),
                                   .quiet = writes == world->documents.writes};
    const uint64_t *known = memory_meet(&memo->step_numbers, pair(things, node), memo->step_count);
    uint32_t at = known != NULL ? (uint32_t)*known : (uint32_t)memo->step_count;
    if (known == NULL) {
        must(at == array_grow((void **)&memo->steps, &memo->step_count, &memo->step_capacity,
                              sizeof(step)));
        memo->steps[at] = step;
    }
    if (memo->steps[at].things != step.things || memo->steps[at].node != step.node ||
        memo->steps[at].quiet != step.quiet)
        return refuse(memo, "a step did not do the same twice");
    for (int32_t w = 0; w < world->count; w++)
        if (w != mover &&
            !note(memo, &memo->effects, pair(at, memo->before[w]), number_node(memo, w)))
            return false;
    return true;
}

/* States -------------------------------------------------------------------------------------- */

/* Room for another frame's groups, after the last one's. */
static void make_room(struct memo *memo)
{
    size_t workers = (size_t)memo->world->count, need = (memo->depth + 1) * workers;
    if (need <= memo->group_capacity)
        return;
    memo->group_capacity = need * 2;
    memo->groups = x_realloc(memo->groups, memo->group_capacity * sizeof(*memo->groups));
}

static void add_group(struct memo_group *groups, uint32_t *count, uint32_t node, uint32_t workers)
{
    uint32_t i = 0;
    while (i < *count && groups[i].node != node)
        i++;
    if (i == *count)
        groups[(*count)++] = (struct memo_group){node, 0};
    groups[i].count += workers;
}

static bool all_ended(const struct memo *memo, const struct memo_group *groups, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!memo->nodes[groups[i].node].ended)
            return false;
    return true;
}

static bool any_ready(const struct memo *memo, const struct memo_group *groups, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (memo->nodes[groups[i].node].ready)
            return true;
    return false;
}

/* A state that has not been met before? */
static bool is_new(struct memo *memo, uint32_t things, const struct memo_group *groups,
                   uint32_t count)
{
    hash128 sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += groups[i].count * memo->nodes[groups[i].node].weight;
    return memory_meet(&memo->seen, hash_mix(memo->things[things], sum), 0) == NULL;
}

/* The state after the step of group `moved` of the last frame, into the room behind it. False: the
 * tables do not know, or not all. */
static bool look_up(const struct memo *memo, uint32_t moved, struct memo_frame *child)
{
    const struct memo_frame *frame = &memo->frames[memo->depth - 1];
    size_t workers = (size_t)memo->world->count;
    const struct memo_group *from = &memo->groups[(memo->depth - 1) * workers];
    struct memo_group *to = &memo->groups[memo->depth * workers];
    const uint64_t *number =
        memory_find(&memo->step_numbers, pair(frame->things, from[moved].node));
    if (number == NULL)
        return false;
    const struct memo_step *step = &memo->steps[*number];
    *child = (struct memo_frame){.things = step->things, .via = from[moved].node};
    for (uint32_t i = 0; i < frame->count; i++) {
        uint32_t count = from[i].count - (i == moved), node = from[i].node;
        if (count == 0)
            continue;
        if (!step->quiet) {
            const uint64_t *effect = memory_find(&memo->effects, pair((uint32_t)*number, node));
            if (effect == NULL)
                return false;
            node = (uint32_t)*effect;
        }
        add_group(to, &child->count, node, count);
    }
    add_group(to, &child->count, step->node, 1);
    return true;
}

static void push(struct memo *memo, const struct memo_frame *frame)
{
    size_t at = array_grow((void **)&memo->frames, &memo->depth, &memo->frame_capacity,
                           sizeof(*memo->frames));
    memo->frames[at] = *frame;
    memo->states++;
}

/* The start: executed, like every first time. */
static bool begin(struct memo *memo)
{
    struct world *world = memo->world;
    struct memo_frame frame = {0};
    memo->begun = true;
    world_begin(world, NULL);
    if (!understood(memo))
        return false;
    make_room(memo);
    for (int32_t w = 0; w < world->count; w++)
        add_group(memo->groups, &frame.count, number_node(memo, w), 1);
    frame.things = number_things(memo);
    if (!any_ready(memo, memo->groups, frame.count))
        return refuse(memo, "nobody can make a step at the start");
    is_new(memo, frame.things, memo->groups, frame.count);
    push(memo, &frame);
    return true;
}

/* Executes the path and the last step to an end that the tables know. */
static enum memo_next end(struct memo *memo, const struct memo_frame *child, struct schedule *path)
{
    const struct memo_group *groups = &memo->groups[memo->depth * (size_t)memo->world->count];
    bool fine = execute_path(memo, path) && make_step(memo, child->via, path) != STEP_NOBODY &&
                understood(memo) && agrees(memo, child->things, groups, child->count);
    return fine ? MEMO_END : MEMO_UNABLE;
}

enum memo_next memo_next(struct memo *memo, struct schedule *path)
{
    if (!memo->begun && !begin(memo))
        return MEMO_UNABLE;
    for (int64_t pause = memo->transitions + PAUSE_EVERY; memo->transitions < pause;) {
        if (memo->depth == 0)
            return MEMO_DONE;
        struct memo_frame *frame = &memo->frames[memo->depth - 1], child;
        if (frame->next == frame->count) {
            memo->depth--;
            continue;
        }
        make_room(memo);
        uint32_t moved = frame->next;
        const struct memo_group *from =
            &memo->groups[(memo->depth - 1) * (size_t)memo->world->count];
        if (!memo->nodes[from[moved].node].ready) {
            frame->next++;
            continue;
        }
        if (!look_up(memo, moved, &child)) {
            if (!learn(memo, from[moved].node))
                return MEMO_UNABLE;
            continue;
        }
        frame->next++;
        memo->transitions++;
        const struct memo_group *to = &memo->groups[memo->depth * (size_t)memo->world->count];
        if (all_ended(memo, to, child.count))
            return end(memo, &child, path);
        if (!any_ready(memo, to, child.count)) {
            refuse(memo, "nobody can make a step");
            return MEMO_UNABLE;
        }
        if (is_new(memo, child.things, to, child.count))
            push(memo, &child);
    }
    return MEMO_PAUSE;
}
