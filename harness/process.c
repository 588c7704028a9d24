/* SPDX-License-Identifier: Apache-2.0
 *
 * process: see process.h. A process of the cell is a "place" (number, workers) that lives once or,
 * with the hazard crash, several times; each life has its own pipes. Workers' histories grow in the
 * stage's crew, event by event, so that nothing is lost with whoever dies; what a killed worker had
 * open is in the shared memory (process_wire.h) and is recorded as UNKNOWN.
 *
 * A worker that a hazard makes its victim asks for the strike and waits (FRAME_STRIKE); kill and
 * stop come from here, so they hit the other workers of the process wherever they are. A hit is
 * counted when it is done. A process that we have stopped is silent and not suspected.
 */
#include "process.h"
#include "process_wire.h"
#include "scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A process says something every PROCESS_BEAT_MS; silent for this and --timeout: it hangs. */
enum { SILENCE_MS = 5000, WATCH_MS = 500 };

struct life {
    struct place *place;
    uv_process_t process;
    uv_pipe_t up, down;
    struct frame_reader reader;
    bool hung_up, exited; /* no more bytes; no more process */
    bool killed;          /* by us */
    bool said_end;
    int64_t exit_status;
    int exit_signal;
    struct life *older; /* of this place: freed at the end */
};

struct place {
    struct processes *processes;
    int32_t number;
    struct life *life;  /* the present one */
    uv_timer_t timer;   /* ends a pause, or starts the next life */
    bool arrived, over; /* the first life at the start line; nothing more comes */
    bool stopped;       /* by us: it says nothing */
    bool resting;       /* dead until the timer says so */
    int silent;         /* ticks of the watch since it said something */
};

struct processes {
    struct process_settings settings;
    struct stage *stage;
    const struct cell *cell;
    struct place *places;
    uv_timer_t watch;
    int memory_file;
    bool *done; /* by worker: it does nothing more */
    int open_handles;
    bool going, stopping;
};

static void start_life(struct place *place);

/* Down ----------------------------------------------------------------------------------------- */

struct sending {
    uv_write_t request;
    struct frame_buffer frames;
};

static void on_sent(uv_write_t *request, int status)
{
    (void)status; /* whoever does not read any more has died, and is heard of otherwise */
    struct sending *sending = request->data;
    free(sending->frames.bytes);
    free(sending);
}

static void say(struct life *life, enum frame_kind kind, const void *body, size_t length)
{
    struct sending *sending = x_calloc(1, sizeof(*sending));
    frame_append(&sending->frames,
                 &(struct frame){.kind = kind, .worker = -1, .body = body, .length = length});
    uv_buf_t buffer = uv_buf_init((char *)sending->frames.bytes, (unsigned)sending->frames.count);
    sending->request.data = sending;
    if (uv_write(&sending->request, (uv_stream_t *)&life->down, &buffer, 1, on_sent) != 0)
        on_sent(&sending->request, 0);
}

/* What worker w has still to do. */
static struct crew_share share_of(const struct processes *processes, int32_t worker)
{
    const struct session *session = &processes->stage->crew.sessions[worker];
    const struct process_slot *slot = &processes->stage->memory->slots[worker];
    bool done = processes->done[worker];
    return (struct crew_share){.worker = worker,
                               .operations_left = done ? 0 : session->operations_left,
                               .operation_count = (int64_t)session->history.count,
                               .token_count = slot->left[atomic_load(&slot->turn)].token_count};
}

static void append_text(struct frame_buffer *body, const char *text)
{
    size_t length = strlen(text) + 1;
    body->bytes = x_realloc(body->bytes, body->count + length);
    memcpy(body->bytes + body->count, text, length);
    body->count += length;
}

static void append_texts(const struct stage *stage, struct frame_buffer *body)
{
    const struct cell *cell = stage->cell;
    append_text(body, cell->scenario->name);
    for (int s = 0; s < cell->strategy_count; s++)
        append_text(body, cell->strategy[s]->name);
    append_text(body, cell->strategy_name);
    append_text(body, cell->uri != NULL ? cell->uri : engine_server_socket_uri(stage->server));
    append_text(body, stage->database);
    append_text(body, stage->folder);
}

static void send_order(struct life *life)
{
    const struct processes *processes = life->place->processes;
    const struct cell *cell = processes->cell;
    struct process_order order;
    memset(&order, 0, sizeof(order));
    order.cell = *cell;
    order.number = life->place->number;
    order.embedded = cell->uri == NULL;
    order.verbose = processes->settings.verbose;
    struct frame_buffer body = {.bytes = x_malloc(sizeof(order)), .count = sizeof(order)};
    append_texts(processes->stage, &body);
    order.text_bytes = (uint32_t)(body.count - sizeof(order));
    for (int32_t w = 0; w < cell->workers; w++) {
        if (crew_process_of(cell, w) != life->place->number)
            continue;
        struct crew_share share = share_of(processes, w);
        body.bytes = x_realloc(body.bytes, body.count + sizeof(share));
        memcpy(body.bytes + body.count, &share, sizeof(share));
        body.count += sizeof(share);
        order.share_count++;
    }
    memcpy(body.bytes, &order, sizeof(order));
    say(life, FRAME_ORDER, body.bytes, body.count);
    free(body.bytes);
}

/* Hazards -------------------------------------------------------------------------------------- */

static void on_resume(uv_timer_t *timer)
{
    struct place *place = timer->data;
    place->stopped = false;
    place->silent = 0;
    uv_process_kill(&place->life->process, SIGCONT);
    say(place->life, FRAME_RESUME, NULL, 0);
}

static void on_rested(uv_timer_t *timer)
{
    struct place *place = timer->data;
    place->resting = false;
    start_life(place);
}

static void kill_life(struct place *place)
{
    uv_timer_stop(&place->timer);
    place->stopped = false;
    place->life->killed = true;
    uv_process_kill(&place->life->process, SIGKILL);
}

static void strike(struct place *place, enum hazard_index hazard)
{
    struct hazards *hazards = place->processes->stage->crew.hazards;
    if (place->stopped || place->life->killed || place->processes->stopping) {
        if (!place->life->killed && !place->stopped) /* too late for it: just go on */
            say(place->life, FRAME_RESUME, NULL, 0);
        return; /* who asked together with another goes on with it, or dies with it */
    }
    hazards_struck(hazards, hazard);
    if (hazard == HAZARD_INDEX_crash) {
        kill_life(place);
        return;
    }
    place->stopped = true;
    uv_process_kill(&place->life->process, SIGSTOP);
    uv_timer_start(&place->timer, on_resume, (uint64_t)(hazards_time_us(hazards, hazard) / 1000),
                   0);
}

/* Up ------------------------------------------------------------------------------------------- */

_Noreturn static void refuse(const struct place *place, const char *what)
{
    die(EXIT_WORKER, "process %d of %d broke the protocol: %s; nothing that it reported counts",
        place->number + 1, place->processes->cell->processes, what);
}

/* The session of a frame's worker, if it lives there. */
static struct session *session_of(const struct place *place, const struct frame *frame)
{
    const struct processes *processes = place->processes;
    if (frame->worker < 0 || frame->worker >= processes->cell->workers ||
        crew_process_of(processes->cell, frame->worker) != place->number ||
        (processes->done[frame->worker] && frame->kind != FRAME_ENDED)) /* again in a later life */
        refuse(place, "it spoke for a worker that is not its own");
    return &processes->stage->crew.sessions[frame->worker];
}

static void add_event(struct session *session, const struct event *event)
{
    *history_append(&session->history) = *event;
    if (session->first_ns < 0)
        session->first_ns = event->invoke_ns;
    session->last_ns = event->return_ns;
    session->commands += event->commands;
    if (session->operations_left > 0 && session->operations_left < INT64_MAX)
        session->operations_left--;
    atomic_fetch_add_explicit(&session->progress, 1, memory_order_relaxed);
}

static bool is_next(const struct session *session, const struct event *event)
{
    return event->operation == OPERATION_ID(session->worker, session->history.count) &&
           event->worker == session->worker && event->instance == session->instance->number &&
           event->strategy == session->strategy_index && event->invoke_ns >= 0;
}

static void hear_event(struct place *place, const struct frame *frame)
{
    struct session *session = session_of(place, frame);
    struct process_settled settled;
    memcpy(&settled, frame->body, sizeof(settled));
    const struct event *event = &settled.event;
    if (!is_next(session, event) || event->return_ns < event->invoke_ns ||
        (unsigned)event->outcome > UNKNOWN)
        refuse(place, "an operation is missing, came twice or makes no sense");
    add_event(session, event);
    histogram_record(&session->latencies->operation, event->return_ns - event->invoke_ns);
    histogram_record(&session->latencies->waiting, settled.waiting_ns);
}

static void hear_attempt(struct place *place, const struct frame *frame)
{
    struct session *session = session_of(place, frame);
    int64_t took_ns;
    memcpy(&took_ns, frame->body, sizeof(took_ns));
    session->attempts++;
    histogram_record(&session->latencies->attempt, took_ns);
}

static void hear_arrived(struct place *place, const struct frame *frame)
{
    struct processes *processes = place->processes;
    bool all = true;
    if (frame->length > 0)
        die(EXIT_TARGET, "process %d of %d cannot connect: %.*s", place->number + 1,
            processes->cell->processes, (int)frame->length, (const char *)frame->body);
    place->arrived = true;
    if (processes->going) { /* a later life */
        say(place->life, FRAME_GO, &processes->stage->started_ns, sizeof(int64_t));
        return;
    }
    for (int32_t p = 0; p < processes->cell->processes; p++)
        all = all && processes->places[p].arrived;
    if (all)
        processes->settings.arrived(processes->settings.context);
}

static void hear(struct place *place, const struct frame *frame)
{
    int32_t hazard;
    switch (frame->kind) {
    case FRAME_BEAT:
        return;
    case FRAME_ARRIVED:
        hear_arrived(place, frame);
        return;
    case FRAME_ATTEMPT:
        hear_attempt(place, frame);
        return;
    case FRAME_EVENT:
        hear_event(place, frame);
        return;
    case FRAME_ENDED:
        session_of(place, frame);
        place->processes->done[frame->worker] = true;
        return;
    case FRAME_STRIKE:
        memcpy(&hazard, frame->body, sizeof(hazard));
        if (hazard != HAZARD_INDEX_crash && hazard != HAZARD_INDEX_pause)
            refuse(place, "it asked for a hazard that strikes no process");
        strike(place, (enum hazard_index)hazard);
        return;
    case FRAME_END:
        place->life->said_end = true;
        return;
    default:
        refuse(place, "it sent what only its parent sends");
    }
}

/* The end of a life ---------------------------------------------------------------------------- */

/* Records what the killed one's workers had open. */
static void record_open(struct place *place)
{
    struct processes *processes = place->processes;
    int64_t now_ns = clock_monotonic_ns() - processes->stage->started_ns;
    for (int32_t w = 0; w < processes->cell->workers; w++) {
        struct session *session = &processes->stage->crew.sessions[w];
        if (crew_process_of(processes->cell, w) != place->number || processes->done[w])
            continue;
        const struct process_slot *slot = &processes->stage->memory->slots[w];
        struct event event = slot->left[atomic_load(&slot->turn)].event;
        if (!is_next(session, &event))
            continue; /* none, or its event had gone up */
        event.return_ns = now_ns;
        add_event(session, &event);
    }
}

static void end_place(struct place *place)
{
    struct processes *processes = place->processes;
    bool all = true;
    place->over = true;
    for (int32_t p = 0; p < processes->cell->processes; p++)
        all = all && processes->places[p].over;
    if (all)
        processes->settings.ended(processes->settings.context);
}

_Noreturn static void suspect(const struct place *place)
{
    const struct life *life = place->life;
    int32_t of = place->processes->cell->processes;
    if (life->exit_signal != 0)
        die(EXIT_INTERNAL, "process %d of %d was killed by signal %d (%s) before its work was done",
            place->number + 1, of, life->exit_signal, strsignal(life->exit_signal));
    die(life->exit_status != 0 ? (enum exit_code)life->exit_status : EXIT_INTERNAL,
        "process %d of %d ended with code %" PRId64 " before its work was done", place->number + 1,
        of, life->exit_status);
}

static void end_life(struct place *place)
{
    struct life *life = place->life;
    struct processes *processes = place->processes;
    bool clean = life->said_end && life->exit_status == 0 && life->exit_signal == 0;
    if (!life->hung_up || !life->exited)
        return;
    if (clean) {
        end_place(place);
        return;
    }
    if (!life->killed)
        suspect(place);
    record_open(place);
    if (processes->stopping) {
        end_place(place);
        return;
    }
    place->resting = true;
    int64_t dead_us = processes->cell->hazard[HAZARD_INDEX_crash].amount;
    uv_timer_start(&place->timer, on_rested, (uint64_t)(dead_us / 1000), 0);
}

static void on_process_exit(uv_process_t *process, int64_t exit_status, int signal_number)
{
    struct life *life = process->data;
    life->exited = true;
    life->exit_status = exit_status;
    life->exit_signal = signal_number;
    end_life(life->place);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    *buffer = uv_buf_init(x_malloc(suggested), (unsigned)suggested);
}

static void on_up(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct life *life = stream->data;
    struct place *place = life->place;
    struct frame frame;
    enum frame_state state = FRAME_MORE;
    place->silent = 0;
    if (count > 0) {
        frame_reader_add(&life->reader, buffer->base, (size_t)count);
        while ((state = frame_next(&life->reader, &frame)) == FRAME_READY)
            hear(place, &frame);
    }
    free(buffer->base);
    if (state == FRAME_BAD)
        refuse(place, "what it sent is no report");
    if (count < 0 && !life->hung_up) {
        life->hung_up = true;
        uv_read_stop(stream);
        end_life(place);
    }
}

/* Somebody who says nothing for long would be waited for without end. Counted in ticks, since this
 * process may have been stopped itself meanwhile. */
static void on_watch(uv_timer_t *timer)
{
    struct processes *processes = timer->data;
    int64_t limit_ms = SILENCE_MS + processes->cell->timeout_ms;
    for (int32_t p = 0; p < processes->cell->processes; p++) {
        struct place *place = &processes->places[p];
        int64_t silent_ms = (int64_t)++place->silent * WATCH_MS;
        if (place->over || place->stopped || place->resting || silent_ms < limit_ms)
            continue;
        die(EXIT_INTERNAL, "process %d of %d (pid %d) has said nothing for %" PRId64 " seconds",
            p + 1, processes->cell->processes, (int)place->life->process.pid, silent_ms / 1000);
    }
}

/* Life ----------------------------------------------------------------------------------------- */

static void open_pipe(struct processes *processes, uv_pipe_t *pipe, uv_file pair[2])
{
    if (uv_pipe(pair, 0, 0) != 0)
        die(EXIT_INTERNAL, "cannot make a pipe for a process: %s", strerror(errno));
    must(uv_pipe_init(processes->settings.loop, pipe, 0) == 0);
}

static uv_stdio_container_t inherited(int descriptor)
{
    return (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = descriptor};
}

static void start_life(struct place *place)
{
    struct processes *processes = place->processes;
    struct life *life = x_calloc(1, sizeof(*life));
    uv_file up[2], down[2]; /* [0] is read, [1] written */
    life->place = place;
    life->older = place->life;
    place->life = life;
    place->silent = 0;
    open_pipe(processes, &life->up, up);
    open_pipe(processes, &life->down, down);
    uv_stdio_container_t descriptors[] = {
        [0] = {.flags = UV_IGNORE},
        [1] = {.flags = UV_IGNORE},
        [2] = inherited(2),
        [PROCESS_DOWN] = inherited(down[0]),
        [PROCESS_UP] = inherited(up[1]),
        [PROCESS_MEMORY] = inherited(processes->memory_file),
    };
    char *arguments[] = {"racebench", PROCESS_WORD, NULL};
    uv_process_options_t options = {.exit_cb = on_process_exit,
                                    .file = "/proc/self/exe",
                                    .args = arguments,
                                    .flags = UV_PROCESS_DETACHED, /* Ctrl-C is ours to act on */
                                    .stdio = descriptors,
                                    .stdio_count = COUNT_OF(descriptors)};
    life->process.data = life->up.data = life->down.data = life;
    int error = uv_spawn(processes->settings.loop, &life->process, &options);
    if (error != 0)
        die(EXIT_INTERNAL, "cannot start process %d of %d: %s", place->number + 1,
            processes->cell->processes, uv_strerror(error));
    close(down[0]);
    close(up[1]);
    must(uv_pipe_open(&life->up, up[0]) == 0 && uv_pipe_open(&life->down, down[1]) == 0);
    must(uv_read_start((uv_stream_t *)&life->up, on_room, on_up) == 0);
    send_order(life);
}

struct processes *processes_start(const struct process_settings *settings)
{
    struct processes *processes = x_calloc(1, sizeof(*processes));
    const struct cell *cell = settings->stage->cell;
    processes->settings = *settings;
    processes->stage = settings->stage;
    processes->cell = cell;
    processes->memory_file = settings->stage->memory_file;
    processes->done = x_calloc((size_t)cell->workers, sizeof(*processes->done));
    processes->places = x_calloc((size_t)cell->processes, sizeof(*processes->places));
    must(uv_timer_init(settings->loop, &processes->watch) == 0);
    processes->watch.data = processes;
    for (int32_t p = 0; p < cell->processes; p++) {
        struct place *place = &processes->places[p];
        place->processes = processes;
        place->number = p;
        must(uv_timer_init(settings->loop, &place->timer) == 0);
        place->timer.data = place;
        start_life(place);
    }
    uv_timer_start(&processes->watch, on_watch, WATCH_MS, WATCH_MS);
    return processes;
}

void processes_go(struct processes *processes)
{
    processes->going = true;
    for (int32_t p = 0; p < processes->cell->processes; p++)
        say(processes->places[p].life, FRAME_GO, &processes->stage->started_ns, sizeof(int64_t));
}

void processes_stop(struct processes *processes)
{
    if (processes->stopping)
        return;
    processes->stopping = true;
    for (int32_t p = 0; p < processes->cell->processes; p++) {
        struct place *place = &processes->places[p];
        if (place->over)
            continue;
        uv_timer_stop(&place->timer);
        if (place->resting) {
            end_place(place);
            continue;
        }
        if (place->stopped)
            on_resume(&place->timer);
        say(place->life, FRAME_STOP, NULL, 0);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct processes *processes = handle->loop->data;
    processes->open_handles--;
}

static void close_handle(struct processes *processes, void *handle)
{
    processes->open_handles++;
    uv_close(handle, on_closed);
}

void processes_close(struct processes *processes)
{
    uv_loop_t *loop = processes->settings.loop;
    loop->data = processes;
    close_handle(processes, &processes->watch);
    for (int32_t p = 0; p < processes->cell->processes; p++) {
        close_handle(processes, &processes->places[p].timer);
        for (struct life *life = processes->places[p].life; life != NULL; life = life->older) {
            close_handle(processes, &life->process);
            close_handle(processes, &life->up);
            close_handle(processes, &life->down);
        }
    }
    while (processes->open_handles > 0)
        uv_run(loop, UV_RUN_ONCE);
    for (int32_t p = 0; p < processes->cell->processes; p++)
        for (struct life *life = processes->places[p].life, *older; life != NULL; life = older) {
            older = life->older;
            frame_reader_free(&life->reader);
            free(life);
        }
    free(processes->places);
    free(processes->done);
    free(processes);
}
