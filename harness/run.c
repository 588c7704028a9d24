/* SPDX-License-Identifier: Apache-2.0
 *
 * run: see run.h. One libuv loop for the whole command line. Each cell is a stage (run_cell.c) and
 * a crew whose workers run beside the loop as threads (`driver`: they announce themselves by
 * uv_async_send), as processes with such threads (`--processes`, process.c), or in turns on it as
 * fibers (`direct`: an idle handle gives them a few thousand steps a turn, so that signals and
 * timers get through).
 */
#include "run.h"
#include "process.h"
#include "progress.h"
#include "run_cell.h"
#include "scenario.h"
#include "transport_direct.h"
#include "transport_driver.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECT_TURN_STEPS = 4096 };

struct runner {
    uv_loop_t loop;
    uv_signal_t interrupt, terminate;
    uv_async_t arrived;  /* driver: a worker is at the start line, or has ended */
    uv_async_t restart;  /* the engine has been struck: it starts again */
    uv_timer_t progress; /* shows how far it is */
    uv_timer_t deadline; /* --duration */
    uv_idle_t turns;     /* direct: runs fibers */
    const struct run_settings *settings;
    struct stage *stage;         /* of the present cell */
    struct processes *processes; /* of the present cell, or NULL */
    int signal_number;           /* the first one caught, or 0 */
    bool driving;                /* the present cell's workers are threads here */
    bool going;                  /* the clock runs */
};

/* No further operations. */
static void stop(struct runner *runner)
{
    atomic_store(&runner->stage->crew.stop, true);
    if (runner->processes != NULL)
        processes_stop(runner->processes);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct runner *runner = handle->data;
    if (runner->signal_number != 0) { /* the second one: at once */
        signal(number, SIG_DFL);
        raise(number);
    }
    runner->signal_number = number;
    if (runner->stage != NULL)
        stop(runner);
}

static void on_progress(uv_timer_t *timer)
{
    struct runner *runner = timer->data;
    progress_show(runner->settings->progress, &runner->stage->crew,
                  clock_monotonic_ns() - runner->stage->started_ns);
}

static void on_deadline(uv_timer_t *timer)
{
    stop(timer->data);
}

static void ask_restart(void *context)
{
    struct runner *runner = context;
    uv_async_send(&runner->restart);
}

/* Counted when it happens: word of the last one may come after the end. */
static void on_restart(uv_async_t *handle)
{
    struct runner *runner = handle->data;
    if (!runner->going)
        return;
    engine_server_restart(runner->stage->server);
    hazards_struck(runner->stage->crew.hazards, HAZARD_INDEX_restart);
}

/* The clock starts: everyone is warm and stands at the start line. */
static void go(struct runner *runner)
{
    const struct cell *cell = runner->stage->cell;
    uint64_t interval_ms = progress_interval_ms(runner->settings->progress);
    runner->going = true;
    runner->stage->started_ns = clock_monotonic_ns();
    if (interval_ms > 0)
        uv_timer_start(&runner->progress, on_progress, interval_ms, interval_ms);
    if (cell->duration_ms > 0)
        uv_timer_start(&runner->deadline, on_deadline, (uint64_t)cell->duration_ms, 0);
}

/* All workers have ended. */
static void finish(struct runner *runner)
{
    runner->stage->ended_ns = clock_monotonic_ns();
    runner->going = false;
    uv_timer_stop(&runner->progress);
    uv_timer_stop(&runner->deadline);
    uv_idle_stop(&runner->turns);
    progress_clear(runner->settings->progress);
    uv_stop(&runner->loop);
}

/* The last worker's word may come once more when its crew has gone: the loop has read both, but
 * stopped at the first. */
static void on_arrived(uv_async_t *handle)
{
    struct runner *runner = handle->data;
    if (!runner->driving)
        return;
    struct crew *crew = &runner->stage->crew;
    struct driver_count count = driver_counts(crew);
    if (!runner->going && count.ended == 0 && count.arrived + count.failed == crew->count) {
        if (count.failed > 0)
            atomic_store(&crew->abandon, true);
        go(runner);
        driver_go(crew, runner->stage->started_ns);
    } else if (count.ended == crew->count) {
        finish(runner);
    }
}

static void on_turn(uv_idle_t *handle)
{
    struct runner *runner = handle->data;
    if (!direct_turn(&runner->stage->crew, DIRECT_TURN_STEPS))
        finish(runner);
}

static void run_driver(struct runner *runner)
{
    struct crew *crew = &runner->stage->crew;
    runner->driving = true;
    driver_start(crew, &runner->arrived);
    uv_run(&runner->loop, UV_RUN_DEFAULT);
    runner->driving = false;
    struct driver_count count = driver_counts(crew);
    char *failure = x_strdup(driver_failure(crew));
    driver_close(crew);
    if (count.failed > 0)
        die(EXIT_TARGET, "only %d of %d workers could connect: %s", count.arrived, crew->count,
            failure);
    free(failure);
}

static void on_processes_arrived(void *context)
{
    struct runner *runner = context;
    go(runner);
    processes_go(runner->processes);
}

static void on_processes_ended(void *context)
{
    finish(context);
}

static void run_processes(struct runner *runner)
{
    runner->processes = processes_start(&(struct process_settings){
        .loop = &runner->loop,
        .stage = runner->stage,
        .verbose = runner->settings->verbose,
        .arrived = on_processes_arrived,
        .ended = on_processes_ended,
        .context = runner,
    });
    if (runner->signal_number != 0)
        processes_stop(runner->processes);
    uv_run(&runner->loop, UV_RUN_DEFAULT);
    processes_close(runner->processes);
    runner->processes = NULL;
}

static void run_direct(struct runner *runner)
{
    struct crew *crew = &runner->stage->crew;
    direct_start(crew);
    go(runner);
    uv_idle_start(&runner->turns, on_turn);
    uv_run(&runner->loop, UV_RUN_DEFAULT);
    if (direct_stuck(crew))
        die(EXIT_INTERNAL, "%s on %s is stuck: every worker waits inside its instance for another",
            crew->cell->strategy_name, crew->cell->scenario->name);
}

static void open_loop(struct runner *runner)
{
    must(uv_loop_init(&runner->loop) == 0);
    uv_signal_init(&runner->loop, &runner->interrupt);
    uv_signal_init(&runner->loop, &runner->terminate);
    uv_timer_init(&runner->loop, &runner->progress);
    uv_timer_init(&runner->loop, &runner->deadline);
    uv_idle_init(&runner->loop, &runner->turns);
    must(uv_async_init(&runner->loop, &runner->arrived, on_arrived) == 0);
    must(uv_async_init(&runner->loop, &runner->restart, on_restart) == 0);
    runner->interrupt.data = runner->terminate.data = runner->progress.data =
        runner->deadline.data = runner->turns.data = runner->arrived.data = runner->restart.data =
            runner;
    uv_signal_start(&runner->interrupt, on_signal, SIGINT);
    uv_signal_start(&runner->terminate, on_signal, SIGTERM);
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    uv_close(handle, NULL);
}

static void close_loop(struct runner *runner)
{
    uv_walk(&runner->loop, close_handle, NULL);
    uv_run(&runner->loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&runner->loop) == 0);
}

/* False: the target is gone, and with it what further cells would run against. */
static bool run_cell(struct runner *runner, const struct cell *cell, size_t number,
                     struct cell_result *result)
{
    struct stage stage = {.clock = runner->settings->clock};
    stage_open(&stage, cell, runner->settings->run_id, number);
    runner->stage = &stage;
    if (stage.crew.hazards != NULL && stage.server != NULL)
        hazards_on_restart(stage.crew.hazards, ask_restart, runner);
    if (runner->settings->opened != NULL)
        runner->settings->opened(&stage, runner->settings->context);
    if (runner->signal_number != 0)
        atomic_store(&stage.crew.stop, true);
    if (cell->transport == TRANSPORT_DIRECT)
        run_direct(runner);
    else if (cell->processes > 1)
        run_processes(runner);
    else
        run_driver(runner);
    runner->stage = NULL;
    if (runner->settings->ended != NULL)
        runner->settings->ended(&stage, runner->settings->context);
    stage_conclude(&stage, runner->signal_number != 0, result);
    stage_close(&stage);
    return !stage.gone;
}

/* The driver's own messages go nowhere unless --verbose: what matters is in the outcomes. */
static void quiet_log(mongoc_log_level_t level, const char *domain, const char *message, void *data)
{
    (void)level, (void)domain, (void)message, (void)data;
}

void run_cells(const struct cell *cells, size_t count, const struct run_settings *settings,
               struct run_result *result, int *signal_number)
{
    struct runner runner = {.settings = settings};
    mongoc_init(); /* cleaned up by the library at exit: it cannot be started twice */
    if (!settings->verbose)
        mongoc_log_set_handler(quiet_log, NULL);
    open_loop(&runner);
    result->cells = x_calloc(count, sizeof(*result->cells));
    bool there = true;
    for (size_t i = 0; i < count && there && runner.signal_number == 0; i++) {
        there = run_cell(&runner, &cells[i], i, &result->cells[i]);
        result->cell_count++;
    }
    if (!there && result->cell_count < count)
        warn("%zu of %zu cells did not run", count - result->cell_count, count);
    close_loop(&runner);
    *signal_number = runner.signal_number;
    result->interrupted = runner.signal_number != 0;
}
