/* SPDX-License-Identifier: Apache-2.0
 *
 * client_clocks_fixed: client_clocks, mended: the server dates the lease and judges it, in one
 * command. What the client's clock says is noted for people and for nobody else.
 *
 *      instance 1                      instance 2, ahead by a lease
 *      obtains until 12:00:30, reads n = 5
 *                                      it is 12:00:01 there: held
 *
 * Seen in: strategies/lock_document.c, which does not even ask for the client's time.
 *
 * fixes: client_clocks
 */
#include "parts.h"
#include <stdio.h>

/* [{$set: {expires: now + lease, owner, noted}}] where the lease is over; by the server's clock. */
static enum outcome obtain(struct session *session, const struct edit *edit, struct lease *lease)
{
    static const char over[] = "{\"$expr\": {\"$lt\": [\"$expires\", \"$$NOW\"]}}";
    char text[300];
    *lease = (struct lease){.id = edit->key[0].id, .token = session_token(session)};
    int length = snprintf(text, sizeof(text),
                          "{\"0\": {\"$set\": {\"expires\": {\"$add\": [\"$$NOW\", %lld]}, "
                          "\"owner\": {\"$numberLong\": \"%lld\"}, \"noted\": %lld}}}",
                          (long long)session_lease_ms(session), (long long)lease->token,
                          (long long)session_now_ms(session));
    session_insert_one(session, PARTS_LOCKS, parts_lock(session, lease)); /* or is there already */
    bson_t *filter = parts_lock(session, lease);
    bson_concat(filter, session_parse(session, over, sizeof(over) - 1));
    const struct modify modify = {.collection = PARTS_LOCKS,
                                  .filter = filter,
                                  .pipeline = session_parse(session, text, (size_t)length)};
    const bson_t *image;
    enum outcome outcome = session_find_and_modify(session, &modify, &image);
    return outcome == DONE && !image ? BUSY : outcome == DONE || outcome == FAILED ? outcome : BUSY;
}

static enum outcome client_clocks_fixed_apply(struct session *session, void *shared,
                                              const struct edit *edit)
{
    struct lease lease;
    (void)shared;
    enum outcome outcome = obtain(session, edit, &lease);
    if (outcome != DONE)
        return outcome;
    outcome = parts_section(session, edit);
    parts_release(session, &lease);
    return outcome;
}

const struct strategy strategy_client_clocks_fixed = {
    .name = "client_clocks_fixed",
    .help = "client_clocks, mended",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_PLAIN | HAZARD_BIT(skew), [DOUBLED] = PARTS_PLAIN | HAZARD_BIT(skew)},
    .apply = client_clocks_fixed_apply,
};
