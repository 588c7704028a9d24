/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram: see histogram.h. The layout is HdrHistogram's (Gil Tene, AbstractHistogram.java) for
 * lowest 1, highest 3,600,000,000 and 3 digits: 22 rows; row 0 counts 0..2047 one by one, row r > 0
 * has 1024 slots of 2^r each, from 1024 x 2^r on. The .hgrm text is outputPercentileDistribution()
 * of version 2.1 byte for byte, its PercentileIterator included. Java rounds a number half up in
 * its shortest decimal form, C half to even in its exact binary form; half of the percentile levels
 * past 99.97 are ties in the last of their 12 digits, so number_write() does as Java does.
 * Percentiles are by nearest rank, with the guard against rounding noise that HdrHistogram has
 * since 2.1.12.
 */
#include "histogram.h"

#include "base.h"

#include <math.h>
#include <stdlib.h>

enum { TICKS_PER_HALF_DISTANCE = 5, VALUE_DIGITS = 3, SHORTEST_MAX = 17 };

static int row_of(int64_t us)
{
    return us < HISTOGRAM_SUB_BUCKETS ? 0 : 63 - __builtin_clzll((unsigned long long)us) - 10;
}

static size_t row_slots(int row)
{
    return row == 0 ? HISTOGRAM_SUB_BUCKETS : HISTOGRAM_SUB_BUCKETS / 2;
}

static size_t slot_of(int64_t us, int row)
{
    return row == 0 ? (size_t)us : (size_t)(us >> row) - HISTOGRAM_SUB_BUCKETS / 2;
}

static int64_t slot_lowest_us(int row, size_t slot)
{
    return row == 0 ? (int64_t)slot : (int64_t)(slot + HISTOGRAM_SUB_BUCKETS / 2) << row;
}

static int64_t slot_highest_us(int row, size_t slot)
{
    return slot_lowest_us(row, slot) + (INT64_C(1) << row) - 1;
}

/* What HdrHistogram's own mean and deviation take every value of a slot for. */
static double slot_middle_us(int row, size_t slot)
{
    return (double)(slot_lowest_us(row, slot) + ((INT64_C(1) << row) >> 1));
}

static int64_t clamp_us(int64_t ns)
{
    int64_t us = ns / 1000;
    return us < HISTOGRAM_MAX_US ? us : HISTOGRAM_MAX_US;
}

static uint64_t *row_need(struct histogram *histogram, int row)
{
    if (histogram->row[row] == NULL)
        histogram->row[row] = x_calloc(row_slots(row), sizeof(uint64_t));
    return histogram->row[row];
}

void histogram_init(struct histogram *histogram)
{
    *histogram = (struct histogram){0};
}

void histogram_free(struct histogram *histogram)
{
    for (int row = 0; row < HISTOGRAM_ROWS; row++)
        free(histogram->row[row]);
    *histogram = (struct histogram){0};
}

void histogram_record(struct histogram *histogram, int64_t ns)
{
    must(ns >= 0);
    int64_t us = clamp_us(ns);
    int row = row_of(us);
    row_need(histogram, row)[slot_of(us, row)]++;
    if (histogram->count == 0 || ns < histogram->min_ns)
        histogram->min_ns = ns;
    if (histogram->count == 0 || ns > histogram->max_ns)
        histogram->max_ns = ns;
    histogram->count++;
    histogram->zeros += ns == 0;
    histogram->sum_ns += (double)ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->count == 0)
        return;
    for (int row = 0; row < HISTOGRAM_ROWS; row++) {
        if (from->row[row] == NULL)
            continue;
        uint64_t *counts = row_need(into, row);
        for (size_t slot = 0; slot < row_slots(row); slot++)
            counts[slot] += from->row[row][slot];
    }
    if (into->count == 0 || from->min_ns < into->min_ns)
        into->min_ns = from->min_ns;
    if (into->count == 0 || from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    into->count += from->count;
    into->zeros += from->zeros;
    into->sum_ns += from->sum_ns;
}

/* A walk over the slots that have counts, from the lowest. Start with {0}. */
struct cursor {
    int row;
    size_t next;    /* slot to look at next */
    size_t slot;    /* slot that was found */
    uint64_t count; /* what it holds */
};

static bool cursor_next(struct cursor *cursor, const struct histogram *histogram)
{
    for (; cursor->row < HISTOGRAM_ROWS; cursor->row++, cursor->next = 0) {
        const uint64_t *counts = histogram->row[cursor->row];
        if (counts == NULL)
            continue;
        while (cursor->next < row_slots(cursor->row)) {
            cursor->slot = cursor->next++;
            cursor->count = counts[cursor->slot];
            if (cursor->count > 0)
                return true;
        }
    }
    return false;
}

int64_t histogram_percentile(const struct histogram *histogram, double percentile)
{
    must(percentile >= 0 && percentile <= 100);
    if (histogram->count == 0)
        return 0;
    /* One step down first: 99.9 is stored a little too high, and 99.9 % of 1000 is not 1000. */
    double wanted = nextafter(percentile, -INFINITY) * (double)histogram->count / 100;
    uint64_t rank = wanted <= 1 ? 1 : (uint64_t)ceil(wanted);
    if (rank >= histogram->count)
        return histogram->max_ns;
    if (rank <= histogram->zeros)
        return 0;
    struct cursor cursor = {0};
    uint64_t total = 0;
    while (total < rank && cursor_next(&cursor, histogram))
        total += cursor.count;
    /* A slot counts whole microseconds, so its highest value ends just before the next one. */
    int64_t ns = (slot_highest_us(cursor.row, cursor.slot) + 1) * 1000 - 1;
    return ns < histogram->max_ns ? ns : histogram->max_ns;
}

double histogram_mean_ns(const struct histogram *histogram)
{
    return histogram->count == 0 ? 0 : histogram->sum_ns / (double)histogram->count;
}

static uint64_t power_of_ten(int exponent)
{
    uint64_t power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

/* Writes a number >= 0 with `digits` decimals, right-justified in `width` columns, rounded half up
 * in its shortest decimal form as java.util.Formatter does. */
static void number_write(FILE *out, double number, int width, int digits)
{
    char text[40];
    int precision = -1;
    double back;
    do {
        snprintf(text, sizeof(text), "%.*e", ++precision, number);
        back = strtod(text, NULL);
    } while ((back < number || back > number) && precision < SHORTEST_MAX);
    /* "d.ddde+xx": all digits as one whole number, and the power of ten that goes with it. */
    uint64_t whole = 0;
    char *mark = text;
    for (; *mark != 'e'; mark++)
        if (*mark != '.')
            whole = whole * 10 + (uint64_t)(*mark - '0');
    int shift = (int)strtol(mark + 1, NULL, 10) - precision + digits;
    if (shift >= 0) {
        whole *= power_of_ten(shift);
    } else if (shift < -SHORTEST_MAX - 1) {
        whole = 0;
    } else {
        uint64_t unit = power_of_ten(-shift);
        whole = whole / unit + (whole % unit >= unit / 2 ? 1 : 0);
    }
    uint64_t one = power_of_ten(digits);
    char *number_text = x_format("%llu.%0*llu", (unsigned long long)(whole / one), digits,
                                 (unsigned long long)(whole % one));
    fprintf(out, "%*s", width, number_text);
    free(number_text);
}

/* The next level that PercentileIterator stops at: five ticks between 0 and 50 %, five more between
 * 50 and 75 %, and so on. */
static double level_next(double level)
{
    double halvings = floor(log(100.0 / (100.0 - level)) / log(2)) + 1;
    return level + 100.0 / (TICKS_PER_HALF_DISTANCE * pow(2, halvings));
}

static void line_write(FILE *out, double value, double level, uint64_t total)
{
    number_write(out, value, 12, VALUE_DIGITS);
    fputc(' ', out);
    number_write(out, level / 100.0, 2, 12);
    fprintf(out, " %10llu", (unsigned long long)total);
    if (level < 100.0) {
        fputc(' ', out);
        number_write(out, 1 / (1.0 - level / 100.0), 14, 2);
    }
    fputc('\n', out);
}

static void summary_write(const struct histogram *histogram, double unit_us, FILE *out)
{
    double sum = 0, squares = 0, mean = 0, deviation = 0;
    struct cursor cursor = {0};
    while (cursor_next(&cursor, histogram))
        sum += slot_middle_us(cursor.row, cursor.slot) * (double)cursor.count;
    if (histogram->count > 0)
        mean = sum / (double)histogram->count;
    cursor = (struct cursor){0};
    while (cursor_next(&cursor, histogram)) {
        double off = slot_middle_us(cursor.row, cursor.slot) - mean;
        squares += off * off * (double)cursor.count;
    }
    if (histogram->count > 0)
        deviation = sqrt(squares / (double)histogram->count);
    int64_t max_us = clamp_us(histogram->max_ns);
    int row = row_of(max_us);
    if (max_us > 0)
        max_us = slot_highest_us(row, slot_of(max_us, row));

    fputs("#[Mean    = ", out);
    number_write(out, mean / unit_us, 12, VALUE_DIGITS);
    fputs(", StdDeviation   = ", out);
    number_write(out, deviation / unit_us, 12, VALUE_DIGITS);
    fputs("]\n#[Max     = ", out);
    number_write(out, (double)max_us / unit_us, 12, VALUE_DIGITS);
    fprintf(out, ", Total count    = %12llu]\n", (unsigned long long)histogram->count);
    fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n", HISTOGRAM_ROWS,
            HISTOGRAM_SUB_BUCKETS);
}

void histogram_write_hgrm(const struct histogram *histogram, double unit_us, FILE *out)
{
    must(unit_us > 0);
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    struct cursor cursor = {0};
    uint64_t total = 0;
    double level = 0;
    while (cursor_next(&cursor, histogram)) {
        double value = (double)slot_highest_us(cursor.row, cursor.slot) / unit_us;
        total += cursor.count;
        while (100.0 * (double)total / (double)histogram->count >= level) {
            line_write(out, value, level, total);
            level = level_next(level);
            if (total == histogram->count)
                break;
        }
        if (total == histogram->count)
            line_write(out, value, 100.0, total);
    }
    summary_write(histogram, unit_us, out);
}
