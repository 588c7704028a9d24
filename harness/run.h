/* SPDX-License-Identifier: Apache-2.0
 *
 * run: a libuv loop that runs cells one after the other: engine up, fresh database, seed, workers,
 * join, final documents, verdict. It owns signals, time limits, progress and children, and never
 * blocks while workers work.
 */
#ifndef RACEBENCH_RUN_H
#define RACEBENCH_RUN_H

#include "result.h"

/* How progress is shown on stderr while workers work. */
enum progress {
    PROGRESS_NONE,
    PROGRESS_BAR,   /* one line redrawn ten times a second: for terminals */
    PROGRESS_LINES, /* one plain line every five seconds: for logs */
};

struct stage;

/* A clock in place of the wall clock of engine and workers; zeroed: the wall clock. */
struct run_clock {
    int64_t (*now_ms)(void *context);
    void *context;
};

struct run_settings {
    const char *run_id; /* names the database: racebench_<run id> */
    enum progress progress;
    bool verbose; /* says what it does on stderr */
    /* Called before the workers of a cell start (`opened`), and when they have ended and their
     * documents are still there; NULL: nobody wants to know. */
    void (*opened)(struct stage *, void *context);
    void (*ended)(struct stage *, void *context);
    void *context;
    struct run_clock clock; /* of the embedded engine under `driver` */
};

/* Runs the cells in order and appends one result for each that was started; a first SIGINT or
 * SIGTERM ends the present cell cleanly, marks it and starts no further one (result->interrupted;
 * `*signal_number` is 0 or the signal); a second one kills the process at once. Ends with
 * EXIT_TARGET when the target cannot be reached or lacks what is needed. */
void run_cells(const struct cell *cells, size_t count, const struct run_settings *,
               struct run_result *result, int *signal_number);

/* A connection string without its secrets (user, password, key file password, tokens): what may be
 * printed. Works on malformed ones too. The caller frees it. */
char *uri_redact(const char *uri);

#endif
