/* SPDX-License-Identifier: Apache-2.0
 *
 * options_hazard: what --hazard takes: NAME[:AMOUNT][:times=N], several with commas between them.
 * What AMOUNT means is the hazard's own (hazard_amount()): a time, an error code, or nothing. A
 * hazard is planned once: two settings of one would leave open which of them holds. `none`,
 * `instances` and `processes` cannot be named: the plain run, and what options of their own make.
 */
#include "base.h"
#include "hazards.h"
#include "human.h"
#include "options.h"
#include "uri.h"

#include <stdlib.h>
#include <string.h>

enum { TIMES_MAX = 1000000, CODE_MAX = 100000 };
#define HOUR_US INT64_C(3600000000)

static char *unknown_hazard(const char *name)
{
    const char *names[HAZARD_COUNT + 1] = {NULL};
    size_t count = 0;
    for (int i = 0; i < HAZARD_COUNT; i++)
        if (hazard_place((enum hazard_index)i) > PLACE_SETTING)
            names[count++] = hazard_name((enum hazard_index)i);
    char *shown = uri_shown(name);
    const char *near = option_suggest(name, names);
    char *line = near != NULL
                     ? x_format("unknown hazard '%s'; did you mean '%s'?", shown, near)
                     : x_format("unknown hazard '%s'; 'racebench list hazards' names them", shown);
    free(shown);
    return line;
}

static char *find_hazard(const char *name, enum hazard_index *index)
{
    for (int i = 0; i < HAZARD_COUNT; i++) {
        if (strcmp(hazard_name((enum hazard_index)i), name) != 0)
            continue;
        *index = (enum hazard_index)i;
        switch (hazard_place(*index)) {
        case PLACE_NOWHERE:
            return x_strdup("'none' is what happens without --hazard; leave it out");
        case PLACE_SETTING:
            return x_format("say --%s N to run several copies of the application", name);
        default:
            return NULL;
        }
    }
    return unknown_hazard(name);
}

static char *read_times(const char *name, const char *text, int32_t *times)
{
    int64_t count = 0;
    if (option_value_count(text, &count) != NULL || count < 1 || count > TIMES_MAX)
        return x_format("times of %s must be from 1 to %s", name, human_count(TIMES_MAX).text);
    *times = (int32_t)count;
    return NULL;
}

static char *read_amount(enum hazard_index index, const char *text, int64_t *amount)
{
    const char *name = hazard_name(index);
    int64_t value = 0;
    switch (hazard_amount(index)) {
    case AMOUNT_NONE:
        return x_format("%s takes no amount; write %s or %s:times=N", name, name, name);
    case AMOUNT_ONCE: /* not its resend as well */
        if (strcmp(text, "once") != 0)
            return x_format("%s takes no amount but 'once'", name);
        value = 1;
        break;
    case AMOUNT_CODE:
        if (option_value_count(text, &value) != NULL || value < 1 || value > CODE_MAX)
            return x_format("the code of %s must be from 1 to %s", name,
                            human_count(CODE_MAX).text);
        break;
    case AMOUNT_TIME: {
        const char *problem = option_value_duration(text, 1000, &value);
        if (problem != NULL)
            return x_format("time of %s: %s", name, problem);
        if (value < 1 || value > HOUR_US)
            return x_format("time of %s must be from 1us to 1h", name);
        break;
    }
    }
    *amount = value;
    return NULL;
}

/* Reads "pause:300ms:times=3". */
static char *read_hazard(char *text, struct option_hazards *hazards)
{
    enum hazard_index index = HAZARD_INDEX_none;
    char *rest = text;
    char *problem = find_hazard(strsep(&rest, ":"), &index);
    if (problem != NULL)
        return problem;
    const char *name = hazard_name(index);
    if ((hazards->planned & (1u << index)) != 0)
        return x_format("%s is named twice", name);
    struct hazard_setting setting = {0};
    for (char *part; problem == NULL && (part = strsep(&rest, ":")) != NULL;) {
        if (strncmp(part, "times=", 6) == 0)
            problem = setting.times != 0 ? x_format("times of %s are named twice", name)
                                         : read_times(name, part + 6, &setting.times);
        else
            problem = setting.amount != 0 || setting.times != 0
                          ? x_format("write it %s[:AMOUNT][:times=N]", name)
                          : read_amount(index, part, &setting.amount);
    }
    if (problem == NULL && setting.times != 0 && index == HAZARD_INDEX_skew)
        problem = x_strdup("a skewed clock is so all the time; skew takes no times");
    if (problem != NULL)
        return problem;
    hazards->planned |= 1u << index;
    hazards->settings[index] = setting;
    return NULL;
}

char *options_read_hazards(const char *text, struct option_hazards *hazards)
{
    char *copy = x_strdup(text);
    char *rest = copy;
    char *problem = NULL;
    for (char *part; problem == NULL && (part = strsep(&rest, ",")) != NULL;)
        problem = read_hazard(part, hazards);
    free(copy);
    return problem;
}
