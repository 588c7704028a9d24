/* SPDX-License-Identifier: Apache-2.0
 *
 * linear_set: sets that only grow, read as a whole. Of any order, the reads must be a chain: each
 * has all that the one before has. Sorted by size they are that chain, or two of them contradict
 * each other; an element came in between the last read without it and the first with it; elements
 * that no read has came after all, or never when nobody was told that they are in. That is the only
 * order there can be, up to operations of one place, and one sweep (checker_order.h) says whether
 * real time allows it. An element that is added several times came in with one of the adds: it was
 * there once the earliest acknowledged one had returned, and could be from the earliest invocation
 * on; later adds change nothing. So: O(elements read + n log n). The linear time for sets of
 * Abdulla et al., "Efficient linearizability monitoring" (PLDI 2025), needs more, because there
 * elements also leave.
 */
#include "base.h"
#include "checker_order.h"
#include "checker_table.h"
#include "linear.h"

#include <stdlib.h>

/* What is known of an element's adds. */
struct element {
    int64_t begin, end; /* earliest invocation; earliest acknowledged return, or PLACE_NEVER */
    size_t begun, ended;
    size_t slot; /* place of its coming in, NO_SLOT: not known yet */
    size_t seen; /* 1 + index of the read that had it last */
};
#define NO_SLOT SIZE_MAX

struct set {
    const struct linear_question *question;
    struct checker_table table; /* number of the element -> its index below */
    struct element *elements;
    size_t element_count;
    size_t *reads; /* indices of operations, the smallest read first */
    size_t read_count;
    struct linear_result result;
};

static void contradict(struct set *set, enum finding finding, size_t first, size_t second)
{
    set->result.status = BROKEN;
    set->result.finding = finding;
    set->result.witness_count = 0;
    linear_witness(&set->result, first);
    linear_witness(&set->result, second);
}

static void collect(struct set *set)
{
    for (size_t i = 0; i < set->question->count; i++) {
        const struct operation *operation = &set->question->operations[i];
        if (operation->action == ACTION_READ) {
            set->reads[set->read_count++] = i;
            continue;
        }
        uint32_t at =
            checker_table_put(&set->table, operation->first, (uint32_t)set->element_count);
        if (at == NOWHERE) {
            at = (uint32_t)set->element_count++;
            set->elements[at] = (struct element){.begin = operation->begin,
                                                 .begun = i,
                                                 .end = PLACE_NEVER,
                                                 .slot = NO_SLOT};
        }
        struct element *element = &set->elements[at];
        if (operation->end < element->end) {
            element->end = operation->end;
            element->ended = i;
        }
    }
}

/* The elements of a read, as numbers. */
static const int64_t *members(const struct set *set, size_t read)
{
    return set->question->foreign->elements + set->question->operations[read].first;
}

static size_t member_count(const struct set *set, size_t read)
{
    return (size_t)set->question->operations[read].second;
}

/* Nothing may be in a read that nobody added by then, and nothing twice. */
static bool look_into(struct set *set, size_t read)
{
    const struct operation *operation = &set->question->operations[read];
    const int64_t *numbers = members(set, read);
    for (size_t i = 0; i < member_count(set, read); i++) {
        uint32_t at = checker_table_get(&set->table, numbers[i]);
        struct element *element = at == NOWHERE ? NULL : &set->elements[at];
        set->result.element = numbers[i];
        if (element == NULL || element->begin > operation->end) {
            contradict(set, FINDING_PHANTOM, read, element == NULL ? read : element->begun);
            return false;
        }
        if (element->seen == read + 1) {
            contradict(set, FINDING_DUPLICATE, read, read);
            return false;
        }
        element->seen = read + 1;
    }
    set->result.element = -1;
    return true;
}

/* An element of `with` that `without` lacks although it was acknowledged before that began. */
static bool find_lost(struct set *set, size_t with, size_t without)
{
    const int64_t *numbers = members(set, without);
    for (size_t i = 0; i < member_count(set, without); i++)
        set->elements[checker_table_get(&set->table, numbers[i])].seen = without + 1;
    numbers = members(set, with);
    for (size_t i = 0; i < member_count(set, with); i++) {
        const struct element *element = &set->elements[checker_table_get(&set->table, numbers[i])];
        if (element->seen == without + 1 ||
            element->end >= set->question->operations[without].begin)
            continue;
        contradict(set, FINDING_LOST_ELEMENT, element->ended, without);
        set->result.element = numbers[i];
        return true;
    }
    return false;
}

/* Gives every element of a read that is new in the chain its slot; false when something that the
 * read before had is missing. */
static bool extend_chain(struct set *set, size_t at, size_t *slot)
{
    size_t read = set->reads[at], known = 0;
    size_t before = at > 0 ? member_count(set, set->reads[at - 1]) : 0;
    const int64_t *numbers = members(set, read);
    if (member_count(set, read) > before)
        *slot += 2;
    for (size_t i = 0; i < member_count(set, read); i++) {
        struct element *element = &set->elements[checker_table_get(&set->table, numbers[i])];
        if (element->slot == NO_SLOT)
            element->slot = *slot;
        else
            known++;
    }
    if (known == before)
        return true;
    size_t other = set->reads[at - 1];
    if (!find_lost(set, other, read) && !find_lost(set, read, other))
        contradict(set, FINDING_NOT_LINEARIZABLE, other, read);
    return false;
}

/* A contradiction in time, by what the two operations are. */
static void explain(struct set *set, const size_t pair[2])
{
    const struct operation *before = &set->question->operations[pair[0]];
    const struct operation *after = &set->question->operations[pair[1]];
    enum finding finding = FINDING_NOT_LINEARIZABLE;
    if (before->action == ACTION_READ && after->action == ACTION_ADD)
        finding = FINDING_LOST_ELEMENT;
    contradict(set, finding, pair[1], pair[0]);
    if (finding == FINDING_LOST_ELEMENT)
        set->result.element = after->first;
}

/* Place 2k is the coming in of the k-th slot's elements, 2k + 1 the reads that have just these. */
static void sweep(struct set *set, const size_t *slots, size_t last)
{
    size_t count = last + 3, pair[2];
    struct order_place *places = x_malloc(count * sizeof(*places));
    for (size_t i = 0; i < count; i++)
        order_place_clear(&places[i]);
    for (size_t i = 0; i < set->read_count; i++) {
        const struct operation *read = &set->question->operations[set->reads[i]];
        order_place_add(&places[slots[i] + 1], read->begin, read->end, set->reads[i]);
    }
    for (size_t i = 0; i < set->element_count; i++) {
        const struct element *element = &set->elements[i];
        if (element->slot == NO_SLOT && element->end == PLACE_NEVER)
            continue;
        size_t slot = element->slot == NO_SLOT ? last + 2 : element->slot;
        order_place_add(&places[slot], element->begin, PLACE_NEVER, element->begun);
        if (element->end != PLACE_NEVER)
            order_place_add(&places[slot], INT64_MIN, element->end, element->ended);
    }
    struct order_place passed;
    order_place_clear(&passed);
    for (size_t i = count; i-- > 0;)
        if (!order_step(&passed, &places[i], pair)) {
            explain(set, pair);
            break;
        }
    free(places);
}

/* A read and its size, for sorting. */
struct sized {
    int64_t size;
    size_t read;
};

static int compare_sizes(const void *left, const void *right)
{
    const struct sized *a = left, *b = right;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return (a->read > b->read) - (a->read < b->read);
}

static void sort_reads(struct set *set)
{
    struct sized *sizes = x_malloc((set->read_count + 1) * sizeof(*sizes));
    for (size_t i = 0; i < set->read_count; i++)
        sizes[i] = (struct sized){(int64_t)member_count(set, set->reads[i]), set->reads[i]};
    qsort(sizes, set->read_count, sizeof(*sizes), compare_sizes);
    for (size_t i = 0; i < set->read_count; i++)
        set->reads[i] = sizes[i].read;
    free(sizes);
}

static void judge(struct set *set)
{
    size_t *slots = x_calloc(set->read_count + 1, sizeof(*slots));
    size_t slot = 0;
    bool fits = true;
    for (size_t i = 0; fits && i < set->read_count; i++)
        fits = look_into(set, set->reads[i]);
    if (fits)
        sort_reads(set);
    for (size_t i = 0; fits && i < set->read_count; i++) {
        fits = extend_chain(set, i, &slot);
        slots[i] = slot;
    }
    if (fits)
        sweep(set, slots, slot);
    free(slots);
}

struct linear_result linear_set(const struct linear_question *question)
{
    struct set set = {.question = question,
                      .elements = x_calloc(question->count + 1, sizeof(*set.elements)),
                      .reads = x_calloc(question->count + 1, sizeof(*set.reads)),
                      .result = {.status = HELD, .element = -1}};
    checker_table_init(&set.table, question->count);
    collect(&set);
    judge(&set);
    checker_table_free(&set.table);
    free(set.elements);
    free(set.reads);
    return set.result;
}
