/* SPDX-License-Identifier: Apache-2.0
 *
 * gate: attribution, counters, trace, policy, and how often an operation was applied.
 * labels: engine
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "gate.h"
#include <pthread.h>

static void test_attribute(void **state)
{
    (void)state;
    static const struct {
        const char *comment;
        int32_t worker;
        int64_t operation;
    } rows[] = {
        {"w3.17", 3, 17},
        {"w0.0", 0, 0},
        {"w31.123456789012", 31, 123456789012},
        {"w3", 3, OPERATION_NONE},
        {"w3.", STEP_NOBODY, 0},
        {"w.1", STEP_NOBODY, 0},
        {"3.17", STEP_NOBODY, 0},
        {"w3.17 ", STEP_NOBODY, 0},
        {"w-3.17", STEP_NOBODY, 0},
        {"w3.-1", STEP_NOBODY, 0},
        {"w99999999999.1", STEP_NOBODY, 0},
        {"w1.99999999999999999999", STEP_NOBODY, 0},
        {"", STEP_NOBODY, 0},
        {"hello", STEP_NOBODY, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct step step = {.worker = 77, .operation = 77};
        assert_int_equal(gate_attribute(rows[i].comment, &step), rows[i].worker != STEP_NOBODY);
        assert_int_equal(step.worker, rows[i].worker);
        assert_int_equal(step.operation, rows[i].operation);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    assert_int_equal(gate_command_kind("find"), STEP_FIND);
    assert_int_equal(gate_command_kind("insert"), STEP_INSERT);
    assert_int_equal(gate_command_kind("update"), STEP_UPDATE);
    assert_int_equal(gate_command_kind("delete"), STEP_DELETE);
    assert_int_equal(gate_command_kind("findAndModify"), STEP_FIND_AND_MODIFY);
    assert_int_equal(gate_command_kind("findandmodify"), STEP_FIND_AND_MODIFY);
    assert_int_equal(gate_command_kind("commitTransaction"), STEP_COMMIT);
    assert_int_equal(gate_command_kind("abortTransaction"), STEP_ABORT);
    assert_int_equal(gate_command_kind("count"), STEP_OTHER_COMMAND);
    assert_int_equal(gate_command_kind(""), STEP_OTHER_COMMAND);
    for (int a = 0; a < STEP_KIND_COUNT; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(step_kind_name((enum step_kind)a),
                                    step_kind_name((enum step_kind)b));
}

static void test_counters_and_trace(void **state)
{
    (void)state;
    struct gate *gate = gate_new(2, 3);
    struct step find = {.worker = 1,
                        .operation = 5,
                        .kind = STEP_FIND,
                        .target = "a_collection_with_a_name_that_is_too_long"};
    struct step now = {.worker = 0, .operation = 0, .kind = STEP_NOW, .target = ""};
    struct step nobody = {.worker = STEP_NOBODY,
                          .operation = 0,
                          .kind = STEP_UPDATE,
                          .target = "x"};
    struct step stranger = {.worker = 2,
                            .operation = 0,
                            .kind = STEP_UPDATE,
                            .target = "x"}; /* there are two workers */
    assert_int_equal(gate_arrive(gate, &find), GATE_PASS);
    assert_int_equal(gate_arrive(gate, &now), GATE_PASS);
    assert_int_equal(gate_arrive(gate, &nobody), GATE_PASS);
    assert_int_equal(gate_arrive(gate, &stranger), GATE_PASS);
    for (int i = 0; i < 3; i++)
        gate_arrive(gate, &find);
    assert_int_equal(gate_count(gate, STEP_FIND), 4);
    assert_int_equal(gate_count(gate, STEP_NOW), 1);
    assert_int_equal(gate_count(gate, STEP_UPDATE), 0);
    assert_int_equal(gate_command_count(gate), 4);
    assert_int_equal(gate_unattributed_count(gate), 2);
    size_t count = 0;
    const struct trace_entry *trace = gate_trace(gate, &count);
    assert_int_equal(count, 3);
    assert_int_equal(trace[0].kind, STEP_FIND);
    assert_int_equal(trace[0].worker, 1);
    assert_int_equal(trace[0].operation, 5);
    assert_string_equal(trace[0].target, "a_collection_with_a_name_that_i");
    assert_int_equal(trace[1].kind, STEP_NOW);
    assert_true(trace[0].at_ns <= trace[1].at_ns);
    gate_free(gate);
}

static enum gate_action close_second(void *state, const struct step *step)
{
    int *steps = state;
    assert_int_equal(step->worker, 0);
    return ++*steps == 2 ? GATE_CLOSE_AFTER : GATE_PASS;
}

static void test_policy(void **state)
{
    (void)state;
    static const struct gate_policy policy = {.name = "close_second", .arrive = close_second};
    static const struct gate_policy empty = {.name = "empty", .arrive = NULL};
    struct gate *gate = gate_new(1, 0);
    struct step step = {.worker = 0, .operation = 0, .kind = STEP_FIND, .target = "c"},
                nobody = {.worker = STEP_NOBODY,
                          .operation = 0,
                          .kind = STEP_OTHER_COMMAND,
                          .target = ""};
    int steps = 0;
    gate_set_policy(gate, &policy, &steps);
    assert_int_equal(gate_arrive(gate, &step), GATE_PASS);
    assert_int_equal(gate_arrive(gate, &nobody), GATE_PASS); /* a policy does not see it */
    assert_int_equal(gate_arrive(gate, &step), GATE_CLOSE_AFTER);
    gate_set_policy(gate, &empty, NULL);
    assert_int_equal(gate_arrive(gate, &step), GATE_PASS);
    gate_set_policy(gate, NULL, NULL);
    assert_int_equal(gate_arrive(gate, &step), GATE_PASS);
    assert_int_equal(steps, 2);
    gate_free(gate);
}

static void test_applied(void **state)
{
    (void)state;
    struct gate *gate = gate_new(2, 0);
    struct step step = {.worker = 1, .operation = 1000, .kind = STEP_UPDATE, .target = "c"},
                other = {.worker = 0, .operation = 1000, .kind = STEP_UPDATE, .target = "d"};
    struct step nobody = {.worker = STEP_NOBODY,
                          .operation = 0,
                          .kind = STEP_UPDATE,
                          .target = "c"},
                huge = {.worker = 0, .operation = 1ll << 40, .kind = STEP_UPDATE, .target = "c"};
    gate_applied(gate, &step, 1);
    assert_int_equal(gate_applied_count(gate, "c", 1, 1000), -1); /* no command has arrived */
    gate_arrive(gate, &step);
    assert_int_equal(gate_applied_count(gate, "c", 1, 1000), 1);
    gate_applied(gate, &step, 1);
    gate_applied(gate, &other, 3);
    gate_applied(gate, &nobody, 1);
    gate_applied(gate, &huge, 1);
    gate_applied(gate, &step, 0);
    assert_int_equal(gate_applied_count(gate, "c", 1, 1000), 2);
    assert_int_equal(gate_applied_count(gate, "d", 0, 1000), 3);
    assert_int_equal(gate_applied_count(gate, "c", 0, 1000), 0);
    assert_int_equal(gate_applied_count(gate, "c", 1, 999), 0);
    assert_int_equal(gate_applied_count(gate, "c", 1, 1 << 20), 0);
    assert_int_equal(gate_applied_count(gate, "nothing", 1, 0), 0);
    assert_int_equal(gate_applied_count(gate, "c", 2, 0), -1);
    assert_int_equal(gate_applied_count(gate, "c", -1, 0), -1);
    gate_applied(gate, &step, 300);
    gate_applied(gate, &step, 300);
    assert_int_equal(gate_applied_count(gate, "c", 1, 1000), 255); /* saturates */
    gate_free(gate);
}

enum { STEPS = 20000, THREADS = 4 };

static void *arrive_often(void *context)
{
    struct gate *gate = ((void **)context)[0];
    int32_t worker = (int32_t)(intptr_t)((void **)context)[1];
    for (int64_t i = 0; i < STEPS; i++) {
        struct step step = {.worker = worker,
                            .operation = i,
                            .kind = STEP_UPDATE,
                            .target = i % 2 ? "c" : "d"};
        gate_arrive(gate, &step);
        gate_applied(gate, &step, 1);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct gate *gate = gate_new(THREADS, 1000);
    pthread_t threads[THREADS];
    void *contexts[THREADS][2];
    for (int i = 0; i < THREADS; i++) {
        contexts[i][0] = gate;
        contexts[i][1] = (void *)(intptr_t)i;
        assert_int_equal(pthread_create(&threads[i], NULL, arrive_often, contexts[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(gate_count(gate, STEP_UPDATE), STEPS * THREADS);
    for (int32_t worker = 0; worker < THREADS; worker++)
        for (int64_t i = 0; i < STEPS; i++)
            assert_int_equal(gate_applied_count(gate, i % 2 ? "c" : "d", worker, i), 1);
    gate_free(gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attribute),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_counters_and_trace),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_applied),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
