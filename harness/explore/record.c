/* SPDX-License-Identifier: Apache-2.0
 *
 * record: fills in a trail, for the one execution that is told; searching keeps none. The documents
 * come from what explore watches of the store, compared with how they were after the move before;
 * files are asked for by their names. A write loses an update when the stamp that it replaced is
 * neither the one that its operation had read nor its own: that monitor is here.
 */
#include "stand.h"

#include "folder.h"
#include "scenario.h"
#include "transport_direct.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Of an execution on its way. */
struct recorder {
    const struct world *world;
    struct trail *trail;
    struct trail_entry *entry;  /* of the move under way, or NULL */
    struct trail_image *images; /* as they were after the last move */
    size_t count, capacity;
    size_t texts, events; /* that the session had before the move */
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

static struct trail_image *find_image(const struct recorder *recorder, const char *name)
{
    for (size_t i = 0; i < recorder->count; i++)
        if (strcmp(recorder->images[i].name, name) == 0)
            return &recorder->images[i];
    return NULL;
}

/* How a document was at the start. */
static void note_first(struct recorder *recorder, const struct trail_image *first)
{
    struct trail *trail = recorder->trail;
    put_image(&recorder->images, &recorder->count, &recorder->capacity, first);
    if (first->text != NULL)
        put_image(&trail->first, &trail->first_count, &trail->first_capacity, first);
}

/* How it is now: noted in the move's entry when it has changed, or was `written` as it was. */
static void note_now(struct recorder *recorder, const struct trail_image *now, bool written,
                     struct trail_entry *entry)
{
    struct trail_image *was = find_image(recorder, now->name);
    if (was == NULL) {
        note_first(recorder, &(struct trail_image){now->name, NULL});
        was = find_image(recorder, now->name);
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
static void note_row(struct recorder *recorder, const struct row *row, struct trail_entry *entry)
{
    struct trail_image image;
    if (row_image(row, row->first, row->first_bytes, &image)) {
        if (find_image(recorder, image.name) == NULL)
            note_first(recorder, &image);
        if (row->now == NULL) {
            free(image.text);
            image.text = NULL;
            note_now(recorder, &image, false, entry);
        }
        free_image(&image);
    }
    if (row_image(row, row->now, row->now_bytes, &image)) {
        note_now(recorder, &image, row == recorder->world->documents.last, entry);
        free_image(&image);
    }
}

static void note_files(struct recorder *recorder, struct trail_entry *entry)
{
    const struct world *world = recorder->world;
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
            note_first(recorder, &image);
        else
            note_now(recorder, &image, false, entry);
        bson_destroy(document);
        free_image(&image);
    }
}

static bool in_files(const struct recorder *recorder)
{
    return recorder->world->cell.strategy[0]->home == HOME_FILES;
}

static void note_images(struct recorder *recorder, struct trail_entry *entry)
{
    for (const struct row *row = recorder->world->documents.rows; row != NULL; row = row->hh.next)
        note_row(recorder, row, entry);
    if (in_files(recorder))
        note_files(recorder, entry);
}

/* How all is at the start: the store has only what differs from it. */
static void note_start(struct recorder *recorder)
{
    const struct world *world = recorder->world;
    for (int64_t id = 0; id < world->first_count && !in_files(recorder); id++) {
        struct trail_image image = {x_format("%s/%" PRId64, world->cell.scenario->collection, id),
                                    NULL};
        if (world->first[id] != NULL)
            image.text = document_text(world->first[id]);
        note_first(recorder, &image);
        free_image(&image);
    }
    for (const struct row *row = world->documents.rows; row != NULL; row = row->hh.next) {
        struct trail_image image; /* what the application has made when it started */
        if (!row_image(row, row->now, row->now_bytes, &image))
            continue;
        if (find_image(recorder, image.name) == NULL)
            note_first(recorder, &image);
        free_image(&image);
    }
    if (in_files(recorder))
        note_files(recorder, NULL);
}

void record_open(struct world *world, struct trail *trail)
{
    record_close(world);
    if (trail == NULL)
        return;
    must(trail->count == 0 && trail->first_count == 0);
    world->recorder = x_calloc(1, sizeof(*world->recorder));
    world->recorder->world = world;
    world->recorder->trail = trail;
    trail->workers = world->count;
    trail->no_return = SIZE_MAX;
    note_start(world->recorder);
}

void record_close(struct world *world)
{
    struct recorder *recorder = world->recorder;
    if (recorder == NULL)
        return;
    for (size_t i = 0; i < recorder->count; i++)
        free_image(&recorder->images[i]);
    free(recorder->images);
    free(recorder);
    world->recorder = NULL;
}

void record_reply(const struct session *session, const struct command_reply *reply)
{
    const struct world *world = session->line;
    struct trail_entry *entry = world->recorder != NULL ? world->recorder->entry : NULL;
    enum step_kind kind = stand_of(session)->kind;
    if (entry == NULL || entry->move.worker != session->worker)
        return;
    entry->reply = command_outcome(reply, kind != STEP_FIND);
    if (reply->document != NULL)
        entry->returned = document_text(reply->document);
}

/* What a step that is no command has returned. The caller frees it. */
static char *returned_text(const struct world *world, const struct move *move, size_t texts)
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
    return NULL;
}

/* Did this move's write replace a version that its operation had not read? */
static void note_loss(const struct world *world, const struct session *session,
                      struct trail_entry *entry)
{
    const struct row *row = world->documents.last;
    const struct history *history = &session->history;
    const int64_t *read =
        entry->settled ? history->events[history->count - 1].read : session->evidence.read;
    int64_t own = OPERATION_ID(session->worker, entry->operation);
    int64_t replaced = world->documents.last_stamp;
    if (row == NULL || row->collection == NULL || row->now == NULL || row->canon.stamp != own ||
        replaced == own || replaced == 0 ||
        strcmp(row->collection, world->cell.scenario->collection) != 0)
        return;
    for (int i = 0; i < EDIT_DOCUMENTS_MAX; i++)
        if (read[i] == replaced || read[i] == VERSION_BLIND)
            return;
    entry->lost = true;
    entry->victim = replaced;
}

void record_before(struct world *world, const struct move *move)
{
    struct recorder *recorder = world->recorder;
    struct trail_entry *entry = recorder->entry = trail_add(recorder->trail);
    entry->move = *move;
    world->documents.last = NULL;
    if (move->worker == STEP_NOBODY)
        return;
    const struct stand *stand = &world->stands[move->worker];
    const struct session *session = stand->session;
    recorder->texts = session->text_count;
    recorder->events = session->history.count;
    entry->operation = session->operation_count - 1;
    entry->attempt = stand->attempts;
    snprintf(entry->target, sizeof(entry->target), "%s", stand->target);
}

void record_after(struct world *world)
{
    struct recorder *recorder = world->recorder;
    struct trail_entry *entry = recorder->entry;
    if (entry->move.worker != STEP_NOBODY) {
        const struct session *session = world->stands[entry->move.worker].session;
        const struct history *history = &session->history;
        entry->settled = history->count > recorder->events;
        if (entry->settled)
            entry->outcome = history->events[history->count - 1].outcome;
        if (entry->returned == NULL)
            entry->returned = returned_text(world, &entry->move, recorder->texts);
        note_loss(world, session, entry);
    }
    note_images(recorder, entry);
    entry->wrote = entry->image_count > 0;
    entry->clock_ms = world->now_ms;
    recorder->entry = NULL;
}
