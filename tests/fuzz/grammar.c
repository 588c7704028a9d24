/* SPDX-License-Identifier: Apache-2.0
 *
 * grammar: see fuzz.h. The vocabulary is small on purpose: few fields, so that paths meet; few
 * values, so that documents are equal now and then; numbers at the edges of their types.
 */
#include "fuzz.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const char *const paths[] = {"a",     "b",     "_id", "a.b",   "a.0", "c",
                                    "b.a.c", "a.0.b", "a.1", "b.$**", "",    "c.b"};
static const int32_t small[] = {0, 1, 2, -1, 7, INT32_MAX, INT32_MIN};
static const int64_t large[] = {0, 1, INT64_MAX, INT64_MIN, 9007199254740993, -2, 4294967296};
static const double real[] = {0.0, -0.0, 1.0, 0.5, 9007199254740992.0, 1e300, -1.5, 2147483648.0};
static const char *const words[] = {"", "a", "b", "$a", "$$NOW", "number", "ab", "a\xc3\xa9"};

uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->length == 0)
        return 0;
    input->length--;
    return *input->bytes++;
}

int fuzz_below(struct fuzz_input *input, int bound)
{
    return fuzz_byte(input) % bound;
}

static const char *pick(struct fuzz_input *input, const char *const *from, int count)
{
    return from[fuzz_below(input, count)];
}

static const char *path(struct fuzz_input *input)
{
    return pick(input, paths, COUNT(paths));
}

static void append_number(struct fuzz_input *input, bson_t *into, const char *key)
{
    switch (fuzz_below(input, 4)) {
    case 0:
        BSON_APPEND_INT64(into, key, large[fuzz_below(input, COUNT(large))]);
        break;
    case 1:
        BSON_APPEND_DOUBLE(into, key, real[fuzz_below(input, COUNT(real))]);
        break;
    case 2:
        BSON_APPEND_DOUBLE(into, key, fuzz_below(input, 2) ? (double)NAN : (double)INFINITY);
        break;
    default:
        BSON_APPEND_INT32(into, key, small[fuzz_below(input, COUNT(small))]);
        break;
    }
}

static void append_rare(struct fuzz_input *input, bson_t *into, const char *key)
{
    static const bson_oid_t id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};
    static const bson_decimal128_t decimal = {.high = 0x3040000000000000, .low = 5};
    const char *word = pick(input, words, COUNT(words));
    switch (fuzz_below(input, 11)) {
    case 0:
        BSON_APPEND_OID(into, key, &id);
        break;
    case 1:
        BSON_APPEND_DATE_TIME(into, key, large[fuzz_below(input, COUNT(large))]);
        break;
    case 2:
        BSON_APPEND_TIMESTAMP(into, key, fuzz_byte(input), fuzz_byte(input));
        break;
    case 3:
        BSON_APPEND_BINARY(into, key, BSON_SUBTYPE_UUID, (const uint8_t *)"0123456789abcdef", 16);
        break;
    case 4:
        BSON_APPEND_MINKEY(into, key);
        break;
    case 5:
        BSON_APPEND_MAXKEY(into, key);
        break;
    case 6:
        BSON_APPEND_DECIMAL128(into, key, &decimal);
        break;
    case 7:
        BSON_APPEND_REGEX(into, key, word, "i");
        break;
    case 8:
        BSON_APPEND_UNDEFINED(into, key);
        break;
    case 9:
        BSON_APPEND_CODE(into, key, word);
        break;
    default:
        BSON_APPEND_BINARY(into, key, BSON_SUBTYPE_BINARY, (const uint8_t *)word, 1);
        break;
    }
}

/* Elements of an array, made by `make` (NULL: values), up to three. */
static void append_array(struct fuzz_input *input, bson_t *into, const char *key, int depth)
{
    bson_t array;
    char number[16];
    int count = fuzz_below(input, 4);
    BSON_APPEND_ARRAY_BEGIN(into, key, &array);
    for (int i = 0; i < count; i++) {
        snprintf(number, sizeof number, "%d", i);
        fuzz_value(input, &array, number, depth - 1);
    }
    bson_append_array_end(into, &array);
}

void fuzz_value(struct fuzz_input *input, bson_t *into, const char *key, int depth)
{
    bson_t child;
    const char *word;
    switch (fuzz_below(input, depth > 0 ? 10 : 6)) {
    case 0:
    case 1:
    case 2:
        append_number(input, into, key);
        break;
    case 3:
        word = pick(input, words, COUNT(words)); /* the macro reads its arguments twice */
        if (strcmp(word, "ab") == 0)             /* in a value a text may hold zeros */
            bson_append_utf8(into, key, -1, "a", 2);
        else
            BSON_APPEND_UTF8(into, key, word);
        break;
    case 4:
        if (fuzz_below(input, 2))
            BSON_APPEND_NULL(into, key);
        else
            BSON_APPEND_BOOL(into, key, fuzz_below(input, 2));
        break;
    case 5:
        append_rare(input, into, key);
        break;
    case 6:
    case 7:
        append_array(input, into, key, depth);
        break;
    default:
        BSON_APPEND_DOCUMENT_BEGIN(into, key, &child);
        fuzz_fields(input, &child, depth - 1);
        bson_append_document_end(into, &child);
        break;
    }
}

void fuzz_fields(struct fuzz_input *input, bson_t *document, int depth)
{
    static const char *const names[] = {"a", "b", "c", "_id", "0", "1"};
    int count = fuzz_below(input, 5);
    for (int i = 0; i < count; i++) {
        const char *name = pick(input, names, COUNT(names));
        if (!bson_has_field(document, name)) /* MongoDB promises nothing about duplicates */
            fuzz_value(input, document, name, depth);
    }
}

/* Expressions and filters nest: [child, child] under `name`. */
static void append_filters(struct fuzz_input *input, bson_t *into, const char *name, int depth)
{
    bson_t array, child;
    char number[16];
    int count = fuzz_below(input, 3) + (fuzz_below(input, 8) > 0 ? 1 : 0);
    BSON_APPEND_ARRAY_BEGIN(into, name, &array);
    for (int i = 0; i < count; i++) {
        snprintf(number, sizeof number, "%d", i);
        BSON_APPEND_DOCUMENT_BEGIN(&array, number, &child);
        fuzz_filter(input, &child, depth - 1);
        bson_append_document_end(&array, &child);
    }
    bson_append_array_end(into, &array);
}

static void append_condition(struct fuzz_input *input, bson_t *into, const char *key, int depth)
{
    static const char *const operators[] = {"$eq",  "$ne",     "$gt",   "$gte",       "$lt",
                                            "$lte", "$exists", "$type", "$elemMatch", "$size",
                                            "$all", "$in",     "$nin",  "$not",       "$regex",
                                            "$mod", "$bad"};
    bson_t conditions, child;
    int count = 1 + fuzz_below(input, 2);
    BSON_APPEND_DOCUMENT_BEGIN(into, key, &conditions);
    for (int i = 0; i < count; i++) {
        const char *name = pick(input, operators, COUNT(operators));
        if (depth > 0 && strcmp(name, "$elemMatch") == 0) {
            BSON_APPEND_DOCUMENT_BEGIN(&conditions, name, &child);
            fuzz_filter(input, &child, depth - 1);
            bson_append_document_end(&conditions, &child);
        } else if (depth > 0 && strcmp(name, "$not") == 0) {
            append_condition(input, &conditions, name, depth - 1);
        } else if (strcmp(name, "$in") == 0 || strcmp(name, "$nin") == 0 ||
                   strcmp(name, "$all") == 0) {
            append_array(input, &conditions, name, 2);
        } else {
            fuzz_value(input, &conditions, name, 1);
        }
    }
    bson_append_document_end(into, &conditions);
}

void fuzz_filter(struct fuzz_input *input, bson_t *filter, int depth)
{
    static const char *const logical[] = {"$and", "$or", "$nor"};
    int count = fuzz_below(input, 3);
    for (int i = 0; i < count; i++) {
        switch (fuzz_below(input, depth > 0 ? 6 : 4)) {
        case 0:
        case 1:
            fuzz_value(input, filter, path(input), 2);
            break;
        case 2:
        case 3:
            append_condition(input, filter, path(input), depth);
            break;
        case 4:
            append_filters(input, filter, pick(input, logical, COUNT(logical)), depth);
            break;
        default:
            fuzz_value(input, filter, "$expr", 3);
            break;
        }
    }
}

void fuzz_update(struct fuzz_input *input, bson_t *update)
{
    static const char *const operators[] = {"$set",  "$unset",       "$inc",  "$mul",
                                            "$min",  "$max",         "$push", "$setOnInsert",
                                            "$pull", "$addToSet",    "$pop",  "$rename",
                                            "$set",  "$currentDate", "$bit",  "$pullAll"};
    bson_t fields;
    int count = fuzz_below(input, 4);
    if (count == 0) {
        fuzz_fields(input, update, 2);
        return;
    }
    for (int i = 0; i < count; i++) {
        const char *name = pick(input, operators, COUNT(operators));
        BSON_APPEND_DOCUMENT_BEGIN(update, name, &fields);
        for (int j = fuzz_below(input, 3); j >= 0; j--)
            fuzz_value(input, &fields, path(input), 2);
        bson_append_document_end(update, &fields);
    }
}

void fuzz_pipeline(struct fuzz_input *input, bson_t *stages)
{
    static const char *const names[] = {"$match",  "$set",      "$unset",       "$project",
                                        "$group",  "$sort",     "$limit",       "$skip",
                                        "$count",  "$out",      "$replaceRoot", "$replaceWith",
                                        "$unwind", "$addFields"};
    char number[16];
    int count = fuzz_below(input, 4);
    for (int i = 0; i < count; i++) {
        bson_t stage, child;
        const char *name = pick(input, names, COUNT(names));
        snprintf(number, sizeof number, "%d", i);
        BSON_APPEND_DOCUMENT_BEGIN(stages, number, &stage);
        if (strcmp(name, "$match") == 0) {
            BSON_APPEND_DOCUMENT_BEGIN(&stage, name, &child);
            fuzz_filter(input, &child, 2);
            bson_append_document_end(&stage, &child);
        } else {
            fuzz_value(input, &stage, name, 3);
        }
        bson_append_document_end(stages, &stage);
    }
}

void fuzz_finding(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("finding: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}
