/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_updates: documents whose number grows by each applied operation's amount. Two witnesses
 * are heard, and the worse one counts. The chain (checker_chain) names who was lost and who was
 * applied twice. The sum knows no names but cannot be fooled by what leaves no stamp: behind a
 * complete chain the number must be exactly what the chain adds up to; otherwise it must lie
 * between initial + acknowledged and that + unanswered (the interval). What names already explain
 * widens the sum's bounds first, so that nothing is counted twice; what is left over is counted in
 * operations of the largest amount, the fewest that explain it. Documents that two-document
 * operations touch have no sum of their own. Real time is asked only when all else held, since a
 * lost update is the better story; so too lost goes before phantom, and phantom before doubled.
 * O(n) on average.
 */
#include "base.h"
#include "checker.h"
#include "checker_chain.h"

#include <stdlib.h>

/* What one document's number should be. */
struct sums {
    int64_t acked, acked_count;        /* amounts and number of acknowledged updates */
    int64_t unknown_low, unknown_high; /* the least and the most that unanswered ones add */
    int64_t low, high;  /* the least and the most by which it grew, names taken into account */
    int64_t named_lost; /* acknowledged updates that are known by name to be lost */
    int64_t unit;       /* largest amount of all, without sign */
    bool up, down;      /* amounts of that sign occur */
};

struct judged {
    struct chain chain;
    struct sums *sums;      /* per document */
    bool *lost, *excessive; /* per event: named, on one document or two */
    bool has_phantom, is_unreadable;
    int64_t named_lost, named_excessive;
    int64_t summed_lost, summed_excessive; /* beyond those named */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static uint32_t nodes_of(const struct record *record)
{
    return (uint32_t)record->event_count * EDIT_DOCUMENTS_MAX;
}

/* How often an update is in its document's number, at least and at most. */
static void bound_times(const struct chain *chain, uint32_t node, int64_t *fewest,
                        int64_t *most_often)
{
    const struct event *event = chain_event(chain, node);
    unsigned marks = chain->marks[node];
    bool on_chain = chain->place[node] != NOWHERE;
    int64_t doubled = (marks & MARK_DOUBLED) == 0 ? 1 : most(2, event->applied);
    if (chain_document(chain, node)->complete) {
        *fewest = on_chain;
        *most_often = on_chain ? doubled : 0;
    } else if (event->outcome == DONE) {
        *fewest = (marks & MARK_LOST) == 0;
        *most_often = doubled;
    } else { /* unanswered, or denied: the ledger may know that it never happened */
        *fewest = 0;
        *most_often = event->applied == 0 ? 0 : doubled;
    }
}

static void sums_add(struct sums *sums, const struct chain *chain, uint32_t node)
{
    const struct event *event = chain_event(chain, node);
    int64_t amount = event->amount, fewest, most_often;
    bound_times(chain, node, &fewest, &most_often);
    sums->low += least(fewest * amount, most_often * amount);
    sums->high += most(fewest * amount, most_often * amount);
    sums->up |= amount > 0;
    sums->down |= amount < 0;
    sums->unit = most(sums->unit, amount < 0 ? -amount : amount);
    sums->named_lost += (chain->marks[node] & MARK_LOST) != 0;
    if (event->outcome == DONE) {
        sums->acked += amount;
        sums->acked_count++;
    } else if (event->outcome == UNKNOWN) {
        sums->unknown_low += least(amount, 0);
        sums->unknown_high += most(amount, 0);
    }
}

/* One pass: names per event, sums per document. */
static void add_up(struct judged *judged, const struct record *record)
{
    const struct chain *chain = &judged->chain;
    judged->has_phantom = chain->stranger != 0;
    for (uint32_t node = 0; node < nodes_of(record); node++) {
        bool phantom = (chain->marks[node] & MARK_PHANTOM) != 0;
        if (!phantom && !chain_is_writer(chain, node))
            continue;
        const struct chain_document *document = chain_document(chain, node);
        if (document == NULL) {
            judged->is_unreadable |= chain_event(chain, node)->outcome == DONE;
            continue;
        }
        judged->has_phantom |= phantom;
        judged->lost[node / EDIT_DOCUMENTS_MAX] |= (chain->marks[node] & MARK_LOST) != 0;
        judged->excessive[node / EDIT_DOCUMENTS_MAX] |=
            phantom || (chain->marks[node] & MARK_DOUBLED) != 0;
        if (!document->shared)
            sums_add(&judged->sums[document - chain->documents], chain, node);
    }
    for (size_t i = 0; i < record->event_count; i++) {
        judged->named_lost += judged->lost[i];
        judged->named_excessive += judged->excessive[i];
    }
}

/* What the sum of one document says beyond the names. */
static void hear_sum(struct judged *judged, const struct sums *sums, int64_t grown)
{
    int64_t unit = most(sums->unit, 1);
    int64_t missing = most(sums->low - grown, 0), surplus = most(grown - sums->high, 0);
    if (sums->down && !sums->up) { /* a number that counts down is too high when one is lost */
        int64_t swap = missing;
        missing = surplus;
        surplus = swap;
    }
    judged->summed_excessive += (surplus + unit - 1) / unit;
    if (missing == 0)
        return;
    int64_t left = sums->acked_count - sums->named_lost;
    if (left > 0)
        judged->summed_lost += least((missing + unit - 1) / unit, left);
    else if (sums->named_lost == 0)
        judged->summed_lost++; /* what is gone was there before anybody came */
}

static void hear_sums(struct judged *judged, const struct record *record, struct verdict *verdict)
{
    struct counts *counts = &verdict->counts;
    verdict->lost_by_identity = true;
    for (int64_t key = 0; key < record->final_count; key++) {
        const struct chain_document *document = &judged->chain.documents[key];
        const struct sums *sums = &judged->sums[key];
        const struct final *final = &record->finals[key];
        int64_t value = final->present ? final->value : 0;
        counts->final += value;
        counts->expected_min += record->initial_value + sums->acked + sums->unknown_low;
        counts->expected_max += record->initial_value + sums->acked + sums->unknown_high;
        if (!document->complete && !document->ledger)
            verdict->lost_by_identity = false;
        if (!document->shared)
            hear_sum(judged, sums, value - record->initial_value);
    }
    if (judged->summed_lost > 0 || judged->summed_excessive > 0)
        verdict->lost_by_identity = false;
}

/* Witnesses ------------------------------------------------------------------------------------ */

static int64_t operation_of(const struct chain *chain, uint32_t node)
{
    return node == NOWHERE ? 0 : chain_event(chain, node)->operation;
}

static int64_t return_of(const struct chain *chain, uint32_t node)
{
    return node == NOWHERE ? 0 : chain_event(chain, node)->return_ns;
}

/* Appends a witness while there is room. Either node may be NOWHERE: not known. */
static void testify(struct verdict *verdict, const struct chain *chain, struct witness witness,
                    uint32_t victim, uint32_t culprit)
{
    if (verdict->witness_count == WITNESS_MAX)
        return;
    witness.victim = operation_of(chain, victim);
    witness.culprit = operation_of(chain, culprit);
    witness.victim_return_ns = return_of(chain, victim);
    witness.culprit_return_ns = return_of(chain, culprit);
    verdict->witnesses[verdict->witness_count++] = witness;
}

/* The number as this node read it; histories quote document 0's only. */
static int64_t value_read_by(const struct chain *chain, uint32_t node)
{
    return chain_slot(node) == 0 ? chain_event(chain, node)->value_read : 0;
}

static void testify_lost(struct verdict *verdict, const struct chain *chain, uint32_t victim)
{
    int64_t version;
    uint32_t culprit = chain_culprit(chain, victim, &version);
    const struct event *event = chain_event(chain, victim);
    bool same = culprit == NOWHERE || event->read[chain_slot(victim)] == version;
    struct witness witness = {.property = LOST,
                              .key = event->key[chain_slot(victim)],
                              .version = version,
                              .value_read = value_read_by(chain, same ? victim : culprit)};
    testify(verdict, chain, witness, victim, culprit);
}

static void testify_doubled(struct verdict *verdict, const struct chain *chain, uint32_t victim)
{
    const struct event *event = chain_event(chain, victim);
    struct witness witness = {.property = DOUBLED,
                              .key = event->key[chain_slot(victim)],
                              .version = event->read[chain_slot(victim)],
                              .value_read = value_read_by(chain, victim)};
    testify(verdict, chain, witness, victim, NOWHERE);
}

/* The first operation that read this node's version; NOWHERE: only the final document shows it. */
static uint32_t first_reader(const struct chain *chain, uint32_t node)
{
    const struct event *writer = chain_event(chain, node);
    for (uint32_t reader = 0; reader < nodes_of(chain->record); reader++) {
        const struct event *event = chain_event(chain, reader);
        if (event != writer && event->read[chain_slot(reader)] == writer->operation &&
            event->key[chain_slot(reader)] == writer->key[chain_slot(node)])
            return reader;
    }
    return NOWHERE;
}

static void testify_phantom(struct verdict *verdict, const struct chain *chain, uint32_t culprit)
{
    const struct event *event = chain_event(chain, culprit);
    uint32_t reader = first_reader(chain, culprit);
    struct witness witness = {.property = DOUBLED,
                              .key = event->key[chain_slot(culprit)],
                              .version = event->operation,
                              .value_read = reader == NOWHERE ? 0 : value_read_by(chain, reader)};
    testify(verdict, chain, witness, reader, culprit);
}

/* The earliest victims first, of the reason given before the others. */
static void testify_all(struct verdict *verdict, const struct chain *chain)
{
    static const struct {
        enum chain_mark mark;
        void (*testify)(struct verdict *, const struct chain *, uint32_t);
    } kinds[] = {{MARK_LOST, testify_lost},
                 {MARK_PHANTOM, testify_phantom},
                 {MARK_DOUBLED, testify_doubled}};
    for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
        uint32_t nodes = nodes_of(chain->record);
        for (uint32_t node = 0; node < nodes && verdict->witness_count < WITNESS_MAX; node++)
            if ((chain->marks[node] & kinds[kind].mark) != 0)
                kinds[kind].testify(verdict, chain, node);
        if (kinds[kind].mark == MARK_PHANTOM && chain->stranger != 0)
            testify(verdict, chain,
                    (struct witness){.property = DOUBLED,
                                     .key = chain->stranger_key,
                                     .version = chain->stranger},
                    chain->stranger_node, NOWHERE);
    }
}

/* The verdict ---------------------------------------------------------------------------------- */

static enum reason find_reason(const struct judged *judged)
{
    if (judged->named_lost + judged->summed_lost > 0)
        return REASON_LOST_UPDATE;
    if (judged->has_phantom)
        return REASON_PHANTOM_VERSION;
    if (judged->named_excessive + judged->summed_excessive > 0)
        return REASON_DOUBLED_UPDATE;
    return REASON_NONE;
}

static void conclude(const struct judged *judged, struct verdict *verdict)
{
    const struct chain *chain = &judged->chain;
    enum reason reason = find_reason(judged);
    verdict->counts.lost = judged->named_lost + judged->summed_lost;
    verdict->counts.doubled = judged->named_excessive + judged->summed_excessive;
    testify_all(verdict, chain);
    size_t pair[2];
    if (reason == REASON_NONE && !chain_fits_time(chain, pair)) {
        reason = REASON_NOT_LINEARIZABLE;
        uint32_t victim = (uint32_t)pair[0];
        const struct event *event = chain_event(chain, victim);
        struct witness witness = {.property = LOST,
                                  .key = event->key[chain_slot(victim)],
                                  .version = event->read[chain_slot(victim)],
                                  .value_read = value_read_by(chain, victim)};
        testify(verdict, chain, witness, victim, (uint32_t)pair[1]);
    }
    if (reason != REASON_NONE) {
        verdict->status = BROKEN;
        verdict->reason = reason;
    } else if (judged->is_unreadable && verdict->status == HELD) {
        verdict->status = UNDECIDED;
        verdict->reason = REASON_FINAL_UNREADABLE;
    }
}

void checker_updates(const struct record *record, struct verdict *verdict)
{
    if (record->finals == NULL) {
        if (verdict->status == HELD) {
            verdict->status = UNDECIDED;
            verdict->reason = REASON_FINAL_UNREADABLE;
        }
        return;
    }
    struct judged judged = {.sums = x_calloc((size_t)record->final_count + 1, sizeof(struct sums)),
                            .lost = x_calloc(record->event_count + 1, sizeof(bool)),
                            .excessive = x_calloc(record->event_count + 1, sizeof(bool))};
    chain_build(&judged.chain, record);
    add_up(&judged, record);
    hear_sums(&judged, record, verdict);
    conclude(&judged, verdict);
    chain_free(&judged.chain);
    free(judged.sums);
    free(judged.lost);
    free(judged.excessive);
}
