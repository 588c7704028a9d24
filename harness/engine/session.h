/* SPDX-License-Identifier: Apache-2.0
 *
 * session: what the engine knows of one logical session; for sessions.c and retry.c alone.
 */
#ifndef RACEBENCH_ENGINE_SESSION_H
#define RACEBENCH_ENGINE_SESSION_H

#include "command.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

enum { SESSION_ID_BYTES = 16, SESSIONS_MAX = 1000000 };

enum session_state { STATE_NONE, STATE_WRITES, STATE_OPEN, STATE_COMMITTED, STATE_ABORTED };

/* A write of an open transaction, for the gate. */
struct noted {
    struct step step;
    char *target;
    int64_t documents;
};

struct logical_session {
    UT_hash_handle hh;
    uint8_t id[SESSION_ID_BYTES];
    int64_t number; /* of the latest transaction or retryable write, or -1 */
    enum session_state state;
    bool kept;                             /* retry.c's table may have rows of this number */
    bool has_rows;                         /* or of any */
    uint32_t slot;                         /* there, its number + 1; 0: has none yet */
    struct store_transaction *transaction; /* in STATE_OPEN */
    int64_t started_ms, used_ms;           /* on the engine's clock */
    struct noted *noted;
    size_t noted_count, noted_capacity;
};

/* The session of that id (SESSION_ID_BYTES), made when it is not there. */
struct logical_session *session_make(struct engine *, const uint8_t *id);

#endif
