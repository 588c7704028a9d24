/* SPDX-License-Identifier: Apache-2.0
 *
 * isolation: the store wiredtiger with another isolation than snapshot must not start: it would
 * lose updates itself. The store's source is compiled in with WiredTiger's default, read-committed.
 * labels: engine
 * needs: wiredtiger
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include <sys/wait.h>
#include <unistd.h>

#define STORE_ISOLATION       "read-committed"
#define STORE_ISOLATION_PROOF true
#define store_wiredtiger_open store_uncommitted_open
#include "engine/store_wiredtiger.c"

/* What the attempt says on stderr goes to `line`; returns its exit code. */
static int attempt(const char *folder, char *line, size_t bytes)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t process = fork();
    if (process == 0) {
        dup2(ends[1], STDERR_FILENO);
        store_uncommitted_open(&(struct store_settings){.folder = folder, .journal = true});
        _exit(0);
    }
    close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    line[fread(line, 1, bytes - 1, said)] = '\0';
    fclose(said);
    waitpid(process, &status, 0);
    return WEXITSTATUS(status);
}

static void test_read_committed_is_refused(void **state)
{
    char line[512], *folder = make_private_folder("");
    (void)state;
    assert_int_equal(attempt(folder, line, sizeof line), EXIT_TARGET);
    assert_non_null(strstr(line, "lets two transactions write one row"));
    remove_folder(folder);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read_committed_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
