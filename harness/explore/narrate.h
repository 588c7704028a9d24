/* SPDX-License-Identifier: Apache-2.0
 *
 * narrate: a failing execution told to people: one plain sentence, the interleaving as a table with
 * a column for every worker and one for the documents, a hint that fits the strategy; for a stuck
 * one, who holds what. Pure functions of a trail and a verdict.
 */
#ifndef RACEBENCH_EXPLORE_NARRATE_H
#define RACEBENCH_EXPLORE_NARRATE_H

#include "checker.h"
#include "trail.h"

#include <stdio.h>

/* What is told. All of it is borrowed. */
struct narrate_tale {
    const struct cell *cell;
    const struct trail *trail;
    const struct verdict *verdict;
    const char *stuck; /* where nobody can go on: who waits for what, one line; or NULL */
};

/* Tells it in lines of at most `columns` (80 or more are sensible): sentence, table, hint.
 * Long documents are cut, and show only fields that change. */
void narrate(const struct narrate_tale *, int columns, FILE *out);

/* The first sentence without its full stop: "w1 saved over w0's increment of counters/0". The
 * caller frees it. */
char *narrate_sentence(const struct narrate_tale *);
/* The title of its schedule: "counter with naive, 2 workers: lost update". The caller frees it. */
char *narrate_title(const struct narrate_tale *);
/* What to do instead, as a sentence; static text. */
const char *narrate_hint(const struct narrate_tale *);

#endif
