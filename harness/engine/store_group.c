/* SPDX-License-Identifier: Apache-2.0
 *
 * store_group: see store_group.h. A write swaps the row's value with the one remembered of it, so
 * that taking back is the same swap again and no value is copied twice.
 */
#include "store_group.h"

#include "base.h"
#include <stdlib.h>
#include <string.h>

enum {
    BYTES_KEPT = 4096, /* a key or value that has had more gives its memory back */
    UNDO_KEPT = 64,
};

static struct group_row *find_any(struct group_table *table, struct slice key)
{
    struct group_row *row = table->last;
    if (row != NULL && row->key.length == key.length &&
        memcmp(row->key.bytes, key.bytes, key.length) == 0)
        return row;
    HASH_FIND(hh, table->rows, key.bytes, key.length, row);
    if (row != NULL)
        table->last = row;
    return row;
}

struct group_row *group_find(const struct group *group, struct group_table *table, struct slice key)
{
    struct group_row *row = find_any(table, key);
    return row != NULL && row->age == group->age && row->state != GROUP_NOTHING ? row : NULL;
}

static void row_free(struct group_table *table, struct group_row *row)
{
    if (table->last == row)
        table->last = NULL;
    HASH_DELETE(hh, table->rows, row);
    buffer_release(&row->key);
    buffer_release(&row->value);
    free(row);
}

static struct group_row *add(struct group_table *table, struct slice key)
{
    struct group_row *row = x_calloc(1, sizeof *row);
    row->table = table;
    buffer_append(&row->key, key.bytes, key.length);
    HASH_ADD_KEYPTR(hh, table->rows, row->key.bytes, row->key.length, row);
    table->last = row;
    return row;
}

static void list(struct group *group, struct group_row *row)
{
    if (row->listed)
        return;
    if (row->age != group->age)
        row->state = GROUP_NOTHING;
    row->age = group->age;
    size_t at = array_grow((void **)&group->rows, &group->row_count, &group->row_capacity,
                           sizeof(struct group_row *));
    group->rows[at] = row;
    row->listed = true;
    if (row->table->listed)
        return;
    at = array_grow((void **)&group->tables, &group->table_count, &group->table_capacity,
                    sizeof(struct group_table *));
    group->tables[at] = row->table;
    row->table->listed = true;
}

/* The row and what is remembered of it change places. */
static void swap(struct group_undo *undo)
{
    struct group_row *row = undo->row;
    struct buffer value = row->value;
    enum group_state state = row->state;
    row->value = undo->value;
    row->state = undo->state;
    undo->value = value;
    undo->state = state;
}

void group_write(struct group *group, struct group_table *table, struct slice key,
                 struct slice value, enum group_state state)
{
    struct group_row *row = find_any(table, key);
    if (row == NULL)
        row = add(table, key);
    list(group, row);
    size_t at = array_grow((void **)&group->undo, &group->undo_count, &group->undo_capacity,
                           sizeof *group->undo);
    struct group_undo *undo = &group->undo[at];
    if (at == group->undo_made) {
        *undo = (struct group_undo){.row = NULL};
        group->undo_made++;
    }
    undo->row = row;
    undo->state = state;
    undo->value.length = 0;
    buffer_append(&undo->value, value.bytes, value.length);
    swap(undo);
    group->bytes += sizeof *row + sizeof *undo + key.length + value.length;
}

void group_keep(struct group *group)
{
    group->undo_count = 0;
}

void group_undo(struct group *group)
{
    for (size_t i = group->undo_count; i > 0; i--)
        swap(&group->undo[i - 1]);
}

void group_table_free(struct group_table *table)
{
    struct group_row *row, *next;
    HASH_ITER (hh, table->rows, row, next)
        row_free(table, row);
    table->last = NULL;
}

void group_clear(struct group *group)
{
    group_keep(group);
    for (size_t i = 0; i < group->row_count; i++) {
        struct group_row *row = group->rows[i];
        row->listed = false;
        if (row->value.capacity > BYTES_KEPT) {
            row->state = GROUP_NOTHING;
            buffer_release(&row->value);
        }
        if (row->key.capacity > BYTES_KEPT)
            row_free(row->table, row);
    }
    for (size_t i = 0; i < group->table_count; i++) {
        struct group_table *table = group->tables[i];
        table->listed = false;
        while (HASH_COUNT(table->rows) > GROUP_ROWS_KEPT) /* the oldest come first */
            row_free(table, table->rows);
    }
    group->table_count = 0;
    group->row_count = 0;
    group->bytes = 0;
    for (size_t i = 0; i < group->undo_made; i++)
        if (i >= UNDO_KEPT || group->undo[i].value.capacity > BYTES_KEPT)
            buffer_release(&group->undo[i].value);
    if (group->undo_made > UNDO_KEPT)
        group->undo_made = UNDO_KEPT;
}

void group_forget(struct group *group)
{
    group->age++;
}

void group_free(struct group *group)
{
    for (size_t i = 0; i < group->undo_made; i++)
        buffer_release(&group->undo[i].value);
    free(group->undo);
    free(group->rows);
    free(group->tables);
    *group = (struct group){.rows = NULL};
}
