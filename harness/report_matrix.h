/* SPDX-License-Identifier: Apache-2.0
 *
 * report_matrix: the cells of a matrix as tables, for people (report/matrix.c) and for documents
 * (report/markdown.c): a block per scenario, a row per strategy, a column per hazard; then the
 * convictions that had to happen.
 */
#ifndef RACEBENCH_REPORT_MATRIX_H
#define RACEBENCH_REPORT_MATRIX_H

#include "report.h"

/* The verdict of a cell in a word or two: held (as claimed), (held) (and nobody claims it), broken
 * (as nobody claims otherwise), BROKEN (though it is claimed to hold), NOT CONVICTED (it had to
 * break), unknown, UNKNOWN (where something was expected). */
const char *report_matrix_word(const struct cell_result *);
/* Writes the whole matrix; `markdown`: as tables of GitHub's Markdown, else for a terminal. */
void report_matrix_write(const struct run_result *, bool markdown, const struct style *, FILE *);

#endif
