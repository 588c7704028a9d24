/* SPDX-License-Identifier: Apache-2.0
 *
 * environment: the machine and the program, as results name them: without them a latency means
 * nothing a year later.
 */
#ifndef RACEBENCH_ENVIRONMENT_H
#define RACEBENCH_ENVIRONMENT_H

#include "result.h"

/* Fills in every member; `command` is the redacted command line, copied.
 * run_result_free() frees it all. */
void environment_describe(struct environment *, const char *command);

#endif
