/* SPDX-License-Identifier: Apache-2.0
 *
 * serve: the embedded engine alone, for programs of one's own and for measuring. Its connection
 * strings go to stdout, one a line and nothing else, so that a script can read them:
 *
 *     exec 3< <(racebench serve); read -r uri <&3
 *
 * What each of them is, and how to end it, is said on stderr, unless --quiet.
 *
 * With --dbpath the data stays, as durable as --durability says; without, it goes with the engine.
 * It listens on a unix socket (in a private folder, unless --socket) and on loopback TCP, until
 * SIGINT or SIGTERM, which are its normal end.
 */
#include "../engine/engine.h"
#include "../options.h"
#include "../plan.h"
#include "../verb.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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
    if (strncmp(options->listen, "127.", 4) != 0 && strcmp(options->listen, "::1") != 0 &&
        strcmp(options->listen, "localhost") != 0)
        warn("--listen %s lets others in: there is no password and no encryption", options->listen);
}

/* As many connections as this user may have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* The engine's part of the settings. */
static struct engine_settings engine_of(const struct options *options, const char *folder)
{
    const char *store = plan_store(options);
    if (store == NULL)
        store = options->dbpath != NULL ? "wiredtiger" : engine_default_store();
    if (options->dbpath != NULL && strcmp(store, "memory") == 0)
        die(EXIT_USAGE, "--store memory keeps nothing; leave out --dbpath");
    return (struct engine_settings){.store = store,
                                    .folder = options->dbpath != NULL ? options->dbpath : folder,
                                    .temporary = options->dbpath == NULL,
                                    .persona = persona_name((enum persona)options->persona),
                                    .test_commands = options->test_commands,
                                    .durability = (enum durability)options->durability};
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

/* What the lines on stdout are, for whoever looks at them. */
static void say_serving(const struct options *options)
{
    fprintf(stderr,
            "racebench: %s; the first URI is a unix socket (this machine, this user), the second "
            "is TCP on %s\n",
            options->canned ? "serving precomputed replies, which prove nothing"
                            : "serving the embedded engine, one thread, not MongoDB",
            options->listen);
    fprintf(stderr, "racebench: %s; Ctrl-C or SIGTERM ends it\n",
            options->canned           ? "it stores nothing"
            : options->dbpath != NULL ? "the data stays in --dbpath"
                                      : "the data goes with it (--dbpath keeps it)");
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
    char *folder = make_private_folder("set TMPDIR to a writable place");
    char *path =
        options->socket != NULL ? x_strdup(options->socket) : x_format("%s/engine.sock", folder);
    char *store_path = x_format("%s/store", folder);
    size_t end = strlen(path) > 5 ? strlen(path) - 5 : 0;
    if (strcmp(path + end, ".sock") != 0) /* libmongoc knows a socket's path by that */
        die(EXIT_USAGE, "--socket '%s' must end in .sock", path);
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        die(EXIT_USAGE, "the socket's path '%s' is too long (%zu bytes); give a short --socket",
            path, strlen(path));
    check_listen(options);
    signal(SIGXFSZ, SIG_IGN); /* a log that may not grow is an error, said with a line */
    raise_descriptor_limit();
    must(uv_loop_init(&loop) == 0);
    for (int i = 0; i < 2; i++) { /* before the address is told: whoever reads it may end us */
        uv_signal_init(&loop, &handles[i]);
        uv_signal_start(&handles[i], on_signal, numbers[i]);
    }
    struct engine_server *server = engine_server_start(
        &(struct engine_server_settings){.engine = engine_of(options, store_path),
                                         .socket_path = path,
                                         .tcp_host = options->listen,
                                         .tcp_port = (int)options->port,
                                         .canned = options->canned});
    say_uris(server);
    if (!options->quiet)
        say_serving(options);
    wait_for_end(&loop, handles);
    engine_server_stop(server);
    unlink(path);
    remove_folder(folder);
    free(folder);
    free(store_path);
    free(path);
    return EXIT_OK;
}

const struct verb verb_serve = {
    .name = "serve",
    .help = "run the embedded engine alone; prints its URIs, unix socket and TCP",
    .act = serve_act,
};
