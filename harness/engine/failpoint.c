/* SPDX-License-Identifier: Apache-2.0
 *
 * failpoint: see failpoint.h. The order of MongoDB's failCommand: match first (names, collection,
 * application; configureFailPoint itself is exempt, and a fail point that would do nothing does not
 * match), then spend `skip` and `times`, then block, then close or answer with an error; a
 * writeConcernError lets the command run. The last configuration of a name wins; `times` used up
 * means off.
 */
#include "failpoint.h"

#include "base.h"
#include "dispatch.h"
#include <stdlib.h>
#include <string.h>

/* What `data` says. Documents and texts are borrowed from failpoint.data. */
struct effects {
    bson_t commands, labels, concern;
    bson_value_t has_labels, error_code, before_commit, close;
    const char *application, *namespace;
    int64_t block_ms;
    bool blocks;
};

struct failpoint {
    bson_t *data;        /* NULL: off */
    int64_t skip, times; /* still to be passed over; still to strike, -1: always */
    int64_t hits;
};

struct failpoints {
    struct failpoint command, commit;
};

static const struct field command_fields[] = {
    {"failCommands", FIELD_ARRAY, offsetof(struct effects, commands), true},
    {"errorCode", FIELD_VALUE, offsetof(struct effects, error_code), false},
    {"errorLabels", FIELD_VALUE, offsetof(struct effects, has_labels), false},
    {"closeConnection", FIELD_VALUE, offsetof(struct effects, close), false},
    {"blockConnection", FIELD_BOOL, offsetof(struct effects, blocks), false},
    {"blockTimeMS", FIELD_MS, offsetof(struct effects, block_ms), false},
    {"writeConcernError", FIELD_DOCUMENT, offsetof(struct effects, concern), false},
    {"appName", FIELD_TEXT, offsetof(struct effects, application), false},
    {"namespace", FIELD_TEXT, offsetof(struct effects, namespace), false},
    {"failInternalCommands", FIELD_IGNORED, 0, false},
    {"errorExtraInfo", FIELD_REFUSED, 0, false},
    {"threadName", FIELD_REFUSED, 0, false},
    {"failAllCommands", FIELD_REFUSED, 0, false},
    {NULL, FIELD_END, 0, false},
};

static const struct field commit_fields[] = {
    {"closeConnection", FIELD_VALUE, offsetof(struct effects, close), false},
    {"failBeforeCommitExceptionCode", FIELD_VALUE, offsetof(struct effects, before_commit), false},
    {NULL, FIELD_END, 0, false},
};

struct failpoints *failpoints_new(void)
{
    return x_calloc(1, sizeof(struct failpoints));
}

void failpoints_free(struct failpoints *points)
{
    bson_destroy(points->command.data);
    bson_destroy(points->commit.data);
    free(points);
}

/* A code that a refusal can have; 0 would mean that nothing is wrong. */
static bool check_code(const bson_value_t *value, const char *name, struct failure *failure)
{
    int64_t code = 0;
    return value->value_type == BSON_TYPE_EOD ||
           (fields_integer(value, &code) && code > 0 && code <= INT32_MAX) ||
           failure_set(failure, FAILURE_BAD_VALUE, "'%s' of a fail point must be an error's code",
                       name);
}

static bool read_effects(const struct field *fields, const bson_t *data, struct effects *effects,
                         struct failure *failure)
{
    struct fields_reader reader = fields_reader(fields, "configureFailPoint.data", effects, NULL);
    *effects = (struct effects){.block_ms = -1};
    if (!fields_parse(&reader, data, failure))
        return false;
    return check_code(&effects->error_code, "errorCode", failure) &&
           check_code(&effects->before_commit, "failBeforeCommitExceptionCode", failure) &&
           (!effects->blocks || effects->block_ms >= 0 ||
            failure_set(failure, FAILURE_INVALID_OPTIONS,
                        "must specify 'blockTimeMS' when 'blockConnection' is true"));
}

/* "off", "alwaysOn", {times: n}, {skip: n}. */
static bool read_mode(const bson_value_t *mode, struct failpoint *point, bool *off,
                      struct failure *failure)
{
    bson_iter_t iter;
    const char *text = mode->value_type == BSON_TYPE_UTF8 ? mode->value.v_utf8.str : "";
    int64_t count = 0;
    *point = (struct failpoint){.times = -1};
    *off = strcmp(text, "off") == 0;
    if (*off || strcmp(text, "alwaysOn") == 0)
        return true;
    if (mode->value_type != BSON_TYPE_DOCUMENT ||
        !bson_iter_init_from_data(&iter, mode->value.v_doc.data, mode->value.v_doc.data_len) ||
        !bson_iter_next(&iter))
        return failure_set(failure, FAILURE_BAD_VALUE, "unknown mode of a fail point: '%.40s'",
                           text);
    const char *name = bson_iter_key(&iter);
    if (strcmp(name, "activationProbability") == 0)
        return failure_set(failure, FAILURE_NOT_IMPLEMENTED,
                           "activationProbability is not supported by the embedded engine");
    if (!fields_integer(bson_iter_value(&iter), &count) || count < 0 ||
        (strcmp(name, "times") != 0 && strcmp(name, "skip") != 0))
        return failure_set(failure, FAILURE_BAD_VALUE,
                           "mode of a fail point: {times: n} or {skip: n} with n >= 0");
    *(name[0] == 't' ? &point->times : &point->skip) = count;
    *off = point->times == 0;
    return true;
}

bool failpoint_configure(struct request *request)
{
    struct failpoints *points = request->engine->failpoints;
    const struct failpoint_arguments *arguments = request->arguments;
    struct effects effects;
    struct failpoint next;
    bson_value_t name;
    bool off;
    request_first(request, &name);
    const char *text = name.value_type == BSON_TYPE_UTF8 ? name.value.v_utf8.str : "";
    bool command = strcmp(text, "failCommand") == 0;
    if (!read_mode(&arguments->mode, &next, &off, &request->failure))
        return false;
    if (off && strcmp(text, "failGetMoreAfterCursorCheckout") == 0)
        return true; /* suites switch it off before each test; here it is never on */
    if (!command && strcmp(text, "onPrimaryTransactionalWrite") != 0)
        return failure_set(&request->failure, FAILURE_FAIL_POINT, "fail point not found: '%.80s'",
                           text);
    struct failpoint *point = command ? &points->command : &points->commit;
    if ((!off && !read_effects(command ? command_fields : commit_fields, &arguments->data, &effects,
                               &request->failure)))
        return false;
    bson_append_int64(request->reply, "count", -1, point->hits);
    bson_destroy(point->data);
    next.hits = point->hits;
    next.data = off ? NULL : bson_copy(&arguments->data);
    *point = next;
    return true;
}

/* The budget of a fail point that matches: does it strike? */
static bool strikes(struct failpoint *point)
{
    if (point->skip > 0) {
        point->skip--;
        return false;
    }
    if (point->times == 0)
        return false;
    if (point->times > 0)
        point->times--;
    point->hits++;
    return true;
}

static bool names_command(const bson_t *commands, const struct command *command)
{
    const char *names[] = {command->name, command->alias, command->second_alias};
    bson_iter_t iter;
    must(bson_iter_init(&iter, commands));
    while (bson_iter_next(&iter))
        for (size_t i = 0; i < COUNT_OF(names); i++)
            if (names[i] != NULL && BSON_ITER_HOLDS_UTF8(&iter) &&
                strcmp(bson_iter_utf8(&iter, NULL), names[i]) == 0)
                return true;
    return false;
}

static bool names_collection(const struct request *request, const char *database,
                             const char *namespace)
{
    size_t length = strlen(database);
    return strncmp(namespace, database, length) == 0 && namespace[length] == '.' &&
           strcmp(namespace + length + 1, request->collection) == 0;
}

static bool is_true(const bson_value_t *value, bool otherwise)
{
    return value->value_type == BSON_TYPE_BOOL ? value->value.v_bool : otherwise;
}

void failpoint_command(struct request *request, const char *database)
{
    struct failpoints *points = request->engine->failpoints;
    struct failpoint *point = &points->command;
    struct effects effects;
    int64_t code = 0;
    if (point->data == NULL || strcmp(request->command->name, "configureFailPoint") == 0)
        return;
    struct failure none = {.code = FAILURE_NONE};
    must(read_effects(command_fields, point->data, &effects, &none));
    bool close = is_true(&effects.close, false);
    bool error = fields_integer(&effects.error_code, &code);
    if (!names_command(&effects.commands, request->command) ||
        (effects.application != NULL &&
         strcmp(effects.application, request->origin->application) != 0) ||
        (effects.namespace != NULL && !names_collection(request, database, effects.namespace)) ||
        (!close && !error && !effects.blocks && bson_empty(&effects.concern)) || !strikes(point))
        return;
    struct gate_order *order = &request->order;
    order->delay_ms = effects.blocks ? effects.block_ms : 0;
    order->action = close ? GATE_CLOSE_BEFORE : error ? GATE_ERROR : GATE_PASS;
    order->code = (int32_t)code;
    if (effects.has_labels.value_type == BSON_TYPE_ARRAY)
        order->labels = bson_new_from_data(effects.has_labels.value.v_doc.data,
                                           effects.has_labels.value.v_doc.data_len);
    if (!bson_empty(&effects.concern))
        order->concern = bson_copy(&effects.concern);
}

bool failpoint_commit(struct request *request)
{
    struct failpoint *point = &request->engine->failpoints->commit;
    struct effects effects;
    int64_t code = 0;
    if (point->data == NULL || !strikes(point))
        return true;
    struct failure none = {.code = FAILURE_NONE};
    must(read_effects(commit_fields, point->data, &effects, &none));
    if (is_true(&effects.close, true))
        request->order.action = GATE_CLOSE_AFTER;
    return !fields_integer(&effects.before_commit, &code) ||
           failure_set(&request->failure, (enum failure_code)code,
                       "failing before commit, as onPrimaryTransactionalWrite asks");
}
