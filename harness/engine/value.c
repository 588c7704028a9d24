/* SPDX-License-Identifier: Apache-2.0
 *
 * value: see value.h. Order, equality and paths of BSON values as MongoDB defines them.
 */
#include "value.h"
#include "base.h"

#include <math.h>
#include <string.h>

int value_rank(bson_type_t type)
{
    switch (type) {
    case BSON_TYPE_MINKEY:
        return -1;
    case BSON_TYPE_UNDEFINED:
        return 0;
    case BSON_TYPE_NULL:
        return 5;
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
    case BSON_TYPE_DOUBLE:
    case BSON_TYPE_DECIMAL128:
        return 10;
    case BSON_TYPE_UTF8:
    case BSON_TYPE_SYMBOL:
        return 15;
    case BSON_TYPE_DOCUMENT:
        return 20;
    case BSON_TYPE_ARRAY:
        return 25;
    case BSON_TYPE_BINARY:
        return 30;
    case BSON_TYPE_OID:
        return 35;
    case BSON_TYPE_BOOL:
        return 40;
    case BSON_TYPE_DATE_TIME:
        return 45;
    case BSON_TYPE_TIMESTAMP:
        return 47;
    case BSON_TYPE_REGEX:
        return 50;
    case BSON_TYPE_DBPOINTER:
        return 55;
    case BSON_TYPE_CODE:
        return 60;
    case BSON_TYPE_CODEWSCOPE:
        return 65;
    default:
        return 127;
    }
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
        return isnan(b) - isnan(a);
    return a < b ? -1 : a > b;
}

static int compare_numbers(const bson_value_t *a, const bson_value_t *b)
{
    bool a_double = a->value_type == BSON_TYPE_DOUBLE, b_double = b->value_type == BSON_TYPE_DOUBLE;
    if (a->value_type == BSON_TYPE_DECIMAL128 || b->value_type == BSON_TYPE_DECIMAL128) {
        int by_type = sign(a->value_type, b->value_type); /* no arithmetic on these: by bytes */
        return by_type != 0 ? by_type
                            : memcmp(&a->value.v_decimal128, &b->value.v_decimal128,
                                     sizeof(a->value.v_decimal128));
    }
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

static int compare_documents(const bson_value_t *a, const bson_value_t *b)
{
    bson_iter_t left, right;
    bool more_left, more_right;
    must(bson_iter_init_from_data(&left, a->value.v_doc.data, a->value.v_doc.data_len));
    must(bson_iter_init_from_data(&right, b->value.v_doc.data, b->value.v_doc.data_len));
    for (;;) {
        more_left = bson_iter_next(&left);
        more_right = bson_iter_next(&right);
        if (!more_left || !more_right)
            return more_left - more_right;
        const bson_value_t *x = bson_iter_value(&left), *y = bson_iter_value(&right);
        int order = sign(value_rank(x->value_type), value_rank(y->value_type));
        if (order == 0 && a->value_type != BSON_TYPE_ARRAY)
            order = strcmp(bson_iter_key(&left), bson_iter_key(&right));
        if (order == 0)
            order = value_compare(x, y); /* no deeper than VALUE_DEPTH_MAX: value_malformed() */
        if (order != 0)
            return order;
    }
}

static int compare_text(const bson_value_t *a, const bson_value_t *b)
{
    bool a_symbol = a->value_type == BSON_TYPE_SYMBOL, b_symbol = b->value_type == BSON_TYPE_SYMBOL;
    return compare_bytes(a_symbol ? a->value.v_symbol.symbol : a->value.v_utf8.str,
                         a_symbol ? a->value.v_symbol.len : a->value.v_utf8.len,
                         b_symbol ? b->value.v_symbol.symbol : b->value.v_utf8.str,
                         b_symbol ? b->value.v_symbol.len : b->value.v_utf8.len);
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
        order = strcmp(a->value.v_dbpointer.collection, b->value.v_dbpointer.collection);
        return order != 0 ? order
                          : bson_oid_compare(&a->value.v_dbpointer.oid, &b->value.v_dbpointer.oid);
    case BSON_TYPE_CODE:
        return compare_bytes(a->value.v_code.code, a->value.v_code.code_len, b->value.v_code.code,
                             b->value.v_code.code_len);
    case BSON_TYPE_CODEWSCOPE:
        order = compare_bytes(a->value.v_codewscope.code, a->value.v_codewscope.code_len,
                              b->value.v_codewscope.code, b->value.v_codewscope.code_len);
        return order != 0 ? order
                          : compare_bytes(a->value.v_codewscope.scope_data,
                                          a->value.v_codewscope.scope_len,
                                          b->value.v_codewscope.scope_data,
                                          b->value.v_codewscope.scope_len);
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

bool value_open(const bson_value_t *value, bson_iter_t *iter)
{
    return bson_iter_init_from_data(iter, value->value.v_doc.data, value->value.v_doc.data_len);
}

bool value_field(const bson_t *document, const char *name, bson_value_t *value)
{
    bson_iter_t iter;
    if (!bson_iter_init_find(&iter, document, name))
        return false;
    *value = *bson_iter_value(&iter);
    return true;
}

bool value_at(const bson_t *document, const char *path, bson_value_t *value)
{
    bson_iter_t iter, found;
    if (!bson_iter_init(&iter, document) || !bson_iter_find_descendant(&iter, path, &found))
        return false;
    *value = *bson_iter_value(&found);
    return true;
}

/* A walk under way: what stays the same on all its branches. */
struct walk {
    value_visitor *visit;
    void *context;
};

static bool walk_value(const struct walk *walk, const bson_value_t *value, const char *rest);

/* Goes on with `path` inside a document or array of these bytes. */
static bool walk_inside(const struct walk *walk, const bson_value_t *value, const char *path)
{
    const char *dot = strchr(path, '.');
    size_t length = dot != NULL ? (size_t)(dot - path) : strlen(path);
    bson_iter_t iter;
    if (!bson_iter_init_from_data(&iter, value->value.v_doc.data, value->value.v_doc.data_len) ||
        !bson_iter_find_w_len(&iter, path, (int)length))
        return walk->visit(NULL, walk->context);
    return walk_value(walk, bson_iter_value(&iter), dot != NULL ? dot + 1 : NULL);
}

static bool starts_with_number(const char *path)
{
    size_t digits = strspn(path, "0123456789");
    return digits > 0 && (path[digits] == '.' || path[digits] == '\0');
}

/* `rest` is what is left of the path below `value`; NULL: value is what the path denotes. */
static bool walk_value(const struct walk *walk, const bson_value_t *value, const char *rest)
{
    if (rest == NULL)
        return walk->visit(value, walk->context);
    if (value->value_type == BSON_TYPE_DOCUMENT)
        return walk_inside(walk, value, rest);
    if (value->value_type != BSON_TYPE_ARRAY)
        return walk->visit(NULL, walk->context);
    bson_iter_t element;
    bool any = false;
    if (starts_with_number(rest)) {
        any = true;
        if (!walk_inside(walk, value, rest))
            return false;
    }
    if (bson_iter_init_from_data(&element, value->value.v_doc.data, value->value.v_doc.data_len))
        while (bson_iter_next(&element)) {
            if (!BSON_ITER_HOLDS_DOCUMENT(&element))
                continue;
            any = true;
            if (!walk_value(walk, bson_iter_value(&element), rest))
                return false;
        }
    return any || walk->visit(NULL, walk->context);
}

void value_walk(const bson_t *document, const char *path, value_visitor *visit, void *context)
{
    struct walk walk = {visit, context};
    bson_value_t whole_document = {.value_type = BSON_TYPE_DOCUMENT};
    whole_document.value.v_doc.data = (uint8_t *)(uintptr_t)bson_get_data(document);
    whole_document.value.v_doc.data_len = document->len;
    walk_inside(&walk, &whole_document, path);
}
