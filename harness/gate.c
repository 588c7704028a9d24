/* SPDX-License-Identifier: Apache-2.0
 *
 * gate: see gate.h. Counters are relaxed atomics, since they order nothing. The trace and the
 * counts of applied writes are arrays that the engine's thread fills while others may read, so they
 * share one lock; it is taken for a write that changed something, and for every step only when a
 * trace was asked for.
 *
 * How often an operation was applied is one saturating byte per (collection, worker, operation):
 * operations of a worker are numbered from 0 without holes, so a growing array per worker is the
 * smallest table, and a million operations cost a megabyte.
 */
#include "gate.h"

#include "base.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Operation numbers beyond this are somebody else's comment; they must not cost memory. */
enum { OPERATION_MAX = 1 << 28 };
enum { SHUTDOWN_IN_PROGRESS = 91 };

struct tally {
    uint8_t *counts; /* by operation; saturates at 255 */
    size_t capacity;
};

struct applied {
    char *collection;
    struct tally *workers; /* gate->workers of them */
};

/* What became of a worker's latest command that a driver may send again. */
struct fate {
    uint64_t key; /* 0: it passed */
    enum gate_action action;
};

struct gate {
    int32_t workers;
    struct fate *fates; /* by worker; only the engine's thread looks at them */
    /* Set while no step is on its way, which threads know from each other's sockets: an order that
     * no memory model sees. */
    _Atomic(const struct gate_policy *) policy;
    _Atomic(void *) policy_state;
    int32_t error_code;
    _Atomic int64_t steps[STEP_KIND_COUNT];
    _Atomic int64_t unattributed;

    size_t trace_max;
    atomic_bool trace_full;

    pthread_mutex_t lock; /* guards everything below */
    struct trace_entry *trace;
    size_t trace_count;
    struct applied *applied;
    size_t applied_count, applied_capacity;
};

struct kind_names {
    const char *name;    /* in schedules and tables */
    const char *command; /* MongoDB's, or NULL */
};

static const struct kind_names kinds[STEP_KIND_COUNT] = {
    [STEP_FIND] = {"find", "find"},
    [STEP_INSERT] = {"insert", "insert"},
    [STEP_UPDATE] = {"update", "update"},
    [STEP_DELETE] = {"delete", "delete"},
    [STEP_FIND_AND_MODIFY] = {"find_and_modify", "findAndModify"},
    [STEP_BEGIN] = {"begin", NULL},
    [STEP_COMMIT] = {"commit", "commitTransaction"},
    [STEP_ABORT] = {"abort", "abortTransaction"},
    [STEP_OTHER_COMMAND] = {"command", NULL},
    [STEP_NOW] = {"now", NULL},
    [STEP_SLEEP] = {"sleep", NULL},
    [STEP_RANDOM] = {"random", NULL},
    [STEP_TOKEN] = {"token", NULL},
    [STEP_READ_FILE] = {"read_file", NULL},
    [STEP_EMPTY_FILE] = {"empty_file", NULL},
    [STEP_WRITE_FILE] = {"write_file", NULL},
    [STEP_LOCK_FILE] = {"lock_file", NULL},
    [STEP_UNLOCK_FILE] = {"unlock_file", NULL},
    [STEP_WAIT] = {"wait", NULL},
    [STEP_WAKE] = {"wake", NULL},
    [STEP_ENTER] = {"enter", NULL},
};

struct gate *gate_new(int32_t workers, size_t trace_max)
{
    struct gate *gate = x_calloc(1, sizeof *gate);
    must(workers >= 0);
    gate->workers = workers;
    gate->fates = x_calloc((size_t)workers + 1, sizeof *gate->fates);
    gate->trace_max = trace_max;
    atomic_init(&gate->trace_full, trace_max == 0);
    gate->error_code = SHUTDOWN_IN_PROGRESS;
    if (trace_max > 0)
        gate->trace = x_calloc(trace_max, sizeof *gate->trace);
    must(pthread_mutex_init(&gate->lock, NULL) == 0);
    return gate;
}

void gate_free(struct gate *gate)
{
    if (gate == NULL)
        return;
    for (size_t i = 0; i < gate->applied_count; i++) {
        for (int32_t worker = 0; worker < gate->workers; worker++)
            free(gate->applied[i].workers[worker].counts);
        free(gate->applied[i].workers);
        free(gate->applied[i].collection);
    }
    free(gate->applied);
    free(gate->trace);
    free(gate->fates);
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

void gate_forget(struct gate *gate)
{
    for (size_t i = 0; i < gate->applied_count; i++)
        for (int32_t worker = 0; worker < gate->workers; worker++) {
            struct tally *tally = &gate->applied[i].workers[worker];
            if (tally->capacity > 0)
                memset(tally->counts, 0, tally->capacity);
        }
}

void gate_set_policy(struct gate *gate, const struct gate_policy *policy, void *state)
{
    atomic_store(&gate->policy_state, state);
    atomic_store(&gate->policy, policy);
}

void gate_set_error(struct gate *gate, int32_t code)
{
    gate->error_code = code;
}

int32_t gate_error(const struct gate *gate)
{
    return gate->error_code;
}

bool gate_has_workers(const struct gate *gate)
{
    return gate->workers > 0;
}

static bool gate_knows(const struct gate *gate, const struct step *step)
{
    return step->worker >= 0 && step->worker < gate->workers && step->operation >= 0 &&
           step->operation < OPERATION_MAX;
}

static void gate_record(struct gate *gate, const struct step *step)
{
    pthread_mutex_lock(&gate->lock);
    if (gate->trace_count < gate->trace_max) {
        struct trace_entry *entry = &gate->trace[gate->trace_count++];
        entry->worker = step->worker;
        entry->kind = step->kind;
        entry->operation = step->operation;
        entry->at_ns = clock_monotonic_ns();
        size_t length = strnlen(step->target, sizeof entry->target - 1);
        memcpy(entry->target, step->target, length);
        entry->target[length] = '\0';
        if (step->command != NULL)
            gate_trace_command(step->command, entry);
        atomic_store_explicit(&gate->trace_full, gate->trace_count == gate->trace_max,
                              memory_order_relaxed);
    }
    pthread_mutex_unlock(&gate->lock);
}

enum gate_action gate_arrive(struct gate *gate, const struct step *step)
{
    if (!gate_knows(gate, step)) {
        const struct gate_policy *policy = atomic_load(&gate->policy);
        bool early = policy != NULL && policy->early && step->operation == OPERATION_NONE &&
                     step->worker >= 0 && step->worker < gate->workers;
        atomic_fetch_add_explicit(&gate->unattributed, 1, memory_order_relaxed);
        return early ? gate_ask(gate, step) : GATE_PASS;
    }
    atomic_fetch_add_explicit(&gate->steps[step->kind], 1, memory_order_relaxed);
    if (step->worker < TRACE_WORKERS_MAX &&
        !atomic_load_explicit(&gate->trace_full, memory_order_relaxed))
        gate_record(gate, step);
    return gate_ask(gate, step);
}

enum gate_action gate_ask(struct gate *gate, const struct step *step)
{
    const struct gate_policy *policy = atomic_load(&gate->policy);
    void *state = atomic_load(&gate->policy_state);
    if (policy == NULL || policy->arrive == NULL)
        return GATE_PASS;
    if (step->resend_key == 0) {
        enum gate_action once = policy->arrive(state, step);
        return once == GATE_CLOSE_ONCE ? GATE_CLOSE_AFTER : once;
    }
    struct fate *fate = &gate->fates[step->worker];
    uint64_t key = random_mix(step->resend_key, step->kind);
    bool again = fate->key == key;
    fate->key = 0;
    if (again)
        return fate->action;
    enum gate_action action = policy->arrive(state, step);
    if (action == GATE_CLOSE_ONCE)
        return GATE_CLOSE_AFTER;
    if (action != GATE_PASS && action != GATE_HOLD)
        *fate = (struct fate){key, action};
    return action;
}

static struct applied *gate_find_applied(const struct gate *gate, const char *collection)
{
    for (size_t i = 0; i < gate->applied_count; i++)
        if (strcmp(gate->applied[i].collection, collection) == 0)
            return &gate->applied[i];
    return NULL;
}

static struct applied *gate_add_applied(struct gate *gate, const char *collection)
{
    size_t index = array_grow((void **)&gate->applied, &gate->applied_count,
                              &gate->applied_capacity, sizeof *gate->applied);
    gate->applied[index].collection = x_strdup(collection);
    gate->applied[index].workers =
        x_calloc((size_t)gate->workers, sizeof *gate->applied[index].workers);
    return &gate->applied[index];
}

static void tally_add(struct tally *tally, size_t operation, int64_t documents)
{
    if (operation >= tally->capacity) {
        size_t capacity = tally->capacity > 0 ? tally->capacity : 64;
        while (capacity <= operation)
            capacity *= 2;
        tally->counts = x_realloc(tally->counts, capacity);
        memset(tally->counts + tally->capacity, 0, capacity - tally->capacity);
        tally->capacity = capacity;
    }
    int64_t count = tally->counts[operation] + documents;
    tally->counts[operation] = (uint8_t)(count > UINT8_MAX ? UINT8_MAX : count);
}

void gate_applied(struct gate *gate, const struct step *step, int64_t documents)
{
    if (documents <= 0 || !gate_knows(gate, step))
        return;
    pthread_mutex_lock(&gate->lock);
    struct applied *applied = gate_find_applied(gate, step->target);
    if (applied == NULL)
        applied = gate_add_applied(gate, step->target);
    tally_add(&applied->workers[step->worker], (size_t)step->operation, documents);
    pthread_mutex_unlock(&gate->lock);
}

/* Reads digits into a number below `bound`; returns the place after them, or NULL. */
static const char *read_number(const char *text, int64_t bound, int64_t *number)
{
    if (*text < '0' || *text > '9')
        return NULL;
    for (*number = 0; *text >= '0' && *text <= '9'; text++) {
        *number = *number * 10 + (*text - '0');
        if (*number >= bound)
            return NULL;
    }
    return text;
}

bool gate_attribute(const char *comment, struct step *step)
{
    int64_t worker = 0, operation = 0;
    step->worker = STEP_NOBODY;
    step->operation = 0;
    if (comment[0] != 'w')
        return false;
    const char *rest = read_number(comment + 1, INT32_MAX, &worker);
    bool early = rest != NULL && *rest == '\0';
    if (early)
        operation = OPERATION_NONE;
    else if (rest == NULL || *rest != '.')
        return false;
    else if ((rest = read_number(rest + 1, INT64_MAX / 16, &operation)) == NULL || *rest != '\0')
        return false;
    step->worker = (int32_t)worker;
    step->operation = operation;
    return true;
}

enum step_kind gate_command_kind(const char *command_name)
{
    for (int kind = 0; kind < STEP_KIND_COUNT; kind++)
        if (kinds[kind].command != NULL && strcmp(kinds[kind].command, command_name) == 0)
            return (enum step_kind)kind;
    if (strcmp(command_name, "findandmodify") == 0) /* MongoDB's only alias of a worker's verb */
        return STEP_FIND_AND_MODIFY;
    return STEP_OTHER_COMMAND;
}

const char *step_kind_name(enum step_kind kind)
{
    must((int)kind >= 0 && kind < STEP_KIND_COUNT);
    return kinds[kind].name;
}

int64_t gate_count(const struct gate *gate, enum step_kind kind)
{
    return atomic_load_explicit(&gate->steps[kind], memory_order_relaxed);
}

int64_t gate_command_count(const struct gate *gate)
{
    int64_t count = 0;
    for (int kind = STEP_FIND; kind <= STEP_OTHER_COMMAND; kind++)
        count += gate_count(gate, (enum step_kind)kind);
    return count;
}

int64_t gate_unattributed_count(const struct gate *gate)
{
    return atomic_load_explicit(&gate->unattributed, memory_order_relaxed);
}

int64_t gate_applied_count(const struct gate *gate, const char *collection, int32_t worker,
                           int64_t operation)
{
    /* The lock is no part of what a const gate promises: the engine may still be running. */
    pthread_mutex_t *lock = (pthread_mutex_t *)&gate->lock;
    if (worker < 0 || worker >= gate->workers || gate_command_count(gate) == 0)
        return -1;
    pthread_mutex_lock(lock);
    const struct applied *applied = gate_find_applied(gate, collection);
    const struct tally *tally = applied != NULL ? &applied->workers[worker] : NULL;
    int64_t count = 0;
    if (tally != NULL && operation >= 0 && (size_t)operation < tally->capacity)
        count = tally->counts[operation];
    pthread_mutex_unlock(lock);
    return count;
}

const struct trace_entry *gate_trace(const struct gate *gate, size_t *count)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&gate->lock;
    pthread_mutex_lock(lock);
    *count = gate->trace_count;
    pthread_mutex_unlock(lock);
    return gate->trace;
}
