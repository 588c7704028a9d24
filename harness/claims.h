/* SPDX-License-Identifier: Apache-2.0
 *
 * claims: what is expected of a cell, and what a verdict is worth under that expectation.
 */
#ifndef RACEBENCH_CLAIMS_H
#define RACEBENCH_CLAIMS_H

#include "result.h"

/* What --expect says of this cell: exact: HELD; claims: HELD if every strategy of the mix claims to
 * keep what the scenario checks under all the cell's hazards, else BROKEN, or nothing when the cell
 * is lenient; none: UNDECIDED, that is nothing. */
enum status claims_expected(const struct cell *);

/* Fills in result->expected. A cell that is expected to break and holds proves nothing (a canary
 * that sings): its verdict becomes UNDECIDED, REASON_NOT_CONVICTED. */
void claims_apply(struct cell_result *);

#endif
