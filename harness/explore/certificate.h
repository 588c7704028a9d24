/* SPDX-License-Identifier: Apache-2.0
 *
 * certificate: what an exploration is worth: what was tried, within which limits, and what was not;
 * as lines for people and as what a result keeps.
 */
#ifndef RACEBENCH_EXPLORE_CERTIFICATE_H
#define RACEBENCH_EXPLORE_CERTIFICATE_H

#include "explore.h"
#include "result.h"

#include <stdio.h>

/* Writes the verdict of a cell: a line. */
void certificate_head(const struct cell *, const struct explore_settings *,
                      const struct explore_result *, FILE *out);
/* Writes how much was done, within which limits, and (for what is not broken) what was not tried,
 * indented lines. `budget` is its text on the command line. */
void certificate_write(const struct cell *, const struct explore_settings *,
                       const struct explore_result *, const char *budget, FILE *out);
/* The same as part of a result; the texts in it are the caller's to add. */
struct proof certificate_proof(const struct cell *, const struct explore_settings *,
                               const struct explore_result *);
/* A cell that was explored and not run: verdict, engine and proof, which becomes the result's. */
void certificate_result(const struct cell *, const struct explore_result *, struct proof *,
                        struct cell_result *);
/* How likely it is that two of so many different states have the same 128-bit key, at most (the
 * birthday bound, n(n-1)/2^129): then one of them was not gone into. */
double certificate_collision(int64_t states);

#endif
