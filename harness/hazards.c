/* SPDX-License-Identifier: Apache-2.0
 *
 * hazards: see hazards.h. Every hazard counts the occasions that it meets (writes at the gate,
 * operations that begin) and strikes at one occasion in `period`, at an offset that the seed draws,
 * until it has struck `times` times. Counters are atomic, since the engine's thread and the workers
 * meet them; under `direct` there is one thread, and the same seed strikes at the same places.
 *
 * `restart` counts operations that begin instead of writes, and strikes at the next write: it meets
 * everybody whatever it follows, and each planned one is to come although only some operations
 * write. The next one waits until the engine is back.
 */
#include "hazards.h"
#include "scenario.h"
#include "transport.h"

#include <string.h>

/* What --hazard does not say. */
enum { TIMES_DEFAULT = 10, RESTARTS_DEFAULT = 3, PERIOD_DEFAULT = 200, DELAY_DEFAULT_MS = 50 };

struct strike {
    int64_t period, offset;
    int64_t times;
};

struct hazards {
    const struct cell *cell;
    struct strike strikes[HAZARD_COUNT];
    struct hazard_tally *tally, own;
    void (*restart)(void *);
    void *restart_context;
    atomic_bool restarting; /* asked for, and has not happened yet */
};

static const struct {
    const char *name, *help;
    enum hazard_place place;
} rows[HAZARD_COUNT] = {
#define HAZARD(name, place, help) [HAZARD_INDEX_##name] = {#name, help, place},
#include "hazards.def"
#undef HAZARD
};

const char *hazard_name(enum hazard_index index)
{
    must((int)index >= 0 && index < HAZARD_COUNT);
    return rows[index].name;
}

const char *hazard_help(enum hazard_index index)
{
    return rows[index].help;
}

enum hazard_place hazard_place(enum hazard_index index)
{
    return rows[index].place;
}

enum hazard_amount hazard_amount(enum hazard_index index)
{
    switch (index) {
    case HAZARD_INDEX_error:
        return AMOUNT_CODE;
    case HAZARD_INDEX_lost_reply:
        return AMOUNT_ONCE;
    case HAZARD_INDEX_delay:
    case HAZARD_INDEX_pause:
    case HAZARD_INDEX_crash:
    case HAZARD_INDEX_skew:
        return AMOUNT_TIME;
    default:
        return AMOUNT_NONE;
    }
}

const char *hazards_obstacle(const struct cell *cell)
{
    unsigned of_connections = HAZARD_BIT(lost_reply) | HAZARD_BIT(drop) | HAZARD_BIT(restart);
    bool boots = false;
    for (int s = 0; s < cell->strategy_count; s++)
        boots |= cell->strategy[s]->setup != NULL;
    if ((cell->hazards & of_connections) != 0 && cell->strategy[0]->home == HOME_FILES)
        return "it keeps its documents in files, which have no connection that could close";
    if ((cell->hazards & HAZARD_BIT(restart)) != 0 && !cell->explored &&
        strcmp(cell_store(cell), "memory") == 0)
        return "its documents are in memory, which a restart would empty; 'restart' needs "
               "--transport driver and --store wiredtiger";
    if ((cell->hazards & HAZARD_BIT(boot)) != 0 && !boots)
        return "it does nothing when the application starts, so 'boot' changes nothing";
    if ((cell->hazards & HAZARD_BIT(skew)) != 0 && cell->instances < 2)
        return "one instance has one clock; 'skew' needs --instances 2 or more";
    if ((cell->hazards & HAZARD_BIT(crash)) != 0 && cell->processes > 1 &&
        !cell->scenario->restarts)
        return "its workers remember what they have done, and a new process does not; leave out "
               "--processes";
    if ((cell->hazards & (HAZARD_BIT(duplicates) | HAZARD_BIT(reordering))) != 0 &&
        strcmp(cell->scenario->name, "ticket_events") != 0)
        return "it delivers no messages that could be duplicated or reordered";
    return NULL;
}

static bool planned(const struct hazards *hazards, enum hazard_index index)
{
    return (hazards->cell->hazards & (1u << index)) != 0;
}

struct hazards *hazards_new(const struct cell *cell, struct hazard_tally *shared)
{
    struct hazards *hazards = x_calloc(1, sizeof(*hazards));
    hazards->cell = cell;
    hazards->tally = shared != NULL ? shared : &hazards->own;
    for (int i = 0; i < HAZARD_COUNT; i++) {
        struct strike *strike = &hazards->strikes[i];
        strike->times = cell->hazard[i].times > 0   ? cell->hazard[i].times
                        : i == HAZARD_INDEX_restart ? RESTARTS_DEFAULT
                                                    : TIMES_DEFAULT;
        strike->period = cell->ops > 0 ? cell->ops / strike->times : PERIOD_DEFAULT;
        if (strike->period < 1)
            strike->period = 1;
        strike->offset =
            (int64_t)(random_mix(cell->seed, (uint64_t)i + 1000) % (uint64_t)strike->period);
    }
    /* like the number of instances it is a state, whether anybody looks at the clock or not */
    if (planned(hazards, HAZARD_INDEX_skew))
        atomic_store(&hazards->tally->hits[HAZARD_INDEX_skew], cell->instances / 2);
    return hazards;
}

void hazards_free(struct hazards *hazards)
{
    free(hazards);
}

bool hazards_strike(struct hazards *hazards, enum hazard_index index)
{
    const struct strike *strike = &hazards->strikes[index];
    struct hazard_tally *tally = hazards->tally;
    if (!planned(hazards, index) || atomic_load(&tally->hits[index]) >= strike->times ||
        atomic_fetch_add(&tally->occasions[index], 1) % strike->period != strike->offset)
        return false;
    atomic_fetch_add(&tally->hits[index], 1);
    return true;
}

int64_t hazards_hits(const struct hazards *hazards, enum hazard_index index)
{
    return atomic_load(&hazards->tally->hits[index]);
}

/* Counts a hit when it happens, not when the victim is chosen: an operation may be too short. */
static bool choose(struct hazards *hazards, enum hazard_index index)
{
    bool chosen = hazards_strike(hazards, index);
    if (chosen)
        atomic_fetch_sub(&hazards->tally->hits[index], 1);
    return chosen;
}

void hazards_on_restart(struct hazards *hazards, void (*wanted)(void *), void *context)
{
    hazards->restart = wanted;
    hazards->restart_context = context;
}

static bool restart_is_due(struct hazards *hazards)
{
    const struct strike *strike = &hazards->strikes[HAZARD_INDEX_restart];
    if (hazards->restart == NULL || !planned(hazards, HAZARD_INDEX_restart) ||
        atomic_load(&hazards->restarting))
        return false;
    long long hits = atomic_load(&hazards->tally->hits[HAZARD_INDEX_restart]);
    return hits < strike->times &&
           atomic_load(&hazards->tally->begun) > strike->offset + hits * strike->period;
}

/* At the gate -------------------------------------------------------------------------------- */

static enum gate_action arrive(void *state, const struct step *step)
{
    struct hazards *hazards = state;
    bool writes = step->kind == STEP_INSERT || step->kind == STEP_UPDATE ||
                  step->kind == STEP_DELETE || step->kind == STEP_FIND_AND_MODIFY ||
                  step->kind == STEP_COMMIT;
    if (!writes)
        return GATE_PASS;
    if (hazards_strike(hazards, HAZARD_INDEX_lost_reply))
        return hazards->cell->hazard[HAZARD_INDEX_lost_reply].amount == 0 ? GATE_CLOSE_AFTER
                                                                          : GATE_CLOSE_ONCE;
    if (hazards_strike(hazards, HAZARD_INDEX_drop))
        return GATE_CLOSE_BEFORE;
    if (hazards_strike(hazards, HAZARD_INDEX_error))
        return GATE_ERROR;
    if (hazards_strike(hazards, HAZARD_INDEX_hang))
        return GATE_SILENT;
    if (restart_is_due(hazards)) {
        atomic_store(&hazards->restarting, true);
        hazards->restart(hazards->restart_context);
        return GATE_CLOSE_ONCE; /* what is sent again meets the new engine */
    }
    return GATE_PASS;
}

const struct gate_policy hazards_at_gate = {.name = "hazards", .arrive = arrive};

enum hazard_index hazards_at_file(struct hazards *hazards)
{
    if (hazards_strike(hazards, HAZARD_INDEX_error))
        return HAZARD_INDEX_error;
    return hazards_strike(hazards, HAZARD_INDEX_hang) ? HAZARD_INDEX_hang : HAZARD_INDEX_none;
}

/* At a worker -------------------------------------------------------------------------------- */

void hazards_begin(struct hazards *hazards, struct session *session)
{
    static const enum hazard_index at_workers[] = {HAZARD_INDEX_delay, HAZARD_INDEX_pause,
                                                   HAZARD_INDEX_crash};
    atomic_fetch_add(&hazards->tally->begun, 1);
    for (size_t i = 0; i < COUNT_OF(at_workers) && session->doom == HAZARD_INDEX_none; i++) {
        if (!choose(hazards, at_workers[i]))
            continue;
        int steps = atomic_load(&hazards->tally->steps_max);
        session->doom = at_workers[i];
        session->doom_step =
            atomic_fetch_add(&hazards->tally->position, 1) % (steps > 0 ? steps : 1);
    }
}

/* Steps are counted by attempt: one that finds a lock held is short, so what is to strike a holder
 * waits until the worker is one. */
static void note_steps(struct hazards *hazards, struct session *session)
{
    if (session->steps > atomic_load(&hazards->tally->steps_max))
        atomic_store(&hazards->tally->steps_max, session->steps);
    session->steps = 0;
    session->steps_attempt = session->attempts;
}

void hazards_end(struct hazards *hazards, struct session *session)
{
    note_steps(hazards, session);
    if (session->doom_step > 0)
        session->doom_step--; /* what has not come yet: few attempts may get that far */
}

void hazards_struck(struct hazards *hazards, enum hazard_index index)
{
    atomic_fetch_add(&hazards->tally->hits[index], 1);
    if (index == HAZARD_INDEX_restart)
        atomic_store(&hazards->restarting, false);
}

int64_t hazards_time_us(const struct hazards *hazards, enum hazard_index index)
{
    int64_t amount_us = hazards->cell->hazard[index].amount;
    if (amount_us > 0)
        return amount_us;
    return index == HAZARD_INDEX_pause ? hazards->cell->lease_ms * 1500 : DELAY_DEFAULT_MS * 1000;
}

/* Does the worker let others of its instance go first at such a step anyway? At the others it must
 * not stop, since whoever waits for a condition would miss what happens meanwhile. */
static bool is_long(enum step_kind kind)
{
    return kind <= STEP_OTHER_COMMAND || kind == STEP_SLEEP || kind == STEP_READ_FILE ||
           kind == STEP_EMPTY_FILE || kind == STEP_WRITE_FILE || kind == STEP_LOCK_FILE;
}

bool hazards_step(struct hazards *hazards, struct session *session, enum step_kind kind)
{
    enum hazard_index doom = session->doom;
    if (!session->in_attempt) /* who waits for the next attempt, or starts an instance again */
        return true;
    if (session->steps_attempt != session->attempts)
        note_steps(hazards, session);
    if (session->steps++ < session->doom_step || doom == HAZARD_INDEX_none)
        return true;
    if (doom != HAZARD_INDEX_crash && !is_long(kind))
        return true; /* just before the next one */
    session->doom = HAZARD_INDEX_none;
    if (session->crew->witness != NULL && doom != HAZARD_INDEX_delay) {
        session->crew->witness->struck(session, doom); /* its process, from outside */
        return true;
    }
    hazards_struck(hazards, doom);
    if (doom == HAZARD_INDEX_crash) {
        crew_crash(session);
        return false;
    }
    const struct transport_table *transport = session->crew->transport;
    transport->waiting->leave(session);
    transport->clock->sleep_us(session, hazards_time_us(hazards, doom));
    transport->waiting->enter(session);
    return true;
}

int64_t hazards_skew_ms(struct hazards *hazards, const struct session *session)
{
    const struct cell *cell = hazards->cell;
    if (!planned(hazards, HAZARD_INDEX_skew) || session->instance->number % 2 == 0)
        return 0;
    int64_t amount_us = cell->hazard[HAZARD_INDEX_skew].amount;
    return amount_us != 0 ? amount_us / 1000 : cell->lease_ms + 1000;
}
