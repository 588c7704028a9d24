/* SPDX-License-Identifier: Apache-2.0
 *
 * value: the order of values is MongoDB's and a total one; walks, places, depth.
 * labels: engine unit
 */
#include "semantics.h"

#include "document/element.h"

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

/* A random value of any type, small enough that equal ones meet; appended to `into` as "v". */
static void append_random(struct random *random, bson_t *into, const char *name, int depth)
{
    static const char *const leaves[] = {
        "1",
        "1.0",
        LONG("1"),
        "0",
        "-1.5",
        DOUBLE("NaN"),
        "{\"$numberDecimal\": \"1\"}",
        "{\"$numberDecimal\": \"0.1\"}",
        "0.1",
        "{\"$numberDecimal\": \"NaN\"}",
        "\"\"",
        "\"a\"",
        "\"a\\u0000b\"",
        "{\"$symbol\": \"a\"}",
        "null",
        "{\"$undefined\": true}",
        "true",
        "false",
        "{\"$minKey\": 1}",
        "{\"$maxKey\": 1}",
        "{\"$oid\": \"000000000000000000000001\"}",
        "{\"$date\": " LONG("-1") "}",
        "{\"$timestamp\": {\"t\": 4294967295, \"i\": 0}}",
        "{\"$binary\": {\"base64\": \"YQ==\", \"subType\": \"02\"}}",
        "{\"$code\": \"a\"}",
        "{\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"i\"}}"};
    static const char *const names[] = {"a", "b", "ab"};
    static const char *const indexes[] = {"0", "1", "2"};
    uint64_t kind = depth > 0 ? random_below(random, 4) : 0;
    if (kind < 2) {
        char *text = x_format("{\"v\": %s}", leaves[random_below(random, COUNT_OF(leaves))]);
        bson_t *holder = parse(text);
        bson_iter_t iter; /* not our own views: they are what is tested */
        assert_true(bson_iter_init_find(&iter, holder, "v"));
        bson_append_iter(into, name, -1, &iter);
        bson_destroy(holder);
        free(text);
        return;
    }
    bson_t child;
    if (kind == 2)
        bson_append_document_begin(into, name, -1, &child);
    else
        bson_append_array_begin(into, name, -1, &child);
    uint64_t count = random_below(random, 3);
    for (uint64_t i = 0; i < count; i++)
        append_random(random, &child, kind == 3 ? indexes[i] : names[random_below(random, 3)],
                      depth - 1);
    if (kind == 2)
        bson_append_document_end(into, &child);
    else
        bson_append_array_end(into, &child);
}

static void test_all_values_are_in_a_total_order(void **state)
{
    (void)state;
    enum { COUNT = 150 };
    struct random random;
    random_seed(&random, test_seed());
    bson_t holders[COUNT];
    bson_value_t values[COUNT];
    for (int i = 0; i < COUNT; i++) {
        bson_init(&holders[i]);
        append_random(&random, &holders[i], "v", 3);
        assert_false(value_malformed(bson_get_data(&holders[i]), holders[i].len));
        values[i] = value_of(&holders[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(value_compare(&values[i], &values[i]), 0);
        assert_true(value_identical(&values[i], &values[i]));
        for (int j = 0; j < COUNT; j++) {
            int order = sign(value_compare(&values[i], &values[j]));
            assert_int_equal(order, -sign(value_compare(&values[j], &values[i])));
            if (value_identical(&values[i], &values[j]))
                assert_int_equal(order, 0);
            for (int k = 0; k < COUNT && order <= 0; k++)
                if (value_compare(&values[j], &values[k]) <= 0)
                    assert_true(value_compare(&values[i], &values[k]) <= 0);
        }
    }
    for (int i = 0; i < COUNT; i++)
        bson_destroy(&holders[i]);
}

/* Our views of elements are libbson's. */
static void test_views_are_libbsons(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, test_seed());
    for (int i = 0; i < 3000; i++) {
        bson_t document = BSON_INITIALIZER;
        bson_iter_t iter;
        append_random(&random, &document, "v", 2);
        append_random(&random, &document, "w", 2);
        struct elements elements = elements_of(&document);
        struct element element;
        bson_iter_init(&iter, &document);
        while (bson_iter_next(&iter)) {
            bson_value_t value;
            assert_true(elements_next(&elements, &element));
            element_value(&element, &value);
            assert_string_equal(element.name, bson_iter_key(&iter));
            assert_true(value_identical(&value, bson_iter_value(&iter)));
        }
        assert_false(elements_next(&elements, &element));
        bson_destroy(&document);
    }
}

static const struct {
    const char *document, *path, *value;
} places[] = {
    {"{\"a\": {\"b\": 1}}", "a.b", "1"},
    {"{\"a\": [5, {\"b\": 1}]}", "a.1.b", "1"},
    {"{\"a\": [5, {\"b\": 1}]}", "a.b", NULL},
    {"{\"a\": [5]}", "a.1", NULL},
    {"{\"a\": 5}", "a.b", NULL},
    {"{\"a\": 5, \"a\": 6}", "a", "5"},
    {"{\"a.b\": 5}", "a.b", NULL},
};

static void test_places(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        bson_t *document = parse(places[i].document);
        bson_value_t value;
        bool found = value_at(document, places[i].path, &value);
        if (found != (places[i].value != NULL))
            fail_msg("%s in %s: found is %d", places[i].path, places[i].document, found);
        if (found)
            assert_int_equal(value.value.v_int32, atoi(places[i].value));
        bson_destroy(document);
    }
}

/* What an index visits: "-" for missing, "[" for an array as a whole, else the number. */
static bool note(const bson_value_t *value, void *context)
{
    char *end = (char *)context + strlen(context);
    if (value == NULL)
        strcpy(end, "-");
    else if (value->value_type == BSON_TYPE_ARRAY)
        strcpy(end, "[");
    else
        sprintf(end, "%d", value->value_type == BSON_TYPE_INT32 ? value->value.v_int32 : 0);
    return true;
}

static const struct {
    const char *document, *path, *index, *query;
} walks[] = {
    {"{\"a\": 1}", "a", "1", "1"},
    {"{}", "a", "-", "-"},
    {"{\"a\": [1, 2]}", "a", "[", "12["},
    {"{\"a\": []}", "a", "[", "["},
    {"{\"a\": []}", "a.b", "-", ""},
    {"{\"a\": [1, 2]}", "a.b", "-", ""},
    {"{\"a\": 1}", "a.b", "-", "-"},
    {"{\"a\": [{\"b\": 1}, {\"c\": 1}, 5]}", "a.b", "1-", "1-"},
    {"{\"a\": [{\"b\": [1, 2]}]}", "a.b", "[", "12["},
    {"{\"a\": [3, [4, 5]]}", "a.1", "[", "["},
    {"{\"a\": [3, [4, 5]]}", "a.1.0", "4", "4"},
    {"{\"a\": [{\"b\": 1}]}", "a.0.b", "1", "-1"},
};

static void test_walks(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(walks); i++) {
        bson_t *document = parse(walks[i].document);
        char index[64] = "", query[64] = "";
        value_walk(document, walks[i].path, note, index);
        value_walk_query(document, walks[i].path, note, query);
        if (strcmp(index, walks[i].index) != 0 || strcmp(query, walks[i].query) != 0)
            fail_msg("%s in %s: an index visits %s, a query %s", walks[i].path, walks[i].document,
                     index, query);
        bson_destroy(document);
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

/* What stands `first` levels down may be so many levels less deep. */
static void test_depth_is_limited(void **state)
{
    (void)state;
    for (int first = 0; first < VALUE_DEPTH_MAX; first++) {
        bson_t fine = BSON_INITIALIZER, deep = BSON_INITIALIZER;
        nest(&fine, VALUE_DEPTH_MAX - first);
        nest(&deep, VALUE_DEPTH_MAX - first + 1);
        assert_false(value_malformed_below(bson_get_data(&fine), fine.len, first));
        assert_true(value_malformed_below(bson_get_data(&deep), deep.len, first));
        bson_destroy(&fine);
        bson_destroy(&deep);
    }
}

static void compare_deep(void *context)
{
    bson_t a = BSON_INITIALIZER, b = BSON_INITIALIZER;
    bson_value_t x = {.value_type = BSON_TYPE_DOCUMENT}, y = x;
    nest(&a, VALUE_DEPTH_MAX);
    nest(&b, VALUE_DEPTH_MAX - 1);
    x.value.v_doc.data = (uint8_t *)(uintptr_t)bson_get_data(&a);
    x.value.v_doc.data_len = a.len;
    y.value.v_doc.data = (uint8_t *)(uintptr_t)bson_get_data(&b);
    y.value.v_doc.data_len = b.len;
    *(bool *)context =
        value_compare(&x, &y) > 0 && value_compare(&y, &x) < 0 && value_compare(&x, &x) == 0;
    bson_destroy(&a);
    bson_destroy(&b);
}

static void test_deep_comparison_fits_on_a_fiber(void **state)
{
    (void)state;
    bool fine = false;
    on_fiber(compare_deep, &fine);
    assert_true(fine);
}

/* document_append() is bson_concat(), of all sizes, inside a bson_t and outside of it. */
static void test_documents_are_appended(void **state)
{
    enum { FIELDS_MAX = 40, MANY = 20000 };
    (void)state;
    for (int there = 0; there <= MANY; there += there < FIELDS_MAX ? 1 : MANY - FIELDS_MAX)
        for (int more = 0; more < FIELDS_MAX; more++) {
            bson_t to = BSON_INITIALIZER, expected = BSON_INITIALIZER, from = BSON_INITIALIZER;
            for (int i = 0; i < there; i++)
                BSON_APPEND_INT32(&to, "a", i);
            for (int i = 0; i < more; i++)
                BSON_APPEND_INT64(&from, "bc", i);
            bson_concat(&expected, &to);
            bson_concat(&expected, &from);
            document_append(&to, bson_get_data(&from), from.len);
            assert_int_equal(to.len, expected.len);
            assert_memory_equal(bson_get_data(&to), bson_get_data(&expected), expected.len);
            BSON_APPEND_BOOL(&to, "last", true);
            BSON_APPEND_BOOL(&expected, "last", true);
            assert_memory_equal(bson_get_data(&to), bson_get_data(&expected), expected.len);
            bson_destroy(&to);
            bson_destroy(&expected);
            bson_destroy(&from);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_identical_is_more_than_equal),
        cmocka_unit_test(test_numbers_are_in_a_total_order),
        cmocka_unit_test(test_all_values_are_in_a_total_order),
        cmocka_unit_test(test_views_are_libbsons),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_walks),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_deep_comparison_fits_on_a_fiber),
        cmocka_unit_test(test_documents_are_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
