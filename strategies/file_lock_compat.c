/* SPDX-License-Identifier: Apache-2.0
 *
 * file_lock_compat: fpersist (once persist-lock) as it is. Every instance has one queue for each
 * key; edits and reads stand in it, first come, first served, one at a time. The file is rewritten
 * whole and in place.
 *
 * Claim: no update is lost, doubled or torn by one instance on its folder.
 * Weakness: "one instance": a second one on the same folder has queues of its own, whatever the
 * README says. There is no lock on the file, and a rewrite in place can be read, or left, half
 * done, which every later edit refuses. "Multiple readers" is one queue: readers do not run side by
 * side. Seed: persist-lock (seeds/001), now mistval/fpersist 1.0.5.
 */
#include "strategy.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

/* A place in a queue, on the stack of the worker that stands there. */
struct turn {
    struct turn *prev, *next;
    int32_t worker;
};

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

static void go_out(struct session *session, struct queue *queue, struct turn *turn)
{
    struct turn *next = turn->next;
    bool was_first = queue->turns == turn;
    DL_DELETE(queue->turns, turn);
    if (next && was_first)
        session_wake(session, next);
}

static enum outcome go_in(struct session *session, struct queue *queue, struct turn *turn)
{
    DL_APPEND(queue->turns, turn);
    while (queue->turns != turn)
        if (session_wait(session, turn) != DONE) {
            go_out(session, queue, turn);
            return FAILED; /* interrupted */
        }
    return DONE;
}

static enum outcome section(struct session *session, const char *name, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    const char *text;
    size_t length;
    enum outcome outcome = session_read_file(session, name, &text, &length);
    if (outcome != DONE)
        return outcome;
    if (text) {
        was[0] = session_parse(session, text, length);
        if (!was[0])
            return FAILED; /* "Unexpected end of JSON input", now and for every later edit */
    }                      /* window opens, but only for other instances */
    outcome = edit_run(session, edit, was, is);
    if (outcome != DONE || !is[0])
        return outcome;
    text = session_text(session, is[0], &length);
    outcome = session_write_file(session, name, WRITE_IN_PLACE, text, length); /* window closes */
    if (outcome == DONE && edit->effect && session_effect(session, edit) != DONE)
        return UNKNOWN; /* written, but its post-processing may be missing */
    return outcome;
}

static enum outcome file_lock_compat_apply(struct session *session, void *shared,
                                           const struct edit *edit)
{
    const char *name = session_file_name(session, &edit->key[0]);
    struct queue *queue = queue_find(shared, name);
    struct turn turn = {.worker = session_worker(session)};
    if (go_in(session, queue, &turn) != DONE)
        return FAILED;
    enum outcome outcome = section(session, name, edit);
    go_out(session, queue, &turn);
    return outcome;
}

static void *file_lock_compat_setup(struct session *session)
{
    (void)session;
    return x_calloc(1, sizeof(struct desk));
}

/* Queues count by what stands in them, added up, since the order of the table means nothing. */
static void file_lock_compat_digest(const void *shared, struct hash *hash)
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
            hash_u64(&one, (uint64_t)turn->worker);
        sum += hash_value(&one);
    }
    hash_u64(hash, sum);
}

static void file_lock_compat_teardown(struct session *session, void *shared)
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

#define ALONE (HAZARD_BIT(none) | HAZARD_BIT(delay) | HAZARD_BIT(pause) | HAZARD_BIT(boot))

const struct strategy strategy_file_lock_compat = {
    .name = "file_lock_compat",
    .help = "fpersist (persist-lock) as it is: a queue in each instance",
    .can = CAN_CHANGE | CAN_CREATE,
    .home = HOME_FILES,
    .keeps = {[LOST] = ALONE, [DOUBLED] = ALONE, [TORN] = ALONE},
    .setup = file_lock_compat_setup,
    .apply = file_lock_compat_apply,
    .digest = file_lock_compat_digest,
    .teardown = file_lock_compat_teardown,
};
