/* SPDX-License-Identifier: Apache-2.0
 *
 * test_check_search: are the verdicts of harness/check/ right? Random small histories of every
 * kind, made by really running them in some order, most of them falsified afterwards, are judged
 * and compared with a search over all orders that shares no code with the product. The seed is
 * printed; RACEBENCH_TEST_SEED repeats a run.
 *
 * The same histories are then falsified the way that wrong checkers would: an answer that never
 * came taken for a failure, or for a success; no real-time order; returns taken for the order;
 * reads not looked at. Each must change verdicts, or these histories would not notice such a
 * checker.
 *
 * labels: unit
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base.h"
#include "check/histories.h"
#include "check/judge.h"

enum { HISTORIES = 50000 };

static const struct search_limits no_limits = {INT64_MAX, SIZE_MAX / 4};

static uint64_t test_seed(void)
{
    const char *text = getenv("RACEBENCH_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)clock_wall_ms();
    print_message("RACEBENCH_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* Judging ------------------------------------------------------------------------------------- */

/* What the product says. The foreign history is built anew, since judging may sort it. */
static enum status judge(const struct made *made, struct judgement *judgement)
{
    struct foreign foreign = {.model = kinds[made->kind].model,
                              .own = made->kind == KIND_VERSIONS,
                              .count = made->foreign.count,
                              .elements = (int64_t *)(uintptr_t)made->elements};
    names_put_text(&foreign.keys, "k", 1);
    if (foreign.own) {
        names_put_text(&foreign.values, "\"seed\"", 6);
        for (char version = '1'; version <= '9'; version++)
            names_put_text(&foreign.values, &version, 1);
    }
    foreign.operations = x_malloc((foreign.count + 1) * sizeof(struct operation));
    memcpy(foreign.operations, made->operations, foreign.count * sizeof(struct operation));
    judge_history(&foreign, &no_limits, judgement);
    foreign.elements = NULL;
    foreign_free(&foreign);
    return judgement->status;
}

static bool truth(const struct made *made)
{
    struct reference reference = {made->kind, made->operations, made->elements,
                                  (int)made->foreign.count};
    return has_order(&reference, 0, 0);
}

static void show(const struct made *made)
{
    print_message("%s:\n", kinds[made->kind].name);
    for (size_t i = 0; i < made->foreign.count; i++) {
        const struct operation *o = &made->operations[i];
        print_message("  [%lld, %lld] %s %lld %lld read %lld wrote %lld%s\n", (long long)o->begin,
                      o->pending ? -1LL : (long long)o->end, action_name(o->action),
                      (long long)o->first, (long long)o->second, (long long)o->read,
                      (long long)o->wrote, o->pending ? " pending" : "");
    }
}

/* The witness of a search: all that returned before the blocked operation has an order, and with
 * its return there is none. */
static void try_blocked(const struct made *made, size_t blocked)
{
    struct made prefix = {.kind = made->kind};
    const struct operation *last = &made->operations[blocked];
    size_t place = 0;
    for (size_t i = 0; i < made->foreign.count; i++) {
        struct operation o = made->operations[i];
        bool returned = !o.pending && (o.end < last->end || (o.end == last->end && i <= blocked));
        if (o.begin > last->end || (!returned && o.action == ACTION_READ && i != blocked))
            continue;
        o.pending = !returned;
        if (i == blocked)
            place = prefix.foreign.count;
        prefix.operations[prefix.foreign.count++] = o;
    }
    assert_false(truth(&prefix));
    prefix.operations[place].pending = true;
    assert_true(truth(&prefix));
}

/* The search alone, also where a linear algorithm would have been asked. */
static void try_search(const struct made *made, bool expected)
{
    if (made->kind == KIND_SET || made->kind == KIND_VERSIONS)
        return;
    struct search_question question = {kinds[made->kind].model, 0, made->operations,
                                       made->foreign.count};
    struct search_result result;
    search_run(&question, &no_limits, &result);
    assert_int_equal(result.status, expected ? HELD : BROKEN);
    /* What an open increment will return is known to the search, and not at that time. */
    if (!expected && made->kind != KIND_INCREMENTS)
        try_blocked(made, result.blocked);
}

static void test_equals_reference(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, test_seed());
    for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
        int held = 0, broken = 0, unseen = 0, by_linear = 0;
        for (int i = 0; i < HISTORIES; i++) {
            struct made made;
            struct judgement judgement;
            make(&random, kind, &made);
            bool expected = truth(&made);
            enum status status = judge(&made, &judgement);
            if (status != (expected ? HELD : BROKEN) &&
                !(status == UNDECIDED && judgement.doubt == DOUBT_NOTHING_SEEN && expected)) {
                show(&made);
                fail_msg("history %d is %s, said to be %s by %s (%s)", i,
                         expected ? "linearizable" : "not", status_name(status),
                         algorithm_name(judgement.algorithm), finding_name(judgement.finding));
            }
            try_search(&made, expected);
            held += status == HELD;
            broken += status == BROKEN;
            unseen += status == UNDECIDED;
            by_linear += judgement.judged_by[ALGORITHM_SEARCH] == 0;
        }
        print_message("%-26s %d held, %d broken, %d show nothing; %d without search\n",
                      kinds[kind].name, held, broken, unseen, by_linear);
        assert_true(held > HISTORIES / 10 && broken > HISTORIES / 20);
    }
}

/* Wrong checkers ------------------------------------------------------------------------------ */

static void no_answer_is_failure(struct made *made)
{
    size_t kept = 0;
    for (size_t i = 0; i < made->foreign.count; i++)
        if (!made->operations[i].pending)
            made->operations[kept++] = made->operations[i];
    made->foreign.count = kept;
}

static void no_answer_is_success(struct made *made)
{
    for (size_t i = 0; i < made->foreign.count; i++)
        if (made->operations[i].pending) {
            made->operations[i].pending = false;
            made->operations[i].end = made->operations[i].begin + 2;
        }
}

static void no_real_time(struct made *made)
{
    for (size_t i = 0; i < made->foreign.count; i++) {
        made->operations[i].begin = 0;
        if (!made->operations[i].pending)
            made->operations[i].end = PLACES;
    }
}

static void returns_are_the_order(struct made *made)
{
    for (size_t i = 0; i < made->foreign.count; i++)
        if (!made->operations[i].pending)
            made->operations[i].begin = made->operations[i].end;
    settle(made);
}

static void invocations_are_the_order(struct made *made)
{
    for (size_t i = 0; i < made->foreign.count; i++)
        if (!made->operations[i].pending)
            made->operations[i].end = made->operations[i].begin;
}

static void reads_are_not_looked_at(struct made *made)
{
    size_t kept = 0;
    for (size_t i = 0; i < made->foreign.count; i++)
        if (made->operations[i].action != ACTION_READ)
            made->operations[kept++] = made->operations[i];
    made->foreign.count = kept;
}

static void test_wrong_checkers_are_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*distort)(struct made *);
    } wrong[] = {
        {"no answer is a failure", no_answer_is_failure},
        {"no answer is a success", no_answer_is_success},
        {"no real-time order", no_real_time},
        {"returns are the order", returns_are_the_order},
        {"invocations are the order", invocations_are_the_order},
        {"reads are not looked at", reads_are_not_looked_at},
    };
    struct random random;
    random_seed(&random, test_seed());
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
            int accused = 0, missed = 0;
            bool no_reads = wrong[i].distort == reads_are_not_looked_at && kind == KIND_MUTEX;
            for (int n = 0; n < HISTORIES / 10; n++) {
                struct made made;
                struct judgement judgement;
                make(&random, kind, &made);
                enum status right = judge(&made, &judgement);
                wrong[i].distort(&made);
                enum status said = judge(&made, &judgement);
                accused += right != BROKEN && said == BROKEN;
                missed += right == BROKEN && said != BROKEN;
            }
            if (accused + missed == 0 && !no_reads)
                fail_msg("nobody would notice '%s' with %s", wrong[i].name, kinds[kind].name);
            if (kind == KIND_REGISTER)
                print_message("%-26s register: %d accused wrongly, %d missed of %d\n",
                              wrong[i].name, accused, missed, HISTORIES / 10);
        }
}

/* Longer histories ---------------------------------------------------------------------------- */

/* A run of a correct database by `processes` processes; one result may be falsified. Sorted by
 * invocation. Values of writes are unique. */
static void make_long(struct random *random, enum model model, struct operation *operations,
                      size_t count)
{
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        struct operation *o = &operations[i];
        int64_t point = (int64_t)(10 * i) + 100;
        *o = (struct operation){.read = NO_VERSION, .wrote = NO_VERSION};
        o->begin = point - draw(random, 0, 60);
        o->end = point + draw(random, 0, 60);
        bool reads = random_below(random, 2) == 0;
        o->action = reads                         ? ACTION_READ
                    : model == MODEL_COUNTER      ? ACTION_ADD
                    : model == MODEL_CAS_REGISTER ? ACTION_CAS
                                                  : ACTION_WRITE;
        o->first = model == MODEL_COUNTER ? 1 : (int64_t)i + 1;
        if (model == MODEL_CAS_REGISTER) {
            o->first = value;
            o->second = (int64_t)i + 1;
        }
        if (!reads)
            value = model == MODEL_COUNTER ? value + 1 : (int64_t)i + 1;
        else
            o->first = value;
        o->pending = !reads && random_below(random, 20) == 0;
        o->end = o->pending ? PLACE_NEVER : o->end;
    }
    if (random_below(random, 2) == 0) {
        struct operation *o = &operations[random_below(random, count)];
        if (o->action == ACTION_READ)
            o->first = model == MODEL_COUNTER ? o->first - draw(random, 1, 4)
                                              : draw(random, 0, (int64_t)count);
    }
    qsort(operations, count, sizeof(*operations), compare_begins);
}

/* The linear algorithms and the search say the same of 60 operations, too many for the
 * reference. */
static void test_long_histories_agree(void **state)
{
    (void)state;
    enum { COUNT = 60, ROUNDS = 3000 };
    static const enum model models[] = {MODEL_REGISTER, MODEL_CAS_REGISTER, MODEL_COUNTER};
    struct linear_result (*const ask[])(const struct linear_question *) = {linear_register,
                                                                           linear_cas, linear_adds};
    struct random random;
    random_seed(&random, test_seed());
    for (size_t m = 0; m < COUNT_OF(models); m++) {
        int held = 0;
        for (int round = 0; round < ROUNDS; round++) {
            struct operation operations[COUNT];
            struct foreign foreign = {.model = models[m]};
            make_long(&random, models[m], operations, COUNT);
            struct linear_question linear = {&foreign, operations, COUNT};
            struct search_question question = {models[m], 0, operations, COUNT};
            struct linear_result quick = ask[m](&linear);
            struct search_result slow;
            search_run(&question, &no_limits, &slow);
            assert_int_not_equal(quick.status, UNDECIDED);
            assert_int_equal(quick.status, slow.status);
            held += slow.status == HELD;
        }
        print_message("%s: %d of %d held\n", model_name(models[m]), held, ROUNDS);
        assert_true(held > ROUNDS / 4 && held < ROUNDS);
    }
}

/* One lock, taken and given back again and again, with an unanswered release now and then: the same
 * state and the same window return thousands of times, and the search must tell them apart and stay
 * linear. A second holder near the end is found. */
static void test_long_searches(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    struct operation *operations = x_calloc(COUNT, sizeof(*operations));
    for (size_t i = 0; i < COUNT; i++)
        operations[i] = (struct operation){.begin = (int64_t)(2 * i),
                                           .end = (int64_t)(2 * i) + 3,
                                           .action = i % 2 == 0 ? ACTION_ACQUIRE : ACTION_RELEASE,
                                           .read = NO_VERSION,
                                           .wrote = NO_VERSION};
    for (size_t i = 999; i < COUNT; i += 1000) {
        operations[i].pending = true;
        operations[i].end = PLACE_NEVER;
    }
    struct search_question question = {MODEL_MUTEX, 0, operations, COUNT};
    struct search_result result;
    int64_t start_ns = clock_monotonic_ns();
    search_run(&question, &no_limits, &result);
    assert_int_equal(result.status, HELD);
    operations[COUNT - 3].action = ACTION_ACQUIRE;
    search_run(&question, &no_limits, &result);
    assert_int_equal(result.status, BROKEN);
    assert_int_equal(result.blocked, COUNT - 3);
    assert_true(clock_monotonic_ns() - start_ns < INT64_C(120000000000));
    free(operations);
}

/* Limits -------------------------------------------------------------------------------------- */

/* Adds of 1, 2, 4, ... without an answer, and a read that no subset of them makes: every subset
 * must be tried. */
static void make_hard(struct operation *operations, size_t count)
{
    for (size_t i = 0; i < count; i++)
        operations[i] = (struct operation){.end = PLACE_NEVER,
                                           .action = ACTION_ADD,
                                           .first = INT64_C(3) << i,
                                           .read = NO_VERSION,
                                           .wrote = NO_VERSION,
                                           .pending = true};
    operations[count - 1] = (struct operation){.begin = 1,
                                               .end = 2,
                                               .action = ACTION_READ,
                                               .first = 100,
                                               .read = NO_VERSION,
                                               .wrote = NO_VERSION};
}

static void test_limits_give_unknown(void **state)
{
    (void)state;
    enum { COUNT = 41 };
    struct operation operations[COUNT];
    make_hard(operations, COUNT);
    struct search_question question = {MODEL_COUNTER, 0, operations, COUNT};
    struct search_result result;
    struct search_limits memory = {INT64_MAX, 4 << 20};
    search_run(&question, &memory, &result);
    assert_int_equal(result.status, UNDECIDED);
    assert_int_equal(result.stop, SEARCH_OUT_OF_MEMORY);
    int64_t start_ns = clock_monotonic_ns();
    struct search_limits time = {start_ns + 50 * INT64_C(1000000), SIZE_MAX / 4};
    search_run(&question, &time, &result);
    assert_int_equal(result.status, UNDECIDED);
    assert_int_equal(result.stop, SEARCH_OUT_OF_TIME);
    assert_true(clock_monotonic_ns() - start_ns < 60 * INT64_C(1000000000));
    struct search_question small = {MODEL_COUNTER, 0, operations + COUNT - 12, 12};
    search_run(&small, &no_limits, &result);
    assert_int_equal(result.status, BROKEN);
    assert_int_equal(result.blocked, 11);
}

/* A key that is broken is found among keys that hold, and one without reads proves nothing. */
static void test_keys_are_judged_alone(void **state)
{
    (void)state;
    struct operation operations[] = {
        {.begin = 1, .end = 2, .key = 0, .action = ACTION_WRITE, .first = 1, .begin_line = 1},
        {.begin = 1, .end = 2, .key = 1, .action = ACTION_WRITE, .first = 1, .begin_line = 2},
        {.begin = 1, .end = 2, .key = 2, .action = ACTION_WRITE, .first = 1, .begin_line = 3},
        {.begin = 3, .end = 4, .key = 1, .action = ACTION_READ, .first = 0, .begin_line = 4},
        {.begin = 3, .end = 4, .key = 0, .action = ACTION_READ, .first = 1, .begin_line = 5},
    };
    for (size_t i = 0; i < COUNT_OF(operations); i++)
        operations[i].read = operations[i].wrote = NO_VERSION;
    struct foreign foreign = {.model = MODEL_REGISTER, .count = COUNT_OF(operations)};
    struct judgement judgement;
    foreign.operations = x_malloc(sizeof(operations));
    memcpy(foreign.operations, operations, sizeof(operations));
    names_put_text(&foreign.keys, "a", 1);
    names_put_text(&foreign.keys, "b", 1);
    names_put_text(&foreign.keys, "c", 1);
    judge_history(&foreign, &no_limits, &judgement);
    assert_int_equal(judgement.status, BROKEN);
    assert_int_equal(judgement.keys, 3);
    assert_int_equal(judgement.broken_keys, 1);
    assert_int_equal(judgement.unseen_keys, 1);
    assert_int_equal(judgement.key, 1);
    assert_int_equal(judgement.concurrency, 3);
    foreign_free(&foreign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_reference),
        cmocka_unit_test(test_wrong_checkers_are_noticed),
        cmocka_unit_test(test_long_histories_agree),
        cmocka_unit_test(test_long_searches),
        cmocka_unit_test(test_limits_give_unknown),
        cmocka_unit_test(test_keys_are_judged_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
