/* SPDX-License-Identifier: Apache-2.0
 *
 * test_plots: scripts/plot_*.py draw what racebench writes, and refuse the rest with the documented
 * exit codes. How pictures look is for people; here they must exist, be of the right kind, and name
 * the strategies. Skipped without matplotlib.
 * labels: unit
 */
#include "report_samples.h"

static char *folder;

/* Exit code of "scripts/<line>" run in the test's folder. */
static int script(const char *line)
{
    const char *source = getenv("RACEBENCH_SOURCE");
    char *command = x_format("cd '%s' && MPLCONFIGDIR=. '%s'/scripts/%s >/dev/null 2>complaint",
                             folder, source != NULL ? source : ".", line);
    int status = system(command);
    free(command);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void save(void (*make)(struct sample *), const char *report, const char *name)
{
    struct sample sample;
    struct style style = {.columns = 80};
    char *path = x_format("%s/%s", folder, name);
    make(&sample);
    report_save(report_find(report), &sample.result, &style, path);
    sample_free(&sample);
    free(path);
}

static char *content(const char *name)
{
    char *path = x_format("%s/%s", folder, name), *text = x_calloc(1, 1 << 20);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("no %s", path);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 1000);
    fclose(file);
    free(path);
    return text;
}

static void pictures_are_drawn(void **state)
{
    (void)state;
    if (system("/usr/bin/python3 -c 'import matplotlib' 2>/dev/null") != 0)
        skip();
    assert_int_equal(script("plot_latency.py all.json -o all.svg"), 0);
    char *text = content("all.svg");
    sample_has(text, "<svg ");
    sample_has(text, "<!-- lock_document -->");
    sample_has(text, "<!-- counter, 100 workers, 10,000 operations, seed 7; embedded engine, one "
                     "thread, not MongoDB;");
    free(text);
    assert_int_equal(script("plot_latency.py all.hgrm -o hgrm.png"), 0);
    text = content("hgrm.png");
    assert_memory_equal(text, "\x89PNG", 4);
    free(text);
    assert_int_equal(script("plot_sweep.py sweep.json -o sweep.svg --only naive --only occ"), 0);
    text = content("sweep.svg");
    sample_has(text, "<!-- Lost updates -->");
    sample_has(text, "<!-- occ -->");
    sample_has_not(text, "<!-- inc -->");
    free(text);
}

static void wrong_input_is_refused(void **state)
{
    static const struct {
        const char *line;
        int code;
    } cases[] = {
        {"plot_sweep.py all.json", 65},
        {"plot_latency.py damaged.json", 65},
        {"plot_latency.py all.hgrm missing.json", 65},
        {"plot_latency.py damaged.hgrm", 65},
        {"plot_latency.py all.json -o picture.gif", 64},
        {"plot_latency.py all.json --only nobody", 64},
        {"plot_sweep.py --nonsense", 64},
        {"plot_latency.py all.json -o /nowhere/a.png", 74},
        {"plot_input.py", 64},
    };
    (void)state;
    if (system("/usr/bin/python3 -c 'import matplotlib' 2>/dev/null") != 0)
        skip();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int code = script(cases[i].line);
        if (code != cases[i].code)
            fail_msg("%s: exit %d and not %d", cases[i].line, code, cases[i].code);
    }
    char *test = x_format("cd '%s' && test $(wc -l <complaint) = 1", folder);
    assert_int_equal(system(test), 0);
    free(test);
}

static int make_folder(void **state)
{
    (void)state;
    folder = make_private_folder("");
    save(sample_all, "json", "all.json");
    save(sample_all, "hgrm", "all.hgrm");
    save(sample_sweep, "json", "sweep.json");
    char *line = x_format("cd '%s' && sed 's/p99\"/p98\"/' all.json >damaged.json && "
                          "sed 's/^ *[0-9]/x/' all.hgrm >damaged.hgrm",
                          folder);
    int status = system(line);
    free(line);
    return status;
}

static int drop_folder(void **state)
{
    (void)state;
    char *line = x_format("rm -rf '%s'", folder);
    int status = system(line);
    free(line);
    free(folder);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_drawn),
        cmocka_unit_test(wrong_input_is_refused),
    };
    return cmocka_run_group_tests_name("plots", tests, make_folder, drop_folder);
}
