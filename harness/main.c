/* SPDX-License-Identifier: Apache-2.0
 *
 * main: options to verb, and nothing else. What a verb prints on stdout counts only when it has
 * arrived: a full disk or a closed pipe behind stdout is exit 74, not success. Before anything is
 * opened, descriptors 0 to 2 are made sure of: who starts the program without them would find a
 * socket or a store there, and its lines in it. A library that gives up by abort() (libmongoc does
 * so over certain bytes of a foreign server) ends with the documented code for that.
 */
#include "base.h"
#include "options.h"
#include "process_child.h"
#include "strategy.h"
#include "verb.h"

#include <mongoc/mongoc.h>
#include <uv.h>

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Takes the place of what is closed: stdout's cannot be written to, so that the loss is seen. */
static void open_standard(void)
{
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
        if (fcntl(i, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", i == STDERR_FILENO ? O_WRONLY : O_RDONLY) != i)
            _exit(EXIT_INTERNAL);
}

static void on_abort(int number)
{
    static const char line[] = "racebench: internal error: a library gave up, see the lines "
                               "before; please report them\n";
    void *frames[32];
    (void)number;
    backtrace_symbols_fd(frames, backtrace(frames, COUNT_OF(frames)), STDERR_FILENO);
    if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
        _exit(EXIT_INTERNAL); /* nobody reads it */
    _exit(EXIT_INTERNAL);
}

static void say_version(void)
{
    printf("racebench " RACEBENCH_VERSION "\n");
    printf("libmongoc %s, libuv %s\n", mongoc_get_version(), uv_version_string());
}

int main(int argc, char **argv)
{
    struct options options;
    enum exit_code code = EXIT_OK;
    open_standard();
    signal(SIGPIPE, SIG_IGN); /* a closed connection or stdout is an error to be told, not death */
    void *here;
    backtrace(&here, 1); /* loads what it needs, for on_abort() cannot allocate */
    signal(SIGABRT, on_abort);
    registry_check();
    if (process_is_child(argc, argv))
        return (int)process_child();
    char *problem = options_parse(&options, argc, argv);
    if (problem != NULL)
        die(EXIT_USAGE, "%s", problem);
    if (options.version)
        say_version();
    else if (options.help)
        options_help(argc > 1 && argv[1][0] != '-' ? options.verb : NULL, stdout);
    else
        code = options.verb->act(&options);
    options_free(&options);
    if (fflush(stdout) != 0 || ferror(stdout))
        die(EXIT_RESULTS, "cannot write to stdout: %s; what was printed is incomplete",
            strerror(errno));
    return (int)code;
}
