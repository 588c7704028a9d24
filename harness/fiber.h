/* SPDX-License-Identifier: Apache-2.0
 *
 * fiber: a function with a stack of its own that can stop in the middle and be resumed. The switch
 * is hand-written for x86-64 and aarch64 (about 20 ns), ucontext elsewhere; all of it is in
 * fiber.c. Stacks are mapped with a guard page below, so that an overflow is a fault and not a
 * corruption; AddressSanitizer and ThreadSanitizer are told about every switch.
 *
 * A fiber belongs to the thread that resumes it.
 */
#ifndef RACEBENCH_FIBER_H
#define RACEBENCH_FIBER_H

#include <stdbool.h>
#include <stddef.h>

struct fiber; /* opaque: fiber.c */

/* 64 KiB; 128 KiB under sanitizers, whose frames are bigger. */
size_t fiber_default_stack_bytes(void);

/* A fiber that will run `function(argument)` on its first resume. Ends with EXIT_INTERNAL when no
 * stack can be mapped (see vm.max_map_count). Free with fiber_free(). */
struct fiber *fiber_new(void (*function)(void *argument), void *argument, size_t stack_bytes);

/* Frees a fiber that has ended or was never resumed, with its stack. A fiber in the middle must be
 * resumed until it ends: what its frames own would leak. */
void fiber_free(struct fiber *);

/* Makes a fiber that has ended, or was never resumed, begin anew with the same function and
 * argument, on the same stack. */
void fiber_reset(struct fiber *);

/* Runs the fiber until it yields or ends. Not from within a fiber. */
void fiber_resume(struct fiber *);

/* Stops here and returns to the place that resumed the fiber. Only from within `fiber` itself. */
void fiber_yield(struct fiber *);

/* Has the function returned? */
bool fiber_ended(const struct fiber *);

#endif
