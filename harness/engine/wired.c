/* SPDX-License-Identifier: Apache-2.0
 *
 * wired: see wired.h.
 */
#include "wired.h"

#include "base.h"
#include "store.h"
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int on_error(WT_EVENT_HANDLER *events, WT_SESSION *session, int error, const char *message)
{
    struct wired *wired = (struct wired *)((char *)events - offsetof(struct wired, events));
    (void)session, (void)error;
    pthread_mutex_lock(&wired->mutex);
    if (wired->message[0] == '\0')
        snprintf(wired->message, sizeof wired->message, "%s", message);
    pthread_mutex_unlock(&wired->mutex);
    return 0;
}

static int on_message(WT_EVENT_HANDLER *events, WT_SESSION *session, const char *message)
{
    (void)events, (void)session, (void)message;
    return 0;
}

/* Ends the program: what is asked of the store cannot be done. */
_Noreturn static void give_up(struct wired *wired, int error, const char *what)
{
    pthread_mutex_lock(&wired->mutex);
    const char *colon = strrchr(wired->message, ':'); /* "[time], file:x, what: why: error" */
    const char *why = colon != NULL ? colon + 2 : wiredtiger_strerror(error);
    if (error == EBUSY && strcmp(what, "open") == 0)
        die(EXIT_TARGET, "another engine uses the store in %s; end it or choose another folder",
            wired->folder);
    bool lacking = error == EMFILE || error == ENFILE || strcmp(what, "open") == 0;
    die(lacking ? EXIT_TARGET : EXIT_RESULTS,
        "cannot %s the store in %s: %s; nothing that was acknowledged is lost", what, wired->folder,
        why);
}

void wired_check(struct wired *wired, int error, const char *what)
{
    if (error != 0)
        give_up(wired, error, what);
}

/* WiredTiger's threads leave the program's signals alone. */
void wired_connect(struct wired *wired, const char *folder, bool journal, bool temporary)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    long long half_mb = (long long)pages * page / 2 / (1024 * 1024);
    char *config = x_format("create,use_environment=false,config_base=false,cache_size=%lldM,"
                            "eviction_dirty_target=90,eviction_dirty_trigger=95,session_max=%d,"
                            "log=(enabled=%s,archive=true,file_max=16MB,prealloc=false),"
                            "transaction_sync=(enabled=true,method=none),"
                            "checkpoint=(wait=60,log_size=256MB),checkpoint_sync=%s",
                            half_mb < 4096 ? half_mb : 4096, STORE_TRANSACTIONS_MAX + 64,
                            journal ? "true" : "false", temporary ? "false" : "true");
    sigset_t all, before;
    wired->events.handle_error = on_error;
    wired->events.handle_message = on_message;
    wired->folder = x_strdup(folder);
    pthread_mutex_init(&wired->mutex, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = wiredtiger_open(folder, &wired->events, config, &wired->connection);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    wired_check(wired, error, "open");
    free(config);
}

WT_SESSION *wired_open_session(struct wired *wired, const char *isolation)
{
    WT_SESSION *session;
    char *config = x_format("isolation=%s", isolation);
    int error = wired->connection->open_session(wired->connection, NULL, config, &session);
    wired_check(wired, error, "open a session of");
    free(config);
    return session;
}

void wired_disconnect(struct wired *wired)
{
    wired_check(wired, wired->connection->close(wired->connection, NULL), "close");
    pthread_mutex_destroy(&wired->mutex);
    free(wired->folder);
    *wired = (struct wired){.connection = NULL};
}
