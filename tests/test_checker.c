/* SPDX-License-Identifier: Apache-2.0
 *
 * test_checker: small histories by hand, and what checker_updates() says of them: every reason, and
 * every lie of a harness that a history can show (facts/reliability.md, section 7). How to read a
 * history: checker_support.h. A verdict reads "broken lost-update lost 1; lost A by B at 0": A's
 * update is gone, B overwrote it, both had read version 0; "by sum": not every name is known.
 * labels: unit
 */
#include "checker_support.h"

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

    {"never more than were acknowledged", "A 0-5 * write done; = -5 A",
     "broken lost-update lost 1 by sum"},
    {"somebody who does not stamp keeps the number",
     "A 0-5 0 write done; B 6-9 A write done; = 2 0", "held by sum"},

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
    {"two versions of one name: what is behind it is not known",
     "B 1-9 0 write done x1; A 4-20 B write done again x2; D 0-3 * write done x1; C 6-30 A write "
     "done "
     "x1; = 3 C",
     "broken lost-update lost 1 doubled 1 by sum; doubled A by - at B"},
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
    sketch_read(&sketch, "A 0-5 0 write done +0#1; B 6-9 A write done; = 40 B; = 2 A");
    sketch.record.initial_value = 21; /* moved from one to the other: no sum of their own */
    checker_count(&sketch.record, &verdict);
    checker_updates(&sketch.record, &verdict);
    assert_int_equal(verdict.counts.expected_min, 42);
    assert_int_equal(verdict.counts.expected_max, 42);
    assert_int_equal(verdict.counts.final, 42);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_witness_is_complete),
        cmocka_unit_test(test_expected_bounds),
        cmocka_unit_test(test_witnesses_are_the_earliest),
        cmocka_unit_test(test_finals_that_could_not_be_read),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
