/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz: what the fuzz targets share. A target is one file fuzz_NAME.c with the function that
 * libFuzzer calls; linked with replay.c it runs its corpus in every build. Targets for the layers
 * below BSON take the input as it is; the others read it as a row of choices and build well-formed
 * but unreasonable documents and commands from a small vocabulary (grammar.c), so that mutated
 * bytes reach the semantics instead of dying at the parser. Too short an input reads as zeros.
 */
#ifndef RACEBENCH_TESTS_FUZZ_H
#define RACEBENCH_TESTS_FUZZ_H

#include <bson/bson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry; always returns 0, ends the process by abort() on a finding. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* What is left of the input. */
struct fuzz_input {
    const uint8_t *bytes;
    size_t length;
};

/* The next byte, or 0; a number in 0 .. bound - 1 from it (bound <= 256). */
uint8_t fuzz_byte(struct fuzz_input *);
int fuzz_below(struct fuzz_input *, int bound);

/* Appends one value of any type under `key`, nested at most `depth` deep. */
void fuzz_value(struct fuzz_input *, bson_t *into, const char *key, int depth);
/* Appends up to four fields to `document`, _id perhaps among them; none twice. */
void fuzz_fields(struct fuzz_input *, bson_t *document, int depth);
/* Appends a filter's, an update's (operators or a replacement) or a pipeline's content. */
void fuzz_filter(struct fuzz_input *, bson_t *filter, int depth);
void fuzz_update(struct fuzz_input *, bson_t *update);
void fuzz_pipeline(struct fuzz_input *, bson_t *stages);
/* Appends one whole command with "$db" on one of two collections (fuzz_command.c). With `sessions`
 * it may carry the fields of one of two sessions, in a transaction or as a retryable write, or end
 * a transaction. */
void fuzz_command(struct fuzz_input *, bson_t *command, bool sessions);

/* Ends the process by abort() after one line: an invariant does not hold. */
void fuzz_finding(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
