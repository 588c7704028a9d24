/* SPDX-License-Identifier: Apache-2.0
 *
 * stand: the transport under explore. Every verb that is a step stops here until it is chosen, does
 * its work then and there, and mixes what it returns into the worker's chain. See stand.h.
 */
#include "stand.h"
#include "fiber.h"
#include "folder.h"
#include "transport_direct.h"

#include <errno.h>
#include <string.h>

enum { SHUTDOWN_IN_PROGRESS = 91, MOVE_NS = 10000, BROKEN_CONNECTION = 0x62726f6b };

static struct world *world(const struct session *session)
{
    return session->line;
}

struct stand *stand_of(const struct session *session)
{
    return &world(session)->stands[session->worker];
}

static bool is_abandoned(const struct session *session)
{
    return atomic_load_explicit(&session->crew->abandon, memory_order_relaxed);
}

/* What a worker is told ----------------------------------------------------------------------- */

/* Whatever a session returns belongs to the worker's key. */
static void tell(struct session *session, hash128 value)
{
    struct stand *stand = stand_of(session);
    hash128 *chain = stand->trying ? &stand->chain : &stand->scenario;
    *chain = hash_mix(*chain, value);
}

static hash128 see(struct session *session, const bson_t *document)
{
    struct canon canon;
    if (document == NULL)
        return 0;
    canon_read(&canon, bson_get_data(document), document->len, world(session)->count);
    for (int i = 0; i < canon.count; i++)
        world(session)->saw_other |= canon.holes[i].worker != session->worker;
    return canon_seen_by(&canon, session->worker, session->token_count, session->operation_count);
}

/* Told the same, a worker must go on in the same way: the check that always runs. */
static void check_function(struct world *world, struct stand *stand, hash128 what)
{
    const struct session *session = stand->session;
    hash128 told = hash_mix(stand->trying ? stand->chain : stand->scenario,
                            world_symmetric(world) ? 0 : (uint64_t)session->worker + 1);
    /* of a mix; by whose clock; and who finds his instance dead waits for it */
    told = hash_mix(told, (uint64_t)session->instance->number * CELL_STRATEGIES_MAX +
                              (uint64_t)session->strategy_index);
    told = hash_mix(told, atomic_load(&session->instance->crashed));
    uint64_t next = (uint64_t)what;
    const uint64_t *before = memory_meet(&world->functions, hash_mix(told, stand->trying), next);
    if (before == NULL || *before == next || world->fault != NULL)
        return;
    world->fault = x_format("worker %d, in its operation %lld, went on with another step (%s) than "
                            "before although its session had told it the same: it looks at "
                            "something past its session",
                            session->worker, (long long)(session->operation_count - 1),
                            step_kind_name(stand->kind));
}

/* Stands at a step until it is chosen. False: it fails. */
static bool stand_at(struct session *session, enum step_kind kind, const char *target, hash128 what)
{
    struct stand *stand = stand_of(session);
    if (is_abandoned(session))
        return false;
    if (stand->starting || (stand->free && session->operations_left == stand->share))
        return true;
    stand->kind = kind;
    stand->target = target;
    check_function(world(session), stand, hash_mix(what, (uint64_t)kind));
    fiber_yield(stand->fiber);
    tell(session, (uint64_t)kind << 1 | stand->failed); /* that it was made, or fails */
    return !is_abandoned(session) && !stand->failed;
}

bool stand_in_transaction(const struct stand *stand)
{
    return stand->session->in_transaction && stand->session->transaction.sent;
}

void stand_begin(struct session *session)
{
    stand_at(session, STEP_ENTER, "", 0);
}

/* What a worker examines ---------------------------------------------------------------------- */

bool stand_stale(const struct world *world, const struct stand *stand)
{
    for (size_t i = stand->kept; i < stand->examined_count; i++)
        if (documents_changes(&world->documents, stand->examined[i].place) !=
            stand->examined[i].changes)
            return true;
    return false;
}

static void examine(struct session *session, hash128 place)
{
    struct stand *stand = stand_of(session);
    size_t at = array_grow((void **)&stand->examined, &stand->examined_count,
                           &stand->examined_capacity, sizeof(*stand->examined));
    stand->examined[at] =
        (struct examined){place, documents_changes(&world(session)->documents, place)};
}

/* Its own writes are no news to a worker: what was current before stays current. */
static void begin_own(struct stand *stand, const struct documents *documents)
{
    for (size_t i = 0; i < stand->examined_count; i++)
        stand->examined[i].changes -= documents_changes(documents, stand->examined[i].place);
}

static void end_own(struct stand *stand, const struct documents *documents)
{
    for (size_t i = 0; i < stand->examined_count; i++)
        stand->examined[i].changes += documents_changes(documents, stand->examined[i].place);
}

/* Rests until something examined has changed or the clock has moved. */
static void rest(struct session *session)
{
    struct stand *stand = stand_of(session);
    if (is_abandoned(session))
        return;
    if (!stand_stale(world(session), stand) && stand->examined_count > stand->kept) {
        stand->resting = true;
        fiber_yield(stand->fiber);
        stand->resting = false;
    }
    stand->examined_count = stand->kept;
}

/* Commands ------------------------------------------------------------------------------------ */

struct call {
    struct session *session;
    enum step_kind kind;
    struct command_reply *reply;
    bool done;
};

static void call_done(const bson_t *answer, void *context)
{
    struct call *call = context;
    command_parse(call->session, call->kind, answer, call->reply);
    call->done = true;
}

static hash128 request_hash(struct session *session, const struct command_request *request)
{
    const struct modify *modify = &request->modify;
    hash128 what = documents_place(request->collection, NULL);
    what = hash_mix(what, see(session, request->filter));
    what = hash_mix(what, see(session, request->document));
    what = hash_mix(what, see(session, modify->update));
    what = hash_mix(what, see(session, modify->pipeline));
    what = hash_mix(what, see(session, modify->sort));
    return hash_mix(what, (uint64_t)modify->upsert << 2 | (uint64_t)modify->remove << 1 |
                              (uint64_t)modify->old_image);
}

static hash128 reply_hash(struct session *session, const struct command_reply *reply)
{
    hash128 told = see(session, reply->document);
    told = hash_mix(told, (uint64_t)reply->written.matched << 8 |
                              (uint64_t)reply->written.modified << 1 |
                              (uint64_t)reply->written.upserted);
    told = hash_mix(told, (uint64_t)reply->deleted << 2 | (uint64_t)reply->answered << 1 |
                              (uint64_t)reply->sent);
    return hash_mix(told, (hash128)reply->code);
}

/* Does the driver send this command again when its connection breaks? */
static bool is_resent(const struct session *session, const struct command_request *request)
{
    bool has = session->crew->cell->persona == PERSONA_REPLSET;
    return has && (!session->in_transaction || request->kind == STEP_COMMIT);
}

/* Sends a command and waits for what becomes of it. */
static void send_command(struct session *session, const struct command_request *request,
                         const bson_t *command, struct command_reply *reply)
{
    struct stand *stand = stand_of(session);
    struct call call = {session, request->kind, reply, false};
    begin_own(stand, &world(session)->documents);
    engine_submit(direct_engine(session->crew), command, call_done, &call);
    end_own(stand, &world(session)->documents);
    if (!call.done && stand->fate == MOVE_RESTART_DURING)
        world_restart(world(session)); /* answers it: nothing comes any more */
    while (!call.done) {
        stand->parked = true;
        fiber_yield(stand->fiber);
    }
    stand->parked = false;
}

/* Sends a command; where its first reply is to be lost, also the driver's resend of it, if there is
 * one: whoever comes between finds what the resend is told settled already. False: the engine went
 * away while the command waited there. */
static bool submit(struct session *session, const struct command_request *request,
                   struct command_reply *reply)
{
    struct stand *stand = stand_of(session);
    bool restarts = stand->fate == MOVE_RESTART_DURING;
    bool broken = restarts || (stand->fate == MOVE_LOST && stand->drawn == MOVE_ONCE);
    bool resent = broken && is_resent(session, request);
    bson_t command;
    command_build(session, request, resent, &command);
    if (session->in_transaction && !session->transaction.sent) {
        stand->snapshot = documents_content(&world(session)->documents);
        stand->snapshot_write = world(session)->documents.writes;
    }
    session->transaction.sent = session->in_transaction;
    session->transaction.ending |= request->kind == STEP_COMMIT;
    send_command(session, request, &command, reply);
    bool stayed = broken || reply->answered;
    if (restarts && reply->answered)
        world_restart(world(session));
    if (broken || stand->fate == MOVE_LOST)
        *reply = (struct command_reply){.sent = true, .durable = true};
    stand->fate = MOVE_STEP;
    if (resent && !is_abandoned(session))
        send_command(session, request, &command, reply);
    return stayed;
}

/* Does what has been decided about a command; false: it was cut off, and is to be sent again. */
static bool perform(struct session *session, const struct command_request *request,
                    struct command_reply *reply)
{
    struct stand *stand = stand_of(session);
    bool stayed = true;
    if (stand->fate == MOVE_ERROR)
        *reply = (struct command_reply){.sent = true,
                                        .answered = true,
                                        .durable = true,
                                        .code = SHUTDOWN_IN_PROGRESS};
    else if (stand->fate == MOVE_DROP)
        reply->sent = true;
    else
        stayed = submit(session, request, reply);
    return stayed || !is_resent(session, request);
}

static void execute(struct session *session, const struct command_request *request,
                    struct command_reply *reply)
{
    struct stand *stand = stand_of(session);
    stand->cut = stand->cut && request->kind != STEP_BEGIN;
    if (direct_answers(session, request->kind, reply)) {
        tell(session, reply_hash(session, reply));
        return;
    }
    const bson_t *picks = request->kind == STEP_INSERT ? request->document : request->filter;
    for (bool again = false, over = false; !over; again = true) {
        if (again)
            tell(session, BROKEN_CONNECTION);
        if (!stand_at(session, request->kind, request->collection, request_hash(session, request)))
            return;
        over = perform(session, request, reply) || again;
    }
    examine(session, documents_place(request->collection, picks));
    tell(session, reply_hash(session, reply));
    record_reply(session, reply);
}

/* Clock and choice ---------------------------------------------------------------------------- */

static int64_t run_ns(struct session *session)
{
    const struct world *self = world(session);
    return self->moved * MOVE_NS + self->now_ms * 1000000;
}

static int64_t wall_ms(struct session *session)
{
    struct world *self = world(session);
    if (session->step == STEP_NOW && self->clock_moves)
        stand_at(session, STEP_NOW, "", 0);
    session->step = STEP_KIND_COUNT;
    int64_t ms = self->now_ms + self->ahead_ms[session->instance->number];
    tell(session, (uint64_t)ms);
    return DIRECT_EPOCH_MS + ms;
}

/* Waking is untimed. Who sleeps outside of an operation, without having claimed another, polls. */
static bool sleep_us(struct session *session, int64_t us)
{
    (void)us;
    struct stand *stand = stand_of(session);
    bool polls = stand->claimed == session->operations_left && !session->in_operation;
    stand->free = false;
    stand->claimed = session->operations_left;
    if (polls)
        rest(session);
    return !is_abandoned(session);
}

static int64_t draw(struct session *session, int64_t bound)
{
    struct stand *stand = stand_of(session);
    stand->bound = bound;
    stand->drawn = 0;
    if (bound > 1 && !stand_at(session, STEP_RANDOM, "", (uint64_t)bound))
        return 0;
    tell(session, (uint64_t)stand->drawn);
    return stand->drawn;
}

/* Does it strike here? Once, where a move has said so. */
static bool strike(struct session *session, enum hazard_index hazard)
{
    struct stand *stand = stand_of(session);
    bool strikes = (stand->armed & 1u << hazard) != 0;
    stand->armed &= ~(1u << hazard);
    world(session)->struck |= (unsigned)strikes << hazard;
    tell(session, strikes);
    return strikes;
}

/* Instances ----------------------------------------------------------------------------------- */

static hash128 look(const struct session *session)
{
    const struct cell *cell = session->crew->cell;
    struct hash hash;
    hash_init(&hash);
    for (int s = 0; s < cell->strategy_count; s++)
        if (session->instance->shared[s] != NULL)
            cell->strategy[s]->digest(session->instance->shared[s], &hash);
    return hash_full(&hash);
}

/* Is entering a step? Where RAM is shared, since others may come first; and where it may die: after
 * its last command, before anybody is told. */
static bool stops_to_enter(const struct session *session)
{
    const struct world *self = world(session);
    const struct instance *instance = session->instance;
    bool dead = instance->crashed && session->in_attempt && instance->starter != session;
    if (!self->started || dead || is_abandoned(session))
        return false;
    return crew_shares_ram(instance) ||
           (session->in_attempt && (self->limits.hazards & HAZARD_BIT(crash)) != 0);
}

static void enter(struct session *session)
{
    enum { DEAD = 0x44454144 };
    struct stand *stand = stand_of(session);
    session->step = STEP_KIND_COUNT;
    if (session->instance->crashed && !is_abandoned(session))
        tell(session, DEAD); /* who comes in sees it, and waits */
    if (!stops_to_enter(session))
        return;
    if (crew_shares_ram(session->instance) || world(session)->faults_left > 0) {
        stand_at(session, STEP_ENTER, "", 0);
    } else { /* nobody can die here any more: made at once, and known as made */
        stand->kind = STEP_ENTER;
        check_function(world(session), stand, hash_mix(0, STEP_ENTER));
        tell(session, (uint64_t)STEP_ENTER << 1);
    }
    stand->inside = crew_shares_ram(session->instance) && !stand->failed;
    if (!is_abandoned(session))
        tell(session, look(session));
}

/* Leaves; where a file operation comes next this is where it stands. */
static void leave(struct session *session)
{
    stand_of(session)->inside = false;
    if (session->step >= STEP_READ_FILE && session->step <= STEP_LOCK_FILE &&
        world(session)->started)
        stand_at(session, session->step, session->target, 0);
}

static bool wait(struct session *session, const void *condition)
{
    struct stand *stand = stand_of(session);
    struct waiter waiter = {condition, session, NULL, false};
    struct waiter **end = &session->instance->waiters;
    if (is_abandoned(session))
        return false;
    while (*end != NULL)
        end = &(*end)->next;
    *end = &waiter;
    stand->inside = stand->woken = false;
    stand_at(session, STEP_WAIT, "", 0);
    if (is_abandoned(session) || stand->failed)
        return false;
    stand->inside = true;
    tell(session, look(session));
    return true;
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
        stand_of(waiter->session)->woken = true;
    }
}

/* Files --------------------------------------------------------------------------------------- */

/* The text without the numbers of stamps. */
static hash128 text_hash(const char *text, size_t length)
{
    static const char stamp[] = "\"" EDIT_STAMP "\"";
    struct hash hash;
    hash_init(&hash);
    for (size_t i = 0; i < length; i++) {
        hash_bytes(&hash, &text[i], 1);
        if (length - i < sizeof(stamp) || memcmp(&text[i], stamp, sizeof(stamp) - 1) != 0)
            continue;
        for (i += sizeof(stamp) - 1; i < length && strchr(" :0123456789", text[i]) != NULL; i++)
            continue;
        i--;
    }
    return hash_full(&hash);
}

static char *read_file(struct crew *crew, const char *name, size_t *length)
{
    const struct world *self = crew->sessions[0].line;
    if (self->running != STEP_NOBODY && self->stands[self->running].failed) {
        errno = EIO;
        return NULL;
    }
    char *text = files_in_memory.read(crew, name, length);
    if (self->running != STEP_NOBODY)
        tell(&crew->sessions[self->running], text != NULL ? text_hash(text, *length) : 0);
    return text;
}

static void touch(struct session *session, const char *name)
{
    documents_touch(&world(session)->documents, documents_place(name, NULL));
}

static enum outcome replace(struct crew *crew, const struct file_write *write)
{
    if (stand_of(&crew->sessions[write->worker])->failed)
        return FAILED;
    enum move_kind fate = stand_of(&crew->sessions[write->worker])->fate;
    tell(&crew->sessions[write->worker], (uint64_t)fate);
    if (fate == MOVE_ERROR)
        return FAILED;
    touch(&crew->sessions[write->worker], write->name);
    enum outcome outcome = files_in_memory.replace(crew, write);
    return fate == MOVE_LOST ? UNKNOWN : outcome;
}

static bool empty(struct session *session, struct file_write *write)
{
    if (stand_of(session)->failed)
        return false;
    touch(session, write->name);
    return files_in_memory.empty(session, write);
}

static bool fill(struct session *session, struct file_write *write, bool alive)
{
    enum move_kind fate = alive ? stand_of(session)->fate : MOVE_STEP;
    tell(session, (uint64_t)fate);
    touch(session, write->name);
    bool written = files_in_memory.fill(session, write, alive && fate != MOVE_ERROR);
    return written && fate != MOVE_LOST;
}

static bool lock(struct session *session)
{
    return !stand_of(session)->failed && files_in_memory.lock(session);
}

static void unlock(struct session *session)
{
    files_in_memory.unlock(session);
}

/* Attempts ------------------------------------------------------------------------------------ */

static void attempt_begin(struct session *session)
{
    struct stand *stand = stand_of(session);
    stand->free = false;
    stand->trying = true;
    stand->attempts++;
    stand->chain = hash_mix(stand->scenario, (uint64_t)session->unanswered + 2);
    stand->examined_count = stand->kept;
}

static void attempt_again(struct session *session)
{
    stand_of(session)->trying = false;
    rest(session);
}

static void attempt_settle(struct session *session, enum outcome outcome, bool seen)
{
    struct stand *stand = stand_of(session);
    stand->trying = false;
    stand->scenario = hash_mix(stand->scenario, (uint64_t)outcome);
    stand->attempts = 0;
    stand->outcomes = hash_mix(stand->outcomes, (uint64_t)outcome);
    if (seen) { /* a copy that the scenario may save much later: is it still current? */
        stand->scenario = hash_mix(stand->scenario, stand->chain);
        stand->kept = stand->examined_count;
    }
    stand->examined_count = stand->kept;
}

static const struct command_table commands = {execute};
static const struct clock_table clocks = {run_ns, wall_ms, sleep_us};
static const struct choice_table choices = {draw, strike};
static const struct attempt_table attempts = {attempt_begin, attempt_again, attempt_settle};
static const struct file_table files = {read_file, replace, empty, fill, lock, unlock};
static const struct waiting_table waitings = {enter, leave, wait, wake};
const struct transport_table transport_explore = {.name = "explore",
                                                  .commands = &commands,
                                                  .clock = &clocks,
                                                  .choice = &choices,
                                                  .attempts = &attempts,
                                                  .files = &files,
                                                  .waiting = &waitings};

bool stand_ready(const struct world *world, const struct stand *stand)
{
    const struct session *session = stand->session;
    if (stand->ended || stand->resting || stand->parked)
        return false;
    if (stand->kind == STEP_WAIT && !stand->woken)
        return false;
    if (stand->kind == STEP_ENTER || stand->kind == STEP_WAIT) {
        for (int32_t w = 0; w < world->count; w++)
            if (world->stands[w].inside && world->stands[w].session->instance == session->instance)
                return false;
    }
    return stand->kind != STEP_LOCK_FILE || folder_lockable(session->crew->files, session->worker,
                                                            session->lock_name, session->lock_mode);
}
