/* SPDX-License-Identifier: Apache-2.0
 *
 * semantics: helpers for the engine's table-driven tests, whose rows are JSON text.
 */
#ifndef RACEBENCH_TESTS_SEMANTICS_H
#define RACEBENCH_TESTS_SEMANTICS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "document/failure.h"
#include "document/value.h"
#include "fiber.h"

/* JSON text as a document; the caller destroys it. Fails the test when the text is wrong. */
static inline bson_t *parse(const char *json)
{
    bson_error_t error;
    bson_t *document = bson_new_from_json((const uint8_t *)json, -1, &error);
    if (document == NULL)
        fail_msg("the test's own JSON is wrong: %s: %s", json, error.message);
    return document;
}

/* The field "v" of a document {v: ...} as a value, borrowed. */
static inline bson_value_t value_of(const bson_t *document)
{
    bson_value_t value = {0};
    assert_true(value_field(document, "v", &value));
    return value;
}

/* Are the documents the same, field by field and type by type? Says both when not. */
static inline void assert_same(const bson_t *is, const bson_t *expected, const char *what)
{
    if (bson_equal(is, expected))
        return;
    char *is_text = bson_as_canonical_extended_json(is, NULL);
    char *expected_text = bson_as_canonical_extended_json(expected, NULL);
    print_error("%s\n  is       %s\n  expected %s\n", what, is_text, expected_text);
    bson_free(is_text);
    bson_free(expected_text);
    fail();
}

/* Runs `function` on a fiber's stack, where the engine runs under `direct`: what recurses too
 * deep ends on the guard page. */
static inline void on_fiber(void (*function)(void *), void *context)
{
    struct fiber *fiber = fiber_new(function, context, fiber_default_stack_bytes());
    fiber_resume(fiber);
    assert_true(fiber_ended(fiber));
    fiber_free(fiber);
}

/* Seed of a property test: RACEBENCH_TEST_SEED, or the clock; printed in any case. */
static inline uint64_t test_seed(void)
{
    const char *given = getenv("RACEBENCH_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_ms();
    print_message("seed %llu (RACEBENCH_TEST_SEED)\n", (unsigned long long)seed);
    return seed;
}

#endif
