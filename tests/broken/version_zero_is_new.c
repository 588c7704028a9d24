/* SPDX-License-Identifier: Apache-2.0
 *
 * version_zero_is_new: takes a document with version 0 for one that was never stored, and stores
 * it as new: whole, by _id, without a look at the version. The first update races.
 *
 *      worker 1                        worker 2
 *      reads n = 0, version 0
 *                                      reads n = 0, version 0
 *      stores n = 1, version 1
 *                                      "new": stores n = 1, version 1
 *
 * Seen in: spring-data-mongodb #5007; alfredorueda/HexaStock #29.
 *
 * number: 11
 * twin: occ
 * convicted by: counter --workers 8 --docs 4 --work 1ms
 */
#include "parts.h"

static enum outcome version_zero_is_new_apply(struct session *session, void *shared,
                                              const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE && !was[0])
        return FAILED; /* not made to create documents */
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    int64_t version = edit_number(was[0], "version", 0);
    bson_t *filter = session_key(session, &edit->key[0]);
    bson_t *update = parts_update_without(session, "version", was[0], is[0]);
    if (version != 0) /* the bug: it can be 0 and stored */
        BSON_APPEND_INT64(filter, "version", version);
    parts_append(update, "$max", "version", version + 1);
    return parts_write(session, edit, filter, update);
}

const struct strategy strategy_version_zero_is_new = {
    .name = "version_zero_is_new",
    .help = "version 0 means new",
    .can = CAN_CHANGE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = version_zero_is_new_apply,
};
