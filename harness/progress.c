/* SPDX-License-Identifier: Apache-2.0
 *
 * progress: see progress.h. Reads each worker's own counter; nothing is shared in the hot path.
 */
#include "progress.h"
#include "human.h"
#include "scenario.h"

#include <stdio.h>

enum { BAR_INTERVAL_MS = 100, LINES_INTERVAL_MS = 5000, BAR_WIDTH = 24 };

uint64_t progress_interval_ms(enum progress progress)
{
    switch (progress) {
    case PROGRESS_BAR:
        return BAR_INTERVAL_MS;
    case PROGRESS_LINES:
        return LINES_INTERVAL_MS;
    default:
        return 0;
    }
}

static int64_t settled(const struct crew *crew)
{
    int64_t sum = 0;
    for (int32_t w = 0; w < crew->count; w++)
        sum += atomic_load_explicit(&crew->sessions[w].progress, memory_order_relaxed);
    return sum;
}

/* Share of the work done, 0 to 1, by operations or by time, whichever is further. */
static double share_done(const struct cell *cell, int64_t operations, int64_t elapsed_ns)
{
    double by_count = cell->ops > 0 ? (double)operations / (double)cell->ops : 0;
    double by_time =
        cell->duration_ms > 0 ? (double)elapsed_ns / ((double)cell->duration_ms * 1e6) : 0;
    double share = by_count > by_time ? by_count : by_time;
    return share < 1 ? share : 1;
}

void progress_show(enum progress progress, const struct crew *crew, int64_t elapsed_ns)
{
    const struct cell *cell = crew->cell;
    int64_t operations = settled(crew);
    double rate = elapsed_ns > 0 ? (double)operations * 1e9 / (double)elapsed_ns : 0;
    double share = share_done(cell, operations, elapsed_ns);
    if (progress == PROGRESS_LINES) {
        fprintf(stderr, "racebench: %s %s, %s: %s operations settled, %.0f %%, %s/s\n",
                cell->scenario->name, cell->strategy_name,
                human_counted(cell->workers, "worker").text, human_count(operations).text,
                share * 100, human_number(rate).text);
        return;
    }
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < (int)(share * BAR_WIDTH) ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r\033[K%s %s, %s [%s] %3.0f %%  %s ops/s", cell->scenario->name,
            cell->strategy_name, human_counted(cell->workers, "worker").text, bar, share * 100,
            human_number(rate).text);
    fflush(stderr);
}

void progress_clear(enum progress progress)
{
    if (progress == PROGRESS_BAR)
        fputs("\r\033[K", stderr);
}
