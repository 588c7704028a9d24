/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of schedules: what is read is what was printed, complaints name file and line and say
 * what to do, and no bytes whatever crash the reader. The properties print their seed.
 */
#include "base.h"
#include "explore/schedule.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *parse(struct schedule *schedule, const char *text)
{
    return schedule_parse(schedule, "x.race", text, strlen(text));
}

static const char example[] = "# counter with naive, 2 workers: lost update\n"
                              "cell: --scenario counter --strategy naive --workers 2\n"
                              "w0.find  w1.find  w0.update  w1.update\n";

static void test_example(void **state)
{
    (void)state;
    struct schedule schedule;
    size_t count;
    assert_null(parse(&schedule, example));
    assert_string_equal(schedule.title, "counter with naive, 2 workers: lost update");
    assert_int_equal(schedule.count, 4);
    assert_int_equal(schedule.moves[2].kind, MOVE_STEP);
    assert_int_equal(schedule.moves[2].worker, 0);
    assert_int_equal(schedule.moves[2].step, STEP_UPDATE);
    assert_int_equal(schedule.moves[2].line, 3);
    assert_int_equal(schedule_switches(&schedule), 3);
    assert_int_equal(schedule_faults(&schedule), 0);
    char **words = schedule_words(&schedule, &count);
    assert_int_equal(count, 6);
    assert_string_equal(words[3], "naive");
    schedule_words_free(words, count);
    char *text = schedule_text(&schedule);
    assert_string_equal(text, example);
    free(text);
    schedule_free(&schedule);
}

static void test_every_form(void **state)
{
    (void)state;
    static const char text[] =
        "# all of them\n"
        "cell: --strategy naive --seed 7 --database 'it'\\''s a # name'\n"
        "w0.find  w10.find_and_modify  w1.random=3  +30s  +1500ms  lost w1.update\n"
        "drop w1.insert  error w0.delete  crash w0  crash w1 keeping 0\n"
        "crash w1 keeping 17  pause w0  skew w1 +31s  boot w0  duplicate w2  reorder w2\n"
        "restart  w0.write_file  restart during w1.update  lost w1.update once\n";
    struct schedule schedule;
    size_t count;
    char *problem = parse(&schedule, text);
    assert_null(problem);
    char **words = schedule_words(&schedule, &count);
    assert_int_equal(count, 6);
    assert_string_equal(words[5], "it's a # name");
    schedule_words_free(words, count);
    assert_int_equal(schedule.count, 20);
    assert_int_equal(schedule.moves[9].amount, 0);
    assert_int_equal(schedule.moves[8].amount, MOVE_PLAIN);
    assert_int_equal(schedule_faults(&schedule), 14);
    char *printed = schedule_text(&schedule);
    assert_string_equal(printed, text);
    free(printed);
    schedule_free(&schedule);
}

static void test_free_form(void **state)
{
    (void)state;
    struct schedule schedule;
    assert_null(parse(&schedule, "# t\r\n\r\n# more\ncell: --strategy naive # why\n"
                                 "w0.find#here\n\tw1.find lost # a comment\n\n  w0.update\n"
                                 "cell: --workers 3\ncrash w0 # not keeping\nkeeping 4"));
    char *text = schedule_text(&schedule);
    assert_string_equal(text, "# t\ncell: --strategy naive --workers 3\n"
                              "w0.find  w1.find  lost w0.update  crash w0 keeping 4\n");
    assert_int_equal(schedule.moves[2].line, 6);
    free(text);
    schedule_free(&schedule);
}

#define CELL "cell: --strategy naive\n"

static void test_complaints(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where, *what;
    } rows[] = {
        {"", "x.race:1:", "no line 'cell: ...'"},
        {"# only this", "x.race:1:", "no line 'cell: ...'"},
        {"w0.find\n\n", "x.race:3:", "no line 'cell: ...'"},
        {CELL, "x.race:2:", "no move"},
        {"cell:\nw0.find", "x.race:1:", "nothing after 'cell:'"},
        {"cell: --database 'x\nw0.find", "x.race:1:", "not closed"},
        {CELL "w0.fin", "x.race:2:", "'w0.fin': no such step; there are: find insert update"},
        {CELL "w0.", "x.race:2:", "no such step"},
        {CELL "w0", "x.race:2:", "which step"},
        {CELL "w.find", "x.race:2:", "not a step; write w0.find"},
        {CELL "w00.find", "x.race:2:", "not a step"},
        {CELL "w100000.find", "x.race:2:", "not a step"},
        {CELL "w99999999999999999999.find", "x.race:2:", "not a step"},
        {CELL "w-1.find", "x.race:2:", "not a step"},
        {CELL "W0.find", "x.race:2:", "no move of a schedule"},
        {CELL "w0.find=", "x.race:2:", "after '='"},
        {CELL "w0.find=x", "x.race:2:", "after '='"},
        {CELL "lost w0.find=2", "x.race:2:", "after '='"},
        {CELL "+30", "x.race:2:", "'+30': "},
        {CELL "+0", "x.race:2:", "must be from 1ms"},
        {CELL "+9000h", "x.race:2:", "must be from 1ms"},
        {CELL "+1us", "x.race:2:", "'+1us': "},
        {CELL "w0.find\nlost", "x.race:3:", "the schedule ends here; a step must follow"},
        {CELL "crash", "x.race:2:", "a worker must follow"},
        {CELL "crash w0.find", "x.race:2:", "not a worker; write just w0"},
        {CELL "crash w0 keeping", "x.race:2:", "a number of bytes must follow"},
        {CELL "crash w0\nkeeping x", "x.race:3:", "not a number of bytes"},
        {CELL "crash w0 keeping 99999999999", "x.race:2:", "not a number of bytes"},
        {CELL "skew w0", "x.race:2:", "a time must follow"},
        {CELL "skew w0 31s", "x.race:2:", "not a time"},
        {CELL "restart during", "x.race:2:", "a step must follow"},
        {CELL "restart during w1", "x.race:2:", "which step"},
        {CELL "restart w1", "x.race:2:", "which step"},
        {CELL "drop w1.update once", "x.race:2:", "'once': no move"},
        {CELL "lost +30s", "x.race:2:", "not a step"},
        {CELL "pause lost w0", "x.race:2:", "not a worker"},
        {CELL "{\"a\": 1}", "x.race:2:", "'{\"a\":': no move"},
        {"\x7f"
         "ELF",
         "x.race:1:", "byte 0x7f: this is no text"},
        {CELL "w0.\033[31m", "x.race:2:", "byte 0x1b"},
        {CELL "w0.f\xc3\xa9", "x.race:2:", "no such step; there are"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct schedule schedule;
        char *problem = parse(&schedule, rows[i].text);
        if (problem == NULL || strstr(problem, rows[i].where) != problem ||
            strstr(problem, rows[i].what) == NULL || strchr(problem, '\n') != NULL)
            fail_msg("row %zu: got '%s', want '%s' and '%s'", i, problem, rows[i].where,
                     rows[i].what);
        free(problem);
        schedule_free(&schedule);
    }
}

static void test_zero_byte(void **state)
{
    (void)state;
    static const char text[] = CELL "w0.find\nw1\0.find";
    struct schedule schedule;
    char *problem = schedule_parse(&schedule, "x.race", text, sizeof(text) - 1);
    assert_non_null(problem);
    assert_ptr_equal(strstr(problem, "x.race:3: byte 0x00"), problem);
    free(problem);
    schedule_free(&schedule);
}

static void test_workers(void **state)
{
    (void)state;
    struct schedule schedule;
    assert_null(parse(&schedule, CELL "w0.find\n+1s restart crash w2"));
    assert_null(schedule_check(&schedule, "x.race", 3));
    char *problem = schedule_check(&schedule, "x.race", 2);
    assert_string_equal(problem, "x.race:3: 'crash w2': the cell has 2 workers, counted from w0; "
                                 "correct the step, or --workers in 'cell:'");
    free(problem);
    schedule_free(&schedule);
}

static void test_files(void **state)
{
    (void)state;
    struct schedule schedule;
    char *folder = make_private_folder(""), *path = x_format("%s/x.race", folder);
    int descriptor = creat(path, 0600);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, example, strlen(example)), strlen(example));
    assert_null(schedule_read(&schedule, path));
    assert_int_equal(schedule.count, 4);
    schedule_free(&schedule);
    assert_int_equal(ftruncate(descriptor, INT64_C(2) << 30), 0); /* sparse: costs no disk */
    const char *paths[] = {path, "/dev/zero", "/", "/nowhere/x.race"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        char *problem = schedule_read(&schedule, paths[i]);
        assert_non_null(problem);
        assert_ptr_equal(strstr(problem, paths[i]), problem);
        assert_non_null(strstr(problem, i < 2 ? "larger than 4 MiB" : "give the path"));
        free(problem);
        schedule_free(&schedule);
    }
    close(descriptor);
    remove_folder(folder);
    free(folder);
    free(path);
}

/* Properties --------------------------------------------------------------------------------- */

static uint64_t seed_of(const char *what)
{
    const char *text = getenv("RACEBENCH_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)clock_monotonic_ns();
    print_message("%s: RACEBENCH_TEST_SEED=%llu\n", what, (unsigned long long)seed);
    return seed;
}

static void random_schedule(struct random *random, struct schedule *schedule)
{
    memset(schedule, 0, sizeof(*schedule));
    schedule->title = random_below(random, 2) == 0 ? x_strdup("a title: of # some words") : NULL;
    schedule->cell = x_strdup("--strategy naive --workers 9 --database 'x  y'");
    size_t count = 1 + random_below(random, 40);
    for (size_t i = 0; i < count; i++) {
        struct move move = {.kind = (enum move_kind)random_below(random, MOVE_KIND_COUNT),
                            .worker = (int32_t)random_below(random, 9),
                            .step = (enum step_kind)random_below(random, STEP_KIND_COUNT),
                            .amount = MOVE_PLAIN};
        bool more = random_below(random, 2) == 0;
        if (move.kind == MOVE_CLOCK || move.kind == MOVE_RESTART)
            move.worker = STEP_NOBODY;
        if (move.kind == MOVE_CLOCK || move.kind == MOVE_SKEW)
            move.amount = 1 + (int64_t)random_below(random, 100000);
        else if (more && (move.kind == MOVE_CRASH || move.kind == MOVE_STEP))
            move.amount = (int64_t)random_below(random, 1000);
        else if (more && move.kind == MOVE_LOST)
            move.amount = MOVE_ONCE;
        schedule_add(schedule, &move);
    }
}

/* print(parse(print(x))) == print(x), and every move comes back. */
static void test_round_trip(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, seed_of("round trip"));
    for (int i = 0; i < 2000; i++) {
        struct schedule schedule, again;
        random_schedule(&random, &schedule);
        char *text = schedule_text(&schedule);
        char *problem = parse(&again, text);
        if (problem != NULL)
            fail_msg("%s\n%s", problem, text);
        assert_int_equal(again.count, schedule.count);
        for (size_t m = 0; m < again.count; m++)
            assert_true(move_equal(&again.moves[m], &schedule.moves[m]));
        char *second = schedule_text(&again);
        assert_string_equal(second, text);
        free(second);
        free(text);
        schedule_free(&again);
        schedule_free(&schedule);
    }
}

/* Random bytes, and good text with bytes changed, cut and doubled: understood or refused with one
 * line that names the file and a line; what is understood prints to what is understood alike. */
static void test_mutations(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, seed_of("mutations"));
    for (int i = 0; i < 20000; i++) {
        struct schedule schedule;
        random_schedule(&random, &schedule);
        char *text = schedule_text(&schedule);
        schedule_free(&schedule);
        size_t length = strlen(text);
        for (uint64_t m = 1 + random_below(&random, 4); m > 0 && length > 0; m--) {
            size_t at = random_below(&random, length);
            static const char likely[] = " \n#'\\+=.w0139:\0keping";
            if (random_below(&random, 8) == 0)
                length = at;
            else if (random_below(&random, 2) == 0)
                text[at] = (char)random_below(&random, 256);
            else
                text[at] = likely[random_below(&random, sizeof(likely) - 1)];
        }
        char *problem = schedule_parse(&schedule, "x.race", text, length);
        if (problem != NULL) {
            assert_ptr_equal(strstr(problem, "x.race:"), problem);
            assert_null(strchr(problem, '\n'));
        } else {
            struct schedule again;
            char *first = schedule_text(&schedule);
            char *refused = parse(&again, first);
            if (refused != NULL)
                fail_msg("%s\n%s", refused, first);
            char *second = schedule_text(&again);
            assert_string_equal(second, first);
            free(first);
            free(second);
            schedule_free(&again);
        }
        free(problem);
        free(text);
        schedule_free(&schedule);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),   cmocka_unit_test(test_every_form),
        cmocka_unit_test(test_free_form), cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_zero_byte), cmocka_unit_test(test_workers),
        cmocka_unit_test(test_files),     cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
