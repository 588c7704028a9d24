/* SPDX-License-Identifier: Apache-2.0
 *
 * registry: all strategies and scenarios, from the lists that CMake generates out of the folders
 * (X(name) per file, sorted). A file's name is its symbol and its name on the command line; what a
 * file gets wrong about that is found at start-up and not in the middle of a run.
 */
#include "scenario.h"
#include "strategy.h"

#include <string.h>

#define X(name) extern const struct strategy strategy_##name;
#include "strategies.list"
#undef X
#define X(name) extern const struct scenario scenario_##name;
#include "scenarios.list"
#undef X

#ifndef RACEBENCH_PROGRAM
#define RACEBENCH_PROGRAM "./racebench"
#endif

const char registry_program[] = RACEBENCH_PROGRAM;

const struct strategy *const strategies[] = {
#define X(name) &strategy_##name,
#include "strategies.list"
#undef X
    NULL};

const struct scenario *const scenarios[] = {
#define X(name) &scenario_##name,
#include "scenarios.list"
#undef X
    NULL};

static const char *const strategy_files[] = {
#define X(name) #name,
#include "strategies.list"
#undef X
    NULL};

static const char *const scenario_files[] = {
#define X(name) #name,
#include "scenarios.list"
#undef X
    NULL};

const struct strategy *strategy_find(const char *name)
{
    for (const struct strategy *const *one = strategies; *one != NULL; one++)
        if (strcmp((*one)->name, name) == 0)
            return *one;
    return NULL;
}

const struct scenario *scenario_find(const char *name)
{
    for (const struct scenario *const *one = scenarios; *one != NULL; one++)
        if (strcmp((*one)->name, name) == 0)
            return *one;
    return NULL;
}

/* A claim about one scenario names one, which checks it, and says more than `keeps` does. */
static const char *claims_fault(const struct strategy *strategy)
{
    for (int i = 0; i < CLAIMS_ALSO_MAX && strategy->also[i].scenario != NULL; i++) {
        const struct claim *claim = &strategy->also[i];
        const struct scenario *scenario = scenario_find(claim->scenario);
        if (scenario == NULL)
            return "it claims something in a scenario that does not exist";
        if (claim->hazards >> HAZARD_COUNT != 0)
            return "it claims something under a hazard that does not exist";
        if ((scenario->checks >> claim->property & 1) == 0)
            return "it claims something in a scenario that does not check it";
        if ((claim->hazards & ~strategy->keeps[claim->property]) == 0)
            return "it claims something for one scenario that it claims for all";
    }
    return NULL;
}

const char *strategy_fault(const struct strategy *strategy, const char *file)
{
    if (strategy->name == NULL || strcmp(strategy->name, file) != 0)
        return "its name is not its file's name";
    if (strategy->help == NULL || strategy->help[0] == '\0')
        return "it has no help";
    if (strategy->apply == NULL)
        return "it has no apply()";
    if (!(strategy->can & (CAN_CHANGE | CAN_OPERATORS)))
        return "it can neither run a change nor send operators";
    if (strategy->blind && (strategy->can & CAN_CHANGE))
        return "it is blind, but a change needs what was read";
    if ((strategy->digest == NULL) != (strategy->teardown == NULL))
        return "RAM that is torn down must have a digest, and the other way round";
    if (strategy->digest != NULL && strategy->setup == NULL)
        return "it has a digest and no setup()";
    for (int property = 0; property < PROPERTY_COUNT; property++)
        if (strategy->keeps[property] >> HAZARD_COUNT != 0)
            return "it claims something under a hazard that does not exist";
    return claims_fault(strategy);
}

const char *scenario_fault(const struct scenario *scenario, const char *file)
{
    if (scenario->name == NULL || strcmp(scenario->name, file) != 0)
        return "its name is not its file's name";
    if (scenario->help == NULL || scenario->help[0] == '\0')
        return "it has no help";
    if (scenario->work == NULL || scenario->judge == NULL)
        return "it lacks work() or judge()";
    if (scenario->documents == NULL || scenario->seed == NULL || scenario->collection == NULL)
        return "it does not say which documents it has";
    if (scenario->checks == 0 || scenario->checks >> PROPERTY_COUNT != 0)
        return "it does not say what it checks";
    if (!(scenario->needs & (CAN_CHANGE | CAN_OPERATORS)))
        return "it needs neither a change nor operators";
    return NULL;
}

void registry_check(void)
{
    for (size_t i = 0; strategies[i] != NULL; i++) {
        const char *fault = strategy_fault(strategies[i], strategy_files[i]);
        if (fault != NULL)
            die(EXIT_INTERNAL, "strategies/%s.c: %s", strategy_files[i], fault);
    }
    for (size_t i = 0; scenarios[i] != NULL; i++) {
        const char *fault = scenario_fault(scenarios[i], scenario_files[i]);
        if (fault != NULL)
            die(EXIT_INTERNAL, "scenarios/%s.c: %s", scenario_files[i], fault);
    }
}
