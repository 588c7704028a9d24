/* SPDX-License-Identifier: Apache-2.0
 *
 * edit: what must change, said by a scenario without knowing how; and what became of it, said by a
 * strategy without knowing why. An edit names one or two documents and a pure function from the
 * documents read to the new ones; where the change can be said so, also update operators.
 */
#ifndef RACEBENCH_EDIT_H
#define RACEBENCH_EDIT_H

#include <bson/bson.h>
#include <stdbool.h>
#include <stdint.h>

struct session;

/* What one attempt, or all the attempts at an operation, came to. */
enum outcome {
    DONE,     /* applied and acknowledged */
    NOTHING,  /* the document already says so; nothing written */
    BUSY,     /* not now: held by somebody, or the edit says "not yet"; nothing written */
    CONFLICT, /* what was read is stale; nothing written */
    FAILED,   /* surely not applied, and trying again is useless */
    UNKNOWN,  /* may have been applied: time-out, lost reply, anything sent without an answer */
    OUTCOME_COUNT
};
/* "done", "nothing", ... */
const char *outcome_name(enum outcome);

/* What an edit's function says about the documents that it was shown. */
enum change {
    CHANGED, /* the new documents are filled in */
    ALREADY, /* they say so already: NOTHING */
    NOT_YET, /* something must happen first: BUSY */
    REFUSED, /* never: FAILED */
};

/* One document: its collection and its _id, a number from 0. */
struct key {
    const char *collection;
    int64_t id;
};

enum { EDIT_DOCUMENTS_MAX = 2 };
/* `base` of an edit that accepts whatever version it finds. */
enum { EDIT_ANY = -1 };

/* What must change. Made by a scenario on the worker's stack; read by a strategy. */
struct edit {
    struct key key[EDIT_DOCUMENTS_MAX]; /* 1 or 2 documents, locked in the order of their keys */
    int count;                          /* how many of key[] there are */
    /* Pure: from the documents read to the new ones. was[i] is NULL when the document is absent;
     * is[i] comes initialised and empty, and left empty means "only read". Calls no session verb.
     * NULL: the edit only reads. */
    enum change (*change)(const struct edit *, const bson_t *const was[], bson_t *is[]);
    const bson_t *operators; /* the same change of key[0] as update operators, or NULL */
    const char *field;       /* the number that histories and witnesses quote ("n"), or NULL */
    int64_t base;            /* version that the caller saw, or EDIT_ANY */
    int64_t once;            /* number of the thing asked for, the same for all who ask; 0: none */
    bool wait;               /* BUSY or CONFLICT: true: try again, false: tell the caller */
    bool effect;             /* has post-processing: the strategy calls session_effect() for it */
    int64_t amount;          /* for `change`: by how much */
    const void *argument;    /* for `change`: anything else; borrowed */
};

/* Which of the edit's documents comes first by collection and _id, 0 or 1: who locks both takes the
 * lock of that one first, so that two workers can never hold one each. */
int edit_first(const struct edit *);

/* Runs the edit over the documents read: sleeps `--work`, notes which versions were read, calls
 * `change` (which must not call the session: that ends the program) and stamps each document
 * written with the operation's id. was[i] NULL: absent. On DONE, is[i] is the new document, owned
 * by the session until the attempt ends, or NULL where nothing is to be written; any other outcome
 * is what the strategy should return: NOTHING, BUSY or FAILED. */
enum outcome edit_run(struct session *, const struct edit *, const bson_t *const was[],
                      const bson_t *is[]);

/* Sleeps `--work` now and not in edit_run(): for strategies whose change must not be interrupted
 * between the look at a document and the new one (an object in shared RAM). FAILED when
 * interrupted. */
enum outcome edit_work(struct session *);

/* The edit's operators with the operation's stamp added by $set; owned by the session until the
 * attempt ends. Only for edits that have operators. */
const bson_t *edit_operators(struct session *, const struct edit *);

/* The update that turns `was` into `is`: {$set: changed and new top-level fields, $unset: the gone
 * ones}; never touches _id. Owned by the session until the attempt ends. `was` NULL: $set of
 * all. */
bson_t *edit_update(struct session *, const bson_t *was, const bson_t *is);

/* Name of the field that carries the stamp of the last operation that wrote a document. */
#define EDIT_STAMP "stamp"

/* Stamp of a document: the id of the operation that wrote it last, 0 for a seeded or absent one. */
int64_t edit_stamp(const bson_t *document);

/* A whole number in a top-level field of any numeric type; `otherwise` when it is absent. */
int64_t edit_number(const bson_t *document, const char *field, int64_t otherwise);

#endif
