/* SPDX-License-Identifier: Apache-2.0
 *
 * path: dotted paths of projections, sorts, expressions and pipelines. (Those of updates are
 * refused in other words: update.c.)
 */
#ifndef RACEBENCH_DOCUMENT_PATH_H
#define RACEBENCH_DOCUMENT_PATH_H

#include "failure.h"
#include <stdbool.h>

/* Checks that no part of the path is empty (15998) or begins with a dollar (16410), and that there
 * are at most VALUE_DEPTH_MAX of them (15). */
bool path_check(const char *path, struct failure *);

/* Are the paths the same, or is one the beginning of the other ("a" and "a.b")? */
bool path_overlaps(const char *a, const char *b);

#endif
