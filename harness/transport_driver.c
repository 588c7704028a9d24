/* SPDX-License-Identifier: Apache-2.0
 *
 * transport_driver: every worker is a thread with a libmongoc client of its own, held for the whole
 * run, as in an application. Each verb is the libmongoc call that an application makes
 * (mongoc_collection_update_one, ...), not a generic command: only these carry txnNumber and are
 * resent by the driver.
 *
 * Connecting is limited to CONNECTING_MAX at a time, since a storm of connects fails on unix
 * sockets; then all workers wait at a start line until the last is warm. Threads of one instance
 * take turns by its mutex, which every waiting session call gives up; an instance without shared
 * RAM has no turns.
 */
#include "transport_driver.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTING_MAX = 64, COLLECTIONS_MAX = 8, STACK_BYTES = 256 << 10 };
#define GONE_NS INT64_C(10000000000) /* without a server for so long, the target is gone */

/* A worker's thread, its client, and its way to wait. */
struct line {
    struct session *session;
    uv_thread_t thread;
    mongoc_client_t *client;
    mongoc_client_session_t *transaction; /* while in one */
    mongoc_collection_t *collections[COLLECTIONS_MAX];
    int collection_count;
    int64_t unreached_ns; /* since when no server was found; 0: the last command left */
    uv_cond_t woken;
    int inside; /* its instance: entered more often than left */
};

struct driver {
    struct crew *crew;
    mongoc_client_pool_t *pool;
    uv_async_t *arrived;
    struct line *lines;
    uv_sem_t connecting;
    uv_mutex_t mutex; /* guards what follows */
    uv_cond_t go;
    bool started;
    struct driver_count count;
    char failure[256];
    int64_t start_ns;
};

static struct driver *world(const struct session *session)
{
    return session->crew->world;
}

static struct line *line(const struct session *session)
{
    return session->line;
}

/* Commands ----------------------------------------------------------------------------------- */

static mongoc_collection_t *collection(struct session *session, const char *name)
{
    struct line *self = line(session);
    for (int i = 0; i < self->collection_count; i++)
        if (strcmp(mongoc_collection_get_name(self->collections[i]), name) == 0)
            return self->collections[i];
    must(self->collection_count < COLLECTIONS_MAX);
    return self->collections[self->collection_count++] =
               mongoc_client_get_collection(self->client, session->crew->database, name);
}

/* Reads what libmongoc says about a command that failed: did it leave, was it answered? */
static void parse_error(const bson_error_t *error, struct command_reply *reply)
{
    bson_strncpy(reply->message, error->message, sizeof(reply->message));
    switch (error->domain) {
    case MONGOC_ERROR_SERVER:
    case MONGOC_ERROR_COMMAND:
    case MONGOC_ERROR_QUERY:
    case MONGOC_ERROR_WRITE_CONCERN:
        reply->sent = reply->answered = true;
        reply->code = (int32_t)error->code;
        if (error->domain == MONGOC_ERROR_WRITE_CONCERN || reply->code == 0) {
            reply->durable = error->domain != MONGOC_ERROR_WRITE_CONCERN;
            reply->code = reply->durable ? -1 : 0;
        }
        return;
    case MONGOC_ERROR_SERVER_SELECTION:
    case MONGOC_ERROR_CLIENT:
    case MONGOC_ERROR_BSON:
        reply->sent = reply->answered = false;
        return;
    default: /* the stream broke, or a reply made no sense: it may have been applied */
        reply->sent = true;
        reply->answered = false;
    }
}

/* Options that every call carries: who asks, in which transaction. */
static void append_options(struct session *session, bson_t *options)
{
    bson_error_t error;
    if (session->comment[0] != '\0')
        BSON_APPEND_UTF8(options, "comment", session->comment);
    if (line(session)->transaction != NULL)
        must(mongoc_client_session_append(line(session)->transaction, options, &error));
}

static void find(struct session *session, const struct command_request *request,
                 struct command_reply *reply)
{
    bson_t options = BSON_INITIALIZER;
    const bson_t *document;
    bson_error_t error;
    append_options(session, &options);
    BSON_APPEND_INT64(&options, "limit", 1);
    BSON_APPEND_BOOL(&options, "singleBatch", true);
    mongoc_cursor_t *cursor =
        mongoc_collection_find_with_opts(collection(session, request->collection), request->filter,
                                         &options, NULL);
    reply->sent = reply->answered = true;
    if (mongoc_cursor_next(cursor, &document))
        reply->document = session_keep(session, bson_get_data(document), document->len);
    else if (mongoc_cursor_error(cursor, &error))
        parse_error(&error, reply);
    mongoc_cursor_destroy(cursor);
    bson_destroy(&options);
}

static void insert(struct session *session, const struct command_request *request,
                   struct command_reply *reply)
{
    bson_t options = BSON_INITIALIZER;
    bson_error_t error;
    append_options(session, &options);
    reply->sent = reply->answered = true;
    if (!mongoc_collection_insert_one(collection(session, request->collection), request->document,
                                      &options, NULL, &error))
        parse_error(&error, reply);
    bson_destroy(&options);
}

/* libmongoc has a call of its own for an update that is a whole document. */
static bool is_replacement(const struct modify *modify)
{
    bson_iter_t iter;
    return modify->pipeline == NULL && (!bson_iter_init(&iter, modify->update) ||
                                        !bson_iter_next(&iter) || bson_iter_key(&iter)[0] != '$');
}

static void update(struct session *session, const struct command_request *request,
                   struct command_reply *reply)
{
    const struct modify *modify = &request->modify;
    mongoc_collection_t *target = collection(session, request->collection);
    bson_t options = BSON_INITIALIZER, answer;
    bson_error_t error;
    append_options(session, &options);
    if (modify->upsert)
        BSON_APPEND_BOOL(&options, "upsert", true);
    reply->sent = reply->answered = true;
    bool done = is_replacement(modify)
                    ? mongoc_collection_replace_one(target, request->filter, modify->update,
                                                    &options, &answer, &error)
                    : mongoc_collection_update_one(target, request->filter,
                                                   modify->pipeline != NULL ? modify->pipeline
                                                                            : modify->update,
                                                   &options, &answer, &error);
    if (!done)
        parse_error(&error, reply);
    reply->written.matched = edit_number(&answer, "matchedCount", 0);
    reply->written.modified = edit_number(&answer, "modifiedCount", 0);
    reply->written.upserted = bson_has_field(&answer, "upsertedId");
    bson_destroy(&answer);
    bson_destroy(&options);
}

static void delete (struct session *session, const struct command_request *request,
                    struct command_reply *reply)
{
    bson_t options = BSON_INITIALIZER, answer;
    bson_error_t error;
    append_options(session, &options);
    reply->sent = reply->answered = true;
    if (!mongoc_collection_delete_one(collection(session, request->collection), request->filter,
                                      &options, &answer, &error))
        parse_error(&error, reply);
    reply->deleted = edit_number(&answer, "deletedCount", 0);
    bson_destroy(&answer);
    bson_destroy(&options);
}

static mongoc_find_and_modify_opts_t *find_and_modify_options(struct session *session,
                                                              const struct modify *modify)
{
    mongoc_find_and_modify_opts_t *options = mongoc_find_and_modify_opts_new();
    mongoc_find_and_modify_flags_t flags = MONGOC_FIND_AND_MODIFY_NONE;
    bson_t extra = BSON_INITIALIZER;
    append_options(session, &extra);
    mongoc_find_and_modify_opts_append(options, &extra);
    bson_destroy(&extra);
    if (modify->remove)
        flags |= MONGOC_FIND_AND_MODIFY_REMOVE;
    else
        mongoc_find_and_modify_opts_set_update(options, modify->pipeline != NULL ? modify->pipeline
                                                                                 : modify->update);
    if (modify->upsert)
        flags |= MONGOC_FIND_AND_MODIFY_UPSERT;
    if (!modify->old_image && !modify->remove)
        flags |= MONGOC_FIND_AND_MODIFY_RETURN_NEW;
    if (modify->sort != NULL)
        mongoc_find_and_modify_opts_set_sort(options, modify->sort);
    mongoc_find_and_modify_opts_set_flags(options, flags);
    return options;
}

static void find_and_modify(struct session *session, const struct command_request *request,
                            struct command_reply *reply)
{
    bson_t answer;
    bson_error_t error;
    mongoc_find_and_modify_opts_t *options = find_and_modify_options(session, &request->modify);
    if (mongoc_collection_find_and_modify_with_opts(collection(session, request->collection),
                                                    request->filter, options, &answer, &error))
        command_parse(session, request->kind, &answer, reply);
    else
        parse_error(&error, reply);
    bson_destroy(&answer);
    mongoc_find_and_modify_opts_destroy(options);
}

static void end_transaction(struct session *session)
{
    if (line(session)->transaction != NULL)
        mongoc_client_session_destroy(line(session)->transaction);
    line(session)->transaction = NULL;
}

/* libmongoc 1.23.1 starts transactions on a standalone server too, which then refuses each of their
 * commands: said here at once. */
static bool has_transactions(mongoc_client_t *client, bson_error_t *error)
{
    mongoc_server_description_t *server = mongoc_client_select_server(client, true, NULL, error);
    bool has = server != NULL && strcmp(mongoc_server_description_type(server), "Standalone") != 0;
    if (server != NULL && !has)
        bson_set_error(error, MONGOC_ERROR_SERVER, 20, "a standalone server has no transactions");
    if (server != NULL)
        mongoc_server_description_destroy(server);
    return has;
}

static void begin(struct session *session, struct command_reply *reply)
{
    bson_error_t error;
    struct line *self = line(session);
    if (!has_transactions(self->client, &error)) {
        parse_error(&error, reply);
        return;
    }
    end_transaction(session); /* one that died with its instance */
    self->transaction = mongoc_client_start_session(self->client, NULL, &error);
    if (self->transaction == NULL) {
        parse_error(&error, reply);
        return;
    }
    reply->sent = reply->answered = true;
    if (!mongoc_client_session_start_transaction(self->transaction, NULL, &error)) {
        parse_error(&error, reply);
        end_transaction(session);
    }
}

/* Without an answer the transaction is kept: its commit may be asked again. libmongoc asks twice by
 * itself and tells the second error: no server then does not say that the first never left. */
static void commit(struct session *session, struct command_reply *reply)
{
    bson_t answer;
    bson_error_t error;
    reply->sent = reply->answered = true;
    if (!mongoc_client_session_commit_transaction(line(session)->transaction, &answer, &error))
        parse_error(&error, reply);
    reply->sent = true;
    bson_destroy(&answer);
    if (reply->answered && reply->durable)
        end_transaction(session);
}

static void rollback(struct session *session, struct command_reply *reply)
{
    bson_error_t error;
    reply->sent = reply->answered = true;
    mongoc_client_session_abort_transaction(line(session)->transaction, &error);
    end_transaction(session);
}

/* A target that is gone ends the run: each further command would only wait for it again. */
static void watch_target(struct session *session, const struct command_reply *reply)
{
    struct line *self = line(session);
    if (reply->sent) {
        self->unreached_ns = 0;
        return;
    }
    int64_t now_ns = clock_monotonic_ns();
    if (self->unreached_ns == 0)
        self->unreached_ns = now_ns;
    else if (now_ns - self->unreached_ns >= GONE_NS)
        atomic_store(&session->crew->stop, true);
}

static void make_call(struct session *session, const struct command_request *request,
                      struct command_reply *reply)
{
    switch (request->kind) {
    case STEP_FIND:
        find(session, request, reply);
        return;
    case STEP_INSERT:
        insert(session, request, reply);
        return;
    case STEP_UPDATE:
        update(session, request, reply);
        return;
    case STEP_DELETE:
        delete (session, request, reply);
        return;
    case STEP_FIND_AND_MODIFY:
        find_and_modify(session, request, reply);
        return;
    case STEP_BEGIN:
        begin(session, reply);
        return;
    case STEP_COMMIT:
        commit(session, reply);
        return;
    default:
        must(request->kind == STEP_ABORT);
        rollback(session, reply);
    }
}

static void execute(struct session *session, const struct command_request *request,
                    struct command_reply *reply)
{
    make_call(session, request, reply);
    watch_target(session, reply);
}

/* Clock, files, waiting ------------------------------------------------------------------------ */

static int64_t run_ns(struct session *session)
{
    return clock_monotonic_ns() - world(session)->start_ns;
}

static int64_t wall_ms(struct session *session)
{
    (void)session;
    return clock_wall_ms();
}

/* In slices, so that an abandoned run does not wait for a long sleep to end. */
static bool sleep_us(struct session *session, int64_t us)
{
    enum { SLICE_US = 100000 };
    while (us > 0 && !atomic_load(&session->crew->abandon)) {
        int64_t slice_us = us < SLICE_US ? us : SLICE_US;
        struct timespec time = {0, (long)slice_us * 1000};
        nanosleep(&time, NULL);
        us -= slice_us;
        if (us > 0 && atomic_load(&session->crew->stop))
            return false;
    }
    return !atomic_load(&session->crew->abandon);
}

static void take_turn(struct session *session)
{
    if (crew_entry_is_choice(session)) {
        const struct step step = {.worker = session->worker,
                                  .operation = session->operation_count - 1,
                                  .kind = STEP_ENTER,
                                  .target = ""};
        gate_arrive(session->crew->gate, &step);
    }
    uv_mutex_lock(&session->instance->mutex);
}

/* Counted, since a scenario's own calls leave an instance that their worker had not entered. */
static void enter(struct session *session)
{
    if (session->instance->guarded && ++line(session)->inside == 1)
        take_turn(session);
}

static void leave(struct session *session)
{
    if (session->instance->guarded && line(session)->inside-- == 1)
        uv_mutex_unlock(&session->instance->mutex);
}

static bool wait(struct session *session, const void *condition)
{
    must(session->instance->guarded);
    struct waiter waiter = {condition, session, NULL, false};
    struct waiter **end = &session->instance->waiters;
    while (*end != NULL)
        end = &(*end)->next;
    *end = &waiter;
    while (!waiter.woken)
        uv_cond_wait(&line(session)->woken, &session->instance->mutex);
    uv_mutex_unlock(&session->instance->mutex); /* woken, it enters like anybody */
    take_turn(session);
    return !atomic_load(&session->crew->abandon);
}

static void wake(struct session *session, const void *condition)
{
    for (struct waiter **place = &session->instance->waiters; *place != NULL;) {
        struct waiter *waiter = *place;
        if (condition != NULL && waiter->condition != condition) {
            place = &waiter->next;
            continue;
        }
        *place = waiter->next;
        waiter->woken = true;
        uv_cond_signal(&line(waiter->session)->woken);
    }
}

static const struct command_table commands = {execute};
static const struct clock_table clocks = {run_ns, wall_ms, sleep_us};
static const struct waiting_table waitings = {enter, leave, wait, wake};
static const struct choice_table choices = {session_draw, NULL};
const struct transport_table transport_driver = {.name = "driver",
                                                 .commands = &commands,
                                                 .clock = &clocks,
                                                 .choice = &choices,
                                                 .files = &files_on_disk,
                                                 .waiting = &waitings};

/* Life --------------------------------------------------------------------------------------- */

static void set_default(mongoc_uri_t *uri, const char *option, int64_t value)
{
    if (mongoc_uri_get_option_as_int32(uri, option, -1) == -1)
        mongoc_uri_set_option_as_int32(uri, option, (int32_t)value);
}

mongoc_client_pool_t *driver_pool(const char *text, const struct cell *cell, int32_t clients)
{
    bson_error_t error;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &error);
    if (uri == NULL)
        die(EXIT_USAGE, "--uri is not a MongoDB connection string; see 'racebench help run'");
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, clients);
    set_default(uri, MONGOC_URI_SOCKETTIMEOUTMS, cell->timeout_ms);
    set_default(uri, MONGOC_URI_CONNECTTIMEOUTMS, 2000);
    set_default(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 3000);
    set_default(uri, MONGOC_URI_WAITQUEUETIMEOUTMS, 10000);
    mongoc_client_pool_t *pool = mongoc_client_pool_new_with_error(uri, &error);
    mongoc_uri_destroy(uri);
    if (pool == NULL)
        die(EXIT_TARGET, "cannot use this --uri: %s", error.message);
    mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);
    mongoc_client_pool_set_appname(pool, "racebench");
    return pool;
}

void driver_open(struct crew *crew, mongoc_client_pool_t *pool)
{
    struct driver *driver = x_calloc(1, sizeof(*driver));
    crew->world = driver;
    driver->crew = crew;
    driver->pool = pool;
    driver->lines = x_calloc((size_t)crew->count, sizeof(*driver->lines));
    must(uv_sem_init(&driver->connecting, CONNECTING_MAX) == 0);
    must(uv_mutex_init(&driver->mutex) == 0);
    must(uv_cond_init(&driver->go) == 0);
}

static bool connect_client(struct driver *driver, struct line *self)
{
    bson_error_t error = {0};
    bson_t ping = BSON_INITIALIZER;
    BSON_APPEND_INT32(&ping, "ping", 1);
    uv_sem_wait(&driver->connecting);
    self->client = mongoc_client_pool_pop(driver->pool);
    bool connected = self->client != NULL &&
                     mongoc_client_command_simple(self->client, "admin", &ping, NULL, NULL, &error);
    uv_sem_post(&driver->connecting);
    bson_destroy(&ping);
    if (!connected) {
        uv_mutex_lock(&driver->mutex);
        if (driver->failure[0] == '\0')
            bson_strncpy(driver->failure, error.message[0] ? error.message : "no client was free",
                         sizeof(driver->failure));
        uv_mutex_unlock(&driver->mutex);
    }
    return connected;
}

/* Stands at the start line until all are there; false when the run is off. */
static bool wait_for_start(struct driver *driver, bool connected)
{
    uv_mutex_lock(&driver->mutex);
    if (connected)
        driver->count.arrived++;
    else
        driver->count.failed++;
    uv_async_send(driver->arrived);
    while (!driver->started)
        uv_cond_wait(&driver->go, &driver->mutex);
    uv_mutex_unlock(&driver->mutex);
    return connected && !atomic_load(&driver->crew->abandon);
}

static void body(void *argument)
{
    struct line *self = argument;
    struct session *session = self->session;
    struct driver *driver = world(session);
    bool connected = connect_client(driver, self);
    if (connected)
        crew_setup(session);
    if (wait_for_start(driver, connected))
        crew_work(session);
    for (int i = 0; i < self->collection_count; i++)
        mongoc_collection_destroy(self->collections[i]);
    end_transaction(session);
    if (self->client != NULL)
        mongoc_client_pool_push(driver->pool, self->client);
    uv_mutex_lock(&driver->mutex);
    driver->count.ended++;
    uv_async_send(driver->arrived);
    uv_mutex_unlock(&driver->mutex);
}

void driver_start(struct crew *crew, uv_async_t *arrived)
{
    struct driver *driver = crew->world;
    driver->arrived = arrived;
    uv_thread_options_t options = {UV_THREAD_HAS_STACK_SIZE, STACK_BYTES};
    for (int32_t w = 0; w < crew->count; w++) {
        struct line *self = &driver->lines[w];
        self->session = &crew->sessions[w];
        crew->sessions[w].line = self;
        must(uv_cond_init(&self->woken) == 0);
        if (uv_thread_create_ex(&self->thread, &options, body, self) != 0)
            die(EXIT_TARGET,
                "only %d of %d threads could be started; fewer --workers, or a higher "
                "limit (ulimit -u)",
                w, crew->count);
    }
}

struct driver_count driver_counts(const struct crew *crew)
{
    struct driver *driver = crew->world;
    uv_mutex_lock(&driver->mutex);
    struct driver_count count = driver->count;
    uv_mutex_unlock(&driver->mutex);
    return count;
}

const char *driver_failure(const struct crew *crew)
{
    const struct driver *driver = crew->world;
    return driver->failure;
}

void driver_go(struct crew *crew, int64_t start_ns)
{
    struct driver *driver = crew->world;
    uv_mutex_lock(&driver->mutex);
    driver->started = true;
    driver->start_ns = start_ns;
    uv_cond_broadcast(&driver->go);
    uv_mutex_unlock(&driver->mutex);
}

void driver_close(struct crew *crew)
{
    struct driver *driver = crew->world;
    for (int32_t w = 0; w < crew->count; w++) {
        uv_thread_join(&driver->lines[w].thread);
        uv_cond_destroy(&driver->lines[w].woken);
    }
    uv_cond_destroy(&driver->go);
    uv_mutex_destroy(&driver->mutex);
    uv_sem_destroy(&driver->connecting);
    free(driver->lines);
    free(driver);
    crew->world = NULL;
}
