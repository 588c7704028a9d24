/* SPDX-License-Identifier: Apache-2.0
 *
 * schedule: an order of steps, clock moves and faults, and the text that carries it: short, with
 * comments, made to be committed and replayed (`tests/schedules/NAME.race`).
 *
 *   # counter with naive, 2 workers: lost update
 *   cell: --scenario counter --strategy naive --workers 2
 *   w0.find  w1.find  w0.update  w1.update
 *
 * A line that begins with "cell:" holds options as the command line takes them (the same table
 * reads them, so nothing is said in two ways); several such lines count as one. All other words
 * are moves, with any white space between them; "#" begins a comment up to the end of its line, and
 * the comment that begins the file is the schedule's title. A move is one of
 *
 *   w0.find            worker 0 does its next step, which is a find
 *   w0.random=3        worker 0 draws a number and gets 3
 *   +30s               the clock moves by 30 seconds
 *   lost w1.update     the step is done, and its reply is lost, also that of the driver's resend
 *   lost w1.update once  the same, but the driver's resend is answered
 *   drop w1.update     the connection closes before the step is done
 *   error w1.update    the step is refused with an error code
 *   crash w0           worker 0's instance dies
 *   crash w0 keeping 5 the same, in a file write, of which the first 5 bytes were written
 *   pause w0           worker 0 stops before its next step, past its lease
 *   skew w1 +31s       the clock of worker 1's instance is ahead from here on
 *   boot w0            another copy of the application starts
 *   duplicate w0       worker 0's scenario delivers a message once more
 *   reorder w0         worker 0's scenario delivers a message out of its order
 *   restart            the engine stops and starts again, between two steps: open transactions
 *                      are aborted, what waits in it gets no answer and is sent again
 *   restart during w1.update  the same after the step is done and before it is answered
 *
 * Pure: text and structures, nothing else; who replays one is replay.c.
 */
#ifndef RACEBENCH_EXPLORE_SCHEDULE_H
#define RACEBENCH_EXPLORE_SCHEDULE_H

#include "gate.h"

#include <stddef.h>

/* What a move is. */
enum move_kind {
    MOVE_STEP,
    MOVE_CLOCK,
    MOVE_LOST,
    MOVE_DROP,
    MOVE_ERROR,
    MOVE_RESTART_DURING,
    MOVE_CRASH,
    MOVE_PAUSE,
    MOVE_SKEW,
    MOVE_BOOT,
    MOVE_DUPLICATE,
    MOVE_REORDER,
    MOVE_RESTART,
    MOVE_KIND_COUNT
};

/* `amount` of a move that carries none. */
#define MOVE_PLAIN INT64_C(-1)
/* `amount` of MOVE_LOST when only the first reply is lost. */
#define MOVE_ONCE INT64_C(1)

/* One move. */
struct move {
    enum move_kind kind;
    int32_t worker;      /* STEP_NOBODY for the clock and a restart */
    enum step_kind step; /* of MOVE_STEP, _LOST, _DROP, _ERROR, _RESTART_DURING */
    int64_t amount;      /* clock, skew: ms; crash: bytes kept; a step: what was drawn; lost:
                          * MOVE_ONCE; otherwise, and when nothing is said: MOVE_PLAIN */
    int line;            /* in the file that it was read from, or 0 */
};

/* A schedule. Zeroed: an empty one. Owns its text. */
struct schedule {
    char *title; /* "counter with naive, 2 workers: lost update", or NULL */
    char *cell;  /* the options, as they would be typed; NULL: none */
    int cell_line;
    struct move *moves;
    size_t count, capacity;
};

enum {
    SCHEDULE_BYTES_MAX = 1 << 22,  /* of a file: a hundred thousand moves */
    SCHEDULE_WORKERS_MAX = 100000, /* numbers of workers beyond this are no schedule's */
};

/* Reads a schedule out of text; `file` names it in complaints. Returns NULL, or what is wrong and
 * what to do as one line "file:line: ..." for die(EXIT_INPUT, ...), which the caller frees; the
 * schedule can be freed in either case. A schedule without a cell or without a move is refused. */
char *schedule_parse(struct schedule *, const char *file, const char *text, size_t length);
/* The same of a file. */
char *schedule_read(struct schedule *, const char *path);
void schedule_free(struct schedule *);

/* Are all its workers among the cell's, 0 to workers - 1? NULL, or what is wrong, as above. */
char *schedule_check(const struct schedule *, const char *file, int32_t workers);

/* Appends a move. */
void schedule_add(struct schedule *, const struct move *);
/* A copy that owns its own text and moves. */
void schedule_copy(struct schedule *into, const struct schedule *from);

/* The text of one move, "lost w1.update"; the caller frees it. */
char *move_text(const struct move *);
/* Is it a step with which something goes wrong: MOVE_LOST to MOVE_RESTART_DURING? */
bool move_is_faulty_step(const struct move *);
/* Does something go wrong with it? So it is with all but plain steps and moves of the clock. */
bool move_is_fault(const struct move *);
/* Do both say the same? The lines they stand in do not count. */
bool move_equal(const struct move *, const struct move *);
/* How often another worker goes on than the one before: clock moves and restarts do not count. */
int schedule_switches(const struct schedule *);
/* How many of its moves are faults: all but steps and clock moves. */
int schedule_faults(const struct schedule *);

/* The whole as text that schedule_parse() reads back to the same, always the same for the same
 * schedule: title, cell, moves with two blanks between them, broken at 80 columns. The caller frees
 * it. */
char *schedule_text(const struct schedule *);

/* The options of the cell as words, the quotes of a shell removed; `*count` of them. The caller
 * frees it with schedule_words_free(). */
char **schedule_words(const struct schedule *, size_t *count);
void schedule_words_free(char **words, size_t count);

#endif
