/* SPDX-License-Identifier: Apache-2.0
 *
 * expression: see expression.h. Evaluation by recursion, whose depth value_malformed() has bounded;
 * every intermediate result is a value of its own, so nothing points into a buffer that moves.
 */
#include "expression.h"
#include "base.h"
#include "value.h"

#include <string.h>

enum operation {
    OPERATION_LITERAL,
    OPERATION_COND,
    OPERATION_IF_NULL,
    OPERATION_ADD,
    OPERATION_SUBTRACT,
    OPERATION_EQ,
    OPERATION_NE,
    OPERATION_GT,
    OPERATION_GTE,
    OPERATION_LT,
    OPERATION_LTE,
    OPERATION_AND,
    OPERATION_OR,
    OPERATION_NOT,
    OPERATION_COUNT
};

static const char *const operation_names[OPERATION_COUNT] = {"$literal", "$cond",     "$ifNull",
                                                             "$add",     "$subtract", "$eq",
                                                             "$ne",      "$gt",       "$gte",
                                                             "$lt",      "$lte",      "$and",
                                                             "$or",      "$not"};

static enum operation operation_of(const char *name)
{
    int i = 0;
    while (i < OPERATION_COUNT && strcmp(name, operation_names[i]) != 0)
        i++;
    return (enum operation)i;
}

static int count(const bson_value_t *array)
{
    bson_iter_t iter;
    int elements = 0;
    for (value_open(array, &iter); bson_iter_next(&iter);)
        elements++;
    return elements;
}

/* Checking ----------------------------------------------------------------------------------- */

static bool check_variable(const char *text, struct failure *failure)
{
    if (strncmp(text, "$$", 2) != 0)
        return true;
    if (strcmp(text, "$$NOW") == 0 || strncmp(text, "$$ROOT", 6) == 0 ||
        strncmp(text, "$$CURRENT", 9) == 0)
        return true;
    if (strcmp(text, "$$REMOVE") == 0 || strcmp(text, "$$CLUSTER_TIME") == 0)
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "%s is not implemented", text);
    return failure_set(failure, (enum failure_code)17276, "Use of undefined variable: %s",
                       text + 2);
}

static bool check_arity(enum operation operation, const bson_value_t *operand,
                        struct failure *failure)
{
    const char *name = operation_names[operation];
    int arguments = operand->value_type == BSON_TYPE_ARRAY ? count(operand) : 1;
    bool fine = true;
    switch (operation) {
    case OPERATION_COND:
        if (operand->value_type == BSON_TYPE_DOCUMENT)
            return true;
        fine = arguments == 3;
        break;
    case OPERATION_SUBTRACT:
    case OPERATION_EQ:
    case OPERATION_NE:
    case OPERATION_GT:
    case OPERATION_GTE:
    case OPERATION_LT:
    case OPERATION_LTE:
        fine = arguments == 2;
        break;
    case OPERATION_IF_NULL:
        fine = arguments >= 2;
        break;
    case OPERATION_NOT:
        fine = arguments == 1;
        break;
    default:
        break;
    }
    return fine || failure_set(failure, (enum failure_code)16020,
                               "Expression %s takes a different number of arguments: %d were "
                               "passed in.",
                               name, arguments);
}

static bool check_each(const bson_value_t *container, struct failure *failure)
{
    bson_iter_t iter;
    for (value_open(container, &iter); bson_iter_next(&iter);)
        if (!expression_check(bson_iter_value(&iter), failure))
            return false;
    return true;
}

bool expression_check(const bson_value_t *expression, struct failure *failure)
{
    bson_iter_t iter;
    if (expression->value_type == BSON_TYPE_UTF8)
        return check_variable(expression->value.v_utf8.str, failure);
    if (expression->value_type == BSON_TYPE_ARRAY)
        return check_each(expression, failure);
    if (expression->value_type != BSON_TYPE_DOCUMENT)
        return true;
    if (!value_open(expression, &iter) || !bson_iter_next(&iter) || bson_iter_key(&iter)[0] != '$')
        return check_each(expression, failure); /* a document of expressions */
    const char *name = bson_iter_key(&iter);
    bson_value_t operand = *bson_iter_value(&iter);
    enum operation operation = operation_of(name);
    if (operation == OPERATION_COUNT)
        return failure_set(failure, FAILURE_INVALID_PIPELINE_OPERATOR,
                           "Unrecognized expression '%s'", name);
    if (bson_iter_next(&iter))
        return failure_set(failure, (enum failure_code)15983,
                           "An object representing an expression must have exactly one field");
    if (operation == OPERATION_LITERAL)
        return true;
    if (!check_arity(operation, &operand, failure))
        return false;
    return operand.value_type == BSON_TYPE_ARRAY || operand.value_type == BSON_TYPE_DOCUMENT
               ? check_each(&operand, failure)
               : expression_check(&operand, failure);
}

/* Evaluating --------------------------------------------------------------------------------- */

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

static void give_bool(bool truth, struct expression_result *result)
{
    bson_value_t value = {.value_type = BSON_TYPE_BOOL};
    value.value.v_bool = truth;
    give(&value, result);
}

void expression_result_reset(struct expression_result *result)
{
    if (!result->missing)
        bson_value_destroy(&result->value);
    result->missing = true;
}

static bool truthy(const struct expression_result *result)
{
    const bson_value_t *value = &result->value;
    if (result->missing || value->value_type == BSON_TYPE_NULL ||
        value->value_type == BSON_TYPE_UNDEFINED)
        return false;
    if (value->value_type == BSON_TYPE_BOOL)
        return value->value.v_bool;
    bson_value_t zero = {.value_type = BSON_TYPE_INT32};
    zero.value.v_int32 = 0;
    return !value_is_number(value) || value_compare(value, &zero) != 0;
}

static bool is_null(const struct expression_result *result)
{
    return result->missing || result->value.value_type == BSON_TYPE_NULL ||
           result->value.value_type == BSON_TYPE_UNDEFINED;
}

static bool evaluate_text(const struct scope *scope, const bson_value_t *expression,
                          struct expression_result *result)
{
    const char *text = expression->value.v_utf8.str;
    bson_value_t value;
    if (text[0] != '$') {
        give(expression, result);
        return true;
    }
    if (strcmp(text, "$$NOW") == 0) {
        value.value_type = BSON_TYPE_DATE_TIME;
        value.value.v_datetime = scope->now_ms;
        give(&value, result);
        return true;
    }
    const char *path = text + 1;
    if (path[0] == '$') { /* $$ROOT, $$ROOT.path, $$CURRENT.path */
        path = strchr(path, '.');
        if (path == NULL) {
            value.value_type = BSON_TYPE_DOCUMENT;
            value.value.v_doc.data = (uint8_t *)(uintptr_t)bson_get_data(scope->root);
            value.value.v_doc.data_len = scope->root->len;
            give(&value, result);
            return true;
        }
        path++;
    }
    result->missing = !value_at(scope->root, path, &value);
    if (!result->missing)
        give(&value, result);
    return true;
}

/* A document or array of expressions: each evaluated; fields that are missing are left out, array
 * elements become null. */
static bool evaluate_container(const struct scope *scope, const bson_value_t *expression,
                               struct expression_result *result)
{
    bson_iter_t iter;
    bson_t built = BSON_INITIALIZER;
    bool fine = true;
    for (value_open(expression, &iter); fine && bson_iter_next(&iter);) {
        struct expression_result part = {.missing = true};
        fine = evaluate(scope, bson_iter_value(&iter), &part);
        if (fine && !part.missing)
            bson_append_value(&built, bson_iter_key(&iter), -1, &part.value);
        else if (fine && expression->value_type == BSON_TYPE_ARRAY)
            bson_append_null(&built, bson_iter_key(&iter), -1);
        expression_result_reset(&part);
    }
    if (fine) {
        bson_value_t value = {.value_type = expression->value_type};
        value.value.v_doc.data = (uint8_t *)(uintptr_t)bson_get_data(&built);
        value.value.v_doc.data_len = built.len;
        give(&value, result);
    }
    bson_destroy(&built);
    return fine;
}

/* The n-th argument; an operand that is not an array is the only argument. */
static bool argument(const bson_value_t *operand, int n, bson_value_t *value)
{
    bson_iter_t iter;
    if (operand->value_type != BSON_TYPE_ARRAY) {
        *value = *operand;
        return n == 0;
    }
    for (value_open(operand, &iter); bson_iter_next(&iter);)
        if (n-- == 0) {
            *value = *bson_iter_value(&iter);
            return true;
        }
    return false;
}

static bool evaluate_condition(const struct scope *scope, const bson_value_t *operand,
                               struct expression_result *result)
{
    static const char *const parts[] = {"if", "then", "else"};
    bson_value_t branch[3];
    bson_t named;
    for (int i = 0; i < 3; i++) {
        bool found = operand->value_type == BSON_TYPE_DOCUMENT
                         ? bson_init_static(&named, operand->value.v_doc.data,
                                            operand->value.v_doc.data_len) &&
                               value_field(&named, parts[i], &branch[i])
                         : argument(operand, i, &branch[i]);
        if (!found)
            return failure_set(scope->failure, (enum failure_code)17080,
                               "Missing '%s' parameter to $cond", parts[i]);
    }
    struct expression_result test = {.missing = true};
    if (!evaluate(scope, &branch[0], &test))
        return false;
    bool truth = truthy(&test);
    expression_result_reset(&test);
    return evaluate(scope, &branch[truth ? 1 : 2], result);
}

static bool evaluate_if_null(const struct scope *scope, const bson_value_t *operand,
                             struct expression_result *result)
{
    bson_value_t next;
    for (int i = 0; argument(operand, i, &next); i++) {
        expression_result_reset(result);
        if (!evaluate(scope, &next, result))
            return false;
        if (!is_null(result))
            return true;
    }
    return true;
}

static bool evaluate_logic(const struct scope *scope, enum operation operation,
                           const bson_value_t *operand, struct expression_result *result)
{
    bool stop_at = operation == OPERATION_OR, truth = !stop_at;
    bson_value_t next;
    for (int i = 0; truth != stop_at && argument(operand, i, &next); i++) {
        struct expression_result part = {.missing = true};
        if (!evaluate(scope, &next, &part))
            return false;
        truth = truthy(&part);
        expression_result_reset(&part);
    }
    give_bool(operation == OPERATION_NOT ? !truth : truth, result);
    return true;
}

/* Missing sorts before everything else. */
static int compare(const struct expression_result *a, const struct expression_result *b)
{
    if (a->missing || b->missing)
        return (int)b->missing - (int)a->missing;
    return value_compare(&a->value, &b->value);
}

static bool evaluate_comparison(const struct scope *scope, enum operation operation,
                                const bson_value_t *operand, struct expression_result *result)
{
    bson_value_t left, right;
    struct expression_result a = {.missing = true}, b = {.missing = true};
    must(argument(operand, 0, &left) && argument(operand, 1, &right));
    bool fine = evaluate(scope, &left, &a) && evaluate(scope, &right, &b);
    if (fine) {
        int order = compare(&a, &b);
        bool truth =
            (operation == OPERATION_EQ && order == 0) ||
            (operation == OPERATION_NE && order != 0) || (operation == OPERATION_GT && order > 0) ||
            (operation == OPERATION_GTE && order >= 0) ||
            (operation == OPERATION_LT && order < 0) || (operation == OPERATION_LTE && order <= 0);
        give_bool(truth, result);
    }
    expression_result_reset(&a);
    expression_result_reset(&b);
    return fine;
}

/* A sum under way: a date plus numbers is a date. */
struct sum {
    bool is_date, is_double, is_long;
    int64_t whole;
    double real;
};

static bool add_value(const struct scope *scope, struct sum *sum, const bson_value_t *value,
                      int sign)
{
    int64_t whole = 0;
    if (value->value_type == BSON_TYPE_DATE_TIME) {
        if (sum->is_date && sign > 0)
            return failure_set(scope->failure, (enum failure_code)16612,
                               "only one date allowed in an $add expression");
        sum->is_date = sign > 0; /* a date minus a date is a number */
        sum->is_long = true;
        whole = value->value.v_datetime;
    } else if (value->value_type == BSON_TYPE_INT32) {
        whole = value->value.v_int32;
    } else if (value->value_type == BSON_TYPE_INT64) {
        sum->is_long = true;
        whole = value->value.v_int64;
    } else if (value->value_type == BSON_TYPE_DOUBLE) {
        sum->is_double = true;
        sum->real += sign * value->value.v_double;
        return true;
    } else {
        return failure_set(scope->failure, FAILURE_TYPE_MISMATCH,
                           "$add and $subtract only support numeric or date types");
    }
    sum->real += sign * (double)whole;
    if (sign > 0 ? __builtin_add_overflow(sum->whole, whole, &sum->whole)
                 : __builtin_sub_overflow(sum->whole, whole, &sum->whole))
        sum->is_double = true; /* as MongoDB does: an overflowing sum becomes a double */
    return true;
}

static void give_sum(const struct sum *sum, struct expression_result *result)
{
    bson_value_t value;
    if (sum->is_date) {
        value.value_type = BSON_TYPE_DATE_TIME;
        value.value.v_datetime = sum->is_double ? (int64_t)sum->real : sum->whole;
    } else if (sum->is_double) {
        value.value_type = BSON_TYPE_DOUBLE;
        value.value.v_double = sum->real;
    } else if (sum->is_long || sum->whole > INT32_MAX || sum->whole < INT32_MIN) {
        value.value_type = BSON_TYPE_INT64;
        value.value.v_int64 = sum->whole;
    } else {
        value.value_type = BSON_TYPE_INT32;
        value.value.v_int32 = (int32_t)sum->whole;
    }
    give(&value, result);
}

static bool evaluate_sum(const struct scope *scope, enum operation operation,
                         const bson_value_t *operand, struct expression_result *result)
{
    struct sum sum = {0};
    bson_value_t next;
    for (int i = 0; argument(operand, i, &next); i++) {
        struct expression_result part = {.missing = true};
        if (!evaluate(scope, &next, &part))
            return false;
        if (is_null(&part)) {
            bson_value_t null = {.value_type = BSON_TYPE_NULL};
            expression_result_reset(&part);
            give(&null, result);
            return true;
        }
        bool fine =
            add_value(scope, &sum, &part.value, operation == OPERATION_SUBTRACT && i > 0 ? -1 : 1);
        expression_result_reset(&part);
        if (!fine)
            return false;
    }
    give_sum(&sum, result);
    return true;
}

static bool evaluate(const struct scope *scope, const bson_value_t *expression,
                     struct expression_result *result)
{
    bson_iter_t iter;
    result->missing = true;
    if (expression->value_type == BSON_TYPE_UTF8)
        return evaluate_text(scope, expression, result);
    if (expression->value_type == BSON_TYPE_ARRAY)
        return evaluate_container(scope, expression, result);
    if (expression->value_type != BSON_TYPE_DOCUMENT) {
        give(expression, result);
        return true;
    }
    if (!value_open(expression, &iter) || !bson_iter_next(&iter) || bson_iter_key(&iter)[0] != '$')
        return evaluate_container(scope, expression, result);
    enum operation operation = operation_of(bson_iter_key(&iter));
    bson_value_t operand = *bson_iter_value(&iter);
    switch (operation) {
    case OPERATION_LITERAL:
        give(&operand, result);
        return true;
    case OPERATION_COND:
        return evaluate_condition(scope, &operand, result);
    case OPERATION_IF_NULL:
        return evaluate_if_null(scope, &operand, result);
    case OPERATION_ADD:
    case OPERATION_SUBTRACT:
        return evaluate_sum(scope, operation, &operand, result);
    case OPERATION_AND:
    case OPERATION_OR:
    case OPERATION_NOT:
        return evaluate_logic(scope, operation, &operand, result);
    default:
        return evaluate_comparison(scope, operation, &operand, result);
    }
}

bool expression_evaluate(const bson_value_t *expression, const bson_t *root, int64_t now_ms,
                         struct expression_result *result, struct failure *failure)
{
    struct scope scope = {root, now_ms, failure};
    result->missing = true;
    bool fine = evaluate(&scope, expression, result);
    if (!fine)
        expression_result_reset(result);
    return fine;
}
