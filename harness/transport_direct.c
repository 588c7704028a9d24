/* SPDX-License-Identifier: Apache-2.0
 *
 * transport_direct: every worker is a fiber, the engine is called in this process, and time is
 * virtual: each step costs DIRECT_STEP_NS, and when all fibers sleep the clock jumps to the first
 * that wakes. A step lets somebody else go first: who, is drawn from the cell's seed, since fibers
 * that took turns would run in lockstep and test one schedule only. The same seed therefore gives
 * the same history, times included.
 *
 * One thread; nothing here is locked.
 */
#include "transport_direct.h"
#include "fiber.h"

#include <stdlib.h>
#include <string.h>

/* A worker's place in the scheduler. */
struct line {
    struct session *session;
    struct fiber *fiber;
    int64_t wake_ns;  /* while on the heap of sleepers */
    int64_t sequence; /* breaks ties between sleepers: first come, first woken */
};

struct direct {
    struct crew *crew;
    struct engine *engine;
    struct random random;
    int64_t now_ns, start_ns;
    int64_t sequence;
    struct line *lines;
    struct line **ready; /* in no order: the next one is drawn */
    int32_t ready_count;
    struct line **sleeping; /* binary heap by (wake_ns, sequence) */
    int32_t sleeping_count;
    int32_t at_start; /* fibers that stand at the start line */
    int32_t alive;
    bool started, stuck;
};

static struct direct *world(const struct session *session)
{
    return session->crew->world;
}

static struct line *line(const struct session *session)
{
    return session->line;
}

/* Scheduling --------------------------------------------------------------------------------- */

static void make_ready(struct direct *direct, struct line *one)
{
    direct->ready[direct->ready_count++] = one;
}

static bool earlier(const struct line *a, const struct line *b)
{
    return a->wake_ns != b->wake_ns ? a->wake_ns < b->wake_ns : a->sequence < b->sequence;
}

static void heap_push(struct direct *direct, struct line *one)
{
    int32_t i = direct->sleeping_count++;
    for (; i > 0 && earlier(one, direct->sleeping[(i - 1) / 2]); i = (i - 1) / 2)
        direct->sleeping[i] = direct->sleeping[(i - 1) / 2];
    direct->sleeping[i] = one;
}

static struct line *heap_pop(struct direct *direct)
{
    struct line **heap = direct->sleeping;
    struct line *first = heap[0], *last = heap[--direct->sleeping_count];
    int32_t count = direct->sleeping_count, i = 0;
    for (;;) {
        int32_t child = 2 * i + 1;
        if (child >= count)
            break;
        if (child + 1 < count && earlier(heap[child + 1], heap[child]))
            child++;
        if (!earlier(heap[child], last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return first;
}

/* Another fiber may go first; a step's worth of time passes. */
static void let_others(struct session *session)
{
    make_ready(world(session), line(session));
    fiber_yield(line(session)->fiber);
}

static bool sleep_us(struct session *session, int64_t us)
{
    struct direct *direct = world(session);
    struct line *self = line(session);
    if (atomic_load(&direct->crew->abandon))
        return false;
    self->wake_ns = direct->now_ns + us * 1000;
    self->sequence = direct->sequence++;
    heap_push(direct, self);
    fiber_yield(self->fiber);
    return !atomic_load(&direct->crew->abandon);
}

/* Nobody can go on: everyone left waits for somebody who waits as well. */
static void give_up(struct direct *direct)
{
    direct->stuck = true;
    direct_abandon(direct->crew);
}

/* Nobody is ready: does the engine wait for a time (the end of a transaction whose client has died)
 * that comes before the first sleeper wakes? Then it is that time now. The engine may have been up
 * too early, so it is asked again; after LOOKS_MAX times what it waits for has no time. */
static void wait_for_engine(struct direct *direct)
{
    enum { LOOKS_MAX = 100 };
    for (int i = 0; i < LOOKS_MAX && direct->ready_count == 0; i++) {
        int64_t due_ms = engine_due_ms(direct->engine);
        int64_t due_ns = direct->now_ns + due_ms * 1000000;
        if (due_ms < 0 || (direct->sleeping_count > 0 && direct->sleeping[0]->wake_ns <= due_ns))
            return;
        direct->now_ns = due_ns;
        engine_tick(direct->engine);
    }
}

bool direct_turn(struct crew *crew, int steps)
{
    struct direct *direct = crew->world;
    for (int i = 0; i < steps && direct->alive > 0; i++) {
        if (engine_due_ms(direct->engine) == 0)
            engine_tick(direct->engine);
        wait_for_engine(direct);
        while (direct->sleeping_count > 0 &&
               (direct->sleeping[0]->wake_ns <= direct->now_ns || direct->ready_count == 0)) {
            struct line *sleeper = heap_pop(direct);
            if (sleeper->wake_ns > direct->now_ns)
                direct->now_ns = sleeper->wake_ns;
            make_ready(direct, sleeper);
        }
        if (direct->ready_count == 0) {
            give_up(direct);
            continue;
        }
        uint64_t drawn = random_below(&direct->random, (uint64_t)direct->ready_count);
        struct line *next = direct->ready[drawn];
        direct->ready[drawn] = direct->ready[--direct->ready_count];
        direct->now_ns += DIRECT_STEP_NS;
        fiber_resume(next->fiber);
        if (fiber_ended(next->fiber))
            direct->alive--;
    }
    return direct->alive > 0;
}

static void body(void *argument)
{
    struct line *self = argument;
    struct session *session = self->session;
    struct direct *direct = world(session);
    crew_setup(session);
    if (++direct->at_start == direct->crew->count) {
        direct->started = true;
        direct->start_ns = direct->now_ns;
        for (int32_t w = 0; w < direct->crew->count; w++)
            make_ready(direct, &direct->lines[w]);
    }
    fiber_yield(self->fiber);
    crew_work(session);
}

/* Tables ------------------------------------------------------------------------------------- */

/* A command on its way through the engine: answered before engine_submit() returns, or parked. */
struct call {
    enum step_kind kind;
    struct command_reply *reply;
    struct line *line;
    bool done, parked;
    bool held; /* no reply comes, and the connection stays: its time-out ends the wait */
};

static void call_done(const bson_t *answer, void *context)
{
    struct call *call = context;
    call->held = answer != NULL && bson_empty(answer);
    command_parse(call->line->session, call->kind, call->held ? NULL : answer, call->reply);
    call->done = true;
    if (call->parked)
        make_ready(world(call->line->session), call->line);
}

bool direct_answers(struct session *session, enum step_kind kind, struct command_reply *reply)
{
    struct transaction *transaction = &session->transaction;
    bool has = strcmp(engine_persona(world(session)->engine), "replset") == 0;
    bool here = kind == STEP_BEGIN || (kind == STEP_COMMIT && !transaction->sent) ||
                (kind == STEP_ABORT && (!transaction->sent || transaction->ending));
    reply->sent = reply->answered = here;
    if (kind == STEP_BEGIN) {
        reply->code = has ? 0 : 20;
        transaction->number++;
        transaction->sent = transaction->ending = false;
    }
    return here;
}

static void execute(struct session *session, const struct command_request *request,
                    struct command_reply *reply)
{
    struct direct *direct = world(session);
    struct call call = {.kind = request->kind, .reply = reply, .line = line(session)};
    bson_t command;
    if (direct_answers(session, request->kind, reply))
        return;
    command_build(session, request, false, &command);
    session->transaction.sent = session->in_transaction;
    session->transaction.ending |= request->kind == STEP_COMMIT;
    engine_submit(direct->engine, &command, call_done, &call);
    if (!call.done) {
        call.parked = true;
        fiber_yield(call.line->fiber);
    }
    if (call.held)
        sleep_us(session, session->crew->cell->timeout_ms * 1000);
}

static int64_t run_ns(struct session *session)
{
    return world(session)->now_ns - world(session)->start_ns;
}

static int64_t wall_ms(struct session *session)
{
    return DIRECT_EPOCH_MS + world(session)->now_ns / 1000000;
}

static void enter(struct session *session)
{
    (void)session; /* fibers run alone by nature */
}

static bool wait(struct session *session, const void *condition)
{
    struct waiter waiter = {condition, session, NULL, false};
    struct waiter **end = &session->instance->waiters;
    while (*end != NULL)
        end = &(*end)->next;
    *end = &waiter;
    fiber_yield(line(session)->fiber);
    return !atomic_load(&session->crew->abandon);
}

static void wake(struct session *session, const void *condition)
{
    for (struct waiter **place = &session->instance->waiters; *place != NULL;) {
        struct waiter *waiter = *place;
        if (condition != NULL && waiter->condition != condition) {
            place = &waiter->next;
            continue;
        }
        *place = waiter->next;
        make_ready(world(session), line(waiter->session));
    }
}

static const struct command_table commands = {execute};
static const struct clock_table clocks = {run_ns, wall_ms, sleep_us};
static const struct waiting_table waitings = {enter, let_others, wait, wake};
static const struct choice_table choices = {session_draw, NULL};
const struct transport_table transport_direct = {.name = "direct",
                                                 .commands = &commands,
                                                 .clock = &clocks,
                                                 .choice = &choices,
                                                 .files = &files_in_memory,
                                                 .waiting = &waitings};

/* Life --------------------------------------------------------------------------------------- */

static int64_t engine_now_ms(void *context)
{
    const struct direct *direct = context;
    return DIRECT_EPOCH_MS + direct->now_ns / 1000000;
}

void direct_open(struct crew *crew)
{
    struct direct *direct = x_calloc(1, sizeof(*direct));
    crew->world = direct;
    direct->crew = crew;
    random_seed(&direct->random, random_mix(crew->cell->seed, 0));
    char *folder = x_format("%s/store", crew->folder);
    direct->engine = engine_new(
        &(struct engine_settings){.gate = crew->gate,
                                  .store = crew->cell->explored ? crew->cell->store : NULL,
                                  .folder = folder,
                                  .temporary = true,
                                  .durability = crew->cell->durability,
                                  .persona = persona_name(crew->cell->persona),
                                  .now_ms = engine_now_ms,
                                  .now_context = direct,
                                  .seed = crew->cell->seed | 1});
    free(folder);
    size_t count = (size_t)crew->count;
    direct->lines = x_calloc(count, sizeof(*direct->lines));
    direct->ready = x_calloc(count, sizeof(*direct->ready));
    direct->sleeping = x_calloc(count, sizeof(*direct->sleeping));
}

void direct_start(struct crew *crew)
{
    struct direct *direct = crew->world;
    for (int32_t w = 0; w < crew->count; w++) {
        struct line *one = &direct->lines[w];
        one->session = &crew->sessions[w];
        crew->sessions[w].line = one;
        one->fiber = fiber_new(body, one, fiber_default_stack_bytes());
        make_ready(direct, one);
    }
    direct->alive = crew->count;
}

void direct_abandon(struct crew *crew)
{
    struct direct *direct = crew->world;
    atomic_store(&crew->abandon, true);
    for (int32_t i = 0; i < crew->cell->instances; i++) {
        struct instance *instance = &crew->instances[i];
        for (; instance->waiters != NULL; instance->waiters = instance->waiters->next)
            make_ready(direct, instance->waiters->session->line);
    }
    while (direct->sleeping_count > 0)
        make_ready(direct, heap_pop(direct));
    engine_cancel(direct->engine, NULL);
}

bool direct_stuck(const struct crew *crew)
{
    const struct direct *direct = crew->world;
    return direct->stuck;
}

void direct_set_clock(struct crew *crew, int64_t since_start_ns)
{
    struct direct *direct = crew->world;
    direct->now_ns = since_start_ns;
}

struct engine *direct_engine(const struct crew *crew)
{
    const struct direct *direct = crew->world;
    return direct->engine;
}

void direct_close(struct crew *crew)
{
    struct direct *direct = crew->world;
    for (int32_t w = 0; w < crew->count; w++)
        fiber_free(direct->lines[w].fiber);
    engine_free(direct->engine);
    free(direct->lines);
    free(direct->ready);
    free(direct->sleeping);
    free(direct);
    crew->world = NULL;
}
