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

enum { CHOICES_MAX = 8, IDLE_MAX = 3 };

/* Fibers -------------------------------------------------------------------------------------- */

static void body(void *argument)
{
    struct stand *stand = argument;
    stand->starting = true;
    crew_setup(stand->session);
    stand->starting = false;
    fiber_yield(stand->fiber);
    const struct world *world = stand->session->line;
    if (world->limits.faults > 0 && (world->limits.hazards & HAZARD_BIT(boot)) != 0)
        stand_begin(stand->session);
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

/* Ends transactions whose workers will not: an hour is longer than any of them lives. */
static void abort_transactions(struct world *world)
{
    enum { LONG_S = 3600 };
    struct engine *engine = direct_engine(&world->stage.crew);
    if (engine_due_ms(engine) < 0)
        return;
    engine_cancel(engine, NULL);
    direct_set_clock(&world->stage.crew, world->now_ms * 1000000 + LONG_S * INT64_C(1000000000));
    engine_tick(engine);
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
    engine_cancel(direct_engine(crew), NULL); /* who is parked there is told that nothing comes */
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
    abort_transactions(world);
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
    world->idle = 0;
    world->idle_writes = -1;
    world->documents.writes = 0;
    world->orphans = 0;
    memset(world->ahead_ms, 0, (size_t)world->cell.instances * sizeof(*world->ahead_ms));
}

void world_begin(struct world *world, struct trail *trail)
{
    reset(world);
    for (int32_t w = 0; w < world->count; w++) {
        struct stand *stand = &world->stands[w];
        struct fiber *fiber = stand->fiber;
        struct examined *examined = stand->examined;
        size_t capacity = stand->examined_capacity;
        *stand = (struct stand){.session = &world->stage.crew.sessions[w],
                                .fiber = fiber,
                                .free = world->cell.scenario->agrees,
                                .kind = STEP_KIND_COUNT,
                                .target = "",
                                .examined = examined,
                                .examined_capacity = capacity};
        stand->share = stand->claimed = stand->session->operations_left;
        fiber_reset(stand->fiber);
    }
    world->alive = world->count;
    world->begun = true;
    for (int32_t w = 0; w < world->count; w++)
        resume(world, &world->stands[w]);
    record_open(world, trail);
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

static bool may_strike(const struct world *world, enum hazard_index hazard)
{
    return world->faults_left > 0 && (world->limits.hazards & 1u << hazard) != 0;
}

/* The hazard that a fault is of. */
static enum hazard_index hazard_of(enum move_kind kind)
{
    static const enum hazard_index hazards[MOVE_KIND_COUNT] = {
        [MOVE_LOST] = HAZARD_INDEX_lost_reply,
        [MOVE_DROP] = HAZARD_INDEX_drop,
        [MOVE_ERROR] = HAZARD_INDEX_error,
        [MOVE_CRASH] = HAZARD_INDEX_crash,
        [MOVE_PAUSE] = HAZARD_INDEX_pause,
        [MOVE_SKEW] = HAZARD_INDEX_skew,
        [MOVE_BOOT] = HAZARD_INDEX_boot,
        [MOVE_DUPLICATE] = HAZARD_INDEX_duplicates,
        [MOVE_REORDER] = HAZARD_INDEX_reordering,
        [MOVE_RESTART] = HAZARD_INDEX_restart,
        [MOVE_RESTART_DURING] = HAZARD_INDEX_restart,
    };
    return hazards[kind];
}

/* How far a clock goes ahead: past a lease, unless the hazard says. */
static int64_t skew_ms(const struct world *world)
{
    int64_t us = world->cell.hazard[HAZARD_INDEX_skew].amount;
    return us > 0 ? us / 1000 : world->cell.lease_ms + WORLD_MARGIN_MS;
}

/* The instance dies; of a file's write that is under way there, any prefix may have been written:
 * nothing, which needs no saying, or so many bytes. */
static void add_crashes(struct world *world, int32_t instance, struct move move)
{
    const struct folder *files = world->stage.crew.files;
    int64_t bytes = files != NULL ? folder_under_way(files, instance) : 0;
    move.kind = MOVE_CRASH;
    move.amount = MOVE_PLAIN;
    add(world, &move);
    for (move.amount = 1; move.amount <= bytes; move.amount++)
        add(world, &move);
}

/* What the scenario does wrong when it comes to it, and the clock of an instance that goes ahead:
 * said before a step, and kept until it matters. */
static void add_arms(struct world *world, const struct stand *stand, struct move move)
{
    static const struct {
        enum hazard_index hazard;
        enum move_kind kind;
    } arms[] = {{HAZARD_INDEX_boot, MOVE_BOOT},
                {HAZARD_INDEX_duplicates, MOVE_DUPLICATE},
                {HAZARD_INDEX_reordering, MOVE_REORDER}};
    const struct instance *instance = stand->session->instance;
    for (size_t i = 0; i < COUNT_OF(arms); i++)
        if (may_strike(world, arms[i].hazard) && (stand->armed & 1u << arms[i].hazard) == 0) {
            move.kind = arms[i].kind;
            add(world, &move);
        }
    if (!may_strike(world, HAZARD_INDEX_skew) || world->ahead_ms[instance->number] != 0)
        return;
    move.kind = MOVE_SKEW;
    move.amount = skew_ms(world);
    add(world, &move);
}

/* What may go wrong with this worker's step instead of it. */
static void add_faults(struct world *world, const struct stand *stand, struct move move)
{
    bool writes = stand->kind == STEP_INSERT || stand->kind == STEP_UPDATE ||
                  stand->kind == STEP_DELETE || stand->kind == STEP_FIND_AND_MODIFY ||
                  stand->kind == STEP_COMMIT;
    bool saves = stand->kind == STEP_WRITE_FILE;
    bool once = world->cell.hazard[HAZARD_INDEX_lost_reply].amount != 0;
    static const struct {
        enum hazard_index hazard;
        enum move_kind kind;
    } at_gate[] = {{HAZARD_INDEX_lost_reply, MOVE_LOST},
                   {HAZARD_INDEX_drop, MOVE_DROP},
                   {HAZARD_INDEX_error, MOVE_ERROR},
                   {HAZARD_INDEX_restart, MOVE_RESTART_DURING}};
    for (size_t i = 0; i < COUNT_OF(at_gate); i++)
        if (may_strike(world, at_gate[i].hazard) &&
            (writes ||
             (saves && (at_gate[i].kind == MOVE_LOST || at_gate[i].kind == MOVE_ERROR)))) {
            move.kind = at_gate[i].kind;
            move.amount = move.kind == MOVE_LOST && once ? MOVE_ONCE : MOVE_PLAIN;
            add(world, &move);
        }
    move.amount = MOVE_PLAIN;
    add_arms(world, stand, move);
    if (!stand->session->in_attempt)
        return;
    move.kind = MOVE_PAUSE;
    if (may_strike(world, HAZARD_INDEX_pause))
        add(world, &move);
    if (may_strike(world, HAZARD_INDEX_crash) && !stand->session->instance->crashed)
        add_crashes(world, stand->session->instance->number, move);
}

/* The engine restarts: where it would lose nothing, nobody could tell. */
static void add_restart(struct world *world)
{
    const struct move move = {.kind = MOVE_RESTART, .worker = STEP_NOBODY, .amount = MOVE_PLAIN};
    bool loses = engine_due_ms(direct_engine(&world->stage.crew)) >= 0;
    if (loses && may_strike(world, HAZARD_INDEX_restart))
        add(world, &move);
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

/* The clock moves past a lease, or to the next tick: by choice, within the budget; or because
 * nobody can go on, as time does. */
static void add_clock(struct world *world)
{
    const struct cell *cell = &world->cell;
    struct move move = {.kind = MOVE_CLOCK,
                        .worker = STEP_NOBODY,
                        .amount = cell->lease_ms + WORLD_MARGIN_MS};
    bool idle = world->move_count == 0;
    if (idle && world->idle_writes == world->documents.writes && world->idle >= IDLE_MAX)
        return;
    if (!idle && world->clock_left == 0)
        return;
    add(world, &move);
    if (idle || (cell->scenario->needs & CAN_ONCE) == 0)
        return;
    move.amount = cell->tick_ms;
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
    size_t steps = world->move_count;
    for (size_t i = 0; i < steps && world->faults_left > 0; i++)
        if (world->moves[i].amount <= 0) /* once, of all that may be drawn */
            add_faults(world, &world->stands[world->moves[i].worker], world->moves[i]);
    if (steps > 0)
        add_restart(world);
    add_clock(world);
    *moves = world->moves;
    return world->move_count;
}

static void move_clock(struct world *world, int64_t ms)
{
    world->now_ms += ms;
    direct_set_clock(&world->stage.crew, world->now_ms * 1000000);
    engine_tick(direct_engine(&world->stage.crew));
    settle(world, true);
}

/* Nobody could go on: time passes, and soon this is known to be for ever. */
static void idle(struct world *world)
{
    if (world->idle_writes != world->documents.writes)
        world->idle = 0;
    world->idle_writes = world->documents.writes;
    world->idle++;
}

/* The instance dies. Its workers find every verb failing and leave, each by itself; the last one
 * starts it again. */
static void crash(struct world *world, const struct move *move)
{
    struct session *victim = world->stands[move->worker].session;
    if (world->stage.crew.files != NULL)
        folder_keep(world->stage.crew.files, move->amount > 0 ? move->amount : 0);
    crew_crash(victim);
    for (int32_t w = 0; w < world->count; w++) {
        struct stand *stand = &world->stands[w];
        if (stand->ended || stand->session->instance != victim->instance ||
            !stand->session->in_attempt)
            continue;
        if (stand_in_transaction(stand))
            world->orphans += hash_mix(stand->chain, 1);
        stand->failed = true;
        stand->inside = false;
        resume(world, stand);
        stand->failed = false;
    }
}

void world_restart(struct world *world)
{
    for (int32_t w = 0; w < world->count; w++)
        world->stands[w].cut |= !world->stands[w].ended && stand_in_transaction(&world->stands[w]);
    world->orphans = 0;
    engine_restart(direct_engine(&world->stage.crew));
}

/* A fault is under way; those that are armed (boot, duplicate, reorder) wait for the scenario. */
static void do_fault(struct world *world, const struct move *move)
{
    struct stand *stand = move->worker != STEP_NOBODY ? &world->stands[move->worker] : NULL;
    enum hazard_index hazard = hazard_of(move->kind);
    world->faults_left--;
    switch (move->kind) {
    case MOVE_RESTART:
        world_restart(world);
        break;
    case MOVE_CRASH:
        crash(world, move);
        break;
    case MOVE_SKEW:
        world->ahead_ms[stand->session->instance->number] = move->amount;
        break;
    case MOVE_PAUSE:
        move_clock(world, world->cell.lease_ms + world->cell.lease_ms / 2);
        break;
    default:
        stand->armed |= 1u << hazard;
        return;
    }
    world->struck |= 1u << hazard;
}

/* A fault, or the clock. */
static void do_event(struct world *world, const struct move *move)
{
    world->moved++;
    world->steps++;
    if (move->kind == MOVE_CLOCK) {
        if (world->move_count == 1)
            idle(world);
        else
            world->clock_left--;
        move_clock(world, move->amount);
    } else {
        do_fault(world, move);
        settle(world, false);
    }
    world->trace = hash_mix(world->trace, (uint64_t)move->kind);
}

static void do_step(struct world *world, const struct move *move)
{
    struct stand *stand = &world->stands[move->worker];
    const int32_t last = world->last;
    if (last != STEP_NOBODY && last != move->worker && world->switches_left > 0 &&
        stand_ready(world, &world->stands[last]))
        world->switches_left--;
    must(stand_ready(world, stand) && stand->kind == move->step);
    if (move->kind != MOVE_STEP) {
        world->faults_left--;
        world->struck |= 1u << hazard_of(move->kind);
    }
    stand->fate = move->kind;
    stand->drawn = move->amount;
    world->last = move->worker;
    world->moved++;
    world->steps++;
    resume(world, stand);
    settle(world, false);
    world->trace = hash_mix(world->trace, hash_mix((hash128)move->worker, stand->chain));
}

void world_do(struct world *world, const struct move *move)
{
    if (world->recorder != NULL)
        record_before(world, move);
    if (move->kind == MOVE_STEP || move_is_faulty_step(move))
        do_step(world, move);
    else
        do_event(world, move);
    if (world->recorder != NULL)
        record_after(world);
}

/* Life ---------------------------------------------------------------------------------------- */

/* The scenario's documents as they are at the start, for the judge. */
static void read_first(struct world *world)
{
    const struct scenario *scenario = world->cell.scenario;
    world->first_count = scenario->documents(&world->cell);
    if (!world->cell.unseeded) {
        bson_t document = BSON_INITIALIZER;
        scenario->seed(&world->cell, 0, &document);
        world->initial_value = edit_number(&document, scenario->field, 0);
        bson_destroy(&document);
    }
    world->first = x_calloc((size_t)world->first_count + 1, sizeof(*world->first));
    for (int64_t id = 0; id < world->first_count; id++)
        must(target_read_document(&world->stage.line, world->stage.database,
                                  &(struct key){scenario->collection, id}, &world->first[id]));
}

struct world *world_open(const struct cell *cell, const struct world_limits *limits)
{
    struct world *world = x_calloc(1, sizeof(*world));
    world->cell = *cell;
    world->cell.transport = TRANSPORT_DIRECT;
    world->cell.max_tries = INT32_MAX;
    world->limits = *limits;
    world->count = cell->workers;
    world->running = world->last = STEP_NOBODY;
    stage_open(&world->stage, &world->cell, "explore", 0);
    struct crew *crew = &world->stage.crew;
    crew->transport = &transport_explore;
    gate_set_policy(world->stage.gate, NULL, NULL); /* faults are moves, and nobody draws them */
    hazards_free(crew->hazards);
    crew->hazards = NULL;
    world->clock_moves =
        limits->clock_steps > 0 ||
        (limits->faults > 0 && (limits->hazards & (HAZARD_BIT(pause) | HAZARD_BIT(skew))));
    documents_init(&world->documents, direct_engine(crew), world->stage.database, world->count);
    if (crew->files != NULL)
        world->first_files = folder_copy(crew->files);
    read_first(world);
    world->stands = x_calloc((size_t)world->count, sizeof(*world->stands));
    world->ahead_ms = x_calloc((size_t)world->cell.instances, sizeof(*world->ahead_ms));
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
    record_close(world);
    abort_transactions(world);
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
    free(world->ahead_ms);
    free(world->moves);
    free(world->fault);
    free(world);
}

unsigned world_unstruck(const struct world *world)
{
    return world->limits.hazards & ~world->struck &
           ~(HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(delay));
}

int64_t world_steps(const struct world *world)
{
    return world->steps;
}

hash128 world_trace(const struct world *world)
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
