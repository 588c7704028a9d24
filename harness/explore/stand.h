/* SPDX-License-Identifier: Apache-2.0
 *
 * stand: inside a world. A stand is a worker's place: the fiber, the step that it is about to make,
 * what it has been told in the present attempt, what its commands have examined. world.c moves
 * workers from one step to the next, stand.c is the transport under their sessions, state.c makes
 * the key of it all.
 */
#ifndef RACEBENCH_EXPLORE_STAND_H
#define RACEBENCH_EXPLORE_STAND_H

#include "documents.h"
#include "memory.h"
#include "run_cell.h"
#include "world.h"

struct fiber;
struct recorder; /* opaque: record.c */

/* What a lease is over by, when the clock moves past it. */
enum { WORLD_MARGIN_MS = 1000 };

/* What a command examined: stale when something at the place has changed since. */
struct examined {
    hash128 place;
    int64_t changes;
};

struct stand {
    struct session *session;
    struct fiber *fiber;
    bool ended;
    int64_t share;   /* operations at the start */
    int64_t claimed; /* operations that were left when it slept last */
    bool free;       /* steps are made without asking: before the first operation or sleep */
    bool inside;     /* alone in its instance, whose RAM is shared */
    bool woken;      /* of a worker that waits for a condition */
    bool resting;
    bool parked;      /* its command is on its way through the engine and will be answered later */
    bool starting;    /* runs its instance's setup: before anybody works, so nobody is asked */
    bool trying;      /* in an attempt */
    bool cut;         /* its transaction has ended with the engine, and it has not been told yet */
    hash128 snapshot; /* of its transaction: what it shows ... */
    int64_t snapshot_write; /* ... and the documents' last change before it */
    bool failed;            /* the step at which it stands fails: its instance has died */
    unsigned armed;         /* HAZARD_BIT()s that strike when the scenario comes to it */
    enum step_kind kind;    /* of the step at which it stands */
    const char *target;
    int64_t bound;           /* of a draw */
    enum move_kind fate;     /* what becomes of the step ... */
    int64_t drawn;           /* ... or what is drawn */
    hash128 scenario, chain; /* all that it was told: by operations so far, in this attempt */
    hash128 outcomes;        /* of its operations */
    int32_t attempts;        /* of the present operation */
    struct examined *examined;
    size_t kept; /* of them: the first ones, of documents that the scenario has been handed */
    size_t examined_count, examined_capacity;
};

struct world {
    struct cell cell; /* a copy, with what explore decides itself */
    struct world_limits limits;
    struct stage stage;
    struct documents documents;
    struct folder *first_files; /* as they were at the start */
    struct stand *stands;
    int32_t count, alive;
    bool begun;   /* fibers are in the middle */
    bool started; /* everyone has been set up */
    int64_t now_ms;
    int64_t *ahead_ms; /* of each instance's clock */
    bool clock_moves;  /* it can, while others could move: readings are steps */
    int idle;          /* moves of the clock since somebody wrote, made since nobody could go on */
    int64_t idle_writes;
    unsigned struck; /* HAZARD_BIT()s of faults that had their effect, in any execution */
    int clock_left, faults_left, switches_left;
    int32_t running; /* whose fiber runs, or STEP_NOBODY */
    int32_t last;    /* worker that moved last, or STEP_NOBODY */
    int64_t moved;   /* moves of this execution */
    int64_t steps;   /* of all */
    struct move *moves;
    size_t move_count, move_capacity;
    hash128 trace;
    hash128 orphans;         /* transactions in the engine whose workers have died, in no order */
    bool saw_other;          /* a worker was told something that names another one: a token */
    struct memory functions; /* the function check: told -> next step */
    char *fault;
    struct history events; /* scratch: of the judge */
    bson_t **first;        /* the scenario's documents at the start; NULL: absent */
    int64_t first_count;
    int64_t initial_value;     /* of the scenario's number in them */
    struct recorder *recorder; /* of a trail; NULL: none is kept */
};

/* The tables under the sessions of a world's workers. */
extern const struct transport_table transport_explore;

/* The stand of a session. */
struct stand *stand_of(const struct session *);
/* Has this worker's transaction begun within the engine? */
bool stand_in_transaction(const struct stand *);
/* Stands before the first operation, for whoever may start another copy there. */
void stand_begin(struct session *);
/* Could this stand's step be made now? */
bool stand_ready(const struct world *, const struct stand *);
/* The document in a file; NULL: there is none, or what is there holds none, which is the same to
 * whoever lost it. The caller destroys it. */
bson_t *world_file(const struct world *, int64_t id);
/* The recorder of a trail: begins with a world that has just begun (NULL: keeps none), is told
 * before a move, what its command returned, and after it; ends with the execution. */
void record_open(struct world *, struct trail *);
void record_before(struct world *, const struct move *);
void record_reply(const struct session *, const struct command_reply *);
void record_after(struct world *);
void record_close(struct world *);
/* The engine stops and starts again: see engine_restart(). */
void world_restart(struct world *);
/* Has something changed that the worker examined? */
bool stand_stale(const struct world *, const struct stand *);

#endif
