/* SPDX-License-Identifier: Apache-2.0
 *
 * test_checker: small histories, written so that they can be read, and what the checker says of
 * them. A history is one line a clause: who, from when to when, what it read and did, how it came
 * out. Operations are capital letters, each by its own worker (A: 0, B: 1, ...) unless "@w" says
 * otherwise; versions are named after the operation that wrote them, 0 is the seeded document.
 *   A 0-5 0 write done     read version 0, wrote version A, acknowledged
 *   A 0-5 * write done     an operator: wrote without reading
 *   A 0-5 B read done      a pure read that saw B
 *   A 0-5 B none unknown   read B, its last attempt set out to write nothing
 * Options of a clause: #2 document 2, x2 applied twice by the engine's ledger, again (tried again
 * after an attempt without an answer), own (had read its own stamp), +5 amount 5, and +B#1 a second
 * document, read at version B and written.
 * The end: "= 7 A" number 7, version A; "= gone"; one clause per document.
 * labels: unit
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "base.h"
#include "checker.h"

enum { EVENTS_MAX = 64, FINALS_MAX = 4 };

struct sketch {
    struct event events[EVENTS_MAX];
    struct final finals[FINALS_MAX];
    struct cell cell;
    struct record record;
};

static int64_t version_of(char letter)
{
    if (letter == '0')
        return 0;
    return letter == '*' ? VERSION_BLIND : OPERATION_ID(letter - 'A', 1);
}

static void sketch_option(struct event *event, const char *word)
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

static enum outcome outcome_of(const char *word)
{
    static const char *const names[] = {"done", "nothing", "busy", "conflict", "failed", "unknown"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], word) == 0)
            return (enum outcome)i;
    fail_msg("outcome %s", word);
    return FAILED;
}

static void sketch_event(struct sketch *sketch, char *clause)
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

static void sketch_final(struct sketch *sketch, const char *clause)
{
    struct final *final = &sketch->finals[sketch->record.final_count++];
    char version = '0';
    int value = 0;
    final->present = sscanf(clause, " = %d %c", &value, &version) == 2;
    final->value = value;
    final->version = version_of(version);
}

static int by_invocation(const void *left, const void *right)
{
    const struct event *a = left, *b = right;
    return (a->invoke_ns > b->invoke_ns) - (a->invoke_ns < b->invoke_ns);
}

static void sketch_read(struct sketch *sketch, const char *text)
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

static char letter_of(int64_t operation)
{
    return operation == 0 ? '-' : (char)('A' + OPERATION_WORKER(operation));
}

/* A verdict as text: "broken lost-update lost 1; lost A by B (both read 0)". */
static char *verdict_text(const struct verdict *verdict)
{
    char *text =
        x_format("%s%s%s", status_name(verdict->status), verdict->reason == REASON_NONE ? "" : " ",
                 verdict->reason == REASON_NONE ? "" : reason_name(verdict->reason));
    char *part[4] = {text, x_strdup(""), x_strdup(""), NULL};
    if (verdict->counts.lost > 0) {
        free(part[1]);
        part[1] = x_format(" lost %d", (int)verdict->counts.lost);
    }
    if (verdict->counts.doubled > 0) {
        free(part[2]);
        part[2] = x_format(" doubled %d", (int)verdict->counts.doubled);
    }
    char *all =
        x_format("%s%s%s%s", part[0], part[1], part[2], verdict->lost_by_identity ? "" : " by sum");
    for (int i = 0; i < 3; i++)
        free(part[i]);
    for (int i = 0; i < verdict->witness_count; i++) {
        const struct witness *witness = &verdict->witnesses[i];
        char *longer = x_format("%s; %s %c by %c at %c", all, property_name(witness->property),
                                letter_of(witness->victim), letter_of(witness->culprit),
                                witness->version == 0    ? '0'
                                : witness->version == -1 ? '*'
                                                         : letter_of(witness->version));
        free(all);
        all = longer;
    }
    return all;
}

static char *judge(const char *text)
{
    struct sketch sketch;
    struct verdict verdict;
    sketch_read(&sketch, text);
    checker_count(&sketch.record, &verdict);
    checker_updates(&sketch.record, &verdict);
    return verdict_text(&verdict);
}

struct row {
    const char *name, *history, *verdict;
};

static const struct row rows[] = {
    /* what holds */
    {"nothing happened", "= 0 0", "held"},
    {"one after the other", "A 0-5 0 write done; B 6-9 A write done; = 2 B", "held"},
    {"overlapping, in a row", "A 0-9 0 write done; B 1-8 A write done; = 2 B", "held"},
    {"operators", "A 0-5 * write done; B 1-6 * write done; = 2 A", "held by sum"},
    {"operators, with the engine's ledger", "A 0-5 * write done x1; B 1-6 * write done x1; = 2 B",
     "held"},
    {"created by the first", "A 0-5 0 write done; B 2-9 A write done; = 2 B", "held"},
    {"reads in between", "A 0-5 0 write done; B 1-4 0 read done; C 2-9 A read done; = 1 A", "held"},
    {"two documents, one chain each",
     "A 0-5 0 write done; B 1-6 0 write done #1; C 2-7 A write done; = 2 C; = 1 B", "held"},

    /* lost */
    {"a lost update, with the pair", "A 0-5 0 write done; B 1-6 0 write done; = 1 B",
     "broken lost-update lost 1; lost A by B at 0"},
    {"the later one can be the victim", "A 0-9 0 write done; B 1-6 0 write done; = 1 A",
     "broken lost-update lost 1; lost B by A at 0"},
    {"three on one version", "A 0-5 0 write done; B 1-6 0 write done; C 2-7 0 write done; = 1 B",
     "broken lost-update lost 2; lost A by B at 0; lost C by B at 0"},
    {"a whole branch is cut off",
     "A 0-3 0 write done; B 4-6 A write done; C 1-9 0 write done; D 10-12 C write done; = 2 D",
     "broken lost-update lost 2; lost A by C at 0; lost B by C at 0"},
    {"in the middle of a chain",
     "A 0-1 0 write done; B 2-5 A write done; C 3-6 A write done; D 7-9 C write done; = 3 D",
     "broken lost-update lost 1; lost B by C at A"},
    {"the document is gone", "A 0-5 0 write done; B 6-9 A write done; = gone",
     "broken lost-update lost 2; lost A by - at 0; lost B by - at A"},
    {"the document is as it was seeded", "A 0-5 0 write done; = 0 0",
     "broken lost-update lost 1; lost A by - at 0"},
    {"acknowledged, but never written", "A 0-5 0 write done; B 6-9 0 write done; = 1 A",
     "broken lost-update lost 1; lost B by A at 0"},
    {"the operators' sum is short", "A 0-5 * write done; B 1-6 * write done; = 1 B",
     "broken lost-update lost 1 by sum"},
    {"the engine's ledger names the operator",
     "A 0-5 * write done x0; B 1-6 * write done x1; = 1 B",
     "broken lost-update lost 1; lost A by - at *"},
    {"an operator under a chain that does not know it",
     "A 0-5 * write done; B 1-6 0 write done; = 1 B",
     "broken lost-update lost 1; lost A by - at *"},
    {"a fork before an operator",
     "A 0-5 0 write done; B 1-6 0 write done; C 7-8 * write done; = 2 C",
     "broken lost-update lost 1 by sum; lost A by B at 0"},
    {"acknowledged after the operator, and not on its chain",
     "A 0-5 * write done; B 6-9 * write done; = 2 A",
     "broken lost-update lost 1 by sum; lost B by - at *"},
    {"larger amounts are counted in operations",
     "A 0-5 * write done +5; B 1-6 * write done +5; = 5 A", "broken lost-update lost 1 by sum"},
    {"counting down", "A 0-5 * write done -1; B 1-6 * write done -1; = -1 B",
     "broken lost-update lost 1 by sum"},
    {"only the document that suffered",
     "A 0-5 0 write done; B 1-6 0 write done #1; C 2-7 0 write done #1; = 1 A; = 1 C",
     "broken lost-update lost 1; lost B by C at 0"},
    {"the sum is short although the chain is whole",
     "A 0-5 0 write done; B 6-9 A write done; = 1 B", "broken lost-update lost 1 by sum"},
    {"one of two documents of one operation",
     "A 0-5 0 write done +0#1; B 1-6 0 write done #1; = 1 A; = 1 B",
     "broken lost-update lost 1; lost A by B at 0"},

    /* applied twice */
    {"an operator tried again by hand", "A 0-5 * write done; = 2 A",
     "broken doubled-update doubled 1 by sum"},
    {"the same, with the ledger", "A 0-5 * write done x2; = 2 A",
     "broken doubled-update doubled 1; doubled A by - at *"},
    {"it read its own stamp and wrote again", "A 0-5 A write done own again; = 2 A",
     "broken doubled-update doubled 1 by sum; doubled A by - at A"},
    {"it met itself further down", "A 0-9 B write done again; B 2-4 A write done; = 3 A",
     "broken doubled-update doubled 1 by sum; doubled A by - at B"},
    {"the same, entered at the other",
     "A 0-9 B write done again; B 2-4 A write done; C 11-12 A write "
     "done; = 4 C",
     "broken doubled-update doubled 1 by sum; doubled A by - at B"},
    {"unanswered, and applied twice", "A 0-5 * write unknown x2; = 2 A",
     "broken doubled-update doubled 1; doubled A by - at *"},
    {"more than anybody asked for", "A 0-5 0 write done; = 3 A",
     "broken doubled-update doubled 2 by sum"},
    {"it saw itself and wrote nothing more", "A 0-5 0 none done own again; = 1 A", "held by sum"},
    {"it read its own stamp, but the ledger knows better", "A 0-5 A write done own again x1; = 1 A",
     "held by sum"},

    /* errors that cancel: one lost, one doubled, the total is right (reliability.md, 7.9) */
    {"one lost and one doubled, by the ledger",
     "A 0-5 * write done x2; B 1-6 * write done x0; = 2 A",
     "broken lost-update lost 1 doubled 1; lost B by - at *; doubled A by - at *"},
    {"one lost by the chain, its loss made good by chance",
     "A 0-5 0 write done; B 1-6 0 write done; = 2 B",
     "broken lost-update lost 1 doubled 1 by sum; lost A by B at 0"},
    {"one lost on one document, one too many on the other",
     "A 0-5 * write done; B 1-6 * write done #1; = 0 0; = 2 B",
     "broken lost-update lost 1 doubled 1 by sum; lost A by - at *"},

    /* unanswered operations are neither failures nor successes (7.3) */
    {"no answer, and applied", "A 0-5 0 write unknown; B 6-9 A write done; = 2 B", "held"},
    {"no answer, not applied", "A 0-5 0 write unknown; B 6-9 0 write done; = 1 B", "held"},
    {"no answer, applied long after", "A 0-5 0 write unknown; B 6-7 0 read done; = 1 A", "held"},
    {"no answer, overwritten: nobody was promised anything",
     "A 0-5 0 write unknown; B 1-4 A none conflict; C 1-9 0 write done; = 1 C", "held"},
    {"no answer, seen by a reader, overwritten",
     "A 0-5 0 write unknown; B 6-7 A read done; C 1-9 0 write done; = 1 C",
     "broken not-linearizable; lost B by C at A"},
    {"the same, and nobody knows who did it", "A 0-5 0 write unknown; B 6-7 A read done; = 0 0",
     "broken not-linearizable; lost B by - at A"},
    {"operators without an answer, all bounds",
     "A 0-5 * write unknown; B 1-6 * write unknown; C 2-7 * write done; = 2 A", "held by sum"},
    {"operators without an answer, below",
     "A 0-5 * write unknown; B 1-6 * write done; C 2-4 * "
     "write done; = 1 A",
     "broken lost-update lost 1 by sum"},
    {"operators without an answer, above", "A 0-5 * write unknown; B 1-6 * write done; = 3 B",
     "broken doubled-update doubled 1 by sum"},
    {"the ledger knows that it never happened",
     "A 0-5 * write unknown x0; B 1-6 * write done x1; = 2 B",
     "broken doubled-update doubled 1 by sum"},
    {"it overwrote an acknowledged one", "A 0-5 0 write done; B 1-6 0 write unknown; = 1 B",
     "broken lost-update lost 1; lost A by B at 0"},

    /* who says that it wrote nothing, and did */
    {"NOTHING that wrote", "A 0-5 0 write nothing; = 1 A",
     "broken phantom-version doubled 1; doubled - by A at A"},
    {"CONFLICT that wrote", "A 0-5 0 write conflict; B 6-9 A write done; = 2 B",
     "broken phantom-version doubled 1; doubled B by A at A"},
    {"FAILED that was seen by a reader", "A 0-5 0 write failed; B 6-9 A read done; = 0 0",
     "broken phantom-version doubled 1; doubled B by A at A"},
    {"NOTHING, says the operator; the ledger disagrees",
     "A 0-5 * write nothing x1; B 1-6 * write done x1; = 2 B",
     "broken phantom-version doubled 1; doubled - by A at A"},
    {"a version from nowhere", "A 0-5 Z write done; = 1 A",
     "broken phantom-version by sum; doubled A by - at Z"},
    {"the document ends with a stranger's version", "A 0-5 0 write done; = 1 Z",
     "broken phantom-version by sum; doubled - by - at Z"},
    {"a version of another document", "A 0-5 0 write done; B 6-9 A read done #1; = 1 A; = 0 0",
     "broken phantom-version; doubled B by - at A"},
    {"busy wrote nothing and read nothing", "A 0-5 0 write done; B 6-9 0 none busy; = 1 A", "held"},
    {"conflict on a stale copy is how it should be",
     "A 0-5 0 write done; B 6-9 0 write conflict; = 1 A", "held"},

    /* real time (7.11) */
    {"a read that saw the past", "A 0-5 0 write done; B 6-9 0 read done; = 1 A",
     "broken not-linearizable; lost B by A at 0"},
    {"overlapping, it may", "A 0-5 0 write done; B 5-9 0 read done; = 1 A", "held"},
    {"a read from the future", "A 6-9 0 write done; B 0-5 A read done; = 1 A",
     "broken not-linearizable; lost A by B at 0"},
    {"two reads that go back in time",
     "A 0-9 0 write done; B 1-3 A read done; C 4-6 0 read done; = 1 A",
     "broken not-linearizable; lost C by B at 0"},
    {"the chain runs against the clock", "A 6-9 0 write done; B 0-5 A write done; = 2 B",
     "broken not-linearizable; lost A by B at 0"},
    {"NOTHING on an old version",
     "A 0-5 0 write done; B 6-9 A write done; C 10-12 A none nothing; "
     "= 2 B",
     "broken not-linearizable; lost C by B at A"},
    {"a lost update is the better story", "A 0-5 0 write done; B 6-9 0 write done; = 1 B",
     "broken lost-update lost 1; lost A by B at 0"},

    /* the end of the run */
    {"no number is known of a document", "A 0-5 0 write done #3; = 0 0",
     "unknown final-unreadable"},
};

static void test_rows(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *got = judge(rows[i].history);
        if (strcmp(got, rows[i].verdict) != 0) {
            print_error("%s\n  %s\n  expected %s\n  got      %s\n", rows[i].name, rows[i].history,
                        rows[i].verdict, got);
            wrong++;
        }
        free(got);
    }
    assert_int_equal(wrong, 0);
}

static void test_witness_is_complete(void **state)
{
    (void)state;
    struct sketch sketch;
    struct verdict verdict;
    sketch_read(&sketch, "A 10-50 0 write done; B 20-60 A write done #0; C 30-70 A write done; "
                         "D 1-2 0 write done #1; = 3 C; = 1 D");
    for (size_t i = 0; i < sketch.record.event_count; i++)
        sketch.events[i].value_read = sketch.events[i].read[0] == 0 ? 7 : 8;
    sketch.record.initial_value = 1;
    sketch.finals[1].value = 2;
    checker_count(&sketch.record, &verdict);
    checker_updates(&sketch.record, &verdict);
    assert_int_equal(verdict.witness_count, 1);
    const struct witness *witness = &verdict.witnesses[0];
    assert_int_equal(witness->property, LOST);
    assert_int_equal(witness->key, 0);
    assert_int_equal(witness->victim, version_of('B'));
    assert_int_equal(witness->culprit, version_of('C'));
    assert_int_equal(witness->version, version_of('A'));
    assert_int_equal(witness->value_read, 8);
    assert_int_equal(witness->victim_return_ns, 60);
    assert_int_equal(witness->culprit_return_ns, 70);
    assert_int_equal(verdict.counts.final, 5);
    assert_int_equal(verdict.counts.expected_min, 2 + 4);
    assert_int_equal(verdict.counts.expected_max, 2 + 4);
}

static void test_expected_bounds(void **state)
{
    (void)state;
    struct sketch sketch;
    struct verdict verdict;
    sketch_read(&sketch,
                "A 0-5 * write done +3; B 1-5 * write unknown +4; C 2-5 * write unknown -5; "
                "D 3-5 0 write failed +9; E 4-6 0 read done +9; = 2 A");
    checker_count(&sketch.record, &verdict);
    checker_updates(&sketch.record, &verdict);
    assert_int_equal(verdict.counts.expected_min, -2);
    assert_int_equal(verdict.counts.expected_max, 7);
    assert_int_equal(verdict.counts.final, 2);
    assert_int_equal(verdict.status, HELD);
}

/* More victims than room: the earliest are kept. */
static void test_witnesses_are_the_earliest(void **state)
{
    (void)state;
    struct sketch sketch;
    struct verdict verdict;
    sketch_read(&sketch, "= 1 Z");
    for (int i = 0; i < 26; i++) {
        char clause[64];
        snprintf(clause, sizeof(clause), "%c %d-%d 0 write done", 'A' + i, i, 100 + i);
        sketch_event(&sketch, clause);
    }
    checker_count(&sketch.record, &verdict);
    checker_updates(&sketch.record, &verdict);
    assert_int_equal(verdict.counts.lost, 25);
    assert_int_equal(verdict.witness_count, WITNESS_MAX);
    for (int i = 0; i < WITNESS_MAX; i++) {
        assert_int_equal(verdict.witnesses[i].victim, version_of((char)('A' + i)));
        assert_int_equal(verdict.witnesses[i].culprit, version_of('Z'));
    }
}

static void test_finals_that_could_not_be_read(void **state)
{
    (void)state;
    struct sketch sketch;
    struct verdict verdict;
    sketch_read(&sketch, "A 0-5 0 write done; = 1 A");
    sketch.record.finals = NULL;
    checker_count(&sketch.record, &verdict);
    checker_updates(&sketch.record, &verdict);
    assert_int_equal(verdict.status, UNDECIDED);
    assert_int_equal(verdict.reason, REASON_FINAL_UNREADABLE);
}

/* Contention ------------------------------------------------------------------------------------ */

/* `operations` for each of `workers`, each operation `length` long and begun every `step` of its
 * worker's time, all on one document; worker w starts w later. */
static struct event *busy_workers(int workers, int operations, int64_t length, int64_t step)
{
    struct event *events = x_calloc((size_t)(workers * operations), sizeof(*events));
    for (int i = 0; i < operations; i++)
        for (int w = 0; w < workers; w++)
            events[i * workers + w] = (struct event){.invoke_ns = i * step + w,
                                                     .return_ns = i * step + w + length,
                                                     .operation = OPERATION_ID(w, i + 1),
                                                     .key = {0, -1},
                                                     .read = {VERSION_BLIND, 0},
                                                     .amount = 1,
                                                     .applied = 1,
                                                     .worker = w,
                                                     .attempts = 1,
                                                     .wrote = 1};
    return events;
}

static struct verdict contention(const struct record *record)
{
    struct verdict verdict;
    checker_count(record, &verdict);
    checker_updates(record, &verdict);
    checker_contention(record, &verdict);
    return verdict;
}

static void assert_verdict(const struct verdict *verdict, enum status status, enum reason reason)
{
    assert_string_equal(reason_name(verdict->reason), reason_name(reason));
    assert_int_equal(verdict->status, status);
}

static void test_contention_reasons(void **state)
{
    (void)state;
    enum { WORKERS = 4, OPERATIONS = 50 };
    struct event *events = busy_workers(WORKERS, OPERATIONS, 10, 100);
    struct cell cell = {.workers = WORKERS, .hazards = HAZARD_BIT(none)};
    struct final final = {true, WORKERS * OPERATIONS, OPERATION_ID(3, OPERATIONS)};
    struct record record = {.cell = &cell,
                            .events = events,
                            .event_count = WORKERS * OPERATIONS,
                            .finals = &final,
                            .final_count = 1};
    struct verdict verdict = contention(&record);
    assert_verdict(&verdict, HELD, REASON_NONE);
    assert_int_equal(verdict.overlaps, 3 * OPERATIONS); /* all but the first of each round */
    assert_int_equal(verdict.overlaps_needed, 10);
    assert_true(fabs(verdict.lost_bound - 0.014867) < 1e-5);

    cell.workers = 5; /* the fifth did nothing */
    verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_IDLE_WORKER);
    assert_true(verdict.lost_bound == 0);
    cell.hazards |= HAZARD_BIT(instances); /* planned, never struck: goes before */
    verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_HAZARD_NEVER_STRUCK);
    record.hits[HAZARD_INDEX_instances] = 1;
    cell.workers = 4;
    verdict = contention(&record);
    assert_verdict(&verdict, HELD, REASON_NONE);
    cell.workers = 1;
    verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_ONE_WORKER);
    record.interrupted = true;
    verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_INTERRUPTED);
    final.value--; /* broken stays broken, whatever else is wrong */
    verdict = contention(&record);
    assert_verdict(&verdict, BROKEN, REASON_LOST_UPDATE);
    free(events);
}

/* Overlaps of a small history, counted by hand. */
static void test_overlaps(void **state)
{
    (void)state;
    static const struct {
        const char *history;
        int64_t overlaps;
    } cases[] = {
        {"A 0-5 0 write done; B 6-9 A write done; = 2 B", 0},
        {"A 0-5 0 write done; B 5-9 A write done; = 2 B", 0},
        {"A 0-5 0 write done; B 4-9 A write done; = 2 B", 1},
        {"A 0-5 0 write done; B 4-9 0 write done #1; = 1 A; = 1 B", 0},
        {"A 0-5 0 write done @0; B 4-9 A write done @0; = 2 B", 0},
        {"A 0-5 0 read done; B 4-9 0 read done; = 0 0", 0},
        {"A 0-5 0 read done; B 4-9 0 write done; = 1 B", 1},
        {"A 0-5 0 write done; B 4-9 0 read done; = 1 A", 1},
        {"A 0-5 0 write failed; B 4-9 0 write done; = 1 B", 0},
        {"A 0-5 0 none busy; B 4-9 0 write done; = 1 B", 1},
        {"A 0-5 0 write unknown; B 4-9 0 write done; = 1 B", 1},
        {"A 0-50 0 write done; B 1-2 0 read done; C 3-4 0 read done; D 6-7 0 read done; = 1 A", 3},
        {"A 0-9 0 write done; B 1-20 A write done; A 10-30 0 none busy @0; = 2 B", 2},
        {"A 0-5 0 write done +0#1; B 4-9 0 write done #1; = 0 A; = 1 B", 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sketch sketch;
        struct verdict verdict;
        sketch_read(&sketch, cases[i].history);
        checker_count(&sketch.record, &verdict);
        if (verdict.overlaps != cases[i].overlaps)
            fail_msg("%s: %d overlaps", cases[i].history, (int)verdict.overlaps);
    }
}

/* One worker that never returned is not open for ever. */
static void test_overlap_of_the_dead(void **state)
{
    (void)state;
    struct sketch sketch;
    struct verdict verdict;
    sketch_read(&sketch, "A 0-5 0 write unknown; B 7-9 0 write done; C 10-12 B write done; = 2 C");
    sketch.events[0].return_ns = RETURN_NEVER;
    checker_count(&sketch.record, &verdict);
    assert_int_equal(verdict.overlaps, 0);
    checker_updates(&sketch.record, &verdict);
    assert_int_equal(verdict.status, HELD);
}

static void test_no_overlap(void **state)
{
    (void)state;
    struct event *events = busy_workers(2, 1000, 1, 10);
    struct cell cell = {.workers = 2, .hazards = HAZARD_BIT(none)};
    struct final final = {true, 2000, OPERATION_ID(1, 1000)};
    struct record record = {
        .cell = &cell, .events = events, .event_count = 2000, .finals = &final, .final_count = 1};
    struct verdict verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_NO_OVERLAP);
    assert_int_equal(verdict.overlaps, 0);
    assert_int_equal(verdict.overlaps_needed, 20);
    for (size_t i = 0; i < 40; i += 2)
        events[i].return_ns += 5;
    verdict = contention(&record);
    assert_verdict(&verdict, HELD, REASON_NONE);
    assert_int_equal(verdict.overlaps, 20);
    events[0].return_ns -= 5;
    verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_NO_OVERLAP);
    free(events);
}

/* Where a thing is asked for once, the answer "somebody else has it" is an answer. */
static void test_idle_worker_and_once(void **state)
{
    (void)state;
    struct event *events = busy_workers(2, 100, 8, 10);
    struct cell cell = {.workers = 2, .hazards = HAZARD_BIT(none)};
    struct final final = {true, 100, OPERATION_ID(0, 100)};
    struct record record = {
        .cell = &cell, .events = events, .event_count = 200, .finals = &final, .final_count = 1};
    for (size_t i = 1; i < 200; i += 2)
        events[i].outcome = BUSY;
    for (size_t i = 1; i < 200; i += 2)
        events[i].applied = 0;
    struct verdict verdict = contention(&record);
    assert_verdict(&verdict, UNDECIDED, REASON_IDLE_WORKER);
    for (size_t i = 0; i < 200; i++)
        events[i].once = (int64_t)i / 2 + 1;
    verdict = contention(&record);
    assert_verdict(&verdict, HELD, REASON_NONE);
    assert_int_equal(verdict.counts.acked, 100);
    assert_int_equal(verdict.counts.busy, 100);
    free(events);
}

static void test_count_outcomes(void **state)
{
    (void)state;
    struct sketch sketch;
    struct verdict verdict = {.status = BROKEN, .witness_count = 3};
    sketch_read(&sketch,
                "A 0-5 0 write done; B 1-2 0 none nothing; C 1-2 0 none busy; "
                "D 1-2 0 none conflict; E 1-2 0 none failed; F 1-2 0 write unknown; = 1 A");
    checker_count(&sketch.record, &verdict);
    assert_int_equal(verdict.status, HELD);
    assert_int_equal(verdict.witness_count, 0);
    assert_int_equal(verdict.counts.acked, 1);
    assert_int_equal(verdict.counts.nothing, 1);
    assert_int_equal(verdict.counts.busy, 2);
    assert_int_equal(verdict.counts.failed, 1);
    assert_int_equal(verdict.counts.unknown, 1);
}

/* Hanley and Lippman-Hand's rule of three, and the exact values around it. */
static void test_zero_bound(void **state)
{
    (void)state;
    assert_true(checker_zero_bound(0) == 1);
    assert_true(fabs(checker_zero_bound(1) - 0.95) < 1e-12);
    assert_true(fabs(checker_zero_bound(2) - (1 - sqrt(0.05))) < 1e-12);
    assert_true(fabs(checker_zero_bound(100) - 0.0295130) < 1e-6);
    for (int64_t n = 100; n < INT64_C(10000000000); n *= 10)
        assert_true(checker_zero_bound(n) < 3 / (double)n &&
                    checker_zero_bound(n) > 2.9 / (double)n);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(property_name(LOST), "lost");
    assert_string_equal(property_name(SKEWED), "skewed");
    assert_string_equal(status_name(UNDECIDED), "unknown");
    assert_string_equal(reason_name(REASON_HAZARD_NEVER_STRUCK), "hazard-never-struck");
    for (int i = 0; i < REASON_COUNT; i++) {
        assert_true(strspn(reason_name((enum reason)i), "abcdefghijklmnopqrstuvwxyz-") ==
                    strlen(reason_name((enum reason)i)));
        size_t length = strlen(reason_help((enum reason)i));
        assert_true(length > 20 && reason_help((enum reason)i)[length - 1] == '.');
    }
}

/* The cores ------------------------------------------------------------------------------------- */

static void test_counter_core(void **state)
{
    (void)state;
    static const struct {
        struct count_operation operations[4];
        size_t count;
        bool linearizable;
        size_t pair[2];
    } cases[] = {
        {{{0, 5, 1, false, false}, {1, 6, 2, false, false}}, 2, true, {0, 0}},
        {{{0, 5, 1, false, false}, {1, 6, 1, false, false}}, 2, false, {0, 1}},
        {{{0, 5, 2, false, false}, {6, 9, 1, false, false}}, 2, false, {1, 0}},
        {{{0, 5, 0, false, false}}, 1, false, {0, 0}},
        {{{0, 5, 2, false, false}}, 1, false, {0, 0}},
        {{{0, 5, 2, false, false}, {3, 4, 0, false, true}}, 2, true, {0, 0}},
        {{{0, 5, 2, false, false}, {6, 9, 0, false, true}}, 2, false, {1, 0}},
        {{{0, 5, 1, false, false}, {6, 9, 0, true, false}}, 2, false, {1, 0}},
        {{{0, 5, 1, false, false}, {6, 9, 1, true, false}}, 2, true, {0, 0}},
        {{{0, 5, 7, true, false}}, 1, false, {0, 0}},
        {{{0, 5, -1, true, false}}, 1, false, {0, 0}},
        {{{0, 5, INT64_MAX, true, false}, {0, 5, INT64_MIN, false, false}}, 2, false, {0, 0}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t pair[2] = {0, 0};
        bool got = checker_counter(cases[i].operations, cases[i].count, 0, pair);
        if (got != cases[i].linearizable || pair[0] != cases[i].pair[0] ||
            pair[1] != cases[i].pair[1])
            fail_msg("case %zu: %d, pair %zu %zu", i, got, pair[0], pair[1]);
    }
    size_t pair[2];
    assert_true(checker_counter(NULL, 0, 5, pair));
}

static void test_register_core(void **state)
{
    (void)state;
    static const struct {
        struct register_operation operations[4];
        size_t count;
        enum reason reason;
        size_t pair[2];
    } cases[] = {
        {{{0, 5, 0, 1, false}, {1, 6, 1, 2, false}}, 2, REASON_NONE, {0, 0}},
        {{{0, 5, 0, 1, false}, {1, 6, 0, 2, false}}, 2, REASON_LOST_UPDATE, {0, 1}},
        {{{0, 5, 0, 1, false}, {1, 6, 0, 2, true}}, 2, REASON_NONE, {0, 0}},
        {{{0, 5, 0, 1, false}, {1, 6, 0, 2, true}, {7, 8, 2, 0, false}},
         3,
         REASON_LOST_UPDATE,
         {0, 1}},
        {{{0, 5, 9, 1, false}}, 1, REASON_PHANTOM_VERSION, {0, 0}},
        {{{0, 5, 2, 1, false}, {1, 6, 1, 2, false}}, 2, REASON_NOT_LINEARIZABLE, {0, 1}},
        {{{0, 5, 1, 1, false}}, 1, REASON_NOT_LINEARIZABLE, {0, 0}},
        {{{6, 9, 0, 1, false}, {0, 5, 1, 2, false}}, 2, REASON_NOT_LINEARIZABLE, {0, 1}},
        {{{0, 5, 0, 1, false}, {6, 9, 0, 0, false}}, 2, REASON_NOT_LINEARIZABLE, {1, 0}},
        {{{0, 5, 0, 1, true}, {6, 9, 0, 0, false}}, 2, REASON_NONE, {0, 0}},
        {{{0, 5, 0, 1, false}, {6, 9, 1, 1, false}}, 2, REASON_NOT_LINEARIZABLE, {0, 1}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t pair[2] = {0, 0};
        enum reason reason;
        bool got = checker_register(cases[i].operations, cases[i].count, pair, &reason);
        if (got != (cases[i].reason == REASON_NONE) || reason != cases[i].reason ||
            pair[0] != cases[i].pair[0] || pair[1] != cases[i].pair[1])
            fail_msg("case %zu: %d %s, pair %zu %zu", i, got, reason_name(reason), pair[0],
                     pair[1]);
    }
    size_t pair[2];
    enum reason reason;
    assert_true(checker_register(NULL, 0, pair, &reason));
}

/* Size ------------------------------------------------------------------------------------------ */

/* A million operations in one chain, or of operators, over `documents`; every 1000th update of the
 * former is lost. Returns the seconds that judging took. */
static double judge_million(bool blind, int64_t documents, int64_t *lost)
{
    enum { MILLION = 1000000, WORKERS = 100 };
    struct event *events = busy_workers(WORKERS, MILLION / WORKERS, 150, 100);
    struct cell cell = {.workers = WORKERS, .hazards = HAZARD_BIT(none)};
    struct final *finals = x_calloc((size_t)documents, sizeof(*finals));
    for (int64_t i = 0; i < documents; i++)
        finals[i].present = true;
    for (int64_t i = 0; i < MILLION; i++) {
        struct final *final = &finals[i % documents];
        bool loses = !blind && i % 1000 == 999;
        events[i].key[0] = i % documents;
        if (!blind) {
            events[i].read[0] = final->version;
            events[i].applied = -1;
        }
        if (loses)
            continue;
        final->version = events[i].operation;
        final->value++;
    }
    struct record record = {.cell = &cell,
                            .events = events,
                            .event_count = MILLION,
                            .finals = finals,
                            .final_count = documents};
    int64_t before_ns = clock_monotonic_ns();
    struct verdict verdict = contention(&record);
    double seconds = (double)(clock_monotonic_ns() - before_ns) / 1e9;
    *lost = verdict.counts.lost;
    assert_int_equal(verdict.status, blind ? HELD : BROKEN);
    free(events);
    free(finals);
    return seconds;
}

static void test_a_million_events(void **state)
{
    (void)state;
    static const struct {
        bool blind;
        int64_t documents, lost;
    } cases[] = {{false, 1, 1000}, {false, 999, 1000}, {true, 1, 0}, {true, 7, 0}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t lost;
        double seconds = judge_million(cases[i].blind, cases[i].documents, &lost);
        print_message("1,000,000 %s over %d documents: judged in %.3f s\n",
                      cases[i].blind ? "operators" : "read-modify-writes", (int)cases[i].documents,
                      seconds);
        assert_int_equal(lost, cases[i].lost);
        assert_true(seconds < 5); /* 0.3 s here; sanitizers and slow machines take longer */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_witness_is_complete),
        cmocka_unit_test(test_expected_bounds),
        cmocka_unit_test(test_witnesses_are_the_earliest),
        cmocka_unit_test(test_finals_that_could_not_be_read),
        cmocka_unit_test(test_contention_reasons),
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_overlap_of_the_dead),
        cmocka_unit_test(test_no_overlap),
        cmocka_unit_test(test_idle_worker_and_once),
        cmocka_unit_test(test_count_outcomes),
        cmocka_unit_test(test_zero_bound),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_counter_core),
        cmocka_unit_test(test_register_core),
        cmocka_unit_test(test_a_million_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
