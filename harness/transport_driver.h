/* SPDX-License-Identifier: Apache-2.0
 *
 * transport_driver: the life of a crew of threads: open (a pool of libmongoc clients), start, go,
 * join, close. Workers connect a few hundred at a time and are warm before the clock starts.
 */
#ifndef RACEBENCH_TRANSPORT_DRIVER_H
#define RACEBENCH_TRANSPORT_DRIVER_H

#include "transport.h"

#include <mongoc/mongoc.h>

/* A pool for `clients` clients of `uri` (with secrets), with the time-outs of the cell where the
 * URI does not say them. Ends with EXIT_USAGE when the URI is malformed. The caller destroys it. */
mongoc_client_pool_t *driver_pool(const char *uri, const struct cell *, int32_t clients);

/* Makes the crew's world around a pool, which stays the caller's. */
void driver_open(struct crew *, mongoc_client_pool_t *);

/* Starts the threads: each takes a client, connects, sets its instance up and stops at the start
 * line. `arrived` is sent whenever a worker has arrived there, or could not, and when one has
 * ended. */
void driver_start(struct crew *, uv_async_t *arrived);

/* How many workers have arrived at the start line, could not connect, and have ended. */
struct driver_count {
    int32_t arrived, failed, ended;
};
struct driver_count driver_counts(const struct crew *);
/* Why the first worker that failed could not connect; text owned by the world. */
const char *driver_failure(const struct crew *);

/* Lets the workers go; `start_ns` (monotonic) is time zero of their histories. */
void driver_go(struct crew *, int64_t start_ns);
/* Waits for all threads, which must be about to end, and frees the world. */
void driver_close(struct crew *);

#endif
