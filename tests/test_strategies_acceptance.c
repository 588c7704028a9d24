/* SPDX-License-Identifier: Apache-2.0
 *
 * strategies_acceptance: those lines of the acceptance lists (facts/seed-systems.md, section 6)
 * that need more than one strategy's own steps: demos and tests of upstream, saves that hang, files
 * whose writer is killed at every system call, ticks under jitter and skew. tests/README.md says
 * which test stands for which line.
 * labels: unit slow-sanitizers
 */
#include "rehearsal.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static int finished; /* workers of the present rehearsal that are through */

static void sleep_ms(struct session *session, int64_t ms)
{
    session_sleep_until(session, session_now_ms(session) + ms);
}

/* Live object ---------------------------------------------------------------------------------- */

static void throws_after_changing(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(refuse)) == FAILED); /* it had set n to 1000 */
    EXPECT(tap.counts[STEP_UPDATE] == 0);
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "n") == 6);
}

static void throwing_mutator_is_rolled_back(void **state)
{
    (void)state;
    play("live_object", throws_after_changing, NULL);
}

enum { HANG_MS = 10000 };

/* A save that nobody answers: the transport gives it up after its time-out. */
static enum fate hang(struct session *session, const struct command_request *request, int nth)
{
    if (request->kind != STEP_UPDATE || nth != 1)
        return PASS;
    sleep_ms(session, HANG_MS);
    return LOSE_REQUEST;
}

static void write_during_the_hang(struct session *session, const struct cell *cell)
{
    int64_t started_ms = session_now_ms(session);
    sleep_ms(session, session_worker(session) > 0 ? 10 : 0);
    enum outcome outcome = try(session, edit_of(add));
    EXPECT(outcome == (session_worker(session) == 0 ? UNKNOWN : DONE));
    EXPECT(session_now_ms(session) - started_ms < 2 * HANG_MS);
    if (++finished == cell->workers)
        EXPECT(counter(session, "n") ==
               cell->workers); /* the first one's came with the next save */
}

static void hanging_save_ends_with_its_time_out(void **state)
{
    (void)state;
    finished = 0;
    rehearse(&(struct rehearsal){
        .strategy = "live_object", .work = write_during_the_hang, .hook = hang, .workers = 8});
    assert_int_equal(finished, 8);
}

enum { DEMO_WORKERS = 12, DEMO_WRITES = 501 };

/* 6,012 increments of three objects; upstream's demo prints these numbers from database and RAM. */
static void run_demo(struct session *session, const struct cell *cell)
{
    if (session_worker(session) == 0) {
        put(session, "counters", "{\"_id\": 0, \"n\": 2}");
        put(session, "counters", "{\"_id\": 1, \"n\": -1}");
        put(session, "counters", "{\"_id\": 2, \"n\": 9}");
    }
    sleep_ms(session, 1);
    for (int i = 0; i < DEMO_WRITES; i++) {
        struct edit edit = edit_of(add);
        edit.key[0].id = (session_worker(session) + i) % 3;
        EXPECT(try(session, edit) == DONE);
    }
    if (++finished < cell->workers)
        return;
    EXPECT(counter(session, "n") == 2006);
    EXPECT(edit_number(get(session, "counters", "{\"_id\": 1}"), "n", 0) == 2003);
    EXPECT(edit_number(get(session, "counters", "{\"_id\": 2}"), "n", 0) == 2013);
    EXPECT(tap.counts[STEP_UPDATE] < DEMO_WORKERS * DEMO_WRITES / 2); /* saved together */
}

static void seed_000_demo_ends_as_upstreams(void **state)
{
    (void)state;
    finished = 0;
    rehearse(&(struct rehearsal){
        .strategy = "live_object", .work = run_demo, .latency_us = 2000, .workers = DEMO_WORKERS});
}

/* Files ---------------------------------------------------------------------------------------- */

#define FILE_0 "counters.0.json"

static int64_t file_counter(struct session *session, const char *name)
{
    const char *text;
    size_t length;
    EXPECT(session_read_file(session, name, &text, &length) == DONE);
    return text != NULL ? edit_number(session_parse(session, text, length), "n", -1) : -2;
}

/* fpersist's own test: the first edit finds nothing, what it made is what is read back, a second
 * edit is given it. "Close" is the end of the instance, which every rehearsal has. */
static void edits_in_a_row(struct session *session, const struct cell *cell)
{
    (void)cell;
    EXPECT(file_counter(session, FILE_0) == -2);
    EXPECT(try(session, edit_of(add)) == DONE && file_counter(session, FILE_0) == 1);
    EXPECT(try(session, edit_of(NULL)) == DONE && session->evidence.value_read == 1);
    EXPECT(try(session, edit_of(add)) == DONE && session->evidence.value_read == 1);
    EXPECT(session->evidence.value_written == 2 && file_counter(session, FILE_0) == 2);
}

static void seed_001_edits_see_what_was_stored(void **state)
{
    (void)state;
    play("file_lock", edits_in_a_row, NULL);
    play("file_lock_compat", edits_in_a_row, NULL);
}

static bool other_is_through;

/* Worker 0 is at the file of document 0 for long; document 1 is nobody's business but its own. */
static void edit_own_document(struct session *session, const struct cell *cell)
{
    (void)cell;
    struct edit edit = edit_of(add);
    if (session_worker(session) == 1) {
        sleep_ms(session, 5); /* in any queue it would stand behind worker 0 */
        edit.key[0] = second_key;
        EXPECT(try(session, edit) == DONE);
        other_is_through = true;
        return;
    }
    EXPECT(try(session, edit) == DONE && other_is_through);
}

static bool slow_first(struct session *session)
{
    if (session_worker(session) == 0)
        transport_direct.clock->sleep_us(session, 50000);
    return transport_direct.files->lock(session);
}

static void file_keys_are_independent(void **state)
{
    struct file_table files = files_in_memory;
    (void)state;
    files.lock = slow_first;
    other_is_through = false;
    rehearse(&(struct rehearsal){
        .strategy = "file_lock", .work = edit_own_document, .workers = 2, .files = &files});
}

/* An edit that fails between two that do not. */
static void second_of_three_fails(struct session *session, const struct cell *cell)
{
    int32_t self = session_worker(session);
    sleep_ms(session, self);
    EXPECT(try(session, edit_of(self == 1 ? refuse : add)) == (self == 1 ? FAILED : DONE));
    if (++finished == cell->workers)
        EXPECT(file_counter(session, FILE_0) == 2);
}

static void failing_file_edit_leaves_value_and_queue(void **state)
{
    (void)state;
    finished = 0;
    rehearse(&(struct rehearsal){
        .strategy = "file_lock", .work = second_of_three_fails, .work_us = 5000, .workers = 3});
    assert_int_equal(finished, 3);
}

/* Where the child tells the path of its folder. */
static char *told_folder;
enum { FOLDER_MAX = 400, CALLS_MAX = 400 };

/* Stores 1 undisturbed; then, watched, makes 2 of it. */
static void be_killed(struct session *session, const struct cell *cell)
{
    (void)cell;
    if (try(session, edit_of(add)) != DONE)
        _exit(2);
    snprintf(told_folder, FOLDER_MAX, "%s", session->crew->folder);
    raise(SIGSTOP);
    if (try(session, edit_of(add)) != DONE)
        _exit(2);
    _exit(0);
}

/* Lets the child make `calls` system calls more and kills it; true when it had ended before. */
static bool kill_after(pid_t child, int calls)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    for (int stop = 0; stop < calls; stop++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return true;
        }
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    return false;
}

static int64_t stored_in(const char *folder)
{
    char text[200] = "";
    char *path = x_format("%s/" FILE_0, folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    free(path);
    bson_t *document = bson_new_from_json((const uint8_t *)text, (ssize_t)length, NULL);
    if (document == NULL)
        fail_msg("torn: '%s'", text);
    int64_t value = edit_number(document, "n", -1);
    bson_destroy(document);
    return value;
}

static void kill_9_at_every_call_leaves_old_or_new(void **state)
{
    bool over = false;
    int64_t before = 1, olds = 0, news = 0;
    (void)state;
    told_folder = mmap(NULL, FOLDER_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(told_folder, MAP_FAILED);
    for (int calls = 1; !over && calls < CALLS_MAX; calls++) {
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
                _exit(3);
            rehearse(&(struct rehearsal){.strategy = "file_lock",
                                         .work = be_killed,
                                         .files = &files_on_disk});
            _exit(4);
        }
        over = kill_after(child, calls);
        int64_t value = stored_in(told_folder);
        assert_in_range(value, before, 2); /* and once it is new it stays new */
        before = value;
        *(value == 1 ? &olds : &news) += 1;
        char *command = x_format("rm -rf '%s'", told_folder);
        assert_int_equal(system(command), 0);
        free(command);
    }
    assert_true(over && olds > 2 && news > 2);
    munmap(told_folder, FOLDER_MAX);
}

/* Leases and versions -------------------------------------------------------------------------- */

/* The holder stops past its lease; somebody else does the whole thing meanwhile. */
static enum fate outlive_the_lease(struct session *session, const struct command_request *request,
                                   int nth)
{
    if (request->kind != STEP_UPDATE || nth != 1)
        return PASS;
    sleep_ms(session, 5);
    EXPECT(rival_tries(session, edit_of(add)) == DONE);
    return PASS;
}

static void comes_back_late(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    EXPECT(try(session, edit_of(add)) == CONFLICT);
    EXPECT(counter(session, "n") == 6); /* the rival's, and no more */
    EXPECT(try(session, edit_of(add)) == DONE && counter(session, "n") == 7);
}

static void fence_refuses_who_comes_late(void **state)
{
    (void)state;
    rehearse(&(struct rehearsal){.strategy = "fenced_lease",
                                 .work = comes_back_late,
                                 .hook = outlive_the_lease,
                                 .lease_ms = 1});
}

static int64_t second_counter(struct session *session)
{
    return edit_number(get(session, "counters", "{\"_id\": 1}"), "n", 0);
}

/* Reads both, and writes into the second what both come to. */
static enum change sum_up(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    BSON_APPEND_INT64(is[1], "_id", edit->key[1].id);
    BSON_APPEND_INT64(is[1], "n", edit_number(was[0], "n", 0) + edit_number(was[1], "n", 0));
    return CHANGED;
}

static struct edit edit_of_two(enum change (*change)(const struct edit *, const bson_t *const[],
                                                     bson_t *[]))
{
    struct edit edit = edit_of(change);
    edit.count = 2;
    return edit;
}

static int64_t rival_key; /* which of the two documents is overtaken */

/* The leases are over before anything is written, and somebody else edits one of the two. */
static enum fate overtake_one(struct session *session, const struct command_request *request,
                              int nth)
{
    if (request->kind != STEP_BEGIN || nth != 1)
        return PASS;
    struct edit edit = edit_of(add);
    edit.key[0].id = rival_key;
    sleep_ms(session, 5);
    EXPECT(rival_tries(session, edit) == DONE);
    return PASS;
}

static bool all_leases_are_back(struct session *session)
{
    return get(session, "leases", "{\"owner\": {\"$exists\": true}}") == NULL;
}

/* The first write would be accepted, the second is not: neither stands. */
static void both_or_none(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    put(session, "counters", "{\"_id\": 1, \"n\": 50}");
    EXPECT(try(session, edit_of_two(add)) == CONFLICT);
    EXPECT(counter(session, "n") == 5 && second_counter(session) == 51); /* the rival's alone */
    EXPECT(all_leases_are_back(session));
    EXPECT(try(session, edit_of_two(add)) == DONE);
    EXPECT(counter(session, "n") == 6 && second_counter(session) == 52);
}

/* What was only read is stale when the other is written. */
static void read_counts_as_well(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    put(session, "counters", "{\"_id\": 1, \"n\": 50}");
    EXPECT(try(session, edit_of_two(sum_up)) == CONFLICT);
    EXPECT(counter(session, "n") == 6 && second_counter(session) == 50);
    EXPECT(try(session, edit_of_two(sum_up)) == DONE && second_counter(session) == 56);
}

static void fences_hold_over_two_documents(void **state)
{
    (void)state;
    struct rehearsal rehearsal = {.strategy = "fenced_lease",
                                  .work = both_or_none,
                                  .hook = overtake_one,
                                  .lease_ms = 1};
    rival_key = 1;
    rehearse(&rehearsal);
    rehearsal.work = read_counts_as_well;
    rival_key = 0;
    rehearse(&rehearsal);
}

static enum fate lose_commit_reply(struct session *session, const struct command_request *request,
                                   int nth)
{
    (void)session;
    return request->kind == STEP_COMMIT && nth == 1 ? LOSE_REPLY : PASS;
}

/* A commit that was not answered is asked again, and both leases are given back. */
static void commit_is_asked_again(struct session *session, const struct cell *cell)
{
    (void)cell;
    put(session, "counters", "{\"_id\": 0, \"n\": 5}");
    put(session, "counters", "{\"_id\": 1, \"n\": 50}");
    EXPECT(try(session, edit_of_two(add)) == DONE && tap.counts[STEP_COMMIT] == 2);
    EXPECT(counter(session, "n") == 6 && second_counter(session) == 51);
    EXPECT(all_leases_are_back(session));
}

static void lost_commit_of_two_documents(void **state)
{
    (void)state;
    play("fenced_lease", commit_is_asked_again, lose_commit_reply);
}

static enum fate lose_first_reply(struct session *session, const struct command_request *request,
                                  int nth)
{
    (void)session;
    return request->kind == STEP_UPDATE && nth == 1 ? LOSE_REPLY : PASS;
}

static void settles_by_its_number(struct session *session, const struct cell *cell)
{
    (void)cell;
    struct edit edit = edit_of(add);
    edit.wait = true;
    put(session, "counters", "{\"_id\": 0, \"n\": 5, \"version\": 0}");
    EXPECT(try(session, edit) == DONE && counter(session, "n") == 6);
    EXPECT(session->history.events[0].attempts == 2);
}

static void unknown_outcome_is_settled_by_its_number(void **state)
{
    (void)state;
    play("occ_once", settles_by_its_number, lose_first_reply);
}

/* Scenarios ------------------------------------------------------------------------------------ */

static struct verdict run(const char *scenario, const char *strategy, unsigned hazards,
                          int64_t jitter_ms, uint64_t seed)
{
    struct cell cell =
        support_cell(scenario_find(scenario), strategy_find(strategy), TRANSPORT_DIRECT);
    cell.workers = cell.instances = 8;
    cell.ops = 800;
    cell.tick_ms = 5000;
    cell.lease_ms = strcmp(scenario, "once_only") == 0 ? 2 : 1000;
    cell.seed = seed;
    cell.hazard[HAZARD_INDEX_crash].times = 30;
    cell.jitter_ms = jitter_ms;
    cell.hazards |= HAZARD_BIT(instances) | hazards;
    struct cell_result result = support_run(&cell);
    struct verdict verdict = result.verdict;
    cell_result_free(&result);
    return verdict;
}

static void claim_is_once_per_tick_with_any_jitter_and_skew(void **state)
{
    (void)state;
    for (int64_t jitter_ms = 1; jitter_ms < 5000; jitter_ms *= 7)
        for (int skewed = 0; skewed < 2; skewed++) {
            unsigned hazards = skewed ? HAZARD_BIT(skew) : 0;
            assert_int_equal(run("cron_tick", "claim", hazards, jitter_ms, 1).counts.repeated, 0);
        }
}

/* A crash between the effect and the mark: who comes after the lease does it again, and that is
 * counted as such. Nothing else does: without crashes the same short lease is long enough. */
static void crash_before_the_mark_is_at_least_once(void **state)
{
    int64_t repeated = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        assert_int_equal(run("once_only", "lock_release", 0, 0, seed).status, HELD);
        struct verdict verdict = run("once_only", "lock_release", HAZARD_BIT(crash), 0, seed);
        assert_int_equal(verdict.counts.missed, 0);
        assert_true(verdict.counts.repeated == 0 || verdict.reason == REASON_REPEATED);
        repeated += verdict.counts.repeated;
    }
    assert_true(repeated > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(throwing_mutator_is_rolled_back),
        cmocka_unit_test(hanging_save_ends_with_its_time_out),
        cmocka_unit_test(seed_000_demo_ends_as_upstreams),
        cmocka_unit_test(seed_001_edits_see_what_was_stored),
        cmocka_unit_test(file_keys_are_independent),
        cmocka_unit_test(failing_file_edit_leaves_value_and_queue),
        cmocka_unit_test(kill_9_at_every_call_leaves_old_or_new),
        cmocka_unit_test(fence_refuses_who_comes_late),
        cmocka_unit_test(fences_hold_over_two_documents),
        cmocka_unit_test(lost_commit_of_two_documents),
        cmocka_unit_test(unknown_outcome_is_settled_by_its_number),
        cmocka_unit_test(claim_is_once_per_tick_with_any_jitter_and_skew),
        cmocka_unit_test(crash_before_the_mark_is_at_least_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
