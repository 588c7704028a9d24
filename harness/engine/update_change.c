/* SPDX-License-Identifier: Apache-2.0
 *
 * update_change: see update_change.h. Numbers follow MongoDB's rules: int32 grows to int64 when it
 * must, int64 overflow is an error, any double makes a double; a missing field counts as the operand
 * for $inc, $min and $max, and as 0 of the operand's type for $mul.
 */
#include "update_change.h"
#include "base.h"
#include "value.h"

#include <inttypes.h>
#include <string.h>

static bool check_date(const struct change *change, struct failure *failure)
{
    bson_iter_t iter;
    const bson_value_t *operand = &change->operand;
    if (operand->value_type == BSON_TYPE_BOOL)
        return true;
    if (operand->value_type == BSON_TYPE_DOCUMENT && value_open(operand, &iter) &&
        bson_iter_next(&iter) && strcmp(bson_iter_key(&iter), "$type") == 0 &&
        BSON_ITER_HOLDS_UTF8(&iter) &&
        (strcmp(bson_iter_utf8(&iter, NULL), "date") == 0 ||
         strcmp(bson_iter_utf8(&iter, NULL), "timestamp") == 0))
        return true;
    return failure_set(failure, FAILURE_BAD_VALUE,
                       "The '%s' field of $currentDate must be a boolean or {$type: 'date' or "
                       "'timestamp'}",
                       change->path);
}

/* Is the operand of $push {$each: [...]}? Fills in its array. */
static bool each_of(const bson_value_t *operand, bson_value_t *array)
{
    bson_iter_t iter;
    if (operand->value_type != BSON_TYPE_DOCUMENT || !value_open(operand, &iter) ||
        !bson_iter_find(&iter, "$each"))
        return false;
    *array = *bson_iter_value(&iter);
    return true;
}

static bool check_push(const struct change *change, struct failure *failure)
{
    bson_value_t array;
    bson_iter_t iter;
    if (!each_of(&change->operand, &array))
        return true;
    if (array.value_type != BSON_TYPE_ARRAY)
        return failure_set(failure, FAILURE_BAD_VALUE,
                           "The argument to $each in $push must be an array");
    for (value_open(&change->operand, &iter); bson_iter_next(&iter);)
        if (strcmp(bson_iter_key(&iter), "$each") != 0)
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "%s of $push is not implemented",
                               bson_iter_key(&iter));
    return true;
}

bool change_check(const struct change *change, struct failure *failure)
{
    switch (change->kind) {
    case CHANGE_INC:
    case CHANGE_MUL:
        if (change->operand.value_type == BSON_TYPE_DECIMAL128)
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "Decimal128 arithmetic is not implemented");
        if (!value_is_number(&change->operand))
            return failure_set(failure, FAILURE_TYPE_MISMATCH,
                               "Cannot %s with non-numeric argument: {%s: ...}",
                               change->kind == CHANGE_INC ? "increment" : "multiply", change->path);
        return true;
    case CHANGE_CURRENT_DATE:
        return check_date(change, failure);
    case CHANGE_PUSH:
        return check_push(change, failure);
    default:
        return true;
    }
}

static double real(const bson_value_t *value)
{
    return value->value_type == BSON_TYPE_DOUBLE  ? value->value.v_double
           : value->value_type == BSON_TYPE_INT32 ? value->value.v_int32
                                                  : (double)value->value.v_int64;
}

static int64_t whole(const bson_value_t *value)
{
    return value->value_type == BSON_TYPE_INT32 ? value->value.v_int32 : value->value.v_int64;
}

static bool arithmetic(const struct change *change, const struct change_place *place, bson_t *into,
                       struct failure *failure)
{
    const bson_value_t *a = place->old, *b = &change->operand;
    bool adding = change->kind == CHANGE_INC;
    bson_value_t zero = *b;
    if (a == NULL && adding)
        return bson_append_value(into, place->key, -1, b);
    if (a == NULL) {
        memset(&zero.value, 0, sizeof(zero.value));
        return bson_append_value(into, place->key, -1, &zero);
    }
    if (a->value_type == BSON_TYPE_DECIMAL128)
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                           "Decimal128 arithmetic is not implemented");
    if (!value_is_number(a))
        return failure_set(failure, FAILURE_TYPE_MISMATCH,
                           "Cannot apply %s to a value of non-numeric type. The field '%s' is not "
                           "a number",
                           adding ? "$inc" : "$mul", place->key);
    if (a->value_type == BSON_TYPE_DOUBLE || b->value_type == BSON_TYPE_DOUBLE)
        return bson_append_double(into, place->key, -1,
                                  adding ? real(a) + real(b) : real(a) * real(b));
    int64_t result;
    if (adding ? __builtin_add_overflow(whole(a), whole(b), &result)
               : __builtin_mul_overflow(whole(a), whole(b), &result))
        return failure_set(failure, FAILURE_BAD_VALUE,
                           "Failed to apply %s operations to current value ((NumberLong)%" PRId64
                           ") for '%s': the result does not fit",
                           adding ? "$inc" : "$mul", whole(a), place->key);
    bool is_long = a->value_type == BSON_TYPE_INT64 || b->value_type == BSON_TYPE_INT64 ||
                   result > INT32_MAX || result < INT32_MIN;
    return is_long ? bson_append_int64(into, place->key, -1, result)
                   : bson_append_int32(into, place->key, -1, (int32_t)result);
}

static bool pick(const struct change *change, const struct change_place *place, bson_t *into)
{
    const bson_value_t *kept = place->old;
    int order = kept != NULL ? value_compare(&change->operand, kept) : 0;
    if (kept == NULL || (change->kind == CHANGE_MIN ? order < 0 : order > 0))
        kept = &change->operand;
    return bson_append_value(into, place->key, -1, kept);
}

static bool set_date(const struct change *change, const struct update *update,
                     const struct change_place *place, bson_t *into)
{
    bson_iter_t iter;
    if (change->operand.value_type == BSON_TYPE_DOCUMENT && value_open(&change->operand, &iter) &&
        bson_iter_next(&iter) && strcmp(bson_iter_utf8(&iter, NULL), "timestamp") == 0)
        return bson_append_timestamp(into, place->key, -1, (uint32_t)(update->now_ms / 1000),
                                     (uint32_t)(update->now_ms % 1000) + 1);
    return bson_append_date_time(into, place->key, -1, update->now_ms);
}

static bool push(const struct change *change, const struct change_place *place, bson_t *into,
                 struct failure *failure)
{
    bson_value_t each;
    bson_iter_t iter;
    bson_t array;
    char key[16];
    const char *name;
    uint32_t next = 0;
    if (place->old != NULL && place->old->value_type != BSON_TYPE_ARRAY)
        return failure_set(failure, FAILURE_BAD_VALUE,
                           "The field '%s' must be an array but is of another type", place->key);
    bson_append_array_begin(into, place->key, -1, &array);
    if (place->old != NULL)
        for (value_open(place->old, &iter); bson_iter_next(&iter); next++)
            bson_append_iter(&array, NULL, -1, &iter);
    if (each_of(&change->operand, &each)) {
        for (value_open(&each, &iter); bson_iter_next(&iter); next++) {
            bson_uint32_to_string(next, &name, key, sizeof(key));
            bson_append_iter(&array, name, -1, &iter);
        }
    } else {
        bson_uint32_to_string(next, &name, key, sizeof(key));
        bson_append_value(&array, name, -1, &change->operand);
    }
    return bson_append_array_end(into, &array);
}

bool change_apply(const struct change *change, const struct update *update,
                  const struct change_place *place, bson_t *into, struct failure *failure)
{
    switch (change->kind) {
    case CHANGE_SET:
        return bson_append_value(into, place->key, -1, &change->operand);
    case CHANGE_SET_ON_INSERT:
        if (update->inserting)
            return bson_append_value(into, place->key, -1, &change->operand);
        return place->old == NULL || bson_append_value(into, place->key, -1, place->old);
    case CHANGE_UNSET:
        return !place->in_array || bson_append_null(into, place->key, -1);
    case CHANGE_INC:
    case CHANGE_MUL:
        return arithmetic(change, place, into, failure);
    case CHANGE_MIN:
    case CHANGE_MAX:
        return pick(change, place, into);
    case CHANGE_CURRENT_DATE:
        return set_date(change, update, place, into);
    default:
        must(change->kind == CHANGE_PUSH);
        return push(change, place, into, failure);
    }
}
