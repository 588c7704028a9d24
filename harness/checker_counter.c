/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_counter: is a history of fetch-and-increment linearizable? The values returned are the
 * order: increment v stands at place 2(v - initial), the reads of v just after it. Two increments
 * with one value are a lost update. A value that nobody returned but that later ones stand on must
 * have been made by an increment without an answer; it fits there only if it was invoked before
 * anything that stands later had returned (the place's deadline). Deadlines grow with the value, so
 * giving the earliest invoked to the lowest place is the best one can do (exchange argument), and
 * unanswered increments that are left over need never have happened. Values that exceed the number
 * of increments are impossible alone, so places are an array. Algorithm: facts/peers.md, section 5;
 * compared with a search over all orders in tests/test_checker_properties.c. O(n log n), for
 * sorting the unanswered ones.
 */
#include "base.h"
#include "checker.h"
#include "checker_order.h"

#include <stdlib.h>

/* An increment without an answer. */
struct unanswered {
    int64_t invoke_ns;
    size_t who;
};

/* The counter's values from `initial` on: who made each, and the reads of each. */
struct values {
    size_t top; /* highest value seen, counted from initial */
    size_t *maker;
    struct order_place *reads;
    struct unanswered *unanswered;
    size_t unanswered_count;
};
#define NO_MAKER SIZE_MAX

static bool contradict(size_t pair[2], size_t first, size_t second)
{
    pair[0] = first;
    pair[1] = second;
    return false;
}

/* Puts every operation at its value; false when one cannot have its value, or two have the same. */
static bool values_fill(struct values *values, const struct count_operation *operations,
                        size_t count, int64_t initial, size_t pair[2])
{
    for (size_t i = 0; i < count; i++) {
        const struct count_operation *operation = &operations[i];
        if (operation->unknown) {
            if (!operation->is_read)
                values->unanswered[values->unanswered_count++] =
                    (struct unanswered){operation->invoke_ns, i};
            continue;
        }
        uint64_t rise = (uint64_t)operation->value - (uint64_t)initial;
        if (operation->value < initial || rise > count || (rise == 0 && !operation->is_read))
            return contradict(pair, i, i);
        if (rise > values->top)
            values->top = (size_t)rise;
        if (operation->is_read)
            order_place_add(&values->reads[rise], operation->invoke_ns, operation->return_ns, i);
        else if (values->maker[rise] != NO_MAKER)
            return contradict(pair, values->maker[rise], i);
        else
            values->maker[rise] = i;
    }
    return true;
}

static int unanswered_compare(const void *left, const void *right)
{
    const struct unanswered *a = left, *b = right;
    return (a->invoke_ns > b->invoke_ns) - (a->invoke_ns < b->invoke_ns);
}

/* Number of values below the top that nobody returned. */
static size_t values_missing(const struct values *values)
{
    size_t missing = 0;
    for (size_t value = 1; value <= values->top; value++)
        missing += values->maker[value] == NO_MAKER;
    return missing;
}

/* Who stands at the highest value. */
static size_t values_topmost(const struct values *values)
{
    if (values->maker[values->top] != NO_MAKER)
        return values->maker[values->top];
    return values->reads[values->top].invoked;
}

/* From the top down; the missing values take the unanswered increments, the last invoked first. */
static bool values_sweep(const struct values *values, const struct count_operation *operations,
                         size_t pair[2])
{
    size_t missing = values_missing(values);
    if (missing > values->unanswered_count)
        return contradict(pair, values_topmost(values), values_topmost(values));
    struct order_place passed;
    order_place_clear(&passed);
    for (size_t value = values->top + 1; value-- > 0;) {
        if (!order_step(&passed, &values->reads[value], pair))
            return false;
        struct order_place maker;
        order_place_clear(&maker);
        size_t who = values->maker[value];
        if (who != NO_MAKER) {
            order_place_add(&maker, operations[who].invoke_ns, operations[who].return_ns, who);
        } else if (value > 0) {
            const struct unanswered *filler = &values->unanswered[--missing];
            order_place_add(&maker, filler->invoke_ns, RETURN_NEVER, filler->who);
        }
        if (!order_step(&passed, &maker, pair))
            return false;
    }
    return true;
}

bool checker_counter(const struct count_operation *operations, size_t count, int64_t initial,
                     size_t pair[2])
{
    struct values values = {.maker = x_malloc((count + 1) * sizeof(*values.maker)),
                            .reads = x_malloc((count + 1) * sizeof(*values.reads)),
                            .unanswered = x_malloc((count + 1) * sizeof(*values.unanswered))};
    for (size_t i = 0; i <= count; i++) {
        values.maker[i] = NO_MAKER;
        order_place_clear(&values.reads[i]);
    }
    bool linearizable = values_fill(&values, operations, count, initial, pair);
    if (linearizable) {
        qsort(values.unanswered, values.unanswered_count, sizeof(*values.unanswered),
              unanswered_compare);
        linearizable = values_sweep(&values, operations, pair);
    }
    free(values.maker);
    free(values.reads);
    free(values.unanswered);
    return linearizable;
}
