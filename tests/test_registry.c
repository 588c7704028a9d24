/* SPDX-License-Identifier: Apache-2.0
 *
 * registry: the lists are complete and sorted, names are found, and each mistake that a new file
 * can make is named.
 * labels: unit
 */
#include "support.h"

static void test_all_are_found_and_without_fault(void **state)
{
    (void)state;
    registry_check();
    assert_non_null(strategies[0]);
    assert_non_null(scenarios[0]);
    for (size_t i = 0; strategies[i] != NULL; i++) {
        assert_ptr_equal(strategy_find(strategies[i]->name), strategies[i]);
        if (i > 0)
            assert_true(strcmp(strategies[i - 1]->name, strategies[i]->name) < 0);
    }
    for (size_t i = 0; scenarios[i] != NULL; i++)
        assert_ptr_equal(scenario_find(scenarios[i]->name), scenarios[i]);
    assert_null(strategy_find("nobody"));
    assert_null(scenario_find(""));
}

/* Nobody may claim to keep what its seed is known to break. */
static void test_claims(void **state)
{
    (void)state;
    for (int property = 0; property < PROPERTY_COUNT; property++) {
        assert_int_equal(strategy_find("naive")->keeps[property], 0);
        assert_int_equal(strategy_find("file_naive")->keeps[property], 0);
        assert_false(strategy_find("live_object")->keeps[property] & HAZARD_BIT(instances));
    }
}

static void test_faults_of_strategies(void **state)
{
    (void)state;
    const struct strategy *occ = strategy_find("occ"), *live = strategy_find("live_object");
    assert_null(strategy_fault(occ, "occ"));
    assert_non_null(strategy_fault(occ, "ocd"));
    struct strategy bad[10];
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = i < 6 ? *occ : *live;
    bad[0].name = NULL;
    bad[1].help = "";
    bad[2].apply = NULL;
    bad[3].can = CAN_CREATE;
    bad[4].blind = true;
    bad[5].keeps[TORN] = 1u << HAZARD_COUNT;
    bad[6].digest = NULL;
    bad[7].teardown = NULL;
    bad[8].setup = NULL;
    bad[9].name = "live";
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_non_null(strategy_fault(&bad[i], i < 6 ? "occ" : "live_object"));
    struct strategy boots = *live; /* setup for its effect, without RAM */
    boots.digest = NULL;
    boots.teardown = NULL;
    assert_null(strategy_fault(&boots, "live_object"));
}

static void test_faults_of_scenarios(void **state)
{
    (void)state;
    const struct scenario *counter = scenario_find("counter");
    assert_null(scenario_fault(counter, "counter"));
    assert_non_null(scenario_fault(counter, "counters"));
    struct scenario bad[7];
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = *counter;
    bad[0].help = NULL;
    bad[1].work = NULL;
    bad[2].judge = NULL;
    bad[3].seed = NULL;
    bad[4].collection = NULL;
    bad[5].checks = 0;
    bad[6].needs = CAN_BASE;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_non_null(scenario_fault(&bad[i], "counter"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_found_and_without_fault),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_faults_of_strategies),
        cmocka_unit_test(test_faults_of_scenarios),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
