/* SPDX-License-Identifier: Apache-2.0
 *
 * update_pipeline: see update_pipeline.h. Each stage makes a new document out of the one before; all
 * expressions of a stage see the document as it was before the stage.
 */
#include "update_pipeline.h"
#include "base.h"
#include "expression.h"
#include "value.h"

#include <string.h>

enum stage_kind { STAGE_SET, STAGE_UNSET, STAGE_REPLACE_WITH, STAGE_REPLACE_ROOT };

static const struct {
    const char *name;
    enum stage_kind kind;
} stages_known[] = {{"$set", STAGE_SET},
                    {"$addFields", STAGE_SET},
                    {"$unset", STAGE_UNSET},
                    {"$replaceWith", STAGE_REPLACE_WITH},
                    {"$replaceRoot", STAGE_REPLACE_ROOT}};

static bool kind_of(const char *name, enum stage_kind *kind, struct failure *failure)
{
    for (size_t i = 0; i < COUNT_OF(stages_known); i++)
        if (strcmp(name, stages_known[i].name) == 0) {
            *kind = stages_known[i].kind;
            return true;
        }
    if (strcmp(name, "$project") == 0)
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                           "$project in an update is not implemented");
    return failure_set(failure, FAILURE_UNKNOWN_STAGE, "Unrecognized pipeline stage name: '%s'",
                       name);
}

static bool check_set(const bson_value_t *fields, struct failure *failure)
{
    bson_iter_t iter;
    if (fields->value_type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, (enum failure_code)40272,
                           "$set specification stage must be an object");
    for (value_open(fields, &iter); bson_iter_next(&iter);) {
        if (strchr(bson_iter_key(&iter), '.') != NULL)
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "dotted paths in a pipeline update are not implemented: '%s'",
                               bson_iter_key(&iter));
        if (!expression_check(bson_iter_value(&iter), failure))
            return false;
    }
    return true;
}

static bool check_unset(const bson_value_t *names, struct failure *failure)
{
    bson_iter_t iter;
    bool fine = names->value_type == BSON_TYPE_UTF8;
    if (names->value_type == BSON_TYPE_ARRAY) {
        fine = true;
        for (value_open(names, &iter); bson_iter_next(&iter);)
            fine &= BSON_ITER_HOLDS_UTF8(&iter);
    }
    return fine || failure_set(failure, (enum failure_code)31002,
                               "$unset specification must be a string or an array of strings");
}

/* The expression of $replaceWith, or of $replaceRoot's newRoot. */
static bool root_of(enum stage_kind kind, const bson_value_t *value, bson_value_t *expression)
{
    bson_iter_t iter;
    *expression = *value;
    if (kind == STAGE_REPLACE_WITH)
        return true;
    if (value->value_type != BSON_TYPE_DOCUMENT || !value_open(value, &iter) ||
        !bson_iter_find(&iter, "newRoot"))
        return false;
    *expression = *bson_iter_value(&iter);
    return true;
}

bool pipeline_check(const bson_value_t *stages, struct failure *failure)
{
    bson_iter_t stage, inside;
    bson_value_t expression;
    for (value_open(stages, &stage); bson_iter_next(&stage);) {
        enum stage_kind kind;
        if (!BSON_ITER_HOLDS_DOCUMENT(&stage) || !bson_iter_recurse(&stage, &inside) ||
            !bson_iter_next(&inside))
            return failure_set(failure, FAILURE_TYPE_MISMATCH,
                               "Each element of the 'pipeline' array must be an object");
        const bson_value_t *value = bson_iter_value(&inside);
        if (!kind_of(bson_iter_key(&inside), &kind, failure))
            return false;
        bool fine = kind == STAGE_SET     ? check_set(value, failure)
                    : kind == STAGE_UNSET ? check_unset(value, failure)
                    : root_of(kind, value, &expression)
                        ? expression_check(&expression, failure)
                        : failure_set(failure, (enum failure_code)40231, "no newRoot specified");
        if (!fine)
            return false;
    }
    return true;
}

static bool apply_set(const bson_value_t *fields, const bson_t *was, int64_t now_ms, bson_t *is,
                      struct failure *failure)
{
    bson_iter_t iter, set;
    struct expression_result result;
    for (bson_iter_init(&iter, was); bson_iter_next(&iter);) {
        if (!value_open(fields, &set) || !bson_iter_find(&set, bson_iter_key(&iter))) {
            bson_append_iter(is, NULL, -1, &iter);
            continue;
        }
        if (!expression_evaluate(bson_iter_value(&set), was, now_ms, &result, failure))
            return false;
        if (!result.missing)
            bson_append_value(is, bson_iter_key(&iter), -1, &result.value);
        expression_result_reset(&result);
    }
    for (value_open(fields, &set); bson_iter_next(&set);) {
        if (bson_has_field(was, bson_iter_key(&set)))
            continue;
        if (!expression_evaluate(bson_iter_value(&set), was, now_ms, &result, failure))
            return false;
        if (!result.missing)
            bson_append_value(is, bson_iter_key(&set), -1, &result.value);
        expression_result_reset(&result);
    }
    return true;
}

static bool names_hold(const bson_value_t *names, const char *key)
{
    bson_iter_t iter;
    if (names->value_type == BSON_TYPE_UTF8)
        return strcmp(names->value.v_utf8.str, key) == 0;
    for (value_open(names, &iter); bson_iter_next(&iter);)
        if (strcmp(bson_iter_utf8(&iter, NULL), key) == 0)
            return true;
    return false;
}

static bool apply_unset(const bson_value_t *names, const bson_t *was, bson_t *is)
{
    bson_iter_t iter;
    for (bson_iter_init(&iter, was); bson_iter_next(&iter);)
        if (!names_hold(names, bson_iter_key(&iter)))
            bson_append_iter(is, NULL, -1, &iter);
    return true;
}

static bool apply_root(const bson_value_t *expression, const bson_t *was, int64_t now_ms,
                       bson_t *is, struct failure *failure)
{
    struct expression_result result;
    bson_iter_t iter;
    bson_value_t id;
    if (!expression_evaluate(expression, was, now_ms, &result, failure))
        return false;
    bool fine = !result.missing && result.value.value_type == BSON_TYPE_DOCUMENT;
    if (fine) {
        value_open(&result.value, &iter);
        if (!bson_iter_find(&iter, "_id") && value_field(was, "_id", &id))
            bson_append_value(is, "_id", -1, &id);
        for (value_open(&result.value, &iter); bson_iter_next(&iter);)
            bson_append_iter(is, NULL, -1, &iter);
    }
    expression_result_reset(&result);
    return fine || failure_set(failure, (enum failure_code)40228,
                               "'newRoot' expression must evaluate to an object");
}

bool pipeline_apply(const bson_value_t *stages, const bson_t *was, int64_t now_ms, bson_t *is,
                    struct failure *failure)
{
    bson_iter_t stage, inside;
    bson_t present;
    bool fine = true;
    bson_copy_to(was, &present);
    for (value_open(stages, &stage); fine && bson_iter_next(&stage);) {
        enum stage_kind kind;
        bson_value_t expression;
        bson_t next = BSON_INITIALIZER;
        must(bson_iter_recurse(&stage, &inside) && bson_iter_next(&inside));
        const bson_value_t *value = bson_iter_value(&inside);
        fine = kind_of(bson_iter_key(&inside), &kind, failure);
        if (fine && kind == STAGE_SET)
            fine = apply_set(value, &present, now_ms, &next, failure);
        else if (fine && kind == STAGE_UNSET)
            fine = apply_unset(value, &present, &next);
        else if (fine)
            fine = root_of(kind, value, &expression) &&
                   apply_root(&expression, &present, now_ms, &next, failure);
        bson_destroy(&present);
        bson_copy_to(&next, &present);
        bson_destroy(&next);
    }
    if (fine)
        bson_concat(is, &present);
    bson_destroy(&present);
    return fine;
}
