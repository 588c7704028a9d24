/* SPDX-License-Identifier: Apache-2.0
 *
 * store_changes: see store_changes.h. A transaction of a watched store changes few rows, so they
 * are a list that is looked through.
 */
#include "store_changes.h"

#include "base.h"
#include <stdlib.h>
#include <string.h>

struct changed_row {
    const struct store_table *table;
    const char *name;                /* of the table, which outlives the transaction */
    struct slice key, before, after; /* owned; NULL: absent */
};

static struct slice copy(struct slice slice)
{
    if (slice.bytes == NULL)
        return slice;
    uint8_t *bytes = x_malloc(slice.length + 1);
    memcpy(bytes, slice.bytes, slice.length);
    return (struct slice){bytes, slice.length};
}

static void release(struct slice *slice)
{
    free((void *)slice->bytes);
    *slice = (struct slice){NULL, 0};
}

static struct changed_row *find(const struct changes *changes, const struct store_table *table,
                                struct slice key)
{
    for (size_t i = 0; i < changes->count; i++) {
        struct changed_row *row = &changes->rows[i];
        if (row->table == table && row->key.length == key.length &&
            memcmp(row->key.bytes, key.bytes, key.length) == 0)
            return row;
    }
    return NULL;
}

void changes_note(struct changes *changes, struct store_transaction *transaction,
                  struct store_table *table, const struct store_change *change)
{
    struct slice before = {NULL, 0};
    struct changed_row *row = find(changes, table, change->key);
    if (row == NULL) {
        if (store_get(transaction, table, change->key, &before) != STORE_DONE)
            before = (struct slice){NULL, 0};
        size_t at = array_grow((void **)&changes->rows, &changes->count, &changes->capacity,
                               sizeof(*changes->rows));
        row = &changes->rows[at];
        *row = (struct changed_row){.table = table,
                                    .name = change->table,
                                    .key = copy(change->key),
                                    .before = copy(before)};
    }
    release(&row->after);
    row->after = copy(change->after);
}

void changes_tell(const struct changes *changes, const struct store *store)
{
    for (size_t i = 0; i < changes->count && store_is_watched(store); i++) {
        const struct changed_row *row = &changes->rows[i];
        store->watcher(&(struct store_change){.table = row->name,
                                              .key = row->key,
                                              .before = row->before,
                                              .after = row->after},
                       store->watcher_context);
    }
}

void changes_forget(struct changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        release(&changes->rows[i].key);
        release(&changes->rows[i].before);
        release(&changes->rows[i].after);
    }
    changes->count = 0;
}

void changes_free(struct changes *changes)
{
    changes_forget(changes);
    free(changes->rows);
}
