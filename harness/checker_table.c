/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_table: see checker_table.h. At most half of the entries are ever taken, so a probe ends
 * after one or two entries, mostly within one cache line. Nothing is removed, so a free entry ends
 * every search. The top bits of number x 2^64/phi choose the entry: they depend on all bits of the
 * number, the low ones do not.
 */
#include "checker_table.h"

#include "base.h"

#include <stdlib.h>

void checker_table_init(struct checker_table *table, size_t count)
{
    must(count < SIZE_MAX / 4 / sizeof(struct checker_entry));
    int bits = 4;
    while ((size_t)1 << bits < 2 * count)
        bits++;
    table->mask = ((size_t)1 << bits) - 1;
    table->shift = 64 - bits;
    table->entries = x_malloc((table->mask + 1) * sizeof(*table->entries));
    for (size_t i = 0; i <= table->mask; i++)
        table->entries[i] = (struct checker_entry){0, NOWHERE};
}

void checker_table_free(struct checker_table *table)
{
    free(table->entries);
    *table = (struct checker_table){0};
}

/* The entry that holds `number`, or the free one where it would go. */
static struct checker_entry *find(const struct checker_table *table, int64_t number)
{
    size_t at = (size_t)((uint64_t)number * 0x9e3779b97f4a7c15u >> table->shift);
    while (table->entries[at].place != NOWHERE && table->entries[at].number != number)
        at = (at + 1) & table->mask;
    return &table->entries[at];
}

uint32_t checker_table_put(struct checker_table *table, int64_t number, uint32_t place)
{
    struct checker_entry *entry = find(table, number);
    if (entry->place != NOWHERE)
        return entry->place;
    *entry = (struct checker_entry){number, place};
    return NOWHERE;
}

uint32_t checker_table_get(const struct checker_table *table, int64_t number)
{
    return find(table, number)->place;
}
