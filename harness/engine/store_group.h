/* SPDX-License-Identifier: Apache-2.0
 *
 * store_group: rows that committed transactions have written and that the store below has not got
 * yet. Group commit: what the statements of one turn of the loop have written goes down in one
 * transaction, each row once, before the first of their replies leaves. A row that all of them
 * write, a hot document, so costs its store one write in a turn.
 *
 * One transaction at a time writes here, at once into the rows; what they were before is remembered
 * until it ends. Whoever wants to begin a second transaction beside it, or to see rows in order,
 * has to write the group down first.
 *
 * Rows stay in memory after they went down, since the next turn reads and writes the same ones;
 * beyond GROUP_ROWS_KEPT in a table the oldest go. As long as nobody else writes to the store below
 * their values are known without asking it.
 */
#ifndef RACEBENCH_ENGINE_STORE_GROUP_H
#define RACEBENCH_ENGINE_STORE_GROUP_H

#include "document/buffer.h"
#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

struct store_table;

enum {
    GROUP_BYTES_MAX = 4 * 1024 * 1024, /* a group above this goes down when the next one begins */
    GROUP_ROWS_KEPT = 256,
};

enum group_state {
    GROUP_NOTHING, /* the store below knows */
    GROUP_THERE,
    GROUP_GONE, /* deleted */
};

struct group_row {
    UT_hash_handle hh; /* in its table's, by key */
    struct group_table *table;
    struct buffer key, value; /* the value counts in GROUP_THERE */
    enum group_state state;
    uint64_t age; /* the group's, when the state was known */
    bool listed;  /* written since group_clear() */
};

/* Each table's part. Zeroed but for its owner: empty. Free with group_table_free(). */
struct group_table {
    struct store_table *owner;
    struct group_row *rows;
    struct group_row *last; /* the one that was found last: a put follows its get */
    bool listed;
};

/* What a row was before a write of the open transaction; after group_undo(): what it wrote. */
struct group_undo {
    struct group_row *row;
    struct buffer value;
    enum group_state state;
};

/* Zeroed: empty. Free with group_free(), after its tables. */
struct group {
    struct group_row **rows; /* written since group_clear() */
    size_t row_count, row_capacity;
    struct group_table **tables; /* of these rows */
    size_t table_count, table_capacity;
    struct group_undo *undo; /* of the open transaction; buffers are kept beyond undo_count */
    size_t undo_count, undo_capacity, undo_made;
    size_t bytes; /* of memory that was written since group_clear() */
    uint64_t age; /* counts group_forget() */
};

/* The row, or NULL when the group does not know it: then the store below does. */
struct group_row *group_find(const struct group *, struct group_table *, struct slice key);
/* Writes a row within the open transaction: key and value are copied. GROUP_GONE: deletes it. The
 * value that was read last from the row stays valid until group_clear(), or until another
 * transaction writes. */
void group_write(struct group *, struct group_table *, struct slice key, struct slice value,
                 enum group_state);
/* The open transaction commits. */
void group_keep(struct group *);
/* It is taken back: rows are what they were, `undo` has its writes, in their order, until
 * group_keep() or the next write. */
void group_undo(struct group *);
/* All rows have gone down. */
void group_clear(struct group *);
/* Others are about to write to the store below: it is to be asked again for all rows. The group
 * must be clear. */
void group_forget(struct group *);
/* The table goes: its rows too. The group must be clear. */
void group_table_free(struct group_table *);
void group_free(struct group *);

#endif
