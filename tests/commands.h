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

/* The store of engines under test is what RACEBENCH_TEST_STORE names (tests.cmake runs tests with a
 * head line "stores: both" a second time). */
static inline const char *store_name(void)
{
    const char *name = getenv("RACEBENCH_TEST_STORE");
    return name != NULL ? name : "memory";
}

enum { ENGINES_MAX = 4 };

/* Engines that are open, each with a folder of its own. */
static inline struct open_engine {
    struct engine *engine;
    char *folder;
} * open_engines(void)
{
    static struct open_engine all[ENGINES_MAX];
    return all;
}

static inline struct engine *engine_open(struct engine_settings settings)
{
    struct open_engine *place = open_engines();
    while (place->engine != NULL)
        place++;
    place->folder = make_private_folder("");
    settings.store = store_name();
    settings.folder = place->folder;
    return place->engine = engine_new(&settings);
}

/* Ends the engine and all that it has stored. */
static inline void engine_close(struct engine *engine)
{
    struct open_engine *place = open_engines();
    while (place->engine != engine)
        place++;
    engine_free(engine);
    remove_folder(place->folder);
    free(place->folder);
    place->engine = NULL;
}

static inline int engine_setup(void **state)
{
    *state = engine_open((struct engine_settings){.seed = 1});
    return 0;
}

static inline int engine_teardown(void **state)
{
    engine_close(*state);
    return 0;
}

#endif
