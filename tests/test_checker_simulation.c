/* SPDX-License-Identifier: Apache-2.0
 *
 * test_checker_simulation: checker_updates() against executions whose truth is known. Up to eight
 * operations on one or two documents are carried out step by step in random order: naive ones, ones
 * that compare before they write, operators, pure reads; with lost requests, lost replies, late
 * requests, second tries with and without care, and liars that say "nothing written" or "done" and
 * are neither. The document remembers how often each operation is in it, which the checker is not
 * shown. Asserted: never an accusation without cause; exact sets of lost and doubled operations
 * where every parent is known; never more than the truth where not; and BROKEN whenever the
 * interval alone proves it. Then wrong checkers, as in test_checker_properties, must be caught.
 * labels: unit stress
 */
#include "checker_support.h"

enum { OPERATIONS_MAX = 8, DOCUMENTS_MAX = 2 };

/* A document as it is at one moment. */
struct state {
    int64_t value, version;
    int64_t serial;            /* grows by each write: what a careful one compares */
    int times[OPERATIONS_MAX]; /* how often each operation is in the value */
};

enum kind { NAIVE, CAREFUL, OPERATOR, READER };
enum step { START, READ, WRITE, RETURN, FINISHED };

struct actor {
    enum kind kind;
    enum step step;
    struct event *event;
    struct state seen;
    int applied;       /* how often it changed the document, all attempts together */
    bool late;         /* its request is still on the way after it gave up */
    bool careful_once; /* tries again after a time-out, and recognises itself */
    bool careless;     /* tries again after a time-out as if nothing had been */
    bool liar;         /* says NOTHING when it wrote, or DONE when it did not */
};

/* What kinds of trouble one execution has; percent. */
struct trouble {
    int naive, operators, readers, lost, late, retry, liars;
    bool ledger;
};

struct execution {
    struct actor actors[OPERATIONS_MAX];
    struct event events[OPERATIONS_MAX], sorted[OPERATIONS_MAX];
    struct state documents[DOCUMENTS_MAX];
    struct final finals[DOCUMENTS_MAX];
    size_t count;
    int64_t now_ns;
    struct cell cell;
    struct record record;
};

static struct state *document_of(struct execution *run, const struct actor *actor)
{
    return &run->documents[actor->event->key[0]];
}

static void settle(struct execution *run, struct actor *actor, enum outcome outcome)
{
    actor->event->outcome = outcome;
    actor->event->return_ns = run->now_ns;
    actor->step = FINISHED;
}

static void apply(struct execution *run, struct actor *actor)
{
    struct state *document = document_of(run, actor);
    int64_t serial = document->serial + 1;
    if (actor->kind != OPERATOR)
        *document = actor->seen;
    document->serial = serial;
    document->value += actor->event->amount;
    document->version = actor->event->operation;
    document->times[actor - run->actors]++;
    actor->applied++;
}

/* The engine carries out the request, if the one who compares has nothing against it. */
static bool arrive(struct execution *run, struct actor *actor)
{
    if (actor->kind == CAREFUL && document_of(run, actor)->serial != actor->seen.serial)
        return false;
    apply(run, actor);
    return true;
}

static void step_read(struct execution *run, struct actor *actor)
{
    struct event *event = actor->event;
    actor->seen = *document_of(run, actor);
    event->attempts++;
    event->wrote = 0;
    event->read[0] = actor->kind == OPERATOR ? VERSION_BLIND : actor->seen.version;
    event->value_read = actor->seen.value;
    if (actor->careful_once && event->attempts > 1 && actor->seen.times[actor - run->actors] > 0) {
        actor->step = RETURN;
        event->outcome = DONE;
        return;
    }
    if (actor->kind != OPERATOR && actor->seen.version == event->operation)
        event->doubled = true;
    if (actor->kind == READER) {
        actor->step = RETURN;
        event->outcome = DONE;
        return;
    }
    event->wrote = 1;
    actor->step = WRITE;
}

/* The answer did not come: give up, or try again. */
static void time_out(struct execution *run, struct actor *actor)
{
    if ((actor->careful_once || actor->careless) && actor->event->attempts < 3) {
        actor->step = READ;
        actor->event->retried = true;
    } else {
        settle(run, actor, UNKNOWN);
    }
}

static void step_write(struct execution *run, struct random *random, struct actor *actor,
                       const struct trouble *trouble)
{
    if (chance(random, trouble->lost)) {
        if (chance(random, trouble->late))
            actor->late = true;
        else if (chance(random, 50))
            arrive(run, actor);
        time_out(run, actor);
        if (actor->late && actor->step != FINISHED)
            actor->late = false; /* lost after all: only who gave up can be overtaken */
        return;
    }
    actor->event->outcome = DONE;
    actor->step = RETURN;
    if (actor->liar && chance(random, 50))
        return; /* "done", and never sent */
    if (!arrive(run, actor)) {
        actor->event->outcome = actor->event->retried ? UNKNOWN : CONFLICT;
        if (actor->event->attempts < 3)
            actor->step = READ;
    } else if (actor->liar) {
        actor->event->outcome = chance(random, 50) ? NOTHING : FAILED;
    }
}

static void take_step(struct execution *run, struct random *random, struct actor *actor,
                      const struct trouble *trouble)
{
    run->now_ns++;
    switch (actor->step) {
    case START:
        actor->event->invoke_ns = run->now_ns;
        actor->step = READ;
        break;
    case READ:
        step_read(run, actor);
        break;
    case WRITE:
        step_write(run, random, actor, trouble);
        break;
    case RETURN:
        settle(run, actor, actor->event->outcome);
        break;
    case FINISHED:
        if (actor->late)
            arrive(run, actor);
        actor->late = false;
        break;
    }
}

static void recruit(struct execution *run, struct random *random, const struct trouble *trouble)
{
    static const int64_t amounts[] = {1, 1, 1, -1, 3};
    int64_t amount = amounts[random_below(random, COUNT_OF(amounts))];
    int64_t documents = 1 + chance(random, 30);
    run->count = 1 + random_below(random, OPERATIONS_MAX);
    for (size_t i = 0; i < run->count; i++) {
        struct actor *actor = &run->actors[i];
        struct event *event = &run->events[i];
        actor->event = event;
        actor->kind = CAREFUL;
        if (chance(random, trouble->readers))
            actor->kind = READER;
        else if (chance(random, trouble->operators))
            actor->kind = OPERATOR;
        else if (chance(random, trouble->naive))
            actor->kind = NAIVE;
        actor->liar = chance(random, trouble->liars);
        if (!actor->liar && chance(random, trouble->retry)) {
            actor->careful_once = chance(random, 50);
            actor->careless = !actor->careful_once;
        }
        event->operation = OPERATION_ID(i, 1);
        event->worker = (int32_t)i;
        event->key[0] = (int64_t)random_below(random, (uint64_t)documents);
        event->key[1] = -1;
        event->amount = amount;
        event->reads_only = actor->kind == READER;
    }
    run->record.final_count = documents;
}

static void execute(struct execution *run, struct random *random, const struct trouble *trouble)
{
    memset(run, 0, sizeof(*run));
    run->cell.workers = OPERATIONS_MAX;
    recruit(run, random, trouble);
    for (;;) {
        size_t open[OPERATIONS_MAX], count = 0;
        for (size_t i = 0; i < run->count; i++)
            if (run->actors[i].step != FINISHED || run->actors[i].late)
                open[count++] = i;
        if (count == 0)
            break;
        take_step(run, random, &run->actors[open[random_below(random, count)]], trouble);
    }
    for (int64_t key = 0; key < run->record.final_count; key++)
        run->finals[key] =
            (struct final){true, run->documents[key].value, run->documents[key].version};
    for (size_t i = 0; i < run->count; i++)
        run->events[i].applied = trouble->ledger ? run->actors[i].applied : -1;
    memcpy(run->sorted, run->events, sizeof(run->sorted));
    qsort(run->sorted, run->count, sizeof(struct event), by_invocation);
    run->record.cell = &run->cell;
    run->record.events = run->sorted;
    run->record.event_count = run->count;
    run->record.finals = run->finals;
}

/* Truth ---------------------------------------------------------------------------------------- */

struct truth {
    bool lost[OPERATIONS_MAX];   /* acknowledged, and not in the document */
    bool twice[OPERATIONS_MAX];  /* applied more than once, whether or not both are still there */
    bool denied[OPERATIONS_MAX]; /* applied, and said to be not */
    int64_t lost_count, twice_count, denied_count;
    int64_t surplus;     /* applications beyond the first */
    int64_t denied_kept; /* of the denied, those that are in a document or were seen */
    bool vanished;       /* a reader saw an update that is not in the document */
    bool all_known;      /* every write names its parent */
    bool out_of_bounds;  /* the interval of some document alone proves it */
};

static bool was_seen(const struct execution *run, const struct event *event)
{
    for (size_t i = 0; i < run->count; i++)
        if (run->events[i].read[0] == event->operation && &run->events[i] != event &&
            run->events[i].key[0] == event->key[0])
            return true;
    return false;
}

static void find_bounds(const struct execution *run, struct truth *truth)
{
    int64_t low[DOCUMENTS_MAX] = {0}, high[DOCUMENTS_MAX] = {0};
    for (size_t i = 0; i < run->count; i++) {
        const struct event *event = &run->events[i];
        if (event->reads_only || (event->outcome != DONE && event->outcome != UNKNOWN))
            continue;
        if (event->outcome == DONE || event->amount < 0)
            low[event->key[0]] += event->amount;
        if (event->outcome == DONE || event->amount > 0)
            high[event->key[0]] += event->amount;
    }
    for (int key = 0; key < DOCUMENTS_MAX; key++)
        truth->out_of_bounds |=
            run->documents[key].value < low[key] || run->documents[key].value > high[key];
}

static void find_truth(const struct execution *run, struct truth *truth)
{
    *truth = (struct truth){.all_known = true};
    for (size_t i = 0; i < run->count; i++) {
        const struct actor *actor = &run->actors[i];
        const struct event *event = &run->events[i];
        int times = run->documents[event->key[0]].times[i];
        bool answered = event->outcome == DONE || event->outcome == UNKNOWN;
        truth->lost[i] = event->outcome == DONE && !event->reads_only && times == 0;
        truth->twice[i] = actor->applied > 1;
        truth->denied[i] = !answered && actor->applied > 0;
        truth->lost_count += truth->lost[i];
        truth->twice_count += truth->twice[i];
        truth->surplus += truth->twice[i] ? actor->applied - 1 : 0;
        truth->denied_count += truth->denied[i];
        truth->denied_kept += truth->denied[i] && (times > 0 || was_seen(run, event));
        truth->vanished |= actor->applied > 0 && times == 0 && was_seen(run, event);
        if (actor->kind == OPERATOR || actor->careful_once || actor->careless)
            truth->all_known = false;
    }
    find_bounds(run, truth);
}

static struct verdict judge(const struct execution *run)
{
    struct verdict verdict;
    checker_count(&run->record, &verdict);
    checker_updates(&run->record, &verdict);
    return verdict;
}

static void print_execution(const struct execution *run, const struct verdict *verdict)
{
    static const char *const kinds[] = {"naive", "careful", "operator", "reader"};
    for (size_t i = 0; i < run->count; i++) {
        const struct event *event = &run->events[i];
        print_error("  %zu %-8s #%d %d-%d read %lld %s%s, %d tries, applied %d, kept %d\n", i,
                    kinds[run->actors[i].kind], (int)event->key[0], (int)event->invoke_ns,
                    (int)event->return_ns,
                    event->read[0] > 0 ? (long long)OPERATION_WORKER(event->read[0])
                                       : (long long)event->read[0] - 10,
                    (const char *[]){"done", "nothing", "busy", "conflict", "failed",
                                     "unknown"}[event->outcome],
                    event->wrote ? ", wrote" : "", event->attempts, run->actors[i].applied,
                    run->documents[event->key[0]].times[i]);
    }
    print_error("  verdict %s %s, lost %d, doubled %d\n", status_name(verdict->status),
                reason_name(verdict->reason), (int)verdict->counts.lost,
                (int)verdict->counts.doubled);
}

/* Is every operation that the verdict names lost really lost, and none forgotten? */
static bool names_match(const struct execution *run, const struct verdict *verdict,
                        const struct truth *truth)
{
    bool named[OPERATIONS_MAX] = {false};
    for (int i = 0; i < verdict->witness_count; i++)
        if (verdict->witnesses[i].property == LOST && verdict->reason == REASON_LOST_UPDATE)
            named[OPERATION_WORKER(verdict->witnesses[i].victim)] = true;
    for (size_t i = 0; i < run->count; i++)
        if (named[i] != truth->lost[i])
            return false;
    return true;
}

/* The first thing wrong with a verdict, or NULL. */
static const char *find_fault(const struct execution *run, const struct verdict *verdict,
                              const struct truth *truth)
{
    int64_t causes = truth->lost_count + truth->twice_count + truth->denied_count;
    if (verdict->status == BROKEN && causes == 0 && !truth->vanished)
        return "accused without cause";
    if (verdict->status == HELD && truth->out_of_bounds)
        return "out of bounds and held";
    if (verdict->reason == REASON_NOT_LINEARIZABLE && truth->twice_count == 0 && !truth->vanished)
        return "every execution is in order";
    if (truth->all_known) {
        if (verdict->counts.lost != truth->lost_count)
            return "not the number of lost ones";
        if (!names_match(run, verdict, truth))
            return "not the lost ones";
        if (verdict->counts.doubled != truth->denied_kept)
            return "not the number of denied ones";
        return verdict->lost_by_identity ? NULL : "all parents known, but not by identity";
    }
    /* Where one was applied twice, its two versions have one name, and others may be taken for
     * it. */
    if (verdict->counts.lost > truth->lost_count && truth->twice_count == 0)
        return "more lost than there are";
    if (verdict->counts.doubled > truth->surplus + truth->denied_count)
        return "more doubled than there are";
    return NULL;
}

/* Tests ---------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct trouble trouble;
} mixes[] = {
    {"careful", {0, 0, 20, 0, 0, 0, 0, false}},
    {"careful, time-outs", {0, 0, 20, 40, 30, 0, 0, false}},
    {"careful, second tries", {0, 20, 20, 40, 0, 60, 0, false}},
    {"naive", {60, 0, 20, 0, 0, 0, 0, false}},
    {"naive, time-outs", {60, 0, 20, 40, 30, 0, 0, false}},
    {"naive, time-outs, liars", {60, 0, 20, 30, 30, 0, 25, false}},
    {"operators", {0, 100, 20, 40, 30, 0, 15, false}},
    {"operators, tried again", {0, 100, 20, 40, 0, 50, 0, false}},
    {"operators, tried again, ledger", {0, 100, 20, 40, 0, 50, 15, true}},
    {"everything", {40, 40, 20, 30, 20, 40, 15, false}},
    {"everything, ledger", {40, 40, 20, 30, 20, 40, 15, true}},
};

static void test_against_executions(void **state)
{
    (void)state;
    uint64_t used = seed();
    size_t each = (size_t)setting("RACEBENCH_TEST_HISTORIES", 100000);
    print_message("%zu executions of each mix, RACEBENCH_TEST_SEED=%llu\n", each,
                  (unsigned long long)used);
    for (size_t mix = 0; mix < COUNT_OF(mixes); mix++) {
        struct random random;
        random_seed(&random, random_mix(used, mix));
        size_t wrong = 0, caught = 0, fine = 0;
        for (size_t i = 0; i < each; i++) {
            struct execution run;
            struct truth truth;
            execute(&run, &random, &mixes[mix].trouble);
            find_truth(&run, &truth);
            struct verdict verdict = judge(&run);
            const char *fault = find_fault(&run, &verdict, &truth);
            if (fault != NULL) {
                print_execution(&run, &verdict);
                fail_msg("seed %llu, mix %s, execution %zu: %s", (unsigned long long)used,
                         mixes[mix].name, i, fault);
            }
            bool is_wrong = truth.lost_count + truth.twice_count + truth.denied_kept > 0;
            fine += !is_wrong;
            wrong += is_wrong;
            caught += is_wrong && verdict.status == BROKEN;
        }
        print_message("%-36s %6zu fine and held, %6zu wrong, %6zu of them convicted\n",
                      mixes[mix].name, fine, wrong, caught);
    }
}

/* The same history as a register's, the final document read at the very end. */
static bool held_by_register(const struct execution *run, enum reason *reason)
{
    struct register_operation operations[OPERATIONS_MAX + 1];
    size_t count = 0, pair[2];
    for (size_t i = 0; i < run->count; i++) {
        const struct event *event = &run->sorted[i];
        if (event->outcome == CONFLICT || (event->reads_only && event->outcome == UNKNOWN))
            continue;
        operations[count++] =
            (struct register_operation){event->invoke_ns, event->return_ns, event->read[0],
                                        event->reads_only ? 0 : event->operation,
                                        event->outcome == UNKNOWN};
    }
    operations[count++] =
        (struct register_operation){INT64_MAX - 1, INT64_MAX, run->finals[0].version, 0, false};
    return checker_register(operations, count, pair, reason);
}

/* One time, one version or one outcome is not as it was. */
static void perturb(struct execution *run, struct random *random)
{
    struct event *one = &run->sorted[random_below(random, run->count)];
    const struct event *other = &run->sorted[random_below(random, run->count)];
    switch (random_below(random, 5)) {
    case 0:
        one->read[0] = other->read[0];
        break;
    case 1:
        one->invoke_ns = one->return_ns;
        break;
    case 2:
        one->return_ns = one->invoke_ns;
        break;
    case 3:
        run->finals[0].version = other->reads_only ? 0 : other->operation;
        break;
    default:
        one->outcome = one->outcome == UNKNOWN ? DONE : UNKNOWN;
        break;
    }
}

/* The number that the chain behind the final version adds up to; false: it has no end. */
static bool set_value(struct execution *run)
{
    int64_t version = run->finals[0].version;
    run->finals[0].value = 0;
    for (size_t steps = 0; version != 0 && steps <= run->count; steps++)
        for (size_t i = 0; i < run->count; i++)
            if (run->sorted[i].operation == version) {
                run->finals[0].value += run->sorted[i].amount;
                version = run->sorted[i].read[0];
                break;
            }
    return version == 0;
}

static void test_agrees_with_register(void **state)
{
    (void)state;
    uint64_t used = seed();
    static const struct trouble trouble = {15, 0, 30, 20, 30, 0, 0, false};
    struct random random;
    random_seed(&random, used);
    size_t compared = 0, held = 0, reasons[REASON_COUNT] = {0};
    for (size_t i = 0; i < 300000; i++) {
        struct execution run;
        enum reason reason;
        execute(&run, &random, &trouble);
        if (run.record.final_count > 1)
            continue;
        if (chance(&random, 60))
            perturb(&run, &random);
        if (!set_value(&run))
            continue;
        qsort(run.sorted, run.count, sizeof(struct event), by_invocation);
        struct verdict verdict = judge(&run);
        bool expected = held_by_register(&run, &reason);
        if ((verdict.status == HELD) != expected) {
            print_execution(&run, &verdict);
            fail_msg("seed %llu, execution %zu: the register says %s", (unsigned long long)used, i,
                     reason_name(reason));
        }
        compared++;
        held += expected;
        reasons[verdict.reason]++;
    }
    print_message("%zu histories judged as a register judges them: %zu held, %zu lost, %zu out of "
                  "time, %zu phantom; RACEBENCH_TEST_SEED=%llu\n",
                  compared, held, reasons[REASON_LOST_UPDATE], reasons[REASON_NOT_LINEARIZABLE],
                  reasons[REASON_PHANTOM_VERSION], (unsigned long long)used);
    assert_true(held > 10000 && reasons[REASON_NOT_LINEARIZABLE] > 1000);
}

/* How a wrong checker sees a history. */
enum mistake {
    TIMEOUTS_FAILED,
    TIMEOUTS_DONE,
    READS_DROPPED,
    PARENTS_IGNORED,
    FINAL_EARLY,
    MISTAKES
};
static const char *const mistake_names[MISTAKES] = {"time-outs taken for failures",
                                                    "time-outs taken for successes",
                                                    "reads unchecked", "only the sum is looked at",
                                                    "the wrong initial value"};

static void mistake_apply(struct execution *run, enum mistake mistake)
{
    size_t kept = 0;
    for (size_t i = 0; i < run->count; i++) {
        struct event event = run->sorted[i];
        if (mistake == TIMEOUTS_FAILED && event.outcome == UNKNOWN)
            event.outcome = FAILED;
        if (mistake == TIMEOUTS_DONE && event.outcome == UNKNOWN)
            event.outcome = DONE;
        if (mistake == PARENTS_IGNORED)
            event.read[0] = VERSION_BLIND;
        if (mistake != READS_DROPPED || !event.reads_only)
            run->sorted[kept++] = event;
    }
    run->record.event_count = kept;
    if (mistake == FINAL_EARLY)
        run->record.initial_value++;
}

static void test_wrong_checkers_are_caught(void **state)
{
    (void)state;
    uint64_t used = seed();
    struct random random;
    random_seed(&random, used);
    static const struct trouble trouble = {50, 0, 30, 30, 30, 0, 25, false};
    size_t caught[MISTAKES] = {0};
    for (size_t i = 0; i < 20000; i++)
        for (int mistake = 0; mistake < MISTAKES; mistake++) {
            struct execution run;
            struct truth truth;
            execute(&run, &random, &trouble);
            find_truth(&run, &truth);
            mistake_apply(&run, (enum mistake)mistake);
            struct verdict verdict = judge(&run);
            caught[mistake] += find_fault(&run, &verdict, &truth) != NULL;
        }
    for (int mistake = 0; mistake < MISTAKES; mistake++) {
        print_message("wrong checker, %s: caught by %zu of 20000\n", mistake_names[mistake],
                      caught[mistake]);
        assert_true(caught[mistake] > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_executions),
        cmocka_unit_test(test_agrees_with_register),
        cmocka_unit_test(test_wrong_checkers_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
