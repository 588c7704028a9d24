/* SPDX-License-Identifier: Apache-2.0
 *
 * report: one file in harness/report/ is one form of output, named on the command line by
 * `--out NAME=FILE`. All read the same result and change nothing; all write to the stream that they
 * are given. A new one is one new file that defines report_NAME.
 */
#ifndef RACEBENCH_REPORT_H
#define RACEBENCH_REPORT_H

#include "human.h"
#include "result.h"

#include <stdio.h>

/* How the terminal wants to be treated. Only report_text looks at it. */
struct style {
    bool color;   /* ANSI colours may be used */
    int columns;  /* width, at least 60 */
    bool quiet;   /* verdict lines only */
    bool verbose; /* everything that is known */
};

struct report {
    const char *name;
    const char *help; /* one line: what it is and for whom */
    void (*write)(const struct run_result *, const struct style *, FILE *out);
};

/* All of them, sorted by name, ended by NULL (generated from the folder). */
extern const struct report *const reports[];
/* By name, or NULL. */
const struct report *report_find(const char *name);

/* Writes a report to a file (an old one is replaced) or, with path "-", to stdout, all the way:
 * ends with EXIT_RESULTS and one line when anything of it could not be written. */
void report_save(const struct report *, const struct run_result *, const struct style *,
                 const char *path);

/* What the cells of a command line may differ in; a number or a word. */
struct report_setting {
    const char *title; /* of a column */
    const char *noun;  /* "worker": what a number counts, or NULL */
    int64_t (*number)(const struct cell *);
    const char *(*word)(const struct cell *);
    int64_t usual;          /* a number not worth saying; 0: there is none */
    const char *usual_word; /* likewise a word, or NULL */
};
/* The settings in the order in which they are told, then NULL. */
const struct report_setting *report_setting(size_t index);
/* Do the cells differ in it? */
bool report_varies(const struct run_result *, const struct report_setting *);
/* Is the cell's value the one that goes without saying? */
bool report_usual(const struct report_setting *, const struct cell *);
/* Its value in a cell, as in a column: "100"; and as in a sentence: "100 workers". */
struct human report_setting_value(const struct report_setting *, const struct cell *);
struct human report_setting_phrase(const struct report_setting *, const struct cell *);

/* Names for cells among the others of their command line: the strategy alone when that says it, and
 * what varies: "occ", "occ (100 workers)"; "inc, occ (10, 100 workers)". The caller frees them. */
char *report_label(const struct run_result *, const struct cell *);
/* Of the cells whose `member` is set, in the order of the command line. */
char *report_names(const struct run_result *, const bool *member);
/* Has any strategy several cells in one scenario? */
bool report_is_sweep(const struct run_result *);
/* What held, what did not, and the cheapest strategy that held, as one sentence without a full
 * stop. Cheapest is the one with the least time per operation (all workers are busy all the time),
 * on the average over its held cells, of those of which no cell is broken. The caller frees it. */
char *report_summary(const struct run_result *);
/* The command line that repeats the run, with its seed also when that was drawn by chance. The
 * caller frees it. */
char *report_repeat(const struct run_result *);

/* What a broken cell does: "loses updates". */
const char *report_broken_words(enum reason);
/* The verdict in a few words: "held", "BROKEN: loses updates", "loses updates (expected)",
 * "unknown: no-overlap". Capitals only for what fails a build. */
struct human report_verdict(const struct cell_result *);
/* One sentence, without a full stop, that says why the verdict is what it is: the first witness,
 * the reason and its help, or the 95 % bound. The caller frees it. */
char *report_explanation(const struct cell_result *);
/* One witness as a sentence: who read what, who wrote over whom, when. The caller frees it. */
char *report_witness(const struct cell_result *, const struct witness *);
/* What answered, and how much it promises: "embedded engine, one thread, not MongoDB; persona ...".
 * The caller frees it. */
char *report_target(const struct cell_result *);
/* The event of an operation, or NULL: not in the history. */
const struct event *report_event(const struct cell_result *, int64_t operation);

#endif
