/* SPDX-License-Identifier: Apache-2.0
 *
 * file_lock: one file per document, edited by a function while nobody else may touch it. Inside an
 * instance every document has a queue, first come, first served: a reader goes in when no writer
 * stands before it, a writer when nobody does. So readers share, writers exclude, and neither can
 * starve the other. Between instances and processes a lock on a file beside the data does the same;
 * the kernel drops it when a process dies. The new content goes into a file of its own that is then
 * renamed over the old one: a reader, and a crash, finds the old or the new, never half.
 *
 * Asking for the same document again from inside the edit, on which persist-lock hangs for ever,
 * cannot be written here: an edit's function is given documents, not a session. An edit that fails
 * leaves its place like any other, so the queue goes on. A file that is there but holds no document
 * is FAILED and never taken for an absent one, which would start the counter again at nothing.
 *
 * Claim: no update is lost, doubled or torn, with any number of workers and instances.
 * Weakness: a function that never returns holds up its document for ever. Between processes nobody
 * is served in order: the kernel gives the lock to whom it likes. As durable as --durability says.
 * Seed: persist-lock, now fpersist (seeds/001), here with the lock between instances that it lacks.
 */
#include "strategy.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

/* A place in a queue, on the stack of the worker that stands there. */
struct turn {
    struct turn *prev, *next;
    bool writes;
    int32_t worker;
};

/* Who is in or waits for one document, in the order of arrival. */
struct queue {
    char *name; /* of the file */
    struct turn *turns;
    UT_hash_handle hh;
};

/* What the workers of an instance share. */
struct desk {
    struct queue *queues; /* by name; they stay once made */
};

static struct queue *queue_find(struct desk *desk, const char *name)
{
    struct queue *queue;
    HASH_FIND_STR(desk->queues, name, queue);
    if (queue)
        return queue;
    queue = x_calloc(1, sizeof(*queue));
    queue->name = x_strdup(name);
    HASH_ADD_KEYPTR(hh, desk->queues, queue->name, strlen(queue->name), queue);
    return queue;
}

static bool may_go_in(const struct queue *queue, const struct turn *turn)
{
    const struct turn *before = queue->turns;
    while (before != turn && !turn->writes && !before->writes)
        before = before->next;
    return before == turn;
}

/* Calls the next in the queue if its turn has come. One wakes one: who goes in as a reader calls
 * the reader behind it. */
static void call(struct session *session, const struct queue *queue, const struct turn *next)
{
    if (next && may_go_in(queue, next))
        session_wake(session, next);
}

static void go_out(struct session *session, struct queue *queue, struct turn *turn)
{
    struct turn *next = turn->next;
    DL_DELETE(queue->turns, turn);
    call(session, queue, next);
}

static enum outcome go_in(struct session *session, struct queue *queue, struct turn *turn)
{
    DL_APPEND(queue->turns, turn);
    while (!may_go_in(queue, turn)) {
        if (session_wait(session, turn) != DONE) {
            go_out(session, queue, turn);
            return FAILED; /* interrupted */
        }
    }
    if (!turn->writes)
        call(session, queue, turn->next);
    return DONE;
}

/* The document in the file, NULL when there is no file; FAILED when it holds no document. */
static enum outcome get(struct session *session, const char *name, const bson_t **document)
{
    const char *text;
    size_t length;
    *document = NULL;
    enum outcome outcome = session_read_file(session, name, &text, &length);
    if (outcome != DONE || !text)
        return outcome;
    *document = session_parse(session, text, length);
    return *document ? DONE : FAILED; /* corrupt */
}

/* Read, change, write: what both locks are for. */
static enum outcome section(struct session *session, const char *name, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    enum outcome outcome = get(session, name, &was[0]);
    if (outcome == DONE) /* window opens, but only for those who do not ask for the lock */
        outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    size_t length;
    const char *text = session_text(session, is[0], &length);
    outcome = session_write_file(session, name, WRITE_RENAME, text, length); /* window closes */
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* written, but its post-processing may be missing */
    return outcome;
}

static enum outcome file_lock_apply(struct session *session, void *shared, const struct edit *edit)
{
    const char *name = session_file_name(session, &edit->key[0]);
    struct queue *queue = queue_find(shared, name);
    struct turn turn = {.writes = edit->change != NULL, .worker = session_worker(session)};
    if (go_in(session, queue, &turn) != DONE)
        return FAILED;
    enum outcome outcome =
        session_lock_file(session, name, turn.writes ? LOCK_EXCLUSIVE : LOCK_SHARED);
    if (outcome == DONE) {
        outcome = section(session, name, edit);
        session_unlock_file(session);
    }
    go_out(session, queue, &turn);
    return outcome;
}

static void *file_lock_setup(struct session *session)
{
    (void)session;
    return x_calloc(1, sizeof(struct desk));
}

/* Queues count by what stands in them, added up, since the order of the table means nothing. */
static void file_lock_digest(const void *shared, struct hash *hash)
{
    const struct desk *desk = shared;
    uint64_t sum = 0;
    for (const struct queue *queue = desk->queues; queue; queue = queue->hh.next) {
        struct hash one;
        if (!queue->turns)
            continue;
        hash_init(&one);
        hash_bytes(&one, queue->name, strlen(queue->name));
        for (const struct turn *turn = queue->turns; turn; turn = turn->next)
            hash_u64(&one, (uint64_t)turn->worker << 1 | turn->writes);
        sum += hash_value(&one);
    }
    hash_u64(hash, sum);
}

static void file_lock_teardown(struct session *session, void *shared)
{
    struct desk *desk = shared;
    struct queue *queue, *next;
    (void)session;
    HASH_ITER (hh, desk->queues, queue, next) {
        HASH_DEL(desk->queues, queue);
        free(queue->name);
        free(queue);
    }
    free(desk);
}

#define ALWAYS                                                                                     \
    (HAZARD_BIT(none) | HAZARD_BIT(instances) | HAZARD_BIT(processes) | HAZARD_BIT(error) |        \
     HAZARD_BIT(hang) | HAZARD_BIT(delay) | HAZARD_BIT(pause) | HAZARD_BIT(crash) |                \
     HAZARD_BIT(skew) | HAZARD_BIT(boot))

const struct strategy strategy_file_lock = {
    .name = "file_lock",
    .help = "edit a file in a queue of readers and writers, under a file lock",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_FILES,
    .guard = "file lock",
    .keeps = {[LOST] = ALWAYS, [DOUBLED] = ALWAYS, [TORN] = ALWAYS},
    .setup = file_lock_setup,
    .apply = file_lock_apply,
    .digest = file_lock_digest,
    .teardown = file_lock_teardown,
};
