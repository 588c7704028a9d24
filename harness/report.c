/* SPDX-License-Identifier: Apache-2.0
 *
 * report: see report.h. The table of reports is generated from the names of the files in
 * harness/report/. report_save() is the one way in which a report reaches a file or stdout: a
 * write error (a full disk, a closed pipe) shows up only at fflush or fclose, and a result that is
 * cut off must never look like success.
 */
#include "report.h"

#include "base.h"
#include "scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define X(name) extern const struct report report_##name;
#include "reports.list"
#undef X

const struct report *const reports[] = {
#define X(name) &report_##name,
#include "reports.list"
#undef X
    NULL,
};

const struct report *report_find(const char *name)
{
    for (size_t i = 0; reports[i] != NULL; i++)
        if (strcmp(reports[i]->name, name) == 0)
            return reports[i];
    return NULL;
}

static _Noreturn void cannot_write(const char *name, const char *path, int error)
{
    bool is_stdout = strcmp(path, "-") == 0;
    die(EXIT_RESULTS, "cannot write report '%s' to %s: %s; %s", name, is_stdout ? "stdout" : path,
        strerror(error),
        is_stdout ? "what was printed is incomplete"
                  : "choose another file with --out, or make room");
}

void report_save(const struct report *report, const struct run_result *result,
                 const struct style *style, const char *path)
{
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *out = is_stdout ? stdout : fopen(path, "we");
    if (out == NULL)
        cannot_write(report->name, path, errno);
    errno = 0;
    report->write(result, style, out);
    int error = errno; /* of a write in between: ferror() only says that there was one */
    if (fflush(out) != 0)
        cannot_write(report->name, path, errno);
    if (ferror(out))
        cannot_write(report->name, path, error != 0 ? error : EIO);
    if (!is_stdout && fclose(out) != 0)
        cannot_write(report->name, path, errno);
}

static const char *scenario_word(const struct cell *cell)
{
    return cell->scenario->name;
}

static const char *transport_word(const struct cell *cell)
{
    return transport_name(cell->transport);
}

static int64_t workers(const struct cell *cell)
{
    return cell->workers;
}

static int64_t instances(const struct cell *cell)
{
    return cell->instances;
}

static int64_t processes(const struct cell *cell)
{
    return cell->processes;
}

static int64_t ops(const struct cell *cell)
{
    return cell->ops;
}

static int64_t docs(const struct cell *cell)
{
    return cell->docs;
}

static int64_t seed(const struct cell *cell)
{
    return (int64_t)cell->seed;
}

static const struct report_setting settings[] = {
    {.title = "scenario", .word = scenario_word},
    {.title = "transport", .word = transport_word, .usual_word = "driver"},
    {.title = "workers", .noun = "worker", .number = workers},
    {.title = "instances", .noun = "instance", .number = instances, .usual = 1},
    {.title = "processes", .noun = "process", .number = processes, .usual = 1},
    {.title = "ops", .noun = "operation", .number = ops},
    {.title = "docs", .noun = "document", .number = docs, .usual = 1},
    {.title = "seed", .number = seed, .usual = -1},
};

const struct report_setting *report_setting(size_t index)
{
    return index < COUNT_OF(settings) ? &settings[index] : NULL;
}

static bool differs(const struct report_setting *setting, const struct cell *a,
                    const struct cell *b)
{
    return setting->word != NULL ? strcmp(setting->word(a), setting->word(b)) != 0
                                 : setting->number(a) != setting->number(b);
}

bool report_varies(const struct run_result *result, const struct report_setting *setting)
{
    for (size_t i = 1; i < result->cell_count; i++)
        if (differs(setting, result->cells[0].cell, result->cells[i].cell))
            return true;
    return false;
}

bool report_usual(const struct report_setting *setting, const struct cell *cell)
{
    if (setting->word != NULL)
        return setting->usual_word != NULL && strcmp(setting->word(cell), setting->usual_word) == 0;
    return setting->usual != 0 && setting->number(cell) == setting->usual;
}

struct human report_setting_value(const struct report_setting *setting, const struct cell *cell)
{
    struct human human;
    if (setting->word != NULL)
        snprintf(human.text, sizeof(human.text), "%s", setting->word(cell));
    else if (setting->number == seed)
        snprintf(human.text, sizeof(human.text), "%" PRIu64, cell->seed);
    else
        human = human_count(setting->number(cell));
    return human;
}

struct human report_setting_phrase(const struct report_setting *setting, const struct cell *cell)
{
    struct human human;
    if (setting->noun != NULL)
        return human_counted(setting->number(cell), setting->noun);
    snprintf(human.text, sizeof(human.text), "%s%s%.40s", setting->usual ? setting->title : "",
             setting->usual ? " " : "", report_setting_value(setting, cell).text);
    return human;
}

const char *report_broken_words(enum reason reason)
{
    switch (reason) {
    case REASON_LOST_UPDATE:
        return "loses updates";
    case REASON_DOUBLED_UPDATE:
        return "doubles updates";
    case REASON_NOT_LINEARIZABLE:
        return "not linearizable";
    case REASON_PHANTOM_VERSION:
        return "phantom versions";
    case REASON_REPEATED:
        return "does things twice";
    case REASON_MISSED:
        return "misses things";
    case REASON_NEVER_ACKED:
        return "never acknowledges";
    case REASON_TORN:
        return "torn reads";
    case REASON_SKEWED:
        return "breaks a rule";
    case REASON_STUCK:
        return "gets stuck";
    default:
        return reason_name(reason);
    }
}

struct human report_verdict(const struct cell_result *cell)
{
    struct human human;
    const struct verdict *verdict = &cell->verdict;
    const char *words = report_broken_words(verdict->reason);
    if (verdict->status == UNDECIDED)
        snprintf(human.text, sizeof(human.text), "unknown: %s", reason_name(verdict->reason));
    else if (verdict->status == HELD)
        snprintf(human.text, sizeof(human.text), "held%s",
                 cell->expected == BROKEN ? " (not expected)" : "");
    else if (cell->expected == HELD)
        snprintf(human.text, sizeof(human.text), "BROKEN: %s", words);
    else
        snprintf(human.text, sizeof(human.text), "%s%s", words,
                 cell->expected == BROKEN ? " (expected)" : "");
    return human;
}

const struct event *report_event(const struct cell_result *cell, int64_t operation)
{
    for (size_t i = 0; i < cell->history.count; i++)
        if (cell->history.events[i].operation == operation)
            return &cell->history.events[i];
    return NULL;
}

/* "w3.17 wrote 42 by 0.118210 s": a write took effect at some time before it was acknowledged. */
static void say_write(FILE *out, const struct event *event, int64_t operation, int64_t return_ns)
{
    fprintf(out, "%s wrote", human_operation(operation).text);
    if (event != NULL)
        fprintf(out, " %s", human_count(event->value_written).text);
    if (return_ns != RETURN_NEVER)
        fprintf(out, " by %s", human_moment(return_ns).text);
}

/* By the contract of a witness the culprit wrote after the victim. Its acknowledgement may have
 * come first all the same; the victim's is then left out, as it would only puzzle. */
static void say_lost(FILE *out, const struct cell_result *cell, const struct witness *witness)
{
    const struct event *victim = report_event(cell, witness->victim);
    const struct event *culprit = report_event(cell, witness->culprit);
    int64_t return_ns = witness->victim_return_ns;
    struct human name = human_operation(witness->victim);
    if (witness->culprit == 0 || witness->culprit == witness->victim) {
        say_write(out, victim, witness->victim, return_ns);
        fprintf(out, ": its update is gone; who overwrote it is not known");
        return;
    }
    fprintf(out, "%s read %s", human_operation(witness->culprit).text,
            human_count(witness->value_read).text);
    if (culprit != NULL)
        fprintf(out, " after %s", human_moment(culprit->invoke_ns).text);
    fprintf(out, ", ");
    say_write(out, victim, witness->victim,
              return_ns <= witness->culprit_return_ns ? return_ns : RETURN_NEVER);
    fprintf(out, ", ");
    say_write(out, culprit, witness->culprit, witness->culprit_return_ns);
    fprintf(out, ": the update of %s is gone", name.text);
}

/* "w3.17", or who else. */
static const char *say_who(int64_t operation, struct human *name)
{
    *name = human_operation(operation);
    return operation != 0 ? name->text : "somebody";
}

/* What is neither lost nor doubled; either operation may be unknown. */
static void say_other(FILE *out, const struct cell_result *cell, const struct witness *witness)
{
    struct human one, other;
    const char *victim = say_who(witness->victim, &one),
               *culprit = say_who(witness->culprit, &other);
    const struct event *event = report_event(cell, witness->victim);
    int64_t once = event != NULL ? event->once : 0;
    if (witness->property == REPEATED)
        fprintf(out, "number %" PRId64 " was asked for once, done by %s by %s and by %s by %s",
                once, victim, human_moment(witness->victim_return_ns).text, culprit,
                human_moment(witness->culprit_return_ns).text);
    else if (witness->property == MISSED && event == NULL)
        fprintf(out, "a number was never asked for, and never done");
    else if (witness->property == MISSED && cell->verdict.reason == REASON_NEVER_ACKED)
        fprintf(out,
                "number %" PRId64 " was delivered to the limit, last to %s, and not acknowledged",
                once, victim);
    else if (witness->property == MISSED)
        fprintf(out, "number %" PRId64 " was asked for by %s and never done", once, victim);
    else if (witness->property == TORN && witness->victim == 0)
        fprintf(out, "half a document is left at the end; the last to write it was %s", culprit);
    else if (witness->property == TORN)
        fprintf(out, "%s saw half of a document, which %s was the last to write", victim, culprit);
    else
        fprintf(out, "%s decided on what it had read, and %s wrote over that", victim, culprit);
}

char *report_witness(const struct cell_result *cell, const struct witness *witness)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    must(out != NULL);
    if (witness->property == LOST)
        say_lost(out, cell, witness);
    else if (witness->property == DOUBLED)
        fprintf(out, "%s was asked for once and applied twice",
                human_operation(witness->victim).text);
    else
        say_other(out, cell, witness);
    if (cell->cell->docs != 1)
        fprintf(out, " (document %" PRId64 ")", witness->key);
    must(fclose(out) == 0);
    return text;
}

/* Held in the run, and then explore found a schedule. */
static char *explain_schedule(const struct cell_result *cell)
{
    char *phrase = proof_phrase(&cell->proof);
    char *text = x_format("held in %s, but %s: %s",
                          human_counted(cell->verdict.counts.acked, "operation").text, phrase,
                          reason_help(cell->proof.reason));
    free(phrase);
    return text;
}

/* What held, and how far. */
static char *explain_held(const struct cell_result *cell)
{
    struct human acked = human_counted(cell->verdict.counts.acked, "operation");
    char *phrase = cell->proof.asked ? proof_phrase(&cell->proof) : NULL;
    char *bound = cell->verdict.lost_bound > 0 && cell->verdict.lost_bound < 1
                      ? x_format(": with 95 %% confidence fewer than 1 in %s",
                                 human_count((int64_t)(1 / cell->verdict.lost_bound)).text)
                      : x_strdup("");
    char *text = x_format("0 lost of %s%s%s%s", acked.text, bound, phrase != NULL ? "; " : "",
                          phrase != NULL ? phrase : "");
    free(bound);
    free(phrase);
    return text;
}

char *report_explanation(const struct cell_result *cell)
{
    const struct verdict *verdict = &cell->verdict;
    if (verdict->status == BROKEN && cell->proof.status == BROKEN && cell->proof.asked)
        return explain_schedule(cell);
    if (verdict->status == BROKEN && verdict->witness_count > 0)
        return report_witness(cell, &verdict->witnesses[0]);
    if (verdict->status != HELD)
        return x_strdup(reason_help(verdict->reason));
    return explain_held(cell);
}

/* For text that a broken run may not have filled in. */
static const char *known(const char *text)
{
    return text != NULL ? text : "unknown";
}

char *report_target(const struct cell_result *result)
{
    const struct target *target = &result->target;
    const struct strategy *strategy = result->cell->strategy[0];
    if (strcmp(known(target->persona), "files") == 0 ||
        (strategy != NULL && strategy->home == HOME_FILES))
        return x_format("files, no database; durability %s",
                        durability_name(result->cell->durability));
    char *name = strcmp(known(target->name), "embedded") == 0
                     ? x_strdup("embedded engine, one thread, not MongoDB")
                     : x_format("MongoDB %s", known(target->version));
    char *place =
        result->cell->uri != NULL ? x_format(", at %s", known(target->uri)) : x_strdup("");
    char *text = x_format("%s%s; persona %s, store %s, durability %s, write concern %s", name,
                          place, known(target->persona), known(target->store),
                          known(target->durability), known(target->write_concern));
    free(name);
    free(place);
    return text;
}
