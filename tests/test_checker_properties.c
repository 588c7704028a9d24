/* SPDX-License-Identifier: Apache-2.0
 *
 * test_checker_properties: checker_counter() and checker_register() against a search over all
 * orders, on random histories of up to six operations: half of them drawn blindly, half recorded
 * from a real execution and then, mostly, perturbed in one place. The search places operations one
 * by one, never one that another had to come before, and remembers the sets that it has placed;
 * unanswered operations may be left out. Then wrong checkers are tried on purpose: the same
 * checkers behind a history that was transformed as a wrong checker would see it (time-outs as
 * failures, as successes, order of completion or of invocation as the order, no real time, reads
 * unchecked); each must be caught. RACEBENCH_TEST_SEED repeats a run, RACEBENCH_TEST_HISTORIES sets
 * the length.
 * labels: unit stress
 */
#include "checker_support.h"

enum { SIZE_MAX_HISTORY = 6, TIME_MAX = 14 };

static size_t histories(void)
{
    return (size_t)setting("RACEBENCH_TEST_HISTORIES", 1000000);
}

/* Starts the random numbers of a test; the seed, which repeats it. */
static unsigned long long start(struct random *random)
{
    uint64_t used = seed();
    random_seed(random, used);
    return (unsigned long long)used;
}

/* Anywhere. */
static void draw_times(struct random *random, int64_t *invoke_ns, int64_t *return_ns)
{
    *invoke_ns = (int64_t)random_below(random, TIME_MAX);
    *return_ns = *invoke_ns + (int64_t)random_below(random, TIME_MAX);
}

/* Around the moment at which operation i of an execution happened. */
static void times_around(struct random *random, size_t i, int64_t *invoke_ns, int64_t *return_ns)
{
    int64_t moment = 4 * (int64_t)i + 10;
    *invoke_ns = moment - (int64_t)random_below(random, TIME_MAX);
    *return_ns = moment + (int64_t)random_below(random, TIME_MAX);
}

/* What all histories of one kind are made of: every other one blindly, the others from an
 * execution that is perturbed mostly. */
#define MAKE(kind, random, number, history)                                                        \
    do {                                                                                           \
        memset(history, 0, sizeof(*(history)));                                                    \
        if ((number) % 2 == 0) {                                                                   \
            kind##_draw(random, history);                                                          \
        } else {                                                                                   \
            kind##_run(random, history);                                                           \
            if (chance(random, 60))                                                                \
                kind##_perturb(random, history);                                                   \
        }                                                                                          \
    } while (0)

/* The counter ---------------------------------------------------------------------------------- */

struct counter_history {
    struct count_operation operations[SIZE_MAX_HISTORY];
    size_t count;
};

static int64_t deadline(const struct count_operation *operation)
{
    return operation->unknown ? RETURN_NEVER : operation->return_ns;
}

/* Can what is not in `placed` follow, when the counter stands at `value`? */
static bool counter_search(const struct counter_history *history, unsigned placed, int64_t value,
                           bool *tried)
{
    bool finished = true;
    if (tried[placed])
        return false;
    tried[placed] = true;
    for (size_t i = 0; i < history->count; i++)
        finished &= (placed >> i & 1) != 0 || history->operations[i].unknown;
    if (finished)
        return true;
    for (size_t i = 0; i < history->count; i++) {
        const struct count_operation *next = &history->operations[i];
        bool allowed = (placed >> i & 1) == 0;
        for (size_t j = 0; j < history->count; j++)
            if ((placed >> j & 1) == 0 && deadline(&history->operations[j]) < next->invoke_ns)
                allowed = false;
        int64_t after = next->is_read ? value : value + 1;
        if (allowed && (next->unknown || next->value == after) &&
            counter_search(history, placed | 1u << i, after, tried))
            return true;
    }
    return false;
}

static bool counter_truth(const struct counter_history *history)
{
    bool tried[1 << SIZE_MAX_HISTORY] = {false};
    return counter_search(history, 0, 0, tried);
}

static void counter_draw(struct random *random, struct counter_history *history)
{
    history->count = 1 + random_below(random, SIZE_MAX_HISTORY);
    for (size_t i = 0; i < history->count; i++) {
        struct count_operation *operation = &history->operations[i];
        draw_times(random, &operation->invoke_ns, &operation->return_ns);
        operation->is_read = chance(random, 30);
        operation->unknown = chance(random, 25);
        operation->value = (int64_t)random_below(random, history->count + 2) - chance(random, 3);
    }
}

/* What happened: each operation at a moment of its own, somewhere between invocation and return. */
static void counter_run(struct random *random, struct counter_history *history)
{
    int64_t value = 0;
    history->count = 2 + random_below(random, SIZE_MAX_HISTORY - 1);
    for (size_t i = 0; i < history->count; i++) {
        struct count_operation *operation = &history->operations[i];
        times_around(random, i, &operation->invoke_ns, &operation->return_ns);
        operation->is_read = chance(random, 30);
        operation->unknown = chance(random, 25);
        bool happened = !operation->is_read && (!operation->unknown || chance(random, 60));
        value += happened;
        operation->value = value;
    }
}

static void counter_perturb(struct random *random, struct counter_history *history)
{
    struct count_operation *one = &history->operations[random_below(random, history->count)];
    struct count_operation *other = &history->operations[random_below(random, history->count)];
    int64_t value = one->value;
    switch (random_below(random, 5)) {
    case 0:
        one->value = other->value;
        other->value = value;
        break;
    case 1:
        one->value += chance(random, 50) ? 1 : -1;
        break;
    case 2:
        one->invoke_ns = one->return_ns;
        break;
    case 3:
        one->return_ns = one->invoke_ns;
        break;
    default:
        one->unknown = !one->unknown;
        break;
    }
}

static bool counter_checked(const struct counter_history *history, size_t pair[2])
{
    return checker_counter(history->operations, history->count, 0, pair);
}

static void counter_print(const struct counter_history *history)
{
    for (size_t i = 0; i < history->count; i++)
        print_error("  %zu: %d-%d %s %d%s\n", i, (int)history->operations[i].invoke_ns,
                    (int)history->operations[i].return_ns,
                    history->operations[i].is_read ? "read" : "increment to",
                    (int)history->operations[i].value,
                    history->operations[i].unknown ? " (no answer)" : "");
}

static void test_counter_equals_search(void **state)
{
    (void)state;
    struct random random;
    unsigned long long used = start(&random);
    size_t linearizable = 0, blind = 0;
    for (size_t i = 0; i < histories(); i++) {
        struct counter_history history;
        size_t pair[2] = {SIZE_MAX, SIZE_MAX};
        MAKE(counter, &random, i, &history);
        bool truth = counter_truth(&history);
        if (counter_checked(&history, pair) != truth) {
            counter_print(&history);
            fail_msg("seed %llu, history %zu: the search says %d", used, i, truth);
        }
        if (!truth)
            assert_true(pair[0] < history.count && pair[1] < history.count);
        linearizable += truth;
        blind += truth && i % 2 == 0;
    }
    print_message("counter: %zu histories equal the search, %zu of them linearizable (%zu drawn "
                  "blindly); RACEBENCH_TEST_SEED=%llu\n",
                  histories(), linearizable, blind, used);
    assert_true(linearizable > histories() / 5 && linearizable < histories() * 4 / 5);
}

/* The register --------------------------------------------------------------------------------- */

struct register_history {
    struct register_operation operations[SIZE_MAX_HISTORY];
    size_t count;
};

static int64_t last_moment(const struct register_operation *operation)
{
    return operation->unknown ? RETURN_NEVER : operation->return_ns;
}

/* Can what is not in `placed` follow, when `last` was the last to write (count: nobody)? */
static bool register_search(const struct register_history *history, unsigned placed, size_t last,
                            bool (*tried)[SIZE_MAX_HISTORY + 1])
{
    bool finished = true;
    if (tried[placed][last])
        return false;
    tried[placed][last] = true;
    for (size_t i = 0; i < history->count; i++)
        finished &= (placed >> i & 1) != 0 || history->operations[i].unknown;
    if (finished)
        return true;
    int64_t version = last == history->count ? 0 : history->operations[last].wrote;
    for (size_t i = 0; i < history->count; i++) {
        const struct register_operation *next = &history->operations[i];
        bool allowed = (placed >> i & 1) == 0 && next->read == version;
        for (size_t j = 0; j < history->count; j++)
            if ((placed >> j & 1) == 0 && last_moment(&history->operations[j]) < next->invoke_ns)
                allowed = false;
        if (allowed &&
            register_search(history, placed | 1u << i, next->wrote == 0 ? last : i, tried))
            return true;
    }
    return false;
}

static bool register_truth(const struct register_history *history)
{
    bool tried[1 << SIZE_MAX_HISTORY][SIZE_MAX_HISTORY + 1] = {{false}};
    return register_search(history, 0, history->count, tried);
}

static void register_draw(struct random *random, struct register_history *history)
{
    history->count = 1 + random_below(random, SIZE_MAX_HISTORY);
    for (size_t i = 0; i < history->count; i++) {
        struct register_operation *operation = &history->operations[i];
        draw_times(random, &operation->invoke_ns, &operation->return_ns);
        operation->read = (int64_t)random_below(random, history->count + 1);
        operation->wrote = chance(random, 30) ? 0 : (int64_t)i + 1;
        operation->unknown = chance(random, 30);
    }
}

static void register_run(struct random *random, struct register_history *history)
{
    int64_t version = 0;
    history->count = 2 + random_below(random, SIZE_MAX_HISTORY - 1);
    for (size_t i = 0; i < history->count; i++) {
        struct register_operation *operation = &history->operations[i];
        times_around(random, i, &operation->invoke_ns, &operation->return_ns);
        operation->read = version;
        operation->wrote = chance(random, 35) ? 0 : (int64_t)i + 1;
        operation->unknown = chance(random, 25);
        if (operation->wrote != 0 && (!operation->unknown || chance(random, 60)))
            version = operation->wrote;
    }
}

static void register_perturb(struct random *random, struct register_history *history)
{
    struct register_operation *one = &history->operations[random_below(random, history->count)];
    struct register_operation *other = &history->operations[random_below(random, history->count)];
    int64_t read = one->read;
    switch (random_below(random, 6)) {
    case 0:
        one->read = other->read;
        other->read = read;
        break;
    case 1:
        one->read = (int64_t)random_below(random, history->count + 2);
        break;
    case 2:
        one->invoke_ns = one->return_ns;
        break;
    case 3:
        one->return_ns = one->invoke_ns;
        break;
    case 4:
        one->wrote = 0;
        break;
    default:
        one->unknown = !one->unknown;
        break;
    }
}

static bool register_checked(const struct register_history *history, size_t pair[2],
                             enum reason *reason)
{
    return checker_register(history->operations, history->count, pair, reason);
}

static void register_print(const struct register_history *history)
{
    for (size_t i = 0; i < history->count; i++)
        print_error("  %zu: %d-%d read %d wrote %d%s\n", i, (int)history->operations[i].invoke_ns,
                    (int)history->operations[i].return_ns, (int)history->operations[i].read,
                    (int)history->operations[i].wrote,
                    history->operations[i].unknown ? " (no answer)" : "");
}

/* What the pair must show, for the reason given. */
static bool register_proved(const struct register_history *history, const size_t pair[2],
                            enum reason reason)
{
    if (pair[0] >= history->count || pair[1] >= history->count)
        return false;
    const struct register_operation *a = &history->operations[pair[0]];
    const struct register_operation *b = &history->operations[pair[1]];
    if (reason == REASON_LOST_UPDATE)
        return a != b && a->read == b->read && a->wrote != 0 && b->wrote != 0;
    if (reason != REASON_PHANTOM_VERSION)
        return reason == REASON_NOT_LINEARIZABLE;
    for (size_t i = 0; i < history->count; i++)
        if (history->operations[i].wrote != 0 && history->operations[i].wrote == a->read)
            return false;
    return a == b;
}

static void test_register_equals_search(void **state)
{
    (void)state;
    struct random random;
    unsigned long long used = start(&random);
    size_t reasons[REASON_COUNT] = {0};
    for (size_t i = 0; i < histories(); i++) {
        struct register_history history;
        size_t pair[2] = {SIZE_MAX, SIZE_MAX};
        enum reason reason;
        MAKE(register, &random, i, &history);
        bool truth = register_truth(&history);
        bool got = register_checked(&history, pair, &reason);
        if (got != truth || got != (reason == REASON_NONE) ||
            (!got && !register_proved(&history, pair, reason))) {
            register_print(&history);
            fail_msg("seed %llu, history %zu: the search says %d, got %s", used, i, truth,
                     reason_name(reason));
        }
        reasons[reason]++;
    }
    print_message("register: %zu histories equal the search, %zu of them linearizable, %zu lost "
                  "update, %zu phantom, %zu out of time; RACEBENCH_TEST_SEED=%llu\n",
                  histories(), reasons[REASON_NONE], reasons[REASON_LOST_UPDATE],
                  reasons[REASON_PHANTOM_VERSION], reasons[REASON_NOT_LINEARIZABLE], used);
    assert_true(reasons[REASON_NONE] > histories() / 5);
    assert_true(reasons[REASON_NOT_LINEARIZABLE] > histories() / 100);
}

/* A counter's history is a register's whose versions count up: both must say the same. */
static void test_cores_agree(void **state)
{
    (void)state;
    struct random random;
    start(&random);
    size_t agreed = 0;
    for (size_t i = 0; i < histories() / 3; i++) {
        struct counter_history history;
        struct register_history same = {.count = 0};
        counter_run(&random, &history);
        if (chance(&random, 50))
            counter_perturb(&random, &history);
        bool expressible = true, taken[SIZE_MAX_HISTORY * 2] = {false};
        for (size_t j = 0; j < history.count; j++) {
            const struct count_operation *operation = &history.operations[j];
            int64_t value = operation->value;
            if (operation->unknown)
                continue; /* a register's unanswered write knows its parent, a counter's does not */
            expressible &= value >= !operation->is_read && (operation->is_read || !taken[value]);
            if (!expressible)
                break;
            taken[value] |= !operation->is_read;
            same.operations[same.count++] =
                (struct register_operation){operation->invoke_ns, operation->return_ns,
                                            operation->is_read ? value : value - 1,
                                            operation->is_read ? 0 : value, false};
        }
        if (!expressible)
            continue;
        struct counter_history known = {.count = 0};
        for (size_t j = 0; j < history.count; j++)
            if (!history.operations[j].unknown)
                known.operations[known.count++] = history.operations[j];
        size_t pair[2];
        enum reason reason;
        assert_int_equal(counter_checked(&known, pair), register_checked(&same, pair, &reason));
        agreed++;
    }
    assert_true(agreed > histories() / 10);
}

/* Wrong checkers ------------------------------------------------------------------------------- */

enum mistake {
    TIMEOUTS_FAILED,  /* what got no answer never happened */
    TIMEOUTS_DONE,    /* what got no answer happened, before the time-out */
    COMPLETION_ORDER, /* each took effect as it returned */
    INVOCATION_ORDER, /* each took effect as it was invoked */
    NO_REAL_TIME,     /* any order will do */
    READS_UNCHECKED,  /* only updates are looked at */
    MISTAKES
};
static const char *const mistake_names[MISTAKES] = {"time-outs taken for failures",
                                                    "time-outs taken for successes",
                                                    "completion order as the order",
                                                    "invocation order as the order",
                                                    "no real time",
                                                    "reads unchecked"};

/* The times of one operation as a wrong checker sees them; false: it does not see it at all. */
static bool mistake_apply(enum mistake mistake, int64_t *invoke_ns, int64_t *return_ns,
                          bool *unknown, bool is_read)
{
    switch (mistake) {
    case TIMEOUTS_FAILED:
        return !*unknown;
    case TIMEOUTS_DONE:
        *unknown = false;
        return true;
    case COMPLETION_ORDER:
        *invoke_ns = *return_ns;
        return true;
    case INVOCATION_ORDER:
        *return_ns = *invoke_ns;
        return true;
    case NO_REAL_TIME:
        *invoke_ns = 0;
        *return_ns = RETURN_NEVER;
        return true;
    default:
        return !is_read;
    }
}

static bool counter_mistaken(enum mistake mistake, const struct counter_history *history)
{
    struct counter_history seen = {.count = 0};
    for (size_t i = 0; i < history->count; i++) {
        struct count_operation operation = history->operations[i];
        if (mistake_apply(mistake, &operation.invoke_ns, &operation.return_ns, &operation.unknown,
                          operation.is_read))
            seen.operations[seen.count++] = operation;
    }
    size_t pair[2];
    return counter_checked(&seen, pair);
}

static bool register_mistaken(enum mistake mistake, const struct register_history *history)
{
    struct register_history seen = {.count = 0};
    for (size_t i = 0; i < history->count; i++) {
        struct register_operation operation = history->operations[i];
        if (mistake_apply(mistake, &operation.invoke_ns, &operation.return_ns, &operation.unknown,
                          operation.wrote == 0))
            seen.operations[seen.count++] = operation;
    }
    size_t pair[2];
    enum reason reason;
    return register_checked(&seen, pair, &reason);
}

static void test_wrong_checkers_are_caught(void **state)
{
    (void)state;
    struct random random;
    start(&random);
    size_t caught[2][MISTAKES] = {{0}};
    for (size_t i = 0; i < histories() / 10; i++) {
        struct counter_history counter;
        struct register_history versions;
        MAKE(counter, &random, i, &counter);
        MAKE(register, &random, i, &versions);
        bool counter_is = counter_truth(&counter), register_is = register_truth(&versions);
        for (int mistake = 0; mistake < MISTAKES; mistake++) {
            caught[0][mistake] += counter_mistaken((enum mistake)mistake, &counter) != counter_is;
            caught[1][mistake] +=
                register_mistaken((enum mistake)mistake, &versions) != register_is;
        }
    }
    for (int mistake = 0; mistake < MISTAKES; mistake++) {
        print_message("wrong checker, %s: caught by %zu counter and %zu register histories of "
                      "%zu\n",
                      mistake_names[mistake], caught[0][mistake], caught[1][mistake],
                      histories() / 10);
        assert_true(caught[0][mistake] > 0 && caught[1][mistake] > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_equals_search),
        cmocka_unit_test(test_register_equals_search),
        cmocka_unit_test(test_cores_agree),
        cmocka_unit_test(test_wrong_checkers_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
