/* SPDX-License-Identifier: Apache-2.0
 *
 * verb: what the program can be told to do. One file in harness/verb/ is one verb: its name is the
 * file's name and the symbol verb_NAME; options.def says which options it takes. The first argument
 * of a command line names it; `run` may be left out.
 */
#ifndef RACEBENCH_VERB_H
#define RACEBENCH_VERB_H

#include "base.h"

struct options;

struct verb {
    const char *name;
    const char *argument; /* what may follow it, "[RUN]", or NULL: nothing */
    const char *help;     /* one line */
    /* Does it and returns the exit code. Results go to stdout; main() checks that they arrived. */
    enum exit_code (*act)(const struct options *);
};

struct plan;
/* Runs a plan, writes what was found (`page` names the report that goes to stdout) and returns the
 * exit code: what `run` and `matrix` have in common. The plan is freed. */
enum exit_code verb_run_plan(const struct options *, struct plan *, const char *page);

/* All of them, sorted by name, ended by NULL (generated from the folder). */
extern const struct verb *const verbs[];
/* By name, or NULL. */
const struct verb *verb_find(const char *name);

#endif
