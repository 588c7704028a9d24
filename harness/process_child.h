/* SPDX-License-Identifier: Apache-2.0
 *
 * process_child: one operating-system process of a cell under --processes, seen from inside. It is
 * this program once more, started by process.c with the one argument PROCESS_WORD and the
 * descriptors of process_wire.h; nobody else starts it.
 */
#ifndef RACEBENCH_PROCESS_CHILD_H
#define RACEBENCH_PROCESS_CHILD_H

#include "base.h"

#include <stdbool.h>

/* Is this command line a child's? Asked before any option is read. */
bool process_is_child(int argc, char **argv);

/* The whole life of a child: takes its order, runs its share of the workers, ends. Ends with
 * EXIT_USAGE when no parent is at the other end of its descriptors. */
enum exit_code process_child(void);

#endif
