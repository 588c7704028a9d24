/* SPDX-License-Identifier: Apache-2.0
 *
 * session: every verb, over both transports: fibers beside the engine and threads with libmongoc
 * over a socket. The same test body runs on both, which is what the seam promises to strategies.
 * labels: unit engine
 */
#include "support.h"

#include <sys/wait.h>
#include <unistd.h>

/* What the body under test found, read after the run. */
struct findings {
    atomic_int failed_line; /* 0: all as expected */
    enum persona persona;   /* of the engine that is run */
};
static struct findings findings;

/* Notes the first expectation that does not hold: a cmocka assertion must not leave a fiber. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition) && findings.failed_line == 0)                                             \
            findings.failed_line = __LINE__;                                                       \
    } while (0)

static int64_t documents(const struct cell *cell)
{
    (void)cell;
    return 0;
}
static void seed(const struct cell *cell, int64_t id, bson_t *document)
{
    (void)cell, (void)id, (void)document;
}
static void judge(const struct record *record, struct verdict *verdict)
{
    checker_count(record, verdict);
}
static enum outcome no_apply(struct session *session, void *shared, const struct edit *edit)
{
    (void)session, (void)shared, (void)edit;
    return NOTHING;
}
static const struct strategy idle = {.name = "idle",
                                     .help = "",
                                     .can = CAN_CHANGE,
                                     .apply = no_apply};

static void run_body(void (*work)(struct session *, const struct cell *), enum transport transport,
                     int workers, int instances)
{
    struct scenario scenario = {.name = "body",
                                .collection = "things",
                                .field = "n",
                                .documents = documents,
                                .seed = seed,
                                .work = work,
                                .judge = judge};
    struct cell cell = support_cell(&scenario, &idle, transport);
    cell.workers = workers;
    cell.instances = instances;
    cell.persona = findings.persona;
    findings.failed_line = 0;
    struct cell_result result = support_run(&cell);
    cell_result_free(&result);
    if (findings.failed_line != 0)
        fail_msg("an expectation in line %d does not hold under %s", findings.failed_line,
                 transport == TRANSPORT_DIRECT ? "direct" : "driver");
}

static void on_both(void (*work)(struct session *, const struct cell *), int workers, int instances)
{
    run_body(work, TRANSPORT_DIRECT, workers, instances);
    run_body(work, TRANSPORT_DRIVER, workers, instances);
}

static const bson_t *json(struct session *session, const char *text)
{
    return session_parse(session, text, strlen(text));
}

/* Commands ----------------------------------------------------------------------------------- */

static void work_commands(struct session *s, const struct cell *cell)
{
    (void)cell;
    const bson_t *found = (const bson_t *)1;
    struct written written;
    int64_t deleted = -1;
    EXPECT(session_find(s, "things", json(s, "{\"_id\": 1}"), &found) == DONE && found == NULL);
    EXPECT(session_insert_one(s, "things", json(s, "{\"_id\": 1, \"n\": 5}")) == DONE);
    EXPECT(session_insert_one(s, "things", json(s, "{\"_id\": 1, \"n\": 6}")) == CONFLICT);
    EXPECT(session_find(s, "things", json(s, "{\"_id\": 1}"), &found) == DONE);
    EXPECT(edit_number(found, "n", 0) == 5);

    struct modify modify = {.collection = "things",
                            .filter = json(s, "{\"_id\": 1}"),
                            .update = json(s, "{\"$inc\": {\"n\": 2}}")};
    EXPECT(session_update_one(s, &modify, &written) == DONE);
    EXPECT(written.matched == 1 && written.modified == 1 && !written.upserted);
    modify.filter = json(s, "{\"_id\": 2}");
    EXPECT(session_update_one(s, &modify, &written) == DONE);
    EXPECT(written.matched == 0 && written.modified == 0 && !written.upserted);
    modify.upsert = true;
    EXPECT(session_update_one(s, &modify, &written) == DONE);
    EXPECT(written.matched == 0 && written.modified == 0 && written.upserted);
    modify.update = json(s, "{\"$set\": {\"n\": 2}}");
    EXPECT(session_update_one(s, &modify, &written) == DONE);
    EXPECT(written.matched == 1 && written.modified == 0);
    modify.update = json(s, "{\"$nonsense\": {\"n\": 2}}");
    EXPECT(session_update_one(s, &modify, &written) == FAILED);

    EXPECT(session_delete_one(s, "things", json(s, "{\"_id\": 2}"), &deleted) == DONE);
    EXPECT(deleted == 1);
    EXPECT(session_delete_one(s, "things", json(s, "{\"_id\": 2}"), &deleted) == DONE);
    EXPECT(deleted == 0);
}

static void work_find_and_modify(struct session *s, const struct cell *cell)
{
    (void)cell;
    const bson_t *image;
    struct modify modify = {.collection = "things",
                            .filter = json(s, "{\"_id\": 1}"),
                            .update = json(s, "{\"$inc\": {\"n\": 2}}")};
    EXPECT(session_find_and_modify(s, &modify, &image) == DONE && image == NULL);
    modify.upsert = true;
    EXPECT(session_find_and_modify(s, &modify, &image) == DONE && edit_number(image, "n", 0) == 2);
    EXPECT(session_find_and_modify(s, &modify, &image) == DONE && edit_number(image, "n", 0) == 4);
    modify.old_image = true;
    EXPECT(session_find_and_modify(s, &modify, &image) == DONE && edit_number(image, "n", 0) == 4);
    modify.update = NULL;
    modify.pipeline = json(s, "[{\"$set\": {\"n\": {\"$add\": [\"$n\", 10]}, \"at\": \"$$NOW\"}}]");
    modify.old_image = false;
    EXPECT(session_find_and_modify(s, &modify, &image) == DONE && edit_number(image, "n", 0) == 16);
    EXPECT(image != NULL && bson_has_field(image, "at"));
    session_insert_one(s, "things", json(s, "{\"_id\": 2, \"n\": 1}"));
    struct modify take = {.collection = "things",
                          .filter = json(s, "{}"),
                          .sort = json(s, "{\"n\": 1}"),
                          .remove = true};
    EXPECT(session_find_and_modify(s, &take, &image) == DONE && edit_number(image, "_id", 0) == 2);
    EXPECT(session_find(s, "things", json(s, "{\"_id\": 2}"), &image) == DONE && image == NULL);
}

static void work_no_transactions(struct session *s, const struct cell *cell)
{
    (void)cell;
    EXPECT(session_begin(s) == FAILED);
}

static void test_commands(void **state)
{
    (void)state;
    on_both(work_commands, 1, 1);
}
static void test_find_and_modify(void **state)
{
    (void)state;
    on_both(work_find_and_modify, 1, 1);
}
static void test_a_standalone_has_no_transactions(void **state)
{
    (void)state;
    findings.persona = PERSONA_STANDALONE;
    on_both(work_no_transactions, 1, 1);
    findings.persona = PERSONA_REPLSET;
}

/* The "n" of the document 1, and what somebody who is not in a transaction would see is the same
 * worker's after its end. */
static int64_t n_of(struct session *s)
{
    const bson_t *found = NULL;
    EXPECT(session_find(s, "things", json(s, "{\"_id\": 1}"), &found) == DONE);
    return found != NULL ? edit_number(found, "n", -1) : -1;
}

static enum outcome set_n(struct session *s, const char *update)
{
    struct written written;
    const struct modify modify = {.collection = "things",
                                  .filter = json(s, "{\"_id\": 1}"),
                                  .update = json(s, update)};
    return session_update_one(s, &modify, &written);
}

static void work_transactions(struct session *s, const struct cell *cell)
{
    (void)cell;
    EXPECT(session_insert_one(s, "things", json(s, "{\"_id\": 1, \"n\": 1}")) == DONE);
    EXPECT(session_begin(s) == DONE);
    EXPECT(set_n(s, "{\"$set\": {\"n\": 2}}") == DONE);
    EXPECT(n_of(s) == 2);
    session_abort(s);
    EXPECT(n_of(s) == 1);
    EXPECT(session_begin(s) == DONE);
    EXPECT(session_commit(s) == DONE); /* with nothing in it */
    EXPECT(session_begin(s) == DONE);
    EXPECT(n_of(s) == 1);
    EXPECT(set_n(s, "{\"$set\": {\"n\": 3}}") == DONE);
    EXPECT(session_commit(s) == DONE);
    EXPECT(n_of(s) == 3);
    EXPECT(session_begin(s) == DONE);
    EXPECT(set_n(s, "{\"$inc\": {\"_id\": 1}}") == FAILED); /* and the transaction is over */
    EXPECT(set_n(s, "{\"$set\": {\"n\": 4}}") == CONFLICT);
    EXPECT(session_commit(s) == CONFLICT);
    EXPECT(n_of(s) == 3);
}

static void test_transactions(void **state)
{
    (void)state;
    on_both(work_transactions, 1, 1);
}

/* Clock and choice --------------------------------------------------------------------------- */

static void work_clock(struct session *s, const struct cell *cell)
{
    (void)cell;
    int64_t before_ms = session_now_ms(s);
    EXPECT(session_sleep_until(s, before_ms + 30) == DONE);
    EXPECT(session_now_ms(s) >= before_ms + 30);
    EXPECT(session_sleep_until(s, before_ms) == DONE);
    int64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t drawn = session_random(s, 3), token = session_token(s);
        EXPECT(drawn >= 0 && drawn < 3);
        EXPECT(token != last && token != 0);
        last = token;
    }
}

static void test_clock_and_choice(void **state)
{
    (void)state;
    on_both(work_clock, 1, 1);
}

/* A virtual clock costs no real time: an hour's sleep by many returns at once. */
static void work_sleep_an_hour(struct session *s, const struct cell *cell)
{
    (void)cell;
    int64_t before_ms = session_now_ms(s);
    EXPECT(session_sleep_until(s, before_ms + 3600000) == DONE);
    EXPECT(session_now_ms(s) < before_ms + 3601000);
}

static void test_direct_sleeps_in_virtual_time(void **state)
{
    (void)state;
    run_body(work_sleep_an_hour, TRANSPORT_DIRECT, 20, 1);
}

/* Files -------------------------------------------------------------------------------------- */

static void work_files(struct session *s, const struct cell *cell)
{
    (void)cell;
    const char *text = "";
    size_t length = 1;
    EXPECT(session_read_file(s, "a", &text, &length) == DONE && text == NULL && length == 0);
    EXPECT(session_write_file(s, "a", WRITE_IN_PLACE, "12345", 5) == DONE);
    EXPECT(session_read_file(s, "a", &text, &length) == DONE && length == 5);
    EXPECT(text != NULL && strcmp(text, "12345") == 0);
    EXPECT(session_write_file(s, "a", WRITE_RENAME, "9", 1) == DONE);
    EXPECT(session_read_file(s, "a", &text, &length) == DONE && length == 1);
    EXPECT(session_write_file(s, "a", WRITE_IN_PLACE, "", 0) == DONE);
    EXPECT(session_read_file(s, "a", &text, &length) == DONE && text != NULL && length == 0);
    EXPECT(session_lock_file(s, "a", LOCK_SHARED) == DONE);
    session_unlock_file(s);
    EXPECT(session_parse(s, "{\"n\": ", 6) == NULL);
}

/* Read, add one, write, each worker an instance of its own: only the lock makes it exact. */
static void work_locked_file(struct session *s, const struct cell *cell)
{
    const char *text;
    size_t length;
    for (int i = 0; i < 25; i++) {
        EXPECT(session_lock_file(s, "sum", LOCK_EXCLUSIVE) == DONE);
        EXPECT(session_read_file(s, "sum", &text, &length) == DONE);
        char digits[16];
        snprintf(digits, sizeof(digits), "%d", (text != NULL ? atoi(text) : 0) + 1);
        EXPECT(session_write_file(s, "sum", WRITE_RENAME, digits, strlen(digits)) == DONE);
        if (i == 24 && atoi(digits) == 25 * cell->workers)
            EXPECT(session_write_file(s, "complete", WRITE_RENAME, "1", 1) == DONE);
        session_unlock_file(s);
        session_forget(s);
    }
    /* The last to finish sees the whole sum. */
    EXPECT(session_lock_file(s, "sum", LOCK_EXCLUSIVE) == DONE);
    EXPECT(session_read_file(s, "sum", &text, &length) == DONE);
    EXPECT(text != NULL && atoi(text) <= 25 * cell->workers);
    bool last = text != NULL && atoi(text) == 25 * cell->workers;
    EXPECT(session_read_file(s, "complete", &text, &length) == DONE);
    EXPECT(!last || text != NULL);
    session_unlock_file(s);
}

static void test_files(void **state)
{
    (void)state;
    on_both(work_files, 1, 1);
}
static void test_file_locks_exclude_other_instances(void **state)
{
    (void)state;
    on_both(work_locked_file, 6, 6);
}

/* The gate ------------------------------------------------------------------------------------- */

static enum change call_the_session(const struct edit *edit, const bson_t *const was[],
                                    bson_t *is[])
{
    (void)was, (void)is;
    session_now_ms((struct session *)(uintptr_t)edit->argument);
    return ALREADY;
}

static void work_impure_change(struct session *s, const struct cell *cell)
{
    (void)cell;
    const bson_t *was[EDIT_DOCUMENTS_MAX] = {NULL}, *is[EDIT_DOCUMENTS_MAX];
    struct edit edit = {.key = {{"things", 0}},
                        .count = 1,
                        .change = call_the_session,
                        .argument = s};
    edit_run(s, &edit, was, is);
}

static void leave_at_once(int status, void *argument)
{
    (void)argument;
    _exit(status);
}

static void test_a_change_that_calls_its_session_ends_the_program(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        on_exit(leave_at_once, NULL); /* before a sanitizer's own exit code */
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        run_body(work_impure_change, TRANSPORT_DIRECT, 1, 1);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_change_that_calls_its_session_ends_the_program),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_find_and_modify),
        cmocka_unit_test(test_a_standalone_has_no_transactions),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_clock_and_choice),
        cmocka_unit_test(test_direct_sleeps_in_virtual_time),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_file_locks_exclude_other_instances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
