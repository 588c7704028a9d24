/* SPDX-License-Identifier: Apache-2.0
 *
 * foreign: a history that somebody else wrote (or racebench's own `--out history`), as operations:
 * what was invoked and what came back are one entry, with the places of both in real time. Read in
 * Jepsen's sense: `ok` happened between its two lines, `fail` surely never happened and is left
 * out, `info`, and what never came back, may happen at any time after its invocation or never.
 * Lines of processes that are not whole numbers (the nemesis) are no operations.
 *
 * Places are the order of the lines; lines with the same `time` share one place, since the clock
 * cannot tell them apart, and an operation precedes another only if its return lies strictly before
 * the other's invocation. So a coarse clock costs detection and never accuses wrongly.
 */
#ifndef RACEBENCH_CHECK_FOREIGN_H
#define RACEBENCH_CHECK_FOREIGN_H

#include "reader.h"

enum model {
    MODEL_REGISTER,
    MODEL_CAS_REGISTER,
    MODEL_COUNTER,
    MODEL_SET,
    MODEL_MUTEX,
    MODEL_COUNT
};
/* As on the command line: "register", "cas-register", "counter", "set", "mutex". */
const char *model_name(enum model);
/* By name; false when there is none. */
bool model_find(const char *name, enum model *model);
/* What its operations may be called, for people: "read, write". */
const char *model_functions(enum model);

enum action {
    ACTION_READ,
    ACTION_WRITE,
    ACTION_CAS,
    ACTION_ADD,       /* to a counter without answer, or to a set */
    ACTION_INCREMENT, /* of a counter by one; answers with the new value */
    ACTION_ACQUIRE,
    ACTION_RELEASE,
    ACTION_COUNT
};
/* As in a history: "read", "write", ... */
const char *action_name(enum action);

#define PLACE_NEVER INT64_MAX /* `end` of what may still happen at any time */
#define NO_VERSION  INT64_C(-1)
/* `wrote` of an own operation that may have written in an attempt before its last: the versions of
 * its document do not tell everything. */
#define VERSION_UNSURE INT64_C(-2)

/* So that the sum of all adds of a file (READER_BYTES_MAX / 20 bytes) stays below 2^62. */
#define AMOUNT_MAX  INT64_C(10000000000)
#define INITIAL_MAX (INT64_C(1) << 61)

/* One operation. What `first` and `second` hold depends on the action:
 *   register  READ: value seen; WRITE: value; CAS: old, new     (numbers of foreign->values)
 *   counter   READ: value seen; ADD: amount; INCREMENT: value after it           (the numbers)
 *   set       ADD: element (number of foreign->values); READ: index and count in ->elements
 * A pending READ saw nothing, and its fields mean nothing. */
struct operation {
    int64_t begin, end; /* places of invocation and return, from 0; PLACE_NEVER */
    int64_t process;
    int64_t first, second;
    int64_t read, wrote; /* versions that an own history names (numbers of ->values), NO_VERSION */
    uint32_t key;        /* number of ->keys */
    uint32_t begin_line, end_line; /* 0: no second line */
    uint8_t action;                /* enum action */
    bool pending;                  /* without an answer, or with `info` */
    bool two;                      /* one of the two documents of an own operation */
};

struct foreign {
    enum model model;
    enum notation notation;
    bool own;                     /* written by racebench: versions may be named */
    struct operation *operations; /* in order of invocation */
    size_t count, capacity;
    int64_t *elements; /* of reads of sets */
    size_t element_count, element_capacity;
    struct names values, keys;
    int64_t initial; /* counter: the number; else number of ->values */
    enum { KEYED_NOT, KEYED_BY_FIELD, KEYED_BY_PAIR } keyed; /* as the first operation is */
    int64_t invoked, acknowledged, failed; /* operations; what is missing had no answer */
    int64_t lines, skipped;                /* operations' lines, lines of other processes */
    int64_t ties;                          /* lines that share their place with the line before */
};

/* Reads a history. `initial` is a value in EDN, NULL: nil, 0, unlocked, empty, as the model has it.
 * Returns NULL, or what is wrong as one line for people, which the caller frees. The foreign
 * history is the caller's in either case: foreign_free(). */
char *foreign_read(struct foreign *, struct reader *, enum model model, const char *initial);
void foreign_free(struct foreign *);

/* An operation as people write it: "write 3", "read -> 3", "cas 1 -> 2", without key and process.
 * The caller frees it. */
char *foreign_describe(const struct foreign *, const struct operation *);

/* Between foreign.c and foreign_value.c -------------------------------------------------------- */

/* What one line says, before it is understood. */
struct line {
    int64_t number; /* of the line */
    const char *type, *function;
    int64_t process;
    const struct datum *map, *value, *key;
};

/* Understands an invocation's function, key and value. NULL, or what is wrong with it. */
char *value_invoke(struct foreign *, const struct line *, struct operation *);
/* Understands what an acknowledged operation returned, against its invocation. NULL, or what is
 * wrong. */
char *value_return(struct foreign *, const struct line *, struct operation *);

#endif
