/* SPDX-License-Identifier: Apache-2.0
 *
 * target: see target.h. A run only ever writes into a database of its own: named after the run, or
 * asked for with --database and then empty or ours. "Ours" is said by a marker document, and only a
 * database whose marker carries this run's id is dropped.
 */
#include "target.h"
#include "edit.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARKER_COLLECTION "racebench_marker"
#define MARKER_ID         "racebench"
enum { MESSAGE_BYTES = 256 };

struct waiting_answer {
    bson_t *answer;
    bool done;
};

static void engine_answered(const bson_t *reply, void *context)
{
    struct waiting_answer *waiting = context;
    if (reply != NULL)
        bson_copy_to(reply, waiting->answer);
    else
        bson_init(waiting->answer);
    waiting->done = true;
}

static bool engine_command(struct engine *engine, const char *database, const bson_t *command,
                           bson_t *answer)
{
    struct waiting_answer waiting = {answer, false};
    bson_t whole;
    bson_copy_to(command, &whole);
    BSON_APPEND_UTF8(&whole, "$db", database);
    engine_submit(engine, &whole, engine_answered, &waiting);
    must(waiting.done); /* nothing is parked while no worker works */
    bson_destroy(&whole);
    return edit_number(answer, "ok", 0) == 1;
}

/* The errmsg of a reply, or of its first write error; NULL when it has none. */
static const char *error_text(const bson_t *answer, bool *write_error)
{
    bson_iter_t iter, error, message;
    *write_error = bson_iter_init_find(&iter, answer, "writeErrors") &&
                   bson_iter_recurse(&iter, &error) && bson_iter_next(&error) &&
                   bson_iter_recurse(&error, &message) && bson_iter_find(&message, "errmsg");
    if (!*write_error && !bson_iter_init_find(&message, answer, "errmsg"))
        return NULL;
    return BSON_ITER_HOLDS_UTF8(&message) ? bson_iter_utf8(&message, NULL) : "refused";
}

bool target_command(const struct target_line *line, const char *database, const bson_t *command,
                    bson_t *answer, char *message)
{
    bson_error_t error = {0};
    bool write_error = false;
    bool ok = line->engine != NULL ? engine_command(line->engine, database, command, answer)
                                   : mongoc_client_command_simple(line->client, database, command,
                                                                  NULL, answer, &error);
    const char *said = error_text(answer, &write_error);
    ok = ok && !write_error;
    if (!ok)
        bson_strncpy(message, said != NULL ? said : error.message, MESSAGE_BYTES);
    return ok;
}

static const char *command_name(const bson_t *command)
{
    bson_iter_t iter;
    return bson_iter_init(&iter, command) && bson_iter_next(&iter) ? bson_iter_key(&iter) : "";
}

/* Like target_command(), but ends the program when it fails. */
static void demand(const struct target_line *line, const char *database, const bson_t *command,
                   bson_t *answer)
{
    char message[MESSAGE_BYTES] = "";
    if (!target_command(line, database, command, answer, message))
        die(EXIT_TARGET, "the target refused '%s' on database '%s': %s", command_name(command),
            database, message);
}

static char *text_field(const bson_t *document, const char *field, const char *otherwise)
{
    bson_iter_t iter;
    if (bson_iter_init_find(&iter, document, field) && BSON_ITER_HOLDS_UTF8(&iter))
        return x_strdup(bson_iter_utf8(&iter, NULL));
    return x_strdup(otherwise);
}

void target_describe(const struct target_line *line, const char *uri, struct target *target)
{
    char message[MESSAGE_BYTES] = "";
    bson_t command = BSON_INITIALIZER, answer;
    target->uri = uri != NULL ? uri_redact(uri) : x_strdup("embedded");
    BSON_APPEND_INT32(&command, "buildInfo", 1);
    if (!target_command(line, "admin", &command, &answer, message))
        die(EXIT_TARGET, "no answer from %s: %s", target->uri, message);
    bool ours = bson_has_field(&answer, "racebench");
    target->name = x_strdup(ours ? "embedded" : "mongodb");
    target->version = text_field(&answer, "version", "unknown");
    target->store = text_field(&answer, "store", "unknown");
    target->durability = text_field(&answer, "durability", "unknown");
    bson_destroy(&answer);
    bson_reinit(&command);
    BSON_APPEND_INT32(&command, "hello", 1);
    demand(line, "admin", &command, &answer);
    target->persona = x_strdup(bson_has_field(&answer, "setName") ? "replset"
                               : bson_has_field(&answer, "msg")   ? "sharded"
                                                                  : "standalone");
    bson_destroy(&answer);
    bson_destroy(&command);
    const mongoc_write_concern_t *concern =
        line->client != NULL ? mongoc_client_get_write_concern(line->client) : NULL;
    if (concern != NULL && mongoc_write_concern_get_wmajority(concern))
        target->write_concern = x_strdup("majority");
    else if (concern != NULL && mongoc_write_concern_get_w(concern) >= 0)
        target->write_concern = x_format("w:%d", mongoc_write_concern_get_w(concern));
    else
        target->write_concern = x_strdup(ours ? "w:1" : "server default");
}

/* Is there any collection? */
static bool has_collections(const struct target_line *line, const char *name)
{
    bson_t command = BSON_INITIALIZER, answer;
    bson_iter_t iter, batch, first;
    BSON_APPEND_INT32(&command, "listCollections", 1);
    BSON_APPEND_BOOL(&command, "nameOnly", true);
    demand(line, name, &command, &answer);
    bool any = bson_iter_init(&iter, &answer) &&
               bson_iter_find_descendant(&iter, "cursor.firstBatch", &batch) &&
               bson_iter_recurse(&batch, &first) && bson_iter_next(&first);
    bson_destroy(&answer);
    bson_destroy(&command);
    return any;
}

/* The first document of a find, viewed in `answer`; false when there is none or on an error. */
static bool find_one(const struct target_line *line, const char *database, const bson_t *command,
                     bson_t *answer, bson_t *view)
{
    char message[MESSAGE_BYTES];
    bson_iter_t iter, batch, first;
    const uint8_t *data;
    uint32_t length;
    if (!target_command(line, database, command, answer, message) ||
        !bson_iter_init(&iter, answer) ||
        !bson_iter_find_descendant(&iter, "cursor.firstBatch", &batch) ||
        !bson_iter_recurse(&batch, &first) || !bson_iter_next(&first))
        return false;
    bson_iter_document(&first, &length, &data);
    return bson_init_static(view, data, length);
}

/* The run id in the database's marker, or NULL when it has none; the caller frees it. */
static char *read_marker(const struct target_line *line, const char *name)
{
    bson_t command = BSON_INITIALIZER, filter, answer, marker;
    char *run_id = NULL;
    BSON_APPEND_UTF8(&command, "find", MARKER_COLLECTION);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    BSON_APPEND_UTF8(&filter, "_id", MARKER_ID);
    bson_append_document_end(&command, &filter);
    BSON_APPEND_INT32(&command, "limit", 1);
    BSON_APPEND_BOOL(&command, "singleBatch", true);
    if (find_one(line, name, &command, &answer, &marker))
        run_id = text_field(&marker, "run", "");
    bson_destroy(&answer);
    bson_destroy(&command);
    return run_id;
}

static void drop(const struct target_line *line, const char *name)
{
    bson_t command = BSON_INITIALIZER, answer;
    BSON_APPEND_INT32(&command, "dropDatabase", 1);
    demand(line, name, &command, &answer);
    bson_destroy(&answer);
    bson_destroy(&command);
}

void target_claim_database(const struct target_line *line, const char *name, const char *run_id)
{
    if (has_collections(line, name)) {
        char *other = read_marker(line, name);
        if (other == NULL)
            die(EXIT_TARGET,
                "database '%s' holds collections that racebench did not make; it stays as it is: "
                "choose another --database",
                name);
        free(other);
        drop(line, name);
    }
    bson_t marker = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&marker, "_id", MARKER_ID);
    BSON_APPEND_UTF8(&marker, "run", run_id);
    BSON_APPEND_DATE_TIME(&marker, "created", clock_wall_ms());
    target_insert(line, name, MARKER_COLLECTION, &marker);
    bson_destroy(&marker);
}

void target_drop_database(const struct target_line *line, const char *name, const char *run_id)
{
    char *marker = read_marker(line, name);
    if (marker != NULL && strcmp(marker, run_id) == 0)
        drop(line, name);
    else
        warn("database '%s' does not carry this run's marker any more; it is left as it is", name);
    free(marker);
}

void target_insert(const struct target_line *line, const char *database, const char *collection,
                   const bson_t *document)
{
    bson_t command = BSON_INITIALIZER, documents, answer;
    BSON_APPEND_UTF8(&command, "insert", collection);
    BSON_APPEND_ARRAY_BEGIN(&command, "documents", &documents);
    BSON_APPEND_DOCUMENT(&documents, "0", document);
    bson_append_array_end(&command, &documents);
    demand(line, database, &command, &answer);
    bson_destroy(&answer);
    bson_destroy(&command);
}

bool target_read_document(const struct target_line *line, const char *database,
                          const struct key *key, bson_t **document)
{
    bson_t command = BSON_INITIALIZER, filter, answer, view;
    BSON_APPEND_UTF8(&command, "find", key->collection);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
    BSON_APPEND_INT64(&filter, "_id", key->id);
    bson_append_document_end(&command, &filter);
    BSON_APPEND_INT32(&command, "limit", 1);
    BSON_APPEND_BOOL(&command, "singleBatch", true);
    *document = find_one(line, database, &command, &answer, &view) ? bson_copy(&view) : NULL;
    bool readable = edit_number(&answer, "ok", 0) == 1;
    bson_destroy(&answer);
    bson_destroy(&command);
    return readable;
}

/* Appends the effects of one batch; false when the answer has none. `*last` becomes the greatest
 * _id in it. */
static bool take_effects(const bson_t *answer, struct effect **effects, size_t *count,
                         int64_t *last)
{
    bson_iter_t iter, batch, each;
    const uint8_t *data;
    uint32_t length;
    bson_t view;
    size_t before = *count, capacity = *count;
    if (!bson_iter_init(&iter, answer) ||
        !bson_iter_find_descendant(&iter, "cursor.firstBatch", &batch) ||
        !bson_iter_recurse(&batch, &each))
        return false;
    while (bson_iter_next(&each)) {
        bson_iter_document(&each, &length, &data);
        if (!bson_init_static(&view, data, length) || edit_number(&view, "_id", *last) <= *last)
            return false; /* not what was asked for (`serve --canned`): no end in sight */
        size_t at = array_grow((void **)effects, count, &capacity, sizeof(**effects));
        (*effects)[at] =
            (struct effect){edit_number(&view, "once", 0), edit_number(&view, "by", 0)};
        *last = edit_number(&view, "_id", *last);
    }
    return *count > before;
}

bool target_read_effects(const struct target_line *line, const char *database,
                         struct effect **effects, size_t *count)
{
    enum { BATCH = 10000 };
    char message[MESSAGE_BYTES];
    int64_t last = 0; /* tokens are never 0 and never negative */
    *effects = NULL;
    *count = 0;
    for (bool more = true; more;) {
        bson_t command = BSON_INITIALIZER, filter, after, sort, answer;
        BSON_APPEND_UTF8(&command, "find", "effects");
        BSON_APPEND_DOCUMENT_BEGIN(&command, "filter", &filter);
        BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &after);
        BSON_APPEND_INT64(&after, "$gt", last);
        bson_append_document_end(&filter, &after);
        bson_append_document_end(&command, &filter);
        BSON_APPEND_DOCUMENT_BEGIN(&command, "sort", &sort);
        BSON_APPEND_INT32(&sort, "_id", 1);
        bson_append_document_end(&command, &sort);
        BSON_APPEND_INT32(&command, "limit", BATCH);
        BSON_APPEND_INT32(&command, "batchSize", BATCH);
        BSON_APPEND_BOOL(&command, "singleBatch", true);
        bool answered = target_command(line, database, &command, &answer, message);
        more = answered && take_effects(&answer, effects, count, &last);
        bson_destroy(&answer);
        bson_destroy(&command);
        if (!answered)
            return false;
    }
    return true;
}
