/* SPDX-License-Identifier: Apache-2.0
 *
 * failed_save_kept_fixed: failed_save_kept, mended: a change and its save are one turn, and when
 * the save is refused the object goes back to what it was before. The caller tries again.
 *
 *      worker 1                        server
 *      n = 6 in RAM, saves             refused: n = 5
 *      goes back: n = 5 in RAM
 *      tries again: n = 6 in RAM, saves
 *                                      n = 6
 *
 * Seen in: strategies/live_object.c, which tells its caller that the save was refused.
 *
 * fixes: failed_save_kept
 */
#include "parts.h"

/* What the workers of an instance share. */
struct careful {
    struct object object;
    struct turnstile
        turnstile; /* one change and its save at a time: none is built on a doubtful one */
};

static enum outcome change_and_save(struct session *session, struct object *object,
                                    const struct edit *edit)
{
    bson_t *before = bson_copy(object->image);
    enum outcome outcome = parts_change(session, object, edit);
    if (outcome == DONE)
        outcome = parts_save(session, object, edit);
    if (outcome == DONE) {
        bson_destroy(before);
        return DONE;
    }
    bson_destroy(object->image);
    object->image = before; /* nothing of it is stored, so nothing of it stays */
    return outcome == FAILED ? CONFLICT : outcome;
}

static enum outcome failed_save_kept_fixed_apply(struct session *session, void *shared,
                                                 const struct edit *edit)
{
    struct careful *careful = shared;
    enum outcome outcome = parts_load(session, &careful->object, edit);
    if (outcome != DONE || parts_enter(session, &careful->turnstile) != DONE)
        return outcome == DONE ? FAILED : outcome;
    outcome = change_and_save(session, &careful->object, edit);
    parts_leave(session, &careful->turnstile);
    return outcome;
}

static void careful_digest(const void *shared, struct hash *hash)
{
    const struct careful *careful = shared;
    parts_object_digest(&careful->object, hash);
    parts_turnstile_digest(&careful->turnstile, hash);
}

static void *careful_new(struct session *session)
{
    (void)session;
    return x_calloc(1, sizeof(struct careful));
}

static void careful_free(struct session *session, void *shared)
{
    struct careful *careful = shared;
    (void)session;
    bson_destroy(careful->object.image);
    free(careful);
}

const struct strategy strategy_failed_save_kept_fixed = {
    .name = "failed_save_kept_fixed",
    .help = "failed_save_kept, mended",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = HAZARD_BIT(none) | HAZARD_BIT(error),
              [DOUBLED] = HAZARD_BIT(none) | HAZARD_BIT(error)},
    .setup = careful_new,
    .apply = failed_save_kept_fixed_apply,
    .digest = careful_digest,
    .teardown = careful_free,
};
