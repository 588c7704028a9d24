/* SPDX-License-Identifier: Apache-2.0
 *
 * counter: every worker adds one to a number, as often as it is told, on one hot document or on one
 * of --docs that it draws. At the end each number must be the number of increments that were
 * acknowledged for it: less is a lost update, more is one that was applied twice.
 *
 *      worker 1                        worker 2
 *      reads n = 5
 *                                      reads n = 5
 *      writes n = 6, acknowledged
 *                                      writes n = 6, acknowledged
 *
 * Two increments, and n grew by one: worker 1's is lost, and worker 2 overwrote it.
 */
#include "scenario.h"

static int64_t counter_documents(const struct cell *cell)
{
    return cell->docs;
}

static void counter_seed(const struct cell *cell, int64_t id, bson_t *document)
{
    (void)cell;
    BSON_APPEND_INT64(document, "_id", id);
    BSON_APPEND_INT64(document, "n", 0);
    BSON_APPEND_INT64(document, "version", 0);
}

/* n + 1, and everything else as it was. */
static enum change increment(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    if (was[0]) {
        bson_copy_to_excluding_noinit(was[0], is[0], "n", NULL);
    } else {
        BSON_APPEND_INT64(is[0], "_id", edit->key[0].id);
        BSON_APPEND_INT64(is[0], "version", 0);
    }
    BSON_APPEND_INT64(is[0], "n", edit_number(was[0], "n", 0) + edit->amount);
    return CHANGED;
}

/* The same as operators: {$inc: {n: 1}}. */
static void append_increment(bson_t *operators, int64_t amount)
{
    bson_t fields;
    BSON_APPEND_DOCUMENT_BEGIN(operators, "$inc", &fields);
    BSON_APPEND_INT64(&fields, "n", amount);
    bson_append_document_end(operators, &fields);
}

static void counter_work(struct session *session, const struct cell *cell)
{
    bson_t operators = BSON_INITIALIZER;
    struct edit edit = {
        .key = {{.collection = "counters"}},
        .count = 1,
        .change = increment,
        .operators = &operators,
        .field = "n",
        .base = EDIT_ANY,
        .wait = true,
        .amount = 1,
    };
    append_increment(&operators, edit.amount);
    while (worker_next(session)) {
        edit.key[0].id = cell->docs > 1 ? session_random(session, cell->docs) : 0;
        worker_apply(session, &edit, NULL);
    }
    bson_destroy(&operators);
}

static void counter_judge(const struct record *record, struct verdict *verdict)
{
    checker_count(record, verdict);
    checker_updates(record, verdict);
    checker_contention(record, verdict);
}

const struct scenario scenario_counter = {
    .name = "counter",
    .help = "workers add one to a number; at the end none may be missing",
    .needs = CAN_CHANGE,
    .checks = 1u << LOST | 1u << DOUBLED,
    .operators = true,
    .restarts = true,
    .collection = "counters",
    .field = "n",
    .documents = counter_documents,
    .seed = counter_seed,
    .work = counter_work,
    .judge = counter_judge,
};
