/* SPDX-License-Identifier: Apache-2.0
 *
 * parking: commands that cannot go on yet: those that met a row of an open transaction, until some
 * transaction ends, those that the gate holds, until it may be asked again, and those that a fail
 * point delays, until their time has come. The loop never
 * blocks: a parked command is a copy of its request, which is run again from the start, with the
 * report of what a batch has done already. First come, first run. maxTimeMS ends the wait.
 */
#ifndef RACEBENCH_ENGINE_PARKING_H
#define RACEBENCH_ENGINE_PARKING_H

#include "command.h"

struct parking;

enum { PARKED_BYTES_MAX = 256 * 1024 * 1024 }; /* of commands that are parked, in an engine */

/* An empty one; freeing demands that it is empty again. */
struct parking *parking_new(void);
void parking_free(struct parking *);

/* Who is told the reply. */
struct receiver {
    engine_done *done;
    void *context;
};

/* Parks the request until `until_ms` (INT64_MAX: until a transaction ends). Body, origin and report
 * move into the copy. False: too much is parked already; nothing has happened. */
bool parking_add(const struct request *, const struct receiver *, int64_t until_ms);
/* How many are there. */
size_t parking_count(const struct engine *);

/* A transaction has ended: who waits for that may try again at the next parking_run(). */
void parking_wake(struct engine *);
/* Runs those that may go on, in the order in which they came. Does nothing inside itself. */
void parking_run(struct engine *);
/* Those whose delay or maxTimeMS is over may go on; returns when the next one's is. */
int64_t parking_expire(struct engine *);

#endif
