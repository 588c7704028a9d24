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
#include "world.h"

/* What became of a replay. Zeroed: nothing yet. */
struct replay_result {
    size_t skipped;       /* moves that did not fit */
    size_t first_skipped; /* index of the first of them */
    size_t further;       /* moves after the last one of the schedule */
    size_t faults;        /* moves that were made and by which something went wrong */
    struct verdict verdict;
    char *stuck; /* who waits for what, where nobody can go on; owned by the caller. Or NULL */
};

/* How a schedule is replayed in this process. Unset members mean "no". */
struct replay_settings {
    uint64_t seed;        /* of the policy that goes on after the last move */
    bool orderly;         /* instead: one worker after the other */
    struct trail *trail;  /* an empty one, to be filled in */
    struct schedule *ran; /* an empty one: the moves that were made */
};
/* Replays it in a world, whose limits must allow its moves. */
void replay_direct(struct world *, const struct schedule *, const struct replay_settings *,
                   struct replay_result *);

/* The number of moves of a failing schedule after which every continuation fails; 0: all fail from
 * the start; SIZE_MAX: not known, there are too many. By depth-first search of the continuations
 * that lead to different states, and bisection. */
size_t replay_no_return(struct world *, const struct schedule *);

/* Why a schedule cannot be replayed over a socket, as half a sentence: "'crash w0' needs ...";
 * NULL: it can. The caller frees it. */
char *replay_driver_obstacle(const struct schedule *);
/* Replays it with threads and sockets: runs the cell, whose transport is `driver`, against the
 * embedded engine. `run_id` names its database. */
void replay_driver(const struct schedule *, const struct cell *, const char *run_id,
                   struct replay_result *);
/* The schedule's moves are from here on those that were made; `ran` receives the old ones. */
void replay_take_moves(struct schedule *, struct schedule *ran);

#endif
