/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_stores: the same row of commands to an engine on `memory` and to one on `wiredtiger`, with
 * the same clock and seed: replies and committed contents must be the same, step by step. The two
 * live as long as the process, since opening WiredTiger takes longer than a row, and dropping a
 * table too: most rows leave two collections without documents and indexes to the next one, every
 * DROP_EVERY-th drops the database. At the end one line says how many steps were identical.
 * (test_store compares each store with a model, call by call; here it is what a client can see.)
 * In a build without WiredTiger nothing is compared, and the line says so.
 */
#include "base.h"
#include "fuzz.h"
#include "steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROW_MAX = 24, DROP_EVERY = 100 };

struct pair {
    struct steps memory, wiredtiger;
    char *folder;
    int64_t identical; /* steps */
    int64_t rows;
};

static struct pair *the_pair(void);

static void on_exit_say(void)
{
    struct pair *pair = the_pair();
    fprintf(stderr, "identical steps: %" PRId64 "\n", pair->identical);
    steps_stop(&pair->memory);
    steps_stop(&pair->wiredtiger);
    rmdir(pair->folder);
    free(pair->folder);
    free(pair);
}

static struct pair *the_pair(void)
{
    static struct pair *pair;
    if (pair != NULL)
        return pair;
    pair = x_calloc(1, sizeof *pair);
    /* in memory where there is a place: each new table waits for the disk */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    pair->folder = make_private_folder("");
    steps_start(&pair->memory, "memory", NULL);
    steps_start(&pair->wiredtiger, "wiredtiger", pair->folder);
    atexit(on_exit_say);
    return pair;
}

static void differ(const char *what, const struct step_sent *memory,
                   const struct step_sent *wiredtiger)
{
    char *command = bson_as_relaxed_extended_json(memory->command, NULL);
    char *one = memory->reply != NULL ? bson_as_relaxed_extended_json(memory->reply, NULL) : NULL;
    char *two =
        wiredtiger->reply != NULL ? bson_as_relaxed_extended_json(wiredtiger->reply, NULL) : NULL;
    fuzz_finding("%s: %s\n  memory:     %d times %s\n  wiredtiger: %d times %s", what, command,
                 memory->answers, one != NULL ? one : "nothing", wiredtiger->answers,
                 two != NULL ? two : "nothing");
}

/* All answers so far: a step of before may have been parked. */
static void compare(const struct pair *pair)
{
    for (int i = 0; i < pair->memory.count; i++) {
        const struct step_sent *memory = &pair->memory.sent[i];
        const struct step_sent *wiredtiger = &pair->wiredtiger.sent[i];
        if (memory->answers != wiredtiger->answers ||
            (memory->reply == NULL) != (wiredtiger->reply == NULL) ||
            (memory->reply != NULL && !bson_equal(memory->reply, wiredtiger->reply)))
            differ("the stores answer differently", memory, wiredtiger);
    }
    struct buffer contents = {0};
    steps_contents(&pair->memory, &contents);
    steps_same(&pair->wiredtiger, &contents, "wiredtiger holds other rows than memory");
    buffer_release(&contents);
}

static void send_both(struct pair *pair, const bson_t *command)
{
    steps_send(&pair->memory, command);
    steps_send(&pair->wiredtiger, command);
    compare(pair);
    pair->identical++;
}

static void advance_both(struct pair *pair, int64_t by_ms)
{
    steps_advance(&pair->memory, by_ms);
    steps_advance(&pair->wiredtiger, by_ms);
    compare(pair);
}

static void send_both_json(struct pair *pair, const char *json)
{
    bson_t *command = bson_new_from_json((const uint8_t *)json, -1, NULL);
    must(command != NULL);
    send_both(pair, command);
    bson_destroy(command);
}

static void empty(struct pair *pair)
{
    static const char *const collections[] = {"one", "two"};
    char json[128];
    for (int i = 0; i < 2; i++) {
        snprintf(
            json, sizeof json,
            "{\"delete\": \"%s\", \"deletes\": [{\"q\": {}, \"limit\": 0}], \"$db\": \"fuzz\"}",
            collections[i]);
        send_both_json(pair, json);
        snprintf(json, sizeof json,
                 "{\"delete\": \"%s\", \"deletes\": [{\"q\": {}, \"limit\": 0}], "
                 "\"$db\": \"fuzz\"}",
                 collections[i]);
        send_both_json(pair, json);
    }
}

/* No transaction, no session, no row is left. */
static void clean(struct pair *pair)
{
    steps_settle(&pair->memory);
    steps_settle(&pair->wiredtiger);
    compare(pair);
    steps_forget(&pair->memory);
    steps_forget(&pair->wiredtiger);
    bson_t end = BSON_INITIALIZER;
    steps_list_sessions(&end, "endSessions", 1, 2);
    send_both(pair, &end);
    bson_destroy(&end);
    if (++pair->rows % DROP_EVERY == 0)
        send_both_json(pair, "{\"dropDatabase\": 1, \"$db\": \"fuzz\"}");
    else
        empty(pair);
    steps_forget(&pair->memory);
    steps_forget(&pair->wiredtiger);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct fuzz_input input = {bytes, length};
    struct pair *pair = the_pair();
    for (int i = 0; i < ROW_MAX && input.length > 0; i++) {
        bson_t command = BSON_INITIALIZER;
        if (fuzz_below(&input, 16) == 0) {
            advance_both(pair, fuzz_below(&input, 2) ? STEPS_LIFETIME_MS : 1000);
            continue;
        }
        fuzz_command(&input, &command, true);
        send_both(pair, &command);
        bson_destroy(&command);
    }
    clean(pair);
    return 0;
}
