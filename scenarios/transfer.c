/* SPDX-License-Identifier: Apache-2.0
 *
 * transfer: two accounts make a pair (--docs pairs). Workers move amounts from one account of a
 * pair to the other, and withdraw from one of them whatever the two together can bear: a + b >= 0.
 * For that the other account is only read. When a withdrawal is refused, the worker pays in.
 *
 *      worker 1                        worker 2
 *      reads a = 50, b = 50
 *                                      reads a = 50, b = 50
 *      withdraws 80: a = -30
 *                                      withdraws 80: b = -30
 *
 * Each wrote a document that nobody else had written, so no version check notices, and yet one of
 * the two was wrong (write skew): SKEWED. It is proved by who read and who wrote which version: the
 * two cannot have happened one after the other. So too half of a move, and a sum that is not what
 * the operations add up to. An update that was overwritten is LOST.
 */
#include "scenario.h"

enum { BALANCE = 100, MOVE_MAX = 10, WITHDRAW_MAX = 50, PAY_IN = 200 };

static int64_t transfer_documents(const struct cell *cell)
{
    return 2 * cell->docs;
}

static void transfer_seed(const struct cell *cell, int64_t id, bson_t *document)
{
    (void)cell;
    BSON_APPEND_INT64(document, "_id", id);
    BSON_APPEND_INT64(document, "balance", BALANCE);
    BSON_APPEND_INT64(document, "version", 0);
}

static int64_t balance(const bson_t *account)
{
    return edit_number(account, "balance", 0);
}

static void add(const struct edit *edit, int i, const bson_t *was, bson_t *is, int64_t amount)
{
    if (was) {
        bson_copy_to_excluding_noinit(was, is, "balance", NULL);
    } else {
        BSON_APPEND_INT64(is, "_id", edit->key[i].id);
        BSON_APPEND_INT64(is, "version", 0);
    }
    BSON_APPEND_INT64(is, "balance", balance(was) + amount);
}

static enum change move(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    add(edit, 0, was[0], is[0], -edit->amount);
    add(edit, 1, was[1], is[1], edit->amount);
    return CHANGED;
}

static enum change withdraw(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    if (balance(was[0]) + balance(was[1]) < edit->amount)
        return ALREADY; /* the rule forbids it: nothing is to be done */
    add(edit, 0, was[0], is[0], -edit->amount);
    return CHANGED;
}

static enum change pay_in(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    add(edit, 0, was[0], is[0], edit->amount);
    return CHANGED;
}

static void pay(struct session *session, struct edit edit)
{
    edit.count = 1;
    edit.change = pay_in;
    edit.amount = PAY_IN;
    worker_apply(session, &edit, NULL);
}

static void transfer_work(struct session *session, const struct cell *cell)
{
    struct edit edit = {.key = {{.collection = "accounts"}, {.collection = "accounts"}},
                        .count = 2,
                        .field = "balance",
                        .base = EDIT_ANY,
                        .wait = true};
    while (worker_next(session)) {
        int64_t pair = cell->docs > 1 ? session_random(session, cell->docs) : 0;
        int64_t from = session_random(session, 2);
        bool moves = session_random(session, 2) == 0;
        edit.key[0].id = 2 * pair + from;
        edit.key[1].id = 2 * pair + 1 - from;
        edit.change = moves ? move : withdraw;
        edit.amount = 1 + session_random(session, moves ? MOVE_MAX : WITHDRAW_MAX);
        if (worker_apply(session, &edit, NULL) == NOTHING && worker_next(session))
            pay(session, edit);
    }
}

/* By how much the operation changed the sum of all accounts, if it was applied. */
static int64_t change_of_sum(const struct event *event)
{
    bool alone = event->wrote == 1; /* a move leaves the sum as it is */
    return alone ? event->value_written - event->value_read : 0;
}

/* The sum of all accounts must be what the operations that were applied make of it. */
static void judge_sum(const struct record *record, struct verdict *verdict)
{
    int64_t low = record->initial_value * record->final_count, high = low, sum = 0;
    for (size_t i = 0; i < record->event_count; i++) {
        const struct event *event = &record->events[i];
        int64_t change = change_of_sum(event);
        bool done = event->outcome == DONE, perhaps = event->outcome == UNKNOWN;
        low += done || (perhaps && change < 0) ? change : 0;
        high += done || (perhaps && change > 0) ? change : 0;
    }
    for (int64_t key = 0; key < record->final_count; key++)
        sum += record->finals[key].value;
    verdict->counts.final = sum;
    verdict->counts.expected_min = low;
    verdict->counts.expected_max = high;
    if ((sum >= low && sum <= high) || verdict->status == BROKEN)
        return; /* what is known by name already explains it */
    verdict->counts.skewed++;
    checker_accuse(verdict, REASON_SKEWED, &(struct witness){.property = SKEWED});
}

/* a + b >= 0 at the end. */
static void judge_rule(const struct record *record, struct verdict *verdict)
{
    for (int64_t key = 0; key + 1 < record->final_count; key += 2) {
        const struct final *a = &record->finals[key], *b = &record->finals[key + 1];
        if (a->value + b->value >= 0)
            continue;
        verdict->counts.skewed++;
        checker_accuse(verdict, REASON_SKEWED,
                       &(struct witness){.property = SKEWED,
                                         .key = key,
                                         .victim = a->version,
                                         .culprit = b->version});
    }
}

static void transfer_judge(const struct record *record, struct verdict *verdict)
{
    checker_count(record, verdict);
    checker_updates(record, verdict);
    checker_skew(record, verdict);
    judge_rule(record, verdict);
    judge_sum(record, verdict);
    checker_contention(record, verdict);
}

const struct scenario scenario_transfer = {
    .name = "transfer",
    .help = "amounts move between two accounts, which together may not be overdrawn",
    .needs = CAN_CHANGE | CAN_TWO_DOCUMENTS,
    .checks = 1u << LOST | 1u << DOUBLED | 1u << SKEWED,
    .restarts = true,
    .collection = "accounts",
    .field = "balance",
    .documents = transfer_documents,
    .seed = transfer_seed,
    .work = transfer_work,
    .judge = transfer_judge,
};
