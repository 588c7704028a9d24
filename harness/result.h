/* SPDX-License-Identifier: Apache-2.0
 *
 * result: what a command line found out: one entry per cell, and what it ran on. Filled in by run.c
 * and plan.c, frozen afterwards; every report is a pure function of it.
 */
#ifndef RACEBENCH_RESULT_H
#define RACEBENCH_RESULT_H

#include "cell.h"
#include "checker.h"
#include "gate.h"
#include "histogram.h"

/* What answered. Text is owned by the result. */
struct target {
    char *name;          /* "embedded", or "mongodb" for a --uri */
    char *persona;       /* "standalone", "replset", "sharded", "files" */
    char *store;         /* "memory", "wiredtiger", "unknown", "files" */
    char *durability;    /* of the embedded engine: "none", "write", ...; else "unknown" */
    char *version;       /* as buildInfo says */
    char *write_concern; /* in effect: "w:1", "majority", ... */
    char *uri;           /* redacted: never holds a password */
};

/* Frees the text of a target; the struct is the caller's. */
void target_free(struct target *);

/* What explore found out about a cell: every schedule of a few of its workers. Zeroed: it was not
 * asked. Text is owned. */
struct proof {
    bool asked;
    enum status status;  /* HELD: no schedule fails; BROKEN: one does; UNDECIDED: `why` */
    char *why;           /* "budget", or what explore does not try; NULL */
    enum reason reason;  /* BROKEN: how it fails */
    int32_t workers;     /* of the biggest cell that was explored to its end ... */
    int64_t operations;  /* ... of each worker ... */
    int32_t faults;      /* ... and how many faults were steps of a schedule, at most */
    int32_t clock_steps; /* moves of the clock, at most */
    int32_t switches;    /* between workers that could go on, at most; -1: any number */
    int64_t schedules, states, steps, failing;
    int64_t transitions; /* moves that were looked up instead of executed */
    double seconds;
    char *schedule; /* BROKEN: as text that replays */
    char *options;  /* of an `explore` that finds out the same; NULL: there is none */
};
void proof_free(struct proof *);
/* "all schedules of 2 workers, with one fault", or why it is not known; the caller frees it. */
char *proof_phrase(const struct proof *);

/* One cell, run and judged. */
struct cell_result {
    const struct cell *cell;
    struct verdict verdict;
    bool claimed;         /* the strategies claim that this cell holds */
    enum status expected; /* under --expect: held or broken; UNDECIDED: nothing expected */
    struct target target;
    bool retry_writes;          /* the driver resends writes after a network error */
    bool virtual_clock;         /* times are virtual (direct): a fixed cost per step */
    double seconds;             /* wall time from the first operation to the last */
    int64_t attempts, commands; /* of all workers' operations */
    double throughput_ops_s;    /* acknowledged operations per second of wall time */
    double fairness;            /* Jain's index over the workers' acknowledged operations per unit
                                 * of time: 1 all alike, 1/n one worker had it all */
    int64_t hits[HAZARD_COUNT];
    struct histogram operation, attempt, waiting; /* latencies, ns */
    struct history history;                       /* all events, sorted by invocation */
    char *database;                               /* name that was used, or NULL */
    struct trace_entry *trace; /* the first steps of the first workers; gate_trace() */
    size_t trace_count;
    struct proof proof;
};
void cell_result_free(struct cell_result *);

/* The machine and the program: text, owned. */
struct environment {
    char *racebench, *libmongoc, *libuv, *compiler, *os, *cpu;
    int cpus;
    char *started_at; /* ISO 8601, UTC */
    char *command;    /* the command line, redacted, ready to paste */
};

/* A whole command line. */
struct run_result {
    char *run_id; /* "20261121T101500Z-3f9a1c" */
    char *folder; /* results/runs/<run id>, or NULL when nothing is kept */
    struct cell_result *cells;
    size_t cell_count;
    enum exit_code exit_code;
    bool interrupted;
    struct environment environment;
};

/* Frees all that the result owns: the cells' results, not the cells. */
void run_result_free(struct run_result *);

/* The cell's part in the exit code, and the one over all cells: 1, then 130, then 2, then 3, then
 * 0. */
enum exit_code cell_result_exit(const struct cell_result *);
enum exit_code run_result_exit(const struct run_result *);

/* A command line that repeats this cell alone, with its seed, quoted for a shell. A connection
 * string with secrets is replaced by env:RACEBENCH_URI. The caller frees it. */
char *cell_result_repro(const struct cell_result *);

#endif
