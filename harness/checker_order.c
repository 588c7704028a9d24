/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_order: see checker_order.h. "Before" is strict: an operation that returned at the very
 * nanosecond at which another was invoked overlaps it, since the clock cannot tell them apart. So a
 * coarse clock costs detection and never accuses wrongly.
 */
#include "checker_order.h"

void order_place_clear(struct order_place *place)
{
    *place = (struct order_place){.invoke_ns = INT64_MIN, .return_ns = INT64_MAX};
}

void order_place_add(struct order_place *place, int64_t invoke_ns, int64_t return_ns, size_t who)
{
    if (invoke_ns > place->invoke_ns) {
        place->invoke_ns = invoke_ns;
        place->invoked = who;
    }
    if (return_ns < place->return_ns) {
        place->return_ns = return_ns;
        place->returned = who;
    }
}

bool order_step(struct order_place *passed, const struct order_place *place, size_t pair[2])
{
    if (passed->return_ns < place->invoke_ns) {
        pair[0] = place->invoked;
        pair[1] = passed->returned;
        return false;
    }
    if (place->return_ns < passed->return_ns) {
        passed->return_ns = place->return_ns;
        passed->returned = place->returned;
    }
    return true;
}
