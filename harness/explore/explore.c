/* SPDX-License-Identifier: Apache-2.0
 *
 * explore: see explore.h. The loop: begin an execution, let the policy choose until nobody can go
 * on or the policy has seen enough, judge, note; until the policy or the budget ends it.
 */
#include "explore.h"

#include "base.h"
#include "canon.h"
#include "memo.h"
#include <stdlib.h>
#include <string.h>

enum { LOOK_EVERY = 256 /* executions, between two looks at the clock */ };

struct explorer {
    const struct explore_settings *settings;
    struct explore_result *result;
    struct world *world;
    void *state; /* of the policy */
    struct schedule path;
    hash128 *traces; /* with `twice`: after each of its moves */
    size_t trace_count, trace_capacity;
    int64_t started_ns;
};

/* Fewer faults, then fewer switches, then fewer moves. */
static bool is_simpler(const struct schedule *one, const struct schedule *other)
{
    int faults = schedule_faults(one) - schedule_faults(other);
    int switches = schedule_switches(one) - schedule_switches(other);
    if (other->count == 0 || faults != 0)
        return other->count == 0 || faults < 0;
    return switches != 0 ? switches < 0 : one->count < other->count;
}

static void note_failure(struct explorer *explorer, const struct verdict *verdict)
{
    struct explore_result *result = explorer->result;
    result->failing++;
    if (result->failing == 1)
        result->first = *verdict;
    result->status = BROKEN;
    if (!is_simpler(&explorer->path, &result->schedule))
        return;
    schedule_free(&result->schedule);
    schedule_copy(&result->schedule, &explorer->path);
    free(result->stuck);
    result->stuck = world_over(explorer->world) ? NULL : world_stuck(explorer->world);
}

/* The end of an execution: everyone has ended, or nobody can go on. */
static void judge(struct explorer *explorer)
{
    struct explore_result *result = explorer->result;
    struct verdict verdict = {.status = BROKEN, .reason = REASON_STUCK};
    result->schedules++;
    if (world_over(explorer->world))
        world_judge(explorer->world, &verdict);
    result->contended = result->contended || world_contended(explorer->world);
    result->lost += verdict.counts.lost > 0;
    memory_meet(&result->outcomes,
                hash_mix(world_outcome(explorer->world),
                         (uint64_t)verdict.reason * (verdict.status == BROKEN)),
                0);
    if (verdict.status == BROKEN)
        note_failure(explorer, &verdict);
}

/* How it stands after each move of the path, to compare the second time with. */
static void note_trace(struct explorer *explorer)
{
    size_t at = array_grow((void **)&explorer->traces, &explorer->trace_count,
                           &explorer->trace_capacity, sizeof(*explorer->traces));
    explorer->traces[at] = world_trace(explorer->world);
}

/* One execution; false: it was cut off. */
static bool execute(struct explorer *explorer)
{
    const struct policy *policy = explorer->settings->policy;
    struct world *world = explorer->world;
    const struct move *moves;
    size_t count;
    explorer->path.count = explorer->trace_count = 0;
    world_begin(world, NULL);
    while ((count = world_moves(world, &moves)) > 0) {
        int chosen = policy->choose(explorer->state, world, moves, count);
        if (chosen < 0)
            return false;
        struct move move = moves[chosen];
        schedule_add(&explorer->path, &move);
        world_do(world, &move);
        if (explorer->settings->twice)
            note_trace(explorer);
    }
    return true;
}

/* Where no move but a step is possible and nothing is to be executed twice, the memo may do. */
static bool memo_applies(const struct explore_settings *settings)
{
    const struct world_limits *limits = &settings->limits;
    return settings->policy == &policy_dfs && !settings->no_cache && !settings->no_memo &&
           !settings->twice && limits->clock_steps == 0 && limits->faults == 0 && limits->bound < 0;
}

static char *second_time(const struct schedule *path, size_t at, const char *what)
{
    char *text = move_text(&path->moves[at]);
    char *fault = x_format("the second time move %zu, %s, %s: a worker looks at something past "
                           "its session",
                           at + 1, text, what);
    free(text);
    return fault;
}

/* The same moves once more: they must be possible and each must do what it did. */
static void repeat(struct explorer *explorer)
{
    struct world *world = explorer->world;
    const struct schedule *path = &explorer->path;
    const struct move *moves;
    char *fault = NULL;
    world_begin(world, NULL);
    for (size_t i = 0; i < path->count && fault == NULL; i++) {
        size_t count = world_moves(world, &moves), at = 0;
        while (at < count && !move_equal(&moves[at], &path->moves[i]))
            at++;
        if (at == count) {
            fault = second_time(path, i, "was not possible");
            break;
        }
        world_do(world, &moves[at]);
        if (world_trace(world) != explorer->traces[i] || world_fault(world) != NULL)
            fault = second_time(path, i, "went on otherwise");
    }
    explorer->result->fault = fault;
}

/* Is there budget for another execution? */
static bool may_go_on(struct explorer *explorer)
{
    const struct explore_budget *budget = &explorer->settings->budget;
    struct explore_result *result = explorer->result;
    if ((budget->states > 0 && result->states >= budget->states) ||
        (budget->schedules > 0 && result->schedules >= budget->schedules))
        return false;
    if (result->executions % LOOK_EVERY != 0)
        return true;
    int64_t passed_ns = clock_monotonic_ns() - explorer->started_ns;
    if (explorer->settings->progress != NULL &&
        !explorer->settings->progress(explorer->settings->context, result->schedules,
                                      result->states, (double)passed_ns / 1e9)) {
        result->stopped = true;
        return false;
    }
    return budget->ns == 0 || passed_ns < budget->ns;
}

/* Searches with what is known about the symmetry of the workers; false: begin anew, since that was
 * wrong. */
static bool search(struct explorer *explorer)
{
    const struct explore_settings *settings = explorer->settings;
    struct explore_result *result = explorer->result;
    bool symmetric = world_symmetric(explorer->world);
    while (result->fault == NULL) {
        result->states = settings->policy->states(explorer->state);
        if (!may_go_on(explorer))
            return true;
        if (!settings->policy->begin(explorer->state)) {
            result->complete = settings->policy->exhaustive;
            return true;
        }
        bool whole = execute(explorer);
        result->executions++;
        if (symmetric != world_symmetric(explorer->world))
            return false;
        if (world_fault(explorer->world) != NULL)
            result->fault = x_strdup(world_fault(explorer->world));
        else if (whole)
            judge(explorer);
        if (whole && settings->twice && result->fault == NULL)
            repeat(explorer);
        if (result->failing > 0 && !settings->all)
            return true;
    }
    return true;
}

/* Searches with the memo; false: it is not able to, and nothing counts. */
static bool search_known(struct explorer *explorer)
{
    struct explore_result *result = explorer->result;
    struct memo *memo = memo_open(explorer->world);
    enum memo_next next = MEMO_PAUSE;
    while (next != MEMO_DONE && next != MEMO_UNABLE && may_go_on(explorer) &&
           (result->failing == 0 || explorer->settings->all)) {
        next = memo_next(memo, &explorer->path);
        result->states = memo_states(memo);
        if (next == MEMO_END)
            judge(explorer);
    }
    result->complete = next == MEMO_DONE;
    result->transitions = memo_transitions(memo);
    result->executions = result->schedules;
    bool able = memo_reason(memo) == NULL;
    memo_close(memo);
    return able;
}

void explore_cell(const struct cell *cell, const struct explore_settings *settings,
                  struct explore_result *result)
{
    struct explorer explorer = {.settings = settings, .result = result};
    bool settled = false;
    explorer.started_ns = clock_monotonic_ns();
    explorer.world = world_open(cell, &settings->limits);
    *result = (struct explore_result){.status = UNDECIDED};
    settled = memo_applies(settings) && search_known(&explorer);
    if (!settled)
        world_forget(explorer.world);
    while (!settled) {
        explore_result_free(result);
        *result = (struct explore_result){.status = UNDECIDED};
        explorer.state = settings->policy->open(settings);
        settled = search(&explorer);
        result->states = settings->policy->states(explorer.state);
        settings->policy->close(explorer.state);
        if (!settled)
            world_forget(explorer.world);
    }
    result->unstruck = world_unstruck(explorer.world);
    if (result->complete && result->contended && result->unstruck == 0 && result->failing == 0 &&
        result->fault == NULL)
        result->status = HELD;
    result->symmetric = world_symmetric(explorer.world);
    result->steps = world_steps(explorer.world);
    result->seconds = (double)(clock_monotonic_ns() - explorer.started_ns) / 1e9;
    world_close(explorer.world);
    schedule_free(&explorer.path);
    free(explorer.traces);
}

void explore_result_free(struct explore_result *result)
{
    schedule_free(&result->schedule);
    memory_free(&result->outcomes);
    free(result->stuck);
    free(result->fault);
}
