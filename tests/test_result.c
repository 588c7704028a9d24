/* SPDX-License-Identifier: Apache-2.0
 *
 * test_result: what found and expected make of the exit code, and the command that repeats a cell.
 * labels: unit
 */
#include "report_samples.h"

static void codes_compare_found_with_expected(void **state)
{
    static const struct {
        enum status found;
        enum reason reason;
        enum status expected;
        enum exit_code code;
    } cases[] = {
        {HELD, REASON_NONE, HELD, EXIT_OK},
        {HELD, REASON_NONE, BROKEN, EXIT_UNKNOWN},
        {HELD, REASON_NONE, UNDECIDED, EXIT_OK},
        {BROKEN, REASON_LOST_UPDATE, HELD, EXIT_BROKEN},
        {BROKEN, REASON_LOST_UPDATE, BROKEN, EXIT_OK},
        {BROKEN, REASON_LOST_UPDATE, UNDECIDED, EXIT_OK},
        {UNDECIDED, REASON_NO_OVERLAP, HELD, EXIT_UNKNOWN},
        {UNDECIDED, REASON_NOT_CONVICTED, BROKEN, EXIT_UNKNOWN},
        {UNDECIDED, REASON_NO_OVERLAP, UNDECIDED, EXIT_OK},
        {UNDECIDED, REASON_INTERRUPTED, HELD, EXIT_INTERRUPTED},
        {UNDECIDED, REASON_INTERRUPTED, UNDECIDED, EXIT_INTERRUPTED},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct cell_result cell = {.verdict = {.status = cases[i].found, .reason = cases[i].reason},
                                   .expected = cases[i].expected};
        assert_int_equal(cell_result_exit(&cell), cases[i].code);
    }
}

/* Broken before interrupted before unknown before as expected, in whatever order the cells came. */
static void codes_have_an_order(void **state)
{
    struct cell_result held = {.verdict = {.status = HELD}, .expected = HELD};
    struct cell_result broken = {.verdict = {.status = BROKEN}, .expected = HELD};
    struct cell_result unknown = {.verdict = {.status = UNDECIDED, .reason = REASON_NO_OVERLAP},
                                  .expected = HELD};
    struct cell_result stopped = {.verdict = {.status = UNDECIDED, .reason = REASON_INTERRUPTED},
                                  .expected = HELD};
    struct cell_result cells[] = {held, unknown, stopped, broken};
    struct run_result result = {.cells = cells};
    static const enum exit_code codes[] = {EXIT_UNKNOWN, EXIT_OK, EXIT_UNKNOWN, EXIT_INTERRUPTED,
                                           EXIT_BROKEN};
    (void)state;
    for (result.cell_count = 0; result.cell_count < COUNT_OF(codes); result.cell_count++)
        assert_int_equal(run_result_exit(&result), codes[result.cell_count]);
    result.cell_count = 1;
    result.interrupted = true;
    assert_int_equal(run_result_exit(&result), EXIT_INTERRUPTED);
    cells[0] = broken;
    assert_int_equal(run_result_exit(&result), EXIT_BROKEN);
}

static void expect_repeat(const struct cell_result *cell, const char *expected)
{
    char *line = cell_result_repro(cell);
    assert_string_equal(line, expected);
    free(line);
}

static void the_repeating_command_is_complete(void **state)
{
    struct sample sample;
    (void)state;
    sample_init(&sample);
    struct cell_result *result = sample_add(&sample, "naive+occ", 100, 4000);
    struct cell *cell = &sample.cells[0];
    cell->expect = EXPECT_EXACT;
    expect_repeat(result, "./racebench --scenario counter --strategy naive+occ --workers 100 "
                          "--ops 10000 --seed 7");
    cell->expect = EXPECT_CLAIMS;
    cell->transport = TRANSPORT_DIRECT;
    cell->instances = 2;
    cell->ops = 0;
    cell->duration_ms = 1500;
    cell->docs = 3;
    cell->bytes = 4096;
    cell->unseeded = true;
    cell->work_us = 250;
    cell->lease_ms = 2000;
    cell->timeout_ms = 500;
    cell->max_tries = 9;
    cell->backoff = (struct backoff){BACKOFF_FIXED, 2000, 0};
    cell->durability = DURABILITY_SYNC;
    cell->seed = INT64_MAX;
    expect_repeat(result,
                  "./racebench --scenario counter --strategy naive+occ --workers 100 "
                  "--instances 2 --duration 1500ms --docs 3 --bytes 4096 --unseeded --work 250us "
                  "--lease 2s --timeout 500ms --max-tries 9 --backoff fixed:2ms --durability sync "
                  "--transport direct --expect claims --seed 9223372036854775807");
    sample_free(&sample);
}

static void the_repeating_command_keeps_secrets(void **state)
{
    struct sample sample;
    (void)state;
    sample_init(&sample);
    struct cell_result *result = sample_add(&sample, "occ", 100, 4000);
    sample.cells[0].expect = EXPECT_EXACT;
    sample.cells[0].uri = "mongodb://me:hunter2@db/?w=majority";
    free(result->target.uri);
    result->target.uri = x_strdup("mongodb://db/?w=majority");
    expect_repeat(result, "./racebench --scenario counter --strategy occ --workers 100 "
                          "--ops 10000 --uri env:RACEBENCH_URI --seed 7");
    sample.cells[0].uri = "mongodb://db/?w=majority";
    expect_repeat(result, "./racebench --scenario counter --strategy occ --workers 100 "
                          "--ops 10000 --uri 'mongodb://db/?w=majority' --seed 7");
    sample_free(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_compare_found_with_expected),
        cmocka_unit_test(codes_have_an_order),
        cmocka_unit_test(the_repeating_command_is_complete),
        cmocka_unit_test(the_repeating_command_keeps_secrets),
    };
    return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
