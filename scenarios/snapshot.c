/* SPDX-License-Identifier: Apache-2.0
 *
 * snapshot: a document has three numbers that are always alike. Writers add one to all of them,
 * readers read at the same time; half of all operations are reads, drawn by chance. A reader that
 * sees numbers that differ, a file that holds no document, or nothing where there had been
 * something, has seen half of an update. With --unseeded the documents are absent at the start.
 *
 *      writer                          reader
 *      empties the file
 *                                      reads: nothing, or half
 *      writes a = b = c = 6
 *
 * TORN, whether a reader saw it, a writer, or only the final documents show it. Updates are counted
 * as in `counter` as well, since a document that is whole can still be an old one: LOST, DOUBLED.
 */
#include "scenario.h"

static const char *const parts[] = {"a", "b", "c"};
enum { PARTS = 3 };

static int64_t snapshot_documents(const struct cell *cell)
{
    return cell->docs;
}

static void append_parts(bson_t *document, int64_t number)
{
    for (int i = 0; i < PARTS; i++)
        bson_append_int64(document, parts[i], -1, number);
}

static void snapshot_seed(const struct cell *cell, int64_t id, bson_t *document)
{
    (void)cell;
    BSON_APPEND_INT64(document, "_id", id);
    BSON_APPEND_INT64(document, "version", 0);
    append_parts(document, 0);
}

static enum change raise_parts(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    if (was[0]) {
        bson_copy_to_excluding_noinit(was[0], is[0], "a", "b", "c", NULL);
    } else {
        BSON_APPEND_INT64(is[0], "_id", edit->key[0].id);
        BSON_APPEND_INT64(is[0], "version", 0);
    }
    append_parts(is[0], edit_number(was[0], "a", 0) + edit->amount);
    return CHANGED;
}

static bool is_whole(const bson_t *document)
{
    int64_t first = edit_number(document, parts[0], -1);
    for (int i = 1; i < PARTS; i++)
        if (edit_number(document, parts[i], -2) != first)
            return false;
    return true;
}

static void write_parts(struct session *session, struct edit *edit, const bson_t *operators)
{
    struct result result;
    edit->change = raise_parts;
    edit->operators = operators;
    edit->amount = 1;
    if (worker_apply(session, edit, &result) == DONE && result.was[0])
        worker_note(session, is_whole(result.was[0]) ? SNAPSHOT_WHOLE : SNAPSHOT_TORN);
}

static void read_parts(struct session *session, struct edit *edit)
{
    struct result result;
    edit->change = NULL;
    edit->operators = NULL;
    edit->amount = 0;
    if (worker_apply(session, edit, &result) != DONE)
        return;
    if (!result.was[0])
        worker_note(session, SNAPSHOT_ABSENT);
    else
        worker_note(session, is_whole(result.was[0]) ? SNAPSHOT_WHOLE : SNAPSHOT_TORN);
}

static void snapshot_work(struct session *session, const struct cell *cell)
{
    bson_t operators = BSON_INITIALIZER, fields;
    struct edit edit = {.key = {{.collection = "records"}},
                        .count = 1,
                        .field = "a",
                        .base = EDIT_ANY,
                        .wait = true};
    BSON_APPEND_DOCUMENT_BEGIN(&operators, "$inc", &fields);
    append_parts(&fields, 1);
    bson_append_document_end(&operators, &fields);
    while (worker_next(session)) {
        edit.key[0].id = cell->docs > 1 ? session_random(session, cell->docs) : 0;
        if (session_random(session, 2) == 0)
            write_parts(session, &edit, &operators);
        else
            read_parts(session, &edit);
    }
    bson_destroy(&operators);
}

static void snapshot_judge(const struct record *record, struct verdict *verdict)
{
    checker_count(record, verdict);
    checker_snapshot(record, is_whole, verdict);
    checker_updates(record, verdict);
    if (verdict->counts.torn > 0)
        verdict->reason = REASON_TORN; /* says more than that updates were lost by it */
    checker_contention(record, verdict);
}

const struct scenario scenario_snapshot = {
    .name = "snapshot",
    .help = "readers look at documents whose numbers must agree while writers change them",
    .needs = CAN_CHANGE,
    .checks = 1u << LOST | 1u << DOUBLED | 1u << TORN,
    .operators = true,
    .restarts = true,
    .collection = "records",
    .field = "a",
    .documents = snapshot_documents,
    .seed = snapshot_seed,
    .work = snapshot_work,
    .judge = snapshot_judge,
};
