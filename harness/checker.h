/* SPDX-License-Identifier: Apache-2.0
 *
 * checker: judge after. Pure functions from a record (histories and final documents) to a verdict;
 * no clock, no I/O, no state. Counters are judged as an interval; read-modify-write documents by
 * the chain of versions that the stamps spell out; lost and doubled are counted as sets of
 * operation ids wherever the history names them. Algorithms and their cost: checker.c.
 */
#ifndef RACEBENCH_CHECKER_H
#define RACEBENCH_CHECKER_H

#include "cell.h"
#include "history.h"
#include "strategy.h"

/* What is left of one document when all workers have been joined. */
struct final {
    bool present;
    int64_t value;   /* of the scenario's number, 0 when absent */
    int64_t version; /* stamp: id of the operation that wrote it last; 0: none */
};

/* A post-processing that happened: session_effect(). */
struct effect {
    int64_t once; /* number of the thing asked for */
    int64_t by;   /* id of the operation */
};

/* All that a verdict may rest on. */
struct record {
    const struct cell *cell;
    const struct event *events; /* of all workers, sorted by invocation */
    size_t event_count;
    const struct final *finals; /* of document 0, 1, ... of the scenario */
    int64_t final_count;
    int64_t initial_value;          /* of the scenario's number in a seeded document */
    const bson_t *const *documents; /* the final documents whole, NULL: absent; or NULL: not read */
    const struct effect *effects;   /* all that happened, in no order */
    size_t effect_count;
    bool effects_unread;        /* they could not be read: nobody knows how many happened */
    int64_t hits[HAZARD_COUNT]; /* how often each hazard struck */
    bool interrupted;           /* stopped early: not all operations were made */
};

enum status { HELD, BROKEN, UNDECIDED };
/* "held", "broken", "unknown". */
const char *status_name(enum status);

/* Why a verdict is what it is; the name printed is the lower-case one with dashes. */
enum reason {
    REASON_NONE,
    REASON_LOST_UPDATE,      /* broken: an acknowledged update is gone */
    REASON_DOUBLED_UPDATE,   /* broken: one was applied twice */
    REASON_NOT_LINEARIZABLE, /* broken: the versions contradict real time */
    REASON_PHANTOM_VERSION,  /* broken: a version was read that nobody wrote */
    REASON_REPEATED,         /* broken: a thing asked for once was done twice */
    REASON_MISSED,           /* broken: a thing asked for was never done */
    REASON_NEVER_ACKED,      /* broken: a message was delivered again and again, to the limit */
    REASON_TORN,             /* broken: a reader saw half of an update */
    REASON_SKEWED,           /* broken: a rule over two documents is violated */
    REASON_STUCK,            /* broken: for two leases everybody gave up and nobody got through */
    REASON_ONE_WORKER,       /* unknown: no contention possible */
    REASON_NO_OVERLAP,       /* unknown: too few operations overlapped */
    REASON_IDLE_WORKER,      /* unknown: a worker had nothing acknowledged */
    REASON_HAZARD_NEVER_STRUCK, /* unknown: a planned hazard had no hit */
    REASON_NOT_CONVICTED,       /* unknown: a strategy that claims nothing lost nothing */
    REASON_INTERRUPTED,         /* unknown: stopped before the end */
    REASON_BUDGET,              /* unknown: explore had no budget for the rest */
    REASON_FINAL_UNREADABLE,    /* unknown: the final documents could not be read */
    REASON_COUNT
};
const char *reason_name(enum reason);
/* One sentence for people: what it means and what to do. */
const char *reason_help(enum reason);

/* One proof of "broken": the operation that suffered and the one that did it. For PHANTOM_VERSION
 * the property is DOUBLED, the victim read `version` (0: the final document shows it) and the
 * culprit says that it did not write it (0: nobody did). For NOT_LINEARIZABLE the property is LOST,
 * the victim was invoked after the culprit had returned and did not see it, or saw what the culprit
 * overwrote. */
struct witness {
    enum property property;
    int64_t key;        /* _id of the document */
    int64_t victim;     /* operation id: whose update is gone, or was applied twice */
    int64_t culprit;    /* operation id: who overwrote it; 0: not known */
    int64_t version;    /* version that both had read */
    int64_t value_read; /* value that both had read */
    int64_t victim_return_ns, culprit_return_ns; /* when each was acknowledged */
};
enum { WITNESS_MAX = 10 };

struct counts {
    int64_t acked, nothing, busy, failed, unknown; /* operations by outcome; busy: CONFLICT too */
    int64_t final, expected_min, expected_max;     /* sums over the documents */
    int64_t lost, doubled, repeated, missed, torn, skewed;
};

struct verdict {
    enum status status;
    enum reason reason;
    struct counts counts;
    int64_t overlaps; /* operations that found another worker's open on the same document */
    int64_t overlaps_needed;
    double lost_bound;     /* held: with 95 % confidence fewer than this share of operations is
                               * lost (rule of three, exact form); 0 otherwise */
    bool lost_by_identity; /* lost and doubled were counted by operation id, not from a sum */
    int witness_count;
    struct witness witnesses[WITNESS_MAX];
};

/* Clears the verdict to HELD, counts outcomes and overlaps and fills in counts, overlaps,
 * overlaps_needed. First step of every judge. O(n). */
void checker_count(const struct record *, struct verdict *);

/* Judges documents whose number grows by each applied operation's amount: the interval of each, the
 * chain of versions, real time, the engine's ledger of applications. Sets counts.final .. doubled,
 * witnesses, and BROKEN with the first of LOST_UPDATE, PHANTOM_VERSION, DOUBLED_UPDATE,
 * NOT_LINEARIZABLE that applies (counts and witnesses name the others too); leaves the status as it
 * is otherwise, but UNDECIDED when `finals` is NULL or lacks a document that was updated. Documents
 * that an operation on two documents wrote are judged by their chains alone. counts.doubled are
 * applications nobody answers for: second ones, and those of operations that deny them. Operations'
 * ids must be unique. O(n) on average. */
void checker_updates(const struct record *, struct verdict *);

/* Judges things that are asked for once by several (`once` of the events, from 1): a thing is done
 * by an operation that was acknowledged, or got no answer and is known to have been applied: its
 * version was read or is the final one, or the engine's ledger has it. Done by two: REPEATED; asked
 * for, by none, and nobody is left who may have done it: MISSED. `things`: how many there should
 * be; those that nobody asked for are missed too (0: whatever was asked for). Sets
 * counts.repeated and .missed (one for each time too many, one a thing), witnesses, and BROKEN
 * unless it is already. O(n) on average. */
void checker_once(const struct record *, int64_t things, struct verdict *);

/* Where things are asked for once, operations need not overlap to be in each other's way: a timer
 * that goes off when the task is over repeats it all the same. Sets `overlaps` to the number of
 * operations that asked for what another worker had asked for before. O(n) on average. */
void checker_asked(const struct record *, struct verdict *);

/* Judges the post-processing of things asked for once: two effects: REPEATED; none, although
 * somebody was told DONE or NOTHING, or all were told BUSY or CONFLICT, so that nobody is at it any
 * more: MISSED; an effect of a thing that nobody asked for is REPEATED too. Otherwise as
 * checker_once(). */
void checker_effects(const struct record *, struct verdict *);

/* What a reader of whole documents saw: `detail` of its event. */
enum snapshot_detail { SNAPSHOT_WHOLE, SNAPSHOT_TORN, SNAPSHOT_ABSENT };
/* Judges whole documents: an operation that saw a torn one; one that could not be read where
 * documents are files; an absent one, although it was seeded or a write to it had been acknowledged
 * before; a final document for which `is_whole` is false, or that is gone. Sets counts.torn,
 * witnesses (the victim is the reader, the culprit a writer that was under way, as far as one is
 * known), and BROKEN unless it is already. O(n) on average. */
void checker_snapshot(const struct record *, bool (*is_whole)(const bson_t *), struct verdict *);

/* Judges whether operations over several documents could have happened one after the other: who
 * wrote what another had read comes after it, who read what another wrote comes after that.
 * Operations that stand in a circle decided on what was no longer true: SKEWED, counts.skewed is
 * the number of them. Only what is on the chains of the final documents takes part, and
 * acknowledged reads of them: lost updates are not counted again. An operation without an answer of
 * which one document was written and the other was not is SKEWED too. Witnesses, one a circle: one
 * of its operations, and another that wrote over what it had read. Sets BROKEN unless it is
 * already. O(n) on average. */
void checker_skew(const struct record *, struct verdict *);

/* Notes a broken property: counts nothing, appends the witness while there is room, and makes the
 * verdict BROKEN with this reason unless it is already. */
void checker_accuse(struct verdict *, enum reason, const struct witness *);

/* Last step of every judge. A time of more than two leases in which ten operations or more gave up
 * after --max-tries and none was acknowledged: BROKEN with STUCK unless it is already, since no
 * lock may outlive its lease. Then HELD becomes UNDECIDED (BROKEN and UNDECIDED stay) with the
 * first of INTERRUPTED, ONE_WORKER, HAZARD_NEVER_STRUCK (of those planned, `none` apart),
 * IDLE_WORKER (no operation DONE or NOTHING; with `once` BUSY and CONFLICT are answers too),
 * NO_OVERLAP that applies; otherwise computes lost_bound, over acknowledged updates. */
void checker_contention(const struct record *, struct verdict *);

/* Upper 95 % bound of a rate of which 0 of `n` were seen: 1 - 0.05^(1/n). */
double checker_zero_bound(int64_t n);

/* The pure cores, for the checker's own tests and for foreign histories ------------------------ */

/* A fetch-and-increment counter: every increment returned the value that it produced (or
 * RETURN_NEVER and `unknown`), every read the value that it saw. */
struct count_operation {
    int64_t invoke_ns, return_ns;
    int64_t value; /* increment: value after it; read: value seen */
    bool is_read;
    bool unknown; /* an increment without an answer: may have happened, value not known */
};
/* Is the history linearizable from `initial`? On false names two operations that contradict each
 * other in `pair` (indices; equal when one alone does): two increments with one value, or pair[0]
 * that must stand before pair[1] and was invoked after it had returned. Places by value, then one
 * sweep (facts/peers.md, section 5). O(n log n). */
bool checker_counter(const struct count_operation *, size_t count, int64_t initial, size_t pair[2]);

/* A read-modify-write register whose versions are named. */
struct register_operation {
    int64_t invoke_ns, return_ns;
    int64_t read;  /* version that it read */
    int64_t wrote; /* version that it wrote; 0: a read only */
    bool unknown;  /* no answer: `wrote` may or may not exist */
};
/* Is it linearizable, starting from version 0? On false names two operations in `pair`, and in
 * `*reason` LOST_UPDATE (two children of one version: pair), PHANTOM_VERSION (pair[0] read it) or
 * NOT_LINEARIZABLE (as above, or versions that go round in a circle or have two writers). Table of
 * writers, parent to child, then the chain, then the sweep. O(n) on average. */
bool checker_register(const struct register_operation *, size_t count, size_t pair[2],
                      enum reason *reason);

#endif
