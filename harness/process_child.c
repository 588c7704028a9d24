/* SPDX-License-Identifier: Apache-2.0
 *
 * process_child: see process_child.h. A crew of threads as in one process (transport_driver), with
 * a witness: each worker's events go up the pipe, and what it would leave if it died now is kept in
 * the memory that is shared with the parent, copied before every step, which is when evidence can
 * have changed. An event goes up when the worker's next operation begins, together with the times
 * of its attempts, in one write; so a killed process leaves at most one operation a worker open.
 *
 * No child survives its parent: the kernel kills it when the parent's thread ends, and the end of
 * the pipe says so where that came too early to be heard. A terminal's signals go to the parent
 * alone, since a child has a session of its own.
 */
#include "process_child.h"
#include "process_wire.h"
#include "scenario.h"
#include "transport_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A worker's way to the parent. */
struct outbox {
    struct frame_buffer frames; /* not written yet */
    bool pending;               /* its newest event is not among them yet */
    int64_t waiting_ns;         /* of that event */
};

struct child {
    uv_loop_t loop;
    uv_async_t arrived;
    uv_pipe_t down;
    uv_timer_t beat;
    struct frame_reader reader;
    struct process_order order;
    struct cell cell;
    char *text; /* the order's texts */
    char *uri;  /* of what answers; within text */
    struct crew_share *shares;
    struct process_memory *memory;
    struct crew crew;
    struct outbox *outboxes;
    bool told; /* that all have arrived */
    uv_mutex_t writing;
    uv_mutex_t striking; /* guards `resumed` */
    uv_cond_t resume;
    int64_t resumed; /* how often the process has been struck and goes on */
};

/* Up ------------------------------------------------------------------------------------------- */

/* The crew is within the child: from a session to all there is. */
static struct child *child_of(const struct session *session)
{
    return (struct child *)((char *)session->crew - offsetof(struct child, crew));
}

static struct outbox *outbox_of(struct session *session)
{
    return &child_of(session)->outboxes[session - session->crew->sessions];
}

/* Writes all that is in the buffer. When nobody reads any more there is nothing left to do. */
static void flush(struct child *child, struct frame_buffer *frames)
{
    uv_mutex_lock(&child->writing);
    for (size_t done = 0; done < frames->count;) {
        ssize_t written = write(PROCESS_UP, frames->bytes + done, frames->count - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            _exit(EXIT_INTERNAL);
        done += (size_t)written;
    }
    uv_mutex_unlock(&child->writing);
    frames->count = 0;
}

static void tell(struct child *child, enum frame_kind kind, const void *body, size_t length)
{
    struct frame_buffer frames = {0};
    frame_append(&frames,
                 &(struct frame){.kind = kind, .worker = -1, .body = body, .length = length});
    flush(child, &frames);
    free(frames.bytes);
}

/* Puts the newest event after what is in the outbox; the worker keeps no history of its own. */
static void post(struct session *session, struct outbox *outbox)
{
    if (!outbox->pending)
        return;
    struct process_settled settled;
    memset(&settled, 0, sizeof(settled));
    settled.event = session->history.events[session->history.count - 1];
    settled.waiting_ns = outbox->waiting_ns;
    frame_append(&outbox->frames, &(struct frame){.kind = FRAME_EVENT,
                                                  .worker = session->worker,
                                                  .body = (const uint8_t *)&settled,
                                                  .length = sizeof(settled)});
    session->history.count = 0;
    outbox->pending = false;
}

/* Keeps what the worker leaves if it dies now. */
static void stepping(struct session *session)
{
    struct process_slot *slot = &child_of(session)->memory->slots[session->worker];
    unsigned next = 1 - atomic_load_explicit(&slot->turn, memory_order_relaxed);
    if (session->event != NULL)
        worker_unfinished(session, &slot->left[next].event);
    else
        slot->left[next].event = slot->left[1 - next].event; /* settled, and may not have gone up */
    slot->left[next].token_count = session->token_count + 1; /* one may be drawn in this step */
    atomic_store_explicit(&slot->turn, next, memory_order_release);
}

static void begun(struct session *session)
{
    struct outbox *outbox = outbox_of(session);
    post(session, outbox);
    flush(child_of(session), &outbox->frames);
    stepping(session);
}

static void attempted(struct session *session, int64_t ns)
{
    enum { OUTBOX_BYTES = 32 << 10 };
    struct outbox *outbox = outbox_of(session);
    frame_append(&outbox->frames, &(struct frame){.kind = FRAME_ATTEMPT,
                                                  .worker = session->worker,
                                                  .body = (const uint8_t *)&ns,
                                                  .length = sizeof(ns)});
    if (outbox->frames.count > OUTBOX_BYTES)
        flush(child_of(session), &outbox->frames);
}

static void settled(struct session *session, int64_t waiting_ns)
{
    struct outbox *outbox = outbox_of(session);
    outbox->pending = true;
    outbox->waiting_ns = waiting_ns;
}

static void ended(struct session *session)
{
    struct outbox *outbox = outbox_of(session);
    post(session, outbox);
    frame_append(&outbox->frames, &(struct frame){.kind = FRAME_ENDED, .worker = session->worker});
    flush(child_of(session), &outbox->frames);
}

/* Asks the parent to kill or stop this process, and waits until that is over. */
static void struck(struct session *session, enum hazard_index index)
{
    struct child *child = child_of(session);
    int32_t number = (int32_t)index;
    uv_mutex_lock(&child->striking);
    int64_t before = child->resumed;
    tell(child, FRAME_STRIKE, &number, sizeof(number));
    while (child->resumed == before)
        uv_cond_wait(&child->resume, &child->striking);
    uv_mutex_unlock(&child->striking);
}

static const struct witness_table witness = {begun, stepping, attempted, settled, ended, struck};

/* The order ------------------------------------------------------------------------------------ */

static void read_down(struct child *child)
{
    uint8_t bytes[4096];
    ssize_t got = read(PROCESS_DOWN, bytes, sizeof(bytes));
    if (got <= 0)
        die(EXIT_USAGE, "'%s' is how racebench starts a process of its own; leave it out",
            PROCESS_WORD);
    frame_reader_add(&child->reader, bytes, (size_t)got);
}

static char *next_text(char **rest)
{
    char *text = *rest;
    *rest += strlen(text) + 1;
    return text;
}

/* Replaces what means something in the parent only. */
static void understand(struct child *child)
{
    struct cell *cell = &child->cell;
    char *rest = child->text;
    *cell = child->order.cell;
    cell->scenario = scenario_find(next_text(&rest));
    for (int s = 0; s < cell->strategy_count; s++)
        cell->strategy[s] = strategy_find(next_text(&rest));
    cell->strategy_name = next_text(&rest);
    child->uri = next_text(&rest);
    cell->uri = child->order.embedded ? NULL : child->uri;
    cell->column = cell->conviction = NULL;
    child->crew.database = cell->database = next_text(&rest);
    child->crew.folder = next_text(&rest);
    must(cell->scenario != NULL && rest == child->text + child->order.text_bytes);
}

static void take_order(struct child *child)
{
    struct frame frame;
    enum frame_state state;
    while ((state = frame_next(&child->reader, &frame)) == FRAME_MORE)
        read_down(child);
    size_t shares_bytes = 0;
    if (state == FRAME_READY && frame.kind == FRAME_ORDER && frame.length >= sizeof(child->order)) {
        memcpy(&child->order, frame.body, sizeof(child->order));
        shares_bytes = (size_t)child->order.share_count * sizeof(*child->shares);
    }
    if (shares_bytes == 0 ||
        frame.length != sizeof(child->order) + child->order.text_bytes + shares_bytes)
        die(EXIT_WORKER, "a process of a run was given an order that it does not understand");
    child->text = x_malloc(child->order.text_bytes + 1);
    memcpy(child->text, frame.body + sizeof(child->order), child->order.text_bytes);
    child->text[child->order.text_bytes] = '\0';
    child->shares = x_malloc(shares_bytes);
    memcpy(child->shares, frame.body + sizeof(child->order) + child->order.text_bytes,
           shares_bytes);
    understand(child);
}

/* The loop ------------------------------------------------------------------------------------- */

static void on_beat(uv_timer_t *timer)
{
    tell(timer->data, FRAME_BEAT, NULL, 0);
}

static void on_arrived(uv_async_t *handle)
{
    struct child *child = handle->data;
    struct driver_count count = driver_counts(&child->crew);
    if (!child->told && count.arrived + count.failed == child->crew.count) {
        child->told = true;
        const char *failure = count.failed > 0 ? driver_failure(&child->crew) : "";
        tell(child, FRAME_ARRIVED, failure, strlen(failure));
    }
    if (count.ended == child->crew.count)
        uv_stop(&child->loop);
}

static void go(struct child *child, const struct frame *frame)
{
    int64_t start_ns;
    memcpy(&start_ns, frame->body, sizeof(start_ns));
    driver_go(&child->crew, start_ns);
}

static void hear(struct child *child, const struct frame *frame)
{
    switch (frame->kind) {
    case FRAME_GO:
        go(child, frame);
        return;
    case FRAME_STOP:
        atomic_store(&child->crew.stop, true);
        return;
    case FRAME_RESUME:
        uv_mutex_lock(&child->striking);
        child->resumed++;
        uv_cond_broadcast(&child->resume);
        uv_mutex_unlock(&child->striking);
        return;
    default:
        die(EXIT_WORKER, "a process of a run does not understand '%s' from its parent",
            frame_name(frame->kind));
    }
}

static void hear_all(struct child *child)
{
    struct frame frame;
    enum frame_state state;
    while ((state = frame_next(&child->reader, &frame)) == FRAME_READY)
        hear(child, &frame);
    if (state == FRAME_BAD)
        die(EXIT_WORKER, "a process of a run does not understand what its parent says");
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    *buffer = uv_buf_init(x_malloc(suggested), (unsigned)suggested);
}

static void on_down(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct child *child = stream->data;
    if (count < 0)
        _exit(EXIT_INTERNAL); /* the parent is gone */
    if (count > 0) {
        frame_reader_add(&child->reader, buffer->base, (size_t)count);
        hear_all(child);
    }
    free(buffer->base);
}

static void open_loop(struct child *child)
{
    must(uv_loop_init(&child->loop) == 0);
    must(uv_async_init(&child->loop, &child->arrived, on_arrived) == 0);
    must(uv_timer_init(&child->loop, &child->beat) == 0);
    must(uv_pipe_init(&child->loop, &child->down, 0) == 0);
    must(uv_pipe_open(&child->down, PROCESS_DOWN) == 0);
    child->arrived.data = child->beat.data = child->down.data = child;
    must(uv_mutex_init(&child->writing) == 0);
    must(uv_mutex_init(&child->striking) == 0);
    must(uv_cond_init(&child->resume) == 0);
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    uv_close(handle, NULL);
}

static void close_loop(struct child *child)
{
    uv_walk(&child->loop, close_handle, NULL);
    uv_run(&child->loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&child->loop) == 0);
    uv_mutex_destroy(&child->writing);
    uv_mutex_destroy(&child->striking);
    uv_cond_destroy(&child->resume);
}

/* Life ----------------------------------------------------------------------------------------- */

bool process_is_child(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], PROCESS_WORD) == 0;
}

/* Dies with the parent; keeps nothing that the parent did not mean to give. */
static void settle_in(void)
{
    struct stat status;
    if (fstat(PROCESS_DOWN, &status) != 0 || !S_ISFIFO(status.st_mode) ||
        fstat(PROCESS_UP, &status) != 0 || !S_ISFIFO(status.st_mode))
        die(EXIT_USAGE, "'%s' is how racebench starts a process of its own; leave it out",
            PROCESS_WORD);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#ifdef SYS_close_range
    syscall(SYS_close_range, (unsigned)PROCESS_MEMORY + 1, ~0u, 0);
#endif
}

static void map_memory(struct child *child)
{
    child->memory = mmap(NULL, process_memory_bytes(child->cell.workers), PROT_READ | PROT_WRITE,
                         MAP_SHARED, PROCESS_MEMORY, 0);
    if (child->memory == MAP_FAILED)
        die(EXIT_INTERNAL, "a process of a run cannot map its memory: %s", strerror(errno));
}

/* The driver's own messages go nowhere unless --verbose, as in the parent. */
static void quiet_log(mongoc_log_level_t level, const char *domain, const char *message, void *data)
{
    (void)level, (void)domain, (void)message, (void)data;
}

static void open_crew(struct child *child)
{
    struct crew *crew = &child->crew;
    crew->gate = gate_new(child->cell.workers, 0);
    crew->gate_sees_commands = child->order.embedded;
    crew->witness = &witness;
    crew->shares = child->shares;
    crew->count = child->order.share_count;
    if (child->cell.hazards != HAZARD_BIT(none))
        crew->hazards = hazards_new(&child->cell, &child->memory->tally);
    crew_init(crew, &child->cell, &transport_driver);
    child->outboxes = x_calloc((size_t)crew->count, sizeof(*child->outboxes));
}

static void free_child(struct child *child)
{
    for (int32_t w = 0; w < child->crew.count; w++)
        free(child->outboxes[w].frames.bytes);
    free(child->outboxes);
    crew_free(&child->crew);
    hazards_free(child->crew.hazards);
    gate_free(child->crew.gate);
    frame_reader_free(&child->reader);
    munmap(child->memory, process_memory_bytes(child->cell.workers));
    free(child->shares);
    free(child->text);
}

enum exit_code process_child(void)
{
    struct child child = {0};
    settle_in();
    take_order(&child);
    map_memory(&child);
    mongoc_init();
    if (!child.order.verbose)
        mongoc_log_set_handler(quiet_log, NULL);
    open_loop(&child);
    open_crew(&child);
    mongoc_client_pool_t *pool = driver_pool(child.uri, &child.cell, child.crew.count);
    driver_open(&child.crew, pool);
    uv_timer_start(&child.beat, on_beat, 0, PROCESS_BEAT_MS);
    uv_read_start((uv_stream_t *)&child.down, on_room, on_down);
    driver_start(&child.crew, &child.arrived);
    hear_all(&child); /* what came right behind the order */
    uv_run(&child.loop, UV_RUN_DEFAULT);
    driver_close(&child.crew);
    mongoc_client_pool_destroy(pool);
    tell(&child, FRAME_END, NULL, 0);
    close_loop(&child);
    free_child(&child);
    return EXIT_OK;
}
