/* SPDX-License-Identifier: Apache-2.0
 *
 * cell: one run: a scenario, a strategy (or a mix of them), settings and hazards. Made by plan.c,
 * frozen afterwards.
 */
#ifndef RACEBENCH_CELL_H
#define RACEBENCH_CELL_H

#include "base.h"
#include <stdbool.h>
#include <stdint.h>

struct scenario;
struct strategy;

enum transport { TRANSPORT_DRIVER, TRANSPORT_DIRECT };
enum persona { PERSONA_REPLSET, PERSONA_STANDALONE };
enum expect { EXPECT_EXACT, EXPECT_CLAIMS, EXPECT_NONE };
/* Names as the command line spells them. */
const char *transport_name(enum transport);
const char *persona_name(enum persona);
const char *expect_name(enum expect);

/* How long worker_apply() sleeps between attempts. */
enum backoff_kind {
    BACKOFF_NONE,        /* try again at once */
    BACKOFF_FIXED,       /* base */
    BACKOFF_EXPONENTIAL, /* base x 2^tries, at most cap */
    BACKOFF_FULL_JITTER, /* a draw from [0, that) (AWS, "Exponential backoff and jitter") */
};
struct backoff {
    enum backoff_kind kind;
    int64_t base_us, cap_us;
};

/* How a planned hazard is to strike. */
struct hazard_setting {
    int64_t amount; /* of time, us (delay, pause, crash, skew), or a code (error); 0: its default */
    int32_t times;  /* how often in the run; 0: its default */
};

enum { CELL_STRATEGIES_MAX = 4, CELL_HAZARDS_MAX = 32 };

struct cell {
    const struct scenario *scenario;
    const struct strategy *strategy[CELL_STRATEGIES_MAX]; /* a mix: worker w runs w modulo count */
    int strategy_count;
    const char *strategy_name; /* "occ", or "naive+occ" */
    enum transport transport;
    enum persona persona; /* what the embedded engine poses as */
    enum expect expect;
    unsigned hazards; /* HAZARD_BIT()s that are planned, HAZARD_BIT(none) always */
    struct hazard_setting hazard[CELL_HAZARDS_MAX]; /* by enum hazard_index */
    const char *uri;      /* NULL: the embedded engine; otherwise the target, with secrets */
    const char *database; /* name asked for with --database, or NULL: racebench_<run id> */
    bool keep;            /* leave the database behind */
    int32_t workers, instances, processes;
    int64_t ops;         /* operations in all; 0: as many as --duration allows */
    int64_t duration_ms; /* 0: no limit */
    uint64_t seed;
    int64_t docs;    /* documents that the workers share out by chance; 1: one hot one */
    int64_t bytes;   /* size to which each document is padded; 0: as it is */
    bool unseeded;   /* documents are absent at the start */
    int64_t work_us; /* time between read and write */
    int64_t lease_ms;
    int64_t tick_ms;    /* cron_tick: from one tick to the next */
    int64_t jitter_ms;  /* cron_tick: a worker comes up to this much after its tick */
    int64_t timeout_ms; /* per command */
    int32_t max_tries;
    bool retry_unknown; /* after UNKNOWN workers try again, as applications do */
    struct backoff backoff;
    enum durability durability;
    const char *store;      /* of the embedded engine, or NULL: the transport's usual one */
    const char *column;     /* of a matrix: what goes wrong in it, "pause"; or NULL */
    const char *conviction; /* in a matrix: why this cell must be seen to break, or NULL */
    int convicted_of;       /* ... and with which enum reason; 0: any */
    bool explored; /* every schedule is tried, and the engine's memory outlives a restart */
    bool lenient;  /* with EXPECT_CLAIMS: what nobody claims may break, but need not */
};

/* The store of the embedded engine that the cell runs on: "wiredtiger", "memory". Static text. */
const char *cell_store(const struct cell *);

#endif
