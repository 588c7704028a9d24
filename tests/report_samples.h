/* SPDX-License-Identifier: Apache-2.0
 *
 * report_samples: results made by hand, for the tests of what is done with results: every kind of
 * verdict, histories with a race in them, odd names, huge and impossible numbers. Deterministic.
 */
#ifndef RACEBENCH_TESTS_REPORT_SAMPLES_H
#define RACEBENCH_TESTS_REPORT_SAMPLES_H

#include "report.h"
#include "support.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct scenario sample_counter = {.name = "counter", .field = "n"};

/* A result whose cells are its own. */
struct sample {
    struct run_result result;
    struct cell *cells; /* as many as fit below: cell pointers must not move */
    struct random random;
};
enum { SAMPLE_CELLS = 32 };

static inline void sample_init(struct sample *sample)
{
    memset(sample, 0, sizeof(*sample));
    random_seed(&sample->random, 7);
    sample->cells = x_calloc(SAMPLE_CELLS, sizeof(*sample->cells));
    sample->result.cells = x_calloc(SAMPLE_CELLS, sizeof(*sample->result.cells));
    sample->result.run_id = x_strdup("20261121T101500Z-3f9a1c");
    sample->result.environment = (struct environment){
        .racebench = x_strdup("0.1.0"),
        .libmongoc = x_strdup("1.23.1"),
        .libuv = x_strdup("1.44.2"),
        .compiler = x_strdup("gcc 12.2.0"),
        .os = x_strdup("Debian GNU/Linux 12 (bookworm)"),
        .cpu = x_strdup("AMD EPYC 7B13"),
        .cpus = 2,
        .started_at = x_strdup("2026-11-21T10:15:00Z"),
        .command = x_strdup("./racebench --strategy all --workers 100 --expect claims"),
    };
}

static inline void sample_free(struct sample *sample)
{
    run_result_free(&sample->result);
    free(sample->cells);
}

static inline double sample_unit(struct sample *sample)
{
    return (double)(random_next(&sample->random) >> 11) / 9007199254740992.0;
}

/* Latencies spread like real ones: most near `typical_us`, a long tail. */
static inline void sample_latencies(struct sample *sample, struct histogram *histogram,
                                    int64_t count, double typical_us)
{
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int j = 0; j < 12; j++)
            sum += sample_unit(sample);
        double tail = sample_unit(sample) < 0.01 ? 4 : 1;
        histogram_record(histogram, (int64_t)(typical_us * 1000 * exp((sum - 6) * 0.6) * tail));
    }
}

/* One cell of `workers`, held: every operation acknowledged and applied. */
static inline struct cell_result *sample_add(struct sample *sample, const char *strategy,
                                             int32_t workers, double ops_s)
{
    size_t index = sample->result.cell_count++;
    struct cell *cell = &sample->cells[index];
    struct cell_result *result = &sample->result.cells[index];
    must(index < SAMPLE_CELLS);
    *cell = support_settings(&sample_counter);
    cell->strategy_name = strategy;
    cell->expect = EXPECT_CLAIMS;
    cell->workers = workers;
    cell->ops = 10000;
    cell->seed = 7;
    result->cell = cell;
    result->target = (struct target){.name = x_strdup("embedded"),
                                     .persona = x_strdup("standalone"),
                                     .store = x_strdup("wiredtiger"),
                                     .durability = x_strdup("sync"),
                                     .version = x_strdup("7.0.0"),
                                     .write_concern = x_strdup("w:1"),
                                     .uri = x_strdup("embedded")};
    result->expected = HELD;
    result->claimed = true;
    result->verdict = (struct verdict){
        .status = HELD,
        .counts = {.acked = 10000, .final = 10000, .expected_min = 10000, .expected_max = 10000},
        .overlaps = 9871,
        .overlaps_needed = 100,
        .lost_bound = checker_zero_bound(10000),
        .lost_by_identity = true};
    result->attempts = 10000;
    result->commands = 20000;
    result->throughput_ops_s = ops_s;
    result->seconds = 10000 / ops_s;
    result->fairness = 0.98;
    result->trace = x_calloc(1, sizeof(*result->trace));
    result->trace_count = 1;
    *result->trace = (struct trace_entry){.kind = STEP_UPDATE,
                                          .target = "counters",
                                          .document = "0",
                                          .filter = TRACE_FILTER_ID,
                                          .update = TRACE_UPDATE_VALUES};
    histogram_init(&result->operation);
    histogram_init(&result->attempt);
    histogram_init(&result->waiting);
    history_init(&result->history);
    sample_latencies(sample, &result->operation, 10000, 1e6 * workers / ops_s);
    sample_latencies(sample, &result->attempt, 20000, 0.4e6 * workers / ops_s);
    sample_latencies(sample, &result->waiting, 10000, 0.2e6 * workers / ops_s);
    return result;
}

/* An operation that read `value_read` of a document and wrote one more. */
static inline struct event *sample_event(struct cell_result *cell, int32_t worker, int64_t number,
                                         int64_t invoke_us, int64_t return_us)
{
    struct event *event = history_append(&cell->history);
    *event = (struct event){.invoke_ns = invoke_us * 1000,
                            .return_ns = return_us * 1000,
                            .operation = OPERATION_ID(worker, number),
                            .key = {0, -1},
                            .amount = 1,
                            .applied = 1,
                            .worker = worker,
                            .attempts = 1,
                            .commands = 2,
                            .outcome = DONE,
                            .wrote = 1};
    return event;
}

/* Two operations that read 41, and the seed; the later one overwrites the other. */
static inline void sample_race(struct cell_result *cell)
{
    int64_t version = OPERATION_ID(5, 2);
    struct event *event = sample_event(cell, 5, 2, 100000, 111000);
    event->value_read = 40;
    event->value_written = 41;
    event = sample_event(cell, 17, 3, 112034, 121007);
    event->read[0] = version;
    event->value_read = 41;
    event->value_written = 42;
    event = sample_event(cell, 63, 1, 112500, 118210);
    event->read[0] = version;
    event->value_read = 41;
    event->value_written = 42;
    history_sort(&cell->history);
    cell->verdict.witness_count = 1;
    cell->verdict.witnesses[0] = (struct witness){.property = LOST,
                                                  .victim = OPERATION_ID(63, 1),
                                                  .culprit = OPERATION_ID(17, 3),
                                                  .version = version,
                                                  .value_read = 41,
                                                  .victim_return_ns = 118210000,
                                                  .culprit_return_ns = 121007000};
}

/* Makes a held cell lose `lost` updates. */
static inline void sample_break(struct cell_result *cell, int64_t lost, enum status expected)
{
    cell->expected = expected;
    cell->claimed = expected == HELD;
    cell->verdict.status = BROKEN;
    cell->verdict.reason = REASON_LOST_UPDATE;
    cell->verdict.lost_bound = 0;
    cell->verdict.counts.lost = lost;
    cell->verdict.counts.final = cell->verdict.counts.acked - lost;
    sample_race(cell);
}

static inline void sample_undecide(struct cell_result *cell, enum reason reason)
{
    cell->verdict.status = UNDECIDED;
    cell->verdict.reason = reason;
    cell->verdict.lost_bound = 0;
}

/* What `--strategy all --workers 100 --expect claims` could find: each kind of verdict once. */
static inline void sample_all(struct sample *sample)
{
    sample_init(sample);
    sample_break(sample_add(sample, "file_naive", 100, 8100), 9871, BROKEN);
    sample_add(sample, "inc", 100, 24800)->commands = 10000;
    sample_break(sample_add(sample, "live_object", 100, 31200), 5021, HELD);
    sample_undecide(sample_add(sample, "lock_document", 100, 912), REASON_NO_OVERLAP);
    sample_break(sample_add(sample, "naive", 100, 21400), 8796, BROKEN);
    struct cell_result *occ = sample_add(sample, "occ", 100, 3900);
    occ->attempts = 67000;
    occ->commands = 134000;
    sample->result.exit_code = run_result_exit(&sample->result);
}

/* What `--strategy naive,occ,inc --workers 1,10,100,1000` could find, in the order of a plan that
 * goes through the workers first. */
static inline void sample_sweep(struct sample *sample)
{
    static const int32_t workers[] = {1, 10, 100, 1000};
    static const int64_t lost[] = {0, 7210, 9214, 9871};
    sample_init(sample);
    for (size_t i = 0; i < COUNT_OF(workers); i++) {
        struct cell_result *naive =
            sample_add(sample, "naive", workers[i], 9000 + 4000.0 * (double)i);
        struct cell_result *occ =
            sample_add(sample, "occ", workers[i], 9000 / (1 + 1.6 * (double)i));
        struct cell_result *inc = sample_add(sample, "inc", workers[i], 11000 + 5000.0 * (double)i);
        if (i == 0) {
            sample_undecide(naive, REASON_ONE_WORKER);
            sample_undecide(occ, REASON_ONE_WORKER);
            sample_undecide(inc, REASON_ONE_WORKER);
        } else {
            sample_break(naive, lost[i], BROKEN);
            naive->cell = &sample->cells[naive - sample->result.cells];
            naive->history.count = 0; /* its workers are fewer than the race's names */
            naive->verdict.witness_count = 0;
        }
    }
    sample->result.exit_code = run_result_exit(&sample->result);
}

/* Equal times, a worker whose operation never returned, a read, two documents, operators. */
static inline void sample_hard_history(struct sample *sample)
{
    sample_init(sample);
    struct cell_result *cell = sample_add(sample, "occ", 2, 4000);
    sample_event(cell, 0, 0, 0, 10);
    struct event *event = sample_event(cell, 0, 1, 10, 10);
    event->outcome = CONFLICT;
    event = sample_event(cell, 1, 0, 10, 20);
    event->outcome = UNKNOWN;
    event->return_ns = RETURN_NEVER;
    event->applied = -1;
    event = sample_event(cell, 0, 2, 10, 30);
    event->reads_only = true;
    event->wrote = 0;
    event->value_read = 5;
    event = sample_event(cell, 1, 1, 25, 40);
    event->outcome = NOTHING;
    event->key[1] = 1;
    event->read[0] = VERSION_BLIND;
    event->read[1] = OPERATION_ID(0, 0);
    event->wrote = 2;
    event->once = 9;
    sample->result.exit_code = run_result_exit(&sample->result);
}

/* All that may be wrong with names and numbers. */
static inline void sample_odd(struct sample *sample)
{
    static const struct scenario other = {.name = "a<b>&\"c'", .field = "n"};
    sample_init(sample);
    sample_add(sample, "occ", 100, 4000);
    struct cell_result *cell = sample_add(sample, "<&>\"'\x01\x1b]]>\xff\xef\xbf\xbe", 3, 4000);
    sample->cells[1].scenario = &other;
    sample->cells[1].seed = UINT64_MAX;
    sample->cells[1].work_us = 1;
    cell->fairness = NAN;
    cell->throughput_ops_s = INFINITY;
    cell->attempts = INT64_MAX;
    cell->verdict.counts.acked = INT64_MAX / 2;
    cell->verdict.counts.final = INT64_MIN;
    cell->retry_writes = true;
    free(cell->target.store);
    cell->target.store = NULL;
    free(sample->result.environment.os);
    sample->result.environment.os = x_strdup("bad \xc3(");
    sample->result.folder = x_strdup("results/runs/a \"b\" \\ c");
    cell = sample_add(sample, "idle", 3, 4000);
    histogram_free(&cell->operation);
    histogram_init(&cell->operation);
    cell->verdict.counts = (struct counts){0};
    cell->expected = UNDECIDED;
    cell->claimed = false;
    sample_undecide(cell, REASON_IDLE_WORKER);
    sample->result.exit_code = run_result_exit(&sample->result);
}

/* What a report writes; the caller frees it. */
static inline char *sample_write(const struct sample *sample, const char *report, int columns)
{
    struct style style = {.columns = columns};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(report_find(report));
    report_find(report)->write(&sample->result, &style, out);
    fclose(out);
    return text;
}

/* How often `part` occurs in `text`. (Not inlined: gcc 12 takes open_memstream()'s text for the
 * address of a local variable and warns.) */
static __attribute__((noinline, unused)) int sample_occurs(const char *text, const char *part)
{
    int count = 0;
    for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part))
        count++;
    return count;
}

/* Fails the test with the whole text when `part` is not in it. */
static inline void sample_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in:\n%s", part, text);
}

static inline void sample_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("'%s' is in:\n%s", part, text);
}

/* Runs `work` in a child whose stderr goes to `complaint` (512 bytes) and gives its exit status:
 * for what ends the program. */
static inline int sample_exit(void (*work)(void *), void *argument, char *complaint)
{
    int pipes[2], status = 0;
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        work(argument);
        _exit(0);
    }
    close(pipes[1]);
    FILE *in = fdopen(pipes[0], "r");
    size_t length = fread(complaint, 1, 511, in);
    complaint[length] = '\0';
    fclose(in);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#endif
