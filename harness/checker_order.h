/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_order: does real time allow this order? The versions of a document say in which order its
 * operations took effect; whether an order contradicts the clock is then one sweep from its end:
 * keep the earliest return among the operations passed so far; an operation that was invoked only
 * after that return, and yet stands before it, is the contradiction (Wing and Gong's definition;
 * the sweep is that of facts/peers.md, section 5). Operations that may take effect at any time
 * return at RETURN_NEVER. Operations that share a place (reads of one version) may stand in any
 * order among themselves, so of each place only its latest invocation and its earliest return
 * count.
 */
#ifndef RACEBENCH_CHECKER_ORDER_H
#define RACEBENCH_CHECKER_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The operations at one place of an order, or all that the sweep has passed. */
struct order_place {
    int64_t invoke_ns; /* the latest */
    int64_t return_ns; /* the earliest */
    size_t invoked;    /* whose invocation that is */
    size_t returned;   /* whose return that is */
};

/* A place without operations: contradicts nothing. */
void order_place_clear(struct order_place *);
/* Puts one operation, `who`, at a place. */
void order_place_add(struct order_place *, int64_t invoke_ns, int64_t return_ns, size_t who);
/* Goes on to the next place towards the beginning. `passed` starts cleared. False when one of its
 * operations was invoked after one passed had returned; then pair[0] is the former, pair[1] the
 * latter. */
bool order_step(struct order_place *passed, const struct order_place *place, size_t pair[2]);

#endif
