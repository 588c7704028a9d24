/* SPDX-License-Identifier: Apache-2.0
 *
 * histories: random small histories of every kind that `racebench check` judges, and the reference
 * that says what is true of them: a search over all orders that shares no code with the product.
 * A history is made by letting operations happen at points drawn inside their intervals, so it has
 * an order; then up to three of its results or times are changed, and it may have none.
 */
#ifndef RACEBENCH_TESTS_CHECK_HISTORIES_H
#define RACEBENCH_TESTS_CHECK_HISTORIES_H

#include <stdint.h>
#include <stdlib.h>

#include "base.h"
#include "check/judge.h"

enum { OPERATIONS_MAX = 7, PLACES = 16, READ_MAX = 8 };

/* Kinds of history: a model, and how its values are drawn. */
enum kind {
    KIND_REGISTER,
    KIND_REGISTER_UNIQUE,
    KIND_CAS,
    KIND_CAS_UNIQUE,
    KIND_VERSIONS,
    KIND_ADDS,
    KIND_ADDS_DOWN,
    KIND_ADDS_MIXED,
    KIND_INCREMENTS,
    KIND_SET,
    KIND_MUTEX,
    KIND_COUNT
};
static const struct {
    const char *name;
    enum model model;
} kinds[KIND_COUNT] = {
    {"register", MODEL_REGISTER},
    {"register, unique writes", MODEL_REGISTER},
    {"cas-register", MODEL_CAS_REGISTER},
    {"cas-register, unique cas", MODEL_CAS_REGISTER},
    {"named versions", MODEL_REGISTER},
    {"counter, equal adds", MODEL_COUNTER},
    {"counter, adds of -2", MODEL_COUNTER},
    {"counter, mixed adds", MODEL_COUNTER},
    {"counter, increments", MODEL_COUNTER},
    {"set", MODEL_SET},
    {"mutex", MODEL_MUTEX},
};

/* The reference ------------------------------------------------------------------------------- */

/* A history for the reference: a state is a number, of sets a bit per element. */
struct reference {
    enum kind kind;
    const struct operation *operations;
    const int64_t *elements;
    int count;
};

/* Elements of a read as bits; -1: one is there twice. */
static inline int64_t bits_of(const struct reference *reference, const struct operation *read)
{
    int64_t bits = 0;
    for (int64_t i = 0; i < read->second; i++) {
        int64_t bit = INT64_C(1) << reference->elements[read->first + i];
        if ((bits & bit) != 0)
            return -1;
        bits |= bit;
    }
    return bits;
}

static inline bool explains(const struct reference *reference, int64_t *state,
                            const struct operation *o)
{
    bool known = !o->pending;
    if (reference->kind == KIND_VERSIONS) {
        if (o->read != *state)
            return false;
        *state = o->wrote >= 0 ? o->wrote : *state;
        return true;
    }
    switch (o->action) {
    case ACTION_READ:
        return reference->kind == KIND_SET ? bits_of(reference, o) == *state : *state == o->first;
    case ACTION_WRITE:
        *state = o->first;
        return true;
    case ACTION_CAS:
        if (*state != o->first)
            return false;
        *state = o->second;
        return true;
    case ACTION_ADD:
        if (reference->kind == KIND_SET)
            *state |= INT64_C(1) << o->first;
        else
            *state += o->first;
        return true;
    case ACTION_INCREMENT:
        *state += 1;
        return !known || *state == o->first;
    default:
        if (*state != (o->action == ACTION_RELEASE))
            return false;
        *state = o->action == ACTION_ACQUIRE;
        return true;
    }
}

/* Is there an order of those not in `done`, from this state on? Tries all. */
static inline bool has_order(const struct reference *reference, unsigned done, int64_t state)
{
    bool finished = true;
    for (int i = 0; i < reference->count; i++)
        finished = finished && ((done >> i & 1) != 0 || reference->operations[i].pending);
    if (finished)
        return true;
    for (int i = 0; i < reference->count; i++) {
        bool possible = (done >> i & 1) == 0;
        for (int j = 0; possible && j < reference->count; j++)
            possible = (done >> j & 1) != 0 || reference->operations[j].pending ||
                       reference->operations[j].end >= reference->operations[i].begin;
        int64_t next = state;
        if (possible && explains(reference, &next, &reference->operations[i]) &&
            has_order(reference, done | 1u << i, next))
            return true;
    }
    return false;
}

/* Making histories ---------------------------------------------------------------------------- */

struct made {
    struct foreign foreign;
    struct operation operations[OPERATIONS_MAX];
    int64_t elements[OPERATIONS_MAX * READ_MAX];
    enum kind kind;
};

static inline int64_t draw(struct random *random, int64_t low, int64_t high)
{
    return low + (int64_t)random_below(random, (uint64_t)(high - low + 1));
}

/* What operation number i is called on; what it returns is filled in when it "happens". */
static inline void draw_call(struct random *random, enum kind kind, int i, struct operation *o)
{
    bool reads = random_below(random, 5) < 2;
    o->read = o->wrote = NO_VERSION;
    o->action = ACTION_READ;
    switch (kind) {
    case KIND_REGISTER:
    case KIND_REGISTER_UNIQUE:
        o->action = reads ? ACTION_READ : ACTION_WRITE;
        o->first = kind == KIND_REGISTER ? draw(random, 0, 2) : i + 1;
        break;
    case KIND_CAS:
    case KIND_CAS_UNIQUE:
        o->action = reads ? ACTION_READ : ACTION_CAS;
        if (kind == KIND_CAS && random_below(random, 3) == 0)
            o->action = ACTION_WRITE;
        o->first = draw(random, 0, 2);
        o->second = kind == KIND_CAS ? draw(random, 0, 2) : i + 1;
        break;
    case KIND_VERSIONS:
        o->action = reads ? ACTION_READ : ACTION_ADD;
        break;
    case KIND_ADDS:
    case KIND_ADDS_DOWN:
    case KIND_ADDS_MIXED:
        o->action = reads ? ACTION_READ : ACTION_ADD;
        o->first = kind == KIND_ADDS ? 1 : kind == KIND_ADDS_DOWN ? -2 : draw(random, -2, 3);
        break;
    case KIND_INCREMENTS:
        o->action = reads ? ACTION_READ : ACTION_INCREMENT;
        break;
    case KIND_SET:
        o->action = reads ? ACTION_READ : ACTION_ADD;
        o->first = draw(random, 1, 4);
        break;
    default:
        o->action = random_below(random, 2) == 0 ? ACTION_ACQUIRE : ACTION_RELEASE;
    }
}

/* The operation takes effect: fills in what it saw. False: it cannot now, and so failed. */
static inline bool happen(struct made *made, int i, int64_t *state)
{
    struct operation *o = &made->operations[i];
    if (made->kind == KIND_VERSIONS) {
        o->read = *state;
        if (o->action == ACTION_ADD)
            *state = o->wrote = i + 1;
        return true;
    }
    if (o->action == ACTION_CAS && made->kind == KIND_CAS_UNIQUE)
        o->first = *state;
    if (o->action == ACTION_INCREMENT)
        o->first = *state + 1;
    if (o->action == ACTION_READ && made->kind == KIND_SET) {
        o->first = (int64_t)i * READ_MAX;
        o->second = 0;
        for (int64_t element = 1; element <= 4; element++)
            if ((*state >> element & 1) != 0)
                made->elements[o->first + o->second++] = element;
    } else if (o->action == ACTION_READ) {
        o->first = *state;
    }
    struct reference reference = {made->kind, made->operations, made->elements, 0};
    return explains(&reference, state, o);
}

/* Makes one returned value wrong, or moves an operation, so that about half contradict. */
static inline void falsify(struct random *random, struct made *made)
{
    struct operation *o = &made->operations[random_below(random, made->foreign.count)];
    if (random_below(random, 3) == 0) {
        int64_t length = o->end - o->begin;
        o->begin = draw(random, 0, PLACES);
        if (!o->pending)
            o->end = o->begin + length;
    } else if (made->kind == KIND_MUTEX) {
        o->action = o->action == ACTION_ACQUIRE ? ACTION_RELEASE : ACTION_ACQUIRE;
    } else if (made->kind == KIND_VERSIONS) {
        o->read = draw(random, 0, OPERATIONS_MAX);
    } else if (o->action == ACTION_READ && made->kind == KIND_SET) {
        if (o->second > 0 && random_below(random, 2) == 0)
            o->second--;
        else if (o->second < READ_MAX)
            made->elements[o->first + o->second++] = draw(random, 1, 4);
    } else if (o->action == ACTION_READ || o->action == ACTION_INCREMENT) {
        o->first += made->kind == KIND_ADDS_DOWN ? 2 * draw(random, -1, 1) : draw(random, -1, 1);
        if (kinds[made->kind].model != MODEL_COUNTER && o->first < 0)
            o->first = 0;
    }
}

static inline int compare_begins(const void *left, const void *right)
{
    const struct operation *a = left, *b = right;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

/* The operations sorted by invocation, without pending reads; shared with no one. */
static inline void settle(struct made *made)
{
    size_t kept = 0;
    for (size_t i = 0; i < made->foreign.count; i++)
        if (!made->operations[i].pending || made->operations[i].action != ACTION_READ)
            made->operations[kept++] = made->operations[i];
    made->foreign.count = kept;
    qsort(made->operations, kept, sizeof(made->operations[0]), compare_begins);
}

/* Draws intervals, lets the operations happen in the order of points drawn inside them, some of the
 * unanswered not at all. */
static inline void make(struct random *random, enum kind kind, struct made *made)
{
    int64_t points[OPERATIONS_MAX], state = 0;
    int count = (int)draw(random, 2, OPERATIONS_MAX);
    bool failed[OPERATIONS_MAX] = {false};
    *made = (struct made){.kind = kind};
    for (int i = 0; i < count; i++) {
        struct operation *o = &made->operations[i];
        o->begin = draw(random, 0, PLACES);
        o->end = o->begin + draw(random, 0, PLACES / 3);
        o->pending = random_below(random, 6) == 0;
        points[i] = draw(random, o->begin, o->pending ? PLACES * 2 : o->end) * OPERATIONS_MAX + i;
        o->end = o->pending ? PLACE_NEVER : o->end;
        draw_call(random, kind, i, o);
    }
    for (int turn = 0; turn < count; turn++) {
        int next = -1;
        for (int i = 0; i < count; i++)
            if (points[i] >= 0 && (next < 0 || points[i] < points[next]))
                next = i;
        points[next] = -1;
        bool never = made->operations[next].pending && random_below(random, 2) == 0;
        failed[next] = never ? false : !happen(made, next, &state);
        if (never && kind == KIND_VERSIONS && made->operations[next].action == ACTION_ADD) {
            made->operations[next].read = draw(random, 0, OPERATIONS_MAX);
            made->operations[next].wrote = next + 1;
        }
    }
    for (int i = 0; i < count; i++)
        if (!failed[i])
            made->operations[made->foreign.count++] = made->operations[i];
    for (int i = 0; made->foreign.count > 0 && i < 3; i++)
        if (random_below(random, 2) == 0)
            falsify(random, made);
    settle(made);
}

#endif
