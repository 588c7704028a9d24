/* SPDX-License-Identifier: Apache-2.0
 *
 * test_check_reader: does `racebench check` read histories as they are meant, and refuse those that
 * cannot be judged, with the line and what to do? Both notations, all that EDN has, keys, answers
 * that never came, everything that can be out of order; then every beginning of the golden
 * histories in tests/check/ and thousands of damaged ones, which must be refused or judged and
 * never crash.
 *
 * labels: unit
 */
#include "check/reading.h"

/* Notations ----------------------------------------------------------------------------------- */

static void test_json_forms(void **state)
{
    (void)state;
    static const char *const texts[] = {
        OP("invoke", "0", "write", "1") OP("ok", "0", "write", "1"),
        "\xef\xbb\xbf" OP("invoke", "0", "write", "1") "\r\n\n" OP("ok", "0", "write", "1"),
        "[" OP("invoke", "0", "write", "1") "," OP("ok", "0", "write", "1") "]\n",
        "{\n \"process\": 0,\n \":type\": \":invoke\", \":f\": \":write\",\n \"value\": 1.0\n}\n"
        "{\"process\":0.0,\"type\":\":ok\",\"f\":\":write\",\"value\":1,\"error\":{\"a\":[1,{}]}}",
        OP("invoke", "0", "write", "1") OP("invoke", "\"nemesis\"", "kill", "\"}{\\\"\"")
            OP("invoke", "null", "x", "1") OP("invoke", "-1", "x", "1") OP("ok", "0", "w", "1"),
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct foreign foreign;
        read_good(texts[i], MODEL_REGISTER, &foreign);
        assert_int_equal(foreign.notation, NOTATION_JSON);
        assert_int_equal(foreign.count, 1);
        assert_int_equal(foreign.operations[0].action, ACTION_WRITE);
        assert_false(foreign.operations[0].pending);
        assert_string_equal(names_text(&foreign.values, foreign.operations[0].first), "1");
        foreign_free(&foreign);
    }
}

static void test_edn_forms(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{:type :invoke :process 0 :f :write :value 1} {:type :ok :process 0 :f :write :value 1}",
        "({:type :invoke, :process 0, :f :write, :value 1N}\n;; ok?\n"
        "#_{:type :x} {:type :ok, :process 0, :f :write, :value 1.0})",
        "[#_ #_ 1 2 #jepsen.history.Op{:index 0, :time 1, :type :invoke, :process 0, :f :write, "
        ":value 1, :error [:a \"b\\\"]}\"]}\n#x/y #z {:type :ok :process 0 :f w :value +1}]",
        "{:type \"invoke\" :process 0 :f \"write\" :value 1, :ext #{1 2 (3) [\\a \\newline \\}]}}"
        "{:type :ok :process 0 :f :write :value ^{:a 1} 1 :n nil :t true :r 1/3 :i ##Inf :m 0.1M}",
        "{\"type\" :invoke \"process\" 0 \"f\" :write \"value\" 1}"
        "{:type :ok :process 0 :f :write :value nil :at #inst \"2026-01-01\"}; the end",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct foreign foreign;
        read_good(texts[i], MODEL_REGISTER, &foreign);
        assert_int_equal(foreign.notation, NOTATION_EDN);
        assert_int_equal(foreign.count, 1);
        assert_int_equal(foreign.acknowledged, 1);
        assert_string_equal(names_text(&foreign.values, foreign.operations[0].first), "1");
        foreign_free(&foreign);
    }
}

/* What a value is called, in EDN and in JSON. */
static void test_values_have_one_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } rows[] = {
        {"nil", "nil"},
        {"false", "false"},
        {"-0", "0"},
        {"7.0", "7"},
        {"1e3", "1000"},
        {"0.5", "0.5"},
        {"12345678901234567890N", ":12345678901234567890N"},
        {"\"a\\\"b\\u0041\\n\"", "\"a\\\"bA\\n\""},
        {":a/b", ":a/b"},
        {"\\space", "\"space\""},
        {"(1 [2])", "[1 [2]]"},
        {"#{3 1 2}", "#{1 2 3}"},
        {"{:b 1, :a #{2 1}}", "{:a #{1 2} :b 1}"},
    };
    struct names names = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct reader reader;
        const struct datum *datum = reader_value(&reader, rows[i].text);
        assert_non_null(datum);
        int64_t number = names_put(&names, datum);
        assert_string_equal(names_text(&names, number), rows[i].name);
        assert_int_equal(names_put_text(&names, rows[i].name, strlen(rows[i].name)), number);
        reader_close(&reader);
    }
    assert_int_equal(names.count, COUNT_OF(rows));
    names_free(&names);
    static const char *const wrong[] = {"",   "1 2", "[1", "{:a}", "\"x",
                                        "1x", "#",   "}",  ":",    "#\"a\""};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct reader reader;
        assert_null(reader_value(&reader, wrong[i]));
        reader_close(&reader);
    }
}

/* Meaning ------------------------------------------------------------------------------------- */

static void test_outcomes(void **state)
{
    (void)state;
    struct foreign foreign;
    read_good(OP("invoke", "0", "write", "1") OP("invoke", "1", "write", "2")
                  OP("invoke", "2", "write", "3") OP("invoke", "3", "read", "null")
                      OP("fail", "0", "write", "1") OP("info", "1", "write", "2")
                          OP("invoke", "0", "read", "null") OP("ok", "0", "read", "null"),
              MODEL_REGISTER, &foreign);
    assert_int_equal(foreign.invoked, 5);
    assert_int_equal(foreign.acknowledged, 1);
    assert_int_equal(foreign.failed, 1);
    /* Left: two writes that may happen at any time, the read. */
    assert_int_equal(foreign.count, 3);
    assert_true(foreign.operations[0].pending && foreign.operations[0].end == PLACE_NEVER);
    assert_int_equal(foreign.operations[0].end_line, 6);
    assert_true(foreign.operations[1].pending && foreign.operations[1].end == PLACE_NEVER);
    assert_int_equal(foreign.operations[1].end_line, 0);
    assert_false(foreign.operations[2].pending);
    assert_int_equal(foreign.operations[2].first, foreign.initial);
    assert_int_equal(foreign.operations[2].begin_line, 7);
    assert_int_equal(foreign.operations[2].end_line, 8);
    foreign_free(&foreign);
}

/* Lines of one time share a place: none precedes the other. */
static void test_equal_times_are_simultaneous(void **state)
{
    (void)state;
    struct foreign foreign;
    read_good("{:type :invoke :process 0 :f :write :value 1 :time 5}"
              "{:type :ok :process 0 :f :write :value 1 :time 6}"
              "{:type :invoke :process 1 :f :read :value nil :time 6}"
              "{:type :ok :process 1 :f :read :value nil :time 7}",
              MODEL_REGISTER, &foreign);
    assert_int_equal(foreign.ties, 1);
    assert_int_equal(foreign.operations[0].end, foreign.operations[1].begin);
    struct judgement judgement;
    judge_history(&foreign, &limits, &judgement);
    assert_int_equal(judgement.status, HELD);
    foreign_free(&foreign);
}

static void test_keys(void **state)
{
    (void)state;
    static const struct {
        enum model model;
        const char *text;
        size_t keys;
    } rows[] = {
        {MODEL_REGISTER,
         OP("invoke", "0", "read", "[1,null]") OP("invoke", "1", "write", "[2,[1,2]]")
             OP("ok", "0", "read", "[1,null]") OP("ok", "1", "write", "[2,[1,2]]"),
         2},
        {MODEL_CAS_REGISTER, OP("invoke", "0", "cas", "[1,2]") OP("ok", "0", "cas", "[1,2]"), 1},
        {MODEL_CAS_REGISTER,
         OP("invoke", "0", "cas", "[\"a\",[1,2]]") OP("ok", "0", "cas", "[\"a\",[1,2]]"), 1},
        {MODEL_SET,
         OP("invoke", "0", "read", "[7,null]") OP("ok", "0", "read", "[7,[1,2]]")
             OP("invoke", "0", "add", "[8,1]"),
         2},
        {MODEL_MUTEX,
         "{:type :invoke :process 0 :f :acquire :key :a}{:type :ok :process 0 :f :acquire}"
         "{:type :invoke :process 0 :f :acquire :key :b}",
         2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct foreign foreign;
        read_good(rows[i].text, rows[i].model, &foreign);
        assert_int_equal(foreign.keys.count, rows[i].keys);
        foreign_free(&foreign);
    }
}

static void test_sets_and_counters(void **state)
{
    (void)state;
    struct foreign foreign;
    read_good(OP("invoke", "0", "add", "\"x\"") OP("ok", "0", "add", "\"x\"")
                  OP("invoke", "0", "read", "null") OP("ok", "0", "read", "[\"x\",\"x\"]")
                      OP("invoke", "0", "read", "null") OP("ok", "0", "read", "null"),
              MODEL_SET, &foreign);
    assert_int_equal(foreign.operations[1].second, 2);
    assert_int_equal(foreign.elements[0], foreign.operations[0].first);
    assert_int_equal(foreign.operations[2].second, 0);
    foreign_free(&foreign);
    read_good(OP("invoke", "0", "add", "-3") OP("ok", "0", "add", "null")
                  OP("invoke", "0", "read", "null") OP("ok", "0", "read", "null")
                      OP("invoke", "0", "inc", "1") OP("ok", "0", "inc", "-2"),
              MODEL_COUNTER, &foreign);
    assert_int_equal(foreign.operations[0].first, -3);
    assert_int_equal(foreign.operations[1].first, 0);
    assert_int_equal(foreign.operations[2].action, ACTION_INCREMENT);
    assert_int_equal(foreign.operations[2].first, -2);
    foreign_free(&foreign);
}

/* racebench's own lines. */
#define OWN(type, process, cell, time, rest)                                                       \
    "{\"time\":" time ",\"process\":" process ",\"type\":\"" type "\",\"f\":\"add\",\"value\":1,"  \
    "\"op\":\"w" process ".1\",\"cell\":" cell ",\"key\":0" rest "}\n"

static void test_own_histories(void **state)
{
    (void)state;
    struct foreign foreign;
    struct judgement judgement;
    read_good(OWN("invoke", "0", "0", "1", "")
                  OWN("ok", "0", "0", "5",
                      ",\"read_version\":\"seed\",\"wrote_version\":\"w0.1\"") OWN("invoke", "0",
                                                                                   "1", "2", "")
                      OWN("info", "0", "1", "3",
                          ",\"read_version\":\"seed\",\"wrote_version\":\"w0.1\",\"attempts\":1"),
              MODEL_REGISTER, &foreign);
    assert_true(foreign.own);
    assert_int_equal(foreign.count, 2);
    assert_int_not_equal(foreign.operations[0].key, foreign.operations[1].key);
    assert_true(foreign.operations[1].pending && foreign.operations[1].wrote >= 0);
    judge_history(&foreign, &limits, &judgement);
    assert_int_equal(judgement.status, HELD);
    foreign_free(&foreign);
    /* Something may have been written unseen: versions do not tell, the amounts do. */
    read_good(OWN("invoke", "0", "0", "1", "") OWN("ok", "0", "0", "5",
                                                   ",\"read_version\":\"w0.1\",\"wrote_version\":"
                                                   "null") "{\"time\":6,\"process\":0,\"type\":"
                                                           "\"invoke\",\"f\":\"read\",\"op\":\"w0."
                                                           "2\","
                                                           "\"cell\":0,\"key\":0}\n"
                                                           "{\"time\":7,\"process\":0,\"type\":"
                                                           "\"ok\",\"f\":\"read\",\"value\":1,"
                                                           "\"op\":\"w0.2\",\"cell\":0,\"key\":0,"
                                                           "\"read_version\":\"w0.1\"}\n",
              MODEL_COUNTER, &foreign);
    assert_int_equal(foreign.operations[0].wrote, VERSION_UNSURE);
    judge_history(&foreign, &limits, &judgement);
    assert_int_equal(judgement.status, HELD);
    assert_int_equal(judgement.judged_by[ALGORITHM_ADDS], 1);
    foreign.model = MODEL_REGISTER; /* which has nothing but the versions */
    judge_history(&foreign, &limits, &judgement);
    assert_int_equal(judgement.status, UNDECIDED);
    assert_int_equal(judgement.doubt, DOUBT_NO_VERSIONS);
    foreign_free(&foreign);
}

/* Every cell of a file is a run of its own: process 0 crashed in the first, and begins anew. */
static void test_own_cells_are_apart(void **state)
{
    (void)state;
    struct foreign foreign;
    read_good(OWN("invoke", "0", "0", "1", "") OWN("info", "0", "0", "5", "")
                  OWN("invoke", "1", "0", "6", "") OWN("invoke", "0", "1", "0", "")
                      OWN("invoke", "1", "1", "2", ""),
              MODEL_COUNTER, &foreign);
    assert_int_equal(foreign.invoked, 4);
    foreign_free(&foreign);
}

/* Two documents in one operation: each has its own chain. */
static void test_own_two_documents(void **state)
{
    (void)state;
    struct foreign foreign;
    struct judgement judgement;
    read_good(OWN("invoke", "0", "0", "1", ",\"key2\":1")
                  OWN("invoke", "1", "0", "2", ",\"key2\":1")
                      OWN("ok", "0", "0", "5",
                          ",\"key2\":1,\"read_version\":\"seed\",\"wrote_version\":\"w0.1\","
                          "\"read_version2\":\"seed\",\"wrote_version2\":\"w0.1\"")
                          OWN("ok", "1", "0", "6",
                              ",\"key2\":1,\"read_version\":\"w0.1\",\"wrote_version\":\"w1.1\","
                              "\"read_version2\":\"seed\",\"wrote_version2\":\"w1.1\""),
              MODEL_COUNTER, &foreign);
    assert_int_equal(foreign.count, 4);
    judge_history(&foreign, &limits, &judgement);
    assert_int_equal(judgement.status, BROKEN);
    assert_int_equal(judgement.finding, FINDING_LOST_UPDATE);
    assert_int_equal(judgement.broken_keys, 1);
    assert_string_equal(names_text(&foreign.keys, judgement.key), "1");
    foreign_free(&foreign);
}

/* Findings ------------------------------------------------------------------------------------ */

/* What is wrong is called by its name. */
static void test_findings(void **state)
{
    (void)state;
    static const struct {
        enum model model;
        enum finding finding;
        const char *text;
    } rows[] = {
        {MODEL_SET, FINDING_PHANTOM,
         OP("invoke", "0", "read", "null") OP("ok", "0", "read", "[1]")
             OP("invoke", "1", "add", "1") OP("ok", "1", "add", "1")},
        {MODEL_SET, FINDING_PHANTOM,
         OP("invoke", "0", "read", "null") OP("ok", "0", "read", "[1]")},
        {MODEL_SET, FINDING_DUPLICATE,
         OP("invoke", "0", "add", "1") OP("invoke", "1", "read", "null")
             OP("ok", "1", "read", "[1,1]")},
        {MODEL_SET, FINDING_LOST_ELEMENT,
         OP("invoke", "0", "add", "1") OP("ok", "0", "add", "1") OP("invoke", "1", "read", "null")
             OP("ok", "1", "read", "[]")},
        {MODEL_SET, FINDING_NOT_LINEARIZABLE,
         OP("invoke", "0", "add", "1") OP("invoke", "1", "add", "2")
             OP("invoke", "2", "read", "null") OP("ok", "2", "read", "[1]")
                 OP("invoke", "2", "read", "null") OP("ok", "2", "read", "[2]")},
        {MODEL_REGISTER, FINDING_PHANTOM,
         OP("invoke", "0", "read", "null") OP("ok", "0", "read", "5")},
        {MODEL_CAS_REGISTER, FINDING_PHANTOM,
         OP("invoke", "0", "cas", "[9,5]") OP("ok", "0", "cas", "[9,5]")},
        {MODEL_COUNTER, FINDING_OUT_OF_BOUNDS,
         OP("invoke", "0", "add", "2") OP("invoke", "1", "add", "3")
             OP("invoke", "2", "read", "null") OP("ok", "2", "read", "6")},
        {MODEL_COUNTER, FINDING_NOT_LINEARIZABLE, /* within the bounds, and no sum of 2 and 3 */
         OP("invoke", "0", "add", "2") OP("invoke", "1", "add", "3")
             OP("invoke", "2", "read", "null") OP("ok", "2", "read", "4")},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct foreign foreign;
        struct judgement judgement;
        read_good(rows[i].text, rows[i].model, &foreign);
        judge_history(&foreign, &limits, &judgement);
        assert_int_equal(judgement.status, BROKEN);
        assert_int_equal(judgement.finding, rows[i].finding);
        foreign_free(&foreign);
    }
}

/* Refusals ------------------------------------------------------------------------------------ */

static const struct {
    const char *text, *part;
} refusals[] = {
    {"", "empty history"},
    {"\n \n", "empty history"},
    {"[]", "empty history"},
    {OP("info", "\"nemesis\"", "start", "1"), "nothing to judge"},
    {OP("invoke", "0", "write", "1") "{\"type\":\"ok\",\"proc", "line 2: the file ends within"},
    {"[" OP("invoke", "0", "write", "1"), "line 2: the file ends without the ']'"},
    {"[" OP("invoke", "0", "write", "1") "]\nx", "line 3: expected an operation or the file's"},
    {"[" OP("invoke", "0", "write", "1") "][", "line 2: expected an operation or the file's"},
    {OP("invoke", "0", "write", "1") "}", "line 2: expected an operation or the file's end"},
    {OP("invoke", "0", "write", "1") "hello", "line 2: expected an operation or the file's end"},
    {"{\"type\": }", "line 1: not JSON"},
    {OP("invoke", "0", "write", "\"\xff\""), "line 1: not JSON"},
    {"{:type :invoke :process 0 :f :write :value [1 2", "the file ends within the operation"},
    {"[{:type :invoke :process 0 :f :write :value 1}", "the file ends without the ']'"},
    {"{:type :invoke :process 0 :f :write :value \"a", "the file ends within the operation"},
    {"{:type :invoke :process 0 :f :write :value (1]}", "']' where ')' should close"},
    {"{:type :invoke :process}", "a key without a value"},
    {"hello world", "line 1: expected an operation, a map"},
    {"\n\n42", "line 3: expected an operation, a map"},
    {"{:type :invoke :process 0 :f :write :value #_}", "no form after it"},
    {OP("invoke", "0", "write", "1") OP("invoke", "0", "write", "2"),
     "line 2: process 0 invokes 'write' while its operation of line 1 is still open"},
    {OP("ok", "0", "write", "1"), "line 1: process 0 has 'ok' of 'write' without an open"},
    {OP("invoke", "0", "write", "1") OP("info", "0", "write", "1") OP("ok", "0", "write", "1"),
     "line 3: process 0 has 'ok'"},
    {OP("invoke", "0", "write", "1") OP("info", "0", "write", "1")
         OP("invoke", "0", "read", "null"),
     "line 3: process 0 invokes 'read', but its operation of line 1 ended with 'info'"},
    {OP("invoke", "0", "write", "1") OP("ok", "0", "read", "1"), "line 2: returns from 'read'"},
    {OP("invoke", "0", "write", "1") OP("fail", "0", "read", "1"), "line 2: returns from 'read'"},
    {OP("invoke", "0", "write", "1") OP("ok", "0", "write", "2"), "line 2: returns with another"},
    {OP("invoke", "0", "frob", "1"), "line 1: 'frob' is no operation of the model register"},
    {OP("done", "0", "write", "1"), "line 1: type 'done' is none of"},
    {"{\"process\":0,\"f\":\"read\"}", "line 1: no 'type'"},
    {"{\"process\":0,\"type\":\"ok\"}", "line 1: no 'f'"},
    {"{\"type\":\"ok\",\"f\":\"read\"}", "line 1: no 'process'"},
    {OP("invoke", "0", "read", "[1,null]") OP("invoke", "1", "write", "3"),
     "line 2: has no [key value], but the first operation has"},
    {OP("invoke", "0", "read", "[1,null]") OP("ok", "0", "read", "[2,null]"),
     "line 2: returns with key 2, but was invoked with key 1"},
    {"{:type :invoke :process 0 :f :read :key 1}{:type :invoke :process 1 :f :read}",
     "has no 'key', but the first"},
    {"{:type :invoke :process 0 :f :read}{:type :invoke :process 1 :f :read :key 3}",
     "has a 'key', but the first"},
    {"{:type :invoke :process 0 :f :read :time 5}\n{:type :ok :process 0 :f :read :time 4}",
     "line 2: time 4 after time 5: the lines are out of order"},
    {"{:type :invoke :process 0 :f :read :index 5}\n{:type :ok :process 0 :f :read :index 5}",
     "line 2: index 5 after index 5: the lines are out of order"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        refuse(refusals[i].text, MODEL_REGISTER, refusals[i].part);
    refuse(OP("invoke", "0", "cas", "3"), MODEL_CAS_REGISTER, "a cas needs the value [old new]");
    refuse(OP("invoke", "0", "add", "\"a\""), MODEL_COUNTER, "a whole number");
    refuse(OP("invoke", "0", "add", "99999999999"), MODEL_COUNTER, "sums could overflow");
    refuse(OP("invoke", "0", "inc", "2"), MODEL_COUNTER, "an increment is by one");
    refuse(OP("invoke", "0", "add", "1") OP("ok", "0", "add", "7"), MODEL_COUNTER, "'increment'");
    refuse(OP("invoke", "0", "read", "null") OP("ok", "0", "read", "1.5"), MODEL_COUNTER, "whole");
    refuse(OP("invoke", "0", "read", "null") OP("ok", "0", "read", "5"), MODEL_SET, "all its");
}

static void test_depth_has_a_limit(void **state)
{
    (void)state;
    enum { DEPTH = 200000 };
    static const struct {
        const char *before, *open;
    } rows[] = {
        {"{:type :invoke :value ", "["},
        {"{:type :invoke :value ", "#a "},
        {"{:type :invoke :value ", "^"},
        {"{:type :invoke :value ", "#_"},
        {"{\"type\":", "["},
        {"{\"type\":", "{\"a\":"},
        {"", "#{"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t before = strlen(rows[i].before), open = strlen(rows[i].open);
        char *text = x_malloc(before + DEPTH * open + 1);
        memcpy(text, rows[i].before, before + 1);
        for (size_t at = 0; at < DEPTH; at++)
            memcpy(text + before + at * open, rows[i].open, open + 1);
        refuse(text, MODEL_REGISTER, "inside each other");
        free(text);
    }
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    struct reader reader;
    assert_false(reader_open(&reader, "/nonexistent/history.edn"));
    assert_non_null(strstr(reader.problem, "cannot be read"));
    reader_close(&reader);
    assert_false(reader_open(&reader, "/tmp"));
    assert_non_null(strstr(reader.problem, "is a folder"));
    reader_close(&reader);
    char *folder = make_private_folder(""), *path = x_format("%s/big", folder);
    int file = creat(path, 0600);
    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, INT64_C(2147483648)), 0); /* 2 GB of nothing */
    close(file);
    assert_false(reader_open(&reader, path));
    assert_non_null(strstr(reader.problem, "cut the run into several histories"));
    reader_close(&reader);
    remove_folder(folder);
    free(folder);
    free(path);
}

/* Damage -------------------------------------------------------------------------------------- */

static void test_golden_histories(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(golden); i++) {
        size_t length;
        char *text = load(golden[i].name, &length);
        assert_int_equal(try_bytes(text, length, golden[i].model), golden[i].verdict);
        /* Cut off anywhere but between two lines, it is refused. */
        bool listed = text[0] == '[' || text[0] == '(';
        for (size_t cut = 1; cut < length - 1; cut++) {
            bool between = text[cut] == '\n' || text[cut - 1] == '\n';
            int said = try_bytes(text, cut, golden[i].model);
            if (said >= 0 && (listed || !between) && text[0] != ';')
                fail_msg("%s cut off at byte %zu was judged", golden[i].name, cut);
        }
        free(text);
    }
}

static void test_damaged_histories(void **state)
{
    (void)state;
    static const char bytes[] = "{}[]()#_\"\\:;,^ \n\t0159-eN.ax\x80\xff";
    const char *seed_text = getenv("RACEBENCH_TEST_SEED");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 0) : (uint64_t)clock_wall_ms();
    struct random random;
    random_seed(&random, seed);
    print_message("RACEBENCH_TEST_SEED=%llu\n", (unsigned long long)seed);
    int refused = 0, judged = 0;
    for (int round = 0; round < 6000; round++) {
        size_t which = random_below(&random, COUNT_OF(golden)), length;
        char *text = load(golden[which].name, &length);
        for (uint64_t i = random_below(&random, 3) + 1; i > 0; i--)
            text[random_below(&random, length)] = bytes[random_below(&random, sizeof(bytes))];
        if (try_bytes(text, length, golden[which].model) < 0)
            refused++;
        else
            judged++;
        free(text);
    }
    print_message("%d refused, %d judged\n", refused, judged);
    assert_true(refused > 1000 && judged > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_forms),
        cmocka_unit_test(test_edn_forms),
        cmocka_unit_test(test_values_have_one_name),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_equal_times_are_simultaneous),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_sets_and_counters),
        cmocka_unit_test(test_own_histories),
        cmocka_unit_test(test_own_cells_are_apart),
        cmocka_unit_test(test_own_two_documents),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_depth_has_a_limit),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_golden_histories),
        cmocka_unit_test(test_damaged_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
