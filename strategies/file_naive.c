/* SPDX-License-Identifier: Apache-2.0
 *
 * file_naive: one file per document, read whole, changed, written whole, in place. A get and a set,
 * and nothing between them that anybody else would respect. Like node-persist (since 3.1.1), an
 * instance does not read or write a file while it is writing it.
 *
 * Claim: none. It is the canary of the file strategies.
 * Weakness: what others write between the get and the set is overwritten. The file is first emptied
 * and then filled, so another instance may find nothing or half of it, which is refused as not
 * being a document (FAILED); a crash in that moment, or two instances that write at the same time,
 * leave it so for good.
 * Seed: node-persist as the counter of persist-lock's motivation uses it (seeds/001).
 */
#include "strategy.h"

#include <stdlib.h>
#include <uthash.h>

/* One file and whether a set of it is under way. */
struct file {
    char *name;
    bool writing;
    UT_hash_handle hh;
};

/* What the workers of an instance share. */
struct store {
    struct file *files; /* by name; they stay once made */
};

static struct file *file_find(struct store *store, const char *name)
{
    struct file *file;
    HASH_FIND_STR(store->files, name, file);
    if (file)
        return file;
    file = x_calloc(1, sizeof(*file));
    file->name = x_strdup(name);
    HASH_ADD_KEYPTR(hh, store->files, file->name, strlen(file->name), file);
    return file;
}

/* Waits while this instance writes the file. FAILED: interrupted. */
static enum outcome wait_for_set(struct session *session, const struct file *file)
{
    while (file->writing)
        if (session_wait(session, file) != DONE)
            return FAILED;
    return DONE;
}

/* The document in the file, NULL when there is no file; FAILED when it holds no document. */
static enum outcome get(struct session *session, const struct file *file, const bson_t **document)
{
    const char *text;
    size_t length;
    *document = NULL;
    if (wait_for_set(session, file) != DONE)
        return FAILED;
    enum outcome outcome = session_read_file(session, file->name, &text, &length);
    if (outcome != DONE || !text)
        return outcome;
    *document = session_parse(session, text, length);
    return *document ? DONE : FAILED; /* torn: emptied or half written by another instance */
}

static enum outcome set(struct session *session, struct file *file, const bson_t *document)
{
    size_t length;
    const char *text = session_text(session, document, &length);
    if (wait_for_set(session, file) != DONE)
        return FAILED;
    file->writing = true;
    enum outcome outcome = session_write_file(session, file->name, WRITE_IN_PLACE, text, length);
    file->writing = false;
    session_wake(session, file);
    return outcome;
}

static enum outcome file_naive_apply(struct session *session, void *shared, const struct edit *edit)
{
    struct file *file = file_find(shared, session_file_name(session, &edit->key[0]));
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = get(session, file, &was[0]);
    if (outcome == DONE) /* window opens: from here on what was read may be stale */
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    outcome = set(session, file, is[0]); /* window closes */
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* written, but its post-processing may be missing */
    return outcome;
}

static void *file_naive_setup(struct session *session)
{
    (void)session;
    return x_calloc(1, sizeof(struct store));
}

/* Which files are being written, added up, since the order of the table means nothing. */
static void file_naive_digest(const void *shared, struct hash *hash)
{
    const struct store *store = shared;
    uint64_t sum = 0;
    for (const struct file *file = store->files; file; file = file->hh.next) {
        struct hash one;
        if (!file->writing)
            continue;
        hash_init(&one);
        hash_bytes(&one, file->name, strlen(file->name));
        sum += hash_value(&one);
    }
    hash_u64(hash, sum);
}

static void file_naive_teardown(struct session *session, void *shared)
{
    struct store *store = shared;
    struct file *file, *next;
    (void)session;
    HASH_ITER (hh, store->files, file, next) {
        HASH_DEL(store->files, file);
        free(file->name);
        free(file);
    }
    free(store);
}

const struct strategy strategy_file_naive = {
    .name = "file_naive",
    .help = "read a file, write it back in place; keeps nothing",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_FILES,
    .setup = file_naive_setup,
    .apply = file_naive_apply,
    .digest = file_naive_digest,
    .teardown = file_naive_teardown,
};
