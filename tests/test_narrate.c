/* SPDX-License-Identifier: Apache-2.0
 *
 * Failing executions told to people: golden text from trails made by hand, narrow and wide, with
 * few workers and many, with faults, files and a stuck end.
 */
#include "base.h"
#include "explore/narrate.h"
#include "support.h"

/* Makes a trail step by step. */
static struct trail trail;
static struct verdict verdict;
static struct cell cell;

static void begin(const char *scenario, const char *strategy, int32_t workers)
{
    memset(&trail, 0, sizeof(trail));
    memset(&verdict, 0, sizeof(verdict));
    cell = support_cell(scenario_find(scenario), strategy_find(strategy), TRANSPORT_DIRECT);
    cell.workers = workers;
    trail.workers = workers;
    trail.no_return = SIZE_MAX;
    verdict.status = BROKEN;
}

static void first(const char *name, const char *text)
{
    size_t at = array_grow((void **)&trail.first, &trail.first_count, &trail.first_capacity,
                           sizeof(*trail.first));
    trail.first[at] = (struct trail_image){x_strdup(name), text != NULL ? x_strdup(text) : NULL};
}

static struct trail_entry *move(enum move_kind kind, int32_t worker, enum step_kind step)
{
    struct trail_entry *entry = trail_add(&trail);
    entry->move = (struct move){kind, worker, step, MOVE_PLAIN, 0};
    entry->operation = 0;
    entry->attempt = 1;
    strcpy(entry->target, "counters");
    return entry;
}

static struct trail_entry *step(int32_t worker, enum step_kind kind, const char *returned)
{
    struct trail_entry *entry = move(MOVE_STEP, worker, kind);
    entry->returned = returned != NULL ? x_strdup(returned) : NULL;
    return entry;
}

static struct trail_entry *wrote(struct trail_entry *entry, const char *name, const char *text)
{
    size_t at = array_grow((void **)&entry->images, &entry->image_count, &entry->image_capacity,
                           sizeof(*entry->images));
    entry->images[at] = (struct trail_image){x_strdup(name), text != NULL ? x_strdup(text) : NULL};
    entry->wrote = true;
    return entry;
}

static void told(int columns, const char *stuck, const char *expected)
{
    struct narrate_tale tale = {&cell, &trail, &verdict, stuck};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    narrate(&tale, columns, out);
    fclose(out);
    for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        if (end - line > columns)
            fail_msg("%d columns are too many:\n%s", (int)(end - line), text);
    if (getenv("SHOW") != NULL)
        fputs(text, stderr);
    assert_string_equal(text, expected);
    free(text);
    trail_free(&trail);
}

static void lost_update(void)
{
    begin("counter", "naive", 2);
    verdict.reason = REASON_LOST_UPDATE;
    first("counters/0", "{ \"_id\" : 0, \"n\" : 0, \"version\" : 0 }");
    step(0, STEP_FIND, "{ \"_id\" : 0, \"n\" : 0, \"version\" : 0 }");
    step(1, STEP_FIND, "{ \"_id\" : 0, \"n\" : 0, \"version\" : 0 }");
    struct trail_entry *entry = step(0, STEP_UPDATE, NULL);
    wrote(entry, "counters/0", "{ \"_id\" : 0, \"n\" : 1, \"version\" : 0 }");
    entry->settled = true;
    entry = step(1, STEP_UPDATE, NULL);
    wrote(entry, "counters/0", "{ \"_id\" : 0, \"n\" : 1, \"version\" : 0 }");
    entry->lost = true;
    entry->victim = OPERATION_ID(0, 0);
    trail.no_return = 2;
}

static void test_lost_update(void **state)
{
    (void)state;
    lost_update();
    told(80, NULL,
         "w1 saved over w0's increment of counters/0.\n"
         "\n"
         "       w0             w1           counters/0\n"
         "                                   {n: 0}\n"
         "  1    find {n: 0}\n"
         "  2                 > find {n: 0}\n"
         "---- from here on every continuation fails ------------------------\n"
         "  3  > update                      {n: 1}\n"
         "  4                 > update       {n: 1}      LOST: w0's increment\n"
         "\n"
         "Between a find and a save anybody may write: put the version that was read into\n"
         "the filter and try again (occ), or say the change as an operator (inc).\n");
}

/* The same for ten: one column says who. */
static void test_many_workers(void **state)
{
    (void)state;
    lost_update();
    trail.workers = cell.workers = 10;
    told(80, NULL,
         "w1 saved over w0's increment of counters/0.\n"
         "\n"
         "       worker             counters/0\n"
         "                          {n: 0}\n"
         "  1    w0    find {n: 0}\n"
         "  2  > w1    find {n: 0}\n"
         "---- from here on every continuation fails ---------------\n"
         "  3  > w0    update       {n: 1}\n"
         "  4  > w1    update       {n: 1}      LOST: w0's increment\n"
         "\n"
         "Between a find and a save anybody may write: put the version that was read into\n"
         "the filter and try again (occ), or say the change as an operator (inc).\n");
}

static void test_paused_holder(void **state)
{
    (void)state;
    begin("counter", "lock_document_compat", 2);
    verdict.reason = REASON_LOST_UPDATE;
    first("counters/0", "{\"_id\": 0, \"n\": 0, \"lockedAt\": null}");
    step(0, STEP_NOW, "1767225600000");
    wrote(step(0, STEP_FIND_AND_MODIFY, "{\"_id\": 0, \"n\": 0, \"lockedAt\": 1767225600000}"),
          "counters/0", "{\"_id\": 0, \"n\": 0, \"lockedAt\": 1767225600000}");
    move(MOVE_CLOCK, STEP_NOBODY, STEP_FIND)->move.amount = 30000;
    step(1, STEP_NOW, "1767225630000");
    wrote(step(1, STEP_FIND_AND_MODIFY, "{\"_id\": 0, \"n\": 0, \"lockedAt\": 1767225630000}"),
          "counters/0", "{\"_id\": 0, \"n\": 0, \"lockedAt\": 1767225630000}");
    struct trail_entry *entry = step(0, STEP_UPDATE, NULL);
    wrote(entry, "counters/0", "{\"_id\": 0, \"n\": 1, \"lockedAt\": null}")->settled = true;
    entry = step(1, STEP_UPDATE, NULL);
    wrote(entry, "counters/0", "{\"_id\": 0, \"n\": 1, \"lockedAt\": null}");
    entry->lost = true;
    entry->victim = OPERATION_ID(0, 0);
    trail.no_return = 4;
    told(80, NULL,
         "w1 saved over w0's increment of counters/0.\n"
         "\n"
         "       w0                 w1               counters/0\n"
         "                                           {n: 0, lockedAt: null}\n"
         "  1    now 0s\n"
         "  2    find_and_modify                     {n: 0, lockedAt: 0s}\n"
         "---- the clock moves by 30s -------------------------------------\n"
         "  4                     > now 30s\n"
         "---- from here on every continuation fails ----------------------\n"
         "  5                       find_and_modify  {n: 0, lockedAt: 30s}\n"
         "  6  > update                              {n: 1, lockedAt: null}\n"
         "  7                     > update           {n: 1, lockedAt: null}\n"
         "                                           ^ LOST: w0's increment\n"
         "\n"
         "A lease ends while its holder still believes in it: the write itself must ask\n"
         "for the lock, with its owner or a growing number in the filter (fenced_lease).\n");
}

static void test_torn_file(void **state)
{
    (void)state;
    begin("counter", "file_naive", 1);
    verdict.reason = REASON_TORN;
    verdict.witness_count = 1;
    first("counters.0.json", "{ \"_id\" : 0, \"n\" : 0 }");
    strcpy(step(0, STEP_READ_FILE, "{ \"_id\" : 0, \"n\" : 0 }")->target, "counters.0.json");
    struct trail_entry *empty = wrote(step(0, STEP_EMPTY_FILE, NULL), "counters.0.json", "");
    strcpy(empty->target, "counters.0.json");
    struct trail_entry *entry =
        wrote(move(MOVE_CRASH, 0, STEP_FIND), "counters.0.json", "{ \"_id\" : 0, \"");
    entry->move.amount = 13;
    entry->settled = true;
    entry->outcome = UNKNOWN;
    told(80, NULL,
         "w0 died while it wrote counters.0.json, and left half of it.\n"
         "\n"
         "       w0                       counters.0.json\n"
         "                                {n: 0}\n"
         "  1    read_file {n: 0}\n"
         "  2    empty_file               ''\n"
         "  3    CRASH, 13 bytes written  '{ \"_id\" : 0, \"'  w0: unknown\n"
         "\n"
         "Write beside the file and rename, so that nobody finds half of it, and hold a\n"
         "lock from the read to the write that other instances respect (file_lock).\n");
}

static void test_articles(void **state)
{
    static const struct {
        const char *scenario, *sentence;
    } rows[] = {{"once_only", "An order that was asked for was never done"},
                {"cron_tick", "A tick that was asked for was never done"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cell its = {.scenario = scenario_find(rows[i].scenario)};
        struct verdict missed = {.status = BROKEN, .reason = REASON_MISSED};
        struct trail none = {0};
        char *sentence = narrate_sentence(&(struct narrate_tale){&its, &none, &missed, NULL});
        assert_string_equal(sentence, rows[i].sentence);
        free(sentence);
    }
}

static void test_lost_reply(void **state)
{
    (void)state;
    begin("counter", "inc", 1);
    verdict.reason = REASON_DOUBLED_UPDATE;
    verdict.witness_count = 1;
    verdict.witnesses[0] = (struct witness){.victim = OPERATION_ID(0, 0)};
    first("counters/0", "{\"_id\": 0, \"n\": 0}");
    wrote(move(MOVE_LOST, 0, STEP_UPDATE), "counters/0", "{\"_id\": 0, \"n\": 1}")->reply = UNKNOWN;
    wrote(step(0, STEP_UPDATE, NULL), "counters/0", "{\"_id\": 0, \"n\": 2}")->settled = true;
    told(80, NULL,
         "w0's increment was applied twice.\n"
         "\n"
         "       w0                  counters/0\n"
         "                           {n: 0}\n"
         "  1    update, reply lost  {n: 1}\n"
         "  2    update              {n: 2}      APPLIED TWICE\n"
         "\n"
         "Who does not know whether a write was applied must not send it again unless the\n"
         "document can tell: keep the number of the last operation applied in it\n"
         "(inc_once, occ_once).\n");
}

static void test_stuck(void **state)
{
    (void)state;
    static const char waits[] = "w0 waits for the lock of b.json, which w1 holds; "
                                "w1 waits for the lock of a.json, which w0 holds";
    begin("counter", "file_lock", 2);
    verdict.reason = REASON_STUCK;
    strcpy(step(0, STEP_LOCK_FILE, NULL)->target, "a.json");
    strcpy(step(1, STEP_LOCK_FILE, NULL)->target, "b.json");
    told(80, waits,
         "Nobody can go on: w0 waits for the lock of b.json, which w1 holds; w1 waits for\n"
         "the lock of a.json, which w0 holds.\n"
         "\n"
         "       w0                  w1                documents\n"
         "  1    lock_file a.json\n"
         "  2                      > lock_file b.json\n"
         "\n"
         "Take several locks always in the same order, or give them a lease.\n");
}

/* Long documents, several of them, and every other kind of move, in 100 columns and in 80. */
static void wide(void)
{
    begin("transfer", "naive", 3);
    verdict.reason = REASON_SKEWED;
    verdict.witness_count = 1;
    verdict.witnesses[0] =
        (struct witness){.victim = OPERATION_ID(1, 0), .culprit = OPERATION_ID(0, 2)};
    first("accounts/0", "{\"_id\": 0, \"amount\": 50, \"owner\": \"a somewhat long name\"}");
    first("accounts/1", "{\"_id\": 1, \"amount\": 50, \"owner\": \"b\"}");
    first("accounts/2", "{\"_id\": 2, \"amount\": 50, \"owner\": \"never changed\"}");
    strcpy(step(0, STEP_FIND, "{\"_id\": 0, \"amount\": 50}")->target, "accounts");
    move(MOVE_SKEW, 1, STEP_FIND)->move.amount = 31000;
    move(MOVE_PAUSE, 0, STEP_FIND);
    move(MOVE_RESTART, STEP_NOBODY, STEP_FIND);
    move(MOVE_DROP, 1, STEP_INSERT)->reply = FAILED;
    move(MOVE_ERROR, 2, STEP_UPDATE)->reply = FAILED;
    step(2, STEP_UPDATE, NULL)->reply = CONFLICT;
    step(2, STEP_RANDOM, "7");
    wrote(wrote(step(2, STEP_UPDATE, NULL), "accounts/0",
                "{\"_id\": 0, \"amount\": 12345678901, \"token\": 4294967298, "
                "\"owner\": {\"first\": \"Ada\", \"list\": [1, 2, 3]}}"),
          "accounts/1", "{\"_id\": 1, \"amount\": 1.5, \"flag\": true}");
    wrote(step(1, STEP_DELETE, NULL), "accounts/1", NULL);
}

static void test_wide(void **state)
{
    (void)state;
    wide();
    told(100, NULL,
         "w1 decided on what w0 was changing: the rule over two documents is broken.\n"
         "\n"
         "       worker                                documents\n"
         "                                             accounts/0 {amount: 50, owner: \"a somewhat "
         "long name\"}\n"
         "                                             accounts/1 {amount: 50, owner: \"b\"}\n"
         "  1    w0    find accounts {amount: 50}\n"
         "  2  > w1    skew +31s\n"
         "  3  > w0    PAUSE\n"
         "---- the engine restarts "
         "---------------------------------------------------------------------------\n"
         "  5  > w1    insert counters: never arrived\n"
         "  6  > w2    update counters: refused\n"
         "  7    w2    update counters: conflict\n"
         "  8    w2    random 7\n"
         "  9    w2    update counters                 accounts/0 {amount: 12345678901, token: "
         "w0.2, ...}\n"
         "                                             accounts/1 {amount: 1.5, flag: true}\n"
         " 10  > w1    delete counters                 accounts/1 absent\n"
         "\n"
         "What was only read must not change before the write either: lock both documents in key "
         "order\n"
         "(lock_document).\n");
}

static void test_narrow(void **state)
{
    (void)state;
    wide();
    told(80, NULL,
         "w1 decided on what w0 was changing: the rule over two documents is broken.\n"
         "\n"
         "       worker                                documents\n"
         "                                             accounts/0 {amount: 50, ...}\n"
         "                                             accounts/1 {amount: 50, owner: \"b\"}\n"
         "  1    w0    find accounts {amount: 50}\n"
         "  2  > w1    skew +31s\n"
         "  3  > w0    PAUSE\n"
         "---- the engine restarts -------------------------------------------------------\n"
         "  5  > w1    insert counters: never arrived\n"
         "  6  > w2    update counters: refused\n"
         "  7    w2    update counters: conflict\n"
         "  8    w2    random 7\n"
         "  9    w2    update counters                 accounts/0 {amount: 12345678901,...\n"
         "                                             accounts/1 {amount: 1.5, ...}\n"
         " 10  > w1    delete counters                 accounts/1 absent\n"
         "\n"
         "What was only read must not change before the write either: lock both documents\n"
         "in key order (lock_document).\n");
}

/* No text of a document, whatever it is, makes a line longer than the width or stops the tale. */
static void test_any_text(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = (uint64_t)clock_monotonic_ns();
    print_message("seed %llu\n", (unsigned long long)seed);
    random_seed(&random, seed);
    for (int i = 0; i < 300; i++) {
        char text[200];
        size_t length = random_below(&random, sizeof(text) - 1);
        for (size_t at = 0; at < length; at++)
            text[at] = "{}[]\":,0a \n\t\033"[random_below(&random, 13)];
        text[length] = '\0';
        begin("counter", "naive", 1 + (int32_t)random_below(&random, 12));
        verdict.reason = (enum reason)random_below(&random, REASON_COUNT);
        first("counters/0", text);
        wrote(step(0, STEP_UPDATE, text), "counters/0", text);
        struct narrate_tale tale = {&cell, &trail, &verdict, NULL};
        char *told_text = NULL;
        size_t size;
        FILE *out = open_memstream(&told_text, &size);
        narrate(&tale, 80, out);
        fclose(out);
        for (const char *line = told_text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
            if (end - line > 80)
                fail_msg("%d columns: %.*s", (int)(end - line), (int)(end - line), line);
        assert_null(strchr(told_text, '\033'));
        free(told_text);
        trail_free(&trail);
    }
}

static void test_title(void **state)
{
    (void)state;
    lost_update();
    struct narrate_tale tale = {&cell, &trail, &verdict, NULL};
    char *title = narrate_title(&tale);
    assert_string_equal(title, "counter with naive, 2 workers: lost update");
    free(title);
    trail_free(&trail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_update),   cmocka_unit_test(test_many_workers),
        cmocka_unit_test(test_paused_holder), cmocka_unit_test(test_torn_file),
        cmocka_unit_test(test_articles),      cmocka_unit_test(test_lost_reply),
        cmocka_unit_test(test_stuck),         cmocka_unit_test(test_wide),
        cmocka_unit_test(test_narrow),        cmocka_unit_test(test_any_text),
        cmocka_unit_test(test_title),
    };
    return cmocka_run_group_tests_name("narrate", tests, NULL, NULL);
}
