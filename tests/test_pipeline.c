/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline: what each stage makes of a few documents, and what is refused, by the command
 * aggregate. labels: engine
 */
#include "commands.h"

static const char documents[] =
    "{'insert': 'c', 'documents': [{'_id': 1, 'k': 'a', 'n': 1}, {'_id': 2, 'k': 'b', 'n': 2.5}, "
    "{'_id': 3, 'k': 'a', 'n': 3, 's': {'x': 1, 'y': 2}}, {'_id': 4, 'n': null, 't': [1, 2]}]}";

/* A pipeline and the documents that it gives. */
static const struct row {
    const char *stages, *expected;
} rows[] = {
    {"[{'$match': {'k': 'a'}}, {'$project': {'n': 1}}]",
     "[{'_id': 1, 'n': 1}, {'_id': 3, 'n': 3}]"},
    {"[{'$sort': {'_id': -1}}, {'$skip': 1}, {'$limit': 2}, {'$project': {'_id': 1}}]",
     "[{'_id': 3}, {'_id': 2}]"},
    {"[{'$skip': 9}]", "[]"},
    {"[{'$limit': 9}, {'$match': {'_id': {'$lt': 2}}}]", "[{'_id': 1, 'k': 'a', 'n': 1}]"},
    {"[{'$count': 'many'}]", "[{'many': 4}]"},
    {"[{'$match': {'_id': 9}}, {'$count': 'many'}]", "[]"},
    {"[{'$group': {'_id': 1, 'n': {'$sum': 1}}}]", "[{'_id': 1, 'n': 4}]"},
    {"[{'$match': {'_id': 9}}, {'$group': {'_id': 1, 'n': {'$sum': 1}}}]", "[]"},
    /* missing and null are one group; what is no number adds nothing */
    {"[{'$group': {'_id': '$k', 'n': {'$sum': '$n'}}}]",
     "[{'_id': null, 'n': 0}, {'_id': 'a', 'n': 4}, {'_id': 'b', 'n': 2.5}]"},
    {"[{'$group': {'_id': null, 'n': {'$sum': {'$add': ['$_id', 1]}}}}]",
     "[{'_id': null, 'n': 14}]"},
    {"[{'$group': {'_id': null, 'a': {'$avg': '$n'}, 'b': {'$avg': '$z'}, 'c': {'$min': '$n'}, "
     "'d': {'$max': '$n'}, 'e': {'$min': '$z'}}}]",
     "[{'_id': null, 'a': 2.1666666666666665, 'b': null, 'c': 1, 'd': 3, 'e': null}]"},
    {"[{'$group': {'_id': null, 'a': {'$push': '$k'}, 'b': {'$addToSet': '$k'}}}]",
     "[{'_id': null, 'a': ['a', 'b', 'a'], 'b': ['a', 'b']}]"},
    {"[{'$group': {'_id': {'k': '$k'}, 'a': {'$first': '$_id'}, 'b': {'$last': '$_id'}}}, "
     "{'$sort': {'a': 1}}]",
     "[{'_id': {'k': 'a'}, 'a': 1, 'b': 3}, {'_id': {'k': 'b'}, 'a': 2, 'b': 2}, "
     "{'_id': {}, 'a': 4, 'b': 4}]"},
    {"[{'$group': {'_id': '$k'}}, {'$skip': 1}, {'$limit': 1}]", "[{'_id': 'a'}]"},
    {"[{'$match': {'_id': 1}}, {'$addFields': {'s.z': '$n', 'k': {'$literal': '$k'}}}]",
     "[{'_id': 1, 'k': '$k', 'n': 1, 's': {'z': 1}}]"},
    {"[{'$match': {'_id': 3}}, {'$unset': ['s.x', 'k']}]", "[{'_id': 3, 'n': 3, 's': {'y': 2}}]"},
    {"[{'$match': {'_id': 3}}, {'$replaceRoot': {'newRoot': '$s'}}]", "[{'x': 1, 'y': 2}]"},
    {"[{'$match': {'_id': 3}}, {'$replaceWith': {'b': '$s.x'}}]", "[{'b': 1}]"},
    {"[{'$match': {'_id': 3}}, {'$project': {'k': 0, 's': {'x': 0}}}]",
     "[{'_id': 3, 'n': 3, 's': {'y': 2}}]"},
    {"[{'$match': {'_id': 3}}, {'$project': {'_id': 0, 'dummy': 'some', 'q': '$s.y'}}]",
     "[{'dummy': 'some', 'q': 2}]"},
    {"[{'$match': {'_id': 3}}, {'$project': {'n': {'$add': ['$n', 1]}, 's.x': 1}}]",
     "[{'_id': 3, 'n': 4, 's': {'x': 1}}]"},
    {"[{'$match': {'$expr': {'$gt': ['$n', 2.6]}}}, {'$project': {'_id': 1}}]", "[{'_id': 3}]"},
};

static const struct {
    const char *stages;
    int32_t code;
} refusals[] = {
    {"[{'$match': 1}]", 15959},
    {"[{'$match': {'a': {'$foo': 1}}}]", 2},
    {"[{'$skip': 1.5}]", 5107200},
    {"[{'$limit': 'x'}]", 5107201},
    {"[{'$limit': 0}]", 15958},
    {"[{'$sort': 1}]", 15973},
    {"[{'$sort': {}}]", 15976},
    {"[{'$sort': {'a': 2}}]", 15975},
    {"[{'$count': 1}]", 40156},
    {"[{'$count': ''}]", 40157},
    {"[{'$count': '$a'}]", 40158},
    {"[{'$count': 'a.b'}]", 40160},
    {"[{'$group': 1}]", 15947},
    {"[{'$group': {}}]", 15955},
    {"[{'$group': {'_id': {'$foo': 1}}}]", 168},
    {"[{'$group': {'_id': 1, 'a': 1}}]", 40234},
    {"[{'$group': {'_id': 1, 'a.b': {'$sum': 1}}}]", 40235},
    {"[{'$group': {'_id': 1, 'a': {'$sum': 1, '$max': 1}}}]", 40238},
    {"[{'$group': {'_id': 1, 'a': {'$foo': 1}}}]", 15952},
    {"[{'$group': {'_id': 1, 'a': {'$sum': {'$foo': 1}}}}]", 168},
    {"[{'$group': {'_id': {'$add': ['$k', 1]}}}]", 14},
    {"[{'$project': 1}]", 15969},
    {"[{'$project': {}}]", 51272},
    {"[{'$project': {'a': 1, 'b': 0}}]", 31254},
    {"[{'$project': {'a': {'$foo': 1}}}]", 168},
    {"[{'$project': {'a': '$k', 'a.b': '$k'}}]", 40176},
    {"[{'$addFields': 1}]", 40272},
    {"[{'$unset': 1}]", 31002},
    {"[{'$replaceRoot': {'newRoot': '$n'}}]", 40228},
    {"[{'$addFields': {'x': {'$add': ['$k', 1]}}}]", 14},
    {"[{}]", 40323},
    {"[{'$unwind': '$a'}]", 238},
    {"[{'$foo': 1}]", 40324},
};

static bson_t *aggregate(struct engine *engine, const char *stages)
{
    char *text = x_format("{'aggregate': 'c', 'pipeline': %s, 'cursor': {}}", stages);
    bson_t *reply = run(engine, text);
    free(text);
    return reply;
}

static void test_stages(void **state)
{
    bson_destroy(run(*state, documents));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bson_t *reply = aggregate(*state, rows[i].stages), *expected, batch;
        bson_iter_t iter, found;
        uint32_t length;
        const uint8_t *data;
        char *text = x_format("{'v': %s}", rows[i].expected);
        expected = parse(text);
        assert_true(bson_iter_init(&iter, reply));
        if (!bson_iter_find_descendant(&iter, "cursor.firstBatch", &found))
            fail_msg("%s is refused: %s", rows[i].stages, bson_as_json(reply, NULL));
        bson_iter_array(&found, &length, &data);
        assert_true(bson_init_static(&batch, data, length));
        char *is = bson_array_as_json(&batch, NULL), *should;
        assert_true(bson_iter_init_find(&iter, expected, "v"));
        bson_iter_array(&iter, &length, &data);
        assert_true(bson_init_static(&batch, data, length));
        should = bson_array_as_json(&batch, NULL);
        if (strcmp(is, should) != 0)
            fail_msg("%s: %s instead of %s", rows[i].stages, is, should);
        bson_free(is);
        bson_free(should);
        bson_destroy(reply);
        bson_destroy(expected);
        free(text);
    }
}

static void test_refusals(void **state)
{
    bson_destroy(run(*state, documents));
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        bson_t *reply = aggregate(*state, refusals[i].stages);
        if (int_at(reply, "code") != refusals[i].code)
            fail_msg("%s: code %d instead of %d", refusals[i].stages, (int)int_at(reply, "code"),
                     (int)refusals[i].code);
        bson_destroy(reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stages, engine_setup, engine_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, engine_setup, engine_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
