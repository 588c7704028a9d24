/* SPDX-License-Identifier: Apache-2.0
 *
 * cells: the parts of the verb explore that its search and its replay share: what the options make
 * of cells, and how a finding is printed with the options that make its cell again.
 */
#ifndef RACEBENCH_VERB_EXPLORE_CELLS_H
#define RACEBENCH_VERB_EXPLORE_CELLS_H

#include "../../explore/finding.h"
#include "../../options.h"
#include "../../plan.h"

/* The cells of these options as explore has them: fibers beside the engine, so many operations a
 * worker, two workers unless asked otherwise. Ends with EXIT_USAGE where they make none. */
void explore_plan(const struct options *, struct plan *);
/* Is this one of the settings that a schedule's line "cell:" says? */
bool explore_is_cell_option(enum option_index);
/* The options of one cell, for the head of its schedule. The caller frees it. */
char *explore_cell_line(const struct options *, const struct cell *);
/* Gives a finding's schedule its title and its cell, unless it has them. */
void explore_name_finding(const struct options *, struct finding *);
/* Prints what was found: the interleaving, then the text that replays it. */
void explore_print_finding(const struct options *, struct finding *);
/* Does what --replay says: repeats a schedule. */
enum exit_code explore_replay(const struct options *);

#endif
