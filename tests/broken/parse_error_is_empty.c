/* SPDX-License-Identifier: Apache-2.0
 *
 * parse_error_is_empty: writers exclude each other and write in place; readers do not ask for the
 * lock, and take a file that holds no document for an absent one.
 *
 *      writer                          reader
 *      locks, empties the file
 *                                      reads "": no document, so absent
 *      writes a = b = c = 6
 *
 * Seen in: node-persist #108 with forgiveParseErrors: 76 of 300 reads returned undefined.
 *
 * number: 42
 * twin: file_lock
 * convicted by: snapshot --workers 8
 */
#include "parts.h"

static enum outcome parse_error_is_empty_apply(struct session *session, void *shared,
                                               const struct edit *edit)
{
    (void)shared;
    const char *name = session_file_name(session, &edit->key[0]);
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    if (!edit->change) {
        parts_get_file(session, name, &was[0]); /* the bug: FAILED is not "absent" */
        return edit_run(session, edit, was, is);
    }
    enum outcome outcome = session_lock_file(session, name, LOCK_EXCLUSIVE);
    if (outcome != DONE)
        return outcome;
    outcome = parts_get_file(session, name, &was[0]);
    if (outcome == DONE)
        outcome = edit_run(session, edit, was, is);
    if (outcome == DONE && is[0])
        outcome = parts_put_file(session, name, WRITE_IN_PLACE, is[0]);
    session_unlock_file(session);
    return outcome;
}

const struct strategy strategy_parse_error_is_empty = {
    .name = "parse_error_is_empty",
    .help = "takes a half written file for an absent one",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_FILES,
    .keeps = {[LOST] = PARTS_ANSWERED, [DOUBLED] = PARTS_ANSWERED},
    .apply = parse_error_is_empty_apply,
};
