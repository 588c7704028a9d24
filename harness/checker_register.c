/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_register: is a history of read-modify-write operations on one document linearizable, when
 * every version is named? Each write names the version that it read, its parent. A version that was
 * read must have been written, so an unanswered write is taken for real as soon as something real
 * stands on it, and can be left out otherwise. Two real children of one version are a lost update,
 * a parent that nobody wrote is a phantom, real writes that the chain from version 0 does not reach
 * go round in a circle; otherwise the chain is the only possible order of the writes, reads stand
 * right after the version that they returned, and real time decides (checker_order). This is the
 * core of Elle's lost-update and of MTC (2025), which the read-modify-write pattern makes linear;
 * compared with a search over all orders in tests/test_checker_properties.c. O(n) on average.
 */
#include "base.h"
#include "checker.h"
#include "checker_order.h"
#include "checker_table.h"

#include <stdlib.h>

struct versions {
    const struct register_operation *operations;
    size_t count;
    struct checker_table writers; /* version -> who wrote it */
    uint32_t *parent;             /* per operation: the writer of what it read, or SEEDED */
    uint32_t *child;              /* per writer, and last for version 0: the write that follows */
    bool *real;                   /* per operation: it took effect */
    size_t *pair;
    enum reason *reason;
};
#define SEEDED (NOWHERE - 1)

static bool contradict(const struct versions *versions, enum reason reason, size_t first,
                       size_t second)
{
    versions->pair[0] = first;
    versions->pair[1] = second;
    *versions->reason = reason;
    return false;
}

static bool is_write(const struct versions *versions, size_t i)
{
    return versions->operations[i].wrote != 0;
}

static bool index_writers(struct versions *versions)
{
    for (size_t i = 0; i < versions->count; i++) {
        if (!is_write(versions, i))
            continue;
        uint32_t other =
            checker_table_put(&versions->writers, versions->operations[i].wrote, (uint32_t)i);
        if (other != NOWHERE) /* names must be unique: the same one twice is no order at all */
            return contradict(versions, REASON_NOT_LINEARIZABLE, other, i);
    }
    return true;
}

/* Follows from each operation that surely happened to the versions that it stands on; each is
 * visited once. */
static bool find_real(struct versions *versions)
{
    for (size_t i = 0; i < versions->count; i++) {
        int64_t read = versions->operations[i].read;
        versions->parent[i] = read == 0 ? SEEDED : checker_table_get(&versions->writers, read);
    }
    for (size_t i = 0; i < versions->count; i++) {
        if (versions->operations[i].unknown)
            continue;
        uint32_t at = (uint32_t)i;
        while (at != SEEDED && !versions->real[at]) {
            versions->real[at] = true;
            if (versions->parent[at] == NOWHERE)
                return contradict(versions, REASON_PHANTOM_VERSION, at, at);
            at = versions->parent[at];
        }
    }
    return true;
}

static size_t child_slot(const struct versions *versions, size_t i)
{
    return versions->parent[i] == SEEDED ? versions->count : versions->parent[i];
}

/* One child each; returns through `length` how many writes the chain from version 0 reaches. */
static bool link_children(struct versions *versions, size_t *length)
{
    size_t writes = 0;
    for (size_t i = 0; i < versions->count; i++) {
        if (!versions->real[i] || !is_write(versions, i))
            continue;
        uint32_t *child = &versions->child[child_slot(versions, i)];
        if (*child != NOWHERE)
            return contradict(versions, REASON_LOST_UPDATE, *child, i);
        *child = (uint32_t)i;
        writes++;
    }
    *length = 0;
    for (uint32_t at = versions->child[versions->count]; at != NOWHERE; at = versions->child[at]) {
        versions->real[at] = false; /* seen: what stays real is in a circle */
        ++*length;
    }
    for (size_t i = 0; i < versions->count && *length < writes; i++)
        if (versions->real[i] && is_write(versions, i))
            return contradict(versions, REASON_NOT_LINEARIZABLE, i, versions->parent[i]);
    return true;
}

/* Real time along the chain. Place 2k is the k-th write (0: none, the seeded version), 2k + 1 the
 * reads of what it wrote. */
static bool sweep(struct versions *versions, size_t length)
{
    struct order_place *places = x_malloc(2 * (length + 1) * sizeof(*places));
    uint32_t *position = x_malloc((versions->count + 1) * sizeof(*position));
    for (size_t i = 0; i < 2 * (length + 1); i++)
        order_place_clear(&places[i]);
    uint32_t reached = 0;
    position[versions->count] = 0;
    for (uint32_t at = versions->child[versions->count]; at != NOWHERE; at = versions->child[at]) {
        const struct register_operation *operation = &versions->operations[at];
        position[at] = ++reached;
        order_place_add(&places[2 * reached], operation->invoke_ns,
                        operation->unknown ? RETURN_NEVER : operation->return_ns, at);
    }
    for (size_t i = 0; i < versions->count; i++) {
        const struct register_operation *operation = &versions->operations[i];
        if (!is_write(versions, i) && !operation->unknown)
            order_place_add(&places[2 * position[child_slot(versions, i)] + 1],
                            operation->invoke_ns, operation->return_ns, i);
    }
    struct order_place passed;
    order_place_clear(&passed);
    bool fits = true;
    for (size_t i = 2 * (length + 1); fits && i-- > 0;)
        fits = order_step(&passed, &places[i], versions->pair);
    if (!fits)
        *versions->reason = REASON_NOT_LINEARIZABLE;
    free(places);
    free(position);
    return fits;
}

bool checker_register(const struct register_operation *operations, size_t count, size_t pair[2],
                      enum reason *reason)
{
    must(count < SEEDED);
    struct versions versions = {.operations = operations,
                                .count = count,
                                .parent = x_malloc((count + 1) * sizeof(*versions.parent)),
                                .child = x_malloc((count + 1) * sizeof(*versions.child)),
                                .real = x_calloc(count + 1, sizeof(*versions.real)),
                                .pair = pair,
                                .reason = reason};
    checker_table_init(&versions.writers, count);
    for (size_t i = 0; i <= count; i++)
        versions.child[i] = NOWHERE;
    size_t length = 0;
    *reason = REASON_NONE;
    bool linearizable = index_writers(&versions) && find_real(&versions) &&
                        link_children(&versions, &length) && sweep(&versions, length);
    checker_table_free(&versions.writers);
    free(versions.parent);
    free(versions.child);
    free(versions.real);
    return linearizable;
}
