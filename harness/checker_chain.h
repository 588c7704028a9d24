/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_chain: which updates the final documents stand on. Every write leaves the id of its
 * operation in the document (the version), and most operations know which version they had read
 * (the parent); so from the final version one can walk back, link by link, to the seeded document.
 * What is on this chain survived; an acknowledged update that is not was lost, by name. The walk
 * ends early at an update that wrote without reading; before it, only two updates of one version
 * are proof. What "node" means below: one operation and one of its documents, 2 x event + slot.
 * Internal to the checker; used by checker_updates.c and checker_skew.c.
 */
#ifndef RACEBENCH_CHECKER_CHAIN_H
#define RACEBENCH_CHECKER_CHAIN_H

#include "checker.h"
#include "checker_order.h"
#include "checker_table.h"

/* `parent` of a node that read the seeded (or absent) document. Unknown parents are NOWHERE. */
#define SEEDED (NOWHERE - 1)

/* What is known of a node; several may hold. */
enum chain_mark {
    MARK_SEEN = 1 << 0,    /* somebody read its version, or the document ended with it */
    MARK_PHANTOM = 1 << 1, /* seen, although it says that it wrote nothing */
    MARK_LOST = 1 << 2,
    MARK_DOUBLED = 1 << 3,
};

/* One document of the scenario. */
struct chain_document {
    size_t first, length; /* its surviving chain in `order`, the last writer first */
    bool complete;        /* the chain reaches back to the seeded document */
    bool shared;          /* two-document operations touch it: it has no sum of its own */
    bool ledger;          /* all who wrote it are known to the engine's ledger by number */
    uint32_t heir;        /* node that survived of those who changed the seeded document */
    int64_t return_ns;    /* earliest return of those done on the chain */
};

struct chain {
    const struct record *record;
    struct checker_table operations;  /* id -> event */
    uint32_t *parent;                 /* per node */
    uint32_t *heir;                   /* per node: of its children, the one that survived */
    uint32_t *place;                  /* per node: its index in `order`, or NOWHERE */
    uint8_t *marks;                   /* per node */
    uint32_t *order;                  /* surviving nodes, document by document */
    struct chain_document *documents; /* one per final document */
    int64_t stranger;                 /* a version that nobody wrote; 0: none was seen */
    uint32_t stranger_node;           /* who read it; NOWHERE: a final document has it */
    int64_t stranger_key;
};

/* Builds the chains of all documents and marks who was lost, doubled, or says that it wrote nothing
 * and did. chain_free gives all of it back. Events whose _id has no final document are left out. */
void chain_build(struct chain *, const struct record *);
void chain_free(struct chain *);

/* The event and the slot of a node. */
const struct event *chain_event(const struct chain *, uint32_t node);
int chain_slot(uint32_t node);
/* The final document that a node is about, or NULL when there is none. */
struct chain_document *chain_document(const struct chain *, uint32_t node);
/* May the node's operation have changed the node's document, going by what it says itself? */
bool chain_is_writer(const struct chain *, uint32_t node);
/* The node that wrote over a lost one, or NOWHERE when that is not known; `*version` becomes the
 * version on which both stood. */
uint32_t chain_culprit(const struct chain *, uint32_t victim, int64_t *version);
/* Does real time allow the chains, with the reads of each version? On false pair[0] is the node
 * that stands before pair[1] although it was invoked after pair[1] had returned, or that read what
 * pair[1] (NOWHERE: not known) then overwrote without having seen it. Asked only when nobody was
 * lost. */
bool chain_fits_time(const struct chain *, size_t pair[2]);

#endif
