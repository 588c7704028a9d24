/* SPDX-License-Identifier: Apache-2.0
 *
 * claims_own_tick: claims a tick with the change, in one command, where the last tick is at most
 * this one: $lte, where $lt is meant. The tick that was claimed last can be claimed again.
 *
 *      worker 1                        worker 2
 *      claims 7 where lastTick <= 7: n = 7
 *                                      claims 7 where lastTick <= 7: n = 8
 *
 * Seen in: the list of variants in facts/reliability.md ("cron $lte for $lt").
 *
 * number: 28
 * twin: claim
 * convicted by: cron_tick --workers 8 --instances 8
 */
#include "parts.h"

static enum outcome claims_own_tick_apply(struct session *session, void *shared,
                                          const struct edit *edit)
{
    const bson_t *image;
    (void)shared;
    if (!edit->operators)
        return FAILED;
    bson_t *filter = session_key(session, &edit->key[0]), *update = session_document(session);
    parts_at_most(filter, "claimed", edit->once); /* the bug: one less */
    bson_concat(update, edit_operators(session, edit));
    parts_append(update, "$max", "claimed", edit->once);
    const struct modify modify = {.collection = edit->key[0].collection,
                                  .filter = filter,
                                  .update = update};
    enum outcome outcome = session_find_and_modify(session, &modify, &image);
    return outcome == DONE && !image ? NOTHING : outcome;
}

const struct strategy strategy_claims_own_tick = {
    .name = "claims_own_tick",
    .help = "claims a tick with $lte",
    .can = CAN_OPERATORS | CAN_ONCE,
    .home = HOME_DATABASE,
    .blind = true,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = claims_own_tick_apply,
};
