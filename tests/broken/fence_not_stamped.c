/* SPDX-License-Identifier: Apache-2.0
 *
 * fence_not_stamped: writes only where no higher fence has written before. But the new holder has
 * not written yet, only read: nothing says so in the document.
 *
 *      worker 1                        worker 2
 *      obtains 33, reads n = 5, stops
 *                                      obtains 34, reads n = 5
 *      writes n = 6: 33 is the highest so far
 *                                      writes n = 6, fence 34
 *
 * Seen in: the subtlety in facts/seed-systems.md, section 3: the reading must be stamped as well.
 *
 * number: 26
 * twin: fenced_lease
 * convicted by: counter --workers 8 --lease 50ms --work 40ms --backoff full-jitter:1ms:20ms
 * hazard: pause:30ms
 */
#include "parts.h"

static enum outcome fence_not_stamped_apply(struct session *session, void *shared,
                                            const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = parts_obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = parts_read(session, edit, &was[0]); /* the bug: leaves no fence */
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome == DONE && is[0]) {
        bson_t *filter = session_key(session, &edit->key[0]);
        bson_t *update = parts_update_without(session, "fence", was[0], is[0]);
        parts_at_most(filter, "fence", lease.fence);
        parts_append(update, "$max", "fence", lease.fence);
        outcome = parts_write(session, edit, filter, update);
    }
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_fence_not_stamped = {
    .name = "fence_not_stamped",
    .help = "a fence that reading does not stamp",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = fence_not_stamped_apply,
};
