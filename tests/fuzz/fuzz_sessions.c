/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_sessions: rows of commands of two sessions, with retryable writes, transactions, ends of
 * sessions, fail points and time that passes. What must hold whatever is sent:
 *
 *   each command is answered once, a parked one when the transactions are over;
 *   a retryable write that is sent again, at once or later, has the same outcome and changes
 *   nothing;
 *   nothing but a plain write or a commit changes what others see: no statement inside a
 *   transaction, no abort, no end of a session, no refusal of a single statement;
 *   a session that has ended has no transaction, and none outlives its lifetime.
 *
 * Who was parked may write as soon as a transaction ends: then contents are not compared.
 */
#include "engine/sessions.h"
#include "fuzz.h"
#include "steps.h"

#include <stdio.h>
#include <string.h>

enum { ROW_MAX = 24, SESSIONS = 2 };

/* The latest retryable write of a session that was acknowledged and has written, or a commit. */
struct latest {
    bson_t *command, *outcome; /* NULL: none to be sent again */
    int64_t number;
};

struct state {
    struct steps steps;
    struct latest latest[SESSIONS];
    struct buffer before;
    bool failing; /* a fail point may be on */
};

static bool has_int64(const bson_t *command, const char *name, int64_t *number)
{
    bson_iter_t iter;
    if (!bson_iter_init_find(&iter, command, name) || !BSON_ITER_HOLDS_INT64(&iter))
        return false;
    *number = bson_iter_int64(&iter);
    return true;
}

/* Which of the two sessions, or -1. */
static int session_of(const bson_t *command)
{
    bson_iter_t iter, id;
    const uint8_t *bytes;
    uint32_t length = 0;
    if (!bson_iter_init_find(&iter, command, "lsid") || !bson_iter_recurse(&iter, &id) ||
        !bson_iter_find(&id, "id"))
        return -1;
    bson_iter_binary(&id, NULL, &length, &bytes);
    return bytes[0] - 1;
}

static const char *name_of(const bson_t *command)
{
    bson_iter_t iter;
    return bson_iter_init(&iter, command) && bson_iter_next(&iter) ? bson_iter_key(&iter) : "";
}

static bool is_inside(const bson_t *command)
{
    return bson_has_field(command, "autocommit");
}

static bool is_write(const char *name)
{
    return strcmp(name, "insert") == 0 || strcmp(name, "update") == 0 ||
           strcmp(name, "delete") == 0 || strcmp(name, "findAndModify") == 0;
}

/* A reply without what says that it was given before. */
static bson_t *outcome_of(const bson_t *reply)
{
    bson_t *outcome = bson_new();
    bson_copy_to_excluding_noinit(reply, outcome, "retriedStmtIds", "retriedStmtId", NULL);
    return outcome;
}

static void forget_latest(struct latest *latest)
{
    bson_destroy(latest->command);
    bson_destroy(latest->outcome);
    latest->command = latest->outcome = NULL;
}

/* How many statements the command carries; findAndModify is one. */
static int statements_of(const bson_t *command)
{
    static const char *const names[] = {"documents", "updates", "deletes"};
    bson_iter_t iter, item;
    for (int i = 0; i < 3; i++)
        if (bson_iter_init_find(&iter, command, names[i]) && bson_iter_recurse(&iter, &item)) {
            int count = 0;
            while (bson_iter_next(&item))
                count++;
            return count;
        }
    return 1;
}

static int64_t row_count(const bson_t *reply)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, reply, "n") ? bson_iter_as_int64(&iter) : 0;
}

static void read_contents(struct state *state)
{
    state->before.length = 0;
    steps_contents(&state->steps, &state->before);
}

/* Sends a session's latest write or commit again. Nobody else may be answered, and nobody is. */
static void send_again(struct state *state, int session)
{
    struct latest *latest = &state->latest[session];
    if (latest->command == NULL || state->failing || state->steps.count >= STEPS_MAX - 4)
        return;
    read_contents(state);
    const struct step_sent *sent = steps_send(&state->steps, latest->command);
    if (!step_answered(sent))
        fuzz_finding("what was done before is parked when it is sent again");
    bson_t *outcome = sent->reply != NULL ? outcome_of(sent->reply) : bson_new();
    if (!bson_equal(outcome, latest->outcome)) {
        char *was = bson_as_relaxed_extended_json(latest->outcome, NULL);
        char *is = bson_as_relaxed_extended_json(outcome, NULL);
        fuzz_finding("sent again, the outcome differs: %s, then %s", was, is);
    }
    bson_destroy(outcome);
    steps_same(&state->steps, &state->before, "by a command that was sent again");
}

static bool contents_differ(const struct state *state)
{
    struct buffer now = {0};
    steps_contents(&state->steps, &now);
    bool differ = now.length != state->before.length ||
                  (now.length > 0 && memcmp(now.bytes, state->before.bytes, now.length) != 0);
    buffer_release(&now);
    return differ;
}

/* Remembers what may be sent again: one statement that has written, inserts that all have, and
 * commits. (A statement that wrote nothing is run again, and may write then.) */
static void remember(struct state *state, const struct step_sent *sent, bool changed)
{
    int session = session_of(sent->command);
    int64_t number = 0;
    const char *name = name_of(sent->command);
    if (session < 0 || session >= SESSIONS || !has_int64(sent->command, "txnNumber", &number))
        return;
    struct latest *latest = &state->latest[session];
    if (is_inside(sent->command) && strcmp(name, "commitTransaction") != 0 &&
        number <= latest->number)
        return;
    forget_latest(latest);
    latest->number = number > latest->number ? number : latest->number;
    if (number < latest->number || !step_fine(sent) || state->failing)
        return;
    bool commits = strcmp(name, "commitTransaction") == 0;
    int statements = statements_of(sent->command);
    bool all =
        statements == 1 || (strcmp(name, "insert") == 0 && row_count(sent->reply) == statements);
    bool writes = !is_inside(sent->command) && is_write(name) && changed && all;
    if (!commits && !writes)
        return;
    latest->command = bson_copy(sent->command);
    latest->outcome = outcome_of(sent->reply);
}

/* May this command, answered so, have changed what others see? */
static bool may_change(const struct step_sent *sent)
{
    const char *name = name_of(sent->command);
    bool closed = step_answered(sent) && sent->reply == NULL; /* perhaps after it was done */
    if (is_inside(sent->command))
        return strcmp(name, "commitTransaction") == 0 && (step_fine(sent) || closed);
    if (strcmp(name, "drop") == 0 || strcmp(name, "dropDatabase") == 0)
        return true;
    if (!is_write(name))
        return false;
    return step_fine(sent) || closed || strcmp(name, "findAndModify") != 0;
}

static void send_command(struct state *state, struct fuzz_input *input)
{
    bson_t command = BSON_INITIALIZER;
    fuzz_command(input, &command, true);
    read_contents(state);
    int answered = steps_answered(&state->steps);
    bool parked = answered < state->steps.count; /* a batch that waits may go on, and wait again */
    const struct step_sent *sent = steps_send(&state->steps, &command);
    bool alone = steps_answered(&state->steps) - answered <= (step_answered(sent) ? 1 : 0);
    bool changed = contents_differ(state);
    if (changed && alone && !parked && !may_change(sent)) {
        char *json = bson_as_relaxed_extended_json(&command, NULL);
        fuzz_finding("%s has changed what others see", json);
    }
    if (step_answered(sent) && alone)
        remember(state, sent, changed);
    else if (session_of(&command) >= 0 && session_of(&command) < SESSIONS)
        forget_latest(&state->latest[session_of(&command)]);
    if (step_answered(sent) && alone && session_of(&command) >= 0 && !is_inside(&command))
        send_again(state, session_of(&command) % SESSIONS);
    bson_destroy(&command);
}

static void set_fail_point(struct state *state, struct fuzz_input *input)
{
    static const char *const points[] = {
        "{'configureFailPoint': 'failCommand', 'mode': {'times': 1}, 'data': {'failCommands': "
        "['update', 'commitTransaction', 'find'], 'closeConnection': true}, '$db': 'admin'}",
        "{'configureFailPoint': 'failCommand', 'mode': {'times': 2}, 'data': {'failCommands': "
        "['insert', 'abortTransaction', 'findAndModify'], 'errorCode': 11600}, '$db': 'admin'}",
        "{'configureFailPoint': 'failCommand', 'mode': {'times': 2}, 'data': {'failCommands': "
        "['insert', 'update', 'commitTransaction'], 'blockConnection': true, 'blockTimeMS': 500}, "
        "'$db': 'admin'}",
        "{'configureFailPoint': 'failCommand', 'mode': {'skip': 1}, 'data': {'failCommands': "
        "['update', 'delete'], 'writeConcernError': {'code': 91, 'errmsg': 'x'}}, '$db': 'admin'}",
        "{'configureFailPoint': 'onPrimaryTransactionalWrite', 'mode': {'times': 1}, 'data': {}, "
        "'$db': 'admin'}",
        "{'configureFailPoint': 'onPrimaryTransactionalWrite', 'mode': {'times': 1}, 'data': "
        "{'failBeforeCommitExceptionCode': 91, 'closeConnection': false}, '$db': 'admin'}",
        "{'configureFailPoint': 'failCommand', 'mode': 'off', '$db': 'admin'}",
    };
    char json[512];
    int which = fuzz_below(input, 7);
    snprintf(json, sizeof json, "%s", points[which]);
    for (char *at = json; *at != '\0'; at++)
        *at = *at == '\'' ? '"' : *at;
    steps_send_json(&state->steps, json);
    if (which == 6)
        steps_send_json(&state->steps, "{\"configureFailPoint\": \"onPrimaryTransactionalWrite\", "
                                       "\"mode\": \"off\", \"$db\": \"admin\"}");
    state->failing = which != 6;
}

/* Time passes; nobody's writes may become visible by that, but for those who were parked. */
static void pass_time(struct state *state, struct fuzz_input *input)
{
    static const int64_t by_ms[] = {1, 499, 1000, STEPS_LIFETIME_MS, 31 * 60 * 1000};
    int which = fuzz_below(input, 5);
    read_contents(state);
    int answered = steps_answered(&state->steps);
    steps_advance(&state->steps, by_ms[which]);
    if (steps_answered(&state->steps) == answered) {
        steps_same(&state->steps, &state->before, "by time");
        if (by_ms[which] >= STEPS_LIFETIME_MS && sessions_open(state->steps.engine))
            fuzz_finding("a transaction has outlived its lifetime");
    }
    for (int i = 0; by_ms[which] > STEPS_LIFETIME_MS && i < SESSIONS; i++)
        forget_latest(&state->latest[i]);
}

/* A commit of what was open in a session that has ended changes nothing. */
static void commit_late(struct state *state, int session)
{
    uint8_t id[16] = {(uint8_t)(session + 1)};
    bson_t commit = BSON_INITIALIZER, lsid;
    BSON_APPEND_INT32(&commit, "commitTransaction", 1);
    BSON_APPEND_DOCUMENT_BEGIN(&commit, "lsid", &lsid);
    BSON_APPEND_BINARY(&lsid, "id", BSON_SUBTYPE_UUID, id, sizeof id);
    bson_append_document_end(&commit, &lsid);
    BSON_APPEND_INT64(&commit, "txnNumber", state->latest[session].number);
    BSON_APPEND_BOOL(&commit, "autocommit", false);
    BSON_APPEND_UTF8(&commit, "$db", "admin");
    read_contents(state);
    int answered = steps_answered(&state->steps);
    steps_send(&state->steps, &commit);
    if (steps_answered(&state->steps) - answered <= 1)
        steps_same(&state->steps, &state->before, "by the commit of a session that was ended");
    bson_destroy(&commit);
}

/* Ends, kills or refreshes one session, or both. */
static void end_sessions(struct state *state, struct fuzz_input *input)
{
    static const char *const verbs[] = {"endSessions", "killSessions", "refreshSessions"};
    int which = fuzz_below(input, 3), first = 1 + fuzz_below(input, SESSIONS);
    int last = fuzz_below(input, 2) ? SESSIONS : first;
    bson_t command = BSON_INITIALIZER;
    steps_list_sessions(&command, verbs[which], first, last);
    read_contents(state);
    int answered = steps_answered(&state->steps);
    bool parked = answered < state->steps.count; /* a batch that waits may go on, and wait again */
    const struct step_sent *sent = steps_send(&state->steps, &command);
    if (!parked && steps_answered(&state->steps) - answered <= 1)
        steps_same(&state->steps, &state->before, "by the end of a session");
    bson_destroy(&command);
    if (which == 2 || !step_fine(sent))
        return;
    if (first == 1 && last == SESSIONS && sessions_open(state->steps.engine))
        fuzz_finding("a transaction has outlived its session");
    for (int i = first - 1; i < last; i++) {
        commit_late(state, i);
        if (which == 0) {
            forget_latest(&state->latest[i]);
            state->latest[i].number = 0;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct fuzz_input input = {bytes, length};
    struct state state = {.failing = false};
    steps_start(&state.steps, "memory", NULL);
    for (int i = 0; i < ROW_MAX && input.length > 0 && state.steps.count < STEPS_MAX - 6; i++) {
        switch (fuzz_below(&input, 12)) {
        case 0:
            set_fail_point(&state, &input);
            break;
        case 1:
            pass_time(&state, &input);
            break;
        case 2:
            end_sessions(&state, &input);
            break;
        case 3:
            send_again(&state, fuzz_below(&input, SESSIONS));
            break;
        default:
            send_command(&state, &input);
            break;
        }
    }
    steps_settle(&state.steps);
    for (int i = 0; i < SESSIONS; i++)
        forget_latest(&state.latest[i]);
    steps_stop(&state.steps);
    buffer_release(&state.before);
    return 0;
}
