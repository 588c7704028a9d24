/* SPDX-License-Identifier: Apache-2.0
 *
 * narrate: see narrate.h. The table is laid out in two passes: first every cell as long as it would
 * like to be, which gives the columns their widths; then with those, where what is too long is cut
 * between two fields or ends in "...". Workers' cells give way before the documents do, since what
 * a step read can be seen in the row that wrote it; where they would become too narrow to read,
 * they become one column that says who. Left out: entries into an instance, at which nothing
 * happens; draws that follow each other share a row; rows that come again and again (polling) are
 * told once, and how often. The numbers are those of the schedule's moves all the same.
 */
#include "narrate.h"

#include "human.h"
#include "narrate_document.h"
#include "narrate_words.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    NUMBER_WIDTH = 5,   /* "  1  " */
    MARKS = 4,          /* "> " before a cell, and the gap after it */
    DOCUMENT_MIN = 24,  /* of the documents' column */
    CELL_MAX = 40,      /* no cell of a worker is longer */
    DOCUMENT_MAX = 200, /* nor the documents' */
    PERIOD_MAX = 16,    /* rows that repeat together */
    ROW_BYTES = 1024,
};

/* How it is laid out. */
struct layout {
    const struct narrate_tale *tale;
    struct narrate_documents *documents;
    bool targets;       /* steps say which collection or file */
    bool together;      /* all workers in one column */
    int worker_columns; /* 1 when together */
    int worker_width, document_width, margin_width, columns;
};

/* What a fault adds to a step. */
static const char *fault_words(const struct move *move)
{
    switch (move->kind) {
    case MOVE_LOST:
        return move->amount == MOVE_ONCE ? ", reply lost, sent again" : ", reply lost";
    case MOVE_RESTART_DURING:
        return ", engine restarts";
    case MOVE_DROP:
        return ": never arrived";
    case MOVE_ERROR:
        return ": refused";
    default:
        return "";
    }
}

/* Steps that go to one collection or file among others. */
static bool has_target(enum step_kind step)
{
    return step <= STEP_FIND_AND_MODIFY || (step >= STEP_READ_FILE && step <= STEP_UNLOCK_FILE);
}

/* How many draws of one worker begin here, of which only the first gets a row; else 1. */
static size_t draws_from(const struct trail *trail, size_t i)
{
    size_t count = 1;
    const struct trail_entry *first = &trail->entries[i];
    if (first->move.kind != MOVE_STEP || first->move.step != STEP_RANDOM)
        return 1;
    for (; i + count < trail->count && i + count != trail->no_return; count++) {
        const struct trail_entry *next = first + count;
        if (next->move.kind != MOVE_STEP || next->move.step != STEP_RANDOM ||
            next->move.worker != first->move.worker)
            break;
    }
    return count;
}

/* "random 0 1 0" */
static char *draws_text(const struct trail_entry *entry, size_t count)
{
    char *text = x_strdup("random");
    for (size_t i = 0; i < count; i++) {
        char *longer = x_format("%s %s", text, entry[i].returned != NULL ? entry[i].returned : "?");
        free(text);
        text = longer;
    }
    return text;
}

/* A fault that is no step: "CRASH", "PAUSE of 45s", "skew +31s". */
static char *fault_cell(const struct layout *layout, const struct trail_entry *entry)
{
    const struct move *move = &entry->move;
    int64_t before_ms = entry == layout->tale->trail->entries ? 0 : entry[-1].clock_ms;
    if (move->kind == MOVE_CRASH)
        return move->amount > 0 ? x_format("CRASH, %" PRId64 " bytes written", move->amount)
                                : x_strdup("CRASH");
    if (move->kind == MOVE_PAUSE)
        return entry->clock_ms > before_ms
                   ? x_format("PAUSE of %s",
                              human_option((entry->clock_ms - before_ms) * 1000).text)
                   : x_strdup("PAUSE");
    char *text = move_text(move), *who = strchr(text, ' ');
    const char *amount = who != NULL ? strchr(who + 1, ' ') : NULL;
    char *cell =
        x_format("%.*s%s", (int)(who != NULL ? who - text : 0), text, amount != NULL ? amount : "");
    free(text);
    return cell;
}

/* What a step answered, as far as the documents' column does not show it: " {n: 0}", ": nothing",
 * ": conflict", "". */
static char *answer_text(const struct layout *layout, const struct trail_entry *entry, int left)
{
    static const char none_matched[] = "matched 0";
    const struct move *move = &entry->move;
    bool told = move->step == STEP_FIND || move->step == STEP_READ_FILE || move->step == STEP_NOW;
    if (move->kind != MOVE_STEP)
        return x_strdup("");
    if (entry->reply != DONE && entry->reply != NOTHING)
        return x_format(": %s", outcome_name(entry->reply));
    if (told && entry->returned != NULL) {
        char *returned = left > 3 ? narrate_returned(layout->documents, entry, left - 1) : NULL;
        char *text = returned != NULL ? x_format(" %s", returned) : x_strdup("");
        free(returned);
        return text;
    }
    if (move->step == STEP_FIND && entry->operation >= 0)
        return x_strdup(": nothing");
    if (entry->returned != NULL && !entry->wrote &&
        strncmp(entry->returned, none_matched, sizeof(none_matched) - 1) == 0)
        return x_strdup(": no match");
    return x_strdup("");
}

/* A worker's cell: "find counters {n: 0}", "update, reply lost", "CRASH". The caller frees it. */
static char *worker_cell(const struct layout *layout, const struct trail_entry *entry, int width)
{
    const struct move *move = &entry->move;
    const struct trail *trail = layout->tale->trail;
    size_t draws = draws_from(trail, (size_t)(entry - trail->entries));
    if (move->kind != MOVE_STEP && !move_is_faulty_step(move))
        return fault_cell(layout, entry);
    if (move->kind == MOVE_STEP && move->step == STEP_RANDOM)
        return draws_text(entry, draws);
    bool named = layout->targets && has_target(move->step) && entry->target[0] != '\0';
    char *step = x_format("%s%s%s%s", step_kind_name(move->step), named ? " " : "",
                          named ? entry->target : "", fault_words(move));
    char *answer = answer_text(layout, entry, width - (int)strlen(step));
    char *cell = x_format("%s%s", step, answer);
    free(answer);
    free(step);
    return cell;
}

/* Nothing to see: an entry into an instance; a draw that stands in the row of the one before. */
static bool is_hidden(const struct layout *layout, size_t i)
{
    const struct trail *trail = layout->tale->trail;
    const struct trail_entry *entry = &trail->entries[i];
    if (entry->move.kind != MOVE_STEP || (entry->settled && entry->outcome != DONE) ||
        entry->image_count > 0)
        return false;
    return entry->move.step == STEP_ENTER ||
           (entry->move.step == STEP_RANDOM && i > 0 && draws_from(trail, i - 1) > 1);
}

/* Do the steps go to several places, so that each says where? */
static bool goes_to_several(const struct trail *trail)
{
    const char *first = NULL;
    for (size_t i = 0; i < trail->count; i++) {
        const struct trail_entry *entry = &trail->entries[i];
        bool step = entry->move.kind == MOVE_STEP || move_is_faulty_step(&entry->move);
        if (!step || entry->target[0] == '\0' || !has_target(entry->move.step))
            continue;
        if (first != NULL && strcmp(first, entry->target) != 0)
            return true;
        first = entry->target;
    }
    return false;
}

/* Repetition ----------------------------------------------------------------------------------- */

static bool same_row(const struct trail_entry *a, const struct trail_entry *b)
{
    return move_equal(&a->move, &b->move) && a->settled == b->settled && a->outcome == b->outcome &&
           a->reply == b->reply && a->wrote == b->wrote && !b->lost;
}

/* How often the `period` rows before row i come again from there on. */
static size_t times_again(const struct trail *trail, size_t i, size_t period)
{
    size_t again = 0;
    if (i < period)
        return 0;
    for (size_t at = i; at < trail->count && at != trail->no_return; at++) {
        if (!same_row(&trail->entries[at - period], &trail->entries[at]))
            break;
        if ((at + 1 - i) % period == 0)
            again++;
    }
    return again;
}

/* The period that leaves out most rows from row i on, and how often it comes again; 0: none. */
static size_t find_period(const struct trail *trail, size_t i, size_t *again)
{
    size_t best = 0;
    *again = 0;
    for (size_t period = 3; period <= PERIOD_MAX; period++) {
        size_t times = times_again(trail, i, period);
        if (times >= 2 && times * period > *again * best) {
            best = period;
            *again = times;
        }
    }
    return best;
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
        if (entry->move.worker == STEP_NOBODY || is_hidden(layout, i))
            continue;
        char *cell = worker_cell(layout, entry, CELL_MAX), *name = worker_cell(layout, entry, 0);
        char *aside = narrate_margin(layout->tale, entry);
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
    enum { WHO = 6 };
    int workers = layout->tale->trail->workers > 0 ? layout->tale->trail->workers : 1;
    int room = layout->columns - NUMBER_WIDTH - margin_width;
    int least = wishes->document < DOCUMENT_MIN ? wishes->document : DOCUMENT_MIN;
    int name = wishes->name + MARKS, worker = wishes->worker + MARKS;
    if (worker * workers > room - wishes->document)
        worker = (room - wishes->document) / workers;
    if (worker < name)
        worker = name;
    layout->together = worker * workers > room - least;
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

/* The margin goes below its lines where otherwise something would be cut, or the workers lose
 * their columns. */
static void lay_out(struct layout *layout)
{
    struct wishes wishes = make_wishes(layout);
    int margin_width = wishes.margin > 0 ? wishes.margin + 2 : 0;
    share_out(layout, &wishes, margin_width);
    bool whole =
        layout->document_width == wishes.document && layout->worker_width >= wishes.worker + MARKS;
    if (margin_width == 0 || (!layout->together && whole))
        return;
    share_out(layout, &wishes, 0);
    if (layout->together)
        share_out(layout, &wishes, margin_width);
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
    char *aside = narrate_margin(layout->tale, entry);
    int column = layout->together ? 0 : entry->move.worker;
    snprintf(number, sizeof(number), "%zu", i + 1);
    snprintf(cells, sizeof(cells), "%*s%s %s%.*s", column * layout->worker_width, "",
             switched ? ">" : " ", who, width > 0 ? width : 0, cell);
    bool below = aside != NULL && layout->margin_width == 0 && document != NULL;
    bool in_place = aside != NULL && layout->margin_width == 0 && document == NULL;
    print_row(layout,
              &(struct row){number, cells, in_place ? aside : document,
                            below || in_place ? NULL : aside},
              out);
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

/* Rows from i on that only repeat those before: one line for all. Returns how many. */
static size_t print_again(const struct layout *layout, size_t i, FILE *out)
{
    size_t again, period = find_period(layout->tale->trail, i, &again);
    if (period == 0)
        return 0;
    char *words = x_format("%zu to %zu again and again, %zu times more, up to %zu", i + 1 - period,
                           i, again, i + again * period);
    print_rule(layout, words, out);
    free(words);
    return again * period;
}

static void print_table(const struct layout *layout, FILE *out)
{
    const struct trail *trail = layout->tale->trail;
    int32_t last = STEP_NOBODY;
    size_t end = trail->count; /* of the rows that are shown */
    while (end > 0 && trail->entries[end - 1].move.worker != STEP_NOBODY &&
           is_hidden(layout, end - 1))
        end--;
    print_head(layout, out);
    for (size_t i = 0; i < trail->count; i++) {
        const struct trail_entry *entry = &trail->entries[i];
        int32_t worker = entry->move.worker;
        if (i == trail->no_return && i < end)
            print_rule(layout, "from here on every continuation fails", out);
        size_t repeated = print_again(layout, i, out);
        if (repeated > 0) {
            i += repeated - 1;
            continue;
        }
        if (worker == STEP_NOBODY)
            print_event(layout, entry, out);
        if (worker == STEP_NOBODY || is_hidden(layout, i))
            continue;
        print_entry(layout, i, last != STEP_NOBODY && worker != last, out);
        last = worker;
    }
}

void narrate(const struct narrate_tale *tale, int columns, FILE *out)
{
    struct layout layout = {.tale = tale,
                            .targets = goes_to_several(tale->trail),
                            .columns = columns};
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
