/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_commands: rows of commands at an engine in process: raw BSON when the first byte says so,
 * else from the grammar. Each is answered once, well-formed, with an "ok"; a refusal has a code and
 * a name.
 */
#include "document/value.h"
#include "engine/engine.h"
#include "fuzz.h"

enum { COMMANDS_MAX = 32 };

static void on_reply(const bson_t *reply, void *context)
{
    bson_iter_t ok, code, name;
    ++*(int *)context;
    if (reply == NULL)
        fuzz_finding("a connection was closed without a gate that asks for it");
    if (value_malformed(bson_get_data(reply), reply->len))
        fuzz_finding("the reply is malformed");
    if (!bson_iter_init_find(&ok, reply, "ok") || !BSON_ITER_HOLDS_NUMBER(&ok))
        fuzz_finding("the reply has no ok");
    if (!bson_iter_as_bool(&ok) &&
        (!bson_iter_init_find(&code, reply, "code") || bson_iter_as_int64(&code) == 0 ||
         !bson_iter_init_find(&name, reply, "codeName")))
        fuzz_finding("a refusal has no code or no name");
}

static void submit(struct engine *engine, const bson_t *command)
{
    int replies = 0;
    engine_submit(engine, command, on_reply, &replies);
    if (replies != 1)
        fuzz_finding("%d replies to one command", replies);
}

static void raw(struct engine *engine, const uint8_t *bytes, size_t length)
{
    bson_t command;
    if (!value_malformed(bytes, length) && bson_init_static(&command, bytes, length))
        submit(engine, &command);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct fuzz_input input = {bytes, length};
    struct engine *engine = engine_new(&(struct engine_settings){.seed = 1});
    if (fuzz_below(&input, 4) == 0) {
        raw(engine, input.bytes, input.length);
    } else {
        for (int i = 0; i < COMMANDS_MAX && input.length > 0; i++) {
            bson_t command = BSON_INITIALIZER;
            fuzz_command(&input, &command, false);
            submit(engine, &command);
            bson_destroy(&command);
        }
    }
    engine_free(engine);
    return 0;
}
