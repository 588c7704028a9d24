/* SPDX-License-Identifier: Apache-2.0
 *
 * foreign: see foreign.h. One pass: every line is either the invocation that opens an operation of
 * its process or the return that closes it. A process does one thing at a time, so a second
 * invocation, a return without one, and anything at all of a process after its `info` (its
 * operation is still open; Jepsen goes on under a new number) mean that lines are missing or mixed
 * up; then no verdict can be trusted, and the file is refused with the line. So is an index or a
 * time that goes back. What a line's value means is in foreign_value.c.
 *
 * racebench's own histories may hold several cells one after the other: each has processes, clock
 * and documents of its own.
 */
#include "foreign.h"

#include "base.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

static const struct {
    const char *name, *functions;
} models[MODEL_COUNT] = {
    [MODEL_REGISTER] = {"register", "read, write"},
    [MODEL_CAS_REGISTER] = {"cas-register", "read, write, cas"},
    [MODEL_COUNTER] = {"counter", "read, add, increment"},
    [MODEL_SET] = {"set", "read, add"},
    [MODEL_MUTEX] = {"mutex", "acquire, release"},
};

const char *model_name(enum model model)
{
    return models[model].name;
}

const char *model_functions(enum model model)
{
    return models[model].functions;
}

bool model_find(const char *name, enum model *model)
{
    for (size_t i = 0; i < COUNT_OF(models); i++)
        if (strcmp(models[i].name, name) == 0) {
            *model = (enum model)i;
            return true;
        }
    return false;
}

const char *action_name(enum action action)
{
    static const char *const names[ACTION_COUNT] = {"read",      "write",   "cas",    "add",
                                                    "increment", "acquire", "release"};
    return names[action];
}

/* What a process is in the middle of. */
struct process {
    UT_hash_handle hh;
    int64_t number;
    enum { IDLE, BUSY, CRASHED } state;
    size_t at;     /* its operation */
    uint32_t line; /* where it was invoked, or crashed */
};

struct reading {
    struct foreign *foreign;
    struct process *processes; /* uthash, by number */
    bool *dropped;             /* per operation: it failed */
    size_t dropped_count, dropped_capacity;
    int64_t place;
    int64_t index, time, cell;
    bool has_index, has_time;
};

static struct process *find_process(struct reading *reading, int64_t number)
{
    struct process *process = NULL;
    HASH_FIND(hh, reading->processes, &number, sizeof(number), process);
    if (process == NULL) {
        process = x_calloc(1, sizeof(*process));
        process->number = number;
        HASH_ADD(hh, reading->processes, number, sizeof(process->number), process);
    }
    return process;
}

static void forget_processes(struct reading *reading)
{
    struct process *process, *next;
    HASH_ITER (hh, reading->processes, process, next) {
        HASH_DEL(reading->processes, process);
        free(process);
    }
}

/* An own history's next cell begins a run of its own. */
static void look_at_cell(struct reading *reading, const struct datum *map)
{
    int64_t cell;
    if (!datum_whole(datum_field(map, "cell"), &cell) || cell == reading->cell)
        return;
    reading->cell = cell;
    reading->has_time = false;
    forget_processes(reading);
}

/* Gives the line its place in real time. */
static char *look_at_order(struct reading *reading, const struct line *line)
{
    int64_t index, time;
    if (datum_whole(datum_field(line->map, "index"), &index)) {
        if (reading->has_index && index <= reading->index)
            return x_format("index %" PRId64 " after index %" PRId64
                            ": the lines are out of order; sort them by index",
                            index, reading->index);
        reading->index = index;
        reading->has_index = true;
    }
    bool timed = datum_whole(datum_field(line->map, "time"), &time);
    if (timed && reading->has_time && time < reading->time)
        return x_format("time %" PRId64 " after time %" PRId64
                        ": the lines are out of order; sort them by time",
                        time, reading->time);
    if (timed && reading->has_time && time == reading->time)
        reading->foreign->ties++;
    else
        reading->place++;
    reading->has_time = timed;
    reading->time = time;
    return NULL;
}

static char *invoke(struct reading *reading, const struct line *line)
{
    struct foreign *foreign = reading->foreign;
    struct process *process = find_process(reading, line->process);
    if (process->state == BUSY)
        return x_format("process %" PRId64 " invokes '%s' while its operation of line %" PRIu32
                        " is still open: lines are missing or mixed up",
                        line->process, line->function, process->line);
    if (process->state == CRASHED)
        return x_format(
            "process %" PRId64 " invokes '%s', but its operation of line %" PRIu32
            " ended with 'info' and may still happen: the worker must go on under a new "
            "process number",
            line->process, line->function, process->line);
    void *items = foreign->operations;
    size_t at = array_grow(&items, &foreign->count, &foreign->capacity, sizeof(struct operation));
    foreign->operations = items;
    foreign->operations[at] = (struct operation){.begin = reading->place,
                                                 .end = PLACE_NEVER,
                                                 .process = line->process,
                                                 .read = NO_VERSION,
                                                 .wrote = NO_VERSION,
                                                 .begin_line = (uint32_t)line->number,
                                                 .pending = true};
    items = reading->dropped;
    size_t mark = array_grow(&items, &reading->dropped_count, &reading->dropped_capacity, 1);
    reading->dropped = items;
    reading->dropped[mark] = false;
    must(mark == at);
    foreign->invoked++;
    process->state = BUSY;
    process->at = at;
    process->line = (uint32_t)line->number;
    return value_invoke(foreign, line, &foreign->operations[at]);
}

/* An own operation on two documents is one operation on each: their versions are two registers. */
static void add_second_document(struct reading *reading, const struct line *line, size_t at)
{
    struct foreign *foreign = reading->foreign;
    const struct datum *key = datum_field(line->map, "key2");
    if (!foreign->own || !datum_is_given(key))
        return;
    const struct datum *read = datum_field(line->map, "read_version2");
    const struct datum *wrote = datum_field(line->map, "wrote_version2");
    void *items = foreign->operations;
    size_t second =
        array_grow(&items, &foreign->count, &foreign->capacity, sizeof(struct operation));
    foreign->operations = items;
    foreign->operations[at].two = true;
    foreign->operations[second] = foreign->operations[at];
    struct operation *operation = &foreign->operations[second];
    struct line other = *line;
    other.key = key;
    char *problem = value_invoke(foreign, &other, operation);
    must(problem == NULL); /* the same function and value were understood before */
    operation->read = datum_is_given(read) ? names_put(&foreign->values, read) : NO_VERSION;
    operation->wrote = datum_is_given(wrote) ? names_put(&foreign->values, wrote) : NO_VERSION;
    items = reading->dropped;
    size_t mark = array_grow(&items, &reading->dropped_count, &reading->dropped_capacity, 1);
    reading->dropped = items;
    reading->dropped[mark] = reading->dropped[at];
}

static char *finish(struct reading *reading, const struct line *line)
{
    struct foreign *foreign = reading->foreign;
    struct process *process = find_process(reading, line->process);
    if (process->state != BUSY)
        return x_format("process %" PRId64
                        " has '%s' of '%s' without an open invocation: lines are "
                        "missing or mixed up",
                        line->process, line->type, line->function);
    struct operation *operation = &foreign->operations[process->at];
    operation->end_line = (uint32_t)line->number;
    process->state = IDLE;
    if (strcmp(line->type, "fail") == 0) {
        reading->dropped[process->at] = true;
        foreign->failed++;
    } else if (strcmp(line->type, "ok") == 0) {
        operation->end = reading->place;
        operation->pending = false;
        foreign->acknowledged++;
    } else {
        process->state = CRASHED;
    }
    char *problem = value_return(foreign, line, operation);
    if (problem == NULL)
        add_second_document(reading, line, process->at);
    return problem;
}

/* Takes a line apart. `*skip`: it is no operation's. */
static char *understand(struct reading *reading, struct line *line, bool *skip)
{
    const struct datum *process = datum_field(line->map, "process");
    *skip = !datum_whole(process, &line->process) || line->process < 0;
    line->type = datum_word(datum_field(line->map, "type"));
    line->function = datum_word(datum_field(line->map, "f"));
    line->value = datum_field(line->map, "value");
    line->key = datum_field(line->map, "key");
    if (process == NULL)
        return x_strdup("no 'process': is this a history in Jepsen's form?");
    if (*skip)
        return NULL;
    if (line->type == NULL || line->function == NULL)
        return x_format("no '%s': every operation needs type, process, f and value",
                        line->type == NULL ? "type" : "f");
    enum model model = reading->foreign->model;
    if (datum_is_given(datum_field(line->map, "op")) &&
        datum_is_given(datum_field(line->map, "cell")) && model != MODEL_SET &&
        model != MODEL_MUTEX)
        reading->foreign->own = true;
    return NULL;
}

static char *take_line(struct reading *reading, const struct datum *map, int64_t number)
{
    struct line line = {.number = number, .map = map};
    bool skip;
    char *problem = understand(reading, &line, &skip);
    if (problem == NULL && reading->foreign->own)
        look_at_cell(reading, map);
    if (problem == NULL)
        problem = look_at_order(reading, &line);
    if (problem != NULL)
        return problem;
    if (skip) {
        reading->foreign->skipped++;
        return NULL;
    }
    reading->foreign->lines++;
    if (strcmp(line.type, "invoke") == 0)
        return invoke(reading, &line);
    if (strcmp(line.type, "ok") == 0 || strcmp(line.type, "fail") == 0 ||
        strcmp(line.type, "info") == 0)
        return finish(reading, &line);
    return x_format("type '%s' is none of invoke, ok, fail, info", line.type);
}

static int compare_begins(const void *left, const void *right)
{
    const struct operation *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->begin_line > b->begin_line) - (a->begin_line < b->begin_line);
}

/* Leaves out what failed, and reads without an answer, which say nothing. */
static void compact(struct reading *reading)
{
    struct foreign *foreign = reading->foreign;
    size_t kept = 0;
    bool unsorted = false;
    for (size_t i = 0; i < foreign->count; i++) {
        const struct operation *operation = &foreign->operations[i];
        if (reading->dropped[i])
            continue;
        unsorted |= operation->two;
        if (operation->pending && operation->action == ACTION_READ)
            continue;
        foreign->operations[kept++] = *operation;
    }
    foreign->count = kept;
    if (unsorted)
        qsort(foreign->operations, kept, sizeof(*foreign->operations), compare_begins);
}

static char *read_initial(struct foreign *foreign, const char *text)
{
    struct reader reader = {0};
    const struct datum *datum = text != NULL ? reader_value(&reader, text) : NULL;
    char *problem = NULL;
    if (text != NULL && datum == NULL)
        problem =
            x_format("initial value '%s' is no value: a number, \"text\", :word or nil", text);
    else if (foreign->model == MODEL_COUNTER && text != NULL &&
             (!datum_whole(datum, &foreign->initial) || llabs(foreign->initial) > INITIAL_MAX))
        problem =
            x_format("initial value '%s' is no whole number below 2^61, as a counter has", text);
    else if (text != NULL && (foreign->model == MODEL_SET || foreign->model == MODEL_MUTEX))
        problem = x_format("a %s has no initial value to choose", model_name(foreign->model));
    else if (foreign->model != MODEL_COUNTER)
        foreign->initial = names_put(&foreign->values, datum);
    reader_close(&reader);
    return problem;
}

char *foreign_read(struct foreign *foreign, struct reader *reader, enum model model,
                   const char *initial)
{
    *foreign = (struct foreign){.model = model, .notation = reader->notation};
    struct reading reading = {.foreign = foreign, .cell = -1};
    char *problem = read_initial(foreign, initial);
    const struct datum *map = NULL;
    while (problem == NULL && (map = reader_next(reader)) != NULL) {
        char *wrong = take_line(&reading, map, reader->start_line);
        if (wrong != NULL)
            problem = x_format("line %" PRId64 ": %s", reader->start_line, wrong);
        free(wrong);
    }
    if (problem == NULL && reader->problem != NULL)
        problem = x_strdup(reader->problem);
    if (problem == NULL && foreign->lines == 0)
        problem = x_strdup(foreign->skipped == 0
                               ? "holds no operation: nothing can be said about an empty history"
                               : "holds no operation of a process with a number: nothing to judge");
    if (problem == NULL)
        compact(&reading);
    forget_processes(&reading);
    free(reading.dropped);
    return problem;
}

void foreign_free(struct foreign *foreign)
{
    free(foreign->operations);
    free(foreign->elements);
    names_free(&foreign->values);
    names_free(&foreign->keys);
    *foreign = (struct foreign){0};
}
