/* SPDX-License-Identifier: Apache-2.0
 *
 * strategy: how one attempt at an edit is made, safely or not. One file in strategies/ is one
 * strategy: its name is the file's name, the symbol strategy_NAME and what --strategy takes. A
 * strategy makes ONE attempt per apply(): no loop, no sleep, no counting; worker_apply() does
 * these. It reaches the outside only through its session.
 */
#ifndef RACEBENCH_STRATEGY_H
#define RACEBENCH_STRATEGY_H

#include "session.h"

/* What a strategy can be asked to do, and what a scenario needs. */
enum can {
    CAN_CHANGE = 1 << 0,        /* run edit->change */
    CAN_OPERATORS = 1 << 1,     /* send edit->operators (then it needs no change function) */
    CAN_TWO_DOCUMENTS = 1 << 2, /* edits of two documents */
    CAN_BASE = 1 << 3,          /* accept edit->base */
    CAN_ONCE = 1 << 4,          /* accept edit->once */
    CAN_CREATE = 1 << 5,        /* documents that are absent at the start */
};

/* Where the documents live: where run.c seeds and reads them. */
enum home { HOME_DATABASE, HOME_FILES };

/* What can go wrong with updates: what scenarios check and strategies claim to avoid. */
enum property {
    LOST,     /* an acknowledged update is gone */
    DOUBLED,  /* one operation was applied twice */
    REPEATED, /* a thing asked for once was done twice */
    MISSED,   /* a thing asked for was never done */
    TORN,     /* a reader saw half of an update */
    SKEWED,   /* a rule over two documents is violated */
    PROPERTY_COUNT
};
/* "lost", "doubled", ... */
const char *property_name(enum property);

/* Claim bits: hazards.def's rows. */
enum hazard_index {
#define HAZARD(name, place, help) HAZARD_INDEX_##name,
#include "hazards.def"
#undef HAZARD
    HAZARD_COUNT
};
#define HAZARD_BIT(name) (1u << HAZARD_INDEX_##name)
/* "none", "instances", ... */
const char *hazard_name(enum hazard_index);

/* What a strategy keeps in one scenario beyond what it keeps everywhere: nothing is `property`
 * there under these HAZARD_BIT()s. */
struct claim {
    const char *scenario; /* its name; NULL ends a list */
    enum property property;
    unsigned hazards;
};
enum { CLAIMS_ALSO_MAX = 4 };

struct strategy {
    const char *name; /* the file's name */
    const char *help; /* one line */
    unsigned can;     /* bits of enum can */
    enum home home;
    bool blind; /* sends operators and never reads: its updates have no parent in the history */
    unsigned keeps[PROPERTY_COUNT]; /* claims: keeps[LOST] = HAZARD_BIT()s under which no update is
                                     * lost, and so on, in every scenario that checks it */
    struct claim also[CLAIMS_ALSO_MAX];
    /* By what it knows of others who write the same document: "version", "lock". In a mix
     * strategies keep their claims only where all have the same; NULL: it knows of nobody. */
    const char *guard;
    /* Adds what documents carry from birth (a schema's defaults) to one that is seeded; NULL:
     * nothing. `now_ms` is the wall clock. */
    void (*born)(bson_t *document, int64_t now_ms);
    /* At every start of an instance, also after its crash; returns the RAM that the instance's
     * workers share, or NULL for none. May use the session. */
    void *(*setup)(struct session *);
    /* One attempt. `shared` is what setup returned. */
    enum outcome (*apply)(struct session *, void *shared, const struct edit *);
    /* Adds the shared RAM to a state key; required when setup returns some. */
    void (*digest)(const void *shared, struct hash *);
    /* Frees the shared RAM; may use the session, for example for a last save. */
    void (*teardown)(struct session *, void *shared);
};

/* All of them, sorted by name, ended by NULL (generated from the folder). */
extern const struct strategy *const strategies[];
/* The program that has these strategies, as a command line begins with it: "./racebench". */
extern const char registry_program[];
/* By name, or NULL. */
const struct strategy *strategy_find(const char *name);
/* What is wrong with a strategy that the file `file`.c holds, or NULL: static text. */
const char *strategy_fault(const struct strategy *, const char *file);
/* Ends the program when any strategy or scenario has a fault; main's first act. */
void registry_check(void);

#endif
