/* SPDX-License-Identifier: Apache-2.0
 *
 * aggregate: what countDocuments sends, and no more: $match, $skip and $limit in any order, and at
 * the end at most one $group into a single group ({_id: constant, n: {$sum: number}}). Documents
 * run through the stages one by one as they are found; the first $match is also the plan. An
 * empty group gives no document, which drivers read as 0. Other stages are refused: those that
 * MongoDB has with 238, others with 40324.
 */
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/cursor.h"
#include "engine/dispatch.h"
#include "engine/match.h"
#include "engine/query.h"
#include <stdlib.h>
#include <string.h>

enum { STAGES_MAX = 32 };

enum stage_kind { STAGE_MATCH, STAGE_SKIP, STAGE_LIMIT, STAGE_GROUP };

struct stage {
    enum stage_kind kind;
    struct slice document; /* filter or group */
    int64_t count;         /* still to be skipped or let through; documents in the group */
};

struct arguments {
    bson_t pipeline, cursor;
    bson_value_t hint;
};

static const struct field fields[] = {
    {"pipeline", FIELD_ARRAY, offsetof(struct arguments, pipeline), true},
    {"cursor", FIELD_DOCUMENT, offsetof(struct arguments, cursor), true},
    {"hint", FIELD_VALUE, offsetof(struct arguments, hint), false},
    {"allowDiskUse bypassDocumentValidation", FIELD_IGNORED, 0, false},
    {"collation let explain", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

struct cursor_fields {
    int64_t batch_size;
};

static const struct field cursor_table[] = {
    {"batchSize", FIELD_COUNT, offsetof(struct cursor_fields, batch_size), false},
    {NULL, FIELD_END, 0, false},
};

struct pipeline {
    struct request *request;
    struct stage *stages; /* STAGES_MAX */
    size_t count;
    struct cursor_reply reply;
};

static bool unknown_stage(const char *name, struct failure *failure)
{
    static const char known[] =
        "$addFields $bucket $bucketAuto $changeStream $collStats $count $densify $documents $facet "
        "$fill $geoNear $graphLookup $indexStats $lookup $merge $out $project $redact $replaceRoot "
        "$replaceWith $sample $search $set $setWindowFields $sort $sortByCount $unionWith $unset "
        "$unwind $currentOp $listSessions $listLocalSessions $planCacheStats";
    if (words_contain(known, name))
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                           "the stage '%s' is not supported by the embedded engine", name);
    return failure_set(failure, FAILURE_UNKNOWN_STAGE, "Unrecognized pipeline stage name: '%.80s'",
                       name);
}

/* A group of everything: _id is a constant, every other field {$sum: number}. */
static bool check_group(const bson_t *group, struct failure *failure)
{
    bson_iter_t iter, inner;
    if (!bson_has_field(group, "_id"))
        return failure_set(failure, FAILURE_UNKNOWN_ACCUMULATOR,
                           "a group specification must include an _id");
    must(bson_iter_init(&iter, group));
    while (bson_iter_next(&iter)) {
        if (strcmp(bson_iter_key(&iter), "_id") == 0) {
            if (BSON_ITER_HOLDS_DOCUMENT(&iter) || BSON_ITER_HOLDS_ARRAY(&iter) ||
                (BSON_ITER_HOLDS_UTF8(&iter) && bson_iter_utf8(&iter, NULL)[0] == '$'))
                return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                                   "$group by an expression is not supported by the embedded "
                                   "engine");
            continue;
        }
        if (!BSON_ITER_HOLDS_DOCUMENT(&iter) || !bson_iter_recurse(&iter, &inner) ||
            !bson_iter_next(&inner))
            return failure_set(failure, FAILURE_UNKNOWN_ACCUMULATOR,
                               "The field '%.80s' must be an accumulator object",
                               bson_iter_key(&iter));
        if (strcmp(bson_iter_key(&inner), "$sum") != 0)
            return failure_set(failure, FAILURE_UNKNOWN_ACCUMULATOR,
                               "unknown group operator '%.80s'", bson_iter_key(&inner));
        if (!BSON_ITER_HOLDS_INT(&inner))
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "$sum of anything but an integer is not supported by the embedded "
                               "engine");
    }
    return true;
}

static bool read_count(struct stage *stage, bson_iter_t *iter, struct failure *failure)
{
    bool limit = stage->kind == STAGE_LIMIT;
    if (fields_integer(bson_iter_value(iter), &stage->count) && stage->count >= (limit ? 1 : 0))
        return true;
    return failure_set(failure, FAILURE_FAILED_TO_PARSE, "invalid argument to %s stage: %s",
                       limit ? "$limit" : "$skip",
                       limit ? "the limit must be positive" : "Expected a non-negative number");
}

static bool read_stage(struct stage *stage, bson_iter_t *iter, struct failure *failure)
{
    const char *name = bson_iter_key(iter);
    uint32_t length = 0;
    const uint8_t *data = NULL;
    bson_t document;
    if (strcmp(name, "$skip") == 0 || strcmp(name, "$limit") == 0) {
        stage->kind = name[1] == 's' ? STAGE_SKIP : STAGE_LIMIT;
        return read_count(stage, iter, failure);
    }
    if (strcmp(name, "$match") != 0 && strcmp(name, "$group") != 0)
        return unknown_stage(name, failure);
    if (BSON_ITER_HOLDS_DOCUMENT(iter))
        bson_iter_document(iter, &length, &data);
    if (data == NULL || !bson_init_static(&document, data, length))
        return failure_set(failure, FAILURE_BAD_VALUE, "the argument of '%s' must be an object",
                           name);
    stage->document = (struct slice){data, length};
    stage->kind = name[1] == 'm' ? STAGE_MATCH : STAGE_GROUP;
    return stage->kind == STAGE_MATCH ? match_check(&document, failure)
                                      : check_group(&document, failure);
}

static bool read_pipeline(struct pipeline *pipeline, const bson_t *stages, struct failure *failure)
{
    bson_iter_t iter, inner;
    must(bson_iter_init(&iter, stages));
    while (bson_iter_next(&iter)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&iter) || !bson_iter_recurse(&iter, &inner) ||
            !bson_iter_next(&inner))
            return failure_set(failure, FAILURE_TYPE_MISMATCH,
                               "Each element of the 'pipeline' array must be an object");
        if (pipeline->count == STAGES_MAX)
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "more than %d stages are not supported by the embedded engine",
                               STAGES_MAX);
        if (pipeline->count > 0 && pipeline->stages[pipeline->count - 1].kind == STAGE_GROUP)
            return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                               "a stage after $group is not supported by the embedded engine");
        if (!read_stage(&pipeline->stages[pipeline->count++], &inner, failure))
            return false;
        if (bson_iter_next(&inner))
            return failure_set(failure, FAILURE_STAGE_FORM,
                               "A pipeline stage specification object must contain exactly one "
                               "field.");
    }
    return true;
}

/* A visitor of query_visit(): one document runs through the stages; false: no other is wanted. */
static bool run_through(struct slice key, const bson_t *document, void *context)
{
    struct pipeline *pipeline = context;
    struct request *request = pipeline->request;
    bool last = false;
    bson_t filter;
    (void)key;
    for (size_t i = 0; i < pipeline->count; i++) {
        struct stage *stage = &pipeline->stages[i];
        switch (stage->kind) {
        case STAGE_MATCH:
            must(bson_init_static(&filter, stage->document.bytes, stage->document.length));
            if (!match(&filter, document, request->now_ms, &request->failure))
                return !last && request->failure.code == FAILURE_NONE;
            break;
        case STAGE_SKIP:
            if (stage->count-- > 0)
                return !last;
            stage->count = 0;
            break;
        case STAGE_LIMIT:
            last = last || --stage->count == 0;
            break;
        case STAGE_GROUP:
            stage->count++;
            return !last;
        }
    }
    return cursor_reply_add(&pipeline->reply, document) && !last;
}

static void give_group(struct pipeline *pipeline, const struct stage *stage)
{
    bson_t result = BSON_INITIALIZER;
    bson_iter_t iter, inner;
    must(bson_iter_init_from_data(&iter, stage->document.bytes, stage->document.length));
    while (bson_iter_next(&iter)) {
        if (strcmp(bson_iter_key(&iter), "_id") == 0) {
            bson_append_iter(&result, "_id", 3, &iter);
            continue;
        }
        must(bson_iter_recurse(&iter, &inner) && bson_iter_next(&inner));
        int64_t sum = stage->count * bson_iter_as_int64(&inner);
        if (sum >= INT32_MIN && sum <= INT32_MAX)
            bson_append_int32(&result, bson_iter_key(&iter), -1, (int32_t)sum);
        else
            bson_append_int64(&result, bson_iter_key(&iter), -1, sum);
    }
    cursor_reply_add(&pipeline->reply, &result);
    bson_destroy(&result);
}

static bool execute(struct pipeline *pipeline, const char *namespace)
{
    struct request *request = pipeline->request;
    struct collection *collection = request_collection(request);
    bson_t filter = BSON_INITIALIZER; /* everything */
    const struct stage *first = &pipeline->stages[0];
    bool fine = true;
    if (pipeline->count > 0 && first->kind == STAGE_MATCH)
        must(bson_init_static(&filter, first->document.bytes, first->document.length));
    cursor_reply_begin(&pipeline->reply, request->reply);
    if (collection != NULL) {
        struct store_transaction *transaction = store_begin(catalog_store(collection->catalog));
        struct query query = {collection, transaction, &filter};
        fine = query_visit(request, &query, run_through, pipeline);
        store_rollback(transaction);
    }
    if (pipeline->count > 0) {
        const struct stage *end = &pipeline->stages[pipeline->count - 1];
        if (end->kind == STAGE_GROUP && end->count > 0)
            give_group(pipeline, end);
    }
    if (!fine)
        documents_release(&pipeline->reply.rest);
    cursor_reply_end(&pipeline->reply, request->reply, request->engine->cursors, namespace);
    return fine;
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct cursor_fields cursor = {.batch_size = CURSOR_FIRST_BATCH};
    struct fields_reader reader = {cursor_table, "cursor", &cursor, 0};
    struct pipeline pipeline = {.request = request};
    if (!fields_parse(&reader, &arguments->cursor, &request->failure) ||
        !query_check_hint(request_collection(request), &arguments->hint, &request->failure))
        return false;
    pipeline.reply.batch_size = cursor.batch_size;
    pipeline.stages = x_calloc(STAGES_MAX, sizeof *pipeline.stages);
    char *namespace = request_namespace(request);
    bool fine = read_pipeline(&pipeline, &arguments->pipeline, &request->failure) &&
                execute(&pipeline, namespace);
    free(namespace);
    free(pipeline.stages);
    return fine;
}

const struct command command_aggregate = {.name = "aggregate",
                                          .flags =
                                              COMMAND_COLLECTION | COMMAND_READS | COMMAND_WRITES,
                                          .fields = fields,
                                          .arguments_bytes = sizeof(struct arguments),
                                          .run = run};
