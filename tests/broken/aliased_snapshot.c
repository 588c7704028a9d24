/* SPDX-License-Identifier: Apache-2.0
 *
 * aliased_snapshot: an object in RAM whose snapshot is the object itself: while the save is being
 * written out, field by field, others change what has not been written yet.
 *
 *      worker 1                        worker 2
 *      a = b = c = 6, begins to write out a = 6
 *                                      a = b = c = 7
 *      writes out b = 7, c = 7: stores a = 6
 *
 * Seen in: LiveObjectManager (seeds/000): the clone inherits from the live object; torn {1, 2}
 * observed.
 *
 * number: 38
 * twin: live_object
 * convicted by: snapshot --workers 8 --work 3ms
 */
#include "parts.h"
#include <string.h>

/* {$set: all fields}, each as it is when its turn comes. */
static const bson_t *write_out(struct session *session, const struct object *object)
{
    bson_t *update = session_document(session), *names = session_document(session), set;
    bson_iter_t name, field;
    bson_concat(names, object->image);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &set);
    for (bson_iter_init(&name, names); bson_iter_next(&name);) {
        session_sleep_until(session, session_now_ms(session) + 1); /* others may go first */
        if (strcmp(bson_iter_key(&name), "_id") != 0 && /* the bug: `image`, not `names` */
            bson_iter_init_find(&field, object->image, bson_iter_key(&name)))
            bson_append_iter(&set, NULL, -1, &field);
    }
    bson_append_document_end(update, &set);
    return update;
}

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
        const bson_t *update = write_out(session, object);
        enum outcome outcome =
            parts_write(session, edit, session_key(session, &edit->key[0]), update);
        object->busy = false;
        if (outcome == DONE)
            object->saved = number;
        session_wake(session, object);
        if (outcome != DONE)
            return outcome;
    }
    return DONE;
}

static enum outcome aliased_snapshot_apply(struct session *session, void *shared,
                                           const struct edit *edit)
{
    struct object *object = shared;
    enum outcome outcome = parts_load(session, object, edit);
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    if (!edit->change) {
        outcome = parts_read(session, edit, &was[0]);
        return outcome == DONE ? edit_run(session, edit, was, is) : outcome;
    }
    if (outcome == DONE)
        outcome = parts_change(session, object, edit);
    return outcome == DONE ? settle(session, object, edit) : outcome;
}

const struct strategy strategy_aliased_snapshot = {
    .name = "aliased_snapshot",
    .help = "a snapshot that is the object itself",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .setup = parts_object_new,
    .apply = aliased_snapshot_apply,
    .digest = parts_object_digest,
    .teardown = parts_object_free,
};
