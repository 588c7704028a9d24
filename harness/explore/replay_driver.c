/* SPDX-License-Identifier: Apache-2.0
 *
 * replay_driver: see replay.h. A policy at the gate lets a step pass when it is the schedule's next
 * one. A command that comes too early is held by the engine, whose loop goes on, and asks again
 * when the schedule has moved; any other step holds its own thread. Of the steps that reach no
 * server only the kinds that the schedule names are held.
 *
 * Time and chance are the schedule's: the clocks of engine and workers stand still but for its
 * moves, sleeping takes no time, draws give what it says, until it has ended. What strikes a worker
 * between two steps (a crash, a start of another copy) waits until the worker stands.
 *
 * A command is over when it has passed, since the engine's thread runs it at once. Any other step
 * is over when its worker is seen again, at its next step, with its next operation or at its end;
 * until then nobody else moves. So no step of the schedule overlaps another, without any waiting
 * for quiet.
 *
 * The one time-out is for steps that never come because the code has changed: when nothing has
 * moved for STALL_MS the move is skipped, and after STALLS_MAX of these the rest.
 */
#include "replay.h"

#include "run_cell.h"
#include "scenario.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STALL_MS = 3000, STALLS_MAX = 3, LOOK_MS = 2, TIMEOUT_MS = 120000 };

/* One worker, held to the schedule. */
struct held {
    bool free;       /* agrees with the others, before its first operation or sleep */
    bool standing;   /* at a step that is not its turn yet */
    bool begun;      /* has stood where another copy may start */
    bool dying;      /* its instance has died: what it stands at fails */
    bool drawn;      /* the schedule says what it draws: */
    int64_t draw;    /* this */
    unsigned armed;  /* HAZARD_BIT()s that strike when the scenario comes to it */
    int64_t skew_ms; /* of its instance's clock */
};

struct pacer {
    const struct schedule *schedule;
    const struct cell *cell;
    struct replay_result *result;
    bool kinds[STEP_KIND_COUNT]; /* of steps that are held */
    bool boots;                  /* another copy starts somewhere */
    struct transport_table transport;
    struct clock_table clock;
    struct choice_table choice;
    struct crew *crew;
    struct engine_server *server;
    pthread_t watcher;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t moved;
    struct held *workers;
    size_t next;       /* move */
    int32_t busy;      /* worker whose step outside of the engine is not over, or STEP_NOBODY */
    int64_t moved_ns;  /* monotonic */
    int64_t ahead_ms;  /* how far the schedule has moved the clock */
    int64_t opened_ms; /* wall clock, which stands still from here on; 0: not yet */
    int64_t freed_ms;  /* ... and goes on from here on; 0: not yet */
    int stalls;
    bool ended;
};

static struct pacer *pacer_of(const struct session *session)
{
    return session->crew->replay;
}

static void announce(struct pacer *pacer)
{
    pacer->moved_ns = clock_monotonic_ns();
    if (pacer->next == pacer->schedule->count && pacer->freed_ms == 0)
        pacer->freed_ms = clock_wall_ms();
    pthread_cond_broadcast(&pacer->moved);
    engine_server_ask_again(pacer->server);
}

/* The worker is seen: what it did before is over. */
static void be_seen(struct pacer *pacer, int32_t worker)
{
    if (pacer->busy != worker)
        return;
    pacer->busy = STEP_NOBODY;
    announce(pacer);
}

/* The instance dies while its workers stand: each finds every verb failing. */
static void crash(struct pacer *pacer, int32_t worker)
{
    struct session *victim = &pacer->crew->sessions[worker];
    for (int32_t w = 0; w < pacer->cell->workers; w++)
        if (pacer->crew->sessions[w].instance == victim->instance)
            pacer->workers[w].dying = pacer->workers[w].standing;
    /* whoever has the mutex stands as well, so nobody looks at who waits there */
    bool locked = uv_mutex_trylock(&victim->instance->mutex) == 0;
    crew_crash(victim);
    if (locked)
        uv_mutex_unlock(&victim->instance->mutex);
    pacer->busy = worker;
}

static void skew(struct pacer *pacer, const struct move *move)
{
    const struct session *sessions = pacer->crew->sessions;
    for (int32_t w = 0; w < pacer->cell->workers; w++)
        if (sessions[w].instance == sessions[move->worker].instance)
            pacer->workers[w].skew_ms = move->amount;
}

/* Makes a move that no worker makes at the gate. False: it is a step, or it is too early for it:
 * what is said before a worker's next step must find it there. */
static bool make_move(struct pacer *pacer, const struct move *move)
{
    struct held *held = move->worker != STEP_NOBODY ? &pacer->workers[move->worker] : NULL;
    if (move->kind == MOVE_STEP || move_is_faulty_step(move))
        return false;
    if (held != NULL && move->kind != MOVE_PAUSE && !held->standing)
        return false;
    switch (move->kind) {
    case MOVE_CLOCK:
        pacer->ahead_ms += move->amount;
        break;
    case MOVE_PAUSE: /* the others go on, and time */
        pacer->ahead_ms += pacer->cell->lease_ms + pacer->cell->lease_ms / 2;
        break;
    case MOVE_SKEW:
        skew(pacer, move);
        break;
    case MOVE_CRASH:
        crash(pacer, move->worker);
        break;
    case MOVE_BOOT:
        held->armed |= HAZARD_BIT(boot);
        break;
    case MOVE_DUPLICATE:
        held->armed |= HAZARD_BIT(duplicates);
        break;
    default:
        held->armed |= HAZARD_BIT(reordering);
    }
    return true;
}

/* Makes the moves that no worker makes, once the step before them is over. */
static void settle(struct pacer *pacer)
{
    while (pacer->busy == STEP_NOBODY && pacer->next < pacer->schedule->count &&
           make_move(pacer, &pacer->schedule->moves[pacer->next])) {
        pacer->result->faults += move_is_fault(&pacer->schedule->moves[pacer->next]);
        pacer->next++;
        announce(pacer);
    }
}

/* The step by which the driver's worker makes a move: whoever was woken enters its instance. */
static enum step_kind kind_of(const struct move *move)
{
    return move->step == STEP_WAIT ? STEP_ENTER : move->step;
}

static enum gate_action action_of(const struct move *move)
{
    switch (move->kind) {
    case MOVE_LOST:
        return move->amount == MOVE_ONCE ? GATE_CLOSE_ONCE : GATE_CLOSE_AFTER;
    case MOVE_DROP:
        return GATE_CLOSE_BEFORE;
    case MOVE_ERROR:
        return GATE_ERROR;
    default:
        return GATE_PASS;
    }
}

/* Is the step held in its worker's thread? A command in the engine, but for those that libmongoc
 * sends without saying whose they are. */
static bool in_thread(enum step_kind kind)
{
    return kind > STEP_OTHER_COMMAND || kind == STEP_COMMIT || kind == STEP_ABORT;
}

/* If it is this step's turn, makes the move and says what becomes of the step; else GATE_HOLD. */
static enum gate_action take_turn(struct pacer *pacer, const struct step *step)
{
    const struct schedule *schedule = pacer->schedule;
    struct held *held = &pacer->workers[step->worker];
    held->standing = true;
    if (held->dying)
        return GATE_CLOSE_BEFORE;
    settle(pacer);
    if (held->dying) /* by now */
        return GATE_CLOSE_BEFORE;
    if (pacer->next == schedule->count) {
        pacer->result->further++;
        return GATE_PASS;
    }
    const struct move *move = &schedule->moves[pacer->next];
    if (pacer->busy != STEP_NOBODY || move->worker != step->worker || kind_of(move) != step->kind)
        return GATE_HOLD;
    pacer->result->faults += move_is_fault(move);
    pacer->next++;
    pacer->stalls = 0;
    held->drawn = move->kind == MOVE_STEP && move->amount != MOVE_PLAIN;
    held->draw = move->amount;
    /* after its operations it only ends: nobody waits to see it again */
    if (in_thread(step->kind) && pacer->crew->sessions[step->worker].in_operation)
        pacer->busy = step->worker;
    announce(pacer);
    return action_of(move);
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

/* Is the worker's instance dead, and the step not one that starts it again? */
static bool is_dead(struct pacer *pacer, int32_t worker)
{
    const struct session *session = &pacer->crew->sessions[worker];
    return atomic_load(&session->instance->crashed) &&
           atomic_load(&session->instance->starter) != session;
}

/* Is a step of this worker and kind one that the schedule speaks of? Where no RAM is shared, who
 * comes back into his instance is of interest only as long as it may still die. */
static bool is_held(const struct pacer *pacer, const struct step *step)
{
    if (!pacer->kinds[step->kind] || pacer->workers[step->worker].free)
        return false;
    if (step->kind != STEP_ENTER || step->operation == OPERATION_NONE ||
        crew_shares_ram(pacer->crew->sessions[step->worker].instance))
        return true;
    for (size_t i = pacer->next; i < pacer->schedule->count; i++)
        if (pacer->schedule->moves[i].kind == MOVE_CRASH)
            return true;
    return false;
}

/* May the worker come to a halt there until others have moved? At what is not held and never blocks
 * it only passes by: whom it wakes must not go on before it has come to where it stands next. */
static bool may_block(enum step_kind kind)
{
    return kind == STEP_WAIT || kind == STEP_ENTER || kind == STEP_SLEEP || kind == STEP_LOCK_FILE;
}

static enum gate_action arrive(void *state, const struct step *step)
{
    struct pacer *pacer = state;
    enum gate_action action = GATE_PASS;
    pthread_mutex_lock(&pacer->mutex);
    struct held *held = &pacer->workers[step->worker];
    held->free = held->free && step->operation == OPERATION_NONE;
    held->dying = held->dying && is_dead(pacer, step->worker);
    bool stands = is_held(pacer, step);
    if (!held->dying && (stands || may_block(step->kind)))
        be_seen(pacer, step->worker);
    if (stands) {
        action = take_turn(pacer, step);
        while (action == GATE_HOLD && in_thread(step->kind)) {
            wait_a_little(pacer);
            action = take_turn(pacer, step);
        }
        held->standing = action == GATE_HOLD;
    }
    pthread_mutex_unlock(&pacer->mutex);
    return action;
}

static const struct gate_policy pacing = {.name = "replay", .arrive = arrive, .early = true};

static void execute(struct session *session, const struct command_request *request,
                    struct command_reply *reply)
{
    const struct step step = {
        session->worker, session->operation_count - 1, request->kind, "", 0, NULL};
    if ((request->kind == STEP_COMMIT || request->kind == STEP_ABORT) &&
        arrive(pacer_of(session), &step) != GATE_PASS)
        return; /* its instance has died: nothing leaves it */
    transport_driver.commands->execute(session, request, reply);
}

static const struct command_table commands = {execute};

/* Where a worker is seen besides at the gate. Before its next operation, or a step outside of one,
 * it may wait for who holds its instance. */
static void seen(struct session *session)
{
    struct pacer *pacer = pacer_of(session);
    pthread_mutex_lock(&pacer->mutex);
    be_seen(pacer, session->worker);
    pthread_mutex_unlock(&pacer->mutex);
}

static void stepping(struct session *session)
{
    if (!session->in_operation)
        seen(session);
}

static void attempted(struct session *session, int64_t ns)
{
    (void)session, (void)ns; /* it may try again, so nothing is over */
}

/* Not over either: who ends an instance's last operation still has to tear it down, and who that is
 * depends on the end of the others' work. */
static void settled(struct session *session, int64_t waiting_ns)
{
    (void)session, (void)waiting_ns;
}

static const struct witness_table witness = {seen, stepping, attempted, settled, seen, NULL};

/* In place of time and chance ----------------------------------------------------------------- */

/* The clock stands still but for the schedule's moves, until that has ended. */
static int64_t now_ms(void *context)
{
    struct pacer *pacer = context;
    int64_t wall_ms = clock_wall_ms();
    pthread_mutex_lock(&pacer->mutex);
    if (pacer->opened_ms != 0)
        wall_ms = pacer->opened_ms + pacer->ahead_ms +
                  (pacer->freed_ms != 0 ? wall_ms - pacer->freed_ms : 0);
    pthread_mutex_unlock(&pacer->mutex);
    return wall_ms;
}

static int64_t wall_ms(struct session *session)
{
    struct pacer *pacer = pacer_of(session);
    pthread_mutex_lock(&pacer->mutex);
    int64_t skew_ms = pacer->workers[session->worker].skew_ms;
    pthread_mutex_unlock(&pacer->mutex);
    return now_ms(pacer) + skew_ms;
}

static int64_t run_ns(struct session *session)
{
    struct pacer *pacer = pacer_of(session);
    pthread_mutex_lock(&pacer->mutex);
    int64_t ahead_ms = pacer->ahead_ms;
    pthread_mutex_unlock(&pacer->mutex);
    return transport_driver.clock->run_ns(session) + ahead_ms * 1000000;
}

static bool is_time(const struct pacer *pacer)
{
    const struct schedule *schedule = pacer->schedule;
    return pacer->next < schedule->count && (schedule->moves[pacer->next].kind == MOVE_CLOCK ||
                                             schedule->moves[pacer->next].kind == MOVE_PAUSE);
}

/* As in explore, waking is untimed: the schedule says what comes first. Who sleeps outside of an
 * operation looks again afterwards, which comes to the same until the time has passed that the
 * schedule has there. */
static bool sleep_us(struct session *session, int64_t us)
{
    enum { SHORT_US = 1000 };
    struct pacer *pacer = pacer_of(session);
    pthread_mutex_lock(&pacer->mutex);
    bool paced = pacer->freed_ms == 0;
    pacer->workers[session->worker].free = false;
    pthread_mutex_unlock(&pacer->mutex);
    bool slept = transport_driver.clock->sleep_us(session, paced && us > SHORT_US ? SHORT_US : us);
    pthread_mutex_lock(&pacer->mutex);
    for (settle(pacer); is_time(pacer) && !session->in_operation; settle(pacer))
        wait_a_little(pacer);
    pthread_mutex_unlock(&pacer->mutex);
    return slept;
}

static int64_t draw(struct session *session, int64_t bound)
{
    struct held *held = &pacer_of(session)->workers[session->worker];
    bool said = bound > 1 && held->drawn && held->draw < bound;
    held->drawn = false;
    return said ? held->draw : session_draw(session, bound);
}

/* Where another copy may start, a worker stands before its first operation. */
static bool strike(struct session *session, enum hazard_index hazard)
{
    struct pacer *pacer = pacer_of(session);
    struct held *held = &pacer->workers[session->worker];
    const struct step first = {session->worker, OPERATION_NONE, STEP_ENTER, "", 0, NULL};
    if (hazard == HAZARD_INDEX_boot && pacer->boots && !held->begun)
        gate_arrive(session->crew->gate, &first);
    held->begun = true;
    pthread_mutex_lock(&pacer->mutex);
    bool strikes = (held->armed & 1u << hazard) != 0;
    held->armed &= ~(1u << hazard);
    pthread_mutex_unlock(&pacer->mutex);
    return strikes;
}

/* The run ------------------------------------------------------------------------------------- */

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

/* Makes moves that no worker makes, and looks whether a step never comes. */
static void *watch(void *context)
{
    struct pacer *pacer = context;
    pthread_mutex_lock(&pacer->mutex);
    while (!pacer->ended) {
        settle(pacer);
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
    struct crew *crew = &stage->crew;
    pacer->crew = crew;
    pacer->server = stage->server;
    pacer->moved_ns = clock_monotonic_ns();
    pacer->opened_ms = clock_wall_ms();
    gate_set_policy(stage->gate, &pacing, pacer);
    hazards_free(crew->hazards); /* nobody draws them */
    crew->hazards = NULL;
    crew->replay = pacer;
    crew->witness = &witness;
    crew->transport = &pacer->transport;
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

static bool can_repeat(const struct move *move)
{
    switch (move->kind) {
    case MOVE_RESTART:
    case MOVE_RESTART_DURING:
        return false; /* replays keep nothing that a restart of theirs would find */
    case MOVE_LOST:
    case MOVE_DROP:
    case MOVE_ERROR:
        return !in_thread(move->step); /* a real disk does not fail on request ... */
    case MOVE_CRASH:
        return move->amount == MOVE_PLAIN; /* ... nor keep so many bytes */
    default:
        return true;
    }
}

char *replay_driver_obstacle(const struct schedule *schedule)
{
    for (size_t i = 0; i < schedule->count; i++) {
        if (can_repeat(&schedule->moves[i]))
            continue;
        char *text = move_text(&schedule->moves[i]);
        char *obstacle = x_format("'%s' can only be repeated with --transport direct", text);
        free(text);
        return obstacle;
    }
    return NULL;
}

/* After the last acknowledged operation, did somebody give up, and had two leases passed by then?
 * Explore calls that stuck; a run waits for more of them before it does. */
static bool is_stuck(const struct cell *cell, const struct history *history)
{
    int64_t through_ns = 0, until_ns = -1;
    for (size_t i = 0; i < history->count; i++) {
        const struct event *event = &history->events[i];
        bool busy = event->outcome == BUSY || event->outcome == CONFLICT;
        if (event->outcome == DONE && event->return_ns > through_ns)
            through_ns = event->return_ns;
        if (busy && event->attempts >= cell->max_tries && event->return_ns > until_ns)
            until_ns = event->return_ns;
    }
    return until_ns - through_ns > 2 * cell->lease_ms * INT64_C(1000000);
}

static void pacer_init(struct pacer *pacer, const struct schedule *schedule)
{
    pacer->schedule = schedule;
    pacer->busy = STEP_NOBODY;
    pacer->clock = (struct clock_table){run_ns, wall_ms, sleep_us};
    pacer->choice = (struct choice_table){draw, strike};
    pacer->transport = transport_driver;
    pacer->transport.commands = &commands;
    pacer->transport.clock = &pacer->clock;
    pacer->transport.choice = &pacer->choice;
    pacer->workers = x_calloc((size_t)pacer->cell->workers, sizeof(*pacer->workers));
    for (int32_t w = 0; w < pacer->cell->workers; w++)
        pacer->workers[w].free = pacer->cell->scenario->agrees;
    for (size_t i = 0; i < schedule->count; i++) {
        const struct move *move = &schedule->moves[i];
        if (move->kind == MOVE_STEP || move_is_faulty_step(move))
            pacer->kinds[kind_of(move)] = true;
        pacer->boots |= move->kind == MOVE_BOOT;
        pacer->kinds[STEP_ENTER] |= move->kind == MOVE_CRASH;
    }
    for (int kind = STEP_FIND; kind <= STEP_OTHER_COMMAND; kind++)
        pacer->kinds[kind] = true; /* all that are steps in explore as well */
    pthread_mutex_init(&pacer->mutex, NULL);
    pthread_cond_init(&pacer->moved, NULL);
}

void replay_driver(const struct schedule *schedule, const struct cell *given, const char *run_id,
                   struct replay_result *result)
{
    struct cell cell = *given;
    struct pacer pacer = {.cell = &cell, .result = result};
    struct run_settings settings = {.run_id = run_id,
                                    .progress = PROGRESS_NONE,
                                    .opened = opened,
                                    .ended = ended,
                                    .context = &pacer,
                                    .clock = {now_ms, &pacer}};
    struct run_result run = {0};
    int signal_number = 0;
    cell.transport = TRANSPORT_DRIVER;
    cell.expect = EXPECT_NONE;
    cell.hazards = HAZARD_BIT(none) | (given->hazards & HAZARD_BIT(crash)); /* its instances die */
    cell.timeout_ms = TIMEOUT_MS; /* a command may be held for long */
    pacer_init(&pacer, schedule);
    run_cells(&cell, 1, &settings, &run, &signal_number);
    result->verdict = run.cells[0].verdict;
    if (result->verdict.status != BROKEN && is_stuck(&cell, &run.cells[0].history))
        result->verdict = (struct verdict){.status = BROKEN, .reason = REASON_STUCK};
    if (result->verdict.reason == REASON_STUCK)
        result->further = 0; /* they are what shows it */
    cell_result_free(&run.cells[0]);
    free(run.cells);
    free(pacer.workers);
    pthread_cond_destroy(&pacer.moved);
    pthread_mutex_destroy(&pacer.mutex);
}
