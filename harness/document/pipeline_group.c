/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline_group: see pipeline_group.h. The _id of each document is computed first; the documents
 * are then sorted by it, so that a group is a run of neighbours and each of its fields one fold
 * over them.
 */
#include "pipeline_group.h"

#include "base.h"
#include "expression.h"
#include "expression_form.h"
#include "value.h"
#include <stdlib.h>
#include <string.h>

enum accumulator { SUM, AVG, MIN, MAX, FIRST, LAST, PUSH, ADD_TO_SET, COUNT, ACCUMULATOR_COUNT };

static enum accumulator accumulator_of(const char *name)
{
    static const char *const names[ACCUMULATOR_COUNT] = {"$sum",  "$avg",      "$min",
                                                         "$max",  "$first",    "$last",
                                                         "$push", "$addToSet", "$count"};
    int i = 0;
    while (i < ACCUMULATOR_COUNT && strcmp(name, names[i]) != 0)
        i++;
    return (enum accumulator)i;
}

static bool check_field(const struct element *field, struct failure *failure)
{
    struct elements inside = elements_of_element(field);
    struct element accumulator, more;
    bson_value_t expression;
    element_value(field, &expression);
    if (strcmp(field->name, "_id") == 0)
        return expression_check(&expression, failure);
    if (strchr(field->name, '.') != NULL)
        return failure_set(failure, FAILURE_GROUP_FIELD_DOTTED,
                           "The field name '%s' cannot contain '.'", field->name);
    if (field->type != BSON_TYPE_DOCUMENT || !elements_next(&inside, &accumulator))
        return failure_set(failure, FAILURE_ACCUMULATOR_FORM,
                           "The field '%s' must be an accumulator object", field->name);
    if (elements_next(&inside, &more))
        return failure_set(failure, FAILURE_ACCUMULATOR_COUNT,
                           "The field '%s' must specify one accumulator", field->name);
    if (accumulator_of(accumulator.name) == ACCUMULATOR_COUNT)
        return failure_set(failure, FAILURE_UNKNOWN_ACCUMULATOR, "unknown group operator '%s'",
                           accumulator.name);
    element_value(&accumulator, &expression);
    return expression_check(&expression, failure);
}

bool group_check(const struct element *stage, struct failure *failure)
{
    struct elements fields = elements_of_element(stage);
    struct element field;
    if (stage->type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_GROUP_FORM,
                           "a group's fields must be specified in an object");
    if (!elements_find(fields, "_id", 3, &field))
        return failure_set(failure, FAILURE_GROUP_WITHOUT_ID,
                           "a group specification must include an _id");
    while (elements_next(&fields, &field))
        if (!check_field(&field, failure))
            return false;
    return true;
}

/* A document with the _id of its group. */
struct member {
    struct expression_result id;
    const bson_t *document;
    size_t place;
};

static int compare_ids(const struct member *a, const struct member *b)
{
    if (a->id.missing || b->id.missing)
        return (int)b->id.missing - (int)a->id.missing;
    return value_compare(&a->id.value, &b->id.value);
}

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = compare_ids(x, y);
    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

/* A field of a group while it is folded. */
struct fold {
    enum accumulator accumulator;
    struct sum sum;
    int64_t count;                /* of numbers, of elements */
    struct expression_result one; /* of $min, $max, $first, $last */
    struct buffer array;
};

static bool is_in(struct elements array, const bson_value_t *value)
{
    struct element element;
    bson_value_t there;
    while (elements_next(&array, &element)) {
        element_value(&element, &there);
        if (value_compare(&there, value) == 0)
            return true;
    }
    return false;
}

static void fold_element(struct fold *fold, const bson_value_t *value)
{
    char text[16];
    const char *name;
    struct elements so_far = {fold->array.bytes + 4, fold->array.bytes + fold->array.length};
    if (fold->accumulator == ADD_TO_SET && is_in(so_far, value))
        return;
    size_t length = bson_uint32_to_string((uint32_t)fold->count++, &name, text, sizeof text);
    element_write_value(&fold->array, name, length, value);
}

/* Does the value take the place of the one that is kept? $min and $max pass over null and missing;
 * a missing one of $first and $last counts as null. */
static bool is_kept(const struct fold *fold, const struct expression_result *value)
{
    bool nothing = value->missing || value->value.value_type == BSON_TYPE_NULL;
    int order;
    switch (fold->accumulator) {
    case FIRST:
        return fold->count == 0;
    case LAST:
        return true;
    default:
        if (nothing || fold->one.missing)
            return !nothing;
        order = value_compare(&value->value, &fold->one.value);
        return fold->accumulator == MIN ? order < 0 : order > 0;
    }
}

static bool fold_value(struct fold *fold, struct expression_result *value, struct failure *failure)
{
    switch (fold->accumulator) {
    case SUM:
    case AVG:
        if (value->missing || value_rank(value->value.value_type) != value_rank(BSON_TYPE_INT32))
            return true;
        fold->count++;
        return sum_add(&fold->sum, &value->value, false, failure);
    case PUSH:
    case ADD_TO_SET:
        if (!value->missing)
            fold_element(fold, &value->value);
        return expression_fits(fold->array.length, failure);
    case COUNT:
        fold->count++;
        return true;
    default:
        if (is_kept(fold, value)) {
            expression_result_reset(&fold->one);
            fold->one = *value;
            value->missing = true; /* it has moved */
        }
        fold->count++;
        return true;
    }
}

static bool give_fold(struct fold *fold, const char *name, bson_t *group, struct failure *failure)
{
    bson_t array;
    switch (fold->accumulator) {
    case COUNT:
        fold->sum.whole = fold->count; /* and as a sum */
        /* fall through */
    case SUM:
        if (!sum_give(&fold->sum, &fold->one, failure))
            return false;
        break;
    case AVG:
        fold->one.missing = fold->count == 0;
        fold->one.value.value_type = BSON_TYPE_DOUBLE;
        if (fold->count > 0)
            fold->one.value.value.v_double = (double)(fold->sum.real / (long double)fold->count);
        break;
    case PUSH:
    case ADD_TO_SET:
        document_end(&fold->array, 0);
        document_of_buffer(&fold->array, &array);
        value_append_array(group, name, -1, &array);
        return true;
    default:
        break;
    }
    if (fold->one.missing)
        bson_append_null(group, name, -1);
    else
        value_append(group, name, -1, &fold->one.value);
    return true;
}

/* A group under way. */
struct grouping {
    const struct element *stage;
    struct member *members; /* those of the group */
    size_t count;
    int64_t now_ms;
    struct failure *failure;
};

/* Folds one field of the stage over the members of the group and appends it. */
static bool give_field(struct grouping *grouping, const struct element *field, bson_t *group)
{
    struct elements inside = elements_of_element(field);
    struct element accumulator;
    struct expression_result value;
    bson_value_t expression;
    must(elements_next(&inside, &accumulator));
    struct fold fold = {.accumulator = accumulator_of(accumulator.name), .one = {.missing = true}};
    bool fine = true;
    document_begin(&fold.array);
    element_value(&accumulator, &expression);
    for (size_t i = 0; fine && i < grouping->count; i++) {
        fine = expression_evaluate(&expression, grouping->members[i].document, grouping->now_ms,
                                   &value, grouping->failure) &&
               fold_value(&fold, &value, grouping->failure);
        expression_result_reset(&value);
    }
    fine = fine && give_fold(&fold, field->name, group, grouping->failure);
    expression_result_reset(&fold.one);
    buffer_release(&fold.array);
    return fine;
}

static bool give_group(struct grouping *grouping, bson_t *group)
{
    struct elements fields = elements_of_element(grouping->stage);
    struct element field;
    const struct expression_result *id = &grouping->members[0].id;
    if (id->missing)
        bson_append_null(group, "_id", 3);
    else
        value_append(group, "_id", 3, &id->value);
    while (elements_next(&fields, &field))
        if (strcmp(field.name, "_id") != 0 && (!give_field(grouping, &field, group) ||
                                               !expression_fits(group->len, grouping->failure)))
            return false;
    return !value_malformed(bson_get_data(group), group->len) ||
           failure_set(grouping->failure, FAILURE_OVERFLOW,
                       "$group would make the document nest deeper than %d levels",
                       VALUE_DEPTH_MAX);
}

/* Missing and null are one group. */
static bool read_ids(const struct grouping *grouping, struct member *members,
                     const struct documents *documents)
{
    struct element id;
    bson_value_t expression;
    must(elements_find(elements_of_element(grouping->stage), "_id", 3, &id));
    element_value(&id, &expression);
    for (size_t i = 0; i < documents->count; i++) {
        members[i] = (struct member){.document = documents->items[i], .place = i};
        if (!expression_evaluate(&expression, documents->items[i], grouping->now_ms, &members[i].id,
                                 grouping->failure))
            return false;
        if (!members[i].id.missing && members[i].id.value.value_type == BSON_TYPE_NULL)
            members[i].id.missing = true;
    }
    qsort(members, documents->count, sizeof *members, compare_members);
    return true;
}

bool group_run(const struct element *stage, struct documents *documents, int64_t now_ms,
               struct failure *failure)
{
    size_t count = documents->count;
    struct member *members = x_calloc(count, sizeof *members);
    struct grouping grouping = {.stage = stage, .now_ms = now_ms, .failure = failure};
    struct documents groups = {0};
    for (size_t i = 0; i < count; i++)
        members[i].id.missing = true;
    bool fine = read_ids(&grouping, members, documents);
    for (size_t begin = 0, end; fine && begin < count; begin = end) {
        bson_t group = BSON_INITIALIZER;
        for (end = begin + 1; end < count && compare_ids(&members[begin], &members[end]) == 0;)
            end++;
        grouping.members = &members[begin];
        grouping.count = end - begin;
        fine = give_group(&grouping, &group);
        fine = fine && (documents_add(&groups, &group) || documents_fit(&groups, failure));
        bson_destroy(&group);
    }
    for (size_t i = 0; i < count; i++)
        expression_result_reset(&members[i].id);
    free(members);
    documents_release(documents);
    *documents = groups;
    return fine;
}
