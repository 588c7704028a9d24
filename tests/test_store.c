/* SPDX-License-Identifier: Apache-2.0
 *
 * store: the contract that every store keeps: snapshots, own writes, the first updater wins,
 * rollback, order of scans, dropping. Run over each store there is.
 * labels: engine
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "engine/store.h"

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
    store_scan(transaction, table, concatenate, all);
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
    assert_int_equal(put(second, table, "a", "second"), STORE_CONFLICT); /* pending elsewhere */
    assert_int_equal(store_delete(second, table, text("a")), STORE_CONFLICT);
    expect(second, table, "a", "1");
    assert_int_equal(store_commit(first), STORE_DONE);
    assert_int_equal(put(second, table, "a", "second"), STORE_CONFLICT); /* committed since */
    store_rollback(second);
    expect_now(store, table, "a", "first");

    first = store_begin(store), second = store_begin(store); /* both insert one key */
    assert_int_equal(put(first, table, "new", "first"), STORE_DONE);
    expect(second, table, "new", NULL);
    assert_int_equal(put(second, table, "new", "second"), STORE_CONFLICT);
    store_rollback(first);
    assert_int_equal(put(second, table, "new", "second"), STORE_DONE); /* free again */
    assert_int_equal(store_commit(second), STORE_DONE);
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
    put_now(store, table, "a", "1");
    put_now(store, table, "m", "1");
    put_now(store, table, "z", "2"); /* an update moves nothing */
    struct store_transaction *transaction = store_begin(store);
    assert_int_equal(put(transaction, table, "q", "1"), STORE_DONE);
    assert_string_equal(scan(transaction, table, all), "zamq"); /* sees its own */
    store_rollback(transaction);
    put_now(store, table, "z", NULL);
    put_now(store, table, "z", "3");
    put_now(store, table, "y", "3");
    put_now(store, table, "x", "3");
    put_now(store, table, "w", "3");
    transaction = store_begin(store);
    assert_string_equal(scan(transaction, table, all), "amzyx"); /* stopped after five */
    store_rollback(transaction);
}

static void test_drop(void **state)
{
    struct store *store = *state;
    struct store_table *table = store_table_open(store, "t"), *other = store_table_open(store, "u");
    struct store_transaction *transaction = store_begin(store);
    assert_int_equal(put(transaction, table, "a", "1"), STORE_DONE);
    assert_int_equal(store_table_drop(store, table), STORE_CONFLICT);
    put_now(store, other, "b", "1"); /* stale rows, since another is open */
    put_now(store, other, "b", NULL);
    assert_int_equal(store_table_drop(store, other), STORE_DONE);
    assert_int_equal(store_commit(transaction), STORE_DONE);
    assert_int_equal(store_table_drop(store, table), STORE_DONE);
    expect_now(store, store_table_open(store, "t"), "a", NULL);
}

/* Random transactions against a model: committed values of a few keys, and one snapshot each. */
static void test_random(void **state)
{
    enum { KEYS = 4, OPEN = 3, STEPS = 20000 };
    struct store *store = *state;
    struct store_table *table = store_table_open(store, "t");
    uint64_t seed = (uint64_t)clock_monotonic_ns();
    int committed[KEYS] = {0}, stamp[KEYS] = {0}, clock = 0;
    int writer[KEYS], view[OPEN][KEYS], began[OPEN];
    struct store_transaction *open[OPEN] = {NULL};
    struct random random;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int i = 0; i < KEYS; i++)
        writer[i] = -1;
    for (int i = 0; i < STEPS; i++) {
        int who = (int)random_below(&random, OPEN), key = (int)random_below(&random, KEYS);
        int what = (int)random_below(&random, 6);
        char name[2] = {(char)('a' + key), 0}, value[16];
        if (open[who] == NULL) {
            open[who] = store_begin(store);
            began[who] = clock;
            memcpy(view[who], committed, sizeof committed);
        } else if (what < 2) {
            snprintf(value, sizeof value, "%d", view[who][key]);
            expect(open[who], table, name, view[who][key] != 0 ? value : NULL);
        } else if (what < 4) {
            bool removes = what == 3 && view[who][key] != 0;
            bool clash = (writer[key] >= 0 && writer[key] != who) ||
                         (writer[key] < 0 && stamp[key] > began[who]);
            int number = removes ? 0 : i + 1;
            snprintf(value, sizeof value, "%d", number);
            enum store_result result = removes ? store_delete(open[who], table, text(name))
                                               : put(open[who], table, name, value);
            assert_int_equal(result, clash ? STORE_CONFLICT : STORE_DONE);
            if (!clash) {
                view[who][key] = number;
                writer[key] = who;
            }
        } else {
            bool commits = what == 4;
            clock++;
            for (int k = 0; k < KEYS; k++)
                if (writer[k] == who) {
                    if (commits) {
                        committed[k] = view[who][k];
                        stamp[k] = clock;
                    }
                    writer[k] = -1;
                }
            if (commits)
                assert_int_equal(store_commit(open[who]), STORE_DONE);
            else
                store_rollback(open[who]);
            open[who] = NULL;
        }
    }
    for (int i = 0; i < OPEN; i++)
        if (open[i] != NULL)
            store_rollback(open[i]);
}

static int open_memory(void **state)
{
    *state = store_open("memory");
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
    assert_null(store_open("nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown),
        cmocka_unit_test_setup_teardown(test_commit_and_rollback, open_memory, close_store),
        cmocka_unit_test_setup_teardown(test_snapshot, open_memory, close_store),
        cmocka_unit_test_setup_teardown(test_conflict, open_memory, close_store),
        cmocka_unit_test_setup_teardown(test_scan_order, open_memory, close_store),
        cmocka_unit_test_setup_teardown(test_drop, open_memory, close_store),
        cmocka_unit_test_setup_teardown(test_random, open_memory, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
