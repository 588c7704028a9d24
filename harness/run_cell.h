/* SPDX-License-Identifier: Apache-2.0
 *
 * run_cell: the parts of a cell's run that are not the loop: before the workers (folder, engine,
 * target, database, seed) and after the join (final documents, record, verdict).
 */
#ifndef RACEBENCH_RUN_CELL_H
#define RACEBENCH_RUN_CELL_H

#include "run.h"
#include "target.h"
#include "transport.h"

/* All that one cell's run needs besides its workers. */
struct stage {
    const struct cell *cell;
    const char *run_id;
    char *folder;   /* private, 0700: the engine's socket, the files */
    char *database; /* name */
    struct gate *gate;
    struct engine_server *server; /* driver without --uri */
    mongoc_client_pool_t *pool;   /* driver */
    struct target_line line;
    struct target target;          /* what answers; handed on to the result */
    struct process_memory *memory; /* with --processes: shared with them */
    int memory_file;
    struct run_clock clock; /* of the engine, when it is one that `driver` asks */
    bool gone;              /* at the end the target did not answer */
    struct crew crew;
    int64_t started_ns, ended_ns; /* monotonic */
};

/* Makes folder, engine or connection, database and seeded documents, and a crew ready to start, in
 * a stage that is zeroed but for `clock`. Ends with EXIT_TARGET when the target is not there. */
void stage_open(struct stage *, const struct cell *, const char *run_id, size_t cell_number);

/* After the join: merges what the workers recorded, reads the final documents and judges. Where
 * they cannot be read, `gone` is set. */
void stage_conclude(struct stage *, bool interrupted, struct cell_result *result);

/* Drops the database (unless --keep, or the target is gone), frees everything and removes the
 * folder. The workers' threads or fibers must have been closed by then. */
void stage_close(struct stage *);

#endif
