/* SPDX-License-Identifier: Apache-2.0
 *
 * wired: a connection to Debian's WiredTiger 3.2.1, for the store: how it is set, and what its
 * errors mean for the program. WiredTiger's errors beyond conflicts mean that nothing can be kept
 * any more: the program ends before any reply that would promise it.
 *
 * Settings, each measured: use_environment and config_base off, for the environment and a file
 * could turn the log off unnoticed; log files of 16 MB, not preallocated (else 300 MB a folder);
 * large dirty limits, for otherwise a hot document's page cannot be evicted past an idle
 * transaction and every update stalls; commits write the log, unless their transaction says no.
 */
#ifndef RACEBENCH_ENGINE_WIRED_H
#define RACEBENCH_ENGINE_WIRED_H

#include <pthread.h>
#include <stdbool.h>
#include <wiredtiger.h>

struct wired {
    WT_EVENT_HANDLER events; /* its address tells the handler which connection */
    pthread_mutex_t mutex;   /* of message: WiredTiger's threads speak as well */
    char message[256];       /* its first one */
    char *folder;
    WT_CONNECTION *connection;
};

/* Connects to the folder, which is there; zeroed before. Ends with EXIT_TARGET when that cannot be.
 * Close with wired_disconnect(). `journal`: commits are logged; `temporary`: no disk is waited
 * for. */
void wired_connect(struct wired *, const char *folder, bool journal, bool temporary);
void wired_disconnect(struct wired *);

/* A session with that isolation, which ends with the connection. */
WT_SESSION *wired_open_session(struct wired *, const char *isolation);

/* Passes 0 on; at any other result of WiredTiger's the program ends, EXIT_TARGET where the machine
 * lacks something, else EXIT_RESULTS: "cannot <what> the store in ...". */
void wired_check(struct wired *, int error, const char *what);

#endif
