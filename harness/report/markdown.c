/* SPDX-License-Identifier: Apache-2.0
 *
 * report markdown: the cells as tables of GitHub's Markdown, a block per scenario: for a README or
 * the summary of a CI job.
 */
#include "report_matrix.h"

static void write_markdown(const struct run_result *result, const struct style *style, FILE *out)
{
    report_matrix_write(result, true, style, out);
}

const struct report report_markdown = {
    .name = "markdown",
    .help = "tables of strategies and hazards in Markdown: for a README or a CI summary",
    .write = write_markdown,
};
