/* SPDX-License-Identifier: Apache-2.0
 *
 * progress: what is seen on stderr while workers work: a bar on a terminal, plain lines in a log,
 * or nothing.
 */
#ifndef RACEBENCH_PROGRESS_H
#define RACEBENCH_PROGRESS_H

#include "run.h"
#include "transport.h"

/* How often progress_show() wants to be called, milliseconds; 0: never. */
uint64_t progress_interval_ms(enum progress);
/* Shows how far the crew is, `elapsed_ns` after its start. */
void progress_show(enum progress, const struct crew *, int64_t elapsed_ns);
/* Takes the bar off the terminal. */
void progress_clear(enum progress);

#endif
