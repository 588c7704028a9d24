/* SPDX-License-Identifier: Apache-2.0
 *
 * keys: the order of encoded values is value_compare()'s, on chosen and on random values; the keys
 * that an index has for a document.
 * labels: engine
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "document/keys.h"
#include "document/value.h"
#include <math.h>

enum { VALUES = 600 };

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static int encoded_compare(const bson_value_t *a, const bson_value_t *b)
{
    struct buffer left = {0}, right = {0};
    assert_true(keys_append(&left, a));
    assert_true(keys_append(&right, b));
    size_t shorter = left.length < right.length ? left.length : right.length;
    int order = memcmp(left.bytes, right.bytes, shorter);
    if (order == 0) /* no encoding begins another */
        assert_int_equal(left.length, right.length);
    buffer_release(&left);
    buffer_release(&right);
    return sign(order);
}

static void append_random(bson_t *document, const char *name, struct random *random, int depth);

static void append_container(bson_t *document, const char *name, struct random *random, bool array,
                             int depth)
{
    static const char *const names[] = {"a", "b", "ab", ""};
    bson_t child;
    char number[16];
    if (array)
        bson_append_array_begin(document, name, -1, &child);
    else
        bson_append_document_begin(document, name, -1, &child);
    int count = (int)random_below(random, 3);
    for (int i = 0; i < count; i++) {
        snprintf(number, sizeof number, "%d", i);
        append_random(&child, array ? number : names[random_below(random, COUNT_OF(names))], random,
                      depth + 1);
    }
    if (array)
        bson_append_array_end(document, &child);
    else
        bson_append_document_end(document, &child);
}

static int64_t random_int64(struct random *random)
{
    static const int64_t edges[] = {0,
                                    1,
                                    -1,
                                    INT32_MAX,
                                    INT32_MIN,
                                    INT64_MAX,
                                    INT64_MAX - 1,
                                    INT64_MIN,
                                    INT64_MIN + 1,
                                    (1ll << 53) + 1,
                                    -(1ll << 53) - 1,
                                    (1ll << 62) + 3,
                                    9007199254740992};
    if (random_below(random, 2) == 0)
        return edges[random_below(random, COUNT_OF(edges))];
    return (int64_t)(random_next(random) >> random_below(random, 64));
}

static double random_double(struct random *random)
{
    static const double edges[] = {0.0,      -0.0,      0.5,     -0.5,        1.0,    1e300,
                                   -1e300,   0x1p63,    -0x1p63, 0x1p53,      0x1p62, 5e-324,
                                   INFINITY, -INFINITY, NAN,     2147483647.0};
    if (random_below(random, 2) == 0)
        return edges[random_below(random, COUNT_OF(edges))];
    return (double)random_int64(random) / (double)(1 + random_below(random, 4));
}

static void append_text(bson_t *document, const char *name, struct random *random)
{
    char text[4];
    int length = (int)random_below(random, 4);
    for (int i = 0; i < length; i++)
        text[i] = "\0a\x01\x7f"[random_below(random, 4)];
    bson_append_utf8(document, name, -1, text, length);
}

static void append_bytes(bson_t *document, const char *name, struct random *random)
{
    uint8_t bytes[12];
    bson_oid_t id;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(random_below(random, 3) * 127);
    if (random_below(random, 2) == 0) {
        bson_oid_init_from_data(&id, bytes);
        bson_append_oid(document, name, -1, &id);
    } else {
        bson_append_binary(document, name, -1,
                           random_below(random, 2) ? BSON_SUBTYPE_USER : BSON_SUBTYPE_BINARY, bytes,
                           (uint32_t)random_below(random, 4));
    }
}

static void append_random(bson_t *document, const char *name, struct random *random, int depth)
{
    switch (random_below(random, depth > 2 ? 11 : 13)) {
    case 0:
        bson_append_int32(document, name, -1, (int32_t)random_int64(random));
        break;
    case 1:
        bson_append_int64(document, name, -1, random_int64(random));
        break;
    case 2:
    case 3:
        bson_append_double(document, name, -1, random_double(random));
        break;
    case 4:
        append_text(document, name, random);
        break;
    case 5:
        append_bytes(document, name, random);
        break;
    case 6:
        bson_append_bool(document, name, -1, random_below(random, 2) == 0);
        break;
    case 7:
        bson_append_date_time(document, name, -1, random_int64(random));
        break;
    case 8:
        bson_append_timestamp(document, name, -1, (uint32_t)random_int64(random),
                              (uint32_t)random_below(random, 3));
        break;
    case 9:
        bson_append_null(document, name, -1);
        break;
    case 10:
        bson_append_maxkey(document, name, -1);
        break;
    case 11:
        append_container(document, name, random, false, depth);
        break;
    default:
        append_container(document, name, random, true, depth);
    }
}

static void test_order(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)clock_monotonic_ns();
    struct random random;
    bson_t document = BSON_INITIALIZER;
    bson_value_t values[VALUES];
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int i = 0; i < VALUES; i++)
        append_random(&document, "v", &random, 0);
    bson_iter_t iter;
    assert_true(bson_iter_init(&iter, &document));
    for (int i = 0; bson_iter_next(&iter); i++)
        values[i] = *bson_iter_value(&iter);
    for (int i = 0; i < VALUES; i++)
        for (int j = 0; j < VALUES; j++) {
            int wanted = sign(value_compare(&values[i], &values[j]));
            if (encoded_compare(&values[i], &values[j]) != wanted)
                print_message("values %d (type %d) and %d (type %d)\n", i, values[i].value_type, j,
                              values[j].value_type);
            assert_int_equal(encoded_compare(&values[i], &values[j]), wanted);
        }
    bson_destroy(&document);
}

static void test_refused(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    bson_value_t decimal = {.value_type = BSON_TYPE_DECIMAL128};
    bson_value_t code = {.value_type = BSON_TYPE_CODE};
    assert_false(keys_append(&buffer, &decimal));
    assert_false(keys_append(&buffer, &code));
    buffer_release(&buffer);
}

static bool count_key(struct slice key, void *context)
{
    assert_true(key.length > 0);
    ++*(int *)context;
    return true;
}

static void test_visit(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *document;
        int keys; /* -code: refused */
    } rows[] = {
        {"{\"a\": 1}", "{\"a\": 5}", 1},
        {"{\"a\": 1}", "{}", 1},
        {"{\"a\": 1}", "{\"a\": [1, 2, 3]}", 3},
        {"{\"a\": 1}", "{\"a\": [1, 1.0, 1]}", 1},
        {"{\"a\": 1}", "{\"a\": []}", 1},
        {"{\"a\": 1, \"b\": 1}", "{\"a\": [1, 2], \"b\": 7}", 2},
        {"{\"b\": 1, \"a\": 1}", "{\"a\": [1, 2], \"b\": 7}", 2},
        {"{\"a.b\": 1}", "{\"a\": {\"b\": 1}}", 1},
        {"{\"a.b\": 1}", "{\"a\": [{\"b\": 1}, {\"b\": 2}]}", 2},
        {"{\"a\": 1, \"b\": 1}", "{\"a\": [1, 2], \"b\": [1, 2]}", -FAILURE_PARALLEL_ARRAYS},
        {"{\"a\": 1}", "{\"a\": {\"$numberDecimal\": \"1\"}}", -FAILURE_CANNOT_CREATE_INDEX},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct failure failure = {.code = FAILURE_NONE};
        bson_t *pattern = bson_new_from_json((const uint8_t *)rows[i].pattern, -1, NULL);
        bson_t *document = bson_new_from_json((const uint8_t *)rows[i].document, -1, NULL);
        int keys = 0;
        bool fine = keys_visit(pattern, document, count_key, &keys, &failure);
        assert_int_equal(fine, rows[i].keys >= 0);
        assert_int_equal(fine ? keys : -(int)failure.code, rows[i].keys);
        failure_reset(&failure);
        bson_destroy(pattern);
        bson_destroy(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_visit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
