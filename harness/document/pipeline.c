/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline: see pipeline.h. A stage is a row of a table: its check, and a function that changes the
 * list of documents (here and in pipeline_group.c) or one that makes a new document of each
 * (pipeline_change.c).
 */
#include "pipeline.h"

#include "base.h"
#include "element.h"
#include "expression.h"
#include "fields.h"
#include "match.h"
#include "pipeline_change.h"
#include "pipeline_group.h"
#include "project.h"
#include "value.h"
#include <string.h>

/* A pipeline under way. */
struct running {
    struct documents *documents;
    int64_t now_ms;
    struct failure *failure;
};

/* Stages over the whole list ------------------------------------------------------------------- */

/* The argument of a stage that has been seen to be a document. */
static void document_of(const struct element *stage, bson_t *document)
{
    must(bson_init_static(document, stage->data, stage->size));
}

static bool check_match(const struct element *stage, struct failure *failure)
{
    bson_t filter;
    if (stage->type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_MATCH_FORM,
                           "the match filter must be an expression in an object");
    document_of(stage, &filter);
    return match_check(&filter, failure);
}

static bool run_match(const struct running *running, const struct element *stage)
{
    struct documents *documents = running->documents;
    size_t kept = 0;
    bson_t filter;
    document_of(stage, &filter);
    for (size_t i = 0; i < documents->count; i++) {
        bson_t *document = documents->items[i];
        if (match(&filter, document, running->now_ms, running->failure)) {
            documents->items[kept++] = document;
        } else {
            documents->bytes -= sizeof(bson_t) + document->len;
            bson_destroy(document);
        }
    }
    documents->count = kept;
    return running->failure->code == FAILURE_NONE;
}

static int64_t number_of(const struct element *stage)
{
    bson_value_t value;
    int64_t number;
    element_value(stage, &value);
    return fields_integer(&value, &number) ? number : -1;
}

static bool check_skip(const struct element *stage, struct failure *failure)
{
    return number_of(stage) >= 0 ||
           failure_set(failure, FAILURE_SKIP_FORM,
                       "invalid argument to $skip stage: Expected a non-negative number");
}

static bool check_limit(const struct element *stage, struct failure *failure)
{
    int64_t limit = number_of(stage);
    if (limit < 0)
        return failure_set(failure, FAILURE_LIMIT_FORM,
                           "invalid argument to $limit stage: Expected a non-negative number");
    return limit > 0 || failure_set(failure, FAILURE_LIMIT_ZERO, "the limit must be positive");
}

/* Takes out the documents from `begin` up to `end`. */
static void drop(struct documents *documents, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        documents->bytes -= sizeof(bson_t) + documents->items[i]->len;
        bson_destroy(documents->items[i]);
    }
    memmove(documents->items + begin, documents->items + end,
            (documents->count - end) * sizeof *documents->items);
    documents->count -= end - begin;
}

static bool run_skip(const struct running *running, const struct element *stage)
{
    size_t skip = (size_t)number_of(stage), count = running->documents->count;
    if (count > 0)
        drop(running->documents, 0, skip < count ? skip : count);
    return true;
}

static bool run_limit(const struct running *running, const struct element *stage)
{
    size_t limit = (size_t)number_of(stage), count = running->documents->count;
    if (limit < count)
        drop(running->documents, limit, count);
    return true;
}

static bool check_sort(const struct element *stage, struct failure *failure)
{
    bson_t sort;
    if (stage->type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_SORT_FORM,
                           "the $sort key specification must be an object");
    if (stage->size == 5)
        return failure_set(failure, FAILURE_SORT_EMPTY,
                           "$sort stage must have at least one sort key");
    document_of(stage, &sort);
    return sort_check(&sort, failure);
}

static bool run_sort(const struct running *running, const struct element *stage)
{
    bson_t sort;
    document_of(stage, &sort);
    sort_documents(&sort, running->documents);
    return true;
}

static bool run_group(const struct running *running, const struct element *stage)
{
    return group_run(stage, running->documents, running->now_ms, running->failure);
}

static bool check_count(const struct element *stage, struct failure *failure)
{
    bson_value_t name;
    element_value(stage, &name);
    if (stage->type != BSON_TYPE_UTF8)
        return failure_set(failure, FAILURE_COUNT_FORM,
                           "the count field must be a non-empty string");
    if (name.value.v_utf8.len == 0)
        return failure_set(failure, FAILURE_COUNT_EMPTY,
                           "the count field must be a non-empty string");
    if (name.value.v_utf8.str[0] == '$')
        return failure_set(failure, FAILURE_COUNT_DOLLAR,
                           "the count field cannot be a $-prefixed path");
    return strchr(name.value.v_utf8.str, '.') == NULL ||
           failure_set(failure, FAILURE_COUNT_DOTTED, "the count field cannot contain '.'");
}

/* None gives no document, not one that says 0. */
static bool run_count(const struct running *running, const struct element *stage)
{
    bson_t result = BSON_INITIALIZER;
    bson_value_t name;
    size_t count = running->documents->count;
    element_value(stage, &name);
    documents_release(running->documents);
    bson_append_int32(&result, name.value.v_utf8.str, -1, (int32_t)count);
    if (count > 0)
        documents_add(running->documents, &result);
    bson_destroy(&result);
    return true;
}

/* All stages ----------------------------------------------------------------------------------- */

static const struct stage {
    const char *name;
    bool (*check)(const struct element *stage, struct failure *);
    /* One of the two: over the list, or what becomes of a document. Updates take the second. */
    bool (*run)(const struct running *, const struct element *stage);
    stage_change *change;
} known[] = {
    {"$match", check_match, run_match, NULL},
    {"$skip", check_skip, run_skip, NULL},
    {"$limit", check_limit, run_limit, NULL},
    {"$sort", check_sort, run_sort, NULL},
    {"$group", group_check, run_group, NULL},
    {"$count", check_count, run_count, NULL},
    {"$project", change_project_check, NULL, change_project},
    {"$set", change_set_check, NULL, change_set},
    {"$addFields", change_set_check, NULL, change_set},
    {"$unset", change_unset_check, NULL, change_unset},
    {"$replaceWith", change_root_check, NULL, change_root},
    {"$replaceRoot", change_root_check, NULL, change_root},
};

const char pipeline_refused[] =
    "$bucket $bucketAuto $changeStream $collStats $currentOp $densify $documents $facet $fill "
    "$geoNear $graphLookup $indexStats $listLocalSessions $listSessions $lookup $merge $out "
    "$planCacheStats $redact $sample $search $setWindowFields $sortByCount $unionWith $unwind";

static const struct stage *stage_of(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcmp(name, known[i].name) == 0)
            return &known[i];
    return NULL;
}

static bool check_stage(const struct element *holder, bool updating, struct failure *failure)
{
    struct elements inside = elements_of_element(holder);
    struct element stage, more;
    if (holder->type != BSON_TYPE_DOCUMENT)
        return failure_set(failure, FAILURE_TYPE_MISMATCH,
                           "Each element of the 'pipeline' array must be an object");
    if (!elements_next(&inside, &stage) || elements_next(&inside, &more))
        return failure_set(failure, FAILURE_STAGE_FORM,
                           "A pipeline stage specification object must contain exactly one field.");
    const struct stage *row = stage_of(stage.name);
    if (row == NULL && words_contain(pipeline_refused, stage.name))
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                           "the stage '%s' is not supported by the embedded engine", stage.name);
    if (row == NULL)
        return failure_set(failure, FAILURE_UNKNOWN_STAGE,
                           "Unrecognized pipeline stage name: '%.80s'", stage.name);
    if (updating && row->change == NULL)
        return failure_set(failure, FAILURE_INVALID_OPTIONS,
                           "%s is not allowed to be used within an update", stage.name);
    return row->check(&stage, failure);
}

bool pipeline_check(const bson_value_t *stages, bool updating, struct failure *failure)
{
    struct elements list = elements_of_value(stages);
    struct element holder;
    while (elements_next(&list, &holder))
        if (!check_stage(&holder, updating, failure))
            return false;
    return true;
}

/* Replaces each document by what the stage makes of it. */
static bool change_each(const struct running *running, const struct stage *row,
                        const struct element *stage)
{
    struct buffer is = {0};
    bool fine = true;
    for (size_t i = 0; fine && i < running->documents->count; i++) {
        bson_t **document = &running->documents->items[i], view;
        const struct changing changing = {*document, running->now_ms, running->failure};
        is.length = 0;
        fine = row->change(&changing, stage, &is) && expression_fits(is.length, running->failure);
        if (fine && value_malformed(is.bytes, is.length))
            fine = failure_set(running->failure, FAILURE_OVERFLOW,
                               "%s would make the document nest deeper than %d levels", stage->name,
                               VALUE_DEPTH_MAX);
        if (!fine)
            break;
        document_of_buffer(&is, &view);
        running->documents->bytes -= (*document)->len;
        running->documents->bytes += view.len;
        bson_destroy(*document);
        *document = bson_copy(&view);
        fine = documents_fit(running->documents, running->failure);
    }
    buffer_release(&is);
    return fine;
}

bool pipeline_run(const bson_value_t *stages, struct documents *documents, int64_t now_ms,
                  struct failure *failure)
{
    const struct running running = {documents, now_ms, failure};
    struct elements list = elements_of_value(stages), inside;
    struct element holder, stage;
    while (elements_next(&list, &holder)) {
        if (!documents_fit(documents, failure))
            return false;
        inside = elements_of_element(&holder);
        must(elements_next(&inside, &stage));
        const struct stage *row = stage_of(stage.name);
        if (row->run != NULL ? !row->run(&running, &stage) : !change_each(&running, row, &stage))
            return false;
    }
    return documents_fit(documents, failure);
}
