/* SPDX-License-Identifier: Apache-2.0
 *
 * claims: what is expected of a cell, and what a verdict is worth under that expectation. A
 * strategy's claims are exact: per property and hazard (`keeps`), wider in single scenarios
 * (`also`), and in a mix only among strategies that know of each other (`guard`).
 */
#ifndef RACEBENCH_CLAIMS_H
#define RACEBENCH_CLAIMS_H

#include "result.h"

/* The HAZARD_BIT()s of strategy->keeps[], and `restart` where it follows from them: connections
 * close before or after a write was applied, and for a while nobody answers. */
unsigned claims_kept(const struct strategy *, enum property);

/* The HAZARD_BIT()s under which the strategy claims that nothing is `property` in the scenario. */
unsigned claims_hazards(const struct strategy *, const struct scenario *, enum property);

/* Is it claimed that this cell holds: does every strategy of the mix keep all that the scenario
 * checks under all the cell's hazards, and do they know of each other? */
bool claims_made(const struct cell *);

/* What --expect says of this cell: exact: HELD; claims: HELD if that is claimed, else BROKEN, or
 * nothing when the cell is lenient, and BROKEN for a conviction whatever is claimed; none:
 * UNDECIDED, that is nothing. */
enum status claims_expected(const struct cell *);

/* Fills in result->claimed and result->expected. A cell that is expected to break proves nothing
 * when it holds (a canary that sings), or breaks for another reason than a conviction names: its
 * verdict becomes UNDECIDED, REASON_NOT_CONVICTED. */
void claims_apply(struct cell_result *);

#endif
