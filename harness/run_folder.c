/* SPDX-License-Identifier: Apache-2.0
 *
 * run_folder: see run_folder.h. A file is written under a temporary name beside its place and
 * renamed over it, and so is the link `latest`: whoever looks sees the old or the new, never half,
 * however many racebenches run side by side (temporary names carry the process id). Nothing is
 * synced: the results of a run are not worth a wait for the disk.
 */
#include "run_folder.h"

#include "base.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SCHEMA "racebench.result/"
enum { FILE_BYTES_MAX = 256 << 20 };

static _Noreturn void cannot(const char *what, const char *path, int error)
{
    die(EXIT_RESULTS, "cannot %s %s: %s; choose another folder with --results, or make room there",
        what, path, strerror(error));
}

char *run_folder_id(int64_t wall_ms, uint64_t chance)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    char moment[32];
    must(gmtime_r(&seconds, &utc) != NULL);
    must(strftime(moment, sizeof(moment), "%Y%m%dT%H%M%SZ", &utc) > 0);
    return x_format("%s-%06" PRIx64, moment, chance & 0xffffff);
}

/* Makes a folder and those that lead to it; those that are there already are fine. */
static void make_folders(const char *path)
{
    char *part = x_strdup(path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            cannot("make folder", part, errno);
        *slash = '/';
    }
    if (mkdir(part, 0777) != 0 && errno != EEXIST)
        cannot("make folder", part, errno);
    free(part);
}

char *run_folder_open(const char *base, const char *run_id)
{
    make_folders(base);
    char *path = x_format("%s/%s", base, run_id);
    if (mkdir(path, 0777) != 0)
        cannot("make folder", path, errno);
    if (access(path, W_OK | X_OK) != 0)
        cannot("write into", path, errno);
    return path;
}

/* Writes a report under a temporary name, then gives it its own. */
static void write_file(const struct run_result *result, const struct report *report,
                       const char *name)
{
    static const struct style plain = {.columns = 100};
    char *path = x_format("%s/%s", result->folder, name);
    char *temporary = x_format("%s/.%s.%ld", result->folder, name, (long)getpid());
    FILE *out = fopen(temporary, "wxe");
    if (out == NULL)
        cannot("write", temporary, errno);
    errno = 0;
    report->write(result, &plain, out);
    int error = ferror(out) ? (errno != 0 ? errno : EIO) : 0;
    if (fclose(out) != 0 && error == 0)
        error = errno;
    if (error == 0 && rename(temporary, path) != 0)
        error = errno;
    if (error != 0) {
        unlink(temporary);
        cannot("write", path, error);
    }
    free(temporary);
    free(path);
}

/* Turns BASE/latest to the folder of this run. */
static void turn_latest(const struct run_result *result)
{
    const char *slash = strrchr(result->folder, '/');
    must(slash != NULL);
    char *base = x_strndup(result->folder, (size_t)(slash - result->folder));
    char *link = x_format("%s/latest", base);
    char *temporary = x_format("%s/.latest.%ld", base, (long)getpid());
    unlink(temporary);
    if (symlink(slash + 1, temporary) != 0)
        cannot("make link", temporary, errno);
    if (rename(temporary, link) != 0) {
        int error = errno;
        unlink(temporary);
        cannot("replace link", link, error);
    }
    free(temporary);
    free(link);
    free(base);
}

void run_folder_write(const struct run_result *result)
{
    size_t operations = 0;
    for (size_t i = 0; i < result->cell_count; i++)
        operations += result->cells[i].history.count;
    write_file(result, report_find("text"), "report.txt");
    write_file(result, report_find("json"), "result.json");
    if (operations <= RUN_FOLDER_HISTORY_MAX)
        write_file(result, report_find("history"), "history.jsonl");
    else
        warn("%s operations are more than the %s that a run's folder keeps; for all of them use "
             "--out history=FILE",
             human_count((int64_t)operations).text, human_count(RUN_FOLDER_HISTORY_MAX).text);
    if (result->cell_count <= RUN_FOLDER_TRACE_CELLS_MAX)
        write_file(result, report_find("trace"), "trace.jsonl");
    turn_latest(result);
}

/* Reading back -------------------------------------------------------------------------------- */

/* The one folder in `base` whose name begins with `start`; ends with EXIT_INPUT otherwise. */
static char *find_start(const char *base, const char *start)
{
    char *found = NULL;
    DIR *folder = opendir(base);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, start, strlen(start)) != 0)
            continue;
        if (found != NULL)
            die(EXIT_INPUT, "several runs in %s begin with '%s': %s, %s; give more of the name",
                base, start, found, entry->d_name);
        found = x_strdup(entry->d_name);
    }
    if (folder != NULL)
        closedir(folder);
    if (found == NULL)
        die(EXIT_INPUT, "no run '%s' in %s; 'ls %s' shows those that there are", start, base, base);
    return found;
}

char *run_folder_find(const char *base, const char *run)
{
    struct stat status;
    char *path;
    if (run == NULL) {
        path = x_format("%s/latest/result.json", base);
        if (stat(path, &status) != 0)
            die(EXIT_INPUT, "no run in %s yet: %s: %s", base, path, strerror(errno));
        return path;
    }
    if (strchr(run, '/') != NULL || stat(run, &status) == 0) {
        if (stat(run, &status) != 0)
            die(EXIT_INPUT, "cannot read %s: %s", run, strerror(errno));
        return S_ISDIR(status.st_mode) ? x_format("%s/result.json", run) : x_strdup(run);
    }
    path = x_format("%s/%s/result.json", base, run);
    if (stat(path, &status) == 0)
        return path;
    free(path);
    char *name = find_start(base, run);
    path = x_format("%s/%s/result.json", base, name);
    free(name);
    return path;
}

char *run_folder_text(const char *path, size_t *length)
{
    struct stat status;
    FILE *file = fopen(path, "re");
    if (file == NULL || fstat(fileno(file), &status) != 0)
        die(EXIT_INPUT, "cannot read %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode) || status.st_size > FILE_BYTES_MAX)
        die(EXIT_INPUT, "%s is no result of racebench: not a file, or bigger than %d MB", path,
            FILE_BYTES_MAX >> 20);
    size_t size = (size_t)status.st_size;
    char *text = x_malloc(size + 1);
    *length = fread(text, 1, size, file);
    if (ferror(file))
        die(EXIT_INPUT, "cannot read %s: %s", path, strerror(errno));
    text[*length] = '\0';
    fclose(file);
    return text;
}

bson_t *run_folder_parse(const char *path, const char *text, size_t length)
{
    bson_error_t error = {0};
    bson_iter_t schema;
    const char *what = "not a JSON object";
    bson_t *result = NULL;
    if (length > 0 && strlen(text) == length)
        result = bson_new_from_json((const uint8_t *)text, (ssize_t)length, &error);
    if (result != NULL && bson_iter_init_find(&schema, result, "schema") &&
        BSON_ITER_HOLDS_UTF8(&schema) &&
        strncmp(bson_iter_utf8(&schema, NULL), SCHEMA, strlen(SCHEMA)) == 0) {
        if (strcmp(bson_iter_utf8(&schema, NULL), SCHEMA "1") == 0)
            return result;
        what = "written by a newer racebench";
    } else if (result != NULL) {
        what = "a JSON object without the schema " SCHEMA "1";
    }
    die(EXIT_INPUT, "%s is no result that can be shown: %s", path, what);
}
