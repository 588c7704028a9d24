/* SPDX-License-Identifier: Apache-2.0
 *
 * served: a `racebench serve --dbpath` in a process of its own, for tests that kill it.
 */
#ifndef RACEBENCH_TESTS_SERVED_H
#define RACEBENCH_TESTS_SERVED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include <bson/bson.h>
#include <mongoc/mongoc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The programs that are killed. */
#define SOUND       "RACEBENCH_BINARY"
#define UNCOMMITTED "RACEBENCH_UNCOMMITTED"

struct served {
    const char *program; /* SOUND or UNCOMMITTED */
    pid_t process;
    char *uri;
};

/* `file_bytes_max` 0: files may grow as they like. */
static inline void serve(struct served *served, const char *folder, const char *durability,
                         rlim_t file_bytes_max)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    char *path = x_format("%s/data", folder), *socket_path = x_format("%s/e.sock", folder);
    unlink(socket_path);
    served->process = fork();
    if (served->process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with the test, however that ends */
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (file_bytes_max > 0)
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){file_bytes_max, file_bytes_max});
        execl(getenv(served->program), "racebench", "serve", "--dbpath", path, "--durability",
              durability, "--socket", socket_path, NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *lines = fdopen(ends[0], "r");
    char line[512] = "";
    if (fgets(line, sizeof line, lines) == NULL)
        fail_msg("the engine did not start on %s", path);
    line[strcspn(line, "\n")] = '\0';
    served->uri = x_format("%s?retryWrites=false&socketTimeoutMS=60000", line);
    if (strchr(line, '?') == NULL && line[strlen(line) - 1] != '/') {
        free(served->uri);
        served->uri = x_format("%s/?retryWrites=false&socketTimeoutMS=60000", line);
    }
    fclose(lines);
    free(path);
    free(socket_path);
}

static inline void end_served(struct served *served, int signal_number)
{
    int status;
    kill(served->process, signal_number);
    assert_int_equal(waitpid(served->process, &status, 0), served->process);
    if (signal_number == SIGKILL)
        assert_true(WIFSIGNALED(status)); /* it was alive until then */
    else
        assert_int_equal(WEXITSTATUS(status), 0);
    free(served->uri);
}

static inline void sleep_us(int64_t us)
{
    nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
}

/* How many times the test kills: RACEBENCH_KILLS, or 5. */
static inline int wanted_kills(void)
{
    const char *text = getenv("RACEBENCH_KILLS");
    return text != NULL ? atoi(text) : 5;
}

#endif
