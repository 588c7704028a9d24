/* SPDX-License-Identifier: Apache-2.0
 *
 * Files in memory: what two workers can tell apart, they tell apart as on a disk, and a crash
 * leaves any prefix of a write under way. Then the two file strategies under every crash:
 * file_naive is torn, file_lock leaves the old document or the new one.
 */
#include "folder.h"
#include "gate.h"
#include "run_cell.h"
#include "strategy.h"
#include "support.h"
#include "transport_direct.h"

static const struct folder_user first = {0, 0}, second = {1, 1}, third = {2, 0};

static void expect_content(const struct folder *folder, const char *name, const char *expected)
{
    size_t length;
    char *text = folder_read(folder, name, &length);
    if (expected == NULL) {
        assert_null(text);
        return;
    }
    assert_non_null(text);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
    free(text);
}

static uint64_t digest(const struct folder *folder)
{
    struct hash hash;
    hash_init(&hash);
    folder_digest(folder, &hash);
    return hash_value(&hash);
}

static void test_whole_files(void **state)
{
    (void)state;
    struct folder *folder = folder_new(1);
    expect_content(folder, "a", NULL);
    folder_replace(folder, "a", "12345", 5);
    folder_replace(folder, "b", "", 0);
    expect_content(folder, "a", "12345");
    expect_content(folder, "b", "");
    folder_replace(folder, "a", "9", 1);
    expect_content(folder, "a", "9");
    folder_free(folder);
}

/* Two who write in place: the longer text shows its end after the shorter, as on a disk. */
static void test_in_place(void **state)
{
    (void)state;
    struct folder *folder = folder_new(1);
    folder_replace(folder, "a", "old", 3);
    folder_open(folder, &first, "a", "11111", 5);
    expect_content(folder, "a", "");
    folder_open(folder, &second, "a", "22", 2);
    assert_true(folder_write(folder, 0, true));
    expect_content(folder, "a", "11111");
    assert_true(folder_write(folder, 1, true));
    expect_content(folder, "a", "22111");
    assert_false(folder_write(folder, 1, true));
    folder_free(folder);
}

static void test_write_goes_to_the_opened_file(void **state)
{
    (void)state;
    struct folder *folder = folder_new(1);
    folder_open(folder, &first, "a", "lost", 4);
    folder_replace(folder, "a", "new", 3);
    assert_true(folder_write(folder, 0, true));
    expect_content(folder, "a", "new");
    folder_open(folder, &first, "b", "never", 5);
    assert_false(folder_write(folder, 0, false));
    expect_content(folder, "b", "");
    folder_free(folder);
}

static void test_locks(void **state)
{
    (void)state;
    struct folder *folder = folder_new(1);
    assert_true(folder_lock(folder, &first, "a", LOCK_SHARED));
    assert_true(folder_lock(folder, &second, "a", LOCK_SHARED));
    assert_false(folder_lockable(folder, 2, "a", LOCK_EXCLUSIVE));
    assert_false(folder_lock(folder, &third, "a", LOCK_EXCLUSIVE));
    assert_true(folder_lock(folder, &third, "b", LOCK_EXCLUSIVE));
    assert_false(folder_lockable(folder, 0, "b", LOCK_SHARED));
    assert_int_equal(folder_holder(folder, "a", 0), 0);
    assert_int_equal(folder_holder(folder, "a", 1), 1);
    assert_int_equal(folder_holder(folder, "a", 2), STEP_NOBODY);
    folder_unlock(folder, 1);
    folder_crash(folder, 0); /* of workers 0 and 2 */
    assert_int_equal(folder_holder(folder, "a", 0), STEP_NOBODY);
    assert_true(folder_lock(folder, &second, "b", LOCK_EXCLUSIVE));
    folder_free(folder);
}

static void test_every_prefix(void **state)
{
    (void)state;
    static const char text[] = "{ \"_id\" : 0, \"n\" : 2 }";
    for (size_t kept = 0; kept <= strlen(text) + 3; kept++) {
        struct folder *folder = folder_new(1);
        folder_replace(folder, "a", "{ \"_id\" : 0, \"n\" : 1, \"old\" : true }", 37);
        folder_open(folder, &first, "a", text, strlen(text));
        folder_open(folder, &second, "b", "other", 5);
        assert_int_equal(folder_under_way(folder, 0), strlen(text));
        folder_keep(folder, (int64_t)kept);
        folder_crash(folder, 0);
        assert_int_equal(folder_under_way(folder, 0), -1);
        assert_int_equal(folder_under_way(folder, 1), 5);
        char *prefix = x_strndup(text, kept);
        expect_content(folder, "a", prefix);
        free(prefix);
        assert_true(folder_write(folder, 1, true));
        expect_content(folder, "b", "other");
        folder_free(folder);
    }
}

/* Where nobody says how much stays, the seed draws it: all lengths come, the same for one seed. */
static void test_drawn_prefixes(void **state)
{
    (void)state;
    bool seen[6] = {false};
    for (uint64_t seed = 1; seed <= 200; seed++) {
        size_t lengths[2];
        for (int i = 0; i < 2; i++) {
            struct folder *folder = folder_new(seed);
            folder_open(folder, &first, "a", "12345", 5);
            folder_crash(folder, 0);
            free(folder_read(folder, "a", &lengths[i]));
            folder_free(folder);
        }
        assert_int_equal(lengths[0], lengths[1]);
        assert_true(lengths[0] <= 5);
        seen[lengths[0]] = true;
    }
    for (size_t i = 0; i < COUNT_OF(seen); i++)
        assert_true(seen[i]);
}

static void test_digest(void **state)
{
    (void)state;
    struct folder *a = folder_new(1), *b = folder_new(2);
    assert_int_equal(digest(a), digest(b));
    folder_replace(a, "x", "1", 1);
    folder_replace(a, "y", "2", 1);
    folder_replace(b, "y", "2", 1);
    assert_int_not_equal(digest(a), digest(b));
    folder_replace(b, "x", "1", 1); /* in another order */
    assert_int_equal(digest(a), digest(b));
    folder_replace(a, "x", "{ \"n\" : 1, \"stamp\" : 4294967296 }", 33);
    folder_replace(b, "x", "{ \"n\" : 1, \"stamp\" : 42949672970 }", 34);
    assert_int_equal(digest(a), digest(b)); /* who wrote it does not count */
    folder_replace(b, "x", "{ \"n\" : 2, \"stamp\" : 42949672970 }", 34);
    assert_int_not_equal(digest(a), digest(b));
    folder_replace(b, "x", "{ \"n\" : 1, \"stamp\" : 42949672970 }x", 35);
    assert_int_not_equal(digest(a), digest(b));
    folder_replace(b, "x", "{ \"n\" : 1, \"stamp\" : 7 }", 24);
    assert_true(folder_lock(a, &first, "x", LOCK_SHARED));
    assert_int_not_equal(digest(a), digest(b));
    assert_true(folder_lock(b, &first, "x", LOCK_EXCLUSIVE));
    assert_int_not_equal(digest(a), digest(b));
    folder_free(a);
    folder_free(b);
}

static void test_restore(void **state)
{
    (void)state;
    struct folder *folder = folder_new(1);
    folder_replace(folder, "a", "1", 1);
    folder_replace(folder, "b", "2", 1);
    struct folder *saved = folder_copy(folder);
    uint64_t before = digest(folder);
    folder_replace(folder, "c", "3", 1);
    folder_open(folder, &first, "a", "long text", 9);
    assert_true(folder_lock(folder, &second, "b", LOCK_EXCLUSIVE));
    assert_int_not_equal(digest(folder), before);
    folder_restore(folder, saved);
    assert_int_equal(digest(folder), before);
    expect_content(folder, "a", "1");
    expect_content(folder, "c", NULL);
    assert_false(folder_write(folder, 0, true));
    assert_true(folder_lockable(folder, 0, "b", LOCK_EXCLUSIVE));
    folder_free(saved);
    folder_free(folder);
}

/* Strategies --------------------------------------------------------------------------------- */

/* One worker makes one increment; before its `at`-th step its instance dies, and of a write under
 * way `kept` bytes stay. */
static struct {
    int at;
    int64_t kept;
} plan;

static enum change add(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    BSON_APPEND_INT64(is[0], "_id", edit->key[0].id);
    BSON_APPEND_INT64(is[0], "n", edit_number(was[0], "n", 0) + 1);
    return CHANGED;
}

static void work_and_die(struct session *session, const struct cell *cell)
{
    const struct edit edit = {.key = {{"counters", 0}},
                              .count = 1,
                              .change = add,
                              .base = EDIT_ANY};
    (void)cell;
    session->doom = HAZARD_INDEX_crash;
    session->doom_step = plan.at;
    worker_apply(session, &edit, NULL);
}

/* What is in the file afterwards; `*crashed`: the operation was long enough to die in. */
static char *content_after_crash(const char *strategy, bool *crashed)
{
    struct scenario scenario = *scenario_find("counter");
    scenario.work = work_and_die;
    struct cell cell = support_cell(&scenario, strategy_find(strategy), TRANSPORT_DIRECT);
    cell.workers = 1;
    cell.ops = 1;
    cell.hazards |= HAZARD_BIT(crash);
    cell.hazard[HAZARD_INDEX_crash].times = 1;
    struct stage stage = {0};
    stage_open(&stage, &cell, "folder", 0);
    folder_keep(stage.crew.files, plan.kept);
    direct_start(&stage.crew);
    while (direct_turn(&stage.crew, 1000))
        continue;
    size_t length;
    char *text = folder_read(stage.crew.files, "counters.0.json", &length);
    *crashed = stage.crew.sessions[0].doom == HAZARD_INDEX_none;
    assert_int_equal(folder_holder(stage.crew.files, "counters.0.json", 0), STEP_NOBODY);
    stage_close(&stage);
    assert_non_null(text);
    return text;
}

/* All places to die at and all lengths to leave: calls `look` with each content. */
static void every_crash(const char *strategy, void (*look)(const char *text))
{
    bool crashed = true;
    for (plan.at = 0; crashed; plan.at++) {
        for (plan.kept = 0; plan.kept < 60; plan.kept++) {
            char *text = content_after_crash(strategy, &crashed);
            look(text);
            free(text);
        }
        assert_true(plan.at < 20);
    }
}

static int torn, whole[3];

static void note(const char *text)
{
    bson_error_t error;
    bson_t *document = bson_new_from_json((const uint8_t *)text, -1, &error);
    int64_t n = document != NULL ? edit_number(document, "n", -1) : -1;
    if (n == 0 || n == 1)
        whole[n]++;
    else
        torn++;
    bson_destroy(document);
}

static void test_naive_is_torn(void **state)
{
    (void)state;
    torn = whole[0] = whole[1] = 0;
    every_crash("file_naive", note);
    assert_true(torn >= 40);      /* every real prefix of the text */
    assert_true(whole[0] >= 120); /* before the read, and before the file is emptied */
    assert_true(whole[1] >= 60);  /* not at all, and where all of the text stays */
}

static void test_lock_is_whole(void **state)
{
    (void)state;
    torn = whole[0] = whole[1] = 0;
    every_crash("file_lock", note);
    assert_int_equal(torn, 0);
    assert_true(whole[0] >= 120);
    assert_true(whole[1] >= 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_files),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_write_goes_to_the_opened_file),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_drawn_prefixes),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_naive_is_torn),
        cmocka_unit_test(test_lock_is_whole),
    };
    return cmocka_run_group_tests_name("folder", tests, NULL, NULL);
}
