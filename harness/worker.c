/* SPDX-License-Identifier: Apache-2.0
 *
 * worker: see worker.h. One operation is: a number, attempts until the edit is settled, one event.
 * Everything that strategies must not do for themselves is here: trying again, backing off,
 * counting, timing, recording.
 */
#include "worker.h"
#include "scenario.h"
#include "transport.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool worker_next(struct session *session)
{
    if (atomic_load_explicit(&session->crew->stop, memory_order_relaxed) ||
        session->operations_left == 0)
        return false;
    session->operations_left--;
    if (session_strike(session, HAZARD_INDEX_boot))
        crew_boot(session);
    return true;
}

static int64_t now_ns(struct session *session)
{
    return session->crew->transport->clock->run_ns(session);
}

/* One call of the strategy, alone in its instance, and its duration. */
static enum outcome attempt(struct session *session, const struct edit *edit)
{
    session_forget(session);
    memset(&session->evidence, 0, sizeof(session->evidence));
    memset(session->was, 0, sizeof(session->was));
    session->worked = false;
    int64_t started_ns = now_ns(session);
    session->attempts++;
    if (session->crew->transport->attempts != NULL)
        session->crew->transport->attempts->begin(session);
    crew_enter(session);
    enum outcome outcome =
        session->strategy->apply(session, session->instance->shared[session->strategy_index], edit);
    if (session->in_transaction)
        session_abort(session);
    session->died = crew_leave(session);
    if (session->died)
        outcome = UNKNOWN; /* whoever asked has died with the instance: nobody was told */
    must(session->lock_name == NULL);
    int64_t took_ns = now_ns(session) - started_ns;
    histogram_record(&session->latencies->attempt, took_ns);
    if (session->crew->witness != NULL)
        session->crew->witness->attempted(session, took_ns);
    return outcome;
}

/* What an attempt's outcome is worth after those before it. Once an attempt got no answer, only
 * DONE says more than "may have been applied": the operation stays UNKNOWN, with the evidence of
 * that attempt, whatever the others did not do. */
static enum outcome settle(struct session *session, enum outcome outcome, struct event *event)
{
    bool wrote = session->evidence.wrote != 0;
    if (outcome == UNKNOWN && (wrote || session->unanswered == 0)) {
        event->retried = session->unanswered > 0;
        session->unsettled = session->evidence;
        session->unanswered++;
    } else if (outcome == DONE && wrote) {
        event->retried = session->unanswered > 0;
    } else if (session->unanswered > 0) { /* DONE: says that the earlier one was applied */
        session->evidence = session->unsettled;
        event->retried = outcome != DONE && session->unanswered > 1;
    }
    return session->unanswered > 0 && outcome != DONE ? UNKNOWN : outcome;
}

/* May this outcome be followed by another attempt? */
static bool again(const struct session *session, const struct edit *edit, enum outcome outcome)
{
    switch (outcome) {
    case BUSY:
    case CONFLICT:
        return edit->wait;
    case UNKNOWN: /* only who can tell whether it was applied may ask again */
        return edit->wait && !session->died &&
               (session->crew->cell->retry_unknown ||
                (session->strategy->keeps[DOUBLED] & HAZARD_BIT(lost_reply)) != 0);
    default:
        return false;
    }
}

static int64_t backoff_us(struct session *session, int tries)
{
    const struct backoff *backoff = &session->crew->cell->backoff;
    int64_t limit_us = backoff->base_us;
    if (backoff->kind == BACKOFF_NONE)
        return 0;
    if (backoff->kind == BACKOFF_FIXED)
        return limit_us;
    for (int i = 1; i < tries && limit_us < backoff->cap_us; i++)
        limit_us *= 2;
    if (limit_us > backoff->cap_us)
        limit_us = backoff->cap_us;
    if (backoff->kind == BACKOFF_EXPONENTIAL || limit_us == 0)
        return limit_us;
    return session_random(session, limit_us);
}

static void back_off(struct session *session, int tries)
{
    int64_t us = backoff_us(session, tries);
    if (us > 0 && session_step(session, STEP_SLEEP, ""))
        session->crew->transport->clock->sleep_us(session, us);
}

/* Fills in what the session knows of its present operation. */
static void describe(const struct session *session, const struct edit *edit, struct event *event)
{
    event->operation = session_operation(session);
    event->worker = session->worker;
    event->instance = session->instance->number;
    event->strategy = (uint8_t)session->strategy_index;
    event->amount = edit->amount;
    event->once = edit->once;
    event->applied = -1;
    event->wrote = session->evidence.wrote;
    event->doubled = session->doubled;
    event->reads_only = edit->change == NULL && edit->operators == NULL;
    event->value_read = session->evidence.value_read;
    event->value_written = session->evidence.value_written;
    for (int i = 0; i < EDIT_DOCUMENTS_MAX; i++) {
        event->key[i] = i < edit->count ? edit->key[i].id : -1;
        event->read[i] = session->evidence.read[i];
    }
}

/* Appends the operation's event to the worker's own history. */
static void record(struct session *session, const struct edit *edit, const struct event *noted)
{
    struct event *event = history_append(&session->history);
    *event = *noted;
    describe(session, edit, event);
    if (session->first_ns < 0)
        session->first_ns = event->invoke_ns;
    session->last_ns = event->return_ns;
}

void worker_unfinished(const struct session *session, struct event *event)
{
    *event = *session->event;
    describe(session, session->edit, event);
    event->outcome = UNKNOWN;
    event->retried = session->unanswered > 0;
    if (event->wrote != 0 || event->reads_only)
        return;
    if (session->unanswered > 0) { /* what is open is an earlier attempt's */
        const struct evidence *earlier = &session->unsettled;
        event->retried = session->unanswered > 1;
        event->wrote = earlier->wrote;
        event->value_read = earlier->value_read;
        event->value_written = earlier->value_written;
        memcpy(event->read, earlier->read, sizeof(event->read));
    } else if (session->strategy->setup != NULL) { /* others may write what it left in their RAM */
        for (int i = 0; i < session->edit->count; i++) {
            event->wrote |= (uint8_t)(1 << i);
            event->read[i] = VERSION_BLIND;
        }
    }
}

static void begin(struct session *session, const struct edit *edit)
{
    session->edit = edit;
    session->operation_count++;
    session->doubled = false;
    memset(&session->evidence, 0, sizeof(session->evidence));
    session->in_operation = true;
    if (session->crew->hazards != NULL)
        hazards_begin(session->crew->hazards, session);
    session->unanswered = 0;
    snprintf(session->comment, sizeof(session->comment), "w%" PRId32 ".%" PRId64, session->worker,
             session->operation_count - 1);
}

/* Has the crew come to a stop? For longer than two leases every operation was given up and none got
 * through: the checker calls that stuck, and to go on would only take hours to say so again. */
static void watch_for_end(struct session *session, const struct event *event)
{
    enum { GIVEN_UP_MIN = 10 };
    struct crew *crew = session->crew;
    if (event->outcome != BUSY && event->outcome != CONFLICT) {
        atomic_store_explicit(&crew->given_up, 0, memory_order_relaxed);
        atomic_store_explicit(&crew->through_ns, event->return_ns, memory_order_relaxed);
        return;
    }
    if (event->attempts < crew->cell->max_tries || crew->cell->lease_ms <= 0)
        return;
    int given_up = 1 + atomic_fetch_add_explicit(&crew->given_up, 1, memory_order_relaxed);
    int64_t silent_ns =
        event->return_ns - atomic_load_explicit(&crew->through_ns, memory_order_relaxed);
    if (given_up >= 2 * crew->count && given_up >= GIVEN_UP_MIN + crew->count &&
        silent_ns > 2 * crew->cell->lease_ms * 1000000)
        atomic_store(&crew->stop, true);
}

enum outcome worker_apply(struct session *session, const struct edit *edit, struct result *result)
{
    struct crew *crew = session->crew;
    struct event event = {0};
    begin(session, edit);
    event.invoke_ns = now_ns(session);
    session->event = &event;
    if (crew->witness != NULL)
        crew->witness->begun(session);
    int64_t commands_before = session->commands, waited_ns = 0;
    enum outcome outcome;
    for (;;) {
        event.attempts++;
        outcome = attempt(session, edit);
        event.outcome = settle(session, outcome, &event);
        if (!again(session, edit, outcome) || event.attempts >= crew->cell->max_tries ||
            atomic_load_explicit(&crew->stop, memory_order_relaxed))
            break;
        int64_t before_ns = now_ns(session);
        if (crew->transport->attempts != NULL)
            crew->transport->attempts->again(session);
        else
            back_off(session, event.attempts);
        waited_ns += now_ns(session) - before_ns;
    }
    event.return_ns = now_ns(session);
    event.commands = (int32_t)(session->commands - commands_before);
    histogram_record(&session->latencies->operation, event.return_ns - event.invoke_ns);
    histogram_record(&session->latencies->waiting, waited_ns);
    record(session, edit, &event);
    watch_for_end(session, &event);
    if (crew->witness != NULL)
        crew->witness->settled(session, waited_ns);
    if (result != NULL) {
        for (int i = 0; i < EDIT_DOCUMENTS_MAX; i++)
            result->was[i] = session->was[i];
        result->attempts = event.attempts;
    }
    if (crew->transport->attempts != NULL)
        crew->transport->attempts->settle(session, outcome == NOTHING ? NOTHING : event.outcome,
                                          result != NULL);
    session->edit = NULL;
    session->event = NULL;
    session->in_operation = false;
    if (crew->hazards != NULL)
        hazards_end(crew->hazards, session);
    atomic_fetch_add_explicit(&session->progress, 1, memory_order_relaxed);
    return outcome == NOTHING ? NOTHING : event.outcome;
}

void worker_note(struct session *session, int64_t detail)
{
    must(session->history.count > 0);
    session->history.events[session->history.count - 1].detail = detail;
}
