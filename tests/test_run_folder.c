/* SPDX-License-Identifier: Apache-2.0
 *
 * test_run_folder: a run's folder and report files: what lies there afterwards, and that nothing
 * that cannot be written passes for success (exit 74 and one line). labels: unit
 */
#include "report_samples.h"
#include "run_folder.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct place {
    char *folder; /* a fresh one for each test */
    char *base;   /* folder/a/b: not there yet */
    struct sample sample;
};

static int make_place(void **state)
{
    struct place *place = x_calloc(1, sizeof(*place));
    place->folder = make_private_folder("");
    place->base = x_format("%s/a/b", place->folder);
    sample_all(&place->sample);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    char *line = x_format("chmod -R u+w '%s'; rm -rf '%s'", place->folder, place->folder);
    int status = system(line);
    free(line);
    sample_free(&place->sample);
    free(place->folder);
    free(place->base);
    free(place);
    return status;
}

static void expect_file(const char *folder, const char *name, bool there)
{
    struct stat status;
    char *path = x_format("%s/%s", folder, name);
    if ((stat(path, &status) == 0 && status.st_size > 100) != there)
        fail_msg("%s %s", path, there ? "is not there" : "is there");
    free(path);
}

static void write_run(struct place *place, const char *run_id)
{
    free(place->sample.result.folder);
    place->sample.result.folder = run_folder_open(place->base, run_id);
    run_folder_write(&place->sample.result);
}

static void ids_sort_by_time(void **state)
{
    (void)state;
    char *id = run_folder_id(INT64_C(1795256100999), 0xabc3f9a1c);
    assert_string_equal(id, "20261121T101500Z-3f9a1c");
    free(id);
    id = run_folder_id(0, 0);
    assert_string_equal(id, "19700101T000000Z-000000");
    free(id);
}

static void latest_is_the_last_one_written(void **state)
{
    struct place *place = *state;
    char target[256] = "";
    char *latest = x_format("%s/latest", place->base);
    static const char *const runs[] = {"one-1", "two-2"};
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        write_run(place, runs[i]);
        expect_file(place->sample.result.folder, "result.json", true);
        expect_file(place->sample.result.folder, "report.txt", true);
        expect_file(place->sample.result.folder, "history.jsonl", true);
        expect_file(place->sample.result.folder, "trace.jsonl", true);
        memset(target, 0, sizeof(target));
        assert_true(readlink(latest, target, sizeof(target) - 1) > 0);
        assert_string_equal(target, runs[i]);
    }
    char *line = x_format("ls -A '%s' '%s/one-1' | grep '^[.]'", place->base, place->base);
    assert_int_not_equal(system(line), 0); /* no temporary file is left behind */
    free(line);
    free(latest);
}

static void runs_are_found(void **state)
{
    struct place *place = *state;
    write_run(place, "20260101T000000Z-aaaaaa");
    write_run(place, "20260102T000000Z-bbbbbb");
    const struct {
        const char *run, *folder;
    } cases[] = {
        {NULL, "latest"},
        {"latest", "latest"},
        {"20260101T000000Z-aaaaaa", "20260101T000000Z-aaaaaa"},
        {"20260102", "20260102T000000Z-bbbbbb"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *found = run_folder_find(place->base, cases[i].run);
        char *expected = x_format("%s/%s/result.json", place->base, cases[i].folder);
        assert_string_equal(found, expected);
        free(expected);
        free(found);
    }
    char *path = x_format("%s/latest/", place->base), *found = run_folder_find("nowhere", path);
    assert_int_equal(access(found, R_OK), 0);
    free(found);
    free(path);
}

static void long_histories_stay_out(void **state)
{
    struct place *place = *state;
    struct cell_result *cell = &place->sample.result.cells[1];
    for (int64_t i = 0; i < RUN_FOLDER_HISTORY_MAX - 8; i++)
        sample_event(cell, 0, i, i, i + 1);
    write_run(place, "all"); /* three cells have three events of a race */
    expect_file(place->sample.result.folder, "history.jsonl", false);
    expect_file(place->sample.result.folder, "result.json", true);
    cell->history.count--;
    write_run(place, "fewer");
    expect_file(place->sample.result.folder, "history.jsonl", true);
}

/* What must end the program ------------------------------------------------------------------- */

static void open_place(void *argument)
{
    struct place *place = argument;
    free(run_folder_open(place->base, "one"));
}

static void find_nothing(void *argument)
{
    struct place *place = argument;
    free(run_folder_find(place->base, "2026"));
}

static void find_latest(void *argument)
{
    struct place *place = argument;
    free(run_folder_find(place->base, NULL));
}

/* As if the disk had room for `bytes` in each file. */
static void write_limited(struct place *place, rlim_t bytes)
{
    struct rlimit limit = {bytes, bytes};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    run_folder_write(&place->sample.result);
}

static void write_some(void *argument)
{
    write_limited(argument, 4096);
}

/* All but the last byte: what is still in the buffer fails when the file is closed. */
static void write_almost(void *argument)
{
    struct place *place = argument;
    char *text = sample_write(&place->sample, "json", 80);
    write_limited(place, strlen(text) - 1);
}

struct output {
    struct place *place;
    const char *report, *path;
};

static void save(void *argument)
{
    struct output *output = argument;
    struct style style = {.columns = 80};
    report_save(report_find(output->report), &output->place->sample.result, &style, output->path);
}

static void save_to_full_stdout(void *argument)
{
    struct output *output = argument;
    must(freopen("/dev/full", "w", stdout) != NULL);
    output->path = "-";
    save(argument);
}

static void expect_end(void (*work)(void *), void *argument, int code, const char *part)
{
    char complaint[512];
    int status = sample_exit(work, argument, complaint);
    if (status != code || strstr(complaint, part) == NULL || sample_occurs(complaint, "\n") != 1)
        fail_msg("exit %d and '%s', not %d and '%s'", status, complaint, code, part);
}

static void unwritable_places_end_with_74(void **state)
{
    struct place *place = *state;
    char *blocked = x_format("%s/a", place->folder);
    FILE *file = fopen(blocked, "w");
    fclose(file);
    expect_end(open_place, place, EXIT_RESULTS, "/a/b: Not a directory; choose another folder");
    unlink(blocked);
    free(blocked);
    free(run_folder_open(place->base, "one"));
    expect_end(open_place, place, EXIT_RESULTS, "/a/b/one: File exists");
    free(place->base);
    place->base = x_strdup("/proc/racebench");
    expect_end(open_place, place, EXIT_RESULTS, "cannot make folder /proc/racebench: ");
}

static void full_disks_end_with_74(void **state)
{
    struct place *place = *state;
    struct output output = {.place = place, .path = "/dev/full"};
    for (size_t i = 0; reports[i] != NULL; i++) {
        output.report = reports[i]->name;
        expect_end(save, &output, EXIT_RESULTS, "to /dev/full: No space left on device; choose");
        expect_end(save_to_full_stdout, &output, EXIT_RESULTS, "to stdout: No space left");
        output.path = "/dev/full";
    }
    output.path = "/nowhere/result.json";
    expect_end(save, &output, EXIT_RESULTS, "to /nowhere/result.json: No such file or directory");
    place->sample.result.folder = run_folder_open(place->base, "one");
    expect_end(write_some, place, EXIT_RESULTS, "one/result.json: File too large");
    expect_end(write_almost, place, EXIT_RESULTS, "one/result.json: File too large");
    expect_file(place->sample.result.folder, "result.json", false);
    char *line = x_format("ls -A '%s' | grep '^[.]'", place->sample.result.folder);
    assert_int_not_equal(system(line), 0);
    free(line);
}

static void missing_runs_end_with_65(void **state)
{
    struct place *place = *state;
    expect_end(find_latest, place, EXIT_INPUT, "no run in ");
    expect_end(find_nothing, place, EXIT_INPUT, "no run '2026' in ");
    write_run(place, "20260101T000000Z-aaaaaa");
    write_run(place, "20260102T000000Z-bbbbbb");
    expect_end(find_nothing, place, EXIT_INPUT, "several runs in ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_sort_by_time),
        cmocka_unit_test_setup_teardown(latest_is_the_last_one_written, make_place, remove_place),
        cmocka_unit_test_setup_teardown(runs_are_found, make_place, remove_place),
        cmocka_unit_test_setup_teardown(long_histories_stay_out, make_place, remove_place),
        cmocka_unit_test_setup_teardown(unwritable_places_end_with_74, make_place, remove_place),
        cmocka_unit_test_setup_teardown(full_disks_end_with_74, make_place, remove_place),
        cmocka_unit_test_setup_teardown(missing_runs_end_with_65, make_place, remove_place),
    };
    return cmocka_run_group_tests_name("run_folder", tests, NULL, NULL);
}
