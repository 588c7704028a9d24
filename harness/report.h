/* SPDX-License-Identifier: Apache-2.0
 *
 * report: one file in harness/report/ is one form of output, named on the command line by
 * `--out NAME=FILE`. All read the same result and change nothing; all write to the stream that they
 * are given. A new one is one new file that defines report_NAME.
 */
#ifndef RACEBENCH_REPORT_H
#define RACEBENCH_REPORT_H

#include "result.h"
#include <stdio.h>

/* How the terminal wants to be treated. Only report_text looks at it. */
struct style {
    bool color;   /* ANSI colours may be used */
    int columns;  /* width, at least 60 */
    bool quiet;   /* verdict lines only */
    bool verbose; /* everything that is known */
};

struct report {
    const char *name;
    const char *help; /* one line: what it is and for whom */
    void (*write)(const struct run_result *, const struct style *, FILE *out);
};

/* All of them, sorted by name, ended by NULL (generated from the folder). */
extern const struct report *const reports[];
/* By name, or NULL. */
const struct report *report_find(const char *name);

#endif
