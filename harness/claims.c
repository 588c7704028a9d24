/* SPDX-License-Identifier: Apache-2.0
 *
 * claims: see claims.h. A harness that never sees a strategy fail is broken itself, so a strategy
 * that keeps nothing must be seen to lose: naive is the canary of every matrix.
 */
#include "claims.h"
#include "scenario.h"

#include <string.h>

/* What a restart of the engine is to a worker. */
static const unsigned like_restart = HAZARD_BIT(lost_reply) | HAZARD_BIT(drop) | HAZARD_BIT(pause);

static unsigned with_restart(unsigned kept)
{
    return (kept & like_restart) == like_restart ? kept | HAZARD_BIT(restart) : kept;
}

unsigned claims_kept(const struct strategy *strategy, enum property property)
{
    return with_restart(strategy->keeps[property]);
}

unsigned claims_hazards(const struct strategy *strategy, const struct scenario *scenario,
                        enum property property)
{
    unsigned hazards = strategy->keeps[property];
    for (int i = 0; i < CLAIMS_ALSO_MAX && strategy->also[i].scenario != NULL; i++)
        if (strategy->also[i].property == property &&
            strcmp(strategy->also[i].scenario, scenario->name) == 0)
            hazards |= strategy->also[i].hazards;
    return with_restart(hazards);
}

/* Does the strategy claim to keep everything that the scenario checks, under all these hazards? */
static bool keeps(const struct strategy *strategy, const struct cell *cell)
{
    for (int p = 0; p < PROPERTY_COUNT; p++)
        if ((cell->scenario->checks & (1u << p)) != 0 &&
            (claims_hazards(strategy, cell->scenario, (enum property)p) & cell->hazards) !=
                cell->hazards)
            return false;
    return true;
}

static bool know_each_other(const struct strategy *a, const struct strategy *b)
{
    return a == b || (a->guard != NULL && b->guard != NULL && strcmp(a->guard, b->guard) == 0);
}

bool claims_made(const struct cell *cell)
{
    for (int i = 0; i < cell->strategy_count; i++)
        if (!keeps(cell->strategy[i], cell) ||
            !know_each_other(cell->strategy[0], cell->strategy[i]))
            return false;
    return true;
}

enum status claims_expected(const struct cell *cell)
{
    if (cell->expect == EXPECT_NONE)
        return UNDECIDED;
    if (cell->expect == EXPECT_EXACT)
        return HELD;
    if (cell->conviction != NULL)
        return BROKEN;
    if (claims_made(cell))
        return HELD;
    return cell->lenient ? UNDECIDED : BROKEN;
}

void claims_apply(struct cell_result *result)
{
    const struct cell *cell = result->cell;
    struct verdict *verdict = &result->verdict;
    result->claimed = claims_made(cell);
    result->expected = claims_expected(cell);
    bool other = cell->conviction != NULL && verdict->status == BROKEN &&
                 cell->convicted_of != REASON_NONE &&
                 verdict->reason != (enum reason)cell->convicted_of;
    if ((result->expected == BROKEN && verdict->status == HELD) || other) {
        verdict->status = UNDECIDED;
        verdict->reason = REASON_NOT_CONVICTED;
    }
}
