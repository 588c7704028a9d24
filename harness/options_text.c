/* SPDX-License-Identifier: Apache-2.0
 *
 * options_text: what the option table says to people and to files: --help, the command line that
 * says the same again, the settings that a run writes down; and how terminals are treated. Layout
 * of the help is argp's, in the form that help2man reads (scripts/man).
 *
 * Colour and redrawn lines are separate questions: NO_COLOR (counted when not empty, no-color.org)
 * takes the colours and leaves the bar; a flag beats it.
 */
#include "base.h"
#include "human.h"
#include "options.h"
#include "strategy.h"
#include "uri.h"
#include "verb.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct {
    enum exit_code code;
    const char *help;
} exit_codes[] = {
    {EXIT_OK, "as expected"},
    {EXIT_BROKEN, "correctness is broken: updates were lost, doubled, ..."},
    {EXIT_UNKNOWN, "unknown: nothing was proved in either direction"},
    {EXIT_GATE, "a performance gate failed"},
    {EXIT_USAGE, "the command line is wrong"},
    {EXIT_INPUT, "an input file cannot be read or makes no sense"},
    {EXIT_TARGET, "the target is missing or lacks what is needed"},
    {EXIT_INTERNAL, "racebench itself is at fault"},
    {EXIT_RESULTS, "results cannot be written"},
    {EXIT_WORKER, "an external worker broke the protocol"},
    {EXIT_INTERRUPTED, "interrupted (SIGINT): results are partial and marked"},
    {EXIT_TERMINATED, "terminated (SIGTERM): likewise"},
};

void options_exit_codes(FILE *out)
{
    for (size_t i = 0; i < COUNT_OF(exit_codes); i++)
        fprintf(out, "  %-4d %s\n", (int)exit_codes[i].code, exit_codes[i].help);
    fprintf(out, "  Over several cells: 1, then 130, then 2, then 3, then 0.\n");
}

/* Help --------------------------------------------------------------------------------------- */

/* What follows the options in --help of the whole program. */
static void say_rest(FILE *out)
{
    fputs("Verbs (the first argument; 'run' when it is left out):\n", out);
    for (size_t i = 0; verbs[i] != NULL; i++) {
        char *usage =
            x_format("%s %s", verbs[i]->name, verbs[i]->argument != NULL ? verbs[i]->argument : "");
        fprintf(out, "  %-18s ", usage);
        human_wrap(out, verbs[i]->help, 78, 21, 21);
        free(usage);
    }
    fputs("\nNumbers may be written 10000, 10_000, 10,000 or 10k; k is a thousand, M a million. "
          "Times need a unit: 100us, 1ms, 30s, 2m, 1h. "
          "Without any argument racebench runs '--strategy all --workers 32 --expect claims'.\n",
          out);
    fputs("\nEvery option has a twin in the environment, RACEBENCH_MAX_TRIES for --max-tries, but "
          "--uri has none: a connection string is never picked up unasked; say --uri env:NAME. A "
          "flag beats the environment, the environment beats the default.\n",
          out);
    fputs("\nExit codes:\n", out);
    options_exit_codes(out);
}

/* Option text with its default, which the table holds apart. */
static char *row_help(const struct option_row *row)
{
    if (row->choices != NULL && strstr(row->help, row->initial) == NULL)
        return x_format("%s (%s; default %s)", row->help, row->choices, row->initial);
    if (row->choices != NULL && strstr(row->help, strrchr(row->choices, '|') + 1) == NULL)
        return x_format("%s (%s; default %s)", row->help, row->choices, row->initial);
    if (row->initial != NULL)
        return x_format("%s (default %s)", row->help, row->initial);
    return x_strdup(row->help);
}

static void fill_list(struct argp_option *list, char **texts, const struct verb *verb)
{
    size_t count = 0;
    for (int group = 1; option_groups[group - 1] != NULL; group++) {
        bool titled = false;
        for (size_t i = 0; i < OPTIONS_COUNT; i++) {
            const struct option_row *row = &option_rows[i];
            if (row->group != group || !option_belongs(row, verb))
                continue;
            if (!titled)
                list[count++] =
                    (struct argp_option){.doc = option_groups[group - 1], .group = group};
            titled = true;
            texts[i] = row_help(row);
            list[count++] =
                (struct argp_option){.name = row->name,
                                     .key = row->letter != 0 ? row->letter : 1000 + (int)i,
                                     .arg = row->argument,
                                     .doc = texts[i],
                                     .group = group};
        }
    }
}

void options_help(const struct verb *verb, FILE *out)
{
    struct argp_option list[2 * OPTIONS_COUNT + 1];
    char *texts[OPTIONS_COUNT] = {NULL};
    memset(list, 0, sizeof(list));
    fill_list(list, texts, verb);
    char *rest = NULL;
    size_t size = 0;
    FILE *doc = open_memstream(&rest, &size);
    must(doc != NULL);
    if (verb == NULL)
        fputs("Races concurrent workers over shared MongoDB documents and says which way of "
              "updating them is safe, under what, and at what cost.\v",
              doc);
    else
        fprintf(doc, "racebench %s: %s\v", verb->name, verb->help);
    if (verb == NULL)
        say_rest(doc);
    must(fclose(doc) == 0);
    const char *argument = verb == NULL ? "[VERB]" : verb->argument;
    char *name = verb == NULL ? x_strdup("racebench") : x_format("racebench %s", verb->name);
    struct argp argp = {.options = list, .args_doc = argument, .doc = rest};
    argp_help(&argp, out, ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC, name);
    free(name);
    free(rest);
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        free(texts[i]);
}

/* Echo --------------------------------------------------------------------------------------- */

/* An option's text without secrets; the caller frees it. */
static char *safe_text(const struct options *options, size_t at, const char *instead)
{
    const char *text = options->text[at];
    if (option_rows[at].type == OPTION_URI && strncmp(text, "env:", 4) != 0 && uri_has_secret(text))
        return instead != NULL ? x_strdup(instead) : uri_redact(text);
    if (option_rows[at].type == OPTION_TEXT && strstr(text, "://") != NULL)
        return uri_redact(text);
    return human_utf8(text);
}

static void say_outputs(const struct option_outputs *outputs, FILE *out)
{
    for (size_t i = 0; i < outputs->count; i++) {
        char *text = x_format("%s=%s", outputs->items[i].kind, outputs->items[i].file);
        char *word = human_shell_word(text);
        fprintf(out, " --out %s", word);
        free(word);
        free(text);
    }
}

static void say_option(const struct options *options, size_t at, FILE *out)
{
    const struct option_row *row = &option_rows[at];
    const char *text = options->text[at];
    bool usual = text == NULL || (row->initial != NULL && strcmp(text, row->initial) == 0);
    if (at == OPTION_AT_results && options->source[at] == OPTION_FROM_ENVIRONMENT)
        return; /* the launcher says where runs are kept; that makes no other run */
    if (row->type == OPTION_FLAG) {
        const char *field = (const char *)options + row->offset;
        /* --json stands in the list of outputs as well where there is one */
        bool said = at == OPTION_AT_json && options->out.count > 0;
        if (*(const bool *)field && !said)
            fprintf(out, " --%s", row->name);
    } else if (row->type == OPTION_OUTPUTS) {
        say_outputs(&options->out, out);
    } else if (!usual) {
        char *safe = safe_text(options, at, "env:RACEBENCH_URI");
        char *word = human_shell_word(safe);
        fprintf(out, " --%s %s", row->name, word);
        free(word);
        free(safe);
    }
}

char *options_command(const struct options *options)
{
    char *line = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&line, &size);
    must(out != NULL);
    fputs(registry_program, out);
    if (strcmp(options->verb->name, "run") != 0)
        fprintf(out, " %s", options->verb->name);
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        if (option_belongs(&option_rows[i], options->verb))
            say_option(options, i, out);
    if (options->argument != NULL) {
        char *shown = uri_shown(options->argument);
        char *word = human_shell_word(shown);
        fprintf(out, " %s", word);
        free(word);
        free(shown);
    }
    must(fclose(out) == 0);
    return line;
}

void options_echo(const struct options *options, bson_t *into)
{
    static const char *const sources[] = {"default", "environment", "flag"};
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        bson_t entry;
        if (!option_belongs(&option_rows[i], options->verb) || options->text[i] == NULL)
            continue;
        char *text = safe_text(options, i, NULL);
        BSON_APPEND_DOCUMENT_BEGIN(into, option_rows[i].name, &entry);
        BSON_APPEND_UTF8(&entry, "value", text);
        BSON_APPEND_UTF8(&entry, "from", sources[options->source[i]]);
        bson_append_document_end(into, &entry);
        free(text);
    }
}

/* Terminals ---------------------------------------------------------------------------------- */

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && *value != '\0';
}

static bool is_terminal(int descriptor)
{
    const char *term = getenv("TERM");
    return isatty(descriptor) && term != NULL && strcmp(term, "dumb") != 0;
}

void options_style(const struct options *options, struct style *style)
{
    struct winsize size;
    int columns = 100; /* of a log */
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        columns = size.ws_col;
    bool color = options->color == COLOR_ALWAYS;
    if (options->color == COLOR_AUTO)
        color = is_terminal(STDOUT_FILENO) && !is_set("NO_COLOR");
    *style = (struct style){.color = color,
                            .columns = columns < 60 ? 60 : columns,
                            .quiet = options->quiet,
                            .verbose = options->verbose};
}

enum progress options_progress(const struct options *options)
{
    switch ((enum option_progress)options->progress) {
    case SHOW_BAR:
        return PROGRESS_BAR;
    case SHOW_LINES:
        return PROGRESS_LINES;
    case SHOW_NONE:
        return PROGRESS_NONE;
    case SHOW_AUTO:
        break;
    }
    if (options->quiet)
        return PROGRESS_NONE;
    return is_terminal(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_LINES;
}
