/* SPDX-License-Identifier: Apache-2.0
 *
 * help: of the program, of a verb, of a strategy, scenario or hazard, or of a topic that belongs to
 * none of them. A word is looked up in that order; one that is nowhere gets a suggestion.
 */
#include "../claims.h"
#include "../hazards.h"
#include "../human.h"
#include "../options.h"
#include "../scenario.h"
#include "../uri.h"
#include "../verb.h"

#include <stdlib.h>
#include <string.h>

static void help_exit_codes(FILE *out)
{
    fprintf(out, "Exit codes:\n");
    options_exit_codes(out);
}

static void help_verdicts(FILE *out)
{
    human_wrap(
        out,
        "held: the final documents are exactly what the acknowledged operations make of them, "
        "and enough operations of different workers overlapped for a race to show. broken: "
        "an acknowledged update is gone, was applied twice, or what was read contradicts real "
        "time; the report names the operations that prove it. unknown: neither was proved; the "
        "reason says why.",
        80, 0, 0);
    human_wrap(out,
               "--expect exact (the default) wants every cell held. --expect claims wants each "
               "strategy to do what it claims ('racebench list strategies'), and those that claim "
               "nothing to be seen to lose. --expect none wants nothing.",
               80, 0, 0);
}

static void help_uris(FILE *out)
{
    human_wrap(
        out,
        "Without --uri racebench starts its own embedded engine, which is not MongoDB. --uri "
        "takes every connection string that libmongoc takes (mongodb:// and mongodb+srv://). "
        "It is never picked up from the environment unasked; --uri env:NAME takes it from the "
        "variable NAME, which keeps a password out of the list of processes and out of the "
        "shell's history. Passwords are never printed. racebench only writes into a database "
        "of its own (racebench_<run id>, or --database when that is empty or ours) and drops "
        "it afterwards, unless --keep.",
        80, 0, 0);
}

static void help_values(FILE *out)
{
    fprintf(out, "Numbers   10000, 10_000, 10,000, 10k, 2M (k: thousand, M: million)\n"
                 "Lists     1,10,100 (--workers: one cell for each)\n"
                 "Times     100us, 1ms, 1.5s, 2m, 1h\n"
                 "Back-off  none, fixed:1ms, exponential:1ms:100ms, full-jitter:1ms:100ms\n"
                 "Mixes     naive+occ: worker w runs strategy w modulo 2, up to 4 of them\n");
}

static void help_environment(FILE *out)
{
    fprintf(out, "A flag beats the environment, the environment beats the default.\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        char *twin = option_twin(&option_rows[i]);
        if (twin != NULL)
            fprintf(out, "  %-22s --%s\n", twin, option_rows[i].name);
        free(twin);
    }
    fprintf(out, "  %-22s no colours, when it is not empty\n", "NO_COLOR");
    fprintf(out, "  %-22s where sockets and files of a run are kept\n", "TMPDIR");
}

static const struct {
    const char *name;
    void (*help)(FILE *);
} topics[] = {
    {"environment", help_environment}, {"exit-codes", help_exit_codes}, {"uris", help_uris},
    {"values", help_values},           {"verdicts", help_verdicts},
};

static bool help_topic(const char *word, FILE *out)
{
    for (size_t i = 0; i < COUNT_OF(topics); i++)
        if (strcmp(topics[i].name, word) == 0) {
            topics[i].help(out);
            return true;
        }
    return false;
}

static void help_program(FILE *out)
{
    options_help(NULL, out);
    fprintf(out, "\nMore: racebench help WORD, where WORD is a verb, strategy, scenario or hazard, "
                 "or one of:\n ");
    for (size_t i = 0; i < COUNT_OF(topics); i++)
        fprintf(out, " %s", topics[i].name);
    fprintf(out, "\n");
}

/* "Claims that nothing is lost, also with instances, delay." */
static void say_claim(const char *begin, const char *property, unsigned hazards, FILE *out)
{
    char *text = x_format("%s that nothing is %s", begin, property);
    const char *link = ", also with";
    for (int h = 0; h < HAZARD_COUNT; h++) {
        if (h == HAZARD_INDEX_none || (hazards >> h & 1) == 0)
            continue;
        char *longer = x_format("%s%s %s", text, link, hazard_name((enum hazard_index)h));
        free(text);
        text = longer;
        link = ",";
    }
    char *line = x_format("%s.", text);
    human_wrap(out, line, 80, 0, 2);
    free(line);
    free(text);
}

static void help_strategy(const struct strategy *strategy, FILE *out)
{
    fprintf(out, "Strategy %s: %s.\n", strategy->name, strategy->help);
    for (int p = 0; p < PROPERTY_COUNT; p++)
        if (strategy->keeps[p] != 0)
            say_claim("Claims", property_name((enum property)p),
                      claims_kept(strategy, (enum property)p), out);
    for (int i = 0; i < CLAIMS_ALSO_MAX && strategy->also[i].scenario != NULL; i++) {
        const struct claim *claim = &strategy->also[i];
        char *begin = x_format("In %s claims", claim->scenario);
        say_claim(begin, property_name((enum property)claim->property), claim->hazards, out);
        free(begin);
    }
}

static void help_scenario(const struct scenario *scenario, FILE *out)
{
    fprintf(out, "Scenario %s: %s.\nChecks that nothing is:", scenario->name, scenario->help);
    for (int p = 0; p < PROPERTY_COUNT; p++)
        if ((scenario->checks >> p & 1) != 0)
            fprintf(out, " %s", property_name((enum property)p));
    fprintf(out, "\n");
}

/* NULL: there is no hazard of this name. */
static const char *hazard_text(const char *word)
{
    for (int i = 0; i < HAZARD_COUNT; i++)
        if (strcmp(hazard_name((enum hazard_index)i), word) == 0)
            return hazard_help((enum hazard_index)i);
    return NULL;
}

static _Noreturn void unknown(const char *word)
{
    const char *names[256] = {NULL};
    size_t count = 0;
    for (size_t i = 0; verbs[i] != NULL && count < 80; i++)
        names[count++] = verbs[i]->name;
    for (size_t i = 0; i < COUNT_OF(topics); i++)
        names[count++] = topics[i].name;
    for (size_t i = 0; strategies[i] != NULL && count < 170; i++)
        names[count++] = strategies[i]->name;
    for (size_t i = 0; scenarios[i] != NULL && count < 250; i++)
        names[count++] = scenarios[i]->name;
    const char *near = option_suggest(word, names);
    char *shown = uri_shown(word);
    if (near != NULL)
        die(EXIT_USAGE, "no help for '%s'; did you mean '%s'?", shown, near);
    die(EXIT_USAGE,
        "no help for '%s'; there is some for every verb, strategy, scenario and hazard, and for "
        "environment, exit-codes, uris, values and verdicts",
        shown);
}

static enum exit_code help_act(const struct options *options)
{
    const char *word = options->argument;
    if (word == NULL)
        help_program(stdout);
    else if (verb_find(word) != NULL)
        options_help(verb_find(word), stdout);
    else if (strategy_find(word) != NULL)
        help_strategy(strategy_find(word), stdout);
    else if (scenario_find(word) != NULL)
        help_scenario(scenario_find(word), stdout);
    else if (hazard_text(word) != NULL)
        printf("Hazard %s: %s.\n", word, hazard_text(word));
    else if (!help_topic(word, stdout))
        unknown(word);
    return EXIT_OK;
}

const struct verb verb_help = {
    .name = "help",
    .argument = "[VERB|TOPIC]",
    .help = "explain a verb, strategy, scenario, hazard or topic",
    .act = help_act,
};
