/* SPDX-License-Identifier: Apache-2.0
 *
 * follow: see follow.h. The documents come from what explore watches of the store, compared with
 * how they were after the move before; files are asked for by their names. What a step returned is
 * the first document that its session got to keep, if it is one of the store's. A write loses an
 * update when the stamp that it replaced is neither the one that its operation had read nor its
 * own.
 */
#include "follow.h"

#include "folder.h"
#include "scenario.h"
#include "stand.h"
#include "transport_direct.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct follower {
    struct world *world;
    struct trail *trail;
    struct trail_image *images; /* as they were after the last move */
    size_t count, capacity;
};

static void put_image(struct trail_image **images, size_t *count, size_t *capacity,
                      const struct trail_image *image)
{
    size_t at = array_grow((void **)images, count, capacity, sizeof(**images));
    (*images)[at].name = x_strdup(image->name);
    (*images)[at].text = image->text != NULL ? x_strdup(image->text) : NULL;
}

/* A document as JSON without its stamp. The caller frees it. */
static char *document_text(const bson_t *document)
{
    bson_t plain = BSON_INITIALIZER;
    bson_copy_to_excluding_noinit(document, &plain, EDIT_STAMP, NULL);
    char *json = bson_as_relaxed_extended_json(&plain, NULL);
    char *text = x_strdup(json != NULL ? json : "?");
    bson_free(json);
    bson_destroy(&plain);
    return text;
}

/* "counters/0". The caller frees it. */
static char *document_name(const char *collection, const bson_t *document)
{
    bson_iter_t iter;
    if (!bson_iter_init_find(&iter, document, "_id"))
        return x_strdup(collection);
    if (BSON_ITER_HOLDS_INT(&iter))
        return x_format("%s/%" PRId64, collection, bson_iter_as_int64(&iter));
    if (BSON_ITER_HOLDS_UTF8(&iter))
        return x_format("%s/%s", collection, bson_iter_utf8(&iter, NULL));
    return x_format("%s/?", collection);
}

/* Tells what is the case now: into the move's entry what has changed (NULL: nowhere). */
static void note_image(struct follower *follower, const struct trail_image *now,
                       struct trail_entry *entry)
{
    size_t at = 0;
    while (at < follower->count && strcmp(follower->images[at].name, now->name) != 0)
        at++;
    if (at == follower->count) {
        if (now->text == NULL)
            return; /* was never there */
        put_image(&follower->images, &follower->count, &follower->capacity,
                  &(struct trail_image){now->name, NULL});
    }
    struct trail_image *was = &follower->images[at];
    bool same = was->text == NULL || now->text == NULL ? was->text == now->text
                                                       : strcmp(was->text, now->text) == 0;
    if (same)
        return;
    free(was->text);
    was->text = now->text != NULL ? x_strdup(now->text) : NULL;
    if (entry != NULL)
        put_image(&entry->images, &entry->image_count, &entry->image_capacity, was);
    else
        put_image(&follower->trail->first, &follower->trail->first_count,
                  &follower->trail->first_capacity, was);
}

static void note_row(struct follower *follower, const struct row *row, struct trail_entry *entry)
{
    const uint8_t *bytes = row->now != NULL ? row->now : row->first;
    size_t length = row->now != NULL ? row->now_bytes : row->first_bytes;
    bson_t document;
    if (row->collection == NULL || bytes == NULL || strstr(row->collection, "racebench") != NULL ||
        !bson_init_static(&document, bytes, length))
        return;
    struct trail_image image = {document_name(row->collection, &document), NULL};
    if (row->now != NULL)
        image.text = document_text(&document);
    note_image(follower, &image, entry);
    free(image.name);
    free(image.text);
}

static void note_files(struct follower *follower, struct trail_entry *entry)
{
    const struct world *world = follower->world;
    const struct scenario *scenario = world->cell.scenario;
    for (int64_t id = 0; id < scenario->documents(&world->cell); id++) {
        size_t length;
        bson_error_t error;
        struct trail_image image = {x_format("%s.%" PRId64 ".json", scenario->collection, id),
                                    NULL};
        image.text = folder_read(world->stage.crew.files, image.name, &length);
        bson_t *document =
            image.text != NULL ? bson_new_from_json((uint8_t *)image.text, -1, &error) : NULL;
        if (document != NULL) {
            free(image.text);
            image.text = document_text(document);
        }
        note_image(follower, &image, entry);
        bson_destroy(document);
        free(image.name);
        free(image.text);
    }
}

static void note_images(struct follower *follower, struct trail_entry *entry)
{
    for (const struct row *row = follower->world->documents.rows; row != NULL; row = row->hh.next)
        note_row(follower, row, entry);
    if (follower->world->cell.strategy[0]->home == HOME_FILES)
        note_files(follower, entry);
}

struct follower *follow_begin(struct world *world, struct trail *trail)
{
    struct follower *follower = x_calloc(1, sizeof(*follower));
    follower->world = world;
    follower->trail = trail;
    trail->workers = world->count;
    trail->no_return = SIZE_MAX;
    note_images(follower, NULL);
    return follower;
}

/* Is the document one of the store's, with this step's effect or without? */
static bool is_stored(const struct world *world, const bson_t *document)
{
    for (const struct row *row = world->documents.rows; row != NULL; row = row->hh.next) {
        bson_t now;
        if (row->collection != NULL && row->now != NULL &&
            bson_init_static(&now, row->now, row->now_bytes) && bson_equal(&now, document))
            return true;
    }
    return false;
}

/* What the step has returned, as far as it can be told. The caller frees it. */
static char *returned_text(const struct world *world, const struct move *move, size_t documents,
                           size_t texts)
{
    const struct session *session = world->stands[move->worker].session;
    if (move->kind != MOVE_STEP)
        return NULL;
    if (move->step == STEP_NOW)
        return x_format("%" PRId64, DIRECT_EPOCH_MS + world->now_ms);
    if (move->step == STEP_RANDOM)
        return x_format("%" PRId64, move->amount);
    if (move->step == STEP_READ_FILE && session->text_count > texts)
        return x_strdup(session->texts[texts]);
    if ((move->step == STEP_FIND || move->step == STEP_FIND_AND_MODIFY) &&
        session->document_count > documents && is_stored(world, session->documents[documents]))
        return document_text(session->documents[documents]);
    return NULL;
}

/* Did this move's write replace a version that its operation had not read? */
static void note_loss(const struct world *world, const struct session *session, bool settled,
                      struct trail_entry *entry)
{
    const struct row *row = world->documents.last;
    const struct history *history = &session->history;
    const int64_t *read =
        settled ? history->events[history->count - 1].read : session->evidence.read;
    int64_t own = OPERATION_ID(session->worker, entry->operation);
    int64_t replaced = world->documents.last_stamp;
    if (row == NULL || row->collection == NULL || row->now == NULL || row->stamp != own ||
        replaced == own || replaced == 0 ||
        strcmp(row->collection, world->cell.scenario->collection) != 0)
        return;
    for (int i = 0; i < EDIT_DOCUMENTS_MAX; i++)
        if (read[i] == replaced || read[i] == VERSION_BLIND)
            return;
    entry->lost = true;
    entry->victim = replaced;
}

void follow_do(struct follower *follower, const struct move *given)
{
    struct world *world = follower->world;
    const struct move move = *given; /* it may be the world's own, which the move changes */
    struct trail_entry *entry = trail_add(follower->trail);
    entry->move = move;
    world->documents.last = NULL;
    if (move.worker == STEP_NOBODY) {
        world_do(world, &move);
        note_images(follower, entry);
        entry->clock_ms = world->now_ms;
        return;
    }
    const struct stand *stand = &world->stands[move.worker];
    const struct session *session = stand->session;
    size_t documents = session->document_count, texts = session->text_count;
    size_t settled = session->history.count;
    entry->operation = session->operation_count - 1;
    entry->attempt = 1;
    if (stand->target != NULL)
        snprintf(entry->target, sizeof(entry->target), "%s", stand->target);
    world_do(world, &move);
    entry->reply = move.kind == MOVE_LOST ? UNKNOWN : DONE;
    entry->settled = session->history.count > settled;
    if (entry->settled)
        entry->outcome = session->history.events[session->history.count - 1].outcome;
    entry->returned = returned_text(world, &move, documents, texts);
    note_loss(world, session, entry->settled, entry);
    note_images(follower, entry);
    entry->wrote = entry->image_count > 0;
    entry->clock_ms = world->now_ms;
}

void follow_end(struct follower *follower)
{
    for (size_t i = 0; i < follower->count; i++) {
        free(follower->images[i].name);
        free(follower->images[i].text);
    }
    free(follower->images);
    free(follower);
}
