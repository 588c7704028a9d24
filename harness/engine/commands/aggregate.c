/* SPDX-License-Identifier: Apache-2.0
 *
 * aggregate: the matching documents of a collection through a pipeline of stages (pipeline.h).
 * Drivers count with it ($match, $skip, $limit, $group {_id: 1, n: {$sum: 1}}); an empty group
 * gives no document, which they read as 0. A $match at the beginning is also the plan of the
 * query. All documents are gathered, then each stage runs over all of them. {aggregate: 1}, over a
 * database, needs stages that this engine lacks, and is refused.
 */
#include "document/element.h"
#include "document/pipeline.h"
#include "engine/catalog.h"
#include "engine/command.h"
#include "engine/cursor.h"
#include "engine/dispatch.h"
#include "engine/query.h"
#include <string.h>

struct arguments {
    bson_value_t pipeline, hint;
    bson_t cursor;
};

static const struct field fields[] = {
    {"pipeline", FIELD_VALUE, offsetof(struct arguments, pipeline), true},
    {"cursor", FIELD_DOCUMENT, offsetof(struct arguments, cursor), true},
    {"hint", FIELD_VALUE, offsetof(struct arguments, hint), false},
    {"allowDiskUse bypassDocumentValidation", FIELD_IGNORED, 0, false},
    {"collation let explain", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static bool gather(struct slice key, const bson_t *document, void *context)
{
    (void)key;
    return documents_add(context, document);
}

/* The filter of a $match at the beginning; all, without one. */
static void first_filter(const bson_value_t *pipeline, bson_t *filter)
{
    struct elements stages = elements_of_value(pipeline), inside;
    struct element stage;
    bson_init(filter);
    if (!elements_next(&stages, &stage))
        return;
    inside = elements_of_element(&stage);
    if (elements_next(&inside, &stage) && strcmp(stage.name, "$match") == 0)
        must(bson_init_static(filter, stage.data, stage.size));
}

static bool run(struct request *request)
{
    const struct arguments *arguments = request->arguments;
    struct failure *failure = &request->failure;
    struct documents documents = {0};
    bson_t filter;
    if (arguments->pipeline.value_type != BSON_TYPE_ARRAY)
        return failure_set(failure, FAILURE_TYPE_MISMATCH,
                           "'pipeline' option must be specified as an array");
    if (!pipeline_check(&arguments->pipeline, false, failure) ||
        !query_check_hint(request, &arguments->hint))
        return false;
    first_filter(&arguments->pipeline, &filter);
    bool fine = query_read(request, &filter, gather, &documents) &&
                pipeline_run(&arguments->pipeline, &documents, request->now_ms, failure);
    if (!fine) {
        documents_release(&documents);
        return false;
    }
    return cursor_reply_all(request, &arguments->cursor, &documents);
}

COMMAND(aggregate, COMMAND_COLLECTION | COMMAND_READS | COMMAND_WRITES | COMMAND_INSIDE,
        .fields = fields, .arguments_bytes = sizeof(struct arguments));
