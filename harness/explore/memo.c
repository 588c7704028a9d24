/* SPDX-License-Identifier: Apache-2.0
 *
 * memo: see memo.h. Things (all that is stored) and nodes (where a worker stands) are numbered as
 * they are met, by the world's own keys. A state is a number of things and a list of (node, how
 * many workers stand there); the path is a stack of such states. Two tables: (things, node) -> what
 * the step does, and (step, node of another worker) -> where that one stands afterwards; a step
 * that stored nothing does nothing to others. What is missing is learnt: the path is executed, the
 * move is made, and the keys of all workers are read before and after.
 *
 * A state that comes onto the path is expanded: the keys of all that its moves lead to are summed
 * up from the nodes' weights, and then looked for among those that were met, which waits once for
 * memory rather than once a move. Only what had not been met is written down as a list.
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

/* Where all workers stand, summed up: in no order. */
struct memo_tally {
    hash128 weight;
    uint32_t ended, ready; /* so many workers */
};

enum fate { FATE_NONE, FATE_NEW, FATE_END };

/* So many workers stand at a node. */
struct memo_group {
    uint32_t node, count;
    uint32_t step;  /* of one of them */
    enum fate fate; /* of it: to be followed, or not */
};

struct memo_frame {
    uint32_t things;
    uint32_t count; /* groups */
    uint32_t next;  /* group to be moved next */
    uint32_t via;   /* node whose step led here ... */
    int32_t worker; /* ... and the worker who makes it when the path is executed, or STEP_NOBODY */
    bool expanded;
    struct memo_tally tally;
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
    hash128 *keys;    /* scratch: of the states that a frame's moves lead to */
    uint32_t *walked; /* nodes whose steps the world has made, since it began */
    size_t walked_count, walked_capacity;
    struct schedule moves; /* that it made */
    int64_t states, transitions;
    bool begun;
};

struct memo *memo_open(struct world *world)
{
    struct memo *memo = x_calloc(1, sizeof(*memo));
    memo->world = world;
    memo->before = x_calloc((size_t)world->count, sizeof(*memo->before));
    memo->keys = x_calloc((size_t)world->count, sizeof(*memo->keys));
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
    free(memo->keys);
    free(memo->walked);
    schedule_free(&memo->moves);
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

/* Any worker who stands at the node and can go on, or STEP_NOBODY. */
static int32_t find_worker(const struct memo *memo, uint32_t node)
{
    const struct world *world = memo->world;
    for (int32_t w = 0; w < world->count; w++)
        if (stand_ready(world, &world->stands[w]) &&
            world_worker_key(world, w) == memo->nodes[node].key)
            return w;
    return STEP_NOBODY;
}

/* Makes the step of this node by that worker. */
static bool make_step(struct memo *memo, uint32_t node, int32_t worker)
{
    struct world *world = memo->world;
    if (worker == STEP_NOBODY || !stand_ready(world, &world->stands[worker]))
        return refuse(memo, "an execution differed from what was known");
    const struct move move = {.kind = MOVE_STEP,
                              .worker = worker,
                              .step = world->stands[worker].kind,
                              .amount = MOVE_PLAIN};
    schedule_add(&memo->moves, &move);
    size_t at = array_grow((void **)&memo->walked, &memo->walked_count, &memo->walked_capacity,
                           sizeof(*memo->walked));
    memo->walked[at] = node;
    world_do(world, &move);
    return true;
}

/* Begins anew, unless all that was executed is the beginning of the path. */
static void rewind_world(struct memo *memo)
{
    bool kept = memo->walked_count < memo->depth;
    for (size_t i = 0; i < memo->walked_count && kept; i++)
        kept = memo->walked[i] == memo->frames[i + 1].via;
    if (kept)
        return;
    world_begin(memo->world, NULL);
    memo->walked_count = memo->moves.count = 0;
}

/* Executes the path to the last state. */
static bool execute_path(struct memo *memo)
{
    rewind_world(memo);
    for (size_t i = memo->walked_count + 1; i < memo->depth; i++) {
        struct memo_frame *frame = &memo->frames[i];
        if (frame->worker == STEP_NOBODY)
            frame->worker = find_worker(memo, frame->via);
        if (!make_step(memo, frame->via, frame->worker))
            return false;
    }
    return understood(memo);
}

/* Is the world in this state? */
static bool agrees(struct memo *memo, uint32_t things, const struct memo_tally *tally)
{
    hash128 is = 0;
    for (int32_t w = 0; w < memo->world->count; w++)
        is += hash_mix(world_worker_key(memo->world, w), 2);
    return (tally->weight == is &&
            hash_mix(memo->world->documents.sum, 1) == memo->things[things]) ||
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
    const struct memo_frame *frame = &memo->frames[memo->depth - 1];
    const uint32_t things = frame->things;
    if (!execute_path(memo) || !agrees(memo, things, &frame->tally))
        return false;
    for (int32_t w = 0; w < world->count; w++)
        memo->before[w] = number_node(memo, w);
    int64_t writes = world->documents.writes;
    int32_t mover = find_worker(memo, node);
    if (!make_step(memo, node, mover) || !understood(memo))
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

/* The groups of the last frame, with room for another frame's behind them. */
static struct memo_group *last_groups(struct memo *memo)
{
    size_t workers = (size_t)memo->world->count, need = (memo->depth + 1) * workers;
    if (need > memo->group_capacity) {
        memo->group_capacity = need * 2;
        memo->groups = x_realloc(memo->groups, memo->group_capacity * sizeof(*memo->groups));
    }
    return &memo->groups[(memo->depth - 1) * workers];
}

static void add_group(struct memo_group *groups, uint32_t *count, uint32_t node, uint32_t workers)
{
    uint32_t i = 0;
    while (i < *count && groups[i].node != node)
        i++;
    if (i == *count)
        groups[(*count)++] = (struct memo_group){.node = node};
    groups[i].count += workers;
}

/* So many workers more stand at a node. */
static void tally_add(struct memo_tally *tally, const struct memo_node *node, uint32_t workers)
{
    tally->weight += workers * node->weight;
    tally->ended += node->ended ? workers : 0;
    tally->ready += node->ready ? workers : 0;
}

/* Where a worker of a node stands after another one's step; false: the tables do not know. */
static bool find_effect(const struct memo *memo, uint32_t step, uint32_t node, uint32_t *after)
{
    const uint64_t *effect = memory_find(&memo->effects, pair(step, node));
    if (effect != NULL)
        *after = (uint32_t)*effect;
    return effect != NULL;
}

/* The step of one worker of group `moved` of the last frame, and where all stand afterwards. False:
 * the tables do not know, or not all. */
static bool sum_up(const struct memo *memo, struct memo_group *groups, uint32_t moved,
                   struct memo_tally *tally)
{
    const struct memo_frame *frame = &memo->frames[memo->depth - 1];
    const uint64_t *number =
        memory_find(&memo->step_numbers, pair(frame->things, groups[moved].node));
    if (number == NULL)
        return false;
    groups[moved].step = (uint32_t)*number;
    const struct memo_step *step = &memo->steps[*number];
    if (step->quiet) {
        *tally = frame->tally; /* less that worker, who stood at a node that is ready */
        tally->weight -= memo->nodes[groups[moved].node].weight;
        tally->ready--;
    } else {
        *tally = (struct memo_tally){0};
    }
    for (uint32_t i = 0; i < frame->count && !step->quiet; i++) {
        uint32_t workers = groups[i].count - (i == moved), node;
        if (workers == 0)
            continue;
        if (!find_effect(memo, groups[moved].step, groups[i].node, &node))
            return false;
        tally_add(tally, &memo->nodes[node], workers);
    }
    tally_add(tally, &memo->nodes[step->node], 1);
    return true;
}

/* Where the moves of the last frame lead, and which of that had not been met. */
static bool expand(struct memo *memo)
{
    struct memo_group *groups = last_groups(memo);
    struct memo_frame *frame = &memo->frames[memo->depth - 1];
    const uint32_t workers = (uint32_t)memo->world->count;
    for (uint32_t i = 0; i < frame->count; i++) {
        struct memo_tally tally;
        groups[i].fate = FATE_NONE;
        if (!memo->nodes[groups[i].node].ready)
            continue;
        while (!sum_up(memo, groups, i, &tally))
            if (!learn(memo, groups[i].node))
                return false;
        memo->transitions++;
        groups[i].fate = tally.ended == workers ? FATE_END : FATE_NEW;
        if (tally.ended < workers && tally.ready == 0)
            return refuse(memo, "nobody can make a step");
        memo->keys[i] = hash_mix(memo->things[memo->steps[groups[i].step].things], tally.weight);
        memory_expect(&memo->seen, memo->keys[i]);
    }
    for (uint32_t i = 0; i < frame->count; i++)
        if (groups[i].fate == FATE_NEW && memory_meet(&memo->seen, memo->keys[i], 0) != NULL)
            groups[i].fate = FATE_NONE;
    frame->expanded = true;
    return true;
}

/* Writes down the state after the step of group `moved` of the last frame, behind that. */
static struct memo_frame follow(struct memo *memo, uint32_t moved)
{
    const struct memo_group *from = last_groups(memo);
    struct memo_group *to = &memo->groups[memo->depth * (size_t)memo->world->count];
    const uint32_t number = from[moved].step;
    const struct memo_step *step = &memo->steps[number];
    struct memo_frame child = {.things = step->things,
                               .via = from[moved].node,
                               .worker = STEP_NOBODY};
    for (uint32_t i = 0; i < memo->frames[memo->depth - 1].count; i++) {
        uint32_t count = from[i].count - (i == moved), node = from[i].node;
        if (count == 0)
            continue;
        must(step->quiet || find_effect(memo, number, node, &node));
        add_group(to, &child.count, node, count);
    }
    add_group(to, &child.count, step->node, 1);
    for (uint32_t i = 0; i < child.count; i++)
        tally_add(&child.tally, &memo->nodes[to[i].node], to[i].count);
    return child;
}

static void push(struct memo *memo, const struct memo_frame *frame)
{
    size_t at = array_grow((void **)&memo->frames, &memo->depth, &memo->frame_capacity,
                           sizeof(*memo->frames));
    memo->frames[at] = *frame;
}

/* The start: executed, like every first time. */
static bool begin(struct memo *memo)
{
    struct world *world = memo->world;
    struct memo_frame frame = {.worker = STEP_NOBODY};
    memo->begun = true;
    world_begin(world, NULL);
    if (!understood(memo))
        return false;
    push(memo, &frame);
    struct memo_group *groups = last_groups(memo);
    for (int32_t w = 0; w < world->count; w++) {
        uint32_t node = number_node(memo, w);
        add_group(groups, &frame.count, node, 1);
        tally_add(&frame.tally, &memo->nodes[node], 1);
    }
    if (frame.tally.ready == 0)
        return refuse(memo, "nobody can make a step at the start");
    frame.things = number_things(memo);
    memory_meet(&memo->seen, hash_mix(memo->things[frame.things], frame.tally.weight), 0);
    memo->frames[0] = frame;
    memo->states = 1;
    return true;
}

/* Executes the path and the last step to an end that the tables know. */
static enum memo_next end(struct memo *memo, const struct memo_frame *child, struct schedule *path)
{
    if (!execute_path(memo) || !make_step(memo, child->via, find_worker(memo, child->via)) ||
        !understood(memo) || !agrees(memo, child->things, &child->tally))
        return MEMO_UNABLE;
    path->count = 0;
    for (size_t i = 0; i < memo->moves.count; i++)
        schedule_add(path, &memo->moves.moves[i]);
    return MEMO_END;
}

enum memo_next memo_next(struct memo *memo, struct schedule *path)
{
    if (!memo->begun && !begin(memo))
        return MEMO_UNABLE;
    for (int64_t pause = memo->transitions + PAUSE_EVERY; memo->transitions < pause;) {
        if (memo->depth == 0)
            return MEMO_DONE;
        if (!memo->frames[memo->depth - 1].expanded && !expand(memo))
            return MEMO_UNABLE;
        const struct memo_group *groups = last_groups(memo);
        struct memo_frame *frame = &memo->frames[memo->depth - 1];
        while (frame->next < frame->count && groups[frame->next].fate == FATE_NONE)
            frame->next++;
        if (frame->next == frame->count) {
            memo->depth--;
            continue;
        }
        const enum fate fate = groups[frame->next].fate;
        const struct memo_frame child = follow(memo, frame->next++);
        if (fate == FATE_END)
            return end(memo, &child, path);
        push(memo, &child);
        memo->states++;
    }
    return MEMO_PAUSE;
}
