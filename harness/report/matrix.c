/* SPDX-License-Identifier: Apache-2.0
 *
 * report matrix: strategies and hazards as one table per scenario: what 'racebench matrix' shows.
 */
#include "report_matrix.h"

static void write_matrix(const struct run_result *result, const struct style *style, FILE *out)
{
    report_matrix_write(result, false, style, out);
}

const struct report report_matrix = {
    .name = "matrix",
    .help = "a table of strategies and hazards per scenario: what matrix shows on stdout",
    .write = write_matrix,
};
