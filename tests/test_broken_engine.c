/* SPDX-License-Identifier: Apache-2.0
 *
 * broken_engine: defects planted into the engine, between the session and the server: strategies
 * that hold on a right engine must be convicted on these, since a harness that acquits them on a
 * server that breaks its promises proves nothing.
 *
 *   findAndModify is not atomic    it looks, others may go first, then it writes what it found
 *   a reply before the write       an update is acknowledged, and done with the next command
 *
 * (Under lock_document the next command is the release, still under the lock: no harm is done.)
 *
 * labels: stress broken
 */
#include "support.h"
#include "transport_direct.h"

enum { GAP_US = 50, WORKERS = 8, OPERATIONS = 400, SEEDS = 5 };

/* Looks, lets others go first, and then changes what it has found, whatever it has become. */
static void find_then_modify(struct session *session, const struct command_request *request,
                             struct command_reply *reply)
{
    if (request->kind != STEP_FIND_AND_MODIFY) {
        transport_direct.commands->execute(session, request, reply);
        return;
    }
    const struct command_request look = {.kind = STEP_FIND,
                                         .collection = request->collection,
                                         .filter = request->modify.filter};
    bson_iter_t id;
    bson_t by_id = BSON_INITIALIZER;
    struct command_request write = *request;
    transport_direct.commands->execute(session, &look, reply);
    if (reply->document && bson_iter_init_find(&id, reply->document, "_id")) {
        bson_append_iter(&by_id, NULL, -1, &id);
        write.modify.filter = &by_id;
        transport_direct.clock->sleep_us(session, GAP_US);
    }
    bson_destroy(reply->document);
    *reply = (struct command_reply){0};
    transport_direct.commands->execute(session, &write, reply);
    bson_destroy(&by_id);
}

/* An update that was acknowledged and is still to be done, one for each worker. */
static struct {
    bson_t *filter, *update;
    const char *collection;
} late[WORKERS];

static void do_late(struct session *session)
{
    bson_t *filter = late[session->worker].filter, *update = late[session->worker].update;
    if (!filter)
        return;
    late[session->worker].filter = NULL;
    const struct command_request request = {.kind = STEP_UPDATE,
                                            .collection = late[session->worker].collection,
                                            .filter = filter,
                                            .modify = {.collection =
                                                           late[session->worker].collection,
                                                       .filter = filter,
                                                       .update = update}};
    struct command_reply reply = {0};
    transport_direct.commands->execute(session, &request, &reply);
    bson_destroy(reply.document);
    bson_destroy(filter);
    bson_destroy(update);
}

static void reply_then_write(struct session *session, const struct command_request *request,
                             struct command_reply *reply)
{
    do_late(session);
    if (request->kind != STEP_UPDATE || !request->modify.update) {
        transport_direct.commands->execute(session, request, reply);
        return;
    }
    late[session->worker].filter = bson_copy(request->modify.filter);
    late[session->worker].update = bson_copy(request->modify.update);
    late[session->worker].collection = request->collection;
    *reply = (struct command_reply){.sent = true,
                                    .answered = true,
                                    .durable = true,
                                    .written = {.matched = 1, .modified = 1}};
}

static const struct command_table broken_find_and_modify = {find_then_modify},
                                  broken_reply = {reply_then_write};
static const struct scenario *real;   /* whose work is done on the broken engine */
static struct transport_table broken; /* `direct` with other commands */

static void work(struct session *session, const struct cell *cell)
{
    if (broken.commands)
        session->crew->transport = &broken;
    real->work(session, cell);
    if (broken.commands == &broken_reply)
        do_late(session);
}

/* Verdict on a strategy in a scenario over these commands; NULL: the right ones. */
static enum status run(const char *scenario, const char *strategy,
                       const struct command_table *commands, uint64_t seed)
{
    real = scenario_find(scenario);
    struct scenario copy = *real;
    copy.work = work;
    broken = transport_direct;
    broken.commands = commands;
    struct cell cell = support_cell(&copy, strategy_find(strategy), TRANSPORT_DIRECT);
    cell.workers = WORKERS;
    cell.ops = OPERATIONS;
    cell.seed = seed;
    cell.tick_ms = 5000;
    cell.jitter_ms = 1;
    struct cell_result result = support_run(&cell);
    enum status status = result.verdict.status;
    cell_result_free(&result);
    return status;
}

static void test_find_and_modify_not_atomic(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        assert_int_equal(run("cron_tick", "claim", NULL, seed), HELD);
        assert_int_equal(run("cron_tick", "claim", &broken_find_and_modify, seed), BROKEN);
    }
}

static void test_reply_before_the_write(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        assert_int_equal(run("counter", "occ", NULL, seed), HELD);
        assert_int_equal(run("counter", "occ", &broken_reply, seed), BROKEN);
        assert_int_equal(run("counter", "lock_document", &broken_reply, seed), HELD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_and_modify_not_atomic),
        cmocka_unit_test(test_reply_before_the_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
