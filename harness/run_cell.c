/* SPDX-License-Identifier: Apache-2.0
 *
 * run_cell: see run_cell.h. Order matters at the end: workers give their clients back, then the
 * harness's own client, then the pool, then the engine, since closing a pool sends endSessions and
 * waits for the reply.
 */
#include "run_cell.h"
#include "claims.h"
#include "folder.h"
#include "process_wire.h"
#include "scenario.h"
#include "transport_direct.h"
#include "transport_driver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRACE_STEPS_MAX = 256 /* per cell: 32 of each worker that is traced */ };

/* Before ------------------------------------------------------------------------------------- */

/* Each worker needs two descriptors when the engine is in this process. */
static void raise_descriptor_limit(const struct cell *cell)
{
    rlim_t needed = (rlim_t)cell->workers * (cell->uri == NULL ? 2 : 1) + 100;
    struct rlimit limit;
    if (cell->transport != TRANSPORT_DRIVER || getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur >= needed)
        return;
    limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < needed)
        die(EXIT_TARGET,
            "%d workers need %llu open files, the limit is %llu; raise it (ulimit -n) or use "
            "--transport direct",
            cell->workers, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
}

static void open_driver(struct stage *stage)
{
    const struct cell *cell = stage->cell;
    const char *uri = cell->uri;
    if (uri == NULL) {
        char *socket_path = x_format("%s/engine.sock", stage->folder);
        char *store_path = x_format("%s/store", stage->folder);
        struct engine_settings engine = {.gate = stage->gate,
                                         .store = cell_store(cell),
                                         .folder = store_path,
                                         .temporary = true,
                                         .persona = persona_name(cell->persona),
                                         .durability = cell->durability,
                                         .now_ms = stage->clock.now_ms,
                                         .now_context = stage->clock.context};
        stage->server = engine_server_start(
            &(struct engine_server_settings){.engine = engine, .socket_path = socket_path});
        free(store_path);
        free(socket_path);
        uri = engine_server_socket_uri(stage->server);
    }
    bool alone = cell->processes == 1;
    stage->pool = driver_pool(uri, cell, (alone ? cell->workers : 0) + 1);
    stage->line.client = mongoc_client_pool_pop(stage->pool);
    if (stage->line.client == NULL)
        die(EXIT_TARGET, "no connection to the target");
    if (alone) /* otherwise the workers' threads are in other processes */
        driver_open(&stage->crew, stage->pool);
}

/* What the processes of the cell share with this one: a file without a name, so that it is gone
 * when they are. */
static void open_memory(struct stage *stage)
{
    size_t bytes = process_memory_bytes(stage->cell->workers);
    stage->memory_file = memfd_create("racebench", MFD_CLOEXEC);
    if (stage->memory_file < 0 || ftruncate(stage->memory_file, (off_t)bytes) != 0)
        die(EXIT_INTERNAL, "cannot make memory to share with processes: %s", strerror(errno));
    stage->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, stage->memory_file, 0);
    if (stage->memory == MAP_FAILED)
        die(EXIT_INTERNAL, "cannot map memory to share with processes: %s", strerror(errno));
}

static void close_memory(struct stage *stage)
{
    if (stage->memory == NULL)
        return;
    munmap(stage->memory, process_memory_bytes(stage->cell->workers));
    close(stage->memory_file);
}

static void pad(bson_t *document, int64_t bytes)
{
    int64_t missing = bytes - document->len - 16; /* field name and string header */
    if (missing <= 0)
        return;
    char *filling = x_malloc((size_t)missing);
    memset(filling, 'x', (size_t)missing);
    bson_append_utf8(document, "pad", -1, filling, (int)missing);
    free(filling);
}

static char *file_name(const struct key *key)
{
    return x_format("%s.%" PRId64 ".json", key->collection, key->id);
}

static void write_file(struct crew *crew, const struct key *key, const bson_t *document)
{
    char *name = file_name(key), *text = bson_as_relaxed_extended_json(document, NULL);
    struct file_write write = {STEP_NOBODY, name, text, strlen(text), -1};
    if (crew->transport->files->replace(crew, &write) != DONE)
        die(EXIT_TARGET, "cannot write %s in %s: %s", name, crew->folder, strerror(errno));
    bson_free(text);
    free(name);
}

/* The wall clock of the workers, who have not started yet. */
static int64_t now_ms(const struct stage *stage)
{
    return stage->cell->transport == TRANSPORT_DIRECT ? DIRECT_EPOCH_MS : clock_wall_ms();
}

static void seed(struct stage *stage)
{
    const struct cell *cell = stage->cell;
    const struct scenario *scenario = cell->scenario;
    if (cell->unseeded)
        return;
    for (int64_t id = 0; id < scenario->documents(cell); id++) {
        struct key key = {scenario->collection, id};
        bson_t document = BSON_INITIALIZER;
        scenario->seed(cell, id, &document);
        for (int s = 0; s < cell->strategy_count; s++)
            if (cell->strategy[s]->born != NULL)
                cell->strategy[s]->born(&document, now_ms(stage));
        pad(&document, cell->bytes);
        if (cell->strategy[0]->home == HOME_FILES)
            write_file(&stage->crew, &key, &document);
        else
            target_insert(&stage->line, stage->database, scenario->collection, &document);
        bson_destroy(&document);
    }
}

void stage_open(struct stage *stage, const struct cell *cell, const char *run_id,
                size_t cell_number)
{
    stage->cell = cell;
    stage->run_id = run_id;
    stage->folder = make_private_folder("set TMPDIR to a writable place");
    stage->database = cell->database != NULL ? x_strdup(cell->database)
                                             : x_format("racebench_%s_%zu", run_id, cell_number);
    stage->gate = gate_new(cell->workers, TRACE_STEPS_MAX);
    if (cell->processes > 1)
        open_memory(stage);
    if (cell->hazards != HAZARD_BIT(none)) {
        stage->crew.hazards =
            hazards_new(cell, stage->memory != NULL ? &stage->memory->tally : NULL);
        gate_set_policy(stage->gate, &hazards_at_gate, stage->crew.hazards);
        if (cell->hazard[HAZARD_INDEX_error].amount > 0)
            gate_set_error(stage->gate, (int32_t)cell->hazard[HAZARD_INDEX_error].amount);
    }
    raise_descriptor_limit(cell);
    struct crew *crew = &stage->crew;
    bool direct = cell->transport == TRANSPORT_DIRECT;
    crew->gate = stage->gate;
    crew->gate_sees_commands = cell->uri == NULL;
    crew->database = stage->database;
    crew->folder = stage->folder;
    crew_init(crew, cell, direct ? &transport_direct : &transport_driver);
    if (direct) {
        crew->files = folder_new(random_mix(cell->seed, UINT64_MAX));
        direct_open(crew);
        stage->line.engine = direct_engine(crew);
    } else {
        open_driver(stage);
    }
    target_describe(&stage->line, cell->uri, &stage->target); /* first of all: is it there? */
    target_claim_database(&stage->line, stage->database, run_id);
    seed(stage);
}

/* After -------------------------------------------------------------------------------------- */

/* What is left when all workers have gone; judges look at it. */
struct remains {
    struct final *finals;
    bson_t **documents; /* NULL: absent */
    int64_t count;
    struct effect *effects;
    size_t effect_count;
    bool readable, effects_readable;
};

/* A file that is there and holds no document is one that the strategy has destroyed: absent. False:
 * nobody knows what it holds. */
static bool read_file_document(struct crew *crew, const struct key *key, bson_t **document)
{
    size_t length = 0;
    bson_error_t error;
    char *name = file_name(key), *text = crew->transport->files->read(crew, name, &length);
    bool readable = text != NULL || errno == ENOENT;
    if (text != NULL)
        *document = bson_new_from_json((const uint8_t *)text, (ssize_t)length, &error);
    free(text);
    free(name);
    return readable;
}

/* Reads all documents and effects as they are now. */
static void read_remains(struct stage *stage, struct remains *remains)
{
    const struct scenario *scenario = stage->cell->scenario;
    bool files = stage->cell->strategy[0]->home == HOME_FILES;
    int64_t count = scenario->documents(stage->cell);
    *remains = (struct remains){.finals = x_calloc((size_t)count, sizeof(*remains->finals)),
                                .documents = x_calloc((size_t)count, sizeof(bson_t *)),
                                .count = count,
                                .readable = true};
    for (int64_t id = 0; id < count && remains->readable; id++) {
        struct key key = {scenario->collection, id};
        bson_t **document = &remains->documents[id];
        remains->readable =
            files ? read_file_document(&stage->crew, &key, document)
                  : target_read_document(&stage->line, stage->database, &key, document);
        if (*document == NULL)
            continue;
        remains->finals[id] = (struct final){.present = true,
                                             .value = edit_number(*document, scenario->field, 0),
                                             .version = edit_stamp(*document)};
    }
    remains->effects_readable = (remains->readable || files) &&
                                target_read_effects(&stage->line, stage->database,
                                                    &remains->effects, &remains->effect_count);
    stage->gone = !remains->effects_readable;
}

static void free_remains(struct remains *remains)
{
    for (int64_t id = 0; id < remains->count; id++)
        bson_destroy(remains->documents[id]);
    free(remains->documents);
    free(remains->finals);
    free(remains->effects);
}

/* Jain's index over the workers' rates of settled operations: (sum x)^2 / (n sum x^2). */
static double fairness(const struct crew *crew)
{
    double sum = 0, squares = 0;
    for (int32_t w = 0; w < crew->count; w++) {
        const struct session *session = &crew->sessions[w];
        int64_t span_ns = session->last_ns - session->first_ns;
        double rate = (double)session->history.count / (double)(span_ns > 0 ? span_ns : 1);
        sum += rate;
        squares += rate * rate;
    }
    return squares > 0 ? sum * sum / ((double)crew->count * squares) : 0;
}

static void merge(struct stage *stage, struct cell_result *result)
{
    struct crew *crew = &stage->crew;
    result->fairness = fairness(crew); /* before the histories move */
    for (int32_t w = 0; w < crew->count; w++) {
        struct session *session = &crew->sessions[w];
        result->attempts += session->attempts;
        result->commands += session->commands;
        history_merge(&result->history, &session->history);
        if (crew->latencies != NULL && w > 0)
            continue; /* shared: once */
        histogram_merge(&result->operation, &session->latencies->operation);
        histogram_merge(&result->attempt, &session->latencies->attempt);
        histogram_merge(&result->waiting, &session->latencies->waiting);
    }
    history_sort(&result->history);
}

/* Operators leave no version to read: what the engine saw of each operation is the evidence. */
static void note_applied(const struct stage *stage, struct history *history)
{
    const struct cell *cell = stage->cell;
    if (!stage->crew.gate_sees_commands)
        return;
    for (size_t i = 0; i < history->count; i++) {
        struct event *event = &history->events[i];
        if (cell->strategy[event->strategy]->blind && !event->reads_only)
            event->applied = gate_applied_count(stage->gate, cell->scenario->collection,
                                                event->worker, OPERATION_NUMBER(event->operation));
    }
}

static void judge(struct stage *stage, bool interrupted, struct cell_result *result)
{
    const struct cell *cell = stage->cell;
    const struct scenario *scenario = cell->scenario;
    struct remains remains;
    read_remains(stage, &remains);
    struct record record = {.cell = cell,
                            .events = result->history.events,
                            .event_count = result->history.count,
                            .finals = remains.finals,
                            .final_count = remains.count,
                            .documents = (const bson_t *const *)remains.documents,
                            .effects = remains.effects,
                            .effect_count = remains.effect_count,
                            .effects_unread = !remains.effects_readable,
                            .interrupted = interrupted};
    if (!cell->unseeded) {
        bson_t first = BSON_INITIALIZER;
        scenario->seed(cell, 0, &first);
        record.initial_value = edit_number(&first, scenario->field, 0);
        bson_destroy(&first);
    }
    memcpy(record.hits, result->hits, sizeof(record.hits));
    if (remains.readable) {
        scenario->judge(&record, &result->verdict);
    } else { /* what is not there must not count as absent, torn or missed */
        checker_count(&record, &result->verdict);
        result->verdict.status = UNDECIDED;
        result->verdict.reason = REASON_FINAL_UNREADABLE;
    }
    free_remains(&remains);
}

static void replace_text(char **text, const char *by)
{
    free(*text);
    *text = x_strdup(by);
}

/* What answered: for strategies that keep their documents in files no engine did. */
static void describe(struct stage *stage, struct cell_result *result)
{
    const struct cell *cell = stage->cell;
    result->target = stage->target;
    memset(&stage->target, 0, sizeof(stage->target));
    if (cell->strategy[0]->home == HOME_FILES) {
        replace_text(&result->target.persona, "files");
        replace_text(&result->target.store, "files");
        replace_text(&result->target.durability, durability_name(cell->durability));
    }
    result->retry_writes = strcmp(result->target.persona, "replset") == 0 ||
                           strcmp(result->target.persona, "sharded") == 0;
}

static void note_hits(const struct stage *stage, struct cell_result *result)
{
    const struct cell *cell = stage->cell;
    for (int i = 0; i < HAZARD_COUNT && stage->crew.hazards != NULL; i++)
        result->hits[i] = hazards_hits(stage->crew.hazards, (enum hazard_index)i);
    result->hits[HAZARD_INDEX_instances] = cell->instances > cell->processes ? cell->instances : 0;
    result->hits[HAZARD_INDEX_processes] = cell->processes > 1 ? cell->processes : 0;
}

static void keep_trace(const struct stage *stage, struct cell_result *result)
{
    const struct trace_entry *trace = gate_trace(stage->gate, &result->trace_count);
    size_t bytes = result->trace_count * sizeof(*trace);
    result->trace = x_malloc(bytes > 0 ? bytes : 1);
    if (bytes > 0)
        memcpy(result->trace, trace, bytes);
}

void stage_conclude(struct stage *stage, bool interrupted, struct cell_result *result)
{
    const struct cell *cell = stage->cell;
    result->cell = cell;
    result->virtual_clock = cell->transport == TRANSPORT_DIRECT;
    result->seconds = (double)(stage->ended_ns - stage->started_ns) / 1e9;
    result->database = x_strdup(stage->database);
    describe(stage, result);
    histogram_init(&result->operation);
    histogram_init(&result->attempt);
    histogram_init(&result->waiting);
    history_init(&result->history);
    merge(stage, result);
    note_applied(stage, &result->history);
    note_hits(stage, result);
    keep_trace(stage, result);
    judge(stage, interrupted, result);
    claims_apply(result);
    result->throughput_ops_s =
        result->seconds > 0 ? (double)result->verdict.counts.acked / result->seconds : 0;
}

void stage_close(struct stage *stage)
{
    if (stage->gone)
        warn("the target answers no more, or refuses to; database '%s' may be left in it",
             stage->database);
    else if (!stage->cell->keep)
        target_drop_database(&stage->line, stage->database, stage->run_id);
    if (stage->cell->transport == TRANSPORT_DIRECT) {
        direct_close(&stage->crew);
    } else {
        mongoc_client_pool_push(stage->pool, stage->line.client);
        mongoc_client_pool_destroy(stage->pool);
        if (stage->server != NULL)
            engine_server_stop(stage->server);
    }
    folder_free(stage->crew.files);
    crew_free(&stage->crew);
    gate_free(stage->gate);
    hazards_free(stage->crew.hazards);
    close_memory(stage);
    remove_folder(stage->folder);
    free(stage->folder);
    free(stage->database);
    target_free(&stage->target);
}
