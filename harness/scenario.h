/* SPDX-License-Identifier: Apache-2.0
 *
 * scenario: what the workers do, and what must be true at the end. One file in scenarios/ is one
 * scenario. It yields edits to worker_apply() and judges the record afterwards, purely; it does not
 * know which strategy applies its edits, nor over which transport.
 */
#ifndef RACEBENCH_SCENARIO_H
#define RACEBENCH_SCENARIO_H

#include "cell.h"
#include "checker.h"
#include "strategy.h"
#include "worker.h"

struct scenario {
    const char *name;
    const char *help;
    unsigned needs;         /* bits of strategy.can; CAN_CHANGE is also served by CAN_OPERATORS when
                            * the scenario's edits carry operators (`operators` below) */
    unsigned checks;        /* bits 1 << property: what judge() looks for */
    bool operators;         /* its edits carry operators */
    const char *collection; /* where its documents live */
    bool restarts;          /* a worker keeps nothing of its own from operation to operation: a new
                            * process can take over from a dead one */
    const char *field;      /* the number that they carry and that is judged, "n" */
    bool agrees;   /* before its first operation a worker only learns what all agree on, the
                            * same in any order: explore has it done worker by worker */
    int32_t round; /* operations of a worker that belong together; 0 means 1 */
    /* Documents in the cell at the start: their number, for run.c to seed and to read at the
     * end. */
    int64_t (*documents)(const struct cell *);
    /* Fills in the document `id` as it is at the start. Called for each, unless --unseeded. */
    void (*seed)(const struct cell *, int64_t id, bson_t *document);
    /* One worker, straight line: while worker_next() there is something to do, worker_apply(). */
    void (*work)(struct session *, const struct cell *);
    /* Pure: from the record of the run to the verdict. */
    void (*judge)(const struct record *, struct verdict *);
};

/* All of them, sorted by name, ended by NULL (generated from the folder). */
extern const struct scenario *const scenarios[];
/* By name, or NULL. */
const struct scenario *scenario_find(const char *name);
/* What is wrong with a scenario that the file `file`.c holds, or NULL: static text. */
const char *scenario_fault(const struct scenario *, const char *file);

#endif
