/* SPDX-License-Identifier: Apache-2.0
 *
 * diagnostics: replies of commands by which tools and drivers look around, written as JSON.
 */
#ifndef RACEBENCH_ENGINE_DIAGNOSTICS_H
#define RACEBENCH_ENGINE_DIAGNOSTICS_H

#include "command.h"

/* Appends the fields of a JSON document (printf's rules) to the reply; true. */
bool diagnostics_reply(struct request *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
