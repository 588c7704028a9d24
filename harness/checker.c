/* SPDX-License-Identifier: Apache-2.0
 *
 * checker: see checker.h. The names of what can come out; the judging is in its own files:
 *
 *   checker_contention.c  did anything happen at all: outcomes, overlaps, planned hazards
 *   checker_updates.c     documents that grow: interval, chains, real time -> verdict, witnesses
 *   checker_chain.c       the chain of versions that the stamps spell out, and who is not on it
 *   checker_counter.c     fetch-and-increment, linearizable or not
 *   checker_register.c    read-modify-write with named versions, linearizable or not
 *   checker_effects.c     things asked for once: how often they and their effects happened
 *   checker_snapshot.c    whole documents: who saw half of one
 *   checker_skew.c        operations over two documents: one after the other, or in a circle
 *   checker_order.c       does real time allow an order: one sweep, shared by the three above
 *   checker_table.c       number -> place, shared by all
 *
 * All are O(n log n) or better, without recursion and without state: the same record gives the same
 * verdict, and a report of a million operations is judged in well under a second.
 */
#include "checker.h"

#include "base.h"

static const char *const property_names[PROPERTY_COUNT] = {"lost",   "doubled", "repeated",
                                                           "missed", "torn",    "skewed"};

static const char *const status_names[] = {"held", "broken", "unknown"};

static const struct {
    const char *name, *help;
} reasons[REASON_COUNT] = {
    [REASON_NONE] = {"none", "There is nothing to add."},
    [REASON_LOST_UPDATE] = {"lost-update",
                            "An acknowledged update is gone: somebody wrote over it without having "
                            "read it; make the write depend on what was read (a version in the "
                            "filter, a lock, an operator)."},
    [REASON_DOUBLED_UPDATE] = {"doubled-update",
                               "One operation was applied twice: it was tried again although the "
                               "first try had been applied; make it recognise itself (a number of "
                               "its own kept in the document)."},
    [REASON_NOT_LINEARIZABLE] = {"not-linearizable",
                                 "An operation did not see what had been acknowledged before it "
                                 "began; read from the primary, and never from a copy that may be "
                                 "old."},
    [REASON_PHANTOM_VERSION] =
        {"phantom-version", "Somebody read, or the document ended with, a version that no "
                            "operation admits to have written: a write was reported as not made, "
                            "or another program writes to these documents."},
    [REASON_REPEATED] = {"repeated",
                         "A thing asked for once was done twice; claim it by its number in the "
                         "command that does it, since a lock is free again when the second comes."},
    [REASON_MISSED] = {"missed",
                       "A thing asked for was never done, although somebody was told so or nobody "
                       "is left to do it; mark it done only together with doing it."},
    [REASON_NEVER_ACKED] = {"never-acked",
                            "A message was delivered until the limit and never acknowledged; "
                            "acknowledge what has been applied already instead of refusing it."},
    [REASON_TORN] = {"torn", "A reader saw half of an update; write the new content beside the old "
                             "and rename it, or let readers wait for writers."},
    [REASON_SKEWED] = {"skewed",
                       "Operations over two documents could not have happened one after the other: "
                       "each decided on what another was changing; lock both, also the one that is "
                       "only read."},
    [REASON_STUCK] = {"stuck", "For longer than two leases every operation was given up and none "
                               "was acknowledged: something is held that never comes free."},
    [REASON_ONE_WORKER] = {"one-worker",
                           "A single worker cannot race with anybody; use --workers 2 or more."},
    [REASON_NO_OVERLAP] =
        {"no-overlap", "Too few operations met on the same document to prove anything; use more "
                       "workers, fewer documents, or --work to widen the window."},
    [REASON_IDLE_WORKER] = {"idle-worker",
                            "A worker had no operation acknowledged, so its part was never tried; "
                            "use more operations, or look why its operations fail."},
    [REASON_HAZARD_NEVER_STRUCK] = {"hazard-never-struck",
                                    "A planned hazard did not happen once, so surviving it proves "
                                    "nothing; let the run last longer."},
    [REASON_NOT_CONVICTED] =
        {"not-convicted", "A strategy that claims nothing lost nothing: these settings would not "
                          "have shown a lost update elsewhere either; add workers, operations or "
                          "--work."},
    [REASON_INTERRUPTED] = {"interrupted",
                            "The run was stopped before its end; what was seen until then held."},
    [REASON_BUDGET] = {"budget", "The budget ended before all schedules were tried; give more with "
                                 "--budget, or explore fewer workers."},
    [REASON_FINAL_UNREADABLE] =
        {"final-unreadable", "A document could not be read at the end, so nobody knows what is in "
                             "it; look at the target's own log."},
};

void checker_accuse(struct verdict *verdict, enum reason reason, const struct witness *witness)
{
    if (verdict->status != BROKEN) {
        verdict->status = BROKEN;
        verdict->reason = reason;
    }
    if (verdict->witness_count < WITNESS_MAX)
        verdict->witnesses[verdict->witness_count++] = *witness;
}

const char *property_name(enum property property)
{
    must((size_t)property < COUNT_OF(property_names));
    return property_names[property];
}

const char *status_name(enum status status)
{
    must((size_t)status < COUNT_OF(status_names));
    return status_names[status];
}

const char *reason_name(enum reason reason)
{
    must((size_t)reason < COUNT_OF(reasons));
    return reasons[reason].name;
}

const char *reason_help(enum reason reason)
{
    must((size_t)reason < COUNT_OF(reasons));
    return reasons[reason].help;
}
