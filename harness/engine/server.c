/* SPDX-License-Identifier: Apache-2.0
 *
 * server: an engine behind sockets. Everything is opened in the caller's thread, so that what
 * cannot be opened ends the program there; then the loop runs in a thread of its own until
 * engine_server_stop() wakes it. The waking callback only stops the loop: handles are closed after
 * the thread is joined, when nobody can be inside uv_async_send() any more (libuv issue 4922).
 *
 * The thread blocks all signals: they belong to the program, and a client that goes away while it
 * is written to must not raise SIGPIPE.
 */
#include "server.h"

#include "base.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, CONNECTIONS_MAX = 20000, MESSAGE_TIMEOUT_MS = 30000 };
enum { BUFFERED_BYTES_MAX = 512 * 1024 * 1024 };

static void on_stop(uv_async_t *stop)
{
    uv_stop(stop->loop);
}

static void on_again(uv_async_t *again)
{
    const struct engine_server *server = again->data;
    engine_ask_again(server->engine);
}

static void on_connection(uv_stream_t *listener, int status)
{
    const struct engine_server *server = listener->data;
    if (status == 0 && !server->ended) /* left alone it is still there for the next engine */
        connection_accept(listener->data, listener);
}

static void on_timer(uv_timer_t *timer)
{
    connection_close_slow(timer->data);
}

static void on_due(uv_timer_t *timer)
{
    const struct engine_server *server = timer->data;
    engine_tick(server->engine);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct engine_server *server = prepare->data;
    connection_release_all(server);
    int64_t left_ms = engine_due_ms(server->engine);
    if (left_ms < 0) {
        uv_timer_stop(&server->due);
        return;
    }
    uv_update_time(&server->loop);
    uv_timer_start(&server->due, on_due, (uint64_t)left_ms, 0);
}

static void check(int status, const char *what, const char *where)
{
    if (status != 0)
        die(EXIT_TARGET, "the embedded engine cannot %s %s: %s", what, where, uv_strerror(status));
}

/* mongodb://%2Ftmp%2Fx.sock: everything but letters, digits and . - _ is escaped. */
static char *socket_uri_of(const char *path)
{
    static const char digits[] = "0123456789ABCDEF";
    char *uri = x_malloc(strlen(path) * 3 + sizeof "mongodb://");
    char *end = stpcpy(uri, "mongodb://");
    for (const char *at = path; *at != '\0'; at++) {
        if (isalnum((unsigned char)*at) || strchr(".-_", *at) != NULL) {
            *end++ = *at;
        } else {
            *end++ = '%';
            *end++ = digits[(unsigned char)*at >> 4];
            *end++ = digits[(unsigned char)*at & 15];
        }
    }
    *end = '\0';
    return uri;
}

/* Removes the socket that an engine which was killed, or ended by a full disk, has left: nobody
 * answers there. One that somebody listens on, and any other file, stays. */
static void remove_abandoned(const char *path)
{
    struct stat status;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return;
    stpcpy(address.sun_path, path);
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) &&
        connect(probe, (struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED)
        unlink(path);
    close(probe);
}

static void listen_on_socket(struct engine_server *server, const char *path)
{
    size_t length = strlen(path);
    if (length >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        die(EXIT_TARGET,
            "the path of the engine's socket is too long: %s; set TMPDIR to a short one", path);
    if (length < 5 || strcmp(path + length - 5, ".sock") != 0) /* drivers take others for hosts */
        die(EXIT_TARGET, "the path of the engine's socket must end in .sock: %s", path);
    remove_abandoned(path);
    check(uv_pipe_bind(&server->pipe, path), "bind", path);
    check(chmod(path, S_IRUSR | S_IWUSR) == 0 ? 0 : -errno, "protect", path);
    check(uv_listen((uv_stream_t *)&server->pipe, BACKLOG, on_connection), "listen on", path);
    server->socket_uri = socket_uri_of(path);
}

static void listen_on_tcp(struct engine_server *server, const char *host, int port)
{
    struct sockaddr_storage address;
    int length = sizeof address;
    const char *number = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    bool six = strchr(number, ':') != NULL;
    check(six ? uv_ip6_addr(number, port, (struct sockaddr_in6 *)&address)
              : uv_ip4_addr(number, port, (struct sockaddr_in *)&address),
          "understand the address", host);
    check(uv_tcp_bind(&server->tcp, (struct sockaddr *)&address, 0), "bind", host);
    check(uv_listen((uv_stream_t *)&server->tcp, BACKLOG, on_connection), "listen on", host);
    check(uv_tcp_getsockname(&server->tcp, (struct sockaddr *)&address, &length), "read", host);
    uint16_t actual = six ? ((struct sockaddr_in6 *)&address)->sin6_port
                          : ((struct sockaddr_in *)&address)->sin_port;
    server->tcp_uri =
        x_format(six ? "mongodb://[%s]:%u/" : "mongodb://%s:%u/", number, ntohs(actual));
}

static void run_loop(void *context)
{
    struct engine_server *server = context;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
}

static void make_handles(struct engine_server *server)
{
    check(uv_loop_init(&server->loop), "make", "its loop");
    check(uv_async_init(&server->loop, &server->stop, on_stop), "make", "its loop");
    check(uv_async_init(&server->loop, &server->again, on_again), "make", "its loop");
    check(uv_pipe_init(&server->loop, &server->pipe, 0), "make", "a socket");
    check(uv_tcp_init(&server->loop, &server->tcp), "make", "a socket");
    check(uv_timer_init(&server->loop, &server->timer), "make", "a timer");
    check(uv_timer_init(&server->loop, &server->due), "make", "a timer");
    check(uv_prepare_init(&server->loop, &server->prepare), "make", "a timer");
    check(uv_prepare_start(&server->prepare, on_prepare), "start", "a timer");
    server->due.data = server;
    server->prepare.data = server;
    server->pipe.data = server;
    server->tcp.data = server;
    server->again.data = server;
    server->timer.data = server;
}

/* Connections must leave descriptors to the store: a log that cannot be opened is its end. */
static int connections_possible(int wanted)
{
    enum { SPARE = 64 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= (rlim_t)wanted + SPARE)
        return wanted;
    return limit.rlim_cur > 2 * SPARE ? (int)limit.rlim_cur - SPARE : (int)limit.rlim_cur / 2;
}

struct engine_server *engine_server_start(const struct engine_server_settings *settings)
{
    struct engine_server *server = x_calloc(1, sizeof *server);
    server->connections_max = connections_possible(
        settings->connections_max > 0 ? settings->connections_max : CONNECTIONS_MAX);
    server->message_timeout_ms =
        settings->message_timeout_ms > 0 ? settings->message_timeout_ms : MESSAGE_TIMEOUT_MS;
    server->buffered_bytes_max =
        settings->buffered_bytes_max > 0 ? settings->buffered_bytes_max : BUFFERED_BYTES_MAX;
    make_handles(server);
    if (settings->socket_path != NULL)
        listen_on_socket(server, settings->socket_path);
    if (settings->tcp_host != NULL)
        listen_on_tcp(server, settings->tcp_host, settings->tcp_port);
    uint64_t period_ms = (uint64_t)server->message_timeout_ms / 4 + 1;
    check(uv_timer_start(&server->timer, on_timer, period_ms, period_ms), "start", "a timer");
    server->settings = settings->engine;
    if (settings->engine.folder != NULL)
        server->settings.folder = server->folder = x_strdup(settings->engine.folder);
    server->engine = engine_new(&server->settings);
    if (settings->canned)
        server->canned = canned_new(server->engine);
    check(uv_thread_create(&server->thread, run_loop, server), "start", "its thread");
    return server;
}

/* Ends the thread; the connections are about to close. */
static void end_loop(struct engine_server *server)
{
    uv_async_send(&server->stop);
    uv_thread_join(&server->thread);
    connection_release_all(server);
    connection_close_all(server);
}

void engine_server_restart(struct engine_server *server)
{
    end_loop(server);
    server->ended = true;
    while (server->connections != NULL || server->flush_runs)
        uv_run(&server->loop, UV_RUN_ONCE);
    connection_release_all(server); /* frees those that a flush has held */
    engine_free(server->engine);
    server->engine = engine_new(&server->settings);
    server->ended = false;
    connection_accept(server, (uv_stream_t *)&server->pipe); /* who came meanwhile, if anybody */
    connection_accept(server, (uv_stream_t *)&server->tcp);
    check(uv_thread_create(&server->thread, run_loop, server), "start", "its thread");
}

void engine_server_stop(struct engine_server *server)
{
    if (server == NULL)
        return;
    end_loop(server);
    uv_close((uv_handle_t *)&server->stop, NULL);
    uv_close((uv_handle_t *)&server->again, NULL);
    uv_close((uv_handle_t *)&server->pipe, NULL);
    uv_close((uv_handle_t *)&server->tcp, NULL);
    uv_close((uv_handle_t *)&server->timer, NULL);
    uv_close((uv_handle_t *)&server->due, NULL);
    uv_close((uv_handle_t *)&server->prepare, NULL);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    connection_release_all(server); /* frees those that a flush has held */
    must(uv_loop_close(&server->loop) == 0);
    engine_free(server->engine);
    canned_free(server->canned);
    buffer_release(&server->merged);
    free(server->socket_uri);
    free(server->tcp_uri);
    free(server->folder);
    free(server);
}

void engine_server_ask_again(struct engine_server *server)
{
    uv_async_send(&server->again);
}

const char *engine_server_socket_uri(const struct engine_server *server)
{
    return server->socket_uri;
}

const char *engine_server_tcp_uri(const struct engine_server *server)
{
    return server->tcp_uri;
}
