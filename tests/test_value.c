/* SPDX-License-Identifier: Apache-2.0
 *
 * value: the order of values is MongoDB's and a total one; bytes that are not BSON are refused.
 * labels: engine unit
 */
#include "semantics.h"

#define LONG(n)   "{\"$numberLong\": \"" n "\"}"
#define DOUBLE(n) "{\"$numberDouble\": \"" n "\"}"

/* Ascending; rows of the same class number are equal. */
static const struct {
    int class;
    const char *value;
} ascending[] = {
    {0, "{\"$minKey\": 1}"},
    {1, "{\"$undefined\": true}"},
    {2, "null"},
    {3, DOUBLE("NaN")},
    {4, DOUBLE("-Infinity")},
    {5, LONG("-9223372036854775808")},
    {5, DOUBLE("-9223372036854775808.0")},
    {6, "-1"},
    {7, "0"},
    {7, DOUBLE("-0.0")},
    {7, LONG("0")},
    {8, DOUBLE("0.5")},
    {9, "1"},
    {9, DOUBLE("1.0")},
    {10, DOUBLE("9007199254740992.0")},
    {10, LONG("9007199254740992")},
    {11, LONG("9007199254740993")},
    {12, LONG("9223372036854775807")},
    {13, DOUBLE("9223372036854775808.0")},
    {14, DOUBLE("Infinity")},
    {15, "\"\""},
    {16, "\"a\""},
    {17, "\"ab\""},
    {18, "\"b\""},
    {19, "{}"},
    {20, "{\"a\": 1}"},
    {21, "{\"a\": 1, \"b\": 0}"},
    {22, "{\"a\": 2}"},
    {23, "{\"b\": 0}"},
    {24, "[]"},
    {25, "[1]"},
    {26, "[1, 1]"},
    {27, "[2]"},
    {28, "{\"$binary\": {\"base64\": \"YQ==\", \"subType\": \"00\"}}"},
    {29, "{\"$binary\": {\"base64\": \"YQ==\", \"subType\": \"05\"}}"},
    {30, "{\"$binary\": {\"base64\": \"YWE=\", \"subType\": \"00\"}}"},
    {31, "{\"$oid\": \"000000000000000000000001\"}"},
    {32, "{\"$oid\": \"000000000000000000000002\"}"},
    {33, "false"},
    {34, "true"},
    {35, "{\"$date\": {\"$numberLong\": \"-5\"}}"},
    {36, "{\"$date\": {\"$numberLong\": \"5\"}}"},
    {37, "{\"$timestamp\": {\"t\": 1, \"i\": 1}}"},
    {38, "{\"$timestamp\": {\"t\": 1, \"i\": 2}}"},
    {39, "{\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"\"}}"},
    {40, "{\"$maxKey\": 1}"},
};

static int sign(int number)
{
    return number < 0 ? -1 : number > 0;
}

static void test_order(void **state)
{
    (void)state;
    enum { COUNT = COUNT_OF(ascending) };
    bson_t *holders[COUNT];
    bson_value_t values[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        char *text = x_format("{\"v\": %s}", ascending[i].value);
        holders[i] = parse(text);
        values[i] = value_of(holders[i]);
        free(text);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++)
            if (sign(value_compare(&values[i], &values[j])) !=
                sign(ascending[i].class - ascending[j].class))
                fail_msg("%s against %s is wrong", ascending[i].value, ascending[j].value);
    for (size_t i = 0; i < COUNT; i++)
        bson_destroy(holders[i]);
}

static void test_identical_is_more_than_equal(void **state)
{
    (void)state;
    bson_t *a = parse("{\"v\": 1}"), *b = parse("{\"v\": " LONG("1") "}"), *c = parse("{\"v\": 1}");
    bson_value_t x = value_of(a), y = value_of(b), z = value_of(c);
    assert_int_equal(value_compare(&x, &y), 0);
    assert_false(value_identical(&x, &y));
    assert_true(value_identical(&x, &z));
    bson_destroy(a);
    bson_destroy(b);
    bson_destroy(c);
}

/* A random number near the places where int64 and double part. */
static bson_value_t random_number(struct random *random)
{
    static const int64_t near[] = {0,         1,         INT64_C(9007199254740992),   INT64_MAX,
                                   INT64_MIN, INT32_MAX, INT64_C(4611686018427387904)};
    int64_t whole = (int64_t)((uint64_t)near[random_below(random, COUNT_OF(near))] +
                              random_below(random, 5) - 2);
    bson_value_t value = {.value_type = BSON_TYPE_INT64};
    value.value.v_int64 = whole;
    if (random_below(random, 2)) {
        value.value_type = BSON_TYPE_DOUBLE;
        value.value.v_double = (double)whole + (double)random_below(random, 3) / 2;
    }
    return value;
}

static void test_numbers_are_in_a_total_order(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, test_seed());
    for (int i = 0; i < 200000; i++) {
        bson_value_t a = random_number(&random), b = random_number(&random);
        bson_value_t c = random_number(&random);
        assert_int_equal(sign(value_compare(&a, &b)), -sign(value_compare(&b, &a)));
        if (value_compare(&a, &b) <= 0 && value_compare(&b, &c) <= 0)
            assert_true(value_compare(&a, &c) <= 0);
        long double x = a.value_type == BSON_TYPE_DOUBLE ? (long double)a.value.v_double
                                                         : (long double)a.value.v_int64;
        long double y = b.value_type == BSON_TYPE_DOUBLE ? (long double)b.value.v_double
                                                         : (long double)b.value.v_int64;
        assert_int_equal(sign(value_compare(&a, &b)), x < y ? -1 : x > y);
    }
}

/* Well-formed documents ------------------------------------------------------------------------ */

static void nest(bson_t *document, int levels)
{
    bson_t *inner = bson_new();
    for (int i = 1; i < levels; i++) {
        bson_t *outer = bson_new();
        BSON_APPEND_DOCUMENT(outer, "a", inner);
        bson_destroy(inner);
        inner = outer;
    }
    bson_concat(document, inner);
    bson_destroy(inner);
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    bson_t fine = BSON_INITIALIZER, deep = BSON_INITIALIZER;
    nest(&fine, VALUE_DEPTH_MAX);
    nest(&deep, VALUE_DEPTH_MAX + 1);
    assert_false(value_malformed(bson_get_data(&fine), fine.len));
    assert_true(value_malformed(bson_get_data(&deep), deep.len));
    bson_destroy(&fine);
    bson_destroy(&deep);
}

/* Every single changed byte and every cut either is refused or still is what libbson can walk. */
static void test_damaged_bytes_are_refused_or_harmless(void **state)
{
    (void)state;
    bson_t *document =
        parse("{\"a\": 1, \"s\": \"text\", \"d\": {\"x\": [1, \"y\", null, true]}, "
              "\"b\": {\"$binary\": {\"base64\": \"YWJj\", \"subType\": \"00\"}}, "
              "\"r\": {\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"i\"}}, "
              "\"l\": " LONG("5") ", \"o\": {\"$oid\": \"000000000000000000000001\"}}");
    uint32_t length = document->len;
    const uint8_t *bytes = bson_get_data(document);
    uint8_t *copy = x_malloc(length);
    int refused = 0;
    assert_false(value_malformed(bytes, length));
    for (uint32_t cut = 0; cut < length; cut++) {
        uint8_t *exact = x_malloc(cut); /* so that AddressSanitizer sees a read beyond the end */
        memcpy(exact, bytes, cut);
        assert_true(value_malformed(exact, cut));
        free(exact);
    }
    for (uint32_t at = 0; at < length; at++)
        for (int byte = 0; byte < 256; byte++) {
            memcpy(copy, bytes, length);
            copy[at] = (uint8_t)byte;
            if (value_malformed(copy, length)) {
                refused++;
                continue;
            }
            bson_t view;
            bson_iter_t iter;
            assert_true(bson_init_static(&view, copy, length));
            bson_iter_init(&iter, &view);
            while (bson_iter_next(&iter))
                bson_iter_value(&iter);
            assert_int_equal(iter.err_off, 0);
        }
    assert_true(refused > 1000);
    free(copy);
    bson_destroy(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_identical_is_more_than_equal),
        cmocka_unit_test(test_numbers_are_in_a_total_order),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_damaged_bytes_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
