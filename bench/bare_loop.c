/* SPDX-License-Identifier: Apache-2.0
 *
 * bare_loop: what a libmongoc program without any harness does: N threads, a held client each, an
 * update_one {$inc: {n: 1}} loop on one document, or on several that the threads share out. It is the reference that scripts/bench_overhead
 * holds `racebench -s inc` against; no history, no histogram, no stamp, no check.
 *
 * Usage: bare_loop URI THREADS OPERATIONS [DOCUMENTS]; prints operations per second and CPU microseconds per
 * operation of this process.
 */
#include <mongoc/mongoc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <uv.h>

struct team {
    mongoc_client_pool_t *pool;
    uv_barrier_t start, end;
    long operations_each, documents;
    atomic_long number; /* of the next thread */
    atomic_long failed;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void work(void *argument)
{
    struct team *team = argument;
    mongoc_client_t *client = mongoc_client_pool_pop(team->pool);
    mongoc_collection_t *collection = mongoc_client_get_collection(client, "bare", "counters");
    bson_t *filter =
        BCON_NEW("_id", BCON_INT64(atomic_fetch_add(&team->number, 1) % team->documents));
    bson_t *upsert = BCON_NEW("upsert", BCON_BOOL(true));
    bson_t *update = BCON_NEW("$inc", "{", "n", BCON_INT64(1), "}");
    bson_t *ping = BCON_NEW("ping", BCON_INT32(1));
    mongoc_client_command_simple(client, "admin", ping, NULL, NULL, NULL);
    mongoc_collection_update_one(collection, filter, update, upsert, NULL, NULL);
    uv_barrier_wait(&team->start);
    for (long i = 0; i < team->operations_each; i++)
        if (!mongoc_collection_update_one(collection, filter, update, NULL, NULL, NULL))
            atomic_fetch_add(&team->failed, 1);
    uv_barrier_wait(&team->end);
    bson_destroy(ping);
    bson_destroy(upsert);
    bson_destroy(update);
    bson_destroy(filter);
    mongoc_collection_destroy(collection);
    mongoc_client_pool_push(team->pool, client);
}

int main(int count, char **arguments)
{
    if (count != 4 && count != 5) {
        fputs("usage: bare_loop URI THREADS OPERATIONS [DOCUMENTS]\n", stderr);
        return 64;
    }
    unsigned threads = (unsigned)strtoul(arguments[2], NULL, 10);
    long operations = strtol(arguments[3], NULL, 10);
    long documents = count > 4 ? strtol(arguments[4], NULL, 10) : 1;
    mongoc_init();
    mongoc_uri_t *uri = mongoc_uri_new(arguments[1]);
    if (uri == NULL || threads == 0 || operations < (long)threads || documents <= 0) {
        fputs("bare_loop: bad URI, thread count or operation count\n", stderr);
        return 64;
    }
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, (int32_t)threads);
    struct team team = {.pool = mongoc_client_pool_new(uri),
                        .operations_each = operations / (long)threads,
                        .documents = documents};
    uv_thread_t *crew = calloc(threads, sizeof(*crew));
    uv_thread_options_t options = {UV_THREAD_HAS_STACK_SIZE, 256 << 10};
    uv_barrier_init(&team.start, threads + 1);
    uv_barrier_init(&team.end, threads + 1);
    for (unsigned i = 0; i < threads; i++)
        uv_thread_create_ex(&crew[i], &options, work, &team);
    uv_barrier_wait(&team.start);
    double start = seconds(), cpu = cpu_seconds();
    uv_barrier_wait(&team.end);
    double done = (double)(team.operations_each * (long)threads);
    double elapsed = seconds() - start;
    cpu = cpu_seconds() - cpu;
    for (unsigned i = 0; i < threads; i++)
        uv_thread_join(&crew[i]);
    printf("%.1f %.3f\n", done / elapsed, cpu * 1e6 / done);
    free(crew);
    mongoc_client_pool_destroy(team.pool);
    mongoc_uri_destroy(uri);
    mongoc_cleanup();
    return atomic_load(&team.failed) > 0;
}
