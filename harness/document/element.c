/* SPDX-License-Identifier: Apache-2.0
 *
 * element: see element.h. Documents have passed value_malformed() or were built by libbson, so that
 * the checks here only keep a mistake elsewhere from reading past the end. One list knows the
 * names, ranks and sizes of all types; the check of foreign bytes (value_check.c) rests on it too.
 * It becomes two tables: sizes are small ones, since each step from element to element looks there.
 */
#include "element.h"

#include "base.h"
#include <assert.h>
#include <string.h>

static int64_t read_int64(const uint8_t *data)
{
    uint64_t bits;
    memcpy(&bits, data, sizeof bits);
    return (int64_t)BSON_UINT64_FROM_LE(bits);
}

/* Type, name, rank, layout. */
#define FIXED(bytes) (bytes) + 1, 0, 0
#define TYPES                                                                                      \
    X(DOUBLE, "double", 10, FIXED(8))                                                              \
    X(UTF8, "string", 15, LAYOUT_PREFIXED, 4, 1)                                                   \
    X(DOCUMENT, "object", 20, LAYOUT_PREFIXED, 0, 5)                                               \
    X(ARRAY, "array", 25, LAYOUT_PREFIXED, 0, 5)                                                   \
    X(BINARY, "binData", 30, LAYOUT_PREFIXED, 5, 0)                                                \
    X(UNDEFINED, "undefined", 0, FIXED(0))                                                         \
    X(OID, "objectId", 35, FIXED(12))                                                              \
    X(BOOL, "bool", 40, FIXED(1))                                                                  \
    X(DATE_TIME, "date", 45, FIXED(8))                                                             \
    X(NULL, "null", 5, FIXED(0))                                                                   \
    X(REGEX, "regex", 50, LAYOUT_TWO_TEXTS, 0, 0)                                                  \
    X(DBPOINTER, "dbPointer", 55, LAYOUT_PREFIXED, 16, 1)                                          \
    X(CODE, "javascript", 60, LAYOUT_PREFIXED, 4, 1)                                               \
    X(SYMBOL, "symbol", 15, LAYOUT_PREFIXED, 4, 1)                                                 \
    X(CODEWSCOPE, "javascriptWithScope", 65, LAYOUT_PREFIXED, 0, 14)                               \
    X(INT32, "int", 10, FIXED(4))                                                                  \
    X(TIMESTAMP, "timestamp", 47, FIXED(8))                                                        \
    X(INT64, "long", 10, FIXED(8))                                                                 \
    X(DECIMAL128, "decimal", 10, FIXED(16))                                                        \
    X(MAXKEY, "maxKey", 127, FIXED(0))                                                             \
    X(MINKEY, "minKey", -1, FIXED(0))

#define X(type, name, rank, ...) [BSON_TYPE_##type] = {name, rank},
const struct element_type element_types[256] = {TYPES};
#undef X
#define X(type, name, rank, ...) [BSON_TYPE_##type] = {__VA_ARGS__},
const struct element_layout element_layouts[256] = {TYPES};
#undef X

size_t element_size_of_texts(const uint8_t *data, size_t available)
{
    const uint8_t *first = memchr(data, 0, available);
    if (first == NULL)
        return SIZE_MAX;
    const uint8_t *second = memchr(first + 1, 0, available - (size_t)(first + 1 - data));
    return second == NULL ? SIZE_MAX : (size_t)(second + 1 - data);
}

static struct elements elements_of_bytes(const uint8_t *bytes, size_t length)
{
    if (length < 5)
        return (struct elements){0};
    return (struct elements){bytes + 4, bytes + length - 1};
}

struct elements elements_of(const bson_t *document)
{
    return elements_of_bytes(bson_get_data(document), document->len);
}

struct elements elements_of_value(const bson_value_t *value)
{
    if (value->value_type != BSON_TYPE_DOCUMENT && value->value_type != BSON_TYPE_ARRAY)
        return (struct elements){0};
    return elements_of_bytes(value->value.v_doc.data, value->value.v_doc.data_len);
}

struct elements elements_of_element(const struct element *element)
{
    if (!element_is_container(element))
        return (struct elements){0};
    return elements_of_bytes(element->data, element->size);
}

struct elements elements_of_buffer(const struct buffer *buffer)
{
    return elements_of_bytes(buffer->bytes, buffer->length);
}

void document_of_buffer(const struct buffer *buffer, bson_t *document)
{
    must(bson_init_static(document, buffer->bytes, buffer->length));
}

bool elements_find(struct elements elements, const char *name, size_t length,
                   struct element *element)
{
    const uint8_t *end = elements.end;
    for (const uint8_t *at = elements.at; at < end;) {
        const uint8_t *zero = at + 1;
        if ((size_t)(end - zero) > length && zero[length] == 0 && memcmp(zero, name, length) == 0)
            return element_take(&elements, at, zero + length, element);
        zero = element_find_zero(zero, end);
        if (zero == end)
            return false;
        size_t size = element_size(*at, zero + 1, (size_t)(end - zero - 1));
        if (size == SIZE_MAX)
            return false;
        at = zero + 1 + size;
    }
    return false;
}

int64_t element_number(const struct element *element, int64_t otherwise)
{
    double number;
    switch ((int)element->type) {
    case BSON_TYPE_INT64:
        return read_int64(element->data);
    case BSON_TYPE_INT32:
        return element_int32(element->data);
    case BSON_TYPE_DOUBLE:
        memcpy(&number, element->data, sizeof number);
        return (int64_t)number;
    default:
        return otherwise;
    }
}

bool element_is_container(const struct element *element)
{
    return element->type == BSON_TYPE_DOCUMENT || element->type == BSON_TYPE_ARRAY;
}

bool element_is_named(const struct element *element, const char *name, size_t length)
{
    return element->name_length == length && memcmp(element->name, name, length) == 0;
}

/* A text with its length before it, which counts the zero at its end. Three types keep it in
 * bson_value_t in one way. */
static void text_value(const struct element *element, bson_value_t *value)
{
    static_assert(offsetof(bson_value_t, value.v_utf8.len) ==
                          offsetof(bson_value_t, value.v_code.code_len) &&
                      offsetof(bson_value_t, value.v_utf8.len) ==
                          offsetof(bson_value_t, value.v_symbol.len),
                  "string, code and symbol are alike in libbson's bson_value_t");
    value->value.v_utf8.str = (char *)(uintptr_t)(element->data + 4);
    value->value.v_utf8.len = (uint32_t)element_int32(element->data) - 1;
}

static void dbpointer_value(const struct element *element, bson_value_t *value)
{
    value->value.v_dbpointer.collection = (char *)(uintptr_t)(element->data + 4);
    value->value.v_dbpointer.collection_len = (uint32_t)element_int32(element->data) - 1;
    memcpy(value->value.v_dbpointer.oid.bytes, element->data + element->size - 12, 12);
}

static void binary_value(const struct element *element, bson_value_t *value)
{
    /* Subtype 2 repeats its length inside; libbson's views leave that out. */
    size_t inner = element->data[4] == BSON_SUBTYPE_BINARY_DEPRECATED ? 4 : 0;
    value->value.v_binary.subtype = (bson_subtype_t)element->data[4];
    value->value.v_binary.data = (uint8_t *)(uintptr_t)(element->data + 5 + inner);
    value->value.v_binary.data_len = (uint32_t)(element->size - 5 - inner);
}

void element_value(const struct element *element, bson_value_t *value)
{
    const uint8_t *data = element->data;
    value->value_type = element->type;
    switch ((int)element->type) {
    case BSON_TYPE_INT32:
        value->value.v_int32 = element_int32(data);
        break;
    case BSON_TYPE_INT64:
    case BSON_TYPE_DOUBLE: /* the same eight bytes */
    case BSON_TYPE_DATE_TIME:
        value->value.v_int64 = read_int64(data);
        break;
    case BSON_TYPE_TIMESTAMP:
        value->value.v_timestamp.increment = (uint32_t)element_int32(data);
        value->value.v_timestamp.timestamp = (uint32_t)element_int32(data + 4);
        break;
    case BSON_TYPE_BOOL:
        value->value.v_bool = data[0] != 0;
        break;
    case BSON_TYPE_OID:
        memcpy(value->value.v_oid.bytes, data, 12);
        break;
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        value->value.v_doc.data = (uint8_t *)(uintptr_t)data;
        value->value.v_doc.data_len = (uint32_t)element->size;
        break;
    case BSON_TYPE_BINARY:
        binary_value(element, value);
        break;
    case BSON_TYPE_REGEX:
        value->value.v_regex.regex = (char *)(uintptr_t)data;
        value->value.v_regex.options = (char *)(uintptr_t)data + strlen((const char *)data) + 1;
        break;
    case BSON_TYPE_DECIMAL128:
        value->value.v_decimal128.low = (uint64_t)read_int64(data);
        value->value.v_decimal128.high = (uint64_t)read_int64(data + 8);
        break;
    case BSON_TYPE_UTF8:
    case BSON_TYPE_CODE:
    case BSON_TYPE_SYMBOL:
        text_value(element, value);
        break;
    case BSON_TYPE_DBPOINTER:
        dbpointer_value(element, value);
        break;
    default: /* the type says it all; value_malformed() refuses code with scope */
        must(element->type != BSON_TYPE_CODEWSCOPE);
    }
}

int64_t element_index(const char *name, size_t length)
{
    if (length == 0 || length > 9 || (length > 1 && name[0] == '0'))
        return -1;
    int64_t index = 0;
    for (size_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return -1;
        index = index * 10 + (name[i] - '0');
    }
    return index;
}

/* Writing ------------------------------------------------------------------------------------- */

void element_write_text(struct buffer *out, const char *name, const char *text)
{
    size_t length = strlen(text) + 1;
    element_begin(out, BSON_TYPE_UTF8, name, strlen(name));
    buffer_int32(out, (int32_t)length);
    buffer_append(out, text, length);
}

void element_write_bool(struct buffer *out, const char *name, bool yes)
{
    element_begin(out, BSON_TYPE_BOOL, name, strlen(name));
    buffer_byte(out, yes);
}

void element_write_int64(struct buffer *out, const char *name, int64_t number)
{
    uint64_t bits = BSON_UINT64_TO_LE((uint64_t)number);
    element_begin(out, BSON_TYPE_INT64, name, strlen(name));
    buffer_append(out, &bits, sizeof bits);
}

void element_write_document(struct buffer *out, bson_type_t type, const char *name,
                            const bson_t *document)
{
    element_begin(out, type, name, strlen(name));
    buffer_append(out, bson_get_data(document), document->len);
}

void element_write_named(struct buffer *out, const char *name, size_t length,
                         const struct element *element)
{
    element_begin(out, element->type, name, length);
    buffer_append(out, element->data, element->size);
}

void element_write_value(struct buffer *out, const char *name, size_t length,
                         const bson_value_t *value)
{
    bson_t one = BSON_INITIALIZER; /* libbson knows how to write all types */
    if (value->value_type == BSON_TYPE_DOCUMENT || value->value_type == BSON_TYPE_ARRAY) {
        element_begin(out, value->value_type, name, length);
        buffer_append(out, value->value.v_doc.data, value->value.v_doc.data_len);
        return;
    }
    must(bson_append_value(&one, name, (int)length, value));
    buffer_append(out, bson_get_data(&one) + 4, one.len - 5);
    bson_destroy(&one);
}

void document_append(bson_t *to, const uint8_t *document, size_t length)
{
    enum { AROUND = 5 }; /* the length before the fields, the zero behind them */
    enum { SMALL = 64 * 1024 };
    if (to->len > SMALL) { /* bson_reserve_buffer() would double it */
        bson_t fields;
        must(bson_init_static(&fields, document, length) && bson_concat(to, &fields));
        return;
    }
    uint32_t before = to->len, whole = before + (uint32_t)length - AROUND;
    uint8_t *bytes = bson_reserve_buffer(to, whole);
    must(bytes != NULL && length >= AROUND);
    memcpy(bytes + before - 1, document + 4, length - 4);
    whole = BSON_UINT32_TO_LE(whole);
    memcpy(bytes, &whole, sizeof whole);
}
