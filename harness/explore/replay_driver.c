/* SPDX-License-Identifier: Apache-2.0
 *
 * replay_driver: see replay.h. A policy at the gate lets a step pass when it is the schedule's next
 * one. A command that comes too early is held by the engine, whose loop goes on, and asks again
 * when the schedule has moved; any other step holds its own thread. Only kinds of steps that the
 * schedule names are held at all.
 *
 * A command is over when it has passed, since the engine's thread runs it at once. Any other step
 * is over when its worker is seen again, at its next step or with its operation settled; until then
 * nobody else moves. So no step of the schedule overlaps another, without any waiting for quiet.
 *
 * The one time-out is for steps that never come because the code has changed: when nothing has
 * moved for STALL_MS the move is skipped, and after STALLS_MAX of these the rest.
 */
#include "replay.h"

#include "run_cell.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STALL_MS = 3000, STALLS_MAX = 3, LOOK_MS = 2, TIMEOUT_MS = 120000 };

struct pacer {
    const struct schedule *schedule;
    struct replay_result *result;
    bool held[STEP_KIND_COUNT];
    struct crew *crew;
    struct engine_server *server;
    pthread_t watcher;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t moved;
    size_t next;      /* move */
    int32_t busy;     /* worker whose step outside of the engine is not over, or STEP_NOBODY */
    int64_t progress; /* of that worker, when it began */
    int64_t moved_ns;
    int stalls;
    bool ended;
};

static void announce(struct pacer *pacer)
{
    pacer->moved_ns = clock_monotonic_ns();
    pthread_cond_broadcast(&pacer->moved);
    engine_server_ask_again(pacer->server);
}

static int64_t progress_of(const struct pacer *pacer, int32_t worker)
{
    return atomic_load(&pacer->crew->sessions[worker].progress);
}

/* Does a worker make this move at the gate? A pause is nothing but others going on. */
static bool passes_gate(const struct move *move)
{
    return move->kind != MOVE_PAUSE;
}

/* Makes the moves that no worker makes, once the step before them is over. */
static void settle(struct pacer *pacer)
{
    if (pacer->busy != STEP_NOBODY && progress_of(pacer, pacer->busy) != pacer->progress)
        pacer->busy = STEP_NOBODY;
    while (pacer->busy == STEP_NOBODY && pacer->next < pacer->schedule->count) {
        const struct move *move = &pacer->schedule->moves[pacer->next];
        if (move->kind == MOVE_CLOCK)
            atomic_fetch_add(&pacer->crew->ahead_ms, move->amount);
        else if (passes_gate(move))
            return;
        pacer->next++;
        announce(pacer);
    }
}

/* The step by which the driver's worker makes a move: whoever was woken enters its instance. */
static enum step_kind kind_of(const struct move *move)
{
    return move->step == STEP_WAIT ? STEP_ENTER : move->step;
}

static enum gate_action action_of(enum move_kind kind)
{
    switch (kind) {
    case MOVE_LOST:
        return GATE_CLOSE_AFTER;
    case MOVE_DROP:
        return GATE_CLOSE_BEFORE;
    case MOVE_ERROR:
        return GATE_ERROR;
    default:
        return GATE_PASS;
    }
}

/* If it is this step's turn, makes the move and says what becomes of the step; else GATE_HOLD. */
static enum gate_action take_turn(struct pacer *pacer, const struct step *step)
{
    const struct schedule *schedule = pacer->schedule;
    settle(pacer);
    if (pacer->next == schedule->count) {
        pacer->result->further++;
        return GATE_PASS;
    }
    const struct move *move = &schedule->moves[pacer->next];
    if (pacer->busy != STEP_NOBODY || move->worker != step->worker || kind_of(move) != step->kind)
        return GATE_HOLD;
    pacer->next++;
    pacer->stalls = 0;
    /* after its operations it only ends: nobody waits to see it again */
    if (step->kind > STEP_OTHER_COMMAND && pacer->crew->sessions[step->worker].in_operation) {
        pacer->busy = step->worker;
        pacer->progress = progress_of(pacer, step->worker);
    }
    announce(pacer);
    return action_of(move->kind);
}

static void wait_a_little(struct pacer *pacer)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_MS * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&pacer->moved, &pacer->mutex, &until);
}

static enum gate_action arrive(void *state, const struct step *step)
{
    struct pacer *pacer = state;
    enum gate_action action = GATE_PASS;
    pthread_mutex_lock(&pacer->mutex);
    if (pacer->busy == step->worker)
        pacer->busy = STEP_NOBODY; /* what it did before is over */
    if (pacer->held[step->kind]) {
        action = take_turn(pacer, step);
        while (action == GATE_HOLD && step->kind > STEP_OTHER_COMMAND) {
            wait_a_little(pacer);
            action = take_turn(pacer, step);
        }
    }
    pthread_mutex_unlock(&pacer->mutex);
    return action;
}

static const struct gate_policy pacing = {"replay", arrive};

static void skip(struct pacer *pacer)
{
    struct replay_result *result = pacer->result;
    size_t count = ++pacer->stalls < STALLS_MAX ? 1 : pacer->schedule->count - pacer->next;
    if (result->skipped == 0)
        result->first_skipped = pacer->next;
    result->skipped += count;
    pacer->next += count;
    pacer->busy = STEP_NOBODY;
    announce(pacer);
}

/* Looks whether steps are over, and whether one never comes. */
static void *watch(void *context)
{
    struct pacer *pacer = context;
    pthread_mutex_lock(&pacer->mutex);
    while (!pacer->ended) {
        int32_t busy = pacer->busy;
        settle(pacer);
        if (busy != pacer->busy)
            announce(pacer);
        if (pacer->next < pacer->schedule->count &&
            clock_monotonic_ns() - pacer->moved_ns > STALL_MS * INT64_C(1000000))
            skip(pacer);
        wait_a_little(pacer);
    }
    pthread_mutex_unlock(&pacer->mutex);
    return NULL;
}

/* What run.c calls when all is there but the workers, and when they have gone. */
static void opened(struct stage *stage, void *context)
{
    struct pacer *pacer = context;
    pacer->crew = &stage->crew;
    pacer->server = stage->server;
    pacer->moved_ns = clock_monotonic_ns();
    gate_set_policy(stage->gate, &pacing, pacer);
    must(pthread_create(&pacer->watcher, NULL, watch, pacer) == 0);
}

static void ended(struct stage *stage, void *context)
{
    struct pacer *pacer = context;
    pthread_mutex_lock(&pacer->mutex);
    pacer->ended = true;
    if (pacer->next < pacer->schedule->count) {
        if (pacer->result->skipped == 0)
            pacer->result->first_skipped = pacer->next;
        pacer->result->skipped += pacer->schedule->count - pacer->next;
    }
    pthread_mutex_unlock(&pacer->mutex);
    pthread_join(pacer->watcher, NULL);
    gate_set_policy(stage->gate, NULL, NULL);
}

char *replay_driver_obstacle(const struct schedule *schedule)
{
    for (size_t i = 0; i < schedule->count; i++) {
        const struct move *move = &schedule->moves[i];
        bool drawn = move->kind == MOVE_STEP && move->amount != MOVE_PLAIN;
        if (!drawn &&
            (move->kind == MOVE_STEP || move->kind == MOVE_CLOCK || move->kind == MOVE_LOST ||
             move->kind == MOVE_DROP || move->kind == MOVE_ERROR || move->kind == MOVE_PAUSE))
            continue;
        char *text = move_text(move);
        char *obstacle = x_format("'%s' can only be repeated with --transport direct", text);
        free(text);
        return obstacle;
    }
    return NULL;
}

void replay_driver(const struct schedule *schedule, const struct cell *given, const char *run_id,
                   struct replay_result *result)
{
    struct cell cell = *given;
    struct pacer pacer = {.schedule = schedule, .result = result, .busy = STEP_NOBODY};
    struct run_settings settings = {.run_id = run_id,
                                    .progress = PROGRESS_NONE,
                                    .opened = opened,
                                    .ended = ended,
                                    .context = &pacer};
    struct run_result run = {0};
    int signal_number = 0;
    cell.transport = TRANSPORT_DRIVER;
    cell.expect = EXPECT_NONE;
    cell.hazards = HAZARD_BIT(none);
    cell.timeout_ms = TIMEOUT_MS; /* a command may be held for long */
    pthread_mutex_init(&pacer.mutex, NULL);
    pthread_cond_init(&pacer.moved, NULL);
    for (size_t i = 0; i < schedule->count; i++)
        if (schedule->moves[i].kind != MOVE_CLOCK && passes_gate(&schedule->moves[i]))
            pacer.held[kind_of(&schedule->moves[i])] = true;
    run_cells(&cell, 1, &settings, &run, &signal_number);
    result->verdict = run.cells[0].verdict;
    cell_result_free(&run.cells[0]);
    free(run.cells);
    pthread_cond_destroy(&pacer.moved);
    pthread_mutex_destroy(&pacer.mutex);
}
