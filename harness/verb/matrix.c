/* SPDX-License-Identifier: Apache-2.0
 *
 * matrix: the table of every strategy on every scenario under every hazard, with what is claimed
 * tried and what must break broken. Exit 0 only if every claim held and every conviction happened;
 * cells that nobody claims and that held all the same are said and do not fail it.
 */
#include "../matrix.h"
#include "../options.h"
#include "../plan.h"
#include "../scenario.h"
#include "../strategy.h"
#include "../verb.h"

#include <stdlib.h>
#include <string.h>

/* Does a comma list name it? What was not said means all. */
static bool lists(const struct options *options, enum option_index at, const char *list,
                  const char *name)
{
    if (options->source[at] == OPTION_FROM_DEFAULT)
        return true;
    char *copy = x_strdup(list);
    char *rest = copy;
    bool found = false;
    for (char *part; (part = strsep(&rest, ",")) != NULL;)
        found |= strcmp(part, "all") == 0 || strcmp(part, name) == 0;
    free(copy);
    return found;
}

/* A mix is wanted when it is named, or each of its strategies is. */
static bool lists_strategy(const struct options *options, const char *name)
{
    if (lists(options, OPTION_AT_strategy, options->strategy, name))
        return true;
    char *copy = x_strdup(name);
    char *rest = copy;
    bool all = strchr(name, '+') != NULL;
    for (char *part; all && (part = strsep(&rest, "+")) != NULL;)
        all = lists(options, OPTION_AT_strategy, options->strategy, part);
    free(copy);
    return all;
}

static bool is_wanted(const void *context, const struct scenario *scenario, const char *strategy)
{
    const struct options *options = context;
    return lists(options, OPTION_AT_scenario, options->scenario, scenario->name) &&
           lists_strategy(options, strategy);
}

/* Why no cell is left, in one line. */
static _Noreturn void nothing_to_run(const struct options *options)
{
    for (size_t c = 0; scenarios[c] != NULL; c++)
        for (size_t s = 0; strategies[s] != NULL; s++) {
            const char *obstacle = plan_obstacle(strategies[s], scenarios[c], false);
            if (obstacle != NULL && is_wanted(options, scenarios[c], strategies[s]->name))
                die(EXIT_USAGE, "strategy '%s' cannot do scenario '%s': %s", strategies[s]->name,
                    scenarios[c]->name, obstacle);
        }
    die(EXIT_USAGE,
        "--strategy '%s': the matrix has no such mix in these scenarios; 'racebench run' takes any",
        options->strategy);
}

static enum exit_code matrix_act(const struct options *options)
{
    struct plan plan = {0};
    char *problem = plan_check_names(options);
    if (problem != NULL)
        die(EXIT_USAGE, "%s", problem);
    struct matrix_settings settings = {.wanted = is_wanted,
                                       .context = options,
                                       .quick = options->quick,
                                       .transport_given = options->source[OPTION_AT_transport] !=
                                                          OPTION_FROM_DEFAULT,
                                       .transport = (enum transport)options->transport,
                                       .seed = options->seed,
                                       .store = plan_store(options),
                                       .durability = (enum durability)options->durability};
    plan.cells = matrix_cells(&settings, &plan.count);
    if (plan.count == 0)
        nothing_to_run(options);
    return verb_run_plan(options, &plan, "matrix");
}

const struct verb verb_matrix = {
    .name = "matrix",
    .help = "try every claim under every hazard, and what must break; exit 0 when all is so (what "
            "nobody claims may hold or break)",
    .act = matrix_act,
};
