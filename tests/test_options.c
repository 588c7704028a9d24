/* SPDX-License-Identifier: Apache-2.0
 *
 * options: what people type, well and badly. Whole command lines go through options_parse(), which
 * returns its complaint instead of dying of it, so that the very line can be compared.
 *
 * labels: unit
 */
#include "support.h"

#include "options.h"
#include "scenario.h"
#include "verb.h"

#include <unistd.h>

enum { ARGUMENTS_MAX = 40 };

/* Parses "run -w 3", split at blanks; "_" in a word stands for a blank. */
static char *parse(struct options *options, const char *line)
{
    static char words[512]; /* options borrow the arguments */
    char *argv[ARGUMENTS_MAX + 1] = {NULL};
    int argc = 1;
    snprintf(words, sizeof(words), "%s", line);
    argv[0] = words + strlen(words); /* "" */
    char *rest = words;
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word != '\0' && argc < ARGUMENTS_MAX)
            argv[argc++] = word;
    return options_parse(options, argc, argv);
}

static void good(struct options *options, const char *line)
{
    char *problem = parse(options, line);
    if (problem != NULL)
        fail_msg("'%s' was refused: %s", line, problem);
}

/* The complaint about `line` is `wanted`, or begins with it when that ends in "...". */
static void bad(const char *line, const char *wanted)
{
    struct options options;
    char *problem = parse(&options, line);
    size_t length = strlen(wanted);
    bool open = length > 3 && strcmp(wanted + length - 3, "...") == 0;
    if (problem == NULL)
        fail_msg("'%s' was taken", line);
    if (open ? strncmp(problem, wanted, length - 3) != 0 : strcmp(problem, wanted) != 0)
        fail_msg("'%s': '%s' instead of '%s'", line, problem, wanted);
    assert_null(strchr(problem, '\n'));
    free(problem);
    options_free(&options);
}

static int clean_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        char *twin = option_twin(&option_rows[i]);
        if (twin != NULL)
            unsetenv(twin);
        free(twin);
    }
    unsetenv("RACEBENCH_URI");
    unsetenv("NO_COLOR");
    return 0;
}

/* Command lines ------------------------------------------------------------------------------ */

static void defaults_hold(void **state)
{
    (void)state;
    struct options options;
    good(&options, "run -q");
    assert_string_equal(options.verb->name, "run");
    assert_string_equal(options.strategy, "all");
    assert_string_equal(options.scenario, "counter");
    assert_int_equal(options.workers.count, 1);
    assert_int_equal(options.workers.items[0], 10);
    assert_int_equal(options.ops, 10000);
    assert_int_equal(options.docs, 1);
    assert_int_equal(options.lease_ms, 30000);
    assert_int_equal(options.timeout_ms, 10000);
    assert_int_equal(options.max_tries, 1000);
    assert_int_equal(options.transport, TRANSPORT_DRIVER);
    assert_int_equal(options.durability, DURABILITY_WRITE);
    assert_int_equal(options.expect, EXPECT_EXACT);
    assert_int_equal(options.backoff.kind, BACKOFF_FULL_JITTER);
    assert_int_equal(options.backoff.base_us, 1000);
    assert_int_equal(options.backoff.cap_us, 100000);
    assert_string_equal(options.results, "results/runs");
    assert_string_equal(options.listen, "127.0.0.1");
    assert_null(options.uri);
    assert_null(options.database);
    options_free(&options);
}

/* The enumerations of cell.h and the choices of the table must stay in the same order. */
static void choices_are_the_enumerations(void **state)
{
    (void)state;
    int index = -1;
    for (int i = 0; i < 2; i++) {
        const char *name = transport_name((enum transport)i);
        assert_null(option_value_choice(name, option_rows[OPTION_AT_transport].choices, &index));
        assert_int_equal(index, i);
    }
    for (int i = 0; i < 3; i++) {
        const char *name = durability_name((enum durability)i);
        assert_null(option_value_choice(name, option_rows[OPTION_AT_durability].choices, &index));
        assert_int_equal(index, i);
        name = expect_name((enum expect)i);
        assert_null(option_value_choice(name, option_rows[OPTION_AT_expect].choices, &index));
        assert_int_equal(index, i);
    }
}

static void nothing_at_all_is_the_canary_run(void **state)
{
    (void)state;
    static const char *const lines[] = {"", "run"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct options options;
        good(&options, lines[i]);
        assert_string_equal(options.strategy, "all");
        assert_int_equal(options.workers.items[0], 32);
        assert_int_equal(options.expect, EXPECT_CLAIMS);
        char *command = options_command(&options);
        assert_non_null(strstr(command, "--workers 32"));
        assert_non_null(strstr(command, "--expect claims"));
        free(command);
        options_free(&options);
    }
}

static void all_forms_are_taken(void **state)
{
    (void)state;
    struct options options;
    good(&options, "-w3 -s occ --ops=1k -qv -o json=a -o hgrm=b --keep");
    assert_int_equal(options.workers.items[0], 3);
    assert_string_equal(options.strategy, "occ");
    assert_int_equal(options.ops, 1000);
    assert_true(options.quiet && options.verbose && options.keep);
    assert_int_equal(options.out.count, 2);
    assert_string_equal(options.out.items[1].kind, "hgrm");
    options_free(&options);
    good(&options, "-n 3 -n 4 --seed 42"); /* the last one counts */
    assert_int_equal(options.ops, 4);
    assert_int_equal(options.seed, 42);
    options_free(&options);
    good(&options, "show --verbose some-run");
    assert_string_equal(options.verb->name, "show");
    assert_string_equal(options.argument, "some-run");
    options_free(&options);
    good(&options, "show -- -odd");
    assert_string_equal(options.argument, "-odd");
    options_free(&options);
    good(&options, "serve --port 27017 --canned");
    assert_int_equal(options.port, 27017);
    options_free(&options);
}

static void json_means_stdout(void **state)
{
    (void)state;
    struct options options;
    good(&options, "--json");
    assert_int_equal(options.out.count, 1);
    assert_string_equal(options.out.items[0].kind, "json");
    assert_string_equal(options.out.items[0].file, "-");
    options_free(&options);
    good(&options, "--json -o json=-");
    assert_int_equal(options.out.count, 1);
    options_free(&options);
    bad("--json -o hgrm=-", "only one report can go to stdout...");
    bad("-o json=- -o hgrm=-", "only one report can go to stdout...");
}

static void bad_lines_get_one_clear_line(void **state)
{
    (void)state;
    bad("--worker 3", "unknown option '--worker'; did you mean '--workers'?");
    bad("--work 3", "--work '3': needs a unit; write it like 500us, 1ms, 30s, 2m or 1h");
    bad("--strat occ", "unknown option '--strat'; did you mean '--strategy'?");
    bad("--zebra", "unknown option '--zebra'; 'racebench --help' names them all");
}

static void bad_values_get_one_clear_line(void **state)
{
    (void)state;
    bad("-w 0", "--workers '0': must be from 1 to 100,000");
    bad("-w 10000000", "--workers '10000000': must be from 1 to 100,000");
    bad("-w 10,0", "--workers '10,0': must be from 1 to 100,000");
    bad("-w ten", "--workers 'ten': not a whole number; write it like 100, 10_000 or 10k");
    bad("-w", "option '-w' needs a value; see 'racebench help run'");
    bad("--workers", "option '--workers' needs a value; see 'racebench help run'");
    bad("-Z", "unknown option '-Z'; 'racebench --help' names them all");
    bad("-qZ", "unknown option '-Z'; 'racebench --help' names them all");
    bad("--keep=yes", "option '--keep' takes no value");
    bad("--transport tcp", "--transport 'tcp': must be driver or direct");
    bad("--durability on", "--durability 'on': must be write, sync or off");
    bad("-s naive -s occ", "--strategy is given twice; write one list, --strategy A,B");
    bad("-w 1 --workers 10", "--workers is given twice; write one list, --workers A,B");
    bad("-S counter --scenario=snapshot",
        "--scenario is given twice; write one list, --scenario A,B");
    bad("--lease 0", "--lease '0': must be from 1ms to 24h");
    bad("--work 2h", "--work '2h': must be from 0 to 1h");
    bad("--lease 100us", "--lease '100us': must be whole milliseconds");
    bad("--backoff jitter", "--backoff 'jitter': not a back-off; ...");
    bad("--out json", "--out 'json': write it KIND=FILE, ...");
    bad("--strategy=", "--strategy '': must not be empty");
    bad("--seed -1", "--seed '-1': not a seed; ...");
    bad("--max-tries 0", "--max-tries '0': must be from 1 to 1,000,000,000");
    bad("-n 0", "--ops '0': must be from 1 to 100,000,000");
    bad("--uri=", "--uri '': must not be empty");
}

static void bad_words_get_one_clear_line(void **state)
{
    (void)state;
    bad("runn", "unknown verb 'runn'; did you mean 'run'?");
    bad("occ", "unknown verb 'occ'; did you mean '--strategy occ'?");
    bad("zebra", "unknown verb 'zebra'; 'racebench list verbs' names them");
    bad("-w 3 serve", "unexpected argument 'serve'; a verb comes first: racebench serve ...");
    bad("run occ", "unexpected argument 'occ'; see 'racebench help run'");
    bad("show a b", "unexpected argument 'b'; see 'racebench help show'");
    bad("serve --workers 3", "option '--workers' is not for 'serve' but for: run explore");
    bad("--port 3", "option '--port' is not for 'run' but for: serve");
    bad("list -w 3", "option '--workers' is not for 'list' but for: run explore");
}

static void every_beginning_of_a_name_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        size_t length = strlen(option_rows[i].name);
        for (size_t cut = 1; cut < length; cut++) {
            char line[64];
            bool is_name = false;
            snprintf(line, sizeof(line), "--%.*s", (int)cut, option_rows[i].name);
            for (size_t j = 0; j < OPTIONS_COUNT; j++)
                is_name |= strcmp(option_rows[j].name, line + 2) == 0;
            if (!is_name)
                bad(line, "unknown option...");
        }
    }
}

/* The environment ---------------------------------------------------------------------------- */

static void a_flag_beats_the_environment_beats_the_default(void **state)
{
    (void)state;
    struct options options;
    setenv("RACEBENCH_MAX_TRIES", "7", 1);
    setenv("RACEBENCH_OUT", "json=a,hgrm=b", 1);
    setenv("RACEBENCH_KEEP", "1", 1);
    setenv("RACEBENCH_QUIET", "no", 1);
    setenv("RACEBENCH_LEASE", "", 1); /* empty is as good as not set */
    good(&options, "--docs 2");
    assert_int_equal(options.max_tries, 7);
    assert_int_equal(options.source[OPTION_AT_max_tries], OPTION_FROM_ENVIRONMENT);
    assert_int_equal(options.source[OPTION_AT_docs], OPTION_FROM_FLAG);
    assert_int_equal(options.source[OPTION_AT_lease_ms], OPTION_FROM_DEFAULT);
    assert_int_equal(options.out.count, 2);
    assert_true(options.keep);
    assert_false(options.quiet);
    char *command = options_command(&options);
    assert_non_null(strstr(command, "--max-tries 7"));
    assert_non_null(strstr(command, "--keep"));
    assert_null(strstr(command, "--quiet"));
    free(command);
    options_free(&options);
    good(&options, "--max-tries 8 -o junit=c");
    assert_int_equal(options.max_tries, 8);
    assert_int_equal(options.out.count, 1); /* replaced, not added to */
    assert_string_equal(options.out.items[0].kind, "junit");
    options_free(&options);
    clean_environment(NULL);
}

static void a_bad_variable_is_named(void **state)
{
    (void)state;
    struct options options;
    setenv("RACEBENCH_WORKERS", "many", 1);
    bad("-q", "RACEBENCH_WORKERS 'many': not a whole number; ...");
    good(&options, "serve"); /* which takes no workers */
    options_free(&options);
    unsetenv("RACEBENCH_WORKERS");
    setenv("RACEBENCH_KEEP", "perhaps", 1);
    bad("-q", "RACEBENCH_KEEP 'perhaps': neither yes nor no; ...");
    clean_environment(NULL);
}

static void every_option_but_uri_has_a_twin_that_works(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        struct options options;
        char *twin = option_twin(row);
        if (twin == NULL) {
            assert_true(i == OPTION_AT_uri || i == OPTION_AT_help || i == OPTION_AT_version);
            continue;
        }
        char verb[32];
        snprintf(verb, sizeof(verb), "%.*s", (int)strcspn(row->verbs, " "), row->verbs);
        setenv(twin,
               row->initial != NULL          ? row->initial
               : row->type == OPTION_OUTPUTS ? "json=x"
               : row->type == OPTION_HAZARDS ? "lost_reply"
                                             : "yes",
               1);
        good(&options, verb);
        assert_int_equal(options.source[i], OPTION_FROM_ENVIRONMENT);
        options_free(&options);
        unsetenv(twin);
        free(twin);
    }
}

static void a_uri_is_never_picked_up_silently(void **state)
{
    (void)state;
    struct options options;
    setenv("RACEBENCH_URI", "mongodb://localhost", 1);
    good(&options, "-q");
    assert_null(options.uri);
    options_free(&options);
    good(&options, "--uri env:RACEBENCH_URI");
    assert_string_equal(options.uri, "mongodb://localhost");
    char *command = options_command(&options);
    assert_non_null(strstr(command, "--uri env:RACEBENCH_URI"));
    free(command);
    options_free(&options);
    bad("--uri env:NOT_THERE", "--uri 'env:NOT_THERE': no such environment variable, ...");
    bad("--uri env:", "--uri 'env:': no such environment variable, ...");
    clean_environment(NULL);
}

/* Echo, help, terminal ----------------------------------------------------------------------- */

#define PASSWORD "h8nter2"

static void no_echo_holds_the_password(void **state)
{
    (void)state;
    struct options options;
    good(&options, "--uri mongodb://me:" PASSWORD "@db.example/?replicaSet=rs0 -w 4 --seed 9");
    char *command = options_command(&options);
    assert_null(strstr(command, PASSWORD));
    assert_non_null(strstr(command, "--uri env:RACEBENCH_URI"));
    assert_non_null(strstr(command, "--seed 9"));
    free(command);
    bson_t echo = BSON_INITIALIZER;
    options_echo(&options, &echo);
    char *text = bson_as_relaxed_extended_json(&echo, NULL);
    assert_null(strstr(text, PASSWORD));
    assert_non_null(strstr(text, "\"mongodb://***@db.example/?replicaSet=rs0\""));
    assert_non_null(strstr(text, "\"workers\" : { \"value\" : \"4\", \"from\" : \"flag\" }"));
    bson_free(text);
    bson_destroy(&echo);
    options_free(&options);
    static const char *const lines[] = {
        "--uri mongodb://me:" PASSWORD "@",
        "--uri me:" PASSWORD "@host",
        "--url mongodb://me:" PASSWORD "@host",
        "--url=mongodb://me:" PASSWORD "@host",
        "--mongodb://me:" PASSWORD "@host",
        "mongodb://me:" PASSWORD "@host",
        "run mongodb://me:" PASSWORD "@host",
        "-w mongodb://me:" PASSWORD "@host",
        "-o mongodb://me:" PASSWORD "@host",
        "--uri env:me:" PASSWORD "@host",
        "--uri mongodb://me:" PASSWORD "@host:port/",
        "--uri mongodb://host/?tlsCertificateKeyFilePassword=" PASSWORD "&w=-9",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        char *problem = parse(&options, lines[i]);
        if (problem == NULL || strstr(problem, PASSWORD) != NULL)
            fail_msg("'%s': %s", lines[i], problem != NULL ? problem : "taken");
        free(problem);
        options_free(&options);
    }
}

/* A command line that was echoed means the same when it is typed. */
static void the_echo_parses_to_the_same(void **state)
{
    (void)state;
    struct options first, second;
    good(&first, "-s naive+occ,inc -S counter -w 1,10 -n 2k --lease 1s --backoff fixed:1ms --json "
                 "--durability sync --unseeded --database mine --uri mongodb://h1:1,h2/db");
    char *command = options_command(&first);
    assert_memory_equal(command, "./racebench ", 12);
    good(&second, command + 12);
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        if (i != OPTION_AT_json && i != OPTION_AT_out && first.text[i] != NULL)
            assert_string_equal(first.text[i], second.text[i]);
    assert_int_equal(first.out.count, second.out.count);
    assert_int_equal(first.seed, second.seed);
    free(command);
    options_free(&first);
    options_free(&second);
}

static void help_names_every_option(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    options_help(NULL, out);
    fclose(out);
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        char name[64];
        snprintf(name, sizeof(name), "--%s", option_rows[i].name);
        assert_non_null(strstr(text, name));
    }
    free(text);
    out = open_memstream(&text, &size);
    options_help(verb_find("serve"), out);
    fclose(out);
    assert_non_null(strstr(text, "--socket"));
    assert_null(strstr(text, "--workers"));
    free(text);
}

/* NO_COLOR counts when it is not empty; here stdout is no terminal, so only `always` colours. */
static void colour_obeys_flag_and_terminal(void **state)
{
    (void)state;
    struct options options;
    struct style style;
    good(&options, "--color always");
    setenv("NO_COLOR", "1", 1);
    options_style(&options, &style);
    assert_true(style.color);
    assert_true(style.columns >= 60);
    options_free(&options);
    good(&options, "--color never -q");
    options_style(&options, &style);
    assert_false(style.color);
    assert_int_equal(options_progress(&options), PROGRESS_NONE);
    options_free(&options);
    good(&options, "--progress bar -q");
    assert_int_equal(options_progress(&options), PROGRESS_BAR);
    options_free(&options);
    clean_environment(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(choices_are_the_enumerations),
        cmocka_unit_test(nothing_at_all_is_the_canary_run),
        cmocka_unit_test(all_forms_are_taken),
        cmocka_unit_test(json_means_stdout),
        cmocka_unit_test(bad_lines_get_one_clear_line),
        cmocka_unit_test(bad_values_get_one_clear_line),
        cmocka_unit_test(bad_words_get_one_clear_line),
        cmocka_unit_test(every_beginning_of_a_name_is_refused),
        cmocka_unit_test(a_flag_beats_the_environment_beats_the_default),
        cmocka_unit_test(a_bad_variable_is_named),
        cmocka_unit_test(every_option_but_uri_has_a_twin_that_works),
        cmocka_unit_test(a_uri_is_never_picked_up_silently),
        cmocka_unit_test(no_echo_holds_the_password),
        cmocka_unit_test(the_echo_parses_to_the_same),
        cmocka_unit_test(help_names_every_option),
        cmocka_unit_test(colour_obeys_flag_and_terminal),
    };
    return cmocka_run_group_tests(tests, clean_environment, NULL) != 0;
}
