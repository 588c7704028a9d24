/* SPDX-License-Identifier: Apache-2.0
 *
 * commands: what tests of engine_submit() share. Texts are JSON with ' for ".
 */
#ifndef RACEBENCH_TESTS_COMMANDS_H
#define RACEBENCH_TESTS_COMMANDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "engine/engine.h"

static inline bson_t *parse(const char *text)
{
    char *json = x_strdup(text);
    bson_error_t error;
    for (char *at = json; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, &error);
    if (document == NULL)
        fail_msg("%s: %s", json, error.message);
    free(json);
    return document;
}

static inline void keep_reply(const bson_t *reply, void *context)
{
    *(bson_t **)context = reply != NULL ? bson_copy(reply) : NULL;
}

/* Runs a command ("$db" is "db" unless it says otherwise); the caller frees the reply. */
static inline bson_t *run(struct engine *engine, const char *text)
{
    bson_t *command = parse(text), *reply = NULL;
    if (!bson_has_field(command, "$db"))
        BSON_APPEND_UTF8(command, "$db", "db");
    engine_submit(engine, command, keep_reply, &reply);
    bson_destroy(command);
    return reply;
}

static inline int32_t int_at(const bson_t *document, const char *path)
{
    bson_iter_t iter, found;
    assert_true(bson_iter_init(&iter, document));
    if (!bson_iter_find_descendant(&iter, path, &found))
        return -1;
    return (int32_t)bson_iter_as_int64(&found);
}

static inline int engine_setup(void **state)
{
    *state = engine_new(&(struct engine_settings){.seed = 1});
    return 0;
}

static inline int engine_teardown(void **state)
{
    engine_free(*state);
    return 0;
}

#endif
