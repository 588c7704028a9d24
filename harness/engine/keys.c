/* SPDX-License-Identifier: Apache-2.0
 *
 * keys: see keys.h. An encoded value is a byte for its canonical rank and then, by rank,
 *   numbers    the nearest double (8 bytes, sign folded so that bytes order as numbers do) and what
 *              an int64 has beyond it (2 bytes): equal for 1, 1L and 1.0, exact for all int64
 *   text       UTF-8 with 00 written as 00 FF, ended by 00 00
 *   documents  per field: rank, name ended by 00, value (its rank first); ended by 00
 *   arrays     the values; ended by 00
 *   binary     length, subtype, bytes, since MongoDB compares in that order
 *   others     fixed-size big-endian bytes
 * No encoding is the beginning of another, so that compound keys are concatenations. Recursion is
 * as deep as the value, which value_malformed() bounds at VALUE_DEPTH_MAX; its frames are small.
 */
#include "keys.h"

#include "base.h"
#include "value.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void append_big_endian(struct buffer *buffer, uint64_t value, int bytes)
{
    uint8_t text[8];
    for (int i = 0; i < bytes; i++)
        text[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    buffer_append(buffer, text, (size_t)bytes);
}

/* Doubles order as their bits do once the sign is folded: negative ones turned, others above. */
static void append_double(struct buffer *buffer, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    append_big_endian(buffer, bits >> 63 ? ~bits : bits | (UINT64_C(1) << 63), 8);
}

static void append_number(struct buffer *buffer, const bson_value_t *value)
{
    enum { REST_ZERO = 0x8000 }; /* the rest is within +-512: half a step of doubles near 2^63 */
    if (value->value_type == BSON_TYPE_DOUBLE) {
        double number = value->value.v_double;
        if (isnan(
                number)) { /* first of all numbers, and all alike: no other has eight zero bytes */
            append_big_endian(buffer, 0, 8);
            append_big_endian(buffer, 0, 2);
            return;
        }
        append_double(buffer, number == 0 ? 0.0 : number); /* -0 equals 0 */
        append_big_endian(buffer, REST_ZERO, 2);
        return;
    }
    int64_t whole =
        value->value_type == BSON_TYPE_INT32 ? value->value.v_int32 : value->value.v_int64;
    double nearest = (double)whole;
    /* 2^63 itself is no int64: INT64_MAX rounds up to it. */
    int64_t rest = nearest >= 0x1p63 ? whole - INT64_MAX - 1 : whole - (int64_t)nearest;
    append_double(buffer, nearest);
    append_big_endian(buffer, (uint64_t)(REST_ZERO + rest), 2);
}

static void append_text(struct buffer *buffer, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        buffer_byte(buffer, (uint8_t)text[i]);
        if (text[i] == '\0')
            buffer_byte(buffer, 0xff);
    }
    buffer_append(buffer, "\0", 2);
}

static uint8_t rank_byte(bson_type_t type)
{
    return (uint8_t)(value_rank(type) + 2); /* MinKey has -1; 0 ends documents */
}

/* The elements of a document (with rank and name before each) or of an array. */
static bool append_elements(struct buffer *buffer, const uint8_t *data, uint32_t length, bool named)
{
    bson_iter_t iter;
    if (!bson_iter_init_from_data(&iter, data, length))
        return false;
    while (bson_iter_next(&iter)) {
        if (named) {
            buffer_byte(buffer, rank_byte(bson_iter_type(&iter)));
            buffer_append(buffer, bson_iter_key(&iter), strlen(bson_iter_key(&iter)) + 1);
        }
        if (!keys_append(buffer, bson_iter_value(&iter)))
            return false;
    }
    buffer_byte(buffer, 0);
    return true;
}

static void append_scalar(struct buffer *buffer, const bson_value_t *value)
{
    switch ((int)value->value_type) {
    case BSON_TYPE_OID:
        buffer_append(buffer, value->value.v_oid.bytes, sizeof value->value.v_oid.bytes);
        break;
    case BSON_TYPE_BOOL:
        buffer_byte(buffer, value->value.v_bool);
        break;
    case BSON_TYPE_DATE_TIME:
        append_big_endian(buffer, (uint64_t)value->value.v_datetime ^ (UINT64_C(1) << 63), 8);
        break;
    case BSON_TYPE_TIMESTAMP:
        append_big_endian(buffer, value->value.v_timestamp.timestamp, 4);
        append_big_endian(buffer, value->value.v_timestamp.increment, 4);
        break;
    case BSON_TYPE_BINARY:
        append_big_endian(buffer, value->value.v_binary.data_len, 4);
        buffer_byte(buffer, (uint8_t)value->value.v_binary.subtype);
        buffer_append(buffer, value->value.v_binary.data, value->value.v_binary.data_len);
        break;
    default: /* a regular expression */
        buffer_append(buffer, value->value.v_regex.regex, strlen(value->value.v_regex.regex) + 1);
        buffer_append(buffer, value->value.v_regex.options,
                      strlen(value->value.v_regex.options) + 1);
    }
}

bool keys_append(struct buffer *buffer, const bson_value_t *value)
{
    buffer_byte(buffer, rank_byte(value->value_type));
    switch ((int)value->value_type) {
    case BSON_TYPE_MINKEY:
    case BSON_TYPE_MAXKEY:
    case BSON_TYPE_NULL:
    case BSON_TYPE_UNDEFINED:
        return true;
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
    case BSON_TYPE_DOUBLE:
        append_number(buffer, value);
        return true;
    case BSON_TYPE_UTF8:
    case BSON_TYPE_SYMBOL: /* kept alike: see text_value() of element.c */
        append_text(buffer, value->value.v_utf8.str, value->value.v_utf8.len);
        return true;
    case BSON_TYPE_DOCUMENT:
        return append_elements(buffer, value->value.v_doc.data, value->value.v_doc.data_len, true);
    case BSON_TYPE_ARRAY:
        return append_elements(buffer, value->value.v_doc.data, value->value.v_doc.data_len, false);
    case BSON_TYPE_OID:
    case BSON_TYPE_BOOL:
    case BSON_TYPE_DATE_TIME:
    case BSON_TYPE_TIMESTAMP:
    case BSON_TYPE_BINARY:
    case BSON_TYPE_REGEX:
        append_scalar(buffer, value);
        return true;
    default:
        return false;
    }
}

/* Keys of a document in an index. -------------------------------------------------------------- */

struct key_list {
    struct buffer *keys;
    size_t count, capacity;
    bool array; /* some field was an array: there may be several keys */
    bool bad;   /* some value cannot be encoded */
};

static const bson_value_t null_value = {.value_type = BSON_TYPE_NULL};
static const bson_value_t empty_array_value = {.value_type = BSON_TYPE_UNDEFINED};

static void list_release(struct key_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        buffer_release(&list->keys[i]);
    free(list->keys);
}

static bool list_add(struct key_list *list, const bson_value_t *value)
{
    size_t index =
        array_grow((void **)&list->keys, &list->count, &list->capacity, sizeof *list->keys);
    list->keys[index] = (struct buffer){0};
    list->bad = list->bad || !keys_append(&list->keys[index], value);
    return !list->bad;
}

/* A visitor of value_walk(): what a field contributes; an array contributes its elements. */
static bool collect(const bson_value_t *value, void *context)
{
    struct key_list *list = context;
    bson_iter_t iter;
    if (value == NULL)
        value = &null_value;
    if (value->value_type != BSON_TYPE_ARRAY)
        return list_add(list, value);
    list->array = true;
    size_t before = list->count;
    if (!bson_iter_init_from_data(&iter, value->value.v_doc.data, value->value.v_doc.data_len))
        return false;
    while (bson_iter_next(&iter))
        if (!list_add(list, bson_iter_value(&iter)))
            return false;
    return list->count > before || list_add(list, &empty_array_value);
}

/* Continues each key with each of a field's values; at most one of the two lists has several. */
static void list_multiply(struct key_list *keys, struct key_list *values)
{
    if (values->count == 1) {
        for (size_t i = 0; i < keys->count; i++)
            buffer_append(&keys->keys[i], values->keys[0].bytes, values->keys[0].length);
        return;
    }
    must(keys->count == 1);
    struct buffer prefix = keys->keys[0];
    keys->count = 0;
    for (size_t i = 0; i < values->count; i++) {
        size_t index =
            array_grow((void **)&keys->keys, &keys->count, &keys->capacity, sizeof *keys->keys);
        keys->keys[index] = (struct buffer){0};
        buffer_append(&keys->keys[index], prefix.bytes, prefix.length);
        buffer_append(&keys->keys[index], values->keys[i].bytes, values->keys[i].length);
    }
    buffer_release(&prefix);
}

static int key_compare(const void *a, const void *b)
{
    const struct buffer *left = a, *right = b;
    size_t shorter = left->length < right->length ? left->length : right->length;
    int order = memcmp(left->bytes, right->bytes, shorter);
    return order != 0 ? order : (left->length > right->length) - (left->length < right->length);
}

/* Adds one field of the pattern to the keys. */
static bool list_field(struct key_list *keys, const char *path, const bson_t *document,
                       struct failure *failure)
{
    struct key_list values = {0};
    bool fine = false;
    value_walk(document, path, collect, &values);
    if (values.count == 0)
        list_add(&values, &null_value);
    if (values.count > 1)
        values.array = true;
    if (values.bad) {
        failure_set(failure, FAILURE_CANNOT_CREATE_INDEX,
                    "a value of field '%s' has a type that cannot be indexed", path);
    } else if (keys->array && values.array) {
        failure_set(failure, FAILURE_PARALLEL_ARRAYS, "cannot index parallel arrays [%s]", path);
    } else {
        list_multiply(keys, &values);
        keys->array = keys->array || values.array;
        fine = true;
    }
    list_release(&values);
    return fine;
}

bool keys_visit(const bson_t *pattern, const bson_t *document, keys_visitor *visit, void *context,
                struct failure *failure)
{
    struct key_list keys = {0};
    bson_iter_t iter;
    size_t first = array_grow((void **)&keys.keys, &keys.count, &keys.capacity, sizeof *keys.keys);
    keys.keys[first] = (struct buffer){0};
    bool fine = bson_iter_init(&iter, pattern);
    while (fine && bson_iter_next(&iter))
        fine = list_field(&keys, bson_iter_key(&iter), document, failure);
    if (fine && keys.count > 1)
        qsort(keys.keys, keys.count, sizeof *keys.keys, key_compare);
    for (size_t i = 0; fine && i < keys.count; i++)
        if (i == 0 || key_compare(&keys.keys[i - 1], &keys.keys[i]) != 0)
            fine = visit(buffer_slice(&keys.keys[i]), context);
    list_release(&keys);
    return fine;
}
