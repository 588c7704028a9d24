/* SPDX-License-Identifier: Apache-2.0
 *
 * async_mutator: an object in RAM that takes a function that waits in the middle: it looks,
 * yields, and puts its result over what others have made of the object meanwhile.
 *
 *      worker 1                        worker 2
 *      looks: n = 5, awaits something
 *                                      looks: n = 5, awaits something
 *      n = 6                           n = 6
 *
 * Seen in: LiveObjectManager (seeds/000): an async function is rejected, its mutations stay.
 *
 * number: 39
 * twin: live_object
 * convicted by: counter --workers 8 --work 1ms
 */
#include "parts.h"

static enum outcome async_mutator_apply(struct session *session, void *shared,
                                        const struct edit *edit)
{
    struct object *object = shared;
    enum outcome outcome = parts_load(session, object, edit);
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    if (outcome != DONE)
        return outcome;
    bson_t *look = session_document(session);
    bson_concat(look, object->image);
    was[0] = look;
    outcome = edit_run(session, edit, was, is); /* the bug: --work is waited for in here */
    if (outcome != DONE || !is[0])
        return outcome;
    bson_destroy(object->image);
    object->image = bson_copy(is[0]);
    object->changed++;
    return parts_settle(session, object, edit);
}

const struct strategy strategy_async_mutator = {
    .name = "async_mutator",
    .help = "a change that yields in the middle",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .setup = parts_object_new,
    .apply = async_mutator_apply,
    .digest = parts_object_digest,
    .teardown = parts_object_free,
};
