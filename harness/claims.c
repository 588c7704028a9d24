/* SPDX-License-Identifier: Apache-2.0
 *
 * claims: see claims.h. A harness that never sees a strategy fail is broken itself, so a strategy
 * that keeps nothing must be seen to lose: naive is the canary of every matrix.
 */
#include "claims.h"
#include "scenario.h"

/* Does the strategy claim to keep everything that the scenario checks, under all these hazards? */
static bool keeps(const struct strategy *strategy, const struct cell *cell)
{
    for (int p = 0; p < PROPERTY_COUNT; p++)
        if ((cell->scenario->checks & (1u << p)) != 0 &&
            (strategy->keeps[p] & cell->hazards) != cell->hazards)
            return false;
    return true;
}

enum status claims_expected(const struct cell *cell)
{
    if (cell->expect == EXPECT_NONE)
        return UNDECIDED;
    if (cell->expect == EXPECT_EXACT)
        return HELD;
    for (int i = 0; i < cell->strategy_count; i++)
        if (!keeps(cell->strategy[i], cell))
            return cell->lenient ? UNDECIDED : BROKEN;
    return HELD;
}

void claims_apply(struct cell_result *result)
{
    result->expected = claims_expected(result->cell);
    if (result->expected == BROKEN && result->verdict.status == HELD) {
        result->verdict.status = UNDECIDED;
        result->verdict.reason = REASON_NOT_CONVICTED;
    }
}
