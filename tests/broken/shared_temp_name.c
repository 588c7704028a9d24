/* SPDX-License-Identifier: Apache-2.0
 *
 * shared_temp_name: writes a temporary file and renames it, under the document's own lock. All
 * documents use the same temporary name, so one takes over what another has just written.
 *
 *      worker 1, document 0            worker 2, document 1
 *      writes edit.tmp: n = 6 of document 0
 *                                      writes edit.tmp: n = 3 of document 1
 *      renames edit.tmp to document 0: n = 3
 *
 * Seen in: the class of fpersist's file names that collide (731be16).
 *
 * number: 43
 * twin: file_lock
 * convicted by: counter --workers 8 --docs 4
 */
#include "parts.h"

static enum outcome shared_temp_name_apply(struct session *session, void *shared,
                                           const struct edit *edit)
{
    (void)shared;
    const char *name = session_file_name(session, &edit->key[0]);
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = session_lock_file(session, name, LOCK_EXCLUSIVE);
    if (outcome != DONE)
        return outcome;
    outcome = parts_get_file(session, name, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome == DONE && is[0]) {
        const char *text;
        size_t length;
        outcome = parts_put_file(session, "edit.tmp", WRITE_IN_PLACE, is[0]); /* the bug */
        if (outcome == DONE) /* the rename: whatever is there by now */
            outcome = session_read_file(session, "edit.tmp", &text, &length);
        if (outcome == DONE)
            outcome = session_write_file(session, name, WRITE_RENAME, text, length);
    }
    session_unlock_file(session);
    return outcome;
}

const struct strategy strategy_shared_temp_name = {
    .name = "shared_temp_name",
    .help = "one temporary name for all documents",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_FILES,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = shared_temp_name_apply,
};
