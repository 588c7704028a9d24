/* SPDX-License-Identifier: Apache-2.0
 *
 * options: from the command line and the environment to one struct, by the table in options.def and
 * nothing else: parser, environment twins, help, completion and the settings that a run writes down
 * are all read off its rows. A flag beats the environment, the environment beats the default.
 *
 * The first argument may name a verb; `run` is meant otherwise. Long options must be written out:
 * argp would take any beginning of a name, which breaks scripts when an option is added. No error
 * line and no echo ever holds a secret (uri.h).
 *
 * Only main.c, plan.c, options*.c and harness/verb/ include this.
 */
#ifndef RACEBENCH_OPTIONS_H
#define RACEBENCH_OPTIONS_H

#include "option_values.h"
#include "report.h"
#include "run.h"

#include <bson/bson.h>
#include <stdio.h>

struct verb;

enum option_type {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_URI,
    OPTION_COUNT,
    OPTION_COUNTS,
    OPTION_DURATION_MS,
    OPTION_DURATION_US,
    OPTION_SEED,
    OPTION_CHOICE,
    OPTION_BACKOFF,
    OPTION_OUTPUTS,
    OPTION_HAZARDS,
};

/* All that --out asked for. */
struct option_outputs {
    struct option_output *items;
    size_t count, capacity;
};

/* All that --hazard asked for. */
struct option_hazards {
    unsigned planned; /* HAZARD_BIT()s */
    struct hazard_setting settings[CELL_HAZARDS_MAX];
};
/* Adds NAME[:AMOUNT][:times=N], or several with commas between them. Returns NULL, or what is wrong
 * as half a sentence, which the caller frees. */
char *options_read_hazards(const char *text, struct option_hazards *);

/* The C types of the fields. TEXT is NULL when nothing was given and there is no default; URI is
 * what env:NAME holds; CHOICE is an index into CHOICES, the enumeration's value. */
#define OPTION_FIELD_FLAG        bool
#define OPTION_FIELD_TEXT        const char *
#define OPTION_FIELD_URI         char *
#define OPTION_FIELD_COUNT       int64_t
#define OPTION_FIELD_COUNTS      struct option_counts
#define OPTION_FIELD_DURATION_MS int64_t
#define OPTION_FIELD_DURATION_US int64_t
#define OPTION_FIELD_SEED        uint64_t
#define OPTION_FIELD_CHOICE      int
#define OPTION_FIELD_BACKOFF     struct backoff
#define OPTION_FIELD_OUTPUTS     struct option_outputs
#define OPTION_FIELD_HAZARDS     struct option_hazards

/* OPTION_AT_workers, ...: a row's number. */
enum option_index {
#define OPTION(field, ...) OPTION_AT_##field,
#include "options.def"
#undef OPTION
    OPTIONS_COUNT
};

enum option_source { OPTION_FROM_DEFAULT, OPTION_FROM_ENVIRONMENT, OPTION_FROM_FLAG };

/* Values of --color and --progress, in the order of their choices. */
enum option_color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
enum option_progress { SHOW_AUTO, SHOW_BAR, SHOW_LINES, SHOW_NONE };

/* A command line, understood. Made by options_parse(), freed by options_free(). */
struct options {
    const struct verb *verb;
    const char *argument; /* what followed the verb, or NULL; borrowed from argv */
#define OPTION(field, name, letter, type, ...) OPTION_FIELD_##type field;
#include "options.def"
#undef OPTION
    char *text[OPTIONS_COUNT]; /* each as it was typed, or NULL */
    enum option_source source[OPTIONS_COUNT];
};

/* One row of options.def. */
struct option_row {
    const char *name;
    int letter; /* short option, or 0 */
    enum option_type type;
    size_t offset;        /* of the field in struct options */
    const char *initial;  /* default as typed, or NULL */
    const char *argument; /* what --help calls its value, or NULL */
    int group;            /* from 1, in the order of --help */
    const char *verbs;
    const char *help;
    int64_t low, high;   /* both 0: any */
    const char *choices; /* "a|b|c", or NULL */
    bool alone;          /* no environment twin */
};
extern const struct option_row option_rows[OPTIONS_COUNT];

/* Titles of the groups of --help; option_groups[0] is group 1. Ended by NULL. */
extern const char *const option_groups[];

/* Does the verb take this option? */
bool option_belongs(const struct option_row *, const struct verb *);

/* Name of an option's environment twin, "RACEBENCH_MAX_TRIES"; the caller frees it. NULL: none. */
char *option_twin(const struct option_row *);

/* Understands a command line. Returns NULL, or what is wrong with it as one line for die(), which
 * the caller frees. `options` can be given to options_free() in either case. */
char *options_parse(struct options *, int argc, char **argv);
void options_free(struct options *);

/* Writes --help: of one verb, or of the whole program when `verb` is NULL. */
void options_help(const struct verb *verb, FILE *out);

/* A command line that says the same as this one: options that differ from their defaults, the
 * seed, nothing secret; quoted for a shell. The caller frees it. */
char *options_command(const struct options *);

/* Appends every option of the verb as {name: {value, from: "default", "environment" or "flag"}}. */
void options_echo(const struct options *, bson_t *into);

/* Prints the exit codes, one a line. */
void options_exit_codes(FILE *out);

/* How stdout wants to be treated (--color, NO_COLOR, TERM, -q, -v), and which progress is shown. */
void options_style(const struct options *, struct style *);
enum progress options_progress(const struct options *);

#endif
