/* SPDX-License-Identifier: Apache-2.0
 *
 * report hgrm: the latency of whole operations as HdrHistogram's percentile text, in milliseconds:
 * what its plotter page, wrk2 and scripts/plot_latency.py read. One table per cell; where there are
 * several, a line "# cell: ..." before each says whose it is.
 */
#include "report.h"
#include "scenario.h"

#include <stdlib.h>

enum { US_PER_MS = 1000 };

static void write_hgrm(const struct run_result *result, const struct style *style, FILE *out)
{
    (void)style;
    for (size_t i = 0; i < result->cell_count; i++) {
        const struct cell_result *cell = &result->cells[i];
        if (result->cell_count > 1) {
            char *label = report_label(result, cell->cell);
            fprintf(out, "%s# cell: %s\n", i > 0 ? "\n" : "", label);
            free(label);
        }
        histogram_write_hgrm(&cell->operation, US_PER_MS, out);
    }
}

const struct report report_hgrm = {
    .name = "hgrm",
    .help = "latencies as HdrHistogram's percentile text, in milliseconds: for its plotters",
    .write = write_hgrm,
};
