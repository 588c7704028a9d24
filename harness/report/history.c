/* SPDX-License-Identifier: Apache-2.0
 *
 * report history: every operation, as JSON lines in the form of Jepsen's histories, so that other
 * checkers (elle-cli, Knossos, Porcupine) can judge us: per operation one line "invoke" and one
 * "ok" (done, or nothing to do), "fail" (surely not applied) or "info" (nobody knows), ordered by
 * time. Jepsen's keys come first (index, time in ns, process, type, f, value), ours follow;
 * results/README.md explains them all.
 *
 * A process whose operation came out "info" may still be in it, so Jepsen's checkers want its
 * worker to go on under a new number: worker + workers x (its infos so far). `worker` stays.
 *
 * Equal times (virtual clocks have many): invocations come before returns, so that nothing is said
 * to precede what it only touched, except that each worker's own lines stay in their order. That
 * is the `phase` below: 0 an invocation, 1 a return, and one more than the line before when a
 * worker's lines fall on the same time.
 */
#include "base.h"
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>

/* One line to be: an event's invocation or its return. */
struct line {
    int64_t time_ns;
    int32_t phase;
    int32_t process;
    bool returns;
    const struct event *event;
};

/* Where a worker stands while its events are walked through. */
struct walk {
    int64_t time_ns;
    int32_t phase;
    int32_t infos;
};

static int compare(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    if (x->phase != y->phase)
        return x->phase < y->phase ? -1 : 1;
    if (x->event->worker != y->event->worker)
        return x->event->worker < y->event->worker ? -1 : 1;
    return 0;
}

/* Phase of a worker's next line: `least`, or after its line before if that has the same time;
 * invocations get even phases and returns odd ones. */
static int32_t phase(const struct walk *walk, int64_t time_ns, int32_t least)
{
    return walk->time_ns == time_ns ? walk->phase + 1 : least;
}

/* Two lines per event, sorted; `*count` of them. The caller frees them. */
static struct line *make_lines(const struct cell_result *cell, size_t *count)
{
    int32_t workers = cell->cell->workers;
    int64_t end_ns = 0;
    struct line *lines = x_calloc(2 * cell->history.count, sizeof(*lines));
    struct walk *walks = x_calloc((size_t)workers, sizeof(*walks));
    for (int32_t i = 0; i < workers; i++)
        walks[i].time_ns = -1;
    for (size_t i = 0; i < cell->history.count; i++) {
        const struct event *event = &cell->history.events[i];
        if (event->invoke_ns > end_ns)
            end_ns = event->invoke_ns;
        if (event->return_ns != RETURN_NEVER && event->return_ns > end_ns)
            end_ns = event->return_ns;
    }
    *count = 0;
    for (size_t i = 0; i < cell->history.count; i++) {
        const struct event *event = &cell->history.events[i];
        must(event->worker >= 0 && event->worker < workers);
        struct walk *walk = &walks[event->worker];
        int32_t process = event->worker + workers * walk->infos;
        int64_t return_ns = event->return_ns != RETURN_NEVER ? event->return_ns : end_ns;
        walk->phase = phase(walk, event->invoke_ns, 0);
        walk->time_ns = event->invoke_ns;
        lines[(*count)++] = (struct line){walk->time_ns, walk->phase, process, false, event};
        walk->phase = phase(walk, return_ns, 1);
        walk->time_ns = return_ns;
        lines[(*count)++] = (struct line){walk->time_ns, walk->phase, process, true, event};
        walk->infos += event->outcome == UNKNOWN;
    }
    free(walks);
    qsort(lines, *count, sizeof(*lines), compare);
    return lines;
}

static const char *type(const struct line *line)
{
    if (!line->returns)
        return "invoke";
    switch (line->event->outcome) {
    case DONE:
    case NOTHING:
        return "ok";
    case UNKNOWN:
        return "info";
    default:
        return "fail";
    }
}

/* "value" as Jepsen's counter has it: what an add adds, what a read saw (null before it returned).
 * */
static void print_operation(FILE *out, const struct line *line)
{
    const struct event *event = line->event;
    bool seen = line->returns && (event->outcome == DONE || event->outcome == NOTHING);
    if (!event->reads_only)
        fprintf(out, "\"f\":\"add\",\"value\":%" PRId64, event->amount);
    else if (seen)
        fprintf(out, "\"f\":\"read\",\"value\":%" PRId64, event->value_read);
    else
        fprintf(out, "\"f\":\"read\",\"value\":null");
}

static void print_version(FILE *out, const char *key, int64_t version)
{
    if (version == VERSION_BLIND)
        fprintf(out, ",\"%s\":null", key);
    else if (version == 0)
        fprintf(out, ",\"%s\":\"seed\"", key);
    else
        fprintf(out, ",\"%s\":\"%s\"", key, human_operation(version).text);
}

/* What only a return knows. Of a second document: key2, read_version2, wrote_version2. */
static void print_return(FILE *out, const struct event *event)
{
    static const char *const read_keys[] = {"read_version", "read_version2"};
    static const char *const wrote_keys[] = {"wrote_version", "wrote_version2"};
    for (int i = 0; i < EDIT_DOCUMENTS_MAX; i++) {
        if (event->key[i] < 0)
            continue;
        print_version(out, read_keys[i], event->read[i]);
        print_version(out, wrote_keys[i],
                      (event->wrote >> i & 1) != 0 ? event->operation : VERSION_BLIND);
    }
    fprintf(out, ",\"value_read\":%" PRId64 ",\"value_written\":%" PRId64, event->value_read,
            event->value_written);
    fprintf(out, ",\"outcome\":\"%s\",\"attempts\":%" PRId32 ",\"commands\":%" PRId32,
            outcome_name(event->outcome), event->attempts, event->commands);
    if (event->applied >= 0)
        fprintf(out, ",\"applied\":%" PRId64, event->applied);
    if (event->return_ns == RETURN_NEVER)
        fprintf(out, ",\"returned\":false");
}

static void print_line(FILE *out, const struct line *line, int64_t index, size_t cell)
{
    const struct event *event = line->event;
    fprintf(out, "{\"index\":%" PRId64 ",\"time\":%" PRId64 ",\"process\":%" PRId32, index,
            line->time_ns, line->process);
    fprintf(out, ",\"type\":\"%s\",", type(line));
    print_operation(out, line);
    fprintf(out, ",\"op\":\"%s\",\"worker\":%" PRId32 ",\"instance\":%" PRId32,
            human_operation(event->operation).text, event->worker, event->instance);
    fprintf(out, ",\"cell\":%zu,\"key\":%" PRId64, cell, event->key[0]);
    if (event->key[1] >= 0)
        fprintf(out, ",\"key2\":%" PRId64, event->key[1]);
    if (event->once != 0)
        fprintf(out, ",\"once\":%" PRId64, event->once);
    if (line->returns)
        print_return(out, event);
    fprintf(out, "}\n");
}

static void write_history(const struct run_result *result, const struct style *style, FILE *out)
{
    (void)style;
    int64_t index = 0;
    for (size_t i = 0; i < result->cell_count; i++) {
        size_t count;
        struct line *lines = make_lines(&result->cells[i], &count);
        for (size_t j = 0; j < count; j++)
            print_line(out, &lines[j], index++, i);
        free(lines);
    }
}

const struct report report_history = {
    .name = "history",
    .help = "every operation as JSON lines in the form of Jepsen's histories: for other checkers",
    .write = write_history,
};
