/* SPDX-License-Identifier: Apache-2.0
 *
 * value_check: bytes that are BSON pass and can be walked as libbson does; others are refused, and
 * never read beyond their end.
 * labels: engine unit
 */
#include "semantics.h"

#include "document/element.h"

#define LONG(n) "{\"$numberLong\": \"" n "\"}"

/* libbson takes the documents inside for documents as well. */
static void expect_whole(const bson_value_t *value)
{
    bson_t inner;
    bson_iter_t iter;
    if (value->value_type != BSON_TYPE_DOCUMENT && value->value_type != BSON_TYPE_ARRAY)
        return;
    assert_true(bson_init_static(&inner, value->value.v_doc.data, value->value.v_doc.data_len));
    assert_true(bson_iter_init(&iter, &inner));
    while (bson_iter_next(&iter))
        expect_whole(bson_iter_value(&iter));
    assert_int_equal(iter.err_off, 0);
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
                expect_whole(bson_iter_value(&iter));
            assert_int_equal(iter.err_off, 0);
        }
    assert_true(refused > 1000);
    free(copy);
    bson_destroy(document);
}

/* Texts of all short lengths, with a byte that is no UTF-8 at each place. */
static void test_text_is_utf8(void **state)
{
    enum { LENGTH_MAX = 33, DATA = 4 + 1 + 2 + 4 }; /* length, type, "t", length of the text */
    char text[LENGTH_MAX + 1];
    (void)state;
    for (int length = 0; length <= LENGTH_MAX; length++) {
        uint8_t copy[128];
        bson_t document = BSON_INITIALIZER;
        memset(text, 'a', sizeof text);
        bson_append_utf8(&document, "t", 1, text, length);
        assert_false(value_malformed(bson_get_data(&document), document.len));
        for (int at = 0; at < length; at++) {
            memcpy(copy, bson_get_data(&document), document.len);
            copy[DATA + at] = 0xff;
            assert_true(value_malformed(copy, document.len));
            copy[DATA + at] = 0xc3; /* begins a letter of two bytes */
            assert_true(value_malformed(copy, document.len));
            if (at + 1 < length)
                copy[DATA + at + 1] = 0xa4;
            assert_int_equal(value_malformed(copy, document.len), at + 1 == length);
        }
        bson_destroy(&document);
    }
}

/* Names of all short lengths, before long and short values and after each other. */
static void test_names_of_all_lengths(void **state)
{
    enum { LENGTH_MAX = 33 };
    bson_t document = BSON_INITIALIZER;
    char name[LENGTH_MAX + 1];
    struct element element;
    (void)state;
    memset(name, 'n', sizeof name);
    for (int length = 0; length <= LENGTH_MAX; length++) {
        if (length % 3 == 0)
            bson_append_null(&document, name, length);
        else if (length % 3 == 1)
            bson_append_bool(&document, name, length, true);
        else
            bson_append_int64(&document, name, length, INT64_C(0x0101010101010100) + length);
    }
    struct elements elements = elements_of(&document);
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        assert_true(elements_next(&elements, &element));
        assert_int_equal(element.name_length, length);
        assert_true(elements_find(elements_of(&document), name, length, &element));
        assert_int_equal(element.name_length, length);
        assert_int_equal(element.type, length % 3 == 0   ? BSON_TYPE_NULL
                                       : length % 3 == 1 ? BSON_TYPE_BOOL
                                                         : BSON_TYPE_INT64);
    }
    assert_false(elements_next(&elements, &element));
    assert_ptr_equal(elements.at, elements.end);
    bson_destroy(&document);
}

/* One value of each type that libbson writes, walked beside libbson. */
static void test_every_type_is_walked(void **state)
{
    bson_t all = BSON_INITIALIZER, inner = BSON_INITIALIZER;
    bson_oid_t id;
    bson_decimal128_t decimal = {.high = 1, .low = 2};
    bson_iter_t iter;
    (void)state;
    bson_oid_init_from_string(&id, "0123456789abcdef01234567");
    BSON_APPEND_DOUBLE(&all, "a", 1.5);
    BSON_APPEND_UTF8(&all, "b", "");
    BSON_APPEND_DOCUMENT(&all, "c", &inner);
    BSON_APPEND_ARRAY(&all, "d", &inner);
    BSON_APPEND_BINARY(&all, "e", BSON_SUBTYPE_BINARY_DEPRECATED, (const uint8_t *)"xy", 2);
    BSON_APPEND_UNDEFINED(&all, "f");
    BSON_APPEND_OID(&all, "g", &id);
    BSON_APPEND_BOOL(&all, "h", true);
    BSON_APPEND_DATE_TIME(&all, "i", 5);
    BSON_APPEND_NULL(&all, "j");
    BSON_APPEND_REGEX(&all, "k", "p", "i");
    BSON_APPEND_DBPOINTER(&all, "l", "coll", &id);
    BSON_APPEND_CODE(&all, "m", "x");
    BSON_APPEND_SYMBOL(&all, "n", "y");
    BSON_APPEND_INT32(&all, "o", 1);
    BSON_APPEND_TIMESTAMP(&all, "p", 1, 2);
    BSON_APPEND_INT64(&all, "q", 1);
    BSON_APPEND_DECIMAL128(&all, "r", &decimal);
    BSON_APPEND_MAXKEY(&all, "s");
    BSON_APPEND_MINKEY(&all, "t");
    assert_false(value_malformed(bson_get_data(&all), all.len));
    struct elements elements = elements_of(&all);
    struct element element = {.name = ""};
    assert_true(bson_iter_init(&iter, &all));
    for (char name = 'a'; name <= 't'; name++) {
        assert_true(elements_next(&elements, &element) && bson_iter_next(&iter));
        assert_int_equal(element.name[0], name);
        assert_ptr_equal(element.name, bson_iter_key(&iter));
        assert_int_equal(element.type, bson_iter_type(&iter));
    }
    assert_ptr_equal(elements.at, elements.end);
    bson_destroy(&all);
    for (int type = 0; type < 256; type++)
        assert_int_equal(element_types[type].name != NULL,
                         element_layouts[type].rule != LAYOUT_UNKNOWN);
}

/* Values that begin with their length: the least that each may have, and one less. */
static void test_least_lengths(void **state)
{
    static const struct {
        bson_type_t type;
        uint8_t least;
        size_t size;
    } rows[] = {
        {BSON_TYPE_UTF8, 1, 5},   {BSON_TYPE_DOCUMENT, 5, 5},     {BSON_TYPE_ARRAY, 5, 5},
        {BSON_TYPE_BINARY, 0, 5}, {BSON_TYPE_DBPOINTER, 1, 17},   {BSON_TYPE_CODE, 1, 5},
        {BSON_TYPE_SYMBOL, 1, 5}, {BSON_TYPE_CODEWSCOPE, 14, 14},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t data[32] = {rows[i].least}, type = (uint8_t)rows[i].type;
        assert_int_equal(element_size(type, data, sizeof data), rows[i].size);
        assert_int_equal(element_size(type, data, rows[i].size), rows[i].size);
        assert_int_equal(element_size(type, data, rows[i].size - 1), SIZE_MAX);
        int32_t less = rows[i].least - 1;
        memcpy(data, &(int32_t){(int32_t)BSON_UINT32_TO_LE((uint32_t)less)}, sizeof less);
        assert_int_equal(element_size(type, data, sizeof data), SIZE_MAX);
        for (size_t available = 0; available < 4; available++)
            assert_int_equal(element_size(type, data, available), SIZE_MAX);
    }
}

/* Lengths that lie, in bytes of their own, so that AddressSanitizer sees a read beyond the end. */
static void test_lengths_that_cannot_be(void **state)
{
    static const char *const lies[] = {
        "\x07\0\0\0\x0a"
        "a\0", /* a name that ends where the document does */
        "\x0c\0\0\0\x04"
        "a\0\xff\xff\xff\xff\0", /* an array of -1 */
        "\x0c\0\0\0\x02"
        "a\0\0\0\0\0\0", /* a text without its zero byte */
        "\x08\0\0\0\x08"
        "a\0\0", /* a bool without its byte */
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        size_t length = (uint8_t)lies[i][0];
        uint8_t *exact = x_malloc(length);
        memcpy(exact, lies[i], length);
        assert_true(value_malformed(exact, length));
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_bytes_are_refused_or_harmless),
        cmocka_unit_test(test_lengths_that_cannot_be),
        cmocka_unit_test(test_text_is_utf8),
        cmocka_unit_test(test_names_of_all_lengths),
        cmocka_unit_test(test_every_type_is_walked),
        cmocka_unit_test(test_least_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
