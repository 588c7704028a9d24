/* SPDX-License-Identifier: Apache-2.0
 *
 * folder: see folder.h. A name leads to a node, as in a file system; a node lives as long as a name
 * or an open write leads to it. Names are in a hash table, since a run may have a million files;
 * open writes and locks are short lists, one entry a worker at most.
 */
#include "folder.h"
#include "gate.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A file's content. */
struct node {
    int references;
    size_t length, capacity;
    char *bytes;
};

/* A name. */
struct entry {
    char *name;
    struct node *node;
    UT_hash_handle hh;
};

/* A write in place between its halves. */
struct writing {
    struct folder_user user;
    struct node *node;
    const char *text;
    size_t length;
};

/* A lock beside a name. */
struct holding {
    struct folder_user user;
    enum lock_mode mode;
    char *name;
};

struct folder {
    struct entry *entries;
    struct writing *writings;
    size_t writing_count, writing_capacity;
    struct holding *holdings;
    size_t holding_count, holding_capacity;
    struct random random;
    int64_t kept; /* of a write under way in a crash; negative: drawn */
};

struct folder *folder_new(uint64_t seed)
{
    struct folder *folder = x_calloc(1, sizeof(*folder));
    random_seed(&folder->random, seed);
    folder->kept = -1;
    return folder;
}

static void node_release(struct node *node)
{
    if (--node->references > 0)
        return;
    free(node->bytes);
    free(node);
}

static void entry_remove(struct folder *folder, struct entry *entry)
{
    HASH_DEL(folder->entries, entry);
    node_release(entry->node);
    free(entry->name);
    free(entry);
}

/* Closes the i-th write. */
static void writing_close(struct folder *folder, size_t i)
{
    node_release(folder->writings[i].node);
    folder->writings[i] = folder->writings[--folder->writing_count];
}

static void holding_end(struct folder *folder, size_t i)
{
    free(folder->holdings[i].name);
    folder->holdings[i] = folder->holdings[--folder->holding_count];
}

static void close_all(struct folder *folder)
{
    while (folder->writing_count > 0)
        writing_close(folder, 0);
    while (folder->holding_count > 0)
        holding_end(folder, 0);
}

void folder_free(struct folder *folder)
{
    struct entry *entry, *next;
    if (folder == NULL)
        return;
    close_all(folder);
    HASH_ITER (hh, folder->entries, entry, next)
        entry_remove(folder, entry);
    free(folder->writings);
    free(folder->holdings);
    free(folder);
}

static struct entry *find(const struct folder *folder, const char *name)
{
    struct entry *entry;
    HASH_FIND_STR(folder->entries, name, entry);
    return entry;
}

/* The name's entry, made with an empty file if there is none. */
static struct entry *make(struct folder *folder, const char *name)
{
    struct entry *entry = find(folder, name);
    if (entry != NULL)
        return entry;
    entry = x_calloc(1, sizeof(*entry));
    entry->name = x_strdup(name);
    entry->node = x_calloc(1, sizeof(*entry->node));
    entry->node->references = 1;
    HASH_ADD_KEYPTR(hh, folder->entries, entry->name, strlen(entry->name), entry);
    return entry;
}

/* Overwrites the first bytes; what is longer stays. */
static void node_write(struct node *node, const char *text, size_t length)
{
    if (length > node->capacity) {
        node->bytes = x_realloc(node->bytes, length);
        node->capacity = length;
    }
    if (length > 0)
        memcpy(node->bytes, text, length);
    if (length > node->length)
        node->length = length;
}

char *folder_read(const struct folder *folder, const char *name, size_t *length)
{
    const struct entry *entry = find(folder, name);
    *length = entry != NULL ? entry->node->length : 0;
    return entry != NULL ? x_strndup(*length > 0 ? entry->node->bytes : "", *length) : NULL;
}

void folder_replace(struct folder *folder, const char *name, const char *text, size_t length)
{
    struct entry *entry = make(folder, name);
    if (entry->node->references > 1) { /* somebody writes the old one, which has no name now */
        node_release(entry->node);
        entry->node = x_calloc(1, sizeof(*entry->node));
        entry->node->references = 1;
    }
    entry->node->length = 0;
    node_write(entry->node, text, length);
}

void folder_open(struct folder *folder, const struct folder_user *user, const char *name,
                 const char *text, size_t length)
{
    struct node *node = make(folder, name)->node;
    size_t i = array_grow((void **)&folder->writings, &folder->writing_count,
                          &folder->writing_capacity, sizeof(*folder->writings));
    folder->writings[i] = (struct writing){*user, node, text, length};
    node->references++;
    node->length = 0;
}

bool folder_write(struct folder *folder, int32_t worker, bool alive)
{
    for (size_t i = 0; i < folder->writing_count; i++) {
        struct writing *writing = &folder->writings[i];
        if (writing->user.worker != worker)
            continue;
        if (alive)
            node_write(writing->node, writing->text, writing->length);
        writing_close(folder, i);
        return alive;
    }
    return false;
}

/* Locks -------------------------------------------------------------------------------------- */

bool folder_lockable(const struct folder *folder, int32_t worker, const char *name,
                     enum lock_mode mode)
{
    for (size_t i = 0; i < folder->holding_count; i++) {
        const struct holding *holding = &folder->holdings[i];
        if (holding->user.worker != worker && strcmp(holding->name, name) == 0 &&
            (mode == LOCK_EXCLUSIVE || holding->mode == LOCK_EXCLUSIVE))
            return false;
    }
    return true;
}

bool folder_lock(struct folder *folder, const struct folder_user *user, const char *name,
                 enum lock_mode mode)
{
    if (!folder_lockable(folder, user->worker, name, mode))
        return false;
    size_t i = array_grow((void **)&folder->holdings, &folder->holding_count,
                          &folder->holding_capacity, sizeof(*folder->holdings));
    folder->holdings[i] = (struct holding){*user, mode, x_strdup(name)};
    return true;
}

void folder_unlock(struct folder *folder, int32_t worker)
{
    for (size_t i = folder->holding_count; i-- > 0;)
        if (folder->holdings[i].user.worker == worker)
            holding_end(folder, i);
}

int32_t folder_holder(const struct folder *folder, const char *name, size_t i)
{
    for (size_t h = 0; h < folder->holding_count; h++)
        if (strcmp(folder->holdings[h].name, name) == 0 && i-- == 0)
            return folder->holdings[h].user.worker;
    return STEP_NOBODY;
}

/* Crashes ------------------------------------------------------------------------------------ */

int64_t folder_under_way(const struct folder *folder, int32_t instance)
{
    int64_t longest = -1;
    for (size_t i = 0; i < folder->writing_count; i++)
        if (folder->writings[i].user.instance == instance &&
            (int64_t)folder->writings[i].length > longest)
            longest = (int64_t)folder->writings[i].length;
    return longest;
}

void folder_keep(struct folder *folder, int64_t bytes)
{
    folder->kept = bytes;
}

void folder_crash(struct folder *folder, int32_t instance)
{
    for (size_t i = folder->writing_count; i-- > 0;) {
        struct writing *writing = &folder->writings[i];
        if (writing->user.instance != instance)
            continue;
        size_t kept = folder->kept >= 0 ? (size_t)folder->kept
                                        : random_below(&folder->random, writing->length + 1);
        node_write(writing->node, writing->text, kept < writing->length ? kept : writing->length);
        writing_close(folder, i);
    }
    for (size_t i = folder->holding_count; i-- > 0;)
        if (folder->holdings[i].user.instance == instance)
            holding_end(folder, i);
}

/* State -------------------------------------------------------------------------------------- */

/* The bytes of a document's text but for the number in its stamp, which says who wrote it and would
 * make every order of writes a state of its own. */
static void hash_text(struct hash *hash, const char *text, size_t length)
{
    static const char stamp[] = "\"" EDIT_STAMP "\" : ";
    size_t begin = 0;
    for (size_t i = 0; i + sizeof(stamp) - 1 <= length; i++) {
        if (memcmp(text + i, stamp, sizeof(stamp) - 1) != 0)
            continue;
        i += sizeof(stamp) - 1;
        hash_bytes(hash, text + begin, i - begin);
        while (i < length && isdigit((unsigned char)text[i]))
            i++;
        begin = i--;
    }
    hash_bytes(hash, text + begin, length - begin);
}

void folder_digest(const struct folder *folder, struct hash *hash)
{
    hash128 sum = 0; /* the order of names and of locks means nothing */
    struct hash one;
    for (const struct entry *entry = folder->entries; entry != NULL; entry = entry->hh.next) {
        hash_init(&one);
        hash_bytes(&one, entry->name, strlen(entry->name) + 1);
        hash_text(&one, entry->node->length > 0 ? entry->node->bytes : "", entry->node->length);
        sum += hash_full(&one);
    }
    for (size_t i = 0; i < folder->holding_count; i++) {
        const struct holding *holding = &folder->holdings[i];
        hash_init(&one);
        hash_bytes(&one, holding->name, strlen(holding->name) + 1);
        hash_u64(&one, (uint64_t)holding->user.worker << 2 | (uint64_t)holding->mode << 1 | 1);
        sum += hash_full(&one);
    }
    hash_add(hash, sum);
}

struct folder *folder_copy(const struct folder *folder)
{
    struct folder *copy = folder_new(0);
    copy->random = folder->random;
    copy->kept = folder->kept;
    for (const struct entry *entry = folder->entries; entry != NULL; entry = entry->hh.next)
        folder_replace(copy, entry->name, entry->node->bytes, entry->node->length);
    return copy;
}

void folder_restore(struct folder *folder, const struct folder *saved)
{
    struct entry *entry, *next;
    close_all(folder);
    folder->random = saved->random;
    folder->kept = saved->kept;
    HASH_ITER (hh, folder->entries, entry, next)
        if (find(saved, entry->name) == NULL)
            entry_remove(folder, entry);
    for (entry = saved->entries; entry != NULL; entry = entry->hh.next)
        folder_replace(folder, entry->name, entry->node->bytes, entry->node->length);
}
