/* SPDX-License-Identifier: Apache-2.0
 *
 * prove: see prove.h. Sizes are tried from the smallest, each with what is left of the budget, and
 * a bigger one only after the smaller one was complete and took little of it: a search that cannot
 * end proves nothing, so its time would be lost.
 */
#include "prove.h"

#include "certificate.h"
#include "hazards.h"
#include "human.h"
#include "scenario.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 5000, LEASE_MS = 30000, GROWTH = 20 /* from one size to the next, at least */ };

#define AS_STEPS                                                                                   \
    (HAZARD_BIT(lost_reply) | HAZARD_BIT(drop) | HAZARD_BIT(error) | HAZARD_BIT(pause) |           \
     HAZARD_BIT(crash) | HAZARD_BIT(skew) | HAZARD_BIT(boot) | HAZARD_BIT(duplicates) |            \
     HAZARD_BIT(reordering) | HAZARD_BIT(restart))
/* Any schedule is one in which steps took long. */
#define AS_SETTINGS                                                                                \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(delay))

/* Operations of a worker that show something together. */
static int64_t round_of(const struct scenario *scenario)
{
    return scenario->round > 0 ? scenario->round : 1;
}

struct cell prove_small(const struct cell *cell, int32_t workers, int64_t operations)
{
    struct cell small = {.scenario = cell->scenario,
                         .strategy_count = cell->strategy_count,
                         .strategy_name = cell->strategy_name,
                         .transport = TRANSPORT_DIRECT,
                         .expect = EXPECT_EXACT,
                         .hazards = HAZARD_BIT(none) | (cell->hazards & AS_STEPS),
                         .workers = workers,
                         .instances = cell->instances > 1 ? 2 : 1,
                         .processes = 1,
                         .ops = operations * round_of(cell->scenario) * workers,
                         .seed = 1,
                         .docs = 1,
                         .unseeded = cell->unseeded,
                         .lease_ms = LEASE_MS,
                         .tick_ms = TICK_MS,
                         .timeout_ms = cell->timeout_ms,
                         .max_tries = cell->max_tries,
                         .retry_unknown = cell->retry_unknown,
                         .backoff = {.kind = BACKOFF_NONE},
                         .durability = cell->durability,
                         .explored = true};
    memcpy(small.strategy, cell->strategy, sizeof(small.strategy));
    small.hazard[HAZARD_INDEX_lost_reply] = cell->hazard[HAZARD_INDEX_lost_reply]; /* once? */
    if ((cell->hazards & HAZARD_BIT(hang)) != 0)
        small.hazards |= HAZARD_BIT(lost_reply);
    if (small.instances > 1)
        small.hazards |= HAZARD_BIT(instances);
    return small;
}

char *prove_obstacle(const struct cell *cell)
{
    unsigned known = AS_STEPS | AS_SETTINGS | HAZARD_BIT(hang);
    for (int i = 0; i < HAZARD_COUNT; i++)
        if ((cell->hazards & ~known & 1u << i) != 0)
            return x_format("explore does not try %s", hazard_name((enum hazard_index)i));
    return NULL;
}

char *prove_options(const struct cell *cell)
{
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);
    const char *before = " --hazard ";
    must(out != NULL);
    fprintf(out, "--scenario %s --strategy %s --workers %" PRId32, cell->scenario->name,
            cell->strategy_name, cell->workers);
    if (cell->ops > cell->workers)
        fprintf(out, " --operations %" PRId64, cell->ops / cell->workers);
    if (cell->instances > 1)
        fprintf(out, " --instances %" PRId32, cell->instances);
    for (int i = 0; i < HAZARD_COUNT; i++)
        if ((cell->hazards & AS_STEPS & 1u << i) != 0) {
            bool once = i == HAZARD_INDEX_lost_reply && cell->hazard[i].amount != 0;
            fprintf(out, "%s%s%s", before, hazard_name((enum hazard_index)i), once ? ":once" : "");
            before = ",";
        }
    if (cell->durability != DURABILITY_WRITE)
        fprintf(out, " --durability %s", durability_name(cell->durability));
    fputs(cell->unseeded ? " --unseeded" : "", out);
    fputs(cell->retry_unknown ? " --retry-unknown" : "", out);
    must(fclose(out) == 0);
    return line;
}

/* One cell ------------------------------------------------------------------------------------ */

static bool ask(void *context, int64_t schedules, int64_t states, double seconds)
{
    const struct prove_settings *settings = context;
    (void)schedules;
    (void)states;
    (void)seconds;
    return settings->may_go_on == NULL || settings->may_go_on(settings->context);
}

static struct explore_settings settings_of(const struct cell *small,
                                           const struct prove_settings *settings, int64_t left_ns)
{
    unsigned hazards = small->hazards & AS_STEPS;
    return (struct explore_settings){.limits = {.faults = hazards != 0 ? 1 : 0,
                                                .hazards = hazards,
                                                .bound = -1},
                                     .policy = &policy_dfs,
                                     .budget = {.ns = left_ns},
                                     .seed = 1,
                                     .progress = ask,
                                     .context = (void *)settings};
}

/* A schedule fails: as text that replays. */
static void keep_finding(const struct cell *small, const struct explore_settings *settings,
                         const struct explore_result *result, struct proof *proof,
                         struct finding *finding)
{
    finding_shrink(finding, small, settings, &result->schedule, &result->first);
    finding_watch(finding, &settings->limits);
    if (finding->schedule.title == NULL)
        finding->schedule.title = finding_title(finding);
    finding->schedule.cell = prove_options(&finding->cell);
    proof->schedule = schedule_text(&finding->schedule);
    proof->options = x_strdup(finding->schedule.cell);
    proof->reason = result->first.reason;
    proof->workers = finding->cell.workers;
    proof->operations = finding->cell.ops / finding->cell.workers;
}

/* Explores one size; true: it held in all schedules. */
static bool try_size(const struct cell *small, const struct prove_settings *settings,
                     int64_t left_ns, struct proof *proof, struct finding *finding)
{
    struct explore_result result = {0};
    struct explore_settings how = settings_of(small, settings, left_ns);
    explore_cell(small, &how, &result);
    struct proof next = certificate_proof(small, &how, &result);
    bool held = next.status == HELD;
    next.seconds += proof->seconds;
    if (held || next.status == BROKEN || result.fault != NULL || proof->status != HELD) {
        proof_free(proof);
        *proof = next;
    } else { /* the smaller size was proved */
        proof->seconds = next.seconds;
        proof_free(&next);
    }
    if (proof->status == BROKEN)
        keep_finding(small, &how, &result, proof, finding);
    explore_result_free(&result);
    return held;
}

void prove_cell(const struct cell *cell, const struct prove_settings *settings, struct proof *proof,
                struct finding *finding)
{
    static const struct {
        int32_t workers;
        int64_t operations;
    } sizes[] = {{2, 1}, {2, 2}, {3, 1}};
    struct finding own = {0};
    *proof = (struct proof){.asked = true, .status = UNDECIDED, .switches = -1};
    proof->why = prove_obstacle(cell);
    int64_t left_ns = settings->budget_ns;
    bool held = proof->why == NULL;
    for (size_t i = 0; i < COUNT_OF(sizes) && held; i++) {
        if (sizes[i].workers > settings->workers_max ||
            sizes[i].operations > settings->operations_max)
            continue;
        struct cell small = prove_small(cell, sizes[i].workers, sizes[i].operations);
        double before = proof->seconds;
        held = try_size(&small, settings, left_ns, proof, finding != NULL ? finding : &own);
        int64_t taken_ns = (int64_t)((proof->seconds - before) * 1e9);
        left_ns -= taken_ns;
        held = held && taken_ns * GROWTH < left_ns;
    }
    finding_free(&own);
}

/* A whole run --------------------------------------------------------------------------------- */

/* Do both come to the same small cell? */
static bool same_when_small(const struct cell *a, const struct cell *b)
{
    struct cell x = prove_small(a, 2, 1), y = prove_small(b, 2, 1);
    return x.scenario == y.scenario && strcmp(x.strategy_name, y.strategy_name) == 0 &&
           x.hazards == y.hazards && x.instances == y.instances && x.unseeded == y.unseeded &&
           x.retry_unknown == y.retry_unknown && x.durability == y.durability;
}

static char *copy_text(const char *text)
{
    return text != NULL ? x_strdup(text) : NULL;
}

static bool copy_proof(const struct run_result *result, size_t index, struct proof *proof)
{
    for (size_t i = 0; i < index; i++) {
        const struct proof *known = &result->cells[i].proof;
        char *obstacle = prove_obstacle(result->cells[i].cell);
        bool fits = known->asked && obstacle == NULL &&
                    same_when_small(result->cells[i].cell, result->cells[index].cell);
        free(obstacle);
        if (!fits)
            continue;
        *proof = *known;
        proof->why = copy_text(known->why);
        proof->schedule = copy_text(known->schedule);
        proof->options = copy_text(known->options);
        return true;
    }
    return false;
}

bool prove_result(struct run_result *result, const struct prove_settings *settings)
{
    for (size_t i = 0; i < result->cell_count; i++) {
        struct cell_result *cell = &result->cells[i];
        struct proof *proof = &cell->proof;
        if (cell->verdict.status != HELD || cell->cell->conviction != NULL)
            continue;
        if (settings->may_go_on != NULL && !settings->may_go_on(settings->context))
            return false;
        char *obstacle = prove_obstacle(cell->cell);
        if (obstacle != NULL || !copy_proof(result, i, proof))
            prove_cell(cell->cell, settings, proof, NULL);
        free(obstacle);
        if (proof->status != BROKEN)
            continue;
        cell->verdict.status = BROKEN;
        cell->verdict.reason = proof->reason;
        cell->verdict.witness_count = 0;
    }
    return true;
}
