/* SPDX-License-Identifier: Apache-2.0
 *
 * store_group: what the group of rows holds is bounded, whatever was written; and documents that an
 * engine over WiredTiger has borrowed stay while it needs them (AddressSanitizer sees it).
 * labels: engine
 * needs: wiredtiger
 */
#include "commands.h"

#include "engine/store_group.h"

enum { LARGE = 8000 };

static void write_number(struct group *group, struct group_table *table, int number, size_t bytes)
{
    uint8_t key[LARGE] = {0};
    memcpy(key, &number, sizeof number);
    group_write(group, table, (struct slice){key, bytes}, (struct slice){key, sizeof number},
                GROUP_THERE);
}

/* What the group says of row 1: its value, or -1 when it does not know. */
static int known(const struct group *group, struct group_table *table)
{
    int key = 1, value;
    const struct group_row *row =
        group_find(group, table, (struct slice){(const uint8_t *)&key, sizeof key});
    if (row == NULL)
        return -1;
    assert_int_equal(row->state, GROUP_THERE);
    memcpy(&value, row->value.bytes, sizeof value);
    return value;
}

static void write_value(struct group *group, struct group_table *table, int value, size_t bytes)
{
    int key = 1;
    uint8_t text[LARGE] = {0};
    memcpy(text, &value, sizeof value);
    group_write(group, table, (struct slice){(const uint8_t *)&key, sizeof key},
                (struct slice){text, bytes}, GROUP_THERE);
}

/* What went down is known until others write below; what is taken back is as it was. */
static void test_known(void **state)
{
    struct group_table table = {.rows = NULL};
    struct group group = {.rows = NULL};
    (void)state;
    assert_int_equal(known(&group, &table), -1);
    write_value(&group, &table, 5, sizeof(int));
    group_keep(&group);
    assert_int_equal(group.row_count, 1);
    group_clear(&group);
    assert_int_equal(group.row_count, 0);
    assert_int_equal(known(&group, &table), 5);
    write_value(&group, &table, 6, sizeof(int));
    assert_int_equal(known(&group, &table), 6);
    group_undo(&group);
    assert_int_equal(known(&group, &table), 5);
    group_clear(&group);
    assert_int_equal(known(&group, &table), 5);
    group_forget(&group);
    assert_int_equal(known(&group, &table), -1);
    write_value(&group, &table, 7, sizeof(int));
    assert_int_equal(known(&group, &table), 7);
    group_undo(&group);
    assert_int_equal(known(&group, &table), -1);
    group_clear(&group);
    assert_int_equal(known(&group, &table), -1);
    write_value(&group, &table, 8, LARGE);
    group_keep(&group);
    assert_int_equal(known(&group, &table), 8);
    group_clear(&group); /* which gave the memory back */
    assert_int_equal(known(&group, &table), -1);
    group_table_free(&table);
    group_free(&group);
}

static void test_bounded(void **state)
{
    enum { ROWS = 5000, FEW = 10 };
    struct group_table tables[2] = {{.rows = NULL}, {.rows = NULL}};
    struct group group = {.rows = NULL};
    (void)state;
    for (int i = 0; i < ROWS; i++) { /* one transaction in one group */
        write_number(&group, &tables[0], i, sizeof i);
        write_number(&group, &tables[1], 0, sizeof i);
    }
    assert_true(group.bytes > ROWS * sizeof(struct group_row));
    group_clear(&group);
    assert_int_equal(HASH_COUNT(tables[0].rows), GROUP_ROWS_KEPT);
    assert_int_equal(HASH_COUNT(tables[1].rows), 1);
    assert_int_equal(group.row_count, 0); /* all have gone down */
    assert_true(group.undo_made < 100);
    assert_int_equal(group.bytes, 0);
    for (int i = 0; i < ROWS; i++) { /* many, with a row that all of them write */
        write_number(&group, &tables[1], 0, sizeof i);
        write_number(&group, &tables[1], i, sizeof i);
        group_keep(&group);
        group_clear(&group);
    }
    assert_int_equal(HASH_COUNT(tables[1].rows), GROUP_ROWS_KEPT);
    for (int i = 0; i < FEW; i++)
        write_number(&group, &tables[0], ROWS + i, LARGE);
    group_clear(&group);
    assert_int_equal(HASH_COUNT(tables[0].rows), GROUP_ROWS_KEPT);
    write_number(&group, &tables[0], 1, LARGE);
    group_undo(&group);
    group_clear(&group);
    for (struct group_row *row = tables[0].rows; row != NULL; row = row->hh.next)
        assert_true(row->key.length < LARGE);
    group_table_free(&tables[0]);
    group_table_free(&tables[1]);
    group_free(&group);
}

/* An engine over a folder, which is made when there is none. */
struct stand {
    char *folder, *data;
    struct engine *engine;
};

static void reopen(struct stand *stand)
{
    if (stand->engine != NULL)
        engine_free(stand->engine);
    stand->engine =
        engine_new(&(struct engine_settings){.store = "wiredtiger", .folder = stand->data});
}

static int setup(void **state)
{
    struct stand *stand = *state = x_calloc(1, sizeof *stand);
    stand->folder = make_private_folder("");
    stand->data = x_format("%s/data", stand->folder);
    reopen(stand);
    return 0;
}

static int teardown(void **state)
{
    struct stand *stand = *state;
    engine_free(stand->engine);
    remove_folder(stand->folder);
    free(stand->data);
    free(stand->folder);
    free(stand);
    return 0;
}

static void insert_large(struct stand *stand, size_t bytes)
{
    char *text = x_malloc(bytes + 1);
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    char *insert = x_format("{'insert': 'c', 'documents': [{'_id': 1, 'a': 1, 'b': 1, 'large': "
                            "'%s'}]}",
                            text);
    bson_destroy(run(stand->engine, insert));
    free(insert);
    free(text);
}

static void expect_count(struct stand *stand, const char *query, int32_t expected)
{
    char *text = x_format("{'count': 'c', 'query': %s}", query);
    bson_t *reply = run(stand->engine, text);
    assert_int_equal(int_at(reply, "n"), expected);
    bson_destroy(reply);
    free(text);
}

/* The second statement moves two indexes' entries, by a document that the first one has written;
 * the group is larger than it should be. */
static void test_large_document(void **state)
{
    struct stand *stand = *state;
    bson_destroy(run(stand->engine, "{'createIndexes': 'c', 'indexes': [{'key': {'a': 1}, 'name': "
                                    "'a'}, {'key': {'b': 1}, 'name': 'b'}]}"));
    insert_large(stand, 5 * 1024 * 1024);
    bson_destroy(run(stand->engine, "{'update': 'c', 'updates': [{'q': {'_id': 1}, 'u': {'$set': "
                                    "{'x': 1}}}, {'q': {'_id': 1}, 'u': {'$set': {'a': 2, 'b': "
                                    "2}}}]}"));
    expect_count(stand, "{'a': 1}", 0);
    expect_count(stand, "{'b': 1}", 0);
    expect_count(stand, "{'a': 2, 'b': 2, 'x': 1}", 1);
}

/* A document that a scan has found is changed after the scan. */
static void test_found_by_scan(void **state)
{
    struct stand *stand = *state;
    insert_large(stand, 300 * 1024);
    reopen(stand);
    bson_destroy(run(stand->engine, "{'update': 'c', 'updates': [{'q': {'a': 1}, 'u': {'$set': "
                                    "{'a': 2}}}]}"));
    expect_count(stand, "{'a': 2, 'b': 1}", 1);
    reopen(stand);
    bson_destroy(run(stand->engine, "{'delete': 'c', 'deletes': [{'q': {'b': 1}, 'limit': 1}]}"));
    expect_count(stand, "{}", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test_setup_teardown(test_large_document, setup, teardown),
        cmocka_unit_test_setup_teardown(test_found_by_scan, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
