/* SPDX-License-Identifier: Apache-2.0
 *
 * options: see options.h. A command line is read in four steps: defaults; the environment twins of
 * the verb's options; a walk over the arguments that settles which options they are, because argp
 * takes beginnings of names, and its own complaints take two lines and suggest nothing; then argp,
 * which hands over the values. Last come what needs all of them: the seed, env:NAME, one report at
 * most on stdout.
 *
 * Complaints are returned and not died of, so that tests can read them.
 */
#include "options.h"
#include "base.h"
#include "human.h"
#include "strategy.h"
#include "uri.h"
#include "verb.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum group {
    GROUP_WHAT = 1,
    GROUP_TARGET,
    GROUP_WORK,
    GROUP_VERDICT,
    GROUP_EXPLORE,
    GROUP_OUTPUT,
    GROUP_SERVE,
    GROUP_HELP,
};

const char *const option_groups[] = {
    [GROUP_WHAT - 1] = "What runs:",
    [GROUP_TARGET - 1] = "Against what:",
    [GROUP_WORK - 1] = "How a worker works:",
    [GROUP_VERDICT - 1] = "What is expected:",
    [GROUP_EXPLORE - 1] = "Only with 'explore':",
    [GROUP_OUTPUT - 1] = "Output:",
    [GROUP_SERVE - 1] = "Only with 'serve':",
    [GROUP_HELP - 1] = "Help:",
    [GROUP_HELP] = NULL,
};

#define ANY             .low = 0
#define RANGE(from, to) .low = (from), .high = (to)
#define CHOICES(words)  .choices = (words)
#define ALONE           .alone = true
const struct option_row option_rows[OPTIONS_COUNT] = {
#define OPTION(field, option, short, kind, value, meta, part, words, limits, text)                 \
    {.name = option,                                                                               \
     .letter = short,                                                                              \
     .type = OPTION_##kind,                                                                        \
     .offset = offsetof(struct options, field),                                                    \
     .initial = value,                                                                             \
     .argument = meta,                                                                             \
     .group = GROUP_##part,                                                                        \
     .verbs = words,                                                                               \
     limits,                                                                                       \
     .help = text},
#include "options.def"
#undef OPTION
};

/* A bare `racebench` shows every strategy, with naive as the canary. */
static const struct {
    enum option_index at;
    const char *text;
} bare_defaults[] = {{OPTION_AT_strategy, "all"},
                     {OPTION_AT_workers, "32"},
                     {OPTION_AT_expect, "claims"}};

bool option_belongs(const struct option_row *row, const struct verb *verb)
{
    if (verb == NULL || strcmp(row->verbs, "*") == 0)
        return true;
    size_t length = strlen(verb->name);
    for (const char *at = row->verbs; (at = strstr(at, verb->name)) != NULL; at += length)
        if ((at == row->verbs || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

char *option_twin(const struct option_row *row)
{
    if (row->alone)
        return NULL;
    char *twin = x_format("RACEBENCH_%s", row->name);
    for (char *at = twin; *at != '\0'; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    return twin;
}

/* Values ------------------------------------------------------------------------------------- */

/* "driver or direct", "off, write or sync". */
static char *say_choices(const char *choices)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    must(out != NULL);
    const char *last = strrchr(choices, '|');
    for (const char *at = choices; *at != '\0'; at++) {
        if (*at == '|')
            fputs(at == last ? " or " : ", ", out);
        else
            fputc(*at, out);
    }
    must(fclose(out) == 0);
    return text;
}

/* NULL when `value` is in the row's range, else what the range is. */
static char *check_range(const struct option_row *row, int64_t value)
{
    int64_t us = row->type == OPTION_DURATION_MS ? 1000 : 1;
    if ((row->low == 0 && row->high == 0) || (value >= row->low && value <= row->high))
        return NULL;
    if (row->type == OPTION_DURATION_MS || row->type == OPTION_DURATION_US)
        return x_format("must be from %s to %s", human_option(row->low * us).text,
                        human_option(row->high * us).text);
    return x_format("must be from %s to %s", human_count(row->low).text,
                    human_count(row->high).text);
}

static char *check_counts(const struct option_row *row, const struct option_counts *counts)
{
    char *problem = NULL;
    for (size_t i = 0; i < counts->count && problem == NULL; i++)
        problem = check_range(row, counts->items[i]);
    return problem;
}

static const char *append_output(struct option_outputs *outputs, const char *text)
{
    struct option_output output;
    const char *problem = option_value_output(text, &output);
    if (problem == NULL) {
        size_t at = array_grow((void **)&outputs->items, &outputs->count, &outputs->capacity,
                               sizeof *outputs->items);
        outputs->items[at] = output;
    }
    return problem;
}

static void clear_outputs(struct option_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++) {
        free(outputs->items[i].kind);
        free(outputs->items[i].file);
    }
    outputs->count = 0;
}

static const char *read_number(const struct option_row *row, const char *text, int64_t *field)
{
    if (row->type == OPTION_COUNT)
        return option_value_count(text, field);
    return option_value_duration(text, row->type == OPTION_DURATION_MS ? 1000000 : 1000, field);
}

/* Reads `text` into the row's field. Returns NULL or what is wrong; owned by the caller. */
static char *read_value(const struct option_row *row, const char *text, void *field)
{
    const char *problem = NULL;
    char *range = NULL;
    switch (row->type) {
    case OPTION_FLAG:
        problem = option_value_flag(text, field);
        break;
    case OPTION_TEXT:
        problem = *text == '\0' ? "must not be empty" : NULL;
        *(const char **)field = text;
        break;
    case OPTION_URI: /* checked when all else is known */
        break;
    case OPTION_COUNT:
    case OPTION_DURATION_MS:
    case OPTION_DURATION_US:
        problem = read_number(row, text, field);
        range = problem == NULL ? check_range(row, *(int64_t *)field) : NULL;
        break;
    case OPTION_COUNTS:
        free(((struct option_counts *)field)->items);
        *(struct option_counts *)field = (struct option_counts){0};
        problem = option_value_counts(text, field);
        range = problem == NULL ? check_counts(row, field) : NULL;
        break;
    case OPTION_SEED:
        problem = strcmp(text, "clock") == 0 ? NULL : option_value_seed(text, field);
        break;
    case OPTION_CHOICE:
        if (option_value_choice(text, row->choices, field) != NULL) {
            char *choices = say_choices(row->choices);
            range = x_format("must be %s", choices);
            free(choices);
        }
        break;
    case OPTION_BACKOFF:
        problem = option_value_backoff(text, field);
        break;
    case OPTION_OUTPUTS:
        problem = append_output(field, text);
        break;
    case OPTION_HAZARDS:
        range = options_read_hazards(text, field);
        break;
    }
    return problem != NULL ? x_strdup(problem) : range;
}

/* Gives an option its value; `spelled` is how the user named it. Returns NULL or a whole line. */
static char *assign(struct options *options, size_t at, const char *text, enum option_source source,
                    const char *spelled)
{
    const struct option_row *row = &option_rows[at];
    char *field = (char *)options + row->offset;
    bool repeats = row->type == OPTION_OUTPUTS || row->type == OPTION_HAZARDS;
    bool again = options->source[at] == source && options->text[at] != NULL;
    bool adds = repeats && again;
    bool list = row->type == OPTION_COUNTS || at == OPTION_AT_strategy || at == OPTION_AT_scenario;
    if (list && again && source == OPTION_FROM_FLAG) /* which of them was meant? */
        return x_format("%s is given twice; write one list, %s A,B", spelled, spelled);
    char *whole = adds ? x_format("%s,%s", options->text[at], text) : x_strdup(text);
    if (row->type == OPTION_OUTPUTS && !adds)
        clear_outputs((struct option_outputs *)(void *)field);
    if (row->type == OPTION_HAZARDS && !adds)
        memset(field, 0, sizeof(struct option_hazards));
    free(options->text[at]);
    options->text[at] = whole;
    options->source[at] = source;
    char *problem = read_value(row, adds ? text : whole, field);
    if (problem == NULL)
        return NULL;
    char *shown = uri_shown(text);
    char *line = x_format("%s '%s': %s", spelled, shown, problem);
    free(shown);
    free(problem);
    return line;
}

static void read_defaults(struct options *options, bool bare)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const char *text = option_rows[i].initial;
        for (size_t j = 0; bare && j < COUNT_OF(bare_defaults); j++)
            if (bare_defaults[j].at == (enum option_index)i)
                text = bare_defaults[j].text;
        if (text == NULL)
            continue;
        char *problem = assign(options, i, text, OPTION_FROM_DEFAULT, option_rows[i].name);
        must(problem == NULL);
    }
}

static char *read_environment(struct options *options)
{
    char *problem = NULL;
    for (size_t i = 0; i < OPTIONS_COUNT && problem == NULL; i++) {
        const struct option_row *row = &option_rows[i];
        char *twin = option_belongs(row, options->verb) ? option_twin(row) : NULL;
        const char *text = twin != NULL ? getenv(twin) : NULL;
        if (text != NULL && *text != '\0' && row->type == OPTION_OUTPUTS) {
            char *copy = x_strdup(text);
            char *rest = copy;
            for (char *part; problem == NULL && (part = strsep(&rest, ",")) != NULL;)
                problem = assign(options, i, part, OPTION_FROM_ENVIRONMENT, twin);
            free(copy);
        } else if (text != NULL && *text != '\0') {
            problem = assign(options, i, text, OPTION_FROM_ENVIRONMENT, twin);
        }
        free(twin);
    }
    return problem;
}

/* Names -------------------------------------------------------------------------------------- */

static const struct option_row *find_name(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        if (strlen(option_rows[i].name) == length && memcmp(option_rows[i].name, name, length) == 0)
            return &option_rows[i];
    return NULL;
}

static const struct option_row *find_letter(char letter)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        if (letter != '\0' && option_rows[i].letter == letter)
            return &option_rows[i];
    return NULL;
}

static char *unknown_option(const char *name, size_t length)
{
    const char *names[OPTIONS_COUNT + 1] = {NULL};
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        names[i] = option_rows[i].name;
    char *typed = x_strndup(name, length);
    char *shown = uri_shown(typed);
    const char *near = option_suggest(typed, names);
    char *line = near != NULL
                     ? x_format("unknown option '--%s'; did you mean '--%s'?", shown, near)
                     : x_format("unknown option '--%s'; 'racebench --help' names them all", shown);
    free(typed);
    free(shown);
    return line;
}

static char *foreign_option(const struct option_row *row, const struct verb *verb)
{
    return x_format("option '--%s' is not for '%s' but for: %s", row->name, verb->name, row->verbs);
}

/* A long option: is it one, of this verb, and has it a value if it needs one? `*skip`: the next
 * argument is its value. */
static char *check_long(const char *argument, const struct verb *verb, bool *skip)
{
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");
    const struct option_row *row = find_name(name, length);
    if (row == NULL)
        return unknown_option(name, length);
    if (!option_belongs(row, verb))
        return foreign_option(row, verb);
    if (row->argument == NULL && name[length] == '=')
        return x_format("option '--%s' takes no value", row->name);
    *skip = row->argument != NULL && name[length] == '\0';
    return NULL;
}

/* Short options: one argument can hold several, and the value of the last. */
static char *check_short(const char *argument, const struct verb *verb, bool *skip)
{
    for (const char *at = argument + 1; *at != '\0'; at++) {
        const struct option_row *row = find_letter(*at);
        if (row == NULL)
            return x_format("unknown option '-%c'; 'racebench --help' names them all",
                            isprint((unsigned char)*at) ? *at : '?');
        if (!option_belongs(row, verb))
            return foreign_option(row, verb);
        if (row->argument != NULL) {
            *skip = at[1] == '\0';
            return NULL;
        }
    }
    return NULL;
}

static char *check_names(int argc, char **argv, const struct verb *verb)
{
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        bool skip = false;
        char *problem = NULL;
        if (strcmp(argument, "--") == 0)
            return NULL;
        if (strncmp(argument, "--", 2) == 0)
            problem = check_long(argument, verb, &skip);
        else if (argument[0] == '-' && argument[1] != '\0')
            problem = check_short(argument, verb, &skip);
        if (problem == NULL && skip && ++i >= argc)
            problem = x_format("option '%s' needs a value; see 'racebench help %s'", argument,
                               verb->name);
        if (problem != NULL)
            return problem;
    }
    return NULL;
}

/* argp --------------------------------------------------------------------------------------- */

struct parse {
    struct options *options;
    char *problem;
};

enum { KEY_LONG_ONLY = 1000 }; /* beyond every letter */

static int row_key(size_t at)
{
    return option_rows[at].letter != 0 ? option_rows[at].letter : KEY_LONG_ONLY + (int)at;
}

static char *take_argument(struct options *options, const char *text)
{
    char *shown = uri_shown(text);
    char *line = NULL;
    if (options->verb->argument != NULL && options->argument == NULL)
        options->argument = text;
    else if (verb_find(text) != NULL)
        line = x_format("unexpected argument '%s'; a verb comes first: racebench %s ...", shown,
                        shown);
    else
        line = x_format("unexpected argument '%s'; see 'racebench help %s'", shown,
                        options->verb->name);
    free(shown);
    return line;
}

static error_t on_key(int key, char *text, struct argp_state *state)
{
    struct parse *parse = state->input;
    if (key == ARGP_KEY_ARG) {
        parse->problem = take_argument(parse->options, text);
        return parse->problem != NULL ? EINVAL : 0;
    }
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (row_key(i) != key)
            continue;
        char *spelled = x_format("--%s", option_rows[i].name);
        parse->problem =
            assign(parse->options, i, text != NULL ? text : "yes", OPTION_FROM_FLAG, spelled);
        free(spelled);
        return parse->problem != NULL ? EINVAL : 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static char *read_arguments(struct options *options, int argc, char **argv)
{
    struct argp_option list[OPTIONS_COUNT + 1];
    memset(list, 0, sizeof(list));
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        list[i].name = option_rows[i].name;
        list[i].key = row_key(i);
        list[i].arg = option_rows[i].argument;
    }
    struct argp argp = {.options = list, .parser = on_key};
    struct parse parse = {options, NULL};
    error_t error = argp_parse(&argp, argc, argv, ARGP_SILENT, NULL, &parse);
    if (error != 0 && parse.problem == NULL)
        return x_strdup("these arguments make no sense; see 'racebench --help'");
    return parse.problem;
}

/* The whole ---------------------------------------------------------------------------------- */

static char *finish_uri(struct options *options)
{
    const char *text = options->text[OPTION_AT_uri];
    if (text == NULL)
        return NULL;
    bool indirect = strncmp(text, "env:", 4) == 0;
    char *shown = uri_shown(text);
    char *line = NULL;
    const char *uri = indirect ? getenv(text + 4) : text;
    if (uri == NULL || *uri == '\0') {
        line = indirect
                   ? x_format("--uri '%s': no such environment variable, or it is empty", shown)
                   : x_strdup("--uri '': must not be empty");
    } else {
        char *problem = uri_check(uri);
        char *redacted = indirect ? uri_redact(uri) : NULL;
        if (problem != NULL && indirect)
            line = x_format("--uri '%s' (%s): %s", shown, redacted, problem);
        else if (problem != NULL)
            line = x_format("--uri '%s': %s", shown, problem);
        free(redacted);
        free(problem);
        options->uri = x_strdup(uri);
    }
    free(shown);
    return line;
}

static char *finish_outputs(struct options *options)
{
    size_t on_stdout = 0;
    bool json = false;
    for (size_t i = 0; i < options->out.count; i++) {
        bool is_stdout = strcmp(options->out.items[i].file, "-") == 0;
        on_stdout += is_stdout;
        json |= is_stdout && strcmp(options->out.items[i].kind, "json") == 0;
    }
    if (on_stdout > 1 || (on_stdout == 1 && options->json && !json))
        return x_strdup(
            "only one report can go to stdout; give the others a file: --out KIND=FILE");
    if (options->json && !json)
        append_output(&options->out, "json=-");
    return NULL;
}

/* Short enough to read aloud. */
static void finish_seed(struct options *options)
{
    if (strcmp(options->text[OPTION_AT_seed], "clock") != 0)
        return;
    uint64_t now = (uint64_t)clock_wall_ms();
    options->seed = random_mix(now, (uint64_t)clock_monotonic_ns()) % 1000000000;
    free(options->text[OPTION_AT_seed]);
    options->text[OPTION_AT_seed] = x_format("%llu", (unsigned long long)options->seed);
}

static char *find_verb(const char *word, const struct verb **verb)
{
    const char *names[32] = {NULL};
    for (size_t i = 0; verbs[i] != NULL && i + 1 < COUNT_OF(names); i++)
        names[i] = verbs[i]->name;
    *verb = verb_find(word);
    if (*verb != NULL)
        return NULL;
    char *shown = uri_shown(word);
    const char *near = option_suggest(word, names);
    char *line;
    if (near != NULL)
        line = x_format("unknown verb '%s'; did you mean '%s'?", shown, near);
    else if (strategy_find(word) != NULL)
        line = x_format("unknown verb '%s'; did you mean '--strategy %s'?", shown, shown);
    else
        line = x_format("unknown verb '%s'; 'racebench list verbs' names them", shown);
    free(shown);
    return line;
}

char *options_parse(struct options *options, int argc, char **argv)
{
    memset(options, 0, sizeof(*options));
    options->verb = verb_find("run");
    must(options->verb != NULL);
    bool named = argc > 1 && argv[1][0] != '-';
    char *problem = named ? find_verb(argv[1], &options->verb) : NULL;
    if (problem != NULL)
        return problem;
    if (named) { /* the verb stands where argp expects the program's name */
        argc--;
        argv++;
    }
    read_defaults(options, argc <= 1);
    problem = check_names(argc, argv, options->verb);
    if (problem == NULL)
        problem = read_environment(options);
    if (problem == NULL)
        problem = read_arguments(options, argc, argv);
    if (problem != NULL || options->help || options->version)
        return problem;
    finish_seed(options);
    problem = finish_outputs(options);
    return problem != NULL ? problem : finish_uri(options);
}

void options_free(struct options *options)
{
    clear_outputs(&options->out);
    free(options->out.items);
    free(options->workers.items);
    free(options->uri);
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        free(options->text[i]);
    memset(options, 0, sizeof(*options));
}
