/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_support: what the checker's tests share: small histories as text that can be read, and
 * the settings of random tests. A history is one clause an operation: who, from when to when, what
 * it read and did, how it came out. Operations are capital letters, each by its own worker (A: 0,
 * B: 1, ...); versions are named after the operation that wrote them, 0 is the seeded document.
 *   A 0-5 0 write done     read version 0, wrote version A, acknowledged
 *   A 0-5 * write done     an operator: wrote without reading
 *   A 0-5 B read done      a pure read that saw B
 *   A 0-5 B none unknown   read B, its last attempt set out to write nothing
 * Options of a clause: #2 document 2, @3 worker 3, x2 applied twice by the engine's ledger, again
 * (tried again after an attempt without an answer), own (had read its own stamp), +5 amount 5, and
 * +B#1 a second document, read at version B and written.
 * The end: "= 7 A" number 7, version A; "= gone"; one clause a document.
 */
#ifndef RACEBENCH_TESTS_CHECKER_SUPPORT_H
#define RACEBENCH_TESTS_CHECKER_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "checker.h"

/* A whole number from the environment: RACEBENCH_TEST_SEED, RACEBENCH_TEST_HISTORIES. */
static inline uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

/* The seed of a random test: from the environment, or a new one each time. */
static inline uint64_t seed(void)
{
    return setting("RACEBENCH_TEST_SEED", (uint64_t)clock_monotonic_ns() % 1000000000);
}

/* True in `percent` of 100 draws. */
static inline bool chance(struct random *random, int percent)
{
    return (int)random_below(random, 100) < percent;
}

/* Histories as text ---------------------------------------------------------------------------- */

enum { EVENTS_MAX = 64, FINALS_MAX = 4 };

struct sketch {
    struct event events[EVENTS_MAX];
    struct final finals[FINALS_MAX];
    struct cell cell;
    struct record record;
};

static inline int64_t version_of(char letter)
{
    if (letter == '0')
        return 0;
    return letter == '*' ? VERSION_BLIND : OPERATION_ID(letter - 'A', 1);
}

static inline void sketch_option(struct event *event, const char *word)
{
    if (word[0] == '#')
        event->key[0] = atoi(word + 1);
    else if (word[0] == 'x')
        event->applied = atoi(word + 1);
    else if (strcmp(word, "again") == 0)
        event->retried = true;
    else if (word[0] == '@')
        event->worker = atoi(word + 1);
    else if (strcmp(word, "own") == 0)
        event->doubled = true;
    else if (word[0] == '+' && strchr(word, '#') != NULL) {
        event->key[1] = atoi(strchr(word, '#') + 1);
        event->read[1] = version_of(word[1]);
        event->wrote |= 2;
    } else if (word[0] == '+' || word[0] == '-') {
        event->amount = atoi(word);
    } else {
        fail_msg("option %s", word);
    }
}

static inline enum outcome outcome_of(const char *word)
{
    static const char *const names[] = {"done", "nothing", "busy", "conflict", "failed", "unknown"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], word) == 0)
            return (enum outcome)i;
    fail_msg("outcome %s", word);
    return FAILED;
}

static inline void sketch_event(struct sketch *sketch, char *clause)
{
    char letter, read, kind[8], outcome[10];
    int invoke, back, used = 0;
    if (sscanf(clause, " %c %d-%d %c %7s %9s%n", &letter, &invoke, &back, &read, kind, outcome,
               &used) != 6)
        fail_msg("clause %s", clause);
    struct event *event = &sketch->events[sketch->record.event_count++];
    *event = (struct event){.invoke_ns = invoke,
                            .return_ns = back,
                            .operation = version_of(letter),
                            .key = {0, -1},
                            .read = {version_of(read), 0},
                            .amount = 1,
                            .applied = -1,
                            .worker = letter - 'A',
                            .attempts = 1,
                            .wrote = strcmp(kind, "write") == 0,
                            .reads_only = strcmp(kind, "read") == 0,
                            .outcome = outcome_of(outcome)};
    for (char *rest, *word = strtok_r(clause + used, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest))
        sketch_option(event, word);
}

static inline void sketch_final(struct sketch *sketch, const char *clause)
{
    struct final *final = &sketch->finals[sketch->record.final_count++];
    char version = '0';
    int value = 0;
    final->present = sscanf(clause, " = %d %c", &value, &version) == 2;
    final->value = value;
    final->version = version_of(version);
}

static inline int by_invocation(const void *left, const void *right)
{
    const struct event *a = left, *b = right;
    return (a->invoke_ns > b->invoke_ns) - (a->invoke_ns < b->invoke_ns);
}

static inline void sketch_read(struct sketch *sketch, const char *text)
{
    *sketch = (struct sketch){.cell = {.workers = 2, .hazards = HAZARD_BIT(none)}};
    sketch->record =
        (struct record){.cell = &sketch->cell, .events = sketch->events, .finals = sketch->finals};
    char *copy = x_strdup(text), *rest;
    for (char *clause = strtok_r(copy, ";", &rest); clause != NULL;
         clause = strtok_r(NULL, ";", &rest)) {
        if (strchr(clause, '=') != NULL)
            sketch_final(sketch, clause);
        else
            sketch_event(sketch, clause);
    }
    free(copy);
    qsort(sketch->events, sketch->record.event_count, sizeof(struct event), by_invocation);
}

#endif
