/* SPDX-License-Identifier: Apache-2.0
 *
 * narrate_words: see narrate.h and narrate_words.h. What a finding is called, in one sentence, at
 * its step in the margin, and in advice. What the monitors saw comes first (an update lost at this
 * step), then what the judge's witness names; where neither names anybody, the sentence says so.
 */
#include "narrate_words.h"

#include "human.h"
#include "scenario.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

/* "an increment", "a tick"; the letter is that of the article. */
static struct human one(const struct cell *cell, char letter)
{
    struct human text;
    const char *what = noun(cell);
    bool vowel = strchr("aeiou", what[0]) != NULL;
    snprintf(text.text, sizeof(text.text), "%c%s %s", letter, vowel ? "n" : "", what);
    return text;
}

/* Hints ---------------------------------------------------------------------------------------- */

static bool is_among(const char *name, const char *const names[])
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* The first move of a kind, or NULL. */
static const struct trail_entry *first_of(const struct trail *trail, enum move_kind kind)
{
    for (size_t i = 0; i < trail->count; i++)
        if (trail->entries[i].move.kind == kind)
            return &trail->entries[i];
    return NULL;
}

static bool has_fault(const struct trail *trail, enum move_kind kind)
{
    return first_of(trail, kind) != NULL;
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
        return "Whoever takes a thing must be followed by somebody if it dies or hears nothing: "
               "take it for a time (fenced_lease), and acknowledge what is done already.";
    case REASON_NEVER_ACKED:
        return "Whoever finds an event applied already must acknowledge it, also where the write "
               "was its own and only the reply was lost: a document at this version or a later one "
               "says so (occ).";
    case REASON_SKEWED:
        return strcmp(tale->cell->strategy[0]->name, "transaction") == 0
                   ? "A transaction notices who wrote what it writes, not who wrote what it only "
                     "read: write to that document as well (an $inc of a field of its own is "
                     "enough), or lock both in key order (lock_document)."
                   : "What was only read must not change before the write either: lock both "
                     "documents in key order (lock_document).";
    case REASON_STUCK:
        return has_fault(tale->trail, MOVE_CRASH) || has_fault(tale->trail, MOVE_ERROR) ||
                       has_fault(tale->trail, MOVE_DROP) || lost_reply
                   ? "A lock must end by itself when its holder dies or fails: set its owner and "
                     "its expiry in one command (lock_document), or let the system free it "
                     "(file_lock)."
                   : "Take several locks always in the same order, or give them a lease.";
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
    if (tale->cell->strategy_count > 1 && reason == REASON_LOST_UPDATE)
        return "A guard protects only from those who keep to it: whoever writes without asking for "
               "the version is noticed by nobody. Let all of them ask, before any relies on it.";
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

/* "counters/0": what a move wrote to, else the document of the verdict's witness; or its file. */
static char *document_name(const struct narrate_tale *tale, const struct trail_entry *entry)
{
    const struct witness *witness = first_witness(tale->verdict);
    if (entry != NULL && entry->image_count > 0)
        return x_strdup(entry->images[0].name);
    if (tale->cell->strategy[0]->home == HOME_FILES)
        return x_format("%s.%" PRId64 ".json", tale->cell->scenario->collection,
                        witness != NULL ? witness->key : 0);
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

/* Was what a worker wrote last cut off before the first byte? */
static bool is_empty(const struct trail *trail)
{
    for (size_t i = trail->count; i-- > 0;)
        if (trail->entries[i].image_count > 0)
            return trail->entries[i].images[0].text != NULL &&
                   trail->entries[i].images[0].text[0] == '\0';
    return false;
}

static char *torn_sentence(const struct narrate_tale *tale)
{
    const struct witness *witness = first_witness(tale->verdict);
    const struct trail_entry *crash = first_of(tale->trail, MOVE_CRASH);
    char *document = document_name(tale, NULL), *sentence;
    if (witness != NULL && witness->victim != 0 && witness->culprit != 0)
        sentence = x_format("%s saw half of %s's %s of %s", worker_name(witness->victim).text,
                            worker_name(witness->culprit).text, noun(tale->cell), document);
    else if (witness != NULL && witness->victim != 0)
        sentence = x_format("%s saw half of %s of %s", worker_name(witness->victim).text,
                            one(tale->cell, 'a').text, document);
    else if (crash != NULL)
        sentence = x_format("w%" PRId32 " died while it wrote %s, and left %s", crash->move.worker,
                            document, is_empty(tale->trail) ? "it empty" : "half of it");
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

static char *without_stop(const char *text)
{
    size_t length = strlen(text);
    return x_strndup(text, length > 0 && text[length - 1] == '.' ? length - 1 : length);
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
        return x_format("%s that was asked for was never done", one(tale->cell, 'A').text);
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
    case REASON_NEVER_ACKED:
        return x_format(has_fault(tale->trail, MOVE_LOST)
                            ? "%s was applied, its reply was lost, and nobody ever acknowledged it"
                            : "%s was delivered up to the limit, and nobody acknowledged it",
                        one(tale->cell, 'A').text);
    default:
        return without_stop(reason_help(tale->verdict->reason));
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

/* The margin ----------------------------------------------------------------------------------- */

/* Where an operation did what it is accused of: its last write of one of the scenario's documents,
 * else where it ended; or NULL. */
static const struct trail_entry *deed_of(const struct narrate_tale *tale, int64_t operation)
{
    const struct trail *trail = tale->trail;
    const char *collection = tale->cell->scenario->collection;
    const struct trail_entry *deed = NULL, *end = NULL;
    for (size_t i = 0; i < trail->count && operation != 0; i++) {
        const struct trail_entry *entry = &trail->entries[i];
        if (entry->operation < 0 || entry->move.worker != OPERATION_WORKER(operation) ||
            entry->operation != OPERATION_NUMBER(operation))
            continue;
        if (entry->settled)
            end = entry;
        for (size_t j = 0; j < entry->image_count; j++)
            if (strncmp(entry->images[j].name, collection, strlen(collection)) == 0)
                deed = entry;
    }
    return deed != NULL ? deed : end;
}

/* What the verdict's witness says at this step, or NULL. Of two, the later one is accused. */
static char *accusation(const struct narrate_tale *tale, const struct trail_entry *entry)
{
    const struct witness *witness = first_witness(tale->verdict);
    if (witness == NULL)
        return NULL;
    const struct trail_entry *victim = deed_of(tale, witness->victim);
    const struct trail_entry *culprit = deed_of(tale, witness->culprit);
    bool last = entry == (culprit == NULL || victim > culprit ? victim : culprit);
    int64_t other = victim > culprit ? witness->culprit : witness->victim;
    switch (tale->verdict->reason) {
    case REASON_REPEATED:
        return last ? x_format("REPEATED: %s's %s", worker_name(other).text, noun(tale->cell))
                    : NULL;
    case REASON_SKEWED:
        if (!last || culprit == NULL)
            return NULL;
        return x_format(entry == culprit ? "SKEWED: %s had read this"
                                         : "SKEWED: %s changed what it read",
                        worker_name(other).text);
    case REASON_LOST_UPDATE:
        return last && culprit == entry && first_loss(tale->trail) == NULL
                   ? x_format("LOST: %s's %s", worker_name(other).text, noun(tale->cell))
                   : NULL;
    case REASON_DOUBLED_UPDATE:
        return entry == victim ? x_strdup("APPLIED TWICE") : NULL;
    case REASON_TORN:
        return entry == victim ? x_strdup("TORN") : NULL;
    default:
        return NULL;
    }
}

char *narrate_margin(const struct narrate_tale *tale, const struct trail_entry *entry)
{
    if (entry->lost)
        return x_format("LOST: %s's %s", worker_name(entry->victim).text, noun(tale->cell));
    char *words = accusation(tale, entry);
    if (words == NULL && entry->settled && entry->outcome != DONE)
        words = x_format("w%" PRId32 ": %s", entry->move.worker, outcome_name(entry->outcome));
    return words;
}
