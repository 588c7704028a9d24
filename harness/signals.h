/* SPDX-License-Identifier: Apache-2.0
 *
 * signals: SIGINT and SIGTERM asked about instead of handled, for work that looks up now and then:
 * they are blocked meanwhile and taken at the end. run.c, which is a loop, has them from the loop.
 */
#ifndef RACEBENCH_SIGNALS_H
#define RACEBENCH_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* Blocks both; `before` receives what was blocked already. */
void signals_block(sigset_t *before);
/* Has one of them come in? */
bool signals_pending(void);
/* Takes the one that came in, whose number is stored, and lets others through again; false: none
 * came. */
bool signals_take(const sigset_t *before, int *number);

#endif
