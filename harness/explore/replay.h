/* SPDX-License-Identifier: Apache-2.0
 *
 * replay: repeats a schedule. Under `direct` move by move, byte for byte; under `driver` by holding
 * real threads with libmongoc clients where they arrive: commands at the embedded engine's gate,
 * what reaches no server in the session. A move that does not fit any more (the code has changed)
 * is skipped and counted, and after the last move the workers go on: by the seeded policy under
 * `direct`, as the machine likes under `driver`.
 */
#ifndef RACEBENCH_EXPLORE_REPLAY_H
#define RACEBENCH_EXPLORE_REPLAY_H

#include "checker.h"
#include "schedule.h"

/* What became of a replay. Zeroed: nothing yet. */
struct replay_result {
    size_t skipped;       /* moves that did not fit */
    size_t first_skipped; /* index of the first of them */
    size_t further;       /* moves after the last one of the schedule */
    struct verdict verdict;
};

/* Why a schedule cannot be replayed over a socket, as half a sentence: "'crash w0' needs ...";
 * NULL: it can. The caller frees it. */
char *replay_driver_obstacle(const struct schedule *);
/* Replays it with threads and sockets: runs the cell, whose transport is `driver`, against the
 * embedded engine. `run_id` names its database. */
void replay_driver(const struct schedule *, const struct cell *, const char *run_id,
                   struct replay_result *);

#endif
