/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_chain: see checker_chain.h. The walk back from the final version is Elle's and MTC's
 * reasoning about read-modify-write operations, with three things that real runs add:
 * - unanswered operations are on the chain when they happened, and judged by nobody when not;
 * - an operation met twice on the walk, or that read its own stamp and wrote again, was applied
 *   twice; only the parent of its last application is known, so the chain ends there;
 * - updates without a parent (operators) end it too. Before such an end, of several acknowledged
 *   children of one version all but one are lost (the one on the chain, else the last to return),
 *   and so is whatever was invoked after something on the chain had returned. The engine's ledger,
 *   where there is one, says of operators how often each was applied.
 * All arrays are per node; every step is one pass over the events. O(n) on average.
 */
#include "checker_chain.h"

#include "base.h"

#include <stdlib.h>

const struct event *chain_event(const struct chain *chain, uint32_t node)
{
    return &chain->record->events[node / EDIT_DOCUMENTS_MAX];
}

int chain_slot(uint32_t node)
{
    return (int)(node % EDIT_DOCUMENTS_MAX);
}

static int64_t node_key(const struct chain *chain, uint32_t node)
{
    return chain_event(chain, node)->key[chain_slot(node)];
}

static uint32_t node_count(const struct chain *chain)
{
    return (uint32_t)chain->record->event_count * EDIT_DOCUMENTS_MAX;
}

struct chain_document *chain_document(const struct chain *chain, uint32_t node)
{
    int64_t key = node_key(chain, node);
    return key >= 0 && key < chain->record->final_count ? &chain->documents[key] : NULL;
}

/* Did the last attempt set out to write this document? */
static bool set_out(const struct chain *chain, uint32_t node)
{
    return (chain_event(chain, node)->wrote >> chain_slot(node) & 1) != 0;
}

bool chain_is_writer(const struct chain *chain, uint32_t node)
{
    const struct event *event = chain_event(chain, node);
    if (event->key[chain_slot(node)] < 0 || event->reads_only ||
        (event->outcome != DONE && event->outcome != UNKNOWN))
        return false;
    /* No document set out for: an earlier attempt may have written, and the last one seen it. */
    return event->wrote == 0 || set_out(chain, node);
}

/* Is this an update that must be in the final document? */
static bool is_owed(const struct chain *chain, uint32_t node)
{
    const struct event *event = chain_event(chain, node);
    return event->outcome == DONE && chain_is_writer(chain, node) &&
           (set_out(chain, node) || event->key[1] < 0);
}

static bool is_blind(const struct chain *chain, uint32_t node)
{
    return set_out(chain, node) && chain_event(chain, node)->read[chain_slot(node)] < 0;
}

/* The node that stands for `version` of document `key`, or NOWHERE. */
static uint32_t version_node(const struct chain *chain, int64_t version, int64_t key)
{
    uint32_t place = checker_table_get(&chain->operations, version);
    if (place == NOWHERE)
        return NOWHERE;
    for (int slot = 0; slot < EDIT_DOCUMENTS_MAX; slot++)
        if (chain->record->events[place].key[slot] == key)
            return place * EDIT_DOCUMENTS_MAX + (uint32_t)slot;
    return NOWHERE;
}

/* Notes that `version` of document `key` was seen by `reader`; gives its node, or NOWHERE. */
static uint32_t see(struct chain *chain, int64_t version, int64_t key, uint32_t reader)
{
    uint32_t node = version_node(chain, version, key);
    if (node == NOWHERE) {
        if (chain->stranger == 0) {
            chain->stranger = version;
            chain->stranger_node = reader;
            chain->stranger_key = key;
        }
        return NOWHERE;
    }
    chain->marks[node] |= MARK_SEEN;
    if (!chain_is_writer(chain, node))
        chain->marks[node] |= MARK_PHANTOM;
    return node;
}

/* Is the version that the last attempt read the one that the write stands on? Not when an earlier
 * attempt may be the one that was applied; and its own stamp tells nothing of what was before. */
static bool has_parent(const struct chain *chain, uint32_t node)
{
    const struct event *event = chain_event(chain, node);
    return set_out(chain, node) && (event->outcome == DONE || !event->retried);
}

/* Does what the operation read tell of the database? Where an instance's workers share RAM, a
 * refused one may have been shown what the instance took back itself. */
static bool read_counts(const struct chain *chain, const struct event *event)
{
    const struct strategy *strategy = chain->record->cell->strategy[event->strategy];
    if (strategy == NULL || strategy->digest == NULL)
        return true;
    return event->outcome == DONE || event->outcome == NOTHING || event->outcome == UNKNOWN;
}

/* Everybody's parent, and who was seen. */
static void link_parents(struct chain *chain)
{
    for (uint32_t node = 0; node < node_count(chain); node++) {
        const struct event *event = chain_event(chain, node);
        const struct chain_document *document = chain_document(chain, node);
        int64_t read = event->read[chain_slot(node)];
        if (document == NULL || read < 0 || read == event->operation)
            continue;
        uint32_t seen = read == 0 ? SEEDED
                        : read_counts(chain, event)
                            ? see(chain, read, node_key(chain, node), node)
                            : version_node(chain, read, node_key(chain, node));
        if (has_parent(chain, node))
            chain->parent[node] = seen;
    }
}

/* Documents ------------------------------------------------------------------------------------ */

static int documents_written(const struct event *event)
{
    return event->wrote == 0 ? 1 : __builtin_popcount(event->wrote);
}

static bool was_doubled(const struct chain *chain, uint32_t node)
{
    const struct event *event = chain_event(chain, node);
    if (!chain_is_writer(chain, node))
        return false;
    if (event->applied >= 0)
        return event->applied > documents_written(event);
    bool own = event->doubled || event->read[chain_slot(node)] == event->operation;
    return own && event->outcome == DONE && set_out(chain, node);
}

/* Can this operation have been applied twice, going by what is not its own word? */
static bool may_be_doubled(const struct event *event)
{
    return event->applied >= 0 ? event->applied > 1 : event->retried;
}

/* A circle on the walk, entered at `entry`: somebody in it was applied twice. Mostly one is known
 * to be; otherwise it is one who tried again without knowing what had become of the first try. */
static void mark_circle(struct chain *chain, const struct chain_document *document, uint32_t entry)
{
    uint32_t twice = NOWHERE;
    for (size_t i = chain->place[entry]; i < document->first + document->length; i++) {
        uint32_t node = chain->order[i];
        if (was_doubled(chain, node))
            return;
        if (twice == NOWHERE && may_be_doubled(chain_event(chain, node)))
            twice = node;
    }
    chain->marks[twice != NOWHERE ? twice : entry] |= MARK_DOUBLED;
}

/* Could two versions bear this node's stamp? An earlier attempt may have been applied unseen. */
static bool is_ambiguous(const struct chain *chain, uint32_t node)
{
    const struct event *event = chain_event(chain, node);
    return (chain->marks[node] & MARK_DOUBLED) != 0 || was_doubled(chain, node) ||
           (event->retried && event->applied != 1);
}

/* Walks from the final version of document `key` back as far as the parents are known. */
static void walk(struct chain *chain, int64_t key, size_t first)
{
    struct chain_document *document = &chain->documents[key];
    const struct final *final = &chain->record->finals[key];
    *document = (struct chain_document){.first = first,
                                        .ledger = true,
                                        .heir = NOWHERE,
                                        .return_ns = RETURN_NEVER};
    if (!final->present || final->version == 0) {
        /* A document with no stamp was either never written, or by somebody who does not stamp. */
        document->complete = !final->present || final->value == chain->record->initial_value;
        return;
    }
    uint32_t node = see(chain, final->version, key, NOWHERE), heir = NOWHERE;
    bool certain = true; /* else: the version that was read may not be the one whose parent it is */
    while (node != NOWHERE && node != SEEDED) {
        if (chain->place[node] != NOWHERE) {
            mark_circle(chain, document, node);
            return;
        }
        chain->place[node] = (uint32_t)(first + document->length);
        chain->order[first + document->length++] = node;
        const struct event *event = chain_event(chain, node);
        if (!chain_is_writer(chain, node))
            chain->marks[node] |= MARK_PHANTOM; /* denied, and what is stored stands on it */
        if (certain)
            chain->heir[node] = heir;
        if (certain && event->outcome == DONE && event->return_ns < document->return_ns)
            document->return_ns = event->return_ns;
        certain = certain && !is_ambiguous(chain, node);
        heir = node;
        node = chain->parent[node];
    }
    document->complete = certain && node == SEEDED;
    if (document->complete)
        document->heir = heir;
}

static void survey(struct chain *chain)
{
    for (uint32_t node = 0; node < node_count(chain); node++) {
        struct chain_document *document = chain_document(chain, node);
        if (document == NULL || !chain_is_writer(chain, node))
            continue;
        if (chain_event(chain, node)->key[1] >= 0)
            document->shared = true;
        if (!is_blind(chain, node) || chain_event(chain, node)->applied < 0)
            document->ledger = false;
    }
}

/* Who suffered --------------------------------------------------------------------------------- */

static void mark_doubled(struct chain *chain)
{
    for (uint32_t node = 0; node < node_count(chain); node++) {
        if (chain_document(chain, node) == NULL)
            continue;
        if (was_doubled(chain, node))
            chain->marks[node] |= MARK_DOUBLED;
        if (!chain_is_writer(chain, node) && is_blind(chain, node) &&
            chain_event(chain, node)->applied > 0)
            chain->marks[node] |= MARK_PHANTOM; /* the ledger has what its outcome denies */
    }
}

/* Where the heir of a node's parent is kept, or NULL when children of it prove nothing. */
static uint32_t *heir_of_parent(const struct chain *chain, uint32_t node)
{
    uint32_t parent = chain->parent[node];
    if (parent == SEEDED)
        return &chain_document(chain, node)->heir;
    return parent == NOWHERE || is_ambiguous(chain, parent) ? NULL : &chain->heir[parent];
}

/* Where a chain ends early: chooses, among several children of one version, who survived. */
static void choose_heirs(struct chain *chain)
{
    for (uint32_t node = 0; node < node_count(chain); node++) {
        const struct chain_document *document = chain_document(chain, node);
        if (document == NULL || document->complete || chain->place[node] != NOWHERE ||
            !is_owed(chain, node) || is_ambiguous(chain, node))
            continue; /* an unanswered one may be the one that is gone, and nobody minds */
        uint32_t *heir = heir_of_parent(chain, node);
        if (heir == NULL)
            continue;
        if (*heir == NOWHERE ||
            (chain->place[*heir] == NOWHERE &&
             chain_event(chain, *heir)->return_ns < chain_event(chain, node)->return_ns))
            *heir = node;
    }
}

static bool was_lost(const struct chain *chain, uint32_t node)
{
    const struct chain_document *document = chain_document(chain, node);
    const struct event *event = chain_event(chain, node);
    if (!is_owed(chain, node) || chain->place[node] != NOWHERE)
        return false;
    if (document->complete || document->return_ns < event->invoke_ns)
        return true;
    if (is_blind(chain, node) && event->applied == 0)
        return true;
    const uint32_t *heir = heir_of_parent(chain, node);
    return heir != NULL && !is_ambiguous(chain, node) && *heir != NOWHERE && *heir != node;
}

void chain_build(struct chain *chain, const struct record *record)
{
    must(record->event_count < SEEDED / EDIT_DOCUMENTS_MAX);
    size_t nodes = record->event_count * EDIT_DOCUMENTS_MAX,
           documents = (size_t)record->final_count;
    *chain = (struct chain){.record = record,
                            .parent = x_malloc(nodes * sizeof(*chain->parent)),
                            .heir = x_malloc(nodes * sizeof(*chain->heir)),
                            .place = x_malloc(nodes * sizeof(*chain->place)),
                            .order = x_malloc(nodes * sizeof(*chain->order)),
                            .marks = x_calloc(nodes + 1, sizeof(*chain->marks)),
                            .documents = x_calloc(documents + 1, sizeof(*chain->documents)),
                            .stranger_node = NOWHERE};
    checker_table_init(&chain->operations, record->event_count);
    for (uint32_t i = 0; i < record->event_count; i++)
        must(checker_table_put(&chain->operations, record->events[i].operation, i) == NOWHERE);
    for (size_t node = 0; node < nodes; node++)
        chain->parent[node] = chain->heir[node] = chain->place[node] = NOWHERE;
    link_parents(chain);
    size_t first = 0;
    for (int64_t key = 0; key < record->final_count; key++) {
        walk(chain, key, first);
        first += chain->documents[key].length;
    }
    survey(chain);
    mark_doubled(chain);
    choose_heirs(chain);
    for (uint32_t node = 0; node < nodes; node++)
        if (chain_document(chain, node) != NULL && was_lost(chain, node))
            chain->marks[node] |= MARK_LOST;
}

void chain_free(struct chain *chain)
{
    checker_table_free(&chain->operations);
    free(chain->parent);
    free(chain->heir);
    free(chain->place);
    free(chain->order);
    free(chain->marks);
    free(chain->documents);
    *chain = (struct chain){0};
}

uint32_t chain_culprit(const struct chain *chain, uint32_t victim, int64_t *version)
{
    /* Of a branch that was cut off, the first to differ from the chain was overwritten, and the
     * rest with it. Bounded, since a branch may be a circle. */
    uint32_t node = victim;
    for (uint32_t steps = 0; steps < node_count(chain); steps++) {
        uint32_t parent = chain->parent[node];
        if (parent == NOWHERE)
            break;
        uint32_t heir = parent == SEEDED ? chain_document(chain, node)->heir : chain->heir[parent];
        *version = parent == SEEDED ? 0 : chain_event(chain, parent)->operation;
        if (heir != NOWHERE && heir != node)
            return heir;
        if (parent == SEEDED)
            break;
        if ((chain->marks[parent] & MARK_DOUBLED) != 0)
            return parent; /* it came again and put its old document over the victim's */
        if (chain->place[parent] != NOWHERE)
            break;
        node = parent;
    }
    *version = chain_event(chain, victim)->read[chain_slot(victim)];
    return NOWHERE;
}

/* Real time ------------------------------------------------------------------------------------ */

/* Was the node's version read, answered, and nothing made of it? */
static bool is_read(const struct chain *chain, uint32_t node)
{
    const struct event *event = chain_event(chain, node);
    if (event->outcome == NOTHING)
        return event->read[chain_slot(node)] > 0; /* 0 may mean that it read nothing */
    return event->outcome == DONE && event->read[chain_slot(node)] >= 0 &&
           (event->reads_only || (event->wrote != 0 && !set_out(chain, node)));
}

/* Puts every read at its version's place in `reads`: as in `order`, and the seeded documents after
 * all of them. False when one saw a version that a complete chain does not have: an unanswered
 * update that did take effect, and was overwritten. */
static bool place_reads(const struct chain *chain, struct order_place *reads, size_t pair[2])
{
    size_t nodes = node_count(chain);
    for (uint32_t node = 0; node < nodes; node++) {
        const struct chain_document *document = chain_document(chain, node);
        if (document == NULL || !is_read(chain, node))
            continue;
        const struct event *event = chain_event(chain, node);
        int64_t key = node_key(chain, node), version = event->read[chain_slot(node)];
        size_t place = nodes + (size_t)key;
        if (version != 0) {
            uint32_t writer = version_node(chain, version, key);
            must(writer != NOWHERE); /* else it is a phantom, and nobody asks for times */
            place = chain->place[writer];
            if (place == NOWHERE && document->complete) {
                pair[0] = node;
                pair[1] = chain_culprit(chain, writer, &version);
                return false;
            }
            if (place == NOWHERE)
                continue;
        }
        order_place_add(&reads[place], event->invoke_ns, event->return_ns, node);
    }
    return true;
}

bool chain_fits_time(const struct chain *chain, size_t pair[2])
{
    size_t nodes = node_count(chain), documents = (size_t)chain->record->final_count;
    struct order_place *reads = x_malloc((nodes + documents) * sizeof(*reads));
    for (size_t i = 0; i < nodes + documents; i++)
        order_place_clear(&reads[i]);
    bool fits = place_reads(chain, reads, pair);
    for (size_t key = 0; fits && key < documents; key++) {
        const struct chain_document *document = &chain->documents[key];
        struct order_place passed;
        order_place_clear(&passed);
        for (size_t i = document->first; fits && i < document->first + document->length; i++) {
            uint32_t node = chain->order[i];
            const struct event *event = chain_event(chain, node);
            struct order_place writer;
            order_place_clear(&writer);
            order_place_add(&writer, event->invoke_ns,
                            event->outcome == UNKNOWN ? RETURN_NEVER : event->return_ns, node);
            fits = order_step(&passed, &reads[i], pair) && order_step(&passed, &writer, pair);
        }
        if (fits)
            fits = order_step(&passed, &reads[nodes + key], pair);
    }
    free(reads);
    return fits;
}
