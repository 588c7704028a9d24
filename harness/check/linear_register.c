/* SPDX-License-Identifier: Apache-2.0
 *
 * linear_register: registers whose values tell who wrote them.
 *
 * Where every update names what it read (racebench's versions, or cas with values that only one
 * operation makes), checker_register() knows the order.
 *
 * Where writes are blind but their values unique, each value's write and its reads are one block of
 * any order (Gibbons and Korach, "Testing shared memories", 1997; the zones of Golab, Li and Shah,
 * "Analyzing consistency properties for fun and profit", 2011). Block i must precede block j when
 * one of i's operations returned before one of j's was invoked, that is when f(i) < s(j), f the
 * earliest return and s the latest invocation of a block. An order exists if and only if no read
 * returned before its write was invoked, and no two blocks must precede each other: in a shortest
 * longer circle of such relations s(i+2) <= f(i) < s(i+1) would hold all the way round. So: blocks
 * sorted by f, and for each the greatest s among those whose f lies below its own s.
 */
#include "base.h"
#include "checker_table.h"
#include "linear.h"

#include <stdlib.h>
#include <string.h>

void linear_witness(struct linear_result *result, size_t operation)
{
    for (int i = 0; i < result->witness_count; i++)
        if (result->witnesses[i] == operation)
            return;
    must(result->witness_count < LINEAR_WITNESSES_MAX);
    result->witnesses[result->witness_count++] = operation;
}

/* Named versions ------------------------------------------------------------------------------ */

static enum finding finding_of(enum reason reason)
{
    switch (reason) {
    case REASON_LOST_UPDATE:
        return FINDING_LOST_UPDATE;
    case REASON_PHANTOM_VERSION:
        return FINDING_PHANTOM;
    default:
        return FINDING_NOT_LINEARIZABLE;
    }
}

/* Asks checker_register(); `index` says which operation each of its operations is. */
static struct linear_result ask(const struct register_operation *operations, const size_t *index,
                                size_t count)
{
    struct linear_result result = {.status = HELD, .element = -1};
    size_t pair[2] = {0, 0};
    enum reason reason = REASON_NONE;
    if (!checker_register(operations, count, pair, &reason)) {
        result.status = BROKEN;
        result.finding = finding_of(reason);
        linear_witness(&result, index[pair[0]]);
        linear_witness(&result, index[pair[1]]);
    }
    return result;
}

/* A version's number for checker_register: 0 is the seeded document's. */
static int64_t version(const struct linear_question *question, int64_t number)
{
    return strcmp(names_text(&question->foreign->values, number), "\"seed\"") == 0 ? 0 : number + 1;
}

struct linear_result linear_versions(const struct linear_question *question)
{
    struct linear_result result = {.status = UNDECIDED, .element = -1};
    struct register_operation *operations = x_calloc(question->count + 1, sizeof(*operations));
    size_t *index = x_calloc(question->count + 1, sizeof(*index));
    size_t count = 0;
    bool named = question->foreign->own;
    for (size_t i = 0; named && i < question->count; i++) {
        const struct operation *from = &question->operations[i];
        named = from->wrote != VERSION_UNSURE &&
                (from->read >= 0 || (from->pending && from->wrote < 0));
        if (!named || from->read < 0 || (from->pending && from->wrote < 0))
            continue;
        index[count] = i;
        operations[count++] =
            (struct register_operation){.invoke_ns = from->begin,
                                        .return_ns = from->end,
                                        .read = version(question, from->read),
                                        .wrote =
                                            from->wrote >= 0 ? version(question, from->wrote) : 0,
                                        .unknown = from->pending};
    }
    if (named)
        result = ask(operations, index, count);
    free(operations);
    free(index);
    return result;
}

struct linear_result linear_cas(const struct linear_question *question)
{
    struct linear_result result = {.status = UNDECIDED, .element = -1};
    struct register_operation *operations = x_calloc(question->count + 1, sizeof(*operations));
    size_t *index = x_calloc(question->count + 1, sizeof(*index));
    struct checker_table makers;
    int64_t initial = question->foreign->initial;
    bool unique = !question->foreign->own;
    checker_table_init(&makers, question->count);
    for (size_t i = 0; unique && i < question->count; i++) {
        const struct operation *from = &question->operations[i];
        bool is_cas = from->action == ACTION_CAS;
        index[i] = i;
        unique = is_cas ? from->second != initial &&
                              checker_table_put(&makers, from->second, (uint32_t)i) == NOWHERE
                        : from->action == ACTION_READ;
        operations[i] =
            (struct register_operation){.invoke_ns = from->begin,
                                        .return_ns = from->end,
                                        .read = from->first == initial ? 0 : from->first + 1,
                                        .wrote = is_cas ? from->second + 1 : 0,
                                        .unknown = from->pending};
    }
    checker_table_free(&makers);
    if (unique)
        result = ask(operations, index, question->count);
    free(operations);
    free(index);
    return result;
}

/* Blind writes -------------------------------------------------------------------------------- */

/* A value: its write and its reads. */
struct block {
    int64_t first_end, last_begin;  /* f and s */
    size_t first_ended, last_begun; /* whose */
    int64_t write_begin;
    size_t write;
    bool real; /* somebody saw it, or its write was acknowledged */
};
#define NOBODY SIZE_MAX

static void block_add(struct block *block, const struct operation *operation, size_t i)
{
    if (operation->end < block->first_end) {
        block->first_end = operation->end;
        block->first_ended = i;
    }
    if (operation->begin > block->last_begin) {
        block->last_begin = operation->begin;
        block->last_begun = i;
    }
}

/* Blocks by value; block 0 is the initial value's, whose write lies before all. False: a value is
 * written twice, or something else than a write changes the register. */
static bool fill_blocks(const struct linear_question *question, struct block *blocks, size_t *count,
                        struct checker_table *values)
{
    blocks[0] = (struct block){.first_end = -1,
                               .last_begin = -1,
                               .first_ended = NOBODY,
                               .last_begun = NOBODY,
                               .write_begin = -1,
                               .write = NOBODY,
                               .real = true};
    *count = 1;
    checker_table_put(values, question->foreign->initial, 0);
    for (size_t i = 0; i < question->count; i++) {
        const struct operation *operation = &question->operations[i];
        if (operation->action == ACTION_READ)
            continue;
        if (operation->action != ACTION_WRITE ||
            checker_table_put(values, operation->first, (uint32_t)*count) != NOWHERE)
            return false;
        blocks[*count] = (struct block){.first_end = PLACE_NEVER,
                                        .last_begin = -1,
                                        .write_begin = operation->begin,
                                        .write = i,
                                        .real = !operation->pending};
        block_add(&blocks[(*count)++], operation, i);
    }
    return true;
}

/* Puts the reads into their blocks. */
static void add_reads(const struct linear_question *question, struct block *blocks,
                      const struct checker_table *values, struct linear_result *result)
{
    for (size_t i = 0; i < question->count && result->status == HELD; i++) {
        const struct operation *operation = &question->operations[i];
        if (operation->action != ACTION_READ)
            continue;
        uint32_t at = checker_table_get(values, operation->first);
        if (at == NOWHERE || operation->end < blocks[at].write_begin) {
            result->status = BROKEN;
            result->finding = FINDING_PHANTOM;
            result->element = operation->first;
            linear_witness(result, i);
            if (at != NOWHERE)
                linear_witness(result, blocks[at].write);
            continue;
        }
        blocks[at].real = true;
        block_add(&blocks[at], operation, i);
    }
}

static int compare_blocks(const void *left, const void *right)
{
    const struct block *a = left, *b = right;
    return (a->first_end > b->first_end) - (a->first_end < b->first_end);
}

static void note(struct linear_result *result, size_t operation)
{
    if (operation != NOBODY)
        linear_witness(result, operation);
}

/* Do two blocks have to precede each other? They are sorted by f. */
static void compare_all(const struct block *blocks, size_t count, struct linear_result *result)
{
    /* latest[i]: of blocks 0 .. i the one with the greatest s; second[i]: the next greatest. */
    size_t *latest = x_malloc(count * sizeof(*latest));
    size_t *second = x_malloc(count * sizeof(*second));
    latest[0] = 0;
    second[0] = NOBODY;
    for (size_t i = 1; i < count; i++) {
        bool is_latest = blocks[i].last_begin > blocks[latest[i - 1]].last_begin;
        size_t other = is_latest ? latest[i - 1] : i;
        latest[i] = is_latest ? i : latest[i - 1];
        second[i] = second[i - 1];
        if (second[i] == NOBODY || blocks[other].last_begin > blocks[second[i]].last_begin)
            second[i] = other;
    }
    for (size_t j = 0; j < count && result->status == HELD; j++) {
        size_t low = 0, high = count; /* blocks 0 .. low - 1 have f < s(j) */
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (blocks[middle].first_end < blocks[j].last_begin)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == 0)
            continue;
        size_t i = latest[low - 1] == j ? second[low - 1] : latest[low - 1];
        if (i == NOBODY || blocks[i].last_begin <= blocks[j].first_end)
            continue;
        result->status = BROKEN;
        result->finding = FINDING_NOT_LINEARIZABLE;
        note(result, blocks[i].first_ended);
        note(result, blocks[j].last_begun);
        note(result, blocks[j].first_ended);
        note(result, blocks[i].last_begun);
    }
    free(latest);
    free(second);
}

struct linear_result linear_register(const struct linear_question *question)
{
    struct linear_result result = {.status = UNDECIDED, .element = -1};
    struct block *blocks = x_malloc((question->count + 1) * sizeof(*blocks));
    struct checker_table values;
    size_t count;
    checker_table_init(&values, question->count + 1);
    if (!question->foreign->own && fill_blocks(question, blocks, &count, &values)) {
        result.status = HELD;
        add_reads(question, blocks, &values, &result);
        if (result.status == HELD) {
            size_t real = 0;
            for (size_t i = 0; i < count; i++)
                if (blocks[i].real)
                    blocks[real++] = blocks[i];
            qsort(blocks, real, sizeof(*blocks), compare_blocks);
            compare_all(blocks, real, &result);
        }
    }
    checker_table_free(&values);
    free(blocks);
    return result;
}
