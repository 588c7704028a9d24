/* SPDX-License-Identifier: Apache-2.0
 *
 * stuck: who waits for what, and who holds it, when nobody can go on: a lock document that names
 * its owner, a lease that somebody else wrote last, a row in somebody's transaction, a file's lock,
 * the turn in an instance whose RAM is shared, a wake-up that never came.
 */
#include "stand.h"

#include "edit.h"
#include "folder.h"
#include <inttypes.h>
#include <stdlib.h>

/* The document at a place that somebody examined; NULL: it was a collection, or is absent. */
static const struct row *row_at(const struct world *world, hash128 place)
{
    for (size_t i = 0; i < world->documents.changed_count; i++) {
        const struct row *row = world->documents.changed[i];
        if (row->collection != NULL && row->now != NULL && row->place == place)
            return row;
    }
    return NULL;
}

/* "counters/0". The caller frees it. */
static char *row_name(const struct row *row)
{
    bson_t view;
    bson_iter_t id;
    if (!bson_init_static(&view, row->now, row->now_bytes) ||
        !bson_iter_init_find(&id, &view, "_id"))
        return x_strdup(row->collection);
    if (BSON_ITER_HOLDS_UTF8(&id))
        return x_format("%s/%s", row->collection, bson_iter_utf8(&id, NULL));
    return x_format("%s/%" PRId64, row->collection, bson_iter_as_int64(&id));
}

/* What it says, as JSON without its stamp. The caller frees it. */
static char *row_text(const struct row *row)
{
    bson_t view, plain = BSON_INITIALIZER;
    must(bson_init_static(&view, row->now, row->now_bytes));
    bson_copy_to_excluding_noinit(&view, &plain, EDIT_STAMP, "_id", NULL);
    char *json = bson_as_relaxed_extended_json(&plain, NULL);
    char *text = x_strdup(json);
    bson_free(json);
    bson_destroy(&plain);
    return text;
}

/* Who holds it, as far as it can be told. */
static char *holder_text(const struct row *row, int32_t worker)
{
    int32_t named = row->canon.count > 0    ? row->canon.holes[0].worker
                    : row->canon.stamp != 0 ? OPERATION_WORKER(row->canon.stamp)
                                            : STEP_NOBODY;
    if (named == STEP_NOBODY) {
        char *says = row_text(row), *text = x_format(", which is %s", says);
        free(says);
        return text;
    }
    if (row->canon.count > 0 && named == worker)
        return x_format(", which still names w%d itself as its owner", named);
    return x_format(", which %s w%d%s", row->canon.count > 0 ? "names" : "was last written by",
                    named, row->canon.count > 0 ? " as its owner" : "");
}

/* A worker that tries again only when what it found has changed. */
static char *resting_text(const struct world *world, int32_t worker)
{
    const struct stand *stand = &world->stands[worker];
    for (size_t i = stand->kept; i < stand->examined_count; i++) {
        const struct row *row = row_at(world, stand->examined[i].place);
        if (row == NULL)
            continue;
        char *name = row_name(row), *holder = holder_text(row, worker);
        char *text = x_format("w%d waits for a change of %s%s", worker, name, holder);
        free(holder);
        free(name);
        return text;
    }
    return x_format("w%d waits for a change of what it found", worker);
}

/* A command that waits within the engine, for a row that a transaction holds. */
static char *parked_text(const struct world *world, int32_t worker)
{
    for (int32_t w = 0; w < world->count; w++)
        if (w != worker && world->stage.crew.sessions[w].transaction.sent)
            return x_format("w%d waits for a row that w%d's transaction holds", worker, w);
    return x_format("w%d waits for an answer of the engine", worker);
}

static int32_t inside(const struct world *world, const struct instance *instance)
{
    for (int32_t w = 0; w < world->count; w++)
        if (world->stands[w].inside && world->stands[w].session->instance == instance)
            return w;
    return STEP_NOBODY;
}

static char *place_text(const struct world *world, int32_t worker)
{
    const struct stand *stand = &world->stands[worker];
    const struct session *session = stand->session;
    if (stand->ended)
        return x_format("w%d has ended", worker);
    if (stand->resting)
        return resting_text(world, worker);
    if (stand->parked)
        return parked_text(world, worker);
    int32_t holder = inside(world, session->instance);
    if (stand->kind == STEP_WAIT && !stand->woken)
        return x_format("w%d waits to be woken in instance %d", worker, session->instance->number);
    if (stand->kind == STEP_LOCK_FILE)
        return x_format("w%d waits for the lock of %s, which w%d holds", worker, session->lock_name,
                        folder_holder(world->stage.crew.files, session->lock_name, 0));
    if (holder != STEP_NOBODY)
        return x_format("w%d waits for its turn in instance %d, where w%d is", worker,
                        session->instance->number, holder);
    return x_format("w%d stands at its %s", worker, step_kind_name(stand->kind));
}

char *world_stuck(const struct world *world)
{
    char *line = x_strdup("");
    for (int32_t w = 0; w < world->count; w++) {
        char *place = place_text(world, w), *longer;
        longer = x_format("%s%s%s", line, w > 0 ? "; " : "", place);
        free(place);
        free(line);
        line = longer;
    }
    return line;
}
