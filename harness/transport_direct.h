/* SPDX-License-Identifier: Apache-2.0
 *
 * transport_direct: the life of a crew of fibers: open (engine up), start, turns until all have
 * ended, close.
 */
#ifndef RACEBENCH_TRANSPORT_DIRECT_H
#define RACEBENCH_TRANSPORT_DIRECT_H

#include "engine/engine.h"
#include "transport.h"

/* What a step costs in virtual time. */
enum { DIRECT_STEP_NS = 10000 };

/* 2026-01-01T00:00:00Z: where every virtual wall clock starts. */
#define DIRECT_EPOCH_MS INT64_C(1767225600000)

/* Makes the crew's world: an engine behind crew->gate, a virtual clock. */
void direct_open(struct crew *);
/* The engine, for seeding and reading back while no fiber runs. Owned by the crew's world. */
struct engine *direct_engine(const struct crew *);
/* Sets the virtual clock of an engine whose workers somebody else runs. */
void direct_set_clock(struct crew *, int64_t since_start_ns);
/* Answers what a driver does without a command: beginning a transaction, ending what was not begun,
 * and not aborting what may be committed. False: it must be sent. */
bool direct_answers(struct session *, enum step_kind, struct command_reply *);
/* Makes the fibers. */
void direct_start(struct crew *);
/* Runs up to `steps` steps; false when every fiber has ended. */
bool direct_turn(struct crew *, int steps);
/* Ends the run early: every session call fails from here on, sleepers and waiters are woken. */
void direct_abandon(struct crew *);
/* Did the run end because everyone waited for everyone? */
bool direct_stuck(const struct crew *);
/* Frees fibers, which must have ended, and the engine. */
void direct_close(struct crew *);

#endif
