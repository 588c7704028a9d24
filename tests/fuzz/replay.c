/* SPDX-License-Identifier: Apache-2.0
 *
 * replay: a main for fuzz targets where libFuzzer is not: runs each file that is named, or each
 * file of each folder that is named, once. The corpus is thus a test in every build.
 */
#include "base.h"
#include "fuzz.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die(EXIT_INPUT, "cannot read %s", path);
    char *bytes = NULL;
    size_t size = 0, length = 0;
    FILE *memory = open_memstream(&bytes, &size);
    char part[4096];
    while ((length = fread(part, 1, sizeof part, file)) > 0)
        fwrite(part, 1, length, memory);
    fclose(memory);
    fclose(file);
    uint8_t *exact = x_malloc(size + 1); /* so that a sanitizer sees a read past the end */
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(bytes);
}

static int run_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort), files = 0;
    if (count < 0)
        die(EXIT_INPUT, "cannot read %s", path);
    for (int i = 0; i < count; i++) {
        char *file = x_format("%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            run_file(file);
            files++;
        }
        free(file);
        free(entries[i]);
    }
    free(entries);
    return files;
}

int main(int count, char **arguments)
{
    int files = 0;
    for (int i = 1; i < count; i++) {
        struct stat status;
        if (stat(arguments[i], &status) != 0)
            die(EXIT_INPUT, "cannot read %s", arguments[i]);
        if (S_ISDIR(status.st_mode)) {
            files += run_folder(arguments[i]);
        } else {
            run_file(arguments[i]);
            files++;
        }
    }
    printf("%d inputs\n", files);
    return files > 0 ? 0 : EXIT_INPUT;
}
