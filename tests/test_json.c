/* SPDX-License-Identifier: Apache-2.0
 *
 * test_json: the result as JSON: every key of racebench.result/1 and in its order, numbers that
 * other programs can read, and the schemas, checked by a program that is not ours (jsonschema,
 * through scripts/validate_result.py), which must also refuse what is wrong. labels: unit
 */
#include "report_samples.h"

/* The keys as issue 3 lists them, with a point before the members of an object. */
static const char *const cell_keys[] = {
    "scenario",
    "strategy",
    "transport",
    "workers",
    "instances",
    "processes",
    "ops",
    "seed",
    "settings",
    ".docs",
    ".bytes",
    ".lease_ms",
    ".timeout_ms",
    ".max_tries",
    ".backoff",
    ".retry_writes",
    ".durability",
    ".work_ms",
    "hazards",
    "engine",
    ".name",
    ".persona",
    ".store",
    ".durability",
    ".version",
    ".write_concern",
    "verdict",
    "expected",
    "reason",
    "counts",
    ".acked",
    ".nothing",
    ".busy",
    ".failed",
    ".unknown",
    ".final",
    ".expected_min",
    ".expected_max",
    ".lost",
    ".doubled",
    ".repeated",
    ".missed",
    ".torn",
    ".skewed",
    "latency_ns",
    ".mean",
    ".p50",
    ".p90",
    ".p99",
    ".p999",
    ".max",
    "throughput_ops_s",
    "attempts_per_op",
    "commands_per_op",
    "fairness",
    "overlaps",
    "witnesses",
};

/* Walks a cell's keys along with cell_keys; unknown ones may only end an object. */
static void keys_are_in_order(void **state)
{
    struct sample sample;
    bson_iter_t iter, cell;
    bson_error_t error;
    (void)state;
    sample_all(&sample);
    char *text = sample_write(&sample, "json", 80);
    bson_t *document = bson_new_from_json((uint8_t *)text, -1, &error);
    assert_non_null(document);
    assert_true(bson_iter_init(&iter, document));
    static const char *const top[] = {"schema", "cells", "exit_code", "environment"};
    for (size_t i = 0; i < COUNT_OF(top); i++) {
        assert_true(bson_iter_next(&iter));
        assert_string_equal(bson_iter_key(&iter), top[i]);
    }
    assert_true(bson_iter_init(&iter, document));
    assert_true(bson_iter_find_descendant(&iter, "cells.0", &cell));
    bson_iter_t members, inner;
    assert_true(bson_iter_recurse(&cell, &members));
    for (size_t i = 0; i < COUNT_OF(cell_keys); i++) {
        if (cell_keys[i][0] == '.') {
            assert_true(bson_iter_next(&inner));
            assert_string_equal(bson_iter_key(&inner), cell_keys[i] + 1);
            continue;
        }
        assert_true(bson_iter_next(&members));
        assert_string_equal(bson_iter_key(&members), cell_keys[i]);
        if (BSON_ITER_HOLDS_DOCUMENT(&members))
            assert_true(bson_iter_recurse(&members, &inner));
    }
    bson_destroy(document);
    free(text);
    sample_free(&sample);
}

static void values_are_those_of_the_result(void **state)
{
    static const char *const parts[] = {
        "{\n  \"schema\": \"racebench.result/1\",\n  \"cells\": [\n    {\n      \"scenario\": "
        "\"counter\",\n",
        "\"backoff\": \"full-jitter:1ms:100ms\", \"retry_writes\": false, \"durability\": "
        "\"write\"",
        "\"verdict\": \"broken\",\n      \"expected\": \"held\",\n      \"reason\": "
        "\"lost-update\",\n",
        "\"verdict\": \"held\",\n      \"expected\": \"held\",\n      \"reason\": null,\n",
        "\"final\": 1204, \"expected_min\": 10000, \"expected_max\": 10000, \"lost\": 8796,",
        "\"attempts_per_op\": 6.7,\n",
        "\"fairness\": 0.98,\n",
        "\"throughput_ops_s\": 3900.0,\n",
        "{\"property\": \"lost\", \"key\": 0, \"victim\": \"w63.1\", \"culprit\": \"w17.3\", "
        "\"version\": \"w5.2\", \"value_read\": 41,",
        "\"hazards\": [{\"name\": \"instances\", \"hits\": 12}],\n",
        "\"exit_code\": 1,\n  \"environment\": {\n    \"racebench\": \"0.1.0\",\n",
        "\"interrupted\": false\n}\n",
    };
    struct sample sample;
    (void)state;
    sample_all(&sample);
    sample.cells[0].hazards |= HAZARD_BIT(instances);
    sample.result.cells[0].hits[HAZARD_INDEX_instances] = 12;
    char *text = sample_write(&sample, "json", 80);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        sample_has(text, parts[i]);
    sample_has_not(text, "\"none\"");
    sample_has_not(text, "hunter2");
    free(text);
    sample_free(&sample);
}

static void odd_values_stay_json(void **state)
{
    static const char *const parts[] = {
        "\"seed\": \"18446744073709551615\"",
        "\"work_ms\": 0.001",
        "\"final\": -9223372036854775808",
        "\"acked\": 4611686018427387903",
        "\"throughput_ops_s\": 0.0",
        "\"fairness\": 0.0",
        "\"store\": \"unknown\"",
        "\"os\": \"bad ?(\"",
        "a \\\"b\\\" \\\\ c",
        "\"expected\": null",
        "\\u0001",
        "\"retry_writes\": true",
    };
    struct sample sample;
    (void)state;
    sample_odd(&sample);
    char *text = sample_write(&sample, "json", 80);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        sample_has(text, parts[i]);
    sample_has_not(text, "$number");
    sample_has_not(text, "nan");
    sample_has_not(text, "inf,");
    assert_true(bson_utf8_validate(text, strlen(text), false));
    free(text);
    sample_free(&sample);
}

/* Files of reports, and what the validator says ------------------------------------------------ */

static char *save(const struct sample *sample, const char *report, const char *name)
{
    struct style style = {.columns = 80};
    char *path = x_format("%s/%s", getenv("SAMPLES"), name);
    report_save(report_find(report), &sample->result, &style, path);
    return path;
}

/* Exit code of scripts/validate_result.py for a file. */
static int validate(const char *path)
{
    const char *source = getenv("RACEBENCH_SOURCE");
    char *line = x_format("%s/scripts/validate_result.py '%s' >/dev/null 2>&1",
                          source != NULL ? source : ".", path);
    int status = system(line);
    free(line);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void schemas_accept_what_is_written(void **state)
{
    static const struct {
        const char *name;
        void (*make)(struct sample *);
    } cases[] = {{"all", sample_all},
                 {"sweep", sample_sweep},
                 {"odd", sample_odd},
                 {"hard", sample_hard_history}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sample sample;
        cases[i].make(&sample);
        char *json = x_format("%s.json", cases[i].name), *path = save(&sample, "json", json);
        if (validate(path) != 0)
            fail_msg("%s is not valid", path);
        free(path);
        free(json);
        json = x_format("%s.jsonl", cases[i].name);
        path = save(&sample, "history", json);
        if (validate(path) != 0)
            fail_msg("%s is not valid", path);
        free(path);
        free(json);
        sample_free(&sample);
    }
}

/* Writes what sed makes of a valid file, and validates that. */
static void expect_refused(const char *valid, const char *edit, int code)
{
    char *path = x_format("%s/refused.%s", getenv("SAMPLES"), strrchr(valid, '.') + 1);
    char *line = x_format("sed -e '%s' '%s' >'%s'", edit, valid, path);
    assert_int_equal(system(line), 0);
    if (validate(path) != code)
        fail_msg("sed '%s' of %s: exit %d and not %d", edit, valid, validate(path), code);
    free(line);
    free(path);
}

static void schemas_refuse_what_is_wrong(void **state)
{
    struct sample sample;
    (void)state;
    sample_all(&sample);
    char *json = save(&sample, "json", "valid.json");
    char *history = save(&sample, "history", "valid.jsonl");
    expect_refused(json, "", 0);
    expect_refused(json, "s/result.1/result\\/2/", 1);
    expect_refused(json, "s/\"fairness\": 0.98/\"fairness\": NaN/", 65);
    expect_refused(json, "s/\"fairness\"/\"justice\"/", 1);
    expect_refused(json, "s/\"lost\": 0/\"lost\": 1/", 1);
    expect_refused(json, "s/\"exit_code\": 1/\"exit_code\": 0/", 1);
    expect_refused(json, "s/\"victim\": \"w63.1\"/\"victim\": 63/", 1);
    expect_refused(json, "s/\"claimed\": false/\"claimed\": true/", 1);
    expect_refused(json, "s/\"conviction\": null/\"conviction\": \"so\"/", 1);
    expect_refused(json, "s/\"column\": null/\"column\": \"none\"/", 0);
    expect_refused(json,
                   "s/\"strategy\": \"[a-z_]*\"/\"strategy\": \"x\"/;"
                   "s/\"column\": null/\"column\": \"none\"/",
                   1);
    expect_refused(json, "$d", 65);
    expect_refused(history, "", 0);
    expect_refused(history, "1d", 1);
    expect_refused(history, "s/\"ok\"/\"fine\"/", 1);
    expect_refused(history, "2s/\"process\":5/\"process\":6/", 1);
    free(json);
    free(history);
    sample_free(&sample);
}

static int make_folder(void **state)
{
    *state = make_private_folder("");
    return setenv("SAMPLES", *state, 1);
}

static int drop_folder(void **state)
{
    char *line = x_format("rm -rf '%s'", (char *)*state);
    int status = system(line);
    free(line);
    free(*state);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_in_order),
        cmocka_unit_test(values_are_those_of_the_result),
        cmocka_unit_test(odd_values_stay_json),
        cmocka_unit_test(schemas_accept_what_is_written),
        cmocka_unit_test(schemas_refuse_what_is_wrong),
    };
    return cmocka_run_group_tests_name("json", tests, make_folder, drop_folder);
}
