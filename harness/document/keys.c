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
#include "element.h"
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
static bool append_elements(struct buffer *buffer, const bson_value_t *container)
{
    struct elements elements = elements_of_value(container);
    struct element element;
    bson_value_t value;
    while (elements_next(&elements, &element)) {
        if (container->value_type == BSON_TYPE_DOCUMENT) {
            buffer_byte(buffer, rank_byte(element.type));
            buffer_append(buffer, element.name, element.name_length + 1);
        }
        element_value(&element, &value);
        if (!keys_append(buffer, &value))
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
    case BSON_TYPE_ARRAY:
        return append_elements(buffer, value);
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

/* Lists of keys. ------------------------------------------------------------------------------- */

void key_list_add(struct key_list *list, struct slice key)
{
    size_t place =
        array_grow((void **)&list->items, &list->count, &list->capacity, sizeof *list->items);
    list->items[place] = (struct buffer){0};
    buffer_append(&list->items[place], key.bytes, key.length);
}

static int key_compare(const void *a, const void *b)
{
    const struct buffer *left = a, *right = b;
    size_t shorter = left->length < right->length ? left->length : right->length;
    int order = memcmp(left->bytes, right->bytes, shorter);
    return order != 0 ? order : (left->length > right->length) - (left->length < right->length);
}

void key_list_unique(struct key_list *list)
{
    size_t kept = 0;
    if (list->count > 1)
        qsort(list->items, list->count, sizeof *list->items, key_compare);
    for (size_t i = 0; i < list->count; i++)
        if (kept > 0 && key_compare(&list->items[kept - 1], &list->items[i]) == 0)
            buffer_release(&list->items[i]);
        else
            list->items[kept++] = list->items[i];
    list->count = kept;
}

void key_list_release(struct key_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        buffer_release(&list->items[i]);
    free(list->items);
    *list = (struct key_list){0};
}

/* Keys of a document in an index. -------------------------------------------------------------- */

/* All the keys of one document: the key in hand grows by one field at each level of a recursion
 * over the pattern, whose depth the number of fields bounds. */
struct key_maker {
    const bson_t *document;
    struct buffer key;
    struct key_list made;
    const char *array; /* the field that has several values; two such are refused */
    struct failure *failure;
};

/* A field of the pattern, and what comes behind it. */
struct key_field {
    struct key_maker *maker;
    struct elements rest;
    const char *path;
    size_t values;
};

static bool make_keys(struct key_maker *maker, struct elements fields);

static bool add_value(struct key_field *field, const bson_value_t *value)
{
    struct key_maker *maker = field->maker;
    size_t length = maker->key.length;
    if (field->values++ > 0) {
        if (maker->array != NULL && maker->array != field->path)
            return failure_set(maker->failure, FAILURE_PARALLEL_ARRAYS,
                               "cannot index parallel arrays [%s] [%s]", field->path, maker->array);
        maker->array = field->path;
    }
    if (!keys_append(&maker->key, value))
        return failure_set(maker->failure, FAILURE_CANNOT_CREATE_INDEX,
                           "a value of field '%s' has a type that cannot be indexed", field->path);
    bool fine = make_keys(maker, field->rest);
    maker->key.length = length;
    return fine;
}

/* A visitor of value_walk(): an array counts by its elements, an empty one as undefined. */
static bool add_field(const bson_value_t *value, void *context)
{
    static const bson_value_t null = {.value_type = BSON_TYPE_NULL};
    static const bson_value_t undefined = {.value_type = BSON_TYPE_UNDEFINED};
    struct key_field *field = context;
    struct element element;
    bson_value_t one;
    if (value == NULL || value->value_type != BSON_TYPE_ARRAY)
        return add_value(field, value == NULL ? &null : value);
    struct elements array = elements_of_value(value);
    field->values++; /* an array of one element is an array too */
    if (!elements_next(&array, &element))
        return add_value(field, &undefined);
    do {
        element_value(&element, &one);
        if (!add_value(field, &one))
            return false;
    } while (elements_next(&array, &element));
    return true;
}

static bool make_keys(struct key_maker *maker, struct elements fields)
{
    struct key_field field = {.maker = maker};
    struct element element;
    if (!elements_next(&fields, &element)) {
        key_list_add(&maker->made, buffer_slice(&maker->key));
        return true;
    }
    field.rest = fields;
    field.path = element.name;
    value_walk(maker->document, field.path, add_field, &field);
    return maker->failure->code == FAILURE_NONE;
}

bool keys_visit(const bson_t *pattern, const bson_t *document, keys_visitor *visit, void *context,
                struct failure *failure)
{
    struct key_maker maker = {.document = document, .failure = failure};
    bool fine = make_keys(&maker, elements_of(pattern));
    key_list_unique(&maker.made);
    for (size_t i = 0; fine && i < maker.made.count; i++)
        fine = visit(buffer_slice(&maker.made.items[i]), context);
    key_list_release(&maker.made);
    buffer_release(&maker.key);
    return fine;
}
