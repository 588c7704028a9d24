/* SPDX-License-Identifier: Apache-2.0
 *
 * Predicting from a trace: what a command asked for, what of it makes a candidate, what text is a
 * trace and what is not.
 */
#include "support.h"

#include "edit.h"
#include "explore/predict.h"

/* The entry of a command given as JSON. */
static struct trace_entry entry_of(enum step_kind kind, const char *json)
{
    struct trace_entry entry = {.kind = kind};
    bson_error_t error;
    bson_t *command = bson_new_from_json((const uint8_t *)json, -1, &error);
    assert_non_null(command);
    gate_trace_command(command, &entry);
    bson_destroy(command);
    return entry;
}

static void commands_are_read(void **state)
{
    static const struct {
        enum step_kind kind;
        const char *command, *document;
        enum trace_filter filter;
        enum trace_update update;
    } rows[] = {
        {STEP_FIND, "{\"find\":\"c\",\"filter\":{\"_id\":3}}", "3", TRACE_FILTER_ID,
         TRACE_UPDATE_NONE},
        {STEP_UPDATE, "{\"updates\":[{\"q\":{\"_id\":0},\"u\":{\"$set\":{\"n\":1}}}]}", "0",
         TRACE_FILTER_ID, TRACE_UPDATE_VALUES},
        {STEP_UPDATE,
         "{\"updates\":[{\"q\":{\"_id\":0,\"version\":4},\"u\":{\"$set\":{\"n\":1}}}]}", "0",
         TRACE_FILTER_MORE, TRACE_UPDATE_VALUES},
        {STEP_UPDATE,
         "{\"updates\":[{\"q\":{\"_id\":0},\"u\":{\"$inc\":{\"n\":1},\"$set\":{\"" EDIT_STAMP
         "\":7}}}]}",
         "0", TRACE_FILTER_ID, TRACE_UPDATE_OPERATORS},
        {STEP_UPDATE,
         "{\"updates\":[{\"q\":{\"_id\":0},\"u\":{\"$inc\":{\"v\":1},\"$set\":{\"n\":1}}}]}", "0",
         TRACE_FILTER_ID, TRACE_UPDATE_VALUES},
        {STEP_UPDATE, "{\"updates\":[{\"q\":{\"_id\":0},\"u\":{\"n\":1}}]}", "0", TRACE_FILTER_ID,
         TRACE_UPDATE_VALUES},
        {STEP_UPDATE, "{\"updates\":[{\"q\":{\"_id\":0},\"u\":[{\"$set\":{\"n\":1}}]}]}", "0",
         TRACE_FILTER_ID, TRACE_UPDATE_OPERATORS},
        {STEP_FIND_AND_MODIFY,
         "{\"findAndModify\":\"c\",\"query\":{\"_id\":\"a\"},\"update\":{\"$unset\":{\"o\":1}}}",
         "a", TRACE_FILTER_ID, TRACE_UPDATE_VALUES},
        {STEP_INSERT, "{\"documents\":[{\"_id\":9,\"n\":0}]}", "9", TRACE_FILTER_NONE,
         TRACE_UPDATE_NONE},
        {STEP_UPDATE, "{\"updates\":3}", "", TRACE_FILTER_NONE, TRACE_UPDATE_NONE},
        {STEP_FIND, "{\"filter\":{\"_id\":\"0123456789012345678901234567890123456789\"}}",
         "0123456789012345678901234567890", TRACE_FILTER_ID, TRACE_UPDATE_NONE},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct trace_entry entry = entry_of(rows[i].kind, rows[i].command);
        assert_string_equal(entry.document, rows[i].document);
        assert_int_equal(entry.filter, rows[i].filter);
        assert_int_equal(entry.update, rows[i].update);
    }
}

#define LINE(worker, operation, step, rest)                                                        \
    "{\"cell\":0,\"worker\":" #worker ",\"operation\":" #operation ",\"step\":\"" step             \
    "\",\"target\":\"counters\",\"document\":\"0\"" rest "}\n"
#define BY_ID ",\"filter\":\"id\""

/* Candidates and operations of one cell's trace. */
static void expect(const char *text, size_t candidates, bool after_read)
{
    struct prediction prediction = {0};
    assert_null(predict_read("trace.jsonl", text, &prediction, 1));
    assert_int_equal(prediction.candidate_count, candidates);
    if (candidates > 0) {
        assert_int_equal(prediction.candidates[0].after_read, after_read);
        assert_string_equal(prediction.candidates[0].target, "counters");
    }
    prediction_free(&prediction);
}

static void what_may_put_back_something_stale_is_a_candidate(void **state)
{
    (void)state;
    expect(LINE(0, 0, "find", BY_ID) LINE(0, 0, "update", BY_ID ",\"update\":\"values\""), 1, true);
    expect(LINE(0, 0, "find", BY_ID) LINE(0, 0, "update", BY_ID ",\"update\":\"operators\""), 0,
           false);
    expect(LINE(0, 0, "find", BY_ID)
               LINE(0, 0, "update", ",\"filter\":\"more\",\"update\":\"values\""),
           0, false);
    /* another's read, and another operation's, are none of its own */
    expect(LINE(1, 0, "find", BY_ID) LINE(0, 1, "find", BY_ID)
               LINE(0, 0, "update", BY_ID ",\"update\":\"values\""),
           1, false);
    /* nor is a read of another document */
    expect("{\"cell\":0,\"worker\":0,\"operation\":0,\"step\":\"find\",\"target\":\"counters\","
           "\"document\":\"1\",\"filter\":\"id\"}\n" LINE(0, 0, "update",
                                                          BY_ID ",\"update\":\"values\""),
           1, false);
    expect(LINE(0, 0, "find_and_modify", BY_ID ",\"update\":\"operators\"")
               LINE(0, 0, "update", BY_ID ",\"update\":\"values\""),
           1, true);
    expect(LINE(0, 0, "read_file", "") LINE(0, 0, "write_file", ""), 1, true);
    expect("", 0, false);
}

static void writes_alike_are_one_candidate(void **state)
{
    struct prediction prediction = {0};
    (void)state;
    assert_null(predict_read("t",
                             LINE(2, 5, "find", BY_ID)
                                 LINE(2, 5, "update", BY_ID ",\"update\":\"values\"")
                                     LINE(3, 0, "find", BY_ID)
                                         LINE(3, 0, "update", BY_ID ",\"update\":\"values\""),
                             &prediction, 1));
    assert_int_equal(prediction.candidate_count, 1);
    assert_int_equal(prediction.candidates[0].times, 2);
    assert_int_equal(prediction.candidates[0].worker, 2);
    assert_int_equal(prediction.candidates[0].operation, 5);
    assert_int_equal(prediction.operations, 2);
    prediction_free(&prediction);
}

static void what_is_no_trace_is_refused(void **state)
{
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        {"{\"cell\":0", "t:1: the last line has no end"},
        {"\n", "t:1: no line of a trace"},
        {LINE(0, 0, "find", BY_ID) "[]\n", "t:2: no line of a trace"},
        {LINE(0, 0, "fnid", BY_ID), "t:1: no line"},
        {LINE(8, 0, "find", BY_ID), "t:1: no line"},
        {LINE(-1, 0, "find", BY_ID), "t:1: no line"},
        {LINE(0, 0, "find", ",\"filter\":7"), "t:1: no line"},
        {LINE(0, 0, "find", ",\"update\":\"what\""), "t:1: no line"},
        {"{\"cell\":1,\"worker\":0,\"operation\":0,\"step\":\"find\"}\n", "t:1: no line"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct prediction prediction = {0};
        char *complaint = predict_read("t", rows[i].text, &prediction, 1);
        assert_non_null(complaint);
        assert_ptr_equal(strstr(complaint, rows[i].complaint), complaint);
        free(complaint);
        prediction_free(&prediction);
    }
}

static void cells_are_read_from_a_result(void **state)
{
    static const char text[] =
        "{\"scenario\":\"counter\",\"strategy\":\"naive+occ\",\"instances\":5,\"hazards\":"
        "[{\"name\":\"pause\",\"hits\":3}],\"settings\":{\"unseeded\":true,\"durability\":"
        "\"sync\",\"retry_unknown\":true}}";
    bson_error_t error;
    struct cell cell;
    bson_t *document = bson_new_from_json((const uint8_t *)text, -1, &error);
    (void)state;
    assert_null(predict_cell(document, &cell));
    assert_int_equal(cell.strategy_count, 2);
    assert_string_equal(cell.strategy[1]->name, "occ");
    assert_int_equal(cell.hazards, HAZARD_BIT(none) | HAZARD_BIT(pause));
    assert_int_equal(cell.instances, 2);
    assert_true(cell.unseeded && cell.retry_unknown);
    assert_int_equal(cell.durability, DURABILITY_SYNC);
    bson_destroy(document);
    static const char *const wrong[] = {
        "{}", "{\"scenario\":\"counter\",\"strategy\":\"nobody\",\"instances\":1}",
        "{\"scenario\":\"counter\",\"strategy\":\"occ+occ+occ+occ+occ\",\"instances\":1}",
        "{\"scenario\":1,\"strategy\":\"occ\",\"instances\":1}"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        document = bson_new_from_json((const uint8_t *)wrong[i], -1, &error);
        char *complaint = predict_cell(document, &cell);
        assert_non_null(complaint);
        free(complaint);
        bson_destroy(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_read),
        cmocka_unit_test(what_may_put_back_something_stale_is_a_candidate),
        cmocka_unit_test(writes_alike_are_one_candidate),
        cmocka_unit_test(what_is_no_trace_is_refused),
        cmocka_unit_test(cells_are_read_from_a_result),
    };
    return cmocka_run_group_tests_name("predict", tests, NULL, NULL);
}
