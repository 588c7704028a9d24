/* SPDX-License-Identifier: Apache-2.0
 *
 * failure: what a command is refused with. One table (failure.c) holds MongoDB's codes and names;
 * functions that can refuse take a `struct failure *` last and `return failure_set(...)`.
 */
#ifndef RACEBENCH_DOCUMENT_FAILURE_H
#define RACEBENCH_DOCUMENT_FAILURE_H

#include <bson/bson.h>
#include <stdbool.h>

/* MongoDB's error codes: failure.def. */
#define NAMED(code, identifier, name) FAILURE_##identifier = (code),
#define LOCATED(code, identifier)     FAILURE_##identifier = (code),
enum failure_code {
    FAILURE_NONE = 0,
#include "failure.def"
};
#undef NAMED
#undef LOCATED

/* Why a command, or one write of it, was refused. */
struct failure {
    enum failure_code code;
    char message[320]; /* one line, in MongoDB's wording where it is known */
    bson_t *detail;    /* further fields of the reply (keyPattern, keyValue), or NULL; owned */
};

/* Fills in code and message (printf's rules, cut where it is too long) and returns false, for
 * `return failure_set(...)`. An earlier failure in the same struct is overwritten; `detail` is
 * freed and becomes NULL. */
bool failure_set(struct failure *, enum failure_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/* MongoDB's name of a code, "DuplicateKey"; "Location<code>" for codes without a name of their own
 * (returned in `buffer`, of at least 32 bytes). */
const char *failure_name(enum failure_code code, char *buffer);

/* Frees what the failure holds and sets it to FAILURE_NONE. */
void failure_reset(struct failure *);

#endif
