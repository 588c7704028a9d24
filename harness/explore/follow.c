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

static struct trail_image *find_image(const struct follower *follower, const char *name)
{
    for (size_t i = 0; i < follower->count; i++)
        if (strcmp(follower->images[i].name, name) == 0)
            return &follower->images[i];
    return NULL;
}

/* How a document was at the start. */
static void note_first(struct follower *follower, const struct trail_image *first)
{
    struct trail *trail = follower->trail;
    put_image(&follower->images, &follower->count, &follower->capacity, first);
    if (first->text != NULL)
        put_image(&trail->first, &trail->first_count, &trail->first_capacity, first);
}

/* How it is now: noted in the move's entry when it has changed, or was `written` as it was. */
static void note_now(struct follower *follower, const struct trail_image *now, bool written,
                     struct trail_entry *entry)
{
    struct trail_image *was = find_image(follower, now->name);
    if (was == NULL) {
        note_first(follower, &(struct trail_image){now->name, NULL});
        was = find_image(follower, now->name);
    }
    bool same = was->text == NULL || now->text == NULL ? was->text == now->text
                                                       : strcmp(was->text, now->text) == 0;
    if (same && !written)
        return;
    free(was->text);
    was->text = now->text != NULL ? x_strdup(now->text) : NULL;
    put_image(&entry->images, &entry->image_count, &entry->image_capacity, was);
}

/* The image of a row's bytes; the caller frees its text and name. False: it is no document. */
static bool row_image(const struct row *row, const uint8_t *bytes, size_t length,
                      struct trail_image *image)
{
    bson_t document;
    if (row->collection == NULL || bytes == NULL || !bson_init_static(&document, bytes, length))
        return false;
    *image =
        (struct trail_image){document_name(row->collection, &document), document_text(&document)};
    return true;
}

static void free_image(struct trail_image *image)
{
    free(image->name);
    free(image->text);
}

/* Rows are watched from their first change on. */
static void note_row(struct follower *follower, const struct row *row, struct trail_entry *entry)
{
    struct trail_image image;
    if (row_image(row, row->first, row->first_bytes, &image)) {
        if (find_image(follower, image.name) == NULL)
            note_first(follower, &image);
        if (row->now == NULL) {
            free(image.text);
            image.text = NULL;
            note_now(follower, &image, false, entry);
        }
        free_image(&image);
    }
    if (row_image(row, row->now, row->now_bytes, &image)) {
        note_now(follower, &image, row == follower->world->documents.last, entry);
        free_image(&image);
    }
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
        if (entry == NULL)
            note_first(follower, &image);
        else
            note_now(follower, &image, false, entry);
        bson_destroy(document);
        free_image(&image);
    }
}

static bool in_files(const struct follower *follower)
{
    return follower->world->cell.strategy[0]->home == HOME_FILES;
}

static void note_images(struct follower *follower, struct trail_entry *entry)
{
    for (const struct row *row = follower->world->documents.rows; row != NULL; row = row->hh.next)
        note_row(follower, row, entry);
    if (in_files(follower))
        note_files(follower, entry);
}

struct follower *follow_begin(struct world *world, struct trail *trail)
{
    struct follower *follower = x_calloc(1, sizeof(*follower));
    follower->world = world;
    follower->trail = trail;
    trail->workers = world->count;
    trail->no_return = SIZE_MAX;
    for (int64_t id = 0; id < world->first_count && !in_files(follower); id++) {
        struct trail_image image = {x_format("%s/%" PRId64, world->cell.scenario->collection, id),
                                    NULL};
        if (world->first[id] != NULL)
            image.text = document_text(world->first[id]);
        note_first(follower, &image);
        free_image(&image);
    }
    if (in_files(follower))
        note_files(follower, NULL);
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
    for (int64_t id = 0; id < world->first_count; id++)
        if (world->first[id] != NULL && bson_equal(world->first[id], document))
            return true;
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
