/* SPDX-License-Identifier: Apache-2.0
 *
 * world: see world.h. The life of an execution: restore, set up, run everyone up to the first step,
 * then one move after the other; and which moves there are. A move runs one fiber; afterwards those
 * go on, up to their next step, who rested and for whom something has changed.
 */
#include "stand.h"

#include "fiber.h"
#include "folder.h"
#include "scenario.h"
#include "transport_direct.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHOICES_MAX = 8 };

/* Fibers -------------------------------------------------------------------------------------- */

static void body(void *argument)
{
    struct stand *stand = argument;
    crew_setup(stand->session);
    fiber_yield(stand->fiber);
    crew_work(stand->session);
}

static void resume(struct world *world, struct stand *stand)
{
    world->running = stand->session->worker;
    fiber_resume(stand->fiber);
    world->running = STEP_NOBODY;
    if (fiber_ended(stand->fiber)) {
        stand->ended = true;
        world->alive--;
    }
}

/* Those who rested and need not any more go on to their next step; whatever they do on the way is
 * nobody else's business, so the order does not matter. */
static void settle(struct world *world, bool clock_moved)
{
    for (int32_t w = 0; w < world->count; w++) {
        struct stand *stand = &world->stands[w];
        if (!stand->ended &&
            (stand->parked || (stand->resting && (clock_moved || stand_stale(world, stand)))))
            resume(world, stand);
    }
}

/* Unwinds what is in the middle: every session call fails from here on. */
static void unwind(struct world *world)
{
    struct crew *crew = &world->stage.crew;
    if (!world->begun)
        return;
    atomic_store(&crew->stop, true);
    atomic_store(&crew->abandon, true);
    for (int32_t i = 0; i < world->cell.instances; i++)
        crew->instances[i].waiters = NULL;
    while (world->alive > 0)
        for (int32_t w = 0; w < world->count; w++)
            if (!world->stands[w].ended)
                resume(world, &world->stands[w]);
    world->begun = false;
}

/* Executions ---------------------------------------------------------------------------------- */

static void reset(struct world *world)
{
    struct crew *crew = &world->stage.crew;
    unwind(world);
    documents_restore(&world->documents);
    if (crew->files != NULL)
        folder_restore(crew->files, world->first_files);
    gate_forget(world->stage.gate);
    crew_again(crew);
    world->now_ms = 0;
    direct_set_clock(crew, 0);
    world->clock_left = world->limits.clock_steps;
    world->faults_left = world->limits.faults;
    world->switches_left = world->limits.bound;
    world->last = STEP_NOBODY;
    world->moved = 0;
    world->trace = 0;
    world->started = false;
}

void world_begin(struct world *world, struct trail *trail)
{
    reset(world);
    world->trail = trail;
    for (int32_t w = 0; w < world->count; w++) {
        struct stand *stand = &world->stands[w];
        struct fiber *fiber = stand->fiber;
        struct examined *examined = stand->examined;
        size_t capacity = stand->examined_capacity;
        *stand = (struct stand){.session = &world->stage.crew.sessions[w],
                                .fiber = fiber,
                                .free = true,
                                .kind = STEP_KIND_COUNT,
                                .target = "",
                                .examined = examined,
                                .examined_capacity = capacity};
        stand->share = stand->session->operations_left;
        fiber_reset(stand->fiber);
    }
    world->alive = world->count;
    world->begun = true;
    for (int32_t w = 0; w < world->count; w++)
        resume(world, &world->stands[w]);
    world->started = true;
    for (int32_t w = 0; w < world->count; w++)
        resume(world, &world->stands[w]);
}

bool world_over(const struct world *world)
{
    return world->alive == 0;
}

/* Moves --------------------------------------------------------------------------------------- */

static void add(struct world *world, const struct move *move)
{
    size_t at = array_grow((void **)&world->moves, &world->move_count, &world->move_capacity,
                           sizeof(*world->moves));
    world->moves[at] = *move;
}

/* The values that a draw may have: all, or some spread over the range. */
static void add_draws(struct world *world, const struct stand *stand, struct move move)
{
    int64_t count = stand->bound < CHOICES_MAX ? stand->bound : CHOICES_MAX;
    for (int64_t i = 0; i < count; i++) {
        move.amount = i * (stand->bound - 1) / (count - 1);
        add(world, &move);
    }
}

static void add_steps(struct world *world, int32_t worker)
{
    const struct stand *stand = &world->stands[worker];
    struct move move = {.kind = MOVE_STEP,
                        .worker = worker,
                        .step = stand->kind,
                        .amount = MOVE_PLAIN};
    if (!stand_ready(world, stand))
        return;
    if (stand->kind == STEP_RANDOM)
        add_draws(world, stand, move);
    else
        add(world, &move);
}

size_t world_moves(struct world *world, const struct move **moves)
{
    int32_t last = world->last;
    world->move_count = 0;
    *moves = world->moves;
    if (world->alive == 0)
        return 0;
    if (last != STEP_NOBODY)
        add_steps(world, last);
    if (world->move_count == 0 || world->switches_left != 0)
        for (int32_t w = 0; w < world->count; w++)
            if (w != last)
                add_steps(world, w);
    *moves = world->moves;
    return world->move_count;
}

void world_do(struct world *world, const struct move *move)
{
    struct stand *stand = &world->stands[move->worker];
    const int32_t last = world->last;
    if (last != STEP_NOBODY && last != move->worker && world->switches_left > 0 &&
        stand_ready(world, &world->stands[last]))
        world->switches_left--;
    must(stand_ready(world, stand) && stand->kind == move->step);
    stand->fate = move->kind;
    stand->drawn = move->amount;
    world->last = move->worker;
    world->moved++;
    world->steps++;
    resume(world, stand);
    settle(world, false);
    world->trace = canon_mix(world->trace, canon_mix((uint64_t)move->worker, stand->chain));
}

/* Life ---------------------------------------------------------------------------------------- */

/* The scenario's documents as they are at the start, for the judge. */
static void read_first(struct world *world)
{
    const struct scenario *scenario = world->cell.scenario;
    world->first_count = scenario->documents(&world->cell);
    world->first = x_calloc((size_t)world->first_count + 1, sizeof(*world->first));
    for (int64_t id = 0; id < world->first_count; id++)
        target_read_document(&world->stage.line, world->stage.database,
                             &(struct key){scenario->collection, id}, &world->first[id]);
}

struct world *world_open(const struct cell *cell, const struct world_limits *limits)
{
    struct world *world = x_calloc(1, sizeof(*world));
    world->cell = *cell;
    world->cell.transport = TRANSPORT_DIRECT;
    world->cell.hazards = HAZARD_BIT(none);
    world->cell.max_tries = INT32_MAX;
    world->limits = *limits;
    world->count = cell->workers;
    world->running = world->last = STEP_NOBODY;
    stage_open(&world->stage, &world->cell, "explore", 0);
    struct crew *crew = &world->stage.crew;
    crew->transport = &transport_explore;
    documents_init(&world->documents, direct_engine(crew), world->stage.database, world->count);
    if (crew->files != NULL)
        world->first_files = folder_copy(crew->files);
    read_first(world);
    world->stands = x_calloc((size_t)world->count, sizeof(*world->stands));
    world->keys = x_calloc((size_t)world->count, sizeof(*world->keys));
    for (int32_t w = 0; w < world->count; w++) {
        struct stand *stand = &world->stands[w];
        crew->sessions[w].line = world;
        stand->fiber = fiber_new(body, stand, fiber_default_stack_bytes());
    }
    return world;
}

void world_close(struct world *world)
{
    unwind(world);
    documents_free(&world->documents);
    for (int32_t w = 0; w < world->count; w++) {
        fiber_free(world->stands[w].fiber);
        free(world->stands[w].examined);
    }
    for (int64_t id = 0; id < world->first_count; id++)
        bson_destroy(world->first[id]);
    folder_free(world->first_files);
    stage_close(&world->stage);
    memory_free(&world->functions);
    history_free(&world->events);
    free(world->first);
    free(world->stands);
    free(world->keys);
    free(world->moves);
    free(world->fault);
    free(world);
}

int64_t world_steps(const struct world *world)
{
    return world->steps;
}

uint64_t world_trace(const struct world *world)
{
    return world->trace;
}

const char *world_fault(const struct world *world)
{
    return world->fault;
}

void world_forget(struct world *world)
{
    memory_clear(&world->functions);
    free(world->fault);
    world->fault = NULL;
}

/* Where a worker stands, for people. */
static char *place_text(const struct world *world, int32_t worker)
{
    const struct stand *stand = &world->stands[worker];
    if (stand->ended)
        return x_format("w%d has ended", worker);
    if (stand->resting)
        return x_format("w%d waits for a change of what it found", worker);
    if (stand->kind == STEP_WAIT)
        return x_format("w%d waits to be woken", worker);
    if (stand->kind == STEP_LOCK_FILE) {
        const char *name = stand->session->lock_name;
        int32_t holder = folder_holder(world->stage.crew.files, name, 0);
        return x_format("w%d waits for the lock of %s, which w%d holds", worker, name, holder);
    }
    return x_format("w%d waits to enter its instance", worker);
}

char *world_stuck(const struct world *world)
{
    char *line = x_strdup("");
    for (int32_t w = 0; w < world->count; w++) {
        char *place = place_text(world, w), *longer;
        longer = x_format("%s%s%s", line, w > 0 ? "; " : "", place);
        free(place);
        free(line);
        line = longer;
    }
    return line;
}
