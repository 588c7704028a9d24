/* SPDX-License-Identifier: Apache-2.0
 *
 * reading: texts as history files: read, refused, judged. The golden histories lie beside this
 * file, written by hand: small ones in both notations, one or two for each model. Nobody but
 * test_check_reader.c includes this.
 */
#ifndef RACEBENCH_TESTS_CHECK_READING_H
#define RACEBENCH_TESTS_CHECK_READING_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base.h"
#include "check/judge.h"

static const struct search_limits limits = {INT64_MAX, 64 << 20};

/* Reads a text as a file. Returns the problem, or NULL; the caller frees both. */
static inline char *read_bytes(const char *text, size_t length, enum model model,
                               struct foreign *foreign)
{
    static char *path; /* one for all texts of a test program, which takes its folder along */
    if (path == NULL) {
        char *folder = make_private_folder("");
        path = x_format("%s/text", folder);
        free(folder);
    }
    int file = creat(path, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, length), length);
    close(file);
    struct reader reader;
    char *problem = NULL;
    *foreign = (struct foreign){0};
    if (reader_open(&reader, path))
        problem = foreign_read(foreign, &reader, model, NULL);
    else
        problem = x_strdup(reader.problem);
    reader_close(&reader);
    unlink(path);
    return problem;
}

static inline char *read_text(const char *text, enum model model, struct foreign *foreign)
{
    return read_bytes(text, strlen(text), model, foreign);
}

/* Reads a text that must be accepted. */
static inline void read_good(const char *text, enum model model, struct foreign *foreign)
{
    char *problem = read_text(text, model, foreign);
    if (problem != NULL)
        fail_msg("refused: %s\n%s", problem, text);
}

/* A text that must be refused with a problem that contains `part`. */
static inline void refuse(const char *text, enum model model, const char *part)
{
    struct foreign foreign;
    char *problem = read_text(text, model, &foreign);
    if (problem == NULL)
        fail_msg("accepted, although '%s' was expected:\n%s", part, text);
    if (strstr(problem, part) == NULL)
        fail_msg("refused with '%s', not '%s':\n%s", problem, part, text);
    free(problem);
    foreign_free(&foreign);
}

#define OP(type, process, f, value)                                                                \
    "{\"type\":\"" type "\",\"process\":" process ",\"f\":\"" f "\",\"value\":" value "}\n"

static const struct {
    const char *name;
    enum model model;
    enum status verdict;
} golden[] = {
    {"cas_keys.edn", MODEL_CAS_REGISTER, BROKEN},
    {"cas_lost.jsonl", MODEL_CAS_REGISTER, BROKEN},
    {"counter_held.edn", MODEL_COUNTER, HELD},
    {"counter_low.jsonl", MODEL_COUNTER, BROKEN},
    {"increment_lost.jsonl", MODEL_COUNTER, BROKEN},
    {"mutex_held.jsonl", MODEL_MUTEX, HELD},
    {"mutex_two_holders.edn", MODEL_MUTEX, BROKEN},
    {"own_lost.jsonl", MODEL_COUNTER, BROKEN},
    {"register_held.jsonl", MODEL_REGISTER, HELD},
    {"register_stale.edn", MODEL_REGISTER, BROKEN},
    {"set_held.jsonl", MODEL_SET, HELD},
    {"set_lost.edn", MODEL_SET, BROKEN},
};

static inline char *load(const char *name, size_t *length)
{
    const char *root = getenv("RACEBENCH_SOURCE");
    char *path = x_format("%s/tests/check/%s", root != NULL ? root : ".", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("cannot open %s; set RACEBENCH_SOURCE", path);
    char *text = x_malloc(65536);
    *length = fread(text, 1, 65536, file);
    fclose(file);
    free(path);
    return text;
}

/* Reads and judges; says what came out, or -1 for a refusal, which must have a text. */
static inline int try_bytes(const char *text, size_t length, enum model model)
{
    struct foreign foreign;
    struct judgement judgement;
    char *problem = read_bytes(text, length, model, &foreign);
    int status = -1;
    if (problem == NULL) {
        judge_history(&foreign, &limits, &judgement);
        status = (int)judgement.status;
    } else {
        assert_true(strlen(problem) > 5);
    }
    free(problem);
    foreign_free(&foreign);
    return status;
}

#endif
