/* SPDX-License-Identifier: Apache-2.0
 *
 * test_reports: what each report makes of results made by hand (report_samples.h): held, broken,
 * unknown, interrupted, sweeps, mixes, huge numbers, names that break XML. JSON and JUnit are also
 * read back by programs that are not ours: jsonschema (scripts/validate_result.py) and xmllint.
 * labels: unit
 */
#include "report_samples.h"

/* Registry ------------------------------------------------------------------------------------ */

static void reports_are_found_by_name(void **state)
{
    static const char *const names[] = {"hgrm", "history", "json", "junit", "text"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_non_null(report_find(names[i]));
        assert_string_equal(report_find(names[i])->name, names[i]);
        assert_true(strlen(report_find(names[i])->help) > 20);
    }
    assert_null(report_find("pdf"));
}

/* Text ---------------------------------------------------------------------------------------- */

static void text_says_what_was_found(void **state)
{
    static const char *const parts[] = {
        "counter, 100 workers, 10,000 operations, seed 7\n",
        "embedded engine, one thread, not MongoDB; persona standalone, store wiredtiger, "
        "durability sync, write concern w:1\n",
        "strategy       final/expected   lost   ops/s",
        "naive            1,204/10,000  8,796  21,400",
        "loses updates (expected)\n",
        "live_object      4,979/10,000  5,021  31,200",
        "BROKEN: loses updates\n",
        "unknown: no-overlap\n",
        "naive: w17.3 read 41 after 0.112034 s, w63.1 wrote 42 by 0.118210 s, w17.3 wrote 42 by "
        "0.121007 s: the update of w63.1 is gone.\n",
        "live_object BROKEN: w17.3 read 41",
        "\n  repeat: ./racebench --scenario counter --strategy live_object --workers 100 --ops "
        "10000 "
        "--expect claims --seed 7\n",
        "lock_document, unknown (no-overlap): Too few operations met",
        "inc, occ: 0 lost of 10,000 operations: with 95 % confidence fewer than 1 in 3,338.\n",
        "BROKEN: live_object; unknown: lock_document; broken as expected: file_naive, naive; held: "
        "inc, occ; the cheapest that held is inc (24,800 ops/s); to repeat it:\n"
        "  ./racebench --strategy all --workers 100 --expect claims --seed 7\n",
    };
    struct sample sample;
    (void)state;
    sample_all(&sample);
    char *text = sample_write(&sample, "text", 200);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        sample_has(text, parts[i]);
    sample_has_not(text, "naive BROKEN");
    sample_has_not(text, "\033");
    free(text);
    sample_free(&sample);
}

/* Commands are left whole so that they can be pasted; nothing else is wider than the terminal. */
static void text_fits_the_width(void **state)
{
    void (*const make[])(struct sample *) = {sample_all, sample_sweep};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(make); i++) {
        struct sample sample;
        make[i](&sample);
        for (int columns = 79; columns <= 140; columns++) {
            char *text = sample_write(&sample, "text", columns), *rest = text;
            for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
                bool command = strstr(line, "./racebench") != NULL;
                if (!command && (int)strlen(line) > columns)
                    fail_msg("%zu > %d: %s", strlen(line), columns, line);
                if (strlen(line) > 0 && line[strlen(line) - 1] == ' ')
                    fail_msg("space at the end of '%s'", line);
            }
            free(text);
        }
        sample_free(&sample);
    }
}

static char *write_styled(const struct sample *sample, struct style style)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    report_find("text")->write(&sample->result, &style, out);
    fclose(out);
    return text;
}

static void text_colours_change_nothing_else(void **state)
{
    struct sample sample;
    (void)state;
    sample_all(&sample);
    char *plain = write_styled(&sample, (struct style){.columns = 100});
    char *colored = write_styled(&sample, (struct style){.columns = 100, .color = true});
    sample_has(colored, "\033[1;31mBROKEN: loses updates\033[0m\n");
    sample_has(colored, "\033[32mheld\033[0m\n");
    char *to = colored;
    for (const char *from = colored; *from != '\0';)
        if (*from == '\033')
            from = strchr(from, 'm') + 1;
        else
            *to++ = *from++;
    *to = '\0';
    assert_string_equal(colored, plain);
    free(colored);
    free(plain);
    sample_free(&sample);
}

static void text_can_be_short_or_long(void **state)
{
    struct sample sample;
    (void)state;
    sample_all(&sample);
    char *text = write_styled(&sample, (struct style){.columns = 100, .quiet = true});
    assert_string_equal(text, "file_naive: loses updates (expected), 9,871 lost of 10,000\n"
                              "inc: held, 0 lost of 10,000\n"
                              "live_object: BROKEN: loses updates, 5,021 lost of 10,000\n"
                              "lock_document: unknown: no-overlap, 0 lost of 10,000\n"
                              "naive: loses updates (expected), 8,796 lost of 10,000\n"
                              "occ: held, 0 lost of 10,000\n");
    free(text);
    sample.cells[1].hazards |= HAZARD_BIT(instances);
    sample.result.cells[1].hits[HAZARD_INDEX_instances] = 12;
    text = write_styled(&sample, (struct style){.columns = 100, .verbose = true});
    sample_has(text, "\ninc, 403 ms long\n");
    sample_has(text, "  waiting    10,000");
    sample_has(text, "  outcomes   10,000 done, 0 nothing to do, 0 busy, 0 failed, 0 unknown\n");
    sample_has(text, "  hazard     instances struck 12 times\n");
    sample_has(text, "  lost       87.96 % of the acknowledged operations, counted one by one\n");
    sample_has(text, "racebench 0.1.0, libmongoc 1.23.1, libuv 1.44.2, gcc 12.2.0\n");
    sample_has(text, "started 2026-11-21T10:15:00Z, run 20261121T101500Z-3f9a1c\n");
    free(text);
    sample_free(&sample);
}

/* Columns that appear only where there is something to tell. */
static void text_shows_what_went_wrong(void **state)
{
    struct sample sample;
    (void)state;
    sample_all(&sample);
    char *text = sample_write(&sample, "text", 200);
    sample_has_not(text, "doubled");
    sample_has_not(text, "failed");
    free(text);
    struct counts *counts = &sample.result.cells[5].verdict.counts;
    counts->doubled = 11;
    counts->failed = 200;
    counts->busy = 30;
    counts->unknown = 4;
    text = sample_write(&sample, "text", 200);
    sample_has(text, "   lost  doubled  failed  answer   ops/s");
    sample_has(text, "10,000/10,000      0       11     230       4   3,900");
    free(text);
    sample_free(&sample);
}

/* The sentence of a witness: acknowledgements that come in the other order, an unknown culprit. */
static void text_tells_witnesses_truly(void **state)
{
    struct sample sample;
    (void)state;
    sample_all(&sample);
    struct cell_result *cell = &sample.result.cells[2];
    struct witness witness = cell->verdict.witnesses[0];
    witness.victim_return_ns = 125000000;
    char *text = report_witness(cell, &witness);
    assert_string_equal(text, "w17.3 read 41 after 0.112034 s, w63.1 wrote 42, w17.3 wrote 42 by "
                              "0.121007 s: the update of w63.1 is gone");
    free(text);
    witness.culprit = 0;
    sample.cells[2].docs = 4;
    witness.key = 3;
    text = report_witness(cell, &witness);
    assert_string_equal(text, "w63.1 wrote 42 by 0.125000 s: its update is gone; who overwrote it "
                              "is not known (document 3)");
    free(text);
    witness.property = DOUBLED;
    text = report_witness(cell, &witness);
    assert_string_equal(text, "w63.1 was asked for once and applied twice (document 3)");
    free(text);
    sample_free(&sample);
}

/* The plan goes through the workers first; the report puts each strategy's cells together. */
static void text_groups_a_sweep(void **state)
{
    struct sample sample;
    (void)state;
    sample_sweep(&sample);
    char *text = sample_write(&sample, "text", 120);
    char *naive = strstr(text, "\nnaive       1,000 "), *occ = strstr(text, "\nocc             1 ");
    assert_non_null(naive);
    assert_non_null(occ);
    assert_true(naive < occ);
    sample_has(text, "(expected)\n\nocc             1 ");
    sample_has(text, "counter, 10,000 operations, seed 7\n");
    sample_has(text, "naive (10, 100, 1,000 workers): ");
    sample_has(text, "(1 worker), unknown (one-worker): ");
    free(text);
    sample_free(&sample);
}

static void text_tells_one_cell_more_fully(void **state)
{
    struct sample sample;
    (void)state;
    sample_init(&sample);
    struct cell_result *cell = sample_add(&sample, "naive+occ", 100, 4000);
    sample.cells[0].ops = 0;
    sample.cells[0].duration_ms = 2500;
    cell->virtual_clock = true;
    cell->verdict.counts.expected_max = 10003;
    cell->verdict.counts.unknown = 3;
    sample.result.interrupted = true;
    sample_undecide(cell, REASON_INTERRUPTED);
    char *text = sample_write(&sample, "text", 120);
    sample_has(text, "counter, 100 workers, seed 7, for at most 2.50 s\n");
    sample_has(text, "times are virtual: a fixed cost per step\n");
    sample_has(text, "10,000/10,000..10,003");
    sample_has(text, "\n  attempt    20,000");
    sample_has(text, "Interrupted, these results are partial; unknown: naive+occ; to repeat it:\n"
                     "  ./racebench --scenario counter --strategy naive+occ --workers 100 "
                     "--duration 2500ms --expect claims --seed 7\n");
    free(text);
    sample_free(&sample);
}

static void text_names_each_target(void **state)
{
    struct sample sample;
    (void)state;
    sample_all(&sample);
    static const struct strategy files = {.name = "file_naive", .home = HOME_FILES};
    struct target *server = &sample.result.cells[1].target;
    sample.cells[0].strategy[0] = &files;
    free(server->name);
    server->name = x_strdup("mongodb");
    free(server->uri);
    server->uri = x_strdup("mongodb://db:27017/");
    sample.cells[1].uri = "mongodb://me:hunter2@db:27017/";
    char *text = sample_write(&sample, "text", 120);
    sample_has(text, "\nfiles, no database; durability write\n");
    sample_has(text, "\nMongoDB 7.0.0, at mongodb://db:27017/; persona standalone");
    assert_int_equal(sample_occurs(text, "not MongoDB"), 1);
    sample_has_not(text, "hunter2");
    free(text);
    sample_free(&sample);
}

static void text_survives_no_cell(void **state)
{
    struct sample sample;
    (void)state;
    sample_init(&sample);
    char *text = sample_write(&sample, "text", 100);
    assert_string_equal(text, "No cell was run.\n");
    free(text);
    sample_free(&sample);
}

/* History ------------------------------------------------------------------------------------- */

static void history_is_in_jepsens_form(void **state)
{
    static const char *const lines[] = {
        "\"time\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"add\",\"value\":1,\"op\":\"w0.0\"",
        "\"time\":10000,\"process\":1,\"type\":\"invoke\",\"f\":\"add\",\"value\":1,"
        "\"op\":\"w1.0\"",
        "\"time\":10000,\"process\":0,\"type\":\"ok\",\"f\":\"add\",\"value\":1,\"op\":\"w0.0\"",
        "\"time\":10000,\"process\":0,\"type\":\"invoke\",\"f\":\"add\",\"value\":1,"
        "\"op\":\"w0.1\"",
        "\"time\":10000,\"process\":0,\"type\":\"fail\",\"f\":\"add\",\"value\":1,"
        "\"op\":\"w0.1\"",
        "\"time\":10000,\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"value\":null,"
        "\"op\":\"w0.2\"",
        "\"time\":25000,\"process\":3,\"type\":\"invoke\",\"f\":\"add\",\"value\":1,"
        "\"op\":\"w1.1\"",
        "\"time\":30000,\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":5,\"op\":\"w0.2\"",
        "\"time\":40000,\"process\":1,\"type\":\"info\",\"f\":\"add\",\"value\":1,"
        "\"op\":\"w1.0\"",
        "\"time\":40000,\"process\":3,\"type\":\"ok\",\"f\":\"add\",\"value\":1,\"op\":\"w1.1\"",
    };
    struct sample sample;
    (void)state;
    sample_hard_history(&sample);
    char *text = sample_write(&sample, "history", 80), *rest = text;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        char *start = x_format("{\"index\":%zu,%s,", i, lines[i]);
        char *line = strsep(&rest, "\n");
        if (strncmp(line, start, strlen(start)) != 0)
            fail_msg("line %zu is\n%s\nand not\n%s", i, line, start);
        if (i == 0)
            assert_null(strstr(line, "outcome"));
        if (i == 8)
            sample_has(line, "\"outcome\":\"unknown\",\"attempts\":1,\"commands\":2,"
                             "\"returned\":false}");
        if (i == 9)
            sample_has(line, "\"worker\":1,\"instance\":0,\"cell\":0,\"key\":0,\"key2\":1,"
                             "\"once\":9,\"read_version\":null,\"wrote_version\":null,"
                             "\"read_version2\":\"w0.0\",\"wrote_version2\":\"w1.1\"");
        free(start);
    }
    assert_string_equal(rest, "");
    free(text);
    sample_free(&sample);
}

/* Hgrm ---------------------------------------------------------------------------------------- */

static void hgrm_is_the_histograms_own(void **state)
{
    struct sample sample;
    char *own = NULL;
    size_t size = 0;
    (void)state;
    sample_init(&sample);
    sample_add(&sample, "occ", 10, 4000);
    FILE *out = open_memstream(&own, &size);
    histogram_write_hgrm(&sample.result.cells[0].operation, 1000, out);
    fclose(out);
    char *text = sample_write(&sample, "hgrm", 80);
    assert_string_equal(text, own);
    free(text);
    sample_add(&sample, "naive", 10, 8000);
    text = sample_write(&sample, "hgrm", 80);
    assert_true(strncmp(text, "# cell: occ\n", 12) == 0);
    assert_true(strncmp(text + 12, own, strlen(own)) == 0);
    sample_has(text, "\n# cell: naive\n");
    assert_int_equal(sample_occurs(text, "1/(1-Percentile)"), 2);
    free(text);
    free(own);
    sample_free(&sample);
}

/* JUnit --------------------------------------------------------------------------------------- */

static void junit_is_green_as_the_exit_code(void **state)
{
    struct sample sample;
    (void)state;
    sample_all(&sample);
    char *text = sample_write(&sample, "junit", 80);
    sample_has(text, "<testsuite name=\"counter\" tests=\"6\" failures=\"1\" errors=\"1\" "
                     "skipped=\"0\"");
    sample_has(text, "timestamp=\"2026-11-21T10:15:00\"");
    sample_has(text, "<testcase classname=\"racebench.counter\" name=\"live_object\" "
                     "time=\"0.321\">\n      <failure type=\"lost-update\" message=\"BROKEN: loses "
                     "updates: w17.3 read 41 after");
    sample_has(text,
               "name=\"naive\" time=\"0.467\">\n      <system-out>loses updates (expected): ");
    sample_has(text, "name=\"lock_document\" time=\"10.965\">\n      <error type=\"no-overlap\"");
    sample_has(
        text, "\ntransport: driver\nrepro: ./racebench --scenario counter --strategy live_object ");
    assert_int_equal(sample_occurs(text, "<failure "), 1);
    assert_int_equal(sample_occurs(text, "<error "), 1);
    free(text);
    sample_free(&sample);
}

static void junit_is_xml_whatever_the_names(void **state)
{
    struct sample sample;
    (void)state;
    sample_odd(&sample);
    char *text = sample_write(&sample, "junit", 80);
    sample_has(text, "<testsuite name=\"a&lt;b&gt;&amp;&quot;c'\"");
    sample_has(text, "name=\"&lt;&amp;&gt;&quot;']]&gt;? (a&lt;b&gt;");
    free(text);
    FILE *xmllint =
        system("command -v xmllint >/dev/null") == 0 ? popen("xmllint --noout - 2>&1", "w") : NULL;
    if (xmllint == NULL)
        skip();
    struct style style = {.columns = 80};
    report_find("junit")->write(&sample.result, &style, xmllint);
    assert_int_equal(pclose(xmllint), 0);
    sample_free(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_are_found_by_name),
        cmocka_unit_test(text_says_what_was_found),
        cmocka_unit_test(text_fits_the_width),
        cmocka_unit_test(text_colours_change_nothing_else),
        cmocka_unit_test(text_can_be_short_or_long),
        cmocka_unit_test(text_shows_what_went_wrong),
        cmocka_unit_test(text_tells_witnesses_truly),
        cmocka_unit_test(text_groups_a_sweep),
        cmocka_unit_test(text_tells_one_cell_more_fully),
        cmocka_unit_test(text_names_each_target),
        cmocka_unit_test(text_survives_no_cell),
        cmocka_unit_test(history_is_in_jepsens_form),
        cmocka_unit_test(hgrm_is_the_histograms_own),
        cmocka_unit_test(junit_is_green_as_the_exit_code),
        cmocka_unit_test(junit_is_xml_whatever_the_names),
    };
    return cmocka_run_group_tests_name("reports", tests, NULL, NULL);
}
