/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_skew: could operations over several documents have happened one after the other? The
 * chain of each document gives the order of its writers, and stamps say which version everybody
 * read; so "comes before" is known without any clock (Adya's dependencies; Elle finds them so too):
 * a writer before the next one, a writer before its readers, a reader before the next writer. The
 * order exists if and only if no operations stand in a circle, that is, if every strongly connected
 * part of the graph is a single operation. Parts are found by Tarjan's algorithm, with a stack of
 * its own instead of recursion. At most four edges an operation leave it or come to it through
 * reading, so all is O(n).
 */
#include "base.h"
#include "checker.h"
#include "checker_chain.h"

#include <stdlib.h>

/* From operation `from` to one that comes after it. */
struct edge {
    uint32_t from, to;
    bool overwrites; /* `to` wrote over what `from` had only read */
    int64_t key;
};

struct graph {
    const struct record *record;
    struct chain chain;
    struct edge *edges; /* in the order of `from`, once sorted */
    size_t *first;      /* per event: its first edge; one more at the end */
    size_t edge_count, capacity;
    uint32_t *index, *low; /* Tarjan's numbers, from 1; 0: not visited */
    uint32_t *part;        /* per event: number of its part, from 0; NOWHERE: none yet */
    uint32_t *size;        /* per part */
    uint32_t part_count;
};

static void connect(struct graph *graph, const struct edge *edge)
{
    if (edge->from == edge->to)
        return;
    size_t at = array_grow((void **)&graph->edges, &graph->edge_count, &graph->capacity,
                           sizeof(*graph->edges));
    graph->edges[at] = *edge;
}

static uint32_t event_of(uint32_t node)
{
    return node / EDIT_DOCUMENTS_MAX;
}

/* The writer after the one at `place` of a chain, or NOWHERE. */
static uint32_t next_writer(const struct chain *chain, const struct chain_document *document,
                            uint32_t place)
{
    return place > document->first ? chain->order[place - 1] : NOWHERE;
}

/* Who wrote the version that this node read and is on the chain; SEEDED; NOWHERE: cannot tell. */
static uint32_t writer_read(const struct graph *graph, uint32_t node)
{
    const struct chain *chain = &graph->chain;
    const struct event *event = chain_event(chain, node);
    int64_t version = event->read[chain_slot(node)];
    if (version <= 0)
        return version == 0 ? SEEDED : NOWHERE;
    uint32_t writer = checker_table_get(&chain->operations, version);
    for (int slot = 0; writer != NOWHERE && slot < EDIT_DOCUMENTS_MAX; slot++) {
        uint32_t other = writer * EDIT_DOCUMENTS_MAX + (uint32_t)slot;
        if (chain_event(chain, other)->key[slot] == event->key[chain_slot(node)])
            return chain->place[other] == NOWHERE ? NOWHERE : other;
    }
    return NOWHERE;
}

/* A node that only read its document: after who wrote that version, before who wrote the next. */
static void place_reader(struct graph *graph, uint32_t node)
{
    const struct chain *chain = &graph->chain;
    const struct chain_document *document = chain_document(chain, node);
    const struct event *event = chain_event(chain, node);
    uint32_t writer = writer_read(graph, node), next = NOWHERE;
    int64_t key = event->key[chain_slot(node)];
    if (writer == NOWHERE)
        return;
    if (writer != SEEDED) {
        connect(graph, &(struct edge){event_of(writer), event_of(node), false, key});
        next = next_writer(chain, document, chain->place[writer]);
    } else if (document->complete && document->length > 0) {
        next = chain->order[document->first + document->length - 1];
    }
    if (next != NOWHERE)
        connect(graph, &(struct edge){event_of(node), event_of(next), true, key});
}

static void place_all(struct graph *graph)
{
    const struct chain *chain = &graph->chain;
    uint32_t nodes = (uint32_t)graph->record->event_count * EDIT_DOCUMENTS_MAX;
    for (uint32_t node = 0; node < nodes; node++) {
        const struct event *event = chain_event(chain, node);
        const struct chain_document *document = chain_document(chain, node);
        if (document == NULL)
            continue;
        if (chain->place[node] != NOWHERE) {
            uint32_t next = next_writer(chain, document, chain->place[node]);
            if (next != NOWHERE)
                connect(graph, &(struct edge){event_of(node), event_of(next), false,
                                              event->key[chain_slot(node)]});
        } else if (event->outcome == DONE && !chain_is_writer(chain, node)) {
            place_reader(graph, node);
        }
    }
}

/* Sorts the edges by counting. */
static void sort_edges(struct graph *graph)
{
    size_t events = graph->record->event_count;
    struct edge *sorted = x_malloc((graph->edge_count + 1) * sizeof(*sorted));
    graph->first = x_calloc(events + 2, sizeof(*graph->first));
    for (size_t i = 0; i < graph->edge_count; i++)
        graph->first[graph->edges[i].from + 2]++;
    for (size_t i = 2; i < events + 2; i++)
        graph->first[i] += graph->first[i - 1];
    for (size_t i = 0; i < graph->edge_count; i++)
        sorted[graph->first[graph->edges[i].from + 1]++] = graph->edges[i];
    free(graph->edges);
    graph->edges = sorted;
}

/* Where Tarjan's walk stands. */
struct walk {
    uint32_t *path, *open; /* the way from the root; visited and not yet in a part */
    size_t *next;          /* per event: its next edge to follow */
    size_t path_length, open_count;
    uint32_t visited;
};

static void enter(struct graph *graph, struct walk *walk, uint32_t event)
{
    graph->index[event] = graph->low[event] = ++walk->visited;
    walk->next[event] = graph->first[event];
    walk->path[walk->path_length++] = event;
    walk->open[walk->open_count++] = event;
}

/* All edges of the last event on the path are followed. */
static void leave(struct graph *graph, struct walk *walk)
{
    uint32_t event = walk->path[--walk->path_length];
    if (walk->path_length > 0) {
        uint32_t *low = &graph->low[walk->path[walk->path_length - 1]];
        if (graph->low[event] < *low)
            *low = graph->low[event];
    }
    if (graph->low[event] != graph->index[event])
        return;
    uint32_t part = graph->part_count++, member;
    graph->size[part] = 0;
    do {
        member = walk->open[--walk->open_count];
        graph->part[member] = part;
        graph->size[part]++;
    } while (member != event);
}

static void walk_from(struct graph *graph, struct walk *walk, uint32_t root)
{
    enter(graph, walk, root);
    while (walk->path_length > 0) {
        uint32_t event = walk->path[walk->path_length - 1];
        if (walk->next[event] == graph->first[event + 1]) {
            leave(graph, walk);
            continue;
        }
        uint32_t to = graph->edges[walk->next[event]++].to;
        if (graph->index[to] == 0)
            enter(graph, walk, to);
        else if (graph->part[to] == NOWHERE && graph->index[to] < graph->low[event])
            graph->low[event] = graph->index[to];
    }
}

static void find_parts(struct graph *graph)
{
    size_t events = graph->record->event_count;
    graph->index = x_calloc(events + 1, sizeof(uint32_t));
    graph->low = x_calloc(events + 1, sizeof(uint32_t));
    graph->part = x_malloc((events + 1) * sizeof(uint32_t));
    graph->size = x_malloc((events + 1) * sizeof(uint32_t));
    struct walk walk = {.path = x_malloc((events + 1) * sizeof(uint32_t)),
                        .open = x_malloc((events + 1) * sizeof(uint32_t)),
                        .next = x_malloc((events + 1) * sizeof(size_t))};
    for (size_t i = 0; i < events; i++)
        graph->part[i] = NOWHERE;
    for (uint32_t i = 0; i < events; i++)
        if (graph->index[i] == 0)
            walk_from(graph, &walk, i);
    free(walk.path);
    free(walk.open);
    free(walk.next);
}

static void accuse(const struct graph *graph, struct verdict *verdict, const struct edge *edge)
{
    const struct event *victim = &graph->record->events[edge->from];
    const struct event *culprit = &graph->record->events[edge->to];
    struct witness witness = {.property = SKEWED,
                              .key = edge->key,
                              .victim = victim->operation,
                              .culprit = culprit->operation,
                              .version = victim->read[victim->key[0] == edge->key ? 0 : 1],
                              .victim_return_ns = victim->return_ns,
                              .culprit_return_ns = culprit->return_ns};
    checker_accuse(verdict, REASON_SKEWED, &witness);
}

/* Counts who stands in a circle, and names one pair of each, best one that wrote over the other's
 * reading. */
static void judge_circles(struct graph *graph, struct verdict *verdict)
{
    for (size_t i = 0; i < graph->record->event_count; i++)
        verdict->counts.skewed += graph->size[graph->part[i]] > 1;
    for (int choice = 0; choice < 2; choice++)
        for (size_t i = 0; i < graph->edge_count; i++) {
            const struct edge *edge = &graph->edges[i];
            uint32_t part = graph->part[edge->from];
            if (part != graph->part[edge->to] || graph->size[part] == 0 ||
                (choice == 0 && !edge->overwrites))
                continue;
            graph->size[part] = 0; /* named */
            accuse(graph, verdict, edge);
        }
}

/* Operations without an answer of which one document stands on its chain and the other does not. */
static void judge_halves(struct graph *graph, struct verdict *verdict)
{
    const struct chain *chain = &graph->chain;
    for (uint32_t i = 0; i < graph->record->event_count; i++) {
        const struct event *event = &graph->record->events[i];
        uint32_t node = i * EDIT_DOCUMENTS_MAX;
        if (event->outcome != UNKNOWN || event->wrote != 3 || event->retried)
            continue;
        int missing = chain->place[node] == NOWHERE ? 0 : 1;
        const struct chain_document *document = chain_document(chain, node + (uint32_t)missing);
        bool half = (chain->place[node] == NOWHERE) != (chain->place[node + 1] == NOWHERE);
        if (!half || document == NULL || !document->complete)
            continue;
        verdict->counts.skewed++;
        checker_accuse(verdict, REASON_SKEWED,
                       &(struct witness){.property = SKEWED,
                                         .key = event->key[missing],
                                         .victim = event->operation,
                                         .version = event->read[missing],
                                         .victim_return_ns = event->return_ns});
    }
}

void checker_skew(const struct record *record, struct verdict *verdict)
{
    if (record->finals == NULL)
        return;
    struct graph graph = {.record = record};
    chain_build(&graph.chain, record);
    place_all(&graph);
    sort_edges(&graph);
    find_parts(&graph);
    judge_circles(&graph, verdict);
    judge_halves(&graph, verdict);
    chain_free(&graph.chain);
    free(graph.edges);
    free(graph.first);
    free(graph.index);
    free(graph.low);
    free(graph.part);
    free(graph.size);
}
