/* SPDX-License-Identifier: Apache-2.0
 *
 * table: see table.h. A blank line is a row whose cells are all NULL. Widths are counted in bytes:
 * what is put in is ASCII but for names that a user chose.
 */
#include "table.h"

#include "base.h"
#include <stdlib.h>
#include <string.h>

enum { GAP = 2 }; /* spaces between columns */

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table->paints);
    memset(table, 0, sizeof(*table));
}

/* Width of a title: of the longer of its lines. */
static int title_width(const char *title)
{
    const char *second = strchr(title, '\n');
    if (second == NULL)
        return (int)strlen(title);
    int upper = (int)(second - title), lower = (int)strlen(second + 1);
    return upper > lower ? upper : lower;
}

void table_column(struct table *table, const char *title, bool right, int rank)
{
    must(table->column_count < TABLE_COLUMNS_MAX && table->row_count == 0);
    table->columns[table->column_count++] = (struct table_column){.title = title,
                                                                  .right = right,
                                                                  .rank = rank,
                                                                  .width = title_width(title)};
}

void table_row(struct table *table, const char *paint)
{
    must(table->cell_count == table->row_count * table->column_count);
    size_t row = array_grow((void **)&table->paints, &table->row_count, &table->row_capacity,
                            sizeof(*table->paints));
    table->paints[row] = paint;
}

static void put(struct table *table, char *text)
{
    size_t index = array_grow((void **)&table->cells, &table->cell_count, &table->cell_capacity,
                              sizeof(*table->cells));
    must(index < table->row_count * table->column_count);
    table->cells[index] = text;
}

void table_put(struct table *table, const char *text)
{
    struct table_column *column = &table->columns[table->cell_count % table->column_count];
    int width = (int)strlen(text);
    if (width > column->width)
        column->width = width;
    put(table, x_strdup(text));
}

void table_gap(struct table *table)
{
    table_row(table, NULL);
    for (size_t i = 0; i < table->column_count; i++)
        put(table, NULL);
}

/* Chooses the columns to show: drops the highest ranks until the line fits. */
static void choose(const struct table *table, int width_max, bool *shown)
{
    int width = -GAP;
    for (size_t i = 0; i < table->column_count; i++) {
        shown[i] = true;
        width += GAP + table->columns[i].width;
    }
    while (width > width_max) {
        size_t worst = 0;
        int rank = 0;
        for (size_t i = 0; i < table->column_count; i++)
            if (shown[i] && table->columns[i].rank > rank) {
                rank = table->columns[i].rank;
                worst = i;
            }
        if (rank == 0)
            return;
        shown[worst] = false;
        width -= GAP + table->columns[worst].width;
    }
}

/* A line under construction: spaces are held back, so that none is left at its end. */
struct line {
    FILE *out;
    int spaces;
};

static void line_put(struct line *line, const struct table_column *column, const char *text,
                     const char *paint)
{
    int length = (int)strcspn(text, "\n");
    int space = column->width - length;
    if (length > 0) {
        fprintf(line->out, "%*s%s%.*s%s", line->spaces + (column->right ? space : 0), "",
                paint != NULL ? paint : "", length, text, paint != NULL ? "\033[0m" : "");
        line->spaces = 0;
    } else {
        line->spaces += column->right ? space : 0;
    }
    line->spaces += GAP + (column->right ? 0 : space);
}

/* One of the head's two lines; titles of one line stand in the lower. */
static void head(const struct table *table, const bool *shown, bool upper, FILE *out)
{
    struct line line = {.out = out};
    for (size_t i = 0; i < table->column_count; i++) {
        const struct table_column *column = &table->columns[i];
        const char *second = strchr(column->title, '\n');
        const char *text =
            second == NULL ? (upper ? "" : column->title) : (upper ? column->title : second + 1);
        if (shown[i])
            line_put(&line, column, text, NULL);
    }
    fputc('\n', out);
}

void table_print(const struct table *table, int width, FILE *out)
{
    bool shown[TABLE_COLUMNS_MAX], high = false;
    choose(table, width, shown);
    for (size_t i = 0; i < table->column_count; i++)
        high = high || (shown[i] && strchr(table->columns[i].title, '\n') != NULL);
    if (high)
        head(table, shown, true, out);
    head(table, shown, false, out);
    for (size_t row = 0; row < table->row_count; row++) {
        struct line line = {.out = out};
        char *const *cells = &table->cells[row * table->column_count];
        for (size_t i = 0; i < table->column_count; i++)
            if (shown[i] && cells[i] != NULL)
                line_put(&line, &table->columns[i], cells[i],
                         i + 1 == table->column_count ? table->paints[row] : NULL);
        fputc('\n', out);
    }
}
