/* SPDX-License-Identifier: Apache-2.0
 *
 * unchanged_skips_check: asks for the version only where a field has changed. A stale copy that
 * sets the value that is there by chance is taken for unchanged, and saved.
 *
 *      first copy                      second copy
 *      reads n = 5, version 3          reads n = 5, version 3
 *      saves n = 6 on version 3
 *                                      n is 6, and 6 is wanted: "unchanged"
 *
 * Seen in: mongoose #10128.
 *
 * number: 10
 * twin: occ
 * convicted by: stale_save --workers 8
 */
#include "parts.h"

static enum outcome unchanged_skips_check_apply(struct session *session, void *shared,
                                                const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = parts_read(session, edit, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    bool changed = edit_number(was[0], edit->field, 0) != edit_number(is[0], edit->field, 0);
    if (!changed) /* the bug: the copy is as stale as any */
        return parts_write_back(session, edit, was[0], is[0]);
    if (edit->base != EDIT_ANY && edit->base != edit_number(was[0], "version", EDIT_ANY))
        return CONFLICT;
    bson_t *filter = session_key(session, &edit->key[0]);
    bson_t *update = parts_update_without(session, "version", was[0], is[0]);
    BSON_APPEND_INT64(filter, "version", edit_number(was[0], "version", 0));
    parts_append(update, "$inc", "version", 1);
    return parts_write(session, edit, filter, update);
}

const struct strategy strategy_unchanged_skips_check = {
    .name = "unchanged_skips_check",
    .help = "an unchanged field needs no version",
    .can = CAN_CHANGE | CAN_BASE,
    .home = HOME_DATABASE,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = unchanged_skips_check_apply,
};
