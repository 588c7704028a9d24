/* SPDX-License-Identifier: Apache-2.0
 *
 * main: options to verb, and nothing else. What a verb prints on stdout counts only when it has
 * arrived: a full disk or a closed pipe behind stdout is exit 74, not success.
 */
#include "base.h"
#include "options.h"
#include "process_child.h"
#include "strategy.h"
#include "verb.h"

#include <mongoc/mongoc.h>
#include <uv.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say_version(void)
{
    printf("racebench " RACEBENCH_VERSION "\n");
    printf("libmongoc %s, libuv %s\n", mongoc_get_version(), uv_version_string());
}

int main(int argc, char **argv)
{
    struct options options;
    enum exit_code code = EXIT_OK;
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
