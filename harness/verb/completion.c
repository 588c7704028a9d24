/* SPDX-License-Identifier: Apache-2.0
 *
 * completion: a shell's completion of verbs, options, choices, strategies, scenarios and reports,
 * written from the tables, so that it cannot fall behind. Use it with
 *
 *     eval "$(racebench completion bash)"
 *
 * zsh reads the same text through its bashcompinit.
 */
#include "../options.h"
#include "../scenario.h"
#include "../uri.h"
#include "../verb.h"

#include <stdlib.h>
#include <string.h>

static void say_words(FILE *out)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        fprintf(out, " --%s", option_rows[i].name);
}

/* One case of the option that stands before the cursor. */
static void say_case(const struct option_row *row, FILE *out)
{
    bool strategies_too = strcmp(row->name, "strategy") == 0;
    bool scenarios_too = strcmp(row->name, "scenario") == 0;
    if (row->argument == NULL)
        return;
    fprintf(out, "    --%s", row->name);
    if (row->letter != 0)
        fprintf(out, "|-%c", row->letter);
    fputs(") words='", out);
    for (const char *at = row->choices; at != NULL && *at != '\0'; at++)
        fputc(*at == '|' ? ' ' : *at, out);
    if (strategies_too || scenarios_too)
        fputs("all", out);
    for (size_t i = 0; strategies_too && strategies[i] != NULL; i++)
        fprintf(out, " %s", strategies[i]->name);
    for (size_t i = 0; scenarios_too && scenarios[i] != NULL; i++)
        fprintf(out, " %s", scenarios[i]->name);
    for (size_t i = 0; row->type == OPTION_OUTPUTS && reports[i] != NULL; i++)
        fprintf(out, " %s=", reports[i]->name);
    fputs("' ;;\n", out);
}

static void say_bash(FILE *out)
{
    fputs("_racebench() {\n"
          "  local words current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
          "  case $before in\n",
          out);
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        say_case(&option_rows[i], out);
    fputs("    *) words='", out);
    say_words(out);
    fputs("'; [ \"$COMP_CWORD\" = 1 ] && words=\"$words", out);
    for (size_t i = 0; verbs[i] != NULL; i++)
        fprintf(out, " %s", verbs[i]->name);
    fputs("\" ;;\n"
          "  esac\n"
          "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
          "}\n"
          "complete -o default -F _racebench racebench ./racebench\n",
          out);
}

static enum exit_code completion_act(const struct options *options)
{
    const char *shell = options->argument;
    if (shell == NULL || (strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0))
        die(EXIT_USAGE, "completion is for bash or zsh%s%s: racebench completion bash",
            shell != NULL ? ", not for " : "", shell != NULL ? uri_shown(shell) : "");
    if (strcmp(shell, "zsh") == 0)
        fputs("autoload -U +X bashcompinit && bashcompinit\n", stdout);
    say_bash(stdout);
    return EXIT_OK;
}

const struct verb verb_completion = {
    .name = "completion",
    .argument = "SHELL",
    .help = "print shell completion, to be given to eval",
    .act = completion_act,
};
