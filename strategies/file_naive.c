/* SPDX-License-Identifier: Apache-2.0
 *
 * file_naive: one file per document, read whole, changed, written whole, in place. A get and a set,
 * and nothing between them that anybody else would respect.
 *
 * Claim: none. It is the canary of the file strategies.
 * Weakness: what others write between the get and the set is overwritten. The file is first emptied
 * and then filled, so a reader may find nothing or half of it, which is refused as not being a
 * document (FAILED); a crash in that moment leaves it so for good.
 * Seed: node-persist as the counter of persist-lock's motivation uses it (seeds/001).
 */
#include "strategy.h"

/* The document in the file, NULL when there is no file; FAILED when it holds no document. */
static enum outcome get(struct session *session, const char *name, const bson_t **document)
{
    const char *text;
    size_t length;
    *document = NULL;
    enum outcome outcome = session_read_file(session, name, &text, &length);
    if (outcome != DONE || !text)
        return outcome;
    *document = session_parse(session, text, length);
    return *document ? DONE : FAILED; /* torn: emptied or half written just now */
}

static enum outcome file_naive_apply(struct session *session, void *shared, const struct edit *edit)
{
    const char *name = session_file_name(session, &edit->key[0]);
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    enum outcome outcome = get(session, name, &was[0]);
    if (outcome == DONE) /* window opens: from here on what was read may be stale */
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    size_t length;
    const char *text = session_text(session, is[0], &length);
    outcome = session_write_file(session, name, WRITE_IN_PLACE, text, length); /* window closes */
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* written, but its post-processing may be missing */
    return outcome;
}

const struct strategy strategy_file_naive = {
    .name = "file_naive",
    .help = "read a file, write it back in place; keeps nothing",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_FILES,
    .apply = file_naive_apply,
};
