/* SPDX-License-Identifier: Apache-2.0
 *
 * signals: see signals.h. A pending signal is taken by sigwait(), so that it kills nobody once it
 * is let through.
 */
#include "signals.h"

#include <stddef.h>

static void both(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
}

void signals_block(sigset_t *before)
{
    sigset_t signals;
    both(&signals);
    sigprocmask(SIG_BLOCK, &signals, before);
}

bool signals_pending(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

bool signals_take(const sigset_t *before, int *number)
{
    sigset_t signals;
    both(&signals);
    bool came = signals_pending() && sigwait(&signals, number) == 0;
    sigprocmask(SIG_SETMASK, before, NULL);
    return came;
}
