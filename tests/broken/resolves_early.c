/* SPDX-License-Identifier: Apache-2.0
 *
 * resolves_early: an object in RAM; when a save ends, all who wait are told that they are stored,
 * also those whose change came after the snapshot. If the instance dies before the next save,
 * they are gone.
 *
 *      worker 1                        worker 2
 *      n = 6 in RAM, saves 6
 *                                      n = 7 in RAM, waits
 *      the save is over: both are told "stored"
 *                                      the instance dies: 7 was never stored
 *
 * Seen in: node-persist: 200 of 200 trials acknowledged and never written.
 *
 * number: 37
 * twin: live_object
 * convicted by: counter --workers 8
 * hazard: crash
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
        object->busy = true;
        enum outcome outcome = parts_save(session, object, edit);
        object->busy = false;
        if (outcome == DONE)
            object->saved = object->changed; /* the bug: not all of it was in the snapshot */
        session_wake(session, object);
        if (outcome != DONE)
            return UNKNOWN;
    }
    return DONE;
}

static enum outcome resolves_early_apply(struct session *session, void *shared,
                                         const struct edit *edit)
{
    struct object *object = shared;
    enum outcome outcome = parts_load(session, object, edit);
    if (outcome == DONE)
        outcome = parts_change(session, object, edit);
    return outcome == DONE ? settle(session, object, edit) : outcome;
}

const struct strategy strategy_resolves_early = {
    .name = "resolves_early",
    .help = "tells those behind the snapshot that they are stored",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .setup = parts_object_new,
    .apply = resolves_early_apply,
    .digest = parts_object_digest,
    .teardown = parts_object_free,
};
