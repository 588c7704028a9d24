/* SPDX-License-Identifier: Apache-2.0
 *
 * once_only: every order is a document, and the instruction to process it reaches all workers:
 * once = the order's number, from 1. Processing marks the document and has a consequence that
 * cannot be taken back (post-processing: a mail, a payment), which the strategy records in the
 * collection "effects". Who finds the order held goes on to the next one. --ops is the number of
 * orders times the number of workers; --docs is not used. Under --duration there are 10,000 orders.
 *
 *      worker 1                        worker 2
 *      reads: not processed
 *                                      reads: not processed
 *      marks it processed
 *      sends the goods
 *                                      marks it processed
 *                                      sends the goods
 *
 * Per order, two effects: REPEATED; none, although a worker was told that it is done, or all were
 * told that somebody else is at it: MISSED. The document itself is no evidence: it says "processed"
 * either way.
 */
#include "scenario.h"

static int64_t once_only_documents(const struct cell *cell)
{
    enum { ENDLESS = 10000 };
    return cell->ops > 0 ? (cell->ops + cell->workers - 1) / cell->workers : ENDLESS;
}

static void once_only_seed(const struct cell *cell, int64_t id, bson_t *document)
{
    (void)cell;
    BSON_APPEND_INT64(document, "_id", id);
    BSON_APPEND_INT64(document, "done", 0);
    BSON_APPEND_INT64(document, "version", 0);
}

static enum change process(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    if (edit_number(was[0], "done", 0) > 0)
        return ALREADY;
    if (was[0]) {
        bson_copy_to_excluding_noinit(was[0], is[0], "done", NULL);
    } else {
        BSON_APPEND_INT64(is[0], "_id", edit->key[0].id);
        BSON_APPEND_INT64(is[0], "version", 0);
    }
    BSON_APPEND_INT64(is[0], "done", edit->amount);
    return CHANGED;
}

static void once_only_work(struct session *session, const struct cell *cell)
{
    bson_t operators = BSON_INITIALIZER, fields;
    struct edit edit = {.key = {{.collection = "orders"}},
                        .count = 1,
                        .change = process,
                        .operators = &operators,
                        .field = "done",
                        .base = EDIT_ANY,
                        .effect = true,
                        .amount = 1};
    int64_t orders = once_only_documents(cell);
    BSON_APPEND_DOCUMENT_BEGIN(&operators, "$set", &fields);
    BSON_APPEND_INT64(&fields, "done", edit.amount);
    bson_append_document_end(&operators, &fields);
    for (int64_t order = 0; order < orders && worker_next(session); order++) {
        edit.key[0].id = order;
        edit.once = order + 1;
        worker_apply(session, &edit, NULL);
    }
    bson_destroy(&operators);
}

/* Orders of which somebody was told something final; they are asked for in order, from 1. */
static int64_t count_orders(const struct record *record)
{
    int64_t orders = 0;
    for (size_t i = 0; i < record->event_count; i++)
        if (record->events[i].once > orders)
            orders = record->events[i].once;
    return orders;
}

static void once_only_judge(const struct record *record, struct verdict *verdict)
{
    checker_count(record, verdict);
    checker_asked(record, verdict);
    checker_effects(record, verdict);
    verdict->counts.final = (int64_t)record->effect_count;
    verdict->counts.expected_min = verdict->counts.expected_max = count_orders(record);
    checker_contention(record, verdict);
}

const struct scenario scenario_once_only = {
    .name = "once_only",
    .help = "all workers get the same orders; each is to be processed once",
    .needs = CAN_CHANGE | CAN_ONCE,
    .checks = 1u << REPEATED | 1u << MISSED,
    .operators = true,
    .collection = "orders",
    .field = "done",
    .documents = once_only_documents,
    .seed = once_only_seed,
    .work = once_only_work,
    .judge = once_only_judge,
};
