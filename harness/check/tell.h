/* SPDX-License-Identifier: Apache-2.0
 *
 * tell: what `racebench check` prints: a few lines for people, or one JSON object
 * "racebench.check/1". Pure functions of what was read and judged.
 */
#ifndef RACEBENCH_CHECK_TELL_H
#define RACEBENCH_CHECK_TELL_H

#include "judge.h"

#include <stdio.h>

struct tell {
    const char *path; /* as it was named */
    const struct foreign *foreign;
    const struct judgement *judgement;
    double reading_s, judging_s;
    int exit_code;
};

/* The verdict, what was checked, and the witness. */
void tell_text(const struct tell *, FILE *out);
/* The same and more for programs; keys are only ever added. */
void tell_json(const struct tell *, FILE *out);

#endif
