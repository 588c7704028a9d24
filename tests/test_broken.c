/* SPDX-License-Identifier: Apache-2.0
 *
 * broken: the mutation score. Every tests/broken/NAME.c with a line "convicted by:" is a variant
 * with one bug; its head says on which cell it must be convicted, and who its right twin is:
 *
 *     twin: occ
 *     convicted by: counter --workers 8 --lease 50ms      (settings as racebench takes them)
 *     hazard: pause:30ms                                  (optional; an amount or times=N too)
 *
 * For each seed the cell runs with 16, 32, 64, ... operations until it is broken: within 10 s of a
 * processor's time, with 8 workers. Then, on each of the same seeds, the twin runs the same cell
 * with ten times the median of these operations, its hazards as dense, and must be held.
 *
 * Environment: RACEBENCH_BROKEN_SEEDS how many seeds (3; test_broken_20_seeds, label long: 20);
 * RACEBENCH_BROKEN_ONLY one variant; RACEBENCH_BROKEN_OUT a file that gets one line of JSON a
 * variant, for scripts/broken_table; RACEBENCH_BROKEN_TRANSPORT "direct" or "driver" for all;
 * without it all run direct, where 20 seeds take seconds, and some over sockets as well.
 * labels: stress broken slow-sanitizers
 */
#include "option_values.h"
#include "support.h"

#include <dirent.h>
#include <inttypes.h>
#include <time.h>

#define NAME_MAX_LENGTH 64
enum { VARIANTS_MAX = 100, SEEDS_MAX = 1000, OPERATIONS_FIRST = 16, WORKERS = 8 };
/* Of a twin: what proves contention in every cell, and leaves each worker some operations that no
 * hazard strikes. */
enum { TWIN_FACTOR = 10, TWIN_OPERATIONS_MIN = 640, HAZARD_TIMES = 10, OPERATIONS_PER_STRIKE = 10 };
static const double worked_max = 10, patience_seconds = 120;

struct variant {
    char name[NAME_MAX_LENGTH], twin[NAME_MAX_LENGTH], settings[200], hazard[NAME_MAX_LENGTH];
    char title[NAME_MAX_LENGTH + 16]; /* of the test */
    int number;                       /* row of section 5 of facts/seed-systems.md */
    struct cell cell;
};

/* One of each kind that also runs over threads and sockets, where time is not virtual. */
static const char *const over_sockets[] = {"read_set",        "process_mutex",
                                           "ignores_matched", "inc_resent",
                                           "find_then_lock",  "release_before_write",
                                           "resolves_early",  "queue_per_instance"};

/* What came of one seed. */
struct conviction {
    bool broken;
    enum reason reason;
    int64_t operations;
    double seconds;
    double worked; /* of a processor's time: what it takes however busy the machine is */
};

/* Reading heads -------------------------------------------------------------------------------- */

/* The rest of the line " * key: rest" of a file's head, into `value`; false: there is none. */
static bool head_value(const char *text, const char *key, char *value, size_t room)
{
    char *wanted = x_format("\n * %s: ", key);
    const char *found = strstr(text, wanted);
    value[0] = '\0';
    if (found) {
        found += strlen(wanted);
        size_t length = strcspn(found, "\n");
        assert_true(length < room);
        memcpy(value, found, length);
        value[length] = '\0';
    }
    free(wanted);
    return found != NULL;
}

static int64_t duration(const char *text, int64_t unit_ns)
{
    int64_t value = 0;
    const char *problem = option_value_duration(text, unit_ns, &value);
    if (problem)
        fail_msg("%s: %s", text, problem);
    return value;
}

/* One setting; `value` is the next word. Returns how many words it took. */
static int set_option(struct cell *cell, const char *option, const char *value)
{
    static const int64_t us = 1000, ms = 1000000;
    if (strcmp(option, "--unseeded") == 0) {
        cell->unseeded = true;
        return 1;
    }
    assert_non_null(value);
    if (strcmp(option, "--workers") == 0)
        cell->workers = atoi(value);
    else if (strcmp(option, "--instances") == 0)
        cell->instances = atoi(value);
    else if (strcmp(option, "--docs") == 0)
        cell->docs = atoi(value);
    else if (strcmp(option, "--work") == 0)
        cell->work_us = duration(value, us);
    else if (strcmp(option, "--lease") == 0)
        cell->lease_ms = duration(value, ms);
    else if (strcmp(option, "--tick") == 0)
        cell->tick_ms = duration(value, ms);
    else if (strcmp(option, "--jitter") == 0)
        cell->jitter_ms = duration(value, ms);
    else if (strcmp(option, "--max-tries") == 0)
        cell->max_tries = atoi(value);
    else if (strcmp(option, "--backoff") == 0)
        assert_null(option_value_backoff(value, &cell->backoff));
    else
        fail_msg("test_broken does not know %s", option);
    return 2;
}

static void set_hazard(struct cell *cell, const char *text)
{
    char name[NAME_MAX_LENGTH];
    const char *amount = strchr(text, ':');
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, ":"), text);
    for (int i = 0; i < HAZARD_COUNT; i++) {
        if (strcmp(name, hazard_name((enum hazard_index)i)) != 0)
            continue;
        cell->hazards |= 1u << i;
        cell->hazard[i].times = HAZARD_TIMES;
        if (amount && strncmp(amount, ":times=", 7) == 0)
            cell->hazard[i].times = atoi(amount + 7);
        else if (amount)
            cell->hazard[i].amount = duration(amount + 1, 1000);
        return;
    }
    fail_msg("no hazard is called %s", name);
}

static void set_cell(struct variant *variant)
{
    char copy[sizeof(variant->settings)], *words[32] = {NULL}, *rest = NULL;
    int count = 0;
    strcpy(copy, variant->settings);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    const struct scenario *scenario = scenario_find(words[0]);
    const struct strategy *strategy = strategy_find(variant->name);
    if (!scenario || !strategy)
        fail_msg("%s: no such scenario or strategy: %s", variant->name, words[0]);
    const char *transport = getenv("RACEBENCH_BROKEN_TRANSPORT");
    bool driver = transport && strcmp(transport, "driver") == 0;
    variant->cell = support_cell(scenario, strategy, driver ? TRANSPORT_DRIVER : TRANSPORT_DIRECT);
    variant->cell.jitter_ms = 10;
    variant->cell.tick_ms = driver ? 100 : 5000;
    for (int i = 1; i < count;)
        i += set_option(&variant->cell, words[i], words[i + 1]);
    assert_int_equal(variant->cell.workers, WORKERS);
    if (variant->cell.instances > 1)
        variant->cell.hazards |= HAZARD_BIT(instances);
    if (variant->hazard[0])
        set_hazard(&variant->cell, variant->hazard);
}

/* False: the file is no variant but a twin. */
static bool read_head(const char *path, const char *file, struct variant *variant)
{
    static char text[20000];
    char number[16];
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    text[fread(text, 1, sizeof(text) - 1, stream)] = '\0';
    fclose(stream);
    memset(variant, 0, sizeof(*variant));
    snprintf(variant->name, sizeof(variant->name), "%.*s", (int)strcspn(file, "."), file);
    if (!head_value(text, "convicted by", variant->settings, sizeof(variant->settings)))
        return false;
    if (!head_value(text, "twin", variant->twin, sizeof(variant->twin)))
        fail_msg("%s names no twin", file);
    head_value(text, "hazard", variant->hazard, sizeof(variant->hazard));
    if (head_value(text, "number", number, sizeof(number)))
        variant->number = atoi(number);
    strcpy(variant->title, variant->name);
    set_cell(variant);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct variant *)a)->name, ((const struct variant *)b)->name);
}

static size_t read_variants(struct variant variants[])
{
    char *folder = x_format("%s/tests/broken", getenv("RACEBENCH_SOURCE"));
    const char *only = getenv("RACEBENCH_BROKEN_ONLY");
    DIR *directory = opendir(folder);
    size_t count = 0;
    if (!directory)
        die(EXIT_INPUT, "no folder %s: set RACEBENCH_SOURCE to the project's folder", folder);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (length < 3 || strcmp(entry->d_name + length - 2, ".c") != 0)
            continue;
        char *path = x_format("%s/%s", folder, entry->d_name);
        must(count < VARIANTS_MAX);
        if (read_head(path, entry->d_name, &variants[count]) &&
            (!only || strcmp(only, variants[count].name) == 0))
            count++;
        free(path);
    }
    closedir(directory);
    free(folder);
    qsort(variants, count, sizeof(*variants), by_name);
    return count;
}

/* The same cell over threads and sockets. */
static void use_driver(struct variant *variant)
{
    variant->cell.transport = TRANSPORT_DRIVER;
    if (variant->cell.tick_ms == 5000)
        variant->cell.tick_ms = 100;
    snprintf(variant->title, sizeof(variant->title), "%s, driver", variant->name);
}

/* Appends those of over_sockets[] that are among the first `count` variants. */
static size_t append_over_sockets(struct variant variants[], size_t count)
{
    size_t all = count;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < COUNT_OF(over_sockets); k++)
            if (strcmp(variants[i].name, over_sockets[k]) == 0) {
                must(all < VARIANTS_MAX);
                variants[all] = variants[i];
                use_driver(&variants[all++]);
            }
    return all;
}

/* Running -------------------------------------------------------------------------------------- */

static double now_seconds(void)
{
    return (double)uv_hrtime() / 1e9;
}

static double worked_seconds(void)
{
    struct timespec now;
    must(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct verdict run_once(struct cell cell, int64_t operations, uint64_t seed)
{
    cell.ops = operations;
    cell.seed = seed;
    struct cell_result result = support_run(&cell);
    struct verdict verdict = result.verdict;
    cell_result_free(&result);
    return verdict;
}

static struct conviction convict(const struct variant *variant, uint64_t seed)
{
    struct conviction conviction = {.operations = OPERATIONS_FIRST};
    double started = now_seconds(), worked_before = worked_seconds();
    for (;;) {
        struct verdict verdict = run_once(variant->cell, conviction.operations, seed);
        conviction.broken = verdict.status == BROKEN;
        conviction.reason = verdict.reason;
        conviction.seconds = now_seconds() - started;
        conviction.worked = worked_seconds() - worked_before;
        if (conviction.broken || conviction.worked > worked_max ||
            conviction.seconds > patience_seconds)
            return conviction;
        conviction.operations *= 2;
    }
}

static int by_operations(const void *a, const void *b)
{
    const struct conviction *x = a, *y = b;
    return (x->operations > y->operations) - (x->operations < y->operations);
}

static int by_seconds(const void *a, const void *b)
{
    const struct conviction *x = a, *y = b;
    return (x->seconds > y->seconds) - (x->seconds < y->seconds);
}

/* What became of one variant, for people and for scripts/broken_table. */
struct outcome_of_variant {
    const struct variant *variant;
    int seeds, convicted;
    enum reason reason; /* of the first conviction */
    int64_t operations; /* median */
    double seconds;     /* median */
    double seconds_longest;
    int64_t twin_operations;
    int twins_held;
    struct verdict twin; /* the first one that is not held, or the last */
    uint64_t twin_seed;  /* whose that is */
};

/* The twin on the same cell, on every seed. */
static void run_twins(struct outcome_of_variant *one)
{
    struct cell cell = one->variant->cell;
    cell.strategy[0] = strategy_find(one->variant->twin);
    if (!cell.strategy[0])
        fail_msg("%s: no strategy is called %s", one->variant->name, one->variant->twin);
    cell.strategy_name = cell.strategy[0]->name;
    one->twin_operations = one->operations * TWIN_FACTOR;
    if (one->twin_operations < TWIN_OPERATIONS_MIN)
        one->twin_operations = TWIN_OPERATIONS_MIN;
    /* as dense as it was when the variant was convicted, but nobody is struck all the time */
    for (int i = 0; i < HAZARD_COUNT; i++) {
        int64_t times = cell.hazard[i].times * one->twin_operations / one->operations;
        int64_t most = one->twin_operations / OPERATIONS_PER_STRIKE;
        cell.hazard[i].times = (int32_t)(times < most ? times : most);
    }
    for (int i = 0; i < one->seeds; i++) {
        struct verdict verdict = run_once(cell, one->twin_operations, (uint64_t)i + 1);
        one->twins_held += verdict.status == HELD;
        if (i == 0 || one->twin.status == HELD) {
            one->twin = verdict;
            one->twin_seed = (uint64_t)i + 1;
        }
    }
}

static void report(const struct outcome_of_variant *one)
{
    const struct variant *variant = one->variant;
    const char *path = getenv("RACEBENCH_BROKEN_OUT");
    print_message("%-34s %d of %d seeds, %s, median %" PRId64 " operations, %.3f s; %s: held on %d",
                  variant->title, one->convicted, one->seeds, reason_name(one->reason),
                  one->operations, one->seconds, variant->twin, one->twins_held);
    if (one->twin.status != HELD)
        print_message("; on seed %" PRIu64 " %s, %s", one->twin_seed, status_name(one->twin.status),
                      reason_name(one->twin.reason));
    print_message("\n");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file,
            "{\"variant\": \"%s\", \"number\": %d, \"settings\": \"%s\", \"hazard\": \"%s\", "
            "\"transport\": \"%s\", \"seeds\": %d, \"convicted\": %d, \"reason\": \"%s\", "
            "\"operations\": %" PRId64 ", \"seconds\": %.6f, \"seconds_longest\": %.6f, ",
            variant->name, variant->number, variant->settings, variant->hazard,
            transport_name(variant->cell.transport), one->seeds, one->convicted,
            reason_name(one->reason), one->operations, one->seconds, one->seconds_longest);
    fprintf(file,
            "\"twin\": \"%s\", \"twin_operations\": %" PRId64
            ", \"twins_held\": %d, \"twin_verdict\": \"%s\", \"twin_reason\": \"%s\"}\n",
            variant->twin, one->twin_operations, one->twins_held, status_name(one->twin.status),
            reason_name(one->twin.reason));
    fclose(file);
}

static void test_variant(void **state)
{
    const struct variant *variant = *state;
    static struct conviction convictions[SEEDS_MAX];
    const char *seeds = getenv("RACEBENCH_BROKEN_SEEDS");
    struct outcome_of_variant one = {.variant = variant, .seeds = seeds ? atoi(seeds) : 3};
    assert_true(one.seeds > 0 && one.seeds <= SEEDS_MAX);
    for (int i = 0; i < one.seeds; i++) {
        convictions[i] = convict(variant, (uint64_t)i + 1);
        one.convicted += convictions[i].broken && convictions[i].worked <= worked_max;
    }
    one.reason = convictions[0].reason;
    size_t count = (size_t)one.seeds, middle = count / 2;
    qsort(convictions, count, sizeof(*convictions), by_operations);
    one.operations = convictions[middle].operations;
    qsort(convictions, count, sizeof(*convictions), by_seconds);
    one.seconds = convictions[middle].seconds;
    one.seconds_longest = convictions[count - 1].seconds;
    run_twins(&one);
    report(&one);
    assert_int_equal(one.convicted, one.seeds);
    assert_int_equal(one.twins_held, one.seeds);
}

int main(void)
{
    static struct variant variants[VARIANTS_MAX];
    static struct CMUnitTest tests[VARIANTS_MAX];
    const char *transport = getenv("RACEBENCH_BROKEN_TRANSPORT");
    size_t count = read_variants(variants);
    if (!transport)
        count = append_over_sockets(variants, count);
    for (size_t i = 0; transport && strcmp(transport, "driver") == 0 && i < count; i++)
        use_driver(&variants[i]);
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){.name = variants[i].name,
                                       .test_func = test_variant,
                                       .initial_state = &variants[i]};
    return _cmocka_run_group_tests("broken", tests, count, NULL, NULL);
}
