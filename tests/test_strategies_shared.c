/* SPDX-License-Identifier: Apache-2.0
 *
 * strategies_shared: the strategies that keep RAM or files: live_object, file_lock and file_naive,
 * step by step; then every strategy against the counter, over fibers and over threads, with what it
 * claims. The acceptance lists are those of facts/seed-systems.md, section 6.
 * labels: unit stress
 */
#include "claims.h"
#include "rehearsal.h"

enum { SAVE_MS = 50 };

static int finished; /* workers of the present rehearsal that are through */

static void sleep_ms(struct session *session, int64_t ms)
{
    session_sleep_until(session, session_now_ms(session) + ms);
}

/* live_object ---------------------------------------------------------------------------------- */

static void increment_once(struct session *session, const struct cell *cell)
{
    EXPECT(try(session, edit_of(add)) == DONE);
    if (++finished < cell->workers)
        return;
    EXPECT(counter(session, "n") == cell->workers);
    EXPECT(tap.counts[STEP_UPDATE] == (cell->workers > 1 ? 2 : 1));
    EXPECT(tap.counts[STEP_FIND] == 1); /* one loader */
    EXPECT(tap.saving_max == 1 && !tap.altered);
}

static void test_hundred_writes_at_once_are_two_saves(void **state)
{
    (void)state;
    for (int32_t workers = 1; workers <= 100; workers += 99) {
        finished = 0;
        rehearse(&(struct rehearsal){.strategy = "live_object",
                                     .work = increment_once,
                                     .latency_us = SAVE_MS * 1000,
                                     .workers = workers});
    }
}

static void increment_often(struct session *session, const struct cell *cell)
{
    for (int i = 0; i < 20; i++)
        EXPECT(try(session, edit_of(add)) == DONE);
    if (++finished == cell->workers)
        EXPECT(counter(session, "n") == 20 * cell->workers);
}

static void test_one_save_in_flight_under_load(void **state)
{
    (void)state;
    for (int64_t latency_us = 0; latency_us < 3000; latency_us += 700) {
        finished = 0;
        rehearse(&(struct rehearsal){.strategy = "live_object",
                                     .work = increment_often,
                                     .latency_us = latency_us,
                                     .work_us = latency_us / 3,
                                     .workers = 20});
        assert_int_equal(tap.saving_max, 1);
        assert_false(tap.altered);
    }
}

static enum fate refuse_first_save(struct session *session, const struct command_request *request,
                                   int nth)
{
    if (request->kind != STEP_UPDATE || nth != 1)
        return PASS;
    sleep_ms(session, SAVE_MS);
    return REFUSE;
}

static enum fate lose_first_save(struct session *session, const struct command_request *request,
                                 int nth)
{
    if (request->kind != STEP_UPDATE || nth != 1)
        return PASS;
    sleep_ms(session, SAVE_MS);
    return LOSE_REQUEST;
}

/* Worker 0's save fails while the others' changes are queued behind it. */
static void save_fails(struct session *session, const struct cell *cell)
{
    bool refused = tap.hook == refuse_first_save;
    sleep_ms(session, session_worker(session) > 0 ? 10 : 0);
    enum outcome outcome = try(session, edit_of(add));
    if (session_worker(session) == 0)
        EXPECT(outcome == (refused ? FAILED : UNKNOWN));
    else
        EXPECT(outcome == (refused ? CONFLICT : DONE));
    if (++finished < cell->workers)
        return;
    EXPECT(counter(session, "n") == (refused ? -2 : 3));
    EXPECT(try(session, edit_of(add)) == DONE);
    EXPECT(counter(session, "n") == (refused ? 1 : 4)); /* no phantom, and nothing vanished */
}

static void test_failed_save_leaves_no_phantom(void **state)
{
    (void)state;
    finished = 0;
    rehearse(&(struct rehearsal){
        .strategy = "live_object", .work = save_fails, .hook = refuse_first_save, .workers = 3});
    finished = 0;
    rehearse(&(struct rehearsal){
        .strategy = "live_object", .work = save_fails, .hook = lose_first_save, .workers = 3});
}

static enum fate lose_then_refuse(struct session *session, const struct command_request *request,
                                  int nth)
{
    (void)session;
    if (request->kind != STEP_UPDATE)
        return PASS;
    return nth == 1 ? LOSE_REQUEST : nth == 2 ? REFUSE : PASS;
}

/* After an unknown save the object goes back to what may be stored, and no further. */
static void save_in_doubt(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(try(session, edit_of(add)) == UNKNOWN);
    EXPECT(try(session, edit_of(add)) == FAILED);
    EXPECT(counter(session, "n") == -2);
    EXPECT(try(session, edit_of(NULL)) == DONE); /* a reader decides what was left open */
    EXPECT(counter(session, "n") == 1 && tap.counts[STEP_UPDATE] == 3);
    EXPECT(try(session, edit_of(NULL)) == DONE && tap.counts[STEP_UPDATE] == 3);
}

static void leave_in_doubt(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(try(session, edit_of(add)) == UNKNOWN);
}

static void test_save_in_doubt_is_repeated(void **state)
{
    (void)state;
    play("live_object", save_in_doubt, lose_then_refuse);
    play("live_object", leave_in_doubt, lose_first_save);
    assert_int_equal(tap.counts[STEP_UPDATE], 2); /* teardown's */
}

/* Worker 1 sees worker 0's change before it is stored, and is told nothing until it is. */
static void reader_waits(struct session *session, const struct cell *cell)
{
    (void)cell;
    int64_t started_ms = session_now_ms(session);
    if (session_worker(session) == 0) {
        EXPECT(try(session, edit_of(add)) == (tap.hook == NULL ? DONE : FAILED));
        return;
    }
    sleep_ms(session, tap.hook == NULL ? SAVE_MS + 10 : 10);
    struct edit edit = edit_of(session_worker(session) == 1 ? NULL : say_already);
    enum outcome outcome = try(session, edit);
    EXPECT(session_now_ms(session) - started_ms >= (tap.hook == NULL ? 2 : 1) * SAVE_MS - 2);
    if (tap.hook != NULL)
        EXPECT(outcome == BUSY);
    else
        EXPECT(outcome == (edit.change == NULL ? DONE : NOTHING) && counter(session, "n") == 1);
}

static void mutator_refuses(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(try(session, edit_of(add)) == DONE);
    EXPECT(try(session, edit_of(refuse)) == FAILED);
    EXPECT(try(session, edit_of(say_already)) == NOTHING);
    EXPECT(try(session, edit_of(say_not_yet)) == BUSY);
    EXPECT(try(session, edit_of(NULL)) == DONE);
    EXPECT(tap.counts[STEP_UPDATE] == 1);
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "n") == 2);
    struct edit edit = edit_of(add);
    edit.effect = true;
    edit.once = 5;
    EXPECT(try(session, edit) == DONE && get(session, "effects", "{\"once\": 5}") != NULL);
}

static void test_nobody_is_told_before_it_is_stored(void **state)
{
    (void)state;
    rehearse(&(struct rehearsal){.strategy = "live_object",
                                 .work = reader_waits,
                                 .latency_us = SAVE_MS * 1000,
                                 .workers = 3});
    rehearse(&(struct rehearsal){
        .strategy = "live_object", .work = reader_waits, .hook = refuse_first_save, .workers = 3});
    play("live_object", mutator_refuses, NULL);
}

static enum fate lose_first_find(struct session *session, const struct command_request *request,
                                 int nth)
{
    (void)session;
    return request->kind == STEP_FIND && nth == 1 ? LOSE_REPLY : PASS;
}

static void load_fails(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == BUSY);
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "n") == 6);
    struct edit other = edit_of(add);
    other.key[0] = second_key;
    EXPECT(try(session, other) == DONE && counter(session, "n") == 6);
}

/* The hole that it admits to: two instances, two objects. */
static void two_objects(struct session *session, const struct cell *cell)
{
    EXPECT(try(session, edit_of(add)) == DONE);
    if (++finished == cell->workers)
        EXPECT(counter(session, "n") == 1);
}

static void live_digest(struct session *session, const struct cell *cell)
{
    (void)cell;
    uint64_t seen[3];
    struct edit edit = edit_of(add);
    for (int i = 0; i < 3; i++) {
        struct hash hash;
        edit.amount = i < 2 ? 1 : -1; /* 1, 2, 1 again, under another stamp */
        EXPECT(try(session, edit) == DONE);
        hash_init(&hash);
        session->strategy->digest(session->instance->shared[0], &hash);
        seen[i] = hash_value(&hash);
    }
    EXPECT(seen[0] != seen[1] && seen[0] == seen[2]);
}

static void test_objects_and_instances(void **state)
{
    (void)state;
    play("live_object", load_fails, lose_first_find);
    finished = 0;
    rehearse(&(struct rehearsal){.strategy = "live_object",
                                 .work = two_objects,
                                 .latency_us = SAVE_MS * 1000,
                                 .workers = 2,
                                 .instances = 2});
    play("live_object", live_digest, NULL);
}

/* Files ---------------------------------------------------------------------------------------- */

#define FILE_0 "counters.0.json"

/* Who is between the queue and the file's lock, and in which order they came. */
static struct {
    int readers, writers, readers_max;
    int order[16], count;
} doorway;

static bool slow_lock(struct session *session)
{
    enum lock_mode mode = session->lock_mode;
    int *inside = mode == LOCK_SHARED ? &doorway.readers : &doorway.writers;
    doorway.order[doorway.count++] = session_worker(session);
    EXPECT(doorway.writers == 0 && (mode == LOCK_SHARED || doorway.readers == 0));
    if (++*inside > doorway.readers_max && mode == LOCK_SHARED)
        doorway.readers_max = *inside;
    transport_direct.clock->sleep_us(session, 20000);
    --*inside;
    return transport_direct.files->lock(session);
}

/* Worker w comes w ms after the first: writer, reader, reader, writer, reader, other document. */
static void queue_up(struct session *session, const struct cell *cell)
{
    (void)cell;
    int32_t self = session_worker(session);
    struct edit edit = edit_of(self % 3 == 0 ? add : NULL);
    sleep_ms(session, self);
    EXPECT(try(session, edit) == DONE);
}

static void test_file_queue_is_fair(void **state)
{
    (void)state;
    struct file_table files = files_in_memory;
    files.lock = slow_lock;
    memset(&doorway, 0, sizeof(doorway));
    rehearse(&(struct rehearsal){
        .strategy = "file_lock", .work = queue_up, .workers = 6, .files = &files});
    assert_int_equal(doorway.count, 6);
    for (int i = 0; i < doorway.count; i++)
        assert_int_equal(doorway.order[i], i); /* the writer 3 was not passed by the reader 4 */
    assert_int_equal(doorway.readers_max, 2);
}

static void write_text(struct session *session, const char *text)
{
    EXPECT(session_write_file(session, FILE_0, WRITE_IN_PLACE, text, strlen(text)) == DONE);
}

static int64_t file_counter(struct session *session)
{
    const char *text;
    size_t length;
    EXPECT(session_read_file(session, FILE_0, &text, &length) == DONE);
    return text != NULL ? edit_number(session_parse(session, text, length), "n", -1) : -2;
}

static void files_one_by_one(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(file_counter(session) == -2);
    EXPECT(try(session, edit_of(NULL)) == DONE);
    EXPECT(try(session, edit_of(add)) == DONE && file_counter(session) == 1);
    EXPECT(try(session, edit_of(add)) == DONE && file_counter(session) == 2);
    EXPECT(try(session, edit_of(refuse)) == FAILED && file_counter(session) == 2);
    EXPECT(try(session, edit_of(say_already)) == NOTHING);
    EXPECT(try(session, edit_of(say_not_yet)) == BUSY);
    static const char *const corrupt[] = {"", "{\"n\": 2", "nonsense"};
    for (size_t i = 0; i < COUNT_OF(corrupt); i++) {
        write_text(session, corrupt[i]);
        EXPECT(try(session, edit_of(add)) == FAILED);
        EXPECT(try(session, edit_of(NULL)) == FAILED);
        const char *text;
        size_t length;
        EXPECT(session_read_file(session, FILE_0, &text, &length) == DONE);
        EXPECT(text != NULL && strcmp(text, corrupt[i]) == 0); /* kept, not started anew */
    }
    write_text(session, "{\"_id\": 0, \"n\": 7}");
    EXPECT(try(session, edit_of(add)) == DONE && file_counter(session) == 8);
}

static void test_torn_files_are_refused(void **state)
{
    (void)state;
    play("file_lock", files_one_by_one, NULL);
    play("file_naive", files_one_by_one, NULL);
}

static void edit_file_once(struct session *session, const struct cell *cell)
{
    EXPECT(try(session, edit_of(add)) == DONE);
    if (++finished < cell->workers)
        return;
    bool locks = session->strategy == strategy_find("file_lock");
    EXPECT(file_counter(session) == (locks ? cell->workers : 1));
}

static void test_hundred_file_edits(void **state)
{
    static const char *const names[] = {"file_lock", "file_naive"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        finished = 0;
        rehearse(&(struct rehearsal){.strategy = names[i / 2],
                                     .work = edit_file_once,
                                     .work_us = 5000,
                                     .workers = i == 2 ? 2 : 100,
                                     .instances = i == 1 ? 4 : 1});
    }
}

/* Everybody against the counter ------------------------------------------------------ */

/* Those that must be seen to lose here and now; others that claim nothing may need a hazard. */
static bool is_canary(const struct strategy *strategy, int32_t instances)
{
    return strategy == strategy_find("naive") ||
           (strategy == strategy_find("file_naive") && instances == 1) ||
           (strategy == strategy_find("live_object") && instances > 1);
}

static void count(const struct strategy *strategy, enum transport transport, int32_t instances,
                  int64_t docs, bool unseeded)
{
    struct cell cell = support_cell(scenario_find("counter"), strategy, transport);
    cell.expect = EXPECT_CLAIMS;
    cell.workers = 8;
    cell.ops = 1600;
    cell.docs = docs;
    cell.unseeded = unseeded;
    cell.instances = instances;
    cell.hazards |= instances > 1 ? HAZARD_BIT(instances) : 0;
    enum status expected = claims_expected(&cell);
    if (expected != HELD && !is_canary(strategy, instances))
        return;
    if (expected != HELD) /* its window is long enough for the others, however busy the machine */
        cell.work_us = 200;
    struct cell_result result = support_run(&cell);
    if (result.verdict.status != expected)
        print_error("%s, %s, %d instances, %d docs%s: %s (%s), final %d of %d\n", strategy->name,
                    transport_name(transport), (int)instances, (int)docs,
                    unseeded ? ", unseeded" : "", status_name(result.verdict.status),
                    reason_name(result.verdict.reason), (int)result.verdict.counts.final,
                    (int)result.verdict.counts.acked);
    assert_int_equal(result.verdict.status, expected);
    assert_int_equal(result.history.count, cell.ops);
    if (expected == HELD)
        assert_int_equal(result.verdict.counts.final, cell.ops);
    cell_result_free(&result);
}

static void count_all(enum transport transport)
{
    for (size_t i = 0; strategies[i] != NULL; i++) {
        bool creates = (strategies[i]->can & CAN_CREATE) != 0;
        count(strategies[i], transport, 1, 1, false);
        count(strategies[i], transport, 1, 3, creates);
        count(strategies[i], transport, 2, 1, false);
    }
}

static void test_counter_over_fibers(void **state)
{
    (void)state;
    count_all(TRANSPORT_DIRECT);
}

static void test_counter_over_threads(void **state)
{
    (void)state;
    count_all(TRANSPORT_DRIVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hundred_writes_at_once_are_two_saves),
        cmocka_unit_test(test_one_save_in_flight_under_load),
        cmocka_unit_test(test_failed_save_leaves_no_phantom),
        cmocka_unit_test(test_save_in_doubt_is_repeated),
        cmocka_unit_test(test_nobody_is_told_before_it_is_stored),
        cmocka_unit_test(test_objects_and_instances),
        cmocka_unit_test(test_file_queue_is_fair),
        cmocka_unit_test(test_torn_files_are_refused),
        cmocka_unit_test(test_hundred_file_edits),
        cmocka_unit_test(test_counter_over_fibers),
        cmocka_unit_test(test_counter_over_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
