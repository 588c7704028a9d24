/* SPDX-License-Identifier: Apache-2.0
 *
 * matrix: every strategy on every scenario under every hazard, as cells small enough that all of
 * them run in minutes; and the convictions that must happen, without which the rest proves nothing.
 */
#ifndef RACEBENCH_MATRIX_H
#define RACEBENCH_MATRIX_H

#include "cell.h"
#include "checker.h"

#include <stddef.h>

/* What a matrix is made of; NULL members mean all. */
struct matrix_settings {
    /* `strategy` may be a mix, "A+B". */
    bool (*wanted)(const void *context, const struct scenario *, const char *strategy);
    const void *context;
    bool quick;
    bool transport_given; /* then `transport` holds in every cell */
    enum transport transport;
    uint64_t seed;
    const char *store; /* of cells over sockets; NULL: the usual one */
    enum durability durability;
};

/* How many cells there are, and the cells themselves, scenario by scenario; then the convictions.
 * The caller frees them. */
struct cell *matrix_cells(const struct matrix_settings *, size_t *count);

/* A cell that must be seen to break. Numbers that are 0 are the matrix's own. */
struct conviction {
    const char *strategy, *scenario; /* the strategy may be a mix, "A+B" */
    enum reason of;                  /* what it is found guilty of */
    const char *why;                 /* which promise it is that does not hold */
    unsigned hazards;
    int32_t instances;
    int32_t processes; /* one instance each */
    int32_t times;     /* that its hazards strike */
    int64_t jitter_ms, lease_ms, work_us;
    int64_t backoff_us; /* between attempts, always as long */
    int64_t dead_us;    /* crash: how long the instance is away */
    int32_t max_tries;
    enum persona persona; /* what the engine poses as */
    bool retry_unknown;
};
/* All of them, ended by one without a strategy. */
extern const struct conviction matrix_convictions[];

#endif
