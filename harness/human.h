/* SPDX-License-Identifier: Apache-2.0
 *
 * human: numbers, times, names and sentences as people read them: thousands separated, three
 * digits, the unit that fits. Plain ASCII, so that a log on any machine shows it. Every report
 * uses these, so that the same thing is called and written the same everywhere.
 *
 * Short words come back by value and are used at once: printf("%s", human_count(n).text).
 */
#ifndef RACEBENCH_HUMAN_H
#define RACEBENCH_HUMAN_H

#include "cell.h"
#include "history.h"
#include "strategy.h"

#include <stdio.h>

/* A short word. */
struct human {
    char text[64];
};

/* "10,000", "-3". */
struct human human_count(int64_t count);
/* `count` and a noun in the right number: "1 worker", "10,000 operations". `noun` is the singular;
 * the plural gets an "s" or "es". */
struct human human_counted(int64_t count, const char *noun);
/* Something per second or per operation, three digits or more: "24,800", "12.3", "0.98". */
struct human human_number(double number);
/* A duration in nanoseconds, three digits: "850 ns", "12.3 us", "4.10 ms", "1.20 s", "75.0 s". */
struct human human_duration(int64_t ns);
/* A place on the run's clock, in seconds to the microsecond: "0.112034 s". */
struct human human_moment(int64_t ns);
/* A share of one: "87.96 %". */
struct human human_share(double share);
/* An operation id as "w3.17"; "the seed" for 0. */
struct human human_operation(int64_t operation);
/* A duration as an option takes it, exact: "30s", "1ms", "1500us", "0". */
struct human human_option(int64_t us);
/* A back-off as the option takes it: "none", "fixed:1ms", "exponential:1ms:100ms",
 * "full-jitter:1ms:100ms". */
struct human human_backoff(const struct backoff *);

/* Prints `text` broken at spaces into lines of at most `columns`; the first begins where the stream
 * stands, `first` columns from the left, the others are indented by `indent`. Words longer than a
 * line stay whole. Ends with a new line. */
void human_wrap(FILE *out, const char *text, int columns, int first, int indent);

/* A copy of `text` in which every byte that is not valid UTF-8 has become '?': JSON and XML take
 * nothing else. NULL gives "unknown". The caller frees it. */
char *human_utf8(const char *text);

/* `text` as one word of a shell command: as it is when harmless, else in single quotes. The caller
 * frees it. */
char *human_shell_word(const char *text);

#endif
