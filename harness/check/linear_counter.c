/* SPDX-License-Identifier: Apache-2.0
 *
 * linear_counter: counters.
 *
 * Adds of one and the same amount are interchangeable but for their times. The reads, sorted by
 * what they saw, cut any order into slots: slot k lies between the reads of the k-th lowest value
 * and those below, and takes exactly as many adds as the values differ. Which slots an add fits, by
 * real time, is an interval: not before a read of a value below that began after the add returned,
 * not after a read that returned before the add began. Filling the slots from the lowest up with
 * the adds whose last slot comes first is the best one can do (Jackson's rule: exchange two adds
 * that break it), acknowledged adds must find a place, unanswered ones need not. Two adds never
 * cross: one that returned before another began fits earlier slots. O(n log n).
 *
 * Adds of different amounts make the question NP-hard (a subset must sum up). There, each read is
 * held against the least and the most that any order allows (Jepsen's counter checker, with amounts
 * below zero as well): acknowledged before it began, and begun by its end.
 */
#include "base.h"
#include "linear.h"

#include <stdlib.h>

static struct linear_result broken(enum finding finding, size_t first, size_t second)
{
    struct linear_result result = {.status = BROKEN, .finding = finding, .element = -1};
    linear_witness(&result, first);
    linear_witness(&result, second);
    return result;
}

struct linear_result linear_increments(const struct linear_question *question)
{
    struct linear_result result = {.status = UNDECIDED, .element = -1};
    struct count_operation *operations = x_calloc(question->count + 1, sizeof(*operations));
    bool fits = true;
    for (size_t i = 0; fits && i < question->count; i++) {
        const struct operation *from = &question->operations[i];
        fits = from->action == ACTION_READ || from->action == ACTION_INCREMENT;
        operations[i] = (struct count_operation){.invoke_ns = from->begin,
                                                 .return_ns = from->end,
                                                 .value = from->first,
                                                 .is_read = from->action == ACTION_READ,
                                                 .unknown = from->pending};
    }
    size_t pair[2] = {0, 0};
    if (fits && checker_counter(operations, question->count, question->foreign->initial, pair)) {
        result.status = HELD;
    } else if (fits) {
        bool same = pair[0] != pair[1] && !operations[pair[0]].is_read &&
                    !operations[pair[1]].is_read && !operations[pair[0]].unknown &&
                    !operations[pair[1]].unknown &&
                    operations[pair[0]].value == operations[pair[1]].value;
        result = broken(same ? FINDING_LOST_UPDATE : FINDING_NOT_LINEARIZABLE, pair[0], pair[1]);
    }
    free(operations);
    return result;
}

/* Equal amounts ------------------------------------------------------------------------------- */

/* The reads of one value. */
struct group {
    uint64_t value; /* in adds since the initial value */
    int64_t first_end, last_begin;
    size_t first_ended, last_begun;
};

/* An add and the slots that it fits. */
struct add {
    size_t low, high;
    size_t operation;
    bool pending;
};

struct slots {
    const struct linear_question *question;
    int64_t amount;
    struct group *groups; /* sorted by value */
    size_t group_count;
    struct add *adds;
    size_t add_count;
    struct linear_result result;
};

static int compare_groups(const void *left, const void *right)
{
    const struct group *a = left, *b = right;
    return (a->value > b->value) - (a->value < b->value);
}

/* One amount for all adds? Fills in slots->adds; adds of nothing are left out. */
static bool collect_adds(struct slots *slots)
{
    for (size_t i = 0; i < slots->question->count; i++) {
        const struct operation *operation = &slots->question->operations[i];
        if (operation->action == ACTION_READ ||
            (operation->action == ACTION_ADD && operation->first == 0))
            continue;
        if (operation->action != ACTION_ADD ||
            (slots->amount != 0 && operation->first != slots->amount))
            return false;
        slots->amount = operation->first;
        slots->adds[slots->add_count++] =
            (struct add){.operation = i, .pending = operation->pending};
    }
    return true;
}

/* How many adds make this value; false: none do. */
static bool adds_for(const struct slots *slots, int64_t value, uint64_t *adds)
{
    int64_t initial = slots->question->foreign->initial;
    bool up = slots->amount >= 0;
    *adds = 0;
    if (value == initial)
        return true;
    if (slots->amount == 0 || (value > initial) != up)
        return false;
    uint64_t rise = up ? (uint64_t)value - (uint64_t)initial : (uint64_t)initial - (uint64_t)value;
    uint64_t step = up ? (uint64_t)slots->amount : (uint64_t)-slots->amount;
    *adds = rise / step;
    return rise % step == 0 && *adds <= slots->add_count;
}

static bool collect_reads(struct slots *slots)
{
    size_t count = 0;
    for (size_t i = 0; i < slots->question->count; i++) {
        const struct operation *operation = &slots->question->operations[i];
        if (operation->action != ACTION_READ)
            continue;
        struct group *group = &slots->groups[count++];
        *group = (struct group){.first_end = operation->end,
                                .last_begin = operation->begin,
                                .first_ended = i,
                                .last_begun = i};
        if (!adds_for(slots, operation->first, &group->value)) {
            slots->result = broken(FINDING_OUT_OF_BOUNDS, i, i);
            return false;
        }
    }
    qsort(slots->groups, count, sizeof(*slots->groups), compare_groups);
    for (size_t i = 0; i < count; i++) {
        struct group *last = &slots->groups[slots->group_count];
        const struct group *group = &slots->groups[i];
        if (slots->group_count == 0 || last[-1].value != group->value) {
            *last = *group;
            slots->group_count++;
            continue;
        }
        if (group->first_end < last[-1].first_end) {
            last[-1].first_end = group->first_end;
            last[-1].first_ended = group->first_ended;
        }
        if (group->last_begin > last[-1].last_begin) {
            last[-1].last_begin = group->last_begin;
            last[-1].last_begun = group->last_begun;
        }
    }
    return true;
}

/* Makes groups[k].last_begin the latest of groups 0 .. k, and first_end the earliest of k .. end;
 * false when a higher value was read before a lower one. */
static bool accumulate(struct slots *slots)
{
    struct group *groups = slots->groups;
    for (size_t k = 1; k < slots->group_count; k++)
        if (groups[k].last_begin < groups[k - 1].last_begin) {
            groups[k].last_begin = groups[k - 1].last_begin;
            groups[k].last_begun = groups[k - 1].last_begun;
        }
    for (size_t k = slots->group_count; k-- > 1;) {
        if (groups[k].first_end < groups[k - 1].last_begin) {
            slots->result =
                broken(FINDING_NOT_LINEARIZABLE, groups[k].first_ended, groups[k - 1].last_begun);
            return false;
        }
        if (groups[k].first_end < groups[k - 1].first_end) {
            groups[k - 1].first_end = groups[k].first_end;
            groups[k - 1].first_ended = groups[k].first_ended;
        }
    }
    return true;
}

/* First group that has not ended before `begin`; number of groups with last_begin <= `end`. */
static void find_slots(const struct slots *slots, struct add *add)
{
    const struct operation *operation = &slots->question->operations[add->operation];
    size_t low = 0, high = slots->group_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slots->groups[middle].first_end < operation->begin)
            low = middle + 1;
        else
            high = middle;
    }
    add->low = low;
    low = 0;
    high = slots->group_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slots->groups[middle].last_begin <= operation->end)
            low = middle + 1;
        else
            high = middle;
    }
    add->high = low;
}

static int compare_adds(const void *left, const void *right)
{
    const struct add *a = left, *b = right;
    return (a->low > b->low) - (a->low < b->low);
}

/* A heap of adds, that with the lowest `high` on top. */
static void heap_push(const struct add **heap, size_t *count, const struct add *add)
{
    size_t at = (*count)++;
    while (at > 0 && heap[(at - 1) / 2]->high > add->high) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = add;
}

static const struct add *heap_pop(const struct add **heap, size_t *count)
{
    const struct add *top = heap[0], *last = heap[--*count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= *count)
            break;
        child += child + 1 < *count && heap[child + 1]->high < heap[child]->high;
        if (heap[child]->high >= last->high)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

/* Fills the slots from the lowest up. An add whose last slot is k has to go before group k: only
 * acknowledged ones have one. */
static void fill(struct slots *slots)
{
    const struct add **heap = x_malloc((slots->add_count + 1) * sizeof(*heap));
    size_t waiting = 0, next = 0;
    uint64_t value = 0;
    for (size_t k = 0; k < slots->group_count && slots->result.status == HELD; k++) {
        const struct group *group = &slots->groups[k];
        while (next < slots->add_count && slots->adds[next].low <= k)
            heap_push(heap, &waiting, &slots->adds[next++]);
        for (; value < group->value && waiting > 0; value++)
            if (heap_pop(heap, &waiting)->high < k)
                must(false); /* would have been noticed at its last slot */
        if (value < group->value)
            slots->result = broken(FINDING_OUT_OF_BOUNDS, group->first_ended, group->first_ended);
        else if (waiting > 0 && heap[0]->high <= k)
            slots->result = broken(FINDING_OUT_OF_BOUNDS, heap[0]->operation, group->last_begun);
    }
    free(heap);
}

struct linear_result linear_adds(const struct linear_question *question)
{
    struct slots slots = {.question = question,
                          .groups = x_calloc(question->count + 1, sizeof(*slots.groups)),
                          .adds = x_calloc(question->count + 1, sizeof(*slots.adds)),
                          .result = {.status = HELD, .element = -1}};
    if (!collect_adds(&slots)) {
        slots.result.status = UNDECIDED;
    } else if (collect_reads(&slots) && accumulate(&slots)) {
        for (size_t i = 0; i < slots.add_count; i++) {
            struct add *add = &slots.adds[i];
            find_slots(&slots, add);
            if (add->low <= add->high)
                continue;
            slots.result = broken(FINDING_NOT_LINEARIZABLE, add->operation, add->operation);
            break;
        }
        qsort(slots.adds, slots.add_count, sizeof(*slots.adds), compare_adds);
        if (slots.result.status == HELD)
            fill(&slots);
    }
    free(slots.groups);
    free(slots.adds);
    return slots.result;
}

/* Any amounts --------------------------------------------------------------------------------- */

/* Adds by place, with running sums: what was added by a place. */
struct sum {
    int64_t place, amount;
};
struct sums {
    struct sum *items;
    size_t count;
};

static int compare_sums(const void *left, const void *right)
{
    const struct sum *a = left, *b = right;
    return (a->place > b->place) - (a->place < b->place);
}

static void sums_finish(struct sums *sums)
{
    qsort(sums->items, sums->count, sizeof(*sums->items), compare_sums);
    for (size_t i = 1; i < sums->count; i++)
        sums->items[i].amount += sums->items[i - 1].amount;
}

/* Sum of all at places below `place`. */
static int64_t sums_before(const struct sums *sums, int64_t place)
{
    size_t low = 0, high = sums->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sums->items[middle].place < place)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? sums->items[low - 1].amount : 0;
}

/* begun[0], ended[0]: amounts above zero; [1]: below. Ended: acknowledged ones only. */
static void collect_sums(const struct linear_question *question, struct sums begun[2],
                         struct sums ended[2])
{
    for (size_t i = 0; i < question->count; i++) {
        const struct operation *operation = &question->operations[i];
        if (operation->action == ACTION_READ)
            continue;
        int64_t amount = operation->action == ACTION_INCREMENT ? 1 : operation->first;
        int sign = amount < 0;
        begun[sign].items[begun[sign].count++] = (struct sum){operation->begin, amount};
        if (!operation->pending)
            ended[sign].items[ended[sign].count++] = (struct sum){operation->end, amount};
    }
    for (int sign = 0; sign < 2; sign++) {
        sums_finish(&begun[sign]);
        sums_finish(&ended[sign]);
    }
}

struct linear_result linear_bounds(const struct linear_question *question)
{
    struct linear_result result = {.status = UNDECIDED, .element = -1};
    struct sums begun[2], ended[2];
    for (int sign = 0; sign < 2; sign++) {
        begun[sign] = (struct sums){x_malloc((question->count + 1) * sizeof(struct sum)), 0};
        ended[sign] = (struct sums){x_malloc((question->count + 1) * sizeof(struct sum)), 0};
    }
    collect_sums(question, begun, ended);
    int64_t initial = question->foreign->initial;
    for (size_t i = 0; i < question->count && result.status == UNDECIDED; i++) {
        const struct operation *read = &question->operations[i];
        if (read->action != ACTION_READ)
            continue;
        int64_t least =
            initial + sums_before(&ended[0], read->begin) + sums_before(&begun[1], read->end + 1);
        int64_t most =
            initial + sums_before(&begun[0], read->end + 1) + sums_before(&ended[1], read->begin);
        if (read->first < least || read->first > most)
            result = broken(FINDING_OUT_OF_BOUNDS, i, i);
    }
    for (int sign = 0; sign < 2; sign++) {
        free(begun[sign].items);
        free(ended[sign].items);
    }
    return result;
}
