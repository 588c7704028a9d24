/* SPDX-License-Identifier: Apache-2.0
 *
 * process: the workers of a cell in operating-system processes (--processes), seen from the parent.
 * It starts them on run.c's loop, lets them go together, writes down what they report in the crew
 * of the stage as if its own workers had done it, kills and stops them where a hazard says so, and
 * starts a new one for what a killed one has left.
 */
#ifndef RACEBENCH_PROCESS_H
#define RACEBENCH_PROCESS_H

#include "run_cell.h"

struct processes; /* opaque: process.c */

struct process_settings {
    uv_loop_t *loop;
    struct stage *stage; /* opened, and used until processes_close() */
    bool verbose;
    void (*arrived)(void *context); /* all workers stand at the start line */
    void (*ended)(void *context);   /* all processes have ended */
    void *context;
};

/* Starts the cell's processes. While the loop runs, a process that dies without reason, says
 * nothing for long or breaks the protocol ends the program with one line: EXIT_INTERNAL,
 * EXIT_INTERNAL, EXIT_WORKER; one that cannot connect: EXIT_TARGET. */
struct processes *processes_start(const struct process_settings *);

/* Lets all go; stage->started_ns is time zero. Once, after `arrived`. */
void processes_go(struct processes *);

/* No further operations: those that wait are ended, killed ones are not replaced. */
void processes_stop(struct processes *);

/* After `ended`: gives handles and memory back. */
void processes_close(struct processes *);

#endif
