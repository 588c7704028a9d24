/* SPDX-License-Identifier: Apache-2.0
 *
 * environment: see environment.h. What cannot be found out is "unknown", never an error. Nothing
 * here names the user or the host: results get published. Text comes from files that any program of
 * this system may read; no program is started for it, so that a run begins at once.
 */
#include "environment.h"
#include "base.h"

#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* What follows `key` and blanks, tabs, ':' or '=' on the first line of a file that begins with it,
 * without quotes; NULL when there is none. The caller frees it. */
static char *file_value(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    char line[512];
    char *value = NULL;
    while (file != NULL && value == NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        char *text = line + strlen(key);
        text += strspn(text, " \t:=\"");
        text[strcspn(text, "\"\n")] = '\0';
        value = x_strdup(text);
    }
    if (file != NULL)
        fclose(file);
    return value;
}

static char *describe_os(void)
{
    struct utsname name;
    char *pretty = file_value("/etc/os-release", "PRETTY_NAME=");
    bool known = uname(&name) == 0;
    char *os = x_format("%s, %s %s", pretty != NULL ? pretty : "unknown",
                        known ? name.sysname : "unknown", known ? name.release : "");
    free(pretty);
    return os;
}

static char *describe_cpu(void)
{
    struct utsname name;
    char *model = file_value("/proc/cpuinfo", "model name");
    if (model != NULL)
        return model;
    return x_strdup(uname(&name) == 0 ? name.machine : "unknown");
}

static char *describe_moment(void)
{
    time_t now = time(NULL);
    struct tm utc;
    char text[32];
    must(gmtime_r(&now, &utc) != NULL);
    must(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc) > 0);
    return x_strdup(text);
}

void environment_describe(struct environment *environment, const char *command)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    *environment = (struct environment){.racebench = x_strdup(RACEBENCH_VERSION),
                                        .libmongoc = x_strdup(mongoc_get_version()),
                                        .libuv = x_strdup(uv_version_string()),
                                        .compiler = x_strdup(COMPILER),
                                        .os = describe_os(),
                                        .cpu = describe_cpu(),
                                        .cpus = cpus > 0 ? (int)cpus : 1,
                                        .started_at = describe_moment(),
                                        .command = x_strdup(command)};
}
