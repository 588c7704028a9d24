/* SPDX-License-Identifier: Apache-2.0
 *
 * parking: see parking.h. One list in the order of arrival. Waking marks everybody who waits for a
 * transaction, since the store does not say whose row it was; who meets another open transaction
 * parks again, at the end.
 */
#include "parking.h"

#include "base.h"
#include "dispatch.h"
#include <stdlib.h>
#include <utlist.h>

struct parked {
    struct request request;
    struct origin origin;
    struct receiver receiver;
    bson_t *body;
    int64_t until_ms;
    bool due;
    struct parked *prev, *next;
};

struct parking {
    struct parked *list;
    size_t count, bytes;
    bool running;
};

struct parking *parking_new(void)
{
    return x_calloc(1, sizeof(struct parking));
}

void parking_free(struct parking *parking)
{
    must(parking->list == NULL);
    free(parking);
}

bool parking_add(const struct request *request, const struct receiver *receiver, int64_t until_ms)
{
    struct engine *engine = request->engine;
    if (engine->parking->bytes + request->body->len > PARKED_BYTES_MAX)
        return false;
    struct parked *parked = x_calloc(1, sizeof *parked);
    parked->request = *request;
    parked->origin = *request->origin;
    parked->receiver = *receiver;
    parked->body = bson_copy(request->body);
    const char *target = request->step.target, *bytes = (const char *)bson_get_data(request->body);
    if (*target != '\0') /* is inside the body */
        parked->request.step.target = (const char *)bson_get_data(parked->body) + (target - bytes);
    parked->until_ms = until_ms;
    DL_APPEND(engine->parking->list, parked);
    engine->parking->count++;
    engine->parking->bytes += parked->body->len;
    int64_t first_ms = until_ms < request->deadline_ms ? until_ms : request->deadline_ms;
    if (first_ms < engine->due_ms)
        engine->due_ms = first_ms;
    return true;
}

size_t parking_count(const struct engine *engine)
{
    return engine->parking->count;
}

void parking_wake(struct engine *engine)
{
    struct parked *parked;
    DL_FOREACH (engine->parking->list, parked)
        if (parked->until_ms == INT64_MAX)
            parked->due = true;
}

/* Takes one from the list; the caller frees it. */
static void take(struct parking *parking, struct parked *parked)
{
    DL_DELETE(parking->list, parked);
    parking->count--;
    parking->bytes -= parked->body->len;
}

static void release(struct parked *parked)
{
    bson_destroy(parked->body);
    free(parked);
}

void parking_run(struct engine *engine)
{
    struct parking *parking = engine->parking;
    struct parked *parked = parking->list;
    if (parking->running)
        return;
    parking->running = true;
    while (parked != NULL) {
        if (!parked->due) {
            parked = parked->next;
            continue;
        }
        take(parking, parked);
        parked->request.body = parked->body;
        parked->request.origin = &parked->origin;
        dispatch_run(&parked->request, &parked->receiver);
        release(parked);
        parked = parking->list; /* who is told may have changed it anyhow */
    }
    parking->running = false;
}

int64_t parking_expire(struct engine *engine)
{
    int64_t now_ms = engine_elapsed_ms(engine), first_ms = INT64_MAX;
    struct parked *parked;
    DL_FOREACH (engine->parking->list, parked) {
        int64_t deadline_ms = parked->request.deadline_ms;
        int64_t end_ms = parked->until_ms < deadline_ms ? parked->until_ms : deadline_ms;
        parked->due = parked->due || end_ms <= now_ms;
        if (!parked->due && end_ms < first_ms)
            first_ms = end_ms;
    }
    return first_ms;
}

void engine_cancel(struct engine *engine, const void *context)
{
    struct parked *parked = engine->parking->list;
    while (parked != NULL) {
        if (context != NULL && parked->receiver.context != context) {
            parked = parked->next;
            continue;
        }
        take(engine->parking, parked);
        request_reset(&parked->request);
        parked->receiver.done(NULL, parked->receiver.context);
        release(parked);
        parked = engine->parking->list;
    }
}
