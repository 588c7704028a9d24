/* SPDX-License-Identifier: Apache-2.0
 *
 * canon: a document as a state knows it: without stamps, which differ between schedules that are
 * alike, and without the identity of workers, which is the same thing once more. Numbers that
 * name a worker (OPERATION_ID: tokens, the `by` of effects) are holes: the hash says that there is
 * one and where, and who fills it is added to that worker's own key. So states that differ only in
 * which of several equal workers is which have equal keys (facts/explore.md, section 4).
 */
#ifndef RACEBENCH_EXPLORE_CANON_H
#define RACEBENCH_EXPLORE_CANON_H

#include "base.h"

enum { HOLES_MAX = 8 };

/* A number in a document that names a worker. */
struct hole {
    int32_t worker;
    int64_t number; /* of its operation or token */
    uint32_t place; /* where it stands: bytes from the document's beginning */
};

struct canon {
    hash128 hash;  /* of everything else */
    int64_t stamp; /* at the top level; 0: none */
    struct hole holes[HOLES_MAX];
    int count;
};

/* Reads a BSON document. Numbers count as holes where they name one of `workers` workers; those
 * beyond HOLES_MAX are hashed as they are. */
void canon_read(struct canon *, const uint8_t *data, size_t length, int32_t workers);

/* How old a number is to its worker, who has drawn so many tokens and begun so many operations. */
int64_t canon_age(const struct hole *, int64_t tokens, int64_t operations);
/* The document as a worker sees it: its own numbers by their age, those of others as they are. */
hash128 canon_seen_by(const struct canon *, int32_t worker, int64_t tokens, int64_t operations);

#endif
