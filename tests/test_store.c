/* SPDX-License-Identifier: Apache-2.0
 *
 * store: the contract that every store keeps: snapshots, own writes, the first updater wins,
 * rollback, order of scans, dropping. Run over each store there is.
 * labels: engine
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "engine/store.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct slice text(const char *words)
{
    return (struct slice){(const uint8_t *)words, strlen(words)};
}

static enum store_result put(struct store_transaction *transaction, struct store_table *table,
                             const char *key, const char *value)
{
    return store_put(transaction, table, text(key), text(value));
}

static void expect(struct store_transaction *transaction, struct store_table *table,
                   const char *key, const char *value)
{
    struct slice found = {NULL, 0};
    enum store_result result = store_get(transaction, table, text(key), &found);
    assert_int_equal(result, value != NULL ? STORE_DONE : STORE_ABSENT);
    if (value != NULL) {
        assert_int_equal(found.length, strlen(value));
        assert_memory_equal(found.bytes, value, found.length);
    }
}

/* In a transaction of its own. */
static void put_now(struct store *store, struct store_table *table, const char *key,
                    const char *value)
{
    struct store_transaction *transaction = store_begin(store);
    if (value != NULL)
        assert_int_equal(put(transaction, table, key, value), STORE_DONE);
    else
        assert_int_equal(store_delete(transaction, table, text(key)), STORE_DONE);
    assert_int_equal(store_commit(transaction), STORE_DONE);
}

static void expect_now(struct store *store, struct store_table *table, const char *key,
                       const char *value)
{
    struct store_transaction *transaction = store_begin(store);
    expect(transaction, table, key, value);
    store_rollback(transaction);
}

static bool concatenate(struct slice key, struct slice value, void *context)
{
    char *all = context;
    (void)value;
    strncat(all, (const char *)key.bytes, key.length);
    return strlen(all) < 5; /* some scans stop */
}

static const char *scan(struct store_transaction *transaction, struct store_table *table, char *all)
{
    all[0] = '\0';
    store_scan(transaction, table, text(""), concatenate, all);
    return all;
}

static const char *scan_prefix(struct store_transaction *transaction, struct store_table *table,
                               const char *prefix, char *all)
{
    all[0] = '\0';
    store_scan(transaction, table, text(prefix), concatenate, all);
    return all;
}

static void test_commit_and_rollback(void **state)
{
    struct store *store = *state;
    struct store_table *table = store_table_open(store, "t");
    assert_ptr_equal(store_table_open(store, "t"), table);
    struct store_transaction *transaction = store_begin(store);
    expect(transaction, table, "a", NULL);
    assert_int_equal(put(transaction, table, "a", "1"), STORE_DONE);
    expect(transaction, table, "a", "1");
    assert_int_equal(put(transaction, table, "a", "22"), STORE_DONE);
    expect(transaction, table, "a", "22");
    assert_int_equal(store_commit(transaction), STORE_DONE);
    expect_now(store, table, "a", "22");

    transaction = store_begin(store);
    assert_int_equal(put(transaction, table, "a", "333"), STORE_DONE);
    assert_int_equal(put(transaction, table, "b", "1"), STORE_DONE);
    expect(transaction, table, "a", "333");
    assert_int_equal(store_delete(transaction, table, text("a")), STORE_DONE);
    expect(transaction, table, "a", NULL);
    assert_int_equal(store_delete(transaction, table, text("a")), STORE_ABSENT);
    store_rollback(transaction);
    expect_now(store, table, "a", "22");
    expect_now(store, table, "b", NULL);

    put_now(store, table, "a", NULL);
    expect_now(store, table, "a", NULL);
    put_now(store, table, "a", "back");
    expect_now(store, table, "a", "back");
}

static void test_snapshot(void **state)
{
    struct store *store = *state;
    struct store_table *table = store_table_open(store, "t");
    char all[32];
    put_now(store, table, "a", "1");
    put_now(store, table, "d", "1");
    struct store_transaction *old = store_begin(store);
    put_now(store, table, "a", "2");
    put_now(store, table, "b", "1");
    put_now(store, table, "d", NULL);
    struct store_transaction *middle = store_begin(store);
    put_now(store, table, "a", "3");
    expect(old, table, "a", "1");
    expect(old, table, "b", NULL);
    expect(old, table, "d", "1");
    assert_string_equal(scan(old, table, all), "ad");
    expect(middle, table, "a", "2");
    expect(middle, table, "b", "1");
    expect(middle, table, "d", NULL);
    assert_string_equal(scan(middle, table, all), "ab");
    expect_now(store, table, "a", "3");
    store_rollback(old);
    expect(middle, table, "a", "2");
    assert_int_equal(store_commit(middle), STORE_DONE);
    expect_now(store, table, "a", "3");
    expect_now(store, table, "d", NULL);
}

static void test_conflict(void **state)
{
    struct store *store = *state;
    struct store_table *table = store_table_open(store, "t");
    put_now(store, table, "a", "1");
    struct store_transaction *first = store_begin(store), *second = store_begin(store);
    assert_int_equal(put(first, table, "a", "first"), STORE_DONE);
    struct store_transaction *third = store_begin(store), *fourth = store_begin(store);
    assert_int_equal(put(second, table, "a", "second"), STORE_CONFLICT); /* pending elsewhere */
    store_rollback(second);
    assert_int_equal(store_delete(third, table, text("a")), STORE_CONFLICT);
    store_rollback(third);
    expect(fourth, table, "a", "1");
    assert_int_equal(store_commit(first), STORE_DONE);
    expect(fourth, table, "a", "1");
    assert_int_equal(put(fourth, table, "a", "fourth"), STORE_CONFLICT); /* committed since */
    store_rollback(fourth);
    expect_now(store, table, "a", "first");

    first = store_begin(store), second = store_begin(store); /* both insert one key */
    assert_int_equal(put(first, table, "new", "first"), STORE_DONE);
    expect(second, table, "new", NULL);
    assert_int_equal(put(second, table, "new", "second"), STORE_CONFLICT);
    store_rollback(second);
    store_rollback(first);
    put_now(store, table, "new", "second"); /* free again */
    expect_now(store, table, "new", "second");

    first = store_begin(store), second = store_begin(store); /* write skew: no conflict */
    assert_int_equal(put(first, table, "a", "x"), STORE_DONE);
    assert_int_equal(put(second, table, "new", "x"), STORE_DONE);
    assert_int_equal(store_commit(first), STORE_DONE);
    assert_int_equal(store_commit(second), STORE_DONE);
}

static void test_scan_order(void **state)
{
    struct store *store = *state;
    struct store_table *table = store_table_open(store, "t");
    char all[32];
    put_now(store, table, "z", "1");
    put_now(store, table, "b", "1");
    put_now(store, table, "m", "1");
    struct store_transaction *transaction = store_begin(store);
    assert_string_equal(scan(transaction, table, all), "bmz");
    assert_int_equal(put(transaction, table, "q", "1"), STORE_DONE);
    assert_string_equal(scan(transaction, table, all), "bmqz"); /* sees its own */
    assert_int_equal(store_delete(transaction, table, text("m")), STORE_DONE);
    assert_string_equal(scan(transaction, table, all), "bqz");
    store_rollback(transaction);
    put_now(store, table, "z", NULL);
    put_now(store, table, "y", "3");
    put_now(store, table, "x", "3");
    put_now(store, table, "a", "3");
    put_now(store, table, "w", "3");
    transaction = store_begin(store);
    assert_string_equal(scan(transaction, table, all), "abmwx"); /* stopped after five */
    store_rollback(transaction);
}

static void test_scan_prefix(void **state)
{
    static const char *const keys[] = {"b1", "a", "b", "c", "b\xff", "ab", "b22"};
    struct store *store = *state;
    struct store_table *table = store_table_open(store, "t");
    char all[32];
    struct store_transaction *transaction = store_begin(store);
    assert_string_equal(scan_prefix(transaction, table, "b", all), "");
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        assert_int_equal(put(transaction, table, keys[i], "1"), STORE_DONE);
    assert_string_equal(scan_prefix(transaction, table, "b2", all), "b22");
    assert_string_equal(scan_prefix(transaction, table, "b", all), "bb1b22"); /* stopped */
    assert_string_equal(scan_prefix(transaction, table, "c", all), "c");
    assert_string_equal(scan_prefix(transaction, table, "a", all), "aab");
    assert_string_equal(scan_prefix(transaction, table, "aa", all), "");
    assert_string_equal(scan_prefix(transaction, table, "d", all), "");
    store_rollback(transaction);
}

static void test_drop(void **state)
{
    struct store *store = *state;
    struct store_table *table = store_table_open(store, "t"), *other = store_table_open(store, "u");
    struct store_transaction *transaction = store_begin(store);
    assert_int_equal(put(transaction, table, "a", "1"), STORE_DONE);
    assert_true(store_table_written(store, table));
    put_now(store, other, "b", "1"); /* stale rows, since another is open */
    put_now(store, other, "b", NULL);
    assert_false(store_table_written(store, other));
    store_table_drop(store, other);
    assert_int_equal(store_commit(transaction), STORE_DONE);
    assert_false(store_table_written(store, table));
    transaction = store_begin(store); /* a view does not keep it */
    expect(transaction, table, "a", "1");
    store_table_drop(store, table);
    store_rollback(transaction);
    expect_now(store, store_table_open(store, "t"), "a", NULL);
}

struct tables_seen {
    struct store *store;
    char names[32];
};

static void note_and_drop_t(struct store_table *table, const char *name, void *context)
{
    struct tables_seen *seen = context;
    strncat(seen->names, name, 8);
    if (strcmp(name, "t") == 0)
        store_table_drop(seen->store, table);
}

static void test_tables(void **state)
{
    struct tables_seen seen = {*state, ""};
    store_table_open(*state, "t");
    store_table_open(*state, "u");
    store_tables_visit(*state, note_and_drop_t, &seen);
    assert_true(strcmp(seen.names, "tu") == 0 || strcmp(seen.names, "ut") == 0);
    seen.names[0] = '\0';
    store_tables_visit(*state, note_and_drop_t, &seen);
    assert_string_equal(seen.names, "u");
}

/* Random transactions against a model: committed values of a few keys, and one snapshot each. */
enum { KEYS = 4, OPEN = 3, STEPS = 20000 };

struct model {
    int committed[KEYS], stamp[KEYS], writer[KEYS], clock; /* values; 0: absent */
    int view[OPEN][KEYS], began[OPEN];
};

static void model_end(struct model *model, int who, bool commits)
{
    model->clock++;
    for (int k = 0; k < KEYS; k++) {
        if (model->writer[k] != who)
            continue;
        model->writer[k] = -1;
        if (commits) {
            model->committed[k] = model->view[who][k];
            model->stamp[k] = model->clock;
        }
    }
}

/* A put or a deletion; false: it has to be a conflict. */
static bool model_write(struct model *model, int who, int key, int value)
{
    if ((model->writer[key] >= 0 && model->writer[key] != who) ||
        (model->writer[key] < 0 && model->stamp[key] > model->began[who]))
        return false;
    model->view[who][key] = value;
    model->writer[key] = who;
    return true;
}

static void random_step(struct store_transaction **open, struct store_table *table,
                        struct model *model, struct random *random, int value)
{
    int who = (int)random_below(random, OPEN), key = (int)random_below(random, KEYS);
    if (open[who] == NULL)
        return;
    int what = (int)random_below(random, 6), *view = model->view[who];
    char name[2] = {(char)('a' + key), 0}, text_value[16];
    bool removes = what == 3 && view[key] != 0;
    if (what < 2) {
        snprintf(text_value, sizeof text_value, "%d", view[key]);
        expect(open[who], table, name, view[key] != 0 ? text_value : NULL);
    } else if (what < 4) {
        snprintf(text_value, sizeof text_value, "%d", value);
        enum store_result result = removes ? store_delete(open[who], table, text(name))
                                           : put(open[who], table, name, text_value);
        bool fine = model_write(model, who, key, removes ? 0 : value);
        assert_int_equal(result, fine ? STORE_DONE : STORE_CONFLICT);
        if (fine)
            return;
    }
    if (what < 2)
        return;
    model_end(model, who, what == 4);
    if (what == 4)
        assert_int_equal(store_commit(open[who]), STORE_DONE);
    else
        store_rollback(open[who]);
    open[who] = NULL;
}

/* What is open and what was committed, as a scan in a transaction of its own sees it. */
static void compare_scan(struct store *store, struct store_table *table, const struct model *model)
{
    char all[32], expected[KEYS + 1] = "";
    struct store_transaction *transaction = store_begin(store);
    for (int k = 0; k < KEYS; k++)
        if (model->committed[k] != 0)
            expected[strlen(expected)] = (char)('a' + k);
    assert_string_equal(scan(transaction, table, all), expected);
    store_rollback(transaction);
}

/* Up to `most` are open at a time, so that each is alone for a while. */
static void random_begin(struct store *store, struct store_transaction **open, struct model *model,
                         struct random *random, int most)
{
    int count = 0;
    for (int who = 0; who < OPEN; who++)
        count += open[who] != NULL;
    for (int who = 0; who < OPEN && count < most; who++) {
        if (open[who] != NULL || (count > 0 && random_below(random, 3) > 0))
            continue;
        open[who] = store_begin(store);
        count++;
        model->began[who] = model->clock;
        memcpy(model->view[who], model->committed, sizeof model->committed);
    }
}

static void test_random(void **state)
{
    struct store *store = *state;
    struct store_table *table = store_table_open(store, "t");
    uint64_t seed = (uint64_t)clock_monotonic_ns();
    struct model model = {.clock = 0};
    struct store_transaction *open[OPEN] = {NULL};
    struct random random;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int i = 0; i < KEYS; i++)
        model.writer[i] = -1;
    for (int i = 1; i <= STEPS; i++) {
        random_begin(store, open, &model, &random, 1 + i / 100 % OPEN);
        random_step(open, table, &model, &random, i);
        if (random_below(&random, 20) == 0)
            store_write(store);
        if (random_below(&random, 50) == 0)
            compare_scan(store, table, &model);
    }
    for (int i = 0; i < OPEN; i++)
        if (open[i] != NULL)
            store_rollback(open[i]);
}

/* More than is kept in memory: a large transaction, and many rows by small ones. */
static void test_much(void **state)
{
    enum { BYTES = 300 * 1024, ROWS = 40, SMALL = 1000 };
    struct store *store = *state;
    struct store_table *table = store_table_open(store, "t");
    char *value = x_calloc(BYTES + 1, 1), key[16];
    memset(value, 'x', BYTES);
    for (int commits = 0; commits < 2; commits++) {
        struct store_transaction *transaction = store_begin(store);
        for (int i = 0; i < ROWS; i++) {
            snprintf(key, sizeof key, "%d", i);
            assert_int_equal(put(transaction, table, key, value), STORE_DONE);
        }
        for (int i = 0; i < ROWS; i++) {
            snprintf(key, sizeof key, "%d", i);
            expect(transaction, table, key, value);
        }
        if (commits == 0)
            store_rollback(transaction);
        else
            assert_int_equal(store_commit(transaction), STORE_DONE);
        expect_now(store, table, "7", commits == 0 ? NULL : value);
    }
    for (int i = 0; i < 2 * SMALL; i++) {
        snprintf(key, sizeof key, "s%d", i % SMALL);
        put_now(store, table, key, i < SMALL ? "first" : key);
        if (i % 300 == 0)
            store_write(store);
    }
    for (int i = 0; i < SMALL; i++) {
        snprintf(key, sizeof key, "s%d", i);
        expect_now(store, table, key, key);
    }
    free(value);
}

/* Each test begins with an empty store. */
static int open_memory(void **state)
{
    *state = store_open(&(struct store_settings){.name = "memory"});
    return *state == NULL;
}

static int close_store(void **state)
{
    store_close(*state);
    return 0;
}

static void test_unknown(void **state)
{
    (void)state;
    assert_null(store_open(&(struct store_settings){.name = "nothing"}));
}

#ifdef WITH_WIREDTIGER
static char *folder;

static struct store *open_folder(void)
{
    return store_open(
        &(struct store_settings){.name = "wiredtiger", .folder = folder, .journal = true});
}

static int open_wired(void **state)
{
    folder = make_private_folder("");
    *state = open_folder();
    return *state == NULL;
}

static int close_wired(void **state)
{
    store_close(*state);
    remove_folder(folder);
    free(folder);
    return 0;
}

static void test_reopened(void **state)
{
    char all[32];
    put_now(*state, store_table_open(*state, "t"), "a", "1");
    put_now(*state, store_table_open(*state, "u"), "b", "2");
    store_table_drop(*state, store_table_open(*state, "t"));
    put_now(*state, store_table_open(*state, "t"), "c", "3");
    store_close(*state);
    *state = open_folder();
    expect_now(*state, store_table_open(*state, "t"), "a", NULL);
    expect_now(*state, store_table_open(*state, "t"), "c", "3");
    struct tables_seen seen = {*state, ""};
    store_tables_visit(*state, note_and_drop_t, &seen);
    assert_true(strcmp(seen.names, "tu") == 0 || strcmp(seen.names, "ut") == 0);
    expect_now(*state, store_table_open(*state, "u"), "b", "2");
    struct store_table *table = store_table_open(*state, "t");
    struct store_transaction *transaction = store_begin(*state);
    assert_string_equal(scan(transaction, table, all), "");
    store_rollback(transaction);
}

/* What was committed alone is there after the store was closed, and what was not is not. */
static void test_group_reopened(void **state)
{
    struct store_table *table = store_table_open(*state, "t");
    put_now(*state, table, "a", "1");
    put_now(*state, table, "b", "1");
    store_write(*state);
    put_now(*state, table, "a", "2");
    put_now(*state, table, "b", NULL);
    put_now(*state, table, "c", "1");
    struct store_transaction *transaction = store_begin(*state);
    assert_int_equal(put(transaction, table, "a", "3"), STORE_DONE);
    store_rollback(transaction);
    store_close(*state);
    *state = open_folder();
    table = store_table_open(*state, "t");
    expect_now(*state, table, "a", "2");
    expect_now(*state, table, "b", NULL);
    expect_now(*state, table, "c", "1");
}

/* After store_write() the log has what was committed, in whichever way, whatever came between. */
static void write_and_die(void)
{
    struct store *store = open_folder();
    struct store_table *table = store_table_open(store, "t");
    put_now(store, table, "alone", "1");
    store_write(store);
    struct store_transaction *first = store_begin(store), *second = store_begin(store);
    assert_int_equal(put(first, table, "beside", "1"), STORE_DONE);
    assert_int_equal(store_commit(first), STORE_DONE);
    store_rollback(second);
    first = store_begin(store); /* alone, and leaves nothing to be written */
    assert_int_equal(put(first, table, "undone", "1"), STORE_DONE);
    store_rollback(first);
    put_now(store, table, "gone", "1");
    put_now(store, table, "gone", NULL);
    store_write(store);
    kill(getpid(), SIGKILL);
}

static void test_killed(void **state)
{
    int status;
    store_close(*state);
    pid_t process = fork();
    if (process == 0)
        write_and_die();
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    *state = open_folder();
    struct store_table *table = store_table_open(*state, "t");
    expect_now(*state, table, "alone", "1");
    expect_now(*state, table, "beside", "1");
    expect_now(*state, table, "undone", NULL);
}

/* Files of dropped tables do not stay. */
static void test_files_go(void **state)
{
    glob_t files;
    char *pattern = x_format("%s/t*.wt", folder);
    for (int i = 0; i < 5; i++) {
        struct store_table *table = store_table_open(*state, "t");
        struct store_transaction *transaction = store_begin(*state);
        put_now(*state, table, "a", "1");
        expect(transaction, table, "a", NULL);
        if (i % 2 == 0)
            store_rollback(transaction);
        store_table_drop(*state, table);
        if (i % 2 != 0)
            store_rollback(transaction);
    }
    store_close(*state);
    *state = open_folder();
    assert_int_equal(glob(pattern, 0, NULL, &files), GLOB_NOMATCH);
    free(pattern);
}

#define EACH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, open_memory, close_store),                               \
        cmocka_unit_test_setup_teardown(test, open_wired, close_wired)
#else
#define EACH(test) cmocka_unit_test_setup_teardown(test, open_memory, close_store)
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown),
        EACH(test_commit_and_rollback),
        EACH(test_snapshot),
        EACH(test_conflict),
        EACH(test_scan_order),
        EACH(test_scan_prefix),
        EACH(test_drop),
        EACH(test_tables),
        EACH(test_random),
        EACH(test_much),
#ifdef WITH_WIREDTIGER
        cmocka_unit_test_setup_teardown(test_reopened, open_wired, close_wired),
        cmocka_unit_test_setup_teardown(test_group_reopened, open_wired, close_wired),
        cmocka_unit_test_setup_teardown(test_killed, open_wired, close_wired),
        cmocka_unit_test_setup_teardown(test_files_go, open_wired, close_wired),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
