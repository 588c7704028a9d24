/* SPDX-License-Identifier: Apache-2.0
 *
 * value: see value.h. Order and equality of BSON values as MongoDB defines them; value_walk.c has
 * the paths. Recursion is as deep as values nest, which value_malformed() bounds at
 * VALUE_DEPTH_MAX; it runs on fibers of 64 KiB, so that what takes room on the stack (libbson's
 * iterator: 128 bytes) stays out of the functions that recurse.
 */
#include "value.h"

#include "base.h"
#include "element.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int value_rank(bson_type_t type)
{
    return element_types[type & 0xff].rank;
}

bool value_type_is_id(bson_type_t type)
{
    return type != BSON_TYPE_ARRAY && type != BSON_TYPE_REGEX && type != BSON_TYPE_UNDEFINED;
}

bool value_is_number(const bson_value_t *value)
{
    return value->value_type == BSON_TYPE_INT32 || value->value_type == BSON_TYPE_INT64 ||
           value->value_type == BSON_TYPE_DOUBLE;
}

static int sign(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int64_t whole(const bson_value_t *value)
{
    return value->value_type == BSON_TYPE_INT32 ? value->value.v_int32 : value->value.v_int64;
}

/* Exact: the double is never rounded into an int64 nor the other way round. */
static int compare_whole_with_double(int64_t a, double b)
{
    if (isnan(b))
        return 1;
    if (b >= 9223372036854775808.0)
        return -1;
    if (b < -9223372036854775808.0)
        return 1;
    int64_t truncated = (int64_t)b;
    if (a != truncated)
        return a < truncated ? -1 : 1;
    double rest = b - (double)truncated;
    return rest > 0 ? -1 : rest < 0;
}

static int compare_doubles(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(b) != 0) - (isnan(a) != 0);
    return a < b ? -1 : a > b;
}

static long double long_double_of(const bson_value_t *value)
{
    char text[BSON_DECIMAL128_STRING];
    if (value->value_type == BSON_TYPE_DOUBLE)
        return value->value.v_double;
    if (value->value_type != BSON_TYPE_DECIMAL128)
        return (long double)whole(value);
    bson_decimal128_to_string(&value->value.v_decimal128, text);
    return strtold(text, NULL);
}

/* All numbers go through one monotonic mapping, which keeps the order a total one. */
__attribute__((noinline)) static int compare_decimals(const bson_value_t *a, const bson_value_t *b)
{
    long double x = long_double_of(a), y = long_double_of(b);
    if (isnan(x) || isnan(y))
        return (isnan(y) != 0) - (isnan(x) != 0);
    return x < y ? -1 : x > y;
}

static int compare_numbers(const bson_value_t *a, const bson_value_t *b)
{
    bool a_double = a->value_type == BSON_TYPE_DOUBLE, b_double = b->value_type == BSON_TYPE_DOUBLE;
    if (a->value_type == BSON_TYPE_DECIMAL128 || b->value_type == BSON_TYPE_DECIMAL128)
        return compare_decimals(a, b);
    if (a_double && b_double)
        return compare_doubles(a->value.v_double, b->value.v_double);
    if (a_double)
        return -compare_whole_with_double(whole(b), a->value.v_double);
    if (b_double)
        return compare_whole_with_double(whole(a), b->value.v_double);
    return sign(whole(a), whole(b));
}

static int compare_bytes(const void *a, size_t a_length, const void *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order != 0 ? order : sign((int64_t)a_length, (int64_t)b_length);
}

/* Compares two elements as far as can be done without going inside. Returns true when both are
 * documents, or arrays, whose insides decide; then *left and *right are those. */
__attribute__((noinline)) static bool compare_elements(struct elements *left,
                                                       struct elements *right, bool named,
                                                       int *order)
{
    struct element a, b;
    bson_value_t x, y;
    bool more_left = elements_next(left, &a), more_right = elements_next(right, &b);
    if (!more_left || !more_right) {
        *order = more_left - more_right;
        *left = *right = (struct elements){0};
        return false;
    }
    *order = sign(value_rank(a.type), value_rank(b.type));
    if (*order == 0 && named)
        *order = strcmp(a.name, b.name);
    if (*order != 0)
        return false;
    if (element_is_container(&a)) {
        *left = elements_of_element(&a);
        *right = elements_of_element(&b);
        return true;
    }
    element_value(&a, &x);
    element_value(&b, &y);
    *order = value_compare(&x, &y);
    return false;
}

/* Element by element: canonical type, then (in documents) name, then value; the shorter first. */
static int compare_insides(struct elements left, struct elements right, bool named)
{
    int order = 0;
    while (order == 0 && left.at != NULL) {
        struct elements a = left, b = right;
        bool deeper = compare_elements(&a, &b, named, &order);
        if (!deeper) {
            left = a;
            right = b;
            continue;
        }
        bool documents = *left.at == BSON_TYPE_DOCUMENT;
        order = compare_insides(a, b, documents);
        left.at = a.end + 1;
        right.at = b.end + 1;
    }
    return order;
}

static int compare_documents(const bson_value_t *a, const bson_value_t *b)
{
    return compare_insides(elements_of_value(a), elements_of_value(b),
                           a->value_type == BSON_TYPE_DOCUMENT);
}

/* Strings, symbols and code: all are in v_utf8's way (see text_value() of element.c). */
static int compare_text(const bson_value_t *a, const bson_value_t *b)
{
    return compare_bytes(a->value.v_utf8.str, a->value.v_utf8.len, b->value.v_utf8.str,
                         b->value.v_utf8.len);
}

static int compare_binaries(const bson_value_t *a, const bson_value_t *b)
{
    int order = sign(a->value.v_binary.data_len, b->value.v_binary.data_len);
    if (order == 0)
        order = sign(a->value.v_binary.subtype, b->value.v_binary.subtype);
    return order != 0
               ? order
               : memcmp(a->value.v_binary.data, b->value.v_binary.data, a->value.v_binary.data_len);
}

static int compare_rare(const bson_value_t *a, const bson_value_t *b)
{
    int order;
    switch (a->value_type) {
    case BSON_TYPE_REGEX:
        order = strcmp(a->value.v_regex.regex, b->value.v_regex.regex);
        return order != 0 ? order : strcmp(a->value.v_regex.options, b->value.v_regex.options);
    case BSON_TYPE_DBPOINTER:
        order = sign(a->value.v_dbpointer.collection_len, b->value.v_dbpointer.collection_len);
        if (order == 0)
            order = strcmp(a->value.v_dbpointer.collection, b->value.v_dbpointer.collection);
        return order != 0 ? order
                          : bson_oid_compare(&a->value.v_dbpointer.oid, &b->value.v_dbpointer.oid);
    default:
        return 0;
    }
}

int value_compare(const bson_value_t *a, const bson_value_t *b)
{
    int rank = value_rank(a->value_type), order = sign(rank, value_rank(b->value_type));
    if (order != 0)
        return order;
    switch (rank) {
    case 10:
        return compare_numbers(a, b);
    case 15:
    case 60:
        return compare_text(a, b);
    case 20:
    case 25:
        return compare_documents(a, b);
    case 30:
        return compare_binaries(a, b);
    case 35:
        return bson_oid_compare(&a->value.v_oid, &b->value.v_oid);
    case 40:
        return sign(a->value.v_bool, b->value.v_bool);
    case 45:
        return sign(a->value.v_datetime, b->value.v_datetime);
    case 47:
        order = sign(a->value.v_timestamp.timestamp, b->value.v_timestamp.timestamp);
        return order != 0 ? order
                          : sign(a->value.v_timestamp.increment, b->value.v_timestamp.increment);
    default:
        return compare_rare(a, b);
    }
}

bool value_identical(const bson_value_t *a, const bson_value_t *b)
{
    if (a->value_type != b->value_type)
        return false;
    if (a->value_type == BSON_TYPE_DOCUMENT || a->value_type == BSON_TYPE_ARRAY)
        return a->value.v_doc.data_len == b->value.v_doc.data_len &&
               memcmp(a->value.v_doc.data, b->value.v_doc.data, a->value.v_doc.data_len) == 0;
    if (a->value_type == BSON_TYPE_DOUBLE)
        return memcmp(&a->value.v_double, &b->value.v_double, sizeof(double)) == 0;
    return value_compare(a, b) == 0;
}

bool value_is_true(const bson_value_t *value)
{
    if (value == NULL)
        return false;
    switch ((int)value->value_type) {
    case BSON_TYPE_NULL:
    case BSON_TYPE_UNDEFINED:
        return false;
    case BSON_TYPE_BOOL:
        return value->value.v_bool;
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        return whole(value) != 0;
    case BSON_TYPE_DOUBLE:
        return value->value.v_double != 0;
    case BSON_TYPE_DECIMAL128:
        return long_double_of(value) != 0;
    default:
        return true;
    }
}

void value_append_array(bson_t *into, const char *name, int length, const bson_t *array)
{
    bson_t copy;
    must(bson_append_array_begin(into, name, length, &copy) && bson_concat(&copy, array) &&
         bson_append_array_end(into, &copy));
}

void value_append(bson_t *into, const char *name, int length, const bson_value_t *value)
{
    bson_t array;
    if (value->value_type != BSON_TYPE_ARRAY) {
        must(bson_append_value(into, name, length, value));
        return;
    }
    must(bson_init_static(&array, value->value.v_doc.data, value->value.v_doc.data_len));
    value_append_array(into, name, length, &array);
}
