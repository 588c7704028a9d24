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
#include "update.h"
#include "value.h"
#include <math.h>
#include <string.h>

enum comparison { EQ, NE, GT, GTE, LT, LTE, IN, NIN, EXISTS, NOT, COMPARISON_COUNT };

static const char *const comparison_names[COMPARISON_COUNT] = {"$eq",     "$ne",  "$gt", "$gte",
                                                               "$lt",     "$lte", "$in", "$nin",
                                                               "$exists", "$not"};

/* What MongoDB knows and this engine does not: in a predicate, and instead of a field. */
static const char refused_predicates[] =
    "$regex $options $elemMatch $size $type $mod $all $bitsAllSet $bitsAllClear $bitsAnySet "
    "$bitsAnyClear $geoWithin $geoIntersects $near $nearSphere $within $ref $id $db";
static const char refused_conditions[] =
    "$where $text $jsonSchema $sampleRate $alwaysTrue $alwaysFalse";

static enum comparison comparison_of(const char *name)
{
    int i = 0;
    while (i < COMPARISON_COUNT && strcmp(name, comparison_names[i]) != 0)
        i++;
    return (enum comparison)i;
}

/* Is this value {$operator: ...} and not a plain document? The first name decides. */
static bool is_predicate(const struct element *value)
{
    return value->type == BSON_TYPE_DOCUMENT && value->size > 6 && value->data[5] == '$';
}

static bool is_logical(const char *name)
{
    return strcmp(name, "$and") == 0 || strcmp(name, "$or") == 0 || strcmp(name, "$nor") == 0;
}

/* Checking ------------------------------------------------------------------------------------- */

static bool refuse_regex(struct failure *failure)
{
    return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "regular expressions are not implemented");
}

static bool check_list(const char *name, const struct element *operand, struct failure *failure)
{
    struct elements list = elements_of_element(operand);
    struct element one;
    if (operand->type != BSON_TYPE_ARRAY)
        return failure_set(failure, FAILURE_BAD_VALUE, "%s needs an array", name);
    while (elements_next(&list, &one)) {
        if (one.type == BSON_TYPE_REGEX)
            return refuse_regex(failure);
        if (is_predicate(&one))
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

static bool check_predicate(const char *path, struct elements predicate, struct failure *failure)
{
    struct element operand;
    while (elements_next(&predicate, &operand)) {
        bool fine = true;
        switch (comparison_of(operand.name)) {
        case COMPARISON_COUNT:
            if (words_contain(refused_predicates, operand.name))
                return failure_set(failure, FAILURE_NOT_IMPLEMENTED, "%s is not implemented",
                                   operand.name);
            return failure_set(failure, FAILURE_BAD_VALUE, "unknown operator: %s", operand.name);
        case IN:
        case NIN:
            fine = check_list(operand.name, &operand, failure);
            break;
        case EXISTS:
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

static bool check_filter(struct elements filter, struct failure *failure);

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
    if (words_contain(refused_conditions, condition->name))
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
        if (is_logical(condition.name))
            fine = check_branches(&condition, failure);
        else if (condition.name[0] == '$')
            fine = check_condition(&condition, failure);
        else if (condition.type == BSON_TYPE_REGEX)
            fine = refuse_regex(failure);
        else if (is_predicate(&condition))
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

static bool probe_value(const bson_value_t *value, void *context)
{
    struct probe *probe = context;
    if (probe->comparison == EXISTS)
        probe->found = value != NULL;
    else if (probe->comparison == IN)
        probe->found = probe_list(probe, value);
    else
        probe->found = holds_for(probe->comparison, value, &probe->operand);
    return !probe->found;
}

/* $ne and $nin are asked as $eq and $in and turned round by the caller. */
__attribute__((noinline)) static bool holds(const bson_t *document, const char *path,
                                            enum comparison comparison,
                                            const struct element *operand)
{
    struct probe probe = {.comparison = comparison};
    element_value(operand, &probe.operand);
    if (comparison == IN)
        probe.list = elements_of_element(operand);
    value_walk_query(document, path, probe_value, &probe);
    return probe.found;
}

__attribute__((noinline)) static bool exists_as_told(const bson_t *document, const char *path,
                                                     const struct element *operand)
{
    bson_value_t wanted;
    element_value(operand, &wanted);
    return holds(document, path, EXISTS, operand) == value_is_true(&wanted);
}

static bool match_predicate(const bson_t *document, const char *path, struct elements predicate)
{
    struct element operand;
    while (elements_next(&predicate, &operand)) {
        enum comparison comparison = comparison_of(operand.name);
        bool fine;
        switch (comparison) {
        case NE:
            fine = !holds(document, path, EQ, &operand);
            break;
        case NIN:
            fine = !holds(document, path, IN, &operand);
            break;
        case EXISTS:
            fine = exists_as_told(document, path, &operand);
            break;
        case NOT:
            fine = !match_predicate(document, path, elements_of_element(&operand));
            break;
        default:
            fine = holds(document, path, comparison, &operand);
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
        if (condition.name[0] != '$')
            fine = is_predicate(&condition)
                       ? match_predicate(matching->document, condition.name,
                                         elements_of_element(&condition))
                       : holds(matching->document, condition.name, EQ, &condition);
        else if (is_logical(condition.name))
            fine = match_branches(matching, &condition);
        else if (strcmp(condition.name, "$expr") == 0)
            fine = match_expression(matching, &condition);
        if (!fine || matching->failed)
            return false;
    }
    return true;
}

bool match(const bson_t *filter, const bson_t *document, int64_t now_ms, struct failure *failure)
{
    struct matching matching = {document, now_ms, failure, false};
    return match_filter(&matching, elements_of(filter)) && !matching.failed;
}

/* Equalities ----------------------------------------------------------------------------------- */

/* The value that {field: value}, {field: {$eq: value}} or {field: {$in: [value]}} demands. */
static bool demanded(const struct element *condition, struct element *value)
{
    struct elements predicate = elements_of_element(condition), list;
    struct element second;
    if (!is_predicate(condition)) {
        *value = *condition;
        return condition->type != BSON_TYPE_REGEX;
    }
    while (elements_next(&predicate, value)) {
        if (strcmp(value->name, "$eq") == 0)
            return true;
        if (strcmp(value->name, "$in") != 0)
            continue;
        list = elements_of_element(value);
        if (elements_next(&list, value) && !elements_next(&list, &second))
            return true;
    }
    return false;
}

/* The branches of $and, and of an $or that has only one: all of them must match. */
static bool is_conjunction(const struct element *condition, struct elements *branches)
{
    struct element branch;
    *branches = elements_of_element(condition);
    if (strcmp(condition->name, "$and") == 0)
        return true;
    struct elements look = *branches;
    return strcmp(condition->name, "$or") == 0 && elements_next(&look, &branch) &&
           !elements_next(&look, &branch);
}

static bool find_equality(struct elements filter, const char *field, struct element *value)
{
    struct element condition, branch;
    struct elements branches;
    while (elements_next(&filter, &condition)) {
        if (strcmp(condition.name, field) == 0 && demanded(&condition, value))
            return true;
        if (!is_conjunction(&condition, &branches))
            continue;
        while (elements_next(&branches, &branch))
            if (find_equality(elements_of_element(&branch), field, value))
                return true;
    }
    return false;
}

bool match_equality(const bson_t *filter, const char *field, bson_value_t *value)
{
    struct element element;
    if (!find_equality(elements_of(filter), field, &element))
        return false;
    element_value(&element, value);
    return true;
}

static bool refuse_expressions(struct elements filter, struct failure *failure)
{
    struct element condition, branch;
    while (elements_next(&filter, &condition)) {
        if (strcmp(condition.name, "$expr") == 0)
            return failure_set(failure, FAILURE_EXPRESSION_IN_UPSERT,
                               "$expr is not allowed in the query predicate for an upsert");
        if (!is_logical(condition.name))
            continue;
        struct elements branches = elements_of_element(&condition);
        while (elements_next(&branches, &branch))
            if (!refuse_expressions(elements_of_element(&branch), failure))
                return false;
    }
    return true;
}

/* Appends {path: value} of each equality; a path may come twice. */
static void collect_equalities(struct elements filter, struct buffer *out)
{
    struct element condition, branch;
    struct elements branches;
    while (elements_next(&filter, &condition)) {
        if (condition.name[0] != '$' && demanded(&condition, &branch))
            element_write_named(out, condition.name, condition.name_length, &branch);
        else if (is_conjunction(&condition, &branches))
            while (elements_next(&branches, &branch))
                collect_equalities(elements_of_element(&branch), out);
    }
}

/* The equalities become {$set: {path: value, ...}} on an empty document, which knows about dotted
 * paths, order and conflicts. */
bool match_upsert_seed(const bson_t *filter, bson_t *seed, struct failure *failure)
{
    struct buffer out = {0};
    const bson_t nothing = BSON_INITIALIZER;
    bson_value_t change = {.value_type = BSON_TYPE_DOCUMENT};
    struct update update = {.change = &change, .inserting = true};
    bool changed;
    if (!refuse_expressions(elements_of(filter), failure))
        return false;
    size_t begun = document_begin(&out);
    element_begin(&out, BSON_TYPE_DOCUMENT, "$set", 4);
    size_t set = document_begin(&out);
    collect_equalities(elements_of(filter), &out);
    document_end(&out, set);
    document_end(&out, begun);
    change.value.v_doc.data = out.bytes;
    change.value.v_doc.data_len = (uint32_t)out.length;
    bool fine = update_apply(&update, &nothing, seed, &changed, failure);
    if (!fine && failure->code == FAILURE_CONFLICTING_UPDATE_OPERATORS)
        failure_set(failure, FAILURE_NOT_SINGLE_VALUE_FIELD,
                    "cannot infer query fields to set, a path is matched twice");
    buffer_release(&out);
    return fine;
}
