/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram: latencies in the bucket layout of HdrHistogram (Gil Tene's, public domain): values
 * from 1 us to 1 h with 3 significant digits. Bucket 0 counts 0..2047 us one by one; each further
 * bucket doubles range and step, so the relative error stays under 0.1 %. Rows are allocated when
 * first hit, so that a thousand workers can have their own without sharing; merged after the join.
 */
#ifndef RACEBENCH_HISTOGRAM_H
#define RACEBENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

enum {
    HISTOGRAM_SUB_BUCKETS = 2048, /* 3 significant digits */
    HISTOGRAM_ROWS = 22,          /* enough for an hour in microseconds */
};
#define HISTOGRAM_MAX_US INT64_C(3600000000)

struct histogram {
    uint64_t *row[HISTOGRAM_ROWS]; /* counts; row 0 has 2048 of them, the others 1024; or NULL */
    uint64_t count;
    uint64_t zeros;         /* of these, exactly 0 ns: who never waited */
    int64_t min_ns, max_ns; /* exact */
    double sum_ns;          /* exact enough for a mean */
};
/* An empty one, and its memory given back (usable again after init). */
void histogram_init(struct histogram *);
void histogram_free(struct histogram *);
/* Counts one value, nanoseconds; below 1 us counts as 0 us, above an hour as an hour. Negative is a
 * programmer's mistake. */
void histogram_record(struct histogram *, int64_t ns);
/* Adds all of `from`, bucket by bucket: lossless. */
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value, ns, under or at which `percentile` (0..100) percent of all values lie, by nearest
 * rank: the highest value equivalent to the bucket, never above the maximum; 0 when empty, and
 * exactly 0 as far as exact zeros reach. */
int64_t histogram_percentile(const struct histogram *, double percentile);
double histogram_mean_ns(const struct histogram *);

/* Writes the .hgrm text that HdrHistogram's own tools write and plot (Value Percentile TotalCount
 * 1/(1-Percentile); values in microseconds divided by `unit_us`, 5 percentile ticks per half
 * distance). */
void histogram_write_hgrm(const struct histogram *, double unit_us, FILE *out);

#endif
