/* SPDX-License-Identifier: Apache-2.0
 *
 * crew: all the workers of a cell and the instances that they belong to. Shares out operations and
 * strategies, gives every worker random numbers of its own from the one seed, starts instances
 * (setup by their first worker) and ends them (teardown by their last).
 */
#include "folder.h"
#include "scenario.h"
#include "transport.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void latencies_init(struct latencies *latencies)
{
    histogram_init(&latencies->operation);
    histogram_init(&latencies->attempt);
    histogram_init(&latencies->waiting);
}

void latencies_free(struct latencies *latencies)
{
    histogram_free(&latencies->operation);
    histogram_free(&latencies->attempt);
    histogram_free(&latencies->waiting);
}

/* Worker w's share of the operations: all alike, the first ones one more. */
static int64_t share(const struct cell *cell, int32_t worker)
{
    if (cell->ops == 0)
        return INT64_MAX;
    return cell->ops / cell->workers + (worker < cell->ops % cell->workers ? 1 : 0);
}

int32_t crew_process_of(const struct cell *cell, int32_t worker)
{
    return worker % cell->instances % cell->processes;
}

/* A worker that has done nothing yet; what is left out here is zero. */
static void begin_session(struct crew *crew, struct session *session)
{
    const struct cell *cell = crew->cell;
    ptrdiff_t at = session - crew->sessions;
    struct crew_share whole = {.worker = (int32_t)at, .operations_left = share(cell, (int32_t)at)};
    const struct crew_share *part = crew->shares != NULL ? &crew->shares[at] : &whole;
    int32_t worker = part->worker;
    session->crew = crew;
    session->worker = worker;
    session->instance = &crew->instances[worker % cell->instances];
    session->strategy_index = worker / cell->instances % cell->strategy_count;
    session->strategy = cell->strategy[session->strategy_index];
    session->operations_left = part->operations_left;
    session->operation_count = part->operation_count;
    session->token_count = part->token_count;
    session->first_ns = session->last_ns = -1;
    uint64_t seed = random_mix(cell->seed, (uint64_t)worker + 1);
    if (part->operation_count > 0) /* not once more what a dead process drew */
        seed = random_mix(seed, (uint64_t)part->operation_count);
    random_seed(&session->random, seed);
    atomic_init(&session->progress, 0);
    atomic_fetch_add(&session->instance->working, 1);
}

static void init_session(struct crew *crew, struct session *session)
{
    begin_session(crew, session);
    history_init(&session->history);
    session->latencies = crew->latencies;
    if (session->latencies == NULL) {
        session->latencies = x_calloc(1, sizeof(*session->latencies));
        latencies_init(session->latencies);
    }
}

void crew_again(struct crew *crew)
{
    atomic_store(&crew->stop, false);
    atomic_store(&crew->abandon, false);
    for (int32_t i = 0; i < crew->cell->instances; i++) {
        struct instance *instance = &crew->instances[i];
        must(instance->waiters == NULL);
        atomic_store(&instance->working, 0); /* each session counts itself in */
        memset(instance->shared, 0, sizeof(instance->shared));
        instance->crashed = false;
        instance->inside = 0;
    }
    for (int32_t w = 0; w < crew->count; w++) {
        struct session *session = &crew->sessions[w], kept;
        session_forget(session);
        kept = *session;
        memset(session, 0, sizeof(*session));
        session->documents = kept.documents;
        session->document_made = kept.document_made;
        session->document_capacity = kept.document_capacity;
        session->command = kept.command;
        session->scratch = kept.scratch;
        session->texts = kept.texts;
        session->text_capacity = kept.text_capacity;
        session->history = kept.history;
        session->history.count = 0;
        session->latencies = kept.latencies;
        session->line = kept.line;
        session->transaction.number = kept.transaction.number; /* the engine remembers the last */
        begin_session(crew, session);
    }
}

void crew_init(struct crew *crew, const struct cell *cell, const struct transport_table *transport)
{
    crew->cell = cell;
    crew->transport = transport;
    if (crew->shares == NULL)
        crew->count = cell->workers;
    atomic_init(&crew->stop, false);
    atomic_init(&crew->abandon, false);
    crew->instances = x_calloc((size_t)cell->instances, sizeof(*crew->instances));
    for (int32_t i = 0; i < cell->instances; i++) {
        crew->instances[i].number = i;
        atomic_init(&crew->instances[i].working, 0);
        must(uv_mutex_init(&crew->instances[i].mutex) == 0);
        for (int s = 0; s < cell->strategy_count; s++)
            crew->instances[i].guarded |= cell->strategy[s]->digest != NULL; /* keeps RAM */
        if ((cell->hazards & HAZARD_BIT(crash)) != 0 && cell->processes == 1)
            crew->instances[i].guarded = true; /* its death is shared as well */
    }
    if (cell->transport == TRANSPORT_DIRECT) {
        crew->latencies = x_calloc(1, sizeof(*crew->latencies));
        latencies_init(crew->latencies);
    }
    crew->sessions = x_calloc((size_t)crew->count, sizeof(*crew->sessions));
    for (int32_t w = 0; w < crew->count; w++)
        init_session(crew, &crew->sessions[w]);
}

void crew_free(struct crew *crew)
{
    for (int32_t w = 0; w < crew->count; w++) {
        struct session *session = &crew->sessions[w];
        session_free(session);
        history_free(&session->history);
        if (session->latencies != crew->latencies) {
            latencies_free(session->latencies);
            free(session->latencies);
        }
    }
    for (int32_t i = 0; i < crew->cell->instances; i++)
        uv_mutex_destroy(&crew->instances[i].mutex);
    if (crew->latencies != NULL) {
        latencies_free(crew->latencies);
        free(crew->latencies);
    }
    free(crew->sessions);
    free(crew->instances);
}

/* Starts what the strategies share in one copy of the application, into `shared`. */
static void run_setup(struct session *session, void *shared[])
{
    const struct cell *cell = session->crew->cell;
    for (int s = 0; s < cell->strategy_count; s++)
        if (cell->strategy[s]->setup != NULL)
            shared[s] = cell->strategy[s]->setup(session);
}

static void run_teardown(struct session *session, void *shared[])
{
    const struct cell *cell = session->crew->cell;
    for (int s = 0; s < cell->strategy_count; s++)
        if (cell->strategy[s]->teardown != NULL)
            cell->strategy[s]->teardown(session, shared[s]);
}

void crew_crash(struct session *session)
{
    session->instance->crashed = true;
    if (session->crew->files != NULL)
        folder_crash(session->crew->files, session->instance->number);
    session->crew->transport->waiting->wake(session, NULL);
}

void crew_enter(struct session *session)
{
    const struct waiting_table *waiting = session->crew->transport->waiting;
    struct instance *instance = session->instance;
    waiting->enter(session);
    while (instance->crashed && waiting->wait(session, &instance->crashed))
        ;
    if (instance->guarded) /* otherwise it cannot die, and nobody keeps two workers apart */
        instance->inside++;
    session->in_attempt = session->in_operation;
}

/* The last worker has left a dead instance: what it held is gone, and it starts again. */
static void restart(struct session *session)
{
    const struct transport_table *transport = session->crew->transport;
    struct instance *instance = session->instance;
    int64_t dead_us = session->crew->cell->hazard[HAZARD_INDEX_crash].amount;
    run_teardown(session, instance->shared); /* its verbs fail: the dead write nothing */
    if (dead_us > 0) {
        transport->waiting->leave(session);
        transport->clock->sleep_us(session, dead_us);
        transport->waiting->enter(session);
    }
    instance->starter = session;
    run_setup(session, instance->shared);
    instance->starter = NULL;
    instance->crashed = false;
    transport->waiting->wake(session, &instance->crashed);
}

bool crew_leave(struct session *session)
{
    const struct waiting_table *waiting = session->crew->transport->waiting;
    struct instance *instance = session->instance;
    bool died = instance->crashed;
    session->in_attempt = false;
    if (instance->guarded && --instance->inside == 0 && died)
        restart(session);
    waiting->leave(session);
    return died;
}

bool crew_shares_ram(const struct instance *instance)
{
    for (int s = 0; s < CELL_STRATEGIES_MAX; s++)
        if (instance->shared[s] != NULL)
            return true;
    return false;
}

bool crew_entry_is_choice(const struct session *session)
{
    const struct instance *instance = session->instance;
    bool dead = instance->crashed && instance->starter != session;
    bool starts = session->comment[0] == '\0'; /* while instances are set up */
    return !starts && (session->in_attempt ? !dead : crew_shares_ram(instance));
}

/* What comes next is this worker's, but of no operation. */
static void early(struct session *session)
{
    snprintf(session->comment, sizeof(session->comment), "w%" PRId32, session->worker);
}

void crew_boot(struct session *session)
{
    void *shared[CELL_STRATEGIES_MAX] = {NULL};
    const struct waiting_table *waiting = session->crew->transport->waiting;
    early(session); /* no operation's command */
    waiting->enter(session);
    run_setup(session, shared);
    run_teardown(session, shared);
    waiting->leave(session);
    session_forget(session);
}

void crew_setup(struct session *session)
{
    if (session->worker != session->instance->number)
        return; /* instance i's first worker is worker i */
    const struct waiting_table *waiting = session->crew->transport->waiting;
    waiting->enter(session);
    run_setup(session, session->instance->shared);
    waiting->leave(session);
    session_forget(session);
}

void crew_work(struct session *session)
{
    const struct cell *cell = session->crew->cell;
    struct instance *instance = session->instance;
    early(session);
    cell->scenario->work(session, cell);
    session_forget(session);
    bool last = atomic_fetch_sub(&instance->working, 1) == 1;
    if (session->crew->witness != NULL)
        session->crew->witness->ended(session);
    if (!last)
        return;
    const struct waiting_table *waiting = session->crew->transport->waiting;
    early(session); /* no operation's command any more */
    waiting->enter(session);
    run_teardown(session, instance->shared);
    waiting->leave(session);
    session_forget(session);
}
