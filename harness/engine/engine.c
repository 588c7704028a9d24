/* SPDX-License-Identifier: Apache-2.0
 *
 * engine: see engine.h and state.h. Here an engine is put together and taken apart; what a command
 * does begins in dispatch.c. Generated ids look like MongoDB's (time, five bytes, counter) but come
 * from the engine's own clock and seed, so that the same run generates the same ids.
 */
#include "engine.h"

#include "catalog.h"
#include "command.h"
#include "cursor.h"
#include "dispatch.h"
#include "failpoint.h"
#include "gate.h"
#include "parking.h"
#include "sessions.h"
#include "state.h"
#include "store.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIFETIME_MS = 60000, TICK_MS = 60000 };

static int64_t wall_now_ms(void *context)
{
    (void)context;
    return clock_wall_tick_ms();
}

static void seed_ids(struct engine *engine, uint64_t seed)
{
    random_seed(&engine->random, seed != 0 ? seed : (uint64_t)clock_monotonic_ns());
    uint64_t process = random_next(&engine->random);
    memcpy(engine->id_process, &process, sizeof engine->id_process);
    engine->id_counter = (uint32_t)random_below(&engine->random, UINT32_C(1) << 16);
}

static size_t half_of_memory(void)
{
    return (size_t)sysconf(_SC_PHYS_PAGES) / 2 * (size_t)sysconf(_SC_PAGESIZE);
}

struct engine *engine_new(const struct engine_settings *settings)
{
    const char *store_name = settings->store != NULL ? settings->store : "memory";
    const char *persona = settings->persona != NULL ? settings->persona : "standalone";
    struct store *store =
        store_open(&(struct store_settings){.name = store_name,
                                            .folder = settings->folder,
                                            .temporary = settings->temporary,
                                            .journal = settings->durability != DURABILITY_OFF});
    if (store == NULL)
        die(EXIT_TARGET, "the embedded engine has no store '%s'", store_name);
    if (strcmp(persona, "standalone") != 0 && strcmp(persona, "replset") != 0)
        die(EXIT_TARGET, "the embedded engine has no persona '%s'", persona);
    struct engine *engine = x_calloc(1, sizeof *engine);
    engine->gate_owned = settings->gate == NULL;
    engine->gate = settings->gate != NULL ? settings->gate : gate_new(0, 0);
    engine->now_ms = settings->now_ms != NULL ? settings->now_ms : wall_now_ms;
    engine->now_context = settings->now_context;
    engine->store = store->methods->name;
    engine->replica_set = persona[0] == 'r';
    engine->persona = engine->replica_set ? "replset" : "standalone";
    engine->own_clock = settings->now_ms != NULL;
    engine->test_commands = settings->test_commands;
    engine->lifetime_ms = settings->lifetime_ms > 0 ? settings->lifetime_ms : LIFETIME_MS;
    engine->rows_bytes_max =
        settings->rows_bytes_max > 0 ? settings->rows_bytes_max : half_of_memory();
    engine->durability = settings->durability;
    engine->commands = commands_new();
    engine->catalog = catalog_new(store);
    seed_ids(engine, settings->seed);
    engine->cursors = cursors_new(random_next(&engine->random));
    engine->parking = parking_new();
    engine->failpoints = failpoints_new();
    engine->sessions = sessions_new(engine);
    engine->due_ms = engine_elapsed_ms(engine) + TICK_MS;
    engine->reply = bson_new();
    engine->image = bson_new();
    engine->time = bson_new();
    engine->success = bson_new();
    return engine;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    engine_cancel(engine, NULL);
    sessions_free(engine);
    parking_free(engine->parking);
    failpoints_free(engine->failpoints);
    cursors_free(engine->cursors);
    catalog_free(engine->catalog);
    commands_free(engine->commands);
    if (engine->gate_owned)
        gate_free(engine->gate);
    buffer_release(&engine->key);
    buffer_release(&engine->updated);
    buffer_release(&engine->row);
    buffer_release(&engine->namespace);
    bson_destroy(engine->reply);
    bson_destroy(engine->image);
    bson_destroy(engine->time);
    bson_destroy(engine->success);
    free(engine);
}

void engine_restart(struct engine *engine)
{
    engine_cancel(engine, NULL);
    sessions_free(engine);
    failpoints_free(engine->failpoints);
    cursors_free(engine->cursors);
    engine->cursors = cursors_new(random_next(&engine->random));
    engine->failpoints = failpoints_new();
    engine->sessions = sessions_new(engine);
}

const char *engine_name(const struct engine *engine)
{
    (void)engine;
    return "embedded";
}

const char *engine_store(const struct engine *engine)
{
    return engine->store;
}

const char *engine_default_store(void)
{
#ifdef WITH_WIREDTIGER
    return "wiredtiger";
#else
    return "memory";
#endif
}

const char *engine_durability(const struct engine *engine)
{
    return strcmp(engine->store, "memory") == 0 ? "none" : durability_name(engine->durability);
}

const char *engine_persona(const struct engine *engine)
{
    return engine->persona;
}

const char *engine_version(void)
{
    return "6.0.0";
}

void engine_submit(struct engine *engine, const bson_t *command, engine_done *done, void *context)
{
    struct origin in_process = {.connection = 0};
    engine_execute(engine, command, &in_process, done, context);
}

void engine_write_log(struct engine *engine)
{
    store_write(catalog_store(engine->catalog));
}

void engine_flush_log(struct engine *engine)
{
    store_flush(catalog_store(engine->catalog));
}

int64_t engine_elapsed_ms(const struct engine *engine)
{
    return engine->own_clock ? engine->now_ms(engine->now_context) : clock_monotonic_tick_ms();
}

int64_t engine_due_ms(const struct engine *engine)
{
    if (!sessions_open(engine) && parking_count(engine) == 0)
        return -1;
    int64_t left_ms = engine->due_ms - engine_elapsed_ms(engine);
    return left_ms > 0 ? left_ms : 0;
}

void engine_tick(struct engine *engine)
{
    int64_t next_ms = engine_elapsed_ms(engine) + TICK_MS;
    int64_t session_ms = sessions_expire(engine), parked_ms = parking_expire(engine);
    if (session_ms < next_ms)
        next_ms = session_ms;
    engine->due_ms = parked_ms < next_ms ? parked_ms : next_ms;
    parking_run(engine);
}

void engine_ask_again(struct engine *engine)
{
    parking_wake(engine);
    parking_run(engine);
}

void engine_generate_id(struct engine *engine, int64_t now_ms, bson_oid_t *id)
{
    uint8_t bytes[12];
    uint32_t seconds = (uint32_t)(now_ms / 1000);
    uint32_t counter = engine->id_counter++;
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(seconds >> (24 - 8 * i));
    memcpy(bytes + 4, engine->id_process, sizeof engine->id_process);
    for (int i = 0; i < 3; i++)
        bytes[9 + i] = (uint8_t)(counter >> (16 - 8 * i));
    bson_oid_init_from_data(id, bytes);
}

struct store *engine_rows(struct engine *engine)
{
    return catalog_store(engine->catalog);
}
