/* SPDX-License-Identifier: Apache-2.0
 *
 * table: aligned columns that fit a width. Columns have a rank: 0 stays, and where the lines would
 * be too wide the column with the highest rank goes first. Filled row by row, left to right; knows
 * nothing about results.
 */
#ifndef RACEBENCH_TABLE_H
#define RACEBENCH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 24 };

struct table_column {
    const char *title; /* a new line in it makes the head two lines high */
    bool right;        /* aligned to the right: numbers */
    int rank;
    int width;
};

/* Zeroed: an empty table. */
struct table {
    struct table_column columns[TABLE_COLUMNS_MAX];
    size_t column_count;
    char **cells; /* row by row, column_count a row */
    size_t cell_count, cell_capacity;
    const char **paints; /* escape sequence for the last column of a row, or NULL */
    size_t row_count, row_capacity;
};
void table_free(struct table *);

/* Adds a column; all of them before the first row. */
void table_column(struct table *, const char *title, bool right, int rank);
/* Begins a row. `paint` colours its last column; NULL: not. */
void table_row(struct table *, const char *paint);
/* Fills in the next column of the present row. */
void table_put(struct table *, const char *text);
/* A blank line between the rows. */
void table_gap(struct table *);
/* Prints head and rows, no line longer than `width` if dropping columns can help. */
void table_print(const struct table *, int width, FILE *out);

#endif
