/* SPDX-License-Identifier: Apache-2.0
 *
 * match: filters against documents, as MongoDB answers; refusals with its codes; negations that are
 * exact on random documents.
 * labels: engine unit
 */
#include "semantics.h"

#include "document/match.h"

static const struct {
    const char *filter, *document;
    bool matches;
} rows[] = {
    {"{\"a\": {\"$size\": 2}}", "{\"a\": [1, 2]}", true},
    {"{\"a\": {\"$size\": 2}}", "{\"a\": [[1, 2]]}", false},
    {"{\"a\": {\"$size\": 0}}", "{\"a\": []}", true},
    {"{\"a\": {\"$size\": 0}}", "{}", false},
    {"{\"a\": {\"$size\": 1}}", "{\"a\": 1}", false},
    {"{\"a.b\": {\"$size\": 1}}", "{\"a\": [{\"b\": [5]}]}", true},
    {"{\"a\": {\"$not\": {\"$size\": 1}}}", "{\"a\": [1, 2]}", true},
    {"{\"a\": {\"$elemMatch\": {\"b\": 1, \"c\": 2}}}",
     "{\"a\": [{\"b\": 1, \"c\": 3}, {\"b\": 2, \"c\": 2}]}", false},
    {"{\"a\": {\"$elemMatch\": {\"b\": 1, \"c\": 2}}}", "{\"a\": [5, {\"b\": 1, \"c\": 2}]}", true},
    {"{\"a\": {\"$elemMatch\": {\"b\": 1}}}", "{\"a\": {\"b\": 1}}", false},
    {"{\"a\": {\"$elemMatch\": {\"$gt\": 1, \"$lt\": 5}}}", "{\"a\": [0, 9]}", false},
    {"{\"a\": {\"$elemMatch\": {\"$gt\": 1, \"$lt\": 5}}}", "{\"a\": [0, 3]}", true},
    {"{\"a\": {\"$elemMatch\": {\"$gt\": 1, \"$lt\": 5}}}", "{\"a\": [[3]]}", false},
    {"{\"a\": {\"$elemMatch\": {\"$in\": [3]}}}", "{\"a\": [[3]]}", false},
    {"{\"a\": {\"$elemMatch\": {\"$ne\": 3}}}", "{\"a\": [[3]]}", true},
    {"{\"a\": {\"$elemMatch\": {\"$size\": 1}}}", "{\"a\": [[3]]}", true},
    {"{\"a\": {\"$elemMatch\": {\"$elemMatch\": {\"$gt\": 1}}}}", "{\"a\": [[3]]}", true},
    {"{\"a\": {\"$elemMatch\": {\"$or\": [{\"b\": 1}, {\"b\": 2}]}}}", "{\"a\": [{\"b\": 2}]}",
     true},
    {"{\"a\": {\"$elemMatch\": {\"b\": {\"$elemMatch\": {\"$gt\": 3}}}}}",
     "{\"a\": [{\"b\": [1]}, {\"b\": [4]}]}", true},
    {"{}", "{\"a\": 1}", true},
    {"{\"a\": 1}", "{\"a\": 1}", true},
    {"{\"a\": 1}", "{\"a\": 1.0}", true},
    {"{\"a\": 1}", "{\"a\": {\"$numberLong\": \"1\"}}", true},
    {"{\"a\": 1}", "{\"a\": \"1\"}", false},
    {"{\"a\": 1}", "{\"b\": 1}", false},
    {"{\"a\": 1, \"b\": 2}", "{\"a\": 1, \"b\": 2}", true},
    {"{\"a\": 1, \"b\": 2}", "{\"a\": 1, \"b\": 3}", false},
    {"{\"a\": null}", "{\"a\": null}", true},
    {"{\"a\": null}", "{\"b\": 1}", true},
    {"{\"a\": null}", "{\"a\": 0}", false},
    {"{\"a\": {\"$exists\": true}}", "{\"a\": null}", true},
    {"{\"a\": {\"$exists\": true}}", "{\"b\": 1}", false},
    {"{\"a\": {\"$exists\": false}}", "{\"b\": 1}", true},
    {"{\"a\": {\"$gt\": 1}}", "{\"a\": 2}", true},
    {"{\"a\": {\"$gt\": 1}}", "{\"a\": 1}", false},
    {"{\"a\": {\"$gte\": 1}}", "{\"a\": 1}", true},
    {"{\"a\": {\"$lt\": 1}}", "{\"a\": 0.5}", true},
    {"{\"a\": {\"$lte\": 1}}", "{\"b\": 1}", false},
    {"{\"a\": {\"$lte\": 1}}", "{\"a\": null}", false},
    {"{\"a\": {\"$lte\": null}}", "{\"b\": 1}", true},
    {"{\"a\": {\"$gt\": 1, \"$lt\": 3}}", "{\"a\": 2}", true},
    {"{\"a\": {\"$gt\": 1, \"$lt\": 3}}", "{\"a\": 3}", false},
    /* ranges stay inside one canonical type: a date is not compared with a number */
    {"{\"a\": {\"$lte\": {\"$date\": {\"$numberLong\": \"9\"}}}}", "{\"a\": 5}", false},
    {"{\"a\": {\"$lte\": {\"$date\": {\"$numberLong\": \"9\"}}}}",
     "{\"a\": {\"$date\": {\"$numberLong\": \"5\"}}}", true},
    {"{\"a\": {\"$lt\": {\"$numberDouble\": \"Infinity\"}}}", "{\"a\": 5}", true},
    {"{\"a\": {\"$numberDouble\": \"NaN\"}}", "{\"a\": {\"$numberDouble\": \"NaN\"}}", true},
    {"{\"a\": 0}", "{\"a\": {\"$numberDouble\": \"-0.0\"}}", true},
    {"{\"a\": {\"$numberLong\": \"9007199254740993\"}}",
     "{\"a\": {\"$numberDouble\": \"9007199254740992.0\"}}", false},
    {"{\"a\": {\"$ne\": 1}}", "{\"a\": 2}", true},
    {"{\"a\": {\"$ne\": 1}}", "{\"b\": 2}", true},
    {"{\"a\": {\"$ne\": 1}}", "{\"a\": [1, 2]}", false},
    {"{\"a\": {\"$in\": [1, 2]}}", "{\"a\": 2}", true},
    {"{\"a\": {\"$in\": [1, null]}}", "{\"b\": 2}", true},
    {"{\"a\": {\"$in\": []}}", "{\"a\": 2}", false},
    {"{\"a\": {\"$nin\": [1, 2]}}", "{\"a\": 3}", true},
    {"{\"a\": {\"$nin\": [1, 2]}}", "{\"a\": [3, 2]}", false},
    {"{\"a\": {\"$not\": {\"$gt\": 1}}}", "{\"a\": 1}", true},
    {"{\"a\": {\"$not\": {\"$gt\": 1}}}", "{\"b\": 1}", true},
    {"{\"a\": {\"$not\": {\"$not\": {\"$gt\": 1}}}}", "{\"a\": 2}", true},
    /* arrays match as a whole or by an element */
    {"{\"a\": 2}", "{\"a\": [1, 2]}", true},
    {"{\"a\": [1, 2]}", "{\"a\": [1, 2]}", true},
    {"{\"a\": [1, 2]}", "{\"a\": [2, 1]}", false},
    {"{\"a\": [1, 2]}", "{\"a\": [[1, 2], 3]}", true},
    {"{\"a\": {\"$gt\": 1, \"$lt\": 2}}", "{\"a\": [0, 5]}", true}, /* each by another element */
    {"{\"a.b\": 1}", "{\"a\": {\"b\": 1}}", true},
    {"{\"a.b\": 1}", "{\"a\": [{\"b\": 2}, {\"b\": 1}]}", true},
    {"{\"a.1.b\": 1}", "{\"a\": [{\"b\": 2}, {\"b\": 1}]}", true},
    {"{\"a.0.b\": 1}", "{\"a\": [{\"b\": 2}, {\"b\": 1}]}", false},
    {"{\"a.b\": null}", "{\"a\": {\"c\": 1}}", true},
    {"{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 1}}", true},
    {"{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 1, \"c\": 1}}", false},
    {"{\"a\": {\"b\": 1, \"c\": 2}}", "{\"a\": {\"c\": 2, \"b\": 1}}", false}, /* order counts */
    {"{\"$and\": [{\"a\": 1}, {\"b\": 1}]}", "{\"a\": 1, \"b\": 1}", true},
    {"{\"$and\": [{\"a\": 1}, {\"b\": 1}]}", "{\"a\": 1}", false},
    {"{\"$or\": [{\"a\": 1}, {\"b\": 1}]}", "{\"b\": 1}", true},
    {"{\"$or\": [{\"a\": 1}, {\"b\": 1}]}", "{\"c\": 1}", false},
    {"{\"$nor\": [{\"a\": 1}, {\"b\": 1}]}", "{\"c\": 1}", true},
    {"{\"$nor\": [{\"a\": 1}, {\"b\": 1}]}", "{\"a\": 1}", false},
    {"{\"$expr\": {\"$gt\": [\"$a\", \"$b\"]}}", "{\"a\": 2, \"b\": 1}", true},
    {"{\"$expr\": {\"$gt\": [\"$a\", \"$b\"]}}", "{\"a\": 1, \"b\": 2}", false},
    {"{\"$expr\": {\"$lt\": [\"$until\", \"$$NOW\"]}}", "{\"a\": 1}", true}, /* missing: first */
    {"{\"a\": {\"$in\": [[1, 2]]}}", "{\"a\": [1, 2]}", true},
    {"{\"a.b\": null}", "{\"a\": [{\"c\": 1}]}", true},
    {"{\"a.b\": null}", "{\"a\": []}", false},
    {"{\"a.b\": null}", "{\"a\": [1, 2]}", false},
    {"{\"a.b\": null}", "{\"a\": 5}", true},
    {"{\"a.b\": {\"$exists\": false}}", "{\"a\": []}", true},
    {"{\"a\": {\"$exists\": true}}", "{\"a\": []}", true},
    {"{\"a\": {\"$exists\": 1}}", "{\"a\": 0}", true},
    {"{\"a\": {\"$exists\": 0}}", "{\"a\": 0}", false},
    {"{\"a\": []}", "{\"a\": []}", true},
    {"{\"a\": null}", "{\"a\": [1, null]}", true},
    {"{\"a\": null}", "{\"a\": [1]}", false},
    {"{\"a\": null}", "{\"a\": {\"$undefined\": true}}", true},
    {"{\"a.1\": 2}", "{\"a\": [5, [2, 4]]}", false},
    {"{\"a.1\": [2, 4]}", "{\"a\": [5, [2, 4]]}", true},
    {"{\"a.1.0\": 2}", "{\"a\": [5, [2, 4]]}", true},
    {"{\"a.1\": 4}", "{\"a\": [5, {\"1\": 4}]}", true},
    {"{\"a.0\": 1}", "{\"a\": {\"0\": 1}}", true},
    {"{\"a.00\": 1}", "{\"a\": [1]}", false},
    {"{\"a.b.c\": 1}", "{\"a\": [{\"b\": [{\"c\": 2}, {\"c\": 1}]}]}", true},
    {"{\"\": 1}", "{\"\": 1}", true},
    {"{\"a\": {\"$lt\": 5}}", "{\"a\": {\"$numberDouble\": \"NaN\"}}", false},
    {"{\"a\": {\"$gt\": {\"$numberDouble\": \"NaN\"}}}", "{\"a\": 5}", false},
    {"{\"a\": {\"$lte\": {\"$numberDouble\": \"NaN\"}}}", "{\"a\": {\"$numberDouble\": \"NaN\"}}",
     true},
    {"{\"a\": {\"$gte\": {\"$numberDouble\": \"NaN\"}}}", "{\"a\": 5}", false},
    {"{\"a\": {\"$lt\": {\"$maxKey\": 1}}}", "{\"a\": \"x\"}", true},
    {"{\"a\": {\"$lt\": {\"$maxKey\": 1}}}", "{\"b\": 1}", true},
    {"{\"a\": {\"$gt\": {\"$maxKey\": 1}}}", "{\"a\": 1}", false},
    {"{\"a\": {\"$gte\": {\"$minKey\": 1}}}", "{\"a\": 1}", true},
    {"{\"a\": {\"$minKey\": 1}}", "{\"a\": 1}", false},
    {"{\"a\": {\"$gt\": null}}", "{\"b\": 1}", false},
    {"{\"a\": 1}", "{\"a\": {\"$numberDecimal\": \"1.0\"}}", true},
    {"{\"a\": {\"$lt\": {\"$numberDecimal\": \"0.5\"}}}", "{\"a\": 1}", false},
    {"{\"a\": {\"$eq\": {\"$gt\": 1}}}", "{\"a\": {\"$gt\": 1}}", true},
    {"{\"a\": {\"$eq\": {\"$regularExpression\": {\"pattern\": \"x\", \"options\": \"\"}}}}",
     "{\"a\": \"x\"}", false},
    {"{\"$nor\": [{\"$and\": [{\"a\": 1}, {\"$or\": [{\"b\": 1}, {\"b\": 2}]}]}]}",
     "{\"a\": 1, \"b\": 2}", false},
    {"{\"$expr\": {\"$eq\": [\"$a.b\", [1, 2]]}}", "{\"a\": [{\"b\": 1}, {\"c\": 5}, {\"b\": 2}]}",
     true},
    {"{\"$expr\": \"$a\"}", "{\"a\": 0}", false},
    {"{\"$comment\": \"x\", \"a\": 1}", "{\"a\": 1}", true},
};

static void test_filters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bson_t *filter = parse(rows[i].filter), *document = parse(rows[i].document);
        struct failure failure = {0};
        if (!match_check(filter, &failure))
            fail_msg("%s is refused: %s", rows[i].filter, failure.message);
        if (match(filter, document, 1000, &failure) != rows[i].matches)
            fail_msg("%s %s %s", rows[i].filter, rows[i].matches ? "misses" : "matches",
                     rows[i].document);
        failure_reset(&failure);
        bson_destroy(filter);
        bson_destroy(document);
    }
}

static const struct {
    const char *filter;
    enum failure_code code;
} refusals[] = {
    {"{\"a\": {\"$size\": -1}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$size\": 1.5}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$size\": \"x\"}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$elemMatch\": 1}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$elemMatch\": {\"b\": {\"$foo\": 1}}}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$elemMatch\": {\"$foo\": 1}}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$elemMatch\": {\"$expr\": 1}}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$elemMatch\": {\"$and\": [{\"$expr\": 1}]}}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$nonsense\": 1}}", FAILURE_BAD_VALUE},
    {"{\"$nonsense\": 1}", FAILURE_BAD_VALUE},
    {"{\"$and\": 1}", FAILURE_BAD_VALUE},
    {"{\"$and\": []}", FAILURE_BAD_VALUE},
    {"{\"$or\": [1]}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$in\": 1}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$not\": 1}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$all\": [1]}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"$mod\": [1, 2]}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"$where\": \"1\"}", FAILURE_NOT_IMPLEMENTED},
    {"{\"$text\": {}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"\"}}}",
     FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"$gt\": 1, \"b\": 2}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$comment\": \"x\"}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$expr\": 1}}", FAILURE_BAD_VALUE},
    {"{\"$gt\": 1}", FAILURE_BAD_VALUE},
    {"{\"$nor\": []}", FAILURE_BAD_VALUE},
    {"{\"$or\": {\"a\": 1}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$not\": {}}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$not\": {\"b\": 1}}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$not\": {\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"\"}}}}",
     FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"$in\": [{\"$gt\": 1}]}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$in\": [{\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"\"}}]}}",
     FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"$ne\": {\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"\"}}}}",
     FAILURE_BAD_VALUE},
    {"{\"a\": {\"$gt\": {\"$regularExpression\": {\"pattern\": \"a\", \"options\": \"\"}}}}",
     FAILURE_BAD_VALUE},
    {"{\"a\": {\"$undefined\": true}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$gt\": {\"$undefined\": true}}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$nin\": 1}}", FAILURE_BAD_VALUE},
    {"{\"a\": {\"$regex\": \"x\", \"$options\": \"i\"}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"$bitsAllSet\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"$near\": [0, 0]}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"a\": {\"$id\": 1}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"$jsonSchema\": {}}", FAILURE_NOT_IMPLEMENTED},
    {"{\"$expr\": {\"$eq\": [1]}}", FAILURE_ARITY},
    {"{\"$expr\": {\"$nonsense\": 1}}", FAILURE_INVALID_PIPELINE_OPERATOR},
    {"{\"$and\": [{\"a\": {\"$nonsense\": 1}}]}", FAILURE_BAD_VALUE},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        bson_t *filter = parse(refusals[i].filter);
        struct failure failure = {0};
        if (match_check(filter, &failure))
            fail_msg("%s is accepted", refusals[i].filter);
        if (failure.code != refusals[i].code)
            fail_msg("%s: code %d instead of %d", refusals[i].filter, (int)failure.code,
                     (int)refusals[i].code);
        assert_true(failure.message[0] != '\0');
        failure_reset(&failure);
        bson_destroy(filter);
    }
}

static void test_equalities_for_lookups(void **state)
{
    (void)state;
    bson_value_t value;
    bson_t *filter = parse("{\"$and\": [{\"b\": {\"$eq\": 7}}], \"_id\": 5, \"c\": {\"$gt\": 1}}");
    assert_true(match_equality(filter, "_id", &value));
    assert_int_equal(value.value.v_int32, 5);
    assert_true(match_equality(filter, "b", &value));
    assert_int_equal(value.value.v_int32, 7);
    assert_false(match_equality(filter, "c", &value));
    assert_false(match_equality(filter, "d", &value));
    bson_destroy(filter);
}

static const struct {
    const char *filter, *seed;
} seeds[] = {
    {"{\"_id\": 5, \"a\": {\"$eq\": 1}, \"b\": {\"$gt\": 2}, \"$and\": [{\"c\": 3}], \"$or\": "
     "[{\"d\": 4}, {\"d\": 5}]}",
     "{\"_id\": 5, \"a\": 1, \"c\": 3}"},
    {"{\"b\": 1, \"_id\": 2, \"a\": {\"$in\": [3]}, \"c\": {\"$in\": [4, 5]}}",
     "{\"_id\": 2, \"a\": 3, \"b\": 1}"},
    {"{\"$or\": [{\"a\": 1}]}", "{\"a\": 1}"},
    {"{\"$nor\": [{\"a\": 1}]}", "{}"},
    {"{\"a\": {\"$not\": {\"$eq\": 1}}, \"b\": {\"$ne\": 1}}", "{}"},
    {"{\"x.y\": 1, \"x.z\": {\"$eq\": 2}, \"x.a\": [1, 2]}",
     "{\"x\": {\"a\": [1, 2], \"y\": 1, \"z\": 2}}"},
    {"{\"a\": {\"b\": 1}, \"n\": null}", "{\"a\": {\"b\": 1}, \"n\": null}"},
    {"{\"a\": {\"$gt\": 1, \"$eq\": 2}}", "{\"a\": 2}"},
};

static void test_upserts_take_the_equalities(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(seeds); i++) {
        struct failure failure = {0};
        bson_t *filter = parse(seeds[i].filter), *expected = parse(seeds[i].seed);
        struct buffer bytes = {0};
        bson_t seed;
        assert_true(match_upsert_seed(filter, &bytes, &failure));
        document_of_buffer(&bytes, &seed);
        assert_same(&seed, expected, seeds[i].filter);
        buffer_release(&bytes);
        bson_destroy(filter);
        bson_destroy(expected);
    }
}

static const struct {
    const char *filter;
    enum failure_code code;
} refused_seeds[] = {
    {"{\"$expr\": {\"$eq\": [1, 1]}}", FAILURE_EXPRESSION_IN_UPSERT},
    {"{\"$or\": [{\"a\": 1}, {\"$and\": [{\"$expr\": true}]}]}", FAILURE_EXPRESSION_IN_UPSERT},
    {"{\"$and\": [{\"a\": 1}, {\"a\": 1}]}", FAILURE_NOT_SINGLE_VALUE_FIELD},
    {"{\"a\": {\"b\": 1}, \"a.b\": 1}", FAILURE_NOT_SINGLE_VALUE_FIELD},
    {"{\"_id\": [1, 2]}", FAILURE_INVALID_ID_FIELD},
};

static void test_upserts_refuse_what_is_ambiguous(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused_seeds); i++) {
        struct failure failure = {0};
        bson_t *filter = parse(refused_seeds[i].filter);
        struct buffer seed = {0};
        assert_false(match_upsert_seed(filter, &seed, &failure));
        if (failure.code != refused_seeds[i].code)
            fail_msg("%s: code %d", refused_seeds[i].filter, (int)failure.code);
        failure_reset(&failure);
        buffer_release(&seed);
        bson_destroy(filter);
    }
}

/* An expression that cannot be evaluated is a failure under every negation, never a match. */
static void test_failing_expressions_match_nothing(void **state)
{
    (void)state;
    static const char *const filters[] = {
        "{\"$expr\": {\"$add\": [\"$a\", 1]}}",
        "{\"$nor\": [{\"$expr\": {\"$add\": [\"$a\", 1]}}]}",
        "{\"$or\": [{\"$expr\": {\"$add\": [\"$a\", 1]}}, {\"a\": \"x\"}]}"};
    bson_t *document = parse("{\"a\": \"x\"}");
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        struct failure failure = {0};
        bson_t *filter = parse(filters[i]);
        assert_true(match_check(filter, &failure));
        assert_false(match(filter, document, 0, &failure));
        assert_int_equal(failure.code, FAILURE_TYPE_MISMATCH);
        failure_reset(&failure);
        bson_destroy(filter);
    }
    bson_destroy(document);
}

/* A random document {a: ..., b: ...} of few values, so that hits are as likely as misses. */
static char *random_document(struct random *random)
{
    static const char *const values[] = {"1",     "2",      "1.5",        "null", "\"x\"",
                                         "[1,2]", "[null]", "{\"c\": 1}", "true", "[]"};
    return x_format("{\"a\": %s%s%s}", values[random_below(random, COUNT_OF(values))],
                    random_below(random, 2) ? ", \"b\": " : "", "" /* b is missing or follows */);
}

static void test_negations_are_exact(void **state)
{
    (void)state;
    static const char *const operands[] = {"1", "null", "\"x\"", "[1,2]", "[]", "true", "2"};
    static const char *const fields[] = {"a", "b", "a.c", "a.0"};
    static const char *const pairs[][2] = {{"$eq", "$ne"}, {"$in", "$nin"}};
    struct random random;
    random_seed(&random, test_seed());
    for (int i = 0; i < 20000; i++) {
        struct failure failure = {0};
        const char *operand = operands[random_below(&random, COUNT_OF(operands))];
        const char *field = fields[random_below(&random, COUNT_OF(fields))];
        size_t pair = random_below(&random, COUNT_OF(pairs));
        char *text = random_document(&random);
        char *end = strstr(text, "\"b\": }");
        if (end != NULL)
            strcpy(end, "\"b\":1}");
        bson_t *document = parse(text);
        char *of[2];
        bool answers[2];
        for (int k = 0; k < 2; k++) {
            of[k] = x_format(pair == 1 ? "{\"%s\": {\"%s\": [%s]}}" : "{\"%s\": {\"%s\": %s}}",
                             field, pairs[pair][k], operand);
            bson_t *filter = parse(of[k]);
            assert_true(match_check(filter, &failure));
            answers[k] = match(filter, document, 0, &failure);
            bson_destroy(filter);
        }
        if (answers[0] == answers[1])
            fail_msg("%s and %s answer alike on %s", of[0], of[1], text);
        free(of[0]);
        free(of[1]);
        free(text);
        bson_destroy(document);
    }
}

/* {$nor: [{$nor: [...]}]}: the deepest filter that passes value_malformed(), on a fiber's stack. */
static void match_deep(void *context)
{
    struct failure failure = {0};
    bson_t *document = parse("{}"), *filter = parse("{\"a\": 1}");
    for (int i = 0; i < (VALUE_DEPTH_MAX - 2) / 2; i++) {
        bson_t outer = BSON_INITIALIZER, list;
        bson_append_array_begin(&outer, "$nor", -1, &list);
        BSON_APPEND_DOCUMENT(&list, "0", filter);
        bson_append_array_end(&outer, &list);
        bson_destroy(filter);
        filter = bson_copy(&outer);
        bson_destroy(&outer);
    }
    *(bool *)context = !value_malformed(bson_get_data(filter), filter->len) &&
                       match_check(filter, &failure) && match(filter, document, 0, &failure);
    bson_destroy(filter);
    bson_destroy(document);
}

static void test_deep_filters_fit_on_a_fiber(void **state)
{
    (void)state;
    bool matched = false;
    on_fiber(match_deep, &matched);
    assert_true(matched); /* 49 negations of a miss */
}

/* $type, which the JSON of these tests cannot say; -1: refused (2). */
static const struct {
    const char *type, *document;
    int matches;
} type_rows[] = {
    {"\"string\"", "{\"a\": \"x\"}", 1},
    {"\"string\"", "{\"a\": [1, \"x\"]}", 1},
    {"\"array\"", "{\"a\": []}", 1},
    {"4", "{\"a\": 1}", 0},
    {"4", "{\"a\": [1]}", 1},
    {"\"number\"", "{\"a\": 1.5}", 1},
    {"\"number\"", "{\"a\": \"x\"}", 0},
    {"[\"string\", 16]", "{\"a\": 1}", 1},
    {"[\"string\", \"date\"]", "{\"a\": 1}", 0},
    {"\"null\"", "{}", 0},
    {"-1", "{\"a\": {\"$minKey\": 1}}", 1},
    {"\"wrong\"", "{}", -1},
    {"99", "{}", -1},
    {"[\"string\", \"wrong\"]", "{}", -1},
    {"true", "{}", -1},
};

static void test_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(type_rows); i++) {
        char *text = x_format("{\"v\": %s}", type_rows[i].type);
        bson_t *holder = parse(text), *document = parse(type_rows[i].document);
        bson_t filter = BSON_INITIALIZER, predicate;
        bson_value_t type = value_of(holder);
        struct failure failure = {0};
        bson_append_document_begin(&filter, "a", 1, &predicate);
        bson_append_value(&predicate, "$type", 5, &type);
        bson_append_document_end(&filter, &predicate);
        int is = -1;
        if (match_check(&filter, &failure))
            is = match(&filter, document, 0, &failure);
        else
            assert_int_equal(failure.code, FAILURE_BAD_VALUE);
        if (is != type_rows[i].matches)
            fail_msg("$type %s on %s: %d", type_rows[i].type, type_rows[i].document, is);
        failure_reset(&failure);
        bson_destroy(&filter);
        bson_destroy(holder);
        bson_destroy(document);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_equalities_for_lookups),
        cmocka_unit_test(test_upserts_take_the_equalities),
        cmocka_unit_test(test_upserts_refuse_what_is_ambiguous),
        cmocka_unit_test(test_failing_expressions_match_nothing),
        cmocka_unit_test(test_negations_are_exact),
        cmocka_unit_test(test_deep_filters_fit_on_a_fiber),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
