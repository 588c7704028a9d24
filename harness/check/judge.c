/* SPDX-License-Identifier: Apache-2.0
 *
 * judge: see judge.h. Every algorithm is asked in turn whether a key's operations are of its kind;
 * the first answer counts:
 *
 *   register, cas-register  versions named by racebench; unique cas; unique writes; search
 *   counter                 versions; increments with answers; equal adds; bounds, then search
 *   set                     linear
 *   mutex                   search
 *
 * One broken key breaks the history, whatever is unknown of others. A key of which nothing was seen
 * (no read, no cas, no lock acknowledged) contradicts nothing and proves nothing; when all are like
 * this the verdict is unknown.
 */
#include "judge.h"

#include "base.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *help;
} algorithms[ALGORITHM_COUNT] = {
    [ALGORITHM_VERSIONS] = {"versions", "the chain of versions that racebench's history names"},
    [ALGORITHM_CAS] = {"unique-cas", "the chain that unique cas values make"},
    [ALGORITHM_BLOCKS] = {"unique-writes", "blocks of unique writes and their reads"},
    [ALGORITHM_INCREMENTS] = {"increments", "the order of the values that increments returned"},
    [ALGORITHM_ADDS] = {"equal-adds", "equal adds matched to the gaps between reads"},
    [ALGORITHM_BOUNDS] = {"bounds", "least and most that each read could have seen"},
    [ALGORITHM_SET] = {"set", "the chain of reads of a set that grows"},
    [ALGORITHM_SEARCH] = {"search", "a search over all orders (Wing, Gong, Lowe)"},
};

static const struct {
    const char *name, *help;
} doubts[DOUBT_COUNT] = {
    [DOUBT_NONE] = {"none", "There is nothing to add."},
    [DOUBT_TIME] = {"time-limit",
                    "The search was stopped by --time-limit before it had tried every "
                    "order; give it more time, or record fewer operations at once."},
    [DOUBT_MEMORY] =
        {"memory-limit",
         "The search was stopped by --memory-limit before it had tried every order; give "
         "it more memory, or record fewer operations at once."},
    [DOUBT_NOTHING_SEEN] =
        {"nothing-seen", "No acknowledged operation shows what was in there, so every order fits; "
                         "record reads as well, at least one at the end."},
    [DOUBT_NO_VERSIONS] = {"no-versions",
                           "Operations on two documents can be judged by versions only, and some "
                           "wrote without naming the version that they read."},
};

static const struct {
    const char *name, *help;
} findings[FINDING_COUNT] = {
    [FINDING_NONE] = {"none", "There is nothing to add."},
    [FINDING_NOT_LINEARIZABLE] =
        {"not-linearizable", "No order of these operations that real time allows explains what "
                             "they returned."},
    [FINDING_LOST_UPDATE] = {"lost-update",
                             "Two updates were made of one and the same version: the "
                             "later one wrote over the earlier."},
    [FINDING_PHANTOM] = {"phantom", "Something was read that nobody had written by then."},
    [FINDING_LOST_ELEMENT] = {"lost-element",
                              "An element whose add was acknowledged is missing in a "
                              "read that began later."},
    [FINDING_DUPLICATE] = {"duplicate", "A read has the same element twice."},
    [FINDING_OUT_OF_BOUNDS] = {"out-of-bounds",
                               "A counter was read with a value that no order of the "
                               "adds makes: updates are missing, or too many."},
};

const char *algorithm_name(enum algorithm algorithm)
{
    return algorithms[algorithm].name;
}

const char *algorithm_help(enum algorithm algorithm)
{
    return algorithms[algorithm].help;
}

const char *doubt_name(enum doubt doubt)
{
    return doubts[doubt].name;
}

const char *doubt_help(enum doubt doubt)
{
    return doubts[doubt].help;
}

const char *finding_name(enum finding finding)
{
    return findings[finding].name;
}

const char *finding_help(enum finding finding)
{
    return findings[finding].help;
}

char *judge_state(const struct foreign *foreign, int64_t state)
{
    if (foreign->model == MODEL_MUTEX)
        return x_strdup(state == 1 ? "locked" : "free");
    if (foreign->model == MODEL_COUNTER)
        return x_format("%" PRId64, state);
    return x_strdup(names_text(&foreign->values, state));
}

/* One key ------------------------------------------------------------------------------------- */

/* The linear algorithms in the order in which they are asked. */
static const struct {
    enum algorithm algorithm;
    struct linear_result (*ask)(const struct linear_question *);
    unsigned models;
} linear[] = {
    {ALGORITHM_VERSIONS, linear_versions,
     1 << MODEL_REGISTER | 1 << MODEL_CAS_REGISTER | 1 << MODEL_COUNTER},
    {ALGORITHM_CAS, linear_cas, 1 << MODEL_CAS_REGISTER},
    {ALGORITHM_BLOCKS, linear_register, 1 << MODEL_REGISTER | 1 << MODEL_CAS_REGISTER},
    {ALGORITHM_INCREMENTS, linear_increments, 1 << MODEL_COUNTER},
    {ALGORITHM_ADDS, linear_adds, 1 << MODEL_COUNTER},
    {ALGORITHM_BOUNDS, linear_bounds, 1 << MODEL_COUNTER},
    {ALGORITHM_SET, linear_set, 1 << MODEL_SET},
};

/* How one key came out. */
struct outcome_of_key {
    enum status status;
    enum doubt doubt;
    enum algorithm algorithm;
    struct linear_result linear;
    struct search_result search;
};

/* Does anything acknowledged show what was there? */
static bool shows_something(const struct operation *operations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum action action = (enum action)operations[i].action;
        if (!operations[i].pending &&
            ((action != ACTION_WRITE && action != ACTION_ADD) || operations[i].read != NO_VERSION))
            return true;
    }
    return false;
}

static bool spans_documents(const struct operation *operations, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (operations[i].two)
            return true;
    return false;
}

/* An own history whose versions do not suffice can be judged as a counter only. */
static bool needs_versions(const struct linear_question *question)
{
    return question->foreign->own && (question->foreign->model != MODEL_COUNTER ||
                                      spans_documents(question->operations, question->count));
}

static void judge_key(const struct linear_question *question, const struct search_limits *limits,
                      struct outcome_of_key *outcome)
{
    const struct foreign *foreign = question->foreign;
    *outcome = (struct outcome_of_key){.status = UNDECIDED, .algorithm = ALGORITHM_SEARCH};
    if (!shows_something(question->operations, question->count)) {
        outcome->doubt = DOUBT_NOTHING_SEEN;
        return;
    }
    for (size_t i = 0; i < COUNT_OF(linear); i++) {
        if ((linear[i].models >> foreign->model & 1) == 0)
            continue;
        if (linear[i].algorithm != ALGORITHM_VERSIONS && needs_versions(question)) {
            outcome->doubt = DOUBT_NO_VERSIONS;
            return;
        }
        outcome->linear = linear[i].ask(question);
        outcome->status = outcome->linear.status;
        outcome->algorithm = linear[i].algorithm;
        if (outcome->status != UNDECIDED)
            return;
    }
    struct search_question search = {.model = foreign->model,
                                     .initial =
                                         foreign->model == MODEL_MUTEX ? 0 : foreign->initial,
                                     .operations = question->operations,
                                     .count = question->count};
    search_run(&search, limits, &outcome->search);
    outcome->algorithm = ALGORITHM_SEARCH;
    outcome->status = outcome->search.status;
    if (outcome->status == UNDECIDED)
        outcome->doubt = outcome->search.stop == SEARCH_OUT_OF_TIME ? DOUBT_TIME : DOUBT_MEMORY;
}

/* The witness --------------------------------------------------------------------------------- */

/* What was open when the blocked operation returned: the last invoked first, as many as there is
 * room for. */
static void look_around(struct judgement *judgement, const struct linear_question *question,
                        size_t blocked)
{
    int64_t end = question->operations[blocked].end;
    for (size_t i = question->count; i-- > 0;) {
        const struct operation *operation = &question->operations[i];
        if (i == blocked || operation->begin > end || operation->end < end)
            continue;
        if (judgement->around_count < JUDGE_AROUND_MAX)
            judgement->around[judgement->around_count++] = *operation;
        else
            judgement->around_more++;
    }
}

static void note_witness(struct judgement *judgement, const struct linear_question *question,
                         const struct outcome_of_key *outcome)
{
    judgement->key = question->operations[0].key;
    judgement->algorithm = outcome->algorithm;
    judgement->element = -1;
    if (outcome->status != BROKEN)
        return;
    if (outcome->algorithm != ALGORITHM_SEARCH) {
        const struct linear_result *result = &outcome->linear;
        judgement->finding = result->finding;
        judgement->element = result->element;
        judgement->witness_count = result->witness_count;
        for (int i = 0; i < result->witness_count; i++)
            judgement->witnesses[i] = question->operations[result->witnesses[i]];
        return;
    }
    const struct search_result *result = &outcome->search;
    judgement->finding = FINDING_NOT_LINEARIZABLE;
    judgement->witnesses[judgement->witness_count++] = question->operations[result->blocked];
    judgement->state_count = result->state_count;
    judgement->more_states = result->more_states;
    memcpy(judgement->states, result->states, sizeof(judgement->states));
    look_around(judgement, question, result->blocked);
}

/* All keys ------------------------------------------------------------------------------------ */

/* Sorts by key and keeps the order within each: counting sort. */
static void sort_by_key(struct foreign *foreign, size_t *starts)
{
    struct operation *sorted = x_malloc((foreign->count + 1) * sizeof(*sorted));
    size_t *next = x_calloc(foreign->keys.count + 1, sizeof(*next));
    for (size_t i = 0; i < foreign->count; i++)
        starts[foreign->operations[i].key + 1]++;
    for (size_t key = 0; key < foreign->keys.count; key++) {
        starts[key + 1] += starts[key];
        next[key] = starts[key];
    }
    for (size_t i = 0; i < foreign->count; i++)
        sorted[next[foreign->operations[i].key]++] = foreign->operations[i];
    free(foreign->operations);
    free(next);
    foreign->operations = sorted;
    foreign->capacity = foreign->count + 1;
}

static int compare_numbers(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* Most acknowledged operations that were open at once. Before the sort: invocations in order. */
static int64_t count_concurrency(const struct foreign *foreign)
{
    int64_t *ends = x_malloc((foreign->count + 1) * sizeof(*ends));
    size_t count = 0, ended = 0;
    int64_t open = 0, most = 0;
    for (size_t i = 0; i < foreign->count; i++)
        if (!foreign->operations[i].pending)
            ends[count++] = foreign->operations[i].end;
    qsort(ends, count, sizeof(*ends), compare_numbers);
    for (size_t i = 0; i < foreign->count; i++) {
        if (foreign->operations[i].pending)
            continue;
        for (; ended < count && ends[ended] < foreign->operations[i].begin; ended++)
            open--;
        if (++open > most)
            most = open;
    }
    free(ends);
    return most;
}

/* Puts one key's outcome into the whole. */
static void add_key(struct judgement *judgement, const struct linear_question *question,
                    const struct outcome_of_key *outcome)
{
    judgement->keys++;
    judgement->steps += outcome->search.steps;
    if (outcome->doubt != DOUBT_NOTHING_SEEN && outcome->doubt != DOUBT_NO_VERSIONS)
        judgement->judged_by[outcome->algorithm]++;
    if (outcome->status == BROKEN && judgement->broken_keys++ == 0)
        note_witness(judgement, question, outcome);
    if (outcome->status == UNDECIDED && outcome->doubt == DOUBT_NOTHING_SEEN) {
        judgement->unseen_keys++;
    } else if (outcome->status == UNDECIDED && judgement->undecided_keys++ == 0) {
        judgement->doubt = outcome->doubt;
        if (judgement->broken_keys == 0)
            note_witness(judgement, question, outcome);
    }
}

void judge_history(struct foreign *foreign, const struct search_limits *limits,
                   struct judgement *judgement)
{
    *judgement = (struct judgement){.status = HELD, .element = -1};
    judgement->concurrency = count_concurrency(foreign);
    size_t *starts = x_calloc(foreign->keys.count + 1, sizeof(*starts));
    if (foreign->keys.count > 1)
        sort_by_key(foreign, starts);
    else
        starts[foreign->keys.count] = foreign->count;
    struct outcome_of_key *outcome = x_malloc(sizeof(*outcome));
    for (size_t key = 0; key < foreign->keys.count; key++) {
        struct linear_question question = {foreign, foreign->operations + starts[key],
                                           starts[key + 1] - starts[key]};
        if (question.count == 0)
            continue; /* nothing but failures, reads without an answer, or a name */
        judge_key(&question, limits, outcome);
        add_key(judgement, &question, outcome);
    }
    free(outcome);
    free(starts);
    if (judgement->broken_keys > 0)
        judgement->status = BROKEN;
    else if (judgement->undecided_keys > 0 || judgement->unseen_keys == judgement->keys)
        judgement->status = UNDECIDED;
    if (judgement->undecided_keys == 0 && judgement->unseen_keys == judgement->keys)
        judgement->doubt = DOUBT_NOTHING_SEEN;
}
