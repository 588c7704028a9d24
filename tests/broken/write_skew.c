/* SPDX-License-Identifier: Apache-2.0
 *
 * write_skew: locks and re-checks each document that it is going to write, and none that it has
 * only read, as snapshot isolation does.
 *
 *      worker 1                        worker 2
 *      reads a = 50, b = 50
 *                                      reads a = 50, b = 50
 *      withdraws 80: a = -30, unchanged since
 *                                      withdraws 80: b = -30, unchanged since
 *
 * Seen in: facts/seed-systems.md: a transaction in MongoDB leaves write skew.
 *
 * number: 45
 * twin: lock_document
 * convicted by: transfer --workers 8
 */
#include "parts.h"

/* Under the locks of all that is written: still as it was read? */
static enum outcome check(struct session *session, const struct edit *edit,
                          const bson_t *const was[], const bson_t *const is[])
{
    for (int i = 0; i < edit->count; i++) {
        const bson_t *now;
        const struct edit one = parts_about(edit, i);
        if (!is[i]) /* the bug: what was only read counts as well */
            continue;
        if (parts_read(session, &one, &now) != DONE)
            return BUSY;
        if (edit_stamp(now) != edit_stamp(was[i]))
            return CONFLICT;
    }
    return DONE;
}

static enum outcome write_all(struct session *session, const struct edit *edit,
                              const bson_t *const was[], const bson_t *const is[])
{
    for (int i = 0; i < edit->count; i++) {
        const struct edit one = parts_about(edit, i);
        if (is[i] && parts_write_back(session, &one, was[i], is[i]) != DONE)
            return UNKNOWN;
    }
    return DONE;
}

static enum outcome write_skew_apply(struct session *session, void *shared, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    struct lease leases[EDIT_DOCUMENTS_MAX];
    int held = 0;
    enum outcome outcome = parts_read_all(session, edit, was);
    (void)shared;
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    for (int i = 0; i < edit->count && outcome == DONE; i++) {
        const struct edit one = parts_about(edit, i);
        if (is[i])
            outcome = parts_obtain(session, &one, &leases[held]);
        held += is[i] && outcome == DONE;
    }
    if (outcome == DONE)
        outcome = check(session, edit, was, is);
    if (outcome == DONE)
        outcome = write_all(session, edit, was, is);
    while (held > 0)
        parts_release(session, &leases[--held]);
    return outcome;
}

const struct strategy strategy_write_skew = {
    .name = "write_skew",
    .help = "checks what it writes and not what it only read",
    .can = CAN_CHANGE | CAN_TWO_DOCUMENTS | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = write_skew_apply,
};
