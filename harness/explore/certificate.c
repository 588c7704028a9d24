/* SPDX-License-Identifier: Apache-2.0
 *
 * certificate: see certificate.h. Every limit that was in force is said, also those that nobody
 * asked for, since "held" without them would be a promise about schedules that nobody tried.
 */
#include "certificate.h"

#include "base.h"
#include "hazards.h"
#include "human.h"
#include "scenario.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

double certificate_collision(int64_t states)
{
    return (double)states * (double)(states > 0 ? states - 1 : 0) / ldexp(1, 129);
}

/* Why an exploration that found nothing proves nothing. */
static enum reason unknown_reason(const struct explore_result *result)
{
    if (result->stopped)
        return REASON_INTERRUPTED;
    if (!result->complete)
        return REASON_BUDGET;
    return result->contended ? REASON_HAZARD_NEVER_STRUCK : REASON_NO_OVERLAP;
}

void certificate_head(const struct cell *cell, const struct explore_settings *settings,
                      const struct explore_result *result, FILE *out)
{
    fprintf(out, "%s with %s, %s: ", cell->scenario->name, cell->strategy_name,
            human_counted(cell->workers, "worker").text);
    if (result->status == HELD)
        fprintf(out, "held: %s\n",
                settings->no_cache ? "all schedules" : "all schedules, by their states");
    else if (result->status == BROKEN)
        fprintf(out, "broken: %s\n", reason_name(result->first.reason));
    else
        fprintf(out, "unknown: %s%s\n", reason_name(unknown_reason(result)),
                !result->complete   ? ""
                : result->contended ? "; more --operations or --faults?"
                                    : ": nothing was contended; more --operations?");
}

static void write_counts(const struct explore_settings *settings,
                         const struct explore_result *result, FILE *out)
{
    fprintf(out, "  %s", human_counted(result->schedules, "schedule").text);
    if (result->states > 0)
        fprintf(out, ", %s", human_counted(result->states, "state").text);
    if (result->transitions > 0)
        fprintf(out, ", %s", human_counted(result->transitions, "transition").text);
    fprintf(out, ", %s in %.3f s", human_counted(result->steps, "step").text, result->seconds);
    if (settings->all)
        fprintf(out, "; %s fail", human_count(result->failing).text);
    fputc('\n', out);
}

static void write_hazards(unsigned hazards, FILE *out)
{
    const char *before = "";
    for (int i = 0; i < HAZARD_COUNT; i++)
        if ((hazards >> i & 1) != 0) {
            fprintf(out, "%s%s", before, hazard_name((enum hazard_index)i));
            before = " or ";
        }
}

static void write_limits(const struct cell *cell, const struct world_limits *limits, FILE *out)
{
    fprintf(out, "  tried: %s, %s each", human_counted(cell->workers, "worker").text,
            human_counted(cell->ops / cell->workers, "operation").text);
    if (limits->bound >= 0)
        fprintf(out, ", at most %s", human_counted(limits->bound, "switch").text);
    else
        fputs(", any order of their steps", out);
    if (limits->faults > 0) {
        fprintf(out, ", at most %s (", human_counted(limits->faults, "fault").text);
        write_hazards(limits->hazards, out);
        fputc(')', out);
    }
    if (limits->clock_steps > 0)
        fprintf(out, ", at most %s of the clock", human_counted(limits->clock_steps, "move").text);
    fputc('\n', out);
}

static void write_gaps(const struct world_limits *limits, FILE *out)
{
    static const char indent[] = "             ";
    fputs("  not tried: more workers or operations\n", out);
    if (limits->bound >= 0)
        fprintf(out, "%smore switches (--bound)\n", indent);
    fprintf(out, "%s%s\n", indent,
            limits->faults > 0 ? "other or more faults (--hazard, --faults)"
                               : "anything going wrong (--hazard)");
    fprintf(out, "%s%s\n", indent,
            limits->clock_steps > 0
                ? "more moves of the clock (--clock-steps)"
                : "the clock moving while somebody could go on (--clock-steps)");
    fprintf(out, "%smore than 8 values of a draw\n", indent);
}

static void write_trust(const struct explore_settings *settings,
                        const struct explore_result *result, FILE *out)
{
    if (settings->no_cache || !settings->policy->exhaustive)
        return;
    fprintf(out,
            "  taken as one: states with the same 128-bit key (chance that two differ: %.1e)%s\n",
            certificate_collision(result->states + 1),
            result->symmetric ? "\n             workers that stand alike" : "");
}

void certificate_write(const struct cell *cell, const struct explore_settings *settings,
                       const struct explore_result *result, const char *budget, FILE *out)
{
    write_counts(settings, result, out);
    if (result->status == BROKEN)
        return;
    write_limits(cell, &settings->limits, out);
    if (!result->complete) {
        fprintf(out, "  not finished: %s%s%s; what is left may fail\n",
                result->stopped ? "interrupted" : "the budget (--budget ",
                result->stopped ? "" : budget, result->stopped ? "" : ") ended first");
        return;
    }
    write_gaps(&settings->limits, out);
    write_trust(settings, result, out);
}

struct proof certificate_proof(const struct cell *cell, const struct explore_settings *settings,
                               const struct explore_result *result)
{
    enum status status = result->fault != NULL ? UNDECIDED : result->status;
    struct proof proof = {.asked = true,
                          .status = status,
                          .reason = status == BROKEN ? result->first.reason : REASON_NONE,
                          .workers = cell->workers,
                          .operations = cell->ops / cell->workers,
                          .faults = settings->limits.faults,
                          .clock_steps = settings->limits.clock_steps,
                          .switches = settings->limits.bound,
                          .schedules = result->schedules,
                          .states = result->states,
                          .steps = result->steps,
                          .transitions = result->transitions,
                          .failing = result->failing,
                          .seconds = result->seconds};
    if (status == UNDECIDED)
        proof.why =
            x_strdup(result->fault != NULL ? result->fault : reason_name(unknown_reason(result)));
    return proof;
}

void certificate_result(const struct cell *cell, const struct explore_result *result,
                        struct proof *proof, struct cell_result *into)
{
    into->cell = cell;
    into->verdict = (struct verdict){.status = result->status, .reason = proof->reason};
    if (result->status == BROKEN)
        into->verdict = result->first;
    into->verdict.witness_count = 0; /* their events are not kept: the schedule tells more */
    if (result->status == UNDECIDED)
        into->verdict.reason = unknown_reason(result);
    into->expected = HELD;
    into->target = (struct target){.name = x_strdup("embedded"),
                                   .persona = x_strdup(persona_name(cell->persona)),
                                   .store = x_strdup(cell->store != NULL ? cell->store : "memory"),
                                   .durability = x_strdup(durability_name(cell->durability)),
                                   .version = x_strdup("in this process"),
                                   .write_concern = x_strdup("w:1")};
    into->virtual_clock = true;
    into->seconds = result->seconds;
    into->proof = *proof;
    *proof = (struct proof){0};
}
