/* SPDX-License-Identifier: Apache-2.0
 *
 * environment: see environment.h. What cannot be found out is "unknown", never an error. Nothing here
 * names the user or the host: results get published.
 */
#include "environment.h"
#include "base.h"

#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
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

static void utc(char *text, size_t size, const char *format)
{
    time_t now = time(NULL);
    struct tm parts;
    must(gmtime_r(&now, &parts) != NULL && strftime(text, size, format, &parts) > 0);
}

void environment_describe(struct environment *environment, const char *command)
{
    char started[32];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    utc(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ");
    *environment = (struct environment){.racebench = x_strdup(RACEBENCH_VERSION),
                                        .libmongoc = x_strdup(mongoc_get_version()),
                                        .libuv = x_strdup(uv_version_string()),
                                        .compiler = x_strdup(COMPILER),
                                        .os = describe_os(),
                                        .cpu = describe_cpu(),
                                        .cpus = cpus > 0 ? (int)cpus : 1,
                                        .started_at = x_strdup(started),
                                        .command = x_strdup(command)};
}

char *environment_run_id(void)
{
    char moment[32];
    uint32_t random = 0;
    utc(moment, sizeof(moment), "%Y%m%dT%H%M%SZ");
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint32_t)clock_monotonic_ns();
    return x_format("%s-%06x", moment, random & 0xffffffu);
}
