/* SPDX-License-Identifier: Apache-2.0
 *
 * absent_is_upserted: optimistic concurrency control for documents that are there; one that is
 * absent is created by an upsert that names the _id alone, so the second creator overwrites the
 * first.
 *
 *      worker 1                        worker 2
 *      reads: absent
 *                                      reads: absent
 *      upserts n = 1
 *                                      upserts n = 1: it is there, and is set
 *
 * Seen in: the other side of spring-data-mongodb #5007: save() of a document without a version.
 *
 * number: 11
 * twin: occ
 * convicted by: counter --workers 8 --unseeded --docs 4 --work 1ms
 */
#include "parts.h"

static enum outcome absent_is_upserted_apply(struct session *session, void *shared,
                                             const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    if (!was[0])
        return parts_write_back(session, edit, NULL, is[0]); /* the bug: not an insert */
    bson_t *filter = session_key(session, &edit->key[0]);
    bson_t *update = parts_update_without(session, "version", was[0], is[0]);
    BSON_APPEND_INT64(filter, "version", edit_number(was[0], "version", 0));
    parts_append(update, "$inc", "version", 1);
    return parts_write(session, edit, filter, update);
}

const struct strategy strategy_absent_is_upserted = {
    .name = "absent_is_upserted",
    .help = "creates by an upsert",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = absent_is_upserted_apply,
};
