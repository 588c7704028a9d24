/* SPDX-License-Identifier: Apache-2.0
 *
 * record: fills in a trail, for an execution that is shown. Before a move it notes what there is to
 * compare with, after it what has become different. The monitor for lost updates is here: a write
 * to one of the scenario's documents that replaced a version which the attempt had not read.
 */
#include "stand.h"

#include "folder.h"
#include "scenario.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static char *row_name(const struct row *row)
{
    const uint8_t *bytes = row->now != NULL ? row->now : row->first;
    size_t length = row->now != NULL ? row->now_bytes : row->first_bytes;
    bson_t view;
    bson_iter_t id;
    if (bytes == NULL || !bson_init_static(&view, bytes, length) ||
        !bson_iter_init_find(&id, &view, "_id"))
        return x_strdup(row->collection);
    if (BSON_ITER_HOLDS_UTF8(&id))
        return x_format("%s/%s", row->collection, bson_iter_utf8(&id, NULL));
    return x_format("%s/%" PRId64, row->collection, bson_iter_as_int64(&id));
}

static char *document_text(const bson_t *document)
{
    bson_t plain = BSON_INITIALIZER;
    bson_copy_to_excluding_noinit(document, &plain, EDIT_STAMP, NULL);
    char *json = bson_as_relaxed_extended_json(&plain, NULL), *text = x_strdup(json);
    bson_free(json);
    bson_destroy(&plain);
    return text;
}

static char *row_text(const struct row *row)
{
    bson_t view;
    if (row->now == NULL || !bson_init_static(&view, row->now, row->now_bytes))
        return NULL;
    return document_text(&view);
}

static void add_image(struct trail_entry *entry, char *name, char *text)
{
    size_t at = array_grow((void **)&entry->images, &entry->image_count, &entry->image_capacity,
                           sizeof(*entry->images));
    entry->images[at] = (struct trail_image){name, text};
}

void record_first(struct world *world)
{
    struct trail *trail = world->trail;
    trail->workers = world->count;
    for (int64_t id = 0; id < world->first_count; id++) {
        bson_t *file = world->cell.strategy[0]->home == HOME_FILES ? world_file(world, id) : NULL;
        const bson_t *document = file != NULL ? file : world->first[id];
        size_t at = array_grow((void **)&trail->first, &trail->first_count, &trail->first_capacity,
                               sizeof(*trail->first));
        trail->first[at] =
            (struct trail_image){x_format("%s/%" PRId64, world->cell.scenario->collection, id),
                                 document != NULL ? document_text(document) : NULL};
        bson_destroy(file);
    }
}

/* Which version did the attempt read of the document that it has just written? */
static void watch_lost(const struct world *world, const struct session *session,
                       const struct row *row, struct trail_entry *entry)
{
    const struct edit *edit = session->edit;
    if (edit == NULL || row->collection == NULL || world->documents.last_stamp == 0)
        return;
    for (int i = 0; i < edit->count; i++) {
        if ((session->evidence.wrote & 1 << i) == 0 || session->evidence.read[i] == VERSION_BLIND ||
            session->evidence.read[i] == world->documents.last_stamp ||
            documents_place_of(edit->key[i].collection, edit->key[i].id) != row->place)
            continue;
        entry->lost = true;
        entry->victim = world->documents.last_stamp;
    }
}

void record_reply(struct session *session, const struct command_reply *reply)
{
    struct world *world = session->line;
    struct stand *stand = stand_of(session);
    struct trail_entry *entry = world->trail != NULL ? world->entry : NULL;
    if (entry == NULL)
        return;
    entry->reply = command_outcome(reply, stand->kind != STEP_FIND);
    if (reply->document != NULL)
        entry->returned = document_text(reply->document);
    else if (stand->kind == STEP_UPDATE && reply->answered)
        entry->returned =
            x_format("matched %" PRId64 ", modified %" PRId64 "%s", reply->written.matched,
                     reply->written.modified, reply->written.upserted ? ", upserted" : "");
    const struct row *row = world->documents.last;
    if (row == NULL)
        return;
    entry->wrote = true;
    add_image(entry, row_name(row), row_text(row));
    watch_lost(world, session, row, entry);
}

void record_begin(struct world *world, const struct move *move)
{
    struct trail_entry *entry = trail_add(world->trail);
    entry->move = *move;
    world->entry = entry;
    world->documents.last = NULL;
    if (move->worker == STEP_NOBODY)
        return;
    const struct stand *stand = &world->stands[move->worker];
    const struct session *session = stand->session;
    snprintf(entry->target, sizeof(entry->target), "%s", stand->target);
    entry->operation = session->in_operation ? session->operation_count - 1 : -1;
    entry->attempt = session->in_operation ? stand->attempts : 0;
    world->events_before = session->history.count;
}

void record_end(struct world *world, const struct move *move)
{
    struct trail_entry *entry = world->entry;
    entry->clock_ms = world->now_ms;
    world->entry = NULL;
    if (move->worker == STEP_NOBODY)
        return;
    const struct history *history = &world->stands[move->worker].session->history;
    if (history->count > world->events_before) {
        entry->settled = true;
        entry->outcome = history->events[history->count - 1].outcome;
    }
    if (world->cell.strategy[0]->home != HOME_FILES || move->kind != MOVE_STEP ||
        (move->step != STEP_WRITE_FILE && move->step != STEP_EMPTY_FILE))
        return;
    entry->wrote = true;
    for (int64_t id = 0; id < world->first_count; id++) {
        size_t length;
        char *name = x_format("%s.%" PRId64 ".json", world->cell.scenario->collection, id);
        if (strcmp(name, entry->target) == 0)
            add_image(entry, x_strdup(name), folder_read(world->stage.crew.files, name, &length));
        free(name);
    }
}
