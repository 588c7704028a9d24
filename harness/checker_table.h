/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_table: which place a number (an operation's id, a version, a document's _id) stands at.
 * A flat table with open addressing and linear probing, sized once: a million look-ups cost a few
 * tens of milliseconds, where a binary search or a hash of separate nodes costs a cache miss a
 * step. Numbers are spread by Fibonacci hashing (Knuth, TAOCP 3, 6.4), since operation ids count
 * up.
 */
#ifndef RACEBENCH_CHECKER_TABLE_H
#define RACEBENCH_CHECKER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The place of a number that is not in the table. */
#define NOWHERE UINT32_MAX

struct checker_entry {
    int64_t number;
    uint32_t place; /* NOWHERE: the entry is free */
};
struct checker_table {
    struct checker_entry *entries;
    size_t mask; /* number of entries, a power of two, minus one */
    int shift;
};
/* Makes room for `count` numbers; checker_table_free gives it back. */
void checker_table_init(struct checker_table *, size_t count);
void checker_table_free(struct checker_table *);
/* Notes that `number` stands at `place` and returns NOWHERE; when it stands somewhere already,
 * changes nothing and returns where. */
uint32_t checker_table_put(struct checker_table *, int64_t number, uint32_t place);
/* Where `number` stands, or NOWHERE. */
uint32_t checker_table_get(const struct checker_table *, int64_t number);

#endif
