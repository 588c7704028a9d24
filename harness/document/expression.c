/* SPDX-License-Identifier: Apache-2.0
 *
 * expression: see expression.h. The table of operators and the check of an expression's form, once
 * per command, so that evaluation (expression_evaluate.c) may rely on it. Codes and texts are those
 * of MongoDB's src/mongo/db/pipeline/expression.cpp.
 */
#include "expression.h"

#include "base.h"
#include "expression_form.h"
#include "path.h"
#include <string.h>

static const struct {
    const char *name;
    int least, most; /* arguments; most 0: any number */
} operations[] = {[LITERAL] = {"$literal", 0, 0},
                  [COND] = {"$cond", 3, 3},
                  [IF_NULL] = {"$ifNull", 2, 0},
                  [ADD] = {"$add", 0, 0},
                  [SUBTRACT] = {"$subtract", 2, 2},
                  [EQ] = {"$eq", 2, 2},
                  [NE] = {"$ne", 2, 2},
                  [GT] = {"$gt", 2, 2},
                  [GTE] = {"$gte", 2, 2},
                  [LT] = {"$lt", 2, 2},
                  [LTE] = {"$lte", 2, 2},
                  [AND] = {"$and", 0, 0},
                  [OR] = {"$or", 0, 0},
                  [NOT] = {"$not", 1, 1}};

bool operation_of(const char *name, enum operation *operation)
{
    for (size_t i = 0; i < COUNT_OF(operations); i++)
        if (strcmp(name, operations[i].name) == 0) {
            *operation = (enum operation)i;
            return true;
        }
    return false;
}

bool operation_is(const bson_value_t *expression, struct element *operator)
{
    struct elements fields = elements_of_value(expression);
    return expression->value_type == BSON_TYPE_DOCUMENT &&
           elements_next(&fields, operator) && operator->name[0] == '$';
}

struct arguments arguments_of(const bson_value_t *operand)
{
    if (operand->value_type == BSON_TYPE_ARRAY)
        return (struct arguments){elements_of_value(operand), NULL};
    return (struct arguments){.only = operand};
}

bool arguments_next(struct arguments *arguments, bson_value_t *value)
{
    struct element element;
    if (arguments->only != NULL) {
        *value = *arguments->only;
        arguments->only = NULL;
        return true;
    }
    if (!elements_next(&arguments->rest, &element))
        return false;
    element_value(&element, value);
    return true;
}

/* Checking ------------------------------------------------------------------------------------- */

static bool is_variable(const char *text, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(text, name, length) == 0;
}

static bool check_text(const char *text, struct failure *failure)
{
    if (text[0] != '$')
        return true;
    if (text[1] != '$')
        return path_check(text + 1, failure);
    const char *name = text + 2;
    size_t length = path_part(name);
    if (is_variable(name, length, "CLUSTER_TIME"))
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "$$CLUSTER_TIME is not implemented");
    if (!is_variable(name, length, "NOW") && !is_variable(name, length, "ROOT") &&
        !is_variable(name, length, "CURRENT") && !is_variable(name, length, "REMOVE"))
        return failure_set(failure, FAILURE_UNDEFINED_VARIABLE, "Use of undefined variable: %.*s",
                           (int)length, name);
    return name[length] == '\0' || path_check(name + length + 1, failure);
}

static bool check_each(const bson_value_t *container, struct failure *failure)
{
    struct elements elements = elements_of_value(container);
    struct element element;
    bson_value_t value;
    while (elements_next(&elements, &element)) {
        if (container->value_type == BSON_TYPE_DOCUMENT && element.name[0] == '$')
            return failure_set(failure, FAILURE_FIELD_PATH_DOLLAR,
                               "FieldPath field names may not start with '$'.");
        if (container->value_type == BSON_TYPE_DOCUMENT && strchr(element.name, '.') != NULL)
            return failure_set(failure, FAILURE_FIELD_NAME_DOTTED,
                               "FieldPath field names may not contain '.'.");
        element_value(&element, &value);
        if (!expression_check(&value, failure))
            return false;
    }
    return true;
}

static bool check_named_condition(const bson_value_t *operand, struct failure *failure)
{
    static const char *const names[] = {"if", "then", "else"};
    struct elements parts = elements_of_value(operand);
    struct element part;
    bool given[COUNT_OF(names)] = {false};
    while (elements_next(&parts, &part)) {
        size_t i = 0;
        while (i < COUNT_OF(names) && strcmp(part.name, names[i]) != 0)
            i++;
        if (i == COUNT_OF(names))
            return failure_set(failure, FAILURE_COND_UNKNOWN, "Unrecognized parameter to $cond: %s",
                               part.name);
        given[i] = true;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!given[i])
            return failure_set(failure, (enum failure_code)(FAILURE_COND_IF + (int)i),
                               "Missing '%s' parameter to $cond", names[i]);
    return check_each(operand, failure);
}

static bool check_arity(enum operation operation, const bson_value_t *operand,
                        struct failure *failure)
{
    int least = operations[operation].least, most = operations[operation].most, count = 0;
    struct arguments arguments = arguments_of(operand);
    bson_value_t value;
    while (arguments_next(&arguments, &value))
        count++;
    if (count >= least && (most == 0 || count <= most))
        return true;
    if (operation == IF_NULL)
        return failure_set(failure, FAILURE_IF_NULL_ARITY,
                           "$ifNull needs at least two arguments, had: %d", count);
    return failure_set(failure, FAILURE_ARITY,
                       "Expression %s takes exactly %d arguments. %d were passed in.",
                       operations[operation].name, least, count);
}

static bool check_operation(const bson_value_t *expression, struct failure *failure)
{
    struct elements fields = elements_of_value(expression);
    struct element operator, more;
    enum operation operation = LITERAL;
    bson_value_t operand;
    elements_next(&fields, &operator);
    if (elements_next(&fields, &more))
        return failure_set(failure, FAILURE_EXPRESSION_FORM,
                           "An object representing an expression must have exactly one field: "
                           "{%s, %s}",
                           operator.name, more.name);
    if (!operation_of(operator.name, &operation))
        return failure_set(failure, FAILURE_INVALID_PIPELINE_OPERATOR,
                           "Unrecognized expression '%s'", operator.name);
    element_value(&operator, & operand);
    if (operation == LITERAL)
        return true;
    if (operation == COND && operand.value_type == BSON_TYPE_DOCUMENT)
        return check_named_condition(&operand, failure);
    return check_arity(operation, &operand, failure) &&
           (operand.value_type == BSON_TYPE_ARRAY ? check_each(&operand, failure)
                                                  : expression_check(&operand, failure));
}

bool expression_check(const bson_value_t *expression, struct failure *failure)
{
    struct element operator;
    if (expression->value_type == BSON_TYPE_UTF8)
        return check_text(expression->value.v_utf8.str, failure);
    if (operation_is(expression, &operator))
        return check_operation(expression, failure);
    return check_each(expression, failure); /* nothing to see in what is no document or array */
}
