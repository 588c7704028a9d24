/* SPDX-License-Identifier: Apache-2.0
 *
 * predict: which writes of a run may put back something stale, found in its trace: values written
 * into a document that the operation has read, or never read at all, with a filter that asks for
 * nothing but the document. Such a candidate may be harmless (a lock is held, a process works
 * alone); explore says whether it is. No candidate proves nothing: what decides on stale grounds
 * without such a write is not seen here.
 */
#ifndef RACEBENCH_EXPLORE_PREDICT_H
#define RACEBENCH_EXPLORE_PREDICT_H

#include "cell.h"
#include "gate.h"

/* Documents of one collection, or files, that are written so. */
struct candidate {
    char target[32];   /* collection, or a file's name */
    char document[32]; /* _id of the first that was met; "" of a file */
    bool after_read;   /* the operation that wrote had read it before; false: from memory */
    int32_t worker;    /* the first operation that did it ... */
    int64_t operation;
    int64_t times; /* ... and how many did */
};

/* The trace of one cell, and what was found in it. Zeroed: empty. */
struct prediction {
    struct trace_entry *entries;
    size_t count, capacity;
    struct candidate *candidates;
    size_t candidate_count, candidate_capacity;
    int64_t operations; /* that are whole or in part in the trace */
};

/* Finds the candidates among the entries. */
void predict(struct prediction *);
void prediction_free(struct prediction *);

/* Reads the text of a trace.jsonl, whose name is `file`, into `cells` predictions and finds their
 * candidates. NULL, or what is wrong with it as one line "file:line: ...", which the caller
 * frees. */
char *predict_read(const char *file, const char *text, struct prediction *predictions,
                   size_t cells);

/* The cell of a result.json, as far as explore needs it; borrows the name of its strategy. NULL, or
 * what is wrong with it as half a sentence, which the caller frees. */
char *predict_cell(const bson_t *document, struct cell *);
/* Prints one, a line. */
void candidate_print(const struct candidate *);

#endif
