/* SPDX-License-Identifier: Apache-2.0
 *
 * strategies_compat: the seeds' systems as upstream made them, bit for bit, holes included: each
 * hole is played once and on purpose. Upstream's own five tests of mongoose-lock-release by their
 * names. And the rule for all of them: each is convicted by a stock scenario.
 * labels: unit
 */
#include "matrix.h"
#include "rehearsal.h"

#include <math.h>

#define CRON "{\"_id\": \"cron\"}"

/* How many updates of lock_document_compat's start come before the first of an edit. */
enum { AT_START = 2 };

/* live_object_compat --------------------------------------------------------------------------- */

static enum fate refuse_first_save(struct session *session, const struct command_request *request,
                                   int nth)
{
    (void)session;
    return request->kind == STEP_UPDATE && nth == 1 ? REFUSE : PASS;
}

static void failed_save_comes_true(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == FAILED);
    EXPECT(counter(session, "n") == 5);
    EXPECT(try(session, edit_of(add)) == DONE);
    EXPECT(counter(session, "n") == 7); /* the one that "failed" as well */
}

static void test_live_object_failed_save_comes_true(void **state)
{
    (void)state;
    play("live_object_compat", failed_save_comes_true, refuse_first_save);
}

/* lock_document_compat ------------------------------------------------------------------------- */

static double expires(struct session *session)
{
    bson_iter_t iter;
    const bson_t *lock = get(session, "locks", CRON);
    return lock != NULL && bson_iter_init_find(&iter, lock, "expires") ? bson_iter_as_double(&iter)
                                                                       : -1;
}

static bool is_owned(struct session *session)
{
    bson_iter_t iter;
    const bson_t *lock = get(session, "locks", CRON);
    return lock != NULL && bson_iter_init_find(&iter, lock, "owner") &&
           !BSON_ITER_HOLDS_NULL(&iter);
}

/* Obtained for ever; dated by a second command, by _id alone; a second one gets nothing. */
static enum fate look_between_the_steps(struct session *session,
                                        const struct command_request *request, int nth)
{
    if (request->kind != STEP_UPDATE)
        return PASS;
    if (nth == AT_START + 1) {
        EXPECT(is_owned(session) && isinf(expires(session)));
        EXPECT(bson_count_keys(request->modify.filter) == 1);
    } else if (nth == AT_START + 2) { /* the section writes */
        double left_ms = expires(session) - (double)session_now_ms(session);
        EXPECT(left_ms > 29000 && left_ms <= 30000);
        EXPECT(rival_tries(session, edit_of(add)) == BUSY);
    } else if (nth == AT_START + 3) {
        EXPECT(bson_count_keys(request->modify.filter) == 1); /* released by _id alone */
    }
    return PASS;
}

static void obtains_in_two_steps(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "n") == 6);
    EXPECT(!is_owned(session) && expires(session) > 0); /* free: the expiry stays behind */
    EXPECT(tap.counts[STEP_UPDATE] == AT_START + 3);
}

static void test_lock_document_two_steps(void **state)
{
    (void)state;
    play("lock_document_compat", obtains_in_two_steps, look_between_the_steps);
}

static enum fate steal(struct session *session, const struct command_request *request, int nth)
{
    if (request->kind == STEP_UPDATE && nth == AT_START + 2)
        alter(session, "locks", CRON, "{\"$set\": {\"owner\": 99}}");
    return PASS;
}

static void frees_the_thiefs_lock(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == DONE);
    EXPECT(!is_owned(session)); /* 99 held it */
}

static void start_frees_the_holder(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    alter(session, "locks", CRON, "{\"$set\": {\"owner\": 7, \"expires\": 1e300}}");
    EXPECT(try(session, edit_of(add)) == BUSY); /* held */
    session->strategy->setup(session);
    EXPECT(!is_owned(session));
    EXPECT(try(session, edit_of(add)) == DONE);
    alter(session, "locks", CRON, "{\"$set\": {\"owner\": 7, \"expires\": 1}}");
    EXPECT(try(session, edit_of(add)) == DONE); /* expired: obtainable */
    int64_t gone;
    EXPECT(session_delete_one(session, "locks", json(session, CRON), &gone) == DONE && gone == 1);
    EXPECT(try(session, edit_of(add)) == BUSY); /* no lock: never, and nobody is told */
    EXPECT(counter(session, "n") == 7);
}

static void test_lock_document_holes(void **state)
{
    (void)state;
    play("lock_document_compat", frees_the_thiefs_lock, steal);
    play("lock_document_compat", start_frees_the_holder, NULL);
}

/* lock_release_compat: upstream's tests.js ----------------------------------------------------- */

static int64_t locked_ms(struct session *session)
{
    bson_iter_t iter;
    const bson_t *found = get(session, "counters", "{\"_id\": 0}");
    return bson_iter_init_find(&iter, found, "locked") ? bson_iter_date_time(&iter) : -1;
}

static enum fate look_while_locked(struct session *session, const struct command_request *request,
                                   int nth)
{
    if (request->kind != STEP_UPDATE || nth != 1)
        return PASS;
    EXPECT(locked_ms(session) > session_now_ms(session) + 29000);
    EXPECT(rival_tries(session, edit_of(add)) == BUSY);  /* no error, and no lock */
    EXPECT(rival_tries(session, edit_of(NULL)) == DONE); /* advisory: readers are not stopped */
    return PASS;
}

static const char unlocked[] = "{\"_id\": 0, \"n\": 5, \"locked\": {\"$date\": 1000}}";

static void locks_and_releases(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", unlocked);
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "n") == 6);
    EXPECT(locked_ms(session) <= session_now_ms(session) && locked_ms(session) > 1000);
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "n") == 7);
}

static void test_seed_003_locks_an_unlocked_document(void **state)
{
    (void)state;
    play("lock_release_compat", locks_and_releases, look_while_locked);
}

static void refuses_a_locked_one(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5, \"locked\": {\"$date\": 4102444800000}}");
    EXPECT(try(session, edit_of(add)) == BUSY);
    EXPECT(locked_ms(session) == 4102444800000 && counter(session, "n") == 5);
}

static void test_seed_003_refuses_a_locked_document(void **state)
{
    (void)state;
    play("lock_release_compat", refuses_a_locked_one, NULL);
}

static void release_gives_the_document_back(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", unlocked);
    EXPECT(try(session, edit_of(refuse)) == FAILED); /* nothing to save; released all the same */
    EXPECT(locked_ms(session) <= session_now_ms(session) && counter(session, "n") == 5);
    EXPECT(tap.counts[STEP_UPDATE] == 1);
}

static void test_seed_003_releases(void **state)
{
    (void)state;
    play("lock_release_compat", release_gives_the_document_back, NULL);
}

static int succeeded;

/* The lock command of each is on its way for as long as the other's. */
static void lock_in_parallel(struct session *session, const struct cell *cell)
{
    (void)cell;
    if (session_worker(session) == 0)
        put(session, "counters", unlocked);
    else
        session_sleep_until(session, session_now_ms(session) + 1);
    enum outcome outcome = try(session, edit_of(add));
    EXPECT(outcome == DONE || outcome == BUSY);
    succeeded += outcome == DONE;
}

static void test_seed_003_one_of_two_parallel_locks(void **state)
{
    (void)state;
    succeeded = 0;
    rehearse(&(struct rehearsal){.strategy = "lock_release_compat",
                                 .work = lock_in_parallel,
                                 .latency_us = 5000,
                                 .workers = 2});
    assert_int_equal(succeeded, 1);
}

/* The first holder outlives its lease of 1 ms; a second locks, works and releases meanwhile. */
static enum fate outlive_the_lease(struct session *session, const struct command_request *request,
                                   int nth)
{
    if (request->kind != STEP_UPDATE || nth != 1)
        return PASS;
    session_sleep_until(session, session_now_ms(session) + 5);
    EXPECT(rival_tries(session, edit_of(add)) == DONE);
    alter(session, "counters", "{\"_id\": 0}",
          "{\"$set\": {\"locked\": {\"$date\": 4102444800000}}}");
    return PASS;
}

static void locks_after_the_lease(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", unlocked);
    EXPECT(try(session, edit_of(add)) == DONE);
    EXPECT(counter(session, "n") == 6); /* two increments: the second holder's is overwritten */
    EXPECT(locked_ms(session) <= session_now_ms(session)); /* and the third one's lock is off */
}

static void test_seed_003_locks_again_after_the_lease(void **state)
{
    (void)state;
    rehearse(&(struct rehearsal){.strategy = "lock_release_compat",
                                 .work = locks_after_the_lease,
                                 .hook = outlive_the_lease,
                                 .lease_ms = 1});
}

static void never_lockable(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(try(session, edit_of(add)) == BUSY); /* missing: the same answer as locked */
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    for (int i = 0; i < 3; i++)
        EXPECT(try(session, edit_of(add)) == BUSY);
    EXPECT(counter(session, "n") == 5);
}

static void test_lock_release_older_documents(void **state)
{
    (void)state;
    play("lock_release_compat", never_lockable, NULL);
}

/* occ_compat ----------------------------------------------------------------------------------- */

static enum change unchanged(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    (void)edit;
    bson_concat(is[0], was[0]);
    return CHANGED;
}

static enum change version_seven(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    (void)edit, (void)was;
    BSON_APPEND_INT64(is[0], "_id", 0);
    BSON_APPEND_INT64(is[0], "version", 7);
    return CHANGED;
}

static void plugin_versions(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(try(session, edit_of(version_seven)) == DONE);
    EXPECT(counter(session, "version") == 0); /* whatever was set */
    EXPECT(try(session, edit_of(unchanged)) == DONE);
    EXPECT(counter(session, "version") == 1); /* a save without changes counts as well */
    struct edit event = edit_of(add);
    event.base = 1;
    EXPECT(try(session, event) == DONE && counter(session, "version") == 2);
    EXPECT(try(session, event) == BUSY); /* a duplicate: thrown, never acknowledged */
    event.base = 5;
    EXPECT(try(session, event) == BUSY); /* too early: the same answer */
    EXPECT(counter(session, "n") == 1 && counter(session, "version") == 2);
}

static void versions_upgrade(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "version") == 1);
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "version") == 2);
    EXPECT(counter(session, "n") == 7);
}

static void test_occ_plugin(void **state)
{
    (void)state;
    play("occ_compat", plugin_versions, NULL);
    play("occ_compat", versions_upgrade, NULL);
}

/* All of them ---------------------------------------------------------------------------------- */

/* The cell of a row of the table of convictions, small. */
static struct cell conviction_cell(const struct conviction *row)
{
    const struct strategy *strategy = strategy_find(row->strategy);
    struct cell cell = support_cell(scenario_find(row->scenario), strategy, TRANSPORT_DIRECT);
    cell.workers = 8;
    cell.ops = 2000;
    cell.instances = row->instances > 0 ? row->instances : 1;
    cell.hazards |= row->hazards | (cell.instances > 1 ? HAZARD_BIT(instances) : 0);
    cell.tick_ms = 5000;
    cell.jitter_ms = row->jitter_ms > 0 ? row->jitter_ms : 10;
    cell.lease_ms = row->lease_ms > 0 ? row->lease_ms : 1000;
    cell.max_tries = row->max_tries > 0 ? row->max_tries : cell.max_tries;
    cell.work_us = row->work_us;
    for (int i = 0; i < HAZARD_COUNT; i++)
        cell.hazard[i].times = row->times;
    cell.hazard[HAZARD_INDEX_crash].amount = row->dead_us;
    return cell;
}

static bool is_convicted(const char *name)
{
    bool convicted = false;
    for (const struct conviction *row = matrix_convictions; row->strategy != NULL; row++) {
        if (strcmp(row->strategy, name) != 0)
            continue;
        struct cell cell = conviction_cell(row);
        struct cell_result result = support_run(&cell);
        convicted |= result.verdict.status == BROKEN;
        cell_result_free(&result);
    }
    return convicted;
}

/* live_object_compat is convicted by its failed saves: what it calls failed comes true later, which
 * no row of the matrix needs to say. */
static bool fails_falsely(const char *name)
{
    struct cell cell =
        support_cell(scenario_find("counter"), strategy_find(name), TRANSPORT_DIRECT);
    cell.workers = 8;
    cell.ops = 2000;
    cell.hazards |= HAZARD_BIT(error);
    struct cell_result result = support_run(&cell);
    bool broken = result.verdict.status == BROKEN;
    cell_result_free(&result);
    return broken;
}

static void test_every_compat_is_convicted(void **state)
{
    int compats = 0;
    (void)state;
    for (size_t i = 0; strategies[i] != NULL; i++) {
        const char *name = strategies[i]->name, *end = strstr(name, "_compat");
        if (end == NULL)
            continue;
        compats++;
        if (!is_convicted(name) && !fails_falsely(name))
            fail_msg("%s is convicted by no stock scenario", name);
    }
    assert_true(compats >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_object_failed_save_comes_true),
        cmocka_unit_test(test_lock_document_two_steps),
        cmocka_unit_test(test_lock_document_holes),
        cmocka_unit_test(test_seed_003_locks_an_unlocked_document),
        cmocka_unit_test(test_seed_003_refuses_a_locked_document),
        cmocka_unit_test(test_seed_003_releases),
        cmocka_unit_test(test_seed_003_one_of_two_parallel_locks),
        cmocka_unit_test(test_seed_003_locks_again_after_the_lease),
        cmocka_unit_test(test_lock_release_older_documents),
        cmocka_unit_test(test_occ_plugin),
        cmocka_unit_test(test_every_compat_is_convicted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
