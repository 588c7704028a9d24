/* SPDX-License-Identifier: Apache-2.0
 *
 * ticket_events: worker 0 publishes the versions 0, 1, 2, ... of --docs tickets, and all workers
 * consume the events and keep a replica of each ticket. The bus is a collection: a consumer takes
 * the next event that is visible, which hides it for the redelivery time-out; it applies the event
 * on the version before (base), and deletes it (ack) when the replica has it, be it by itself or
 * already. An event that is not acknowledged comes again, at most as often as a limit says; then it
 * is parked. Version 0 ("ticket:created") is seeded, and published with --unseeded only. Events are
 * published in lots, each when the one before is consumed. Hazards: duplicates puts an event on the
 * bus twice, reordering makes it visible after later ones; --ops is the number of events.
 *
 *      consumer 1                      consumer 2
 *      takes version 2
 *                                      takes version 3
 *                                      stores version 3 over version 1
 *      2 is older than 3: skips it
 *
 * What version 2 changed is never applied: MISSED. Applied twice: REPEATED. Overwritten by an older
 * one: LOST. Refused until it is parked, though the replica had it long ago: never acknowledged.
 */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

#define BUS "bus"
enum { LOT_MAX = 16, IDLE_MAX = 2000, TRIES_MAX = 20, COPIES_MAX = 2, CLOSED = 0 };
/* `detail` of an operation after which its event was given up. */
enum { PARKED = 1 };

/* An event on the bus. */
struct delivery {
    int64_t id;     /* on the bus: differs between copies */
    int64_t number; /* of the event, from 1 */
    int64_t ticket, version;
    int64_t deliveries; /* this one included */
};

/* The replica ---------------------------------------------------------------------------------- */

static int64_t ticket_events_documents(const struct cell *cell)
{
    return cell->docs;
}

static int64_t price_of(int64_t ticket, int64_t version)
{
    return 1000 * (ticket + 1) + version % 1000;
}

static void append_content(bson_t *document, int64_t ticket, int64_t version)
{
    char title[64];
    snprintf(title, sizeof(title), "ticket %lld, version %lld", (long long)ticket,
             (long long)version);
    BSON_APPEND_INT64(document, "version", version);
    BSON_APPEND_UTF8(document, "title", title);
    BSON_APPEND_INT64(document, "price", price_of(ticket, version));
}

static void ticket_events_seed(const struct cell *cell, int64_t id, bson_t *document)
{
    (void)cell;
    BSON_APPEND_INT64(document, "_id", id);
    append_content(document, id, 0);
    BSON_APPEND_INT64(document, "changes", 0);
}

/* Takes over what the event says. That it is the very next version, and not a later one, is for the
 * strategy to see to, which knows it from `base`. */
static enum change take_over(const struct edit *edit, const bson_t *const was[], bson_t *is[])
{
    const struct delivery *event = edit->argument;
    if (edit_number(was[0], "version", -1) >= event->version)
        return ALREADY;
    BSON_APPEND_INT64(is[0], "_id", event->ticket);
    append_content(is[0], event->ticket, event->version);
    BSON_APPEND_INT64(is[0], "changes", edit_number(was[0], "changes", 0) + edit->amount);
    return CHANGED;
}

/* The bus -------------------------------------------------------------------------------------- */

/* Longer than consumers need for one event when all are at work. */
static int64_t redelivery_ms(const struct cell *cell)
{
    return 8 + cell->workers / 4;
}

static int64_t lot_size(const struct cell *cell)
{
    return cell->workers < LOT_MAX ? cell->workers : LOT_MAX;
}

/* In a lot of one ticket all but the first may be refused, the second time all but two, ... */
static int64_t deliveries_max(const struct cell *cell)
{
    return 2 * lot_size(cell) + 8;
}

/* Puts a document on the bus for sure: its _id makes a second try harmless. */
static void put(struct session *session, const bson_t *document)
{
    enum outcome outcome = UNKNOWN;
    for (int tries = 0; tries < TRIES_MAX && outcome != DONE && outcome != CONFLICT; tries++)
        outcome = session_insert_one(session, BUS, document);
}

static void publish(struct session *session, const struct cell *cell, int64_t number)
{
    int64_t first = cell->unseeded ? 0 : 1, ticket = (number - 1) % cell->docs;
    int64_t visible_ms = session_now_ms(session);
    int copies = session_strike(session, HAZARD_INDEX_duplicates) ? COPIES_MAX : 1;
    if (session_strike(session, HAZARD_INDEX_reordering))
        visible_ms += 2 * redelivery_ms(cell);
    for (int copy = 0; copy < copies; copy++) {
        bson_t *event = session_document(session);
        BSON_APPEND_INT64(event, "_id", COPIES_MAX * number + copy);
        BSON_APPEND_INT64(event, "number", number);
        BSON_APPEND_INT64(event, "ticket", ticket);
        BSON_APPEND_INT64(event, "version", first + (number - 1) / cell->docs);
        BSON_APPEND_INT64(event, "visible", visible_ms);
        BSON_APPEND_INT64(event, "deliveries", 0);
        put(session, event);
    }
}

/* The next visible event, hidden from now on for the time-out; false: there is none. */
static bool take(struct session *session, const struct cell *cell, struct delivery *delivery)
{
    int64_t now_ms = session_now_ms(session);
    bson_t *filter = session_document(session), *update = session_document(session),
           *sort = session_document(session), part;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "visible", &part);
    BSON_APPEND_INT64(&part, "$lte", now_ms);
    bson_append_document_end(filter, &part);
    BSON_APPEND_INT32(sort, "_id", 1);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$set", &part);
    BSON_APPEND_INT64(&part, "visible", now_ms + redelivery_ms(cell));
    bson_append_document_end(update, &part);
    BSON_APPEND_DOCUMENT_BEGIN(update, "$inc", &part);
    BSON_APPEND_INT64(&part, "deliveries", 1);
    bson_append_document_end(update, &part);
    const struct modify modify = {.collection = BUS,
                                  .filter = filter,
                                  .update = update,
                                  .sort = sort};
    const bson_t *event;
    if (session_find_and_modify(session, &modify, &event) != DONE || !event)
        return false;
    *delivery = (struct delivery){.id = edit_number(event, "_id", 0),
                                  .number = edit_number(event, "number", 0),
                                  .ticket = edit_number(event, "ticket", 0),
                                  .version = edit_number(event, "version", 0),
                                  .deliveries = edit_number(event, "deliveries", 0)};
    return true;
}

/* Applies the event; acknowledges it when the replica has it, and parks it at the limit. An ack
 * that gets lost is no harm: the event comes again and is found applied. */
static void consume(struct session *session, const struct cell *cell,
                    const struct delivery *delivery)
{
    const struct edit edit = {.key = {{"tickets", delivery->ticket}},
                              .count = 1,
                              .change = take_over,
                              .field = "changes",
                              .base = delivery->version > 0 ? delivery->version - 1 : EDIT_ANY,
                              .once = delivery->number,
                              .amount = 1,
                              .argument = delivery};
    enum outcome outcome = worker_apply(session, &edit, NULL);
    bool applied = outcome == DONE || outcome == NOTHING;
    if (!applied && delivery->deliveries < deliveries_max(cell))
        return;
    if (!applied)
        worker_note(session, PARKED);
    int64_t deleted;
    session_delete_one(session, BUS, session_key(session, &(struct key){BUS, delivery->id}),
                       &deleted);
}

/* Is the publisher's lot consumed, or for the others: has the publisher closed the bus? DONE says
 * that `*over` is known. */
static enum outcome ask_over(struct session *session, bool publisher, bool *over)
{
    bson_t *filter = session_document(session), part;
    const bson_t *found;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &part);
    BSON_APPEND_INT64(&part, publisher ? "$gt" : "$eq", CLOSED);
    bson_append_document_end(filter, &part);
    enum outcome outcome = session_find(session, BUS, filter, &found);
    *over = outcome == DONE && (publisher ? !found : found != NULL);
    return outcome;
}

/* Consumes until there will be nothing more; gives up when nothing happens for long, or nobody
 * answers. */
static void consume_all(struct session *session, const struct cell *cell, bool publisher)
{
    int idle = 0, unanswered = 0;
    bool over = false;
    while (!over && idle < IDLE_MAX && unanswered < TRIES_MAX) {
        struct delivery delivery;
        if (take(session, cell, &delivery)) {
            consume(session, cell, &delivery);
            idle = 0;
            continue;
        }
        unanswered += ask_over(session, publisher, &over) != DONE;
        int64_t pause_ms = 1 + idle++ / 8;
        if (!over)
            session_sleep_until(session, session_now_ms(session) + (pause_ms < 90 ? pause_ms : 90));
    }
}

static void ticket_events_work(struct session *session, const struct cell *cell)
{
    bool publisher = session_worker(session) == 0;
    int64_t number = 0, lot = lot_size(cell);
    while (publisher && worker_next(session)) {
        /* One operation of its share stands for one of each worker. */
        for (int32_t i = 0; i < cell->workers; i++) {
            publish(session, cell, ++number);
            if ((i + 1) % lot == 0 || i + 1 == cell->workers)
                consume_all(session, cell, publisher);
        }
    }
    if (publisher) {
        bson_t closed = BSON_INITIALIZER;
        BSON_APPEND_INT64(&closed, "_id", CLOSED);
        put(session, &closed);
        bson_destroy(&closed);
    } else {
        consume_all(session, cell, publisher);
    }
}

/* The judge ------------------------------------------------------------------------------------ */

/* How many events were published: what was planned, or what arrived when that was cut short. */
static int64_t count_events(const struct record *record)
{
    const struct cell *cell = record->cell;
    int64_t highest = 0;
    if (cell->ops > 0 && cell->duration_ms == 0 && !record->interrupted)
        return (cell->ops + cell->workers - 1) / cell->workers * cell->workers;
    for (size_t i = 0; i < record->event_count; i++)
        if (record->events[i].once > highest)
            highest = record->events[i].once;
    return highest;
}

static void judge_parked(const struct record *record, struct verdict *verdict)
{
    for (size_t i = 0; i < record->event_count; i++) {
        const struct event *event = &record->events[i];
        if (event->detail != PARKED)
            continue;
        verdict->counts.missed++;
        checker_accuse(verdict, REASON_NEVER_ACKED,
                       &(struct witness){.property = MISSED,
                                         .key = event->key[0],
                                         .victim = event->operation,
                                         .version = event->read[0],
                                         .victim_return_ns = event->return_ns});
    }
}

static bool has_content(const bson_t *document, int64_t ticket, int64_t version)
{
    return document && edit_number(document, "version", -1) == version &&
           edit_number(document, "price", -1) == price_of(ticket, version);
}

/* The replica must be at the last version that was published, with its content. */
static void judge_replica(const struct record *record, int64_t events, struct verdict *verdict)
{
    int64_t docs = record->final_count, first = record->cell->unseeded ? 0 : 1;
    if (verdict->status == BROKEN || !record->documents)
        return; /* explained already, by name */
    for (int64_t ticket = 0; ticket < docs && ticket < events; ticket++) {
        int64_t last = first + (events - 1 - ticket) / docs;
        if (has_content(record->documents[ticket], ticket, last))
            continue;
        verdict->counts.lost++;
        checker_accuse(verdict, REASON_LOST_UPDATE,
                       &(struct witness){.property = LOST, .key = ticket});
    }
}

static void ticket_events_judge(const struct record *record, struct verdict *verdict)
{
    int64_t events = count_events(record);
    checker_count(record, verdict);
    checker_updates(record, verdict);
    judge_parked(record, verdict);
    checker_once(record, events, verdict);
    judge_replica(record, events, verdict);
    checker_contention(record, verdict);
}

const struct scenario scenario_ticket_events = {
    .name = "ticket_events",
    .help = "consumers of a message bus keep replicas of versioned tickets",
    .needs = CAN_CHANGE | CAN_BASE,
    .checks = 1u << LOST | 1u << DOUBLED | 1u << REPEATED | 1u << MISSED,
    .collection = "tickets",
    .field = "changes",
    .documents = ticket_events_documents,
    .seed = ticket_events_seed,
    .work = ticket_events_work,
    .judge = ticket_events_judge,
};
