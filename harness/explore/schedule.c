/* SPDX-License-Identifier: Apache-2.0
 *
 * schedule: see schedule.h. The parser walks over the text once, byte by byte, and knows the line
 * it is in; a move that takes several words ("crash w0 keeping 5") asks for its next word, and
 * complains at the line where that should have been. Input is somebody else's: words are quoted
 * cut and cleaned, numbers are bounded, and a file is never read beyond SCHEDULE_BYTES_MAX.
 */
#include "schedule.h"

#include "human.h"
#include "option_values.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 80 };
/* Longer clock moves than this are a mistake: a year. */
#define CLOCK_MS_MAX INT64_C(31536000000)

/* What a kind of move is called and what it takes. */
static const struct {
    const char *word; /* NULL: it is not begun by a word */
    bool worker, step, skew;
} forms[MOVE_KIND_COUNT] = {
    [MOVE_STEP] = {NULL, true, true, false},
    [MOVE_CLOCK] = {NULL, false, false, false},
    [MOVE_LOST] = {"lost", true, true, false},
    [MOVE_DROP] = {"drop", true, true, false},
    [MOVE_ERROR] = {"error", true, true, false},
    [MOVE_RESTART_DURING] = {"restart during", true, true, false},
    [MOVE_CRASH] = {"crash", true, false, false},
    [MOVE_PAUSE] = {"pause", true, false, false},
    [MOVE_SKEW] = {"skew", true, false, true},
    [MOVE_BOOT] = {"boot", true, false, false},
    [MOVE_DUPLICATE] = {"duplicate", true, false, false},
    [MOVE_REORDER] = {"reorder", true, false, false},
    [MOVE_RESTART] = {"restart", false, false, false},
};

/* The text and where in it the parser is. */
struct reader {
    const char *file, *at, *end;
    int line;
};

/* A word of the text. */
struct word {
    const char *text;
    size_t length;
    int line;
};

/* A complaint. */
static char *at_line(const struct reader *reader, int line, char *what)
{
    char *problem = x_format("%s:%d: %s", reader->file, line, what);
    free(what);
    return problem;
}

/* A word as it may be shown: printable ASCII, not too long. The caller frees it. */
static char *shown(const char *text, size_t length)
{
    enum { SHOWN = 40 };
    size_t kept = length < SHOWN ? length : SHOWN;
    char *copy = x_format("%.*s%s", (int)kept, text, length > SHOWN ? "..." : "");
    for (char *at = copy; *at != '\0'; at++)
        if (!isprint((unsigned char)*at))
            *at = '?';
    return copy;
}

static char *refuse(const struct reader *reader, const struct word *word, const char *advice)
{
    char *text = shown(word->text, word->length);
    char *problem = at_line(reader, word->line, x_format("'%s': %s", text, advice));
    free(text);
    return problem;
}

/* Only text: a zero or another control byte is a sign of a foreign file. */
static char *check_bytes(const char *file, const char *text, size_t length)
{
    int line = 1;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '\n')
            line++;
        else if ((byte < ' ' && byte != '\t' && byte != '\r') || byte == 0x7f)
            return x_format("%s:%d: byte 0x%02x: this is no text; a schedule is a short text file "
                            "as 'racebench explore' writes it",
                            file, line, byte);
    }
    return NULL;
}

/* Skips white space and comments; false at the end of the text. */
static bool skip(struct reader *reader)
{
    while (reader->at < reader->end) {
        if (*reader->at == '#')
            while (reader->at < reader->end && *reader->at != '\n')
                reader->at++;
        else if (!isspace((unsigned char)*reader->at))
            return true;
        else if (*reader->at++ == '\n')
            reader->line++;
    }
    return false;
}

static bool next_word(struct reader *reader, struct word *word)
{
    *word = (struct word){reader->at, 0, reader->line};
    if (!skip(reader))
        return false;
    *word = (struct word){reader->at, 0, reader->line};
    while (reader->at < reader->end && !isspace((unsigned char)*reader->at) && *reader->at != '#')
        reader->at++;
    word->length = (size_t)(reader->at - word->text);
    return true;
}

static bool word_is(const struct word *word, const char *text)
{
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

/* Digits up to `limit`; the bytes used, or 0 when there are none or the number is too large. */
static size_t read_number(const char *text, size_t length, int64_t limit, int64_t *number)
{
    size_t used = 0;
    for (*number = 0; used < length && isdigit((unsigned char)text[used]); used++) {
        *number = *number * 10 + (text[used] - '0');
        if (*number > limit)
            return 0;
    }
    return used > 1 && text[0] == '0' ? 0 : used; /* one way to write a number */
}

static bool find_step(const char *text, size_t length, enum step_kind *step)
{
    for (int kind = 0; kind < STEP_KIND_COUNT; kind++) {
        const char *name = step_kind_name((enum step_kind)kind);
        if (strlen(name) == length && memcmp(name, text, length) == 0) {
            *step = (enum step_kind)kind;
            return true;
        }
    }
    return false;
}

/* All names of steps, for whoever wrote another. The caller frees it. */
static char *step_names(void)
{
    char *names = x_strdup("");
    for (int kind = 0; kind < STEP_KIND_COUNT; kind++) {
        char *longer =
            x_format("%s%s%s", names, kind > 0 ? " " : "", step_kind_name((enum step_kind)kind));
        free(names);
        names = longer;
    }
    return names;
}

/* "w0", with `step` also "w0.find", and where draws are known "w0.random=3". */
static char *read_target(const struct reader *reader, const struct word *word, bool step,
                         struct move *move)
{
    int64_t worker = 0;
    size_t used = 1;
    if (word->length > 0 && word->text[0] == 'w')
        used += read_number(word->text + 1, word->length - 1, SCHEDULE_WORKERS_MAX - 1, &worker);
    if (used == 1)
        return refuse(reader, word,
                      step ? "not a step; write w0.find: worker 0 does a find"
                           : "not a worker; write w0 for worker 0");
    move->worker = (int32_t)worker;
    if (!step)
        return used == word->length ? NULL : refuse(reader, word, "not a worker; write just w0");
    if (used == word->length || word->text[used] != '.')
        return refuse(reader, word, "which step of the worker? write w0.find");
    const char *name = word->text + used + 1;
    size_t length = word->length - used - 1;
    const char *drawn = memchr(name, '=', length);
    size_t name_length = drawn != NULL ? (size_t)(drawn - name) : length;
    if (!find_step(name, name_length, &move->step)) {
        char *names = step_names(), *advice = x_format("no such step; there are: %s", names);
        char *problem = refuse(reader, word, advice);
        free(names);
        free(advice);
        return problem;
    }
    size_t digits = length - name_length - 1;
    if (drawn != NULL && (move->kind != MOVE_STEP || digits == 0 ||
                          read_number(drawn + 1, digits, INT64_MAX / 16, &move->amount) != digits))
        return refuse(reader, word, "after '=' stands the number that was drawn: w0.random=3");
    return NULL;
}

/* "+30s". */
static char *read_clock(const struct reader *reader, const struct word *word, struct move *move)
{
    char *text = x_strndup(word->text + 1, word->length - 1);
    const char *problem = option_value_duration(text, 1000000, &move->amount);
    free(text);
    if (problem == NULL && (move->amount < 1 || move->amount > CLOCK_MS_MAX))
        problem = "must be from 1ms to 8760h";
    return problem != NULL ? refuse(reader, word, problem) : NULL;
}

/* The word after `before`, which takes one. */
static char *need_word(struct reader *reader, const struct word *before, const char *what,
                       struct word *word)
{
    if (next_word(reader, word))
        return NULL;
    char *advice = x_format("the schedule ends here; %s must follow", what);
    char *problem = refuse(reader, before, advice);
    free(advice);
    return problem;
}

/* Is this the next word? Then it is taken, into `word`. */
static bool take_word(struct reader *reader, const char *text, struct word *word)
{
    struct reader ahead = *reader;
    if (!next_word(&ahead, word) || !word_is(word, text))
        return false;
    *reader = ahead;
    return true;
}

/* "keeping 5" after a crash, if it is there. */
static char *read_kept(struct reader *reader, struct move *move)
{
    struct word keeping, number;
    if (!take_word(reader, "keeping", &keeping))
        return NULL;
    char *problem = need_word(reader, &keeping, "a number of bytes", &number);
    if (problem == NULL && (number.length == 0 || read_number(number.text, number.length, INT32_MAX,
                                                              &move->amount) != number.length))
        problem = refuse(reader, &number, "not a number of bytes; write crash w0 keeping 5");
    return problem;
}

/* How far a clock is ahead, after skew. */
static char *read_skew(struct reader *reader, const struct word *before, struct move *move)
{
    struct word word;
    char *problem = need_word(reader, before, "a time", &word);
    if (problem == NULL)
        problem = word.text[0] == '+' ? read_clock(reader, &word, move)
                                      : refuse(reader, &word, "not a time; write skew w1 +31s");
    return problem;
}

static char *read_move(struct reader *reader, const struct word *first, struct move *move)
{
    struct word word = *first;
    char *problem = NULL;
    *move = (struct move){MOVE_STEP, STEP_NOBODY, STEP_FIND, MOVE_PLAIN, first->line};
    if (first->text[0] == '+') {
        move->kind = MOVE_CLOCK;
        return read_clock(reader, first, move);
    }
    for (int kind = 0; kind < MOVE_KIND_COUNT; kind++)
        if (forms[kind].word != NULL && word_is(first, forms[kind].word))
            move->kind = (enum move_kind)kind;
    if (move->kind == MOVE_STEP && first->text[0] != 'w')
        return refuse(reader, first,
                      "no move of a schedule; there are steps (w0.find), clock moves (+30s) and "
                      "faults: lost, drop, error, crash, pause, skew, boot, duplicate, reorder, "
                      "restart");
    if (move->kind == MOVE_RESTART && !take_word(reader, "during", &word))
        return NULL;
    if (move->kind == MOVE_RESTART)
        move->kind = MOVE_RESTART_DURING;
    if (move->kind != MOVE_STEP)
        problem = need_word(reader, &word, forms[move->kind].step ? "a step" : "a worker", &word);
    if (problem == NULL)
        problem = read_target(reader, &word, forms[move->kind].step, move);
    if (problem == NULL && move->kind == MOVE_LOST && take_word(reader, "once", &word))
        move->amount = MOVE_ONCE;
    if (problem == NULL && move->kind == MOVE_CRASH)
        problem = read_kept(reader, move);
    if (problem == NULL && move->kind == MOVE_SKEW)
        problem = read_skew(reader, &word, move);
    return problem;
}

/* Splits options into words as a shell does, as far as human_shell_word() writes them. NULL when a
 * quote is not closed. */
static char **split(const char *text, size_t *count)
{
    char **words = NULL;
    size_t capacity = 0;
    *count = 0;
    for (const char *at = text; *at != '\0';) {
        if (*at == ' ' || *at == '\t' || *at == '\r') {
            at++;
            continue;
        }
        char *word = x_malloc(strlen(at) + 1);
        size_t length = 0;
        bool quoted = false;
        for (; *at != '\0' && (quoted || strchr(" \t\r", *at) == NULL); at++) {
            if (*at == '\'')
                quoted = !quoted;
            else if (!quoted && *at == '\\' && at[1] != '\0')
                word[length++] = *++at;
            else
                word[length++] = *at;
        }
        word[length] = '\0';
        size_t place = array_grow((void **)&words, count, &capacity, sizeof(*words));
        words[place] = word;
        if (quoted) {
            schedule_words_free(words, *count);
            return NULL;
        }
    }
    return words != NULL ? words : x_calloc(1, sizeof(*words));
}

/* The rest of a line "cell: ...". */
static char *read_cell(struct reader *reader, struct schedule *schedule)
{
    const char *begin = reader->at;
    bool quoted = false;
    for (; reader->at < reader->end && *reader->at != '\n'; reader->at++) {
        if (*reader->at == '\'')
            quoted = !quoted;
        else if (!quoted && *reader->at == '#')
            break;
        else if (!quoted && *reader->at == '\\' && reader->at + 1 < reader->end &&
                 reader->at[1] != '\n')
            reader->at++;
    }
    while (begin < reader->at && isspace((unsigned char)*begin))
        begin++;
    const char *end = reader->at;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    if (quoted)
        return at_line(reader, reader->line, x_strdup("a quote (') of this line is not closed"));
    if (end == begin)
        return at_line(reader, reader->line,
                       x_strdup("nothing after 'cell:'; write the options of the run: "
                                "cell: --scenario counter --strategy naive --workers 2"));
    char *text = x_strndup(begin, (size_t)(end - begin));
    if (schedule->cell != NULL) {
        char *whole = x_format("%s %s", schedule->cell, text);
        free(schedule->cell);
        free(text);
        text = whole;
    }
    if (schedule->cell_line == 0)
        schedule->cell_line = reader->line;
    schedule->cell = text;
    return NULL;
}

/* The comment that the file begins with. */
static void read_title(const struct reader *reader, struct schedule *schedule)
{
    const char *begin = reader->at;
    if (begin == reader->end || *begin != '#')
        return;
    const char *end = memchr(begin, '\n', (size_t)(reader->end - begin));
    if (end == NULL)
        end = reader->end;
    while (begin < end && (*begin == '#' || isspace((unsigned char)*begin)))
        begin++;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    if (end > begin)
        schedule->title = x_strndup(begin, (size_t)(end - begin));
}

char *schedule_parse(struct schedule *schedule, const char *file, const char *text, size_t length)
{
    struct reader reader = {file, text, text + length, 1};
    struct word word;
    memset(schedule, 0, sizeof(*schedule));
    char *problem = check_bytes(file, text, length);
    read_title(&reader, schedule);
    while (problem == NULL && next_word(&reader, &word)) {
        struct move move;
        if (word_is(&word, "cell:")) {
            problem = read_cell(&reader, schedule);
            continue;
        }
        problem = read_move(&reader, &word, &move);
        if (problem == NULL)
            schedule_add(schedule, &move);
    }
    if (problem == NULL && schedule->cell == NULL)
        problem = at_line(&reader, reader.line,
                          x_strdup("no line 'cell: ...', so nobody knows of what this is a "
                                   "schedule; write its options there, --strategy and the rest"));
    if (problem == NULL && schedule->count == 0)
        problem = at_line(&reader, reader.line,
                          x_strdup("no move: the file ends before the schedule begins; "
                                   "'racebench explore' writes whole ones"));
    return problem;
}

char *schedule_read(struct schedule *schedule, const char *path)
{
    memset(schedule, 0, sizeof(*schedule));
    FILE *file = fopen(path, "re");
    char *text = file != NULL ? x_malloc(SCHEDULE_BYTES_MAX + 1) : NULL;
    size_t length = file != NULL ? fread(text, 1, SCHEDULE_BYTES_MAX + 1, file) : 0;
    char *problem = NULL;
    if (file == NULL || ferror(file))
        problem =
            x_format("%s:1: %s; give the path of a schedule, NAME.race", path, strerror(errno));
    else if (length > SCHEDULE_BYTES_MAX)
        problem = x_format("%s:1: larger than %d MiB: this is no schedule; give the path of a "
                           "short text, NAME.race",
                           path, SCHEDULE_BYTES_MAX >> 20);
    else
        problem = schedule_parse(schedule, path, text, length);
    if (file != NULL)
        fclose(file);
    free(text);
    return problem;
}

void schedule_free(struct schedule *schedule)
{
    free(schedule->title);
    free(schedule->cell);
    free(schedule->moves);
    memset(schedule, 0, sizeof(*schedule));
}

char *schedule_check(const struct schedule *schedule, const char *file, int32_t workers)
{
    for (size_t i = 0; i < schedule->count; i++) {
        const struct move *move = &schedule->moves[i];
        if (move->worker < workers)
            continue;
        char *text = move_text(move);
        char *problem = x_format("%s:%d: '%s': the cell has %s, counted from w0; correct the step, "
                                 "or --workers in 'cell:'",
                                 file, move->line, text, human_counted(workers, "worker").text);
        free(text);
        return problem;
    }
    return NULL;
}

void schedule_add(struct schedule *schedule, const struct move *move)
{
    size_t at = array_grow((void **)&schedule->moves, &schedule->count, &schedule->capacity,
                           sizeof(*schedule->moves));
    schedule->moves[at] = *move;
}

void schedule_copy(struct schedule *into, const struct schedule *from)
{
    memset(into, 0, sizeof(*into));
    into->title = from->title != NULL ? x_strdup(from->title) : NULL;
    into->cell = from->cell != NULL ? x_strdup(from->cell) : NULL;
    into->cell_line = from->cell_line;
    for (size_t i = 0; i < from->count; i++)
        schedule_add(into, &from->moves[i]);
}

char *move_text(const struct move *move)
{
    const char *word = forms[move->kind].word;
    if (move->kind == MOVE_RESTART)
        return x_strdup(word);
    if (move->kind == MOVE_CLOCK)
        return x_format("+%s", human_option(move->amount * 1000).text);
    if (move->kind == MOVE_STEP && move->amount != MOVE_PLAIN)
        return x_format("w%" PRId32 ".%s=%" PRId64, move->worker, step_kind_name(move->step),
                        move->amount);
    if (forms[move->kind].step)
        return x_format("%s%sw%" PRId32 ".%s%s", word != NULL ? word : "", word != NULL ? " " : "",
                        move->worker, step_kind_name(move->step),
                        move->amount == MOVE_ONCE ? " once" : "");
    if (move->kind == MOVE_SKEW)
        return x_format("%s w%" PRId32 " +%s", word, move->worker,
                        human_option(move->amount * 1000).text);
    if (move->kind == MOVE_CRASH && move->amount != MOVE_PLAIN)
        return x_format("%s w%" PRId32 " keeping %" PRId64, word, move->worker, move->amount);
    return x_format("%s w%" PRId32, word, move->worker);
}

bool move_is_fault(const struct move *move)
{
    return move->kind != MOVE_STEP && move->kind != MOVE_CLOCK;
}

bool move_is_faulty_step(const struct move *move)
{
    return move->kind >= MOVE_LOST && move->kind <= MOVE_RESTART_DURING;
}

bool move_equal(const struct move *a, const struct move *b)
{
    return a->kind == b->kind && a->worker == b->worker && a->amount == b->amount &&
           (!forms[a->kind].step || a->step == b->step);
}

int schedule_switches(const struct schedule *schedule)
{
    int switches = 0;
    int32_t last = STEP_NOBODY;
    for (size_t i = 0; i < schedule->count; i++) {
        int32_t worker = schedule->moves[i].worker;
        if (worker == STEP_NOBODY)
            continue;
        switches += last != STEP_NOBODY && worker != last;
        last = worker;
    }
    return switches;
}

int schedule_faults(const struct schedule *schedule)
{
    int faults = 0;
    for (size_t i = 0; i < schedule->count; i++)
        faults += move_is_fault(&schedule->moves[i]);
    return faults;
}

/* Prints words with `gap` between them, broken at COLUMNS; each line begins with `begin`. */
static void print_words(FILE *out, char **words, size_t count, const char *begin, const char *gap)
{
    size_t column = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(words[i]);
        bool breaks = column > 0 && column + strlen(gap) + length > COLUMNS;
        if (breaks || column == 0)
            column = (size_t)fprintf(out, "%s%s", breaks ? "\n" : "", begin) - breaks;
        else
            column += (size_t)fprintf(out, "%s", gap);
        column += (size_t)fprintf(out, "%s", words[i]);
    }
    fputc('\n', out);
}

char *schedule_text(const struct schedule *schedule)
{
    char *text = NULL;
    size_t size, count;
    FILE *out = open_memstream(&text, &size);
    must(out != NULL);
    if (schedule->title != NULL)
        fprintf(out, "# %s\n", schedule->title);
    char **words = schedule_words(schedule, &count);
    for (size_t i = 0; i < count; i++) {
        char *word = human_shell_word(words[i]);
        free(words[i]);
        words[i] = word;
    }
    if (count > 0)
        print_words(out, words, count, "cell: ", " ");
    schedule_words_free(words, count);
    char **moves = x_calloc(schedule->count, sizeof(*moves));
    for (size_t i = 0; i < schedule->count; i++)
        moves[i] = move_text(&schedule->moves[i]);
    print_words(out, moves, schedule->count, "", "  ");
    schedule_words_free(moves, schedule->count);
    must(fclose(out) == 0);
    return text;
}

char **schedule_words(const struct schedule *schedule, size_t *count)
{
    char **words = split(schedule->cell != NULL ? schedule->cell : "", count);
    must(words != NULL);
    return words;
}

void schedule_words_free(char **words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(words[i]);
    free(words);
}
