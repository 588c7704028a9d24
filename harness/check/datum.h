/* SPDX-License-Identifier: Apache-2.0
 *
 * datum: one value as a history writes it, whatever the notation: nil, true, 42, 1.5, "text",
 * :keyword, [1 2], #{1 2}, {:a 1}. JSON and EDN become the same tree, so that everything behind the
 * readers knows one form only. Trees live in an arena that is emptied for every operation; what
 * must last longer is kept as a name: a number for each different value, with a text to print it
 * by.
 */
#ifndef RACEBENCH_CHECK_DATUM_H
#define RACEBENCH_CHECK_DATUM_H

#include <bson/bson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum datum_kind {
    DATUM_NIL,
    DATUM_FLAG,
    DATUM_WHOLE,
    DATUM_NUMBER,
    DATUM_TEXT,    /* strings and characters */
    DATUM_KEYWORD, /* keywords and symbols, without the colon */
    DATUM_LIST,    /* vectors, lists, JSON arrays */
    DATUM_SET,
    DATUM_MAP, /* children are key, value, key, value, ... */
};

struct datum {
    enum datum_kind kind;
    union {
        bool flag;
        int64_t whole;
        double number;
        const char *text;    /* ends in NUL; owned by the arena */
        struct datum *first; /* child of LIST, SET, MAP */
    };
    size_t count;       /* bytes of text, or children */
    struct datum *next; /* sibling */
};

/* Memory that is given back all at once. Zeroed: empty. */
struct arena {
    struct arena_block *block;
};
/* `bytes` of it, aligned for anything. Never NULL. */
void *arena_take(struct arena *, size_t bytes);
/* Forgets all that was taken and keeps one block for the next; arena_free keeps nothing. */
void arena_reset(struct arena *);
void arena_free(struct arena *);

/* A new datum of a kind, otherwise zeroed. */
struct datum *datum_new(struct arena *, enum datum_kind);
/* A copy of `length` bytes of text. */
struct datum *datum_text(struct arena *, enum datum_kind, const char *text, size_t length);
/* Puts `child` at the end of a collection; `*last` is the child before, NULL at the start. */
void datum_append(struct datum *collection, struct datum **last, struct datum *child);
/* The value of a field of a map, whether its key is text or keyword, with or without a colon; NULL
 * when there is none. */
const struct datum *datum_field(const struct datum *map, const char *name);
/* Text or keyword without a leading colon; NULL when it is neither. */
const char *datum_word(const struct datum *);
/* Is it there, and not nil? */
bool datum_is_given(const struct datum *);
/* A whole number, also written as 3.0; false when it is none. */
bool datum_whole(const struct datum *, int64_t *number);
/* The two children of a list of two; false when it is none. NULL is no list. */
bool datum_pair(const struct datum *, const struct datum **first, const struct datum **second);

/* A BSON document as a map. Recurses as deep as the document is (READER_DEPTH_MAX). */
struct datum *datum_from_bson(struct arena *, const bson_t *);

/* Different values, numbered from 0. Equal values have equal numbers: 3 and 3.0 are equal, sets and
 * maps are equal in any order. */
struct names {
    struct name *table; /* uthash, by text */
    struct name **items;
    size_t count, capacity;
    struct arena arena;
};
void names_free(struct names *);
/* The number of a value; NULL counts as nil. */
int64_t names_put(struct names *, const struct datum *);
/* The same for a text as names_text() gives it. */
int64_t names_put_text(struct names *, const char *text, size_t length);
/* What to print for a number that names_put() gave; owned by the names. */
const char *names_text(const struct names *, int64_t number);

#endif
