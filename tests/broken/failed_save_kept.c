/* SPDX-License-Identifier: Apache-2.0
 *
 * failed_save_kept: an object in RAM; when its save fails, the caller is told to try again, and
 * does. But the object has kept the change, and the next save stores it after all: with the
 * second one.
 *
 *      worker 1                        server
 *      n = 6 in RAM, saves             refused: n = 5
 *      tries again: n = 7 in RAM, savesn = 7: one operation, counted twice
 *
 * Seen in: LiveObjectManager (seeds/000): 143 of 100 with one save in three failing.
 *
 * number: 36
 * twin: failed_save_kept_fixed
 * convicted by: counter --workers 8
 * hazard: error
 */
#include "parts.h"

static enum outcome settle(struct session *session, struct object *object, const struct edit *edit)
{
    int64_t mine = object->changed;
    while (object->saved < mine) {
        if (object->busy) {
            if (session_wait(session, object) != DONE)
                return UNKNOWN;
            continue;
        }
        int64_t number = object->changed;
        object->busy = true;
        enum outcome outcome = parts_save(session, object, edit);
        object->busy = false;
        if (outcome == DONE)
            object->saved = number;
        session_wake(session, object);
        if (outcome != DONE) /* the bug: the image is as it was before */
            return outcome == FAILED ? BUSY : outcome;
    }
    return DONE;
}

static enum outcome failed_save_kept_apply(struct session *session, void *shared,
                                           const struct edit *edit)
{
    struct object *object = shared;
    enum outcome outcome = parts_load(session, object, edit);
    if (outcome == DONE)
        outcome = parts_change(session, object, edit);
    return outcome == DONE ? settle(session, object, edit) : outcome;
}

const struct strategy strategy_failed_save_kept = {
    .name = "failed_save_kept",
    .help = "a failed save keeps what it could not store",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .setup = parts_object_new,
    .apply = failed_save_kept_apply,
    .digest = parts_object_digest,
    .teardown = parts_object_free,
};
