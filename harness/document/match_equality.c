/* SPDX-License-Identifier: Apache-2.0
 *
 * match_equality: what a filter demands exactly: values by which to look up, and the fields from
 * which an upsert begins. Both walk over conditions that hold together: the filter's own, those in
 * an $and, and those in an $or of one.
 */
#include "match.h"

#include "element.h"
#include "filter.h"
#include "update.h"
#include <string.h>

/* The value that {field: value}, {field: {$eq: value}} or {field: {$in: [value]}} demands. */
static bool demanded(const struct element *condition, struct element *value)
{
    struct elements predicate = elements_of_element(condition), list;
    struct element second;
    if (!filter_is_predicate(condition)) {
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
bool match_upsert_seed(const bson_t *filter, struct buffer *seed, struct failure *failure)
{
    struct buffer out = {0};
    const bson_t nothing = BSON_INITIALIZER;
    bson_value_t change = {.value_type = BSON_TYPE_DOCUMENT};
    struct update update;
    bool changed;
    if (filter_has_expression(elements_of(filter)))
        return failure_set(failure, FAILURE_EXPRESSION_IN_UPSERT,
                           "$expr is not allowed in the query predicate for an upsert");
    size_t begun = document_begin(&out);
    element_begin(&out, BSON_TYPE_DOCUMENT, "$set", 4);
    size_t set = document_begin(&out);
    collect_equalities(elements_of(filter), &out);
    document_end(&out, set);
    document_end(&out, begun);
    change.value.v_doc.data = out.bytes;
    change.value.v_doc.data_len = (uint32_t)out.length;
    bool fine = update_read(&update, &change, failure);
    if (fine) {
        fine = update_apply(&update, &nothing, seed, &changed, failure);
        update_release(&update);
    }
    if (!fine && failure->code == FAILURE_CONFLICTING_UPDATE_OPERATORS)
        failure_set(failure, FAILURE_NOT_SINGLE_VALUE_FIELD,
                    "cannot infer query fields to set, a path is matched twice");
    buffer_release(&out);
    return fine;
}
