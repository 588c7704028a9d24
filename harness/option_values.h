/* SPDX-License-Identifier: Apache-2.0
 *
 * option_values: from what a person types to a value, one pure function per type of option. Each
 * returns NULL when the text was understood; otherwise it returns what is wrong and how to write it
 * (static text that reads on after "--workers 'ten': ") and leaves the value alone. What two rooms
 * would read differently is refused, never guessed: a duration needs its unit, a list cannot hold
 * 10,000.
 */
#ifndef RACEBENCH_OPTION_VALUES_H
#define RACEBENCH_OPTION_VALUES_H

#include "cell.h"

#include <stddef.h>

/* A whole number, not negative: 10000, 10_000, 10,000, 10k, 2M (k: thousand, M: million). */
const char *option_value_count(const char *text, int64_t *count);

/* Counts, separated by commas. Owned by the caller, who frees `items`. */
struct option_counts {
    int64_t *items;
    size_t count;
};
/* 1,10,100. A part that begins with 0 and has more digits is refused: somebody wrote 10,000. */
const char *option_value_counts(const char *text, struct option_counts *counts);

/* A time with its unit, 100us 1ms 1.5s 2m 1h, or 0, in units of `unit_ns` nanoseconds; refused when
 * it is no whole number of them. */
const char *option_value_duration(const char *text, int64_t unit_ns, int64_t *duration);

/* A seed: 0 to 2^63 - 1, so that JSON can hold it; hexadecimal with 0x. */
const char *option_value_seed(const char *text, uint64_t *seed);

/* yes no true false on off 1 0. */
const char *option_value_flag(const char *text, bool *flag);

/* Index of `text` in "a|b|c"; the complaint does not name the choices. */
const char *option_value_choice(const char *text, const char *choices, int *index);

/* none, fixed:T, exponential:T:MAX, full-jitter:T:MAX; T at most MAX, MAX at most an hour. */
const char *option_value_backoff(const char *text, struct backoff *backoff);

/* KIND=FILE, both not empty. Copies, owned by the caller. */
struct option_output {
    char *kind, *file;
};
const char *option_value_output(const char *text, struct option_output *output);

/* The one of `names` (ended by NULL) that was probably meant by `text`: the one it is the beginning
 * of, or the one that fewest insertions, deletions, changes and swaps of neighbours make of it;
 * NULL when none is near. */
const char *option_suggest(const char *text, const char *const *names);

#endif
