/* SPDX-License-Identifier: Apache-2.0
 *
 * scenarios: each with strategies that must break it and that must not, over both transports; what
 * the judges say of whole runs, hazards of the bus included; and the tests that the seeds have, by
 * their names. What the judges are made of has tests of its own (test_checker_*.c).
 * labels: unit
 */
#include "support.h"

/* A cell of this scenario with settings that suit it: 8 workers, 400 operations. */
static struct cell cell_of(const char *scenario, const char *strategy, enum transport transport)
{
    struct cell cell = support_cell(scenario_find(scenario), strategy_find(strategy), transport);
    cell.workers = 8;
    cell.ops = 400;
    cell.tick_ms = transport == TRANSPORT_DIRECT ? 5000 : 40;
    cell.jitter_ms = 10;
    cell.lease_ms = 1000;
    return cell;
}

static struct verdict verdict_of(const struct cell *cell)
{
    struct cell_result result = support_run(cell);
    struct verdict verdict = result.verdict;
    cell_result_free(&result);
    return verdict;
}

static void with_instances(struct cell *cell, int32_t instances)
{
    cell->instances = instances;
    cell->hazards |= HAZARD_BIT(instances);
}

/* Convictions and acquittals ------------------------------------------------------------------- */

static const struct trial {
    const char *scenario, *strategy;
    int32_t instances;
    unsigned hazards;
    enum reason reason; /* NONE: held */
} trials[] = {
    {"cron_tick", "naive", 4, 0, REASON_REPEATED},
    {"cron_tick", "lock_document_compat", 4, 0, REASON_REPEATED},
    {"cron_tick", "claim", 4, 0, REASON_NONE},
    {"cron_tick", "lock_release", 4, 0, REASON_NONE},
    {"once_only", "naive", 1, 0, REASON_REPEATED},
    {"once_only", "lock_release", 2, 0, REASON_NONE},
    {"once_only", "claim", 2, 0, REASON_NONE},
    {"stale_save", "naive", 1, 0, REASON_LOST_UPDATE},
    {"stale_save", "occ", 1, 0, REASON_NONE},
    {"stale_save", "occ", 4, 0, REASON_NONE},
    {"snapshot", "naive", 1, 0, REASON_LOST_UPDATE},
    {"snapshot", "file_naive", 2, 0, REASON_TORN},
    {"snapshot", "file_lock", 1, 0, REASON_NONE},
    {"snapshot", "file_lock", 2, 0, REASON_NONE},
    {"snapshot", "inc", 1, 0, REASON_NONE},
    {"snapshot", "live_object", 1, 0, REASON_NONE},
    {"transfer", "naive", 1, 0, REASON_LOST_UPDATE},
    {"transfer", "lock_document", 1, 0, REASON_NONE},
    {"transfer", "lock_document", 4, 0, REASON_NONE},
    {"transfer", "fenced_lease", 4, 0, REASON_NONE},
    {"ticket_events", "naive", 1, 0, REASON_LOST_UPDATE},
    {"ticket_events", "occ", 1, 0, REASON_NONE},
    {"ticket_events", "occ", 2, HAZARD_BIT(duplicates) | HAZARD_BIT(reordering), REASON_NONE},
    {"ticket_events", "occ", 1, HAZARD_BIT(lost_reply), REASON_NONE},
    {"ticket_events", "occ", 2, HAZARD_BIT(crash), REASON_NONE},
    {"ticket_events", "occ_compat", 1, HAZARD_BIT(reordering), REASON_NONE},
    {"ticket_events", "occ_compat", 1, HAZARD_BIT(duplicates), REASON_NEVER_ACKED},
};

static void try_all(enum transport transport)
{
    for (size_t i = 0; i < COUNT_OF(trials); i++) {
        const struct trial *trial = &trials[i];
        struct cell cell = cell_of(trial->scenario, trial->strategy, transport);
        if (trial->instances > 1)
            with_instances(&cell, trial->instances);
        cell.hazards |= trial->hazards;
        struct verdict verdict = verdict_of(&cell);
        enum status status = trial->reason == REASON_NONE ? HELD : BROKEN;
        if (verdict.status != status || verdict.reason != trial->reason)
            fail_msg("%s with %s, %d instances, hazards %x, %s: %s, %s", trial->scenario,
                     trial->strategy, trial->instances, trial->hazards, transport_name(transport),
                     status_name(verdict.status), reason_name(verdict.reason));
        assert_true(status == HELD || verdict.witness_count > 0);
    }
}

static void every_trial_ends_as_it_must_direct(void **state)
{
    (void)state;
    try_all(TRANSPORT_DIRECT);
}

static void every_trial_ends_as_it_must_driver(void **state)
{
    (void)state;
    try_all(TRANSPORT_DRIVER);
}

/* naive breaks every scenario that it can do, and each property that it can break is counted. */
static void naive_is_broken_everywhere(void **state)
{
    unsigned broken = 0;
    (void)state;
    for (size_t i = 0; scenarios[i] != NULL; i++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            struct cell cell = cell_of(scenarios[i]->name, "naive", TRANSPORT_DIRECT);
            cell.seed = seed;
            struct verdict verdict = verdict_of(&cell);
            assert_int_equal(verdict.status, BROKEN);
            const struct counts *counts = &verdict.counts;
            broken |= (unsigned)(counts->lost > 0) << LOST |
                      (unsigned)(counts->repeated > 0) << REPEATED |
                      (unsigned)(counts->missed > 0) << MISSED |
                      (unsigned)(counts->skewed > 0) << SKEWED;
            for (int p = 0; p < verdict.witness_count; p++)
                assert_true((scenarios[i]->checks >> verdict.witnesses[p].property & 1) != 0);
        }
    assert_int_equal(broken, 1u << LOST | 1u << REPEATED | 1u << MISSED | 1u << SKEWED);
}

/* The absent start, for all who can. */
static void documents_may_be_absent_at_the_start(void **state)
{
    static const char *const pairs[][2] = {
        {"snapshot", "file_lock"}, {"snapshot", "occ"},          {"snapshot", "live_object"},
        {"stale_save", "occ"},     {"ticket_events", "occ"},     {"transfer", "lock_document"},
        {"snapshot", "inc"},       {"once_only", "lock_release"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct cell cell = cell_of(pairs[i][0], pairs[i][1], TRANSPORT_DIRECT);
        cell.unseeded = true;
        struct verdict verdict = verdict_of(&cell);
        if (verdict.status != HELD)
            fail_msg("%s with %s unseeded: %s, %s", pairs[i][0], pairs[i][1],
                     status_name(verdict.status), reason_name(verdict.reason));
    }
}

/* A strategy of the test: each document that it writes is guarded by its version, like occ, and the
 * one that it only reads is not. Nothing is lost by that, and still it is wrong. */
static enum outcome guard_each(struct session *session, void *shared, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    for (int i = 0; i < edit->count; i++)
        if (session_find(session, "accounts", session_key(session, &edit->key[i]), &was[i]) != DONE)
            return BUSY;
    enum outcome outcome = edit_run(session, edit, was, is);
    for (int i = 0; outcome == DONE && i < edit->count; i++) {
        if (is[i] == NULL)
            continue;
        bson_t *filter = session_key(session, &edit->key[i]);
        BSON_APPEND_INT64(filter, "balance", edit_number(was[i], "balance", 0));
        if (edit_stamp(was[i]) != 0)
            BSON_APPEND_INT64(filter, EDIT_STAMP, edit_stamp(was[i]));
        struct modify modify = {"accounts", filter, edit_update(session, was[i], is[i]),
                                NULL,       NULL,   false,
                                false,      false};
        struct written written;
        outcome = session_update_one(session, &modify, &written);
        if (outcome == DONE && written.matched == 0)
            outcome = i == 0 ? CONFLICT : UNKNOWN;
    }
    return outcome;
}

static void write_skew_is_seen_where_nothing_is_lost(void **state)
{
    static const struct strategy guarded = {.name = "guarded",
                                            .help = "each document by itself",
                                            .can = CAN_CHANGE | CAN_TWO_DOCUMENTS,
                                            .apply = guard_each};
    (void)state;
    struct cell cell = cell_of("transfer", "naive", TRANSPORT_DIRECT);
    cell.strategy[0] = &guarded;
    struct verdict verdict = verdict_of(&cell);
    assert_int_equal(verdict.status, BROKEN);
    assert_int_equal(verdict.reason, REASON_SKEWED);
    assert_int_equal(verdict.counts.lost, 0);
    assert_true(verdict.counts.skewed >= 2);
    assert_int_equal(verdict.witnesses[0].property, SKEWED);
}

/* A strategy of the test: writes the parts of a document one after the other. */
static enum outcome write_by_parts(struct session *session, void *shared, const struct edit *edit)
{
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX] = {NULL};
    (void)shared;
    bson_t *key = session_key(session, &edit->key[0]);
    if (session_find(session, "records", key, &was[0]) != DONE)
        return BUSY;
    enum outcome outcome = edit_run(session, edit, was, is);
    bson_t *half = session_document(session), set;
    struct written written;
    if (outcome != DONE || is[0] == NULL)
        return outcome;
    BSON_APPEND_DOCUMENT_BEGIN(half, "$set", &set);
    BSON_APPEND_INT64(&set, "a", edit_number(is[0], "a", 0));
    bson_append_document_end(half, &set);
    struct modify modify = {.collection = "records", .filter = key, .update = half};
    outcome = session_update_one(session, &modify, &written);
    modify.update = edit_update(session, was[0], is[0]);
    return outcome == DONE ? session_update_one(session, &modify, &written) : outcome;
}

static void numbers_that_differ_are_torn(void **state)
{
    static const struct strategy by_parts = {.name = "by_parts",
                                             .help = "one number after the other",
                                             .can = CAN_CHANGE,
                                             .apply = write_by_parts};
    (void)state;
    struct cell cell = cell_of("snapshot", "naive", TRANSPORT_DIRECT);
    cell.strategy[0] = &by_parts;
    struct verdict verdict = verdict_of(&cell);
    assert_int_equal(verdict.reason, REASON_TORN);
    assert_true(verdict.counts.torn > 10);
}

/* The second copy wipes out what the first one saved, and both are named. */
static void a_stale_save_that_is_accepted_names_its_victim(void **state)
{
    (void)state;
    struct cell cell = cell_of("stale_save", "naive", TRANSPORT_DIRECT);
    cell.workers = 1;
    cell.ops = 4;
    struct cell_result result = support_run(&cell);
    const struct verdict *verdict = &result.verdict;
    assert_int_equal(verdict->reason, REASON_LOST_UPDATE);
    assert_int_equal(verdict->counts.final, 1);
    assert_int_equal(verdict->counts.lost, 1);
    assert_true(verdict->lost_by_identity);
    assert_int_equal(verdict->witnesses[0].victim, result.history.events[2].operation);
    assert_int_equal(verdict->witnesses[0].culprit, result.history.events[3].operation);
    cell_result_free(&result);
}

/* A bus that nobody can serve must end all the same: every edit is refused. */
static enum outcome refuse(struct session *session, void *shared, const struct edit *edit)
{
    (void)session, (void)shared, (void)edit;
    return CONFLICT;
}

static void events_that_nobody_takes_are_parked(void **state)
{
    static const struct strategy refusing = {.name = "refusing",
                                             .help = "never",
                                             .can = CAN_CHANGE | CAN_BASE,
                                             .apply = refuse};
    (void)state;
    for (enum transport t = TRANSPORT_DRIVER; t <= TRANSPORT_DIRECT; t++) {
        struct cell cell = cell_of("ticket_events", "naive", t);
        cell.strategy[0] = &refusing;
        cell.workers = 2;
        cell.ops = 8;
        struct verdict verdict = verdict_of(&cell);
        assert_int_equal(verdict.reason, REASON_NEVER_ACKED);
        assert_int_equal(verdict.counts.missed, 16); /* 8 never acknowledged, and never applied */
    }
}

static void one_seed_gives_one_history(void **state)
{
    (void)state;
    for (size_t i = 0; scenarios[i] != NULL; i++) {
        uint64_t hash[2];
        for (int round = 0; round < 2; round++) {
            struct cell cell = cell_of(scenarios[i]->name, "naive", TRANSPORT_DIRECT);
            struct cell_result result = support_run(&cell);
            hash[round] = history_hash(&result.history, true);
            cell_result_free(&result);
        }
        assert_int_equal(hash[0], hash[1]);
    }
}

/* The seeds' own tests ------------------------------------------------------------------------- */

static struct {
    bson_t *document[32]; /* the final ones of a watched run */
    int64_t count;
} seen;

static void watch(const struct record *record, struct verdict *verdict)
{
    checker_count(record, verdict);
    seen.count = record->final_count < 32 ? record->final_count : 32;
    for (int64_t i = 0; i < seen.count; i++)
        seen.document[i] = record->documents[i] != NULL ? bson_copy(record->documents[i]) : NULL;
}

static void forget(void)
{
    for (int64_t i = 0; i < seen.count; i++)
        bson_destroy(seen.document[i]);
    memset(&seen, 0, sizeof(seen));
}

static int64_t number(int64_t id, const char *field)
{
    return edit_number(seen.document[id], field, -1);
}

/* Seed 001: a counter, 100 edits at once, in a file. */
static void seed_001_100_increments(void **state)
{
    (void)state;
    struct cell cell = cell_of("counter", "file_lock", TRANSPORT_DIRECT);
    cell.workers = 100;
    cell.ops = 100;
    assert_int_equal(verdict_of(&cell).counts.final, 100);
    cell.strategy[0] = strategy_find("file_naive");
    cell.strategy_name = "file_naive";
    assert_true(verdict_of(&cell).counts.final < 100);
}

/* Seed 002: 3 instances, 60 ticks, timers up to 10 ms apart. */
static void seed_002_one_increment_per_tick(void **state)
{
    (void)state;
    struct cell cell = cell_of("cron_tick", "lock_document_compat", TRANSPORT_DIRECT);
    cell.workers = 3;
    cell.ops = 180;
    with_instances(&cell, 3);
    struct verdict verdict = verdict_of(&cell);
    assert_int_equal(verdict.counts.expected_max, 60);
    assert_in_range(verdict.counts.final, 61, 180);
    assert_int_equal(verdict.counts.repeated, verdict.counts.final - 60);
    cell.strategy[0] = strategy_find("claim");
    verdict = verdict_of(&cell);
    assert_int_equal(verdict.status, HELD);
    assert_int_equal(verdict.counts.final, 60);
}

/* A lease that lasts past the next tick: a holder that dies late keeps out all who come for that
 * one, they go home, and nobody does it. No bug of the lock: the tick itself must be claimed. That
 * is why broken locks are not judged by ticks on a wall clock. */
static void lease_past_the_next_tick(void **state)
{
    (void)state;
    struct cell cell = cell_of("cron_tick", "lock_release", TRANSPORT_DIRECT);
    with_instances(&cell, 8);
    cell.hazards |= HAZARD_BIT(crash);
    cell.ops = 640;
    cell.tick_ms = 100;
    cell.lease_ms = 150;
    assert_int_equal(verdict_of(&cell).reason, REASON_MISSED);
    cell.lease_ms = 50;
    assert_int_equal(verdict_of(&cell).status, HELD);
    cell.lease_ms = 150;
    cell.strategy[0] = strategy_find("claim");
    cell.strategy_name = "claim";
    assert_int_equal(verdict_of(&cell).status, HELD);
}

/* All timers count from one moment: who asks for tick k does so at k ticks after it, at most the
 * jitter late (and a virtual step or two). */
static void ticks_come_at_their_time(void **state)
{
    (void)state;
    struct cell cell = cell_of("cron_tick", "claim", TRANSPORT_DIRECT);
    struct cell_result result = support_run(&cell);
    for (size_t i = 0; i < result.history.count; i++) {
        const struct event *event = &result.history.events[i];
        int64_t late_ns = event->invoke_ns - event->once * cell.tick_ms * 1000000;
        assert_in_range(late_ns + 5000000, 0, (cell.jitter_ms + 10) * 1000000);
    }
    cell_result_free(&result);
}

/* Seed 003: processed "once and only once", however many are told to. */
static void seed_003_one_effect_an_order(void **state)
{
    (void)state;
    struct cell cell = cell_of("once_only", "lock_release", TRANSPORT_DIRECT);
    struct verdict verdict = verdict_of(&cell);
    assert_int_equal(verdict.status, HELD);
    assert_int_equal(verdict.counts.final, 50);
    assert_int_equal(verdict.counts.acked, 50);
    cell.workers = 1; /* in a series: the second is told that it is done */
    cell.ops = 1;
    assert_int_equal(verdict_of(&cell).counts.acked, 1);
}

/* More effects than come in one answer. */
static void all_effects_are_read_back(void **state)
{
    (void)state;
    struct cell cell = cell_of("once_only", "claim", TRANSPORT_DIRECT);
    cell.workers = 2;
    cell.ops = 24000;
    struct verdict verdict = verdict_of(&cell);
    assert_int_equal(verdict.status, HELD);
    assert_int_equal(verdict.counts.final, 12000);
}

/* Seed 004, "implements OCC": two copies, the first save goes through, the second is refused. */
static void seed_004_implements_occ(void **state)
{
    static const enum outcome expected[] = {DONE, DONE, DONE, CONFLICT};
    (void)state;
    struct cell cell = cell_of("stale_save", "occ", TRANSPORT_DIRECT);
    cell.workers = 1;
    cell.ops = 4;
    struct cell_result result = support_run(&cell);
    assert_int_equal(result.history.count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(result.history.events[i].outcome, expected[i]);
    cell_result_free(&result);
}

static enum change as_it_is(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    if (was[0] != NULL)
        bson_concat(is[0], was[0]);
    else
        BSON_APPEND_INT64(is[0], "_id", edit->key[0].id);
    return CHANGED;
}

static void save_unchanged(struct session *session, const struct cell *cell)
{
    const struct edit edit = {.key = {{"tickets", 0}},
                              .count = 1,
                              .change = as_it_is,
                              .base = EDIT_ANY};
    (void)cell;
    while (worker_next(session))
        worker_apply(session, &edit, NULL);
}

/* Seed 004, "increments version by 1": 0, 1, 2 over three unchanged saves. */
static void seed_004_increments_version_by_1(void **state)
{
    (void)state;
    for (int64_t saves = 1; saves <= 3; saves++) {
        struct scenario watched = *scenario_find("stale_save");
        watched.work = save_unchanged;
        watched.judge = watch;
        struct cell cell = cell_of("stale_save", "occ", TRANSPORT_DIRECT);
        cell.scenario = &watched;
        cell.unseeded = true;
        cell.workers = 1;
        cell.ops = saves;
        verdict_of(&cell);
        assert_int_equal(number(0, "version"), saves - 1);
        forget();
    }
}

/* Runs ticket_events unseeded and watches one collection: `count` documents, _id from 0. */
static int64_t documents_10(const struct cell *cell)
{
    (void)cell;
    return 10;
}

static void watch_events(const char *collection, int64_t events)
{
    struct scenario watched = *scenario_find("ticket_events");
    watched.judge = watch;
    watched.collection = collection;
    watched.documents = documents_10;
    struct cell cell = cell_of("ticket_events", "occ", TRANSPORT_DIRECT);
    cell.scenario = &watched;
    cell.unseeded = true;
    cell.workers = 2;
    cell.ops = events;
    verdict_of(&cell);
}

/* Seed 004, ticket:created: "creates and saves a ticket". */
static void seed_004_creates_and_saves_a_ticket(void **state)
{
    (void)state;
    watch_events("tickets", 2); /* versions 0 and 1 */
    assert_non_null(seen.document[0]);
    assert_int_equal(number(0, "changes"), 2);
    assert_null(seen.document[1]);
    forget();
}

/* Seed 004, ticket:updated: "finds, updates and saves a ticket": version, title and price are those
 * of the last event. */
static void seed_004_finds_updates_and_saves(void **state)
{
    bson_iter_t title;
    (void)state;
    watch_events("tickets", 4);
    assert_int_equal(number(0, "version"), 3);
    assert_int_equal(number(0, "price"), 1003);
    assert_true(bson_iter_init_find(&title, seen.document[0], "title"));
    assert_string_equal(bson_iter_utf8(&title, NULL), "ticket 0, version 3");
    forget();
}

/* Seed 004, both listeners: "acks the message": nothing but the publisher's mark stays behind. */
static void seed_004_acks_the_message(void **state)
{
    (void)state;
    watch_events("bus", 4);
    assert_non_null(seen.document[0]);
    for (int i = 1; i < 10; i++)
        assert_null(seen.document[i]);
    forget();
}

static void put_on_bus(struct session *session, int64_t id, int64_t version)
{
    bson_t event = BSON_INITIALIZER;
    BSON_APPEND_INT64(&event, "_id", id);
    BSON_APPEND_INT64(&event, "number", 1);
    BSON_APPEND_INT64(&event, "ticket", 0);
    BSON_APPEND_INT64(&event, "version", version);
    if (id != 0)
        BSON_APPEND_INT64(&event, "visible", 0);
    BSON_APPEND_INT64(&event, "deliveries", 0);
    session_insert_one(session, "bus", &event);
    bson_destroy(&event);
}

/* Version 10 arrives at a replica that is at 0. Worker 1 is the consumer; worker 0 closes the bus
 * long after the event has been delivered as often as it can be. */
static void skip_versions(struct session *session, const struct cell *cell)
{
    if (session_worker(session) == 0) {
        session_sleep_until(session, session_now_ms(session) + 10000);
        put_on_bus(session, 0, 0);
        return;
    }
    put_on_bus(session, 2, 10);
    scenario_find("ticket_events")->work(session, cell);
}

/* Seed 004: "does not call ack if the event is out of sync". */
static void seed_004_does_not_ack_out_of_sync(void **state)
{
    static const char *const strategies_of_it[] = {"occ", "occ_compat"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(strategies_of_it); i++) {
        struct scenario watched = *scenario_find("ticket_events");
        watched.judge = watch;
        watched.work = skip_versions;
        struct cell cell = cell_of("ticket_events", strategies_of_it[i], TRANSPORT_DIRECT);
        cell.scenario = &watched;
        cell.workers = 2;
        struct cell_result result = support_run(&cell);
        assert_int_equal(result.history.count, 12); /* the limit: an ack would have ended it */
        for (size_t e = 0; e < result.history.count; e++)
            assert_true(result.history.events[e].outcome == CONFLICT ||
                        result.history.events[e].outcome == BUSY);
        assert_int_equal(result.history.events[11].detail, 1);
        assert_int_equal(number(0, "version"), 0);
        cell_result_free(&result);
        forget();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_trial_ends_as_it_must_direct),
        cmocka_unit_test(every_trial_ends_as_it_must_driver),
        cmocka_unit_test(naive_is_broken_everywhere),
        cmocka_unit_test(documents_may_be_absent_at_the_start),
        cmocka_unit_test(write_skew_is_seen_where_nothing_is_lost),
        cmocka_unit_test(numbers_that_differ_are_torn),
        cmocka_unit_test(a_stale_save_that_is_accepted_names_its_victim),
        cmocka_unit_test(events_that_nobody_takes_are_parked),
        cmocka_unit_test(one_seed_gives_one_history),
        cmocka_unit_test(seed_001_100_increments),
        cmocka_unit_test(seed_002_one_increment_per_tick),
        cmocka_unit_test(lease_past_the_next_tick),
        cmocka_unit_test(ticks_come_at_their_time),
        cmocka_unit_test(seed_003_one_effect_an_order),
        cmocka_unit_test(all_effects_are_read_back),
        cmocka_unit_test(seed_004_implements_occ),
        cmocka_unit_test(seed_004_increments_version_by_1),
        cmocka_unit_test(seed_004_creates_and_saves_a_ticket),
        cmocka_unit_test(seed_004_finds_updates_and_saves),
        cmocka_unit_test(seed_004_acks_the_message),
        cmocka_unit_test(seed_004_does_not_ack_out_of_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
