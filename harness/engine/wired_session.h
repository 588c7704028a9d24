/* SPDX-License-Identifier: Apache-2.0
 *
 * wired_session: a session of WiredTiger's, which has one transaction at a time, and the rows that
 * it reads and writes there, with one cursor per file. Every write is inside an explicit
 * transaction: an automatic one would wait for the row in a loop, and the engine's only thread with
 * it. Errors other than conflicts end the program (wired_check()).
 *
 * Where the last thing done in a file was to read a row, the cursor stands on it, and a put to that
 * row needs no second search, a fifth of its instructions.
 */
#ifndef RACEBENCH_ENGINE_WIRED_SESSION_H
#define RACEBENCH_ENGINE_WIRED_SESSION_H

#include "store.h"
#include "wired.h"

struct wired_place; /* wired_session.c: the use of one file */

struct wired_file {
    size_t place; /* index in every session's places */
    char *uri;
};

struct wired_session {
    struct wired *wired;
    WT_SESSION *session;
    bool begun;      /* is a transaction open? */
    bool writes_log; /* its commits hand the log to the operating system, if they wrote anything */
    bool wrote;      /* the latest transaction has written a row */
    uint64_t use;    /* counts its transactions: each begins with fresh cursors */
    struct wired_place *places;
    size_t place_count;
};

/* Opens the session, with that isolation; it ends with the connection. Then free its memory with
 * wired_session_free(). */
void wired_session_open(struct wired_session *, struct wired *, const char *isolation);
void wired_session_free(struct wired_session *);

/* STORE_CONFLICT from commit: it was rolled back instead. */
void wired_session_begin(struct wired_session *);
enum store_result wired_session_commit(struct wired_session *);
void wired_session_roll_back(struct wired_session *);

/* Rows, as store.h says; a deletion of a row that is not there is STORE_ABSENT. */
enum store_result wired_get(struct wired_session *, const struct wired_file *, struct slice key,
                            struct slice *value);
enum store_result wired_put(struct wired_session *, const struct wired_file *, struct slice key,
                            struct slice value);
enum store_result wired_delete(struct wired_session *, const struct wired_file *, struct slice key);
void wired_scan(struct wired_session *, const struct wired_file *, struct slice prefix,
                store_visitor *, void *context);

/* Lets go of the file, so that it can be dropped. */
void wired_leave(struct wired_session *, const struct wired_file *);

#endif
