/* SPDX-License-Identifier: Apache-2.0
 *
 * queue_per_instance: edits of a file stand in a queue, one at a time; every copy of the
 * application has a queue of its own.
 *
 *      instance 1                      instance 2
 *      reads n = 5                     reads n = 5
 *      writes n = 6
 *                                      writes n = 6
 *
 * Seen in: fpersist (seeds/001): two instances on one folder, 50 of 100.
 *
 * number: 41
 * twin: file_lock
 * convicted by: counter --workers 8 --instances 2
 */
#include "parts.h"

static enum outcome queue_per_instance_apply(struct session *session, void *shared,
                                             const struct edit *edit)
{
    if (parts_enter(session, shared) != DONE) /* the bug: no lock on the file */
        return FAILED;
    enum outcome outcome = parts_file_section(session, edit);
    parts_leave(session, shared);
    return outcome;
}

const struct strategy strategy_queue_per_instance = {
    .name = "queue_per_instance",
    .help = "a queue in each instance, no lock on the file",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_FILES,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .setup = parts_turnstile_new,
    .apply = queue_per_instance_apply,
    .digest = parts_turnstile_digest,
    .teardown = parts_turnstile_free,
};
