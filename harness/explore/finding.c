/* SPDX-License-Identifier: Apache-2.0
 *
 * finding: see finding.h. Shrinking asks for executions of cells that differ in workers and
 * operations; the world of the present size is kept open, since most questions are about it.
 */
#include "finding.h"

#include "narrate.h"
#include "replay.h"
#include <stdlib.h>
#include <string.h>

enum { SEARCH_NS = 1000000000 }; /* for one question of shrinking */

struct world_limits finding_limits(const struct world_limits *given,
                                   const struct schedule *schedule)
{
    static const struct {
        enum move_kind move;
        unsigned hazard;
    } kinds[] = {{MOVE_LOST, HAZARD_BIT(lost_reply)},
                 {MOVE_DROP, HAZARD_BIT(drop)},
                 {MOVE_ERROR, HAZARD_BIT(error)},
                 {MOVE_CRASH, HAZARD_BIT(crash)},
                 {MOVE_PAUSE, HAZARD_BIT(pause)},
                 {MOVE_SKEW, HAZARD_BIT(skew)},
                 {MOVE_BOOT, HAZARD_BIT(boot)},
                 {MOVE_DUPLICATE, HAZARD_BIT(duplicates)},
                 {MOVE_REORDER, HAZARD_BIT(reordering)},
                 {MOVE_RESTART, HAZARD_BIT(restart)},
                 {MOVE_RESTART_DURING, HAZARD_BIT(restart)}};
    struct world_limits limits = *given;
    int faults = schedule_faults(schedule), clocks = 0;
    bool clock_read = false;
    for (size_t i = 0; i < schedule->count; i++) {
        clocks += schedule->moves[i].kind == MOVE_CLOCK;
        clock_read |= schedule->moves[i].kind == MOVE_STEP && schedule->moves[i].step == STEP_NOW;
        for (size_t k = 0; k < COUNT_OF(kinds); k++)
            if (schedule->moves[i].kind == kinds[k].move)
                limits.hazards |= kinds[k].hazard;
    }
    if (limits.faults < faults)
        limits.faults = faults;
    /* Where no clock step is allowed, readings are no steps, and the clock moves only when nobody
     * can go on: to allow some would make other steps of the same execution. */
    if (limits.clock_steps < clocks && (limits.clock_steps > 0 || clock_read))
        limits.clock_steps = clocks;
    limits.bound = -1;
    return limits;
}

struct shrinker {
    const struct cell *cell;
    const struct explore_settings *settings;
    const struct verdict *verdict; /* that is being shrunk */
    struct world_limits limits;    /* of replays */
    struct cell world_cell;
    struct world *world; /* for world_cell, or NULL */
};

/* The cell at another size. */
static struct cell sized(const struct cell *cell, const struct shrink_size *size)
{
    struct cell other = *cell;
    other.workers = size->workers;
    other.ops = size->operations * size->workers;
    if (other.instances > other.workers)
        other.instances = other.workers;
    return other;
}

static bool search(void *context, const struct shrink_size *limits, struct schedule *found)
{
    const struct shrinker *shrinker = context;
    struct explore_settings settings = *shrinker->settings;
    struct explore_result result = {0};
    struct cell cell = sized(shrinker->cell, limits);
    settings.limits.bound = limits->switches == INT32_MAX ? -1 : limits->switches;
    if (settings.limits.faults > limits->faults)
        settings.limits.faults = limits->faults;
    settings.budget = (struct explore_budget){.ns = SEARCH_NS};
    settings.no_cache = settings.all = settings.twice = false;
    settings.progress = NULL;
    explore_cell(&cell, &settings, &result);
    bool fails =
        result.status == BROKEN && result.first.reason == shrinker->verdict->reason &&
        (limits->switches == INT32_MAX || schedule_switches(&result.schedule) <= limits->switches);
    if (fails)
        schedule_copy(found, &result.schedule);
    explore_result_free(&result);
    return fails;
}

static bool replay(void *context, const struct shrink_size *size, const struct schedule *tried,
                   struct schedule *ran)
{
    struct shrinker *shrinker = context;
    struct replay_result result = {0};
    struct cell cell = sized(shrinker->cell, size);
    if (shrinker->world == NULL || cell.workers != shrinker->world_cell.workers ||
        cell.ops != shrinker->world_cell.ops) {
        if (shrinker->world != NULL)
            world_close(shrinker->world);
        shrinker->world_cell = cell;
        shrinker->world = world_open(&shrinker->world_cell, &shrinker->limits);
    }
    replay_direct(shrinker->world, tried, &(struct replay_settings){.orderly = true, .ran = ran},
                  &result);
    free(result.stuck);
    return result.verdict.status == BROKEN && result.verdict.reason == shrinker->verdict->reason;
}

void finding_shrink(struct finding *finding, const struct cell *cell,
                    const struct explore_settings *settings, const struct schedule *schedule,
                    const struct verdict *verdict)
{
    struct shrinker shrinker = {.cell = cell,
                                .settings = settings,
                                .verdict = verdict,
                                .limits = finding_limits(&settings->limits, schedule)};
    const struct shrink_driver driver = {search, replay, &shrinker};
    struct shrink_size size = {.workers = cell->workers, .operations = cell->ops / cell->workers};
    schedule_copy(&finding->schedule, schedule);
    finding->tries = shrink(&driver, &finding->schedule, &size);
    finding->cell = sized(cell, &size);
    if (shrinker.world != NULL)
        world_close(shrinker.world);
}

void finding_watch(struct finding *finding, const struct world_limits *given)
{
    struct world_limits limits = finding_limits(given, &finding->schedule);
    struct world *world = world_open(&finding->cell, &limits);
    struct replay_result result = {0};
    replay_direct(world, &finding->schedule, &(struct replay_settings){.trail = &finding->trail},
                  &result);
    finding->verdict = result.verdict;
    finding->stuck = result.stuck;
    finding->trail.no_return = replay_no_return(world, &finding->schedule);
    world_close(world);
}

static struct narrate_tale tale_of(const struct finding *finding)
{
    return (struct narrate_tale){&finding->cell, &finding->trail, &finding->verdict,
                                 finding->stuck};
}

void finding_tell(const struct finding *finding, int columns, FILE *out)
{
    const struct narrate_tale tale = tale_of(finding);
    narrate(&tale, columns, out);
}

char *finding_title(const struct finding *finding)
{
    const struct narrate_tale tale = tale_of(finding);
    return narrate_title(&tale);
}

void finding_free(struct finding *finding)
{
    schedule_free(&finding->schedule);
    trail_free(&finding->trail);
    free(finding->stuck);
    memset(finding, 0, sizeof(*finding));
}
