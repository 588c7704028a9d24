/* SPDX-License-Identifier: Apache-2.0
 *
 * match: see match.h. A filter is read twice: match_check() once per command refuses what is wrong
 * or unknown, match() then runs over views of the documents and allocates nothing. A predicate on a
 * path is true when it holds for any value that the path reaches (value_walk_query()); $ne, $nin
 * and $not are the exact negations of their opposites. Nesting of filters, and so recursion, is
 * bounded by value_malformed().
 *
 * Comparison across types follows MongoDB's ComparisonMatchExpression: only within one canonical
 * type, except that null equals missing and undefined and that MinKey and MaxKey bound all others.
 */
#include "match.h"

#include "base.h"
#include "element.h"
#include "expression.h"
#include "fields.h"
#include "filter.h"
#include "value.h"
#include <math.h>
#include <string.h>

enum comparison { EQ, NE, GT, GTE, LT, LTE, IN, NIN, EXISTS, NOT, SIZE, TYPE, ELEM_MATCH, UNKNOWN };

static const char *const comparison_names[UNKNOWN] = {"$eq",       "$ne",  "$gt",   "$gte",
                                                      "$lt",       "$lte", "$in",   "$nin",
                                                      "$exists",   "$not", "$size", "$type",
                                                      "$elemMatch"};

/* What MongoDB knows and this engine does not: in a predicate, and instead of a field. */
const char match_refused_predicates[] =
    "$regex $options $mod $all $bitsAllSet $bitsAllClear $bitsAnySet "
    "$bitsAnyClear $geoWithin $geoIntersects $near $nearSphere $within $ref $id $db";
const char match_refused_conditions[] =
    "$where $text $jsonSchema $sampleRate $alwaysTrue $alwaysFalse";

static enum comparison comparison_of(const char *name)
{
    int i = 0;
    while (i < UNKNOWN && strcmp(name, comparison_names[i]) != 0)
        i++;
    return (enum comparison)i;
}

bool filter_is_predicate(const struct element *value)
{
    return value->type == BSON_TYPE_DOCUMENT && value->size > 6 && value->data[5] == '$';
}

bool filter_is_logical(const char *name)
{
    return name[0] == '$' &&
           (strcmp(name, "$and") == 0 || strcmp(name, "$or") == 0 || strcmp(name, "$nor") == 0);
}

bool filter_has_expression(struct elements filter)
{
    struct element condition, branch;
    while (elements_next(&filter, &condition)) {
        struct elements branches = elements_of_element(&condition);
        if (strcmp(condition.name, "$expr") == 0)
            return true;
        while (filter_is_logical(condition.name) && elements_next(&branches, &branch))
            if (filter_has_expression(elements_of_element(&branch)))
                return true;
    }
    return false;
}

/* Checking ------------------------------------------------------------------------------------- */

static bool refuse_regex(struct failure *failure)
{
    return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "regular expressions are not implemented");
}

/* Does it speak of values ({$gt: 5}) and not of documents ({a: 5}, {$or: [...]})? */
static bool is_value_predicate(const struct element *predicate)
{
    const char *first = (const char *)predicate->data + 5;
    return filter_is_predicate(predicate) && !filter_is_logical(first);
}

static bool check_predicate(const char *path, struct elements predicate, struct failure *failure);

static bool check_list(const char *name, const struct element *operand, struct failure *failure)
{
    struct elements list = elements_of_element(operand);
    struct element one;
    if (operand->type != BSON_TYPE_ARRAY)
        return failure_set(failure, FAILURE_BAD_VALUE, "%s needs an array", name);
    while (elements_next(&list, &one)) {
        if (one.type == BSON_TYPE_REGEX)
            return refuse_regex(failure);
        if (filter_is_predicate(&one))
            return failure_set(failure, FAILURE_BAD_VALUE, "cannot nest $ under %s", name);
        if (one.type == BSON_TYPE_UNDEFINED)
            return failure_set(failure, FAILURE_BAD_VALUE, "cannot compare to undefined");
    }
    return true;
}

static bool check_comparison(const char *path, const struct element *operand,
                             struct failure *failure)
{
    enum comparison comparison = comparison_of(operand->name);
    if (operand->type == BSON_TYPE_UNDEFINED)
        return failure_set(failure, FAILURE_BAD_VALUE, "cannot compare to undefined");
    if (operand->type != BSON_TYPE_REGEX || comparison == EQ)
        return true;
    if (comparison == NE)
        return failure_set(failure, FAILURE_BAD_VALUE, "Can't have regex as arg to $ne.");
    return failure_set(failure, FAILURE_BAD_VALUE,
                       "Can't have RegEx as arg to predicate over field '%s'.", path);
}

/* Is it the type that $type names, by number, name, or all numbers' name? */
static bool is_type(bson_type_t type, const bson_value_t *name)
{
    int64_t number;
    if (name->value_type == BSON_TYPE_UTF8)
        return strcmp(name->value.v_utf8.str, fields_type_name(type)) == 0 ||
               (strcmp(name->value.v_utf8.str, "number") == 0 && element_types[type].rank == 10);
    return fields_integer(name, &number) && (number & 0xff) == (int64_t)type && number < 128;
}

static bool is_any_type(const bson_value_t *name)
{
    for (int i = 0; i < 256; i++)
        if (element_types[i].name != NULL && is_type((bson_type_t)i, name))
            return true;
    return false;
}

/* One type or a list: is one of them this type? With BSON_TYPE_EOD: are all of them types? */
static bool is_listed_type(bson_type_t type, const bson_value_t *names)
{
    bool checking = type == BSON_TYPE_EOD;
    struct elements list = elements_of_value(names);
    struct element element;
    bson_value_t name;
    if (names->value_type != BSON_TYPE_ARRAY)
        return checking ? is_any_type(names) : is_type(type, names);
    while (elements_next(&list, &element)) {
        element_value(&element, &name);
        if (checking ? !is_any_type(&name) : is_type(type, &name))
            return !checking;
    }
    return checking;
}

static bool check_filter(struct elements filter, struct failure *failure);

static bool check_array_predicate(const char *path, const struct element *operand,
                                  struct failure *failure)
{
    bson_value_t value;
    int64_t size;
    struct elements inside = elements_of_element(operand);
    element_value(operand, &value);
    switch (comparison_of(operand->name)) {
    case SIZE:
        return (fields_integer(&value, &size) && size >= 0) ||
               failure_set(failure, FAILURE_BAD_VALUE,
                           "Failed to parse $size. Expected a non-negative number");
    case TYPE:
        return is_listed_type(BSON_TYPE_EOD, &value) ||
               failure_set(failure, FAILURE_BAD_VALUE, "Unknown type name alias or type code");
    default:
        if (operand->type != BSON_TYPE_DOCUMENT)
            return failure_set(failure, FAILURE_BAD_VALUE, "$elemMatch needs an Object");
        if (filter_has_expression(inside))
            return failure_set(failure, FAILURE_BAD_VALUE,
                               "$expr can only be applied to the top-level document");
        return is_value_predicate(operand) ? check_predicate(path, inside, failure)
                                           : check_filter(inside, failure);
    }
}

static bool check_predicate(const char *path, struct elements predicate, struct failure *failure)
{
    struct element operand;
    while (elements_next(&predicate, &operand)) {
        bool fine = true;
        switch (comparison_of(operand.name)) {
        case UNKNOWN:
            if (words_contain(match_refused_predicates, operand.name))
                return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "%s is not implemented",
                                   operand.name);
            return failure_set(failure, FAILURE_BAD_VALUE, "unknown operator: %s", operand.name);
        case IN:
        case NIN:
            fine = check_list(operand.name, &operand, failure);
            break;
        case EXISTS:
            break;
        case SIZE:
        case TYPE:
        case ELEM_MATCH:
            fine = check_array_predicate(path, &operand, failure);
            break;
        case NOT:
            if (operand.type == BSON_TYPE_REGEX)
                return refuse_regex(failure);
            if (operand.type != BSON_TYPE_DOCUMENT)
                return failure_set(failure, FAILURE_BAD_VALUE, "$not needs a regex or a document");
            if (operand.size == 5)
                return failure_set(failure, FAILURE_BAD_VALUE, "$not cannot be empty");
            fine = check_predicate(path, elements_of_element(&operand), failure);
            break;
        default:
            fine = check_comparison(path, &operand, failure);
        }
        if (!fine)
            return false;
    }
    return true;
}

static bool check_branches(const struct element *logical, struct failure *failure)
{
    struct elements branches = elements_of_element(logical);
    struct element branch;
    if (logical->type != BSON_TYPE_ARRAY)
        return failure_set(failure, FAILURE_BAD_VALUE, "%s must be an array", logical->name);
    if (logical->size == 5)
        return failure_set(failure, FAILURE_BAD_VALUE, "$and/$or/$nor must be a nonempty array");
    while (elements_next(&branches, &branch)) {
        if (branch.type != BSON_TYPE_DOCUMENT)
            return failure_set(failure, FAILURE_BAD_VALUE,
                               "$or/$and/$nor entries need to be full objects");
        if (!check_filter(elements_of_element(&branch), failure))
            return false;
    }
    return true;
}

/* A condition whose name begins with a dollar. */
static bool check_condition(const struct element *condition, struct failure *failure)
{
    bson_value_t expression;
    if (strcmp(condition->name, "$comment") == 0)
        return true;
    if (strcmp(condition->name, "$expr") == 0) {
        element_value(condition, &expression);
        return expression_check(&expression, failure);
    }
    if (words_contain(match_refused_conditions, condition->name))
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "%s is not implemented",
                           condition->name);
    return failure_set(failure, FAILURE_BAD_VALUE,
                       "unknown top level operator: %s. If you have a field name that starts with "
                       "a '$' symbol, consider using $getField or $setField.",
                       condition->name);
}

static bool check_filter(struct elements filter, struct failure *failure)
{
    struct element condition;
    while (elements_next(&filter, &condition)) {
        bool fine = true;
        if (filter_is_logical(condition.name))
            fine = check_branches(&condition, failure);
        else if (condition.name[0] == '$')
            fine = check_condition(&condition, failure);
        else if (condition.type == BSON_TYPE_REGEX)
            fine = refuse_regex(failure);
        else if (filter_is_predicate(&condition))
            fine = check_predicate(condition.name, elements_of_element(&condition), failure);
        else if (condition.type == BSON_TYPE_UNDEFINED)
            fine = failure_set(failure, FAILURE_BAD_VALUE, "cannot compare to undefined");
        if (!fine)
            return false;
    }
    return true;
}

bool match_check(const bson_t *filter, struct failure *failure)
{
    return check_filter(elements_of(filter), failure);
}

/* Matching ------------------------------------------------------------------------------------- */

static bool is_nan(const bson_value_t *value)
{
    return value->value_type == BSON_TYPE_DOUBLE && isnan(value->value.v_double);
}

/* Values of different canonical types; NULL: missing. */
static bool holds_across_types(enum comparison comparison, const bson_value_t *value,
                               const bson_value_t *operand)
{
    bool nothing = value == NULL || value->value_type == BSON_TYPE_UNDEFINED;
    if (operand->value_type == BSON_TYPE_NULL)
        return nothing && (comparison == EQ || comparison == GTE || comparison == LTE);
    if (operand->value_type == BSON_TYPE_MAXKEY)
        return comparison == LT || comparison == LTE;
    if (operand->value_type == BSON_TYPE_MINKEY)
        return comparison == GT || comparison == GTE;
    return false;
}

/* Does one value satisfy $eq, $gt, $gte, $lt or $lte? */
static bool holds_for(enum comparison comparison, const bson_value_t *value,
                      const bson_value_t *operand)
{
    if (value == NULL || value_rank(value->value_type) != value_rank(operand->value_type))
        return holds_across_types(comparison, value, operand);
    if (is_nan(value) || is_nan(operand)) /* equal to itself, neither less nor greater than any */
        return comparison != GT && comparison != LT && is_nan(value) && is_nan(operand);
    int order = value_compare(value, operand);
    switch (comparison) {
    case GT:
        return order > 0;
    case GTE:
        return order >= 0;
    case LT:
        return order < 0;
    case LTE:
        return order <= 0;
    default:
        return order == 0;
    }
}

/* One predicate against the values that a path reaches. */
struct probe {
    const struct element *predicate;
    bson_value_t operand;
    struct elements list; /* of $in */
    enum comparison comparison;
    bool found;
};

static bool probe_list(const struct probe *probe, const bson_value_t *value)
{
    struct elements list = probe->list;
    struct element one;
    bson_value_t operand;
    while (elements_next(&list, &one)) {
        element_value(&one, &operand);
        if (holds_for(EQ, value, &operand))
            return true;
    }
    return false;
}

/* An array with so many elements ($size), or with one that satisfies ($elemMatch). */
__attribute__((noinline)) static bool probe_array(const struct probe *probe,
                                                  const bson_value_t *value)
{
    struct elements array = {0};
    struct element element;
    int64_t size = 0, count = 0;
    if (value == NULL || value->value_type != BSON_TYPE_ARRAY)
        return false;
    for (array = elements_of_value(value); elements_next(&array, &element); count++)
        if (probe->comparison == ELEM_MATCH && match_element(probe->predicate, &element, true))
            return true;
    return probe->comparison == SIZE && fields_integer(&probe->operand, &size) && size == count;
}

static bool probe_value(const bson_value_t *value, void *context)
{
    struct probe *probe = context;
    if (probe->comparison == EXISTS)
        probe->found = value != NULL;
    else if (probe->comparison == IN)
        probe->found = probe_list(probe, value);
    else if (probe->comparison == TYPE)
        probe->found = value != NULL && is_listed_type(value->value_type, &probe->operand);
    else if (probe->comparison == SIZE || probe->comparison == ELEM_MATCH)
        probe->found = probe_array(probe, value);
    else
        probe->found = holds_for(probe->comparison, value, &probe->operand);
    return !probe->found;
}

/* Where a predicate is looked for: at a path. */
struct place {
    const bson_t *document;
    const char *path;
    bool whole; /* an array there is one value: its elements are not asked */
};

/* $ne and $nin are asked as $eq and $in and turned round by the caller. */
__attribute__((noinline)) static bool holds(const struct place *place, enum comparison comparison,
                                            const struct element *operand)
{
    struct probe probe = {.comparison = comparison, .predicate = operand};
    element_value(operand, &probe.operand);
    if (comparison == IN)
        probe.list = elements_of_element(operand);
    if (place->whole || comparison == SIZE || comparison == ELEM_MATCH)
        value_walk(place->document, place->path, probe_value, &probe);
    else
        value_walk_query(place->document, place->path, probe_value, &probe);
    return probe.found;
}

__attribute__((noinline)) static bool exists_as_told(const struct place *place,
                                                     const struct element *operand)
{
    bson_value_t wanted;
    element_value(operand, &wanted);
    return holds(place, EXISTS, operand) == value_is_true(&wanted);
}

static bool match_predicate(const struct place *place, struct elements predicate)
{
    struct element operand;
    while (elements_next(&predicate, &operand)) {
        enum comparison comparison = comparison_of(operand.name);
        bool fine;
        switch (comparison) {
        case NE:
            fine = !holds(place, EQ, &operand);
            break;
        case NIN:
            fine = !holds(place, IN, &operand);
            break;
        case EXISTS:
            fine = exists_as_told(place, &operand);
            break;
        case NOT:
            fine = !match_predicate(place, elements_of_element(&operand));
            break;
        default:
            fine = holds(place, comparison, &operand);
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
    bool failed; /* an expression could not be evaluated: no negation makes that a match */
};

static bool match_filter(struct matching *matching, struct elements filter);

static bool match_branches(struct matching *matching, const struct element *logical)
{
    struct elements branches = elements_of_element(logical);
    struct element branch;
    bool all = logical->name[1] == 'a', none = logical->name[1] == 'n';
    while (elements_next(&branches, &branch))
        if (match_filter(matching, elements_of_element(&branch)) != all)
            return !all && !none; /* $and met a miss, $or and $nor a hit */
    return all || none;
}

__attribute__((noinline)) static bool match_expression(struct matching *matching,
                                                       const struct element *condition)
{
    struct expression_result result;
    bson_value_t expression;
    element_value(condition, &expression);
    if (!expression_evaluate(&expression, matching->document, matching->now_ms, &result,
                             matching->failure)) {
        matching->failed = true;
        return false;
    }
    bool truth = value_is_true(result.missing ? NULL : &result.value);
    expression_result_reset(&result);
    return truth;
}

static bool match_filter(struct matching *matching, struct elements filter)
{
    struct element condition;
    while (elements_next(&filter, &condition)) {
        bool fine = true;
        const struct place place = {matching->document, condition.name, false};
        if (condition.name[0] != '$')
            fine = filter_is_predicate(&condition)
                       ? match_predicate(&place, elements_of_element(&condition))
                       : holds(&place, EQ, &condition);
        else if (filter_is_logical(condition.name))
            fine = match_branches(matching, &condition);
        else if (strcmp(condition.name, "$expr") == 0)
            fine = match_expression(matching, &condition);
        if (!fine || matching->failed)
            return false;
    }
    return true;
}

bool match_element(const struct element *condition, const struct element *element, bool whole)
{
    bson_t view = BSON_INITIALIZER;
    bson_value_t value, operand;
    element_value(element, &value);
    if (is_value_predicate(condition)) {
        value_append(&view, "v", 1, &value);
        bool found =
            match_predicate(&(struct place){&view, "v", whole}, elements_of_element(condition));
        bson_destroy(&view);
        return found;
    }
    if (condition->type == BSON_TYPE_DOCUMENT) {
        struct matching matching = {.document = &view};
        return element_is_container(element) &&
               bson_init_static(&view, element->data, element->size) &&
               match_filter(&matching, elements_of_element(condition));
    }
    element_value(condition, &operand);
    return value_compare(&value, &operand) == 0;
}

bool match_check_element(const struct element *condition, struct failure *failure)
{
    struct element operand = *condition;
    if (condition->type == BSON_TYPE_REGEX)
        return refuse_regex(failure);
    operand.name = "$elemMatch";
    return condition->type != BSON_TYPE_DOCUMENT ||
           check_array_predicate(condition->name, &operand, failure);
}

bool match(const bson_t *filter, const bson_t *document, int64_t now_ms, struct failure *failure)
{
    struct matching matching = {document, now_ms, failure, false};
    return match_filter(&matching, elements_of(filter)) && !matching.failed;
}
