/* SPDX-License-Identifier: Apache-2.0
 *
 * checker_snapshot: who saw half of a document. Each rule from a hand-made record: what a reader
 * noted, files that could not be read, documents that were there and are not, and the final ones;
 * then random records against the rules said the plain way. labels: unit checker
 */
#include "checker_support.h"

#include "scenario.h"

static bool is_whole(const bson_t *document)
{
    return edit_number(document, "a", -1) == edit_number(document, "b", -2);
}

static const struct strategy in_files = {.name = "in_files", .home = HOME_FILES};
static const struct strategy in_database = {.name = "in_database", .home = HOME_DATABASE};

/* A record of one document; `sketch` holds the events. */
static struct verdict judge(struct sketch *sketch, const bson_t *document)
{
    struct verdict verdict = {.status = HELD};
    const bson_t *documents[] = {document};
    sketch->record.documents = documents;
    sketch->record.final_count = 1;
    if (sketch->cell.strategy[0] == NULL)
        sketch->cell.strategy[0] = &in_database;
    checker_snapshot(&sketch->record, is_whole, &verdict);
    return verdict;
}

static bson_t *pair(int64_t a, int64_t b)
{
    bson_t *document = bson_new();
    BSON_APPEND_INT64(document, "a", a);
    BSON_APPEND_INT64(document, "b", b);
    return document;
}

static void what_a_reader_noted_counts(void **state)
{
    struct sketch sketch;
    bson_t *whole = pair(1, 1);
    (void)state;
    sketch_read(&sketch, "A 0-5 0 write done; B 2-3 0 read done; = 1 A");
    struct verdict verdict = judge(&sketch, whole);
    assert_int_equal(verdict.status, HELD);
    assert_int_equal(verdict.counts.torn, 0);
    sketch.events[1].detail = SNAPSHOT_TORN;
    verdict = judge(&sketch, whole);
    assert_int_equal(verdict.status, BROKEN);
    assert_int_equal(verdict.reason, REASON_TORN);
    assert_int_equal(verdict.counts.torn, 1);
    assert_int_equal(verdict.witnesses[0].property, TORN);
    assert_int_equal(verdict.witnesses[0].victim, sketch.events[1].operation);
    assert_int_equal(verdict.witnesses[0].culprit, sketch.events[0].operation);
    sketch.events[0].detail = SNAPSHOT_TORN; /* a writer that read half */
    assert_int_equal(judge(&sketch, whole).counts.torn, 2);
    bson_destroy(whole);
}

static void a_file_that_cannot_be_read_is_torn(void **state)
{
    struct sketch sketch;
    bson_t *whole = pair(1, 1);
    (void)state;
    sketch_read(&sketch, "A 0-5 0 write done; B 2-3 0 read failed; = 1 A");
    assert_int_equal(judge(&sketch, whole).status, HELD); /* a database that refuses */
    sketch.cell.strategy[0] = &in_files;
    assert_int_equal(judge(&sketch, whole).counts.torn, 1);
    sketch.record.interrupted = true;
    assert_int_equal(judge(&sketch, whole).status, HELD);
    bson_destroy(whole);
}

static void absent_counts_once_it_was_there(void **state)
{
    struct sketch sketch;
    bson_t *whole = pair(1, 1);
    (void)state;
    sketch_read(&sketch, "A 0-5 0 write done; B 3-4 0 read done; C 6-7 0 read done; = 1 A");
    sketch.events[1].detail = sketch.events[2].detail = SNAPSHOT_ABSENT;
    assert_int_equal(judge(&sketch, whole).counts.torn, 2); /* it was seeded */
    sketch.cell.unseeded = true;
    struct verdict verdict = judge(&sketch, whole);
    assert_int_equal(verdict.counts.torn, 1);
    assert_int_equal(verdict.witnesses[0].victim, sketch.events[2].operation);
    sketch.events[0].outcome = UNKNOWN;
    assert_int_equal(judge(&sketch, whole).status, HELD);
    bson_destroy(whole);
}

static void the_final_document_counts(void **state)
{
    struct sketch sketch;
    bson_t *half = pair(2, 1);
    (void)state;
    sketch_read(&sketch, "A 0-5 0 write done; = 1 A");
    struct verdict verdict = judge(&sketch, half);
    assert_int_equal(verdict.counts.torn, 1);
    assert_int_equal(verdict.witnesses[0].victim, 0);
    assert_int_equal(verdict.witnesses[0].culprit, sketch.events[0].operation);
    assert_int_equal(judge(&sketch, NULL).counts.torn, 1); /* gone */
    sketch.cell.unseeded = true;
    assert_int_equal(judge(&sketch, NULL).counts.torn, 1); /* it was written */
    sketch.events[0].outcome = CONFLICT;
    assert_int_equal(judge(&sketch, NULL).counts.torn, 0); /* it never was there */
    bson_destroy(half);
}

/* Against the rules said plainly --------------------------------------------------------------- */

static bool plainly_torn(const struct sketch *sketch, const struct event *reader)
{
    if (reader->outcome == FAILED)
        return sketch->cell.strategy[0]->home == HOME_FILES;
    if (reader->detail != SNAPSHOT_ABSENT)
        return reader->detail == SNAPSHOT_TORN;
    if (!sketch->cell.unseeded)
        return true;
    for (size_t i = 0; i < sketch->record.event_count; i++) {
        const struct event *writer = &sketch->events[i];
        if (writer->key[0] == reader->key[0] && !writer->reads_only && writer->outcome == DONE &&
            writer->return_ns < reader->invoke_ns)
            return true;
    }
    return false;
}

static void agrees_with_the_rules(void **state)
{
    uint64_t first = seed(), histories = setting("RACEBENCH_TEST_HISTORIES", 5000);
    (void)state;
    for (uint64_t n = 0; n < histories; n++) {
        struct sketch sketch;
        struct random random;
        random_seed(&random, first + n);
        sketch_read(&sketch, "");
        sketch.cell.strategy[0] = chance(&random, 50) ? &in_files : &in_database;
        sketch.cell.unseeded = chance(&random, 50);
        sketch.record.event_count = 1 + random_below(&random, 20);
        int64_t invoke_ns = 0, torn = 0;
        for (size_t i = 0; i < sketch.record.event_count; i++) {
            invoke_ns += (int64_t)random_below(&random, 5);
            sketch.events[i] =
                (struct event){.invoke_ns = invoke_ns,
                               .return_ns = invoke_ns + (int64_t)random_below(&random, 9),
                               .operation = OPERATION_ID(0, i + 1),
                               .key = {(int64_t)random_below(&random, 3), -1},
                               .reads_only = chance(&random, 50),
                               .detail = (int64_t)random_below(&random, 3),
                               .outcome = (enum outcome)random_below(&random, OUTCOME_COUNT)};
        }
        for (size_t i = 0; i < sketch.record.event_count; i++)
            torn += plainly_torn(&sketch, &sketch.events[i]);
        struct verdict verdict = {.status = HELD};
        checker_snapshot(&sketch.record, is_whole, &verdict);
        if (verdict.counts.torn != torn || (verdict.status == HELD) != (torn == 0))
            fail_msg("RACEBENCH_TEST_SEED=%llu: torn %lld, not %lld",
                     (unsigned long long)(first + n), (long long)verdict.counts.torn,
                     (long long)torn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_reader_noted_counts),
        cmocka_unit_test(a_file_that_cannot_be_read_is_torn),
        cmocka_unit_test(absent_counts_once_it_was_there),
        cmocka_unit_test(the_final_document_counts),
        cmocka_unit_test(agrees_with_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
