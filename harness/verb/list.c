/* SPDX-License-Identifier: Apache-2.0
 *
 * list: what there is to choose from, read off the same tables that the program itself uses:
 * strategies with what they claim to keep under which hazards, scenarios, hazards, reports, verbs,
 * and in JSON the options as well. `--json` gives one object, for scripts.
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

enum { WIDTH = 100 };

/* The hazards of a claim: "instances, drop"; "nothing going wrong". The caller frees it. */
static char *say_hazards(unsigned bits)
{
    char *text = x_strdup("");
    for (int i = 0; i < HAZARD_COUNT; i++) {
        if (i == HAZARD_INDEX_none || (bits >> i & 1) == 0)
            continue;
        char *longer =
            x_format("%s%s%s", text, *text != '\0' ? ", " : "", hazard_name((enum hazard_index)i));
        free(text);
        text = longer;
    }
    if (*text != '\0')
        return text;
    free(text);
    return x_strdup("nothing going wrong");
}

static void list_claim(const char *what, unsigned bits, FILE *out)
{
    char *hazards = say_hazards(bits);
    char *line = x_format("nothing %s, with %s", what, hazards);
    fputs("    ", out);
    human_wrap(out, line, WIDTH, 4, 8);
    free(line);
    free(hazards);
}

/* A line for the properties from `first` on that are claimed under the same hazards as it. */
static void list_alike(const struct strategy *strategy, int first, FILE *out)
{
    unsigned bits = claims_kept(strategy, (enum property)first);
    char *names = x_strdup(property_name((enum property)first));
    for (int p = 0; p < first; p++)
        if (claims_kept(strategy, (enum property)p) == bits)
            bits = 0; /* told with that one */
    for (int p = first + 1; bits != 0 && p < PROPERTY_COUNT; p++) {
        if (claims_kept(strategy, (enum property)p) != bits)
            continue;
        char *longer = x_format("%s, %s", names, property_name((enum property)p));
        free(names);
        names = longer;
    }
    if (bits != 0)
        list_claim(names, bits, out);
    free(names);
}

static void list_strategy(const struct strategy *strategy, FILE *out)
{
    fprintf(out, "%s: %s\n", strategy->name, strategy->help);
    for (int p = 0; p < PROPERTY_COUNT; p++)
        list_alike(strategy, p, out);
    for (int c = 0; c < CLAIMS_ALSO_MAX && strategy->also[c].scenario != NULL; c++) {
        const struct claim *claim = &strategy->also[c];
        char *what =
            x_format("%s in %s", property_name((enum property)claim->property), claim->scenario);
        list_claim(what, claim->hazards, out);
        free(what);
    }
}

static void list_strategies(FILE *out)
{
    fprintf(out, "Strategies, and what each claims, also with what going wrong:\n");
    for (size_t i = 0; strategies[i] != NULL; i++)
        list_strategy(strategies[i], out);
}

/* Two columns; what is too long for a line goes on below where it began. */
static void put_pair(const char *name, const char *help, FILE *out)
{
    enum { NAME_WIDTH = 14 };
    fprintf(out, "  %-*s  ", NAME_WIDTH, name);
    human_wrap(out, help, WIDTH, NAME_WIDTH + 4, NAME_WIDTH + 4);
}

static void list_scenarios(FILE *out)
{
    fprintf(out, "Scenarios:\n");
    for (size_t i = 0; scenarios[i] != NULL; i++)
        put_pair(scenarios[i]->name, scenarios[i]->help, out);
}

static void list_hazards(FILE *out)
{
    fprintf(out, "Hazards:\n");
    for (int i = 0; i < HAZARD_COUNT; i++)
        put_pair(hazard_name((enum hazard_index)i), hazard_help((enum hazard_index)i), out);
}

static void list_reports(FILE *out)
{
    fprintf(out, "Reports (--out NAME=FILE):\n");
    for (size_t i = 0; reports[i] != NULL; i++)
        put_pair(reports[i]->name, reports[i]->help, out);
}

static void list_verbs(FILE *out)
{
    fprintf(out, "Verbs:\n");
    for (size_t i = 0; verbs[i] != NULL; i++)
        put_pair(verbs[i]->name, verbs[i]->help, out);
}

/* JSON --------------------------------------------------------------------------------------- */

static void append_words(bson_t *to, const char *key, unsigned bits, const char *(*name)(int),
                         int count)
{
    bson_t words;
    char index[16];
    int at = 0;
    BSON_APPEND_ARRAY_BEGIN(to, key, &words);
    for (int i = 0; i < count; i++)
        if ((bits >> i & 1) != 0) {
            snprintf(index, sizeof(index), "%d", at++);
            BSON_APPEND_UTF8(&words, index, name(i));
        }
    bson_append_array_end(to, &words);
}

static const char *hazard_word(int index)
{
    return hazard_name((enum hazard_index)index);
}

static const char *property_word(int index)
{
    return property_name((enum property)index);
}

/* Begins the next {name, help, ...} of an array. */
static void begin_entry(bson_t *array, size_t index, const char *name, const char *help,
                        bson_t *entry)
{
    char key[24];
    snprintf(key, sizeof(key), "%zu", index);
    bson_append_document_begin(array, key, -1, entry);
    BSON_APPEND_UTF8(entry, "name", name);
    BSON_APPEND_UTF8(entry, "help", help);
}

/* "also": what it claims in single scenarios beyond `keeps`. */
static void append_also(bson_t *entry, const struct strategy *strategy)
{
    bson_t array, one;
    BSON_APPEND_ARRAY_BEGIN(entry, "also", &array);
    for (int i = 0; i < CLAIMS_ALSO_MAX && strategy->also[i].scenario != NULL; i++) {
        const struct claim *claim = &strategy->also[i];
        char index[16];
        snprintf(index, sizeof(index), "%d", i);
        bson_append_document_begin(&array, index, -1, &one);
        BSON_APPEND_UTF8(&one, "scenario", claim->scenario);
        append_words(&one, property_word((int)claim->property), claim->hazards, hazard_word,
                     HAZARD_COUNT);
        bson_append_document_end(&array, &one);
    }
    bson_append_array_end(entry, &array);
}

static void append_strategies(bson_t *to)
{
    bson_t array, entry, keeps;
    BSON_APPEND_ARRAY_BEGIN(to, "strategies", &array);
    for (size_t i = 0; strategies[i] != NULL; i++) {
        const struct strategy *strategy = strategies[i];
        begin_entry(&array, i, strategy->name, strategy->help, &entry);
        BSON_APPEND_UTF8(&entry, "home", strategy->home == HOME_FILES ? "files" : "database");
        BSON_APPEND_DOCUMENT_BEGIN(&entry, "keeps", &keeps);
        for (int p = 0; p < PROPERTY_COUNT; p++)
            append_words(&keeps, property_word(p), claims_kept(strategy, (enum property)p),
                         hazard_word, HAZARD_COUNT);
        bson_append_document_end(&entry, &keeps);
        append_also(&entry, strategy);
        bson_append_document_end(&array, &entry);
    }
    bson_append_array_end(to, &array);
}

static void append_scenarios(bson_t *to)
{
    bson_t array, entry;
    BSON_APPEND_ARRAY_BEGIN(to, "scenarios", &array);
    for (size_t i = 0; scenarios[i] != NULL; i++) {
        begin_entry(&array, i, scenarios[i]->name, scenarios[i]->help, &entry);
        append_words(&entry, "checks", scenarios[i]->checks, property_word, PROPERTY_COUNT);
        bson_append_document_end(&array, &entry);
    }
    bson_append_array_end(to, &array);
}

static void append_others(bson_t *to)
{
    bson_t array, entry;
    BSON_APPEND_ARRAY_BEGIN(to, "hazards", &array);
    for (int i = 0; i < HAZARD_COUNT; i++) {
        enum hazard_index hazard = (enum hazard_index)i;
        begin_entry(&array, (size_t)i, hazard_name(hazard), hazard_help(hazard), &entry);
        bson_append_document_end(&array, &entry);
    }
    bson_append_array_end(to, &array);
    BSON_APPEND_ARRAY_BEGIN(to, "reports", &array);
    for (size_t i = 0; reports[i] != NULL; i++) {
        begin_entry(&array, i, reports[i]->name, reports[i]->help, &entry);
        bson_append_document_end(&array, &entry);
    }
    bson_append_array_end(to, &array);
    BSON_APPEND_ARRAY_BEGIN(to, "verbs", &array);
    for (size_t i = 0; verbs[i] != NULL; i++) {
        begin_entry(&array, i, verbs[i]->name, verbs[i]->help, &entry);
        bson_append_document_end(&array, &entry);
    }
    bson_append_array_end(to, &array);
}

static void append_options(bson_t *to)
{
    bson_t array, entry;
    BSON_APPEND_ARRAY_BEGIN(to, "options", &array);
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        char *twin = option_twin(row);
        char letter[2] = {(char)row->letter, '\0'};
        begin_entry(&array, i, row->name, row->help, &entry);
        BSON_APPEND_UTF8(&entry, "verbs", row->verbs);
        if (row->letter != 0)
            BSON_APPEND_UTF8(&entry, "letter", letter);
        if (row->initial != NULL)
            BSON_APPEND_UTF8(&entry, "default", row->initial);
        if (row->choices != NULL)
            BSON_APPEND_UTF8(&entry, "choices", row->choices);
        if (twin != NULL)
            BSON_APPEND_UTF8(&entry, "environment", twin);
        bson_append_document_end(&array, &entry);
        free(twin);
    }
    bson_append_array_end(to, &array);
}

static void list_json(FILE *out)
{
    bson_t all = BSON_INITIALIZER;
    append_strategies(&all);
    append_scenarios(&all);
    append_others(&all);
    append_options(&all);
    char *text = bson_as_relaxed_extended_json(&all, NULL);
    fprintf(out, "%s\n", text);
    bson_free(text);
    bson_destroy(&all);
}

static enum exit_code list_act(const struct options *options)
{
    static const struct {
        const char *name;
        void (*list)(FILE *);
    } lists[] = {{"strategies", list_strategies},
                 {"scenarios", list_scenarios},
                 {"hazards", list_hazards},
                 {"reports", list_reports},
                 {"verbs", list_verbs}};
    const char *names[COUNT_OF(lists) + 1] = {NULL};
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        names[i] = lists[i].name;
        any |= options->argument == NULL || strcmp(options->argument, names[i]) == 0;
    }
    if (!any) {
        const char *near = option_suggest(options->argument, names);
        die(EXIT_USAGE, "there is no list of '%s'; %s%s%s", uri_shown(options->argument),
            near != NULL ? "did you mean '" : "the lists are strategies, scenarios, hazards, ",
            near != NULL ? near : "reports", near != NULL ? "'?" : " and verbs");
    }
    if (options->json) {
        list_json(stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        if (options->argument != NULL && strcmp(options->argument, lists[i].name) != 0)
            continue;
        lists[i].list(stdout);
        if (options->argument == NULL && i + 1 < COUNT_OF(lists))
            printf("\n");
    }
    return EXIT_OK;
}

const struct verb verb_list = {
    .name = "list",
    .argument = "[WHAT]",
    .help = "show strategies, scenarios, hazards, reports and verbs",
    .act = list_act,
};
