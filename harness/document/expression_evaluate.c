/* SPDX-License-Identifier: Apache-2.0
 *
 * expression_evaluate: see expression.h. Evaluation by recursion, as deep as the expression nests,
 * which value_malformed() has bounded; it runs on fibers of 64 KiB, so that each operator is a
 * function of its own whose locals are not on the stack of the others. Every result is a value of
 * its own (numbers, dates and truths cost no allocation), so that nothing points into what has
 * gone.
 */
#include "expression.h"

#include "base.h"
#include "expression_form.h"
#include "fields.h"
#include "path.h"
#include "value.h"
#include <math.h>
#include <string.h>

#define OWN_FRAME __attribute__((noinline))

/* What stays the same in a whole expression. */
struct scope {
    const bson_t *root;
    int64_t now_ms;
    struct failure *failure;
};

static bool evaluate(const struct scope *scope, const bson_value_t *expression,
                     struct expression_result *result);

static void give(const bson_value_t *value, struct expression_result *result)
{
    result->missing = false;
    bson_value_copy(value, &result->value);
}

static void give_element(const struct element *element, struct expression_result *result)
{
    bson_value_t value;
    element_value(element, &value);
    give(&value, result);
}

static void give_truth(bool truth, struct expression_result *result)
{
    result->missing = false;
    result->value.value_type = BSON_TYPE_BOOL;
    result->value.value.v_bool = truth;
}

static void give_date(int64_t milliseconds, struct expression_result *result)
{
    result->missing = false;
    result->value.value_type = BSON_TYPE_DATE_TIME;
    result->value.value.v_datetime = milliseconds;
}

/* The bytes of a document or array. */
static void give_bytes(bson_type_t type, const uint8_t *bytes, size_t length,
                       struct expression_result *result)
{
    bson_value_t value = {.value_type = type};
    value.value.v_doc.data = (uint8_t *)(uintptr_t)bytes;
    value.value.v_doc.data_len = (uint32_t)length;
    give(&value, result);
}

void expression_result_reset(struct expression_result *result)
{
    if (!result->missing)
        bson_value_destroy(&result->value);
    result->missing = true;
}

static bool is_true(const struct expression_result *result)
{
    return value_is_true(result->missing ? NULL : &result->value);
}

static bool is_null(const struct expression_result *result)
{
    return result->missing || result->value.value_type == BSON_TYPE_NULL ||
           result->value.value_type == BSON_TYPE_UNDEFINED;
}

static void take_path(struct elements document, const char *path, struct expression_result *result);

/* The path in each element that is a document, as an array. */
OWN_FRAME static void take_from_each(struct elements array, const char *path,
                                     struct expression_result *result)
{
    struct buffer out = {0};
    struct element element;
    uint32_t count = 0;
    size_t begun = document_begin(&out);
    while (elements_next(&array, &element)) {
        struct expression_result one = {.missing = true};
        if (element.type == BSON_TYPE_DOCUMENT)
            take_path(elements_of_element(&element), path, &one);
        if (!one.missing) {
            char text[16];
            const char *name;
            size_t length = bson_uint32_to_string(count++, &name, text, sizeof text);
            element_write_value(&out, name, length, &one.value);
        }
        expression_result_reset(&one);
    }
    document_end(&out, begun);
    give_bytes(BSON_TYPE_ARRAY, out.bytes, out.length, result);
    buffer_release(&out);
}

static void take_path(struct elements document, const char *path, struct expression_result *result)
{
    struct element element;
    for (;;) {
        size_t length = path_part(path);
        if (!elements_find(document, path, length, &element))
            return;
        if (path[length] == '\0') {
            give_element(&element, result);
            return;
        }
        path += length + 1;
        document = elements_of_element(&element);
        if (element.type == BSON_TYPE_ARRAY) {
            take_from_each(document, path, result);
            return;
        }
    }
}

/* A text: itself, a path or a variable. `result` is missing until something is given. */
OWN_FRAME static void evaluate_text(const struct scope *scope, const bson_value_t *expression,
                                    struct expression_result *result)
{
    const char *text = expression->value.v_utf8.str;
    if (text[0] != '$') {
        give(expression, result);
    } else if (text[1] != '$') {
        take_path(elements_of(scope->root), text + 1, result);
    } else if (text[2] == 'N') { /* $$NOW; a path below a date finds nothing */
        if (strchr(text, '.') == NULL)
            give_date(scope->now_ms, result);
    } else if (text[2] == 'R' && text[3] == 'E') {
        return; /* $$REMOVE */
    } else {    /* $$ROOT, $$CURRENT */
        const char *dot = strchr(text, '.');
        if (dot != NULL)
            take_path(elements_of(scope->root), dot + 1, result);
        else
            give_bytes(BSON_TYPE_DOCUMENT, bson_get_data(scope->root), scope->root->len, result);
    }
}

/* Evaluates one field of a document, or element of an array, of expressions and appends it. */
OWN_FRAME static bool evaluate_part(const struct scope *scope, const struct element *part,
                                    bool in_array, struct buffer *out)
{
    static const bson_value_t null = {.value_type = BSON_TYPE_NULL};
    struct expression_result result = {.missing = true};
    bson_value_t expression;
    element_value(part, &expression);
    if (!evaluate(scope, &expression, &result))
        return false;
    if (!result.missing || in_array)
        element_write_value(out, part->name, part->name_length,
                            result.missing ? &null : &result.value);
    expression_result_reset(&result);
    return true;
}

/* A document or array of expressions: missing fields are left out, missing elements become null. */
OWN_FRAME static bool evaluate_container(const struct scope *scope, const bson_value_t *expression,
                                         struct expression_result *result)
{
    struct elements parts = elements_of_value(expression);
    struct element part;
    struct buffer out = {0};
    bool fine = true;
    size_t begun = document_begin(&out);
    while (fine && elements_next(&parts, &part))
        fine = evaluate_part(scope, &part, expression->value_type == BSON_TYPE_ARRAY, &out) &&
               expression_fits(out.length, scope->failure);
    document_end(&out, begun);
    if (fine)
        give_bytes(expression->value_type, out.bytes, out.length, result);
    buffer_release(&out);
    return fine;
}

/* The n-th part of $cond, by name or by place. */
static void condition_part(const bson_value_t *operand, int n, bson_value_t *part)
{
    static const char *const names[] = {"if", "then", "else"};
    struct arguments arguments = arguments_of(operand);
    struct element element;
    if (operand->value_type == BSON_TYPE_DOCUMENT) {
        must(elements_find(elements_of_value(operand), names[n], strlen(names[n]), &element));
        element_value(&element, part);
        return;
    }
    for (int i = 0; i <= n; i++)
        must(arguments_next(&arguments, part));
}

OWN_FRAME static bool evaluate_condition(const struct scope *scope, const bson_value_t *operand,
                                         struct expression_result *result)
{
    bson_value_t part;
    condition_part(operand, 0, &part);
    if (!evaluate(scope, &part, result))
        return false;
    bool truth = is_true(result);
    expression_result_reset(result);
    condition_part(operand, truth ? 1 : 2, &part);
    return evaluate(scope, &part, result);
}

OWN_FRAME static bool evaluate_if_null(const struct scope *scope, const bson_value_t *operand,
                                       struct expression_result *result)
{
    struct arguments arguments = arguments_of(operand);
    bson_value_t argument;
    do {
        expression_result_reset(result);
        if (!arguments_next(&arguments, &argument))
            return true;
        if (!evaluate(scope, &argument, result))
            return false;
    } while (is_null(result) && arguments.rest.at != arguments.rest.end);
    return true;
}

OWN_FRAME static bool evaluate_logic(const struct scope *scope, enum operation operation,
                                     const bson_value_t *operand, struct expression_result *result)
{
    struct arguments arguments = arguments_of(operand);
    bson_value_t argument;
    bool stop_at = operation == OR, truth = !stop_at;
    while (truth != stop_at && arguments_next(&arguments, &argument)) {
        if (!evaluate(scope, &argument, result))
            return false;
        truth = is_true(result);
        expression_result_reset(result);
    }
    give_truth(operation == NOT ? !truth : truth, result);
    return true;
}

/* Missing sorts before everything else. */
static int compare(const struct expression_result *a, const struct expression_result *b)
{
    if (a->missing || b->missing)
        return (int)b->missing - (int)a->missing;
    return value_compare(&a->value, &b->value);
}

static bool is_order(enum operation operation, int order)
{
    switch (operation) {
    case EQ:
        return order == 0;
    case NE:
        return order != 0;
    case GT:
        return order > 0;
    case GTE:
        return order >= 0;
    case LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

OWN_FRAME static bool evaluate_comparison(const struct scope *scope, enum operation operation,
                                          const bson_value_t *operand,
                                          struct expression_result *result)
{
    struct arguments arguments = arguments_of(operand);
    struct expression_result left = {.missing = true}, right = {.missing = true};
    bson_value_t argument;
    must(arguments_next(&arguments, &argument));
    if (!evaluate(scope, &argument, &left))
        return false;
    must(arguments_next(&arguments, &argument));
    bool fine = evaluate(scope, &argument, &right);
    if (fine)
        give_truth(is_order(operation, compare(&left, &right)), result);
    expression_result_reset(&left);
    expression_result_reset(&right);
    return fine;
}

static bool add_date(struct sum *sum, bool minus, struct failure *failure)
{
    if (sum->is_date && !minus)
        return failure_set(failure, FAILURE_TWO_DATES,
                           "only one date allowed in an $add "
                           "expression");
    if (minus && !sum->is_date)
        return failure_set(failure, FAILURE_TYPE_MISMATCH, "can't $subtract date from a number");
    sum->is_date = !minus;
    sum->is_long = true;
    return true;
}

OWN_FRAME bool sum_add(struct sum *sum, const bson_value_t *value, bool minus,
                       struct failure *failure)
{
    int64_t whole = 0;
    switch ((int)value->value_type) {
    case BSON_TYPE_DOUBLE:
        sum->is_double = true;
        sum->real += minus ? -value->value.v_double : value->value.v_double;
        return true;
    case BSON_TYPE_INT32:
        whole = value->value.v_int32;
        break;
    case BSON_TYPE_INT64:
        whole = value->value.v_int64;
        sum->is_long = true;
        break;
    case BSON_TYPE_DATE_TIME:
        whole = value->value.v_datetime;
        if (!add_date(sum, minus, failure))
            return false;
        break;
    case BSON_TYPE_DECIMAL128:
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                           "Decimal128 arithmetic is not implemented");
    default:
        return failure_set(failure, FAILURE_TYPE_MISMATCH,
                           "$add and $subtract only support numeric or date types, not %s",
                           fields_type_name(value->value_type));
    }
    sum->real += minus ? -(long double)whole : (long double)whole;
    if (minus ? __builtin_sub_overflow(sum->whole, whole, &sum->whole)
              : __builtin_add_overflow(sum->whole, whole, &sum->whole))
        sum->is_double = true; /* as in MongoDB, whose long sum becomes a double */
    return true;
}

bool sum_give(const struct sum *sum, struct expression_result *result, struct failure *failure)
{
    bson_value_t *value = &result->value;
    if (sum->is_date) {
        if (!(fabsl(sum->real) < 0x1p63L))
            return failure_set(failure, FAILURE_OVERFLOW, "date overflow");
        give_date(sum->is_double ? (int64_t)llroundl(sum->real) : sum->whole, result);
        return true;
    }
    result->missing = false;
    if (sum->is_double) {
        value->value_type = BSON_TYPE_DOUBLE;
        value->value.v_double = (double)sum->real;
    } else if (sum->is_long || sum->whole > INT32_MAX || sum->whole < INT32_MIN) {
        value->value_type = BSON_TYPE_INT64;
        value->value.v_int64 = sum->whole;
    } else {
        value->value_type = BSON_TYPE_INT32;
        value->value.v_int32 = (int32_t)sum->whole;
    }
    return true;
}

OWN_FRAME static bool evaluate_sum(const struct scope *scope, enum operation operation,
                                   const bson_value_t *operand, struct expression_result *result)
{
    struct arguments arguments = arguments_of(operand);
    struct sum sum = {0};
    bson_value_t argument;
    bool minus = false;
    while (arguments_next(&arguments, &argument)) {
        if (!evaluate(scope, &argument, result))
            return false;
        if (is_null(result)) {
            expression_result_reset(result);
            result->missing = false;
            result->value.value_type = BSON_TYPE_NULL;
            return true;
        }
        bool fine = sum_add(&sum, &result->value, minus, scope->failure);
        expression_result_reset(result);
        if (!fine)
            return false;
        minus = operation == SUBTRACT;
    }
    return sum_give(&sum, result, scope->failure);
}

/* `result` is missing at the start, and again after a failure. */
static bool evaluate(const struct scope *scope, const bson_value_t *expression,
                     struct expression_result *result)
{
    struct element operator;
    bson_value_t operand;
    enum operation operation = LITERAL;
    if (expression->value_type == BSON_TYPE_UTF8) {
        evaluate_text(scope, expression, result);
        return true;
    }
    if (expression->value_type != BSON_TYPE_DOCUMENT && expression->value_type != BSON_TYPE_ARRAY) {
        give(expression, result);
        return true;
    }
    if (!operation_is(expression, &operator))
        return evaluate_container(scope, expression, result);
    must(operation_of(operator.name, &operation));
    element_value(&operator, & operand);
    switch (operation) {
    case LITERAL:
        give(&operand, result);
        return true;
    case COND:
        return evaluate_condition(scope, &operand, result);
    case IF_NULL:
        return evaluate_if_null(scope, &operand, result);
    case ADD:
    case SUBTRACT:
        return evaluate_sum(scope, operation, &operand, result);
    case AND:
    case OR:
    case NOT:
        return evaluate_logic(scope, operation, &operand, result);
    default:
        return evaluate_comparison(scope, operation, &operand, result);
    }
}

static bool is_too_deep(const bson_value_t *value)
{
    return (value->value_type == BSON_TYPE_DOCUMENT || value->value_type == BSON_TYPE_ARRAY) &&
           value_malformed(value->value.v_doc.data, value->value.v_doc.data_len);
}

bool expression_evaluate(const bson_value_t *expression, const bson_t *root, int64_t now_ms,
                         struct expression_result *result, struct failure *failure)
{
    struct scope scope = {root, now_ms, failure};
    result->missing = true;
    if (!evaluate(&scope, expression, result))
        return false;
    if (expression->value_type == BSON_TYPE_UTF8 || result->missing || !is_too_deep(&result->value))
        return true; /* what a text gives is in the document already */
    expression_result_reset(result);
    return failure_set(failure, FAILURE_OVERFLOW, "the result nests deeper than %d levels",
                       VALUE_DEPTH_MAX);
}

bool expression_fits(size_t bytes, struct failure *failure)
{
    return bytes <= DOCUMENT_BYTES_MAX ||
           failure_set(failure, FAILURE_OBJECT_TOO_LARGE,
                       "BSONObj size: %zu is invalid. Size must be between 0 and %d", bytes,
                       DOCUMENT_BYTES_MAX);
}
