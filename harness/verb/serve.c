/* SPDX-License-Identifier: Apache-2.0
 *
 * serve: the embedded engine alone, for programs of one's own and for measuring. Its connection
 * strings go to stdout, one a line and nothing else, so that a script can read them:
 *
 *     exec 3< <(racebench serve); read -r uri <&3
 *
 * It listens on a unix socket (in a private folder, unless --socket) and on loopback TCP, until
 * SIGINT or SIGTERM, which are its normal end.
 */
#include "../engine/engine.h"
#include "../options.h"
#include "../verb.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

static void check_listen(const struct options *options)
{
    if (strcmp(options->listen, "127.0.0.1") != 0 && strcmp(options->listen, "::1") != 0)
        warn("--listen %s lets others in: there is no password and no encryption", options->listen);
}

static void say_uris(const struct engine_server *server)
{
    const char *uris[] = {engine_server_socket_uri(server), engine_server_tcp_uri(server)};
    for (size_t i = 0; i < COUNT_OF(uris); i++)
        if (uris[i] != NULL)
            printf("%s\n", uris[i]);
    if (fflush(stdout) != 0)
        die(EXIT_RESULTS, "cannot write the connection strings to stdout: %s", strerror(errno));
}

/* Runs a loop that only waits for a signal. */
static void wait_for_end(uv_loop_t *loop, uv_signal_t handles[2])
{
    uv_run(loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&handles[i], NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    must(uv_loop_close(loop) == 0);
}

static enum exit_code serve_act(const struct options *options)
{
    static const int numbers[2] = {SIGINT, SIGTERM};
    uv_loop_t loop;
    uv_signal_t handles[2];
    char *folder = options->socket == NULL ? make_private_folder("give --socket PATH") : NULL;
    char *path = folder != NULL ? x_format("%s/engine.sock", folder) : x_strdup(options->socket);
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        die(EXIT_USAGE, "the socket's path '%s' is too long (%zu bytes); give a short --socket",
            path, strlen(path));
    check_listen(options);
    signal(SIGPIPE, SIG_IGN);
    must(uv_loop_init(&loop) == 0);
    for (int i = 0; i < 2; i++) { /* before the address is told: whoever reads it may end us */
        uv_signal_init(&loop, &handles[i]);
        uv_signal_start(&handles[i], on_signal, numbers[i]);
    }
    struct engine_server *server =
        engine_server_start(&(struct engine_server_settings){.socket_path = path,
                                                             .tcp_host = options->listen,
                                                             .tcp_port = (int)options->port,
                                                             .canned = options->canned});
    say_uris(server);
    if (options->verbose)
        fprintf(stderr, "racebench: serving; end with Ctrl-C\n");
    wait_for_end(&loop, handles);
    engine_server_stop(server);
    unlink(path);
    if (folder != NULL)
        rmdir(folder);
    free(folder);
    free(path);
    return EXIT_OK;
}

const struct verb verb_serve = {
    .name = "serve",
    .help = "run the embedded engine alone; prints its URIs",
    .act = serve_act,
};
