/* SPDX-License-Identifier: Apache-2.0
 *
 * support: what several tests need. A test that wants workers writes a scenario of its own whose
 * `work` calls whatever it tests, and runs it as a cell: the same way through run_cells() that a
 * user's run takes, over fibers (`direct`) or threads and sockets (`driver`).
 */
#ifndef RACEBENCH_TESTS_SUPPORT_H
#define RACEBENCH_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "result.h"
#include "run.h"
#include "scenario.h"
#include "transport.h"

/* The settings of a cell with small defaults, without a strategy: no back-off to wait for, 10 s
 * time-outs, seed 1. */
static inline struct cell support_settings(const struct scenario *scenario)
{
    return (struct cell){.scenario = scenario,
                         .strategy_count = 1,
                         .expect = EXPECT_EXACT,
                         .hazards = HAZARD_BIT(none),
                         .workers = 4,
                         .instances = 1,
                         .processes = 1,
                         .ops = 100,
                         .seed = 1,
                         .docs = 1,
                         .lease_ms = 30000,
                         .timeout_ms = 10000,
                         .max_tries = 1000,
                         .backoff = {BACKOFF_FULL_JITTER, 1000, 100000},
                         .durability = DURABILITY_WRITE};
}

/* The same with a strategy: a cell that can be run. */
static inline struct cell support_cell(const struct scenario *scenario,
                                       const struct strategy *strategy, enum transport transport)
{
    struct cell cell = support_settings(scenario);
    cell.strategy[0] = strategy;
    cell.strategy_name = strategy->name;
    cell.transport = transport;
    return cell;
}

/* Runs one cell and gives its result; free it with cell_result_free(). */
static inline struct cell_result support_run(const struct cell *cell)
{
    struct run_settings settings = {.run_id = "test", .progress = PROGRESS_NONE};
    struct run_result result = {0};
    int signal_number = 0;
    run_cells(cell, 1, &settings, &result, &signal_number);
    assert_int_equal(result.cell_count, 1);
    struct cell_result one = result.cells[0];
    free(result.cells);
    return one;
}

#endif
