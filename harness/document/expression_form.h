/* SPDX-License-Identifier: Apache-2.0
 *
 * expression_form: how an expression is read, shared by its check (expression.c) and its evaluation
 * (expression_evaluate.c).
 */
#ifndef RACEBENCH_DOCUMENT_EXPRESSION_FORM_H
#define RACEBENCH_DOCUMENT_EXPRESSION_FORM_H

#include "element.h"
#include "expression.h"

enum operation { LITERAL, COND, IF_NULL, ADD, SUBTRACT, EQ, NE, GT, GTE, LT, LTE, AND, OR, NOT };

/* Finds an operation by its name, "$add"; false when there is none. */
bool operation_of(const char *name, enum operation *operation);

/* Is it {$operator: operand}? Gives that element, borrowed. */
bool operation_is(const bson_value_t *expression, struct element *operator);

/* The arguments of an operator: an array's elements, or the operand itself as the only one. */
struct arguments {
    struct elements rest;
    const bson_value_t *only;
};
struct arguments arguments_of(const bson_value_t *operand);
/* Takes the next one; false: there is none. */
bool arguments_next(struct arguments *, bson_value_t *value);

/* A sum or difference under way, zeroed at the start. A date plus numbers is a date, a date minus a
 * date a number; a sum of whole numbers that does not fit int64 becomes a double. */
struct sum {
    bool is_date, is_double, is_long;
    int64_t whole;    /* exact while nothing overflows */
    long double real; /* the same and what is not whole */
};
/* Adds (or subtracts) a number or a date; others are refused (14). */
bool sum_add(struct sum *, const bson_value_t *value, bool minus, struct failure *);
/* The sum as a value in `result` (missing before); false: a date that does not fit (15). */
bool sum_give(const struct sum *, struct expression_result *result, struct failure *);

#endif
