/* SPDX-License-Identifier: Apache-2.0
 *
 * store_folder: see store_folder.h. The marker is the first file in a new folder: a start that is
 * cut short leaves an empty folder, or one that is marked, or a marker that is not whole; the last
 * is told from a strange one by being shorter and alone.
 */
#include "store_folder.h"

#include "base.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER      "racebench.store"
#define MARKER_HEAD "racebench store, format "

enum { FORMAT = 3 };

/* The number of files in the folder, the marker not counted. */
static int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;
    if (folder == NULL)
        die(EXIT_TARGET, "cannot open the folder %s of the store: %s", path, strerror(errno));
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, MARKER) != 0)
            count++;
    closedir(folder);
    return count;
}

static void write_marker(const char *path, const char *marker)
{
    FILE *file = fopen(marker, "w");
    bool fine = file != NULL && fprintf(file, MARKER_HEAD "%d\n", FORMAT) > 0;
    int error = errno;
    if (file != NULL && fclose(file) != 0 && fine) {
        fine = false;
        error = errno;
    }
    if (!fine) {
        unlink(marker);
        die(EXIT_TARGET, "cannot write into the folder %s of the store: %s", path, strerror(error));
    }
}

void store_folder_claim(const char *path)
{
    char text[64] = "";
    int format = 0;
    if (mkdir(path, S_IRWXU) != 0 && errno != EEXIST)
        die(EXIT_TARGET, "cannot make the folder %s of the store: %s", path, strerror(errno));
    int entries = count_entries(path);
    char *marker = x_format("%s/" MARKER, path);
    FILE *file = fopen(marker, "r");
    if (file != NULL) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    bool cut_short = strchr(text, '\n') == NULL && strncmp(MARKER_HEAD, text, strlen(text)) == 0;
    if (entries > 0 && file == NULL)
        die(EXIT_TARGET,
            "%s is not empty and not a store of racebench; it stays as it is: choose another "
            "folder",
            path);
    if (entries == 0 && cut_short)
        write_marker(path, marker);
    else if (sscanf(text, MARKER_HEAD "%d", &format) != 1 || format != FORMAT)
        die(EXIT_TARGET,
            "the store in %s has a format that this racebench does not know (%s says \"%.40s\", "
            "known is %d); use the racebench that made it",
            path, MARKER, strtok(text, "\n") != NULL ? text : "", FORMAT);
    free(marker);
}
