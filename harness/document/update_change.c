/* SPDX-License-Identifier: Apache-2.0
 *
 * update_change: see update_change.h. Numbers follow MongoDB's SafeNum: int32 grows to int64 when
 * it must, int64 overflow is an error, any double makes a double; a missing field counts as the
 * operand for $inc, $min and $max, and as 0 of the operand's type for $mul. Values that are taken
 * over as they are (from the old document or the update) are copied as bytes.
 */
#include "update_change.h"

#include "base.h"
#include "fields.h"
#include "match.h"
#include "update.h"
#include "value.h"
#include <inttypes.h>
#include <string.h>

static const struct {
    const char *name;
    enum change_kind kind;
} kinds[] = {{"$set", CHANGE_SET},
             {"$inc", CHANGE_INC},
             {"$unset", CHANGE_UNSET},
             {"$mul", CHANGE_MUL},
             {"$min", CHANGE_MIN},
             {"$max", CHANGE_MAX},
             {"$push", CHANGE_PUSH},
             {"$addToSet", CHANGE_ADD_TO_SET},
             {"$pull", CHANGE_PULL},
             {"$pop", CHANGE_POP},
             {"$currentDate", CHANGE_CURRENT_DATE},
             {"$setOnInsert", CHANGE_SET_ON_INSERT}};

const char change_refused[] = "$pullAll $rename $bit $pushAll";

bool change_kind_of(const char *name, enum change_kind *kind, struct failure *failure)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(name, kinds[i].name) == 0) {
            *kind = kinds[i].kind;
            return true;
        }
    if (words_contain(change_refused, name))
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "%s is not implemented", name);
    return failure_set(failure, FAILURE_FAILED_TO_PARSE,
                       "Unknown modifier: %s. Expected a valid update modifier or pipeline-style "
                       "update specified as an array",
                       name);
}

/* Checking ------------------------------------------------------------------------------------- */

static bool is_text(const struct element *element, const char *text)
{
    bson_value_t value;
    element_value(element, &value);
    return element->type == BSON_TYPE_UTF8 && strcmp(value.value.v_utf8.str, text) == 0;
}

static bool check_date(const struct element *operand, struct failure *failure)
{
    struct elements options = elements_of_element(operand);
    struct element option;
    if (operand->type == BSON_TYPE_BOOL)
        return true;
    if (operand->type != BSON_TYPE_DOCUMENT)
        return failure_set(
            failure, FAILURE_BAD_VALUE,
            "%s is not valid type for $currentDate. Please use a boolean ('true') or "
            "a $type expression ({$type: 'timestamp/date'}).",
            fields_type_name(operand->type));
    while (elements_next(&options, &option)) {
        if (strcmp(option.name, "$type") != 0)
            return failure_set(failure, FAILURE_BAD_VALUE, "Unrecognized $currentDate option: %s",
                               option.name);
        if (is_text(&option, "date") || is_text(&option, "timestamp"))
            return true;
    }
    return failure_set(failure, FAILURE_BAD_VALUE,
                       "The '$type' string field is required to be 'date' or 'timestamp': "
                       "{$currentDate: {field : {$type: 'date'}}}");
}

/* The array of {$each: [...]}; false when the operand is a plain value. */
static bool each_of(const struct element *operand, struct element *each)
{
    return operand->type == BSON_TYPE_DOCUMENT &&
           elements_find(elements_of_element(operand), "$each", 5, each);
}

static bool check_push(const struct element *operand, struct failure *failure)
{
    struct elements clauses = elements_of_element(operand);
    struct element clause, each;
    bool has_each = each_of(operand, &each);
    if (has_each && each.type != BSON_TYPE_ARRAY)
        return failure_set(failure, FAILURE_BAD_VALUE,
                           "The argument to $each must be an array but it was of type: %s",
                           fields_type_name(each.type));
    while (operand->type == BSON_TYPE_DOCUMENT && elements_next(&clauses, &clause)) {
        if (words_contain("$slice $sort $position", clause.name))
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "%s of $push and $addToSet is not implemented", clause.name);
        if (has_each && strcmp(clause.name, "$each") != 0)
            return failure_set(failure, FAILURE_BAD_VALUE, "Unrecognized clause: %s", clause.name);
    }
    return true;
}

static bool refuse_decimal(struct failure *failure)
{
    return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                       "Decimal128 arithmetic is not implemented");
}

static bool is_number(bson_type_t type)
{
    return type == BSON_TYPE_INT32 || type == BSON_TYPE_INT64 || type == BSON_TYPE_DOUBLE;
}

/* 1: the last element goes, -1: the first; 0: neither was asked for. */
static int64_t pop_end(const struct element *operand)
{
    bson_value_t value;
    int64_t end = 0;
    element_value(operand, &value);
    return fields_integer(&value, &end) && (end == 1 || end == -1) ? end : 0;
}

bool change_check(const struct change *change, struct failure *failure)
{
    const struct element *operand = &change->operand;
    switch (change->kind) {
    case CHANGE_INC:
    case CHANGE_MUL:
        if (operand->type == BSON_TYPE_DECIMAL128)
            return refuse_decimal(failure);
        return is_number(operand->type) ||
               failure_set(failure, FAILURE_TYPE_MISMATCH,
                           "Cannot %s with non-numeric argument: {%s: <%s>}",
                           change->kind == CHANGE_INC ? "increment" : "multiply", operand->name,
                           fields_type_name(operand->type));
    case CHANGE_CURRENT_DATE:
        return check_date(operand, failure);
    case CHANGE_PUSH:
    case CHANGE_ADD_TO_SET:
        return check_push(operand, failure);
    case CHANGE_PULL:
        return match_check_element(operand, failure);
    case CHANGE_POP:
        return pop_end(operand) != 0 ||
               failure_set(failure, FAILURE_FAILED_TO_PARSE, "$pop expects 1 or -1 for field '%s'",
                           operand->name);
    default:
        return true;
    }
}

/* Applying ------------------------------------------------------------------------------------- */

static void write_int64(struct buffer *out, bson_type_t type, const struct change_place *place,
                        int64_t value)
{
    element_begin(out, type, place->name, place->length);
    buffer_int32(out, (int32_t)(uint32_t)value);
    buffer_int32(out, (int32_t)(uint32_t)((uint64_t)value >> 32));
}

static void write_double(struct buffer *out, const struct change_place *place, double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    write_int64(out, BSON_TYPE_DOUBLE, place, bits);
}

static void write_whole(struct buffer *out, const struct change_place *place, bool is_long,
                        int64_t value)
{
    if (is_long || value > INT32_MAX || value < INT32_MIN) {
        write_int64(out, BSON_TYPE_INT64, place, value);
        return;
    }
    element_begin(out, BSON_TYPE_INT32, place->name, place->length);
    buffer_int32(out, (int32_t)value);
}

static void write_zero(struct buffer *out, const struct change_place *place, bson_type_t type)
{
    if (type == BSON_TYPE_DOUBLE)
        write_double(out, place, 0);
    else
        write_whole(out, place, type == BSON_TYPE_INT64, 0);
}

static double real_of(const bson_value_t *value)
{
    return value->value_type == BSON_TYPE_DOUBLE  ? value->value.v_double
           : value->value_type == BSON_TYPE_INT32 ? value->value.v_int32
                                                  : (double)value->value.v_int64;
}

static int64_t whole_of(const bson_value_t *value)
{
    return value->value_type == BSON_TYPE_INT32 ? value->value.v_int32 : value->value.v_int64;
}

static bool calculate(const struct change *change, const struct change_place *place,
                      struct buffer *out, struct failure *failure)
{
    bson_value_t a, b;
    bool adding = change->kind == CHANGE_INC;
    const char *name = adding ? "$inc" : "$mul";
    element_value(place->old, &a);
    element_value(&change->operand, &b);
    if (a.value_type == BSON_TYPE_DECIMAL128)
        return refuse_decimal(failure);
    if (!is_number(a.value_type))
        return failure_set(failure, FAILURE_TYPE_MISMATCH,
                           "Cannot apply %s to a value of non-numeric type. The document has the "
                           "field '%s' of non-numeric type %s",
                           name, place->name, fields_type_name(a.value_type));
    if (a.value_type == BSON_TYPE_DOUBLE || b.value_type == BSON_TYPE_DOUBLE) {
        double x = real_of(&a), y = real_of(&b);
        write_double(out, place, adding ? x + y : x * y);
        return true;
    }
    int64_t result, x = whole_of(&a), y = whole_of(&b);
    if (adding ? __builtin_add_overflow(x, y, &result) : __builtin_mul_overflow(x, y, &result))
        return failure_set(failure, FAILURE_BAD_VALUE,
                           "Failed to apply %s operations to current value ((NumberLong)%" PRId64
                           ") for field '%s'",
                           name, x, place->name);
    write_whole(out, place, a.value_type == BSON_TYPE_INT64 || b.value_type == BSON_TYPE_INT64,
                result);
    return true;
}

static bool is_replaced(const struct change *change, const struct element *old)
{
    bson_value_t a, b;
    element_value(&change->operand, &a);
    element_value(old, &b);
    int order = value_compare(&a, &b);
    return change->kind == CHANGE_MIN ? order < 0 : order > 0;
}

/* A timestamp counts within its second; milliseconds do, since there is one clock here. */
static void write_date(const struct change *change, const struct update *update,
                       const struct change_place *place, struct buffer *out)
{
    struct elements options = elements_of_element(&change->operand);
    struct element type;
    int64_t seconds = update->now_ms / 1000, within = update->now_ms % 1000 + 1;
    if (elements_next(&options, &type) && is_text(&type, "timestamp"))
        write_int64(out, BSON_TYPE_TIMESTAMP, place, seconds << 32 | within);
    else
        write_int64(out, BSON_TYPE_DATE_TIME, place, update->now_ms);
}

/* Appends an element under the number that comes next; with `unique` only when there is none equal
 * to it since `begun`, where the array begins. */
static void push_one(struct buffer *out, size_t begun, uint32_t *count, const struct element *value,
                     bool unique)
{
    char text[16];
    const char *name;
    struct elements there = {out->bytes + begun + 4, out->bytes + out->length};
    struct element one;
    bson_value_t a, b;
    element_value(value, &a);
    while (unique && elements_next(&there, &one)) {
        element_value(&one, &b);
        if (value_compare(&a, &b) == 0)
            return;
    }
    size_t length = bson_uint32_to_string((*count)++, &name, text, sizeof text);
    element_write_named(out, name, length, value);
}

/* Does $pull or $pop take the element out? */
static bool is_taken(const struct change *change, const struct element *element, bool first,
                     bool last)
{
    if (change->kind == CHANGE_PULL)
        return match_element(&change->operand, element, false);
    return change->kind == CHANGE_POP && (pop_end(&change->operand) == 1 ? last : first);
}

static bool refuse_array(const struct change *change, const struct element *old,
                         struct failure *failure)
{
    const char *type = fields_type_name(old->type), *path = change->operand.name;
    switch (change->kind) {
    case CHANGE_ADD_TO_SET:
        return failure_set(failure, FAILURE_BAD_VALUE,
                           "Cannot apply $addToSet to non-array field. Field named '%s' has "
                           "non-array type %s",
                           path, type);
    case CHANGE_PULL:
        return failure_set(failure, FAILURE_BAD_VALUE, "Cannot apply $pull to a non-array value");
    case CHANGE_POP:
        return failure_set(failure, FAILURE_TYPE_MISMATCH,
                           "Path '%s' contains an element of non-array type '%s'", path, type);
    default:
        return failure_set(failure, FAILURE_BAD_VALUE,
                           "The field '%s' must be an array but is of type %s in the document",
                           path, type);
    }
}

/* $push, $addToSet, $pull and $pop: the old array without what is taken, then what is added. */
static bool change_array(const struct change *change, const struct change_place *place,
                         struct buffer *out, struct failure *failure)
{
    struct elements old = {0}, values;
    struct element each, one;
    uint32_t count = 0;
    bool adding = change->kind == CHANGE_PUSH || change->kind == CHANGE_ADD_TO_SET;
    bool unique = change->kind == CHANGE_ADD_TO_SET, first = true;
    if (place->old != NULL && place->old->type != BSON_TYPE_ARRAY)
        return refuse_array(change, place->old, failure);
    element_begin(out, BSON_TYPE_ARRAY, place->name, place->length);
    size_t begun = document_begin(out);
    if (place->old != NULL)
        old = elements_of_element(place->old);
    for (; elements_next(&old, &one); first = false)
        if (!is_taken(change, &one, first, old.at == old.end))
            push_one(out, begun, &count, &one, false);
    if (adding && each_of(&change->operand, &each)) {
        values = elements_of_element(&each);
        while (elements_next(&values, &one))
            push_one(out, begun, &count, &one, unique);
    } else if (adding) {
        push_one(out, begun, &count, &change->operand, unique);
    }
    document_end(out, begun);
    return true;
}

bool change_apply(const struct change *change, const struct update *update,
                  const struct change_place *place, struct buffer *out, struct failure *failure)
{
    const struct element *taken = &change->operand;
    switch (change->kind) {
    case CHANGE_SET:
        break;
    case CHANGE_SET_ON_INSERT:
        if (!update->inserting)
            taken = place->old;
        break;
    case CHANGE_UNSET:
        if (place->in_array && place->old != NULL)
            element_begin(out, BSON_TYPE_NULL, place->name, place->length);
        return true;
    case CHANGE_INC:
    case CHANGE_MUL:
        if (place->old != NULL)
            return calculate(change, place, out, failure);
        if (change->kind == CHANGE_INC)
            break;
        write_zero(out, place, change->operand.type);
        return true;
    case CHANGE_MIN:
    case CHANGE_MAX:
        if (place->old != NULL && !is_replaced(change, place->old))
            taken = place->old;
        break;
    case CHANGE_CURRENT_DATE:
        write_date(change, update, place, out);
        return true;
    default:
        return change_array(change, place, out, failure);
    }
    if (taken != NULL)
        element_write_named(out, place->name, place->length, taken);
    return true;
}
