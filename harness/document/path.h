/* SPDX-License-Identifier: Apache-2.0
 *
 * path: dotted paths. Those of updates are refused in other words: update_read.c.
 */
#ifndef RACEBENCH_DOCUMENT_PATH_H
#define RACEBENCH_DOCUMENT_PATH_H

#include "failure.h"
#include <stdbool.h>
#include <stddef.h>

/* The length of the path's first part. Parts are short: a loop is done before strcspn() begins. */
static inline size_t path_part(const char *path)
{
    size_t length = 0;
    while (path[length] != '.' && path[length] != '\0')
        length++;
    return length;
}

/* Checks that no part of the path is empty (15998) or begins with a dollar (16410), and that there
 * are at most VALUE_DEPTH_MAX of them (15). */
bool path_check(const char *path, struct failure *);

/* Are the paths the same, or is one the beginning of the other ("a" and "a.b")? */
bool path_overlaps(const char *a, const char *b);

#endif
