/* SPDX-License-Identifier: Apache-2.0
 *
 * test_histogram: recording, merging, percentiles against a sorted array, and .hgrm text, byte for
 * byte against HdrHistogram for Java (Debian's libhdrhistogram-java; its class is run from source
 * and so needs a JDK). Only the last is skipped, saying so, where Java or the library is absent.
 * labels: unit
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>

#include "base.h"
#include "histogram.h"

#define JAR       "/usr/share/java/hdrhistogram.jar"
#define JAR_OTHER "/usr/share/java/HdrHistogram.jar"

enum { VALUES = 100000 };

/* Values of kind 0..6, nanoseconds. */
static int64_t draw(struct random *random, int kind)
{
    double unit = ((double)(random_next(random) >> 11) + 1) / 9007199254740993.0;
    switch (kind) {
    case 0: /* narrow: all in the first row */
        return (int64_t)random_below(random, 2000000);
    case 1: /* uniform over a second */
        return (int64_t)random_below(random, 1000000000);
    case 2: /* exponential, mean 1 ms: what a server's latencies look like */
        return (int64_t)(-log(unit) * 1e6);
    case 3: /* heavy tail over eight decades, up to the hour and beyond */
        return (int64_t)(1e4 * pow(unit, -1.5)) % INT64_C(4000000000000);
    case 4: /* two humps */
        return (int64_t)random_below(random, 2) == 0 ? 250000 + (int64_t)random_below(random, 9000)
                                                     : INT64_C(90000000) - (int64_t)(unit * 1e6);
    case 5: /* powers of two and their neighbours: the edges of the rows */
        return ((INT64_C(1) << random_below(random, 32)) + (int64_t)random_below(random, 3) - 1) *
               1000;
    default: /* one value */
        return 123456;
    }
}
enum { KINDS = 7 };

static int64_t *draw_all(struct random *random, int kind, size_t count)
{
    int64_t *values = x_malloc(count * sizeof(*values));
    for (size_t i = 0; i < count; i++)
        values[i] = draw(random, kind);
    return values;
}

static int compare(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static char *hgrm_text(const struct histogram *histogram, double unit_us)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    histogram_write_hgrm(histogram, unit_us, out);
    fclose(out);
    return text;
}

static void test_empty(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram);
    assert_int_equal(histogram_percentile(&histogram, 50), 0);
    assert_true(histogram_mean_ns(&histogram) == 0);
    char *text = hgrm_text(&histogram, 1000);
    assert_string_equal(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
                              "#[Mean    =        0.000, StdDeviation   =        0.000]\n"
                              "#[Max     =        0.000, Total count    =            0]\n"
                              "#[Buckets =           22, SubBuckets     =         2048]\n");
    free(text);
    histogram_free(&histogram);
}

/* Written out by hand from HdrHistogram 2.1.11, so that the form is held where Java is absent. */
static void test_hgrm_by_hand(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram);
    for (int i = 0; i < 3; i++)
        histogram_record(&histogram, 1000000);
    histogram_record(&histogram, 5000000);
    char *text = hgrm_text(&histogram, 1000);
    assert_string_equal(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
                              "       1.000 0.000000000000          3           1.00\n"
                              "       1.000 0.100000000000          3           1.11\n"
                              "       1.000 0.200000000000          3           1.25\n"
                              "       1.000 0.300000000000          3           1.43\n"
                              "       1.000 0.400000000000          3           1.67\n"
                              "       1.000 0.500000000000          3           2.00\n"
                              "       1.000 0.550000000000          3           2.22\n"
                              "       1.000 0.600000000000          3           2.50\n"
                              "       1.000 0.650000000000          3           2.86\n"
                              "       1.000 0.700000000000          3           3.33\n"
                              "       1.000 0.750000000000          3           4.00\n"
                              "       5.003 0.775000000000          4           4.44\n"
                              "       5.003 1.000000000000          4\n"
                              "#[Mean    =        2.001, StdDeviation   =        1.733]\n"
                              "#[Max     =        5.003, Total count    =            4]\n"
                              "#[Buckets =           22, SubBuckets     =         2048]\n");
    free(text);
    histogram_free(&histogram);
}

static void test_extremes(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram);
    histogram_record(&histogram, 0);
    histogram_record(&histogram, 999);
    histogram_record(&histogram, INT64_MAX);
    assert_int_equal(histogram.count, 3);
    assert_int_equal(histogram.min_ns, 0);
    assert_int_equal(histogram.max_ns, INT64_MAX);
    assert_int_equal(histogram_percentile(&histogram, 0), 0);
    assert_int_equal(histogram_percentile(&histogram, 66), 999);
    assert_int_equal(histogram_percentile(&histogram, 100), INT64_MAX);
    char *text = hgrm_text(&histogram, 1);
    assert_non_null(strstr(text, "#[Max     = 3600809983.000"));
    free(text);
    histogram_free(&histogram);
}

/* Nearest rank in a sorted array, and one bucket's width of doubt above it. */
static void test_percentiles_against_a_sorted_array(void **state)
{
    (void)state;
    static const double percentiles[] = {0,  0.001, 1,    10,    25,     50,    75,
                                         90, 99,    99.9, 99.99, 99.999, 100.0, 33.333};
    struct random random;
    random_seed(&random, 11);
    for (int kind = 0; kind < KINDS; kind++) {
        size_t count = kind % 2 == 0 ? 1000 : 4321;
        int64_t *values = draw_all(&random, kind, count);
        struct histogram histogram;
        histogram_init(&histogram);
        for (size_t i = 0; i < count; i++)
            histogram_record(&histogram, values[i]);
        qsort(values, count, sizeof(*values), compare);
        assert_int_equal(histogram.min_ns, values[0]);
        assert_int_equal(histogram.max_ns, values[count - 1]);
        for (size_t i = 0; i < COUNT_OF(percentiles); i++) {
            double exact = percentiles[i] * (double)count / 100;
            size_t rank = (size_t)ceil(exact - 1e-9);
            int64_t value = values[rank > 0 ? rank - 1 : 0];
            int64_t got = histogram_percentile(&histogram, percentiles[i]);
            assert_true(got >= value || value > HISTOGRAM_MAX_US * 1000);
            assert_true((double)got <= (double)value * (1 + 1.0 / 1024) + 1000);
        }
        free(values);
        histogram_free(&histogram);
    }
}

static void test_percentile_is_not_fooled_by_rounding(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram);
    for (int64_t i = 1; i <= 1000; i++)
        histogram_record(&histogram, i * 1000);
    for (int64_t i = 1; i <= 1000; i++) {
        int64_t got = histogram_percentile(&histogram, (double)i / 10);
        assert_int_equal(got / 1000, i);
    }
    histogram_free(&histogram);
}

static void test_merge_is_lossless(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 5);
    struct histogram whole, part[8], merged;
    histogram_init(&whole);
    histogram_init(&merged);
    for (size_t i = 0; i < COUNT_OF(part); i++)
        histogram_init(&part[i]);
    for (int i = 0; i < 20000; i++) {
        int64_t value = draw(&random, i % KINDS);
        histogram_record(&whole, value);
        histogram_record(&part[random_below(&random, 7)], value); /* the last one stays empty */
    }
    for (size_t i = 0; i < COUNT_OF(part); i++) {
        histogram_merge(&merged, &part[i]);
        histogram_free(&part[i]);
    }
    char *one = hgrm_text(&whole, 1), *other = hgrm_text(&merged, 1);
    assert_string_equal(one, other);
    assert_int_equal(merged.count, whole.count);
    assert_int_equal(merged.min_ns, whole.min_ns);
    assert_int_equal(merged.max_ns, whole.max_ns);
    assert_true(fabs(histogram_mean_ns(&merged) / histogram_mean_ns(&whole) - 1) < 1e-9);
    free(one);
    free(other);
    histogram_free(&merged);
    struct histogram single;
    histogram_init(&single);
    histogram_record(&single, 5000);
    histogram_merge(&merged, &single); /* the least of nothing is not 0 */
    assert_int_equal(merged.min_ns, 5000);
    assert_int_equal(merged.max_ns, 5000);
    histogram_free(&single);
    histogram_free(&whole);
    histogram_free(&merged);
}

static void test_mean_is_exact(void **state)
{
    (void)state;
    struct histogram histogram;
    histogram_init(&histogram);
    histogram_record(&histogram, 1500);
    histogram_record(&histogram, 2500);
    assert_true(histogram_mean_ns(&histogram) == 2000);
    histogram_free(&histogram);
}

/* Against Java --------------------------------------------------------------------------------- */

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("cannot read %s: HdrHistogram gave no answer", path);
    char *text = NULL;
    size_t capacity = 0;
    ssize_t length = getdelim(&text, &capacity, '\0', file);
    fclose(file);
    assert_true(length > 0);
    return text;
}

static void values_write(const char *path, const int64_t *values, size_t count)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++) {
        int64_t us = values[i] / 1000;
        fprintf(file, "%lld\n", (long long)(us < HISTOGRAM_MAX_US ? us : HISTOGRAM_MAX_US));
    }
    assert_int_equal(fclose(file), 0);
}

static const char *jar(void)
{
    if (access(JAR, R_OK) == 0)
        return JAR;
    return access(JAR_OTHER, R_OK) == 0 ? JAR_OTHER : NULL;
}

static const double units[] = {1, 1000, 1000, 7, 1000, 1, 1000000};
/* Few values and many: the last lines of a distribution depend on how many there are. */
static const size_t sizes[] = {1, 2, 3, 10, 999, 10007, VALUES};

static void test_hgrm_against_java(void **state)
{
    (void)state;
    const char *source = getenv("RACEBENCH_SOURCE"), *library = jar();
    if (system("javac -version >/dev/null 2>&1") != 0 || library == NULL) {
        print_message("skipped: the comparison with HdrHistogram for Java needs a JDK and %s "
                      "(apt-get install default-jdk-headless libhdrhistogram-java)\n",
                      JAR);
        skip();
    }
    char *folder = make_private_folder("");
    char *command =
        x_format("java -cp %s %s/tests/HdrReference.java", library, source != NULL ? source : ".");
    struct random random;
    random_seed(&random, 20240229);
    struct histogram histograms[KINDS][COUNT_OF(sizes)];
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t size = 0; size < COUNT_OF(sizes); size++) {
            struct histogram *histogram = &histograms[kind][size];
            histogram_init(histogram);
            int64_t *values = draw_all(&random, kind, sizes[size]);
            for (size_t i = 0; i < sizes[size]; i++)
                histogram_record(histogram, values[i]);
            char *path = x_format("%s/%d.%zu", folder, kind, size);
            values_write(path, values, sizes[size]);
            char *longer = x_format("%s %s %g", command, path, units[kind]);
            free(command);
            command = longer;
            free(path);
            free(values);
        }
    assert_int_equal(system(command), 0);
    free(command);
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t size = 0; size < COUNT_OF(sizes); size++) {
            char *path = x_format("%s/%d.%zu.hgrm", folder, kind, size);
            char *theirs = read_all(path);
            char *ours = hgrm_text(&histograms[kind][size], units[kind]);
            assert_string_equal(ours, theirs);
            free(theirs);
            free(ours);
            free(path);
            histogram_free(&histograms[kind][size]);
        }
    char *clean = x_format("rm -r %s", folder);
    assert_int_equal(system(clean), 0);
    free(clean);
    free(folder);
}

/* Most operations never wait: that is 0, and not the highest value of the first bucket. */
static void zeros_are_zero(void **state)
{
    struct histogram histogram, other;
    (void)state;
    histogram_init(&histogram);
    histogram_init(&other);
    for (int i = 0; i < 60; i++)
        histogram_record(&histogram, 0);
    for (int i = 0; i < 20; i++) {
        histogram_record(&other, 400);
        histogram_record(&other, 5000);
    }
    histogram_merge(&histogram, &other);
    assert_int_equal(histogram_percentile(&histogram, 50), 0);
    assert_int_equal(histogram_percentile(&histogram, 60), 0);
    assert_int_equal(histogram_percentile(&histogram, 61), 999);
    assert_int_equal(histogram_percentile(&histogram, 100), 5000);
    histogram_free(&histogram);
    histogram_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_are_zero),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_hgrm_by_hand),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_percentiles_against_a_sorted_array),
        cmocka_unit_test(test_percentile_is_not_fooled_by_rounding),
        cmocka_unit_test(test_merge_is_lossless),
        cmocka_unit_test(test_mean_is_exact),
        cmocka_unit_test(test_hgrm_against_java),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
