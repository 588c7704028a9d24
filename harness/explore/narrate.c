/* SPDX-License-Identifier: Apache-2.0
 *
 * narrate: see narrate.h. The table is laid out in two passes: first every cell as long as it would
 * like to be, which gives the columns their widths; then with those, where what is too long is cut
 * between two fields or ends in "...". Where the workers' columns would become too narrow to read,
 * they become one that says who.
 */
#include "narrate.h"

#include "human.h"
#include "narrate_document.h"
#include "scenario.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    NUMBER_WIDTH = 5,   /* "  1  " */
    MARKS = 4,          /* "> " before a cell, and the gap after it */
    DOCUMENT_MIN = 24,  /* of the documents' column */
    CELL_MAX = 40,      /* no cell of a worker is longer */
    DOCUMENT_MAX = 200, /* nor the documents' */
    ROW_BYTES = 1024,
};

/* What a scenario's workers make. */
static const char *noun(const struct cell *cell)
{
    static const char *const nouns[][2] = {
        {"counter", "increment"},   {"cron_tick", "tick"},  {"once_only", "order"},
        {"ticket_events", "event"}, {"stale_save", "save"}, {"snapshot", "update"},
        {"transfer", "transfer"},
    };
    for (size_t i = 0; i < COUNT_OF(nouns); i++)
        if (strcmp(cell->scenario->name, nouns[i][0]) == 0)
            return nouns[i][1];
    return "update";
}

/* Hints ---------------------------------------------------------------------------------------- */

static bool is_among(const char *name, const char *const names[])
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static bool has_fault(const struct trail *trail, enum move_kind kind)
{
    for (size_t i = 0; i < trail->count; i++)
        if (trail->entries[i].move.kind == kind)
            return true;
    return false;
}

static const char *hint_for_reason(const struct narrate_tale *tale)
{
    bool lost_reply = has_fault(tale->trail, MOVE_LOST);
    switch (tale->verdict->reason) {
    case REASON_DOUBLED_UPDATE:
        return lost_reply ? "Who does not know whether a write was applied must not send it again "
                            "unless the document can tell: keep the number of the last operation "
                            "applied in it (inc_once, occ_once)."
                          : "Let the document say which operation was applied last, and make that "
                            "part of the filter (inc_once, occ_once).";
    case REASON_REPEATED:
        return "Look and act must be one write: let a unique _id or a filter on the old state "
               "decide who does it, and do nothing unless that write was yours (claim).";
    case REASON_MISSED:
    case REASON_NEVER_ACKED:
        return "Whoever takes a thing must be followed by somebody if it dies or hears nothing: "
               "take it for a time (fenced_lease), and acknowledge what is done already.";
    case REASON_SKEWED:
        return "What was only read must not change before the write either: lock both documents "
               "in key order (lock_document), or read and write in one transaction.";
    case REASON_STUCK:
        return "Take several locks always in the same order, or give them a lease.";
    default:
        return "Put what was read into the filter of the write, and try again when nothing "
               "matched (occ).";
    }
}

const char *narrate_hint(const struct narrate_tale *tale)
{
    static const char *const blind[] = {"naive", NULL};
    static const char *const locks[] = {"lock_document", "lock_document_compat", "lock_release",
                                        "lock_release_compat", NULL};
    static const char *const objects[] = {"live_object", "live_object_compat", NULL};
    static const char *const in_place[] = {"file_naive", "file_lock_compat", NULL};
    const char *strategy = tale->cell->strategy[0]->name;
    enum reason reason = tale->verdict->reason;
    if (is_among(strategy, in_place))
        return "Write beside the file and rename, so that nobody finds half of it, and hold a lock "
               "from the read to the write that other instances respect (file_lock).";
    if (reason != REASON_LOST_UPDATE && reason != REASON_TORN)
        return hint_for_reason(tale);
    if (is_among(strategy, blind))
        return "Between a find and a save anybody may write: put the version that was read into "
               "the filter and try again (occ), or say the change as an operator (inc).";
    if (is_among(strategy, locks))
        return "A lease ends while its holder still believes in it: the write itself must ask for "
               "the lock, with its owner or a growing number in the filter (fenced_lease).";
    if (is_among(strategy, objects))
        return "An object in memory is one instance's own: others save over it unless the save "
               "has the version in its filter (occ).";
    return hint_for_reason(tale);
}

/* Sentences ------------------------------------------------------------------------------------ */

/* The first step by which an update was lost, or NULL. */
static const struct trail_entry *first_loss(const struct trail *trail)
{
    for (size_t i = 0; i < trail->count; i++)
        if (trail->entries[i].lost)
            return &trail->entries[i];
    return NULL;
}

static const struct witness *first_witness(const struct verdict *verdict)
{
    return verdict->witness_count > 0 ? &verdict->witnesses[0] : NULL;
}

/* "w0", "the seed". */
static struct human worker_name(int64_t operation)
{
    struct human name = {"the seed"};
    if (operation > 0)
        snprintf(name.text, sizeof(name.text), "w%" PRId32, OPERATION_WORKER(operation));
    return name;
}

/* "counters/0": what a move wrote to, else the document of the verdict's witness. */
static char *document_name(const struct narrate_tale *tale, const struct trail_entry *entry)
{
    const struct witness *witness = first_witness(tale->verdict);
    if (entry != NULL && entry->image_count > 0)
        return x_strdup(entry->images[0].name);
    return x_format("%s/%" PRId64, tale->cell->scenario->collection,
                    witness != NULL ? witness->key : 0);
}

static char *lost_sentence(const struct narrate_tale *tale)
{
    const struct trail_entry *loss = first_loss(tale->trail);
    const struct witness *witness = first_witness(tale->verdict);
    char *document = document_name(tale, loss), *sentence;
    if (loss != NULL)
        sentence = x_format("w%" PRId32 " saved over %s's %s of %s", loss->move.worker,
                            worker_name(loss->victim).text, noun(tale->cell), document);
    else if (witness != NULL && witness->culprit != 0)
        sentence = x_format("%s saved over %s's %s of %s", worker_name(witness->culprit).text,
                            worker_name(witness->victim).text, noun(tale->cell), document);
    else
        sentence = x_format("An acknowledged %s of %s is gone", noun(tale->cell), document);
    free(document);
    return sentence;
}

static char *torn_sentence(const struct narrate_tale *tale)
{
    const struct witness *witness = first_witness(tale->verdict);
    char *document = document_name(tale, NULL), *sentence;
    if (witness != NULL && witness->victim != 0 && witness->culprit != 0)
        sentence = x_format("%s saw half of %s's %s of %s", worker_name(witness->victim).text,
                            worker_name(witness->culprit).text, noun(tale->cell), document);
    else if (witness != NULL && witness->victim != 0)
        sentence = x_format("%s saw half of an %s of %s", worker_name(witness->victim).text,
                            noun(tale->cell), document);
    else
        sentence = x_format("%s is torn at the end", document);
    free(document);
    return sentence;
}

static char *repeated_sentence(const struct narrate_tale *tale)
{
    const struct witness *witness = first_witness(tale->verdict);
    const char *what = noun(tale->cell);
    if (witness == NULL || witness->victim == 0 || witness->culprit == 0)
        return x_format("The same %s was done twice", what);
    if (OPERATION_WORKER(witness->victim) == OPERATION_WORKER(witness->culprit))
        return x_format("%s did the same %s twice", worker_name(witness->victim).text, what);
    return x_format("%s and %s both did the same %s", worker_name(witness->victim).text,
                    worker_name(witness->culprit).text, what);
}

char *narrate_sentence(const struct narrate_tale *tale)
{
    const struct witness *witness = first_witness(tale->verdict);
    switch (tale->verdict->reason) {
    case REASON_LOST_UPDATE:
    case REASON_NOT_LINEARIZABLE:
        return lost_sentence(tale);
    case REASON_DOUBLED_UPDATE:
        return x_format("%s's %s was applied twice",
                        witness != NULL ? worker_name(witness->victim).text : "One worker",
                        noun(tale->cell));
    case REASON_REPEATED:
        return repeated_sentence(tale);
    case REASON_MISSED:
        return x_format("A %s that was asked for was never done", noun(tale->cell));
    case REASON_TORN:
        return torn_sentence(tale);
    case REASON_SKEWED:
        if (witness == NULL || witness->culprit == 0)
            return x_strdup("A rule over two documents is broken, though each write kept it");
        return x_format("%s decided on what %s was changing: the rule over two documents is broken",
                        worker_name(witness->victim).text, worker_name(witness->culprit).text);
    case REASON_STUCK:
        return tale->stuck != NULL ? x_format("Nobody can go on: %s", tale->stuck)
                                   : x_strdup("Nobody can go on");
    default:
        return x_strdup(reason_help(tale->verdict->reason));
    }
}

char *narrate_title(const struct narrate_tale *tale)
{
    char *finding = x_strdup(reason_name(tale->verdict->reason));
    for (char *at = finding; *at != '\0'; at++)
        if (*at == '-')
            *at = ' ';
    char *title =
        x_format("%s with %s, %s: %s", tale->cell->scenario->name, tale->cell->strategy_name,
                 human_counted(tale->trail->workers, "worker").text, finding);
    free(finding);
    return title;
}

/* The table ------------------------------------------------------------------------------------ */

/* How it is laid out. */
struct layout {
    const struct narrate_tale *tale;
    struct narrate_documents *documents;
    bool together;      /* all workers in one column */
    int worker_columns; /* 1 when together */
    int worker_width, document_width, margin_width, columns;
};

/* What a fault adds to a step. */
static const char *fault_words(enum move_kind kind)
{
    switch (kind) {
    case MOVE_LOST:
        return ", reply lost";
    case MOVE_DROP:
        return ": never arrived";
    case MOVE_ERROR:
        return ": refused";
    default:
        return "";
    }
}

/* A worker's cell: "find {n: 0}", "update, reply lost", "CRASH". The caller frees it. */
static char *worker_cell(const struct layout *layout, const struct trail_entry *entry, int width)
{
    const struct move *move = &entry->move;
    if (move->kind == MOVE_CRASH)
        return move->amount > 0 ? x_format("CRASH, %" PRId64 " bytes written", move->amount)
                                : x_strdup("CRASH");
    if (move->kind != MOVE_STEP && move->kind != MOVE_LOST && move->kind != MOVE_DROP &&
        move->kind != MOVE_ERROR) {
        char *text = move_text(move), *rest = strchr(text, ' ');
        char *cell =
            x_format("%.*s%s", (int)(rest != NULL ? rest - text : 0), text,
                     rest != NULL && strchr(rest + 1, ' ') != NULL ? strchr(rest + 1, ' ') : "");
        free(text);
        return cell;
    }
    char *step = x_format("%s%s", step_kind_name(move->step), fault_words(move->kind));
    int left = width - (int)strlen(step) - 1;
    char *returned = NULL;
    if (entry->returned != NULL && left > 3)
        returned = narrate_returned(layout->documents, entry, left);
    bool odd = move->kind == MOVE_STEP && entry->reply != DONE && entry->reply != NOTHING;
    const char *answer = odd ? outcome_name(entry->reply) : NULL;
    char *cell = returned != NULL ? x_format("%s %s", step, returned)
                 : answer != NULL ? x_format("%s: %s", step, answer)
                                  : x_strdup(step);
    free(returned);
    free(step);
    return cell;
}

/* What stands in the margin, or NULL: the lost operation; an operation that ended otherwise than
 * well. */
static char *margin(const struct layout *layout, const struct trail_entry *entry)
{
    if (entry->lost)
        return x_format("LOST: %s's %s", worker_name(entry->victim).text, noun(layout->tale->cell));
    if (entry->settled && entry->outcome != DONE)
        return x_format("w%" PRId32 ": %s", entry->move.worker, outcome_name(entry->outcome));
    return NULL;
}

static int longer(int length, const char *text)
{
    int other = text != NULL ? (int)strlen(text) : 0;
    return other > length ? other : length;
}

/* How long the cells would like to be. */
struct wishes {
    int worker, name, document, margin; /* `name`: a worker's cell without what was returned */
};

static void wish_images(const struct layout *layout, const struct trail_image *images, size_t count,
                        struct wishes *wishes)
{
    for (size_t i = 0; i < count; i++) {
        char *text = narrate_image(layout->documents, &images[i], DOCUMENT_MAX);
        wishes->document = longer(wishes->document, text);
        free(text);
    }
}

static struct wishes make_wishes(const struct layout *layout)
{
    const struct trail *trail = layout->tale->trail;
    struct wishes wishes = {2, 2, 8, 0};
    wishes.document = longer(wishes.document, narrate_heading(layout->documents));
    wish_images(layout, trail->first, trail->first_count, &wishes);
    for (size_t i = 0; i < trail->count; i++) {
        const struct trail_entry *entry = &trail->entries[i];
        wish_images(layout, entry->images, entry->image_count, &wishes);
        if (entry->move.worker == STEP_NOBODY)
            continue;
        char *cell = worker_cell(layout, entry, CELL_MAX), *name = worker_cell(layout, entry, 0);
        char *aside = margin(layout, entry);
        wishes.worker = longer(wishes.worker, cell);
        wishes.name = longer(wishes.name, name);
        wishes.margin = longer(wishes.margin, aside);
        free(cell);
        free(name);
        free(aside);
    }
    return wishes;
}

/* Shares out the columns of the page when the margin takes so many of them. */
static void share_out(struct layout *layout, const struct wishes *wishes, int margin_width)
{
    enum { WHO = 6, GAP = 2 };
    int workers = layout->tale->trail->workers > 0 ? layout->tale->trail->workers : 1;
    int room = layout->columns - NUMBER_WIDTH - margin_width;
    int least = wishes->document < DOCUMENT_MIN ? wishes->document : DOCUMENT_MIN;
    int worker = wishes->worker + MARKS + GAP;
    if (worker * workers > room - least)
        worker = (room - least) / workers;
    layout->together = worker < wishes->name + MARKS;
    layout->worker_columns = layout->together ? 1 : workers;
    if (layout->together) {
        worker = wishes->worker + MARKS + WHO;
        if (worker > room - least)
            worker = room - least;
    }
    layout->worker_width = worker;
    int left = room - layout->worker_columns * worker;
    layout->document_width = wishes->document < left ? wishes->document : left;
    layout->margin_width = margin_width;
}

/* The margin goes below its lines where the workers would otherwise lose their columns. */
static void lay_out(struct layout *layout)
{
    struct wishes wishes = make_wishes(layout);
    share_out(layout, &wishes, wishes.margin > 0 ? wishes.margin + 2 : 0);
    if (layout->together && wishes.margin > 0) {
        share_out(layout, &wishes, 0);
        if (layout->together)
            share_out(layout, &wishes, wishes.margin + 2);
    }
}

/* Prints without blanks at the end. */
static void print_line(FILE *out, char *line)
{
    size_t length = strlen(line);
    while (length > 0 && line[length - 1] == ' ')
        line[--length] = '\0';
    fprintf(out, "%s\n", line);
}

/* A line of the table. Unset members are empty. */
struct row {
    const char *number, *cells, *document, *aside;
};

static const char *filled(const char *text)
{
    return text != NULL ? text : "";
}

static void print_row(const struct layout *layout, const struct row *row, FILE *out)
{
    char line[ROW_BYTES];
    snprintf(line, sizeof(line), "%*s  %-*s%-*s%s%s", NUMBER_WIDTH - 2, filled(row->number),
             layout->worker_columns * layout->worker_width, filled(row->cells),
             layout->document_width, filled(row->document), row->aside != NULL ? "  " : "",
             filled(row->aside));
    print_line(out, line);
}

static void print_rule(const struct layout *layout, const char *words, FILE *out)
{
    char line[ROW_BYTES];
    int width = NUMBER_WIDTH + layout->worker_columns * layout->worker_width +
                layout->document_width + layout->margin_width;
    width = width < layout->columns ? width : layout->columns;
    int length = snprintf(line, sizeof(line), "---- %s ", words);
    while (length < width && length < (int)sizeof(line) - 1)
        line[length++] = '-';
    line[length] = '\0';
    fprintf(out, "%s\n", line);
}

/* Documents in lines of their own. */
static void print_images(const struct layout *layout, const struct trail_image *images,
                         size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        char *text = narrate_image(layout->documents, &images[i], layout->document_width);
        if (text != NULL)
            print_row(layout, &(struct row){.document = text}, out);
        free(text);
    }
}

static void print_head(const struct layout *layout, FILE *out)
{
    const struct trail *trail = layout->tale->trail;
    char cells[ROW_BYTES] = "";
    for (int32_t w = 0; w < layout->worker_columns; w++) {
        char name[24];
        if (layout->together)
            snprintf(name, sizeof(name), "  worker");
        else
            snprintf(name, sizeof(name), "  w%" PRId32, w);
        size_t used = strlen(cells);
        snprintf(cells + used, sizeof(cells) - used, "%-*s", layout->worker_width, name);
    }
    char *heading = x_format("%.*s", layout->document_width, narrate_heading(layout->documents));
    print_row(layout, &(struct row){.cells = cells, .document = heading}, out);
    free(heading);
    print_images(layout, trail->first, trail->first_count, out);
}

/* A move of the clock or of the engine, which no worker makes. */
static void print_event(const struct layout *layout, const struct trail_entry *entry, FILE *out)
{
    char *text = move_text(&entry->move);
    char *words = entry->move.kind == MOVE_CLOCK ? x_format("the clock moves by %s", text + 1)
                                                 : x_strdup("the engine restarts");
    print_rule(layout, words, out);
    free(words);
    free(text);
}

static void print_entry(const struct layout *layout, size_t i, bool switched, FILE *out)
{
    const struct trail_entry *entry = &layout->tale->trail->entries[i];
    char number[24], cells[ROW_BYTES];
    char who[24] = "";
    if (layout->together)
        snprintf(who, sizeof(who), "w%-4" PRId32 " ", entry->move.worker);
    int width = layout->worker_width - MARKS - (int)strlen(who);
    char *cell = worker_cell(layout, entry, width);
    char *document = entry->image_count > 0 ? narrate_image(layout->documents, &entry->images[0],
                                                            layout->document_width)
                                            : NULL;
    char *aside = margin(layout, entry);
    int column = layout->together ? 0 : entry->move.worker;
    snprintf(number, sizeof(number), "%zu", i + 1);
    snprintf(cells, sizeof(cells), "%*s%s %s%.*s", column * layout->worker_width, "",
             switched ? ">" : " ", who, width > 0 ? width : 0, cell);
    bool below = aside != NULL && layout->margin_width == 0;
    print_row(layout, &(struct row){number, cells, document, below ? NULL : aside}, out);
    if (entry->image_count > 1)
        print_images(layout, entry->images + 1, entry->image_count - 1, out);
    if (below) {
        char *note = x_format("^ %s", aside);
        print_row(layout, &(struct row){.document = note}, out);
        free(note);
    }
    free(cell);
    free(document);
    free(aside);
}

static void print_table(const struct layout *layout, FILE *out)
{
    const struct trail *trail = layout->tale->trail;
    int32_t last = STEP_NOBODY;
    print_head(layout, out);
    for (size_t i = 0; i < trail->count; i++) {
        const struct trail_entry *entry = &trail->entries[i];
        int32_t worker = entry->move.worker;
        if (i == trail->no_return)
            print_rule(layout, "from here on every continuation fails", out);
        if (worker == STEP_NOBODY) {
            print_event(layout, entry, out);
            continue;
        }
        print_entry(layout, i, last != STEP_NOBODY && worker != last, out);
        last = worker;
    }
}

void narrate(const struct narrate_tale *tale, int columns, FILE *out)
{
    struct layout layout = {.tale = tale, .columns = columns};
    layout.documents = narrate_documents_new(tale->trail);
    char *sentence = narrate_sentence(tale), *ended = x_format("%s.", sentence);
    human_wrap(out, ended, columns, 0, 0);
    fputc('\n', out);
    lay_out(&layout);
    print_table(&layout, out);
    fputc('\n', out);
    human_wrap(out, narrate_hint(tale), columns, 0, 0);
    free(ended);
    free(sentence);
    narrate_documents_free(layout.documents);
}
