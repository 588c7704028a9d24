/* SPDX-License-Identifier: Apache-2.0
 *
 * strategies: what each one that keeps no RAM promises, step by step: naive, inc, occ,
 * lock_document and lock_release. Rivals act exactly between two commands (rehearsal.h). The
 * acceptance lists are those of facts/seed-systems.md, section 6, upstream's own tests among them.
 * labels: unit stress
 */
#include "rehearsal.h"

/* A rival who sets n to 100 just before the first update. */
static enum fate overtake(struct session *session, const struct command_request *request, int nth)
{
    if (request->kind == STEP_UPDATE && nth == 1)
        alter(session, "counters", "{\"_id\": 0}", "{\"$set\": {\"n\": 100}}");
    return PASS;
}

static enum fate lose_first_update(struct session *session, const struct command_request *request,
                                   int nth)
{
    (void)session;
    return request->kind == STEP_UPDATE && nth == 1 ? LOSE_REQUEST : PASS;
}

static enum fate lose_first_reply(struct session *session, const struct command_request *request,
                                  int nth)
{
    (void)session;
    return request->kind == STEP_UPDATE && nth == 1 ? LOSE_REPLY : PASS;
}

/* naive ---------------------------------------------------------------------------------------- */

static void naive_is_overtaken(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == DONE);
    EXPECT(counter(session, "n") == 6); /* the rival's 100 is gone, and nobody was told */
}

static void test_naive_overwrites_who_came_between(void **state)
{
    (void)state;
    play("naive", naive_is_overtaken, overtake);
}

static void naive_takes_what_comes(struct session *session, const struct cell *cell)
{
    (void)cell;
    struct edit both = edit_of(add);
    both.count = 2;
    EXPECT(try(session, both) == DONE); /* absent: created */
    EXPECT(counter(session, "n") == 1);
    EXPECT(edit_number(get(session, "counters", "{\"_id\": 1}"), "n", 0) == 1);
    struct edit old = edit_of(add);
    old.base = 77;
    old.once = 1;
    old.effect = true;
    EXPECT(try(session, old) == DONE && try(session, old) == DONE);
    EXPECT(counter(session, "n") == 3);
    EXPECT(get(session, "effects", "{\"once\": 1}") != NULL);
    EXPECT(try(session, edit_of(NULL)) == DONE);
    EXPECT(try(session, edit_of(say_already)) == NOTHING);
    EXPECT(try(session, edit_of(say_not_yet)) == BUSY);
    EXPECT(try(session, edit_of(refuse)) == FAILED);
    EXPECT(counter(session, "n") == 3);
}

static enum fate refuse_second_update(struct session *session,
                                      const struct command_request *request, int nth)
{
    (void)session;
    return request->kind == STEP_UPDATE && nth == 2 ? REFUSE : PASS;
}

static void naive_writes_half(struct session *session, const struct cell *cell)
{
    (void)cell;
    struct edit both = edit_of(add);
    both.count = 2;
    EXPECT(try(session, both) == UNKNOWN); /* FAILED would say that nothing was written */
    EXPECT(counter(session, "n") == 1);
}

static void test_naive_accepts_everything(void **state)
{
    (void)state;
    play("naive", naive_takes_what_comes, NULL);
    play("naive", naive_writes_half, refuse_second_update);
}

/* inc ------------------------------------------------------------------------------------------ */

static void inc_is_overtaken(struct session *session, const struct cell *cell)
{
    (void)cell;
    bson_t *operators = bson_new_from_json((const uint8_t *)"{\"$inc\": {\"n\": 1}}", -1, NULL);
    struct edit edit = edit_of(NULL);
    edit.operators = operators;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    tap.counts[STEP_INSERT] = 0;
    tap.counts[STEP_FIND] = 0;
    EXPECT(try(session, edit) == DONE);
    EXPECT(tap.counts[STEP_UPDATE] == 1 && tap.counts[STEP_FIND] == 0);
    EXPECT(counter(session, "n") == 101);
    edit.key[0].id = 7;
    EXPECT(try(session, edit) == DONE); /* absent: created */
    EXPECT(edit_number(get(session, "counters", "{\"_id\": 7}"), "n", 0) == 1);
    EXPECT(try(session, edit_of(NULL)) == DONE);  /* a read */
    EXPECT(try(session, edit_of(add)) == FAILED); /* cannot be said as operators */
    bson_destroy(operators);
}

static void test_inc_adds_to_whatever_is_there(void **state)
{
    (void)state;
    play("inc", inc_is_overtaken, overtake);
}

/* occ ------------------------------------------------------------------------------------------ */

static void occ_counts_versions(struct session *session, const struct cell *cell)
{
    (void)cell;
    for (int64_t version = 0; version < 3; version++) {
        EXPECT(try(session, edit_of(add)) == DONE);
        EXPECT(counter(session, "version") == version);
    }
    EXPECT(counter(session, "n") == 3);
}

/* The seed's test: two copies of one document, the second save is refused. */
static void occ_refuses_stale_save(struct session *session, const struct cell *cell)
{
    (void)cell;
    struct edit seen_first = edit_of(add);
    put(session, "counters", "{\"_id\": 0, \"n\": 5, \"version\": 3}");
    seen_first.base = 3;
    EXPECT(try(session, seen_first) == DONE);
    EXPECT(counter(session, "version") == 4);
    EXPECT(try(session, seen_first) == CONFLICT);
    EXPECT(try(session, seen_first) == CONFLICT); /* and stays refused */
    EXPECT(counter(session, "n") == 6 && counter(session, "version") == 4);
    seen_first.key[0].id = 9;
    EXPECT(try(session, seen_first) == CONFLICT); /* deleted meanwhile */
}

static void occ_asks_the_edit_first(struct session *session, const struct cell *cell)
{
    (void)cell;
    struct edit edit = edit_of(say_already);
    put(session, "counters", "{\"_id\": 0, \"n\": 5, \"version\": 3}");
    edit.base = 2;
    EXPECT(try(session, edit) == NOTHING);
    edit.change = say_not_yet;
    EXPECT(try(session, edit) == BUSY);
    edit.change = refuse;
    EXPECT(try(session, edit) == FAILED);
    edit.change = NULL;
    EXPECT(try(session, edit) == DONE);
    EXPECT(tap.counts[STEP_UPDATE] == 0);
}

static void test_occ_versions(void **state)
{
    (void)state;
    play("occ", occ_counts_versions, NULL);
    play("occ", occ_refuses_stale_save, NULL);
    play("occ", occ_asks_the_edit_first, NULL);
}

/* Before the first update or insert somebody else makes a whole attempt. */
static enum fate rival_first(struct session *session, const struct command_request *request,
                             int nth)
{
    if ((request->kind == STEP_UPDATE || request->kind == STEP_INSERT) && nth == 1)
        EXPECT(rival_tries(session, edit_of(add)) == DONE);
    return PASS;
}

static void occ_is_overtaken(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(try(session, edit_of(add)) == CONFLICT); /* two create: one insert wins */
    EXPECT(counter(session, "n") == 1 && counter(session, "version") == 0);
    tap.counts[STEP_INSERT] = 2;
    EXPECT(try(session, edit_of(add)) == CONFLICT);
    EXPECT(counter(session, "n") == 2 && counter(session, "version") == 1);
    EXPECT(try(session, edit_of(add)) == DONE);
    EXPECT(counter(session, "n") == 3 && counter(session, "version") == 2);
}

static void occ_without_version(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == CONFLICT); /* the rival upgraded it first */
    EXPECT(counter(session, "n") == 6 && counter(session, "version") == 1);
}

static enum change set_version(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    (void)edit, (void)was;
    BSON_APPEND_INT64(is[0], "_id", 0);
    BSON_APPEND_INT64(is[0], "version", 77);
    return CHANGED;
}

static void occ_owns_the_version(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(try(session, edit_of(set_version)) == DONE && counter(session, "version") == 0);
    EXPECT(try(session, edit_of(set_version)) == DONE && counter(session, "version") == 1);
}

static void test_occ_conflicts(void **state)
{
    (void)state;
    play("occ", occ_is_overtaken, rival_first);
    play("occ", occ_without_version, rival_first);
    play("occ", occ_owns_the_version, NULL);
}

static void write_without_answer(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5, \"version\": 0}");
    struct edit edit = edit_of(add);
    edit.effect = true;
    EXPECT(try(session, edit) == UNKNOWN);
    EXPECT(counter(session, "n") == (tap.hook == lose_first_reply ? 6 : 5));
    EXPECT(get(session, "effects", "{}") == NULL);
}

static void test_write_without_answer_is_unknown(void **state)
{
    static const char *const names[] = {"naive", "occ", "lock_document"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        play(names[i], write_without_answer, lose_first_reply);
        play(names[i], write_without_answer, lose_first_update);
    }
}

/* lock_document -------------------------------------------------------------------------------- */

#define LOCK_0 "{\"_id\": \"counters/0\"}"

static int64_t lock_field(struct session *session, const char *field)
{
    const bson_t *lock = get(session, "locks", LOCK_0);
    bson_iter_t iter;
    if (lock != NULL && bson_iter_init_find(&iter, lock, field) && BSON_ITER_HOLDS_DATE_TIME(&iter))
        return bson_iter_date_time(&iter);
    return edit_number(lock, field, -1);
}

/* While the section writes: the lock is held, by the server's clock, and a second one is BUSY. */
static enum fate look_at_the_lock(struct session *session, const struct command_request *request,
                                  int nth)
{
    if (request->kind != STEP_UPDATE || nth != 1)
        return PASS;
    int64_t left_ms = lock_field(session, "expires") - session_now_ms(session);
    EXPECT(lock_field(session, "owner") > 0 && left_ms > 29000 && left_ms <= 30000);
    EXPECT(rival_tries(session, edit_of(add)) == BUSY);
    EXPECT(rival_tries(session, edit_of(NULL)) == DONE); /* a reader needs no lock */
    return PASS;
}

static void lock_document_holds(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == DONE);
    EXPECT(counter(session, "n") == 6);
    EXPECT(lock_field(session, "owner") == -1 && lock_field(session, "expires") == -1);
    EXPECT(lock_field(session, "fence") == 1);
    EXPECT(try(session, edit_of(add)) == DONE && lock_field(session, "fence") == 2);
    EXPECT(try(session, edit_of(refuse)) == FAILED);
    EXPECT(try(session, edit_of(say_already)) == NOTHING);
    EXPECT(lock_field(session, "owner") == -1 && lock_field(session, "fence") == 4);
    int taken = tap.counts[STEP_FIND_AND_MODIFY];
    EXPECT(try(session, edit_of(NULL)) == DONE && tap.counts[STEP_FIND_AND_MODIFY] == taken);
}

static void lock_document_expires(struct session *session, const struct cell *cell)
{
    (void)cell; /* a holder died: free after its lease, not before; the fence goes on */
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == DONE);
    alter(session, "locks", LOCK_0,
          "{\"$set\": {\"owner\": 1}, \"$currentDate\": {\"expires\": true}}");
    alter(session, "locks", LOCK_0, "{\"$set\": {\"fence\": 9}}");
    session_sleep_until(session, session_now_ms(session) + 2);
    EXPECT(try(session, edit_of(add)) == DONE && lock_field(session, "fence") == 10);
    alter(session, "locks", LOCK_0,
          "{\"$set\": {\"owner\": 1, \"expires\": {\"$date\": \"2100-01-01T00:00:00Z\"}}}");
    EXPECT(try(session, edit_of(add)) == BUSY);
    EXPECT(counter(session, "n") == 7 && lock_field(session, "owner") == 1);
}

/* While the section writes somebody takes the lock, as if the lease had run out. */
static enum fate steal(struct session *session, const struct command_request *request, int nth)
{
    if (request->kind == STEP_UPDATE && nth == 1)
        alter(session, "locks", LOCK_0, "{\"$set\": {\"owner\": 99}}");
    return PASS;
}

static void lock_document_is_late(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == DONE);
    EXPECT(lock_field(session, "owner") == 99); /* the late release has freed nothing */
    EXPECT(lock_field(session, "expires") > 0);
}

static void test_lock_document_lease(void **state)
{
    (void)state;
    play("lock_document", lock_document_holds, look_at_the_lock);
    play("lock_document", lock_document_expires, NULL);
    play("lock_document", lock_document_is_late, steal);
}

static enum fate lose_obtained(struct session *session, const struct command_request *request,
                               int nth)
{
    (void)session;
    return request->kind == STEP_FIND_AND_MODIFY && nth == 1 ? LOSE_REPLY : PASS;
}

static enum fate duplicate_lock(struct session *session, const struct command_request *request,
                                int nth)
{
    (void)session, (void)nth;
    return request->kind == STEP_FIND_AND_MODIFY ? DUPLICATE : PASS;
}

static void lock_document_is_busy(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(try(session, edit_of(add)) == BUSY);
    const bson_t *lock = get(session, "locks", LOCK_0);
    EXPECT(lock == NULL || !bson_has_field(lock, "owner"));
    EXPECT(counter(session, "n") == -2);
}

static void test_lock_document_failing_to_obtain_holds_nothing(void **state)
{
    (void)state;
    play("lock_document", lock_document_is_busy, lose_obtained);
    play("lock_document", lock_document_is_busy, duplicate_lock);
}

/* Both locks are taken in the order of their keys, whichever way the edit names them. */
static enum fate see_order(struct session *session, const struct command_request *request, int nth)
{
    bson_iter_t id;
    (void)session;
    if (request->kind == STEP_FIND_AND_MODIFY && bson_iter_init_find(&id, request->filter, "_id"))
        EXPECT(strcmp(bson_iter_utf8(&id, NULL), nth % 2 ? "counters/0" : "counters/1") == 0);
    return PASS;
}

static void lock_document_locks_two(struct session *session, const struct cell *cell)
{
    (void)cell;
    struct edit both = edit_of(add);
    both.count = 2;
    both.key[0] = second_key;
    both.key[1] = first_key;
    EXPECT(try(session, both) == DONE);
    EXPECT(counter(session, "n") == 1);
    EXPECT(get(session, "locks", "{\"owner\": {\"$exists\": true}}") == NULL);
    alter(session, "locks", "{\"_id\": \"counters/1\"}",
          "{\"$set\": {\"owner\": 1, \"expires\": {\"$date\": \"2100-01-01T00:00:00Z\"}}}");
    EXPECT(try(session, both) == BUSY);
    EXPECT(lock_field(session, "owner") == -1 && counter(session, "n") == 1);
}

static void test_lock_document_two(void **state)
{
    (void)state;
    play("lock_document", lock_document_locks_two, see_order);
}

/* lock_release --------------------------------------------------------------------------------- */

static int64_t locked_ms(struct session *session)
{
    bson_iter_t iter;
    const bson_t *found = get(session, "counters", "{\"_id\": 0}");
    return bson_iter_init_find(&iter, found, "locked") && BSON_ITER_HOLDS_DATE_TIME(&iter)
               ? bson_iter_date_time(&iter)
               : -1;
}

/* While the holder works: `locked` lies in the future, a second one gets nothing, an ordinary
 * writer is not stopped. */
static enum fate look_while_locked(struct session *session, const struct command_request *request,
                                   int nth)
{
    if (request->kind != STEP_UPDATE || nth != 1)
        return PASS;
    EXPECT(locked_ms(session) > session_now_ms(session) + 29000);
    EXPECT(rival_tries(session, edit_of(add)) == BUSY);
    EXPECT(rival_tries(session, edit_of(NULL)) == DONE);
    alter(session, "counters", "{\"_id\": 0}", "{\"$set\": {\"other\": 4}}");
    return PASS;
}

/* Upstream's: locks when unlocked, refuses when locked, of two one succeeds, release frees. */
static void lock_release_holds(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}"); /* older than the plugin: no `locked` */
    EXPECT(try(session, edit_of(add)) == DONE);
    EXPECT(counter(session, "n") == 6 && counter(session, "other") == 4);
    EXPECT(locked_ms(session) == 0 && counter(session, "lockedBy") == -1);
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "n") == 7);
    EXPECT(try(session, edit_of(refuse)) == FAILED);
    EXPECT(try(session, edit_of(say_not_yet)) == BUSY);
    EXPECT(locked_ms(session) == 0 && counter(session, "lockedBy") == -1);
    alter(session, "counters", "{\"_id\": 0}", "{\"$currentDate\": {\"locked\": true}}");
    EXPECT(try(session, edit_of(add)) == DONE); /* the boundary: locked until now */
}

/* The holder pauses past its lease; somebody else does the whole thing meanwhile. */
static enum fate outlive_the_lease(struct session *session, const struct command_request *request,
                                   int nth)
{
    if (request->kind != STEP_UPDATE || nth != 1)
        return PASS;
    session_sleep_until(session, session_now_ms(session) + 5);
    EXPECT(rival_tries(session, edit_of(add)) == DONE);
    return PASS;
}

static void lock_release_is_late(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == CONFLICT);
    EXPECT(counter(session, "n") == 6);
}

static void lock_release_resolves(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    bool lost = tap.hook == lose_first_update;
    EXPECT(try(session, edit_of(add)) == (lost ? BUSY : UNKNOWN)); /* BUSY: surely not written */
    EXPECT(counter(session, "n") == (lost ? 5 : 6));
    EXPECT(locked_ms(session) == 0 && counter(session, "lockedBy") == -1);
}

static void lock_release_is_busy(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == BUSY);
    EXPECT(locked_ms(session) == 0 && counter(session, "lockedBy") == -1);
}

static void test_lock_release_lease(void **state)
{
    (void)state;
    play("lock_release", lock_release_holds, look_while_locked);
    rehearse(&(struct rehearsal){.strategy = "lock_release",
                                 .work = lock_release_is_late,
                                 .hook = outlive_the_lease,
                                 .lease_ms = 1});
    play("lock_release", lock_release_resolves, lose_first_update);
    play("lock_release", lock_release_resolves, lose_first_reply);
    play("lock_release", lock_release_is_busy, lose_obtained);
}

static void lock_release_once(struct session *session, const struct cell *cell)
{
    (void)cell;
    struct edit tick = edit_of(add);
    tick.once = 3;
    tick.effect = true;
    EXPECT(try(session, tick) == DONE); /* absent: created, and marked */
    EXPECT(try(session, tick) == NOTHING);
    EXPECT(counter(session, "n") == 1);
    tick.once = 4;
    EXPECT(try(session, tick) == DONE && try(session, tick) == NOTHING);
    EXPECT(counter(session, "n") == 2 && counter(session, "processed") == 4);
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "processed") == 4);
    int64_t gone;
    EXPECT(session_delete_one(session, "effects", session_document(session), &gone) == DONE &&
           gone);
    EXPECT(session_delete_one(session, "effects", session_document(session), &gone) == DONE &&
           gone);
    EXPECT(session_delete_one(session, "effects", session_document(session), &gone) == DONE &&
           !gone);
}

static void lock_release_creates(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(try(session, edit_of(add)) == CONFLICT); /* the rival's insert was first */
    EXPECT(counter(session, "n") == 1);
}

static void test_lock_release_once_and_absent(void **state)
{
    (void)state;
    play("lock_release", lock_release_once, NULL);
    play("lock_release", lock_release_creates, rival_first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_naive_overwrites_who_came_between),
        cmocka_unit_test(test_naive_accepts_everything),
        cmocka_unit_test(test_inc_adds_to_whatever_is_there),
        cmocka_unit_test(test_occ_versions),
        cmocka_unit_test(test_occ_conflicts),
        cmocka_unit_test(test_write_without_answer_is_unknown),
        cmocka_unit_test(test_lock_document_lease),
        cmocka_unit_test(test_lock_document_failing_to_obtain_holds_nothing),
        cmocka_unit_test(test_lock_document_two),
        cmocka_unit_test(test_lock_release_lease),
        cmocka_unit_test(test_lock_release_once_and_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
