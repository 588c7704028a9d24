/* SPDX-License-Identifier: Apache-2.0
 *
 * match: see match.h. A filter is read twice: match_check() once per command refuses what is wrong or
 * unknown, match() then runs over views of the documents and allocates nothing. A predicate on a path
 * is true when it holds for any value that the path reaches, or for an element of an array there;
 * $ne, $nin and $not are the exact negations of their opposites.
 */
#include "match.h"
#include "base.h"
#include "expression.h"
#include "value.h"

#include <string.h>

enum operator{
    OPERATOR_EQ,
    OPERATOR_NE,
    OPERATOR_GT,
    OPERATOR_GTE,
    OPERATOR_LT,
    OPERATOR_LTE,
    OPERATOR_IN,
    OPERATOR_NIN,
    OPERATOR_EXISTS,
    OPERATOR_NOT,
    OPERATOR_UNKNOWN
};

static const char *const operator_names[] = {"$eq",  "$ne", "$gt",  "$gte",    "$lt",
                                             "$lte", "$in", "$nin", "$exists", "$not"};

/* MongoDB knows these and this engine does not. */
static const char *const refused[] = {"$all",          "$bitsAllClear",  "$bitsAllSet",
                                      "$bitsAnyClear", "$bitsAnySet",    "$elemMatch",
                                      "$geoWithin",    "$geoIntersects", "$jsonSchema",
                                      "$mod",          "$near",          "$nearSphere",
                                      "$options",      "$regex",         "$size",
                                      "$text",         "$type",          "$where",
                                      "$sampleRate",   "$expr",          "$comment"};

static enum operator operator_of(const char *name)
{
    for (int i = 0; i < OPERATOR_UNKNOWN; i++)
        if (strcmp(name, operator_names[i]) == 0)
            return (enum operator)i;
    return OPERATOR_UNKNOWN;
}

static bool refuse(const char *name, struct failure *failure, const char *kind)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (strcmp(name, refused[i]) == 0)
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "%s is not implemented", name);
    return failure_set(failure, FAILURE_BAD_VALUE, "unknown %soperator: %s", kind, name);
}

/* Is this value {$operator: ...} and not a plain document? */
static bool is_predicate(const bson_value_t *value)
{
    bson_iter_t iter;
    return value->value_type == BSON_TYPE_DOCUMENT &&
           bson_iter_init_from_data(&iter, value->value.v_doc.data, value->value.v_doc.data_len) &&
           bson_iter_next(&iter) && bson_iter_key(&iter)[0] == '$';
}

/* Checking ----------------------------------------------------------------------------------- */

static bool check_predicate(const bson_value_t *predicate, struct failure *failure)
{
    bson_iter_t iter;
    for (value_open(predicate, &iter); bson_iter_next(&iter);) {
        const char *name = bson_iter_key(&iter);
        const bson_value_t *operand = bson_iter_value(&iter);
        switch (operator_of(name)) {
        case OPERATOR_UNKNOWN:
            return refuse(name, failure, "");
        case OPERATOR_IN:
        case OPERATOR_NIN:
            if (operand->value_type != BSON_TYPE_ARRAY)
                return failure_set(failure, FAILURE_BAD_VALUE, "%s needs an array", name);
            break;
        case OPERATOR_NOT:
            if (operand->value_type == BSON_TYPE_REGEX)
                return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "regex is not implemented");
            if (!is_predicate(operand))
                return failure_set(failure, FAILURE_BAD_VALUE,
                                   "$not needs a regex or a document with operators");
            if (!check_predicate(operand, failure)) /* nesting is bounded by value_malformed() */
                return false;
            break;
        default:
            if (operand->value_type == BSON_TYPE_REGEX)
                return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "regex is not implemented");
            break;
        }
    }
    return true;
}

static bool check_filter(bson_iter_t *iter, struct failure *failure);

static bool check_branches(const char *name, const bson_value_t *value, struct failure *failure)
{
    bson_iter_t branch, inside;
    int count = 0;
    if (value->value_type != BSON_TYPE_ARRAY)
        return failure_set(failure, FAILURE_BAD_VALUE, "%s must be an array", name);
    for (value_open(value, &branch); bson_iter_next(&branch); count++) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&branch))
            return failure_set(failure, FAILURE_BAD_VALUE, "%s entries need to be full objects",
                               name);
        bson_iter_recurse(&branch, &inside);
        if (!check_filter(&inside, failure))
            return false;
    }
    if (count == 0)
        return failure_set(failure, FAILURE_BAD_VALUE, "%s must be a nonempty array", name);
    return true;
}

static bool is_logical(const char *name)
{
    return strcmp(name, "$and") == 0 || strcmp(name, "$or") == 0 || strcmp(name, "$nor") == 0;
}

static bool check_filter(bson_iter_t *iter, struct failure *failure)
{
    while (bson_iter_next(iter)) {
        const char *name = bson_iter_key(iter);
        const bson_value_t *value = bson_iter_value(iter);
        bool fine = true;
        if (is_logical(name))
            fine = check_branches(name, value, failure);
        else if (strcmp(name, "$expr") == 0)
            fine = expression_check(value, failure);
        else if (strcmp(name, "$comment") == 0)
            fine = true;
        else if (name[0] == '$')
            fine = refuse(name, failure, "top level ");
        else if (value->value_type == BSON_TYPE_REGEX)
            fine = failure_set(failure, FAILURE_NOT_IMPLEMENTED, "regex is not implemented");
        else if (is_predicate(value))
            fine = check_predicate(value, failure);
        if (!fine)
            return false;
    }
    return true;
}

bool match_check(const bson_t *filter, struct failure *failure)
{
    bson_iter_t iter;
    bson_iter_init(&iter, filter);
    return check_filter(&iter, failure);
}

/* Matching ----------------------------------------------------------------------------------- */

/* Does one value satisfy a comparison? NULL: missing. */
static bool compare_one(enum operator operator, const bson_value_t * value,
                        const bson_value_t *operand)
{
    if (value == NULL || value->value_type == BSON_TYPE_UNDEFINED)
        return operand->value_type == BSON_TYPE_NULL &&
               (operator== OPERATOR_EQ || operator== OPERATOR_GTE || operator== OPERATOR_LTE);
    if (value_rank(value->value_type) != value_rank(operand->value_type))
        return false; /* ranges stay inside one canonical type */
    int order = value_compare(value, operand);
    switch (operator) {
    case OPERATOR_EQ:
        return order == 0;
    case OPERATOR_GT:
        return order > 0;
    case OPERATOR_GTE:
        return order >= 0;
    case OPERATOR_LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

/* One predicate against the values that a path reaches. */
struct probe {
    enum operator operator;
    const bson_value_t *operand;
    bool found;
};

static bool compare_any(const struct probe *probe, const bson_value_t *value)
{
    bson_iter_t element;
    if (probe->operator!= OPERATOR_IN)
        return compare_one(probe->operator, value, probe->operand);
    for (value_open(probe->operand, &element); bson_iter_next(&element);)
        if (compare_one(OPERATOR_EQ, value, bson_iter_value(&element)))
            return true;
    return false;
}

static bool visit(const bson_value_t *value, void *context)
{
    struct probe *probe = context;
    bson_iter_t element;
    probe->found = compare_any(probe, value);
    if (!probe->found && value != NULL && value->value_type == BSON_TYPE_ARRAY)
        for (value_open(value, &element); !probe->found && bson_iter_next(&element);)
            probe->found = compare_any(probe, bson_iter_value(&element));
    return !probe->found;
}

static bool visit_existing(const bson_value_t *value, void *context)
{
    struct probe *probe = context;
    probe->found = value != NULL;
    return !probe->found;
}

static bool holds(const bson_t *document, const char *path, enum operator operator,
                  const bson_value_t * operand)
{
    struct probe probe = {operator, operand, false};
    value_walk(document, path, operator== OPERATOR_EXISTS ? visit_existing : visit, &probe);
    return probe.found;
}

static bool truthy(const bson_value_t *value)
{
    return !(value->value_type == BSON_TYPE_NULL ||
             (value->value_type == BSON_TYPE_BOOL && !value->value.v_bool) ||
             (value->value_type == BSON_TYPE_INT32 && value->value.v_int32 == 0) ||
             (value->value_type == BSON_TYPE_INT64 && value->value.v_int64 == 0) ||
             (value->value_type == BSON_TYPE_DOUBLE && value->value.v_double == 0));
}

static bool match_predicate(const bson_t *document, const char *path, const bson_value_t *predicate)
{
    bson_iter_t iter;
    for (value_open(predicate, &iter); bson_iter_next(&iter);) {
        const bson_value_t *operand = bson_iter_value(&iter);
        enum operator operator= operator_of(bson_iter_key(&iter));
        bool fine;
        switch (operator) {
        case OPERATOR_NE:
            fine = !holds(document, path, OPERATOR_EQ, operand);
            break;
        case OPERATOR_NIN:
            fine = !holds(document, path, OPERATOR_IN, operand);
            break;
        case OPERATOR_EXISTS:
            fine = holds(document, path, operator, operand) == truthy(operand);
            break;
        case OPERATOR_NOT:
            fine = !match_predicate(document, path, operand);
            break;
        default:
            fine = holds(document, path, operator, operand);
        }
        if (!fine)
            return false;
    }
    return true;
}

/* A filter under way: what stays the same in all its branches. */
struct matching {
    const bson_t *document;
    int64_t now_ms;
    struct failure *failure;
};

static bool match_filter(const struct matching *matching, bson_iter_t *iter);

static bool match_branches(const struct matching *matching, const char *name,
                           const bson_value_t *value)
{
    bson_iter_t branch, inside;
    bool want_all = strcmp(name, "$and") == 0;
    for (value_open(value, &branch); bson_iter_next(&branch);) {
        bson_iter_recurse(&branch, &inside);
        if (match_filter(matching, &inside) != want_all)
            return strcmp(name, "$or") == 0; /* $or found one; $and missed one; $nor found one */
    }
    return strcmp(name, "$or") != 0;
}

static bool match_expression(const struct matching *matching, const bson_value_t *expression)
{
    struct expression_result result;
    if (!expression_evaluate(expression, matching->document, matching->now_ms, &result,
                             matching->failure))
        return false;
    bool fine = !result.missing && truthy(&result.value);
    expression_result_reset(&result);
    return fine;
}

static bool match_filter(const struct matching *matching, bson_iter_t *iter)
{
    while (bson_iter_next(iter)) {
        const char *name = bson_iter_key(iter);
        const bson_value_t *value = bson_iter_value(iter);
        bool fine;
        if (is_logical(name))
            fine = match_branches(matching, name, value);
        else if (strcmp(name, "$expr") == 0)
            fine = match_expression(matching, value);
        else if (strcmp(name, "$comment") == 0)
            fine = true;
        else if (is_predicate(value))
            fine = match_predicate(matching->document, name, value);
        else
            fine = holds(matching->document, name, OPERATOR_EQ, value);
        if (!fine)
            return false;
    }
    return true;
}

bool match(const bson_t *filter, const bson_t *document, int64_t now_ms, struct failure *failure)
{
    struct matching matching = {document, now_ms, failure};
    bson_iter_t iter;
    bson_iter_init(&iter, filter);
    return match_filter(&matching, &iter) && failure->code == FAILURE_NONE;
}

/* Equalities --------------------------------------------------------------------------------- */

/* The value that {field: value} or {field: {$eq: value}} demands; NULL when it demands no one. */
static bool demanded(const bson_value_t *condition, bson_value_t *value)
{
    bson_iter_t iter;
    if (!is_predicate(condition)) {
        *value = *condition;
        return condition->value_type != BSON_TYPE_REGEX;
    }
    for (value_open(condition, &iter); bson_iter_next(&iter);)
        if (strcmp(bson_iter_key(&iter), "$eq") == 0) {
            *value = *bson_iter_value(&iter);
            return true;
        }
    return false;
}

static bool find_equality(bson_iter_t *iter, const char *field, bson_value_t *value)
{
    while (bson_iter_next(iter)) {
        bson_iter_t branch, inside;
        if (strcmp(bson_iter_key(iter), field) == 0 && demanded(bson_iter_value(iter), value))
            return true;
        if (strcmp(bson_iter_key(iter), "$and") != 0 || !bson_iter_recurse(iter, &branch))
            continue;
        while (bson_iter_next(&branch))
            if (bson_iter_recurse(&branch, &inside) && find_equality(&inside, field, value))
                return true;
    }
    return false;
}

bool match_equality(const bson_t *filter, const char *field, bson_value_t *value)
{
    bson_iter_t iter;
    bson_iter_init(&iter, filter);
    return find_equality(&iter, field, value);
}

static bool seed_filter(bson_iter_t *iter, bson_t *seed, struct failure *failure)
{
    while (bson_iter_next(iter)) {
        const char *name = bson_iter_key(iter);
        bson_iter_t branch, inside, taken;
        bson_value_t value;
        if (strcmp(name, "$expr") == 0)
            return failure_set(failure, FAILURE_EXPRESSION_IN_UPSERT,
                               "$expr is not allowed in the query predicate for an upsert");
        if (strcmp(name, "$and") == 0 && bson_iter_recurse(iter, &branch)) {
            while (bson_iter_next(&branch))
                if (bson_iter_recurse(&branch, &inside) && !seed_filter(&inside, seed, failure))
                    return false;
        } else if (name[0] != '$' && demanded(bson_iter_value(iter), &value)) {
            if (bson_iter_init_find(&taken, seed, name))
                return failure_set(failure, FAILURE_BAD_VALUE,
                                   "cannot infer query fields to set, path '%s' is matched twice",
                                   name);
            bson_append_value(seed, name, -1, &value);
        }
    }
    return true;
}

bool match_upsert_seed(const bson_t *filter, bson_t *seed, struct failure *failure)
{
    bson_iter_t iter;
    bson_iter_init(&iter, filter);
    return seed_filter(&iter, seed, failure);
}
